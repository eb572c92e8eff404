"""Norms of vectors and matrices, and condition numbers.

At zero the gradient of a norm is zero; elements that tie for the largest magnitude share equally.
Singular values that tie in a matrix norm share equally too (see `ops.coincidence`).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.errors import ShapeError, at, user_line
from chainrule.ops.batched import over_axes
from chainrule.ops.matrices import complex_gaussian, conj, floating, recorded, well
from chainrule.ops.table import S, composite, operation, raw

# --- vectors -------------------------------------------------------------------------------------


def _kept(x: Any, axis: Any) -> tuple[int, ...]:
    """Shape of x with the reduced axes of size one."""
    if axis is None:
        return (1,) * x.ndim
    axes = {a % x.ndim for a in (axis if isinstance(axis, tuple) else (axis,))}
    return tuple(1 if k in axes else n for k, n in enumerate(x.shape))


def _tied(x: Any, y: Any, axis: Any) -> Any:
    """1 / (number of ties) at the elements of magnitude y, 0 elsewhere."""
    tied = np.abs(x) == y
    return tied / np.maximum(np.sum(tied, axis=axis, keepdims=True), 1)


def _where_positive(y: Any, of: Any) -> Any:
    """of(y) where y is positive (and finite ratios exist), 0 where it is zero."""
    zero = raw(y) == 0
    if not np.any(zero):
        return of(y)
    return np.where(zero, 0, of(np.where(zero, 1, y)))


def _direction(x: Any) -> Any:
    """x / |x|, conjugated; 0 at 0. A constant for real x."""
    if x.dtype.kind != "c":
        return np.sign(raw(x))
    return conj(x) * _where_positive(np.abs(x), lambda r: 1 / r)


def _vector_norm_rule(ct: Any, y: Any, x: Any, axis: Any, keepdims: bool, ord: Any) -> Any:
    shape = _kept(x, axis)
    ct, y = ct.reshape(shape), y.reshape(shape)
    if ord == 2:
        return ct * conj(x) * _where_positive(y, lambda r: 1 / r)
    if ord == 0:
        return ct * np.zeros_like(raw(x))
    if ord == 1:
        return ct * _direction(x)
    if abs(ord) == np.inf:
        weight = _tied(raw(x), raw(y), axis).astype(raw(y).dtype)
        return ct * (_direction(x) * weight)
    # |x_i|^(p-1) / y^(p-1), as a power of the ratio: neither overflows
    zero = (raw(x) == 0) | (raw(y) == 0)
    size = np.where(zero, 1, np.abs(x))
    ratio = size / np.where(zero, 1, y)
    return ct * (_direction(x) * np.where(zero, 0, ratio ** (ord - 1)))


@operation(
    reverse=(_vector_norm_rule,),
    numpy=(np.linalg.vector_norm,),
    samples=[
        S((3, 4)),
        S((5,), ord=1),
        S((3, 4), ord=3, axis=0),
        S((3, 4), ord=1.5, axis=(0, 1), keepdims=True),
        S((2, 3, 4), ord=2, axis=-1, keepdims=True),
        S((3, 4), ord=float("inf"), axis=1),
        S((3, 4), ord=-float("inf"), axis=0),
        S((4,), ord=-2),
        S((4,), ord=0),
        S((0,)),
        S((3, 0), axis=1),
        S(complex_gaussian(3), ord=2),
        S(complex_gaussian(3), ord=3),
    ],
    batch=over_axes("axis"),
)
def vector_norm(x: Any, /, *, axis: Any = None, keepdims: bool = False, ord: Any = 2) -> Any:
    """The norm of vectors along an axis, along several taken as one, or of all elements.

    `ord` is any number, inf or -inf; 0 counts the elements that are not zero, and has derivative 0.

    >>> x = cr.tensor([3.0, 4.0], requires_grad=True)
    >>> cr.linalg.vector_norm(x).backward()
    >>> x.grad
    tensor([0.6000, 0.8000])
    """
    if isinstance(ord, str):
        raise ValueError(f"ord={ord!r} is a norm of matrices; a vector's is a number, inf or -inf")
    return np.linalg.vector_norm(x, axis=axis, keepdims=keepdims, ord=ord)


# --- matrices ------------------------------------------------------------------------------------

_ORDERS = "'fro', 'nuc', inf, -inf, 1, -1, 2 and -2"


@composite(
    numpy=(np.linalg.matrix_norm,),
    samples=[
        S((3, 4)),
        S(well(3, 4), ord="nuc"),
        S(well(3, 3, 2), ord=2, keepdims=True),
        S(well(4, 3), ord=-2),
        S((3, 4), ord=1),
        S((2, 3, 4), ord=-1),
        S((3, 4), ord=float("inf"), keepdims=True),
        S((3, 4), ord=-float("inf")),
        S(complex_gaussian(2, 3)),
    ],
)
def matrix_norm(x: Any, /, *, keepdims: bool = False, ord: Any = "fro") -> Any:
    """The norm of each matrix of shape (..., m, n).

    `ord` is 'fro', 'nuc' (sum of singular values), 2 or -2 (largest, smallest singular value),
    1 or -1 (largest, smallest column sum), inf or -inf (largest, smallest row sum).

    >>> cr.linalg.matrix_norm(cr.tensor([[3.0, 0.0], [0.0, 4.0]]), ord="nuc")
    tensor(7.)
    """
    if ord is None or ord == "fro":
        return vector_norm(x, axis=(-2, -1), keepdims=keepdims)
    if not recorded(x):
        return np.linalg.matrix_norm(x, keepdims=keepdims, ord=ord)
    x = floating(x)
    if ord in ("nuc", 2, -2):
        reduce: Any = {"nuc": np.sum, 2: np.max, -2: np.min}[ord]
        y = reduce(np.linalg.svdvals(x), axis=-1)
    elif ord in (1, -1, np.inf, -np.inf):
        sums = np.sum(np.abs(x), axis=-2 if abs(ord) == 1 else -1)
        y = (np.max if ord > 0 else np.min)(sums, axis=-1)
    else:
        raise ShapeError(
            f"matrix_norm: ord={ord!r} is not a norm of matrices; these are {_ORDERS}"
            + at(user_line())
        )
    return y.reshape((*y.shape, 1, 1)) if keepdims else y


@composite(
    numpy=(np.linalg.norm,),
    samples=[
        S((2, 3, 4)),
        S((3, 4), ord="fro"),
        S((4,), ord=3),
        S((3, 4), axis=1, ord=1),
        S((2, 3, 4), axis=(2, 0), ord=float("inf"), keepdims=True),
        S((2, 3, 4), axis=(0, 1), keepdims=True),
        S((3, 4), keepdims=True),
    ],
)
def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    """Norm of a vector or matrix, as `numpy.linalg.norm`; its gradient at zero is zero.

    With neither `ord` nor `axis`, the 2-norm of all elements. An integer axis means norms of
    vectors, a pair of axes norms of matrices.

    >>> x = cr.tensor([0.0, 0.0], requires_grad=True)
    >>> cr.linalg.norm(x).backward()
    >>> x.grad
    tensor([0., 0.])
    """
    if ord is None:
        return vector_norm(x, axis=axis, keepdims=keepdims)
    if not recorded(x) and ord != "fro":
        return np.linalg.norm(x, ord, axis, keepdims)
    x = floating(x)
    if axis is None:
        if x.ndim not in (1, 2):
            raise ShapeError(
                f"norm: an array of {x.ndim} dimensions with ord={ord!r} needs an axis: an integer "
                "for norms of vectors, a pair for norms of matrices" + at(user_line())
            )
        axis = tuple(range(x.ndim))
    axes = (axis,) if isinstance(axis, (int, np.integer)) else tuple(axis)
    if len(axes) == 1:
        return vector_norm(x, axis=axes[0], keepdims=keepdims, ord=ord)
    y = matrix_norm(np.moveaxis(x, axes, (-2, -1)), ord=ord)
    return y.reshape(_kept(x, axes)) if keepdims else y


@composite(
    name="condition_number",
    numpy=(np.linalg.cond,),
    samples=[S(well(3, 3)), S(well(4, 2, 2), p=-2), S(well(3, 3), p=1), S(well(3, 3), p="fro")],
)
def cond(x: Any, p: Any = None) -> Any:
    """Condition number: largest over smallest singular value, or for another norm p
    norm(x) * norm(inv(x)). The matrices have shape (..., m, n), square for other norms.

    >>> cr.linalg.cond(cr.tensor([[4.0, 0.0], [0.0, 2.0]]))
    tensor(2.)
    """
    if not recorded(x):
        return np.linalg.cond(x, p)
    if p is None or p in (2, -2):
        s = np.linalg.svdvals(floating(x))
        return s[..., -1] / s[..., 0] if p == -2 else s[..., 0] / s[..., -1]
    return matrix_norm(x, ord=p) * matrix_norm(np.linalg.inv(x), ord=p)
