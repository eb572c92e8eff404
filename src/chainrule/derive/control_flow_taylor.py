"""Taylor series of loops and branches, as loops and branches.

The series of a body is a graph made by tracing the walk over it, and a loop hands on the
coefficients of its carry besides the carry. One such loop gives coefficient k of the results from
the coefficients up to k of the operands, at a cost of k^2; the orders up to K cost K^3 / 3.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any

from chainrule.derive.subgraphs import as_graph
from chainrule.derive.taylor import taylor
from chainrule.graph.graph import Graph
from chainrule.graph.node import Spec, Variable
from chainrule.graph.switch import Record
from chainrule.ops.control_flow import cond_row, scan_row, specs_of, while_row
from chainrule.ops.deferred import spec_of
from chainrule.ops.effects import pure
from chainrule.ops.recording import is_traced, marked, raw, zeros_like
from chainrule.ops.replay import replay
from chainrule.ops.series import Curve, Step
from chainrule.ops.table import TABLE

Coefficients = list[Any]


def expanded(
    graph: Graph, inputs: Sequence[Any], given: dict[int, Coefficients], order: int
) -> tuple[list[Any], list[Coefficients]]:
    """A graph's outputs and their coefficients, in full, given those of some of its inputs."""
    graph = pure(graph)
    recorded = any(
        isinstance(x, Variable) for x in (*inputs, *(c for cs in given.values() for c in cs))
    )
    fresh = [marked(graph.cls, x) if k in given else x for k, x in enumerate(inputs)]
    with Record():
        results = replay(graph, fresh)
        live = [r._node for r in results if isinstance(r, Variable) and r._node is not None]
        known = {fresh[k]._node: cs for k, cs in given.items()}
        walked = taylor(live, known, order, graph.cls, recorded=recorded)
    found: dict[Any, Coefficients] = dict(zip(live, walked, strict=True))
    series = []
    for result, spec in zip(results, specs_of(graph), strict=True):
        node = result._node if isinstance(result, Variable) else None
        cs = found.get(node, [None] * order)
        series.append([zeros_like(spec) if c is None else _cast(c, spec) for c in cs])
    return (results if recorded else [raw(r) for r in results]), series


def _cast(c: Any, spec: Spec) -> Any:
    return c if c.dtype == spec.dtype else c.astype(spec.dtype)


def _is_float(x: Any) -> bool:
    return bool(x.dtype.kind in "fc")


def _coefficients(x: Curve, order: int) -> Coefficients:
    """Coefficients 1 to `order`, in full."""
    found = [x[k] for k in range(1, order + 1)]
    return [zeros_like(x.value) if c is None else c for c in found]


def _flat(curves: Sequence[Curve], order: int) -> list[Any]:
    return [c for x in curves for c in _coefficients(x, order)]


def _grouped(values: Iterator[Any], places: Sequence[int], order: int) -> dict[int, Coefficients]:
    """The next coefficients, `order` of them for each place."""
    return {k: list(islice(values, order)) for k in places}


def _specs(values: Sequence[Any]) -> list[Spec]:
    return [spec_of(v) for v in values]


def _of_slice(x: Any) -> Spec:
    spec = spec_of(x)
    spec.shape = spec.shape[1:]
    return spec


def _call_series(_y: Curve, *operands: Curve, body: Graph) -> Step:
    moving = [k for k, x in enumerate(operands) if x.moves]
    values = [x.value for x in operands]

    def step(order: int) -> Any:
        given = {k: _coefficients(operands[k], order) for k in moving}
        return tuple([cs[-1] for cs in expanded(body, values, given, order)[1]])

    return step


def _cond_series(_y: Curve, pred: Curve, *operands: Curve, branches: tuple[Graph, Graph]) -> Step:
    moving = [k for k, x in enumerate(operands) if x.moves]
    values = [x.value for x in operands]

    def step(order: int) -> Any:
        def rule(graph: Graph) -> Any:
            def of(*given: Any) -> list[Any]:
                rest = iter(given)
                inputs = list(islice(rest, len(values)))
                _, series = expanded(graph, inputs, _grouped(rest, moving, order), order)
                return [cs[-1] for cs in series]

            return of

        full = [*values, *_flat([operands[k] for k in moving], order)]
        functions = [rule(g) for g in branches]
        if not is_traced(pred.value):
            return tuple(functions[0 if raw(pred.value) else 1](*full))
        cls = branches[0].cls
        graphs = tuple(as_graph(f, _specs(full), cls) for f in functions)
        return tuple(cond_row([pred.value, *full], branches=graphs))  # type: ignore[arg-type]

    return step


def _scan_series(
    _y: Curve,
    *operands: Curve,
    body: Graph,
    counts: tuple[int, int],
    length: int,
    reverse: bool,
    memory: int | None,
) -> Step:
    m, n, total = counts[0], counts[0] + counts[1], len(operands)
    values = [x.value for x in operands]
    constants = [k for k in range(m) if operands[k].moves]
    carried = [k for k in range(m, n) if _is_float(values[k])]  # any carry may come to depend
    slices = [k for k in range(n, total) if operands[k].moves]
    outs = specs_of(body)
    stacked = [k for k in range(n - m, len(outs)) if _is_float(outs[k])]

    def step(order: int) -> Any:
        def turn(*given: Any) -> list[Any]:
            rest = iter(given)
            moving = _grouped(rest, constants, order)
            inputs = list(islice(rest, n))
            moving |= _grouped(rest, carried, order)
            inputs += islice(rest, total - n)
            moving |= _grouped(rest, slices, order)
            results, series = expanded(body, inputs, moving, order)
            after = [c for k in carried for c in series[k - m]]
            return [*results[: n - m], *after, *[series[k][-1] for k in stacked]]

        outer = [*_flat([operands[k] for k in constants], order), *values[:n]]
        outer += _flat([operands[k] for k in carried], order)
        along = [*values[n:], *_flat([operands[k] for k in slices], order)]
        specs = [*_specs(outer), *[_of_slice(v) for v in along]]
        found = scan_row(
            [*outer, *along],
            body=as_graph(turn, specs, body.cls),
            counts=(len(constants) * order + m, n - m + len(carried) * order),
            length=length,
            reverse=reverse,
            memory=memory,
        )
        out: list[Any] = [None] * len(outs)
        for place, k in enumerate(carried, 1):
            out[k - m] = found[n - m + place * order - 1]
        for k, c in zip(stacked, found[n - m + len(carried) * order :], strict=True):
            out[k] = c
        return tuple(out)

    return step


def _while_series(
    _y: Curve,
    *operands: Curve,
    cond: Graph,
    body: Graph,
    counts: tuple[int, int],
    limit: int | None,
) -> Step:
    m, n, total = counts[0], counts[0] + counts[1], len(operands)
    values = [x.value for x in operands]
    constants = [k for k in range(m, n) if operands[k].moves]
    carried = [k for k in range(n, total) if _is_float(values[k])]

    def step(order: int) -> Any:
        def turn(*given: Any) -> list[Any]:
            rest = iter(given)
            moving = _grouped(rest, [k - m for k in constants], order)
            inputs = list(islice(rest, total - m))
            moving |= _grouped(rest, [k - m for k in carried], order)
            results, series = expanded(body, inputs, moving, order)
            return [*results, *[c for k in carried for c in series[k - n]]]

        def test(*given: Any) -> list[Any]:
            return replay(pure(cond), given[: m + total - n])

        first = [*_flat([operands[k] for k in constants], order), *values[m:n]]
        carry = [*values[n:], *_flat([operands[k] for k in carried], order)]
        found = while_row(
            [*values[:m], *first, *carry],
            cond=as_graph(test, _specs([*values[:m], *carry]), body.cls),
            body=as_graph(turn, _specs([*first, *carry]), body.cls),
            counts=(m, len(first)),
            limit=limit,
        )
        out: list[Any] = [None] * (total - n)
        for place, k in enumerate(carried, 1):
            out[k - n] = found[total - n + place * order - 1]
        return tuple(out)

    return step


_RULES: dict[str, Callable[..., Step]] = {
    "call": _call_series,
    "cond": _cond_series,
    "scan": _scan_series,
    "while_loop": _while_series,
}

for _name, _rule in _RULES.items():
    TABLE[_name].taylor = _rule
