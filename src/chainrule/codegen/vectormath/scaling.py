"""Powers of two, and the integers in the last bits of a number.

1.5 * 2^52 (2^23 in single precision) plus a number has the integer next to it in its last bits:
for integers that are not too large this rounds, converts and is defined for NaN, on processors
that have no instruction for it.
"""

from __future__ import annotations

from chainrule.codegen.vectormath.emitter import Bits, Emitter, Number
from chainrule.codegen.vectormath.wide import times_power


def magic(e: Emitter) -> float:
    """What shifts an integer into the last bits."""
    return 1.5 * 2.0**e.fraction


def power_of_two(t: Number) -> Number:
    """2^k for a shifted integer t = magic + k, if that is a normal number."""
    e = t.e
    return ((t.bits() + (e.bias - e.pattern(magic(e)))) << e.fraction).number()


def factors(t: Number) -> tuple[Number, Number]:
    """Two powers of two whose product is 2^k, for t = magic + k: k may be beyond the exponents."""
    e = t.e
    k: Bits = t.bits() + (2 * e.bias - e.pattern(magic(e)))
    half = k >> 1
    return (half << e.fraction).number(), ((k - half) << e.fraction).number()


def times_power_of_two(x: Number, t: Number) -> Number:
    """x * 2^k for t = magic + k, rounded once if the result is subnormal."""
    if x.e.wide:
        return times_power(x, t - magic(x.e))
    first, second = factors(t)
    return x * first * second
