"""Hooks on nodes: what to call when a cotangent is known. Filed by the order of the node."""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Callable
from typing import Any

from chainrule.graph.node import Node, Variable, hooked

_numbers = itertools.count()


class Handle:
    """What registering a hook returns: `remove()` takes it away again."""

    def __init__(self, order: int, number: int) -> None:
        self._order = order
        self._number = number

    def remove(self) -> None:
        """Take the hook away; a second call does nothing."""
        hooks = hooked.get(self._order)
        if hooks is not None:
            hooks.pop(self._number, None)
            if not hooks:
                hooked.pop(self._order, None)


class _Guard:
    """Lives as long as its node: keeps a retained gradient, and drops the hooks when it dies."""

    def __init__(self, order: int) -> None:
        self.gradient: Any = None
        self.retains = False
        weakref.finalize(self, hooked.pop, order, None)


def add_hook(node: Node, hook: Callable[[Any], Any], cls: type[Variable]) -> Handle:
    """Call `hook(cotangent)` with a Tensor of class `cls` in every walk that reaches `node`."""

    def run(ct: Any) -> Any:
        given = ct
        if not isinstance(ct, Variable):
            given = cls()
            given._value, given._node = ct, None
        changed = hook(given)
        if changed is None:
            return None
        return changed if isinstance(ct, Variable) else getattr(changed, "_value", changed)

    number = next(_numbers)
    _guard(node)
    hooked.setdefault(node.order, {})[number] = run
    return Handle(node.order, number)


def _guard(node: Node) -> _Guard:
    guard: _Guard | None = getattr(node, "guard", None)
    if guard is None:
        guard = node.guard = _Guard(node.order)
    return guard


def retain(node: Node, cls: type[Variable]) -> None:
    """Keep the gradient that walks find for `node`, accumulated over walks."""
    guard = _guard(node)
    if guard.retains:
        return
    guard.retains = True
    reference = weakref.ref(guard)  # the hook must not keep alive what drops it

    def keep(gradient: Any) -> None:
        target = reference()
        if target is not None:
            before = target.gradient
            target.gradient = gradient if before is None else before + gradient

    add_hook(node, keep, cls)
