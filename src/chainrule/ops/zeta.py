"""Elementwise rows: the zeta functions of Riemann and Hurwitz, differentiable in both arguments."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from chainrule.ops.family import elementwise, shown
from chainrule.ops.gamma import digamma, gamma
from chainrule.ops.lazy import INTEGER, Function, floating, scipy_row
from chainrule.ops.native import give_up, loops
from chainrule.ops.table import S, composite

inf = math.inf
BEYOND = (1.3, 5.0)
POSITIVE = (0.3, 4.0)

_TERMS = 15
_BERNOULLI = (1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6, -3617 / 510, 43867 / 798)
"""The Bernoulli numbers B_2, B_4, ..."""


def _times_powers(coefficients: list[Any], log: Any) -> Any:
    total: Any = 0.0
    for c in reversed(coefficients):
        total = total * log + c
    return total


def _zeta_moment(n: int, s: Any, q: Any) -> Any:
    """Sum over k >= 0 of (-log(k + q))^n (k + q)^(-s), by Euler-Maclaurin (DLMF 2.10.1).

    Derivatives of t^(-s) log(t)^n are t^(-s-j) times a polynomial in log t.
    """
    total: Any = 0.0
    for k in range(_TERMS):
        total = total + (-np.log(q + k)) ** n * (q + k) ** -s
    t = q + _TERMS
    log = np.log(t)
    rest = [math.factorial(n) / math.factorial(k) / (s - 1) ** (n - k + 1) for k in range(n + 1)]
    tail = t * _times_powers(rest, log) + 0.5 * log**n
    p: list[Any] = [0.0] * n + [1.0]
    for j in range(2 * len(_BERNOULLI) - 1):
        p = [
            (k + 1) * p[k + 1] - (s + j) * p[k] if k < n else -(s + j) * p[k] for k in range(n + 1)
        ]
        if j % 2 == 0:
            order = j + 2
            b = _BERNOULLI[j // 2] / math.factorial(order)
            tail = tail - b * t ** (-(j + 1)) * _times_powers(p, log)
    return total + (-1) ** n * t**-s * tail


def _evaluate(n: Any, s: Any, q: Any) -> Any:
    from scipy import special

    if np.iscomplexobj(s) or np.iscomplexobj(q):
        raise TypeError("the derivatives of zeta functions are written for real arguments only")
    dtype = floating((s, q))
    s, q = (v.astype(np.float64) for v in np.broadcast_arrays(s, q))
    out: Any = np.zeros(np.broadcast_shapes(np.shape(n), s.shape))
    with np.errstate(all="ignore"):
        for order in np.unique(n).astype(int).tolist():
            if order >= 0:  # order -1 is multiplied by 0 in the derivative of order 0
                value = special.zeta(s, q) if order == 0 else _zeta_moment(order, s, q)
                out = np.where(np.equal(n, order), value, out)
        out = np.where(q > 0, out, np.nan)
    return out.astype(dtype)[()]


hurwitz_moment: Function = elementwise(
    "hurwitz_moment",
    _evaluate,
    (
        INTEGER,
        lambda _y, n, s, q: hurwitz_moment(n + 1, s, q),
        lambda _y, n, s, q: -n * hurwitz_moment(n - 1, s + 1, q) - s * hurwitz_moment(n, s + 1, q),
    ),
    domain=("positive int", BEYOND, POSITIVE),
    special=(2.0,),
    doc=shown(
        "Derivative number n in s of the Hurwitz zeta function, n an integer.",
        "from chainrule.ops import special\n>>> special.hurwitz_moment(1, 2.0, cr.tensor(2.))",
        "tensor(-0.9375)",
    ),
)


def _zeta_loop(y: Any, s: Any, q: Any) -> None:
    """Terms up to t = q + k > 15, and the rest by Euler and Maclaurin (DLMF 2.10.1)."""
    x, t = s[()], q[()]
    if x == 1:
        y[()] = np.inf
        return
    if not x > 1 or (t <= 0 and x != np.floor(x)):
        y[()] = np.nan
        return
    if t <= 0 and t == np.floor(t):
        y[()] = np.inf
        return
    if t < -1e6:  # too many terms
        give_up()
    total = 0.0
    while t < 15:
        total += t**-x
        t += 1.0
    power = t**-x
    total += power * t / (x - 1) + 0.5 * power
    factor, k = power * x / t, 1.0
    for b in _COEFFICIENTS:
        total += b * factor
        factor = factor * (x + k) * (x + k + 1) / (t * t)
        k += 2.0
    y[()] = total


_COEFFICIENTS = tuple(b / math.factorial(2 * j + 2) for j, b in enumerate(_BERNOULLI))


hurwitz_zeta: Function = scipy_row(
    "hurwitz_zeta",
    lambda _y, x, q: hurwitz_moment(1, x, q),
    lambda _y, x, q: -x * hurwitz_zeta(x + 1, q),
    scipy="zeta",
    native=loops(_zeta_loop, core=(0,)),
    numpy=("scipy.special._zeta",),
    domain=(BEYOND, POSITIVE),
    special=(2.0,),
    doc=shown(
        "Sum over k >= 0 of (k + q)**(-x), for x > 1.",
        "cr.special.zeta(2.0, cr.tensor([1., 2.]))",
        "tensor([1.6449, 0.6449])",
    ),
)


def _riemann_slope(_y: Any, x: Any) -> Any:
    """The first moment; for x < 0 through the functional equation (DLMF 25.4.1)."""
    mirror = np.less(x, 0)
    direct = hurwitz_moment(1, np.where(mirror, 2, x), 1.0)
    x = np.where(mirror, x, -1)
    sine, cosine, r = np.sin(math.pi / 2 * x), np.cos(math.pi / 2 * x), 1 - x
    z = riemann_zeta(r)
    bracket = sine * (math.log(2 * math.pi) - digamma(r)) + math.pi / 2 * cosine
    factor = 2 * (2 * math.pi) ** (x - 1) * gamma(r)
    return np.where(mirror, factor * (bracket * z - sine * hurwitz_moment(1, r, 1.0)), direct)


riemann_zeta: Function = scipy_row(
    "riemann_zeta",
    _riemann_slope,
    scipy="zeta",
    numpy=("scipy.special._riemann_zeta",),
    domain=(BEYOND,),
    special=(0.0, 0.5, -2.5, 1.0),
    doc=shown(
        "Riemann's zeta function.",
        "cr.special.zeta(cr.tensor([2., 4.]))",
        "tensor([1.6449, 1.0823])",
    ),
)


@composite(samples=[S(2.5, (3,)), S((3,))])
def zeta(x: Any, q: Any = None) -> Any:
    """Hurwitz's zeta function, the sum over k >= 0 of (k + q)**(-x); Riemann's without q.

    >>> cr.special.zeta(cr.tensor([2.0, 4.0]))
    tensor([1.6449, 1.0823])
    """
    return riemann_zeta(x) if q is None else hurwitz_zeta(x, q)
