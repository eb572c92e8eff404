"""Discrete Fourier transforms.

The matrix of a complex transform is symmetric, so the transpose of `fft` is `fft`. Those between
real and half-spectrum arrays are each other's transposes up to weights: a frequency that stands for
two counts twice. Transforms over several axes are made of those over one.

`numpy.fft` is not loaded with NumPy but when first used: the rows name its functions by strings.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np

from chainrule.ops.batched import over_axes
from chainrule.ops.contraction import as_array
from chainrule.ops.indexing import getitem, put
from chainrule.ops.table import S, composite, operation

Norm = str | None
Axes = Sequence[int] | None
Sizes = Sequence[int] | None

_SWAPPED: Final = {None: "forward", "backward": "forward", "forward": "backward", "ortho": "ortho"}
"""Normalization of the transform the other way that leaves out the factor this one has not."""


def _drawn_complex(*shape: int) -> Callable[[np.random.Generator], Any]:
    return lambda rng: rng.standard_normal(shape) + 1j * rng.standard_normal(shape)


def _resized(x: Any, n: int, axis: int) -> Any:
    """x cut off, or filled up with zeros, to size n along an axis."""
    if x.shape[axis] == n:
        return x
    axis %= x.ndim
    place = (slice(None),) * axis + (slice(0, min(n, x.shape[axis])),)
    if n < x.shape[axis]:
        return getitem(x, place)
    return put(x, place, (*x.shape[:axis], n, *x.shape[axis + 1 :]))


# --- one axis ------------------------------------------------------------------------------------


def _fft_reverse(ct: Any, _y: Any, _x: Any, n: Any, axis: int, norm: Norm) -> Any:
    return _resized(fft(ct, None, axis, norm), _x.shape[axis], axis)


def _ifft_reverse(ct: Any, _y: Any, _x: Any, n: Any, axis: int, norm: Norm) -> Any:
    return _resized(ifft(ct, None, axis, norm), _x.shape[axis], axis)


def _samples(draw: Callable[..., Any]) -> list[Any]:
    return [
        S(draw(4)),
        S(draw(5), norm="ortho"),
        S(draw(3, 4), axis=0),
        S(draw(3, 4), n=6, norm="forward"),
        S(draw(2, 5), n=3),
    ]


def _real(*shape: int) -> tuple[int, ...]:
    return shape


@operation(
    reverse=(_fft_reverse,),
    linear=(0,),
    kind="linear",
    numpy=("numpy.fft.fft",),
    samples=[*_samples(_real), *_samples(_drawn_complex)],
    batch=over_axes("axis"),
)
def fft(x: Any, n: int | None = None, axis: int = -1, norm: Norm = None) -> Any:
    """Discrete Fourier transform along an axis, x first cut or filled with zeros to size n.

    `norm` says where the factor 1/n stands: "backward" (in the inverse), "forward", or "ortho" (its
    square root in both).

    >>> cr.fft.fft(cr.tensor([1.0, 1.0])).real
    tensor([2., 0.])
    """
    return np.fft.fft(x, n, axis, norm)  # type: ignore[arg-type]


@operation(
    reverse=(_ifft_reverse,),
    linear=(0,),
    kind="linear",
    numpy=("numpy.fft.ifft",),
    samples=[*_samples(_real), *_samples(_drawn_complex)],
    batch=over_axes("axis"),
)
def ifft(x: Any, n: int | None = None, axis: int = -1, norm: Norm = None) -> Any:
    """Inverse of `fft`.

    >>> cr.fft.ifft(cr.tensor([2.0, 0.0])).real
    tensor([1., 1.])
    """
    return np.fft.ifft(x, n, axis, norm)  # type: ignore[arg-type]


def _multiplicity(half: int, n: int, x: Any, axis: int) -> Any:
    """How many frequencies each of the half spectrum stands for, shaped to go with x."""
    counts = np.full(half, 2, x.real.dtype)
    counts[:1] = 1
    if n % 2 == 0:
        counts[-1:] = 1
    return counts.reshape((half,) + (1,) * (x.ndim - 1 - axis % x.ndim))


def _rfft_reverse(ct: Any, _y: Any, _x: Any, n: int | None, axis: int, norm: Norm) -> Any:
    """Re(sum of ct_k w^jk over the half spectrum), which is `irfft` with the doubling undone."""
    n = _x.shape[axis] if n is None else n
    halved = np.conj(ct) / _multiplicity(ct.shape[axis], n, ct, axis)
    return _resized(irfft(halved, n, axis, _SWAPPED[norm]), _x.shape[axis], axis)


@operation(
    reverse=(_rfft_reverse,),
    linear=(0,),
    kind="linear",
    numpy=("numpy.fft.rfft",),
    samples=[*_samples(_real), S((1,)), S((3, 6), n=1)],
    batch=over_axes("axis"),
)
def rfft(x: Any, n: int | None = None, axis: int = -1, norm: Norm = None) -> Any:
    """`fft` of a real x, without the frequencies that are conjugates of others: n // 2 + 1 of them.

    >>> cr.fft.rfft(cr.tensor([1.0, 1.0, 1.0, 1.0])).real
    tensor([4., 0., 0.])
    """
    return np.fft.rfft(x, n, axis, norm)  # type: ignore[arg-type]


def _irfft_reverse(ct: Any, _y: Any, _x: Any, n: int | None, axis: int, norm: Norm) -> Any:
    n = ct.shape[axis]
    g = np.conj(rfft(ct, None, axis, _SWAPPED[norm]))
    return _resized(g * _multiplicity(n // 2 + 1, n, g, axis), _x.shape[axis], axis)


@operation(
    reverse=(_irfft_reverse,),
    linear=(0,),
    kind="linear",
    numpy=("numpy.fft.irfft",),
    samples=[
        *_samples(_drawn_complex),
        S((4,)),
        S(_drawn_complex(3), n=5),
        S(_drawn_complex(2), n=1),
    ],
    batch=over_axes("axis"),
)
def irfft(x: Any, n: int | None = None, axis: int = -1, norm: Norm = None) -> Any:
    """Inverse of `rfft`: n real values (2 (m - 1) by default) from m frequencies.

    >>> cr.fft.irfft(cr.tensor([4.0, 0.0, 0.0]))
    tensor([1., 1., 1., 1.])
    """
    return np.fft.irfft(x, n, axis, norm)  # type: ignore[arg-type]


@composite(
    numpy=("numpy.fft.hfft",), samples=[S(_drawn_complex(4)), S(_drawn_complex(3, 4), n=5, axis=0)]
)
def hfft(x: Any, n: int | None = None, axis: int = -1, norm: Norm = None) -> Any:
    """`fft` of a signal that is its own reversed conjugate, given by its first half: a real result.

    >>> cr.fft.hfft(cr.tensor([1.0, 0.0, 0.0]))
    tensor([1., 1., 1., 1.])
    """
    return irfft(np.conj(as_array(x)), n, axis, _SWAPPED[norm])


@composite(numpy=("numpy.fft.ihfft",), samples=[S((4,)), S((3, 4), n=5, axis=0, norm="ortho")])
def ihfft(x: Any, n: int | None = None, axis: int = -1, norm: Norm = None) -> Any:
    """Inverse of `hfft`.

    >>> cr.fft.ihfft(cr.tensor([1.0, 1.0, 1.0, 1.0])).real
    tensor([1., 0., 0.])
    """
    return np.conj(rfft(x, n, axis, _SWAPPED[norm]))


# --- several axes --------------------------------------------------------------------------------


def _sizes_and_axes(x: Any, s: Sizes, axes: Axes) -> tuple[list[int | None], list[int]]:
    """The axes to transform, and a size for each: None for the usual one, -1 that of x."""
    if axes is None:
        axes = range(x.ndim) if s is None else range(-len(s), 0)
    axes = [axes] if isinstance(axes, int) else list(axes)
    sizes = [None] * len(axes) if s is None else list(s)
    if len(sizes) != len(axes):
        raise ValueError(f"a transform of {len(axes)} axes takes as many sizes, not {len(sizes)}")
    return [x.shape[a] if n == -1 else n for n, a in zip(sizes, axes, strict=True)], axes


def _over_axes(transform: Callable[..., Any], x: Any, s: Any, axes: Any, norm: Norm) -> Any:
    for n, axis in reversed(list(zip(s, axes, strict=True))):
        x = transform(x, n, axis, norm)
    return x


_MANY: Final[list[dict[str, Any]]] = [
    {},
    {"s": (5, 3), "axes": (0, 1)},
    {"axes": (-2,), "norm": "ortho"},
]


def _many(draw: Callable[..., Any]) -> list[Any]:
    return [S(draw(3, 4), **params) for params in _MANY]


@composite(numpy=("numpy.fft.fftn",), samples=[*_many(_drawn_complex), S((2, 3, 2))])
def fftn(x: Any, s: Sizes = None, axes: Axes = None, norm: Norm = None) -> Any:
    """`fft` over several axes (all by default), cut or filled with zeros to the sizes s.

    >>> cr.fft.fftn(cr.tensor([[1.0, 1.0], [1.0, 1.0]])).real
    tensor([[4., 0.],
            [0., 0.]])
    """
    x = as_array(x)
    return _over_axes(fft, x, *_sizes_and_axes(x, s, axes), norm)


@composite(numpy=("numpy.fft.ifftn",), samples=[*_many(_drawn_complex), S((2, 3, 2))])
def ifftn(x: Any, s: Sizes = None, axes: Axes = None, norm: Norm = None) -> Any:
    """Inverse of `fftn`.

    >>> cr.fft.ifftn(cr.tensor([[4.0, 0.0], [0.0, 0.0]])).real
    tensor([[1., 1.],
            [1., 1.]])
    """
    x = as_array(x)
    return _over_axes(ifft, x, *_sizes_and_axes(x, s, axes), norm)


@composite(numpy=("numpy.fft.rfftn",), samples=_many(_real))
def rfftn(x: Any, s: Sizes = None, axes: Axes = None, norm: Norm = None) -> Any:
    """`fftn` of a real x, with half of the spectrum on the last axis transformed.

    >>> cr.fft.rfftn(cr.tensor([[1.0, 1.0], [1.0, 1.0]])).real
    tensor([[4., 0.],
            [0., 0.]])
    """
    x = as_array(x)
    sizes, axes = _sizes_and_axes(x, s, axes)
    y = rfft(x, sizes[-1], axes[-1], norm)
    return _over_axes(fft, y, sizes[:-1], axes[:-1], norm)


@composite(numpy=("numpy.fft.irfftn",), samples=_many(_drawn_complex))
def irfftn(x: Any, s: Sizes = None, axes: Axes = None, norm: Norm = None) -> Any:
    """Inverse of `rfftn`; the last size in s is that of the real result (2 (m - 1) by default).

    >>> cr.fft.irfftn(cr.tensor([[4.0, 0.0], [0.0, 0.0]]))
    tensor([[1., 1.],
            [1., 1.]])
    """
    x = as_array(x)
    sizes, axes = _sizes_and_axes(x, s, axes)
    y = _over_axes(ifft, x, sizes[:-1], axes[:-1], norm)
    return irfft(y, sizes[-1], axes[-1], norm)


@composite(numpy=("numpy.fft.fft2",), samples=[S(_drawn_complex(2, 3, 2))])
def fft2(x: Any, s: Sizes = None, axes: Axes = (-2, -1), norm: Norm = None) -> Any:
    """`fftn` over the last two axes.

    >>> cr.fft.fft2(cr.tensor([[1.0, 1.0], [1.0, 1.0]])).real
    tensor([[4., 0.],
            [0., 0.]])
    """
    return fftn(x, s, axes, norm)


@composite(numpy=("numpy.fft.ifft2",), samples=[S(_drawn_complex(2, 3, 2))])
def ifft2(x: Any, s: Sizes = None, axes: Axes = (-2, -1), norm: Norm = None) -> Any:
    """Inverse of `fft2`.

    >>> cr.fft.ifft2(cr.tensor([[4.0, 0.0], [0.0, 0.0]])).real
    tensor([[1., 1.],
            [1., 1.]])
    """
    return ifftn(x, s, axes, norm)


@composite(numpy=("numpy.fft.rfft2",), samples=[S((2, 3, 4))])
def rfft2(x: Any, s: Sizes = None, axes: Axes = (-2, -1), norm: Norm = None) -> Any:
    """`rfftn` over the last two axes.

    >>> cr.fft.rfft2(cr.tensor([[1.0, 1.0], [1.0, 1.0]])).real
    tensor([[4., 0.],
            [0., 0.]])
    """
    return rfftn(x, s, axes, norm)


@composite(numpy=("numpy.fft.irfft2",), samples=[S(_drawn_complex(2, 3, 3))])
def irfft2(x: Any, s: Sizes = None, axes: Axes = (-2, -1), norm: Norm = None) -> Any:
    """Inverse of `rfft2`.

    >>> cr.fft.irfft2(cr.tensor([[4.0, 0.0], [0.0, 0.0]]))
    tensor([[1., 1.],
            [1., 1.]])
    """
    return irfftn(x, s, axes, norm)


# --- the order of frequencies --------------------------------------------------------------------


def _shift_back(ct: Any, _y: Any, _x: Any, axes: int | Axes) -> Any:
    return ifftshift(ct, axes)


@operation(
    reverse=(_shift_back,),
    linear=(0,),
    kind="movement",
    numpy=("numpy.fft.fftshift",),
    samples=[S((5,)), S((3, 4)), S((3, 4), axes=0)],
    batch=over_axes("axes"),
)
def fftshift(x: Any, axes: int | Axes = None) -> Any:
    """The zero frequency moved to the middle of the axes (all by default).

    >>> cr.fft.fftshift(cr.tensor([0.0, 1.0, 2.0, -2.0, -1.0]))
    tensor([-2., -1.,  0.,  1.,  2.])
    """
    return np.fft.fftshift(x, axes)


@operation(
    reverse=(lambda ct, _y, _x, axes: fftshift(ct, axes),),
    linear=(0,),
    kind="movement",
    numpy=("numpy.fft.ifftshift",),
    samples=[S((5,)), S((3, 4)), S((3, 4), axes=0)],
    batch=over_axes("axes"),
)
def ifftshift(x: Any, axes: int | Axes = None) -> Any:
    """Inverse of `fftshift`.

    >>> cr.fft.ifftshift(cr.tensor([-2.0, -1.0, 0.0, 1.0, 2.0]))
    tensor([ 0.,  1.,  2., -2., -1.])
    """
    return np.fft.ifftshift(x, axes)


def _over(frequencies: Any, d: Any) -> Any:
    """Frequencies for unit distance as those for distance d, in the dtype of d."""
    dtype = getattr(d, "dtype", frequencies.dtype)
    return (frequencies if dtype.kind in "iu" else frequencies.astype(dtype)) / d


@composite(samples=[S(4, 0.5), S(5, 2.0)])
def fftfreq(n: int, d: Any = 1.0) -> Any:
    """Frequencies of `fft` for n samples, d apart.

    >>> cr.fft.fftfreq(4, cr.tensor(0.5))
    tensor([ 0.0000,  0.5000, -1.0000, -0.5000])
    """
    return _over(np.fft.fftfreq(int(n)), d)


@composite(samples=[S(4, 0.5), S(5, 2.0)])
def rfftfreq(n: int, d: Any = 1.0) -> Any:
    """Frequencies of `rfft` for n samples, d apart.

    >>> cr.fft.rfftfreq(4, cr.tensor(0.5))
    tensor([0.0000, 0.5000, 1.0000])
    """
    return _over(np.fft.rfftfreq(int(n)), d)
