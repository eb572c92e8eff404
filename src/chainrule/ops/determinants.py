"""Determinants, their logarithms and cofactors, batched over leading dimensions.

The determinant is a polynomial, so its derivatives exist at singular matrices too; they are the
minors, computed here from the inverse where that is safe and from the singular values elsewhere.
Next: `ops.decompositions`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.errors import MissingDerivative, at, user_line
from chainrule.ops import matrix_loops, small_matrices
from chainrule.ops.batched import broadcasting, leading
from chainrule.ops.ensured import ensured, in_batch
from chainrule.ops.matrices import (
    adjoint,
    complex_gaussian,
    conj,
    floating,
    identity_like,
    precision,
    square,
    well,
    with_values,
)
from chainrule.ops.native import loops
from chainrule.ops.recording import is_traced
from chainrule.ops.table import S, operation, raw

# --- determinants --------------------------------------------------------------------------------


def _scalars(x: Any) -> Any:
    """Scalars, one per matrix, as matrices of one element."""
    return x.reshape((*x.shape, 1, 1))


def _det_back(ct: Any, _y: Any, a: Any) -> Any:
    return _scalars(ct) * cofactor(a)


@operation(
    reverse=(_det_back,),
    numpy=(np.linalg.det,),
    samples=[
        S(well(3, 3)),
        S(well(2, 2, 3)),
        S((0, 0)),
        S(well(1, 1)),
        S(with_values((2.0, 1.0, 0.0), 3, 3)),
        S(with_values((2.0, 0.0, 0.0), 3, 3, 2)),
        S(complex_gaussian(3, 3)),
    ],
    batch=leading,
    expand=small_matrices.determinant,
    native=loops(matrix_loops.det, core=(2,), out=(0,)),
)
def det(a: Any) -> Any:
    """Determinant of each matrix of shape (..., n, n).

    The derivatives are those of a polynomial, exact at singular matrices too: the first and the
    second for every size, higher ones for n up to 12.

    >>> x = cr.tensor([[1.0, 0.0], [0.0, 0.0]], requires_grad=True)
    >>> cr.linalg.det(x).backward()
    >>> x.grad[1, 1]
    tensor(1.)
    """
    return np.linalg.det(square(a))


def _inverse(a: Any, power: float) -> Any:
    """Inverses, or None where the condition number of some matrix is above eps**power."""
    try:
        inverse = np.linalg.inv(a)
    except np.linalg.LinAlgError:
        return None
    condition = _norm1(a) * _norm1(inverse)
    return None if np.any(condition > precision(inverse) ** power) else inverse


def _norm1(a: Any) -> Any:
    return np.max(np.sum(np.abs(a), axis=-2), axis=-1, initial=0)


def _rotations(a: Any) -> tuple[Any, Any, Any, Any]:
    """(sign, u, s, vh) with a = u s vh, and sign = det(u) det(vh)."""
    u, s, vh = np.linalg.svd(a, full_matrices=False)
    return _scalars(np.linalg.det(u) * np.linalg.det(vh)), u, s, vh


def _outside(s: Any) -> tuple[Any, Any]:
    """Products of the values before each one, and of those after it."""
    one = np.ones_like(s[..., :1])
    before = np.cumprod(np.concatenate([one, s[..., :-1]], axis=-1), axis=-1)
    after = np.cumprod(np.concatenate([one, s[..., :0:-1]], axis=-1), axis=-1)[..., ::-1]
    return before, after


def _without_two(s: Any) -> Any:
    """[i, j]: the product of all values but the i-th and the j-th; 0 on the diagonal."""
    n = s.shape[-1]
    before, after = _outside(s)
    above = np.tri(n, k=-1, dtype=bool).T
    later = np.where(above, s[..., None, :], 1)
    between = np.cumprod(np.concatenate([later[..., :1] * 0 + 1, later[..., :-1]], -1), axis=-1)
    upper = np.where(above, before[..., :, None] * between * after[..., None, :], 0)
    return upper + upper.mT


def _of_rows(products: list[Any]) -> Any:
    return np.stack(products, axis=-2)


def _cofactor_of_traced(a: Any) -> Any:
    """Written out for small matrices, from the singular values for others."""
    a = floating(a)
    n = a.shape[-1]
    if n == 1:
        return np.ones(a.shape, a.dtype)
    if n == 2:
        return np.flip(a, (-2, -1)) * np.array([[1, -1], [-1, 1]], a.dtype)
    if n == 3:
        r = [a[..., i, :] for i in range(3)]
        return _of_rows([np.cross(r[i - 2], r[i - 1]) for i in range(3)])
    sign, u, s, vh = _rotations(a)
    before, after = _outside(s)
    return sign * ((u * (before * after)[..., None, :]) @ vh)


def _derivative_of_traced(a: Any, e: Any) -> Any:
    """The same for `cofactor_derivative`, linear in e."""
    a, n = floating(a), a.shape[-1]
    if n == 1:
        return np.zeros(np.broadcast_shapes(a.shape, e.shape), a.dtype)
    if n == 2:
        return np.broadcast_to(_cofactor_of_traced(e), np.broadcast_shapes(a.shape, e.shape))
    if n == 3:
        r, d = [a[..., i, :] for i in range(3)], [e[..., i, :] for i in range(3)]
        return _of_rows([
            np.cross(r[i - 2], d[i - 1]) + np.cross(d[i - 2], r[i - 1]) for i in range(3)
        ])  # fmt: skip
    return _by_rotations(a, e)


def _cofactor_back(ct: Any, _y: Any, a: Any) -> Any:
    return cofactor_derivative(a, ct)


@operation(
    reverse=(_cofactor_back,),
    samples=[S(well(3, 3)), S(well(2, 2, 3)), S((0, 0)), S(complex_gaussian(3, 3))],
    batch=leading,
    expand=_cofactor_of_traced,
)
def cofactor(a: Any) -> Any:
    """Matrix of cofactors, the transposed adjugate: the gradient of the determinant.

    Near singular matrices it is computed from the singular values, which is stable there
    (G. W. Stewart, On the adjugate matrix, 1998).

    >>> cr.linalg.cofactor(cr.tensor([[2.0, 0.0], [0.0, 0.5]]))
    tensor([[0.5000, 0.0000],
            [0.0000, 2.0000]])
    """
    a = floating(square(a))
    inverse = _inverse(a, -0.5)
    if inverse is not None:
        return _scalars(np.linalg.det(a)) * inverse.mT
    sign, u, s, vh = _rotations(a)
    before, after = _outside(s)
    return sign * ((conj(u) * (before * after)[..., None, :]) @ conj(vh))


def _trace(a: Any) -> Any:
    return _scalars(np.sum(a * identity_like(a), axis=(-2, -1)))


def _trace_of_product(a: Any, b: Any) -> Any:
    return _scalars(np.sum(a * b.mT, axis=(-2, -1)))


MODERATE = 12
"""Up to this size, the characteristic polynomial is computed accurately from powers and traces."""


def _second_derivative_of_cofactor(ct: Any, _y: Any, a: Any, e: Any) -> Any:
    """Derivative of `cofactor` at a along e and ct, itself a polynomial in all three.

    The recursion of Faddeev and LeVerrier, m -> a m - tr(a m) / k, for a + s e + t ct, modulo s**2
    and t**2: its coefficient of s t after n - 1 steps is the adjugate's, up to sign.
    """
    n = a.shape[-1]
    if n <= 2:
        return a * 0  # cofactors are linear in a
    if n > MODERATE:
        raise MissingDerivative(
            f"det: third derivatives are written for matrices up to {MODERATE} x {MODERATE}, and "
            f"these are {n} x {n}; the first and the second are written for all" + at(user_line())
        )
    one = identity_like(a)
    m, ms, mt, mst = one, one * 0, one * 0, one * 0
    for k in range(1, n):
        am, ams = a @ m, a @ ms + e @ m
        amt, amst = a @ mt + ct @ m, a @ mst + e @ mt + ct @ ms
        m, ms, mt, mst = (x - _trace(x) / k * one for x in (am, ams, amt, amst))
    return (mst if n % 2 else -mst).mT


def _direction_back(ct: Any, _y: Any, a: Any, _e: Any) -> Any:
    return cofactor_derivative(a, ct)


@operation(
    arity=2,
    reverse=(_second_derivative_of_cofactor, _direction_back),
    linear=(1,),
    samples=[S(well(3, 3), (3, 3)), S(well(4, 4, 2), (2, 4, 4)), S(well(2, 2), (2, 2))],
    batch=broadcasting,
    expand=_derivative_of_traced,
)
def cofactor_derivative(a: Any, direction: Any) -> Any:
    """Derivative of `cofactor` at the matrices a along a direction of the same shape.

    It is symmetric as a bilinear form, being the second derivative of the determinant, and exact at
    singular matrices.

    >>> x = cr.tensor([[2.0, 0.0], [0.0, 0.5]])
    >>> cr.linalg.cofactor_derivative(x, x)
    tensor([[0.5000, 0.0000],
            [0.0000, 2.0000]])
    """
    a = floating(square(a))
    e = direction
    b = _inverse(a, -0.25)
    if b is not None:
        return _scalars(np.linalg.det(a)) * (_trace_of_product(b, e) * b - b @ e @ b).mT
    return _by_rotations(a, e)


def _by_rotations(a: Any, e: Any) -> Any:
    """From the singular values, whatever they are."""
    sign, u, s, vh = _rotations(a)
    without = _without_two(s)
    e = adjoint(u) @ e @ adjoint(vh)
    on = without @ np.diagonal(e, axis1=-2, axis2=-1)[..., None]
    inner = on * identity_like(a) - without * e.mT
    return sign * (conj(u) @ inner @ conj(vh))


def _slogdet_weight(ct: Any, y: Any) -> Any:
    """Cotangent of log det: of its real part, and for complex matrices of its imaginary part."""
    of_sign, of_log = ct
    sign = y[0]
    if sign.dtype.kind != "c":
        return of_log
    return of_log + 1j * np.imag(of_sign * sign)


def _regular(a: Any, y: Any, weight: Any) -> Any:
    """a, with the identity for singular matrices whose cotangent is zero; an error for others."""
    singular = raw(y[0]) == 0
    traced = is_traced(singular) or is_traced(weight)
    if not traced and not np.any(singular):
        return a
    asked = singular & (raw(weight) != 0)
    why = (
        "slogdet: the logarithm of the determinant is -inf and has no derivative where the matrix "
        "is singular, as it is; `det` has one"
    )
    if traced:
        a = ensured(a, np.logical_not(_scalars(asked)), why)
    elif np.any(asked):
        raise MissingDerivative(why + in_batch(np.argwhere(asked)[0]) + at(user_line()))
    return np.where(_scalars(singular), identity_like(a), a)


def _slogdet_rule(ct: Any, y: Any, a: Any) -> Any:
    weight = _slogdet_weight(ct, y)
    return _scalars(weight) * np.linalg.inv(_regular(a, y, weight)).mT


def _push_slogdet(tangents: Any, y: Any, a: Any) -> tuple[Any, Any]:
    (da,) = tangents
    moved = np.any(raw(da) != 0, axis=(-2, -1))
    rate = _trace_of_product(np.linalg.inv(_regular(a, y, moved)), da)[..., 0, 0]
    if y[0].dtype.kind == "c":
        return 1j * np.imag(rate) * y[0], np.real(rate)
    return rate * 0, rate


@operation(
    reverse=(_slogdet_rule,),
    forward=_push_slogdet,
    results=2,
    numpy=(np.linalg.slogdet,),
    samples=[S(well(3, 3)), S(well(2, 2, 3)), S((0, 0)), S(complex_gaussian(3, 3))],
    batch=leading,
    expand=small_matrices.sign_and_logarithm,
    native=loops(matrix_loops.slogdet, core=(2,), out=(0,)),
)
def slogdet(a: Any) -> Any:
    """Sign and logarithm of the absolute determinant, `(sign, logabsdet)`, of each matrix.

    det(a) = sign * exp(logabsdet), without overflow. Raises MissingDerivative where the derivative
    is asked for at a singular matrix.

    >>> cr.linalg.slogdet(cr.tensor([[2.0, 0.0], [0.0, -1.0]])).sign
    tensor(-1.)
    """
    return np.linalg.slogdet(square(a))
