"""Polynomials as arrays of coefficients, the highest power first, as `numpy.polyval` takes them."""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.ops.axes import operand
from chainrule.ops.convolution import convolve
from chainrule.ops.cumulative import cumulative_prod
from chainrule.ops.eigen import eigvals
from chainrule.ops.joining import concat, stack
from chainrule.ops.movement import astype, atleast_1d, broadcast_to, expand_dims, flip, ravel
from chainrule.ops.recording import is_traced, numbers
from chainrule.ops.systems import inv, least_squares, lstsq
from chainrule.ops.table import S, composite


def _coefficients(p: Any, name: str) -> Any:
    return atleast_1d(operand(p, name))


@composite(
    samples=[S((3,), ()), S((4,), (2, 3)), S((1,), (2,)), S((0,), (2,))], numpy=(np.polyval,)
)
def polyval(p: Any, x: Any) -> Any:
    """The value at x of the polynomial p[0] x**n + ... + p[n], by Horner's rule.

    >>> cr.polyval(cr.tensor([1.0, 0.0, -1.0]), 3.0)
    tensor(8.)
    """
    p, x = operand(p, "polyval"), operand(x, "polyval")
    y = x * 0
    for k in range(p.shape[0]):
        y = y * x + p[k]
    return y


@composite(samples=[S((3,), (3,)), S((2,), (4,))], numpy=(np.polyadd,))
def polyadd(a1: Any, a2: Any) -> Any:
    """The sum of two polynomials.

    >>> cr.polyadd(cr.tensor([1.0, 2.0]), [1.0, 0.0, 0.0])
    tensor([1., 1., 2.])
    """
    a1, a2 = _aligned(a1, a2, "polyadd")
    return a1 + a2


@composite(samples=[S((3,), (3,)), S((2,), (4,))], numpy=(np.polysub,))
def polysub(a1: Any, a2: Any) -> Any:
    """The difference of two polynomials.

    >>> cr.polysub(cr.tensor([1.0, 2.0]), [1.0, 0.0, 0.0])
    tensor([-1.,  1.,  2.])
    """
    a1, a2 = _aligned(a1, a2, "polysub")
    return a1 - a2


def _aligned(a1: Any, a2: Any, name: str) -> tuple[Any, Any]:
    """Two polynomials with zeros in front of the shorter."""
    a1, a2 = _coefficients(a1, name), _coefficients(a2, name)
    n = max(a1.shape[0], a2.shape[0])
    one, two = (
        concat([np.zeros(n - a.shape[0], a.dtype), a], 0) if a.shape[0] < n else a for a in (a1, a2)
    )
    return one, two


@composite(samples=[S((3,), (2,)), S((1,), (4,))], numpy=(np.polymul,))
def polymul(a1: Any, a2: Any) -> Any:
    """The product of two polynomials.

    >>> cr.polymul(cr.tensor([1.0, 1.0]), [1.0, -1.0])
    tensor([ 1.,  0., -1.])
    """
    a1, a2 = (_without_leading_zeros(_coefficients(a, "polymul")) for a in (a1, a2))
    return convolve(a1, a2)


def _without_leading_zeros(p: Any) -> Any:
    """A polynomial of true degree, as far as numbers are known, and of one coefficient at least."""
    if is_traced(p):
        return p
    places = np.flatnonzero(numbers(p))
    return p[int(places[0]) :] if places.size else p[:1]


@composite(samples=[S((4,), (2,)), S((3,), (3,))], numpy=(np.polydiv,))
def polydiv(u: Any, v: Any) -> tuple[Any, Any]:
    """Quotient and remainder of two polynomials.

    >>> cr.polydiv(cr.tensor([3.0, 5.0, 2.0]), [2.0, 1.0])
    (tensor([1.5000, 1.7500]), tensor([0.2500]))
    """
    u, v = _coefficients(u, "polydiv"), _coefficients(v, "polydiv")
    w = u[0] + v[0] + 0.0
    u, v = astype(u, w.dtype), astype(v, w.dtype)
    quotient, rest, n = [], u, v.shape[0]
    for _ in range(u.shape[0] - n + 1):
        d = rest[0] / v[0]
        quotient.append(d)
        rest = concat([rest[1:n] - d * v[1:], rest[n:]], 0)
    values = numbers(rest)
    front = 0  # as NumPy, without leading coefficients that vanish, but one
    while front < len(values) - 1 and np.isclose(values[front], 0, rtol=1e-14):
        front += 1
    zero = u[:1] * 0
    return stack(quotient, 0) if quotient else zero, rest[front:] if len(values) else zero


@composite(samples=[S((4,)), S((4,), m=2), S((2,), m=3)], numpy=(np.polyder,))
def polyder(p: Any, m: int = 1) -> Any:
    """The m-th derivative of a polynomial.

    >>> cr.polyder(cr.tensor([1.0, 1.0, 1.0]))
    tensor([2., 1.])
    """
    p = _coefficients(p, "polyder")
    for _ in range(m):
        powers = np.arange(p.shape[0] - 1, 0, -1)
        p = p[:-1] * powers.astype(p.dtype) if p.shape[0] else p
    return p


@composite(samples=[S((3,)), S((3,), m=2, k=[1.0, 2.0])], numpy=(np.polyint,))
def polyint(p: Any, m: int = 1, k: Any = None) -> Any:
    """The m-th antiderivative of a polynomial, with integration constants k (0 by default).

    >>> cr.polyint(cr.tensor([2.0, 1.0]))
    tensor([1., 1., 0.])
    """
    p = _coefficients(p, "polyint")
    constants = np.zeros(m) if k is None else ravel(_coefficients(k, "polyint"))
    if constants.shape[0] == 1 and m > 1:
        constants = broadcast_to(constants, (m,))
    if constants.shape[0] < m:
        raise ValueError(f"polyint: {m} integrations need {m} constants, or one for all")
    for i in range(m):
        p = p / np.arange(p.shape[0], 0, -1, dtype=p.dtype if p.dtype.kind in "fc" else None)
        p = concat([p, astype(constants[i : i + 1], np.result_type(p.dtype))], 0)
    return p


@composite(samples=[S((4,)), S((3,), N=2), S((3,), N=4, increasing=True)], numpy=(np.vander,))
def vander(x: Any, N: int | None = None, increasing: bool = False) -> Any:  # noqa: N803
    """The matrix of powers of a vector, columns from the highest power down unless `increasing`.

    >>> cr.vander(cr.tensor([1.0, 2.0, 3.0]), 3)
    tensor([[1., 1., 1.],
            [4., 2., 1.],
            [9., 3., 1.]])
    """
    x = operand(x, "vander")
    if x.ndim != 1:
        raise ValueError(f"vander takes a vector, not an array of {x.ndim} axes")
    n = x.shape[0] if N is None else N
    one = np.ones((x.shape[0], min(n, 1)), x.dtype)
    powers = broadcast_to(expand_dims(x, 1), (x.shape[0], max(n - 1, 0)))
    y = cumulative_prod(concat([one, powers], 1), 1)
    return y if increasing else flip(y, 1)


@composite(
    samples=[
        S((3,)),
        S(
            (3, 3),
        ),
        S((0,)),
    ],
    numpy=(np.poly,),
    tolerance=20.0,
)
def poly(seq_of_zeros: Any) -> Any:
    """The polynomial with these zeros, or the characteristic polynomial of a square matrix.

    >>> cr.poly(cr.tensor([1.0, 2.0]))
    tensor([ 1., -3.,  2.])
    """
    zeros = _coefficients(seq_of_zeros, "poly")
    if zeros.ndim == 2 and zeros.shape[0] == zeros.shape[1]:
        zeros = eigvals(zeros)
    elif zeros.ndim != 1:
        raise ValueError("poly takes a vector of zeros or a square matrix")
    dtype = zeros.dtype if zeros.dtype.kind in "fc" else np.float64
    y = np.ones(1, dtype) + np.add.reduce(zeros[:0])
    for k in range(zeros.shape[0]):
        y = convolve(y, stack([np.ones((), dtype), -zeros[k]], 0))
    if zeros.dtype.kind != "c":
        return y
    values = numbers(zeros)
    if np.all(np.sort(values) == np.sort(values.conj())):
        y = np.real(y)  # zeros in conjugate pairs
    return y


@composite(
    samples=[S(lambda rng: np.array([1.0, -6.0, 11.0, -6.0])), S((2,))],
    numpy=(np.roots,),
    tolerance=50.0,
)
def roots(p: Any) -> Any:
    """The zeros of a polynomial: the eigenvalues of its companion matrix.

    They have a derivative where they are distinct.

    >>> cr.roots(cr.tensor([1.0, -3.0, 2.0]))
    tensor([2., 1.])
    """
    p = _coefficients(p, "roots")
    if p.ndim != 1:
        raise ValueError("roots takes a vector of coefficients")
    places = np.flatnonzero(numbers(p))
    if not places.size:
        return p[:0]
    at_zero = p.shape[0] - 1 - int(places[-1])
    p = p[int(places[0]) : int(places[-1]) + 1]
    if p.dtype.kind not in "fc":
        p = astype(p, np.float64)
    n = p.shape[0] - 1
    if n == 0:
        return np.zeros(at_zero, p.dtype) * p[0]
    first = expand_dims(-p[1:] / p[0], 0)
    found = eigvals(concat([first, np.eye(n - 1, n, dtype=p.dtype)], 0))
    return concat([found, np.zeros(at_zero, found.dtype)], 0) if at_zero else found


@composite(
    samples=[
        S(lambda rng: np.array([0.0, 1.0, 2.0, 3.5, 4.0]), (5,), deg=2),
        S(
            lambda rng: np.array([0.0, 1.0, 2.0, 3.5]),
            (4, 2),
            deg=1,
            w=np.array([1, 2, 1, 3], np.float32),
        ),
    ],
    numpy=(np.polyfit,),
    tolerance=20.0,
)
def polyfit(
    x: Any,
    y: Any,
    deg: int,
    rcond: float | None = None,
    full: bool = False,
    w: Any = None,
    cov: Any = False,
) -> Any:
    """The polynomial of a degree that fits points (x, y) best in the sense of least squares.

    `w` weighs the residuals. With `full`, also what `lstsq` gives besides; with `cov`, also the
    covariance matrix of the coefficients, as `numpy.polyfit`.

    >>> cr.polyfit(cr.tensor([0.0, 1.0, 2.0]), cr.tensor([1.0, 3.0, 5.0]), 1)
    tensor([2.0000, 1.0000])
    """
    x, y = operand(x, "polyfit"), operand(y, "polyfit")
    x = x if x.dtype.kind in "fc" else astype(x, np.float64)
    y = y if y.dtype.kind in "fc" else astype(y, np.float64)
    if x.ndim != 1 or y.ndim not in (1, 2) or x.shape[0] != y.shape[0]:
        raise ValueError(f"polyfit: {list(x.shape)} points and values of shape {list(y.shape)}")
    rcond = x.shape[0] * float(np.finfo(x.dtype).eps) if rcond is None else rcond
    left, right = vander(x, deg + 1), y
    if w is not None:
        w = operand(w, "polyfit")
        left = left * expand_dims(w, 1)
        right = right * (expand_dims(w, 1) if right.ndim == 2 else w)
    scale = np.sqrt(np.add.reduce(left * left, axis=0))
    if not cov and not full:
        return (least_squares(left / scale, right, rcond=rcond).T / scale).T
    c, residuals, rank, singular = lstsq(left / scale, right, rcond)
    c = (c.T / scale).T
    if full:
        return c, residuals, rank, singular, rcond
    base = inv(left.T @ left)
    if cov == "unscaled":
        factor: Any = 1
    else:
        n = x.shape[0] - (deg + 1)
        if n <= 0:
            raise ValueError("polyfit: more points than coefficients are needed for cov")
        factor = residuals / n
    return c, base * factor if y.ndim == 1 else expand_dims(base, 2) * factor
