"""Derivatives of extremes, in the hope that each extreme is one element; factors before sums
(`rewrite.factors`), in the hope that the sums are finite without them; sums before products
(`rewrite.products`), in the hope that they are finite as well.

The derivative of `min(x, axis)` by x is the cotangent, shared among the elements that are as small
as the minimum: an array as large as x that is nearly everywhere zero, and what is multiplied by it
is computed for nothing. Where one element alone is the least, the derivative is known by its place
and one number (`Hot`), and so are its products, negatives and sums with others at that place. What
they are multiplied by is read at the place; a sum over another axis adds to places.

That there is one place is *expected* (`ops.expected`): machine code counts as it looks for it, and
where the count is another, or the extreme is not finite, the program is run again as it was before
(`run.compiled`). So elements that tie share as they always do.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from chainrule.graph.graph import Graph, operands
from chainrule.graph.node import Abstract, Node, Variable
from chainrule.ops.axes import axes_of
from chainrule.ops.expected import expected
from chainrule.ops.recording import wrapped
from chainrule.ops.replay import given, replay
from chainrule.ops.table import TABLE
from chainrule.rewrite.factors import Scaled, scaled_sums
from chainrule.rewrite.products import SummedProduct, summed_products

LONG: Final = 8
"""Along shorter axes zeros are multiplied with: that is written out."""

Shape = tuple[int, ...]


@dataclass(eq=False, repr=False)
class Hot:
    """An array that is zero but for one element along an axis: `values` at `places`, both of size
    one along that axis, and broadcast along others.
    """

    shape: Shape
    axis: int
    places: Any
    values: Any

    @property
    def flat(self) -> Shape:
        """The shape with the axis of size one."""
        return (*self.shape[: self.axis], 1, *self.shape[self.axis + 1 :])


def hopeful(graph: Graph, make: Callable[[Any], Any]) -> Graph:
    """The same function where extremes are unique and sums are finite; `make(cls)` gives a
    `simplify.Builder`.
    """
    walk = _Walk(graph, make)
    return walk.graph() if walk.found else graph


def _axis_of_extreme(node: Node) -> tuple[int, str] | None:
    if node.op is None or node.op.name != "equal":
        return None
    assert node.saved is not None
    x, y = node.inputs
    shape = node.saved[0].shape
    while y is not None and y.op is not None and y.op.name in ("reshape", "broadcast_to"):
        y = y.inputs[0]
    if x is None or y is None or y.op is None or y.op.name not in ("min", "max"):
        return None
    assert y.saved is not None
    if y.inputs[0] is not x or node.saved[1].shape != shape:
        return None
    gone = axes_of(y.params.get("axis"), len(shape))
    if len(gone) != 1 or shape[gone[0]] < LONG:
        return None
    spread = tuple(1 if k in gone else n for k, n in enumerate(shape))
    given = getattr(node.saved[2], "shape", ())
    fits = given == spread or (len(shape) == 1 and given in ((), (1,)))
    return (gone[0], y.op.name) if fits else None


class _Walk:
    """Runs a graph again, with arrays that are nearly all zero as `Hot` ones."""

    def __init__(self, graph: Graph, make: Callable[[Any], Any]) -> None:
        self.old = graph
        self.build = make(graph.cls)
        self.hits: dict[Node | None, tuple[int, str]] = {}
        for node in graph.nodes:
            found = _axis_of_extreme(node)
            if found is not None:
                self.hits[node] = found
        self.scaled = scaled_sums(graph)
        self.summed = summed_products(graph)
        self.found = bool(self.hits or self.scaled or self.summed)
        self.known: dict[Node, Any] = {}

    def graph(self) -> Graph:
        """The new graph."""
        old = self.old
        arguments = [wrapped(old.cls, Abstract(n.spec.shape, n.spec.dtype), n) for n in old.inputs]
        self.known.update(zip(old.inputs, arguments, strict=True))
        outputs = [self.whole(o) for o in replay(old, arguments, self.noted)]
        outputs = [o if isinstance(o, Variable) else wrapped(old.cls, o, None) for o in outputs]
        return Graph(old.inputs, outputs, old.cls)

    def do(self, name: str, *operands: Any, **params: Any) -> Any:
        """An operation, by the name of its row."""
        return self.build.do(TABLE[name], list(operands), **params)

    def noted(self, node: Node, operands: list[Any]) -> Any:
        """The result of a node, which is kept for `factored`."""
        scaled = self.scaled.get(node)
        y = self.factored(node, scaled) if scaled is not None else None
        if node in self.summed:
            y = self.summed_before(node, self.summed[node])
        if y is None:
            y = self.node(node, operands)
        self.known[node] = y
        return y

    def factored(self, node: Node, scaled: Scaled) -> Any:
        """A sum as an earlier one times numbers, expecting that all of them are finite."""
        assert node.saved is not None
        y = self.known[scaled.earlier]
        shape = node.saved[0].shape
        if y.shape != shape:
            y = self.do("reshape", y, shape=shape)
        holds = self.do("isfinite", y)
        for name, n, v in scaled.factors:
            c = v if n is None else self.known.get(n, v)
            if isinstance(c, Hot):
                return None
            if getattr(c, "shape", ()):
                c = self.do("reshape", c, shape=())
            y = self.do(name, c, y)
            holds = self.do("logical_and", holds, self.do("isfinite", c))
        y = self.do("negative", y) if scaled.negative else y
        return self.build.do(expected.operation, [y, holds])  # type: ignore[attr-defined]

    def summed_before(self, node: Node, plan: SummedProduct) -> Any:
        """A sum of a product, its factors summed before, expecting that it is finite."""
        assert node.saved is not None
        pairs = operands(plan.product)
        a, b = (self.whole(given(self.old.cls, n, v, self.known)) for n, v in pairs)
        if plan.rows:
            a = self.do("sum", a, axis=(len(a.shape) - 2,), keepdims=True)
        if plan.columns:
            b = self.do("sum", b, axis=(len(b.shape) - 1,), keepdims=True)
        y = self.build.do(plan.product.op, [a, b], **plan.product.params)
        rest = tuple(k for k in sorted(plan.axes) if y.shape[k] != 1)
        y = self.do("sum", y, axis=rest, keepdims=True) if rest else y
        y = self.build.do(expected.operation, [y, self.do("isfinite", y)])  # type: ignore[attr-defined]
        for step, axes in plan.between:
            params = dict(step.params)
            if step.op.name == "reshape":
                assert step.saved is not None
                params["shape"] = [1 if k in axes else n for k, n in enumerate(step.saved[0].shape)]
            y = self.build.do(step.op, [y], **params)
        shape = node.saved[0].shape
        return y if y.shape == shape else self.do("reshape", y, shape=shape)

    def node(self, node: Node, operands: list[Any]) -> Any:
        """The result of a node on operands that may be hot."""
        assert node.op is not None
        assert node.saved is not None
        hot = [x for x in operands if isinstance(x, Hot)]
        name = node.op.name
        if name == "astype" and not hot:
            (source,) = node.inputs
            compared = getattr(operands[0], "_node", None)
            if (
                source in self.hits
                and compared is not None
                and getattr(compared.op, "name", "") == "equal"
                and node.saved[0].dtype.kind == "f"
            ):
                return self.hit(self.hits[source], node.saved[0].dtype, operands[0])
        if not hot:
            return self.build.node(node, operands)
        rule = _RULES.get(name)
        found = None if rule is None else rule(self, node, operands)
        if found is not None:
            return found
        return self.build.node(node, [self.whole(x) for x in operands])

    def hit(self, extreme: tuple[int, str], dtype: Any, equal: Any) -> Hot:
        """Where an array equals its extreme: one at one place."""
        axis, _ = extreme
        compared = equal._node
        shape, n = compared.saved[1].shape, compared.saved[1].shape[axis]
        flat = tuple(1 if k == axis else m for k, m in enumerate(shape))
        best = wrapped(self.old.cls, compared.saved[2], compared.inputs[1])
        if best.shape != flat:
            best = self.do("reshape", best, shape=flat)
        along = {"axis": (axis,), "keepdims": True}
        count = self.do("sum", self.do("astype", equal, dtype=np.dtype(np.float64)), **along)
        # where there is one, the sum of all places is its place; of many, a place is as good
        every = np.arange(n).reshape((n,) + (1,) * (len(shape) - 1 - axis))
        places = self.do("sum", self.do("where", equal, every, 0), **along)
        places = self.do("minimum", places, n - 1)
        # what an infinite extreme makes of the zeros beside it is left to the rule as it is written
        finite = self.do("isfinite", best)
        alone = self.do("logical_and", self.do("equal", count, 1.0), finite)
        one = self.build.do(expected.operation, [np.ones(flat, dtype), alone])  # type: ignore[attr-defined]
        return Hot(shape, axis, places, one)

    def whole(self, x: Any) -> Any:
        """A hot array as an ordinary one."""
        if not isinstance(x, Hot):
            return x
        n, after = x.shape[x.axis], len(x.shape) - 1 - x.axis
        here = self.do("equal", x.places, np.arange(n).reshape((n,) + (1,) * after))
        y = self.do("where", here, x.values, x.values.dtype.type(0))
        return y if y.shape == x.shape else self.do("broadcast_to", y, shape=x.shape)

    def read(self, x: Any, hot: Hot, depth: int = 6) -> Any:
        """An operand of an elementwise operation, at the places of a hot array."""
        shape = x.shape if hasattr(x, "shape") else np.shape(x)
        k = hot.axis - (len(hot.shape) - len(shape))
        if k < 0 or shape[k] == 1:
            return x
        made = x._node if isinstance(x, Variable) else None
        if made is not None and made.op is not None and made.op.kind == "elementwise" and depth:
            assert made.saved is not None
            parts = [
                self.read(v if n is None else wrapped(self.old.cls, v, n), hot, depth - 1)
                for n, v in zip(made.inputs, made.saved[1:], strict=True)
            ]
            return self.do(made.op.name, *parts, **made.params)
        full = x if shape == hot.shape else self.do("broadcast_to", x, shape=hot.shape)
        return self.do("take_along_axis", full, hot.places, axis=hot.axis)


def _dtype(node: Node) -> Any:
    return node.spec.dtype if node.op is None else node.saved[0].dtype  # type: ignore[attr-defined, index]


# --- rules ----------------------------------------------------------------------------------------

Rule = Callable[[_Walk, Node, Sequence[Any]], Any]


def _product(walk: _Walk, node: Node, operands: Sequence[Any]) -> Any:
    """A product with something else, read at the places."""
    a, b = operands
    assert node.op is not None
    assert node.saved is not None
    hot, other = (a, b) if isinstance(a, Hot) else (b, a)
    if isinstance(other, Hot) or node.saved[0].shape != hot.shape:
        return None
    if node.op.name == "divide" and hot is b:
        return None
    read = walk.read(other, hot)
    pair = (hot.values, read) if hot is a else (read, hot.values)
    return Hot(hot.shape, hot.axis, hot.places, walk.do(node.op.name, *pair))


def _alone(walk: _Walk, node: Node, operands: Sequence[Any]) -> Any:
    """What leaves zeros zero."""
    assert node.op is not None
    (hot,) = operands
    values = walk.do(node.op.name, hot.values, **node.params)
    return Hot(hot.shape, hot.axis, hot.places, values)


def _together(walk: _Walk, node: Node, operands: Sequence[Any]) -> Any:
    """The sum of two that are hot at the same places."""
    a, b = operands
    assert node.op is not None
    same = isinstance(a, Hot) and isinstance(b, Hot)
    if not same or a.places is not b.places or a.shape != b.shape or a.axis != b.axis:
        return None
    return Hot(a.shape, a.axis, a.places, walk.do(node.op.name, a.values, b.values))


def _reshaped(walk: _Walk, node: Node, operands: Sequence[Any]) -> Any:
    """A reshape that adds or drops axes of size one."""
    (hot,) = operands
    assert node.saved is not None
    shape = node.saved[0].shape
    if node.params.get("order", "C") != "C" or hot.shape[hot.axis] == 1:
        return None
    if [n for n in shape if n != 1] != [n for n in hot.shape if n != 1]:
        return None
    before = sum(n != 1 for n in hot.shape[: hot.axis])
    axis = [k for k, n in enumerate(shape) if n != 1][before]
    flat = tuple(1 if k == axis else n for k, n in enumerate(shape))
    parts = []
    for x in (hot.places, hot.values):
        full = x if x.shape == hot.flat else walk.do("broadcast_to", x, shape=hot.flat)
        parts.append(walk.do("reshape", full, shape=flat))
    return Hot(shape, axis, *parts)


def _stretched(walk: _Walk, node: Node, operands: Sequence[Any]) -> Any:
    """Broadcasting along other axes."""
    (hot,) = operands
    assert node.saved is not None
    shape = node.saved[0].shape
    more = len(shape) - len(hot.shape)
    if shape[more + hot.axis] != hot.shape[hot.axis]:
        return None
    return Hot(shape, more + hot.axis, hot.places, hot.values)


def _summed(walk: _Walk, node: Node, operands: Sequence[Any]) -> Any:
    """A sum over the axis is what is there; one over the only other axis that the places vary with
    adds to places.
    """
    (hot,) = operands
    assert node.saved is not None
    gone = axes_of(node.params.get("axis"), len(hot.shape))
    shape = node.saved[0].shape
    values = hot.values
    if values.shape != hot.flat:
        values = walk.do("broadcast_to", values, shape=hot.flat)
    if hot.axis in gone:
        rest = tuple(k for k in gone if k != hot.axis)
        if rest:
            values = walk.do("sum", values, axis=rest, keepdims=True)
        return values if values.shape == shape else walk.do("reshape", values, shape=shape)
    return _added(walk, hot, values, gone, shape)


def _added(walk: _Walk, hot: Hot, values: Any, gone: tuple[int, ...], shape: Shape) -> Any:
    places = hot.places
    ndim = len(hot.shape)
    lead = ndim - len(places.shape)
    varying = [lead + k for k, n in enumerate(places.shape) if n != 1]
    if len(gone) != 1 or not set(varying) <= set(gone):
        return None
    (over,) = gone
    order = [over, *[k for k in range(ndim) if k not in (over, hot.axis)]]
    moved = walk.do("permute_dims", values, axes=(*order, hot.axis))
    moved = walk.do("reshape", moved, shape=tuple(hot.shape[k] for k in order))
    count = hot.shape[over]
    flat = walk.do("reshape", places, shape=(math.prod(places.shape),))
    if flat.shape != (count,):
        flat = walk.do("broadcast_to", flat, shape=(count,))
    rest = [k for k in range(ndim) if k not in (over, hot.axis)]
    target = (hot.shape[hot.axis], *[hot.shape[k] for k in rest])
    y = walk.do("scatter_add", moved, flat, shape=target, axis=0, mode="clip")
    kept = [k for k in range(ndim) if k != over]
    back = [[hot.axis, *rest].index(k) for k in kept]
    if back != list(range(len(back))):
        y = walk.do("permute_dims", y, axes=tuple(back))
    return y if y.shape == shape else walk.do("reshape", y, shape=shape)


_RULES: Final[dict[str, Rule]] = {
    "multiply": _product,
    "strong_multiply": _product,
    "divide": _product,
    "negative": _alone,
    "astype": _alone,
    "add": _together,
    "subtract": _together,
    "reshape": _reshaped,
    "broadcast_to": _stretched,
    "sum": _summed,
}
