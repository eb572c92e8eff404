"""Sums of matrix products over rows or columns: the sum of the factor first, then the product.

The sum of the rows of A @ B is (the sum of the rows of A) @ B: a product of one row instead of
many, and no array of their number. Derivatives by what is broadcast before a product ask for it,
such as those by the means of centered examples. Where a sum of factors overflows the products need
not, so this is a hope (`rewrite.hopeful`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from chainrule.graph.graph import Graph, operands
from chainrule.graph.node import Node
from chainrule.ops.axes import axes_of


@dataclass(eq=False, repr=False)
class SummedProduct:
    """A sum of a matrix product, with movement and signs between."""

    product: Node
    axes: frozenset[int]
    """Axes of the product that are summed."""
    rows: bool
    """Whether rows are among them, and columns."""
    columns: bool
    between: list[tuple[Node, frozenset[int]]]
    """What comes between product and sum, and which axes of each result are summed."""


def summed_products(graph: Graph) -> dict[Node, SummedProduct]:
    """The sums whose factors can be summed instead: nothing else reads their products."""
    uses = Counter(n for node in graph.nodes for n in node.inputs if n is not None)
    uses.update(o._node for o in graph.outputs if o._node is not None)
    found = {}
    for node in graph.nodes:
        if node.op is not None and node.op.name == "sum" and node.params.get("dtype") is None:
            plan = _plan(node, uses)
            if plan is not None:
                found[node] = plan
    return found


def _plan(node: Node, uses: Counter[Node]) -> SummedProduct | None:
    ((x, value),) = operands(node)
    axes = _long(axes_of(node.params.get("axis"), len(value.shape)), value.shape)
    between: list[tuple[Node, frozenset[int]]] = []
    while x is not None and x.op is not None and uses[x] == 1:
        if is_product(x):
            return _of_product(x, axes, between[::-1])
        between.append((x, axes))
        moved = _before(x, axes)
        if moved is None:
            return None
        axes = moved
        (x,) = x.inputs
    return None


def is_product(x: Node) -> bool:
    """Whether a node is a product of matrices of floating-point numbers."""
    strong = x.op.name == "strong_contraction" and x.params["row"].name == "matmul"
    return (x.op.name == "matmul" or strong) and x.saved[0].dtype.kind == "f"  # type: ignore[index]


def _of_product(
    x: Node, axes: frozenset[int], between: list[tuple[Node, frozenset[int]]]
) -> SummedProduct | None:
    (_, a), (_, b) = operands(x)
    if min(len(a.shape), len(b.shape)) < 2 or a.shape[-2] == 1 or b.shape[-1] == 1:
        return None  # nothing is gained
    last = len(x.saved[0].shape) - 1  # type: ignore[index]
    rows, columns = last - 1 in axes, last in axes
    return SummedProduct(x, axes, rows, columns, between) if rows or columns else None


def _before(x: Node, axes: frozenset[int]) -> frozenset[int] | None:
    """Those axes of the operand of x that are the given ones of its result, where they are whole
    axes and x does nothing but move elements and change their signs.
    """
    assert x.saved is not None
    name, after, before = x.op.name, x.saved[0].shape, x.saved[1]
    if name == "negative":
        return axes
    if name == "permute_dims":
        order = x.params.get("axes")
        moved = axes_of(order, len(after)) if order is not None else range(len(after))[::-1]
        return frozenset(moved[k] for k in axes)
    if name == "reshape" and x.params.get("order", "C") == "C":
        return _reshaped(axes, before.shape, after)
    return None


def _reshaped(axes: frozenset[int], before: Sequence[int], after: Sequence[int]) -> Any:
    theirs, mine = [sorted(_long(range(len(s)), s)) for s in (before, after)]
    found: set[int] = set()
    while theirs:  # the fewest axes that have as many elements on both sides
        old, new = [theirs.pop(0)], []
        m, n = before[old[0]], 1
        while m != n:
            if m < n:
                old.append(theirs.pop(0))
                m *= before[old[-1]]
            else:
                new.append(mine.pop(0))
                n *= after[new[-1]]
        gone = axes.intersection(new)
        if gone:
            found.update(old)
        if len(gone) not in (0, len(new)):
            return None
    return frozenset(found)


def _long(axes: Iterable[int], shape: Sequence[int]) -> frozenset[int]:
    """Those of the axes that have more than one element, or none."""
    return frozenset(k for k in axes if shape[k] != 1)
