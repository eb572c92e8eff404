"""Arrays as sets of their values: union, intersection, differences; sorted, each value once.

How many values there are depends on the values, so that none of these can be traced.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.ops.axes import operand
from chainrule.ops.indexing import getitem
from chainrule.ops.joining import concat
from chainrule.ops.movement import ravel
from chainrule.ops.recording import raw
from chainrule.ops.selection import isin, sort, unique
from chainrule.ops.table import S, composite


def _drawn(rng: np.random.Generator) -> Any:
    return np.array([2.5, 0.5, 3.5, 1.5])


SETS = [S(_drawn, lambda _: np.array([3, 4], np.int8))]


@composite(samples=SETS, numpy=(np.union1d,))
def union1d(ar1: Any, ar2: Any) -> Any:
    """The distinct elements of two arrays, sorted.

    >>> cr.union1d(cr.tensor([3.0, 1.0]), [1.0, 2.0])
    tensor([1., 2., 3.])
    """
    return unique(concat([ravel(operand(a, "union1d")) for a in (ar1, ar2)], 0))


@composite(samples=SETS, numpy=(np.setdiff1d,))
def setdiff1d(ar1: Any, ar2: Any, assume_unique: bool = False) -> Any:
    """The distinct elements of the first array that are not in the second, sorted.

    With `assume_unique` they stay in their order.

    >>> cr.setdiff1d(cr.tensor([3.0, 1.0, 2.0]), [1.0])
    tensor([2., 3.])
    """
    a = operand(ar1, "setdiff1d")
    a = ravel(a) if assume_unique else unique(a)
    return getitem(a, np.asarray(raw(isin(raw(a), raw(ar2), invert=True))))


@composite(samples=SETS, numpy=(np.setxor1d,))
def setxor1d(ar1: Any, ar2: Any, assume_unique: bool = False) -> Any:
    """The distinct elements that are in one of two arrays only, sorted.

    >>> cr.setxor1d(cr.tensor([3.0, 1.0]), [1.0, 2.0])
    tensor([2., 3.])
    """
    return sort(concat([setdiff1d(ar1, ar2), setdiff1d(ar2, ar1)], 0))


@composite(samples=SETS, numpy=(np.intersect1d,))
def intersect1d(ar1: Any, ar2: Any, assume_unique: bool = False) -> Any:
    """The distinct elements that are in both arrays, sorted, as elements of the first.

    >>> cr.intersect1d(cr.tensor([3.0, 1.0]), [1.0, 2.0])
    tensor([1.])
    """
    a = unique(operand(ar1, "intersect1d"))
    return getitem(a, np.asarray(raw(isin(raw(a), raw(ar2)))))
