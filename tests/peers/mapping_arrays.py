"""PyTorch's reductions, movements, indexing and selections by the names of chainrule's rows."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from peers.comparison import Peer, Unsupported, torch

F = torch.nn.functional

# --- reductions ----------------------------------------------------------------------------------


def axes_of(axis: Any, ndim: int) -> tuple[int, ...]:
    """Axes as a tuple of numbers from 0."""
    if axis is None:
        return tuple(range(ndim))
    return tuple(a % ndim for a in ((axis,) if isinstance(axis, int) else axis))


def over_last(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function of (x, dim) as a reduction over any axes: PyTorch takes one, or `()` for all."""

    def reduction(x: Any, axis: Any = None, keepdims: bool = False, **params: Any) -> Any:
        axes = axes_of(axis, x.ndim)
        kept = [k for k in range(x.ndim) if k not in axes]
        line = x.permute((*kept, *axes)).reshape(
            [x.shape[k] for k in kept] + [math.prod(x.shape[k] for k in axes)]
        )
        y = function(line, -1, **params)
        return (
            y.reshape(
                [
                    *y.shape[: y.ndim - len(kept)],
                    *(1 if k in axes else n for k, n in enumerate(x.shape)),
                ]
            )
            if keepdims
            else y
        )

    return reduction


def over_axes(function: Callable[..., Any]) -> Callable[..., Any]:
    """A PyTorch reduction that takes several axes."""

    def reduction(x: Any, axis: Any = None, keepdims: bool = False, **params: Any) -> Any:
        if axis == () or not x.ndim:  # to PyTorch an empty tuple of axes means all of them
            return function(x[None], dim=(0,), **params)
        return function(x, dim=axes_of(axis, x.ndim), keepdim=keepdims, **params)

    return reduction


def _moment(function: Callable[..., Any]) -> Callable[..., Any]:
    def reduction(
        x: Any,
        axis: Any = None,
        correction: float = 0,
        keepdims: bool = False,
        ddof: float | None = None,
    ) -> Any:
        c = correction if ddof is None else ddof
        return function(x, dim=axes_of(axis, x.ndim), correction=c, keepdim=keepdims)

    return reduction


def _position(function: Callable[..., Any]) -> Callable[..., Any]:
    def reduction(x: Any, axis: int | None = None, keepdims: bool = False) -> Any:
        return function(x, dim=axis, keepdim=keepdims)

    return reduction


def _softmax(function: Callable[..., Any]) -> Callable[..., Any]:
    def normalization(x: Any, axis: Any = -1) -> Any:
        if isinstance(axis, int):
            return function(x, dim=axis)
        axes = axes_of(axis, x.ndim)
        order = [k for k in range(x.ndim) if k not in axes] + list(axes)
        moved = x.permute(order)
        front = x.ndim - len(axes)
        y = function(moved.reshape(*moved.shape[:front], -1), dim=-1).reshape(moved.shape)
        return y.permute([order.index(k) for k in range(x.ndim)])

    return normalization


def _quantile(x: Any, dim: int, q: Any, method: str = "linear") -> Any:
    if method not in ("linear", "lower", "higher", "midpoint", "nearest"):
        raise Unsupported(f"no interpolation {method!r}")
    q = torch.tensor(q, dtype=x.dtype)
    return torch.quantile(x, q.reshape(-1), dim=dim, interpolation=method).reshape(
        q.shape + x.shape[:-1]
    )


def _running(function: Callable[..., Any]) -> Callable[..., Any]:
    def scan(x: Any, axis: int | None = None, include_initial: bool = False) -> Any:
        x, axis = (x.reshape(-1), 0) if axis is None else (x, axis)
        y = function(x, dim=axis)
        y = getattr(y, "values", y) if not isinstance(y, torch.Tensor) else y
        if not include_initial:
            return y
        shape = list(y.shape)
        shape[axis] = 1
        first = torch.full(shape, 1 if function is torch.cumprod else 0, dtype=y.dtype)
        return torch.cat([first, y], dim=axis)

    return scan


def _cov(
    x: Any, y: Any = None, rowvar: bool = True, bias: bool = False, ddof: float | None = None
) -> Any:
    rows = _variables(x, y, rowvar)
    return torch.cov(rows, correction=int(ddof if ddof is not None else 0 if bias else 1))


def _variables(x: Any, y: Any, rowvar: bool) -> Any:
    rows = x if rowvar or x.ndim < 2 else x.T
    return rows if y is None else torch.cat([torch.atleast_2d(rows), torch.atleast_2d(y)])


def _diff(x: Any, n: int = 1, axis: int = -1, prepend: Any = None) -> Any:
    if prepend is not None:
        prepend = torch.full_like(x.narrow(axis, 0, 1), prepend)
    return torch.diff(x, n=n, dim=axis, prepend=prepend)


def _trapezoid(y: Any, x: Any = None, dx: float = 1.0, axis: int = -1) -> Any:
    return torch.trapezoid(y, dx=dx, dim=axis) if x is None else torch.trapezoid(y, x, dim=axis)


REDUCTIONS: dict[str, Peer] = {
    "all": Peer(over_axes(lambda x, dim, keepdim=False: torch.all(x, dim, keepdim))),
    "any": Peer(over_axes(lambda x, dim, keepdim=False: torch.any(x, dim, keepdim))),
    "argmax": Peer(_position(torch.argmax)),
    "argmin": Peer(_position(torch.argmin)),
    "corrcoef": Peer(lambda x, y=None, rowvar=True: torch.corrcoef(_variables(x, y, rowvar))),
    "count_nonzero": Peer(over_last(torch.count_nonzero)),
    "cov": Peer(_cov),
    "cummax": Peer(_running(torch.cummax)),
    "cummin": Peer(_running(torch.cummin)),
    "cumulative_prod": Peer(_running(torch.cumprod)),
    "cumulative_sum": Peer(_running(torch.cumsum)),
    "diff": Peer(_diff),
    "log_softmax": Peer(_softmax(torch.log_softmax)),
    "logcumsumexp": Peer(_running(torch.logcumsumexp)),
    "logsumexp": Peer(over_axes(torch.logsumexp)),
    "max": Peer(over_axes(torch.amax)),
    "mean": Peer(over_axes(torch.mean)),
    "median": Peer(over_last(lambda x, dim: torch.quantile(x, 0.5, dim=dim))),
    "min": Peer(over_axes(torch.amin)),
    "nanmean": Peer(over_axes(torch.nanmean)),
    "nansum": Peer(over_axes(torch.nansum)),
    "percentile": Peer(
        over_last(lambda x, dim, q, **kw: _quantile(x, dim, np.divide(q, 100), **kw))
    ),
    "prod": Peer(over_last(torch.prod)),
    "ptp": Peer(over_axes(lambda x, **kw: torch.amax(x, **kw) - torch.amin(x, **kw))),
    "quantile": Peer(over_last(_quantile)),
    "softmax": Peer(_softmax(torch.softmax)),
    "std": Peer(_moment(torch.std)),
    "sum": Peer(over_axes(torch.sum)),
    "trapezoid": Peer(_trapezoid),
    "var": Peer(_moment(torch.var)),
}

# --- movement ------------------------------------------------------------------------------------


def _reshape(x: Any, shape: Any, order: str = "C") -> Any:
    shape = (shape,) if isinstance(shape, int) else tuple(shape)
    if order == "C":
        return x.reshape(shape)
    turned = x.permute(*range(x.ndim - 1, -1, -1)).reshape(shape[::-1])
    return turned.permute(*range(len(shape) - 1, -1, -1))


def _expand_dims(x: Any, axis: Any) -> Any:
    axes = axes_of(axis, x.ndim + (1 if isinstance(axis, int) else len(axis)))
    for k in sorted(axes):
        x = x.unsqueeze(k)
    return x


def _squeeze(x: Any, axis: Any = None) -> Any:
    return x.squeeze() if axis is None else x.squeeze(axis)


def _repeat(x: Any, repeats: Any, axis: int | None = None) -> Any:
    return torch.repeat_interleave(
        x, repeats if isinstance(repeats, int) else torch.tensor(repeats), dim=axis
    )


def _sections(x: Any, indices_or_sections: Any, axis: int = 0) -> Any:
    return torch.tensor_split(x, indices_or_sections, dim=axis)


def _pad(x: Any, pad_width: Any, mode: str = "constant", constant_values: Any = 0) -> Any:
    width = np.broadcast_to(pad_width, (x.ndim, 2))
    flat = [int(w) for pair in width[::-1] for w in pair]
    if mode == "constant" and np.ndim(constant_values) == 0:
        return F.pad(x, flat, value=constant_values)
    names = {"edge": "replicate", "reflect": "reflect", "wrap": "circular"}
    if (
        mode not in names
        or (mode != "edge" and any(np.asarray(width).max(1) >= x.shape))
        or not x.numel()
    ):
        raise Unsupported(f"no padding {mode!r} as wide as this")
    return F.pad(x[None, None], flat, mode=names[mode])[0, 0]


def _unvec(x: Any, shape: Any) -> Any:
    return x.reshape(*shape[::-1]).T


def _roll(x: Any, shift: Any, axis: Any = None) -> Any:
    return torch.roll(x, shift, axis)


def _tri(function: Callable[..., Any]) -> Callable[..., Any]:
    def triangle(x: Any, k: int = 0) -> Any:
        return function(x if x.ndim > 1 else x.expand(x.shape[0], -1), diagonal=k)

    return triangle


def _put_diagonal(x: Any, shape: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    return torch.diagonal_scatter(torch.zeros(shape, dtype=x.dtype), x, offset, axis1, axis2)


MOVEMENT: dict[str, Peer] = {
    "array_split": Peer(_sections),
    "astype": Peer(lambda x, dtype: x.to(getattr(torch, np.dtype(dtype).name))),
    "atleast_1d": Peer(torch.atleast_1d),
    "atleast_2d": Peer(torch.atleast_2d),
    "atleast_3d": Peer(torch.atleast_3d),
    "block_diag": Peer(torch.block_diag),
    "broadcast_arrays": Peer(torch.broadcast_tensors),
    "broadcast_to": Peer(lambda x, shape: torch.broadcast_to(x, shape)),
    "column_stack": Peer(torch.column_stack),
    "concat": Peer(
        lambda xs, axis=0: (
            torch.cat(xs, axis) if axis is not None else torch.cat([x.reshape(-1) for x in xs])
        )
    ),
    "copy": Peer(torch.clone),
    "diag": Peer(lambda x, k=0: torch.diag(x, k)),
    "diagflat": Peer(lambda x, k=0: torch.diagflat(x, k)),
    "diagonal": Peer(lambda x, offset=0, axis1=0, axis2=1: torch.diagonal(x, offset, axis1, axis2)),
    "dsplit": Peer(lambda x, indices_or_sections: torch.dsplit(x, indices_or_sections)),
    "dstack": Peer(torch.dstack),
    "expand_dims": Peer(_expand_dims),
    "fftshift": Peer(lambda x, axes=None: torch.fft.fftshift(x, axes)),
    "flatten": Peer(lambda x, start_axis=0, end_axis=-1: torch.flatten(x, start_axis, end_axis)),
    "flip": Peer(lambda x, axis=None: torch.flip(x, axes_of(axis, x.ndim))),
    "fliplr": Peer(torch.fliplr),
    "flipud": Peer(torch.flipud),
    "hsplit": Peer(lambda x, indices_or_sections: torch.hsplit(x, indices_or_sections)),
    "hstack": Peer(torch.hstack),
    "ifftshift": Peer(lambda x, axes=None: torch.fft.ifftshift(x, axes)),
    "matrix_transpose": Peer(lambda x: x.mT),
    "meshgrid": Peer(lambda *xs, indexing="xy": torch.meshgrid(*xs, indexing=indexing)),
    "moveaxis": Peer(torch.moveaxis),
    "pad": Peer(_pad),
    "permute_dims": Peer(lambda x, axes=None: x.permute(axes or tuple(range(x.ndim))[::-1])),
    "put_diagonal": Peer(_put_diagonal),
    "ravel": Peer(lambda x, order="C": torch.ravel(x if order == "C" else x.T)),
    "repeat": Peer(_repeat),
    "reshape": Peer(_reshape),
    "roll": Peer(_roll),
    "rot90": Peer(lambda x, k=1, axes=(0, 1): torch.rot90(x, k, axes)),
    "split": Peer(_sections),
    "squeeze": Peer(_squeeze),
    "stack": Peer(lambda xs, axis=0: torch.stack(xs, axis)),
    "swapaxes": Peer(lambda x, axis1, axis2: torch.swapaxes(x, axis1, axis2)),
    "tile": Peer(lambda x, reps: torch.tile(x, (reps,) if isinstance(reps, int) else reps)),
    "trace": Peer(
        lambda x, offset=0, axis1=0, axis2=1: torch.diagonal(x, offset, axis1, axis2).sum(-1)
    ),
    "tril": Peer(_tri(torch.tril)),
    "triu": Peer(_tri(torch.triu)),
    "unstack": Peer(lambda x, axis=0: torch.unbind(x, axis)),
    "unvec": Peer(_unvec),
    "vec": Peer(lambda x: x.T.reshape(-1) if x.ndim > 1 else x),
    "vsplit": Peer(lambda x, indices_or_sections: torch.vsplit(x, indices_or_sections)),
    "vstack": Peer(torch.vstack),
}

# --- indexing and selection -----------------------------------------------------------------------


def _index(index: Any) -> Any:
    """The index as PyTorch takes it. Next to an array an integer is one too, as in NumPy."""
    parts = index if isinstance(index, tuple) else (index,)
    if any(isinstance(p, slice) and (p.step or 1) < 0 for p in parts):
        raise Unsupported("no slices with a negative step")
    shapes = [np.shape(p) for p in parts if isinstance(p, np.ndarray) and p.dtype != bool]
    if shapes:  # a tensor without axes would be taken for an integer
        shape = np.broadcast_shapes(*shapes)
        parts = tuple(np.full(shape, p) if isinstance(p, int) else p for p in parts)
    return tuple(torch.tensor(p) if isinstance(p, np.ndarray) else p for p in parts)


def _positions(shape: Any, index: Any) -> Any:
    return torch.tensor(np.arange(math.prod(shape)).reshape(shape)[index].copy())


def _put(g: Any, index: Any, shape: Any) -> Any:
    place = _positions(shape, index)
    flat = torch.zeros(math.prod(shape), dtype=g.dtype)
    return flat.index_put((place,), g.expand(place.shape), accumulate=True).reshape(shape)


def _add_at(x: Any, value: Any, index: Any) -> Any:
    place = _positions(x.shape, index)
    return (
        x.reshape(-1)
        .index_put((place,), value.expand(place.shape), accumulate=True)
        .reshape(x.shape)
    )


def _set_item(x: Any, value: Any, index: Any) -> Any:
    place = _positions(x.shape, index)
    if place.unique().numel() < place.numel():
        raise Unsupported("which write to an element wins is not defined")
    out = x.clone()
    out[_index(index)] = value
    return out


def _take(x: Any, indices: Any, axis: int | None = None, mode: str = "raise") -> Any:
    if mode != "raise":
        raise Unsupported("no modes")
    if axis is None:
        return torch.take(x, indices)
    y = torch.index_select(x, axis, indices.reshape(-1))
    axis %= x.ndim
    return y.reshape(*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :])


def _scatter_add(
    g: Any, indices: Any, shape: Any, axis: int | None = None, mode: str = "raise"
) -> Any:
    if mode != "raise":
        raise Unsupported("no modes")
    if axis is None:
        return (
            torch.zeros(math.prod(shape), dtype=g.dtype)
            .index_add(0, indices.reshape(-1), g.reshape(-1))
            .reshape(shape)
        )
    return torch.zeros(shape, dtype=g.dtype).index_add(axis, indices % shape[axis], g)


def _take_along(x: Any, indices: Any, axis: int | None = -1) -> Any:
    indices = torch.where(
        indices < 0, indices + (x.numel() if axis is None else x.shape[axis]), indices
    )
    return torch.take_along_dim(x, indices, dim=axis)


def _add_along(g: Any, indices: Any, shape: Any, axis: int | None = -1) -> Any:
    if axis is None:
        indices = indices % math.prod(shape)
        return (
            torch.zeros(math.prod(shape), dtype=g.dtype).scatter_add(0, indices, g).reshape(shape)
        )
    full = [n if k != axis % len(shape) else indices.shape[k] for k, n in enumerate(shape)]
    return torch.zeros(shape, dtype=g.dtype).scatter_add(
        axis, (indices % shape[axis]).expand(full), g.expand(full)
    )


def _put_along(x: Any, indices: Any, values: Any, axis: int = -1) -> Any:
    full = [n if k != axis % x.ndim else indices.shape[k] for k, n in enumerate(x.shape)]
    return torch.scatter(x, axis, indices.expand(full), values.expand(full))


def _sort(x: Any, axis: int | None = -1, descending: bool = False) -> Any:
    x, axis = (x.reshape(-1), 0) if axis is None else (x, axis)
    return torch.sort(x, dim=axis, descending=descending, stable=True)


def _compress(condition: Any, x: Any, axis: int | None = None) -> Any:
    places = torch.nonzero(condition).reshape(-1)
    return torch.take(x, places) if axis is None else torch.index_select(x, axis, places)


def _unique(*which: str) -> Callable[..., Any]:
    def distinct(x: Any) -> Any:
        values, inverse, counts = torch.unique(x, return_inverse=True, return_counts=True)
        found = {"values": values, "inverse": inverse, "counts": counts}
        return tuple(found[w] for w in which) if len(which) > 1 else values

    return distinct


SELECTION: dict[str, Peer] = {
    "add_along_axis": Peer(_add_along),
    "add_at": Peer(_add_at),
    "argsort": Peer(lambda x, **kw: _sort(x, **kw).indices),
    "argwhere": Peer(torch.argwhere),
    "compress": Peer(_compress),
    "digitize": Peer(
        lambda x, bins, right=False: torch.bucketize(x.detach(), bins, right=not right)
    ),
    "extract": Peer(lambda condition, x: torch.masked_select(x, condition)),
    "flatnonzero": Peer(lambda x: torch.nonzero(x.reshape(-1)).reshape(-1)),
    "gather_positions": Peer(torch.take),
    "getitem": Peer(lambda x, index: x[_index(index)]),
    "isin": Peer(torch.isin),
    "nonzero": Peer(lambda x: torch.nonzero(x, as_tuple=True)),
    "put": Peer(_put),
    "put_along_axis": Peer(_put_along),
    "scatter_add": Peer(_scatter_add),
    "scatter_positions": Peer(
        lambda x, places, shape: (
            torch.zeros(math.prod(shape), dtype=x.dtype)
            .index_add(0, places.reshape(-1), x.reshape(-1))
            .reshape(shape)
        )
    ),
    "searchsorted": Peer(lambda a, v, side="left": torch.searchsorted(a, v, side=side)),
    "set_item": Peer(_set_item),
    "sort": Peer(lambda x, **kw: _sort(x, **kw).values),
    "take": Peer(_take),
    "take_along_axis": Peer(_take_along),
    "topk": Peer(lambda x, k, axis=-1, largest=True: torch.topk(x, k, dim=axis, largest=largest)),
    "unique": Peer(_unique("values"), missing=(0,)),
    "unique_counts": Peer(_unique("values", "counts"), missing=(0,)),
    "unique_inverse": Peer(_unique("values", "inverse"), missing=(0,)),
    "unique_values": Peer(_unique("values"), missing=(0,)),
}
