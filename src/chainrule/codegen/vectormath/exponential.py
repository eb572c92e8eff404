"""exp, exp2, expm1, and the logistic functions.

exp(x) = 2^k exp(r) with r = x - k ln 2, subtracted in two parts (W. J. Cody and W. Waite, Software
Manual for the Elementary Functions, 1980), and a minimax polynomial for exp(r) - 1 - r. The
integer k is read off the last bits of x / ln 2 + 1.5 * 2^52 (P. T. P. Tang, ACM TOMS 15 (1989),
pages 144-157).
"""

from __future__ import annotations

from chainrule.codegen.vectormath.coefficients import EXP
from chainrule.codegen.vectormath.emitter import (
    Emitter,
    Number,
    at_least,
    at_most,
    fma,
    polynomial,
    select,
)
from chainrule.codegen.vectormath.exact import (
    LN2,
    Pair,
    fast_two_sum,
    flat,
    pair,
    parts,
    quotient,
    two_product,
)
from chainrule.codegen.vectormath.logarithm import log1p
from chainrule.codegen.vectormath.scaling import magic, power_of_two, times_power_of_two

OVERFLOWS = {64: 709.79, 32: 88.73}
"""exp of this and what is above is infinite."""
VANISHES = {64: -745.2, 32: -104.0}
"""exp of this and what is below rounds to 0."""


def ln2_parts(e: Emitter) -> tuple[float, float]:
    """ln 2 in two parts; the first times an exponent is exact."""
    first, second = parts(LN2, (41, 53) if e.bits == 64 else (15, 24))
    return first, second


def reduced(x: Number, low: Number | float = 0.0) -> tuple[Number, Number, Number]:
    """(t, r, rest) with exp(x + low) = 2^k (1 + r + rest), t = magic + k, for finite x."""
    e = x.e
    first, second = ln2_parts(e)
    t = fma(x, float(1 / LN2), magic(e))
    k = t - magic(e)
    r, rest = fast_two_sum(fma(k, -first, x), fma(k, -second, low))
    return t, r, _expm1_rest(r, rest)


def _expm1_rest(r: Number, rest: Number) -> Number:
    """exp(r + rest) - 1 - r for |r| <= ln(2) / 2, and rest negligible beside r."""
    return fma(r * r, polynomial(r, EXP[r.e.bits]), rest)


def exp_scaled(x: Number, low: Number | float = 0.0) -> tuple[Number, Pair]:
    """(t, p) with exp(x + low) = 2^k p, t = magic + k, for finite x."""
    t, r, rest = reduced(x, low)
    s, s_rest = fast_two_sum(x.e.number(1.0), r)
    return t, fast_two_sum(s, s_rest + rest)


def expm1_scaled(x: Number) -> tuple[Number, Pair]:
    """(t, p) with exp(x) - 1 = 2^k p, t = magic + k, for finite x."""
    t, r, rest = reduced(x)
    # 2^k (1 + r) - 1 = 2^k (1 - 2^-k + r)
    one_less = 1.0 - power_of_two(at_least(2.0 * magic(x.e) - t, magic(x.e) - 64.0))
    s, s_rest = fast_two_sum(one_less, r)
    return t, fast_two_sum(s, s_rest + rest)


def exp(x: Number) -> Number:
    """e^x."""
    e = x.e
    x = within(x)
    first, second = ln2_parts(e)
    t = fma(x, float(1 / LN2), magic(e))
    k = t - magic(e)
    r = fma(k, -second, fma(k, -first, x))
    return times_power_of_two(1.0 + fma(r * r, polynomial(r, EXP[e.bits]), r), t)


def exp_of_pair(x: Number, low: Number) -> Number:
    """exp(x + low); low does not count where x is out of range."""
    bits = x.e.bits
    outside = (x > OVERFLOWS[bits]) | (x < VANISHES[bits])
    t, r, rest = reduced(within(x), select(outside, 0.0, low))
    return times_power_of_two(1.0 + (r + rest), t)


def within(x: Number) -> Number:
    """x, moved into the interval outside of which exp is infinite or 0."""
    return at_least(at_most(x, OVERFLOWS[x.e.bits]), VANISHES[x.e.bits])


def exp2(x: Number) -> Number:
    """2^x: the fraction of x times ln 2 is small from the start."""
    e = x.e
    x = at_least(at_most(x, float(e.bias + 1)), -float(e.bias + e.fraction + 2))
    t = x + magic(e)
    fraction = x - (t - magic(e))
    high, low = pair(e, LN2)
    r, rest = two_product(fraction, high)
    rest = _expm1_rest(r, fma(fraction, low, rest))
    return times_power_of_two(1.0 + (r + rest), t)


def expm1(x: Number) -> Number:
    """e^x - 1."""
    bits = x.e.bits
    bounded = at_least(at_most(x, OVERFLOWS[bits]), -40.0)
    t, p = expm1_scaled(bounded)
    y = 2.0 * flat(p) * power_of_two(t - 1.0)  # 2^1024 is not a number
    return y.with_sign_of(x)  # -0


def sigmoid(x: Number) -> Number:
    """1 / (1 + e^-x), written as E / (1 + E) with E = e^-|x| where x < 0."""
    e = x.e
    t, p = exp_scaled(at_least(-abs(x), VANISHES[e.bits]))
    scale = power_of_two(at_least(t, magic(e) - (e.bias - 2.0)))
    s, rest = fast_two_sum(e.number(1.0), p[0] * scale)
    positive = x > 0.0
    numerator = select(positive, 1.0, p[0]), select(positive, 0.0, p[1])
    y = flat(quotient(numerator, (s, fma(p[1], scale, rest))))
    return times_power_of_two(y, select(positive, magic(e), t))


def softplus(x: Number) -> Number:
    """log(1 + e^x)."""
    return select(x > 0.0, x, 0.0) + log1p(exp(-abs(x)))


def log_sigmoid(x: Number) -> Number:
    """log(sigmoid(x))."""
    return -softplus(-x)
