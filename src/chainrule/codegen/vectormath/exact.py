"""Numbers as unevaluated sums of two, and constants in several parts.

Error-free transformations as in J.-M. Muller et al., Handbook of Floating-Point Arithmetic (2nd ed.
2018), chapters 4 and 14. A pair (high, low) stands for high + low, where low is far smaller.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Final

from chainrule.codegen.vectormath.emitter import Emitter, Number, fma, select, sqrt

Pair = tuple[Number, Number]

PRECISION: Final = {64: 53, 32: 24}


def pi_scaled(bits: int) -> int:
    """Pi times 2^bits, to within a few units: Machin's formula in integers."""

    def arctangent_of_reciprocal(n: int) -> int:
        term = total = (1 << (bits + 16)) // n
        k = 1
        while term:
            term //= -n * n
            k += 2
            total += term // k
        return total

    return (16 * arctangent_of_reciprocal(5) - 4 * arctangent_of_reciprocal(239)) >> 16


PI: Final = Fraction(pi_scaled(300), 1 << 300)
LN2: Final = Fraction(
    "0.69314718055994530941723212145817656807550013436025525412068000949339362196969471560586"
)
LN10: Final = Fraction(
    "2.30258509299404568401799145468436420760110148862877297603332790096757260967735248023600"
)


def parts(value: Fraction, precision: tuple[int, ...]) -> list[float]:
    """Floats of so many bits each whose sum comes ever closer to a value."""
    result = []
    for bits in precision:
        # value = significand * 2^exponent with a significand of so many bits
        exponent = abs(value).numerator.bit_length() - value.denominator.bit_length() - bits
        significand = round(value / Fraction(2) ** exponent)
        if abs(significand) >= 1 << bits:
            exponent += 1
            significand = round(value / Fraction(2) ** exponent)
        part = significand * Fraction(2) ** exponent
        result.append(float(part))
        value -= part
    return result


def pair(e: Emitter, value: Fraction) -> tuple[float, float]:
    """A constant as a pair of floats of the emitter's type."""
    high, low = parts(value, (PRECISION[e.bits],) * 2)
    return high, low


def fast_two_sum(a: Number, b: Number) -> Pair:
    """a + b exactly, if |a| >= |b| or a is a multiple of the last place of b (Dekker)."""
    s = a + b
    return s, b - (s - a)


def two_sum(a: Number | float, b: Number) -> Pair:
    """a + b exactly (Knuth)."""
    s = a + b
    t = s - a
    return s, (a - (s - t)) + (b - t)


def two_product(a: Number, b: Number | float) -> Pair:
    """a * b exactly: by a fused multiply-add, or by halves (Veltkamp and Dekker)."""
    p = a * b
    if a.e.has_fma:
        return p, fma(a, b, -p)
    (ah, al), (bh, bl) = halves(a), halves(a.e.number(b))
    return p, al * bl - (((p - ah * bh) - al * bh) - ah * bl)


def halves(x: Number) -> Pair:
    """x as a sum of two numbers of half the precision (Veltkamp)."""
    c = x * float((1 << (PRECISION[x.e.bits] + 1) // 2) + 1)
    high = c - (c - x)
    return high, x - high


def residual(c: Number, a: Number, b: Number | float) -> Number:
    """c - a * b where a * b is close to c: nearly all of its digits are those that c lacks."""
    if c.e.has_fma:
        return fma(-a, b, c)
    p, low = two_product(a, b)
    return (c - p) - low


def quotient(n: Pair, d: Pair) -> Pair:
    """n / d, with one division."""
    inverse = 1.0 / d[0]
    q = n[0] * inverse
    return q, (residual(n[0], q, d[0]) + fma(-q, d[1], n[1])) * inverse


def square_root(x: Pair) -> Pair:
    """sqrt(x) of a pair that is zero or normal."""
    root = sqrt(x[0])
    rest = residual(x[0], root, root) + x[1]
    return root, select(root > 0.0, rest * (0.5 / root), 0.0)


def scaled(x: Pair, factor: Number | float) -> Pair:
    """Both parts times a power of two."""
    return x[0] * factor, x[1] * factor


def flat(x: Pair) -> Number:
    """The pair rounded to one number."""
    return x[0] + x[1]
