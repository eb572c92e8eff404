"""Derivatives at kinks: what `docs/kinks.md` says of each, and that it says something of all.

At a point where the values on the two sides have different slopes the derivative lies between them;
where it has none of its own it is infinite, and not NaN. The points are those the rows name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from kinkspage import PAGE, evaluate, lines, written

import chainrule as cr
from chainrule.graph.node import Variable
from chainrule.ops.table import TABLE, Operation
from chainrule.transforms.backward import gradients

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")

LINES = lines()
H = 1e-6
COMPOSITES = ("elu", "gelu", "hardtanh", "leaky_relu", "mish", "zeta")
"""Elementwise functions that are not rows of that family."""
ROWS = [
    row
    for row in TABLE.values()
    if row.differentiable and (row.kind == "elementwise" or row.name in COMPOSITES)
]


def test_the_page_is_not_empty() -> None:
    """Each line of a table is read."""
    assert len(LINES) > 100
    assert len(LINES) == PAGE.read_text(encoding="utf-8").count("\n| `")
    assert len({line[:2] for line in LINES}) == len(LINES)


@pytest.mark.parametrize(("function", "point", "derivative"), LINES)
def test_line(function: str, point: str, derivative: str) -> None:
    """The derivative at the point is what the page says."""
    assert written(evaluate(function, point)) == derivative


# --- the derivative lies between the slopes -------------------------------------------------------


def points(row: Operation) -> Iterator[tuple[Any, ...]]:
    """One operand at a special point and the others inside their domains; and all at that point."""
    domains = row.domain or ((-2.0, 2.0),)
    inside = [
        {"bool": True, "int": 2, "positive int": 2}.get(d)
        if isinstance(d, str)
        else 0.4 * d[0] + 0.6 * d[1]
        for d in domains
    ]
    for p in {0.0, 1.0, -1.0, *row.special}:
        if abs(p) < 100:
            for i, d in enumerate(domains):
                if not isinstance(d, str) and (p in row.special or d[0] <= p <= d[1]):
                    yield (*inside[:i], p, *inside[i + 1 :])
            if (
                len(domains) > 1
                and p in row.special
                and not any(isinstance(d, str) for d in domains)
            ):
                yield (p,) * len(domains)


def value(row: Operation, operands: tuple[Any, ...]) -> float:
    """The function on plain numbers."""
    return float(row.function(*[np.asarray(x) for x in operands]))


def slope(row: Operation, operands: tuple[Any, ...], i: int, h: float) -> float:
    """The slope of a secant from the operands."""
    moved = (*operands[:i], operands[i] + h, *operands[i + 1 :])
    return (value(row, moved) - value(row, operands)) / h


def derivative(row: Operation, operands: tuple[Any, ...], i: int) -> float:
    """The derivative in operand i."""
    leaf = cr.tensor(float(operands[i]), requires_grad=True)
    y = row.function(*[leaf if k == i else np.asarray(x) for k, x in enumerate(operands)])
    if not isinstance(y, Variable) or y._node is None:
        return 0.0
    (g,) = gradients([y], [leaf], [np.ones(())], allow_unused=True)
    return 0.0 if g is None else float(g._value)


BEYOND = {
    ("betainc", 0), ("betainc", 1), ("betaincc", 0), ("betaincc", 1),
    ("gammainc", 0), ("gammaincc", 0),
}  # fmt: skip
"""Rows and operands in which 0, an end of another operand's domain, is outside the domain."""


def cases() -> Iterator[tuple[Operation, tuple[Any, ...], int, list[float]]]:
    """(row, operands, operand, finite slopes on its two sides) where the value is finite."""
    for row in ROWS:
        for operands in points(row):
            for i, x in enumerate(operands):
                if (
                    isinstance(x, (bool, int))
                    or (row.kind == "elementwise" and row.missing(i))
                    or not np.isfinite(value(row, operands))
                ):
                    continue
                sides = [slope(row, operands, i, h) for h in (-H, H)]
                finite = [s for s in sides if np.isfinite(s) and abs(s) < 1e3]
                if finite and (row.name, i) not in BEYOND:
                    yield row, operands, i, finite


def test_the_derivative_lies_between_the_slopes_of_the_two_sides() -> None:
    """Or is infinite where the secants are steep; never NaN."""
    count = 0
    for row, operands, i, sides in cases():
        g, what = derivative(row, operands, i), f"{row.name}{operands} in operand {i}"
        low, high = min(sides), max(sides)
        if np.isinf(g):
            assert min(np.sign(g) * low, np.sign(g) * high) > 5, f"{what}: {g} against {sides}"
        else:
            margin = 1e-4 * (1 + abs(low) + abs(high))
            assert low - margin <= g <= high + margin, f"{what}: {g} against {sides}"
        count += 1
    assert count > 300


def test_every_kink_of_an_elementwise_row_is_on_the_page() -> None:
    """Where the slopes of the two sides differ, the page has a line for the function."""
    named = {name for function, _, _ in LINES for name in re.findall(r"\w+", function)}
    kinked = {
        row.name
        for row, _, _, sides in cases()
        if len(sides) == 2 and abs(sides[0] - sides[1]) > 1e-3 * (1 + abs(sides[0]))
    }
    assert {"abs", "relu", "maximum", "hypot"} <= kinked
    assert kinked <= named
