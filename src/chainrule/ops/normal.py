"""Elementwise rows: the error function and the normal distribution, with their inverses."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from chainrule.ops.family import elementwise, shown
from chainrule.ops.lazy import lazy, scipy_row

inf, pi = math.inf, math.pi
ANY = (-3.0, 3.0)
_ERF = 2 / math.sqrt(pi)
_DENSITY = 1 / math.sqrt(2 * pi)

erf = scipy_row(
    "erf",
    lambda _y, x: _ERF * np.exp(-x * x),
    special=(0.0, inf),
    doc=shown("Error function.", "cr.special.erf(cr.tensor([0., 1.]))", "tensor([0.0000, 0.8427])"),
)
erfc = scipy_row(
    "erfc",
    lambda _y, x: -_ERF * np.exp(-x * x),
    special=(0.0, inf),
    doc=shown(
        "1 - erf(x), accurate for large x.",
        "cr.special.erfc(cr.tensor([0., 1.]))",
        "tensor([1.0000, 0.1573])",
    ),
)
erfinv = scipy_row(
    "erfinv",
    lambda y, _x: (1 / _ERF) * np.exp(y * y),
    domain=((-0.95, 0.95),),
    special=(0.0, 1.0),
    doc=shown(
        "Inverse of erf, on [-1, 1].",
        "cr.special.erfinv(cr.tensor([0., 0.5]))",
        "tensor([0.0000, 0.4769])",
    ),
)
erfcinv = scipy_row(
    "erfcinv",
    lambda y, _x: (-1 / _ERF) * np.exp(y * y),
    domain=((0.05, 1.95),),
    special=(1.0, 2.0),
    doc=shown(
        "Inverse of erfc, on [0, 2].",
        "cr.special.erfcinv(cr.tensor([1., 0.5]))",
        "tensor([-0.0000, 0.4769])",
    ),
)


def _erfcx_slope(y: Any, x: Any) -> Any:
    """2 x y - 2/sqrt(pi), whose terms cancel for large x: there by the asymptotic series.

    With y ~ sum of (-1)^k (2k-1)!! / (2 x^2)^k / (x sqrt(pi)) (DLMF 7.12.1) the first term cancels.
    """
    far = np.greater(x, 12)
    near, large = np.where(far, 0, x), np.where(far, x, inf)
    w = 0.5 / large / large
    series: Any = 0.0
    for k in range(12, 0, -1):
        series = w * (1 - 2 * k) * (1 + series)
    return np.where(far, _ERF * series, 2 * near * y - _ERF)


erfcx = scipy_row(
    "erfcx",
    _erfcx_slope,
    special=(0.0, 30.0, inf),
    doc=shown(
        "exp(x*x) * erfc(x), without underflow.",
        "cr.special.erfcx(cr.tensor([0., 100.]))",
        "tensor([1.0000, 0.0056])",
    ),
)

# --- normal distribution -------------------------------------------------------------------------

ndtr = scipy_row(
    "ndtr",
    lambda _y, x: _DENSITY * np.exp(-0.5 * x * x),
    special=(0.0, inf),
    doc=shown(
        "Probability that a standard normal variable is at most x.",
        "cr.special.ndtr(cr.tensor([0., 1.]))",
        "tensor([0.5000, 0.8413])",
    ),
)
ndtri = scipy_row(
    "ndtri",
    lambda y, _x: (1 / _DENSITY) * np.exp(0.5 * y * y),
    domain=((0.05, 0.95),),
    special=(0.5, 1.0),
    doc=shown(
        "Inverse of ndtr, on [0, 1].",
        "cr.special.ndtri(cr.tensor([0.5, 0.9]))",
        "tensor([0.0000, 1.2816])",
    ),
)


_erfcx = lazy("erfcx")


def _hazard(x: Any) -> Any:
    """Density over probability, through the scaled error function: no 0/0 far to the left."""
    return (2 * _DENSITY) / _erfcx(x * -math.sqrt(0.5))


def _hazard_excess(y: Any, x: Any) -> Any:
    """x + y, whose terms cancel far to the left: there by Laplace's continued fraction.

    For t = -x > 0 the hazard is t + 1/(t + 2/(t + 3/(t + ...))) (DLMF 7.9.1 with z = t / sqrt(2)).
    """
    far = np.less(x, -8)
    t, near = np.where(far, -x, 8), np.where(far, 0, np.minimum(x, 1e3))  # beyond, y is 0
    tail: Any = t
    for k in range(24, 0, -1):
        tail = t + k / tail if k > 1 else 1 / tail
    return np.where(far, tail, near + y)


normal_hazard = elementwise(
    "normal_hazard",
    _hazard,
    (lambda y, x: -y * _hazard_excess(y, x),),
    expand=lambda x: (2 * _DENSITY) / erfcx(x * -math.sqrt(0.5)),
    domain=(ANY,),
    special=(0.0, -30.0, 40.0),
    doc=shown(
        "Derivative of log_ndtr: the normal density over ndtr.",
        "cr.special.normal_hazard(cr.tensor([0., -10.]))",
        "tensor([ 0.7979, 10.0981])",
    ),
)
log_ndtr = scipy_row(
    "log_ndtr",
    lambda _y, x: normal_hazard(x),
    special=(0.0, -30.0, 40.0),
    doc=shown(
        "log(ndtr(x)), accurate far to the left.",
        "cr.special.log_ndtr(cr.tensor([0., -10.]))",
        "tensor([ -0.6931, -53.2313])",
    ),
)
