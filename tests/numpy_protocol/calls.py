"""NumPy functions that an operation answers for, each called in several ways.

A call is a function of arrays and the arrays it is called with: shapes, drawn in (0.3, 1.7), or
arrays. It is written with NumPy's own names only.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np


class C(NamedTuple):
    """One call."""

    call: Callable[..., Any]
    operands: tuple[Any, ...]
    differentiable: bool = True
    """Whether the result depends on the operands so that it has a gradient."""


def c(call: Callable[..., Any], *operands: Any) -> C:
    """A call with a gradient."""
    return C(call, operands)


def n(call: Callable[..., Any], *operands: Any) -> C:
    """A call without: of integers, booleans, or values that do not depend on the operands."""
    return C(call, operands, differentiable=False)


GAPS = np.array([[0.5, np.nan, 1.5, 0.25], [np.nan, 2.0, 1.0, 3.0], [0.75, 1.25, np.nan, 0.1]])
MASK = np.array([[True, False, True, True], [False, True, True, False], [True, True, True, False]])
SPD = np.array([[4.0, 1.0, 0.5], [1.0, 3.0, 0.2], [0.5, 0.2, 2.0]])
ZS = np.array([1.0 + 2.0j, -0.5 + 1.0j, 2.0 - 1.0j])
STEPS = np.array([0.0, 3.0, 6.5, 9.0, 11.0])
ROW = np.array([True, False, True, True])


def reduction(f: Any, keep: bool = True) -> list[C]:
    """Signatures that reductions share."""
    calls = [c(f, (3, 4)), c(lambda x: f(x, 0), (3, 4)), c(lambda x: f(x, axis=-1), (2, 3, 4))]
    if keep:
        calls += [
            c(lambda x: f(x, axis=1, keepdims=True), (3, 4)),
            c(lambda x: f(x, keepdims=np._NoValue), (3, 4)),
        ]
    return calls


def with_mask(f: Any) -> list[C]:
    """Reductions with `where=`."""
    return [
        c(lambda x: f(x, where=MASK), (3, 4)),
        c(lambda x: f(x, axis=0, where=MASK, keepdims=True), (3, 4)),
        c(lambda x: f(x, axis=1, where=ROW), (3, 4)),
    ]


def moment(f: Any) -> list[C]:
    """Signatures of variances."""
    return [
        c(lambda x: f(x, 1, None, None, 1), (3, 4)),
        c(lambda x: f(x, axis=0, ddof=1, keepdims=True), (3, 4)),
        c(lambda x: f(x, axis=0, correction=1), (3, 4)),
        c(lambda x: f(x, axis=1, mean=np.mean(x, axis=1, keepdims=True)), (3, 4)),
        c(lambda x: f(x, axis=1, ddof=1, where=MASK), (3, 4)),
    ]


CALLS: dict[str, list[C]] = {
    # --- reductions
    "sum": [
        *reduction(np.sum),
        c(lambda x: np.sum(x, 0, None, None, True), (3, 4)),
        c(lambda x: np.sum(x, None, np.float64), (3, 4)),
        c(lambda x: np.sum(x, axis=(0, 1), initial=2.0), (3, 4)),
        c(lambda x, i: np.sum(x, axis=0, initial=i), (3, 4), ()),
        *with_mask(np.sum),
    ],
    "prod": [
        *reduction(np.prod),
        *with_mask(np.prod),
        c(lambda x: np.prod(x, 0, None, None, True, 3.0), (3, 4)),
    ],
    "mean": [*reduction(np.mean), *with_mask(np.mean), c(lambda x: np.mean(a=x, axis=0), (3, 4))],
    "var": [*reduction(np.var), *moment(np.var)],
    "std": [*reduction(np.std), *moment(np.std)],
    "amax": [c(lambda x: np.amax(x, 0), (3, 4))],
    "amin": [c(lambda x: np.amin(x, 0), (3, 4))],
    "around": [n(np.around, (3,))],
    "max": [
        *reduction(np.max),
        c(lambda x: np.max(x, 1, None, True, 1.0), (3, 4)),
        c(lambda x: np.max(x, axis=0, initial=0.5, where=MASK), (3, 4)),
        n(lambda x: np.max(x, initial=2.0), (0,)),
    ],
    "min": [*reduction(np.min), c(lambda x: np.min(x, initial=1.0, where=MASK, axis=1), (3, 4))],
    "any": [n(lambda x: np.any(x > 1, 0), (3, 4)), n(lambda x: np.any(x, where=MASK), (3, 4))],
    "all": [n(lambda x: np.all(x > 1, 0), (3, 4)), n(lambda x: np.all(x > 1, where=MASK), (3, 4))],
    "ptp": reduction(np.ptp),
    "average": [
        *reduction(np.average, keep=False),
        c(lambda x, w: np.average(x, 1, w), (3, 4), (4,)),
        c(lambda x, w: np.average(x, 0, weights=w, keepdims=True), (3, 4), (3, 4)),
        c(lambda x, w: np.average(x, weights=w, axis=1, returned=True), (3, 4), (4,)),
    ],
    "median": [*reduction(np.median), c(lambda x: np.median(x, 0, None, False, True), (3, 4))],
    "quantile": [
        c(lambda x: np.quantile(x, 0.3), (3, 4)),
        c(lambda x: np.quantile(x, [0.1, 0.8], 0, None, False, "linear", True), (3, 4)),
        c(lambda x: np.quantile(x, 0.3, axis=1, method="midpoint"), (3, 4)),
    ],
    "percentile": [
        c(lambda x: np.percentile(x, 30), (3, 4)),
        c(lambda x: np.percentile(x, [10, 80], axis=0, keepdims=True), (3, 4)),
    ],
    "count_nonzero": [n(lambda x: np.count_nonzero(x, axis=0), (3, 4))],
    "argmax": [n(lambda x: np.argmax(x, 0), (3, 4)), n(lambda x: np.argmax(x), (3, 4))],
    "argmin": [n(lambda x: np.argmin(x, axis=1, keepdims=True), (3, 4))],
    "trapezoid": [
        c(np.trapezoid, (5,)),
        c(lambda y, x: np.trapezoid(y, x, axis=0), (5, 2), (5,)),
        c(lambda y: np.trapezoid(y, None, 0.5, 0), (3, 4)),
    ],
    "cov": [
        c(np.cov, (3, 5)),
        c(lambda x, y: np.cov(x, y, bias=True), (4,), (4,)),
        c(lambda x: np.cov(x, None, False, False, 0), (5, 3)),
    ],
    "corrcoef": [c(np.corrcoef, (3, 5)), c(lambda x: np.corrcoef(x, rowvar=False), (5, 2))],
    # --- passing over NaN
    **{
        name: [
            c(lambda x, f=f: f(x), GAPS),
            c(lambda x, f=f: f(x, axis=0), GAPS),
            c(lambda x, f=f: f(x, axis=1, keepdims=True), GAPS),
        ]
        for name, f in {
            "nansum": np.nansum, "nanprod": np.nanprod, "nanmean": np.nanmean,
            "nanvar": np.nanvar, "nanstd": np.nanstd, "nanmax": np.nanmax, "nanmin": np.nanmin,
            "nanmedian": np.nanmedian,
        }.items()
    },
    "nancumsum": [c(lambda x: np.nancumsum(x), GAPS), c(lambda x: np.nancumsum(x, 1), GAPS)],
    "nancumprod": [c(lambda x: np.nancumprod(x, axis=0), GAPS)],
    "nanquantile": [
        c(lambda x: np.nanquantile(x, 0.3), GAPS),
        c(lambda x: np.nanquantile(x, [0.2, 0.9], 1, keepdims=True), GAPS),
    ],
    "nanpercentile": [c(lambda x: np.nanpercentile(x, 30, axis=0), GAPS)],
    "nanargmax": [n(lambda x: np.nanargmax(x, 0), GAPS)],
    "nanargmin": [n(lambda x: np.nanargmin(x, axis=1), GAPS)],
    "nan_to_num": [
        c(lambda x: np.nan_to_num(x), GAPS),
        c(lambda x: np.nan_to_num(x, nan=2.0), GAPS),
        c(lambda x: np.nan_to_num(x, True, 1.0), GAPS),
    ],
    # --- running
    "cumsum": [c(np.cumsum, (3, 4)), c(lambda x: np.cumsum(x, 0, np.float64), (3, 4))],
    "cumprod": [c(np.cumprod, (3, 4)), c(lambda x: np.cumprod(x, axis=1), (3, 4))],
    "cumulative_sum": [c(lambda x: np.cumulative_sum(x, axis=0, include_initial=True), (3, 4))],
    "cumulative_prod": [c(lambda x: np.cumulative_prod(x, axis=1), (3, 4))],
    "diff": [
        c(np.diff, (5,)),
        c(lambda x: np.diff(x, 2, 0), (4, 3)),
        c(lambda x: np.diff(x, prepend=0.0, append=[1.0, 2.0]), (5,)),
    ],
    "ediff1d": [c(np.ediff1d, (2, 3)), c(lambda x, a: np.ediff1d(x, a, 1.0), (4,), (2,))],
    "gradient": [
        c(np.gradient, (5,)),
        c(np.gradient, (3, 4)),
        c(lambda f: np.gradient(f, 0.5, axis=1), (3, 4)),
        c(lambda f: np.gradient(f, 0.5, STEPS[:4], edge_order=2), (3, 4)),
        c(lambda f, x: np.gradient(f, np.cumsum(x), edge_order=2), (5,), (5,)),
        c(lambda f: np.gradient(f, axis=(0,)), (3, 4)),
        c(lambda f: np.gradient(f), (2,)),
    ],
    "unwrap": [
        c(np.unwrap, STEPS),
        c(lambda p: np.unwrap(p, None, 0), (4, 2)),
        c(lambda p: np.unwrap(p, discont=4.0, period=5), STEPS),
    ],
    "interp": [
        c(lambda x, fp: np.interp(x, STEPS, fp), (4,), (5,)),
        c(lambda x, xp, fp: np.interp(x, np.cumsum(xp), fp, -1.0, 1.0), (4,), (4,), (4,)),
        c(lambda x, fp: np.interp(x, [3.0, 1.0, 2.0], fp, period=4), np.array([-1.5, 7.2]), (3,)),
        c(lambda x, fp: np.interp(x, [1.0], fp), (3,), (1,)),
    ],
    # --- polynomials
    "polyval": [c(np.polyval, (3,), (4,)), c(lambda x: np.polyval([1.0, 2.0], x), (2, 2))],
    "polyadd": [c(np.polyadd, (3,), (2,))],
    "polysub": [c(np.polysub, (2,), (4,))],
    "polymul": [c(np.polymul, (2,), (3,))],
    "polydiv": [c(np.polydiv, (4,), (2,)), c(np.polydiv, (2,), (3,))],
    "polyder": [c(np.polyder, (4,)), c(lambda p: np.polyder(p, 2), (4,))],
    "polyint": [c(np.polyint, (3,)), c(lambda p, k: np.polyint(p, 2, k), (3,), (2,))],
    "polyfit": [
        c(lambda x, y: np.polyfit(x, y, 1), (5,), (5,)),
        c(lambda y, w: np.polyfit(STEPS, y, 2, w=w), (5, 2), (5,)),
        c(lambda y: np.polyfit(STEPS, y, 1, cov=True), (5,)),
        c(lambda y: np.polyfit(STEPS, y, 1, cov="unscaled"), (5,)),
    ],
    "poly": [c(np.poly, (3,)), c(lambda a: np.poly(a), SPD)],
    "roots": [
        c(lambda p: np.roots(p), np.array([1.0, -6.0, 11.0, -6.0])),
        c(lambda p: np.roots(p), np.array([2.0, 1.0])),
    ],
    "vander": [c(np.vander, (4,)), c(lambda x: np.vander(x, 3, True), (4,))],
    # --- shapes
    "reshape": [
        c(lambda x: np.reshape(x, (4, 3)), (3, 4)),
        c(lambda x: np.reshape(x, -1, "F"), (3, 4)),
        c(lambda x: np.reshape(x, shape=(2, 6), order="C"), (3, 4)),
    ],
    "ravel": [c(np.ravel, (3, 4)), c(lambda x: np.ravel(x, "F"), (3, 4))],
    "expand_dims": [c(lambda x: np.expand_dims(x, (0, 2)), (3,))],
    "squeeze": [c(np.squeeze, (1, 3, 1)), c(lambda x: np.squeeze(x, axis=0), (1, 3, 1))],
    "broadcast_to": [c(lambda x: np.broadcast_to(x, (2, 3), subok=True), (3,))],
    "broadcast_arrays": [c(lambda x, y: np.broadcast_arrays(x, y, subok=False), (3,), (2, 1))],
    "atleast_1d": [c(np.atleast_1d, ()), c(lambda x, y: np.atleast_1d(x, y), (), (2,))],
    "atleast_2d": [c(np.atleast_2d, (3,))],
    "atleast_3d": [c(np.atleast_3d, (3, 2))],
    "transpose": [c(np.transpose, (2, 3)), c(lambda x: np.transpose(x, (2, 0, 1)), (2, 3, 4))],
    "permute_dims": [c(lambda x: np.permute_dims(x, axes=(1, 0)), (2, 3))],
    "matrix_transpose": [c(np.matrix_transpose, (2, 3, 4))],
    "moveaxis": [c(lambda x: np.moveaxis(x, 0, -1), (2, 3, 4))],
    "rollaxis": [c(lambda x: np.rollaxis(x, 2), (2, 3, 4)),
                 c(lambda x: np.rollaxis(x, 0, start=3), (2, 3, 4))],
    "swapaxes": [c(lambda x: np.swapaxes(x, 0, 2), (2, 3, 4))],
    "flip": [c(np.flip, (2, 3)), c(lambda m: np.flip(m, axis=1), (2, 3))],
    "fliplr": [c(np.fliplr, (2, 3))],
    "flipud": [c(np.flipud, (2, 3))],
    "roll": [c(lambda x: np.roll(x, 2), (3, 4)), c(lambda x: np.roll(x, (1, 2), (0, 1)), (3, 4))],
    "rot90": [c(np.rot90, (2, 3)), c(lambda m: np.rot90(m, k=2, axes=(1, 0)), (2, 3))],
    "astype": [c(lambda x: np.astype(x, np.float64, copy=False), (3,))],
    "copy": [c(np.copy, (3,)), c(lambda a: np.copy(a, "C", True), (3,))],
    # --- joining
    "concatenate": [
        c(lambda x, y: np.concatenate([x, y]), (2,), (3,)),
        c(lambda x, y: np.concatenate((x, y), 1), (2, 1), (2, 3)),
        c(lambda x, y: np.concatenate((x, y), axis=None, dtype=np.float64), (2, 1), (2, 3)),
    ],
    "stack": [
        c(lambda x, y: np.stack([x, y]), (3,), (3,)),
        c(lambda x, y: np.stack([x, y], 1, None, dtype=np.float64, casting="no"), (3,), (3,)),
    ],
    "hstack": [c(lambda x, y: np.hstack([x, y], dtype=float), (2,), (3,))],
    "vstack": [c(lambda x, y: np.vstack([x, y]), (3,), (2, 3))],
    "dstack": [c(lambda x, y: np.dstack([x, y]), (3,), (3,))],
    "column_stack": [c(lambda x, y: np.column_stack([x, y]), (3,), (3, 2))],
    "block": [
        c(lambda x, y: np.block([[x, y], [y, x]]), (2, 2), (2, 2)),
        c(lambda x: np.block([x, 1.0, x]), (2,)),
        c(lambda x: np.block([[x, np.zeros((2, 1))], [np.ones((1, 3))]]), (2, 2)),
        c(lambda x: np.block(x), (2,)),
    ],
    "append": [c(lambda x, y: np.append(x, y), (2, 2), (3,)),
               c(lambda x, y: np.append(x, y, 0), (2, 3), (1, 3))],
    "insert": [
        c(lambda x, v: np.insert(x, 1, v), (4,), ()),
        c(lambda x, v: np.insert(x, 1, v), (4,), (3,)),
        c(lambda x, v: np.insert(x, [1, 3], v), (4,), (2,)),
        c(lambda x, v: np.insert(x, [3, 1], v, axis=1), (2, 4), (2, 2)),
        c(lambda x, v: np.insert(x, -1, v, axis=0), (3, 2), (2,)),
        c(lambda x, v: np.insert(x, slice(0, 2), v, 0), (3, 2), (2, 2)),
        c(lambda x, v: np.insert(x, [1], v, 1), (2, 3), (2, 2)),
        c(lambda x, v: np.insert(x, 1, v, 1), (2, 3), (2,)),
        c(lambda x, v: np.insert(x, np.array([True, False, True]), v), (3,), (2,)),
    ],
    "delete": [
        c(lambda x: np.delete(x, 1), (2, 3)),
        c(lambda x: np.delete(x, [0, -1], 1), (2, 3)),
        c(lambda x: np.delete(x, slice(None, None, 2), axis=0), (3, 2)),
        c(lambda x: np.delete(x, [True, False, True]), (3,)),
    ],
    "resize": [c(lambda x: np.resize(x, (2, 3)), (4,)), c(lambda x: np.resize(x, 3), (2, 2))],
    "split": [c(lambda x: np.split(x, 3), (3, 2)), c(lambda x: np.split(x, [1], axis=1), (2, 3))],
    "array_split": [c(lambda x: np.array_split(x, 2, 1), (2, 3))],
    "hsplit": [c(lambda x: np.hsplit(x, 2), (2, 4))],
    "vsplit": [c(lambda x: np.vsplit(x, 2), (4, 2))],
    "dsplit": [c(lambda x: np.dsplit(x, 2), (1, 2, 4))],
    "unstack": [c(lambda x: np.unstack(x, axis=1), (2, 3))],
    "meshgrid": [
        c(np.meshgrid, (2,), (3,)),
        c(lambda x, y: np.meshgrid(x, y, indexing="ij", sparse=True, copy=False), (2,), (3,)),
    ],
    "tile": [c(lambda x: np.tile(x, (2, 2)), (3,))],
    "repeat": [c(lambda x: np.repeat(x, 2), (2, 2)), c(lambda x: np.repeat(x, [1, 2], 0), (2, 2))],
    "pad": [
        c(lambda x: np.pad(x, 1), (2, 3)),
        c(lambda x: np.pad(x, (1, 2), "edge"), (3,)),
        c(lambda x: np.pad(x, ((1, 0), (0, 2)), mode="constant", constant_values=2.0), (2, 3)),
        c(lambda x: np.pad(x, 2, "reflect"), (4,)),
    ],
    "trim_zeros": [
        c(lambda x: np.trim_zeros(np.concatenate([[0.0, 0.0], x, [0.0]])), (3,)),
        c(lambda x: np.trim_zeros(np.concatenate([[0.0], x, [0.0]]), "b"), (3,)),
    ],
    "tril": [c(np.tril, (3, 3)), c(lambda m: np.tril(m, k=-1), (3, 3))],
    "triu": [c(lambda m: np.triu(m, 1), (3, 4))],
    "diag": [c(np.diag, (3,)), c(lambda v: np.diag(v, k=1), (3, 3))],
    "diagflat": [c(lambda v: np.diagflat(v, 1), (2, 2))],
    "diagonal": [c(lambda a: np.diagonal(a, 1, 0, 2), (2, 3, 4))],
    "trace": [c(np.trace, (3, 3)), c(lambda a: np.trace(a, 1, 0, 2, np.float64), (2, 3, 4))],
    # --- choosing
    "where": [
        c(lambda x, y: np.where(MASK, x, y), (3, 4), (4,)),
        n(lambda x: np.where(x > 1), (3, 4)),
    ],
    "clip": [
        c(lambda x: np.clip(x, 0.5, 1.5), (9,)),
        c(lambda x: np.clip(x, a_min=None, a_max=1.0), (9,)),
        c(lambda x: np.clip(x, min=0.8), (9,)),
        c(lambda x, lo: np.clip(x, lo, 1.5), (3, 4), (4,)),
    ],
    "take": [
        c(lambda x: np.take(x, [0, 2, 2]), (2, 3)),
        c(lambda x: np.take(x, [0, 4], 1, None, "wrap"), (2, 3)),
    ],
    "take_along_axis": [c(lambda x: np.take_along_axis(x, np.argsort(x, 1), 1), (2, 3))],
    "compress": [c(lambda x: np.compress([True, False, True], x, 1), (2, 3))],
    "extract": [c(lambda x: np.extract(MASK, x), (3, 4))],
    "select": [c(lambda x, y: np.select([x > 1.2, x > 0.8], [x * y, y], 3.0), (6,), (6,))],
    "choose": [
        c(lambda x, y: np.choose([0, 1, 0], [x, y]), (3,), (3,)),
        c(lambda x, y: np.choose([0, 3, 5], (x, y), mode="wrap"), (3,), (3,)),
    ],
    "piecewise": [
        c(lambda x: np.piecewise(x, [x > 1.2, x < 0.8], [lambda v: v**2, 1.0, np.sqrt]), (6,)),
        c(lambda x: np.piecewise(x, [x > 1], [lambda v, a, b=0: a * v + b, 0], 2.0, b=1.0), (6,)),
    ],
    "sort": [
        c(np.sort, (3, 4)),
        c(lambda x: np.sort(x, 0, "stable"), (3, 4)),
        c(lambda x: np.sort(x, axis=None, stable=True), (3, 4)),
    ],
    "argsort": [n(lambda x: np.argsort(x, axis=0), (3, 4))],
    "partition": [c(lambda x: np.partition(x, 1)[1], (5,)),
                  c(lambda x: np.partition(x, 1, axis=0), (3, 2))],
    "sort_complex": [c(lambda z: np.sort_complex(z), ZS)],
    "searchsorted": [n(lambda x: np.searchsorted(STEPS, x, side="right"), (3,))],
    "digitize": [n(lambda x: np.digitize(x, [0.5, 1.0]), (3,))],
    "isin": [n(lambda x: np.isin(x, STEPS), STEPS + 1)],
    "nonzero": [n(np.nonzero, (3,))],
    "argwhere": [n(lambda x: np.argwhere(x > 1), (3, 2))],
    "flatnonzero": [n(lambda x: np.flatnonzero(x > 1), (3, 2))],
    "unique": [
        c(lambda x: np.unique(x)[:-1], GAPS),
        n(lambda x: np.unique(x, True, True, True)[1:], GAPS),
        n(lambda x: np.unique(x, equal_nan=False).shape[0] * np.ones_like(x), GAPS),
        c(np.unique, (5,)),
        c(lambda x: np.unique(np.concatenate([x, x]), True, True, True), (3,)),
    ],
    "unique_all": [c(lambda x: tuple(np.unique_all(x)), (4,))],
    "unique_counts": [c(lambda x: tuple(np.unique_counts(x)), (4,))],
    "unique_inverse": [c(lambda x: tuple(np.unique_inverse(x)), (4,))],
    "unique_values": [c(lambda x: np.sort(np.unique_values(x)), (4,))],
    "union1d": [c(lambda x, y: np.union1d(x, y), (3,), (2,))],
    "intersect1d": [c(lambda x: np.intersect1d(x, x[1:] * 1), (3,))],
    "setdiff1d": [
        c(lambda x: np.setdiff1d(np.append(x, 9.0), [9.0, 7.0]), (3,)),
        c(lambda x: np.setdiff1d(np.append(9.0, x), [9.0, 3.0], assume_unique=True), (3,))],
    "setxor1d": [c(lambda x: np.setxor1d(np.append(x, 9.0), [0.0, 9.0]), (3,))],
    "histogram": [
        n(lambda x: np.histogram(x, [0.0, 0.5, 1.0, 2.0]), (9,)),
        n(lambda x: np.histogram(x, 3, (0.0, 2.0)), (9,)),
        c(lambda x, w: np.histogram(x, bins=3, range=(0.5, 2.0), weights=w)[0], (9,), (9,)),
        c(lambda x: np.histogram(x, 4, density=True), (9,)),
    ],
    "histogram_bin_edges": [c(lambda x: np.histogram_bin_edges(x, 4), (9,)),
                            c(lambda x: np.histogram_bin_edges(x, "sqrt"), (9,))],
    "bincount": [
        c(lambda w: np.bincount([0, 2, 2, 1], w, 5), (4,)),
        n(lambda w: np.bincount(np.argsort(w)), (4,)),
    ],
    "apply_along_axis": [
        c(lambda x: np.apply_along_axis(np.sum, 1, x), (2, 3)),
        c(lambda x: np.apply_along_axis(lambda v: np.outer(v, v), 0, x), (2, 3)),
        c(lambda x: np.apply_along_axis(lambda v, a, b=1: a * v[:2] * b, 0, x, 2.0, b=3), (3, 2)),
    ],
    "apply_over_axes": [c(lambda x: np.apply_over_axes(np.sum, x, [0, 2]), (2, 3, 4))],
    # --- products
    "dot": [c(np.dot, (3,), (3,)), c(np.dot, (2, 3), (3, 2)), c(np.dot, (2,), ())],
    "vdot": [c(np.vdot, (2, 3), (6,)), c(lambda a, b: np.vdot(a, b), ZS, ZS[::-1] * 1)],
    "inner": [c(np.inner, (2, 3), (4, 3))],
    "outer": [c(np.outer, (2,), (3,))],
    "kron": [c(np.kron, (2, 2), (2, 3))],
    "cross": [
        c(lambda a, b: np.cross(a, b, 0, 1, 0), (3, 2), (2, 3)),
        c(np.cross, (3,), (3,)), c(lambda a, b: np.cross(a, b, axis=0), (3, 2), (3, 2))],
    "tensordot": [c(np.tensordot, (2, 3, 4), (3, 4, 2)),
                  c(lambda a, b: np.tensordot(a, b, axes=([1], [0])), (2, 3), (3, 2))],
    "einsum": [
        c(lambda a, b: np.einsum("ij,jk->ik", a, b), (2, 3), (3, 2)),
        c(lambda a, b: np.einsum("ij,ij", a, b, optimize=True), (2, 3), (2, 3)),
        c(lambda a: np.einsum(a, [0, 0]), (3, 3)),
    ],
    "convolve": [c(np.convolve, (4,), (3,)), c(lambda a, v: np.convolve(a, v, "same"), (4,), (3,))],
    "correlate": [c(np.correlate, (4,), (3,)),
                  c(lambda a, v: np.correlate(a, v, mode="full"), (4,), (3,))],
    # --- numbers
    "real": [c(np.real, (3,)), c(lambda z: np.real(z), ZS)],
    "imag": [c(lambda z: np.imag(z), ZS)],
    "angle": [
        n(np.angle, np.array([-1.0, 0.0, 2.0, -0.0])),
        c(lambda z: np.angle(z), ZS), c(lambda z: np.angle(z, deg=True), ZS)],
    "real_if_close": [c(np.real_if_close, (3,)), c(lambda z: np.real_if_close(z), ZS.real + 0j)],
    "isreal": [n(lambda z: np.isreal(z), ZS)],
    "iscomplex": [n(lambda z: np.iscomplex(z), ZS)],
    "isposinf": [n(np.isposinf, (3,))],
    "isneginf": [n(np.isneginf, (3,))],
    "sinc": [c(np.sinc, (3,))],
    "i0": [c(np.i0, (3,))],
    "fix": [n(np.fix, (3,))],
    "round": [n(lambda x: np.round(x, 1), (3,)), n(lambda x: np.around(x, decimals=0), (3,))],
    # --- making
    "zeros_like": [n(np.zeros_like, (3,)), n(lambda x: np.zeros_like(x, int, shape=(2,)), (3,))],
    "ones_like": [n(np.ones_like, (3,)), n(lambda x: np.ones_like(x, np.float32, "C"), (3,))],
    "empty_like": [n(lambda x: np.zeros_like(np.empty_like(x)), (3,))],
    "full_like": [n(lambda x: np.full_like(x, 2.0), (3,)),
                  c(lambda x, v: np.full_like(x, v), (3,), ())],
    "linspace": [
        c(lambda a, b: np.linspace(a, b, 4, retstep=True), (), ()),
        c(lambda a, b: np.linspace(a, b, 3, False, False, None, 1), (2,), (2,)),
        c(lambda a, b: np.linspace(a, b, 5), (), ()),
        c(lambda a, b: np.linspace(a, b, num=4, endpoint=False), (2,), (2,)),
    ],
    "logspace": [c(lambda a, b: np.logspace(a, b, 4), (), ())],
    "geomspace": [c(lambda a, b: np.geomspace(a, b, 4), (), ())],
    # --- numpy.linalg
    "linalg.solve": [c(np.linalg.solve, SPD, (3,)), c(np.linalg.solve, SPD, (3, 2))],
    "linalg.inv": [c(np.linalg.inv, SPD)],
    "linalg.pinv": [c(np.linalg.pinv, (4, 2)),
                    c(lambda a: np.linalg.pinv((a + a.T) / 2, hermitian=True), SPD)],
    "linalg.det": [c(np.linalg.det, SPD)],
    "linalg.slogdet": [c(lambda a: tuple(np.linalg.slogdet(a)), SPD)],
    "linalg.cholesky": [c(lambda a: np.linalg.cholesky((a + a.T) / 2), SPD),
                        c(lambda a: np.linalg.cholesky((a + a.T) / 2, upper=True), SPD)],
    "linalg.qr": [c(lambda a: tuple(np.linalg.qr(a)), (4, 2)),
                  c(lambda a: np.linalg.qr(a, "r"), (4, 2))],
    "linalg.svd": [c(lambda a: np.linalg.svd(a, compute_uv=False), (4, 2)),
                   c(lambda a: np.linalg.svd(a, False)[0] ** 2, (4, 2))],
    "linalg.svdvals": [c(np.linalg.svdvals, (3, 2))],
    "linalg.eigh": [c(lambda a: np.linalg.eigh((a + a.T) / 2)[0], SPD),
                    c(lambda a: np.linalg.eigh((a + a.T) / 2, "U").eigenvectors ** 2, SPD)],
    "linalg.eigvalsh": [c(lambda a: np.linalg.eigvalsh((a + a.T) / 2, UPLO="L"), SPD)],
    "linalg.eig": [c(lambda a: np.sort(np.linalg.eig(a)[0]), SPD)],
    "linalg.eigvals": [c(lambda a: np.sort(np.linalg.eigvals(a)), SPD)],
    "linalg.norm": [
        c(np.linalg.norm, (3, 4)),
        c(lambda x: np.linalg.norm(x, 1, 0, True), (3, 4)),
        c(lambda x: np.linalg.norm(x, ord="nuc"), (3, 2)),
        c(lambda x: np.linalg.norm(x, np.inf), (3, 2)),
    ],
    "linalg.vector_norm": [c(lambda x: np.linalg.vector_norm(x, axis=0, ord=3), (3, 4))],
    "linalg.matrix_norm": [c(lambda x: np.linalg.matrix_norm(x, keepdims=True), (3, 4))],
    "linalg.cond": [c(np.linalg.cond, SPD), c(lambda a: np.linalg.cond(a, 1), SPD)],
    "linalg.lstsq": [c(lambda a, b: np.linalg.lstsq(a, b)[0], (4, 2), (4,)),
                     c(lambda a, b: np.linalg.lstsq(a, b, None)[1], (4, 2), (4,))],
    "linalg.matrix_power": [c(lambda a: np.linalg.matrix_power(a, 3), SPD),
                            c(lambda a: np.linalg.matrix_power(a, n=-2), SPD)],
    "linalg.matrix_rank": [n(lambda a: np.linalg.matrix_rank(a), SPD)],
    "linalg.multi_dot": [c(lambda a, b: np.linalg.multi_dot([a, b, a]), (2, 3), (3, 2))],
    "linalg.tensorinv": [c(lambda a: np.linalg.tensorinv(a + np.eye(4).reshape(4, 2, 2), ind=1),
                           (4, 2, 2))],
    "linalg.tensorsolve": [c(lambda a, b: np.linalg.tensorsolve(a + np.eye(4).reshape(2, 2, 4), b),
                             (2, 2, 4), (2, 2))],
    "linalg.outer": [c(np.linalg.outer, (2,), (3,))],
    "linalg.cross": [c(lambda a, b: np.linalg.cross(a, b, axis=0), (3, 2), (3, 2))],
    "linalg.diagonal": [c(lambda a: np.linalg.diagonal(a, offset=1), (2, 3, 4))],
    "linalg.trace": [c(lambda a: np.linalg.trace(a, offset=-1), (2, 3, 4))],
    "linalg.matmul": [c(np.linalg.matmul, (2, 3), (3,))],
    "linalg.matrix_transpose": [c(np.linalg.matrix_transpose, (2, 3))],
    "linalg.tensordot": [c(lambda a, b: np.linalg.tensordot(a, b, axes=1), (2, 3), (3, 2))],
    "linalg.vecdot": [c(lambda a, b: np.linalg.vecdot(a, b, axis=0), (3, 2), (3, 2))],
    # --- numpy.fft
    **{
        f"fft.{name}": [
            c(lambda x, f=f: f(x), (4, 4)),
            c(lambda x, f=f: f(x, 3, 0, "ortho"), (4, 4)),
            c(lambda x, f=f: f(a=x, axis=-1, n=6, norm="forward"), (4, 4)),
        ]
        for name, f in {
            "fft": np.fft.fft, "ifft": np.fft.ifft, "rfft": np.fft.rfft, "irfft": np.fft.irfft,
            "hfft": np.fft.hfft, "ihfft": np.fft.ihfft,
        }.items()
    },
    **{
        f"fft.{name}": [
            c(lambda x, f=f: f(x), (4, 4)),
            c(lambda x, f=f: f(x, (3, 5), (1, 0), "forward"), (4, 4)),
        ]
        for name, f in {
            "fft2": np.fft.fft2, "ifft2": np.fft.ifft2, "rfft2": np.fft.rfft2,
            "irfft2": np.fft.irfft2, "fftn": np.fft.fftn, "ifftn": np.fft.ifftn,
            "rfftn": np.fft.rfftn, "irfftn": np.fft.irfftn,
        }.items()
    },
    "fft.fftshift": [c(np.fft.fftshift, (3, 4)), c(lambda x: np.fft.fftshift(x, axes=0), (3, 4))],
    "fft.ifftshift": [c(lambda x: np.fft.ifftshift(x, 1), (3, 3))],
    # --- numpy.emath
    "emath.sqrt": [c(np.emath.sqrt, (3,)), c(lambda x: np.emath.sqrt(-x), (3,))],
    "emath.log": [c(lambda x: np.emath.log(-x), (3,))],
    "emath.log2": [c(lambda x: np.emath.log2(-x), (3,)), c(np.emath.log2, (3,))],
    "emath.log10": [c(lambda x: np.emath.log10(-x), (3,))],
    "emath.logn": [c(lambda x: np.emath.logn(2, -x), (3,))],
    "emath.power": [c(lambda x: np.emath.power(-x, 1.5), (3,))],
    "emath.arccos": [c(lambda x: np.emath.arccos(x + 1.5), (3,))],
    "emath.arcsin": [c(lambda x: np.emath.arcsin(x + 1.5), (3,))],
    "emath.arctanh": [c(lambda x: np.emath.arctanh(x + 1.5), (3,))],
}  # fmt: skip
"""Calls by the name under `numpy`."""
