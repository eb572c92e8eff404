"""Operations that programs repeat on small arrays: counted here, so that they are compiled.

NumPy takes a quarter to two thirds of a microsecond to find out what to do with three numbers;
machine code made for them needs a tenth. An operation met often on operands of the same shapes and
dtypes gets its own (`transforms.compiling_operations` makes it), which stands before NumPy's from
then on and gives None for operands unlike those (see `ops.hot`).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np

from chainrule.ops import hot
from chainrule.ops.table import TABLE, Operation

ENOUGH: Final = [25_000]
"""An operation is compiled once it took about so many microseconds: as many as compiling will."""

EVERY: Final = [31]
"""Of evaluations by NumPy, one in so many is looked at: no usual number of operations in a loop,
so that each of them has its turn.
"""

SMALL, LARGE = 512, 1 << 17
"""Elements of an array up to which NumPy takes longer to begin than to compute; and, of `fused`
rows, up to which it is worth while.
"""

MOST: Final = 16
"""So many kinds of operands an operation has machine code for; after that it begins anew."""

compilers: Final[list[Callable[[Operation, Sequence[Any], Any], Any]]] = []
"""What compiles an operation; empty where none is to be. `transforms.compiling_operations`, which
sets it, gives a function that is tried before the one in `code` of the row.
"""

_counts: Final[dict[Any, int]] = {}
"""Evaluations by signature; -1 where the machine code is made, or cannot be."""

_lock = threading.Lock()


def note(row: Operation, operands: Sequence[Any], value: Any) -> None:
    """Note that NumPy evaluated a row, its parameters having their defaults; compile it where that
    was often enough.
    """
    signature = _signature(row, operands)
    if signature is None or not compilers:
        return
    with _lock:
        count = _counts.get(signature, 0)
        if count < 0:
            return
        count += EVERY[0] * _cost(row, operands)
        _counts[signature] = count if count < ENOUGH[0] else -1
        if count < ENOUGH[0]:
            return
        made = compilers[0](row, operands, value)
        if made is not None:
            row.code[:] = [made]


def forget() -> None:
    """Let NumPy evaluate everything again, and begin to count."""
    with _lock:
        _counts.clear()
        for row in TABLE.values():
            row.code.clear()


def _signature(row: Operation, operands: Sequence[Any]) -> tuple[Any, ...] | None:
    """All that the machine code depends on but the numbers; None where there is none to make."""
    key: list[Any] = [row]
    arrays = 0
    for v in operands:
        kind = type(v)
        if kind is np.ndarray:
            arrays += 1
            if not 0 < v.size <= (LARGE if row.fused else SMALL):
                return None
            if not (v.flags.c_contiguous and v.flags.aligned and v.dtype.isnative):
                return None
            if v.dtype not in (np.float64, np.float32) and not (row.fused and v.dtype == np.int64):
                return None
            key += (kind, v.shape, v.dtype)
        elif is_fixed(row, v):
            key += (kind, v)
        elif kind in (float, np.float64, np.float32):
            key.append(kind)
        else:
            return None
    return tuple(key) if arrays else None


def _cost(row: Operation, operands: Sequence[Any]) -> int:
    """Microseconds that NumPy takes, roughly."""
    size = sum(v.size for v in operands if type(v) is np.ndarray)
    return (20 if row.fused and row.name != "matmul" else 1) + size // 1000


def is_fixed(row: Operation, v: Any) -> bool:
    """Whether a number is part of the machine code: a small integer, which is one object always, or
    an exponent, which decides how a power is computed.
    """
    if type(v) is int:
        return -5 <= v <= 256
    return type(v) is bool or (type(v) is float and row.name == "power")


hot.noticed.extend((note, EVERY))
