"""What objects were before a part of a function ran, to see whether it changed them, and undo that.

A branch that is traced runs whether it is taken or not. What it changes in place must therefore be
part of the state of the branch, or be refused; and an attempt that fails must leave no trace.
"""

from __future__ import annotations

import zlib
from collections import deque
from types import FunctionType, ModuleType
from typing import Any, Final

import numpy as np

from chainrule.graph.node import Abstract, Variable

_DEPTH: Final = 3
"""How deep into containers and objects is looked."""

_COPIED: Final = 1 << 20
"""Arrays of more bytes are not copied: a change is seen by a checksum, and cannot be undone."""


class Snapshot:
    """One object, and what is in it."""

    __slots__ = ("_before", "_contents", "_parts", "value")

    def __init__(self, value: Any, depth: int = _DEPTH) -> None:
        self.value = value
        self._before = _inside(value)
        array = _array_of(value)
        self._contents = None if array is None else _contents(array)
        deeper = depth > 1 and array is None and not isinstance(value, Variable)
        self._parts = [Snapshot(v, depth - 1) for v in self._before] if deeper else []

    def changed(self, traced: bool = True) -> bool:
        """Whether the object is not what it was, or something in it, traced Tensors among it or
        not.
        """
        if not traced and isinstance(self.value, Variable) and type(self._before[0]) is Abstract:
            return False
        return self._has_changed() or any(part.changed(traced) for part in self._parts)

    def _has_changed(self) -> bool:
        now = _inside(self.value)
        if len(now) != len(self._before):
            return True
        if any(a is not b for a, b in zip(now, self._before, strict=True)):
            return True
        array = _array_of(self.value)
        return array is not None and not _same(_contents(array), self._contents)

    def undo(self) -> None:
        """Make the object what it was."""
        if self._has_changed():
            _restore(self.value, self._before)
            array = _array_of(self.value)
            if array is not None and isinstance(self._contents, np.ndarray):
                array[...] = self._contents
        for part in self._parts:
            part.undo()


def _inside(value: Any) -> list[Any]:
    """What an object refers to, and would not after a change in place."""
    if isinstance(value, Variable):
        return [value._value, value._node]
    if isinstance(value, list | deque | set):
        return list(value)
    if isinstance(value, dict):
        return [part for item in value.items() for part in item]
    if hasattr(value, "__dict__") and not isinstance(value, FunctionType | ModuleType | type):
        return [part for item in vars(value).items() for part in item]
    return []


def _restore(value: Any, before: list[Any]) -> None:
    if isinstance(value, Variable):
        value._value, value._node = before
    elif isinstance(value, list):
        value[:] = before
    elif isinstance(value, set):
        value.clear()
        value.update(before)
    elif isinstance(value, deque):
        value.clear()
        value.extend(before)
    elif before or hasattr(value, "__dict__"):
        target = value if isinstance(value, dict) else vars(value)
        target.clear()
        target.update(zip(before[::2], before[1::2], strict=True))


def _array_of(value: Any) -> np.ndarray[Any, Any] | None:
    """The memory that an array or Tensor can be changed in."""
    array = value._value if isinstance(value, Variable) else value
    return array if isinstance(array, np.ndarray) and array.flags.writeable else None


def _contents(array: np.ndarray[Any, Any]) -> Any:
    if array.nbytes <= _COPIED or array.dtype.hasobject:
        return array.copy()
    return zlib.adler32(np.ascontiguousarray(array).data)


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        return a.tobytes() == b.tobytes()
    return bool(a == b)
