"""Python's own functions and operators on traced values, where they would ask for a number."""

from __future__ import annotations

import functools
import operator
import sys
from collections.abc import Callable
from typing import Any, Final

import numpy as np

from chainrule.ops.recording import is_traced
from chainrule.record.effects import has_traced
from chainrule.record.syntax.registry import control_flow
from chainrule.record.syntax.rows import traced_enumerate, traced_range, traced_reversed, traced_zip
from chainrule.record.syntax.source import SYNTHETIC
from chainrule.record.syntax.tracing import in_traced_part, witness

OPERATORS: Final[dict[str, Callable[[Any, Any], Any]]] = {
    "Lt": operator.lt, "LtE": operator.le, "Gt": operator.gt, "GtE": operator.ge,
    "Eq": operator.eq, "NotEq": operator.ne, "Is": operator.is_, "IsNot": operator.is_not,
    "In": lambda a, b: contains(b, a), "NotIn": lambda a, b: negated(contains(b, a)),
}  # fmt: skip
"""Comparison, by the name of its syntax, as a function."""


def negated(x: Any) -> Any:
    """`not x`."""
    return np.logical_not(x) if is_traced(x) else not x


def contains(container: Any, x: Any) -> Any:
    """`x in container`, of a list or tuple in which something is traced, by comparing."""
    sequence = isinstance(container, list | tuple)
    if is_traced(container):
        return (container == x).any()
    if sequence and (is_traced(x) or any(map(is_traced, container))):
        return functools.reduce(np.logical_or, [x == e for e in container], False)
    return x in container


def conjunction(a: Any, b: Any) -> Any:
    """`a and b` for a traced a."""
    if _is_truth(a) and _is_truth(b):
        return np.logical_and(a, b)
    return np.where(a != 0, b, a)


def disjunction(a: Any, b: Any) -> Any:
    """`a or b` for a traced a."""
    if _is_truth(a) and _is_truth(b):
        return np.logical_or(a, b)
    return np.where(a != 0, a, b)


def _is_truth(x: Any) -> bool:
    return isinstance(x, bool) or getattr(x, "dtype", None) == np.bool_


def _extreme(function: Any, better: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    """`max` or `min`: the first of those that none of the others beats, as Python takes it."""

    @functools.wraps(function)
    def extreme(*args: Any, **options: Any) -> Any:
        items = args[0] if len(args) == 1 else args
        if is_traced(items):
            items = list(items)
        if options or not isinstance(items, list | tuple) or not any(map(is_traced, items)):
            return function(*args, **options)
        return functools.reduce(lambda a, b: np.where(better(b, a), b, a), items)

    return extreme


def _quantified(function: Any, combine: Any) -> Callable[..., Any]:
    @functools.wraps(function)
    def quantified(iterable: Any) -> Any:
        items = list(iterable)
        if not any(map(is_traced, items)):
            return function(items)
        return functools.reduce(combine, [x != 0 if is_traced(x) else bool(x) for x in items])

    return quantified


def _converted(kind: Any, convert: Callable[[Any], Any]) -> Callable[..., Any]:
    def converted(*args: Any, **options: Any) -> Any:
        return convert(args[0]) if args and is_traced(args[0]) else kind(*args, **options)

    return converted


def _print(*args: Any, **options: Any) -> None:
    if has_traced(list(args)) or (witness() is not None and in_traced_part(sys._getframe(1))):
        control_flow.print(*args, **options)
    else:
        print(*args, **options)


def _locals() -> dict[str, Any]:
    """The user's own variables, of the frame that asks."""
    found = sys._getframe(1).f_locals
    return {name: v for name, v in found.items() if not name.startswith(SYNTHETIC)}


BUILTINS: Final[dict[Any, Callable[..., Any]]] = {
    range: traced_range,
    enumerate: traced_enumerate,
    zip: traced_zip,
    reversed: traced_reversed,
    max: _extreme(max, operator.gt),
    min: _extreme(min, operator.lt),
    any: _quantified(any, np.logical_or),
    all: _quantified(all, np.logical_and),
    float: _converted(float, lambda x: x.astype(np.float64)),
    int: _converted(int, lambda x: np.trunc(x).astype(np.int64)),
    bool: _converted(bool, lambda x: x != 0),
    complex: _converted(complex, lambda x: x.astype(np.complex128)),
    print: _print,
    locals: _locals,
}
"""Function of Python's -> what is called in its place."""
