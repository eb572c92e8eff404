"""A graph as a key: the same in every process for graphs that compile to the same machine code.

Everything that the compiler reads is in it: rows by name, parameters, shapes and dtypes, the
numbers of constants, the graphs of loops. Rows with functions among their parameters, which the
user may have written, have no key.
"""

from __future__ import annotations

import functools
import hashlib
import struct
from array import array
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from chainrule.graph.graph import Graph, operands
from chainrule.graph.node import Abstract, Spec
from chainrule.ops.recording import SELECT
from chainrule.ops.table import TABLE, Operation
from chainrule.ops.traced_index import Hole


class Unkeyed(Exception):
    """Something that is not the same in every process."""


def fingerprint(graph: Graph, *more: object) -> str:
    """The key of a graph, and of whatever else decides what is compiled. Raises Unkeyed."""
    key = _Key()
    key.graph(graph)
    for x in more:
        key.note(repr(x).encode())
    return key.digest()


def same_graphs(some: Sequence[Graph], others: Sequence[Graph]) -> bool:
    """Whether graphs compile to the same machine code; False where that cannot be told."""
    try:
        return [fingerprint(g) for g in some] == [fingerprint(g) for g in others]
    except Unkeyed:
        return False


PACKAGE: Final = Path(__file__).parents[1]


@functools.lru_cache(maxsize=1)
def sources() -> str:
    """A digest of the version, and of the files that decide what machine code a graph becomes."""
    found = hashlib.blake2b((PACKAGE / "version.py").read_bytes(), digest_size=16)
    for folder in ("codegen", "graph", "ops", "rewrite", "run"):
        for path in sorted((PACKAGE / folder).rglob("*.py")):
            found.update(path.read_bytes())
    return found.hexdigest()


class _Key:
    """Words, one after the other; what is long, or repeated, is a word by its number."""

    def __init__(self) -> None:
        self._words = array("q")
        self._numbers: dict[Any, int] = {}
        self._hash = hashlib.blake2b(digest_size=32)

    def digest(self) -> str:
        """The key."""
        self._hash.update(self._words.tobytes())
        return self._hash.hexdigest()

    def note(self, content: bytes) -> None:
        """Some bytes, as a word."""
        self._words.append(self._number(content))

    def _number(self, content: bytes) -> int:
        found = self._numbers.get(content)
        if found is None:
            found = self._numbers[content] = len(self._numbers)
            self._hash.update(struct.pack("<q", len(content)))
            self._hash.update(content)
        return found

    def graph(self, graph: Graph) -> None:
        """Inputs, operations and outputs."""
        cls = graph.cls
        if not cls.__module__.startswith("chainrule."):
            raise Unkeyed(cls)
        self.note(f"graph {cls.__module__}.{cls.__qualname__}".encode())
        places: dict[Any, int] = {}
        for leaf in graph.inputs:
            places[leaf] = len(places)
            self.value(leaf.spec)
        for node in graph.nodes:
            row = node.op
            if row is not SELECT[0] and row is not SELECT[1] and TABLE.get(row.name) is not row:
                raise Unkeyed(row)
            assert node.saved is not None
            self.note(row.name.encode())
            self.value(node.saved[0])
            if node.params:
                self.value(node.params)
            for n, v in operands(node):
                self._operand(places, n, v)
            places[node] = len(places)
        self.note(b"outputs")
        for out in graph.outputs:
            self._operand(places, out._node, out._value)

    def _operand(self, places: dict[Any, int], node: Any, value: Any) -> None:
        place = places.get(node) if node is not None else None
        if place is None:
            if type(value) is Abstract:
                raise Unkeyed("a value from outside of the graph")
            self.value(value)
        else:
            self._words.append(-1 - place)

    def value(self, x: Any) -> None:
        """A parameter, constant, or specification."""
        write = _WRITE.get(type(x))
        if write is not None:
            self.note(write(x))
        elif isinstance(x, Graph):
            self.graph(x)
        elif isinstance(x, (tuple, list, dict)):
            self.note(f"{type(x).__name__} {len(x)}".encode())
            for part in _parts(x):
                self.value(part)
        elif isinstance(x, np.ndarray) and x.dtype.kind in "biufc":
            self.note(f"array {x.dtype.str} {x.shape} ".encode() + x.tobytes())
        elif isinstance(x, np.generic) and x.dtype.kind in "biufc":
            self.note(f"number {x.dtype.str} ".encode() + x.tobytes())
        elif isinstance(x, np.dtype) or (isinstance(x, type) and issubclass(x, _DTYPES)):
            self.note(f"{type(x).__name__} {np.dtype(x).str}".encode())
        elif isinstance(x, slice):
            self.value(("slice", x.start, x.stop, x.step))
        elif isinstance(x, Operation) and TABLE.get(x.name) is x:
            self.note(b"row " + x.name.encode())
        else:
            raise Unkeyed(x)


_DTYPES: Final = (np.generic, int, float, bool, complex)


def _parts(x: Any) -> Iterator[Any]:
    for part in x:
        yield part
        if isinstance(x, dict):
            yield x[part]


def _spec(x: Spec) -> bytes:
    return f"spec {x.dtype.str} {x.shape} {isinstance(x, Abstract) and x.weak}".encode()


_WRITE: Final[dict[type, Callable[[Any], bytes]]] = {
    Abstract: _spec,
    Spec: _spec,
    float: lambda x: b"float " + struct.pack("<d", x),
    complex: lambda x: b"complex " + struct.pack("<dd", x.real, x.imag),
    str: lambda x: b"str " + x.encode(),
    **dict.fromkeys(
        (int, bool, type(None), type(Ellipsis), range, Hole), lambda x: repr(x).encode()
    ),
}
