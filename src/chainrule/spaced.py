"""Making tensors of numbers in steps: ranges, and the frequencies of Fourier transforms.

They take the same options as the functions of `chainrule.creation`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.creation import Class, built, finished, make, plain, settled, weak
from chainrule.ops import fourier, ranges
from chainrule.ops.table import NUMPY
from chainrule.tensor import Tensor


def arange(
    start: Any,
    /,
    stop: Any = None,
    step: Any = 1,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    cls: Class = Tensor,
) -> Any:
    """start, start + step, ... below `stop`; from 0 where one argument is given.

    Without `dtype`, ints give int64 and floats the default dtype.

    >>> cr.arange(3)
    tensor([0, 1, 2])
    >>> cr.arange(0.0, 1.0, 0.25)
    tensor([0.0000, 0.2500, 0.5000, 0.7500])
    """
    if stop is None:
        start, stop = 0, start
    bounds = [plain(v, "arange", k) for v, k in ((start, "start"), (stop, "stop"), (step, "step"))]
    if dtype is None and any(np.asarray(b).dtype.kind == "f" for b in bounds):
        dtype = cls._default_dtype
    return make(cls, built(np.arange, *bounds, dtype=dtype), requires_grad, device)


def linspace(
    start: Any,
    stop: Any,
    /,
    num: int = 50,
    endpoint: bool = True,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    cls: Class = Tensor,
) -> Any:
    """`num` equally spaced points from `start` to `stop`, or to one step before it without
    `endpoint`; differentiable in both. Arrays give points along a new first axis.

    >>> cr.linspace(0, 1, 5)
    tensor([0.0000, 0.2500, 0.5000, 0.7500, 1.0000])
    >>> b = cr.tensor(2.0, requires_grad=True)
    >>> cr.linspace(0, b, 5).sum().backward()
    >>> b.grad
    tensor(2.5000)
    """
    out = ranges.linspace(start, stop, num, endpoint)
    wanted = _range_dtype(dtype, cls, out, start, stop)
    if wanted.kind in "iu":
        out = np.floor(out)
    return finished(cls, out, wanted, requires_grad, device)


def logspace(
    start: Any,
    stop: Any,
    /,
    num: int = 50,
    endpoint: bool = True,
    base: Any = 10.0,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    cls: Class = Tensor,
) -> Any:
    """`base` to the powers of `linspace(start, stop, num, endpoint)`; differentiable in all three.

    >>> cr.logspace(0, 2, 3)
    tensor([  1.,  10., 100.])
    """
    out = np.power(base, ranges.linspace(start, stop, num, endpoint))
    wanted = _range_dtype(dtype, cls, out, start, stop, base)
    return finished(cls, out, wanted, requires_grad, device)


def geomspace(
    start: Any,
    stop: Any,
    /,
    num: int = 50,
    endpoint: bool = True,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    cls: Class = Tensor,
) -> Any:
    """`num` points from `start` to `stop` in constant ratio; differentiable in both.

    Raises ShapeError for zero, which no ratio leads to.

    >>> cr.geomspace(1, 8, 4)
    tensor([1., 2., 4., 8.])
    """
    out = ranges.geomspace(start, stop, num, endpoint)
    wanted = _range_dtype(dtype, cls, out, start, stop)
    return finished(cls, out, wanted, requires_grad, device)


def _range_dtype(dtype: Any, cls: Class, out: Any, *bounds: Any) -> np.dtype[Any]:
    """The dtype asked for; without one, that of the points if a bound is a floating-point array."""
    if dtype is not None:
        return settled(dtype, cls)
    floating = any(hasattr(b, "dtype") and b.dtype.kind in "fc" for b in bounds)
    return np.dtype(out.dtype) if floating else weak(out.dtype, cls)


NUMPY.update({np.linspace: linspace, np.logspace: logspace, np.geomspace: geomspace})


# --- frequencies -------------------------------------------------------------------------------


def fftfreq(
    n: int,
    /,
    d: Any = 1.0,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    cls: Class = Tensor,
) -> Any:
    """Frequencies of `fft` for n samples, d apart; differentiable in d.

    >>> cr.fft.fftfreq(4, 0.5)
    tensor([ 0.0000,  0.5000, -1.0000, -0.5000])
    """
    out = fourier.fftfreq(n, d)
    return finished(cls, out, _range_dtype(dtype, cls, out, d), requires_grad, device)


def rfftfreq(
    n: int,
    /,
    d: Any = 1.0,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    cls: Class = Tensor,
) -> Any:
    """Frequencies of `rfft` for n samples, d apart; differentiable in d.

    >>> cr.fft.rfftfreq(4, 0.5)
    tensor([0.0000, 0.5000, 1.0000])
    """
    out = fourier.rfftfreq(n, d)
    return finished(cls, out, _range_dtype(dtype, cls, out, d), requires_grad, device)
