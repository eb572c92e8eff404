"""Inverse trigonometric functions: odd polynomials near 0, and identities that lead there.

asin x = pi/2 - 2 asin(sqrt((1 - x) / 2)), atan x = pi/2 - atan(1/x) and atan x = pi/4 + atan((x -
1) / (x + 1)); see Cody and Waite, chapters 10 and 11.
"""

from __future__ import annotations

from math import inf

from chainrule.codegen.vectormath.coefficients import ASIN, ATAN
from chainrule.codegen.vectormath.emitter import (
    Condition,
    Number,
    at_most,
    fma,
    polynomial,
    select,
    sqrt,
)
from chainrule.codegen.vectormath.exact import (
    PI,
    Pair,
    fast_two_sum,
    flat,
    pair,
    quotient,
)


def _asin_parts(magnitude: Number) -> tuple[Condition, Pair]:
    """(small, a): asin of the magnitude if it is at most 1/2, else half of acos of it."""
    small = magnitude <= 0.5
    z = select(small, magnitude * magnitude, fma(magnitude, -0.5, 0.5))
    s = select(small, magnitude, sqrt(z))
    return small, (s, s * z * polynomial(z, ASIN[z.e.bits]))


def asin(x: Number) -> Number:
    """Arc sine; NaN outside [-1, 1]."""
    small, a = _asin_parts(abs(x))
    high, low = pair(x.e, PI / 2)
    s, rest = fast_two_sum(x.e.number(high), -2.0 * a[0])
    large = s + (rest + fma(-2.0, a[1], low))
    return select(small, flat(a), large).with_sign_of(x)


def acos(x: Number) -> Number:
    """Arc cosine; NaN outside [-1, 1]."""
    small, a = _asin_parts(abs(x))
    positive = x > 0.0
    (half, half_low), (whole, whole_low) = pair(x.e, PI / 2), pair(x.e, PI)
    # pi/2 - asin x near 0; else 2 a, or pi - 2 a
    base = select(small, half, select(positive, 0.0, whole))
    base_low = select(small, half_low, select(positive, 0.0, whole_low))
    factor = select(small, -1.0, 2.0).flipped(x.sign_bit())
    s, rest = fast_two_sum(base, a[0] * factor)
    return s + (rest + fma(a[1], factor, base_low))


def _atan_of_quotient(n: Number, d: Number) -> Pair:
    """atan(n / d) for 0 <= n <= d, where d is far from the ends of the exponents."""
    e = n.e
    near = n > 0.4142135623730950488 * d
    difference, total = fast_two_sum(d, -n), fast_two_sum(d, n)
    top = select(near, -difference[0], n), select(near, -difference[1], 0.0)
    bottom = select(near, total[0], d), select(near, total[1], 0.0)
    q, rest = quotient(top, bottom)
    z = q * q
    quarter, quarter_low = pair(e, PI / 4)
    base, base_low = select(near, quarter, 0.0), select(near, quarter_low, 0.0)
    s, s_rest = fast_two_sum(base, q)
    return s, s_rest + fma(q * z, polynomial(z, ATAN[e.bits]), rest + base_low)


def _base_minus(angle: Pair, swap: Condition) -> Pair:
    """pi/2 - angle where `swap`."""
    high, low = pair(angle[0].e, PI / 2)
    s, rest = fast_two_sum(select(swap, high, 0.0), select(swap, -angle[0], angle[0]))
    return s, rest + select(swap, low - angle[1], angle[1])


def atan(x: Number) -> Number:
    """Arc tangent."""
    magnitude = abs(x)
    swap = magnitude > 1.0
    bounded = at_most(magnitude, 2.0**64)
    a = _atan_of_quotient(select(swap, 1.0, bounded), select(swap, bounded, 1.0))
    return flat(_base_minus(a, swap)).with_sign_of(x)


def atan2(y: Number, x: Number) -> Number:
    """The angle of the point (x, y), from -pi to pi; signs of zeros and infinities as in C99."""
    e = x.e
    a, b = abs(x), abs(y)
    swap = b > a
    n, d = select(swap, a, b), select(swap, b, a)
    # infinities have the directions of (1, 0), (1, 1) and (0, 1); the origin that of (1, 0)
    infinite, zero = d.equals(inf), d.equals(0.0)
    n = select(infinite, select(n.equals(inf), 1.0, 0.0), n)
    d = select(infinite | zero, 1.0, d)
    # far from the ends of the exponents, so that a residual of the quotient does not underflow
    up, down = 2.0 ** (2 * e.fraction + 4), 2.0**-40
    scale = select(d > 2.0 ** (e.bias - 40), down, select(d < 2.0 ** (e.bias // 4), up, 1.0))
    angle = _base_minus(_atan_of_quotient(n * scale, d * scale), swap)
    # beyond a right angle: pi - angle; the sign bit of x counts even where x is a zero
    left = e.number(1.0).with_sign_of(x) < 0.0
    high, low = pair(e, PI)
    s, rest = fast_two_sum(select(left, high, 0.0), select(left, -angle[0], angle[0]))
    y_or_nan = (s + (rest + select(left, low - angle[1], angle[1]))).with_sign_of(y)
    return select(x.unordered(y), x + y, y_or_nan)
