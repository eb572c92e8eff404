"""The errors of the compiled functions, and the table of them in `docs/vectormath.md`.

`python tests/vectormathpage.py` measures on many points and writes the table.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil, pi
from pathlib import Path
from typing import Any

import mpmath
import numpy as np
from mpmath import mpf
from scipy import special

from chainrule.codegen.vectormath.kernel import Kernel

PAGE = Path(__file__).parents[1] / "docs" / "vectormath.md"

mpmath.mp.dps = 40


@dataclass(frozen=True)
class Case:
    """A function: exact values of doubles, good values of singles, where to look."""

    exact: Callable[..., Any]
    good: Callable[..., Any]
    low: float = -30.0
    """From here to `high` points are dense, besides those of all magnitudes."""
    high: float = 30.0
    hard: tuple[float, ...] = (0.0, 1.0, -1.0)
    """Neighbors of these points are visited."""
    domain: tuple[float, float] = (-np.inf, np.inf)
    """Outside of it the function is NaN."""
    bound: float = 2.0
    """Largest error in units in the last place that is admitted."""


def _sigmoid(x: Any) -> Any:
    return 1 / (1 + mpmath.exp(-x))


def _softplus(x: Any) -> Any:
    return mpmath.log1p(mpmath.exp(x)) if x < 0 else x + mpmath.log1p(mpmath.exp(-x))


POSITIVE = (5e-324, np.inf)
TURNS = tuple(k * pi / 2 for k in (1, 2, 3, 4, 5, 1000, 10**6, 10**9, 5**40, 7**100))
# x near a multiple of pi/2 as no other double is (Muller, Elementary Functions, section 11.3.2)
WORST = (6381956970095103.0 * 2.0**797, 16367173.0 * 2.0**72)
EXPS = (0.0, 0.3466, -0.3466, 709.7, -708.4, -745.1, 88.7, -87.4, -103.9)
CASES: dict[str, Case] = {
    "exp": Case(mpmath.exp, np.exp, -750, 711, EXPS),
    "exp2": Case(lambda x: mpf(2) ** x, np.exp2, -1080, 1025, (0.5, 1023.99, -1074, -149, 128)),
    "expm1": Case(mpmath.expm1, np.expm1, -50, 711, EXPS),
    "sigmoid": Case(_sigmoid, special.expit, -750, 50, EXPS),
    "softplus": Case(_softplus, lambda x: np.logaddexp(x, 0), -750, 50, EXPS),
    "log_sigmoid": Case(lambda x: -_softplus(-x), special.log_expit, -50, 750, EXPS),
    "log": Case(mpmath.log, np.log, 0, 3, (1, 0.5**0.5, 2**0.5), domain=POSITIVE),
    "log2": Case(lambda x: mpmath.log(x, 2), np.log2, 0, 3, (1, 0.5**0.5, 2**0.5), domain=POSITIVE),
    "log10": Case(mpmath.log10, np.log10, 0, 3, (1, 0.5**0.5, 2**0.5), domain=POSITIVE),
    "log1p": Case(mpmath.log1p, np.log1p, -1, 3, (-1, 0.41, -0.29), (-1 + 1e-16, np.inf)),
    "sin": Case(mpmath.sin, np.sin, hard=(*TURNS, *WORST)),
    "cos": Case(mpmath.cos, np.cos, hard=(*TURNS, *WORST)),
    "sincos": Case(
        lambda x: (mpmath.sin(x), mpmath.cos(x)),
        lambda x: np.stack([np.sin(x), np.cos(x)]),
        hard=(*TURNS, *WORST),
    ),
    "tan": Case(mpmath.tan, np.tan, hard=(*TURNS, *WORST, pi / 4)),
    "asin": Case(mpmath.asin, np.arcsin, -1, 1, (0.5, 1, -1), (-1, 1)),
    "acos": Case(mpmath.acos, np.arccos, -1, 1, (0.5, 1, -1), (-1, 1)),
    "atan": Case(mpmath.atan, np.arctan, -4, 4, (1, 2**0.5 - 1)),
    "atan2": Case(mpmath.atan2, np.arctan2),
    "sinh": Case(mpmath.sinh, np.sinh, -711, 711, (*EXPS, 710.4, 89.4)),
    "cosh": Case(mpmath.cosh, np.cosh, -711, 711, (*EXPS, 710.4, 89.4)),
    "tanh": Case(mpmath.tanh, np.tanh, -22, 22, (0.1733, 0.54, 19.0, 9.0)),
    "asinh": Case(mpmath.asinh, np.arcsinh, -4, 4, (0, 0.35, 2.0**28, 2.0**14)),
    "acosh": Case(mpmath.acosh, np.arccosh, 1, 4, (1, 2.0**28, 2.0**14), (1, np.inf)),
    "atanh": Case(mpmath.atanh, np.arctanh, -1, 1, (1, -1, 0.17), (-1 + 1e-16, 1 - 1e-16)),
    "power": Case(lambda x, y: x**y, np.power, domain=POSITIVE, bound=4.0),
    "sqrt": Case(mpmath.sqrt, np.sqrt, 0, 4, domain=POSITIVE, bound=0.5),
    "rsqrt": Case(lambda x: 1 / mpmath.sqrt(x), lambda x: 1 / np.sqrt(x), 0, 4, domain=POSITIVE),
    "cbrt": Case(lambda x: mpmath.sign(x) * mpmath.cbrt(abs(x)), np.cbrt, -8, 8),
    "hypot": Case(mpmath.hypot, np.hypot),
    "erf": Case(lambda x: mpmath.erf(min(max(x, -30), 30)), special.erf, -6, 6, (1, -1, 5.9)),
    "erfc": Case(
        lambda x: mpmath.erfc(min(max(x, -30), 30)),
        special.erfc,
        -6,
        28,
        (0, 0.5, 26.5, 27.2, 9.1, 10.05),
    ),
}


def points(name: str, dtype: Any, count: int, seed: int = 0) -> list[Any]:
    """Finite operands: of all magnitudes, dense where the function varies, next to hard points."""
    case, dtype = CASES[name], np.dtype(dtype)
    rng, info = np.random.default_rng(seed), np.finfo(dtype)
    least, most = np.log2(float(info.smallest_subnormal)), float(info.maxexp)
    signs = rng.choice([-1, 1], count)
    with np.errstate(over="ignore"):
        near = np.concatenate([_neighbors(h, dtype) for h in case.hard])
    x = np.concatenate(
        [
            signs * np.exp2(rng.uniform(least, most - 1e-3, count)),
            signs * np.exp2(rng.uniform(-12, 12, count)),
            rng.uniform(case.low, case.high, count),
            near.astype(float)[np.isfinite(near)],
        ]
    )
    with np.errstate(over="ignore"):
        x = x.astype(dtype)
    x = x[np.isfinite(x) & (x >= case.domain[0]) & (x <= case.domain[1])]
    if name == "power":  # results of all magnitudes, and everyday exponents
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            y = (rng.uniform(least, most, len(x)) / np.log2(x.astype(float))).astype(dtype)
        y[::3] = rng.integers(-20, 21, len(y[::3])) / 4
        return [x[np.isfinite(y)], y[np.isfinite(y)]]
    if name in {"atan2", "hypot"}:
        y = rng.permutation(x)
        with np.errstate(over="ignore"):
            y[::2] = x[::2] * rng.uniform(0.2, 5, len(x[::2])).astype(dtype)  # near the diagonal
        return [x[np.isfinite(y)], y[np.isfinite(y)]]
    return [x]


def _neighbors(point: float, dtype: Any) -> Any:
    """Numbers on both sides, from the next one to some percent away."""
    step = np.exp2(-np.arange(0, 55, 2.0)) / 20
    steps = np.concatenate([step, -step, [0.0]])
    return (point * (1 + steps) if point else steps).astype(dtype)


WIDER: dict[Any, Any] = {np.dtype("f4"): np.float64}
"""dtype -> one whose rounding errors do not count beside its own."""
if np.finfo(np.longdouble).nmant >= 63:
    WIDER[np.dtype("f8")] = np.longdouble


def good(name: str, operands: list[Any]) -> tuple[Any, Any]:
    """What `exact` gives, to some thousandths of a unit, by NumPy in a wider dtype."""
    dtype = operands[0].dtype
    with np.errstate(all="ignore"):
        values = np.atleast_2d(CASES[name].good(*(x.astype(WIDER[dtype]) for x in operands)))
        rounded = values.astype(dtype)
        lost = (values - rounded.astype(WIDER[dtype])) / spacing(rounded)
    return rounded, lost.astype(float)


def exact(name: str, operands: list[Any]) -> tuple[Any, Any]:
    """The values of doubles, rounded, and the parts lost in units of the last place, by mpmath."""
    case = CASES[name]
    columns = [
        np.atleast_1d(case.exact(*map(mpf, row)))
        for row in zip(*(x.tolist() for x in operands), strict=True)
    ]
    values = np.array(columns, object).T
    rounded = np.array([[_rounded(v) for v in row] for row in values])
    units = spacing(rounded)
    lost = [
        [
            float((v - mpf(r)) / mpf(u)) if np.isfinite(r) else 0.0
            for v, r, u in zip(*rows, strict=True)
        ]
        for rows in zip(values.tolist(), rounded.tolist(), units.tolist(), strict=True)
    ]
    return rounded, np.array(lost)


def _rounded(value: Any) -> float:
    """To the nearest double; mpmath has no subnormal numbers of its own."""
    return (
        int(mpmath.nint(value * mpf(2) ** 1074)) * 2.0**-1074
        if abs(value) < 1e-300
        else float(value)
    )


def spacing(x: Any) -> Any:
    """The unit in the last place of x."""
    half = np.finfo(x.dtype).max / 2  # NumPy's spacing overflows in the last binade
    return np.where(
        abs(x) > half, 2 * np.spacing(half), np.spacing(np.minimum(abs(x), half))
    ).astype(np.float64)


def errors(found: Any, rounded: Any, lost: Any) -> Any:
    """|found - exact| in units of the last place; infinite where one of the two is NaN."""
    with np.errstate(all="ignore"):
        difference = (found.astype(np.float64) - rounded.astype(np.float64)) / spacing(
            rounded
        ) - lost
    same = (found == rounded) | (np.isnan(found) & np.isnan(rounded))
    error = np.where(same, np.where(np.isfinite(rounded), abs(lost), 0.0), abs(difference))
    # infinity stands for what lies just above the largest number, and the reverse
    edge = np.finfo(found.dtype).max
    overflow = (np.isinf(found) & (rounded == edge)) | ((found == edge) & np.isinf(rounded))
    return np.where(np.isnan(error), np.inf, np.where(overflow, 1.0, error))


def largest_error(
    name: str, kernel: Kernel, operands: list[Any], expected: tuple[Any, Any]
) -> float:
    """Of one kernel on operands of its dtype."""
    return float(errors(np.atleast_2d(kernel(*operands)), *expected).max())


def lines() -> dict[str, tuple[float, float]]:
    """The page's table: the function's largest error in double and in single precision."""
    rows = [
        [cell.strip(" `") for cell in line.strip("| ").split("|")]
        for line in PAGE.read_text(encoding="utf-8").splitlines()
        if line.startswith("| `")
    ]
    return {name: (float(double), float(single)) for name, double, single in rows}


def table(few: int = 4_000, many: int = 800_000) -> str:
    """The table as measured on this machine, rounded up to a tenth after adding 0.05."""
    from chainrule.codegen.engine import host
    from chainrule.codegen.vectormath.kernel import compiled

    rows = ["| function | double | single |", "|---|---|---|"]
    forms: list[tuple[int, dict[str, bool]]] = [(256, {}), (256, {"fma": False})]
    if host().avx512:
        forms.append((512, {"avx512": True}))
    kernels = {
        bits: [compiled(CASES, bits, width // bits, **how)[0] for width, how in forms]
        for bits in (64, 32)
    }
    for name in CASES:
        cells = []
        for bits in (64, 32):
            dtype, worst = np.dtype(f"f{bits // 8}"), 0.0
            samples = [(exact, few)] if bits == 64 else []
            if dtype in WIDER and (bits == 32 or not name.startswith("erf")):  # SciPy's is double
                samples.append((good, many))
            for values, count in samples:
                operands = points(name, dtype, count, seed=1)
                expected = values(name, operands)
                worst = max(
                    worst,
                    *(largest_error(name, k[name], operands, expected) for k in kernels[bits]),
                )
            margin = 0.5 if name != "sqrt" else 0.0
            cells.append(f"{ceil(10 * worst + margin - 1e-2) / 10:.1f}")
        rows.append(f"| `{name}` | {' | '.join(cells)} |")
        print(rows[-1], flush=True)
    return "\n".join(rows) + "\n"


def write() -> None:
    """Put the table as measured in place of the page's."""
    text = PAGE.read_text(encoding="utf-8")
    start = text.index("| function |")
    end = text.index("\n\n", start)
    PAGE.write_text(text[:start] + table().rstrip("\n") + text[end:], encoding="utf-8")


if __name__ == "__main__":
    write()
