"""The error function and its complement.

erfc(x) = exp(-x^2) P(t) / (1 + 2 x) for x >= 0, with P a polynomial in t = (x - 3) / (x + 3): M.
M. Shepherd and J. G. Laframboise, Mathematics of Computation 36 (1981), pages 249-253. erf is odd
and a polynomial below 1.
"""

from __future__ import annotations

from fractions import Fraction

from chainrule.codegen.vectormath.coefficients import ERF, ERFC
from chainrule.codegen.vectormath.emitter import Number, at_most, fma, polynomial, select
from chainrule.codegen.vectormath.exact import (
    PI,
    Pair,
    fast_two_sum,
    flat,
    pair,
    quotient,
    two_product,
    two_sum,
)
from chainrule.codegen.vectormath.exponential import exp_scaled
from chainrule.codegen.vectormath.scaling import power_of_two, times_power_of_two

VANISHES = {64: 27.5, 32: 10.5}
"""erfc of this and what is above rounds to 0."""


def _complement(a: Number) -> tuple[Number, Pair]:
    """(t, p) with erfc(a) = 2^k p, t = magic + k, for a >= 0."""
    e = a.e
    first, first_low, *rest = ERFC[e.bits]
    square, low = two_product(a, a)
    t, power = exp_scaled(-square, -low)
    # the rounding of t near -1, where P has a slope of about 1, would show in the result
    v, v_low = fast_two_sum(e.number(-1.0), 2.0 * a / (a + 3.0))
    c, c_rest = fast_two_sum(e.number(first), fma(v, polynomial(v, rest), v_low + first_low))
    p, p_rest = two_product(power[0], c)
    p_rest = fma(power[0], c_rest, fma(power[1], c, p_rest))
    return t, quotient((p, p_rest), two_sum(1.0, 2.0 * a))


def erfc(x: Number) -> Number:
    """1 - erf(x), accurate where it is small."""
    t, p = _complement(at_most(abs(x), VANISHES[x.e.bits]))
    y = times_power_of_two(flat(p), t)
    return select(x < 0.0, 2.0 - y, y)


def erf(x: Number) -> Number:
    """Integral of 2 exp(-t^2) / sqrt(pi) from 0 to x."""
    e = x.e
    a = at_most(abs(x), 6.0 if e.bits == 64 else 4.0)
    z = a * a
    high, low = pair(e, _two_over_root_pi())
    p, rest = two_product(a, high)
    inner = p + fma(a * z, polynomial(z, ERF[e.bits]), fma(a, low, rest))
    t, q = _complement(a)
    return select(a < 1.0, inner, 1.0 - flat(q) * power_of_two(t)).with_sign_of(x)


def _two_over_root_pi() -> Fraction:
    from math import isqrt

    n = 1 << 200
    return Fraction(2 * n, isqrt(int(PI * n * n)))
