"""Gathering and scattering under PyTorch's names; each is also a method of Tensor."""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.errors import ShapeError, at, user_line
from chainrule.ops import elementwise, indexing, selection
from chainrule.ops.table import raw
from chainrule.torch._arguments import dimension, numpy_names
from chainrule.torch._selected import like

__all__ = [
    "argwhere", "bucketize", "gather", "index_add", "index_copy", "index_fill", "index_put",
    "index_select", "masked_fill", "masked_scatter", "masked_select", "narrow", "nonzero",
    "scatter", "scatter_add", "searchsorted", "select", "take", "take_along_dim",
]  # fmt: skip


@numpy_names
def gather(input: Any, dim: int, index: Any) -> Any:
    """Elements by position along `dim`, with positions of their own at every place beside it.

    >>> torch.gather(torch.tensor([[1, 2], [3, 4]]), 1, torch.tensor([[1], [0]]))
    tensor([[2],
            [3]])
    """
    positions = raw(index)
    axis = dimension(dim, input.ndim, "gather")
    return indexing.getitem(input, _places(positions, axis)) if positions.ndim else input.clone()


def _places(positions: Any, axis: int) -> tuple[Any, ...]:
    """The index of the places that `gather` reads and `scatter` writes."""
    grid = list(np.ogrid[tuple(slice(n) for n in positions.shape)])
    grid[axis] = positions
    return tuple(grid)


def take_along_dim(input: Any, indices: Any, dim: int | None = None) -> Any:
    """Elements by position along `dim`, broadcasting beside it."""
    if dim is None:
        return indexing.take(input, raw(indices).reshape(-1))
    return indexing.take_along_axis(input, indices, dim)


def take(input: Any, index: Any) -> Any:
    """Elements by position in the flattened tensor.

    >>> torch.take(torch.tensor([[1, 2], [3, 4]]), torch.tensor([3]))
    tensor([4])
    """
    return indexing.take(input, index)


@numpy_names
def index_select(input: Any, dim: int, index: Any) -> Any:
    """Slices by position along `dim`.

    >>> torch.index_select(torch.tensor([[1, 2], [3, 4]]), 1, torch.tensor([1]))
    tensor([[2],
            [4]])
    """
    return indexing.take(input, index, dim)


def select(input: Any, dim: int, index: int) -> Any:
    """The slice at one position along a dimension."""
    axis = dimension(dim, input.ndim, "select")
    return input[(slice(None),) * axis + (int(index),)]


def narrow(input: Any, dim: int, start: Any, length: int) -> Any:
    """`length` positions along a dimension, from `start` on.

    >>> torch.narrow(torch.arange(5), 0, 1, 3)
    tensor([1, 2, 3])
    """
    axis = dimension(dim, input.ndim, "narrow")
    first = int(start)
    return input[(slice(None),) * axis + (slice(first, first + length),)]


def _put(input: Any, place: Any, source: Any, add: bool = False) -> Any:
    write = indexing.add_at if add else indexing.set_item
    return write(input, source, place)


def _scattered(input: Any, dim: int, index: Any, source: Any, add: bool) -> Any:
    positions = raw(index)
    axis = dimension(dim, input.ndim, "scatter")
    if hasattr(source, "ndim") and source.ndim and source.shape != positions.shape:
        source = source[tuple(slice(n) for n in positions.shape)]
    return _put(input, _places(positions, axis), source, add)


def scatter(
    input: Any,
    dim: int,
    index: Any,
    src: Any = None,
    *,
    value: Any = None,
    reduce: str | None = None,
) -> Any:
    """`input` with the elements of `src` at positions along `dim`: the reverse of `gather`.

    >>> torch.zeros(1, 3).scatter(1, torch.tensor([[2]]), 5.0)
    tensor([[0., 0., 5.]])
    """
    if reduce == "add":
        return _scattered(input, dim, index, value if src is None else src, add=True)
    if reduce is not None:
        raise ValueError("scatter: reduce= is None or 'add'; multiplication is not provided")
    return _scattered(input, dim, index, value if src is None else src, add=False)


def scatter_add(input: Any, dim: int, index: Any, src: Any) -> Any:
    """`input` with the elements of `src` added at positions along `dim`.

    >>> torch.zeros(3).scatter_add(0, torch.tensor([0, 0]), torch.tensor([1.0, 2.0]))
    tensor([3., 0., 0.])
    """
    return _scattered(input, dim, index, src, add=True)


def _slices(input: Any, dim: int, index: Any, name: str) -> tuple[Any, ...]:
    axis = dimension(dim, input.ndim, name)
    return (slice(None),) * axis + (raw(index),)


def index_add(input: Any, dim: int, index: Any, source: Any, *, alpha: float = 1) -> Any:
    """`input` with slices of `source` added at positions along `dim`."""
    return _put(
        input,
        _slices(input, dim, index, "index_add"),
        source if alpha == 1 else alpha * source,
        True,
    )


def index_copy(input: Any, dim: int, index: Any, source: Any) -> Any:
    """`input` with slices of `source` at positions along `dim`."""
    return _put(input, _slices(input, dim, index, "index_copy"), source)


def index_fill(input: Any, dim: int, index: Any, value: Any) -> Any:
    """`input` with `value` in the slices at positions along `dim`."""
    return _put(input, _slices(input, dim, index, "index_fill"), value)


def index_put(input: Any, indices: Any, values: Any, accumulate: bool = False) -> Any:
    """`input` with `values` at `indices`, one tensor of positions for each dimension."""
    return _put(input, tuple(raw(i) for i in indices), values, accumulate)


def masked_fill(input: Any, mask: Any, value: Any) -> Any:
    """`input` with `value` where the mask holds.

    >>> torch.masked_fill(torch.tensor([1.0, 2.0]), torch.tensor([True, False]), 0)
    tensor([0., 2.])
    """
    return elementwise.where(mask, value, input)


def masked_select(input: Any, mask: Any) -> Any:
    """The elements where the mask holds, along one dimension.

    >>> torch.masked_select(torch.tensor([1, 2]), torch.tensor([False, True]))
    tensor([2])
    """
    where = raw(mask)
    shape = np.broadcast_shapes(tuple(input.shape), where.shape)
    spread = input if tuple(input.shape) == shape else input.expand(*shape)
    return indexing.getitem(spread, np.broadcast_to(where, shape))


def masked_scatter(input: Any, mask: Any, source: Any) -> Any:
    """`input` with the elements of `source`, in their order, where the mask holds."""
    where = np.broadcast_to(raw(mask), tuple(input.shape))
    return _put(input, where, source.reshape(-1)[: int(where.sum())])


def nonzero(input: Any, *, as_tuple: bool = False) -> Any:
    """Positions of the elements that are not zero, one to a row; or a tensor for each dimension.

    >>> torch.nonzero(torch.tensor([0, 5, 6]))
    tensor([[1],
            [2]])
    """
    found = np.nonzero(np.atleast_1d(raw(input)))
    if as_tuple:
        return tuple(like(input, part) for part in found)
    rows = np.stack(found, 1) if input.ndim else np.zeros((len(found[0]), 0), np.int64)
    return like(input, rows)


def argwhere(input: Any) -> Any:
    """Positions of the elements that are not zero, one to a row."""
    return nonzero(input)


def searchsorted(
    sorted_sequence: Any, input: Any, *, right: bool = False, side: str | None = None
) -> Any:
    """Where elements would be inserted to keep a sequence in order.

    >>> torch.searchsorted(torch.tensor([1, 3, 5]), torch.tensor([3]))
    tensor([1])
    """
    if sorted_sequence.ndim != 1:
        raise ShapeError(
            f"searchsorted: the sequence has {sorted_sequence.ndim} dimensions, where one is needed"
            + at(user_line())
        )
    return selection.searchsorted(sorted_sequence, input, side or ("right" if right else "left"))


def bucketize(input: Any, boundaries: Any, *, right: bool = False) -> Any:
    """The number of the interval between `boundaries` that each element lies in."""
    return selection.searchsorted(boundaries, input, "right" if right else "left")
