"""Hyperbolic functions by exp(|x|) - 1, their inverses by the logarithm, both as pairs."""

from __future__ import annotations

from math import inf

from chainrule.codegen.vectormath.coefficients import TANH
from chainrule.codegen.vectormath.emitter import (
    Number,
    at_least,
    at_most,
    fma,
    polynomial,
    select,
)
from chainrule.codegen.vectormath.exact import (
    PRECISION,
    fast_two_sum,
    flat,
    quotient,
    scaled,
    square_root,
    two_product,
    two_sum,
)
from chainrule.codegen.vectormath.exponential import exp, exp_scaled, expm1_scaled
from chainrule.codegen.vectormath.logarithm import log_of_pair
from chainrule.codegen.vectormath.scaling import magic, power_of_two, times_power_of_two

OVERFLOWS = {64: 710.5, 32: 89.5}
"""sinh and cosh of this and what is above are infinite."""


def tanh(x: Number) -> Number:
    """Hyperbolic tangent: p / (p + 2) with p = exp(2 |x|) - 1."""
    bits = x.e.bits
    if x.e.wide:
        return _tanh_in_parts(x)
    t, p = expm1_scaled(2.0 * at_most(abs(x), 20.0 if bits == 64 else 10.0))
    high, low = scaled(p, power_of_two(t))
    s, rest = two_sum(2.0, high)
    return flat(quotient((high, low), (s, rest + low))).with_sign_of(x)


SMALL = 0.55
"""Below, the hyperbolic tangent is a polynomial."""


def _tanh_in_parts(x: Number) -> Number:
    """The same where exp takes little time: 1 - 2 / (exp(2 |x|) + 1), and a polynomial near 0."""
    a = abs(x)
    z = a * a
    near = fma(a * z, polynomial(z, TANH[x.e.bits]), a)
    far = 1.0 - 2.0 / (exp(a + a) + 1.0)
    return select(a < SMALL, near, far).with_sign_of(x)


def sinh(x: Number) -> Number:
    """Hyperbolic sine: (P + P / (1 + P)) / 2 with P = exp(|x|) - 1 = 2^k p."""
    e = x.e
    t, p = expm1_scaled(at_most(abs(x), OVERFLOWS[e.bits]))
    scale = power_of_two(at_most(t, magic(e) + 64.0))
    y = p[0] + (p[1] + p[0] / fma(scale, p[0], 1.0))
    return times_power_of_two(y, t - 1.0).with_sign_of(x)


def cosh(x: Number) -> Number:
    """Hyperbolic cosine: (E + 1 / E) / 2 with E = exp(|x|) = 2^k p."""
    e = x.e
    t, p = exp_scaled(at_most(abs(x), OVERFLOWS[e.bits]))
    scale = power_of_two(at_least(2.0 * magic(e) - t, magic(e) - 60.0))
    return times_power_of_two(p[0] + (p[1] + scale * scale / p[0]), t - 1.0)


def asinh(x: Number) -> Number:
    """Inverse of sinh: log(|x| + sqrt(x^2 + 1))."""
    e = x.e
    a = abs(x)
    huge = a > 2.0 ** (PRECISION[e.bits] // 2 + 2)
    b = select(huge, 1.0, a)
    square, rest = two_product(b, b)
    s, s_rest = two_sum(1.0, square)
    root = square_root(fast_two_sum(s, s_rest + rest))
    u, u_rest = two_sum(b, root[0])
    u, u_rest = fast_two_sum(u, u_rest + root[1])
    y = log_of_pair((select(huge, a, u), select(huge, 0.0, u_rest)), select(huge, 1.0, 0.0))
    y = select(a < 2.0 ** -(PRECISION[e.bits] // 2), a, y)
    return select(a < inf, y, a).with_sign_of(x)


def acosh(x: Number) -> Number:
    """Inverse of cosh: log(x + sqrt(x^2 - 1)); NaN below 1."""
    e = x.e
    huge = x > 2.0 ** (PRECISION[e.bits] // 2 + 2)
    b = select(huge, 1.0, x)
    square, rest = two_product(b, b)
    s, s_rest = two_sum(-1.0, square)
    root = square_root(fast_two_sum(s, s_rest + rest))
    u, u_rest = two_sum(b, root[0])
    u, u_rest = fast_two_sum(u, u_rest + root[1])
    y = log_of_pair((select(huge, x, u), select(huge, 0.0, u_rest)), select(huge, 1.0, 0.0))
    return select(x < inf, select(x >= 1.0, y, (x - x) / 0.0), x)


def atanh(x: Number) -> Number:
    """Inverse of tanh: half the logarithm of (1 + x) / (1 - x); NaN outside [-1, 1]."""
    e = x.e
    a = abs(x)
    q, rest = quotient(two_sum(1.0, a), two_sum(1.0, -a))
    y = 0.5 * log_of_pair(fast_two_sum(q, rest))
    y = select(a < 2.0 ** -(PRECISION[e.bits] // 2), a, y)
    y = select(a < 1.0, y, select(a.equals(1.0), inf, (a - a) / 0.0))
    return y.with_sign_of(x)
