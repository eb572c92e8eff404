"""Calls whose operations keep nothing for the walk backwards, and are run again when it comes."""

from __future__ import annotations

import weakref
from _thread import get_ident
from collections.abc import Callable
from typing import Any

from chainrule.errors import GraphError, at, user_line
from chainrule.graph.node import Node, Variable, next_order
from chainrule.graph.switch import Record
from chainrule.graph.writes import owner, written_to
from chainrule.ops.table import SELECT
from chainrule.record.trees import flatten


def forgotten(f: Callable[..., Any], args: Any, kwargs: Any) -> Any:
    """`f(*args, **kwargs)`, whose operations keep nothing, and know how to compute it again."""
    first = next_order()
    out = f(*args, **kwargs)
    nodes = recorded_since(first, out)
    if nodes:
        segment = _Segment(f, args, kwargs, first, nodes)
        for index, node in enumerate(nodes):
            node.recipe = (segment, index)
            if node.op is not SELECT:
                node.saved = None
    return out


def recorded_since(first: int, out: Any) -> list[Node]:
    """The operations that some results depend on, recorded after a moment, oldest first."""
    seen: set[Node] = set()
    stack = [x._node for x in flatten(out)[0] if isinstance(x, Variable) and x._node is not None]
    while stack:
        node = stack.pop()
        if node.op is not None and node.order > first and node not in seen:
            seen.add(node)
            stack.extend(n for n in node.inputs if n is not None)
    return sorted(seen, key=lambda n: n.order)


class _Segment:
    """One call: how to run it again, and, while a walk is inside of it, what its nodes keep."""

    def __init__(
        self, f: Callable[..., Any], args: Any, kwargs: Any, first: int, nodes: list[Node]
    ) -> None:
        self._call = f, args, kwargs
        self._first, self._last = first, nodes[-1].order
        self._rows = [node.op for node in nodes]
        self._open = len(nodes)
        self._again: list[tuple[Any, Any, int] | None] | None = None
        self._open = 0
        """Nodes from this one on were left behind, and what they kept dropped."""
        self._entered: list[Any] = []
        """Of the calls within, those that the walk is in."""

    def recover(self, index: int, order: int, entered: list[Any] | None = None) -> tuple[Any, ...]:
        """What the node of this index, and of this order, kept; `entered` has the calls beside this
        one that the walk is in.
        """
        if self._again is None or index >= self._open:
            if entered is None:
                entered = _entered.setdefault(get_ident(), [])
            _leave(entered, order)
            self._run()
            entered.append(weakref.ref(self))
        assert self._again is not None
        for k in range(index + 1, self._open):
            self._again[k] = None
        self._open = index + 1
        found = self._again[index]
        assert found is not None
        saved, recipe, order = found
        if saved is None:  # it belongs to a call within
            inner, index = recipe
            saved = inner.recover(index, order, self._entered)
        return saved

    def holds(self, order: int) -> bool:
        """Whether a node of this order belongs to the call."""
        return self._first < order <= self._last

    def forget(self) -> None:
        """Drop what was computed again."""
        self._again = None
        self._entered.clear()

    def _run(self) -> None:
        f, args, kwargs = self._call
        name = getattr(f, "__name__", "the function")
        for x in flatten((args, dict(kwargs)))[0]:
            value = x._value if isinstance(x, Variable) else x
            entry = written_to(owner(value)) if hasattr(value, "base") else None
            if entry is not None and entry[1] > self._first:
                raise GraphError(
                    f"checkpoint: an argument of `{name}` was changed in place by `{entry[2]}` "
                    "after the call, which cannot be run again on the value it had; `.clone()` it "
                    "before the change" + at(entry[3])
                )
        first = next_order()
        with Record():
            nodes = recorded_since(first, f(*args, **kwargs))
        if [node.op for node in nodes] != self._rows:
            raise GraphError(
                f"checkpoint: `{name}` computed something else when it was run again; it must not "
                "depend on what changes between two calls (random numbers, global state)"
                + at(user_line())
            )
        self._again = [(node.saved, getattr(node, "recipe", None), node.order) for node in nodes]
        self._open = len(nodes)


_entered: dict[int, list[Any]] = {}
"""Weak references to the segments that the walks of a thread are in."""


def _leave(entered: list[Any], order: int) -> None:
    """Forget segments that a walk, which is at this order now, has left behind."""
    kept = []
    for reference in entered:
        segment = reference()
        if segment is None:
            continue
        if segment.holds(order):
            kept.append(reference)
        else:
            segment.forget()
    entered[:] = kept
