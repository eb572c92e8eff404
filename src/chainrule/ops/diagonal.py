"""Diagonals and triangles of matrices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.ops.axes import operand
from chainrule.ops.batched import diagonals, triangular
from chainrule.ops.table import S, composite, operation


def _tril_back(ct: Any, _y: Any, _x: Any, k: int) -> Any:
    return tril(ct, k)


@operation(
    reverse=(_tril_back,),
    linear=(0,),
    kind="linear",
    samples=[S((3, 4)), S((4, 3), k=-1), S((2, 3, 3), k=1), S((0, 2)), S((3,))],
    numpy=(np.tril,),
    batch=triangular,
)
def tril(x: Any, k: int = 0) -> Any:
    """The lower triangles of the matrices in the last two axes: zero above the k-th diagonal.

    >>> cr.tril(cr.tensor([[1.0, 2.0], [3.0, 4.0]]))
    tensor([[1., 0.],
            [3., 4.]])
    """
    return np.tril(x, k)


def _triu_back(ct: Any, _y: Any, _x: Any, k: int) -> Any:
    return triu(ct, k)


@operation(
    reverse=(_triu_back,),
    linear=(0,),
    kind="linear",
    samples=[S((3, 4)), S((4, 3), k=-1), S((2, 3, 3), k=1), S((0, 2)), S((3,))],
    numpy=(np.triu,),
    batch=triangular,
)
def triu(x: Any, k: int = 0) -> Any:
    """The upper triangles of the matrices in the last two axes: zero below the k-th diagonal.

    >>> cr.triu(cr.tensor([[1.0, 2.0], [3.0, 4.0]]))
    tensor([[1., 2.],
            [0., 4.]])
    """
    return np.triu(x, k)


def _diagonal_back(ct: Any, _y: Any, _x: Any, offset: int, axis1: int, axis2: int) -> Any:
    return put_diagonal(ct, _x.shape, offset, axis1, axis2)


@operation(
    reverse=(_diagonal_back,),
    linear=(0,),
    kind="movement",
    samples=[
        S((3, 4)),
        S((4, 3), offset=-2),
        S((2, 3, 4), offset=1, axis1=-1, axis2=1),
        S((3, 2), offset=5),
        S((0, 2)),
    ],
    numpy=(np.diagonal,),
    batch=diagonals,
)
def diagonal(x: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """The diagonals of x in the plane of two axes, as the last axis of the result.

    >>> cr.diagonal(cr.tensor([[1.0, 2.0], [3.0, 4.0]]))
    tensor([1., 4.])
    """
    return np.diagonal(x, offset, axis1, axis2)


@operation(
    reverse=(lambda ct, _y, _x, offset, axis1, axis2, **_: diagonal(ct, offset, axis1, axis2),),
    linear=(0,),
    kind="linear",
    samples=[
        S((3,), shape=(3, 4)),
        S((2,), shape=(4, 3), offset=-2),
        S((3, 2), shape=(2, 3, 4), offset=-1, axis1=-1, axis2=0),
        S((0,), shape=(3, 2), offset=5),
    ],
    batch=diagonals,
)
def put_diagonal(
    x: Any, shape: Sequence[int], offset: int = 0, axis1: int = 0, axis2: int = 1
) -> Any:
    """Zeros of this shape with x on the diagonals that `diagonal` would take.

    >>> put_diagonal(cr.tensor([1.0, 2.0]), (2, 3), offset=1)
    tensor([[0., 1., 0.],
            [0., 0., 2.]])
    """
    x = np.asarray(x)
    whole = np.zeros(shape, x.dtype)
    i = np.arange(x.shape[-1])
    planes = np.moveaxis(whole, (axis1, axis2), (-2, -1))
    planes[..., i + max(-offset, 0), i + max(offset, 0)] = x
    return whole


@composite(samples=[S((3,)), S((3,), k=-1), S((3, 4)), S((4, 3), k=1), S((0,))], numpy=(np.diag,))
def diag(x: Any, k: int = 0) -> Any:
    """The square matrix with the vector x on its k-th diagonal, or that diagonal of the matrix x.

    >>> cr.diag(cr.tensor([1.0, 2.0]))
    tensor([[1., 0.],
            [0., 2.]])
    """
    x = operand(x, "diag")
    if x.ndim == 1:
        size = x.shape[0] + abs(k)
        return put_diagonal(x, (size, size), k)
    if x.ndim != 2:
        raise ValueError(f"diag takes a vector or a matrix, not an array of {x.ndim} axes")
    return diagonal(x, k)


@composite(samples=[S((2, 3)), S((2, 2), k=1), S(())], numpy=(np.diagflat,))
def diagflat(x: Any, k: int = 0) -> Any:
    """The square matrix with all elements of x on its k-th diagonal.

    >>> cr.diagflat(cr.tensor([[1.0, 2.0]]))
    tensor([[1., 0.],
            [0., 2.]])
    """
    return diag(operand(x, "diagflat").reshape(-1), k)


@composite(
    samples=[S((3, 4)), S((3, 3), offset=-1), S((2, 3, 4), axis1=-2, axis2=-1), S((0, 2))],
    numpy=(np.trace,),
)
def trace(x: Any, offset: int = 0, axis1: int = 0, axis2: int = 1, dtype: Any = None) -> Any:
    """The sum of the diagonal of x in the plane of two axes.

    >>> cr.trace(cr.tensor([[1.0, 2.0], [3.0, 4.0]]))
    tensor(5.)
    """
    return np.sum(diagonal(x, offset, axis1, axis2), axis=-1, dtype=dtype)
