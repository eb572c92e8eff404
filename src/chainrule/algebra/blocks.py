"""Matrices as vectors and back, and the Jacobian blocks of the linear map (z, x) -> X z.

The map is a function of its argument z and of its matrix X, which enters as x = vec(X^T): the rows
of X one after the other. Its Jacobian is then the block matrix (A_n[x]  B_n[z]), where A_n[x] is X
itself and B_n[z] is the Kronecker product of the identity of size n with z^T.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

from chainrule.errors import ShapeError, at, user_line
from chainrule.ops.axes import operand
from chainrule.ops.diagonal import put_diagonal
from chainrule.ops.movement import broadcast_to, permute_dims, reshape
from chainrule.ops.table import S, composite


@composite(samples=[S((3, 2)), S((1, 4)), S((0, 2)), S((3,))])
def vec(a: Any, /) -> Any:
    """The columns of a matrix, stacked on top of each other; a vector is one column already.

    Raises ShapeError for arrays of other than one or two axes.

    >>> cr.vec(cr.tensor([[1.0, 2.0], [3.0, 4.0]]))
    tensor([1., 3., 2., 4.])
    """
    a = operand(a, "vec")
    if a.ndim not in (1, 2):
        raise ShapeError(
            f"vec: it takes a matrix, not an array of shape {list(a.shape)}" + at(user_line())
        )
    return reshape(permute_dims(a), (-1,))


@composite(samples=[S((6,), shape=(3, 2)), S((4,), shape=(1, 4)), S((0,), shape=(0, 2))])
def unvec(v: Any, shape: Sequence[int]) -> Any:
    """The matrix of this shape whose columns, stacked, are v: `unvec(vec(a), a.shape)` is a.

    Raises ShapeError where v has another number of elements.

    >>> cr.unvec(cr.tensor([1.0, 3.0, 2.0, 4.0]), (2, 2))
    tensor([[1., 2.],
            [3., 4.]])
    """
    v = _vector("unvec", v)
    rows, columns = shape
    if rows * columns != v.shape[0]:
        raise ShapeError(
            f"unvec: a matrix of shape {[rows, columns]} has {rows * columns} elements, the vector "
            f"has {v.shape[0]}" + at(user_line())
        )
    return permute_dims(reshape(v, (columns, rows)))


@composite(samples=[S((6,), n=2), S((3,), n=3), S((0,), n=2)])
def A(x: Any, n: int) -> Any:  # noqa: N802 - the text's letter
    """The matrix X of n rows, from x = vec(X^T): the Jacobian of X z in z.

    Raises ShapeError where the length of x is no multiple of n.

    >>> cr.algebra.A(cr.tensor([1.0, 2.0, 3.0, 4.0, 5.0, 6.0]), 2)
    tensor([[1., 2., 3.],
            [4., 5., 6.]])
    """
    x, n = _vector("A", x), _rows("A", n)
    columns, rest = divmod(x.shape[0], n)
    if rest:
        raise ShapeError(
            f"A: a vector of {x.shape[0]} elements does not fill {n} rows of equal length"
            + at(user_line())
        )
    return reshape(x, (n, columns))


@composite(samples=[S((3,), n=2), S((1,), n=3), S((0,), n=2)])
def B(z: Any, n: int) -> Any:  # noqa: N802 - the text's letter
    """The Kronecker product of the identity of size n with z^T: the Jacobian of X z in vec(X^T).

    It has n rows, and n times the length of z columns; outside the blocks it is zero even where z
    is infinite or NaN.

    >>> cr.algebra.B(cr.tensor([1.0, 2.0]), 2)
    tensor([[1., 2., 0., 0.],
            [0., 0., 1., 2.]])
    """
    z, n = _vector("B", z), _rows("B", n)
    m = z.shape[0]
    blocks = put_diagonal(broadcast_to(reshape(z, (m, 1)), (m, n)), (n, n, m), axis1=0, axis2=1)
    return reshape(blocks, (n, n * m))


def _vector(name: str, x: Any) -> Any:
    x = operand(x, name)
    if x.ndim != 1:
        raise ShapeError(
            f"{name}: it takes a vector, not an array of shape {list(x.shape)}; `vec` makes one of "
            "a matrix" + at(user_line())
        )
    return x


def _rows(name: str, n: int) -> int:
    n = operator.index(n)
    if n < 1:
        raise ShapeError(
            f"{name}: the number of rows must be at least 1, not {n}" + at(user_line())
        )
    return n
