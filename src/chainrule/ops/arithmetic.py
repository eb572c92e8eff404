"""Elementwise rows: arithmetic and powers.

A partial derivative is written in NumPy's names, `y` being the result; a parameter that begins with
an underscore is not needed, and its value is not kept. Where a formula fails at a point (0/0 at the
origin), `np.where` replaces the *argument* there, so that the partial can be differentiated again.
"""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np

from chainrule.ops import series
from chainrule.ops.family import elementwise, shown
from chainrule.ops.frequent import power_by_base, raised
from chainrule.ops.native import give_up, loops
from chainrule.ops.partials import off_zero, wider
from chainrule.ops.table import ZERO

inf = math.inf
ANY = (-3.0, 3.0)
POSITIVE = (0.2, 4.0)

# --- arithmetic --------------------------------------------------------------------------------

add = elementwise(
    "add",
    np.add,
    (1, 1),
    python=operator.add,
    special=(0.0, inf),
    doc=shown("Sum a + b.", "cr.add(cr.tensor([1., 2.]), 3)", "tensor([4., 5.])"),
)
subtract = elementwise(
    "subtract",
    np.subtract,
    (1, -1),
    python=operator.sub,
    special=(0.0, inf),
    doc=shown("Difference a - b.", "cr.subtract(cr.tensor([1., 2.]), 3)", "tensor([-2., -1.])"),
)
multiply = elementwise(
    "multiply",
    np.multiply,
    (lambda _y, _a, b: b, lambda _y, a, _b: a),
    python=operator.mul,
    taylor=series.product,
    special=(0.0, inf),
    doc=shown(
        "Product a * b, element by element.",
        "cr.multiply(cr.tensor([1., 2.]), 3)",
        "tensor([3., 6.])",
    ),
)


def _inverse(_y: Any, _a: Any, b: Any) -> Any:
    """1 / b, also where b is a Python zero, in the wider precision of the two."""
    try:
        return 1 / wider(b, _a)
    except ZeroDivisionError:
        return math.copysign(inf, b)


divide = elementwise(
    "divide",
    np.true_divide,
    (_inverse, lambda _y, a, b: -(a / b) / b),  # not from y, which may be changed in place
    python=operator.truediv,
    taylor=series.quotient,
    domain=(ANY, POSITIVE),
    special=(0.0, inf),
    doc=shown("Quotient a / b.", "cr.divide(cr.tensor([1., 2.]), 4)", "tensor([0.2500, 0.5000])"),
)
floor_divide = elementwise(
    "floor_divide",
    np.floor_divide,
    (ZERO, ZERO),
    python=operator.floordiv,
    domain=(ANY, POSITIVE),
    special=(0.0, 1.0),
    doc=shown(
        "Quotient rounded down; its derivative is zero.",
        "cr.floor_divide(cr.tensor([7., -7.]), 2)",
        "tensor([ 3., -4.])",
    ),
)
remainder = elementwise(
    "remainder",
    np.remainder,
    (1, lambda _y, a, b: -np.floor_divide(a, b)),
    python=operator.mod,
    domain=(ANY, POSITIVE),
    special=(0.0, 1.0),
    doc=shown(
        "a - b * floor(a / b), of the sign of b.",
        "cr.remainder(cr.tensor([7., -7.]), 4)",
        "tensor([3., 1.])",
    ),
)
fmod = elementwise(
    "fmod",
    np.fmod,
    (1, lambda _y, a, b: -np.trunc(a / b)),
    domain=(ANY, POSITIVE),
    special=(0.0, 1.0),
    doc=shown(
        "a - b * trunc(a / b), of the sign of a.",
        "cr.fmod(cr.tensor([7., -7.]), 4)",
        "tensor([ 3., -3.])",
    ),
)
negative = elementwise(
    "negative",
    np.negative,
    (-1,),
    python=operator.neg,
    special=(0.0, inf),
    doc=shown("-x.", "cr.negative(cr.tensor([1., -2.]))", "tensor([-1.,  2.])"),
)
positive = elementwise(
    "positive",
    np.positive,
    (1,),
    python=operator.pos,
    special=(0.0, inf),
    doc=shown("+x.", "cr.positive(cr.tensor([1., -2.]))", "tensor([ 1., -2.])"),
)
reciprocal = elementwise(
    "reciprocal",
    np.reciprocal,
    (lambda y, _x: -y * y,),
    domain=(POSITIVE,),
    special=(0.0, inf),
    doc=shown("1 / x.", "cr.reciprocal(cr.tensor([2., 4.]))", "tensor([0.5000, 0.2500])"),
)

# --- powers ------------------------------------------------------------------------------------


def _power_by_base(_y: Any, a: Any, b: Any) -> Any:
    """b * a**(b - 1), which is 0 for b = 0 whatever a is."""
    if type(b) is int or type(b) is float:
        return power_by_base(_y, a, b)
    both = (a == 0) & (b == 0)
    b = wider(b, a)
    return np.where(both, 0, b * np.where(both, 1, a) ** (b - 1))


def _power_by_exponent(y: Any, a: Any, b: Any) -> Any:
    """y * log(a), which is 0 at a = 0 for b >= 0 (the limit from the right for b > 0)."""
    zero = np.equal(a, 0) & (b >= 0)
    return np.where(zero, 0, y * np.log(np.where(zero, 1, wider(a, b))))


def _integer_power(y: Any, a: Any, b: Any) -> None:
    """By squaring; NumPy says what is wrong with a negative exponent."""
    base, rest, product = a[()], b[()], 1
    if rest < 0:
        give_up()
    while rest > 0:
        if rest % 2 == 1:
            product = product * base
        base = base * base
        rest = rest // 2
    y[()] = product


def _integers(a: Any, _b: Any) -> bool:
    return a.dtype.kind in "iu"


power = elementwise(
    "power",
    np.power,
    (_power_by_base, _power_by_exponent),
    python=raised,
    taylor=series.power,
    native=loops(_integer_power, core=(0,), fits=_integers),
    domain=(POSITIVE, ANY),
    special=(0.0, 1.0, 2.0),
    doc=shown("a to the power b.", "cr.power(cr.tensor([2., 3.]), 2)", "tensor([4., 9.])"),
)
pow = power
square = elementwise(
    "square",
    np.square,
    (lambda _y, x: 2 * x,),
    special=(0.0, inf),
    doc=shown("x * x.", "cr.square(cr.tensor([2., -3.]))", "tensor([4., 9.])"),
)
sqrt = elementwise(
    "sqrt",
    np.sqrt,
    (lambda y, _x: 0.5 / y,),
    domain=(POSITIVE,),
    special=(0.0, inf),
    doc=shown("Square root.", "cr.sqrt(cr.tensor([4., 9.]))", "tensor([2., 3.])"),
)
cbrt = elementwise(
    "cbrt",
    np.cbrt,
    (lambda y, _x: 1 / (3 * y * y),),
    domain=(POSITIVE,),
    special=(0.0, -1.0, inf),
    doc=shown("Real cube root.", "cr.cbrt(cr.tensor([8., -27.]))", "tensor([ 2., -3.])"),
)


def _toward(a: Any, b: Any, y: Any) -> Any:
    """a / y: the direction of the point (a, b), 0 at the origin, an axis where a is infinite."""
    far = np.isinf(a) & np.isfinite(b)
    return np.where(far, np.sign(a), np.where(far | (y == 0), 0, a) / off_zero(y))


hypot = elementwise(
    "hypot",
    np.hypot,
    (lambda y, a, b: _toward(a, b, y), lambda y, a, b: _toward(b, a, y)),
    special=(0.0, 1e200),
    doc=shown(
        "sqrt(a*a + b*b) without overflow.",
        "cr.hypot(cr.tensor([3., 5.]), cr.tensor([4., 12.]))",
        "tensor([ 5., 13.])",
    ),
)
