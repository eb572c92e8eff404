"""`jvp` and `linearize`: run the function on fresh variables, push tangents through."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from chainrule.graph.node import Spec
from chainrule.ops.replay import replay
from chainrule.record.trace import trace
from chainrule.record.trees import flatten_like, unflatten
from chainrule.transforms.arguments import (
    Chosen,
    cotangents_like,
    full,
    prepared,
    results_of,
    retire,
    with_aux,
)
from chainrule.transforms.walks import is_free, push, separate


def jvp(f: Callable[..., Any], primals: Any, tangents: Any, *, has_aux: bool = False) -> Any:
    """f's value and its derivative in a direction: `(f(*primals), J tangents)`, by a walk forwards.

    `primals` is a tuple of arguments (or the one argument), `tangents` is nested alike. With
    `has_aux` f returns a pair, and the result is `(value, tangent, aux)`.

    Raises ShapeError where a tangent's shape is not its primal's.

    >>> cr.jvp(np.sin, 0.0, 2.0)
    (np.float64(0.0), np.float64(2.0))
    >>> cr.jvp(lambda x, y: x * y, (3.0, np.array([1.0, 2.0])), (1.0, np.zeros(2)))
    (array([3., 6.]), array([1., 2.]))
    """
    chosen = Chosen.all_of("jvp", primals)
    given = flatten_like(tangents, chosen.structure, "jvp", "the container of tangents")
    fresh = chosen.fresh()
    out, aux = with_aux("jvp", chosen.call(prepared(f), fresh), has_aux)
    ys, structure = results_of("jvp", out, chosen.cls)
    found, free = push(ys, fresh, cotangents_like("jvp", "a tangent", given, fresh), chosen.cls)
    retire(fresh)
    value = unflatten(structure, [chosen.result(y, free) for y in ys])
    tangent = unflatten(structure, chosen.derivatives(full(found, ys), given))
    return (value, tangent, chosen.result_tree(aux, free)) if has_aux else (value, tangent)


def linearize(f: Callable[..., Any], *primals: Any) -> tuple[Any, Callable[..., Any]]:
    """f's value at a point, and the linear map that is its derivative there, as a function.

    The function takes a tangent for each argument, and gives f's; it evaluates nothing of f again.

    >>> value, derivative = cr.linearize(lambda x: x**3, 2.0)
    >>> value, derivative(1.0), derivative(10.0)
    (np.float64(8.0), np.float64(12.0), np.float64(120.0))
    """
    chosen = Chosen.all_of("linearize", primals)
    fresh = chosen.fresh()
    ys, structure = results_of("linearize", chosen.call(prepared(f), fresh), chosen.cls)
    free = is_free(ys, fresh)

    def pushed(*tangents: Any) -> list[Any]:
        return full(push(ys, fresh, tangents, chosen.cls, free)[0], ys)

    graph = trace(pushed, [Spec(x._value) for x in fresh], chosen.cls, "linearize")

    def derivative(*tangents: Any) -> Any:
        given = flatten_like(tangents, chosen.structure, "linearize", "the container of tangents")
        moving = full(cotangents_like("linearize", "a tangent", given, fresh), fresh)
        found = separate(replay(graph, [chosen.tensor(t) for t in moving]), moving)
        return unflatten(structure, chosen.derivatives(found, given))

    retire(fresh)
    return unflatten(structure, [chosen.result(y, free) for y in ys]), derivative
