"""Hadamard and Kronecker products."""

from __future__ import annotations

from functools import reduce
from typing import Any

from chainrule.errors import ShapeError, at, user_line
from chainrule.ops import contraction
from chainrule.ops.axes import operand
from chainrule.ops.elementwise import divide, multiply
from chainrule.ops.table import S, composite


@composite(samples=[S((3,), (3,)), S((2, 3), (2, 3), (2, 3)), S((), ()), S((0, 2), (0, 2))])
def hadamard(a: Any, b: Any, /, *more: Any) -> Any:
    """The Hadamard product: matrices (or vectors) of one shape, multiplied element by element.

    Raises ShapeError for shapes that differ; `*` is the product that broadcasts.

    >>> cr.hadamard(cr.tensor([[1.0, 2.0], [3.0, 4.0]]), cr.tensor([[0.0, 1.0], [1.0, 2.0]]))
    tensor([[0., 2.],
            [3., 8.]])
    """
    return reduce(multiply, _same_shape("hadamard", a, b, *more))


@composite(
    samples=[S((3,), (3,)), S((2, 3), (2, 3)), S((), ()), S((0, 2), (0, 2))],
    domain=((-3.0, 3.0), (0.2, 4.0)),
)
def hadamard_div(a: Any, b: Any, /) -> Any:
    """The Hadamard quotient: matrices (or vectors) of one shape, divided element by element.

    A division by zero gives an infinity or NaN, as in NumPy.
    Raises ShapeError for shapes that differ; `/` is the quotient that broadcasts.

    >>> cr.hadamard_div(cr.tensor([1.0, 2.0]), cr.tensor([4.0, 4.0]))
    tensor([0.2500, 0.5000])
    """
    return divide(*_same_shape("hadamard_div", a, b))


def kron(a: Any, b: Any, /, *more: Any) -> Any:
    """The Kronecker product of two or more matrices: in block form, the blocks a[i, j] * b.

    Of shapes (n, m) and (p, q) it has shape (n p, m q). Vectors and stacks as `numpy.kron`.

    >>> cr.kron(cr.tensor([[1.0, 2.0]]), cr.tensor([[1.0], [3.0]]))
    tensor([[1., 2.],
            [3., 6.]])
    """
    return reduce(contraction.kron, (a, b, *more))


def outer(u: Any, v: Any, /) -> Any:
    """The outer product of two vectors: the matrix of u[i] * v[j].

    Raises ShapeError for what is not a vector.

    >>> cr.outer(cr.tensor([1.0, 2.0]), cr.tensor([3.0, 4.0, 5.0]))
    tensor([[ 3.,  4.,  5.],
            [ 6.,  8., 10.]])
    """
    u, v = operand(u, "outer"), operand(v, "outer")
    if u.ndim != 1 or v.ndim != 1:
        raise ShapeError(
            f"outer: it takes two vectors, not arrays of shapes {list(u.shape)} and "
            f"{list(v.shape)}; `kron` multiplies matrices, `.ravel()` makes a vector"
            + at(user_line())
        )
    return contraction.outer(u, v)


def _same_shape(name: str, *arrays: Any) -> list[Any]:
    operands = [operand(x, name) for x in arrays]
    if len({x.shape for x in operands}) > 1:
        shapes = " and ".join(str(list(x.shape)) for x in operands)
        raise ShapeError(
            f"{name}: the shapes {shapes} differ, and it is defined for matrices of one shape; "
            f"`{'/' if name == 'hadamard_div' else '*'}` broadcasts" + at(user_line())
        )
    return operands
