"""Equal operations of one trace recorded once.

While a thread shares, an operation that was recorded before on the same operands gives the node it
gave then. So a program that computes something twice, or takes the same element of an array by
different ways, has a small graph from the beginning, and the walks that make its derivative are
short. Movement is compared by what it does: every element of a small traced array has a number,
and movement keeps numbers.

Two handles of one node cannot be told apart by a derivative with respect to one of them, nor by a
hook. Where either is asked for, `separate` ends the attempt, and tracing begins again unshared.
"""

from __future__ import annotations

import math
from _thread import get_ident
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import numpy as np

from chainrule.graph.node import Abstract, Leaf, Node
from chainrule.ops.complaints import NUMBERS

ndarray: Final[Any] = np.ndarray

SMALL: Final = 256
"""Elements are numbered in arrays of at most so many, and constants of so many compared."""

_MOVING: Final = frozenset({
    "concat", "copy", "diagonal", "expand_dims", "flip", "getitem", "matrix_transpose", "moveaxis",
    "permute_dims", "ravel", "repeat", "reshape", "roll", "rot90", "squeeze", "stack", "swapaxes",
    "take", "tile",
})  # fmt: skip
"""Rows whose result holds elements of their operands and nothing else."""


class Unshared(BaseException):
    """Tracing must begin again, without sharing."""


class Root:
    """A traced array whose elements are numbered from `start` on."""

    def __init__(self, start: int, node: Node, shape: tuple[int, ...]) -> None:
        self.start, self.node, self.shape = start, node, shape


def _start(root: Root) -> int:
    return root.start


class Shared:
    """What one trace has recorded, by what it is.

    A trace inside of another finds what that recorded, and what it records itself is forgotten
    when it ends: a branch or a loop may not run.
    """

    def __init__(self, around: Shared | None = None) -> None:
        self.around = around
        self._nodes: dict[Any, Node] = {}
        self._numbers: dict[Node, Any] = {}
        self._roots: list[Root] = [] if around is None else around._roots

    def known(self, key: Any) -> Node | None:
        """The node that was recorded with this key."""
        table: Shared | None = self
        while table is not None:
            node = table._nodes.get(key)
            if node is not None:
                return node
            table = table.around
        return None

    def keep(self, key: Any, node: Node) -> None:
        """Note what a node is."""
        self._nodes[key] = node

    def key(
        self, row: Any, cls: Any, values: Sequence[Any], nodes: Sequence[Any], params: Any
    ) -> Any:
        """What an operation is, or None where that cannot be compared."""
        parts: list[Any] = [row.name, cls]
        for i in range(len(values)):
            part = operand_key(values[i], nodes[i])
            if part is None:
                return None
            parts.append(part)
        for name, p in params.items():
            parts.append(name)
            parts.append(setting_key(p))
        key = tuple(parts)
        try:
            hash(key)
        except TypeError:
            return None
        return key

    def numbers(self, node: Node, shape: tuple[int, ...], cls: Any, dtype: Any) -> Any:
        """The numbers of a traced array's elements; new ones where nothing moved them there."""
        table: Shared | None = self
        while table is not None:
            found = table._numbers.get(node)
            if found is not None:
                return found
            table = table.around
        start = 1
        if self._roots:
            last = self._roots[len(self._roots) - 1]
            start = last.start + math.prod(last.shape)
        numbers = np.arange(start, start + math.prod(shape)).reshape(shape)
        self._roots.append(Root(start, node, shape))
        self._numbers[node] = numbers
        self.keep(place_key(numbers, cls, dtype), node)
        return numbers

    def moved(
        self, row: Any, cls: Any, values: Sequence[Any], nodes: Sequence[Any], params: Any
    ) -> Any:
        """The numbers of the elements of a movement's result, or None if it is no such movement."""
        if row.name not in _MOVING:
            return None
        taking: bool = row.name == "take"
        given: list[Any] = []
        dtype: Any = None
        for i in range(len(values)):
            v: Any = values[i]
            if taking and i == 1:
                if type(v) is Abstract:
                    return None
                given.append(v)
                continue
            if type(v) is not Abstract or nodes[i] is None or v.size > SMALL:
                return None
            if dtype is not None and v.dtype != dtype:
                return None
            dtype = v.dtype
            given.append(self.numbers(nodes[i], v.shape, cls, dtype))
        numbers = np.asarray(row.evaluate(*given, **params))
        return numbers if numbers.size <= SMALL else None

    def root(self, number: int) -> Root:
        """The array that an element belongs to."""
        return self._roots[bisect_right(self._roots, number, key=_start) - 1]

    def moved_to(self, node: Node, numbers: Any) -> None:
        """Note the numbers of the elements of a movement's result."""
        if node not in self._numbers:
            self._numbers[node] = numbers


def place_key(numbers: Any, cls: Any, dtype: Any) -> Any:
    """What an array of moved elements is."""
    return (cls, dtype, numbers.shape, numbers.tobytes())


def operand_key(value: Any, node: Node | None) -> Any:
    """What an operand is, or None where that cannot be compared."""
    if node is not None:
        return node
    if type(value) in NUMBERS:
        if type(value) is float and value == 0.0:
            return (float, repr(value))  # zeros of both signs are equal, and two numbers
        if type(value) is complex:
            return (complex, repr(value))
        return (type(value), value)
    if type(value) is Abstract:
        return None
    array = np.asarray(value)
    if array.size > SMALL or array.dtype.hasobject:
        return None
    return (array.shape, array.dtype.str, array.tobytes())


def setting_key(p: Any) -> Any:
    """What a parameter is; not hashable where that cannot be compared."""
    kind = type(p)
    if kind is slice:
        return (slice, setting_key(p.start), setting_key(p.stop), setting_key(p.step))
    if kind is tuple or kind is list:
        return (kind, *[setting_key(x) for x in p])
    if kind is dict:
        return (dict, *p, *[setting_key(x) for x in p.values()])
    if kind is float and p == 0.0:
        return (float, repr(p))
    if kind is complex:
        return (complex, repr(p))
    if kind is ndarray and p.size <= SMALL and not p.dtype.hasobject:
        return (p.shape, p.dtype.str, p.tobytes())
    return (kind, p)


PICK: Final[list[Any]] = []
"""The row `getitem`, which is written in terms of the operations and so comes after them."""

sharing: Final[dict[int, Shared]] = {}
"""The threads that share, and what they have recorded."""


@contextmanager
def layer() -> Iterator[None]:
    """Forget at the end what is recorded meanwhile."""
    ident = get_ident()
    before = sharing.get(ident)
    if before is None:
        yield
        return
    sharing[ident] = Shared(before)
    try:
        yield
    finally:
        sharing[ident] = before


@contextmanager
def shared() -> Iterator[None]:
    """Record equal operations once."""
    ident = get_ident()
    before = sharing.get(ident)
    sharing[ident] = Shared()
    try:
        yield
    finally:
        if before is None:
            del sharing[ident]
        else:
            sharing[ident] = before


def separate(node: Node | None) -> None:
    """Before anything is asked of a node that is true of one of its handles only."""
    if not sharing or get_ident() not in sharing or node is None or isinstance(node, Leaf):
        return
    if node.op.name != "alias":  # the node of a transform's own variable, which nothing shares
        raise Unshared


def attempt(function: Callable[[], Any]) -> Any:
    """The result of a function that traces, sharing what it records if that is possible."""
    try:
        with shared():
            return function()
    except Unshared:
        if get_ident() in sharing:  # within another attempt, which must be repeated as a whole
            raise
        return function()
