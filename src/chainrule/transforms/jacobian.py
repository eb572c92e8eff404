"""`jacobian`: one walk with a batch of unit vectors, backwards or forwards."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from chainrule.derive.batch import batch_of_entries
from chainrule.derive.entries import Entries, units, whole
from chainrule.derive.repeated import repeated
from chainrule.derive.tape import Kind
from chainrule.errors import ArgumentError, TracedValueError, at, user_line
from chainrule.graph.budget import Limited, bytes_of
from chainrule.graph.node import Spec, Variable
from chainrule.ops.joining import stack
from chainrule.ops.movement import moveaxis, reshape
from chainrule.ops.recording import wrapped, zeros_like
from chainrule.record.trace import trace
from chainrule.record.trees import unflatten
from chainrule.transforms.arguments import (
    Argnames,
    Argnums,
    Chosen,
    prepared,
    results_of,
    retire,
    with_aux,
)
from chainrule.transforms.costs import Derivative, note
from chainrule.transforms.walks import is_free, may_be_free, pull, push, separate

MODES = ("auto", "forward", "reverse")


def jacobian(
    f: Callable[..., Any],
    argnums: Argnums = None,
    *,
    argnames: Argnames = None,
    has_aux: bool = False,
    mode: str = "auto",
    memory: int | str | None = None,
) -> Callable[..., Any]:
    """A function that gives the Jacobian of f: of f: R^d -> R^m, the m x d matrix.

    For a result of shape S and an argument of shape T the Jacobian has the shape (*S, *T). A result
    that is a container gives a container of Jacobians, each nested like the argument. The walk goes
    forwards where the argument has at most as many elements as the result, else backwards, unless
    `mode` says "forward" or "reverse". `argnums`, `argnames`, `has_aux` and `memory` are as for
    `grad`.

    >>> cr.jacobian(lambda x: np.array([2.0, 3.0]) * x[0] * x[1])(np.array([5.0, 7.0]))
    array([[14., 10.],
           [21., 15.]])
    """
    if mode not in MODES:
        raise ArgumentError(
            f"jacobian: mode={mode!r} is none of {', '.join(map(repr, MODES))}" + at(user_line())
        )

    function = prepared(f)
    limit = bytes_of("jacobian", memory)

    @functools.wraps(f)
    def jacobian_of(*args: Any, **kwargs: Any) -> Any:
        with Limited(limit):
            return evaluated("jacobian", function, args, kwargs, argnums, argnames, has_aux, mode)

    note(jacobian_of, Derivative("Jacobian", f, mode, has_aux))
    return jacobian_of


def evaluated(
    name: str,
    f: Callable[..., Any],
    args: Any,
    kwargs: Any,
    argnums: Argnums,
    argnames: Argnames,
    has_aux: bool,
    mode: str,
) -> Any:
    """The Jacobian at these arguments, with `has_aux` a pair of it and what f passes through."""
    chosen = Chosen(name, args, kwargs, argnums, argnames)
    xs = chosen.fresh()
    out, aux = with_aux(name, chosen.call(f, xs), has_aux)
    ys, structure = results_of(name, out, chosen.cls)
    if mode == "auto":
        forward = sum(x._value.size for x in xs) <= sum(y._value.size for y in ys)
        mode = "forward" if forward else "reverse"
    found, free = compiled_blocks(BY_COLUMN if mode == "forward" else BY_ROW, ys, xs), True
    if found is None:
        free = is_free(ys, xs)
        rows = (by_column if mode == "forward" else by_row)(ys, xs, chosen.cls, free)
        found = separate([block for row in rows for block in row])
    retire(xs)
    blocks = iter(found)
    whole = unflatten(structure, [chosen.out([next(blocks) for _ in xs]) for _ in ys])
    return (whole, chosen.result_tree(aux, free)) if has_aux else whole


BY_ROW, BY_COLUMN = Kind("by row", 20), Kind("by column", 20)
"""The two ways to a Jacobian, as walks that are compiled where they are repeated."""

SEEDS = 128
"""With at most so many unit vectors: of more, most products are with zeros; `Entries` skip them."""


def compiled_blocks(
    kind: Kind, ys: Sequence[Any], xs: Sequence[Any], cts: Sequence[Any] | None = None
) -> list[Any] | None:
    """Blocks for each result by each variable by machine code, if this walk has any."""
    seeds = ys if kind is BY_ROW else xs
    if not may_be_free(ys, xs) or sum(s._value.size for s in seeds) > SEEDS:
        return None
    if any(y._node is None or y._value.dtype.kind != "f" for y in ys):
        return None
    roots = [
        (y._node, Spec(y._value) if cts is None else ct)
        for y, ct in zip(ys, cts or ys, strict=True)
    ]
    arguments: list[Any] = []
    plan = repeated(kind, roots, [x._node for x in xs], [], arguments)
    return None if plan is None else list(plan.call(*arguments))


def by_row(
    ys: Sequence[Any], xs: Sequence[Any], cls: type[Variable], free: bool
) -> list[list[Any]]:
    """Blocks of the Jacobian, for each result by each variable: cotangents of unit vectors."""
    rows = []
    for y in ys:
        shape, dtype = y._value.shape, y._value.dtype

        def pulled(ct: Any, y: Any = y) -> list[Any]:
            return pull([y], [ct], xs, cls, free)[0]

        if y._node is None or dtype.kind not in "fc":
            rows.append([np.zeros((*shape, *x._value.shape), x._value.dtype) for x in xs])
        elif y._value.size == 1:
            found = pulled(np.ones(shape, dtype)[()])
            rows.append(
                [
                    _shaped(zeros_like(x._value) if g is None else g, shape, x._value.shape)
                    for g, x in zip(found, xs, strict=True)
                ]
            )
        else:
            found = _batched(pulled, y._value, [x._value for x in xs], cls)
            rows.append([_shaped(g, shape, x._value.shape) for g, x in zip(found, xs, strict=True)])
    return rows


def by_column(
    ys: Sequence[Any], xs: Sequence[Any], cls: type[Variable], free: bool
) -> list[list[Any]]:
    """The same blocks, as tangents of unit vectors."""

    def pushed(tangent: Any, i: int) -> list[Any]:
        return push(ys, xs, [tangent if k == i else None for k in range(len(xs))], cls, free)[0]

    return columns(pushed, [y._value for y in ys], [x._value for x in xs], cls)


def columns(
    pushed: Callable[[Any, int], Sequence[Any]],
    outs: Sequence[Any],
    spaces: Sequence[Any],
    cls: type[Variable],
) -> list[list[Any]]:
    """Blocks of the Jacobian of a linear map, given by what it makes of a tangent of variable i."""
    found = []
    for i, space in enumerate(spaces):
        tangents = _batched(lambda tangent, i=i: pushed(tangent, i), space, outs, cls, last=True)
        found.append(
            [_shaped(t, out.shape, space.shape) for t, out in zip(tangents, outs, strict=True)]
        )
    return [list(row) for row in zip(*found, strict=True)]


def _batched(
    function: Callable[..., Sequence[Any]],
    space: Any,
    outs: Sequence[Any],
    cls: type[Variable],
    last: bool = False,
) -> list[Any]:
    """A linear map of one argument on the unit vectors of its space; results have them along the
    first axis, or along the last.
    """
    size = space.size

    def linear(seed: Any) -> list[Any]:
        return [
            zeros_like(o) if g is None else g for g, o in zip(function(seed), outs, strict=True)
        ]

    if not size:
        return [np.zeros((0, *o.shape), o.dtype) for o in outs]
    seeds, found, carried = units(space.shape, space.dtype), outs, [False] * len(outs)
    try:
        graph = trace(linear, [Spec(space)], cls, "jacobian")
        found, carried = batch_of_entries(graph, [seeds], [True], size)
    except TracedValueError:  # of a rule that looks at numbers
        if size:
            singly = [linear(wrapped(cls, seed, None)) for seed in whole(seeds)]
            found = [stack(parts) for parts in zip(*singly, strict=True)]
            carried = [True] * len(outs)
    return [
        _whole(g if c else np.zeros((size, *o.shape), o.dtype), last)
        for g, c, o in zip(found, carried, outs, strict=True)
    ]


def _whole(t: Any, last: bool) -> Any:
    """A batch as an array, with its examples along the first axis or the last."""
    if type(t) is Entries:
        return t.whole(last)
    return moveaxis(t, 0, -1) if last and t.ndim > 1 else t


def _shaped(block: Any, rows: tuple[int, ...], columns: tuple[int, ...]) -> Any:
    """A block in the shape (*rows, *columns)."""
    shape = (*rows, *columns)
    return block if block.shape == shape else reshape(block, shape)
