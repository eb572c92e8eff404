"""`vmap`: trace the function on one example, walk over its graph with the whole batch."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from chainrule.derive.batch import batch
from chainrule.errors import (
    ArgumentError,
    DtypeError,
    GraphError,
    ShapeError,
    TracedValueError,
    at,
    user_line,
)
from chainrule.graph.node import Spec, Variable
from chainrule.ops.drawing import drawing
from chainrule.ops.movement import broadcast_to, moveaxis
from chainrule.ops.recording import wrapped
from chainrule.record.trace import trace
from chainrule.record.trees import Structure, flatten, unflatten
from chainrule.transforms.arguments import as_operand, class_of, prepared, results_of, returned

Axes = Any
"""An axis, None, or a container of them that is nested like the arguments' outer levels."""

RANDOMNESS = ("error", "same")


def vmap(
    f: Callable[..., Any],
    in_axes: Axes = 0,
    out_axes: Axes = 0,
    *,
    axis_size: int | None = None,
    randomness: str = "error",
) -> Callable[..., Any]:
    """f for a batch: what `f` does to one example, done to all along an axis at once.

    `in_axes` gives the batch axis of each argument, None for an argument that is the same for all:
    one axis for every argument, or a tuple with an entry for each, which may be nested like it.
    Keyword arguments are batched along axis 0. `out_axes` is where the batch goes in the results,
    None for one that is the same for all examples. `axis_size` is the size of the batch, needed
    where no argument has an axis.

    f is traced with Tensors that have the shape of one example and no numbers, so Python cannot
    have any from them (`x.tolist()`): see `cr.where`, `cr.cond`. Arrays that are the same for all
    arrive as Tensors with numbers. Operations without a rule for batches run on one example after
    the other, which is logged.

    Random numbers are drawn once, while f is traced. As all examples would get the same ones, that
    is an error unless `randomness="same"` says it is meant; draw those that differ outside of f,
    and pass them as an argument. (NumPy's own generators are not noticed.)

    Raises ShapeError for batches of different sizes, ArgumentError where axes do not fit.

    >>> cr.vmap(np.dot)(np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[1.0, 1.0], [0.0, 1.0]]))
    array([3., 4.])
    >>> cr.vmap(cr.grad(lambda x, a: np.sin(a * x)), in_axes=(0, None))(np.zeros(3), 2.0)
    array([2., 2., 2.])
    """
    function = prepared(f)
    if randomness not in RANDOMNESS:
        raise ArgumentError(
            f"vmap: randomness={randomness!r} is none of {', '.join(map(repr, RANDOMNESS))}"
            + at(user_line())
        )

    @functools.wraps(f)
    def on_batch(*args: Any, **kwargs: Any) -> Any:
        leaves, structure = flatten((args, kwargs))
        axes = [*_axes(in_axes, structure.parts[0], "in_axes"), *[0] * structure.parts[1].count]
        places = [k for k, axis in enumerate(axes) if axis is not None]
        moved = [_first(leaves[k], axes[k]) for k in places]
        size = _size(moved, axis_size)
        cls = class_of(leaves)
        shared = [_shared(x, cls) for x in leaves]

        def example(*tensors: Any) -> list[Any]:
            inside = shared.copy()
            for k, t in zip(places, tensors, strict=True):
                inside[k] = t
            call_args, call_kwargs = unflatten(structure, inside)
            try:
                with drawing(randomness == "same"):
                    out = function(*call_args, **call_kwargs)
            except ValueError as error:  # NumPy's, of an assignment into one of its arrays
                if isinstance(error.__cause__, (GraphError, TracedValueError)):
                    raise error.__cause__ from None
                raise
            found, nested = results_of("vmap", out, cls, aux=False)
            shape.append(nested)
            return found

        shape: list[Structure] = []
        graph = trace(example, [_one(x) for x in moved], cls, "vmap")
        found, carried = batch(graph, moved, [True] * len(moved), size)
        tensors = any(isinstance(x, Variable) for x in leaves)
        results = [
            returned(_placed(y, whether, axis, size), tensors)
            for y, whether, axis in zip(
                found, carried, _axes(out_axes, shape[0], "out_axes"), strict=True
            )
        ]
        return unflatten(shape[0], results)

    return on_batch


def _axes(given: Axes, structure: Structure, name: str) -> list[int | None]:
    """An axis for every leaf, from a container that is nested like the outside of another."""
    if given is None or (isinstance(given, int) and not isinstance(given, bool)):
        return [given] * structure.count
    inside = _inside(given, structure)
    if inside is None or len(inside) != len(structure.parts):
        raise ArgumentError(
            f"vmap: {name}={given!r} does not fit what it is for, which is nested as {structure}; "
            "give one axis (an integer, or None), or a container with one for each part"
            + at(user_line())
        )
    return [
        axis
        for part, below in zip(inside, structure.parts, strict=True)
        for axis in _axes(part, below, name)
    ]


def _inside(given: Axes, structure: Structure) -> Sequence[Any] | None:
    """The parts of a container of axes in the order of those of a structure, if it is like it."""
    kind = structure.kind
    if kind is None:
        return None
    if isinstance(given, dict):
        fits = issubclass(kind, dict) and set(given) == set(structure.keys)
        return [given[k] for k in structure.keys] if fits else None
    if dataclasses.is_dataclass(given):
        return [getattr(given, k) for k in structure.keys] if type(given) is kind else None
    if isinstance(given, (tuple, list)) and issubclass(kind, (tuple, list)):
        return given
    return None


def _shared(x: Any, cls: type[Variable]) -> Any:
    """An argument that is the same for all examples: arrays as Tensors, so that traced integers can
    index them.
    """
    if type(x) is np.ndarray and x.ndim and x.dtype.kind in "biufc":
        return wrapped(cls, x, None)
    return x


def _first(x: Any, axis: int | None) -> Any:
    """An argument with its batch axis first."""
    if not isinstance(x, Variable) and np.asarray(x).dtype.kind not in "biufc":
        raise DtypeError(
            f"vmap: an argument to map over is a {type(x).__name__}, which is no array; pass "
            "in_axes=None (or a tuple with None for it)" + at(user_line())
        )
    x = as_operand(x)
    if axis is None or not -x.ndim <= axis < x.ndim:
        raise ShapeError(
            f"vmap: an argument of shape {list(x.shape)} has no axis {axis} to map over; pass "
            "in_axes=None (or a tuple with None for it) for an argument that is the same for all "
            "examples" + at(user_line())
        )
    if axis % x.ndim == 0:
        return x
    return moveaxis(x, axis, 0) if isinstance(x, Variable) else np.moveaxis(x, axis, 0)


def _size(moved: Sequence[Any], given: int | None) -> int:
    sizes = {x.shape[0] for x in moved} | (set() if given is None else {given})
    if len(sizes) > 1:
        raise ShapeError(
            f"vmap: the arguments' batches have different sizes, {sorted(sizes)} along the mapped "
            "axes; shapes with the batch first are "
            + ", ".join(str(list(x.shape)) for x in moved)
            + at(user_line())
        )
    if not sizes:
        raise ArgumentError(
            "vmap: no argument is mapped over (every axis in in_axes is None), so the size of the "
            "batch is not known; give axis_size=" + at(user_line())
        )
    return int(sizes.pop())


def _one(x: Any) -> Spec:
    """Shape and dtype of one example."""
    spec = Spec(x)
    spec.shape = x.shape[1:]
    return spec


def _placed(y: Any, carried: bool, axis: int | None, size: int) -> Any:
    """A result with the batch where it is wanted."""
    if axis is None:
        if carried:
            raise ArgumentError(
                "vmap: out_axes=None for a result that differs from example to example; give the "
                "axis it is to have" + at(user_line())
            )
        return y
    if not carried:
        y = broadcast_to(y, (size, *y.shape))
    if not -y.ndim <= axis < y.ndim:
        raise ArgumentError(
            f"vmap: out_axes={axis} for a result that has the shape {list(y.shape[1:])} for one "
            f"example; an axis is from {-y.ndim} to {y.ndim - 1}" + at(user_line())
        )
    if not isinstance(y, Variable):
        y = wrapped(class_of([y]), y, None)
    if not -y.ndim <= axis < y.ndim:
        raise ArgumentError(
            f"vmap: out_axes={axis} for a result that has {y.ndim} axes with that of the batch"
            + at(user_line())
        )
    return y if axis == 0 else moveaxis(y, 0, axis)
