"""The walk forwards along a curve: truncated Taylor series from operands to results.

Every quantity u(t) is carried as its normalized coefficients u_k = u^(k)(0) / k!. What a node does
with those of its operands is found in this order:

- the row has a recurrence of its own (`taylor`: products, quotients, powers, linear systems ...);
- the result is linear in the operands that move, each for itself: the row is applied to the
  coefficients, and to all products of them whose orders add up to k where several move;
- the row's forward rule is y' = G(y, a, a'), written in rows of the table. G is recorded once, as a
  small graph, and its coefficients are computed as they are needed: k y_k = G_(k-1), which needs
  the coefficients of y and a below k, and those of a' below k, which are (j + 1) a_(j+1). Where G
  reads neither y nor a (a constant Jacobian: `where`, `sort`, `abs`), it is applied to each a_k.

So every row with a derivative has its series, at a cost quadratic in the order as long as the rows
of G have. Where the derivative of a row is ever another function (polygamma of the next order, an
eigenvector's derivative) G is recorded anew at each level, and the cost is cubic. Equal operations
on equal operands are shared, so that functions that are each other's derivatives close the circle.

A. Griewank and A. Walther, Evaluating Derivatives (2nd ed., 2008), chapter 13, has the arithmetic
and the principle that a function whose derivative is rational in known functions has a recurrence.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from chainrule.derive.floating import INVALID_RAISES, enter, leave, quiet
from chainrule.derive.forward import between, narrowed, push, pushed
from chainrule.derive.reverse import as_variables, depends, recovered
from chainrule.graph import writes
from chainrule.graph.node import Leaf, Node, Spec, Variable
from chainrule.graph.writes import check_written
from chainrule.ops.hot import careful
from chainrule.ops.recording import general, is_traced, marked, raw
from chainrule.ops.series import Curve, Series, plus, scaled
from chainrule.ops.strong import strong_products
from chainrule.ops.table import SELECT, Operation, zeros_like


def taylor(
    outputs: Sequence[Node],
    given: Mapping[Node, Sequence[Any]],
    order: int,
    cls: type[Variable],
    *,
    recorded: bool = False,
) -> list[list[Any]]:
    """Normalized coefficients 1 to `order` of the outputs, given those of some nodes (fewer ones
    are followed by zeros); None in place of zeros.

    With `recorded` the coefficients are Tensors of class `cls`, and what is computed of them is
    recorded, so that it can be differentiated. As in the walk backwards, a zero coefficient that
    meets an infinite derivative stays zero: plain products are tried first, and strong ones used
    where NumPy reports 0 * inf or a NaN comes out, and in recorded walks.
    """
    if not recorded and not careful:
        token = enter(INVALID_RAISES)
        try:
            found = _Walk(cls, recorded).run(outputs, given, order)
            if not any(_has_nan(c) for series in found for c in series):
                return found
        except FloatingPointError:
            pass
        finally:
            leave(token)
    with strong_products(), quiet():
        return _Walk(cls, recorded).run(outputs, given, order)


def _has_nan(x: Any) -> bool:
    return x is not None and bool(np.isnan(x).any())


def _unless_zero(x: Any) -> Any:
    """None for a constant zero, which then costs nothing."""
    if x is None or (isinstance(x, Variable) and (x._node is not None or is_traced(x))):
        return x
    return x if np.any(raw(x)) else None


def _source(cls: type[Variable], x: Any) -> Variable:
    """A Tensor of this value with a node of its own, from which a rule is recorded. To whatever
    encloses the walk it is a constant, unless the value has a history.
    """
    out: Variable = marked(cls, x)
    if isinstance(out._node, Leaf):
        out._node.frozen = True
    return out


class _Walk:
    """The series of all nodes met so far, in the graph of the function and in those of rules."""

    def __init__(self, cls: type[Variable], recorded: bool) -> None:
        self.cls = cls
        self.recorded = recorded
        self.series: dict[Node, Series] = {}
        self.shared: dict[Any, Series] = {}

    def run(
        self, outputs: Sequence[Node], given: Mapping[Node, Sequence[Any]], order: int
    ) -> list[list[Any]]:
        for node, coefficients in given.items():
            self.series[node] = Series(_listed([_unless_zero(c) for c in coefficients]))
        for series in self.follow(outputs, given) if order else ():
            series.at(order)
        out = []
        for node in outputs:
            found = self.series.get(node)
            out.append([None if found is None else found.at(k) for k in range(1, order + 1)])
        return out

    def follow(self, outputs: Sequence[Node], sources: Mapping[Node, Any]) -> Iterator[Series]:
        """The series of the nodes between sources and outputs that move, operands first."""
        for node in between(outputs, sources):
            series = self.of(node)
            if series is not None:
                self.series[node] = series
                yield series

    def of(self, node: Node) -> Series | None:
        """The series of a node whose operands' are known; None where it does not move."""
        moving = [None if n is None else self.series.get(n) for n in node.inputs]
        if all(m is None for m in moving) or not depends(node, self.series):
            return None
        saved = recovered(node) if node.saved is None else node.saved
        if node.order < writes.newest[0] and node.saved is not None:
            check_written(node, node.order)
        row = node.op
        if row is SELECT:
            return Series(_selected(moving[0], node.params["index"]))
        moving = narrowed(node, moving, saved)
        if self.recorded:
            saved = as_variables(self.cls, node, saved)
        key = _key(row, moving, saved)
        series = self.shared.get(key) if key is not None else None
        if series is None:
            series = _Rule(self, node, saved, moving).series
            if key is not None:
                self.shared[key] = series
        return series


class _Rule:
    """How the coefficients of one node's result follow from those of its operands."""

    def __init__(
        self, walk: _Walk, node: Node, saved: Sequence[Any], moving: Sequence[Series | None]
    ) -> None:
        self.walk = walk
        self.node = node
        self.row: Operation = node.op
        self.params = {} if self.row.kind == "elementwise" else node.params
        self.saved = saved
        self.moving = moving
        self.outputs: list[Any] = []
        self.plan: list[Series] = []
        self.constant = False
        self.shape: tuple[int, ...] | None = None
        self.series = Series(self._first)

    def _first(self, k: int) -> Any:
        """Coefficient 1, and the choice of the rule for those that follow."""
        self.series.step = self._chosen()
        return self.series.step(k)

    def _chosen(self) -> Any:
        row = self.row
        if row.taylor is not None:
            curves = [Curve(v, m) for v, m in zip(self.saved[1:], self.moving, strict=True)]
            y = self.saved[0]
            if y is None or isinstance(y, Spec):  # the rules of the row do not read it
                y = general(row, self.saved[1:], self.params)
            step = row.taylor(Curve(y, self.series), *curves, **self.params)
            if step is not None:
                return step
        where = [i for i, m in enumerate(self.moving) if m is not None]
        if row.forward is None:
            if row.kind == "elementwise" and all(_is_sign(row.partials[i]) for i in where):
                return self._signed
            if row.kind != "elementwise" and set(where) <= set(row.linear):
                return self._multilinear
        self._record()
        if self.constant and row.forward is not None:
            return self._pushed
        return self._linear if self.constant else self._derived

    # --- linear rows ---------------------------------------------------------------------------

    def _signed(self, k: int) -> Any:
        """Sums and differences."""
        out: Any = None
        for m, sign in zip(self.moving, self.row.partials, strict=True):
            term = None if m is None else m.at(k)
            if term is not None:
                out = plus(out, term if sign == 1 else -term)
        return self._in_full(out)

    def _multilinear(self, k: int) -> Any:
        """The row on coefficients of the operands that move whose orders add up to k."""
        row, operands = self.row, list(self.saved[1:])
        several = sum(m is not None for m in self.moving) > 1
        if row.arity is None and not several and row.kind != "rule":
            operands = [
                x if m is not None else zeros_like(x)
                for x, m in zip(operands, self.moving, strict=True)
            ]
        out: Any = None
        for chosen in _of_order(k, self.moving, operands):
            term = (
                row.function(chosen, **self.params)
                if row.arity is None
                else row.function(*chosen, **self.params)
            )
            out = plus(out, term)
        return out

    def _pushed(self, k: int) -> Any:
        """The row's own forward rule, which is linear, on coefficients."""
        tangents = [None if m is None else m.at(k) for m in self.moving]
        if all(t is None for t in tangents):
            return None
        walk = self.walk
        return push(self.row, tangents, self.saved, self.node, walk.cls, walk.recorded)

    # --- the derivative, recorded once ---------------------------------------------------------

    def _record(self) -> None:
        """Record y' = G(y, a, a') at the beginning of the curve."""
        walk, saved = self.walk, list(self.saved)
        sources: dict[Node, Series] = {}
        values: set[Node] = set()
        if self.row.results == 1:
            saved[0] = self._source(saved[0], self.series, sources)
        else:
            saved[0] = tuple(
                self._source(v, Series(_selected(self.series, i)), sources)
                for i, v in enumerate(saved[0])
            )
        tangents: list[Any] = [None] * len(self.moving)
        for i, m in enumerate(self.moving):
            if m is not None:
                saved[1 + i] = self._source(saved[1 + i], m, sources)
        values.update(sources)
        slopes: list[tuple[Variable, Series]] = []
        for i, m in enumerate(self.moving):
            if m is not None:
                first = m.at(1)
                first = zeros_like(self.saved[1 + i]) if first is None else first
                tangent = _source(walk.cls, first)
                tangents[i] = tangent
                slopes.append((tangent, m))
        out = pushed(tangents, saved, self.node, walk.cls, recorded=True)
        self.outputs = list(out) if isinstance(out, tuple | list) else [out]
        reached = [o._node for o in self.outputs if _has_node(o)]
        self.constant = not self._reads(reached, values, [t._node for t, _ in slopes])
        for tangent, m in slopes:
            assert tangent._node is not None
            sources[tangent._node] = Series(_later(m, scale=not self.constant))
        walk.series.update(sources)
        self.plan = list(walk.follow(reached, sources))

    def _source(self, value: Any, series: Series, sources: dict[Node, Series]) -> Any:
        """A value the rule may read, as a Tensor from which on it is recorded."""
        if value is None or isinstance(value, Spec) or value.dtype.kind not in "fc":
            return value
        out = _source(self.walk.cls, value)
        assert out._node is not None
        sources[out._node] = series
        return out

    def _reads(self, outputs: list[Any], values: set[Node], slopes: list[Any]) -> bool:
        """Whether the recorded derivative depends on the result or the operands."""
        known: dict[Node, bool] = dict.fromkeys(values, True)
        for node in between(outputs, dict.fromkeys([*values, *slopes], True)):
            if any(n in known for n in node.inputs) and depends(node, known):
                known[node] = True
        return any(o in known for o in outputs)

    def _derived(self, k: int) -> Any:
        """k y_k = G_(k-1)."""
        return self._outputs(k, k)

    def _linear(self, k: int) -> Any:
        """y_k = G(a_k): the sources of G are a_1, a_2, ... themselves."""
        return self._outputs(k, 1)

    def _outputs(self, k: int, divisor: int) -> Any:
        for series in self.plan if k > 1 else ():
            series.at(k - 1)
        found = [self._output(o, k, divisor) for o in self.outputs]
        return found[0] if self.row.results == 1 else tuple(found)

    def _output(self, out: Any, k: int, divisor: int) -> Any:
        if k == 1:
            if self.walk.recorded or not isinstance(out, Variable):
                return out
            return out._value
        series = self.walk.series.get(out._node) if _has_node(out) else None
        value = None if series is None else series.at(k - 1)
        return value if value is None or divisor == 1 else self._in_full(value / divisor)

    def _in_full(self, value: Any) -> Any:
        """A coefficient of an elementwise result in the result's shape."""
        if value is None or self.row.kind != "elementwise":
            return value
        if self.shape is None:
            shapes = [getattr(x, "shape", ()) for x in self.saved[1:]]
            self.shape = shapes[0] if len(shapes) == 1 else np.broadcast_shapes(*shapes)
        return np.broadcast_to(value, self.shape) if value.shape != self.shape else value


def _has_node(x: Any) -> bool:
    return isinstance(x, Variable) and x._node is not None


def _is_sign(partial: Any) -> bool:
    return not callable(partial) and not isinstance(partial, str) and partial in (1, -1)


def _listed(coefficients: Sequence[Any]) -> Any:
    return lambda k: coefficients[k - 1] if k <= len(coefficients) else None


def _selected(several: Any, index: int) -> Any:
    def step(k: int) -> Any:
        results = several.at(k)
        return None if results is None else results[index]

    return step


def _later(series: Series, scale: bool) -> Any:
    """Of the derivative, (k + 1) a_(k+1); or a_(k+1)."""
    return lambda k: scaled(series.at(k + 1), k + 1 if scale else 1)


def _of_order(
    k: int, moving: Sequence[Series | None], operands: Sequence[Any]
) -> Iterator[list[Any]]:
    """Operands with coefficients in place of those that move, the orders adding up to k."""
    where = [i for i, m in enumerate(moving) if m is not None]

    def fill(place: int, left: int, chosen: list[Any]) -> Iterator[list[Any]]:
        i = where[place]
        series = moving[i]
        assert series is not None
        last = place == len(where) - 1
        for j in (left,) if last else range(left + 1):
            value = operands[i] if j == 0 else series.at(j)
            if value is None:
                continue
            chosen[i] = value
            if last:
                yield list(chosen)
            else:
                yield from fill(place + 1, left - j, chosen)

    return fill(0, k, list(operands))


def _key(row: Operation, moving: Sequence[Series | None], saved: Sequence[Any]) -> Any:
    """What two nodes with the same series have in common; None where that is not known."""
    if row.kind != "elementwise":
        return None
    parts: list[Any] = [row.name]
    for m, value in zip(moving, saved[1:], strict=True):
        part = id(m) if m is not None else _constant(value)
        if part is None:
            return None
        parts.append(part)
    return tuple(parts)


def _constant(value: Any) -> Any:
    if isinstance(value, Variable):
        if value._node is not None:
            return None
        value = value._value
    if isinstance(value, np.ndarray | np.generic):
        return value.dtype.str, value.shape, value.tobytes()
    return (type(value), value) if isinstance(value, bool | int | float | complex) else None
