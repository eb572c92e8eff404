"""`vjp`: run the function on fresh variables, and keep what it takes to pull cotangents back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from chainrule.graph.budget import Limited, bytes_of
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
from chainrule.transforms.walks import is_free, pull


def vjp(
    f: Callable[..., Any],
    *primals: Any,
    has_aux: bool = False,
    memory: int | str | None = None,
) -> Any:
    """f's value and the transposed derivative: `(f(*primals), pullback)`.

    `pullback(cotangent)` takes a cotangent nested like f's value, and gives a tuple with one for
    each argument: J^T cotangent. It can be called any number of times. With `has_aux` f returns a
    pair, and the result is `(value, pullback, aux)`. `memory` bounds what loops keep, as for
    `grad`.

    >>> value, pullback = cr.vjp(lambda x, y: x * y, 3.0, np.array([1.0, 2.0]))
    >>> value, pullback(np.array([1.0, 1.0]))
    (array([3., 6.]), (np.float64(3.0), array([3., 3.])))
    """
    chosen = Chosen.all_of("vjp", primals)
    fresh = chosen.fresh(own=True)
    limit = bytes_of("vjp", memory)
    with Limited(limit):
        out, aux = with_aux("vjp", chosen.call(prepared(f), fresh), has_aux)
    ys, structure = results_of("vjp", out, chosen.cls)
    free = is_free(ys, fresh)

    def pullback(cotangent: Any) -> Any:
        given = flatten_like(cotangent, structure, "vjp", "the cotangent")
        cts = cotangents_like("vjp", "a cotangent", given, ys)
        with Limited(limit):
            found, _ = pull(ys, cts, fresh, chosen.cls, free)
        return unflatten(chosen.structure, chosen.derivatives(full(found, fresh), given))

    retire(fresh)
    value = unflatten(structure, [chosen.result(y, free) for y in ys])
    return (value, pullback, chosen.result_tree(aux, free)) if has_aux else (value, pullback)
