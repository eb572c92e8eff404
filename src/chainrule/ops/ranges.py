"""Points between two values: rows that `chainrule.creation` gives dtypes and classes to."""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.ops.batched import spanning
from chainrule.ops.table import S, operation

_SAMPLES = [
    S((), (), num=5),
    S((), (), num=4, endpoint=False),
    S((), (), num=1),
    S((), (), num=0),
    S((2, 1), (3,), num=4),
]


def _shares(ct: Any, num: int, endpoint: bool) -> Any:
    """The part of `stop` in each point, from 0 to 1, shaped to go with the points."""
    shares = np.linspace(0.0, 1.0, num, endpoint, dtype=ct.dtype)
    return shares.reshape(num, *[1] * (ct.ndim - 1))


def _linspace_start(ct: Any, _y: Any, _a: Any, _b: Any, num: int, endpoint: bool) -> Any:
    return np.add.reduce(ct * (1 - _shares(ct, num, endpoint)), axis=0)


def _linspace_stop(ct: Any, _y: Any, _a: Any, _b: Any, num: int, endpoint: bool) -> Any:
    return np.add.reduce(ct * _shares(ct, num, endpoint), axis=0)


def _points(start: Any, stop: Any, num: int, endpoint: bool) -> Any:
    """start plus equal steps; the last is `stop` itself."""
    start, stop = start + 0.0, stop + 0.0
    shape = np.broadcast_shapes(np.shape(start), np.shape(stop))
    if num < 2:
        return np.broadcast_to(start, (num, *shape))
    step = (stop - start) / (num - endpoint)
    y = start + np.arange(num).reshape((num, *(1,) * len(shape))) * step
    if endpoint:
        y = np.concatenate([y[:-1], np.broadcast_to(stop, (1, *shape))])
    return y


@operation(
    arity=2,
    reverse=(_linspace_start, _linspace_stop),
    samples=_SAMPLES,
    batch=spanning,
    expand=_points,
)
def linspace(start: Any, stop: Any, num: int = 50, endpoint: bool = True) -> Any:
    """`num` equally spaced points from `start` to `stop`, along a new first axis."""
    return np.linspace(start, stop, num, endpoint)


def _geomspace_start(ct: Any, y: Any, a: Any, _b: Any, num: int, endpoint: bool) -> Any:
    return np.add.reduce(ct * y * (1 - _shares(ct, num, endpoint)), axis=0) / a


def _geomspace_stop(ct: Any, y: Any, _a: Any, b: Any, num: int, endpoint: bool) -> Any:
    return np.add.reduce(ct * y * _shares(ct, num, endpoint), axis=0) / b


# y = start**(1 - w) * stop**w with w from 0 to 1
@operation(
    arity=2,
    reverse=(_geomspace_start, _geomspace_stop),
    domain=((0.5, 2.0), (3.0, 9.0)),
    samples=_SAMPLES,
    batch=spanning,
)
def geomspace(start: Any, stop: Any, num: int = 50, endpoint: bool = True) -> Any:
    """`num` points from `start` to `stop` in constant ratio, along a new first axis."""
    points = np.geomspace(start, stop, num, endpoint)
    # NumPy always answers in double precision
    return points.astype(np.result_type(start, stop, 0.0), copy=False)
