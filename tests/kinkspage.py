"""The tables of `docs/kinks.md`: expressions in x (and y), a point, and the derivative there."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

import chainrule as cr
from chainrule.ops.table import TABLE
from chainrule.transforms.backward import gradients

PAGE = Path(__file__).parents[1] / "docs" / "kinks.md"
NAMES: dict[str, Any] = {
    "inf": np.inf,
    "nan": np.nan,
    **{name: row.function for name, row in TABLE.items()},
}
"""What an expression may use: every operation by its name in the table."""


def lines() -> list[tuple[str, str, str]]:
    """(function, point, derivative) of every line of every table."""
    rows = [
        line.split(" | ")
        for line in PAGE.read_text(encoding="utf-8").splitlines()
        if line.startswith("| `")
    ]
    return [tuple(cell.strip(" |`") for cell in row) for row in rows]  # type: ignore[misc]


def point(text: str) -> tuple[Any, ...]:
    """The values of x, or of x and y, that a cell stands for."""
    value = eval(text, dict(NAMES))
    return value if isinstance(value, tuple) else (value,)


def evaluate(function: str, at: str) -> tuple[Any, ...]:
    """The derivatives of an expression in x, and y, at a point."""
    values = point(at)
    leaves = [cr.tensor(np.asarray(v, float), requires_grad=True) for v in values]
    y = eval(function, dict(NAMES), dict(zip("xy", leaves, strict=False)))
    if y._node is None:
        return tuple(np.zeros(np.shape(v)) for v in values)
    found = gradients([y], leaves, [np.ones(())], allow_unused=True)
    return tuple(
        np.zeros(np.shape(v)) if g is None else np.asarray(g._value)
        for g, v in zip(found, values, strict=True)
    )


def number(x: float) -> str:
    """A number as the page writes it."""
    if not np.isfinite(x):
        return str(x)
    fraction = Fraction(float(x)).limit_denominator(100)
    return str(fraction) if abs(float(fraction) - x) < 1e-12 else repr(round(float(x), 6))


def written(values: tuple[Any, ...]) -> str:
    """Derivatives as the page writes them."""
    texts = [_nested(np.asarray(v).tolist()) for v in values]
    return texts[0] if len(texts) == 1 else f"({', '.join(texts)})"


def _nested(value: Any) -> str:
    return f"[{', '.join(map(_nested, value))}]" if isinstance(value, list) else number(value + 0.0)
