"""Recording: evaluate an operation on values, wrap the result, and make its node if one is wanted.

One of the few modules that are compiled to C where the library is built with a compiler at hand
(see `setup.py`), as eager speed is decided here. It runs unchanged as Python.
"""

from __future__ import annotations

import weakref
from _thread import get_ident
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from chainrule.errors import GraphError, at, user_line
from chainrule.graph.graph import note_effect
from chainrule.graph.node import SEVERAL, Abstract, Leaf, Node, Spec, Variable, next_order, paused
from chainrule.graph.writes import owner
from chainrule.ops.complaints import CAUGHT, NUMBERS, as_value, check_rules, explain
from chainrule.ops.infer import infer
from chainrule.ops.sharing import PICK, Shared, place_key, sharing

ndarray: Final[Any] = np.ndarray

SCALARS: Final[set[Any]] = {
    np.float64, np.float32, np.float16, np.longdouble,
    np.complex128, np.complex64, np.clongdouble,
}  # fmt: skip
"""Types of NumPy's floating-point and complex scalars."""

KEEP_ANYWAY: Final = 16
"""An array of at most this many elements is kept whole, where a Spec would cost more to make."""


def general(row: Any, operands: Sequence[Any], params: dict[str, Any]) -> Any:
    """Evaluate a row on any mixture of Tensors, arrays and numbers, and record it."""
    cls: Any = None
    values: list[Any] = []
    nodes: list[Node | None] = []
    tracing = False
    for x in operands:
        if isinstance(x, Variable):
            kind: Any = type(x)
            if cls is None or (kind is not cls and issubclass(kind, cls)):
                cls = kind
            value = x._value
            if type(value) is Abstract:
                tracing = True
                if value.shows is not None:
                    renew(x)
                    value = x._value
            values.append(value)
            nodes.append(x._node)
        else:
            values.append(as_value(x, row.name))
            nodes.append(None)
    if tracing:
        out = trace(row, cls, values, nodes, params)
        if row.kind == "movement" and row.arity == 1:
            note_view(row, out, operands[0], params)
        return out
    try:
        value = row.evaluate(*values, **params) if params else row.evaluate(*values)
    except CAUGHT as error:
        raise explain(row, values, params, error) from None
    if cls is None:
        return value
    return record(row, cls, value, values, tuple(nodes), params)


def record(
    row: Any,
    cls: Any,
    value: Any,
    values: Sequence[Any],
    nodes: tuple[Node | None, ...],
    params: dict[str, Any],
) -> Any:
    """Wrap a computed value, with a node where one of the operands has one."""
    if isinstance(value, (tuple, list)):
        return row.record_results(cls, value, values, nodes, params)
    if type(value) is ndarray:
        first = values[0]
        same = value.ndim != 0 and type(first) is ndarray and value.dtype is first.dtype
    else:
        same = type(value) is type(values[0]) and type(value) not in NUMBERS
    if not same:
        value = settle(cls, value, values, row, params)
    out: Variable = cls()
    out._value = value
    out._node = None
    if is_recording(nodes) and row.differentiable and value.dtype.kind in "fc":
        check_rules(row, nodes, values)
        node = Node()
        node.op = row
        node.inputs = nodes
        node.params = params
        node.order = next_order()
        keeps = row.keeps or (True,) * (1 + len(values))
        last = len(keeps) - 1  # a row of many operands says of all of them what it says of one
        saved: list[Any] = [kept(value, keeps[0])]
        i = 1
        for v in values:
            saved.append(kept(v, keeps[i]))
            if i < last:
                i += 1
        node.saved = tuple(saved)
        if row.kind == "movement" and type(value) is ndarray:
            note_shown(node, value, values[0])
        out._node = node
    return out


def trace(
    row: Any, cls: Any, values: Sequence[Any], nodes: Sequence[Node | None], params: dict[str, Any]
) -> Any:
    """Record an operation without evaluating it: an operand, at least, has no numbers yet."""
    table: Shared | None = None
    if sharing and not (paused and get_ident() in paused):
        table = sharing.get(get_ident())
    if table is not None:
        return _traced_once(table, row, cls, values, nodes, params)
    return _traced(row, cls, values, nodes, params)


def _traced(
    row: Any, cls: Any, values: Sequence[Any], nodes: Sequence[Node | None], params: dict[str, Any]
) -> Any:
    """A new node, and the handle of its result."""
    result: Any = infer(
        row, values, params, cls, lambda value, operands: settle(cls, value, operands, row, params)
    )
    if paused and get_ident() in paused:
        nodes = _all_stopped(nodes, values)
    node = Node()
    node.op = row
    node.inputs = tuple(nodes)
    node.params = params
    node.order = next_order()
    node.saved = (result, *[constant(v) for v in values])
    if row.results == 0:
        note_effect(node)
    if not isinstance(result, tuple):
        return wrapped(cls, result, node)
    outs = [
        wrapped(cls, r, selected(node, index, len(result), r)) for index, r in enumerate(result)
    ]
    return type(result)(*outs) if hasattr(result, "_fields") else tuple(outs)


def _traced_once(
    table: Shared,
    row: Any,
    cls: Any,
    values: Sequence[Any],
    nodes: Sequence[Node | None],
    params: dict[str, Any],
) -> Any:
    """The same, by the node of an equal operation where there is one (`ops.sharing`)."""
    key = table.key(row, cls, values, nodes, params)
    if key is not None:
        node = table.known(key)
        if node is not None:
            result: Any = node.saved[0]  # type: ignore[index]
            again = Abstract(result.shape, result.dtype)
            again.weak = result.weak
            return wrapped(cls, again, node)
    numbers: Any = None
    if row.kind == "movement":
        numbers = table.moved(row, cls, values, nodes, params)
        if numbers is not None:
            found = _placed(table, cls, values[0].dtype, numbers)
            if found is not None:
                return found
    out = _traced(row, cls, values, nodes, params)
    if isinstance(out, Variable) and type(out._node.saved[0]) is Abstract:  # type: ignore[index, union-attr]
        made: Any = out._node
        if key is not None:
            table.keep(key, made)
        if numbers is not None:
            table.moved_to(made, numbers)
            table.keep(place_key(numbers, cls, values[0].dtype), made)
    return out


def _placed(table: Shared, cls: Any, dtype: Any, numbers: Any) -> Any:
    """Moved elements where they are known: an array of the same ones, or an element of its root."""
    shape: tuple[int, ...] = numbers.shape
    key = place_key(numbers, cls, dtype)
    node = table.known(key)
    if node is None and not shape:
        root = table.root(int(numbers))
        place = np.unravel_index(int(numbers) - root.start, root.shape)
        node = Node()
        node.op = PICK[0]
        node.inputs = (root.node,)
        node.params = {"index": tuple([int(i) for i in place])}
        node.order = next_order()
        node.saved = (Abstract((), dtype), Abstract(root.shape, dtype))
        table.moved_to(node, numbers)
        table.keep(key, node)
    return None if node is None else wrapped(cls, Abstract(shape, dtype), node)


def wrapped(cls: Any, value: Any, node: Node | None) -> Any:
    """A Tensor of a value and its node."""
    out: Variable = cls()
    out._value = value
    out._node = node
    return out


def selected(whole: Node, index: int, count: int, value: Any) -> Node:
    """The node of one result of an operation with several."""
    node = Node()
    node.op = SELECT[0]
    node.inputs = (whole,)
    node.params = {"index": index, "count": count}
    node.order = next_order()
    traced = type(value) is Abstract
    node.saved = (value, SEVERAL) if traced else (Spec(value), None)
    return node


STANDARD: Final[list[Any]] = []
"""`chainrule.Tensor`, which is written in terms of the operations and so comes after them."""


def standard_class() -> Any:
    """The class of Tensor that results have where no operand says another."""
    return STANDARD[0]


SELECT: Final[list[Any]] = []
"""The rows that pick one of several results, stop derivatives, and give another node to a value
(`ops.table`).
"""


def marked(cls: Any, x: Any) -> Any:
    """A Tensor with the value of x and a node of its own: a variable to differentiate by, through
    which derivatives go on to x where it has a node itself.
    """
    if not isinstance(x, Variable):
        out = wrapped(cls, x, None)
        out._node = Leaf(Spec(x))
        return out
    value = x._value
    before = x._node
    if before is None:
        return wrapped(type(x), value, Leaf(Spec(value)))
    node = Node()
    node.op = SELECT[2]
    node.inputs = (before,)
    node.params = {}
    node.order = next_order()
    if type(value) is Abstract:
        value = Abstract(value.shape, value.dtype)
    elif type(value) is ndarray:
        node.shown = weakref.ref(owner(value))
    node.saved = (value, value)
    return wrapped(type(x), value, node)


def is_traced(x: Any) -> bool:
    """Whether a Tensor has no numbers yet."""
    return isinstance(x, Variable) and type(x._value) is Abstract


def _all_stopped(nodes: Sequence[Node | None], values: Sequence[Any]) -> list[Node | None]:
    stopped_nodes: list[Node | None] = []
    for k in range(len(nodes)):
        node: Any = nodes[k]
        stopped_nodes.append(node if node is None else _stopped(node, values[k]))
    return stopped_nodes


def _stopped(n: Node, value: Any) -> Node:
    """A node with the value of another, and no derivative: for what is traced under `no_grad`."""
    node = Node()
    node.op = SELECT[1]
    node.inputs = (n,)
    node.params = {}
    node.order = next_order()
    node.saved = (value, value)
    return node


trusting: Final[set[int]] = set()
"""Threads that trace rules only, whose constants nobody can change before the graph is run."""


def constant(value: Any) -> Any:
    """A constant of a traced graph: a copy, as the program may change the array afterwards."""
    if type(value) is ndarray and value.flags.writeable and get_ident() not in trusting:
        return value.copy()
    return value


def note_view(row: Any, out: Any, x: Any, params: dict[str, Any]) -> None:
    """Note on traced results that they would show the memory of x, where they would."""
    memory = np.zeros(x._value.shape, x._value.dtype)  # some rows add the numbers up
    shown = row.evaluate(memory, **params)
    results = out if isinstance(out, tuple) else (out,)
    for y, array in zip(results, shown if isinstance(out, tuple) else (shown,), strict=True):
        if type(array) is ndarray and array.ndim and owner(array) is memory:
            y._value.shows = (x, x._node)


def renew(x: Any) -> None:
    """Bring a traced view up to date with the tensor it shows, where that was changed in place."""
    value = x._value if isinstance(x, Variable) else None
    if type(value) is not Abstract or value.shows is None:
        return
    shown, seen = value.shows
    if type(shown) is tuple:
        for one, before in zip(shown, seen, strict=True):
            if not _unchanged(one, before):
                raise GraphError(
                    f"an array of shape {list(value.shape)} is used that a branch or a loop made "
                    "another name of an array, which was changed in place since; which way control "
                    "went is not known while a function is traced: `.copy()` it in the branch"
                    + at(user_line())
                )
        return
    renew(shown)
    if shown._node is seen:
        return
    base = getattr(x, "_base", None)
    if base is None or base[0] is not shown:
        raise GraphError(
            f"a view of shape {list(value.shape)} (made by reshape, a transpose or the like), or "
            "another name of an array that a traced branch or loop changes and then binds anew, is "
            "used after the tensor it shows was changed in place; while a function is traced, "
            "make the view again, or `.copy()` it before the change" + at(user_line())
        )
    again = shown[base[1]]
    x._value = again._value
    x._node = again._node


def _unchanged(x: Any, before: Any) -> bool:
    if type(before) is ndarray:
        return type(x._value) is ndarray and bool((x._value == before).all())
    return x._node is before


def note_shown(node: Node, value: Any, operand: Any) -> None:
    """Note on a node that its result shows the memory of an operand, where it does."""
    if value.base is None and value is not operand:
        return
    memory = owner(value)  # of an index by arrays it is a copy, though one with a base
    if type(operand) is not ndarray or owner(operand) is memory:
        node.shown = weakref.ref(memory)


def is_recording(nodes: Sequence[Any]) -> bool:
    """Whether this thread records and one of the operands has a node."""
    if paused and get_ident() in paused:
        return False
    for node in nodes:
        if node is not None:
            return True
    return False


def kept(value: Any, needed: bool) -> Any:
    """What a node keeps of a value: itself where a rule reads it, else its shape and dtype."""
    if needed or type(value) is not ndarray or value.size <= KEEP_ANYWAY:
        return value
    return Spec(value)


def settle(cls: Any, value: Any, values: Sequence[Any], row: Any, params: Any) -> Any:
    """The value as the class of Tensor keeps it: a NumPy scalar for zero dimensions, and the
    dtype its promotion rules give.
    """
    if type(value) is ndarray:
        if value.ndim == 0:
            value = value[()]
    elif type(value) in NUMBERS:
        value = np.asarray(value)[()]
    promote = cls._promote
    return value if promote is None else promote(value, values, row, params)


def fit(g: Any, like: Any) -> Any:
    """Undo broadcasting and promotion: sum g over the axes that were stretched, cast to the dtype.

    `like` is the operand, or its Spec, or None where it is known to have the result's shape and
    dtype. A scalar may stand for an array that is constant, and stays a scalar.
    """
    if like is None or type(like) in NUMBERS:
        return g
    shape = g.shape
    if shape != like.shape and type(g) not in SCALARS:
        wanted: tuple[int, ...] = like.shape
        extra = len(shape) - len(wanted)
        axes: list[int] = list(range(extra))
        if extra >= 0:
            i = extra
            for n in wanted:
                if n == 1 and shape[i] != 1:
                    axes.append(i)
                i += 1
        if axes:
            g = _summed(g, tuple(axes)).reshape(wanted)
        else:
            g = np.broadcast_to(g, like.shape)  # a smaller cotangent stands for a constant array
    dtype = like.dtype
    if g.dtype is not dtype and g.dtype != dtype:
        if g.dtype.kind == "c" and dtype.kind != "c":
            g = g.real
        if g.dtype != dtype:
            g = g.astype(dtype)
    return g


def _summed(g: Any, axes: tuple[int, ...]) -> Any:
    """The sum over axes, which are kept or not: the caller reshapes."""
    if type(g) is ndarray and len(axes) == 1 and g.ndim == 2 and 0 < g.size <= SMALL:
        short = ones(g.dtype.char)
        if short is not None:
            shape = g.shape
            return short[shape[0]].dot(g) if axes[0] == 0 else g.dot(short[shape[1]])
    return np.add.reduce(g, axis=axes, keepdims=True)


def total(x: Any) -> Any:
    """The sum of all elements."""
    if type(x) is ndarray:
        n: int = x.size
        if 0 < n <= SMALL:
            short = ones(x.dtype.char)
            if short is not None:
                return x.dot(short[n]) if x.ndim == 1 else x.ravel().dot(short[n])
    return np.add.reduce(x, axis=None)


SMALL: Final = 64
"""Up to this many elements a BLAS product with ones sums faster than NumPy, and as exactly."""

_ones: Final[dict[str, Any]] = {c: [np.ones(n, c) for n in range(SMALL + 1)] for c in ("d", "f")}


def ones(char: str) -> Any:
    """Vectors of ones of up to SMALL elements in double ("d") or single ("f") precision, if any."""
    return _ones.get(char)


def everywhere(ct: Any, shape: tuple[int, ...]) -> Any:
    """A scalar cotangent, which may stand for a constant array, as that array."""
    filled = np.empty(shape, ct.dtype)
    filled.fill(ct)
    return filled


def zeros_like(x: Any) -> Any:
    """Zeros of the shape and dtype of a value, a Tensor or a Spec."""
    shape = x.shape
    return x.dtype.type(0) if shape == () else np.zeros(shape, x.dtype)


def filled(ct: Any, results: Any) -> Any:
    """Zeros for the results that nothing used, so that rules need not ask."""
    return tuple(zeros_like(r) if c is None else c for c, r in zip(ct, results, strict=True))


def raw(x: Any) -> Any:
    """The plain array of a Tensor or array: for masks and indices that carry no derivative.

    Of a traced Tensor, which has no array yet, itself without derivative.
    """
    if not isinstance(x, Variable):
        return x
    value = x._value
    return stopped(x) if type(value) is Abstract else value


def numbers(x: Any) -> Any:
    """The plain array of a Tensor or array, where a rule has to look at the numbers in it.

    Raises TracedValueError for a traced Tensor; the rule is then deferred (`ops.deferred`).
    """
    if not isinstance(x, Variable):
        return x
    value = x._value
    if type(value) is Abstract:
        raise value.unknown("its value")
    return value


def stopped(x: Any) -> Any:
    """A Tensor with the same value and no derivative."""
    value = x._value
    node = x._node
    if type(value) is Abstract and node is not None:
        return wrapped(type(x), Abstract(value.shape, value.dtype), _stopped(node, value))
    return wrapped(type(x), value, None)
