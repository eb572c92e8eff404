"""Every row of chainrule's table: PyTorch's way to compute it, or why it has none."""

from __future__ import annotations

from peers.comparison import Peer
from peers.mapping_arrays import MOVEMENT, REDUCTIONS, SELECTION
from peers.mapping_elementwise import ELEMENTWISE
from peers.mapping_linear import FOURIER, LINALG, PRODUCTS

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
