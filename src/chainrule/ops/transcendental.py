"""Elementwise rows: exponentials, logarithms, trigonometric and hyperbolic functions."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from chainrule.ops.family import elementwise, shown
from chainrule.ops.partials import wins

inf, pi = math.inf, math.pi
ANY = (-3.0, 3.0)
POSITIVE = (0.2, 4.0)
UNIT = (-0.9, 0.9)

# --- exponentials and logarithms -----------------------------------------------------------------

LN2, LN10 = math.log(2.0), math.log(10.0)

exp = elementwise(
    "exp",
    np.exp,
    (lambda y, _x: y,),
    special=(0.0, -inf, 800.0),
    doc=shown("e to the power x.", "cr.exp(cr.tensor([0., 1.]))", "tensor([1.0000, 2.7183])"),
)
exp2 = elementwise(
    "exp2",
    np.exp2,
    (lambda y, _x: LN2 * y,),
    special=(0.0, -inf),
    doc=shown("2 to the power x.", "cr.exp2(cr.tensor([0., 3.]))", "tensor([1., 8.])"),
)


def _expm1(x: Any) -> Any:
    """`np.expm1`, which of complex numbers is NaN in many places where exp(x) - 1 is not."""
    if getattr(x, "dtype", None) is None or x.dtype.kind != "c":
        return np.expm1(x)
    with np.errstate(all="ignore"):
        y = np.expm1(x) + 0.0  # -0 becomes 0
        return np.where(np.isfinite(y), y, np.exp(x) - 1)[()]


expm1 = elementwise(
    "expm1",
    _expm1,
    (lambda y, _x: y + 1,),
    numpy=(np.expm1,),
    special=(0.0, -inf),
    doc=shown(
        "exp(x) - 1, accurate near 0.", "cr.expm1(cr.tensor([0., 1.]))", "tensor([0.0000, 1.7183])"
    ),
)
log = elementwise(
    "log",
    np.log,
    (lambda _y, x: 1 / x,),
    domain=(POSITIVE,),
    special=(0.0, 1.0, inf),
    doc=shown("Natural logarithm.", "cr.log(cr.tensor([1., 10.]))", "tensor([0.0000, 2.3026])"),
)
log2 = elementwise(
    "log2",
    np.log2,
    (lambda _y, x: (1 / LN2) / x,),
    domain=(POSITIVE,),
    special=(0.0, 1.0, inf),
    doc=shown("Logarithm to base 2.", "cr.log2(cr.tensor([1., 8.]))", "tensor([0., 3.])"),
)
log10 = elementwise(
    "log10",
    np.log10,
    (lambda _y, x: (1 / LN10) / x,),
    domain=(POSITIVE,),
    special=(0.0, 1.0, inf),
    doc=shown("Logarithm to base 10.", "cr.log10(cr.tensor([1., 100.]))", "tensor([0., 2.])"),
)
log1p = elementwise(
    "log1p",
    np.log1p,
    (lambda _y, x: 1 / (1 + x),),
    domain=((-0.8, 4.0),),
    special=(0.0, -1.0, inf),
    doc=shown(
        "log(1 + x), accurate near 0.", "cr.log1p(cr.tensor([0., 1.]))", "tensor([0.0000, 0.6931])"
    ),
)


def _weight(power_of: Any) -> Any:
    """Share of a in log(e^a + e^b): e^(a - y), and by comparison where y is infinite."""

    def share(y: Any, a: Any, b: Any) -> Any:
        ends = np.isinf(y)
        return np.where(ends, wins(a, b), power_of(np.where(ends, 0, a - y)))

    return share


_weight_e, _weight_2 = _weight(np.exp), _weight(np.exp2)

logaddexp = elementwise(
    "logaddexp",
    np.logaddexp,
    (_weight_e, lambda y, a, b: _weight_e(y, b, a)),
    special=(0.0, 800.0, -inf, inf),
    doc=shown(
        "log(exp(a) + exp(b)) without overflow.",
        "cr.logaddexp(cr.tensor([0., 1000.]), 0)",
        "tensor([6.9315e-01, 1.0000e+03])",
    ),
)
logaddexp2 = elementwise(
    "logaddexp2",
    np.logaddexp2,
    (_weight_2, lambda y, a, b: _weight_2(y, b, a)),
    special=(0.0, 2000.0, -inf, inf),
    doc=shown(
        "log2(2**a + 2**b) without overflow.",
        "cr.logaddexp2(cr.tensor([0., 5.]), 5)",
        "tensor([5.0444, 6.0000])",
    ),
)

# --- trigonometric and hyperbolic ----------------------------------------------------------------

sin = elementwise(
    "sin",
    np.sin,
    (lambda _y, x: np.cos(x),),
    special=(0.0,),
    doc=shown("Sine.", "cr.sin(cr.tensor([0., 1.]))", "tensor([0.0000, 0.8415])"),
)
cos = elementwise(
    "cos",
    np.cos,
    (lambda _y, x: -np.sin(x),),
    special=(0.0,),
    doc=shown("Cosine.", "cr.cos(cr.tensor([0., 1.]))", "tensor([1.0000, 0.5403])"),
)
tan = elementwise(
    "tan",
    np.tan,
    (lambda y, _x: 1 + y * y,),
    domain=((-1.3, 1.3),),
    special=(0.0,),
    doc=shown("Tangent.", "cr.tan(cr.tensor([0., 1.]))", "tensor([0.0000, 1.5574])"),
)
asin = elementwise(
    "asin",
    np.arcsin,
    (lambda _y, x: 1 / np.sqrt((1 - x) * (1 + x)),),
    domain=(UNIT,),
    special=(0.0, 1.0, -1.0),
    doc=shown(
        "Inverse sine, in [-pi/2, pi/2].",
        "cr.asin(cr.tensor([0., 1.]))",
        "tensor([0.0000, 1.5708])",
    ),
)
acos = elementwise(
    "acos",
    np.arccos,
    (lambda _y, x: -1 / np.sqrt((1 - x) * (1 + x)),),
    domain=(UNIT,),
    special=(0.0, 1.0, -1.0),
    doc=shown(
        "Inverse cosine, in [0, pi].", "cr.acos(cr.tensor([0., 1.]))", "tensor([1.5708, 0.0000])"
    ),
)
atan = elementwise(
    "atan",
    np.arctan,
    (lambda _y, x: 1 / (1 + x * x),),
    special=(0.0, inf),
    doc=shown(
        "Inverse tangent, in [-pi/2, pi/2].",
        "cr.atan(cr.tensor([0., 1.]))",
        "tensor([0.0000, 0.7854])",
    ),
)


def _over_square(a: Any, b: Any, c: Any) -> Any:
    """c / (a*a + b*b) without overflow, and 0 at the origin and at infinity."""
    r = np.hypot(a, b)
    ends = (r == 0) | np.isinf(r)
    r = np.where(ends, 1, r)
    return np.where(ends, 0, c) / r / r


atan2 = elementwise(
    "atan2",
    np.arctan2,
    (lambda _y, a, b: _over_square(a, b, b), lambda _y, a, b: _over_square(a, b, -a)),
    domain=(POSITIVE, ANY),
    special=(0.0, 1.0, 1e200),
    doc=shown(
        "Angle of the point (x, y) = (b, a), in [-pi, pi].",
        "cr.atan2(cr.tensor([0., 1.]), cr.tensor([-1., 1.]))",
        "tensor([3.1416, 0.7854])",
    ),
)
sinh = elementwise(
    "sinh",
    np.sinh,
    (lambda _y, x: np.cosh(x),),
    special=(0.0, 800.0),
    doc=shown("Hyperbolic sine.", "cr.sinh(cr.tensor([0., 1.]))", "tensor([0.0000, 1.1752])"),
)
cosh = elementwise(
    "cosh",
    np.cosh,
    (lambda _y, x: np.sinh(x),),
    special=(0.0, 800.0),
    doc=shown("Hyperbolic cosine.", "cr.cosh(cr.tensor([0., 1.]))", "tensor([1.0000, 1.5431])"),
)
tanh = elementwise(
    "tanh",
    np.tanh,
    (lambda y, _x: 1 - y * y,),
    special=(0.0, inf),
    doc=shown("Hyperbolic tangent.", "cr.tanh(cr.tensor([0., 1.]))", "tensor([0.0000, 0.7616])"),
)
asinh = elementwise(
    "asinh",
    np.arcsinh,
    (lambda _y, x: 1 / np.sqrt(x * x + 1),),
    special=(0.0, inf),
    doc=shown(
        "Inverse hyperbolic sine.", "cr.asinh(cr.tensor([0., 1.]))", "tensor([0.0000, 0.8814])"
    ),
)
acosh = elementwise(
    # two roots: their product has the right sign in the left half of the complex plane
    "acosh",
    np.arccosh,
    (lambda _y, x: 1 / (np.sqrt(x - 1) * np.sqrt(x + 1)),),
    domain=((1.2, 4.0),),
    special=(1.0, inf),
    doc=shown(
        "Inverse hyperbolic cosine, of x >= 1.",
        "cr.acosh(cr.tensor([1., 2.]))",
        "tensor([0.0000, 1.3170])",
    ),
)
atanh = elementwise(
    "atanh",
    np.arctanh,
    (lambda _y, x: 1 / ((1 - x) * (1 + x)),),
    domain=(UNIT,),
    special=(0.0, 1.0, -1.0),
    doc=shown(
        "Inverse hyperbolic tangent, of -1 <= x <= 1.",
        "cr.atanh(cr.tensor([0., 0.5]))",
        "tensor([0.0000, 0.5493])",
    ),
)
radians = elementwise(
    "radians",
    np.radians,
    (lambda _y, _x: pi / 180,),
    special=(0.0,),
    numpy=(np.deg2rad,),
    doc=shown(
        "Degrees to radians.", "cr.radians(cr.tensor([0., 180.]))", "tensor([0.0000, 3.1416])"
    ),
)
degrees = elementwise(
    "degrees",
    np.degrees,
    (lambda _y, _x: 180 / pi,),
    special=(0.0,),
    numpy=(np.rad2deg,),
    doc=shown(
        "Radians to degrees.", "cr.degrees(cr.tensor([0., 1.]))", "tensor([ 0.0000, 57.2958])"
    ),
)
deg2rad, rad2deg = radians, degrees


def _sinc_slope(y: Any, x: Any) -> Any:
    """(cos(pi x) - y) / x, by the power series of sin(u)/u in w = u*u where u = |pi x| < 1."""
    near = np.abs(x) < 1 / pi
    small, large = np.where(near, x, 0), np.where(near, 1, x)
    w = (pi * small) ** 2
    series: Any = 0.0
    for k in range(13, 0, -1):
        series = series * w + (-1) ** k * 2 * k / math.factorial(2 * k + 1)
    return np.where(near, pi * pi * small * series, (np.cos(pi * large) - y) / large)


sinc = elementwise(
    "sinc",
    np.sinc,
    (_sinc_slope,),
    arity=1,
    numpy=(np.sinc,),
    special=(0.0, 1.0, 1 / pi),
    doc=shown(
        "sin(pi x) / (pi x), which is 1 at 0.",
        "cr.sinc(cr.tensor([0., 0.5]))",
        "tensor([1.0000, 0.6366])",
    ),
)
