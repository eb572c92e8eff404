"""Elementwise rows: extrema and choice; and all elementwise rows of the array API under one roof.

The rows are in `arithmetic`, `transcendental`, `rounding` and `comparison`, and here.
Next: `special` (erf, gamma, Bessel functions ...) and `activation`.
"""

# ruff: noqa: F401 - names are imported here to be found here
# mypy: implicit-reexport

from __future__ import annotations

import math
from typing import Any

import numpy as np

from chainrule.ops.arithmetic import (
    add,
    cbrt,
    divide,
    floor_divide,
    fmod,
    hypot,
    multiply,
    negative,
    positive,
    pow,
    power,
    reciprocal,
    remainder,
    sqrt,
    square,
    subtract,
)
from chainrule.ops.comparison import (
    bitwise_and,
    bitwise_invert,
    bitwise_left_shift,
    bitwise_or,
    bitwise_right_shift,
    bitwise_xor,
    equal,
    greater,
    greater_equal,
    isfinite,
    isinf,
    isnan,
    less,
    less_equal,
    logical_and,
    logical_not,
    logical_or,
    logical_xor,
    not_equal,
    signbit,
)
from chainrule.ops.family import elementwise, shown
from chainrule.ops.partials import kind_of, wins
from chainrule.ops.rounding import (
    abs,
    absolute,
    ceil,
    conj,
    copysign,
    fabs,
    floor,
    heaviside,
    imag,
    ldexp,
    nextafter,
    real,
    rint,
    round,
    sign,
    trunc,
)
from chainrule.ops.table import NUMPY, ZERO, S, composite
from chainrule.ops.transcendental import (
    acos,
    acosh,
    asin,
    asinh,
    atan,
    atan2,
    atanh,
    cos,
    cosh,
    deg2rad,
    degrees,
    exp,
    exp2,
    expm1,
    log,
    log1p,
    log2,
    log10,
    logaddexp,
    logaddexp2,
    rad2deg,
    radians,
    sin,
    sinc,
    sinh,
    tan,
    tanh,
)

inf, nan = math.inf, math.nan
ANY = (-3.0, 3.0)

# --- extrema: ties share equally -----------------------------------------------------------------


def _greater_number(a: Any, b: Any) -> Any:
    return np.greater(a, b) | np.isnan(b)


def _less_number(a: Any, b: Any) -> Any:
    return np.less(a, b) | np.isnan(b)


maximum = elementwise(
    "maximum",
    np.maximum,
    (lambda _y, a, b: wins(a, b), lambda _y, a, b: wins(b, a)),
    special=(0.0, inf, nan),
    doc=shown(
        "The larger of a and b, NaN if one is; ties share the derivative equally.",
        "cr.maximum(cr.tensor([1., 3.]), 2)",
        "tensor([2., 3.])",
    ),
)
minimum = elementwise(
    "minimum",
    np.minimum,
    (lambda _y, a, b: wins(a, b, np.less), lambda _y, a, b: wins(b, a, np.less)),
    special=(0.0, inf, nan),
    doc=shown(
        "The smaller of a and b, NaN if one is; ties share the derivative equally.",
        "cr.minimum(cr.tensor([1., 3.]), 2)",
        "tensor([1., 2.])",
    ),
)
fmax = elementwise(
    "fmax",
    np.fmax,
    (
        lambda _y, a, b: wins(a, b, _greater_number),
        lambda _y, a, b: wins(b, a, _greater_number),
    ),
    special=(0.0, inf, nan),
    doc=shown(
        "The larger of a and b, a number if one is.",
        "cr.fmax(cr.tensor([1., float('nan')]), 2)",
        "tensor([2., 2.])",
    ),
)
fmin = elementwise(
    "fmin",
    np.fmin,
    (lambda _y, a, b: wins(a, b, _less_number), lambda _y, a, b: wins(b, a, _less_number)),
    special=(0.0, inf, nan),
    doc=shown(
        "The smaller of a and b, a number if one is.",
        "cr.fmin(cr.tensor([1., float('nan')]), 2)",
        "tensor([1., 2.])",
    ),
)
clip_below = elementwise(
    "clip_below",
    np.maximum,
    (lambda _y, a, b: np.greater_equal(a, b), lambda _y, a, b: np.less(a, b)),
    special=(0.0,),
    doc=shown(
        "a, but at least b; at a tie the derivative goes to a.",
        "cr.clip(cr.tensor([1., 3.]), 2)",
        "tensor([2., 3.])",
    ),
)
clip_above = elementwise(
    "clip_above",
    np.minimum,
    (lambda _y, a, b: np.less_equal(a, b), lambda _y, a, b: np.greater(a, b)),
    special=(0.0,),
    doc=shown(
        "a, but at most b; at a tie the derivative goes to a.",
        "cr.clip(cr.tensor([1., 3.]), max=2)",
        "tensor([1., 2.])",
    ),
)
NUMPY[np.maximum], NUMPY[np.minimum] = maximum, minimum  # not the two rows after them


@composite(samples=[S((2, 3), -0.5, 0.8), S((3,), min=0.1), S((3,), max=(0.3))], numpy=(np.clip,))
def clip(x: Any, min: Any = None, max: Any = None, *, a_min: Any = None, a_max: Any = None) -> Any:
    """x limited to [min, max], either of which may be absent, a number or an array.

    The derivative passes to x on the closed interval, and to a bound where it is what counts.
    `a_min` and `a_max` are NumPy's other names of the bounds.

    >>> cr.clip(cr.tensor([-2.0, 0.5, 2.0]), 0, 1)
    tensor([0.0000, 0.5000, 1.0000])
    """
    low, high = (a_min if min is None else min), (a_max if max is None else max)
    if low is not None:
        x = clip_below(x, low)
    if high is not None:
        x = clip_above(x, high)
    return positive(x) if low is high is None else x


# --- choice --------------------------------------------------------------------------------------

where = elementwise(
    "where",
    np.where,
    (ZERO, lambda _y, c, _a, _b: np.not_equal(c, False), lambda _y, c, _a, _b: np.logical_not(c)),
    domain=("bool", ANY, ANY),
    numpy=(np.where,),
    special=(0.0, inf),
    doc=shown(
        "a where the condition holds, else b.",
        "cr.where(cr.tensor([True, False]), 1.0, cr.tensor([3., 4.]))",
        "tensor([1., 4.])",
    ),
)


@composite(samples=[S((2, 3))], numpy=(np.nan_to_num,))
def nan_to_num(
    x: Any, copy: bool = True, nan: Any = 0.0, posinf: Any = None, neginf: Any = None
) -> Any:
    """x with NaN and infinities replaced by numbers (the dtype's extremes by default).

    The derivative passes where x is finite. `copy` is there for NumPy's sake and has no effect.

    >>> cr.nan_to_num(cr.tensor([1.0, float("nan")]))
    tensor([1., 0.])
    """
    kind = kind_of(x)
    if kind == "c":
        return nan_to_num(real(x), copy, nan, posinf, neginf) + 1j * nan_to_num(
            imag(x), copy, nan, posinf, neginf
        )
    if kind != "f":
        return positive(x)
    extremes = np.finfo(x.dtype if hasattr(x, "dtype") else np.float64)
    high = float(extremes.max) if posinf is None else posinf
    low = float(extremes.min) if neginf is None else neginf
    finite = where(isnan(x), nan, x)
    return where(equal(x, inf), high, where(equal(x, -inf), low, finite))
