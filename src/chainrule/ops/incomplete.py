"""Elementwise rows: the incomplete gamma and beta functions, differentiable in every argument.

Write f for the density of the gamma (or beta) distribution and L for the derivative of log f in a
parameter. The derivative of the distribution function in that parameter is the integral of f L, the
next ones involve f L^n. These *moments* are rows of their own, which differentiate into each other,

    d/da M_n = M_{n+1} - n psi'(a) M_{n-1},    d/dx M_n = f(x) L(x)^n,

so derivatives of every order follow. A moment is evaluated by quadrature over the shorter tail; the
moment of the whole line, from which the other tail is subtracted, follows from the cumulants, which
are polygamma functions. Quadrature is Takahasi and Mori's double-exponential rule for a half-line,
u = exp(tau - exp(-tau)) (Publ. RIMS 9 (1974) 721), which resolves every scale of u alike.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.ops.entropy import xlog1py, xlogy
from chainrule.ops.family import elementwise, shown
from chainrule.ops.gamma import betaln, digamma, gammaln, polygamma
from chainrule.ops.lazy import INTEGER, Function, floating, scipy_row
from chainrule.ops.partials import wider
from chainrule.ops.table import S

POSITIVE = (0.3, 4.0)

# --- quadrature over a tail ----------------------------------------------------------------------

_STEP = 1 / 16
_TAU = np.arange(-3.75, 3.9, _STEP)
_NODES = np.exp(_TAU - np.exp(-_TAU))
_WEIGHTS = _STEP * (1 + np.exp(-_TAU)) * _NODES

_BLOCK = 2048
"""Elements integrated at a time: bounds the memory."""


def _tail(length: Any, integrand: Callable[[Any], Any]) -> Any:
    """Integral over 0 < u < infinity of a function that falls off on the scale `length`."""
    return length * (integrand(length[:, None] * _NODES) @ _WEIGHTS)


def _length(start: Any, drop: Callable[[Any], Any], slope: Callable[[Any], Any]) -> Any:
    """About where the function `drop`, convex and 0 at 0, reaches 1: five steps of Newton's."""
    u = start
    for _ in range(5):
        u = np.maximum(u - (drop(u) - 1) / slope(u), u / 8)
    return u


def _evaluated(moment: Callable[..., Any], orders: tuple[Any, ...], *operands: Any) -> Any:
    """`moment(orders, *operands)` on blocks of one-dimensional float64, for each set of orders."""
    arrays = np.broadcast_arrays(*orders, *operands)
    shape, count = arrays[0].shape, len(orders)
    whole = [np.asarray(k).astype(int).ravel() for k in arrays[:count]]
    flat = [np.asarray(a, np.float64).ravel() for a in arrays[count:]]
    out = np.zeros(flat[0].size)
    with np.errstate(all="ignore"):
        for order in set(zip(*(k.tolist() for k in whole), strict=True)):
            if min(order) < 0:  # multiplied by 0 in the derivative of moment 0
                continue
            chosen = np.flatnonzero(
                np.logical_and.reduce([k == o for k, o in zip(whole, order, strict=True)])
            )
            for start in range(0, chosen.size, _BLOCK):
                part = chosen[start : start + _BLOCK]
                out[part] = moment(order, *(a[part] for a in flat))
    return out.reshape(shape).astype(floating(operands))[()]


def _total(order: tuple[int, ...], cumulant: Callable[..., Any]) -> Any:
    """Central moment of one or two variables from their cumulants.

    m_{p+e} = sum over k of C(p, k) kappa_{k+e} m_{p-k}, e a unit vector; first cumulants are 0.
    """
    if not any(order):
        return 1.0
    axis = 0 if order[0] else 1
    e = tuple(int(i == axis) for i in range(len(order)))
    p = tuple(o - i for o, i in zip(order, e, strict=True))
    total: Any = 0.0
    for k in itertools.product(*(range(n + 1) for n in p)):
        if any(k):
            weight = math.prod(math.comb(n, i) for n, i in zip(p, k, strict=True))
            rest = tuple(n - i for n, i in zip(p, k, strict=True))
            kappa = cumulant(*(i + j for i, j in zip(k, e, strict=True)))
            total = total + weight * kappa * _total(rest, cumulant)
    return total


# --- gamma ---------------------------------------------------------------------------------------


def _log_gamma_weight(a: Any, x: Any) -> Any:
    """a log x - x - gammaln(a); for large a by Stirling's series (DLMF 5.11.1), where its large
    terms are gone.
    """
    from scipy import special

    large = np.maximum(a, 16.0)
    mu = (x - large) / large
    w = 1 / (large * large)
    series = (1 / 12 - w * (1 / 360 - w * (1 / 1260 - w * (1 / 1680 - w / 1188)))) / large
    stirling = large * (np.log1p(mu) - mu) + 0.5 * np.log(large / (2 * math.pi)) - series
    return np.where(a > 16.0, stirling, a * np.log(x) - x - special.gammaln(a))


def _gamma_below(n: int, a: Any, x: Any, score: Any) -> Any:
    """Integral of the moment over t = x e^(-u), in units of x f(x)."""
    length = _length(
        np.minimum((1 + x) / a, 1 / a + np.sqrt(2 / a) + x),
        lambda u: a * u + x * np.expm1(-u),
        lambda u: np.maximum(a - x * np.exp(-u), 1e-3 * a),
    )
    a, x, score = a[:, None], x[:, None], score[:, None]
    return _tail(length, lambda u: np.exp(-a * u - x * np.expm1(-u)) * (score - u) ** n)


def _gamma_above(n: int, a: Any, x: Any, score: Any) -> Any:
    """Integral of the moment over t = x + v, in units of x f(x)."""
    length = _length(
        1 + np.sqrt(2 * x),
        lambda v: v - (a - 1) * np.log1p(v / x),
        lambda v: np.maximum(1 - (a - 1) / (x + v), 1e-3),
    )
    a, x, score = a[:, None], x[:, None], score[:, None]

    def integrand(v: Any) -> Any:
        log_ratio = np.log1p(v / x)
        return np.exp((a - 1) * log_ratio - v) / x * (score + log_ratio) ** n

    return _tail(length, integrand)


def _gamma_moment(order: tuple[int], a: Any, x: Any) -> Any:
    from scipy import special

    (n,) = order
    if n == 0:
        return special.gammainc(a, x)
    out = np.full(a.shape, np.nan)
    out[(x == 0) & (a > 0)] = 0.0
    inside = (a > 0) & (x > 0) & (x < np.inf)
    below = np.flatnonzero(inside & (x <= np.maximum(a, 1.0)))
    above = np.flatnonzero(inside & (x > np.maximum(a, 1.0)))
    ends = np.flatnonzero((a > 0) & (x == np.inf))
    score = np.log(x) - special.digamma(a)
    weight = np.exp(_log_gamma_weight(a, x))
    out[below] = weight[below] * _gamma_below(n, a[below], x[below], score[below])
    out[above] = -weight[above] * _gamma_above(n, a[above], x[above], score[above])
    above = np.concatenate([above, ends])
    out[ends] = 0.0
    out[above] += _total(order, lambda k: special.polygamma(k - 1, a[above]))
    return out


def _gamma_density(a: Any, x: Any) -> Any:
    """x^(a-1) e^-x / gamma(a); as a power at 0, where the logarithm has no derivative."""
    a, at_zero = wider(a, x), np.equal(x, 0)
    power = np.power(np.where(at_zero, x, 1), np.where(at_zero, a - 1, 0))
    scale = xlogy(np.where(at_zero, 0, a - 1), np.where(at_zero, 1, x)) - x - gammaln(a)
    return power * np.exp(scale)


def _gamma_moment_by_a(_y: Any, n: Any, a: Any, x: Any) -> Any:
    return gammainc_moment(n + 1, a, x) - n * polygamma(1, a) * gammainc_moment(n - 1, a, x)


def _gamma_moment_by_x(_y: Any, n: Any, a: Any, x: Any) -> Any:
    """f(x) (log x - psi(a))^n, without 0 * infinity at x = 0."""
    return _gamma_density(a, x) * (np.log(np.where(np.equal(x, 0), 1, x)) - digamma(a)) ** n


gammainc_moment: Function = elementwise(
    "gammainc_moment",
    lambda n, a, x: _evaluated(_gamma_moment, (n,), a, x),
    (INTEGER, _gamma_moment_by_a, _gamma_moment_by_x),
    domain=("positive int", POSITIVE, POSITIVE),
    doc=shown(
        "Integral from 0 to x of the gamma density times (log t - digamma(a))**n.",
        "from chainrule.ops import special\n>>> special.gammainc_moment(1, cr.tensor(2.), 1.0)",
        "tensor(-0.2762)",
    ),
)
gammainc = scipy_row(
    "gammainc",
    lambda _y, a, x: gammainc_moment(1, a, x),
    lambda _y, a, x: _gamma_density(a, x),
    domain=(POSITIVE, POSITIVE),
    special=(0.0, 1.0),
    doc=shown(
        "Regularized lower incomplete gamma function P(a, x).",
        "cr.special.gammainc(cr.tensor([1., 2.]), 1.0)",
        "tensor([0.6321, 0.2642])",
    ),
)
gammaincc = scipy_row(
    "gammaincc",
    lambda _y, a, x: -gammainc_moment(1, a, x),
    lambda _y, a, x: -_gamma_density(a, x),
    domain=(POSITIVE, POSITIVE),
    special=(0.0, 1.0),
    doc=shown(
        "Regularized upper incomplete gamma function Q(a, x) = 1 - P(a, x).",
        "cr.special.gammaincc(cr.tensor([1., 2.]), 1.0)",
        "tensor([0.3679, 0.7358])",
    ),
)

# --- beta ----------------------------------------------------------------------------------------


def _beta_below(order: tuple[int, int], a: Any, b: Any, x: Any) -> Any:
    """Integral of f A^m B^n over t < x, for x at or below a / (a + b).

    A = log t - psi(a) + psi(a + b) and B = log(1 - t) - psi(b) + psi(a + b). With
    t / (1 - t) = x / (1 - x) e^(-u) the weight is log-concave, smooth, and falls as e^(-a u).
    """
    from scipy import special

    m, n = order
    c = a + b
    length = _length(
        np.minimum((1 - c * np.log1p(-x)) / a, 2 / a + np.sqrt(2 / (a * (1 - x)))),
        lambda u: a * u + c * np.log1p(x * np.expm1(-u)),
        lambda u: np.maximum(a - c * x * np.exp(-u) / (1 + x * np.expm1(-u)), 1e-3 * a),
    )
    weight = np.exp(special.xlogy(a, x) + special.xlog1py(b, -x) - special.betaln(a, b))
    score_a = np.log(x) - special.digamma(a) + special.digamma(c)
    score_b = np.log1p(-x) - special.digamma(b) + special.digamma(c)
    a, c, x, score_a, score_b = (v[:, None] for v in (a, c, x, score_a, score_b))

    def integrand(u: Any) -> Any:
        shift = np.log1p(x * np.expm1(-u))
        return np.exp(-a * u - c * shift) * (score_a - u - shift) ** m * (score_b - shift) ** n

    return weight * _tail(length, integrand)


def _beta_moment(order: tuple[int, int], a: Any, b: Any, x: Any) -> Any:
    from scipy import special

    if not any(order):
        return special.betainc(a, b, x)
    out = np.full(a.shape, np.nan)
    valid = (a > 0) & (b > 0)
    out[valid & (x == 0)] = 0.0
    out[valid & (x == 1)] = 0.0
    inside = valid & (x > 0) & (x < 1)
    below = np.flatnonzero(inside & (x <= a / (a + b)))
    above = np.flatnonzero(inside & (x > a / (a + b)))
    out[below] = _beta_below(order, a[below], b[below], x[below])
    out[above] = -_beta_below(order[::-1], b[above], a[above], 1 - x[above])
    above = np.concatenate([above, np.flatnonzero(valid & (x == 1))])
    a, b = a[above], b[above]

    def cumulant(i: int, j: int) -> Any:
        both = -special.polygamma(i + j - 1, a + b)
        return (
            both
            + (special.polygamma(i - 1, a) if not j else 0.0)
            + (special.polygamma(j - 1, b) if not i else 0.0)
        )

    out[above] += _total(order, cumulant)
    return out


def _beta_density(a: Any, b: Any, x: Any) -> Any:
    """x^(a-1) (1-x)^(b-1) / beta(a, b); in powers at 0 and 1, as `_gamma_density`."""
    a, b = wider(a, x), wider(b, x)
    at_zero, at_one = np.equal(x, 0), np.equal(x, 1)
    left = np.power(np.where(at_zero, x, 1), np.where(at_zero, a - 1, 0))
    right = np.power(np.where(at_one, 1 - x, 1), np.where(at_one, b - 1, 0))
    below, above = np.where(at_zero, 1, x), np.where(at_one, 0, -x)
    return left * right * np.exp(xlogy(a - 1, below) + xlog1py(b - 1, above) - betaln(a, b))


def _beta_moment_by_a(_y: Any, m: Any, n: Any, a: Any, b: Any, x: Any) -> Any:
    both = polygamma(1, a + b)
    return (
        betainc_moment(m + 1, n, a, b, x)
        - m * (polygamma(1, a) - both) * betainc_moment(m - 1, n, a, b, x)
        + n * both * betainc_moment(m, n - 1, a, b, x)
    )


def _beta_moment_by_b(_y: Any, m: Any, n: Any, a: Any, b: Any, x: Any) -> Any:
    both = polygamma(1, a + b)
    return (
        betainc_moment(m, n + 1, a, b, x)
        + m * both * betainc_moment(m - 1, n, a, b, x)
        - n * (polygamma(1, b) - both) * betainc_moment(m, n - 1, a, b, x)
    )


def _beta_moment_by_x(_y: Any, m: Any, n: Any, a: Any, b: Any, x: Any) -> Any:
    """f(x) A^m B^n, without 0 * infinity at the ends."""
    both = digamma(a + b)
    score_a = np.log(np.where(np.equal(x, 0), 1, x)) - digamma(a) + both
    score_b = np.log1p(-np.where(np.equal(x, 1), 0, x)) - digamma(b) + both
    return _beta_density(a, b, x) * score_a**m * score_b**n


betainc_moment: Function = elementwise(
    "betainc_moment",
    lambda m, n, a, b, x: _evaluated(_beta_moment, (m, n), a, b, x),
    (INTEGER, INTEGER, _beta_moment_by_a, _beta_moment_by_b, _beta_moment_by_x),
    domain=("positive int", "positive int", POSITIVE, POSITIVE, (0.05, 0.95)),
    samples=[S(1, 0, (3,), (3,), (2, 3)), S(0, 2, (), (2,), ()), S(2, 1, (2,), (2,), (2,))],
    doc=shown(
        "Integral from 0 to x of f * (d log f / da)**m * (d log f / db)**n, f the beta density.",
        "from chainrule.ops import special\n>>> special.betainc_moment(1, 0, cr.tensor(2.), 3, .5)",
        "tensor(-0.1953)",
    ),
)
betainc = scipy_row(
    "betainc",
    lambda _y, a, b, x: betainc_moment(1, 0, a, b, x),
    lambda _y, a, b, x: betainc_moment(0, 1, a, b, x),
    lambda _y, a, b, x: _beta_density(a, b, x),
    domain=(POSITIVE, POSITIVE, (0.05, 0.95)),
    special=(0.0, 1.0),
    doc=shown(
        "Regularized incomplete beta function I_x(a, b).",
        "cr.special.betainc(cr.tensor([1., 2.]), 3.0, 0.5)",
        "tensor([0.8750, 0.6875])",
    ),
)
betaincc = scipy_row(
    "betaincc",
    lambda _y, a, b, x: -betainc_moment(1, 0, a, b, x),
    lambda _y, a, b, x: -betainc_moment(0, 1, a, b, x),
    lambda _y, a, b, x: -_beta_density(a, b, x),
    domain=(POSITIVE, POSITIVE, (0.05, 0.95)),
    special=(0.0, 1.0),
    doc=shown(
        "1 - betainc(a, b, x).",
        "cr.special.betaincc(cr.tensor([1., 2.]), 3.0, 0.5)",
        "tensor([0.1250, 0.3125])",
    ),
)
