"""Hooks on nodes: what to call when a cotangent is known.

A node holds its own hooks, so that a hook that refers to the tensor it is of dies with it.
"""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.errors import DtypeError, ShapeError, at, user_line
from chainrule.graph.node import Cotangents, Node, Variable, hooked

_numbers = itertools.count()


class Handle:
    """What registering a hook returns: `remove()` takes it away again."""

    def __init__(self, guard: _Guard, number: int) -> None:
        self._guard = weakref.ref(guard)
        self._number = number

    def remove(self) -> None:
        """Take the hook away; a second call does nothing."""
        guard = self._guard()
        if guard is not None:
            guard.hooks.pop(self._number, None)
            if not guard.hooks and not guard.retains:
                hooked.discard(guard.order)


class _Guard:
    """The hooks of a node, and the gradient it retains."""

    def __init__(self, order: int) -> None:
        self.order = order
        self.cls: type[Variable] = Variable
        self.hooks: dict[int, Callable[[Any], Any]] = {}
        self.gradient: Any = None
        self.retains = False
        weakref.finalize(self, hooked.discard, order)

    def run(self, ct: Any) -> Any:
        """The cotangent as the hooks leave it, which is the one that is retained."""
        for hook in tuple(self.hooks.values()):
            changed = hook(ct)
            if changed is not None:
                ct = changed
        if self.retains:
            self._keep(ct)
        return ct

    def _keep(self, ct: Any) -> None:
        kept = _variable(ct, self.cls)
        if self.gradient is not None:
            self.gradient = self.gradient + kept
            return
        own: Any = type(kept)()  # nobody else's memory
        own._node = kept._node
        own._value = kept._value.copy()
        self.gradient = own


def add_hook(node: Node, hook: Callable[[Any], Any], cls: type[Variable]) -> Handle:
    """Call `hook(cotangent)` with a Tensor of class `cls` in every walk that reaches `node`."""

    def run(ct: Any) -> Any:
        changed = hook(_variable(ct, cls))
        return None if changed is None else _replacement(changed, ct, cls)

    number = next(_numbers)
    guard = _guard(node)
    guard.hooks[number] = run
    hooked.add(node.order)
    return Handle(guard, number)


def _variable(ct: Any, cls: type[Variable]) -> Any:
    if isinstance(ct, Variable):
        return ct
    out = cls()
    out._value, out._node = ct, None
    return out


def _replacement(changed: Any, ct: Any, cls: type[Variable]) -> Any:
    """What a hook returned, as the walk takes it, or an error where it is no such gradient."""
    if isinstance(ct, Cotangents):
        return changed
    before = ct._value if isinstance(ct, Variable) else ct
    value = changed._value if isinstance(changed, Variable) else np.asarray(changed)[()]
    if value.shape != before.shape:
        raise ShapeError(
            f"register_hook: the hook returned shape {list(value.shape)} for a gradient of shape "
            f"{list(before.shape)}; return one of equal shape, or None to leave it"
            + at(user_line())
        )
    if value.dtype != before.dtype:
        if not np.can_cast(value.dtype, before.dtype, "same_kind"):
            raise DtypeError(
                f"register_hook: the hook returned dtype {value.dtype} for a gradient of dtype "
                f"{before.dtype}" + at(user_line())
            )
        if isinstance(ct, Variable) and isinstance(changed, Variable):
            return changed.astype(before.dtype)  # type: ignore[attr-defined]
        value = value.astype(before.dtype)
    if not isinstance(ct, Variable):
        return value
    return changed if isinstance(changed, Variable) else _variable(value, cls)


def _guard(node: Node) -> _Guard:
    guard: _Guard | None = getattr(node, "guard", None)
    if guard is None:
        guard = node.guard = _Guard(node.order)
    return guard


def retain(node: Node, cls: type[Variable]) -> None:
    """Keep the gradient that walks find for `node`, accumulated over walks."""
    guard = _guard(node)
    guard.retains = True
    guard.cls = cls
    hooked.add(node.order)
