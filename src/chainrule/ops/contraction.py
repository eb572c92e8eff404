"""Sums of products: matrix products and their relatives, all linear in each operand.

The reverse rule of a product is a product again. `matmul` of at most two dimensions is the hot one,
and goes through `ndarray.dot`, which takes half the time of `np.matmul` on small arrays.
Next: `ops.einsum` (any pattern of indices), `ops.convolution`.
"""

from __future__ import annotations

import math
from _thread import get_ident
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np

from chainrule.graph.node import Variable
from chainrule.ops import batched_products
from chainrule.ops.frequent import multiplied, pull_matmul, small_matrices
from chainrule.ops.hot import careful, times
from chainrule.ops.native import loops
from chainrule.ops.recording import is_traced, raw
from chainrule.ops.table import S, Seq, composite, operation

ndarray = np.ndarray

# --- products in which zero times infinity is zero -----------------------------------------------


def product(a: Any, b: Any) -> Any:
    """`a @ b` as the reverse rules need it: zeros stay zeros where the walk asks for that."""
    if careful and get_ident() in careful:
        return strong_contract(matmul, a, b)
    return a.dot(b) if small_matrices(a, b) else a @ b


def strong_contract(function: Callable[..., Any], *operands: Any, **params: Any) -> Any:
    """A multilinear row's value, where a zero factor makes a zero product whatever it meets."""
    row = function.operation  # type: ignore[attr-defined]
    if not any(map(is_traced, operands)) and all(np.isfinite(raw(x)).all() for x in operands):
        return function(operands, **params) if row.arity is None else function(*operands, **params)
    return strong_contraction(operands, row=row, params={**row.defaults, **params})


def _strong(operands: Sequence[Any], plain: Callable[..., Any]) -> Any:
    """The plain sum of products, if no NaN is in it, which every 0 * inf would leave there.

    Otherwise the finite products, and infinities and NaN as those without a zero factor make them.

    The latter are counted by running the sum on masks: products without a zero factor, those of
    them without NaN, those of them without infinity; and by sign in the same way.
    """
    y = plain(*operands)
    if not np.isnan(y).any():
        return y
    dtype = np.result_type(*operands)

    def count(weights: Sequence[Any]) -> Any:
        return plain(*[w.astype(float) for w in weights])

    finite = [np.isfinite(x) for x in operands]
    y = plain(*[np.where(f, x, 0).astype(dtype) for x, f in zip(operands, finite, strict=True)])
    nonzero = [np.not_equal(x, 0) for x in operands]
    if dtype.kind == "c":
        whole = count([n & f for n, f in zip(nonzero, finite, strict=True)])
    else:
        signs = [np.where(np.isnan(x), 0, np.sign(x)) for x in operands]
        small = [s * f for s, f in zip(signs, finite, strict=True)]
        whole = count([np.abs(s) for s in signs])
        infinite = whole - count([np.abs(s) for s in small])
        balance = count(signs) - count(small)  # of those to +inf over those to -inf
        y = y + np.where(infinite + balance > 0, np.inf, 0)
        y = y - np.where(infinite - balance > 0, np.inf, 0)
    return np.where(count(nonzero) > whole, np.nan, y).astype(dtype)[()]


def _strong_reverse(i: int, ct: Any, y: Any, *operands: Any, row: Any, params: Any) -> Any:
    """The rule of the plain row, which takes the same care when a walk asks for it."""
    if callable(row.reverse):
        return row.reverse(i, ct, y, *operands, **params)
    return row.reverse[i](ct, y, *operands, **params)


# --- matmul --------------------------------------------------------------------------------------


def _matmul_first(ct: Any, _y: Any, _a: Any, b: Any) -> Any:
    if b.ndim == 1:
        return times(ct[..., None] if _a.ndim > 1 else ct, b)
    if _a.ndim == 1:
        return product(b, ct) if b.ndim == 2 else product(b, ct[..., None])[..., 0]
    if _a.ndim == 2 and b.ndim > 2:  # the stack of matrices in b is summed in the product itself
        return product(_by_row(ct), _by_row(b).T)
    return product(ct, b.mT)


def _matmul_second(ct: Any, _y: Any, a: Any, _b: Any) -> Any:
    if a.ndim == 1:
        return times(ct[..., None, :], a[:, None]) if _b.ndim > 1 else times(ct, a)
    if _b.ndim > 2 or a.ndim == _b.ndim:
        return product(a.mT, ct)
    if a.ndim == 2:
        return product(ct, a)
    rows = math.prod(a.shape[:-1])
    stacked = a.reshape(rows, a.shape[-1])
    if _b.ndim == 1:
        return product(ct.reshape(rows), stacked)
    return product(stacked.T, ct.reshape(rows, ct.shape[-1]))


def _by_row(x: Any) -> Any:
    """A stack of matrices (..., n, m) as one matrix of n rows."""
    n = x.shape[-2]
    return np.moveaxis(x, -2, 0).reshape(n, math.prod(x.shape[:-2]) * x.shape[-1])


def _product_of_integers(y: Any, a: Any, b: Any) -> None:
    for i in range(a.shape[0]):
        for j in range(b.shape[1]):
            total = a[i, 0] * b[0, j]
            for k in range(1, a.shape[1]):
                total += a[i, k] * b[k, j]
            y[i, j] = total


def _matrices_of_integers(a: Any, b: Any) -> bool:
    """What BLAS does not multiply."""
    return a.dtype.kind in "iub" and len(a.shape) > 1 and len(b.shape) > 1


@operation(
    reverse=(_matmul_first, _matmul_second),
    arity=2,
    linear=(0, 1),
    numpy=(np.matmul,),
    samples=[
        S((3, 4), (4, 2)),
        S((3,), (3,)),
        S((3, 4), (4,)),
        S((3,), (3, 4)),
        S((2, 3, 4), (4, 5)),
        S((3, 4), (2, 1, 4, 2)),
        S((2, 1, 3, 4), (5, 4, 2)),
        S((2, 3, 4), (4,)),
        S((4,), (2, 4, 3)),
        S((1, 3, 4), (2, 4, 3)),
        S((0, 4), (4, 2)),
        S((2, 0), (0, 3)),
        S((2, 3, 0), (0,)),
    ],
    batch=batched_products.matrices,
    native=loops(_product_of_integers, core=(2,), fits=_matrices_of_integers),
    plain=multiplied,
    fused=True,
)
def matmul(x1: Any, x2: Any) -> Any:
    """Matrix product `x1 @ x2`; an operand of one dimension is a row (left) or a column (right).

    Dimensions before the last two are a stack of matrices, and broadcast.
    Raises ShapeError where the inner sizes differ.

    >>> cr.matmul(cr.tensor([[1.0, 2.0], [3.0, 4.0]]), cr.tensor([1.0, 1.0]))
    tensor([3., 7.])
    """
    return multiplied(x1, x2)


matmul.operation.pull = pull_matmul  # type: ignore[attr-defined]


@operation(
    reverse=_strong_reverse,
    arity=None,
    linear=tuple(range(64)),
    samples=[Seq((2, 3), (3, 2), row=matmul.operation, params={})],  # type: ignore[attr-defined]
    batch=batched_products.strong,
)
def strong_contraction(operands: Sequence[Any], row: Any, params: dict[str, Any]) -> Any:
    """The value of a multilinear row, zero times infinity or NaN counting as zero."""
    return _strong(operands, lambda *xs: row.evaluate(*xs, **params))


# --- products of vectors -------------------------------------------------------------------------


def _since_2_2(name: str) -> tuple[Any, ...]:
    """The ufunc of that name where this NumPy has it."""
    return (getattr(np, name),) if hasattr(np, name) else ()


def _conj(x: Any) -> Any:
    return np.conj(x) if x.dtype.kind == "c" else x


@operation(
    reverse=(
        lambda ct, _y, _a, b, axis: _conj(times(np.expand_dims(ct, axis), b)),
        lambda ct, _y, a, _b, axis: times(np.expand_dims(ct, axis), _conj(a)),
    ),
    arity=2,
    linear=(0, 1),
    numpy=(np.vecdot,),
    samples=[S((3,), (3,)), S((2, 3), (3,)), S((4, 1, 3), (2, 3)), S((3, 2), (3, 2), axis=0)],
    batch=batched_products.along_axis,
)
def vecdot(x1: Any, x2: Any, axis: int = -1) -> Any:
    """Inner products of vectors along an axis, the first one conjugated; the other axes broadcast.

    >>> cr.vecdot(cr.tensor([[1.0, 2.0], [3.0, 4.0]]), cr.tensor([1.0, 1.0]))
    tensor([3., 7.])
    """
    if axis >= 0 and np.ndim(x1) != np.ndim(x2):
        raise ValueError("operands that differ in number of axes need a negative axis")
    return np.vecdot(x1, x2, axis=axis)  # type: ignore[call-overload]


@composite(
    numpy=_since_2_2("matvec"), samples=[S((3, 4), (4,)), S((2, 3, 4), (4,)), S((3, 4), (2, 4))]
)
def matvec(x1: Any, x2: Any) -> Any:
    """Products of matrices (..., n, m) with vectors (..., m).

    >>> cr.matvec(cr.tensor([[1.0, 2.0], [3.0, 4.0]]), cr.tensor([[1.0, 1.0], [1.0, 0.0]]))
    tensor([[3., 7.],
            [1., 3.]])
    """
    x1, x2 = as_array(x1), as_array(x2)
    return matmul(x1, x2) if x2.ndim == 1 else matmul(x1, x2[..., None])[..., 0]


@composite(
    numpy=_since_2_2("vecmat"), samples=[S((3,), (3, 4)), S((3,), (2, 3, 4)), S((2, 3), (3, 4))]
)
def vecmat(x1: Any, x2: Any) -> Any:
    """Products of vectors (..., n), conjugated, with matrices (..., n, m).

    >>> cr.vecmat(cr.tensor([1.0, 1.0]), cr.tensor([[1.0, 2.0], [3.0, 4.0]]))
    tensor([4., 6.])
    """
    x1, x2 = _conj(as_array(x1)), as_array(x2)
    return matmul(x1, x2) if x1.ndim == 1 else matmul(x1[..., None, :], x2)[..., 0, :]


def as_array(x: Any) -> Any:
    """A composite's operand: a Tensor as it is, anything else as an array."""
    return x if isinstance(x, Variable) else np.asarray(x)


def _cross_first(ct: Any, _y: Any, _a: Any, b: Any, axis: int) -> Any:
    return cross(b, ct, axis)


def _cross_second(ct: Any, _y: Any, a: Any, _b: Any, axis: int) -> Any:
    return cross(ct, a, axis)


@operation(
    reverse=(_cross_first, _cross_second),
    arity=2,
    linear=(0, 1),
    numpy=(np.cross,),
    samples=[S((3,), (3,)), S((2, 3), (3,)), S((4, 1, 3), (2, 3)), S((3, 2), (3, 2), axis=0)],
    batch=batched_products.along_axis,
)
def cross(x1: Any, x2: Any, axis: int = -1) -> Any:
    """Cross products of vectors of three components along an axis; the other axes broadcast.

    >>> cr.cross(cr.tensor([1.0, 0.0, 0.0]), cr.tensor([0.0, 1.0, 0.0]))
    tensor([0., 0., 1.])
    """
    a, b = np.asarray(x1), np.asarray(x2)
    if axis >= 0 and a.ndim != b.ndim:
        raise ValueError("operands that differ in number of axes need a negative axis")
    if axis not in (-1, a.ndim - 1):
        a, b = np.moveaxis(a, axis, -1), np.moveaxis(b, axis, -1)
    if a.shape[-1] != 3 or b.shape[-1] != 3:
        raise ValueError(f"axis {axis} must have size 3")
    a0, a1, a2 = a[..., 0], a[..., 1], a[..., 2]
    b0, b1, b2 = b[..., 0], b[..., 1], b[..., 2]
    first = a1 * b2 - a2 * b1
    out = np.empty((*first.shape, 3), first.dtype)
    out[..., 0] = first
    out[..., 1] = a2 * b0 - a0 * b2
    out[..., 2] = a0 * b1 - a1 * b0
    return out if axis in (-1, out.ndim - 1) else np.moveaxis(out, -1, axis)


# --- tensordot, and what is written with it ------------------------------------------------------

Axes = int | tuple[Any, Any]


def _paired(axes: Axes, a: int, b: int) -> tuple[list[int], list[int]]:
    """The axes of either operand that are summed together, counted from 0."""
    if isinstance(axes, (int, np.integer)):
        return list(range(a - int(axes), a)), list(range(int(axes)))
    of_a, of_b = ([x] if np.ndim(x) == 0 else list(x) for x in axes)
    return [int(i) % a for i in of_a], [int(i) % b for i in of_b]


def _tensordot_first(ct: Any, _y: Any, _a: Any, b: Any, axes: Axes) -> Any:
    of_a, of_b = _paired(axes, _a.ndim, b.ndim)
    free_a = [i for i in range(_a.ndim) if i not in of_a]
    free_b = [i for i in range(b.ndim) if i not in of_b]
    g = _dots(ct, b, (list(range(len(free_a), ct.ndim)), free_b))
    # axes of g: the free ones of a, then b's summed ones in b's order
    order = free_a + [of_a[of_b.index(i)] for i in sorted(of_b)]
    return np.transpose(g, np.argsort(order).tolist()) if order else g


def _tensordot_second(ct: Any, _y: Any, a: Any, _b: Any, axes: Axes) -> Any:
    of_a, of_b = _paired(axes, a.ndim, _b.ndim)
    free_a = [i for i in range(a.ndim) if i not in of_a]
    free_b = [i for i in range(_b.ndim) if i not in of_b]
    g = _dots(a, ct, (free_a, list(range(len(free_a)))))
    # axes of g: a's summed ones in a's order, then the free ones of b
    order = [of_b[of_a.index(i)] for i in sorted(of_a)] + free_b
    return np.transpose(g, np.argsort(order).tolist()) if order else g


def _dots(a: Any, b: Any, axes: Axes) -> Any:
    if careful and get_ident() in careful:
        return strong_contract(tensordot, a, b, axes=axes)
    return np.tensordot(a, b, axes)


@operation(
    reverse=(_tensordot_first, _tensordot_second),
    arity=2,
    linear=(0, 1),
    numpy=(np.tensordot,),
    samples=[
        S((2, 3, 4), (3, 4, 5)),
        S((2, 3, 4), (4, 3), axes=1),
        S((2, 3), (4,), axes=0),
        S((2, 3, 4), (4, 2, 5), axes=((0, -1), (1, 0))),
        S((2, 3, 4), (5, 3), axes=(1, 1)),
        S((2, 3), (2, 3), axes=2),
    ],
    batch=batched_products.tensordots,
)
def tensordot(x1: Any, x2: Any, axes: Axes = 2) -> Any:
    """Sum of products over pairs of axes: the last n of x1 with the first n of x2, or as listed.

    >>> cr.tensordot(cr.tensor([[1.0, 2.0], [3.0, 4.0]]), cr.tensor([1.0, 1.0]), axes=1)
    tensor([3., 7.])
    """
    return np.tensordot(x1, x2, axes)


@composite(
    numpy=(np.dot,),
    samples=[
        S((3,), (3,)),
        S((2, 3), (3, 2)),
        S((), (2, 3)),
        S((2, 3, 4), (4,)),
        S((2, 3), (4, 3, 2)),
    ],
)
def dot(x1: Any, x2: Any) -> Any:
    """NumPy's dot: a product of matrices, vectors or numbers; in more dimensions a sum over the
    last axis of x1 and the last but one of x2.

    >>> cr.dot(cr.tensor([1.0, 2.0]), cr.tensor([3.0, 4.0]))
    tensor(11.)
    """
    x1, x2 = as_array(x1), as_array(x2)
    if not x1.ndim or not x2.ndim:
        return np.multiply(x1, x2)
    if x1.ndim <= 2 and x2.ndim <= 2:
        return matmul(x1, x2)
    return tensordot(x1, x2, axes=(x1.ndim - 1, max(x2.ndim - 2, 0)))


@composite(
    numpy=(np.inner,), samples=[S((3,), (3,)), S((2, 3), (4, 3)), S((), (2,)), S((2, 3), (3,))]
)
def inner(x1: Any, x2: Any) -> Any:
    """Sums of products over the last axes of both operands (no conjugate, as in NumPy).

    >>> cr.inner(cr.tensor([[1.0, 2.0], [3.0, 4.0]]), cr.tensor([1.0, 1.0]))
    tensor([3., 7.])
    """
    x1, x2 = as_array(x1), as_array(x2)
    if not x1.ndim or not x2.ndim:
        return np.multiply(x1, x2)
    return tensordot(x1, x2, axes=(-1, -1))


@composite(numpy=(np.outer, np.linalg.outer), samples=[S((3,), (2,)), S((2, 2), (3,)), S((), (2,))])
def outer(x1: Any, x2: Any) -> Any:
    """The matrix of all products of an element of x1 with one of x2.

    >>> cr.outer(cr.tensor([1.0, 2.0]), cr.tensor([3.0, 4.0]))
    tensor([[3., 4.],
            [6., 8.]])
    """
    return np.multiply(as_array(x1).reshape(-1, 1), as_array(x2).reshape(1, -1))


@composite(
    numpy=(np.kron,),
    samples=[S((2, 3), (4, 2)), S((2,), (3,)), S((2, 2), (3,)), S((), (2,)), S((2, 1, 2), (2, 3))],
)
def kron(x1: Any, x2: Any) -> Any:
    """Kronecker product: x2 in place of every element of x1, times that element.

    >>> cr.kron(cr.tensor([1.0, 2.0]), cr.tensor([1.0, 1.0]))
    tensor([1., 1., 2., 2.])
    """
    x1, x2 = as_array(x1), as_array(x2)
    n = max(x1.ndim, x2.ndim)
    a = (1,) * (n - x1.ndim) + x1.shape
    b = (1,) * (n - x2.ndim) + x2.shape
    left = x1.reshape(tuple(s for k in a for s in (k, 1)))
    right = x2.reshape(tuple(s for k in b for s in (1, k)))
    return np.multiply(left, right).reshape(tuple(p * q for p, q in zip(a, b, strict=True)))


# --- chains of matrices --------------------------------------------------------------------------


def _cheapest_order(sizes: Sequence[int]) -> list[list[int]]:
    """Where to split each part of a chain of matrices, sizes[i] by sizes[i + 1], for least work.

    Cormen, Leiserson, Rivest, Stein, Introduction to Algorithms, section 14.2 (fourth edition).
    """
    n = len(sizes) - 1
    work = [[0] * n for _ in range(n)]
    split = [[0] * n for _ in range(n)]
    for length in range(1, n):
        for i in range(n - length):
            j = i + length
            costs = {
                k: work[i][k] + work[k + 1][j] + sizes[i] * sizes[k + 1] * sizes[j + 1]
                for k in range(i, j)
            }
            split[i][j] = min(costs, key=lambda k: costs[k])
            work[i][j] = costs[split[i][j]]
    return split


_CHAIN: Final = [Seq((2, 3), (3, 4), (4, 2)), Seq((3,), (3, 4), (4,)), Seq((2, 5), (5, 1))]


@composite(numpy=(np.linalg.multi_dot,), samples=_CHAIN)
def multi_dot(arrays: Sequence[Any]) -> Any:
    """Product of two or more matrices, in the order of least work; the ends may be vectors.

    >>> a = cr.tensor([[1.0, 2.0], [3.0, 4.0]])
    >>> cr.multi_dot([a, a, cr.tensor([1.0, 1.0])])
    tensor([17., 37.])
    """
    parts = [as_array(x) for x in arrays]
    if len(parts) < 2:
        raise ValueError("multi_dot: needs at least two arrays")
    sizes = [
        1 if parts[0].ndim == 1 else parts[0].shape[0],
        *(x.shape[0] for x in parts[1:]),
        1 if parts[-1].ndim == 1 else parts[-1].shape[1],
    ]
    split = _cheapest_order(sizes)

    def chain(i: int, j: int) -> Any:
        return parts[i] if i == j else matmul(chain(i, split[i][j]), chain(split[i][j] + 1, j))

    return chain(0, len(parts) - 1)
