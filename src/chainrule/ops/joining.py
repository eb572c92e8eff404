"""Movement rows of several arrays (concat, stack, split) and those that repeat or pad elements."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.ops.axes import along, axes_of, numpy_names, operand, widths
from chainrule.ops.batched import (
    over_axes,
    over_axis_of_all,
    over_axis_or_flat,
    padded,
    tiled,
    tiles_of_all,
)
from chainrule.ops.movement import (
    atleast_1d,
    atleast_2d,
    atleast_3d,
    broadcast_to,
    move_back,
    reshape,
)
from chainrule.ops.recording import zeros_like
from chainrule.ops.table import S, Seq, composite, operation

# --- joining -------------------------------------------------------------------------------------


def _part(i: int, ct: Any, _y: Any, *_arrays: Any, axis: int | None, **_: Any) -> Any:
    """The stretch of the cotangent that came from array i."""
    if axis is None:
        start = sum(_size(x) for x in _arrays[:i])
        return ct[start : start + _size(_arrays[i])].reshape(_arrays[i].shape)
    axis %= ct.ndim
    start = sum(x.shape[axis] for x in _arrays[:i])
    return ct[along(axis, ct.ndim, slice(start, start + _arrays[i].shape[axis]))]


def _size(x: Any) -> int:
    return x.size if hasattr(x, "size") else 1


def _tangents(tangents: Sequence[Any], arrays: Sequence[Any]) -> list[Any]:
    """Zeros where there is no tangent: joining is linear in all its arrays together."""
    return [
        np.zeros(np.shape(x)) if not hasattr(x, "dtype") else zeros_like(x) if t is None else t
        for t, x in zip(tangents, arrays, strict=True)
    ]


def _concat_tangents(tangents: Sequence[Any], _y: Any, *_arrays: Any, **params: Any) -> Any:
    return concat(_tangents(tangents, _arrays), **params)


def _stack_tangents(tangents: Sequence[Any], _y: Any, *_arrays: Any, **params: Any) -> Any:
    return stack(_tangents(tangents, _arrays), **params)


def _concat_flat(*arrays: Any, axis: int | None) -> Any:
    """Where there is no axis, vectors."""
    if axis is not None:
        return None
    arrays = tuple(x if hasattr(x, "reshape") else np.asarray(x) for x in arrays)
    return concat([x.reshape(-1) for x in arrays], 0)


@operation(
    reverse=_part,
    forward=_concat_tangents,
    arity=None,
    kind="movement",
    samples=[
        Seq((3,), (2,)),
        Seq((2, 3), (2, 1), (2, 0), axis=-1),
        Seq((1, 3), (4, 3)),
        Seq((2, 3), (), (2,), axis=None),
        Seq((0, 2)),
    ],
    numpy=(np.concatenate,),
    batch=over_axis_of_all,
    expand=_concat_flat,
)
def concat(arrays: Sequence[Any], axis: int | None = 0) -> Any:
    """The arrays one after another along an axis, their other sizes being equal.

    Where `axis` is None they are flattened first.

    >>> cr.concat([cr.tensor([1.0, 2.0]), cr.tensor([3.0])])
    tensor([1., 2., 3.])
    """
    return np.concatenate(arrays, axis)


def _tile(i: int, ct: Any, _y: Any, *arrays: Any, starts: Any, shape: Any) -> Any:
    sides = zip(starts[i], arrays[i].shape, strict=True)
    return ct[tuple([slice(a, a + n) for a, n in sides])]


def _tiled_tangents(tangents: Sequence[Any], _y: Any, *_arrays: Any, **params: Any) -> Any:
    return tiles(_tangents(tangents, _arrays), **params)


@operation(
    reverse=_tile,
    forward=_tiled_tangents,
    arity=None,
    kind="movement",
    samples=[
        Seq((2,), (3,), starts=((0,), (2,)), shape=(5,)),
        Seq((1, 3), (2, 1), (2, 2), starts=((0, 0), (1, 0), (1, 1)), shape=(3, 3)),
    ],
    batch=tiles_of_all,
)
def tiles(arrays: Sequence[Any], starts: Sequence[tuple[int, ...]], shape: tuple[int, ...]) -> Any:
    """An array of a shape that the arrays cover, each with its first element at its start.

    >>> tiles([cr.tensor([[1.0], [2.0]]), cr.tensor([[3.0], [4.0]])], [(0, 0), (0, 1)], (2, 2))
    tensor([[1., 3.],
            [2., 4.]])
    """
    out = np.empty(shape, np.result_type(*arrays))
    for x, start in zip(arrays, starts, strict=True):
        out[tuple([slice(a, a + n) for a, n in zip(start, x.shape, strict=True)])] = x
    return out


@operation(
    reverse=lambda i, ct, _y, *_arrays, axis: ct[along(axis, ct.ndim, i)],
    forward=_stack_tangents,
    arity=None,
    kind="movement",
    samples=[Seq((3,), (3,)), Seq((2, 3), (2, 3), axis=-1), Seq((), (), ()), Seq((0, 2), axis=1)],
    numpy=(np.stack,),
    batch=over_axis_of_all,
)
def stack(arrays: Sequence[Any], axis: int = 0) -> Any:
    """Arrays of one shape along a new axis.

    >>> cr.stack([cr.tensor(1.0), cr.tensor(2.0)])
    tensor([1., 2.])
    """
    return np.stack(arrays, axis)


@composite(samples=[Seq((3,), (2,)), Seq((2, 3), (2, 1)), Seq((), ())], numpy=(np.hstack,))
def hstack(arrays: Sequence[Any]) -> Any:
    """The arrays side by side: along the second axis, or the first where they have only one.

    >>> cr.hstack([cr.tensor([1.0, 2.0]), cr.tensor(3.0)])
    tensor([1., 2., 3.])
    """
    parts = [atleast_1d(x) for x in arrays]
    return concat(parts, 0 if parts and parts[0].ndim == 1 else 1)


@composite(
    samples=[Seq((3,), (3,)), Seq((2, 3), (1, 3)), Seq((), ())],
    numpy=(np.vstack,),
)
def vstack(arrays: Sequence[Any]) -> Any:
    """The arrays above one another: along the first axis, vectors being rows.

    >>> cr.vstack([cr.tensor([1.0, 2.0]), cr.tensor([3.0, 4.0])])
    tensor([[1., 2.],
            [3., 4.]])
    """
    return concat([atleast_2d(x) for x in arrays], 0)


@composite(
    samples=[Seq((3,), (3,)), Seq((2, 3), (2, 3)), Seq((2, 3, 1), (2, 3, 2))], numpy=(np.dstack,)
)
def dstack(arrays: Sequence[Any]) -> Any:
    """The arrays behind one another: along the third axis.

    >>> cr.dstack([cr.tensor([1.0, 2.0]), cr.tensor([3.0, 4.0])]).shape
    (1, 2, 2)
    """
    return concat([atleast_3d(x) for x in arrays], 2)


@composite(samples=[Seq((3,), (3,)), Seq((2, 3), (2,)), Seq((0,), (0,))], numpy=(np.column_stack,))
def column_stack(arrays: Sequence[Any]) -> Any:
    """Vectors as the columns of a matrix; matrices are taken as they are.

    >>> cr.column_stack([cr.tensor([1.0, 2.0]), cr.tensor([3.0, 4.0])])
    tensor([[1., 3.],
            [2., 4.]])
    """
    columns = [operand(x, "column_stack") for x in arrays]
    return concat([x if x.ndim > 1 else reshape(x, (-1, 1)) for x in columns], 1)


# --- splitting -----------------------------------------------------------------------------------


@operation(
    reverse=(lambda ct, _y, _x, axis, **_: concat(ct, axis),),
    linear=(0,),
    results=0,
    kind="movement",
    samples=[
        S((6,), indices_or_sections=3),
        S((3, 4), indices_or_sections=2, axis=-1),
        S((5, 2), indices_or_sections=(1, 3)),
        S((0, 2), indices_or_sections=2),
    ],
    numpy=(np.split,),
    batch=over_axes("axis"),
)
def split(x: Any, indices_or_sections: int | Sequence[int], axis: int = 0) -> tuple[Any, ...]:
    """x in pieces along an axis: so many of equal size, or cut before each of these indices.

    >>> cr.split(cr.tensor([1.0, 2.0, 3.0, 4.0]), 2)
    (tensor([1., 2.]), tensor([3., 4.]))
    """
    return tuple(np.split(x, indices_or_sections, axis))


@composite(
    samples=[S((7,), indices_or_sections=3), S((2, 5), indices_or_sections=2, axis=1)],
    numpy=(np.array_split,),
)
def array_split(x: Any, indices_or_sections: int | Sequence[int], axis: int = 0) -> tuple[Any, ...]:
    """As `split`, into pieces that may differ by one in size, the larger ones first.

    >>> cr.array_split(cr.tensor([1.0, 2.0, 3.0]), 2)
    (tensor([1., 2.]), tensor([3.]))
    """
    x = operand(x, "array_split")
    if isinstance(indices_or_sections, (int, np.integer)):
        if indices_or_sections < 1:
            raise ValueError("array_split: the number of pieces must be at least 1")
        size, larger = divmod(x.shape[axis], int(indices_or_sections))
        indices_or_sections = [
            i * size + min(i, larger) for i in range(1, int(indices_or_sections))
        ]
    return split(x, indices_or_sections, axis)


@composite(
    samples=[S((4,), indices_or_sections=2), S((3, 4), indices_or_sections=(1,))],
    numpy=(np.hsplit,),
)
def hsplit(x: Any, indices_or_sections: int | Sequence[int]) -> tuple[Any, ...]:
    """`split` along the second axis, or the first where x has only one.

    >>> cr.hsplit(cr.tensor([[1.0, 2.0]]), 2)
    (tensor([[1.]]), tensor([[2.]]))
    """
    x = operand(x, "hsplit")
    return split(x, indices_or_sections, 0 if x.ndim == 1 else 1)


@composite(samples=[S((4, 3), indices_or_sections=2)], numpy=(np.vsplit,))
def vsplit(x: Any, indices_or_sections: int | Sequence[int]) -> tuple[Any, ...]:
    """`split` along the first axis.

    >>> cr.vsplit(cr.tensor([[1.0], [2.0]]), 2)
    (tensor([[1.]]), tensor([[2.]]))
    """
    return split(x, indices_or_sections, 0)


@composite(samples=[S((2, 3, 4), indices_or_sections=2)], numpy=(np.dsplit,))
def dsplit(x: Any, indices_or_sections: int | Sequence[int]) -> tuple[Any, ...]:
    """`split` along the third axis.

    >>> len(cr.dsplit(cr.zeros((1, 2, 4)), 2))
    2
    """
    return split(x, indices_or_sections, 2)


@operation(
    reverse=(lambda ct, _y, _x, axis: stack(ct, axis),),
    linear=(0,),
    results=0,
    kind="movement",
    samples=[S((3, 4)), S((3, 4), axis=-1), S((3,)), S((2, 0))],
    numpy=numpy_names("unstack"),
    batch=over_axes("axis"),
)
def unstack(x: Any, axis: int = 0) -> tuple[Any, ...]:
    """The slices of x along an axis, as a tuple: the inverse of `stack`.

    >>> cr.unstack(cr.tensor([[1.0, 2.0], [3.0, 4.0]]))
    (tensor([1., 2.]), tensor([3., 4.]))
    """
    return tuple(np.moveaxis(x, axis, 0))


@composite(
    samples=[S((3,), (2,)), S((3,), (2,), (4,), indexing="ij"), S((3,), (0,)), S((), (2,))],
    numpy=(np.meshgrid,),
)
def meshgrid(
    *arrays: Any, indexing: str = "xy", sparse: bool = False, copy: bool = True
) -> list[Any]:
    """Coordinate arrays of the grid that vectors of coordinates span, one for each: a list.

    The axes of the results are those of the vectors in their order (`indexing="ij"`), or with the
    first two interchanged (`"xy"`). `sparse=True` leaves them unstretched. `copy` is ignored.

    >>> x, y = cr.meshgrid(cr.tensor([1.0, 2.0]), cr.tensor([3.0, 4.0]))
    >>> x
    tensor([[1., 2.],
            [1., 2.]])
    """
    if indexing not in ("xy", "ij"):
        raise ValueError(f"meshgrid: indexing must be 'xy' or 'ij', not {indexing!r}")
    axes = list(range(len(arrays)))
    if indexing == "xy" and len(arrays) > 1:
        axes[:2] = 1, 0
    grids = [
        reshape(x, [-1 if k == axis else 1 for k in range(len(arrays))])
        for x, axis in zip(arrays, axes, strict=True)
    ]
    if sparse:
        return grids
    shape = np.broadcast_shapes(*[x.shape for x in grids])
    return [broadcast_to(x, shape) for x in grids]


# --- repeating -----------------------------------------------------------------------------------


def _tile_back(ct: Any, _y: Any, _x: Any, reps: int | Sequence[int]) -> Any:
    """The cotangent with an axis for the repetitions before each axis of x, added over those."""
    times = (reps,) if isinstance(reps, (int, np.integer)) else tuple(reps)
    shape = (1,) * (len(times) - _x.ndim) + _x.shape
    times = (1,) * (len(shape) - len(times)) + times
    pairs = [n for pair in zip(times, shape, strict=True) for n in pair]
    added = np.add.reduce(ct.reshape(pairs), axis=tuple(range(0, len(pairs), 2)))
    return added.reshape(_x.shape)


@operation(
    reverse=(_tile_back,),
    linear=(0,),
    kind="movement",
    samples=[
        S((3,), reps=2),
        S((2, 3), reps=(2, 3)),
        S((2, 3), reps=2),
        S((3,), reps=(2, 1, 2)),
        S((), reps=(2, 3)),
        S((2, 3), reps=0),
        S((0, 2), reps=(3, 1)),
    ],
    numpy=(np.tile,),
    batch=tiled,
)
def tile(x: Any, reps: int | Sequence[int]) -> Any:
    """x laid side by side so many times along each axis.

    >>> cr.tile(cr.tensor([1.0, 2.0]), 2)
    tensor([1., 2., 1., 2.])
    """
    return np.tile(x, reps)


def _repeat_back(ct: Any, _y: Any, _x: Any, repeats: Any, axis: int | None) -> Any:
    if isinstance(repeats, (int, np.integer)):  # the repetitions are an axis of their own
        shape: tuple[int, ...] = (_size(_x),) if axis is None else _x.shape
        (k,) = axes_of(axis or 0, len(shape))
        blocks = ct.reshape((*shape[: k + 1], int(repeats), *shape[k + 1 :]))
        return np.add.reduce(blocks, axis=k + 1).reshape(_x.shape)
    return move_back(ct, _x.shape, lambda positions: np.repeat(positions, repeats, axis))


@operation(
    reverse=(_repeat_back,),
    linear=(0,),
    kind="movement",
    samples=[
        S((3,), repeats=2),
        S((2, 3), repeats=2),
        S((2, 3), repeats=3, axis=-1),
        S((2, 3), repeats=[1, 0, 2], axis=1),
        S((2, 3), repeats=0, axis=0),
        S((0, 3), repeats=2, axis=0),
        S((), repeats=3),
    ],
    numpy=(np.repeat,),
    batch=over_axis_or_flat,
)
def repeat(x: Any, repeats: int | Sequence[int], axis: int | None = None) -> Any:
    """Each element of x (each slice along the axis) repeated, by one count or a count for each.

    Without an axis x is flattened first.

    >>> cr.repeat(cr.tensor([1.0, 2.0]), 2)
    tensor([1., 1., 2., 2.])
    """
    return np.repeat(x, repeats, axis)


# --- padding -------------------------------------------------------------------------------------


def _pad_by_places(x: Any, pad_width: Any, mode: Any, constant_values: Any) -> Any:
    """Axis by axis: elements taken from where they are repeated, or margins of constants."""
    if mode == "constant" and not np.any(constant_values):
        return None
    margins, numbers = widths(pad_width, x.ndim), widths(constant_values, x.ndim)
    for k, (before, after) in enumerate(margins):
        if mode == "constant":
            shape = x.shape
            parts = [
                np.full((*shape[:k], n, *shape[k + 1 :]), value, x.dtype)
                for n, value in zip((before, after), numbers[k], strict=True)
            ]
            x = concat([parts[0], x, parts[1]], k)
        elif before or after:
            x = np.take(x, np.pad(np.arange(x.shape[k]), (before, after), mode), axis=k)
    return x


PAD_MODES = ("constant", "edge", "reflect", "symmetric", "wrap")


def _pad_back(ct: Any, _y: Any, _x: Any, pad_width: Any, mode: Any, **_: Any) -> Any:
    if mode != "constant":
        return move_back(ct, _x.shape, lambda positions: np.pad(positions, pad_width, mode))
    margins = widths(pad_width, _x.ndim)
    return ct[tuple(slice(a, a + n) for (a, _), n in zip(margins, _x.shape, strict=True))]


def _pad_tangent(tangents: Sequence[Any], _y: Any, _x: Any, **params: Any) -> Any:
    """The tangent of a constant is zero: padding with one is affine, not linear."""
    return pad(tangents[0], **{**params, "constant_values": 0})


@operation(
    reverse=(_pad_back,),
    forward=_pad_tangent,
    samples=[
        S((3,), pad_width=2),
        S((2, 3), pad_width=((1, 0), (0, 2)), constant_values=1.5),
        S((2, 3), pad_width=(1, 2), mode="edge"),
        S((4, 3), pad_width=((2, 3), (1, 1)), mode="reflect"),
        S((2, 3), pad_width=((3, 1), (0, 4)), mode="symmetric"),
        S((2, 3), pad_width=((1,), (4,)), mode="wrap"),
        S((0, 2), pad_width=1),
        S((), pad_width=0),
    ],
    numpy=(np.pad,),
    batch=padded,
    expand=_pad_by_places,
)
def pad(x: Any, pad_width: Any, mode: Any = "constant", constant_values: Any = 0) -> Any:
    """x with margins around it.

    `pad_width` is one width for all margins, a pair (before, after) for all axes, a pair for each
    axis, or a mapping from axes to widths. The margins are filled with `constant_values`, with the
    nearest element (`"edge"`), or with x mirrored (`"reflect"`: without repeating the outermost
    element, `"symmetric"`: with it) or continued periodically (`"wrap"`).

    >>> cr.pad(cr.tensor([1.0, 2.0]), (1, 2))
    tensor([0., 1., 2., 0., 0.])
    """
    if mode not in PAD_MODES:
        raise ValueError(f"the mode must be one of {', '.join(PAD_MODES)}, not {mode!r}")
    if mode == "constant":
        return np.pad(x, pad_width, mode, constant_values=constant_values)
    return np.pad(x, pad_width, mode)
