"""Derivatives in a direction without any rule: by differences, or by a complex step.

What `check_grad` compares the rules with. A function here takes a list of plain arrays and gives a
list of plain arrays.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from chainrule.errors import ArgumentError, at, user_line

Values = list[Any]
Function = Callable[[Sequence[Any]], Values]

STEPS = 12
"""Halvings of the step, at most."""
SHRINK = 2.0
FIRST_STEP = 2.0**-7
TINY = 1e-30
"""The complex step: small enough that its square is lost beside any number of ordinary size."""


def differences(
    f: Function, x: Sequence[Any], t: Sequence[Any], step: float | None = None
) -> Values:
    """The derivative of f at x along t.

    Central differences with ever smaller steps, extrapolated to step zero; of all the estimates
    each entry takes the one that is nearest to its neighbors in the table (C. J. F. Ridders,
    Accurate computation of F'(x) and F'(x) F''(x), Advances in Engineering Software, 1982).
    Where f has no number at x + h t the step h is passed over.
    """
    best: Values = []
    error: Values = []
    before: list[Values] = []
    h = FIRST_STEP if step is None else step
    for k in range(STEPS):
        row = [_central(f, x, t, h)]
        factor = SHRINK**2
        for j in range(1, k + 1):
            row.append(
                [
                    fine + (fine - coarse) / (factor - 1)
                    for fine, coarse in zip(row[j - 1], before[j - 1], strict=True)
                ]
            )
            factor *= SHRINK**2
            seen = [
                np.fmax(abs(new - a), abs(new - b))
                for new, a, b in zip(row[j], row[j - 1], before[j - 1], strict=True)
            ]
            for i, e in enumerate(seen):
                better = np.less(e, error[i])
                best[i] = np.where(better, row[j][i], best[i])
                error[i] = np.where(better, e, error[i])
        if k == 0:
            best = [np.full_like(d, np.nan) for d in row[0]]
            error = [np.full(np.shape(d), np.inf) for d in row[0]]
        elif _is_worse(row[k], before[k - 1], error):
            break
        before = row
        h /= SHRINK
    return best


def _is_worse(last: Values, before: Values, error: Values) -> bool:
    """Whether rounding has taken over: the last estimates are further apart than the best were."""
    return all(
        bool(np.all(abs(a - b) >= 4 * e) and np.all(np.isfinite(e)))
        for a, b, e in zip(last, before, error, strict=True)
    )


def _central(f: Function, x: Sequence[Any], t: Sequence[Any], h: float) -> Values:
    ahead = f([a + h * d for a, d in zip(x, t, strict=True)])
    behind = f([a - h * d for a, d in zip(x, t, strict=True)])
    with np.errstate(all="ignore"):
        return [
            np.asarray((wide(a) - wide(b)) / (2 * h)) for a, b in zip(ahead, behind, strict=True)
        ]


def wide(x: Any) -> Any:
    """An array in double precision at least, so that differences of it lose nothing more."""
    return np.asarray(x).astype(np.result_type(x, np.float64), copy=False)


def complex_step(f: Function, x: Sequence[Any], t: Sequence[Any]) -> Values:
    """The derivative of f at x along t to full precision, where f is analytic and its program takes
    complex numbers: Im f(x + i h t) / h (W. Squire and G. Trapp, SIAM Review 40, 1998).
    """
    out = [np.asarray(y) for y in f([a + 1j * TINY * d for a, d in zip(x, t, strict=True)])]
    if not any(y.dtype.kind == "c" for y in out):
        raise ArgumentError(
            'check_grad: method="complex-step", and the function gave no complex numbers for '
            'complex arguments; use method="differences"' + at(user_line())
        )
    return [y.imag / TINY for y in out]
