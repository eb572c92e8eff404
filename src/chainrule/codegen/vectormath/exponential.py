"""exp, exp2, expm1, and the logistic functions.

exp(x) = 2^k exp(r) with r = x - k ln 2, subtracted in two parts (W. J. Cody and W. Waite, Software
Manual for the Elementary Functions, 1980), and a minimax polynomial for exp(r) - 1 - r. The
integer k is read off the last bits of x / ln 2 + 1.5 * 2^52 (P. T. P. Tang, ACM TOMS 15 (1989),
pages 144-157). Where an instruction looks up a table of 16 numbers, k is a multiple of 1/16, and 2
to its fraction is looked up (Tang's method): |r| <= ln(2) / 32, and half the polynomial will do.
"""

from __future__ import annotations

from fractions import Fraction
from math import isqrt

from chainrule.codegen.vectormath.coefficients import EXP, EXP_NEAR
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
    PRECISION,
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
from chainrule.codegen.vectormath.wide import ENTRIES, bounded, looked_up, times_power

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


STEPS = ENTRIES
"""Into so many steps the table divides the powers from 1 to 2."""


def _root(j: int) -> float:
    """2^(j / 16), correctly rounded: four square roots of an integer."""
    n = 1 << (j + STEPS * 100)
    for _ in range(4):
        n = isqrt(n)
    return float(Fraction(n, 1 << 100))


ROOTS = [_root(j) for j in range(STEPS)]
NEAR = float(LN2) / (2 * STEPS) * 1.0005
"""A bound of the remainders of all numbers whose exponential is finite."""


def _looked_up(t: Number, k: Number, r: Number) -> Number:
    """2^k exp(r) for t = magic / 16 + k, and any r where 2^k is out of range."""
    e = t.e
    r = bounded(r, NEAR)
    root = looked_up("roots", ROOTS, t.bits())
    return times_power(fma(root, fma(r * r, polynomial(r, EXP_NEAR[e.bits]), r), root), k)


def _exp_looked_up(x: Number, low: Number | float = 0.0) -> Number:
    """exp(x + low); low does not count where x is out of range."""
    e = x.e
    shift = magic(e) / STEPS
    first, second = parts(LN2, (PRECISION[e.bits],) * 2)
    t = fma(x, float(1 / LN2), shift)
    k = t - shift
    r = fma(k, -first, x)
    return _looked_up(t, k, fma(k, -second, r if low == 0.0 else r + low))


def exp(x: Number) -> Number:
    """e^x."""
    return _exp_looked_up(x) if x.e.wide else _exp_without_table(x)


def _exp_without_table(x: Number) -> Number:
    """exp(x), a little more accurate than by the table, whose entries are rounded."""
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
    if x.e.wide:
        return _exp_looked_up(x, low)
    outside = (x > OVERFLOWS[bits]) | (x < VANISHES[bits])
    t, r, rest = reduced(within(x), select(outside, 0.0, low))
    return times_power_of_two(1.0 + (r + rest), t)


def within(x: Number) -> Number:
    """x, moved into the interval outside of which exp is infinite or 0."""
    return at_least(at_most(x, OVERFLOWS[x.e.bits]), VANISHES[x.e.bits])


def exp2(x: Number) -> Number:
    """2^x: the fraction of x times ln 2 is small from the start."""
    e = x.e
    if e.wide:
        t = x + magic(e) / STEPS
        k = t - magic(e) / STEPS
        return _looked_up(t, k, (x - k) * float(LN2))
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
    return select(x > 0.0, x, 0.0) + log1p(_exp_without_table(-abs(x)))


def log_sigmoid(x: Number) -> Number:
    """log(sigmoid(x))."""
    return -softplus(-x)
