"""Indices that have traced Tensors in them: operands of the operation, as they have no values yet.

`at_index` stands for any row that takes an index (`x[i]`, its transpose, assignment): the index is
a pattern with holes, and what fills them are operands.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.errors import DtypeError, TracedValueError, at, user_line
from chainrule.graph.node import Variable
from chainrule.ops import batched_index
from chainrule.ops.complaints import describe
from chainrule.ops.recording import zeros_like
from chainrule.ops.table import ZERO, operation

Index = Any


@dataclass(frozen=True)
class Hole:
    """Stands in an index for operand `number` of `at_index`."""

    number: int


def one_hole(index: Index, ndim: int) -> tuple[int, int] | None:
    """(axis, operand) of an index with one hole among full slices; None for other indices."""
    parts = list(index) if type(index) is tuple else [index]
    if sum(isinstance(p, Hole) for p in parts) != 1:
        return None
    dots = [k for k, p in enumerate(parts) if p is Ellipsis]
    for k in dots[:1]:
        parts[k : k + 1] = [slice(None)] * (ndim - len(parts) + 1)
    if len(dots) > 1 or not all(
        isinstance(p, Hole) or (type(p) is slice and p == slice(None)) for p in parts
    ):
        return None
    axis = next(k for k, p in enumerate(parts) if isinstance(p, Hole))
    return axis, parts[axis].number


def is_dynamic(index: Index) -> bool:
    """Whether a part of an index is a traced Tensor, or a hole for one."""
    parts = index if type(index) is tuple else (index,)
    return any(isinstance(part, (Variable, Hole)) for part in parts)


def traced_part(part: Any) -> Any:
    """A traced Tensor as a part of an index; it carries no derivative."""
    kind = part._value.dtype.kind
    if kind in "iub":
        return part
    raise DtypeError(
        f"an index takes integers, slices, None, ... and arrays of integers or booleans, not "
        f"{describe(part._value)}" + at(user_line())
    )


def at_traced(row: Any, operands: Sequence[Any], params: dict[str, Any]) -> Any:
    """An indexing row at an index that has traced parts."""
    index = params["index"]
    parts = list(index) if type(index) is tuple else [index]
    masks = [p for p in parts if isinstance(p, Variable) and p._value.dtype.kind == "b"]
    if masks:
        return _at_mask(row, operands, masks[0], len(parts))
    holes: list[Any] = []
    for k, part in enumerate(parts):
        if isinstance(part, Variable):
            parts[k] = Hole(len(operands) + len(holes))
            holes.append(part)
    pattern = tuple(parts) if type(index) is tuple else parts[0]
    return at_index([*operands, *holes], row, {**params, "index": pattern})


def _at_mask(row: Any, operands: Sequence[Any], mask: Any, count: int) -> Any:
    """`x[mask] = value` by `where`, where the value is the same for all elements of the mask."""
    x = operands[0]
    if row.name not in ("set_item", "add_at") or count > 1:
        raise TracedValueError(
            f"{row.name}: how many elements a traced mask selects is not known while a function is "
            "traced; use cr.where(mask, x, other), or sum x * mask" + at(user_line())
        )
    value = operands[1]
    mask = mask.reshape((*mask.shape, *(1,) * (len(x.shape) - len(mask.shape))))
    if np.ndim(getattr(value, "_value", value)) > len(x.shape) - len(mask.shape):
        raise TracedValueError(
            f"{row.name}: values for the elements that a traced mask selects cannot be told apart "
            "while a function is traced; use cr.where(mask, values, x) with values of x's shape"
            + at(user_line())
        )
    value = value + x * 0 if row.name == "add_at" else value
    return np.where(mask, x + value if row.name == "add_at" else value, x)


def _filled(params: dict[str, Any], operands: Sequence[Any]) -> dict[str, Any]:
    """Parameters with the index's holes filled."""
    index = params["index"]

    def fill(part: Any) -> Any:
        return operands[part.number] if isinstance(part, Hole) else part

    whole = tuple(map(fill, index)) if type(index) is tuple else fill(index)
    return {**params, "index": whole}


def _at_reverse(i: int, ct: Any, y: Any, *operands: Any, row: Any, params: Any) -> Any:
    if i >= row.arity or row.reverse[i] is ZERO:
        return zeros_like(operands[i])
    return row.reverse[i](ct, y, *operands[: row.arity], **_filled(params, operands))


def _at_forward(tangents: Any, y: Any, *operands: Any, row: Any, params: Any) -> Any:
    params, moving = _filled(params, operands), tangents[: row.arity]
    if row.forward is not None:
        return row.forward(moving, y, *operands[: row.arity], **params)
    return row.function(*moving, **params)


@operation(
    reverse=_at_reverse,
    forward=_at_forward,
    arity=None,
    batch=batched_index.at_own_index,
)
def at_index(operands: Sequence[Any], row: Any, params: dict[str, Any]) -> Any:
    """An indexing row whose index has operands in it.

    >>> x, i = cr.tensor([1.0, 2.0, 3.0]), cr.tensor([2, 0])
    >>> at_index([x, i], cr.ops.indexing.getitem.operation, {"index": Hole(1)})
    tensor([3., 1.])
    """
    return row.evaluate(*operands[: row.arity], **_filled(params, operands))
