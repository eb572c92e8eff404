"""Arithmetic of truncated Taylor series, for rows that have a recurrence of their own.

A quantity along a curve t -> x(t) is given by its normalized coefficients x_k = x^(k)(0) / k!. The
walk `derive.taylor` hands a row its result and operands as `Curve`s, indexed by the order k, and
the row answers with a *step*: the function that gives the result's coefficient k >= 1 from the
result's coefficients below k and the operands' up to k. None stands for zero.

The recurrences are those of A. Griewank and A. Walther, Evaluating Derivatives (2nd ed., 2008),
tables 13.1 and 13.2. Rows without one need none: theirs follows from the derivative.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from chainrule.ops import hot
from chainrule.ops.recording import is_traced, raw

Step = Callable[[int], Any]
"""Coefficient k of a result, for k = 1, 2, ... in this order."""


class Series:
    """Coefficients 1, 2, ... of a quantity, each computed when it is first asked for."""

    __slots__ = ("known", "step")

    def __init__(self, step: Step) -> None:
        self.known: list[Any] = []
        self.step = step

    def at(self, k: int) -> Any:
        """Coefficient k >= 1, or None where it is zero."""
        known = self.known
        while len(known) < k:
            value = self.step(len(known) + 1)
            known.append(value[()] if type(value) is np.ndarray and value.ndim == 0 else value)
        return known[k - 1]


class Curve:
    """A result or operand along the curve: item 0 is its value, item k its coefficient k."""

    __slots__ = ("series", "value")

    def __init__(self, value: Any, series: Series | None) -> None:
        self.value = value
        self.series = series

    def __getitem__(self, k: int) -> Any:
        if k == 0:
            return self.value
        return None if self.series is None else self.series.at(k)

    @property
    def moves(self) -> bool:
        """Whether it is more than a constant."""
        return self.series is not None


def plus(a: Any, b: Any) -> Any:
    """a + b, either of which may be None for zero."""
    return b if a is None else a if b is None else a + b


def minus(a: Any, b: Any) -> Any:
    """a - b, either of which may be None for zero."""
    return a if b is None else -b if a is None else a - b


def scaled(x: Any, k: int) -> Any:
    """k x, None being zero."""
    return x if x is None or k == 1 else x * k


def total(terms: Iterator[Any]) -> Any:
    """Sum of fresh terms, None being zero; arrays are added up in the memory of the first."""
    out: Any = None
    for term in terms:
        if out is None:
            out = term
        elif term is None:
            continue
        elif type(out) is type(term) is np.ndarray and _alike(out, term):
            out += term
        else:
            out = out + term
    return out


def _alike(a: Any, b: Any) -> bool:
    return bool(a.shape == b.shape and a.dtype == b.dtype)


def cauchy(a: Curve | Sequence[Any], b: Curve | Sequence[Any], k: int, first: int = 0) -> Any:
    """Coefficient k of the product a * b, without its terms a_j b_(k-j) for j < first."""
    return products(pairs(a, b, k, first))


def products(factors: Iterator[tuple[Any, Any]]) -> Any:
    """Sum of the products of pairs of factors; large arrays in two pieces of memory."""
    out: Any = None
    spare: Any = None
    for p, q in factors:
        if out is None:
            out = hot.times(p, q)
        elif not _plain(out, p, q):
            out = out + hot.times(p, q)
        elif spare is None:
            spare = p * q
            out += spare
        else:
            np.multiply(p, q, out=spare)
            out += spare
    return out


def _plain(out: Any, p: Any, q: Any) -> bool:
    """Whether p * q is an array like `out`, and an ordinary product."""
    return (
        type(out) is type(p) is type(q) is np.ndarray
        and not hot.careful
        and p.shape == q.shape == out.shape
        and p.dtype == q.dtype == out.dtype
    )


def pairs(a: Any, b: Any, k: int, first: int = 0) -> Iterator[tuple[Any, Any]]:
    """(a_j, b_(k-j)) for j from `first` to k, where neither is zero."""
    left, right = _up_to(a, k), _up_to(b, k - first)
    for j in range(first, k + 1):
        p, q = left[j], right[k - j]
        if p is not None and q is not None:
            yield p, q


def _up_to(a: Curve | Sequence[Any], k: int) -> Sequence[Any]:
    """Coefficients 0 to k at least, all at hand."""
    if not isinstance(a, Curve):
        return a
    series = a.series
    if series is None:
        return [a.value, *[None] * k]
    if k:
        series.at(k)
    return [a.value, *series.known]


def over(a: Any, b: Any) -> Any:
    """a / b; in a walk that respects zeros, 0 / 0 = 0."""
    return hot.times(a, 1 / b) if hot.careful else a / b


def vanishes_nowhere(x: Any) -> bool:
    """Whether it is known that no element is zero."""
    return not is_traced(x) and bool(np.all(np.not_equal(raw(x), 0)))


# --- the rows with recurrences -------------------------------------------------------------------


def product(_y: Curve | None, a: Curve, b: Curve) -> Step:
    """y = a b: the Cauchy product."""
    if a.series is b.series:
        return lambda k: _square(a, k)
    if a.moves and b.moves:
        return lambda k: cauchy(a, b, k)
    moving, fixed = (a, b.value) if a.moves else (b, a.value)
    return lambda k: None if moving[k] is None else hot.times(moving[k], fixed)


def _square(a: Curve, k: int) -> Any:
    """Coefficient k of a * a: every product of two different coefficients occurs twice."""
    half = (k + 1) // 2
    factors = ((a[j], a[k - j]) for j in range(half))
    sides = products((p, q) for p, q in factors if p is not None and q is not None)
    middle = None if k % 2 else a[k // 2]
    return plus(scaled(sides, 2), None if middle is None else hot.times(middle, middle))


def quotient(y: Curve, a: Curve, b: Curve) -> Step:
    """y = a / b, from b y = a."""

    def step(k: int) -> Any:
        rest = minus(a[k], cauchy(b, y, k, first=1) if b.moves else None)
        return None if rest is None else over(rest, b.value)

    return step


def power(y: Curve, a: Curve, b: Curve) -> Step | None:
    """y = a^b: by products for natural b, from a y' = b y a' for constant b, else exp(b log a).

    The last two divide by a. Where that vanishes the derivative b a^(b-1) serves, whose own is the
    next power down, and ends at b = 0.
    """
    natural = _natural(b)
    if natural is not None:
        return _natural_power(a, natural)
    if not vanishes_nowhere(a.value):
        return None
    if b.moves:
        return _power_of_curve(y, a, b)

    def step(k: int) -> Any:
        factors = ((j, a[j], y[k - j]) for j in range(1, k + 1))
        rest = products(
            (p, q * (j * b.value - (k - j)))
            for j, p, q in factors
            if p is not None and q is not None
        )
        return None if rest is None else rest / k / a.value

    return step


def _natural(b: Curve) -> int | None:
    """A constant exponent that is one natural number, or None."""
    number = b.value
    plain = isinstance(number, int | float | np.integer | np.floating)
    if b.moves or not plain or not 0 <= number < np.inf:
        return None
    return int(number) if number == int(number) else None


def _natural_power(a: Curve, n: int) -> Step:
    """By squaring: no division by a, which may vanish."""
    out: Curve | None = None
    while n:
        if n % 2:
            out = a if out is None else _times(out, a)
        n //= 2
        if n:
            a = _times(a, a)
    return lambda k: None if out is None else out[k]


def _times(a: Curve, b: Curve) -> Curve:
    return Curve(a.value * b.value, Series(product(None, a, b)))


def _power_of_curve(y: Curve, a: Curve, b: Curve) -> Step:
    """From y' = y u', u = b log a: k y_k is the sum of j u_j y_(k-j)."""
    logarithm = Curve(np.log(a.value), Series(_logarithm(a)) if a.moves else None)
    exponent = Series(product(None, b, logarithm))
    slope = Curve(None, Series(lambda k: scaled(exponent.at(k), k)))

    def step(k: int) -> Any:
        rest = cauchy(slope, y, k, first=1)
        return None if rest is None else rest / k

    return step


def _logarithm(a: Curve) -> Step:
    """Of l = log(a), from a l' = a': k a_0 l_k is k a_k less all j l_j a_(k-j) for 0 < j < k."""
    slopes: list[Any] = [None]

    def step(k: int) -> Any:
        rest = minus(scaled(a[k], k), cauchy([*slopes, None], a, k, first=1))
        slopes.append(None if rest is None else rest / a.value)
        return None if rest is None else slopes[k] / k

    return step
