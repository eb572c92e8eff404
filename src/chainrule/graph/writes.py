"""Writes into arrays that a recorded operation kept: noticed, and named by the backward pass.

Every in-place change of a Tensor's array takes a number from the same counter as the nodes, filed
under the array that owns the memory. A node older than the latest write to memory it kept holds
values that are no longer those it was recorded with. Nothing is paid where nothing is written.
"""

from __future__ import annotations

import weakref
from bisect import bisect_right
from collections.abc import Callable
from typing import Any, Final

import numpy as np

from chainrule.errors import GraphError, at, user_line
from chainrule.graph.node import Node, next_order

newest: Final = [0]
"""Order of the newest write; a node recorded after it needs no check."""

Entry = tuple[Any, int, str, tuple[str, int], list[int]]
"""Weak reference to the owning array, order of the latest write to it, operation, the user's line,
and the orders of all recorded writes, after each of which its views stand for other values.
"""

_written: dict[int, Entry] = {}
"""The writes by the id of the owning array."""

_MANY = 4096
"""At this many entries those of arrays that are gone are dropped."""


def owner(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The array that owns the memory of a view."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array


def note_write(array: Any, operation: str, recorded: bool = False) -> None:
    """File a write into `array` (a scalar is rebound, not written, and needs no note)."""
    if type(array) is not np.ndarray:
        return
    memory = owner(array)
    order = next_order()
    newest[0] = order
    if len(_written) > _MANY:
        for key in [k for k, entry in list(_written.items()) if entry[0]() is None]:
            _written.pop(key, None)
    before = written_to(memory)
    orders = [] if before is None else before[4]
    if recorded:
        orders.append(order)
    _written[id(memory)] = (weakref.ref(memory), order, operation, user_line(), orders)


def written_to(memory: Any) -> Entry | None:
    """The latest write to the memory an array owns, or None."""
    entry = _written.get(id(memory))
    return entry if entry is not None and entry[0]() is memory else None


def check_written(node: Node, user: int) -> None:
    """Raise if memory that `node` kept was written after it was recorded, or if its result shows
    memory that was written between then and its use by the node of order `user`.
    """
    assert node.saved is not None
    for i, value in enumerate(node.saved):
        entry = _written_since(node, value)
        if entry is not None and node.op.reads(node, i):
            what = f"of shape {list(value.shape)}" if type(value) is np.ndarray else "of several"
            raise _overwritten(node, f"a value {what} that", entry)
    for value in node.params.values() if node.op.kind != "elementwise" else ():
        entry = _written_since(node, value)
        if entry is not None:
            raise _overwritten(node, "an index or option that", entry)
    shown: Callable[[], Any] | None = getattr(node, "shown", None)
    if shown is not None:
        entry = written_to(shown())
        if entry is not None and (node.order < entry[1] < user or _between(node, entry[4], user)):
            raise _overwritten(node, "the value of a view that", entry)


def _between(node: Node, orders: list[int], user: int) -> bool:
    """Whether one of some writes came after a node and before its user."""
    i = bisect_right(orders, node.order)
    return i < len(orders) and orders[i] < user


def _written_since(node: Node, value: Any) -> Entry | None:
    """The write to an array, or to one of a tuple of them, after the node was recorded."""
    if type(value) is tuple:  # the results of an operation with several, or the parts of an index
        for part in value:
            entry = _written_since(node, part)
            if entry is not None:
                return entry
    elif type(value) is np.ndarray:
        entry = written_to(owner(value))
        if entry is not None and entry[1] > node.order:
            return entry
    return None


def _overwritten(node: Node, what: str, entry: Entry) -> GraphError:
    return GraphError(
        f"the derivative of `{node.op.name}` needs {what} was changed in place by "
        f"`{entry[2]}` since; use the out-of-place form (`x = x + y`), or `.clone()` the value "
        "first" + at(entry[3])
    )
