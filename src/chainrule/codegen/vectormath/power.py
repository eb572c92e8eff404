"""Powers and roots."""

from __future__ import annotations

from math import inf, nan

from chainrule.codegen.vectormath.coefficients import RECIPROCAL_CBRT
from chainrule.codegen.vectormath.emitter import (
    Condition,
    Number,
    at_least,
    at_most,
    fma,
    polynomial,
    select,
    select_bits,
    sqrt,
)
from chainrule.codegen.vectormath.exact import PRECISION, residual, two_product
from chainrule.codegen.vectormath.exponential import exp_of_pair
from chainrule.codegen.vectormath.logarithm import log_as_pair
from chainrule.codegen.vectormath.scaling import magic, power_of_two


def power(x: Number, y: Number) -> Number:
    """x^y = exp(y log |x|), the logarithm a pair; special cases as in C99's pow."""
    e = x.e
    magnitude = abs(x)
    # any |log x| > 0 times this bound is out of range; and infinity would be NaN times log 1 = 0
    bound = 2.0 ** (PRECISION[e.bits] + 17)
    z = at_least(at_most(y, bound), -bound)
    high, low = log_as_pair(magnitude)
    p, rest = two_product(z, high)
    r = exp_of_pair(p, fma(z, low, rest))
    zero, infinite = magnitude.equals(0.0), magnitude.equals(inf)
    r = select(zero | infinite, select(zero ^ (y > 0.0), inf, 0.0), r)
    whole = _is_whole(y)
    odd = whole & ~_is_whole(0.5 * y)
    r = r.flipped(select_bits(odd, x.sign_bit(), 0))
    r = select((x < 0.0) & ~(whole | infinite), nan, r)
    r = select(x.unordered(y), x + y, r)
    return select(y.equals(0.0) | x.equals(1.0), 1.0, r)


def _is_whole(y: Number) -> Condition:
    """Whether y is an integer (an infinity is)."""
    if y.e.wide:
        return y.e.intrinsic("trunc", y).equals(y)
    a, whole = abs(y), 2.0**y.e.fraction
    return (a >= whole) | ((a + whole) - whole).equals(a)


def cbrt(x: Number) -> Number:
    """Cube root: of x = 2^(3 k) m, from an approximation of m^(-1/3) by steps without division."""
    e = x.e
    a = abs(x)
    small = a < 2.0 ** (1 - e.bias)
    shift = 3 * (e.fraction // 3 + 1)
    a_normal = select(small, a * 2.0**shift, a)
    exponent = (a_normal.bits() >> e.fraction) | e.pattern(2.0**e.fraction)
    n = exponent.number() - (2.0**e.fraction + e.bias)
    m = ((a_normal.bits() & ((1 << e.fraction) - 1)) | e.pattern(1.0)).number()
    t = fma(n - 1.0, 1 / 3, magic(e))  # n = 3 k + 0, 1 or 2
    k = t - magic(e)
    j = fma(-3.0, k, n)
    r = polynomial(m, RECIPROCAL_CBRT[e.bits])
    third = 2.0 ** (-1 / 3)
    r = r * select(j > 1.5, third * third, select(j > 0.5, third, 1.0))
    m = m * select(j > 1.5, 4.0, select(j > 0.5, 2.0, 1.0))
    # 1 / cbrt(1 - d) = 1 + d/3 + 2 d^2 / 9 + ...
    d = fma(-m * r, r * r, 1.0)
    r = fma(r * d, fma(d, 2 / 9, 1 / 3), r)
    y = m * (r * r)
    # one step of Newton's method, y^3 known beyond the precision
    square, rest = two_product(y, y)
    wrong = fma(-rest, y, residual(m, square, y))
    y = fma(wrong * (r * r), 1 / 3, y)
    root = y * power_of_two(t) * select(small, 2.0 ** (-shift // 3), 1.0)
    return select((a > 0.0) & (a < inf), root.with_sign_of(x), x)


def hypot(x: Number, y: Number) -> Number:
    """sqrt(x^2 + y^2) without overflow or underflow on the way; infinite if either is."""
    e = x.e
    a, b = abs(x), abs(y)
    d = select(a > b, a, b)
    far = 2.0 ** (e.bias // 2 + e.fraction + 2)
    large, small = d > 2.0 ** (e.bias // 2 - 2), d < 2.0 ** (e.fraction // 2 - e.bias // 2)
    scale = select(large, 1 / far, select(small, far, 1.0))
    back = select(large, far, select(small, 1 / far, 1.0))
    a, b = a * scale, b * scale
    y_or_nan = sqrt(fma(a, a, b * b)) * back
    return select(abs(x).equals(inf) | abs(y).equals(inf), inf, y_or_nan)


def rsqrt(x: Number) -> Number:
    """1 / sqrt(x)."""
    return 1.0 / sqrt(x)
