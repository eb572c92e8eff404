"""`hessian`: the Jacobian of the gradient, forward over reverse."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from chainrule.derive.tape import Kind
from chainrule.graph.budget import Limited, bytes_of
from chainrule.record.trees import unflatten
from chainrule.transforms.arguments import (
    Argnames,
    Argnums,
    Chosen,
    full,
    prepared,
    retire,
    scalar_of,
    with_aux,
)
from chainrule.transforms.costs import Derivative, note
from chainrule.transforms.jacobian import by_column, compiled_blocks
from chainrule.transforms.walks import is_free, pull, separate

TWICE = Kind("hessian", 40)
"""The walk backwards and forwards again, compiled where it is repeated."""


def hessian(
    f: Callable[..., Any],
    argnums: Argnums = None,
    *,
    argnames: Argnames = None,
    has_aux: bool = False,
    memory: int | str | None = None,
) -> Callable[..., Any]:
    """A function that gives the Hessian of f, which must return one real number.

    For an argument of shape T it has the shape (*T, *T); for a container of arguments it is a
    container of containers. `argnums`, `argnames`, `has_aux` and `memory` are as for `grad`.

    >>> cr.hessian(lambda x: x[0] ** 2 * x[1])(np.array([3.0, 5.0]))
    array([[10.,  6.],
           [ 6.,  0.]])
    """
    function = prepared(f)
    limit = bytes_of("hessian", memory)

    @functools.wraps(f)
    def hessian_of(*args: Any, **kwargs: Any) -> Any:
        chosen = Chosen("hessian", args, kwargs, argnums, argnames)
        xs = chosen.fresh()
        with Limited(limit):
            out, aux = with_aux("hessian", chosen.call(function, xs), has_aux)
            y = scalar_of("hessian", out, chosen.cls)
            ct = y._value.dtype.type(1)
            found, free = compiled_blocks(TWICE, [y], xs, [ct]), True
            if found is None:
                free = is_free([y], xs)
                gradients = full(pull([y], [ct], xs, chosen.cls, False)[0], xs)
        if found is None:
            rows = by_column([chosen.tensor(g) for g in gradients], xs, chosen.cls, free)
            found = separate([block for row in rows for block in row])
        retire(xs)
        blocks = iter(found)
        whole = unflatten(chosen.structure, [chosen.out([next(blocks) for _ in xs]) for _ in xs])
        return (whole, chosen.result_tree(aux, free)) if has_aux else whole

    note(hessian_of, Derivative("Hessian", f, "forward", has_aux))
    return hessian_of
