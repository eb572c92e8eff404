"""PyTorch's type promotion: which dtype a result has, where NumPy's rules would say another.

Operands fall in three ranks: tensors with dimensions, tensors without, and Python's numbers. A
lower rank raises the dtype only by its category (boolean < integer < floating < complex), not by
its width; and integers meeting floating point do not widen it. Operations that PyTorch computes in
floating point give integers the default dtype.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.ops.table import NUMBERS, Operation

_CATEGORY = {"b": 0, "u": 1, "i": 1, "f": 2, "c": 3}


def promote(
    value: Any, operands: Sequence[Any], row: Operation, params: dict[str, Any], default: Any
) -> Any:
    """The result of an operation in the dtype PyTorch gives it; `default` is the default dtype."""
    found = value.dtype
    for x in operands:
        if getattr(x, "dtype", None) is not found:
            break
    else:
        return value
    kind = found.kind
    if kind == "b" or params.get("dtype") is not None:
        return value
    elementwise = row.kind == "elementwise"
    if kind in "iu" and not elementwise:
        return value  # positions, counts and sums: as NumPy
    common = result_dtype(operands, default)
    if kind in "fc" and common.kind in "biu":
        common = default
        narrow = [getattr(x, "dtype", found).itemsize < 4 for x in operands]
        if elementwise and any(narrow):  # NumPy computed in half precision, or in single
            value = row.evaluate(
                *(getattr(x, "astype", lambda _, x=x: x)(default) for x in operands)
            )
    if kind == "c" and common.kind == "f":
        common = complex_of(common)
    elif kind == "f" and common.kind == "c":
        common = np.zeros((), common).real.dtype
    elif _CATEGORY[kind] != _CATEGORY[common.kind]:
        return value
    return value if found is common else value.astype(common)


def result_dtype(operands: Sequence[Any], default: Any) -> np.dtype[Any]:
    """The dtype PyTorch computes the operands in."""
    ranks: list[np.dtype[Any] | None] = [None, None, None]
    for x in operands:
        if type(x) in NUMBERS:
            rank, kind = 2, _number_dtype(x, default)
        else:
            rank, kind = (0 if x.ndim else 1), x.dtype
        before = ranks[rank]
        ranks[rank] = kind if before is None else widened(before, kind)
    result: np.dtype[Any] | None = None
    for lower in ranks:
        result = _combined(result, lower)
    return np.dtype(np.bool_) if result is None else result


def _number_dtype(x: Any, default: Any) -> np.dtype[Any]:
    if type(x) is float:
        return default
    if type(x) is complex:
        return complex_of(default)
    return np.dtype(np.int64 if type(x) is int else np.bool_)


def _combined(higher: np.dtype[Any] | None, lower: np.dtype[Any] | None) -> np.dtype[Any] | None:
    """What two ranks have in common: the higher decides, unless the lower has a higher category."""
    if higher is None or lower is None:
        return lower if higher is None else higher
    if higher.kind == "c":
        return higher
    if higher.kind == "f":
        return complex_of(higher) if lower.kind == "c" else higher
    return widened(higher, lower) if higher.kind == "b" or lower.kind in "fc" else higher


def widened(a: np.dtype[Any], b: np.dtype[Any]) -> np.dtype[Any]:
    """The dtype of two tensors of equal rank; integers do not widen floating point."""
    if a.kind in "fc" and b.kind in "biu":
        return a
    if b.kind in "fc" and a.kind in "biu":
        return b
    return np.promote_types(a, b)


def complex_of(real: np.dtype[Any]) -> np.dtype[Any]:
    """The complex dtype whose parts are of this one."""
    return np.promote_types(real, np.complex64)
