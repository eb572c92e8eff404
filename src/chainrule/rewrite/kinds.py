"""What a value is to a loop over tiles of elements (`rewrite.tiling`), from what it is computed of.

- TILED: the first axis runs over the elements, and each depends on itself alone;
- STACKED: such values of each turn, in the order of the turns;
- PARTIAL: a sum over the elements, or linear in such sums: those of the tiles are added;
- SAME: every tile sees all of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from chainrule.graph.graph import Graph, operands
from chainrule.graph.node import Abstract, Node
from chainrule.ops.axes import axes_of
from chainrule.ops.recording import SELECT

SAME, TILED, STACKED, PARTIAL = "same", "tiled", "stacked", "partial"

Kind = str | None
"""None of what cannot be part of a region."""


def shape_of(value: Any) -> tuple[int, ...]:
    """The shape of an array or number."""
    return tuple(np.shape(value)) if not hasattr(value, "shape") else value.shape


def leads(value: Any, count: int, axis: int = 0) -> bool:
    """Whether an axis has so many elements."""
    shape = shape_of(value)
    return len(shape) > axis and shape[axis] == count


_MOVES: Final = frozenset({"astype", "copy", "alias", "positive"})
_LINEAR: Final = frozenset({"negative", "astype", "copy", "alias", "positive"})
_ADDING: Final = frozenset({"add_at", "put"})


def kind_of(
    node: Node, kinds: Sequence[Kind], shapes: Sequence[tuple[int, ...]], count: int
) -> Kind:
    """The kind of a result, from the kinds of the operands; None where a tile could not do it."""
    assert node.saved is not None
    assert node.op is not None
    name = node.op.name
    if None in kinds or STACKED in kinds or isinstance(node.saved[0], tuple):
        return None
    if all(k == SAME for k in kinds):
        return SAME
    if PARTIAL in kinds:
        return _of_partial(node, kinds)
    result = shape_of(node.saved[0])
    if node.op.kind == "elementwise" or name in _MOVES:
        fits = all(
            len(s) == len(result) if k == TILED else len(s) < len(result) or s[0] == 1
            for k, s in zip(kinds, shapes, strict=True)
        )
        return TILED if fits and result and result[0] == count else None
    if name in ("sum", "max", "min", "prod"):
        if 0 not in axes_of(node.params.get("axis"), len(shapes[0])):
            return TILED
        return PARTIAL if name == "sum" else None
    return None


def _of_partial(node: Node, kinds: Sequence[Kind]) -> Kind:
    """The kind of what is computed with sums over the elements: linear in them, or None."""
    name = node.op.name
    if TILED in kinds:
        return None
    if name in ("add", "subtract") and set(kinds) == {PARTIAL}:
        return PARTIAL
    if name in ("multiply", "strong_multiply") and kinds.count(PARTIAL) == 1:
        return PARTIAL
    if name == "divide" and list(kinds) == [PARTIAL, SAME]:
        return PARTIAL
    if name in _LINEAR or name == "sum" or (node.op.kind == "movement" and len(kinds) == 1):
        return PARTIAL
    inner = node.params["row"].name if name == "at_index" else name
    arrays = kinds[: 2 if inner == "add_at" else 1]
    if inner in _ADDING and set(arrays) == {PARTIAL} and PARTIAL not in kinds[len(arrays) :]:
        return PARTIAL
    return None


class Body:
    """The kinds of a scan's operands and results, found from what its body does with them."""

    def __init__(
        self, node: Node, given: Sequence[Kind], values: Sequence[Any], count: int
    ) -> None:
        self.graph: Graph = node.params["body"]
        self.node, self.count = node, count
        m, n = node.params["counts"]
        self.inputs = [
            _input(k, v, count, k_axis) for k, v, k_axis in
            zip(given, values, (0,) * (m + n) + (1,) * (len(given) - m - n), strict=True)
        ]  # fmt: skip
        for k in range(m, m + n):  # what begins with zeros may be a sum: the walk will tell
            if self.inputs[k] == SAME and _is_zero(values[k]):
                self.inputs[k] = PARTIAL
        self.outputs: list[Kind] = []
        self.kinds: dict[Node, Kind] = {}
        self._walk()
        while self._settled(m, n):
            self._walk()
        carried = zip(self.inputs[m : m + n], self.outputs[:n], strict=True)
        self.works = (
            None not in self.inputs
            and all(a == b for a, b in carried)
            and all(k in (TILED, PARTIAL, SAME) for k in self.outputs)
            and TILED in self.inputs
        )

    def _settled(self, m: int, n: int) -> bool:
        """Carries that are no sums after all are the same for all; whether there was one."""
        changed = False
        for k in range(n):
            if self.inputs[m + k] == PARTIAL != self.outputs[k]:
                self.inputs[m + k] = SAME
                changed = True
        return changed

    def _walk(self) -> None:
        kinds: dict[Node, Kind] = dict(zip(self.graph.inputs, self.inputs, strict=True))
        for node in self.graph.nodes:
            if node.op is SELECT[0] or isinstance(node.saved[0], tuple):  # type: ignore[index]
                same = all(_kind(n, v, kinds, self.count) == SAME for n, v in operands(node))
                kinds[node] = SAME if same else None
                continue
            given = [_kind(n, v, kinds, self.count) for n, v in operands(node)]
            kinds[node] = kind_of(node, given, [shape_of(v) for _, v in operands(node)], self.count)
        self.kinds = kinds
        self.outputs = [_kind(o._node, o._value, kinds, self.count) for o in self.graph.outputs]

    @property
    def results(self) -> list[Kind]:
        """Kinds of the scan's results."""
        n = self.node.params["counts"][1]
        return [STACKED if k == TILED and i >= n else k for i, k in enumerate(self.outputs)]


def _input(kind: Kind, value: Any, count: int, axis: int) -> Kind:
    """The kind of a body's input, given that of the scan's operand."""
    if axis == 1:  # slices
        if kind == STACKED:
            return TILED
        return kind if kind == SAME and not leads(value, count, 1) else None
    if kind == TILED:
        return TILED
    return kind if kind == SAME else None


def _kind(node: Node | None, value: Any, kinds: dict[Node, Kind], count: int) -> Kind:
    """The kind of an operand in a body: what is not known there is a constant."""
    if node is not None and node in kinds:
        return kinds[node]
    return TILED if leads(value, count) else SAME


def _is_zero(value: Any) -> bool:
    if type(value) is Abstract or np.asarray(value).dtype.kind != "f":
        return False
    return not np.any(value)
