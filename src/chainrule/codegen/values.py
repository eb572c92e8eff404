"""A graph as values: what the compiler reads. Constants, results and selections are all values.

A `Value` is an array that the program computes, is given, or holds. The list is in order: operands
come before their users. Stops of derivatives and picks of one result are gone, or values of their
own. Next: `chainrule.codegen.fuse`, which says which values are computed together.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.graph.graph import Graph, operands
from chainrule.graph.node import Abstract, Node
from chainrule.ops.complaints import NUMBERS
from chainrule.ops.recording import SELECT

CODES = frozenset({"f8", "f4", "i8", "i4", "i2", "i1", "u8", "u4", "u2", "u1", "b1"})
"""Dtypes that machine code has, as NumPy abbreviates them (kind and bytes)."""


def code_of(dtype: np.dtype[Any]) -> str:
    """The abbreviation of a dtype: "f8" of float64."""
    return dtype.str[1:] if dtype.isnative else dtype.str


class Value:
    """An array: operation, operands, parameters; shape and dtype."""

    __slots__ = (
        "args", "code", "const", "dtype", "layout", "number", "op", "params", "row", "shape",
        "size", "weak",
    )  # fmt: skip

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    code: str
    size: int
    weak: bool
    """The dtype leaves the choice to other operands: it will be one of Python's own numbers."""
    number: int
    op: str
    """Name of the row; "input", "const", or "select" of one of several results."""
    const: Any
    """Of a constant: the array, or Python's own number, which is weak in dtype."""

    def __init__(self, op: str, row: Any, args: tuple[Value, ...], params: dict[str, Any]) -> None:
        self.op, self.row, self.args, self.params = op, row, args, params
        self.const = None
        self.weak = False
        self.layout: Any = False  # of a view: offset and strides, once they were asked for

    def spec(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Value:
        """Give the value its shape and dtype."""
        self.shape, self.dtype, self.code = shape, dtype, code_of(dtype)
        self.size = math.prod(shape)
        return self

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes of all elements."""
        return self.size * self.dtype.itemsize

    @property
    def native(self) -> bool:
        """Whether machine code has the dtype."""
        return self.code in CODES

    def __repr__(self) -> str:
        return f"%{self.number}:{self.dtype}{list(self.shape)}"


class Values:
    """Inputs, values in order, and outputs."""

    def __init__(self, graph: Graph) -> None:
        self.list: list[Value] = []
        self._constants: dict[Any, Value] = {}
        known: dict[Node, Value] = {}
        for leaf in graph.inputs:
            spec = leaf.spec
            known[leaf] = self.add(Value("input", None, (), {}).spec(spec.shape, spec.dtype))
            known[leaf].weak = type(spec) is Abstract and spec.weak
        self.inputs = list(self.list)
        for node in graph.nodes:
            args = tuple(
                [
                    known[n] if n is not None and n in known else self.constant(v)
                    for n, v in operands(node)
                ]
            )
            known[node] = self._of(node, args)
        self.outputs = [
            known[out._node]
            if out._node is not None and out._node in known
            else self.constant(out._value)
            for out in graph.outputs
        ]

    def add(self, value: Value) -> Value:
        """Append a value."""
        value.number = len(self.list)
        self.list.append(value)
        return value

    def _of(self, node: Node, args: tuple[Value, ...]) -> Value:
        if node.op is SELECT[1]:
            return args[0]
        assert node.saved is not None
        result = node.saved[0]
        if isinstance(result, tuple):
            value = Value(node.op.name, node.op, args, node.params)
            value.const = result  # the specs of all results
            return self.add(value.spec((), np.dtype(object)))
        name = "select" if node.op is SELECT[0] else node.op.name
        if name == "strong_contraction" and node.params["row"].name == "matmul":
            name = "strong_matmul"
        if name == "at_index":
            from chainrule.codegen.dynamic import name_of

            name = name_of(node.params)
        value = Value(name, node.op, args, node.params)
        value.weak = type(result) is Abstract and result.weak
        return self.add(value.spec(result.shape, result.dtype))

    def constant(self, x: Any) -> Value:
        """The value of a constant, one for each number or array."""
        if type(x) is Abstract:
            raise AssertionError("a value from outside of the graph: it should be an input")
        key = (type(x), repr(x)) if type(x) in NUMBERS else id(x)  # -0.0 is not 0.0
        found = self._constants.get(key)
        if found is None:
            array = np.asarray(x)
            found = Value("const", None, (), {}).spec(array.shape, array.dtype)
            found.const = x
            self._constants[key] = self.add(found)
        return found

    def users(self) -> dict[Value, list[Value]]:
        """The values that read each value."""
        found: dict[Value, list[Value]] = {v: [] for v in self.list}
        for v in self.list:
            for a in dict.fromkeys(v.args):
                found[a].append(v)
        return found

    def __repr__(self) -> str:
        return "\n".join(describe(v) for v in self.list)


def describe(v: Value) -> str:
    """One line on a value."""
    if v.op == "input":
        return f"{v!r} = input"
    if v.op == "const":
        return f"{v!r} = {v.const!r}" if v.size <= 4 else f"{v!r} = constant"
    shown = [repr(a) for a in v.args] + [f"{k}={p!r}" for k, p in v.params.items()]
    return f"{v!r} = {v.op}({', '.join(shown)})"


def number_of(v: Value) -> Any:
    """The one number of a constant that is equal everywhere, as a NumPy scalar, or None."""
    if v.op != "const" or not v.native or not v.size:
        return None
    array = np.asarray(v.const)
    first = array.flat[0]
    if v.size > 1 and not (array == first).all():
        return None
    return first


def unique(items: Sequence[Any]) -> list[Any]:
    """The items without repetition, in order."""
    return list(dict.fromkeys(items))
