"""Values with a derivative rule of the user's: the row behind `custom_jvp` and `custom_vjp`.

A function with a rule of its own is computed as usual, on constants, so what it computes is an
ordinary part of the graph. Its results then pass through this row, which changes nothing and
carries the rule: operands are the results, what the rule wants to remember, and the arguments,
by which the derivative is taken. The rules of the row are in `chainrule.derive.custom`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from chainrule.graph.node import Spec
from chainrule.ops.table import operation


def _later(*_: Any, **__: Any) -> Any:
    raise AssertionError("chainrule.derive.custom sets the rules of this row")


def _as_they_are(*operands: Any, rule: Any) -> tuple[Spec, ...]:
    return tuple(Spec(x) for x in operands[: rule.results])


@operation(
    reverse=_later,
    forward=_later,
    arity=None,
    results=0,
    shape=_as_they_are,
    untested="its parameter is a rule; tests/test_custom.py",
)
def custom(operands: Sequence[Any], rule: Any) -> tuple[Any, ...]:
    """The first `rule.results` operands, with a derivative by the last `rule.arguments`."""
    return tuple(operands[: rule.results])
