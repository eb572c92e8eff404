"""What is done about NumPy functions that no operation answers for (tests classify them all).

A function in `ASKS` asks about a value: its result is of integers, booleans or text, and is
computed from the plain arrays. One in `REFUSED` is computed from plain arrays as well, but raises
where a derivative would be lost, and says why there is none.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

Function = Callable[..., Any]


def _named(names: str) -> frozenset[Function]:
    """NumPy functions by name, those that the installed NumPy has."""
    return frozenset(getattr(np, name) for name in names.split() if hasattr(np, name))


ASKS: frozenset[Function] = _named(
    "allclose argpartition array2string array_equal array_equiv array_repr array_str can_cast "
    "common_type diag_indices_from einsum_path in1d iscomplexobj isclose isrealobj ix_ lexsort "
    "may_share_memory min_scalar_type ndim packbits ravel_multi_index result_type save savetxt "
    "savez savez_compressed shape shares_memory size tril_indices_from triu_indices_from "
    "unpackbits unravel_index"
)

ABOUT_SHAPE: frozenset[Function] = _named(
    "can_cast common_type diag_indices_from einsum_path iscomplexobj isrealobj min_scalar_type "
    "ndim result_type shape size tril_indices_from triu_indices_from"
)
"""Those that ask about shape and dtype only, which a traced Tensor has."""

_EDGES = (
    "it counts, and the edges it makes of the sample have no rule (np.histogram has one, and "
    "np.histogram_bin_edges)"
)

REFUSED: dict[Function, str] = {
    np.histogram2d: _EDGES,
    np.histogramdd: _EDGES,
}
