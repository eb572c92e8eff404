"""Elementwise rows: entropies and divergences, where 0 log 0 = 0, and (e^x - 1) / x."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from chainrule.ops.family import shown
from chainrule.ops.lazy import scipy_row
from chainrule.ops.partials import wider

inf = math.inf
ANY = (-3.0, 3.0)
POSITIVE = (0.3, 4.0)


def _log_under(a: Any, b: Any, edge: float, log: Any) -> Any:
    """log(b), and 0 where a = 0 and b is at or below the edge of its domain."""
    off = np.equal(a, 0) & np.less_equal(b, edge)
    return np.where(off, 0, log(np.where(off, edge + 1, wider(b, a))))


def _ratio(a: Any, b: Any) -> Any:
    """a / b, with 0 / 0 = 0."""
    both = np.equal(a, 0) & np.equal(b, 0)
    return np.where(both, 0, a) / np.where(both, 1, b)


def _log_ratio(a: Any, b: Any) -> Any:
    """log(a / b), with log(0 / 0) = 0.

    Where the quotient is 0 or infinite its own derivative is lost: there log(a) - log(b).
    """
    both = np.equal(a, 0) & np.equal(b, 0)
    a, b = np.where(both, 1, a), np.where(both, 1, b)
    quotient = a / b
    ends = np.equal(quotient, 0) | np.isinf(quotient)
    difference = np.log(np.where(ends, a, 1)) - np.log(np.where(ends, b, 1))
    return np.where(ends, difference, np.log(np.where(ends, 1, quotient)))


xlogy = scipy_row(
    "xlogy",
    lambda _y, a, b: _log_under(a, b, 0.0, np.log),
    lambda _y, a, b: _ratio(a, b),
    domain=(ANY, POSITIVE),
    special=(0.0, 1.0),
    doc=shown(
        "a * log(b), which is 0 where a is.",
        "cr.special.xlogy(cr.tensor([0., 2.]), cr.tensor([0., 3.]))",
        "tensor([0.0000, 2.1972])",
    ),
)
xlog1py = scipy_row(
    "xlog1py",
    lambda _y, a, b: _log_under(a, b, -1.0, np.log1p),
    lambda _y, a, b: _ratio(a, 1 + b),
    domain=(ANY, (-0.7, 3.0)),
    special=(0.0, -1.0),
    doc=shown(
        "a * log(1 + b), which is 0 where a is.",
        "cr.special.xlog1py(cr.tensor([0., 2.]), cr.tensor([-1., 3.]))",
        "tensor([0.0000, 2.7726])",
    ),
)
entr = scipy_row(
    "entr",
    lambda _y, x: -np.log(x) - 1,
    domain=(POSITIVE,),
    special=(0.0, 1.0),
    doc=shown(
        "-x * log(x), which is 0 at 0.",
        "cr.special.entr(cr.tensor([0., 0.5]))",
        "tensor([0.0000, 0.3466])",
    ),
)
rel_entr = scipy_row(
    "rel_entr",
    lambda _y, a, b: _log_ratio(a, b) + 1,
    lambda _y, a, b: -_ratio(a, b),
    domain=(POSITIVE, POSITIVE),
    special=(0.0, 1.0),
    doc=shown(
        "a * log(a / b), which is 0 where a is.",
        "cr.special.rel_entr(cr.tensor([0., 2.]), cr.tensor([1., 1.]))",
        "tensor([0.0000, 1.3863])",
    ),
)
kl_div = scipy_row(
    "kl_div",
    lambda _y, a, b: _log_ratio(a, b),
    lambda _y, a, b: 1 - _ratio(a, b),
    domain=(POSITIVE, POSITIVE),
    special=(0.0, 1.0),
    doc=shown(
        "a * log(a / b) - a + b, which is b where a is 0.",
        "cr.special.kl_div(cr.tensor([0., 2.]), cr.tensor([1., 1.]))",
        "tensor([1.0000, 0.3863])",
    ),
)

# --- exponential quotient ------------------------------------------------------------------------


def _exprel_slope(y: Any, x: Any) -> Any:
    """(e^x - y) / x; by its power series, sum of k x^(k-1) / (k+1)!, where |x| < 1."""
    near = np.abs(x) < 1
    small, large = np.where(near, x, 0), np.where(near, 1, x)
    series: Any = 0.0
    for k in range(22, 0, -1):
        series = series * small + k / math.factorial(k + 1)
    return np.where(near, series, (np.exp(large) - y) / large)


exprel = scipy_row(
    "exprel",
    _exprel_slope,
    special=(0.0, 1.0, -inf),
    doc=shown(
        "(exp(x) - 1) / x, which is 1 at 0.",
        "cr.special.exprel(cr.tensor([0., 1.]))",
        "tensor([1.0000, 1.7183])",
    ),
)
