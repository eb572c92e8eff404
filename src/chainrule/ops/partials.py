"""What partial derivatives of several families share: safe denominators, ties, kinds of dtype."""

from __future__ import annotations

from typing import Any

import numpy as np


def off_zero(r: Any) -> Any:
    """r, with 1 in place of 0: a denominator for quotients that are 0 where r is."""
    return np.where(r == 0, 1, r)


def wins(a: Any, b: Any, beats: Any = np.greater) -> Any:
    """1 where a > b, 1/2 where they are equal, else 0; in a's dtype."""
    return np.where(np.equal(a, b), 0.5, beats(a, b).astype(a.dtype))


def kind_of(x: Any) -> str:
    """Kind of dtype: "f", "i", "c", ...; also of Python's numbers and lists."""
    return str((x if hasattr(x, "dtype") else np.asarray(x)).dtype.kind)


def wider(x: Any, other: Any) -> Any:
    """x in the precision of the other operand, where that is higher."""
    mine, theirs = getattr(x, "dtype", None), getattr(other, "dtype", None)
    if mine is None or theirs is None or mine == theirs:
        return x
    floats = mine.kind == "f" and theirs.kind in "fc"
    return x.astype(theirs) if floats and theirs.itemsize > mine.itemsize else x
