"""The elementwise family: a row states the partial derivatives, and everything else follows.

Value, broadcasting, dtype, forward and reverse rule come from here and from `ops.hot`, where the
calls that decide eager speed are written out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from chainrule.ops import hot, series
from chainrule.ops.table import ZERO, Operation, Rule, general, needs, register


def elementwise(
    name: str,
    evaluate: Rule,
    partials: Sequence[Any] = (),
    *,
    domain: tuple[Any, ...] | None = None,
    python: Rule | None = None,
    arity: int | None = None,
    **fields: Any,
) -> Callable[..., Any]:
    """Enter an elementwise row, and return its public function.

    `partials[i](y, *operands)` is dy/d(operand i); 1 and -1 stand for themselves, ZERO for a
    derivative that vanishes, a string for one that is missing. `python` is the operator that does
    the same as `evaluate` and is faster on scalars. No partials: the result is not differentiable.
    """
    arity = arity or (evaluate.nin if isinstance(evaluate, np.ufunc) else len(partials) or 1)
    row = Operation(
        name=name,
        evaluate=evaluate,
        reverse=tuple(p if p is ZERO or isinstance(p, str) else hot.product(p) for p in partials),
        arity=arity,
        partials=tuple(partials),
        domain=domain or ((-2.0, 2.0),) * arity,
        differentiable=bool(partials),
        names=tuple("xyz"[:arity]) if arity <= 3 else (),
        kind="elementwise",
        **fields,
    )
    row.keeps = needs(partials, 1 + arity) if partials else (False,) * (1 + arity)
    if isinstance(evaluate, np.ufunc):
        row.numpy = (*row.numpy, evaluate)
    row.call, row.reflected = hot.calls(row, python or evaluate)
    row.pull = hot.elementwise_pull(row)
    function = _named(row, arity)
    register(row, function)
    return function


def _named(row: Operation, arity: int) -> Callable[..., Any]:
    """The public function: plain Python, so that it has a name, a signature and a docstring."""
    call: Any = row.call
    if arity == 1:
        return lambda x, /: call(x)
    if arity == 2:
        return lambda x, y, /: call(x, y)
    if arity == 3:
        return lambda x, y, z, /: general(row, (x, y, z), {})

    def function(*operands: Any) -> Any:
        if len(operands) != arity:
            raise TypeError(f"{row.name}() takes {arity} operands, {len(operands)} given")
        return general(row, operands, {})

    return function


def shown(sentence: str, call: str, result: str) -> str:
    """A docstring: what the operation is, and an example that the tests run."""
    return f"{sentence}\n\n>>> {call}\n{result}"


def _strong(a: Any, b: Any) -> Any:
    y = np.multiply(a, b)
    square = np.vdot(y, y)  # is NaN exactly if some element is, as no other squares add up to one
    if square == square:
        return y
    return np.where((np.equal(a, 0) | np.equal(b, 0)) & ~np.isfinite(y), y.dtype.type(0), y)


# 0 * inf = 0: the product with a "strong zero", whose derivative is of the same kind
strong_multiply = elementwise(
    "strong_multiply",
    _strong,
    (
        lambda _y, _a, b: b,
        lambda _y, a, _b: a,
    ),
    taylor=series.product,
    special=(0.0, np.inf),
)
hot.strong_product = strong_multiply
