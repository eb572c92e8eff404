"""Every row of chainrule's table: PyTorch's way to compute it, or why it has none."""

from __future__ import annotations

from peers.comparison import Peer
from peers.mapping_arrays import MOVEMENT, REDUCTIONS, SELECTION
from peers.mapping_elementwise import ELEMENTWISE
from peers.mapping_linear import FOURIER, LINALG, PRODUCTS
from peers.mapping_numpy import NUMPY

import chainrule.ops.losses  # noqa: F401 - rows that are entered when first needed

PEERS: dict[str, Peer] = {
    **ELEMENTWISE,
    **REDUCTIONS,
    **MOVEMENT,
    **SELECTION,
    **PRODUCTS,
    **LINALG,
    **FOURIER,
    **NUMPY,
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
    "isneginf", "isposinf", "modf",
    "leaky_relu", "log_softmax", "logcumsumexp", "lu", "max", "median", "min", "mish",
    "nan_to_num", "nanmean", "nansum", "percentile", "ptp", "quantile", "rfft", "rfft2",
    "rfftfreq", "rfftn", "round", "softmax", "softmax_cross_entropy", "sort", "topk", "unique",
    "unique_counts", "unique_inverse", "unique_values", "zeta",
)  # fmt: skip
"""Other rows that one library or both do not compute, or differentiate, of complex operands."""

NO_PEER: dict[str, str] = {
    "at_index": "indices that are operands, of a traced graph",
    "cond": "control flow holds graphs; tests/test_control_flow.py",
    "custom": "results with a rule of the user's",
    "deferred": "rules that look at values, of a traced graph",
    "last_writers": "a part of the derivative of an assignment",
    "scan": "control flow holds graphs; tests/test_control_flow.py",
    "while_loop": "control flow holds graphs; tests/test_control_flow.py",
    "call": "what checkpoint records while tracing; tests/test_checkpoint.py",
    "while_back": "the way back through a while_loop",
    "effect": "what a traced print or assert does",
    "ensured": "a value, with a condition that compiled code tests",
    "expected": "a hope of compiled code about extremes, tested when it runs",
    "pivot": "a step of small linear systems written out",
    "positive_pivot": "a step of small Cholesky factors written out",
    "tiles": "sums of slice transposes, made by a rewrite",
    "append": NUMPYS,
    "divmod": "PyTorch has no such function; floor_divide and remainder are compared",
    "vander": "PyTorch's raises when it is differentiated",
    "apply_along_axis": NUMPYS,
    "apply_over_axes": NUMPYS,
    "bincount": "PyTorch's has no derivative in the weights",
    "bitwise_count": NUMPYS,
    "block": NUMPYS,
    "delete": NUMPYS,
    "ediff1d": NUMPYS,
    "float_power": "PyTorch's has double precision for single as well, and no such samples",
    "frexp": "the exponent is of another dtype, and the mantissa is compared with NumPy's",
    "histogram": "PyTorch's has no derivative",
    "histogram_bin_edges": NUMPYS,
    "insert": NUMPYS,
    "interp": NUMPYS,
    "intersect1d": NUMPYS,
    "iscomplex": NUMPYS,
    "nanargmax": NUMPYS,
    "nanargmin": NUMPYS,
    "nancumprod": NUMPYS,
    "nancumsum": NUMPYS,
    "nanmedian": "PyTorch takes the lower of two middle elements",
    "nanpercentile": NUMPYS,
    "nanquantile": "compared with NumPy's; PyTorch takes one axis, and q on it",
    "partition": NUMPYS,
    "poly": NUMPYS,
    "polyadd": NUMPYS,
    "polyder": NUMPYS,
    "polydiv": NUMPYS,
    "polyfit": NUMPYS,
    "polyint": NUMPYS,
    "polymul": NUMPYS,
    "polysub": NUMPYS,
    "polyval": NUMPYS,
    "real_if_close": NUMPYS,
    "resize": NUMPYS,
    "rollaxis": NUMPYS,
    "roots": NUMPYS,
    "setdiff1d": NUMPYS,
    "setxor1d": NUMPYS,
    "sort_complex": NUMPYS,
    "spacing": NUMPYS,
    "trim_zeros": NUMPYS,
    "union1d": NUMPYS,
    "unwrap": NUMPYS,
    "exponent": INTERNAL,
    "occupancy": INTERNAL,
    "occurrences": INTERNAL,
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
