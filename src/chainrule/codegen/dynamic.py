"""Indices with traced integers in them (`ops.traced_index`): x[i], x[i, 1:], and writing there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from chainrule.codegen.index import Coordinate, plus, times
from chainrule.codegen.values import Value
from chainrule.codegen.views import Index, Part, parts_at, stretched
from chainrule.ops.traced_index import Hole

NAMES = ("getitem", "set_item", "add_at", "put")


def name_of(params: dict[str, Any]) -> str:
    """What the compiler calls an `at_index`, by the row it stands for."""
    return f"{params['row'].name}_at_traced" if params["row"].name in NAMES else "at_index"


def parts_of(v: Value, shape: Sequence[int]) -> list[Part] | None:
    """The index of an array of a shape, part by part; None for what is not followed here."""

    def filled(part: Any) -> Part | None:
        return ("hole", v.args[part.number], 0, 0) if isinstance(part, Hole) else None

    found = parts_at(v.params["params"]["index"], shape, filled)
    if found is None:
        return None
    holes = [p[1] for p in found if p[0] == "hole"]
    if any(h.code[0] not in "iu" or not h.size for h in holes):
        return None
    several = len(holes) > 1 or any(p[0] in ("int", "new") for p in found)
    if any(h.ndim for h in holes) and several:  # one array of positions, among slices, is followed
        return None
    return found


def selected_shape(parts: Sequence[Part]) -> tuple[int, ...]:
    """The shape of `x[index]`."""
    shape: list[int] = []
    for kind, what, _, count in parts:
        if kind == "hole":
            shape += what.shape
        elif kind != "int":
            shape.append(count)
    return tuple(shape)


def place(parts: Sequence[Part], shape: Sequence[int], index: Index, scope: Any) -> Index:
    """The index in the array of an index in what is selected."""
    found: list[Coordinate] = []
    rest = list(index)
    for kind, what, step, _ in parts:
        if kind == "new":
            rest.pop(0)
        elif kind == "int":
            found.append(what)
        elif kind == "slice":
            found.append(plus(times(rest.pop(0), step), what))
        else:
            own = tuple(rest[: what.ndim])
            del rest[: what.ndim]
            element = scope.at(what, stretched(own, what.shape))
            found.append(scope.position(element, shape[len(found)], "raise"))
    return tuple(found)


def getitem(v: Value, index: Index, scope: Any) -> tuple[Value, Index]:
    """The operand and the index in it of an element of `x[index]`."""
    x = v.args[0]
    parts = parts_of(v, x.shape)
    assert parts is not None
    return x, place(parts, x.shape, index, scope)


def placed(v: Value) -> tuple[Value | None, Value, tuple[int, ...], Any, str] | None:
    """Base, source, shape of the piece, its place, and how it is stored; None if not followed."""
    name = v.op.removesuffix("_at_traced")
    base, source = (None, v.args[0]) if name == "put" else (v.args[0], v.args[1])
    parts = parts_of(v, v.shape)
    if parts is None:
        return None
    shape = selected_shape(parts)
    if source.ndim > len(shape):
        return None

    def at(index: Index, scope: Any) -> Index:
        return place(parts, v.shape, index, scope)

    return base, source, shape, at, "=" if name == "set_item" else "add"
