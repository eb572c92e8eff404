"""Operands that an operation cannot take, and the errors that say so."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from chainrule.errors import DtypeError, MatrixError, MissingDerivative, ShapeError, at, user_line
from chainrule.graph.node import Variable

NUMBERS: Final = frozenset({int, float, bool, complex})
"""Python's own numbers: weak in dtype, as in NumPy."""


def as_value(x: Any, name: str) -> Any:
    """An operand that is not a Tensor, as NumPy takes it, or an error that says what it is."""
    kind = type(x)
    if kind in NUMBERS or (isinstance(x, (np.ndarray, np.generic)) and x.dtype.kind in "biufc"):
        return x
    if isinstance(x, (list, tuple)):
        if holds_variable(x):
            raise DtypeError(
                f"{name}: a list that holds Tensors is not an array; write `cr.stack(...)` of it"
                + at(user_line())
            )
        try:
            value = np.asarray(x)
        except ValueError as error:
            raise ShapeError(
                f"{name}: this list is ragged (its rows differ in length), so it is no array: "
                f"{error}" + at(user_line())
            ) from None
        if value.dtype.kind in "biufc":
            return value
        x = value
    else:
        try:
            value = np.asarray(x)
        except Exception:
            value = None
        if value is not None and value.dtype.kind in "biufc":
            return value
    dtype = getattr(x, "dtype", None)
    what = f"dtype {dtype}" if dtype is not None else f"a {kind.__name__}"
    raise DtypeError(
        f"{name}: cannot compute with {what}; it takes Tensors, NumPy arrays and numbers "
        f"(bool, int, float or complex)" + at(user_line())
    )


def holds_variable(x: Any) -> bool:
    """Whether there is a Tensor in nested lists."""
    return any(
        isinstance(v, Variable) or (isinstance(v, (list, tuple)) and holds_variable(v)) for v in x
    )


def check_device(device: Any) -> None:
    """Raise for any device but the one there is."""
    if device is not None and str(device) != "cpu":
        raise ValueError(f"device={str(device)!r}: tensors live on the cpu" + at(user_line()))


def describe(value: Any) -> str:
    """`float64[3, 2]`, for messages."""
    value = value if hasattr(value, "dtype") else np.asarray(value)
    return f"{value.dtype}{list(value.shape)}"


def explain(row: Any, values: Sequence[Any], params: dict[str, Any], error: Exception) -> Exception:
    """NumPy's complaint as ours: operation, shapes, the user's line."""
    given = ", ".join("a number" if type(v) in NUMBERS else describe(v) for v in values)
    options = "".join(f", {k}={v!r}" for k, v in params.items() if _short(v))
    text = f"{row.name}({given}{options}): {error}"
    hint = ""
    shapes = [v.shape for v in values if hasattr(v, "shape")]
    if row.kind == "elementwise" and len(set(shapes)) > 1:
        hint = (
            "\n  shapes broadcast from the right: sizes must be equal or 1; "
            "`.reshape(...)` or `x[:, None]` adds the axis that is missing"
        )
    elif row.name == "matmul" and len(shapes) == 2:
        hint = "\n  the last size of the first operand must equal the last but one of the second"
    kind: type[Exception]
    if isinstance(error, np.linalg.LinAlgError):
        return MatrixError(text + at(user_line()))
    if isinstance(error, IndexError):
        kind = type("IndexError", (ShapeError, IndexError), {})
    elif isinstance(error, TypeError):
        kind = DtypeError
    else:
        kind = ShapeError
    return kind(text + hint + at(user_line()))


def _short(value: Any) -> bool:
    return isinstance(value, (int, float, str, tuple, type(None))) and len(repr(value)) < 60


CAUGHT: Final = (ValueError, TypeError, IndexError, np.linalg.LinAlgError)
"""What NumPy raises at operands that do not fit."""


def check_rules(row: Any, nodes: Sequence[Any], values: Sequence[Any]) -> None:
    """Raise where a derivative is wanted in an operand that has none."""
    if callable(row.reverse):
        return
    for i, node in enumerate(nodes):
        if node is not None and isinstance(row.reverse[i], str):
            operand = row.names[i] if i < len(row.names) else f"operand {i}"
            raise MissingDerivative(
                f"{row.name}: no derivative is written in its argument {operand!r} "
                f"({describe(values[i])}): {row.reverse[i]}. "
                f"Pass it detached (`{operand}.detach()`) if you do not need that derivative."
                + at(user_line())
            )
