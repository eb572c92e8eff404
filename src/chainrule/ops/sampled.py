"""Rows about sampled functions: interpolation, differences, phases, and histograms."""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.ops.axes import Axis, along, axes_of, operand, real_operand
from chainrule.ops.batched import over_axes
from chainrule.ops.cumulative import diff
from chainrule.ops.indexing import scatter_add, take
from chainrule.ops.joining import concat
from chainrule.ops.movement import astype, ravel, reshape
from chainrule.ops.native import along_last, give_up, last_axis, loops
from chainrule.ops.order_loops import place as place_of
from chainrule.ops.recording import numbers, raw
from chainrule.ops.table import ZERO, S, composite, operation

# --- interpolation -------------------------------------------------------------------------------

_KNOTS = np.array([0.0, 0.5, 1.0, 2.5])


def _points(rng: np.random.Generator) -> Any:
    return np.array([-0.7, 0.2, 0.8, 1.9, 3.1])


@composite(
    samples=[
        S(_points, lambda _: _KNOTS, (4,)),
        S(lambda _: 0.7, lambda _: _KNOTS, (4,)),
        S(_points, lambda _: _KNOTS, (4,), left=1.0, right=2.0),
        S(_points, lambda _: [2.5, 0.0, 1.0, 0.5], (4,), period=3.0),
        S(_points, lambda _: [1.0], (1,)),
    ],
    numpy=(np.interp,),
)
def interp(
    x: Any, xp: Any, fp: Any, left: Any = None, right: Any = None, period: float | None = None
) -> Any:
    """The broken line through the points (xp, fp), xp increasing, at x.

    Outside it is `left` and `right`, by default the first and last fp; or it has a period.
    Differentiable in x, xp and fp; at a knot, in x, with the slope to its right.

    >>> cr.interp(cr.tensor([0.5, 3.0]), [0.0, 1.0, 2.0], [0.0, 10.0, 30.0])
    tensor([ 5., 30.])
    """
    x, xp, fp = real_operand(x, "interp"), real_operand(xp, "interp"), operand(fp, "interp")
    if xp.ndim != 1 or fp.ndim != 1 or xp.shape != fp.shape or not xp.shape[0]:
        raise ValueError(
            f"interp: points of shapes {list(xp.shape)} and {list(fp.shape)}: they are two vectors "
            "of the same size, which is not zero"
        )
    if period is not None:
        if not period:
            raise ValueError("interp: the period is not zero")
        x, xp = x % abs(period), xp % abs(period)
        order = np.argsort(raw(xp))
        xp, fp = take(xp, order), take(fp, order)
        xp = concat([xp[-1:] - abs(period), xp, xp[:1] + abs(period)], 0)
        fp = concat([fp[-1:], fp, fp[:1]], 0)
        left = right = None
    n = xp.shape[0]
    below, above = raw(x) < raw(xp)[0], raw(x) > raw(xp)[-1]
    y = _on_line(x, xp, fp, n) if n > 1 else fp[0] + x * 0
    y = np.where(above, fp[-1] if right is None else right, y)
    return np.where(below, fp[0] if left is None else left, y)


def _on_line(x: Any, xp: Any, fp: Any, n: int) -> Any:
    k = np.clip(np.searchsorted(raw(xp), raw(x), "right") - 1, 0, n - 2)
    slope = (take(fp, k + 1) - take(fp, k)) / (take(xp, k + 1) - take(xp, k))
    return slope * (x - take(xp, k)) + take(fp, k)


# --- differences ---------------------------------------------------------------------------------


@composite(
    samples=[S((4,)), S((2, 3), to_begin=1.0), S((3,), to_end=[1.0, 2.0])], numpy=(np.ediff1d,)
)
def ediff1d(x: Any, to_end: Any = None, to_begin: Any = None) -> Any:
    """Differences between consecutive elements of x as a vector, with values before and after.

    >>> cr.ediff1d(cr.tensor([1.0, 2.0, 4.0]), to_begin=0.0)
    tensor([0., 1., 2.])
    """
    d = diff(ravel(operand(x, "ediff1d")))
    parts = [d]
    for place, given in ((0, to_begin), (1, to_end)):
        if given is None:
            continue
        value = ravel(operand(given, "ediff1d"))
        if not np.can_cast(value.dtype, d.dtype, "same_kind"):
            raise TypeError(f"ediff1d: {value.dtype} cannot stand among differences of {d.dtype}")
        parts.insert(place * len(parts), astype(value, d.dtype))
    return concat(parts, 0) if len(parts) > 1 else d


@composite(
    samples=[
        S((5,)),
        S((3, 4), axis=1),
        S((4, 5), edge_order=2, axis=0),
    ],
    numpy=(np.gradient,),
)
def gradient(f: Any, *varargs: Any, axis: Axis = None, edge_order: int = 1) -> Any:
    """Slopes of a sampled function along each axis, or those given, by differences.

    They are second-order accurate inside, and one-sided of order `edge_order` at the edges. Further
    arguments are a spacing for all axes, or for each a spacing or the positions of the samples.
    This is `numpy.gradient`; the exact derivative of a program is `grad`.

    >>> cr.gradient(cr.tensor([1.0, 2.0, 4.0, 7.0]))
    tensor([1.0000, 1.5000, 2.5000, 3.0000])
    """
    f = operand(f, "gradient")
    if f.dtype.kind not in "fc":
        f = astype(f, np.float64)
    axes = axes_of(axis, f.ndim)
    if edge_order not in (1, 2):
        raise ValueError(f"gradient: edge_order is 1 or 2, not {edge_order!r}")
    if len(varargs) not in (0, 1, len(axes)):
        raise TypeError(f"gradient: {len(varargs)} spacings for {len(axes)} axes")
    spacings = varargs or (1.0,)
    if len(spacings) == 1:
        if len(axes) > 1 and np.ndim(raw(spacings[0])):
            raise ValueError("gradient: positions are given for each axis, or a spacing for all")
        spacings *= len(axes)
    slopes = [_slope(f, h, k, edge_order) for h, k in zip(spacings, axes, strict=True)]
    return (
        slopes[0]
        if len(slopes) == 1
        and np.ndim(axis if axis is not None else 0) == 0
        and (axis is not None or f.ndim == 1)
        else tuple(slopes)
    )


def _slope(f: Any, h: Any, axis: int, edge_order: int) -> Any:
    n, h = f.shape[axis], operand(h, "gradient")
    if n < edge_order + 1:
        raise ValueError(f"gradient: {n} samples along axis {axis}; {edge_order + 1} are needed")
    if h.ndim > 1 or (h.ndim == 1 and h.shape[0] != n):
        raise ValueError(f"gradient: positions of shape {list(h.shape)} for {n} samples")
    steps = diff(h) if h.ndim else h + np.zeros(n - 1)

    def piece(a: int | None, b: int | None) -> Any:
        return f[along(axis, f.ndim, slice(a, b))]

    def width(v: Any) -> Any:
        return reshape(v, [-1 if k == axis else 1 for k in range(f.ndim)])

    parts = [_edge(piece, steps, edge_order, width, first=True)]
    if n > 2:
        a, b = width(steps[:-1]), width(steps[1:])
        parts.append(
            -b / (a * (a + b)) * piece(None, -2)
            + (b - a) / (a * b) * piece(1, -1)
            + a / (b * (a + b)) * piece(2, None)
        )
    parts.append(_edge(piece, steps, edge_order, width, first=False))
    return astype(concat(parts, axis), f.dtype)


def _edge(piece: Any, steps: Any, order: int, width: Any, *, first: bool) -> Any:
    """The one-sided slope at an edge."""
    if order == 1:
        if first:
            return (piece(1, 2) - piece(0, 1)) / width(steps[:1])
        return (piece(-1, None) - piece(-2, -1)) / width(steps[-1:])
    if first:
        a, b, sign = width(steps[:1]), width(steps[1:2]), 1
        one, two, three = piece(0, 1), piece(1, 2), piece(2, 3)
    else:
        a, b, sign = width(steps[-1:]), width(steps[-2:-1]), -1
        one, two, three = piece(-1, None), piece(-2, -1), piece(-3, -2)
    return sign * (
        -(2 * a + b) / (a * (a + b)) * one + (a + b) / (a * b) * two - a / (b * (a + b)) * three
    )


def _unwrapped(y: Any, p: Any, discont: Any, period: Any) -> None:
    half = period / 2
    least = half if discont is None else discont
    total = 0.0
    y[0] = p[0]
    for i in range(1, len(p)):
        step = p[i] - p[i - 1]
        inside = np.remainder(step + half, period) - half
        if inside == -half and step > 0:
            inside = 0.0 * step + half
        if not abs(step) < least:
            total += inside - step
        y[i] = p[i] + total


def _is_real(p: Any, axis: int, **_: Any) -> bool:
    return p.dtype.kind == "f" and last_axis(p, axis=axis)


@operation(
    reverse=(lambda ct, _y, _p, **_: ct,),
    samples=[
        S(lambda rng: np.cumsum(rng.uniform(-4.0, 4.0, 6))),
        S(lambda rng: rng.uniform(-9.0, 9.0, (3, 4)), axis=0),
        S(lambda rng: rng.uniform(0.0, 9.0, 5), period=3.0),
    ],
    numpy=(np.unwrap,),
    batch=over_axes("axis"),
    expand=along_last("unwrap"),
    native=loops(_unwrapped, fits=_is_real),
)
def unwrap(
    p: Any, discont: float | None = None, axis: int = -1, *, period: float = 2 * np.pi
) -> Any:
    """Phases with multiples of a period added such that no step is larger than half of it.

    >>> cr.unwrap(cr.tensor([0.0, 3.0, 6.0]), period=4.0)
    tensor([ 0., -1., -2.])
    """
    return np.unwrap(p, discont, axis, period=period)


# --- counts --------------------------------------------------------------------------------------


@composite(
    samples=[
        S(lambda _: [0, 2, 2]),
        S(lambda _: [0, 2, 2], (3,)),
        S(lambda _: [0, 2, 2], (3,), minlength=5),
    ],
    numpy=(np.bincount,),
)
def bincount(x: Any, weights: Any = None, minlength: int = 0) -> Any:
    """How often each integer from 0 occurs in x, or the sum of the weights with which it does.

    >>> cr.bincount([0, 2, 2], cr.tensor([1.0, 2.0, 3.0]))
    tensor([1., 0., 5.])
    """
    if weights is None:
        return occurrences(x, minlength=minlength)
    places = np.asarray(numbers(x))
    n = len(np.bincount(places, minlength=minlength))  # complains of what is no bin
    return scatter_add(real_operand(weights, "bincount"), places, (n,))


@operation(
    shape="the largest element says how many counts there are",
    differentiable=False,
    samples=[S(lambda _: [0, 2, 2])],
)
def occurrences(x: Any, minlength: int = 0) -> Any:
    """How often each integer from 0 occurs in x."""
    return np.bincount(x, minlength=minlength)


def _occupancy(y: Any, x: Any, edges: Any) -> None:
    """Edges must rise."""
    n = len(y)
    for i in range(n):
        if not edges[i] <= edges[i + 1]:
            give_up()
        y[i] = 0
    for k in range(len(x)):
        wanted = x[k]
        if wanted >= edges[0] and wanted <= edges[n]:
            y[min(place_of(edges, wanted, False, True), n) - 1] += 1


def _occupied(x: Any, edges: Any) -> Any:
    """Of a vector."""
    return None if x.ndim == 1 else occupancy(x.reshape(-1), edges)


def _are_lines(x: Any, edges: Any) -> bool:
    return len(x.shape) == len(edges.shape) == 1


@operation(
    reverse=(ZERO, ZERO),
    arity=2,
    differentiable=False,
    samples=[S((5,), lambda _: np.array([-1.0, 0.0, 2.0]))],
    expand=_occupied,
    native=loops(_occupancy, dtype="common", fits=_are_lines),
)
def occupancy(x: Any, edges: Any) -> Any:
    """How many elements of x fall between each two neighboring edges, the last included."""
    return np.histogram(x, edges)[0]


@composite(
    samples=[
        S((9,), range=(-2.5, 2.5), bins=4),
        S((9,), bins=3, density=True),
    ],
    numpy=(np.histogram,),
)
def histogram(
    x: Any, bins: Any = 10, range: Any = None, density: Any = None, weights: Any = None
) -> tuple[Any, Any]:
    """Counts of the elements of x in bins, or sums of their weights, and the edges of the bins.

    Differentiable in the weights, and in the edges where they are computed from x. The counts as
    functions of x are constant where they have a derivative.

    >>> cr.histogram(cr.tensor([0.1, 0.2, 0.9]), bins=2, range=(0, 1))
    (tensor([2, 1]), tensor([0.0000, 0.5000, 1.0000]))
    """
    x = ravel(real_operand(x, "histogram"))
    edges = histogram_bin_edges(x, bins, range)
    if weights is None:
        counts = occupancy(x, edges)
    else:
        counts = _weighed(numbers(x), numbers(edges), ravel(operand(weights, "histogram")))
    if density:
        counts = counts / np.add.reduce(counts) / diff(edges)
        counts = astype(counts, edges.dtype) if edges.dtype.kind == "f" else counts
    return counts, edges


def _weighed(x: Any, edges: Any, weights: Any) -> Any:
    """Sums of the weights of the elements in each bin."""
    place = np.searchsorted(edges, x, "right") - 1
    place = np.where(x == edges[-1], len(edges) - 2, place)
    inside = np.flatnonzero((x >= edges[0]) & (x <= edges[-1]))
    return scatter_add(take(weights, inside), place[inside], (len(edges) - 1,))


@composite(
    samples=[S((5,), bins=3), S((5,), bins=2, range=(0.0, 1.0))], numpy=(np.histogram_bin_edges,)
)
def histogram_bin_edges(x: Any, bins: Any = 10, range: Any = None, weights: Any = None) -> Any:
    """The edges of the bins that `histogram` counts in: from the smallest to the largest element.

    >>> cr.histogram_bin_edges(cr.tensor([1.0, 3.0]), bins=2)
    tensor([1., 2., 3.])
    """
    x = ravel(real_operand(x, "histogram_bin_edges"))
    edges = np.histogram_bin_edges(numbers(x), numbers(bins), range, numbers(weights))
    if not isinstance(bins, (int, np.integer, str)):
        return operand(bins, "histogram_bin_edges") + x[:0].sum()
    low, high = x[:0].sum() + edges[0], x[:0].sum() + edges[-1]
    if (
        range is None
        and x.shape[0]
        and edges[0] == numbers(x).min()
        and edges[-1] == numbers(x).max()
    ):
        low, high = np.min(x), np.max(x)
    n = len(edges) - 1
    if low.dtype.kind != "f":
        return edges + x[:0].sum()
    rate = np.arange(n + 1, dtype=edges.dtype) / n
    return astype(low * (1 - rate) + high * rate, edges.dtype)
