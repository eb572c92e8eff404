"""`checkpoint`: what a function computed on the way is dropped, and computed again when needed."""

from __future__ import annotations

import functools
import weakref
from _thread import get_ident
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from chainrule.errors import GraphError, at, user_line
from chainrule.graph.node import Node, Variable, next_order, paused
from chainrule.graph.switch import Record
from chainrule.graph.writes import owner, written_to
from chainrule.ops.table import SELECT
from chainrule.record.trace import is_tracing
from chainrule.record.trees import flatten

P = ParamSpec("P")
R = TypeVar("R")


def checkpoint(f: Callable[P, R]) -> Callable[P, R]:
    """f with another balance of memory and time: the same values, and the same derivatives.

    What f's operations keep for the walk backwards is dropped when f returns. When the walk comes
    to them f is run again, on the same arguments, and what it keeps then is dropped when the walk
    has left f behind. So a chain of n calls needs the memory of one, and the results of all, for
    about a third more time. Calls may be nested.

    f must compute the same when it runs again. Raises GraphError where it does not, and where an
    argument was changed in place in between. While a function is traced it has no effect.

    >>> def layer(x):
    ...     return np.tanh(2 * x) + x
    >>> cr.grad(lambda x: cr.checkpoint(layer)(cr.checkpoint(layer)(x)))(0.0)
    np.float64(9.0)
    """

    @functools.wraps(f)
    def forgetful(*args: P.args, **kwargs: P.kwargs) -> R:
        if is_tracing() or get_ident() in paused:
            return f(*args, **kwargs)
        first = next_order()
        out = f(*args, **kwargs)
        nodes = _recorded_since(first, out)
        if nodes:
            segment = _Segment(f, args, kwargs, first, nodes)
            for index, node in enumerate(nodes):
                node.recipe = (segment, index)
                if node.op is not SELECT:
                    node.saved = None
        return out

    return forgetful


def _recorded_since(first: int, out: Any) -> list[Node]:
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
        self._again: list[tuple[Any, Any]] | None = None

    def recover(self, index: int, order: int) -> tuple[Any, ...]:
        """What the node of this index, and of this order, kept."""
        if self._again is None:
            _leave(order)
            self._run()
            _entered.setdefault(get_ident(), []).append(weakref.ref(self))
        assert self._again is not None
        saved, recipe = self._again[index]
        if saved is None:  # it belongs to a call within
            inner, index = recipe
            saved = inner.recover(index, order)
        return saved

    def holds(self, order: int) -> bool:
        """Whether a node of this order belongs to the call."""
        return self._first < order <= self._last

    def forget(self) -> None:
        """Drop what was computed again."""
        self._again = None

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
            nodes = _recorded_since(first, f(*args, **kwargs))
        if [node.op for node in nodes] != self._rows:
            raise GraphError(
                f"checkpoint: `{name}` computed something else when it was run again; it must not "
                "depend on what changes between two calls (random numbers, global state)"
                + at(user_line())
            )
        self._again = [(node.saved, getattr(node, "recipe", None)) for node in nodes]


_entered: dict[int, list[Any]] = {}
"""Weak references to the segments that the walks of a thread are in."""


def _leave(order: int) -> None:
    """Forget segments that a walk, which is at this order now, has left behind."""
    kept = []
    for reference in _entered.pop(get_ident(), []):
        segment = reference()
        if segment is None:
            continue
        if segment.holds(order):
            kept.append(reference)
        else:
            segment.forget()
    if kept:
        _entered[get_ident()] = kept
