"""Movement rows: the elements of an operand in another shape or order, and casts.

A row whose transpose is a movement too names it (reshape, permute, flip, roll). The others run
their own evaluation on an array of positions and add the cotangent back along it, with
`scatter_positions`. Its transpose is `gather_positions`, so derivatives of every order follow.
Next: `ops.joining` (several arrays, repetition, padding) and `ops.diagonal`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from chainrule.ops import batched_index
from chainrule.ops.axes import Axis, axes_of, numpy_names, operand
from chainrule.ops.batched import (
    expanded,
    leading,
    over_axes,
    permuted,
    reshaped,
    rolled,
    squeezed,
    stretched,
)
from chainrule.ops.complaints import check_device
from chainrule.ops.diagonal import diagonal as diagonal
from chainrule.ops.diagonal import trace as trace
from chainrule.ops.table import ZERO, S, composite, operation

# --- shape ---------------------------------------------------------------------------------------


def _reshape_back(ct: Any, _y: Any, _x: Any, order: str = "C", **_: Any) -> Any:
    return ct.reshape(_x.shape) if order == "C" else reshape(ct, _x.shape, order)


@operation(
    reverse=(_reshape_back,),
    linear=(0,),
    kind="movement",
    samples=[
        S((3, 4), shape=(4, 3)),
        S((2, 3, 4), shape=(4, -1)),
        S((2, 3, 4), shape=(4, 6), order="F"),
        S((3, 4), shape=-1),
        S((0, 3), shape=(3, 0)),
        S((), shape=(1, 1)),
        S((1, 1), shape=()),
    ],
    numpy=(np.reshape,),
    batch=reshaped,
)
def reshape(x: Any, shape: int | Sequence[int], order: str = "C", copy: bool | None = None) -> Any:
    """The elements of x in the given shape, in which one size may be -1: it follows from the rest.

    `order="F"` reads and writes them with the first axis changing fastest. `copy=True` copies them
    always, `copy=False` raises ShapeError where they have to be copied.

    >>> cr.reshape(cr.tensor([1.0, 2.0, 3.0, 4.0]), (2, -1))
    tensor([[1., 2.],
            [3., 4.]])
    """
    x = np.asarray(x)
    y = x.reshape(shape, order=order)
    if copy is None:
        return y
    if not copy and y.size and not np.may_share_memory(x, y):
        raise ValueError("the elements cannot be had in this shape without a copy of them")
    return y.copy() if copy else y


@composite(samples=[S((3, 4)), S((2, 3), order="F"), S(()), S((0, 2))], numpy=(np.ravel,))
def ravel(x: Any, order: str = "C") -> Any:
    """All elements of x in one axis.

    >>> cr.ravel(cr.tensor([[1.0, 2.0], [3.0, 4.0]]))
    tensor([1., 2., 3., 4.])
    """
    return reshape(x, -1, order)


@composite(samples=[S((3, 4)), S((2, 3, 4), start_axis=1), S((2, 3, 4), end_axis=-2), S(())])
def flatten(x: Any, start_axis: int = 0, end_axis: int = -1) -> Any:
    """The axes from `start_axis` to `end_axis`, both included, as one.

    >>> cr.flatten(cr.tensor([[1.0, 2.0], [3.0, 4.0]]))
    tensor([1., 2., 3., 4.])
    """
    x = operand(x, "flatten")
    if x.ndim == 0:
        return reshape(x, -1)
    (first,), (last,) = axes_of(start_axis, x.ndim), axes_of(end_axis, x.ndim)
    return reshape(
        x, (*x.shape[:first], math.prod(x.shape[first : last + 1]), *x.shape[last + 1 :])
    )


@operation(
    reverse=(_reshape_back,),
    linear=(0,),
    kind="movement",
    samples=[S((3, 4), axis=1), S((3, 4), axis=(0, -1)), S((), axis=0), S((0,), axis=-1)],
    numpy=(np.expand_dims,),
    batch=expanded,
)
def expand_dims(x: Any, axis: int | Sequence[int] = 0) -> Any:
    """x with new axes of size one at these positions of the result.

    >>> cr.expand_dims(cr.tensor([1.0, 2.0]), axis=1).shape
    (2, 1)
    """
    return np.expand_dims(x, axis)


@operation(
    reverse=(_reshape_back,),
    linear=(0,),
    kind="movement",
    samples=[S((3, 1, 4)), S((1, 3, 1), axis=0), S((1, 3, 1), axis=(0, -1)), S((1, 1)), S((1, 0))],
    numpy=(np.squeeze,),
    batch=squeezed,
)
def squeeze(x: Any, axis: Axis = None) -> Any:
    """x without these axes, which must be of size one; without all such axes where none is named.

    >>> cr.squeeze(cr.tensor([[1.0], [2.0]]))
    tensor([1., 2.])
    """
    return np.squeeze(x, axis)


@operation(
    reverse=(lambda ct, _y, _x, **_: ct,),  # `fit` adds over the stretched axes
    linear=(0,),
    kind="movement",
    samples=[
        S((4,), shape=(3, 4)),
        S((3, 1), shape=(2, 3, 4)),
        S((), shape=(2, 3)),
        S((1,), shape=(0,)),
        S((3, 4), shape=(3, 4)),
        S((1, 1), shape=(5, 1)),
    ],
    numpy=(np.broadcast_to,),
    batch=stretched,
)
def broadcast_to(x: Any, shape: int | Sequence[int]) -> Any:
    """x repeated along new leading axes and along its axes of size one, to the given shape.

    >>> cr.broadcast_to(cr.tensor([1.0, 2.0]), (2, 2))
    tensor([[1., 2.],
            [1., 2.]])
    """
    return np.broadcast_to(x, shape)


@composite(samples=[S((3, 1), (4,)), S((), (2, 1), (1, 3)), S((2,))], numpy=(np.broadcast_arrays,))
def broadcast_arrays(*arrays: Any) -> list[Any]:
    """The arrays, each broadcast to the shape of all of them together; a list.

    >>> a, b = cr.broadcast_arrays(cr.tensor([[1.0], [2.0]]), cr.tensor([3.0, 4.0]))
    >>> a
    tensor([[1., 1.],
            [2., 2.]])
    """
    operands = [operand(x, "broadcast_arrays") for x in arrays]
    shape = np.broadcast_shapes(*[x.shape for x in operands])
    return [broadcast_to(x, shape) for x in operands]


def _each(name: str, change: Callable[[Any], Any], arrays: tuple[Any, ...]) -> Any:
    """`change` of the one array, or of each of several."""
    changed = tuple(change(operand(x, name)) for x in arrays)
    return changed[0] if len(changed) == 1 else changed


@composite(samples=[S(()), S((3,)), S((2, 3)), S((), (2, 0))], numpy=(np.atleast_1d,))
def atleast_1d(*arrays: Any) -> Any:
    """Each array with one axis at least; a tuple where several are given.

    >>> cr.atleast_1d(cr.tensor(2.0))
    tensor([2.])
    """
    return _each("atleast_1d", lambda x: reshape(x, 1) if x.ndim == 0 else x, arrays)


@composite(samples=[S(()), S((3,)), S((2, 3)), S((3,), (0,))], numpy=(np.atleast_2d,))
def atleast_2d(*arrays: Any) -> Any:
    """Each array with two axes at least, the new ones in front; a tuple where several are given.

    >>> cr.atleast_2d(cr.tensor([1.0, 2.0]))
    tensor([[1., 2.]])
    """

    def change(x: Any) -> Any:
        return x if x.ndim > 1 else reshape(x, (1,) * (2 - x.ndim) + x.shape)

    return _each("atleast_2d", change, arrays)


@composite(samples=[S(()), S((3,)), S((2, 3)), S((1, 2, 3))], numpy=(np.atleast_3d,))
def atleast_3d(*arrays: Any) -> Any:
    """Each array with three axes at least, (N,) becoming (1, N, 1) and (M, N) becoming (M, N, 1).

    >>> cr.atleast_3d(cr.tensor([1.0, 2.0])).shape
    (1, 2, 1)
    """

    def change(x: Any) -> Any:
        shapes = {0: (1, 1, 1), 1: (1, *x.shape, 1), 2: (*x.shape, 1)}
        return reshape(x, shapes[x.ndim]) if x.ndim < 3 else x

    return _each("atleast_3d", change, arrays)


# --- order of the axes ---------------------------------------------------------------------------


def _permute_back(ct: Any, _y: Any, _x: Any, axes: Sequence[int] | None) -> Any:
    if axes is None:
        return np.transpose(ct)
    axes = axes_of(axes, len(axes))
    return np.transpose(ct, [axes.index(i) for i in range(len(axes))])


@operation(
    reverse=(_permute_back,),
    linear=(0,),
    kind="movement",
    samples=[
        S((3, 4)),
        S((2, 3, 4), axes=(2, 0, 1)),
        S((2, 3, 4), axes=(-1, 0, -2)),
        S(()),
        S((0, 3)),
        S((3,)),
    ],
    numpy=(np.transpose,),
    batch=permuted,
)
def permute_dims(x: Any, axes: Sequence[int] | None = None) -> Any:
    """x with its axes in another order: axis i of the result is axis `axes[i]` of x.

    Where `axes` is None their order is reversed.

    >>> cr.permute_dims(cr.tensor([[1.0, 2.0, 3.0]])).shape
    (3, 1)
    """
    return np.asarray(x).transpose(axes)


@operation(
    reverse=(lambda ct, _y, _x: ct.mT,),
    linear=(0,),
    kind="movement",
    samples=[S((3, 4)), S((2, 3, 4)), S((0, 2)), S((1, 1))],
    numpy=numpy_names("matrix_transpose"),
    batch=leading,
)
def matrix_transpose(x: Any) -> Any:
    """The transposes of the matrices in the last two axes of x, which has two axes at least.

    >>> cr.matrix_transpose(cr.tensor([[1.0, 2.0], [3.0, 4.0]]))
    tensor([[1., 3.],
            [2., 4.]])
    """
    if np.ndim(x) < 2:
        raise ValueError("a matrix has two axes")
    return np.swapaxes(x, -1, -2)


@operation(
    reverse=(lambda ct, _y, _x, source, destination: np.moveaxis(ct, destination, source),),
    linear=(0,),
    kind="movement",
    samples=[
        S((2, 3, 4), source=0, destination=-1),
        S((2, 3, 4), source=(0, 1), destination=(-1, 0)),
        S((0, 3), source=1, destination=0),
    ],
    numpy=(np.moveaxis,),
    batch=over_axes("source", "destination"),
)
def moveaxis(x: Any, source: int | Sequence[int], destination: int | Sequence[int]) -> Any:
    """x with the axes `source` moved to the positions `destination`; the others keep their order.

    >>> cr.moveaxis(cr.zeros((2, 3, 4)), 0, -1).shape
    (3, 4, 2)
    """
    return np.moveaxis(x, source, destination)


@operation(
    reverse=(lambda ct, _y, _x, axis1, axis2: np.swapaxes(ct, axis1, axis2),),
    linear=(0,),
    kind="movement",
    samples=[
        S((2, 3, 4), axis1=0, axis2=-1),
        S((3, 4), axis1=0, axis2=1),
        S((0, 2), axis1=1, axis2=0),
    ],
    numpy=(np.swapaxes,),
    batch=over_axes("axis1", "axis2"),
)
def swapaxes(x: Any, axis1: int, axis2: int) -> Any:
    """x with two axes interchanged.

    >>> cr.swapaxes(cr.zeros((2, 3, 4)), 0, 2).shape
    (4, 3, 2)
    """
    return np.swapaxes(x, axis1, axis2)


# --- order of the elements -----------------------------------------------------------------------


def _flip_back(ct: Any, _y: Any, _x: Any, axis: Axis) -> Any:
    return flip(ct, axis)


@operation(
    reverse=(_flip_back,),
    linear=(0,),
    kind="movement",
    samples=[S((3, 4)), S((3, 4), axis=-1), S((2, 3, 4), axis=(0, 2)), S((0, 2), axis=0), S(())],
    numpy=(np.flip,),
    batch=over_axes("axis"),
)
def flip(x: Any, axis: Axis = None) -> Any:
    """x with the elements along these axes (all where None) in reverse order.

    >>> cr.flip(cr.tensor([1.0, 2.0, 3.0]))
    tensor([3., 2., 1.])
    """
    return np.flip(x, axis)  # type: ignore[arg-type]


@composite(samples=[S((3, 4)), S((2, 0)), S((2, 1, 3))], numpy=(np.fliplr,))
def fliplr(x: Any) -> Any:
    """x with its second axis reversed.

    >>> cr.fliplr(cr.tensor([[1.0, 2.0]]))
    tensor([[2., 1.]])
    """
    return flip(x, 1)


@composite(samples=[S((3, 4)), S((3,)), S((0, 2))], numpy=(np.flipud,))
def flipud(x: Any) -> Any:
    """x with its first axis reversed.

    >>> cr.flipud(cr.tensor([[1.0], [2.0]]))
    tensor([[2.],
            [1.]])
    """
    return flip(x, 0)


def _roll_back(ct: Any, _y: Any, _x: Any, shift: int | Sequence[int], axis: Axis) -> Any:
    return roll(ct, -shift if isinstance(shift, int) else [-s for s in shift], axis)


@operation(
    reverse=(_roll_back,),
    linear=(0,),
    kind="movement",
    samples=[
        S((5,), shift=2),
        S((3, 4), shift=-1),
        S((3, 4), shift=1, axis=-1),
        S((3, 4), shift=(1, 2), axis=(0, 1)),
        S((0, 3), shift=1, axis=0),
        S((1,), shift=3),
    ],
    numpy=(np.roll,),
    batch=rolled,
)
def roll(x: Any, shift: int | Sequence[int], axis: Axis = None) -> Any:
    """x with its elements moved by `shift` places, those pushed off the end coming in at the front.

    Without an axis x is rolled as if it were flat.

    >>> cr.roll(cr.tensor([1.0, 2.0, 3.0]), 1)
    tensor([3., 1., 2.])
    """
    return np.roll(x, shift, axis)


def _turn_back(ct: Any, _y: Any, _x: Any, k: int, axes: tuple[int, int]) -> Any:
    return rot90(ct, -k, axes)


@operation(
    reverse=(_turn_back,),
    linear=(0,),
    kind="movement",
    samples=[S((3, 4)), S((3, 4), k=-1), S((2, 3, 4), k=2, axes=(1, -1)), S((0, 2))],
    numpy=(np.rot90,),
    batch=over_axes("axes"),
)
def rot90(x: Any, k: int = 1, axes: tuple[int, int] = (0, 1)) -> Any:
    """x turned k times by 90 degrees in the plane of two axes, from the first towards the second.

    >>> cr.rot90(cr.tensor([[1.0, 2.0]]))
    tensor([[2.],
            [1.]])
    """
    return np.rot90(x, k, axes)


# --- positions -----------------------------------------------------------------------------------


def _some_positions(*shape: int, size: int) -> Callable[[np.random.Generator], Any]:
    return lambda rng: rng.integers(0, size, shape)


def _gather_back(ct: Any, _y: Any, _x: Any, positions: Any) -> Any:
    return scatter_positions(ct, positions, _x.shape)


@operation(
    reverse=(_gather_back, ZERO),
    arity=2,
    linear=(0,),
    kind="linear",
    samples=[
        S((3, 4), _some_positions(2, 5, size=12)),
        S((3,), _some_positions(size=3)),
        S((2, 3), _some_positions(0, size=6)),
    ],
    batch=batched_index.at_positions,
)
def gather_positions(x: Any, positions: Any) -> Any:
    """The elements of x, counted as if it were flat, at an integer array of positions.

    >>> gather_positions(cr.tensor([[1.0, 2.0], [3.0, 4.0]]), np.array([3, 0]))
    tensor([4., 1.])
    """
    return np.asarray(x).reshape(-1)[positions]


@operation(
    reverse=(lambda ct, _y, _x, positions, shape: gather_positions(ct, positions), ZERO),
    arity=2,
    linear=(0,),
    kind="linear",
    samples=[
        S((2, 5), _some_positions(2, 5, size=12), shape=(3, 4)),
        S((), _some_positions(size=3), shape=(3,)),
        S((0,), _some_positions(0, size=6), shape=(2, 3)),
    ],
    batch=batched_index.at_positions,
)
def scatter_positions(x: Any, positions: Any, shape: Sequence[int]) -> Any:
    """Zeros of this shape to which each element of x is added at its position, counted as if flat.

    >>> scatter_positions(cr.tensor([1.0, 2.0, 3.0]), np.array([0, 2, 2]), (3,))
    tensor([1., 0., 5.])
    """
    x = np.asarray(x)
    positions = np.broadcast_to(positions, x.shape)
    size = math.prod(shape)
    if x.dtype.char in "fd":  # the quicker way, which adds in float64
        total = np.bincount(positions.ravel(), x.ravel(), size).astype(x.dtype, copy=False)
    else:
        total = np.zeros(size, x.dtype)
        np.add.at(total, positions.ravel(), x.ravel())
    return total.reshape(shape)


def move_back(ct: Any, shape: Sequence[int], move: Callable[[Any], Any]) -> Any:
    """The cotangent of an operand of this shape whose elements `move` brought into the result."""
    positions = move(np.arange(math.prod(shape)).reshape(shape))
    return scatter_positions(ct, positions, shape)


# --- casts ---------------------------------------------------------------------------------------


@operation(
    reverse=(lambda ct, _y, _x, **_: ct,),  # `fit` casts back
    linear=(0,),
    kind="linear",
    samples=[S((3, 4), dtype=np.float64), S((), dtype=np.complex128), S((0,), dtype=np.float64)],
    untested="single precision in does not mean single precision out: the dtype is asked for",
    numpy=numpy_names("astype"),
    batch=leading,
)
def astype(x: Any, dtype: Any, copy: bool = True, device: Any = None) -> Any:
    """x in another dtype. The gradient is cast back; an integer or boolean result has none.

    >>> cr.astype(cr.tensor([1.5, 2.5]), np.int64)
    tensor([1, 2])
    """
    check_device(device)
    return np.asarray(x).astype(dtype, copy=copy)


@operation(
    reverse=(lambda ct, _y, _x, **_: ct,),
    linear=(0,),
    kind="movement",
    samples=[S((3, 4)), S(()), S((0,))],
    numpy=(np.copy,),
    batch=leading,
)
def copy(x: Any, order: str = "K") -> Any:
    """A copy of x, which shares no memory with it.

    >>> cr.copy(cr.tensor([1.0, 2.0]))
    tensor([1., 2.])
    """
    return np.array(x, order=order)  # type: ignore[call-overload]
