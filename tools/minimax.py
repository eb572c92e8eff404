"""Minimax polynomials of the elementary functions, by Remez's exchange algorithm.

`python tools/minimax.py` writes `src/chainrule/codegen/vectormath/coefficients.py`: for each
function the coefficients of the polynomial, constant first, whose largest error on the interval is
smallest, rounded to double and to single precision. Needs mpmath. The algorithm is that of E.
Remez (1934), as in J.-M. Muller, Elementary Functions (3rd ed. 2016), section 3.4.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mpmath
from mpmath import mp, mpf

mp.dps = 60

PAGE = Path(__file__).parents[1] / "src/chainrule/codegen/vectormath/coefficients.py"

Real = Callable[[Any], Any]
TINY = mpf(10) ** -12
"""In place of 0 where a function is given as a quotient: far below what a coefficient resolves."""


@dataclass(frozen=True)
class Target:
    """A function to approximate, where, and the degrees for double and for single precision."""

    name: str
    meaning: str
    function: Real
    low: Any
    high: Any
    degrees: tuple[int, int]
    weight: Real = lambda _x: mpf(1)
    """The error is multiplied by it: what it amounts to in the function that is computed."""
    weighted: str = ""
    """The weight in words."""
    paired: bool = False
    """Whether the constant is given as a sum of two."""


def root(f: Real) -> Real:
    """f(sqrt(z)) / sqrt(z): what is left of an odd f when x is split off."""
    return lambda z: f(mpmath.sqrt(z)) / mpmath.sqrt(z)


def scaled_erfc(x: Any) -> Any:
    """What is left of erfc without its decay."""
    return (1 + 2 * x) * mpmath.exp(x * x) * mpmath.erfc(x)


TARGETS = [
    Target(
        "EXP",
        "(exp(r) - 1 - r) / r^2",
        lambda r: (mpmath.expm1(r) - r) / r**2 if abs(r) > TINY else mpf(1) / 2,
        -mpmath.log(2) / 2 * mpf("1.001"),
        mpmath.log(2) / 2 * mpf("1.001"),
        (10, 5),
    ),
    Target(
        "EXP_NEAR",
        "(exp(r) - 1 - r) / r^2",
        lambda r: (mpmath.expm1(r) - r) / r**2 if abs(r) > TINY else mpf(1) / 2,
        -mpmath.log(2) / 32 * mpf("1.001"),
        mpmath.log(2) / 32 * mpf("1.001"),
        (4, 1),
        lambda r: r * r,
        " times r^2",
    ),
    Target(
        "LOG",
        "(2 atanh(s) / s - 2) / z, z = s^2",
        lambda z: (root(lambda s: 2 * mpmath.atanh(s))(z) - 2) / z,
        TINY,
        (3 - 2 * mpmath.sqrt(2)) ** 2 * mpf("1.001"),
        (6, 2),
    ),
    Target(
        "LOG_TAIL",
        "((2 atanh(s) / s - 2) / z - 2/3) / z, z = s^2",
        lambda z: ((root(lambda s: 2 * mpmath.atanh(s))(z) - 2) / z - mpf(2) / 3) / z,
        TINY,
        (3 - 2 * mpmath.sqrt(2)) ** 2 * mpf("1.001"),
        (8, 3),
    ),
    Target(
        "LOG_NEAR",
        "(log(1 + r) - r + r^2 / 2) / r^3",
        lambda r: (mpmath.log1p(r) - r + r * r / 2) / r**3 if abs(r) > TINY else mpf(1) / 3,
        mpf("-0.0386"),
        mpf("0.0418"),
        (9, 4),
    ),
    Target(
        "TANH",
        "(tanh(x) / x - 1) / z, z = x^2",
        lambda z: (root(mpmath.tanh)(z) - 1) / z,
        TINY,
        mpf("0.5501") ** 2,
        (9, 4),
        lambda z: z,
        " times z",
    ),
    Target(
        "SIN",
        "(sin(r) / r - 1) / z, z = r^2",
        lambda z: (root(mpmath.sin)(z) - 1) / z,
        TINY,
        (mp.pi / 4) ** 2 * mpf("1.001"),
        (5, 2),
        lambda z: z,
        " times z",
    ),
    Target(
        "COS",
        "(cos(r) - 1 + z / 2) / z^2, z = r^2",
        lambda z: (mpmath.cos(mpmath.sqrt(z)) - 1 + z / 2) / z**2,
        TINY,
        (mp.pi / 4) ** 2 * mpf("1.001"),
        (5, 2),
        lambda z: z * z,
        " times z^2",
    ),
    Target(
        "ASIN",
        "(asin(x) / x - 1) / z, z = x^2",
        lambda z: (root(mpmath.asin)(z) - 1) / z,
        TINY,
        mpf("0.25"),
        (11, 4),
    ),
    Target(
        "ATAN",
        "(atan(x) / x - 1) / z, z = x^2",
        lambda z: (root(mpmath.atan)(z) - 1) / z,
        TINY,
        mpmath.tan(mp.pi / 8) ** 2 * mpf("1.01"),
        (10, 4),
    ),
    Target(
        "ERF",
        "(erf(x) / x - 2 / sqrt(pi)) / z, z = x^2",
        lambda z: (root(mpmath.erf)(z) - 2 / mpmath.sqrt(mp.pi)) / z,
        TINY,
        mpf(1),
        (10, 5),
    ),
    Target(
        "ERFC",
        "(1 + 2 x) exp(x^2) erfc(x), t = (x - 3) / (x + 3); the constant in two parts",
        lambda t: scaled_erfc(3 * (1 + t) / (1 - t)),
        mpf(-1),
        mpf(25) / 31,
        (23, 11),
        paired=True,
    ),
    Target(
        "RECIPROCAL_CBRT",
        "m^(-1/3)",
        lambda m: m ** (mpf(-1) / 3),
        mpf(1),
        mpf(2),
        (6, 3),
    ),
]


def remez(target: Target, degree: int) -> list[Any]:
    """The polynomial of this degree whose largest weighted error is smallest, constant first."""
    middle, half = (target.low + target.high) / 2, (target.high - target.low) / 2

    def chebyshev(count: int) -> list[Any]:
        return [middle - half * mpmath.cos(mp.pi * i / (count - 1)) for i in range(count)]

    grid = chebyshev(24 * (degree + 2))
    values = [target.function(x) for x in grid]
    weights = [target.weight(x) for x in grid]
    # the reference begins at the extrema of a Chebyshev polynomial
    reference = [round(i * (len(grid) - 1) / (degree + 1)) for i in range(degree + 2)]
    for _ in range(40):
        system = mpmath.matrix(degree + 2)
        right = mpmath.matrix(degree + 2, 1)
        for row, at in enumerate(reference):
            for power in range(degree + 1):
                system[row, power] = ((grid[at] - middle) / half) ** power
            system[row, degree + 1] = (-1) ** row / (weights[at] or TINY)
            right[row] = values[at]
        solution = list(mpmath.lu_solve(system, right))
        leveled = abs(solution.pop())
        errors = [
            w * (v - value(solution, (x - middle) / half))
            for x, v, w in zip(grid, values, weights, strict=True)
        ]
        reference = extrema(errors, degree + 2)
        if max(map(abs, errors)) < leveled * mpf("1.0001"):
            break
    return shifted(solution, middle, half)


def value(coefficients: list[Any], x: Any) -> Any:
    """The polynomial at x."""
    result = mpf(0)
    for c in reversed(coefficients):
        result = result * x + c
    return result


def extrema(errors: list[Any], count: int) -> list[int]:
    """Where the error alternates in sign with its largest magnitudes, `count` places of it."""
    found: list[int] = []
    for i, error in enumerate(errors):
        if found and errors[found[-1]] * error > 0:
            if abs(error) > abs(errors[found[-1]]):
                found[-1] = i
        else:
            found.append(i)
    while len(found) > count:  # the smaller end goes, so that the signs still alternate
        found.pop(0 if abs(errors[found[0]]) < abs(errors[found[-1]]) else -1)
    if len(found) < count:
        raise ArithmeticError(f"the error changes its sign only {len(found)} times")
    return found


def shifted(coefficients: list[Any], middle: Any, half: Any) -> list[Any]:
    """The polynomial in (x - middle) / half as one in x."""
    result = [mpf(0)]
    for c in reversed(coefficients):
        longer = [mpf(0), *(a / half for a in result)]
        for i, a in enumerate(result):
            longer[i] -= a * middle / half
        longer[0] += c
        result = longer
    return result[: len(coefficients)]


def rounded(x: Any, single: bool) -> float:
    """The nearest number of the format; by way of double, which differs from it once in 2^29."""
    return struct.unpack("f", struct.pack("f", float(x)))[0] if single else float(x)


def largest_error(target: Target, coefficients: list[float], lost: float) -> Any:
    """The largest weighted error of the polynomial as rounded, sampled."""
    n = 500
    points = [target.low + (target.high - target.low) * i / n for i in range(n + 1)]
    exact = [mpf(c) for c in coefficients]
    exact[0] += lost
    return max(abs(target.weight(x) * (target.function(x) - value(exact, x))) for x in points)


HEAD = '''"""Coefficients of the minimax polynomials, constant first. Written by `tools/minimax.py`.

Each comment states the function, the interval and the largest error of the polynomial with its
coefficients as they are rounded here, in exact arithmetic.
"""

# ruff: noqa: E501, RUF100

from __future__ import annotations

Table = dict[int, tuple[float, ...]]
"""Bits of the floating-point type -> coefficients."""
'''


def logarithms() -> str:
    """For n = 12 to 24, at place n modulo 16: 16 / n, rounded, and -log of that in two parts, the
    first a multiple of 2^-41 (2^-15 in single precision).
    """
    tables: dict[str, list[str]] = {"LOG_INVERSE": [], "LOG_HIGH": [], "LOG_LOW": []}
    for bits, places in ((64, 41), (32, 15)):
        rows: list[list[float]] = [[1.0] * 16, [0.0] * 16, [0.0] * 16]
        for n in range(12, 25):
            inverse = rounded(mpf(16) / n, bits == 32)
            exact = -mpmath.log(inverse)
            high = mpmath.nint(mpmath.ldexp(exact, places)) / mpf(2) ** places
            for row, x in zip(rows, (inverse, high, exact - high), strict=True):
                row[n % 16] = rounded(x, bits == 32)
        for name, row in zip(tables, rows, strict=True):
            numbers = "".join([f"        {x!r},\n" for x in row])
            tables[name].append(f"    {bits}: (\n{numbers}    ),\n")
    meanings = ("16 / n for n = 12 to 24, at n modulo 16", "-log of it", "what that lacks")
    return "".join(
        f"\n# {meaning}\n{name}: Table = {{\n{''.join(blocks)}}}\n"
        for (name, blocks), meaning in zip(tables.items(), meanings, strict=True)
    )


def page() -> str:
    """The module of coefficients."""
    parts = [HEAD]
    for target in TARGETS:
        blocks, notes = [], []
        for bits, degree in zip((64, 32), target.degrees, strict=True):
            ideal, single = remez(target, degree), bits == 32
            coefficients = [rounded(c, single) for c in ideal]
            lost = rounded(ideal[0] - coefficients[0], single) if target.paired else 0.0
            error = mpmath.log(largest_error(target, coefficients, lost), 2)
            coefficients[1:1] = [lost] if target.paired else []
            notes.append(f"2^{float(error):.1f} ({bits} bits)")
            body = "".join(f"        {c!r},\n" for c in coefficients)
            blocks.append(f"    {bits}: (\n{body}    ),\n")
        interval = f"[{mpmath.nstr(target.low, 6)}, {mpmath.nstr(target.high, 6)}]"
        parts.append(
            f"\n# {target.meaning}\n# on {interval}; error{target.weighted} {' and '.join(notes)}\n"
            f"{target.name}: Table = {{\n{''.join(blocks)}}}\n"
        )
    return "".join([*parts, logarithms()])


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
