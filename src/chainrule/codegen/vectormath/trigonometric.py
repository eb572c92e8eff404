"""sin, cos, tan.

From x a multiple of pi/2 is subtracted in three parts; a polynomial for the sine and one for the
cosine follow. The reduction is Cody and Waite's. Where the multiple is not too large the first
difference is exact, with a fused multiply-add or without (S. Boldo, M. Daumas and R.-C. Li, IEEE
Trans. Computers 58 (2009), pages 1139-1145), and the rest is kept as a pair. If any lane is large,
a branch leads to the reduction of `huge`.
"""

from __future__ import annotations

from math import inf

from chainrule.codegen.vectormath.coefficients import COS, SIN
from chainrule.codegen.vectormath.emitter import (
    Bits,
    Condition,
    Number,
    fma,
    polynomial,
    select,
    select_bits,
)
from chainrule.codegen.vectormath.exact import (
    PI,
    PRECISION,
    Pair,
    fast_two_sum,
    flat,
    parts,
    quotient,
    residual,
    two_product,
)
from chainrule.codegen.vectormath.huge import Reduction, reduced_huge
from chainrule.codegen.vectormath.scaling import magic

LARGE = {64: 2.0**28, 32: 2.0**14}
"""From here on the parts of pi/2 no longer suffice."""


def reduced(x: Number) -> Reduction:
    """(n, r) with x = n pi/2 + r and |r| <= pi/4; n in the last bits of an integer."""
    e = x.e
    first, second, third = parts(PI / 2, (PRECISION[e.bits],) * 3)
    t = fma(x, float(2 / PI), magic(e))
    k = t - magic(e)
    a = residual(x, k, first)  # exact: a multiple of a unit it has room for
    p, p_rest = two_product(k, second)
    high, rest = fast_two_sum(a, -p)
    low = fma(k, -third, rest - p_rest)
    magnitude = abs(x)
    large = (magnitude >= LARGE[e.bits]) & (magnitude < inf)
    return reduced_huge(x, large, (t.bits(), (high, low)))


def sine(r: Pair) -> Pair:
    """sin(r) for |r| <= pi/4."""
    z = r[0] * r[0]
    return r[0], fma(z * r[0], polynomial(z, SIN[z.e.bits]), fma(z * -0.5, r[1], r[1]))


def cosine(r: Pair) -> Pair:
    """cos(r) for |r| <= pi/4."""
    z = r[0] * r[0]
    s, rest = fast_two_sum(z.e.number(1.0), -0.5 * z)
    return s, fma(z * z, polynomial(z, COS[z.e.bits]), fma(-r[0], r[1], rest))


def is_odd(n: Bits) -> Condition:
    """Whether sine and cosine change places."""
    return (n & 1).equals(1)


def sign_of(n: Bits) -> Bits:
    """The sign bit, set in the half turn where the sine is negative."""
    e = n.e
    return (n << (e.bits - 2)) & (1 << (e.bits - 1))


def _sine_of(x: Number, n: Bits, s: Number, c: Number) -> Number:
    y = select(is_odd(n), c, s).flipped(sign_of(n))
    return select(x.equals(0.0), x, y)  # -0


def _cosine_of(n: Bits, s: Number, c: Number) -> Number:
    return select(is_odd(n), s, c).flipped(sign_of(n + 1))


def sin(x: Number) -> Number:
    """Sine."""
    n, r = reduced(x)
    return _sine_of(x, n, flat(sine(r)), flat(cosine(r)))


def cos(x: Number) -> Number:
    """Cosine."""
    n, r = reduced(x)
    return _cosine_of(n, flat(sine(r)), flat(cosine(r)))


def sincos(x: Number) -> tuple[Number, Number]:
    """Sine and cosine, of one reduction."""
    n, r = reduced(x)
    s, c = flat(sine(r)), flat(cosine(r))
    return _sine_of(x, n, s, c), _cosine_of(n, s, c)


def tan(x: Number) -> Number:
    """Tangent: sine over cosine, both as pairs."""
    n, r = reduced(x)
    odd = is_odd(n)
    s, c = fast_two_sum(*sine(r)), fast_two_sum(*cosine(r))
    top = select(odd, c[0], s[0]), select(odd, c[1], s[1])
    bottom = select(odd, s[0], c[0]), select(odd, s[1], c[1])
    sign = select_bits(odd, 1 << (x.e.bits - 1), 0)
    return select(x.equals(0.0), x, flat(quotient(top, bottom)).flipped(sign))
