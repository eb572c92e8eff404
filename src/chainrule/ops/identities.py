"""Identities of elementwise rows with a constant operand, for whoever simplifies programs.

Only what holds for every number is here: x * 1, x - 0, x / 1, but not x * 0 (NaN for an infinite x)
and not x + 0.0 (0.0 for x = -0.0; x + (-0.0) is x). The strong product is 0 where a factor is 0:
that zero has no sign, so that adding it changes nothing. `NOTHING` stands for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

Short = tuple[str, Any] | None

NOTHING: Final = {"f8": np.float64(0), "f4": np.float32(0)}
"""A zero without sign, by dtype; recognized by being this object."""


def is_nothing(v: Any) -> bool:
    """Whether a number is the zero without sign."""
    return v is NOTHING["f8"] or v is NOTHING["f4"]


def simplified(name: str, values: Sequence[Any]) -> Short:
    """("operand", k) where the result is operand k, ("constant", c) where it is c, else None.

    `values` has the number of each operand that is constant, and None for the others.

    >>> simplified("multiply", [None, 1.0])
    ('operand', 0)
    >>> simplified("strong_multiply", [0.0, None])
    ('constant', np.float64(0.0))
    """
    rule = _RULES.get(name)
    return None if rule is None else rule(values)


def _same(number: Any, wanted: float) -> bool:
    return number is not None and bool(number == wanted)


def _neutral(wanted: float) -> Any:
    def rule(values: Sequence[Any]) -> Short:
        if _same(values[1], wanted):
            return "operand", 0
        return ("operand", 1) if _same(values[0], wanted) else None

    return rule


def _add(values: Sequence[Any]) -> Short:
    for k in (1, 0):
        v = values[k]
        if is_nothing(v):
            return "operand", 1 - k
        if _same(v, 0) and (np.signbit(v) if np.asarray(v).dtype.kind == "f" else True):
            return "operand", 1 - k
    return None


def _subtract(values: Sequence[Any]) -> Short:
    b = values[1]
    if is_nothing(b):
        return "operand", 0
    return ("operand", 0) if _same(b, 0) and not np.signbit(b) else None


def _divide(values: Sequence[Any]) -> Short:
    return ("operand", 0) if _same(values[1], 1) else None


def _strong(values: Sequence[Any]) -> Short:
    if any(_same(v, 0) for v in values):
        return "constant", NOTHING["f8"]
    return _neutral(1)(values)


def _negative(values: Sequence[Any]) -> Short:
    return ("constant", values[0]) if is_nothing(values[0]) else None


def _where(values: Sequence[Any]) -> Short:
    if values[0] is None:
        return None
    return ("operand", 1) if values[0] else ("operand", 2)


def _logical(wanted: bool) -> Any:
    """`and` is settled by False, `or` by True."""

    def rule(values: Sequence[Any]) -> Short:
        for k in (0, 1):
            v = values[k]
            if v is not None and type(v) is np.bool_:
                return ("constant", wanted) if bool(v) is wanted else ("operand", 1 - k)
        return None

    return rule


_RULES: dict[str, Any] = {
    "add": _add,
    "subtract": _subtract,
    "multiply": _neutral(1),
    "divide": _divide,
    "strong_multiply": _strong,
    "negative": _negative,
    "where": _where,
    "logical_and": _logical(False),
    "logical_or": _logical(True),
}


def fold(name: str, values: Sequence[Any]) -> Any:
    """The value of an elementwise row on constants, or None where it is not to be had."""
    from chainrule.ops.table import TABLE

    row = TABLE.get(name)
    if row is None or row.kind != "elementwise":
        return None
    try:
        with np.errstate(all="ignore"):
            return row.evaluate(*values)
    except (TypeError, ValueError, ArithmeticError):
        return None
