"""log, log2, log10, log1p.

x = 2^k m with m from sqrt(1/2) to sqrt(2), and log m = 2 atanh(s) with s = (m - 1) / (m + 1). With
f = m - 1 and h = f^2 / 2, log m = f - h + s (h + R), where s R = 2 atanh(s) - 2 s (P. T. P. Tang,
ACM TOMS 16 (1990), pages 378-400, and K. C. Ng's form of it): what follows f is small, so that its
rounding does not count. Where an instruction looks tables up, a pair is made of log c and a
polynomial for log(m / c), which needs no division (as in Tang's ACM TOMS paper).
"""

from __future__ import annotations

from fractions import Fraction
from math import inf, nan, sqrt

from chainrule.codegen.vectormath.coefficients import (
    LOG,
    LOG_HIGH,
    LOG_INVERSE,
    LOG_LOW,
    LOG_NEAR,
    LOG_TAIL,
)
from chainrule.codegen.vectormath.emitter import Emitter, Number, fma, polynomial, select
from chainrule.codegen.vectormath.exact import (
    LN2,
    LN10,
    PRECISION,
    Pair,
    fast_two_sum,
    pair,
    parts,
    quotient,
    two_product,
    two_sum,
)
from chainrule.codegen.vectormath.scaling import magic, power_of_two
from chainrule.codegen.vectormath.wide import ENTRIES, exponent, fraction, looked_up


def short_parts(e: Emitter, value: Fraction) -> tuple[float, float]:
    """A constant in two parts, of which the first times an exponent is exact."""
    full = PRECISION[e.bits]
    first, second = parts(value, (full - 12 if e.bits == 64 else full - 9, full))
    return first, second


def split(x: Number) -> Pair:
    """(k, m) with x = 2^k m and m from sqrt(1/2) to sqrt(2), of a positive normal x."""
    e = x.e
    start = e.pattern(sqrt(0.5))
    above = x.bits() - start
    m = ((above & ((1 << e.fraction) - 1)) + start).number()
    # an integer n < 2^52 in the fraction of 2^52 is 2^52 + n
    whole = (above + (e.bias << e.fraction)) >> e.fraction
    k = (whole | e.pattern(2.0**e.fraction)).number() - (2.0**e.fraction + e.bias)
    return k, m


def split_any(x: Number) -> Pair:
    """`split`, of subnormal x as well."""
    e = x.e
    small = x < 2.0 ** (1 - e.bias)
    k, m = split(select(small, x * 2.0**e.fraction, x))
    return select(small, k - e.fraction, k), m


def log_near_one(f: Number) -> Number:
    """log(1 + f) - f, for 1 + f from sqrt(1/2) to sqrt(2)."""
    s = f / (f + 2.0)
    z = s * s
    h = 0.5 * f * f
    return fma(s, fma(z, polynomial(z, LOG[f.e.bits]), h), -h)


def in_domain(x: Number, y: Number) -> Number:
    """y, or the values of a logarithm at x <= 0, infinity and NaN."""
    y = select(x < inf, y, x)
    return select(x > 0.0, y, select(x.equals(0.0), -inf, select(x.unordered(x), x, nan)))


def log(x: Number) -> Number:
    """Natural logarithm."""
    k, m = split_any(x)
    f = m - 1.0
    first, second = short_parts(x.e, LN2)
    return in_domain(x, fma(k, first, f + fma(k, second, log_near_one(f))))


def _log_to_base(x: Number, base: Fraction) -> Number:
    """log(x) / log(base): k by itself, then log m, both as pairs."""
    e = x.e
    k, m = split_any(x)
    f = m - 1.0
    high, low = fast_two_sum(f, log_near_one(f))
    c, c_rest = pair(e, 1 / base)
    p, rest = two_product(high, c)
    rest = fma(low, c, fma(high, c_rest, rest))
    first, second = short_parts(e, LN2 / base)
    s, s_rest = fast_two_sum(k * first, p)
    return in_domain(x, s + fma(k, second, s_rest + rest))


def log2(x: Number) -> Number:
    """Logarithm to base 2."""
    return _log_to_base(x, LN2)


def log10(x: Number) -> Number:
    """Logarithm to base 10."""
    return _log_to_base(x, LN10)


def log1p(x: Number) -> Number:
    """log(1 + x)."""
    u = two_sum(1.0, x)
    y = in_domain(u[0], log_of_pair(u))
    return select(abs(x) < 2.0 ** -PRECISION[x.e.bits], x, y)  # -0, and what is tiny


def log_of_pair(u: Pair, more: Number | float = 0.0) -> Number:
    """log(u) + more * ln 2, of a positive normal pair: exact near 1 even where u[0] is 1."""
    e = u[0].e
    k, m = split(u[0])
    rest = (0.5 * u[1]) * power_of_two((magic(e) + 1.0) - k)
    f, f_rest = fast_two_sum(m - 1.0, rest)
    first, second = short_parts(e, LN2)
    k = k + more
    small = fma(k, second, log_near_one(f) + fma(-f_rest, f, f_rest))
    return fma(k, first, f + small)


def log_as_pair(x: Number) -> Pair:
    """log(x) of a positive finite x with about 10 more bits (9) than the type has."""
    e = x.e
    if e.wide:
        return _looked_up_as_pair(x)
    k, m = split_any(x)
    f = m - 1.0
    s = quotient((f, e.number(0.0)), two_sum(2.0, f))
    z, z_rest = two_product(s[0], s[0])
    z_rest = fma(s[0] + s[0], s[1], z_rest)
    # (2 atanh(s) / s - 2) / z = 2/3 + z T(z)
    third, third_rest = pair(e, Fraction(2, 3))
    c, c_rest = fast_two_sum(e.number(third), z * polynomial(z, LOG_TAIL[e.bits]))
    p = _product((z, z_rest), (c, c_rest + third_rest))
    p = _product(p, s)
    high, low = fast_two_sum(2.0 * s[0], p[0])
    low = low + fma(2.0, s[1], p[1])
    first, second = short_parts(e, LN2)
    a, a_rest = fast_two_sum(k * first, high)
    return fast_two_sum(a, a_rest + fma(k, second, low))


def _looked_up_as_pair(x: Number) -> Pair:
    """The same by tables of 1 / c and log c: x = 2^k m, c = n / 16 is near m, r = m / c - 1."""
    e, bits = x.e, x.e.bits
    m = fraction(x)
    k = exponent(x) - exponent(m)
    n = (m + magic(e) / ENTRIES).bits()
    inverse = looked_up("inverses", LOG_INVERSE[bits], n)
    p, p_rest = two_product(m, inverse)
    r = p - 1.0
    z, z_rest = two_product(r, r)
    first, second = short_parts(e, LN2)
    # exact, as both have few bits
    whole = fma(k, first, looked_up("logarithms", LOG_HIGH[bits], n))
    s, rest = fast_two_sum(whole, r)
    s, more = fast_two_sum(s, -0.5 * z)
    low = fma(k, second, looked_up("logarithms.low", LOG_LOW[bits], n))
    low = (low + fma(p_rest, z - r, p_rest)) + (fma(-0.5, z_rest, rest) + more)
    return fast_two_sum(s, fma(z * r, polynomial(r, LOG_NEAR[bits]), low))


def _product(a: Pair, b: Pair) -> Pair:
    p, rest = two_product(a[0], b[0])
    return p, fma(a[0], b[1], fma(a[1], b[0], rest))
