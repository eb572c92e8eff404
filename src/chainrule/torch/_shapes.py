"""Shapes and order of elements under PyTorch's names; each is also a method of Tensor.

Where NumPy can, the result shares the memory of the tensor it was made from, as PyTorch's views do.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.errors import ShapeError, at, user_line
from chainrule.ops import diagonal as diagonals
from chainrule.ops import elementwise, indexing, joining, movement
from chainrule.ops.table import raw
from chainrule.torch._arguments import dimension, numpy_names, sizes
from chainrule.torch._dtypes import Size

__all__ = [
    "adjoint", "atleast_1d", "atleast_2d", "atleast_3d", "broadcast_shapes", "broadcast_tensors",
    "broadcast_to", "cartesian_prod", "cat", "chunk", "column_stack", "concat", "concatenate",
    "diag", "diag_embed", "diagflat", "diagonal", "dstack", "flatten", "flip", "fliplr", "flipud",
    "hsplit", "hstack", "meshgrid", "moveaxis", "movedim", "permute", "ravel",
    "repeat_interleave", "reshape", "roll", "rot90", "row_stack", "split", "squeeze",
    "stack", "swapaxes", "swapdims", "t", "tensor_split", "tile", "trace", "transpose", "tril",
    "triu", "unbind", "unflatten", "unsqueeze", "vsplit", "vstack",
]  # fmt: skip

ONLY_METHODS = ["expand", "expand_as", "repeat", "reshape_as", "unfold", "view", "view_as"]
"""What PyTorch has as methods only."""

# --- shape ---------------------------------------------------------------------------------------


def reshape(input: Any, *shape: Any) -> Any:
    """The same elements in another shape, one of whose sizes may be -1.

    >>> torch.reshape(torch.arange(4), (2, 2))
    tensor([[0, 1],
            [2, 3]])
    """
    return movement.reshape(input, sizes(shape))


def view(input: Any, *shape: Any) -> Any:
    """The same elements in another shape (or in another dtype of the same width)."""
    if len(shape) == 1 and not isinstance(shape[0], (int, tuple, list, np.integer)):
        value = raw(input)
        out = type(input)()
        out._value, out._node = value.view(np.dtype(shape[0])), None
        return out
    return movement.reshape(input, sizes(shape))


def view_as(input: Any, other: Any) -> Any:
    """The same elements in the shape of another tensor."""
    return movement.reshape(input, tuple(other.shape))


reshape_as = view_as


def ravel(input: Any) -> Any:
    """All elements along one dimension."""
    return movement.reshape(input, (-1,))


def flatten(input: Any, start_dim: int = 0, end_dim: int = -1) -> Any:
    """The dimensions from `start_dim` to `end_dim`, both included, as one.

    >>> torch.flatten(torch.zeros(2, 3, 4), start_dim=1).shape
    torch.Size([2, 12])
    """
    return movement.flatten(input, start_dim, end_dim)


def unflatten(input: Any, dim: int, sizes: Sequence[int]) -> Any:
    """One dimension as several: the inverse of `flatten`.

    >>> torch.unflatten(torch.zeros(6), 0, (2, 3)).shape
    torch.Size([2, 3])
    """
    shape = tuple(input.shape)
    axis = dimension(dim, len(shape), "unflatten")
    return movement.reshape(input, (*shape[:axis], *sizes, *shape[axis + 1 :]))


@numpy_names
def squeeze(input: Any, dim: Any = None) -> Any:
    """Dimensions of size one removed: all, or those given that have size one.

    >>> torch.squeeze(torch.zeros(1, 3, 1)).shape
    torch.Size([3])
    """
    if dim is None:
        return movement.squeeze(input)
    given = (dim,) if isinstance(dim, int) else tuple(dim)
    shape = input.shape
    removed = tuple(
        a for a in (dimension(d, len(shape), "squeeze") for d in given) if shape and shape[a] == 1
    )
    return movement.squeeze(input, removed)


def unsqueeze(input: Any, dim: int) -> Any:
    """A new dimension of size one at position `dim`.

    >>> torch.unsqueeze(torch.zeros(3), 1).shape
    torch.Size([3, 1])
    """
    return movement.expand_dims(input, dim)


def expand(input: Any, *shape: Any) -> Any:
    """Dimensions of size one stretched, without copying; -1 keeps a size.

    >>> torch.zeros(3, 1).expand(-1, 4).shape
    torch.Size([3, 4])
    """
    wanted = sizes(shape)
    have = tuple(input.shape)
    extra = len(wanted) - len(have)
    full = tuple(have[i - extra] if n == -1 and i >= extra else n for i, n in enumerate(wanted))
    return movement.broadcast_to(input, full)


def expand_as(input: Any, other: Any) -> Any:
    """Stretched to the shape of another tensor."""
    return movement.broadcast_to(input, tuple(other.shape))


def broadcast_to(input: Any, size: Sequence[int]) -> Any:
    """Stretched to a shape by the rules of broadcasting."""
    return movement.broadcast_to(input, tuple(size))


def broadcast_tensors(*tensors: Any) -> tuple[Any, ...]:
    """Each stretched to the shape of all together."""
    return tuple(movement.broadcast_arrays(*tensors))


def broadcast_shapes(*shapes: Any) -> Size:
    """The shape that results from broadcasting these.

    >>> torch.broadcast_shapes((3, 1), (4,))
    torch.Size([3, 4])
    """
    return Size(np.broadcast_shapes(*shapes))


def atleast_1d(*tensors: Any) -> Any:
    """With one dimension at least."""
    return movement.atleast_1d(*tensors)


def atleast_2d(*tensors: Any) -> Any:
    """With two dimensions at least."""
    return movement.atleast_2d(*tensors)


def atleast_3d(*tensors: Any) -> Any:
    """With three dimensions at least."""
    return movement.atleast_3d(*tensors)


# --- order ---------------------------------------------------------------------------------------


def transpose(input: Any, dim0: int, dim1: int) -> Any:
    """Two dimensions exchanged.

    >>> torch.transpose(torch.zeros(2, 3), 0, 1).shape
    torch.Size([3, 2])
    """
    return movement.swapaxes(input, dim0, dim1)


swapaxes = swapdims = transpose


def t(input: Any) -> Any:
    """The transpose of a matrix; a vector as it is.

    >>> torch.t(torch.zeros(2, 3)).shape
    torch.Size([3, 2])
    """
    if input.ndim > 2:
        raise ShapeError(
            f"t(): a tensor of {input.ndim} dimensions has no one transpose; use `.mT`, "
            "`.transpose(d0, d1)` or `.permute(...)`" + at(user_line())
        )
    return movement.permute_dims(input)


def adjoint(input: Any) -> Any:
    """Conjugate transpose of the last two dimensions."""
    return elementwise.conj(movement.matrix_transpose(input))


def permute(input: Any, *dims: Any) -> Any:
    """The dimensions in another order.

    >>> torch.permute(torch.zeros(2, 3, 4), (2, 0, 1)).shape
    torch.Size([4, 2, 3])
    """
    return movement.permute_dims(input, sizes(dims))


def movedim(input: Any, source: Any, destination: Any) -> Any:
    """Dimensions moved to other positions."""
    return movement.moveaxis(input, source, destination)


moveaxis = movedim


def flip(input: Any, *dims: Any) -> Any:
    """Elements in reverse order along the dimensions given.

    >>> torch.flip(torch.tensor([1.0, 2.0]), (0,))
    tensor([2., 1.])
    """
    return movement.flip(input, sizes(dims))


def fliplr(input: Any) -> Any:
    """The second dimension reversed."""
    return movement.fliplr(input)


def flipud(input: Any) -> Any:
    """The first dimension reversed."""
    return movement.flipud(input)


def roll(input: Any, shifts: Any, dims: Any = None) -> Any:
    """Elements moved along dimensions, those that leave coming in again at the other end.

    >>> torch.roll(torch.tensor([1, 2, 3]), 1)
    tensor([3, 1, 2])
    """
    return movement.roll(input, shifts, dims)


def rot90(input: Any, k: int = 1, dims: Sequence[int] = (0, 1)) -> Any:
    """Turned k times by 90 degrees in the plane of two dimensions."""
    return movement.rot90(input, k, (dims[0], dims[1]))


# --- repetition -----------------------------------------------------------------------------------


def repeat(input: Any, *repeats: Any) -> Any:
    """The whole tensor side by side, so many times along each dimension.

    >>> torch.tensor([1, 2]).repeat(2)
    tensor([1, 2, 1, 2])
    """
    return joining.tile(input, sizes(repeats))


tile = repeat


def repeat_interleave(input: Any, repeats: Any, dim: int | None = None) -> Any:
    """Each element so many times in a row.

    >>> torch.repeat_interleave(torch.tensor([1, 2]), 2)
    tensor([1, 1, 2, 2])
    """
    times = raw(repeats)
    return joining.repeat(input, times, dim)


# --- joining and splitting ------------------------------------------------------------------------


@numpy_names
def cat(tensors: Sequence[Any], dim: int = 0) -> Any:
    """Tensors one after another along a dimension.

    >>> torch.cat([torch.tensor([1.0]), torch.tensor([2.0, 3.0])])
    tensor([1., 2., 3.])
    """
    return joining.concat(_without_empty(tensors), dim)


concat = concatenate = cat


def _without_empty(tensors: Sequence[Any]) -> Sequence[Any]:
    """PyTorch lets an empty vector be joined to anything: loops begin with `torch.tensor([])`."""
    shapes = {tuple(x.shape) for x in tensors}
    if len(shapes) > 1 and (0,) in shapes and any(len(s) != 1 for s in shapes):
        return [x for x in tensors if tuple(x.shape) != (0,)]
    return tensors


@numpy_names
def stack(tensors: Sequence[Any], dim: int = 0) -> Any:
    """Tensors of one shape along a new dimension.

    >>> torch.stack([torch.tensor(1.0), torch.tensor(2.0)])
    tensor([1., 2.])
    """
    return joining.stack(tensors, dim)


def hstack(tensors: Sequence[Any]) -> Any:
    """Side by side."""
    return joining.hstack(tensors)


def vstack(tensors: Sequence[Any]) -> Any:
    """Above one another."""
    return joining.vstack(tensors)


row_stack = vstack


def dstack(tensors: Sequence[Any]) -> Any:
    """Behind one another."""
    return joining.dstack(tensors)


def column_stack(tensors: Sequence[Any]) -> Any:
    """Vectors as the columns of a matrix."""
    return joining.column_stack(tensors)


def _cut(input: Any, dim: int, starts: Sequence[int]) -> tuple[Any, ...]:
    return tuple(joining.split(input, list(starts), dim))


@numpy_names
def split(tensor: Any, split_size_or_sections: Any, dim: int = 0) -> tuple[Any, ...]:
    """Pieces of the size given (the last may be smaller), or of the sizes given.

    >>> torch.split(torch.arange(5), 2)
    (tensor([0, 1]), tensor([2, 3]), tensor([4]))
    """
    n = tensor.shape[dim]
    size = split_size_or_sections
    if isinstance(size, int):
        return _cut(tensor, dim, range(size, n, size) if size else [])
    if builtin_sum(size) != n:
        raise ShapeError(
            f"split: the sizes {list(size)} add to {builtin_sum(size)}, dimension {dim} has {n}"
            + at(user_line())
        )
    return _cut(tensor, dim, np.cumsum(size)[:-1].tolist())


builtin_sum = sum


@numpy_names
def chunk(input: Any, chunks: int, dim: int = 0) -> tuple[Any, ...]:
    """So many pieces of equal size, the last of which may be smaller.

    >>> torch.chunk(torch.arange(5), 2)
    (tensor([0, 1, 2]), tensor([3, 4]))
    """
    return split(input, max(1, -(-input.shape[dim] // chunks)), dim)


@numpy_names
def tensor_split(input: Any, indices_or_sections: Any, dim: int = 0) -> tuple[Any, ...]:
    """So many pieces of nearly equal size, or cut before each of these positions."""
    given = raw(indices_or_sections)
    return tuple(joining.array_split(input, given, dim))


def hsplit(input: Any, indices_or_sections: Any) -> tuple[Any, ...]:
    """`tensor_split` along the second dimension (the first of a vector)."""
    return tuple(joining.hsplit(input, indices_or_sections))


def vsplit(input: Any, indices_or_sections: Any) -> tuple[Any, ...]:
    """`tensor_split` along the first dimension."""
    return tuple(joining.vsplit(input, indices_or_sections))


@numpy_names
def unbind(input: Any, dim: int = 0) -> tuple[Any, ...]:
    """The slices along a dimension.

    >>> torch.unbind(torch.tensor([1, 2]))
    (tensor(1), tensor(2))
    """
    return tuple(joining.unstack(input, dim))


def meshgrid(*tensors: Any, indexing: str = "ij") -> tuple[Any, ...]:
    """Coordinates of the grid that vectors span.

    >>> torch.meshgrid(torch.arange(2), torch.arange(3), indexing="ij")[0].shape
    torch.Size([2, 3])
    """
    if len(tensors) == 1 and isinstance(tensors[0], (list, tuple)):
        tensors = tuple(tensors[0])
    return tuple(joining.meshgrid(*tensors, indexing=indexing))


def cartesian_prod(*tensors: Any) -> Any:
    """All combinations of the elements of vectors, one to a row."""
    if len(tensors) == 1:
        return tensors[0]
    grids = joining.meshgrid(*tensors, indexing="ij")
    return joining.stack([movement.reshape(g, (-1,)) for g in grids], 1)


# --- diagonals and triangles ----------------------------------------------------------------------


def diag(input: Any, diagonal: int = 0) -> Any:
    """The diagonal of a matrix, or the diagonal matrix of a vector.

    >>> torch.diag(torch.tensor([1.0, 2.0]))
    tensor([[1., 0.],
            [0., 2.]])
    """
    return diagonals.diag(input, diagonal)


def diagonal(input: Any, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Any:
    """The diagonal over two dimensions, as the last dimension."""
    return diagonals.diagonal(input, offset, dim1, dim2)


def diagflat(input: Any, offset: int = 0) -> Any:
    """The diagonal matrix of all elements."""
    return diagonals.diagflat(input, offset)


def diag_embed(input: Any, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Any:
    """The last dimension as the diagonal of matrices in dimensions `dim1` and `dim2`.

    >>> torch.diag_embed(torch.tensor([[1.0, 2.0]])).shape
    torch.Size([1, 2, 2])
    """
    n = input.shape[-1] + abs(offset)
    ndim = input.ndim + 1
    first, second = dimension(dim1, ndim, "diag_embed"), dimension(dim2, ndim, "diag_embed")
    shape = list(input.shape[:-1])
    for place in sorted((first, second)):
        shape.insert(place, n)
    return diagonals.put_diagonal(input, tuple(shape), offset, first, second)


def tril(input: Any, diagonal: int = 0) -> Any:
    """The lower triangle, zeros above it.

    >>> torch.tril(torch.ones(2, 2))
    tensor([[1., 0.],
            [1., 1.]])
    """
    return diagonals.tril(input, diagonal)


def triu(input: Any, diagonal: int = 0) -> Any:
    """The upper triangle, zeros below it."""
    return diagonals.triu(input, diagonal)


def trace(input: Any) -> Any:
    """Sum of the diagonal of a matrix.

    >>> torch.trace(torch.eye(3))
    tensor(3.)
    """
    return diagonals.trace(input)


def unfold(input: Any, dimension: int, size: int, step: int) -> Any:
    """Windows of `size` along a dimension, every `step` positions, as a new last dimension.

    >>> torch.arange(4).unfold(0, 2, 1)
    tensor([[0, 1],
            [1, 2],
            [2, 3]])
    """
    count = (input.shape[dimension] - size) // step + 1
    places = np.arange(count)[:, None] * step + np.arange(size)
    axis = dimension % input.ndim
    windows = indexing.take(input, places, axis)
    return movement.moveaxis(windows, axis + 1, -1)
