"""Loops and branches as functions: `cond`, `while_loop`, `fori_loop`, `scan`, `map`.

On values that are there, they run as Python would: the branch that was chosen, turn after turn, and
what they compute is recorded as usual. While a function is traced they trace their bodies once, and
stand in the graph as one operation each, whatever the number of turns.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from chainrule.errors import DtypeError, ShapeError, StructureError, at, user_line
from chainrule.graph.node import Spec, Variable
from chainrule.graph.switch import Pause
from chainrule.ops import control_flow as rows
from chainrule.ops.complaints import NUMBERS, as_value, describe
from chainrule.ops.deferred import spec_of
from chainrule.ops.joining import stack
from chainrule.ops.recording import is_traced, standard_class, wrapped
from chainrule.ops.replay import replay
from chainrule.record.bounded import in_turns, is_bounded
from chainrule.record.trace import closed, is_tracing, trace
from chainrule.record.trees import Structure, flatten, unflatten


def cond(
    pred: Any, true_fun: Callable[..., Any], false_fun: Callable[..., Any], *operands: Any
) -> Any:
    """`true_fun(*operands)` if `pred` holds, else `false_fun(*operands)`.

    `pred` is a single boolean or number. Where it is traced, both functions are traced; they must
    return results of the same nesting, shapes and dtypes. Only the one chosen is run.

    Raises ShapeError for a predicate of several elements, StructureError, ShapeError or DtypeError
    where the two results differ.

    >>> cr.cond(np.array(2.0) > 1, lambda x: x * 10, lambda x: -x, 3.0)
    30.0
    """
    if np.shape(getattr(pred, "_value", pred)) if not is_traced(pred) else pred.shape:
        raise ShapeError(
            f"cond: the predicate has shape {list(pred.shape)}, and must be a single value; use "
            "`.any()` or `.all()`, or cr.where for a choice by element" + at(user_line())
        )
    if not is_traced(pred):
        return (true_fun if pred else false_fun)(*operands)
    cls = type(pred)
    inputs, nesting = _tensors("cond", operands, cls)
    specs = [spec_of(x) for x in inputs]
    shapes: list[Structure] = []
    graphs, outside = [], []
    for function in (true_fun, false_fun):
        graph, values = closed(
            _body("cond", lambda tree, f=function: f(*tree), nesting, cls, shapes),
            specs,
            cls,
            "cond",
            inside=True,
        )
        graphs.append(graph)
        outside.append(values)
    if shapes[0] != shapes[1]:
        raise StructureError(
            f"cond: the two functions return results nested differently, {shapes[0]} and "
            f"{shapes[1]}" + at(user_line())
        )
    for a, b in zip(*[rows.specs_of(g) for g in graphs], strict=True):
        _same("cond", "the results of the two functions", a, b)
    widened = [
        _with_inputs(graph, k, [v for i in (0, 1) for v in outside[i]], outside, cls)
        for k, graph in enumerate(graphs)
    ]
    found = rows.cond_row([pred, *outside[0], *outside[1], *inputs], branches=tuple(widened))
    return unflatten(shapes[0], found)


def _with_inputs(graph: Any, k: int, whole: Sequence[Any], outside: Any, cls: Any) -> Any:
    """A branch that takes what both branches take from outside, and uses its own part."""
    start = 0 if k == 0 else len(outside[0])
    own = range(start, start + len(outside[k]))
    count = len(whole)
    inner = [n.spec for n in graph.inputs[len(own) :]]

    def branch(*inputs: Any) -> list[Any]:
        return replay(graph, [*(inputs[i] for i in own), *inputs[count:]])

    return trace(branch, [*map_specs(whole), *inner], cls, "cond")


def while_loop(
    cond_fun: Callable[[Any], Any],
    body_fun: Callable[[Any], Any],
    init: Any,
    *,
    max_iterations: int | None = None,
) -> Any:
    """The carry after `carry = body_fun(carry)` for as long as `cond_fun(carry)` holds.

    The carry is a number, an array, or a container, of the same nesting, shapes and dtypes in every
    turn. Derivatives of both modes go through the turns that were taken.

    Raises LoopError where `max_iterations` turns were not enough, StructureError, ShapeError or
    DtypeError for a carry that changes.

    >>> cr.while_loop(lambda x: x < 100.0, lambda x: x * 2.0, 3.0)
    192.0
    """
    if not is_tracing():
        return _while_eagerly(cond_fun, body_fun, init, max_iterations)
    carry, nesting, cls = _carried("while_loop", init)
    graph, outside, carry = _closed_loop("while_loop", body_fun, carry, nesting, cls)
    specs = [spec_of(x) for x in carry]
    test, before = closed(_body("while_loop", cond_fun, nesting, cls, []), specs, cls, "while_loop")
    (answer,) = rows.specs_of(test)
    if answer.shape:
        raise ShapeError(
            f"while_loop: the condition has shape {list(answer.shape)}, and must be a single value"
            + at(user_line())
        )
    found = rows.while_row(
        [*before, *outside, *carry],
        cond=test,
        body=graph,
        counts=(len(before), len(outside)),
        limit=max_iterations,
    )
    return unflatten(nesting, found)


def _while_eagerly(cond_fun: Any, body_fun: Any, carry: Any, limit: int | None) -> Any:
    structure = flatten(carry)[1]

    def turn(_: int, carry: Any) -> tuple[Any, None]:
        carry = body_fun(carry)
        _same_nesting("while_loop", structure, flatten(carry)[1])
        return carry, None

    if is_bounded():  # how many turns there are must be known to share out the memory
        with Pause():
            count, end = 0, carry
            while cond_fun(end):
                if count == limit:
                    raise rows.too_long(count)
                end, count = turn(count, end)[0], count + 1
        return in_turns(turn, count, carry)[0]
    turns = 0
    while cond_fun(carry):
        if turns == limit:
            raise rows.too_long(turns)
        carry, turns = turn(turns, carry)[0], turns + 1
    return carry


def fori_loop(lower: Any, upper: Any, body_fun: Callable[[Any, Any], Any], init: Any) -> Any:
    """The carry after `carry = body_fun(i, carry)` for i from `lower` to `upper`, exclusive.

    As `for i in range(lower, upper)`, with a carry as for `while_loop`. The bounds may be traced.

    >>> cr.fori_loop(1, 5, lambda i, x: x * i, 1.0)
    24.0
    """
    structure = flatten(init)[1]

    def turn(i: Any, carry: Any) -> Any:
        carry = body_fun(i, carry)
        _same_nesting("fori_loop", structure, flatten(carry)[1])
        return carry

    if not is_tracing():
        first = int(lower)
        return in_turns(lambda k, c: (turn(first + k, c), None), int(upper) - first, init)[0]
    if is_traced(lower) or is_traced(upper):
        _, carry = while_loop(
            lambda state: state[0] < upper,
            lambda state: (state[0] + 1, turn(state[0], state[1])),
            (lower, init),
        )
        return carry
    turns = max(int(upper) - int(lower), 0)
    carry, _ = scan(
        lambda state, _: ((state[0] + 1, turn(state[0], state[1])), None),
        (np.int64(lower), init),
        None,
        length=turns,
    )
    return carry[1]


def scan(
    f: Callable[[Any, Any], tuple[Any, Any]],
    init: Any,
    xs: Any = None,
    length: int | None = None,
    *,
    reverse: bool = False,
) -> tuple[Any, Any]:
    """The last carry of `carry, y = f(carry, x)` along the first axis of xs, and all y, stacked.

    xs is an array or a container of arrays of equal length, or None with `length` turns. With
    `reverse` the turns go from the last slice to the first, and y's keep the places of their x's.

    Raises ShapeError for arrays of different lengths, StructureError, ShapeError or DtypeError for
    a carry that changes.

    >>> cr.scan(lambda total, x: (total + x, total * x), 0.0, np.array([1.0, 2.0, 3.0]))
    (np.float64(6.0), array([0., 2., 9.]))
    """
    arrays, slices = flatten(xs)
    turns = _length(arrays, length)
    if not is_tracing():
        return _scan_eagerly(f, init, arrays, slices, turns, reverse)
    carry, nesting, cls = _carried("scan", init)
    arrays = [_tensor("scan", x, cls) for x in arrays]
    count, specs = len(carry), [_slice_spec(x) for x in arrays]
    inner: list[Structure] = []

    def both(pair: Any) -> Any:
        out = f(*pair)
        if not (isinstance(out, tuple) and len(out) == 2):  # type: ignore[redundant-expr]
            raise StructureError(
                "scan: the function must return two results, (carry, y)" + at(user_line())
            )
        inner[:] = [flatten(out[1])[1]]
        return out

    pair = Structure(tuple, (), (nesting, slices), nesting.count + slices.count)
    graph, outside, carry = _closed_loop("scan", both, carry, pair, cls, specs, nesting)
    found = rows.scan_row(
        [*outside, *carry, *arrays],
        body=graph,
        counts=(len(outside), count),
        length=turns,
        reverse=reverse,
    )
    return unflatten(nesting, found[:count]), unflatten(inner[0], found[count:])


def _scan_eagerly(
    f: Any, carry: Any, arrays: list[Any], slices: Structure, turns: int, reverse: bool
) -> tuple[Any, Any]:
    structure = flatten(carry)[1]

    def turn(k: int, carry: Any) -> tuple[Any, Any]:
        k = turns - 1 - k if reverse else k
        carry, y = f(carry, unflatten(slices, [x[k] for x in arrays]))
        _same_nesting("scan", structure, flatten(carry)[1])
        return carry, y

    carry, found = in_turns(turn, turns, carry)
    ys = [flatten(y)[0] for y in found]
    nesting = flatten(found[-1])[1] if found else None
    if nesting is None:
        raise ShapeError(
            "scan: no turn is taken (length 0), so the shape of its results is not known; "
            "under cr.jit or cr.vmap it is" + at(user_line())
        )
    columns = [list(c) for c in zip(*(reversed(ys) if reverse else ys), strict=True)]
    return carry, unflatten(nesting, [_stacked(c) for c in columns])


def map(f: Callable[[Any], Any], xs: Any) -> Any:  # noqa: A001 - the name it has elsewhere
    """f of each slice along the first axis of xs, one after the other, stacked.

    As `cr.vmap(f)(xs)`, but by a loop: with the memory of one turn, and f may loop as it likes.

    >>> cr.map(lambda x: x**2, np.array([1.0, 2.0, 3.0]))
    array([1., 4., 9.])
    """
    return scan(lambda _, x: (None, f(x)), None, xs)[1]


# --- what they share -----------------------------------------------------------------------------


def _stacked(values: list[Any]) -> Any:
    return stack(values) if any(isinstance(v, Variable) for v in values) else np.stack(values)


def _length(arrays: Sequence[Any], given: int | None) -> int:
    found = {x.shape[0] if getattr(x, "shape", ()) else -1 for x in arrays}
    if given is not None:
        found.add(int(given))
    if len(found) != 1 or -1 in found:
        shapes = [list(getattr(x, "shape", ())) for x in arrays]
        raise ShapeError(
            f"scan: arrays of shapes {shapes} and length={given} have no common length along their "
            "first axis; give xs of equal length, or xs=None and length=" + at(user_line())
        )
    return found.pop()


def _slice_spec(x: Any) -> Spec:
    spec = spec_of(x)
    spec.shape = spec.shape[1:]
    return spec


def _tensor(name: str, x: Any, cls: type[Variable]) -> Any:
    if isinstance(x, Variable):
        return x
    value = np.asarray(as_value(x, name))
    return wrapped(cls, value if value.ndim else value[()], None)


def _tensors(name: str, tree: Any, cls: type[Variable]) -> tuple[list[Any], Structure]:
    leaves, structure = flatten(tree)
    return [_tensor(name, x, cls) for x in leaves], structure


def _carried(name: str, init: Any) -> tuple[list[Any], Structure, type[Variable]]:
    """Leaves of a first carry, Python numbers left as they are: their dtype is weak."""
    leaves, structure = flatten(init)
    cls = next((type(x) for x in leaves if isinstance(x, Variable)), standard_class())
    return [x if type(x) in NUMBERS else _tensor(name, x, cls) for x in leaves], structure, cls


def _body(
    name: str,
    function: Callable[..., Any],
    nesting: Structure,
    cls: type[Variable],
    shapes: list[Structure],
) -> Callable[..., list[Any]]:
    """A function of containers as one of Tensors; notes how its results are nested."""

    def body(*tensors: Any) -> list[Any]:
        leaves, structure = _tensors(name, function(unflatten(nesting, tensors)), cls)
        shapes.append(structure)
        return leaves

    return body


def _closed_loop(
    name: str,
    function: Callable[..., Any],
    carry: list[Any],
    nesting: Structure,
    cls: type[Variable],
    more: Sequence[Spec] = (),
    of_carry: Structure | None = None,
) -> tuple[Any, list[Any], list[Any]]:
    """A loop's closed body, what it takes from outside, and the first carry as Tensors.

    A Python number in the first carry takes the dtype that the body gives in its place.
    """
    weak = [type(x) in NUMBERS for x in carry]
    carry = [_tensor(name, x, cls) for x in carry]
    for attempt in range(3):
        shapes: list[Structure] = []
        specs = [*map_specs(carry), *more]
        graph, outside = closed(_body(name, function, nesting, cls, shapes), specs, cls, name)
        found, wanted = shapes[0], of_carry or nesting
        _same_nesting(name, wanted, found.parts[0] if of_carry is not None else found)
        results = rows.specs_of(graph)[: len(carry)]
        changed = False
        for k, (before, after) in enumerate(zip(map_specs(carry), results, strict=True)):
            if weak[k] and attempt < 2 and _wider(before, after):
                carry[k] = carry[k].astype(after.dtype)
                changed = True
            else:
                _same(name, f"part {k} of the carry, before and after a turn,", before, after)
        if not changed:
            break
    return graph, outside, carry


def map_specs(values: Sequence[Any]) -> list[Spec]:
    """Shape and dtype of each value."""
    return [spec_of(v) for v in values]


def _wider(before: Spec, after: Spec) -> bool:
    return before.shape == after.shape and before.dtype != after.dtype


def _same(name: str, what: str, a: Spec, b: Spec) -> None:
    if a.shape != b.shape or a.dtype != b.dtype:
        kind = ShapeError if a.shape != b.shape else DtypeError
        raise kind(
            f"{name}: {what} must have the same shape and dtype, and are {describe(a)} and "
            f"{describe(b)}; convert with .astype or reshape" + at(user_line())
        )


def _same_nesting(name: str, a: Structure, b: Structure) -> None:
    if a != b:
        raise StructureError(
            f"{name}: the carry is nested as {a} at the start and as {b} after a turn; return the "
            "same containers from every turn" + at(user_line())
        )
