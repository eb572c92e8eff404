"""Definitions: the element of a value at an index, from elements of its operands.

`DEFINE[name](v, index, scope)` for elementwise rows, casts, and the small reductions and matrix
products that are written out.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any, Final

from chainrule.codegen.dtypes import loop_dtypes
from chainrule.codegen.expression import Expr
from chainrule.codegen.index import Coordinate
from chainrule.codegen.scalars import EMIT
from chainrule.codegen.values import Value
from chainrule.codegen.views import Index, axes, stretched

REDUCTIONS: Final = {
    "sum": "add", "prod": "multiply", "max": "maximum", "min": "minimum", "any": "or", "all": "and",
}  # fmt: skip
"""Rows that combine elements by an operation, in any order."""

OPERATION: Final = {"or": "logical_or", "and": "logical_and"}
"""The elementwise row of a reduction's step, where its name is another."""


def is_defined(v: Value) -> bool:
    """Whether a row has a definition here."""
    return v.op in DEFINE


def _elementwise(v: Value, index: Index, scope: Any) -> Expr:
    codes = loop_dtypes(v)
    assert codes is not None, v
    args = tuple(
        [
            scope.cast(scope.at(a, stretched(index, a.shape)), code)
            for a, code in zip(v.args, codes, strict=False)
        ]
    )
    return scope.cast(scope.expressions.apply(v.op, args, codes[-1]), v.code)


def _cast(v: Value, index: Index, scope: Any) -> Expr:
    return scope.cast(scope.at(v.args[0], index), v.code)


def _same(v: Value, index: Index, scope: Any) -> Expr:
    return scope.at(v.args[0], index)


def _expected(v: Value, index: Index, scope: Any) -> Expr:
    """The first operand; a doubt is noted where the second does not hold."""
    x, holds = v.args
    condition = scope.at(holds, stretched(index, holds.shape))
    if condition.op != "const" and condition not in scope.doubts:
        scope.doubts.append(condition)
    return scope.at(x, stretched(index, x.shape))


def _ensured(v: Value, index: Index, scope: Any) -> Expr:
    """The first operand, and a check of the second."""
    x, holds = v.args
    scope.check(scope.at(holds, stretched(index, holds.shape)))
    return scope.at(x, stretched(index, x.shape))


def _pivot(v: Value, index: Index, scope: Any) -> Expr:
    """The operand, and a check of it."""
    e = scope.at(v.args[0], index)
    row = "equal" if v.op == "pivot" else "less_equal"
    bad = scope.expressions.apply(row, (e, scope.expressions.const(0, v.code)), "b1")
    scope.check(scope.expressions.apply("logical_not", (bad,), "b1"))
    return e


ENSURED: Final = ("ensured", "pivot", "positive_pivot")
"""Rows with a check that NumPy makes too, and says more of."""


def reduction_dtype(v: Value) -> str:
    """The dtype a reduction accumulates in."""
    return "b1" if v.op in ("any", "all") else v.code


def combined(parts: Sequence[Expr], op: str, code: str, scope: Any) -> Expr:
    """Expressions combined in pairs, pairs of pairs ..."""
    parts = list(parts)
    name = OPERATION.get(op, op)
    while len(parts) > 1:
        odd = [parts[-1]] if len(parts) % 2 else []
        pairs = zip(parts[::2], parts[1::2], strict=False)
        parts = [scope.expressions.apply(name, (a, b), code) for a, b in pairs] + odd
    return parts[0]


def expanded(v: Value, index: Index) -> tuple[list[Coordinate | None], tuple[int, ...]]:
    """The index in a reduction's operand, None along the axes that are reduced, and those axes."""
    x = v.args[0]
    gone = axes(v, x)
    rest = list(index)
    found: list[Coordinate | None] = []
    for k in range(x.ndim):
        if k in gone:
            found.append(None)
            if v.params.get("keepdims"):
                rest.pop(0)
        else:
            found.append(rest.pop(0))
    return found, gone


def _reduced(v: Value, index: Index, scope: Any) -> Expr:
    x = v.args[0]
    pattern, gone = expanded(v, index)
    code = reduction_dtype(v)
    parts = []
    for point in itertools.product(*(range(x.shape[k]) for k in gone)):
        where = dict(zip(gone, point, strict=True))
        at = tuple(where[k] if c is None else c for k, c in enumerate(pattern))
        parts.append(scope.cast(scope.at(x, at), code))
    return combined(parts, REDUCTIONS[v.op], code, scope)


def _matmul(v: Value, index: Index, scope: Any) -> Expr:
    a, b = v.args
    code = v.code
    inner = a.shape[-1]
    batch = index
    row: tuple[Coordinate, ...] = ()
    column: tuple[Coordinate, ...] = ()
    if b.ndim > 1:
        batch, column = batch[:-1], batch[-1:]
    if a.ndim > 1:
        batch, row = batch[:-1], batch[-1:]
    terms = []
    for k in range(inner):
        left = stretched((*batch, *row, k), a.shape) if a.ndim > 1 else (k,)
        right = stretched((*batch, k, *column), b.shape) if b.ndim > 1 else (k,)
        one = scope.cast(scope.at(a, left), code)
        two = scope.cast(scope.at(b, right), code)
        product = "multiply" if v.op == "matmul" else "strong_multiply"
        terms.append(scope.expressions.apply(product, (one, two), code))
    return combined(terms, "add", code, scope)


DEFINE: Final[dict[str, Callable[[Value, Index, Any], Expr]]] = {
    **dict.fromkeys(EMIT, _elementwise),
    **dict.fromkeys(REDUCTIONS, _reduced),
    "astype": _cast,
    "conj": _same,
    "ensured": _ensured,
    "pivot": _pivot,
    "positive_pivot": _pivot,
    "output": _same,
    "expected": _expected,
    "matmul": _matmul,
    "strong_matmul": _matmul,
}
