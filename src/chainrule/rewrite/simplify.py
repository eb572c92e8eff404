"""One walk over a graph in which composed operations are written out (`rewrite.expand`), equal ones
become one, constants are computed, and identities remove what changes nothing. What no output needs
is not part of a graph, so it is gone as well.

A rewrite is a small function `(node, operands, build) -> operand or None` in `REWRITES`, by the
name of the row it looks at.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np

from chainrule.graph.graph import EFFECT, Effects, Graph, has_effect, note_effect
from chainrule.graph.node import Abstract, Node, Variable, fresh, next_order
from chainrule.ops.complaints import NUMBERS
from chainrule.ops.identities import simplified as identity
from chainrule.ops.recording import SELECT, general, selected, wrapped
from chainrule.ops.replay import replay
from chainrule.rewrite.expand import expansion
from chainrule.rewrite.same import unless_same
from chainrule.rewrite.stencils import slices_added

Operand = Any
"""A traced Variable, an array, or a number."""

FOLDED: Final = 1 << 16
"""Constants of at most so many elements are computed beforehand."""

SMALL: Final = 64
"""Constant arrays of at most so many elements are compared by content."""


def simplified(graph: Graph) -> Graph:
    """The same function in fewer operations."""
    build = Builder(graph.cls)
    arguments = [wrapped(graph.cls, fresh(n.spec), n) for n in graph.inputs]
    with Effects() as effects:
        outputs = replay(graph, arguments, build.node)
    outputs = [o if isinstance(o, Variable) else wrapped(graph.cls, o, None) for o in outputs]
    return unless_same(graph, Graph(graph.inputs, outputs, graph.cls, effects))


class Builder:
    """Makes operations, each of them once."""

    def __init__(self, cls: Any) -> None:
        self.cls = cls
        self._known: dict[Any, Any] = {}
        self._kept: list[Any] = []
        self.sums: dict[Node, list[Any]] = {}
        """Terms of the sums that `rewrite.stencils` has made."""

    def node(self, node: Node, operands: Sequence[Operand]) -> Any:
        """The result of a node on rewritten operands."""
        row = node.op
        if row is SELECT[1]:  # derivatives were taken before
            return operands[0]
        if row is SELECT[0]:
            return operands[0][node.params["index"]]
        if row.name == "custom":  # the user's rule for its derivative was used before
            return list(operands[: node.params["rule"].results])
        operands = [_plain(x) for x in operands]
        nothing = _of_nothing(node, operands)
        if nothing is not None:
            return nothing
        plainer = expansion(node, operands, self.cls)
        if plainer is not None:
            traced = [x for x in operands if isinstance(x, Variable)]
            outputs = replay(plainer, traced, self.node)
            return outputs if len(outputs) > 1 else outputs[0]
        for rewrite in REWRITES.get(row.name, ()):
            found = rewrite(node, operands, self)
            if found is not None:
                return found
        if row.kind == "elementwise":
            found = _identity(node, operands, self)
            if found is not None:
                return found
        if row.name == "cond" and not isinstance(operands[0], Variable):
            branch = node.params["branches"][0 if operands[0] else 1]
            return replay(branch, operands[1:], self.node)
        if not any(isinstance(x, Variable) for x in operands):
            found = _of_constants(node, operands)
            if found is not None:
                return found
        key = self._key(row, operands, node.params)
        known = self._known.get(key) if key is not None else None
        if known is None:
            known = self._make(node, operands)
            if key is not None:
                self._known[key] = known
        return known

    def do(self, row: Any, operands: Sequence[Operand], /, **params: Any) -> Any:
        """A new operation, traced."""
        key = self._key(row, operands, params)
        known = self._known.get(key) if key is not None else None
        if known is None:
            known = general(row, operands, {**row.defaults, **params})
            if key is not None:
                self._known[key] = known
        return known

    def _make(self, old: Node, operands: Sequence[Operand]) -> Any:
        assert old.saved is not None
        node = Node()
        node.op, node.params, node.order = old.op, self._params(old.params), next_order()
        node.inputs = tuple([x._node if isinstance(x, Variable) else None for x in operands])
        values = [x._value if isinstance(x, Variable) else x for x in operands]
        result = old.saved[0]
        node.saved = (result, *values)
        note_effect(node)
        if isinstance(result, tuple):
            return [
                wrapped(self.cls, r, selected(node, k, len(result), r))
                for k, r in enumerate(result)
            ]
        return wrapped(self.cls, result, node)

    def _params(self, params: dict[str, Any]) -> dict[str, Any]:
        """Parameters with the graphs among them simplified too."""
        if not any(isinstance(p, (Graph, tuple)) for p in params.values()):
            return params
        return {k: self._param(p) for k, p in params.items()}

    def _param(self, p: Any) -> Any:
        if isinstance(p, Graph):
            return simplified(p)
        if type(p) is tuple and p and isinstance(p[0], Graph):
            return tuple(map(simplified, p))
        return p

    def _key(self, row: Any, operands: Sequence[Operand], params: dict[str, Any]) -> Any:
        """What equal operations have in common; None for one that is done each time."""
        if has_effect(row, params):
            return None
        parts = [self._operand_key(x) for x in operands]
        try:
            settings = tuple([(k, self._param_key(p)) for k, p in params.items()])
            key = (row.name, tuple(parts), settings)
            hash(key)
        except TypeError:
            return None
        return key

    def _operand_key(self, x: Operand) -> Any:
        if isinstance(x, Variable):
            return id(x._node)
        if type(x) in NUMBERS:
            return number_key(x)
        array = np.asarray(x)
        if array.size <= SMALL:
            return (array.shape, array.dtype.str, array.tobytes())
        self._kept.append(x)
        return ("array", id(x))

    def _param_key(self, p: Any) -> Any:
        if isinstance(p, slice):
            return ("slice", p.start, p.stop, p.step)
        if isinstance(p, (tuple, list)):
            return (type(p).__name__, *map(self._param_key, p))
        if isinstance(p, np.ndarray):
            return (p.shape, p.dtype.str, p.tobytes())
        return number_key(p) if type(p) in NUMBERS else (type(p), p)


def number_key(x: Any) -> Any:
    """What a number of Python's is: 0.0 and -0.0 are equal, and two numbers."""
    return (type(x), repr(x) if x == 0 else x)


_KNOWN: Final = frozenset({bool, np.bool_, np.ndarray})
"""Types of a condition that is known beforehand."""

_LOOPS: Final = frozenset({"call", "cond", "scan", "while_loop", "while_back"})


def _is_little(node: Node) -> bool:
    """Whether the results of a loop may be held as constants."""
    assert node.saved is not None
    return sum(spec.size for spec in node.saved[0]) <= FOLDED


def _plain(x: Operand) -> Operand:
    """A Variable with numbers and no history is its numbers."""
    if isinstance(x, Variable) and x._node is None and type(x._value) is not Abstract:
        return x._value
    return x


def spec_of(x: Operand) -> Any:
    """What has the shape and dtype of an operand."""
    if isinstance(x, Variable):
        return x._value
    return x if hasattr(x, "dtype") else np.asarray(x)


def constant(x: Operand) -> Any:
    """The number that an operand is everywhere, or None."""
    if isinstance(x, Variable):
        return None
    if type(x) in NUMBERS:
        return np.asarray(x)[()]
    array = np.asarray(x)
    if array.size == 1:
        return array.reshape(())[()]
    if not array.size or array.size > FOLDED:
        return None
    first = array.flat[0]
    if not (array == first).all():
        return None
    if not first and array.tobytes() != first.tobytes() * array.size:  # zeros of both signs
        return None
    return first


def like(x: Operand, node: Node) -> bool:
    """Whether an operand has the shape and dtype of a node's result."""
    assert node.saved is not None
    spec, result = spec_of(x), node.saved[0]
    return spec.shape == result.shape and spec.dtype == result.dtype


def _of_constants(node: Node, operands: list[Operand]) -> Any:
    """The value of what has no traced operand."""
    found = _folded(node, operands)
    if found is None and node.op.name in _LOOPS:
        little = not has_effect(node.op, node.params) and _is_little(node)
        return list(node.op.evaluate(operands, **node.params)) if little else None
    if found is not None or has_effect(node.op, node.params):
        return found
    return _value(node, operands)


def _of_nothing(node: Node, operands: list[Operand]) -> Any:
    """The value of what has no elements, or is computed from nothing but what has none; it is the
    same whatever the operands are.
    """
    assert node.saved is not None
    several = isinstance(node.saved[0], tuple)
    results = node.saved[0] if several else (node.saved[0],)
    if not results or has_effect(node.op, node.params):
        return None
    if not any(r.size for r in results):
        made = [np.empty(r.shape, r.dtype) for r in results]
        return made if several else made[0]
    traced = [x for x in operands if isinstance(x, Variable)]
    if not traced or any(x._value.size for x in traced):
        return None
    return _value(node, operands)


def _value(node: Node, operands: list[Operand]) -> Any:
    """What a node gives, where its operands are constants or have no elements; None where NumPy
    does not take them.
    """
    assert node.saved is not None
    result = node.saved[0]
    given = [
        np.empty(x._value.shape, x._value.dtype) if isinstance(x, Variable) else x for x in operands
    ]
    try:
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            value = node.op.evaluate(*given, **node.params)
    except (TypeError, ValueError, ArithmeticError):
        return None
    if isinstance(result, tuple):
        return [np.asarray(v)[()] for v in value]
    value = np.asarray(value)
    return value.astype(result.dtype)[()] if value.shape == result.shape else None


# --- rewrites of any elementwise row --------------------------------------------------------------


def _identity(node: Node, operands: list[Operand], build: Builder) -> Any:
    """x * 1, x - 0, where(True, x, y) ... (`ops.identities`)."""
    values = [constant(x) for x in operands]
    if all(v is None for v in values):
        return None
    found = identity(node.op.name, values)
    if found is None:
        return None
    kind, what = found
    assert node.saved is not None
    result = node.saved[0]
    if kind == "operand":
        return operands[what] if like(operands[what], node) else None
    value = result.dtype.type(what)
    return np.broadcast_to(value, result.shape) if result.shape else value


def _folded(node: Node, operands: list[Operand]) -> Any:
    """The value of an operation on constants."""
    assert node.saved is not None
    result = node.saved[0]
    if isinstance(result, tuple) or node.op.kind not in ("elementwise", "movement", "linear"):
        return None
    if result.size > FOLDED or any(spec_of(x).size > FOLDED for x in operands):
        return None
    try:
        with np.errstate(all="ignore"):
            value = node.op.evaluate(*operands, **node.params)
    except (TypeError, ValueError, ArithmeticError):
        return None
    value = np.asarray(value)
    if value.shape != result.shape:
        return None
    return value.astype(result.dtype)[()]


# --- rewrites by row -----------------------------------------------------------------------------


def _made_by(x: Operand, name: str) -> Node | None:
    """The node that made an operand, if it is of this row."""
    node = x._node if isinstance(x, Variable) else None
    return node if node is not None and node.op is not None and node.op.name == name else None


def _operand(node: Node, k: int, build: Builder) -> Any:
    """Operand k of a node of the new graph."""
    assert node.saved is not None
    before, value = node.inputs[k], node.saved[1 + k]
    return value if before is None else wrapped(build.cls, value, before)


def never(node: Node, operands: list[Operand], build: Builder) -> Any:
    """An effect whose condition is known not to hold."""
    return () if type(operands[0]) in _KNOWN and not operands[0] else None


def double_negative(node: Node, operands: list[Operand], build: Builder) -> Any:
    """-(-x) is x."""
    inner = _made_by(operands[0], "negative")
    return None if inner is None else _operand(inner, 0, build)


def negative_factor(node: Node, operands: list[Operand], build: Builder) -> Any:
    """(-x) * 2 is x * -2."""
    for x, other in (operands, operands[::-1]):
        inner, c = _made_by(x, "negative"), constant(other)
        number = c is not None and np.asarray(c).dtype.kind in "fi"
        if inner is not None and number and like(x, node) and _is_real(node):
            factor = -other if type(other) in NUMBERS else np.negative(other)
            return build.do(node.op, [_operand(inner, 0, build), factor])
    return None


def _is_real(node: Node) -> bool:
    assert node.saved is not None
    kind: str = node.saved[0].dtype.kind
    return kind == "f"


def same_shape(node: Node, operands: list[Operand], build: Builder) -> Any:
    """A reshape, broadcast or cast to what the operand is already."""
    return operands[0] if like(operands[0], node) else None


def conjugate_of_real(node: Node, operands: list[Operand], build: Builder) -> Any:
    """The conjugate of a real number is the number."""
    return operands[0] if spec_of(operands[0]).dtype.kind != "c" else None


def reshaped_twice(node: Node, operands: list[Operand], build: Builder) -> Any:
    """Of two reshapes the second is enough."""
    inner = _made_by(operands[0], "reshape")
    if inner is None or "F" in (node.params.get("order"), inner.params.get("order")):
        return None
    x = _operand(inner, 0, build)
    if like(x, node):
        return x
    assert node.saved is not None
    return build.do(node.op, [x], shape=node.saved[0].shape)


def transposed_twice(node: Node, operands: list[Operand], build: Builder) -> Any:
    """A transpose undone by the next."""
    inner = _made_by(operands[0], node.op.name)
    if inner is None:
        return None
    x = _operand(inner, 0, build)
    ndim = len(spec_of(x).shape)
    if node.op.name == "matrix_transpose" or _order(node, ndim, _order(inner, ndim)) == list(
        range(ndim)
    ):
        return x
    return None


def _order(node: Node, ndim: int, before: Sequence[int] | None = None) -> list[int]:
    axes = node.params.get("axes")
    order = [int(a) % ndim for a in axes] if axes is not None else list(range(ndim))[::-1]
    return order if before is None else [before[a] for a in order]


def small_power(node: Node, operands: list[Operand], build: Builder) -> Any:
    """x ** 2, x ** 3, x ** 1 and x ** -1 by products and a quotient."""
    x, exponent = operands[0], constant(operands[1])
    if exponent is None or not isinstance(x, Variable) or not like(x, node):
        return None
    if x._value.dtype.kind != "f" or exponent not in (1, 2, 3, -1):
        return None
    table = _rows()
    if exponent == 1:
        return x
    if exponent == -1:
        return build.do(table["reciprocal"], [x])
    square = build.do(table["multiply"], [x, x])
    return square if exponent == 2 else build.do(table["multiply"], [square, x])


def doubled(node: Node, operands: list[Operand], build: Builder) -> Any:
    """A strong product with a constant that is finite and not 0 is a plain product."""
    for x in operands:
        c = constant(x)
        if c is not None and np.isfinite(c) and c != 0:
            return build.do(_rows()["multiply"], operands)
        if c is None and not isinstance(x, Variable):
            array = np.asarray(x)
            if array.size <= FOLDED and (np.isfinite(array) & (array != 0)).all():
                return build.do(_rows()["multiply"], operands)
    return None


def bounded(node: Node, operands: list[Operand], build: Builder) -> Any:
    """A strong product of factors that are never infinite is a plain product."""
    if all(is_bounded(x) for x in operands):
        return build.do(_rows()["multiply"], operands)
    return None


_BOUNDED: Final = frozenset({
    "sin", "cos", "tanh", "sigmoid", "sign", "erf", "atan", "heaviside", "softmax",
})  # fmt: skip


def is_bounded(x: Operand) -> bool:
    """Whether no element can be infinite (it may be NaN)."""
    if not isinstance(x, Variable):
        return bool(not np.isinf(np.asarray(x)).any())
    if x._value.dtype.kind in "biu":
        return True
    node = x._node
    if node is None or node.op is None or node.saved is None:
        return False
    return node.op.name in _BOUNDED


def whole(node: Node, operands: list[Operand], build: Builder) -> Any:
    """`x[...]` is x, and `x[...] = y` is y."""
    if node.params["index"] is not Ellipsis:
        return None
    if like(operands[-1], node):
        return operands[-1]
    value = constant(operands[-1])
    if node.op.name == "getitem" or value is None or node.saved is None:
        return None
    result = node.saved[0]
    value = np.asarray(value).astype(result.dtype)[()]
    return np.broadcast_to(value, result.shape) if result.shape else value


def traced_index(node: Node, operands: list[Operand], build: Builder) -> Any:
    """Where single elements are written, each is the last to be written."""
    scalars = all(np.ndim(spec_of(x)) == 0 for x in operands[node.params["row"].arity :])
    if node.params["row"].name != "last_writers" or not scalars or node.saved is None:
        return None
    result = node.saved[0]
    return np.broadcast_to(np.True_, result.shape) if result.shape else np.True_


def added_at(node: Node, operands: list[Operand], build: Builder) -> Any:
    """x + put(g, i) is add_at(x, g, i): no array of zeros but at i."""
    for x, other in (operands, operands[::-1]):
        inner = _made_by(other, "at_index")
        if inner is None or inner.params["row"].name != "put" or not like(x, node):
            continue
        if not like(other, node):
            continue
        count = len(inner.inputs)
        parts = [_operand(inner, k, build) for k in range(count)]
        index = _shifted(inner.params["params"]["index"])
        row, table = inner.op, _rows()
        return build.do(row, [x, *parts], row=table["add_at"], params={"index": index})
    return None


def _shifted(index: Any) -> Any:
    """An index with holes, for one operand more before those that fill them."""
    from chainrule.ops.traced_index import Hole

    if type(index) is tuple:
        return tuple(map(_shifted, index))
    return Hole(index.number + 1) if isinstance(index, Hole) else index


def full_parts(node: Node, operands: list[Operand], build: Builder) -> Any:
    """What is put together of parts needs those only that have elements."""
    full = [x for x in operands if spec_of(x).size]
    if len(full) == len(operands) or not full or node.params["axis"] is None:
        return None
    if not isinstance(full[0], Variable) and len(full) == 1:
        return None
    assert node.saved is not None
    joined = full[0] if len(full) == 1 else build.do(node.op, full, **node.params)
    dtype = node.saved[0].dtype
    return joined if spec_of(joined).dtype == dtype else joined.astype(dtype)


def nothing_written(node: Node, operands: list[Operand], build: Builder) -> Any:
    """Where nothing is written or added, nothing changes."""
    return operands[0] if not spec_of(operands[1]).size and like(operands[0], node) else None


def alias(node: Node, operands: list[Operand], build: Builder) -> Any:
    """A copy of a value that nobody writes to."""
    return operands[0]


def _rows() -> Any:
    from chainrule.ops.table import TABLE

    return TABLE


Rewrite = Callable[[Node, list[Operand], Builder], Any]

REWRITES: Final[dict[str, tuple[Rewrite, ...]]] = {
    EFFECT: (never,),
    "negative": (double_negative,),
    "add": (added_at, slices_added),
    "multiply": (negative_factor,),
    "at_index": (traced_index,),
    "concat": (full_parts,),
    "add_at": (nothing_written,),
    "getitem": (whole,),
    "set_item": (nothing_written, whole),
    "positive": (same_shape,),
    "copy": (same_shape,),
    "alias": (alias,),
    "astype": (same_shape,),
    "real": (same_shape,),
    "conj": (conjugate_of_real,),
    "reshape": (same_shape, reshaped_twice),
    "broadcast_to": (same_shape,),
    "permute_dims": (transposed_twice,),
    "matrix_transpose": (transposed_twice,),
    "power": (small_power,),
    "strong_multiply": (doubled, bounded, negative_factor),
}
"""Row -> the rewrites that look at it, in order."""
