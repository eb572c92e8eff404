"""Every row of chainrule's table: PyTorch's way to compute it, or why it has none."""

from __future__ import annotations

from peers.comparison import Peer
from peers.mapping_arrays import MOVEMENT, REDUCTIONS, SELECTION
from peers.mapping_elementwise import ELEMENTWISE
from peers.mapping_linear import FOURIER, LINALG, PRODUCTS

import chainrule.ops.losses  # noqa: F401 - rows that are entered when first needed

PEERS: dict[str, Peer] = {
    **ELEMENTWISE,
    **REDUCTIONS,
    **MOVEMENT,
    **SELECTION,
    **PRODUCTS,
    **LINALG,
    **FOURIER,
}

SPECIAL = "PyTorch has no such special function"
INTERNAL = "a row for chainrule's own derivative rules"
NUMPYS = "a function of NumPy's that PyTorch does not have"
LIBRARYS = "a function of chainrule's that PyTorch does not have"

COMPLEX = (
    "abs", "acos", "acosh", "asin", "asinh", "atan", "atanh", "cos", "cosh", "exp", "exp2", "expm1",
    "imag", "log", "log10", "log1p", "log2", "negative", "positive", "real", "reciprocal", "sign",
    "sin", "sinc", "sinh", "sqrt", "square", "tan", "tanh", "add", "divide", "multiply", "power",
    "subtract", "where",
)  # fmt: skip
"""Elementwise rows of complex operands in both libraries."""

REAL = (
    "astype", "clip", "cummax", "cummin", "eig", "elu", "fftfreq", "gelu", "hardtanh", "ihfft",
    "leaky_relu", "log_softmax", "logcumsumexp", "lu", "max", "median", "min", "mish",
    "nan_to_num", "nanmean", "nansum", "percentile", "ptp", "quantile", "rfft", "rfft2",
    "rfftfreq", "rfftn", "round", "softmax", "softmax_cross_entropy", "sort", "topk", "unique",
    "unique_counts", "unique_inverse", "unique_values", "zeta",
)  # fmt: skip
"""Other rows that one library or both do not compute, or differentiate, of complex operands."""

NO_PEER: dict[str, str] = {
    "A": LIBRARYS,
    "B": LIBRARYS,
    "average": NUMPYS,
    "beta": SPECIAL,
    "betainc": SPECIAL,
    "betainc_moment": INTERNAL,
    "betaincc": SPECIAL,
    "betaln": SPECIAL,
    "cbrt": NUMPYS,
    "choose": NUMPYS,
    "cofactor": INTERNAL,
    "cofactor_derivative": INTERNAL,
    "erfcinv": SPECIAL,
    "exprel": SPECIAL,
    "gamma": SPECIAL,
    "gammainc_moment": INTERNAL,
    "geomspace": NUMPYS,
    "hurwitz_moment": INTERNAL,
    "iv": SPECIAL,
    "ive": SPECIAL,
    "jv": SPECIAL,
    "kl_div": "PyTorch's function of this name is rel_entr, and is compared there",
    "kv": SPECIAL,
    "kve": SPECIAL,
    "linear_recurrence": LIBRARYS,
    "linspace": "PyTorch's ends are numbers, through which no derivative passes",
    "logm": LIBRARYS,
    "nanmax": NUMPYS,
    "nanmin": NUMPYS,
    "nanprod": NUMPYS,
    "nanstd": NUMPYS,
    "nanvar": NUMPYS,
    "normal_hazard": INTERNAL,
    "piecewise": NUMPYS,
    "select": NUMPYS,
    "sqrtm": LIBRARYS,
    "strong_contraction": INTERNAL,
    "strong_multiply": INTERNAL,
    "toeplitz": LIBRARYS,
    "unique_all": "PyTorch does not say where distinct values stand first",
    "yv": SPECIAL,
}
"""Row -> why PyTorch has no such operation."""
