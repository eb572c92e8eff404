"""Rules of the user's, as rules of the row `custom`.

`Forward` holds a rule for tangents; cotangents follow by transposing it, as it is linear in the
tangents. `Backward` holds a rule for cotangents, and there are no tangents.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from chainrule.derive.batch import batch
from chainrule.derive.deferred import pulled
from chainrule.derive.subgraphs import as_graph
from chainrule.errors import MissingDerivative, at, user_line
from chainrule.graph.node import Node, Spec, Variable
from chainrule.ops.custom import custom
from chainrule.ops.deferred import spec_of
from chainrule.ops.movement import broadcast_to
from chainrule.ops.recording import wrapped, zeros_like
from chainrule.ops.reduction import sum as sum_of


@dataclass(frozen=True, eq=False)
class Rule:
    """What the row `custom` needs to know of a call."""

    name: str
    results: int
    arguments: int
    cls: type[Variable]
    function: Callable[..., Sequence[Any]]
    """Forward: (*arguments, *tangents) -> tangents of the results. Backward: (*remembered,
    *cotangents) -> cotangents of the arguments.
    """
    backward: bool = False


def _tensors(values: Sequence[Any], cls: type[Variable]) -> list[Any]:
    return [v if isinstance(v, Variable) else wrapped(cls, v, None) for v in values]


def _plain(values: Sequence[Any], like: Sequence[Any]) -> list[Any]:
    """Without the Tensor around them where the walk runs on plain numbers."""
    if any(isinstance(x, Variable) for x in like):
        return list(values)
    return [v._value if isinstance(v, Variable) else v for v in values]


def _is_float(x: Any) -> bool:
    return x.dtype.kind in "fc"


def _pull(ct: Any, saved: tuple[Any, ...], node: Node) -> Sequence[Any]:
    rule: Rule = node.params["rule"]
    operands = saved[1:]
    first = len(operands) - rule.arguments
    arguments = operands[first:]
    cts = [
        zeros_like(r) if c is None else c for c, r in zip(ct, operands[: rule.results], strict=True)
    ]
    active = [k for k in range(rule.arguments) if node.inputs[first + k] is not None]
    if rule.backward:
        remembered = operands[rule.results : first]
        found = rule.function(*_tensors([*remembered, *cts], rule.cls))
        found = _plain(found, [*operands, *cts])
    else:
        floats = [k for k, x in enumerate(arguments) if _is_float(x)]

        def pushed(*tangents: Any) -> Sequence[Any]:
            full = [zeros_like(x) for x in arguments]
            for k, t in zip(floats, tangents, strict=True):
                full[k] = t
            return rule.function(*_tensors([*arguments, *full], rule.cls))

        seeds = _tensors([zeros_like(arguments[k]) for k in floats], rule.cls)
        given = _tensors(cts, rule.cls)
        some = pulled(pushed, seeds, given, range(len(floats)), linear=True)
        found = [zeros_like(x) for x in arguments]
        for k, g in zip(floats, some, strict=True):
            found[k] = g
        found = _plain(found, [*operands, *cts])
    out: list[Any] = [
        zeros_like(x) if n is not None else None for n, x in zip(node.inputs, operands, strict=True)
    ]
    for k in active:
        out[first + k] = zeros_like(arguments[k]) if found[k] is None else found[k]
    return out


def _push(tangents: Sequence[Any], _y: Any, *operands: Any, rule: Rule) -> Any:
    first = len(operands) - rule.arguments
    if rule.backward:
        raise MissingDerivative(
            f"custom_vjp: `{rule.name}` has a rule for cotangents only, and its derivative was "
            "asked for forwards (jvp, or a Hessian or Jacobian in forward mode); use reverse mode, "
            "or define the function with cr.custom_jvp" + at(user_line())
        )
    arguments, moving = operands[first:], tangents[first:]
    full = [zeros_like(x) if t is None else t for x, t in zip(arguments, moving, strict=True)]
    found = rule.function(*_tensors([*arguments, *full], rule.cls))
    return tuple(_plain(found, [*operands, *full]))


def _batch(row: Any, size: int, operands: Any, moved: Any, params: dict[str, Any]) -> Any:
    """The rule on all examples at once. Every result has the batch; an argument that is the same
    for all examples has a tangent that is, and the sum of their cotangents.
    """
    rule: Rule = params["rule"]
    first = len(operands) - rule.arguments
    values = [
        x if m or k >= rule.results else broadcast_to(x, (size, *x.shape))
        for k, (x, m) in enumerate(zip(operands, moved, strict=True))
    ]
    of_arguments, remembered = moved[first:], moved[rule.results : first]
    results = [True] * rule.results
    given = [*remembered, *results] if rule.backward else [*of_arguments, *of_arguments]
    wanted = of_arguments if rule.backward else results

    def function(*inputs: Any) -> list[Any]:
        specs = [_example(x, m) for x, m in zip(inputs, given, strict=True)]
        graph = as_graph(lambda *xs: _full(rule.function(*xs), like), specs, rule.cls)
        found, have = batch(graph, inputs, given, size)
        out = []
        for y, has, want in zip(found, have, wanted, strict=True):
            if has == want:
                out.append(y)
            elif want:
                out.append(broadcast_to(y, (size, *y.shape)))
            else:
                out.append(sum_of(y, axis=0) if has else y * size)
        return out

    like = [
        _example(x, m)
        for x, m in (
            zip(values[first:], of_arguments, strict=True)
            if rule.backward
            else zip(values[: rule.results], results, strict=True)
        )
    ]
    return custom(values, rule=replace(rule, function=function))


def _full(found: Sequence[Any], like: Sequence[Spec]) -> list[Any]:
    return [zeros_like(s) if g is None else g for g, s in zip(found, like, strict=True)]


def _example(x: Any, moved: bool) -> Spec:
    """Shape and dtype of one example."""
    spec = spec_of(x)
    if moved:
        spec.shape = spec.shape[1:]
    return spec


_ROW = custom.operation  # type: ignore[attr-defined]
_ROW.pull = _pull
_ROW.forward = _push
_ROW.batch = _batch
