"""Evaluations and rules that eager programs spend most of their steps in: powers, sums, products.

They belong to rows elsewhere (`ops.arithmetic`, `ops.reduction`, `ops.contraction`), and stand here
because this module is compiled to C where the library is built with a compiler at hand.
"""

from __future__ import annotations

import weakref
from _thread import get_ident
from typing import Any, Final

import numpy as np

from chainrule.graph.node import Node, Variable, next_order, paused
from chainrule.graph.writes import owner
from chainrule.ops.complaints import CAUGHT, explain
from chainrule.ops.hot import careful
from chainrule.ops.recording import fit, kept

ndarray: Final[Any] = np.ndarray


def raised(a: Any, b: Any) -> Any:
    """a ** b; cubes as products, which for arrays is far quicker, and what PyTorch does."""
    if type(b) is int or type(b) is float:  # exactly: a NumPy float is a float too
        exponent: Any = b
        if exponent == 3:
            return a * a * a
    return a**b


def power_by_base(y: Any, a: Any, b: Any) -> Any:
    """b * a**(b - 1) for an exponent that is a Python number, 0 for b = 0 whatever a is."""
    if b == 2:
        return a + a
    if b == 3:
        return 3 * (a * a)
    return b * a ** (b - 1) if b else 0.0


def pull_sum(ct: Any, saved: tuple[Any, ...], node: Node) -> Any:
    """The sum of everything passes its cotangent on to every element: the commonest last step."""
    if node.params is node.op.defaults:
        return (fit(ct, saved[1]),)
    return node.op._pull(ct, saved, node)


def is_basic(index: Any) -> bool:
    """Whether an index is of integers, slices, None and Ellipsis only, plain in type: it shows the
    memory of what it is taken from, and names no element twice.
    """
    if type(index) is int or index is None or index is Ellipsis:
        return True
    if type(index) is slice:
        return (
            (index.start is None or type(index.start) is int)
            and (index.stop is None or type(index.stop) is int)
            and (index.step is None or type(index.step) is int)
        )
    if type(index) is tuple:
        for part in index:
            if type(part) is tuple or not is_basic(part):
                return False
        return True
    return False


def picked(row: Any, x: Any, index: Any) -> Any:
    """`x[index]` of a Tensor that holds an array, at a basic index: `getitem`, in few steps."""
    value: Any = x._value
    try:
        y = value[index]
    except CAUGHT as error:
        raise explain(row, (value,), {"index": index}, error) from None
    cls: Any = type(x)
    out: Variable = cls()
    out._value = y
    out._base = (x, index)
    before: Node | None = x._node
    if before is None or (paused and get_ident() in paused) or value.dtype.kind not in "fc":
        out._node = None
        return out
    node = Node()
    node.op = row
    node.inputs = (before,)
    node.params = {"index": index}
    node.order = next_order()
    node.saved = (kept(y, False), kept(value, False))
    if type(y) is ndarray:
        node.shown = weakref.ref(owner(y))
    out._node = node
    return out


def pull_picked(ct: Any, shape: tuple[int, ...], index: Any) -> Any:
    """Zeros of a shape with a cotangent at a basic index; None where that is not enough."""
    if not shape or not is_basic(index):
        return None
    out = np.zeros(shape, ct.dtype)
    out[index] = ct
    return out


def small_matrices(a: Any, b: Any) -> bool:
    """Whether `ndarray.dot`, which clears its result first, takes less time than `np.matmul`: for
    vectors, and for small matrices.
    """
    if type(a) is not ndarray or type(b) is not ndarray:
        return False
    m: int = a.ndim
    n: int = b.ndim
    return 0 < m <= 2 and 0 < n <= 2 and (n == 1 or a.size + b.size < 4096)


def multiplied(a: Any, b: Any) -> Any:
    """The matrix product of arrays."""
    return a.dot(b) if small_matrices(a, b) else np.matmul(a, b)


def pull_matmul(ct: Any, saved: tuple[Any, ...], node: Node) -> Any:
    """The rules of `ops.contraction` for a matrix and a matrix or vector, in plain arrays."""
    a = saved[1]
    b = saved[2]
    if careful or type(ct) is not ndarray or len(a.shape) != 2:
        return node.op._pull(ct, saved, node)
    inputs = node.inputs
    if len(b.shape) == 1:
        return (
            None if inputs[0] is None else fit(ct[:, None] * b, a),
            None if inputs[1] is None else fit(ct.dot(a), b),
        )
    if len(b.shape) != 2:
        return node.op._pull(ct, saved, node)
    return (
        None if inputs[0] is None else fit(multiplied(ct, b.T), a),
        None if inputs[1] is None else fit(multiplied(a.T, ct), b),
    )
