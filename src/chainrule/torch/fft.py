"""`torch.fft`: discrete Fourier transforms under PyTorch's names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.ops import fourier
from chainrule.torch import _missing
from chainrule.torch._arguments import numpy_names
from chainrule.torch._creation import _floating, _made

__all__ = [
    "fft", "fft2", "fftfreq", "fftn", "fftshift", "hfft", "ifft", "ifft2", "ifftn", "ifftshift",
    "ihfft", "irfft", "irfft2", "irfftn", "rfft", "rfft2", "rfftfreq", "rfftn",
]  # fmt: skip


def _along(name: str) -> Callable[..., Any]:
    """A transform along one dimension."""
    row = getattr(fourier, name)

    def transform(input: Any, n: int | None = None, dim: int = -1, norm: str | None = None) -> Any:
        return row(input, n, dim, norm)

    return _described(transform, name, row, "input, n=None, dim=-1, norm=None")


def _over(name: str, dims: Any) -> Callable[..., Any]:
    """A transform along several dimensions."""
    row = getattr(fourier, name)

    def transform(input: Any, s: Any = None, dim: Any = dims, norm: str | None = None) -> Any:
        sizes = None if s is None else tuple(s)
        return row(input, sizes, dim if dim is None else tuple(dim), norm)

    return _described(transform, name, row, f"input, s=None, dim={dims}, norm=None")


def _described(function: Any, name: str, row: Any, arguments: str) -> Callable[..., Any]:
    function.__name__ = function.__qualname__ = name
    sentence = row.__doc__.split("\n")[0]
    function.__doc__ = f"{sentence}\n\nArguments: ({arguments})."
    return numpy_names(function)


fft, ifft = _along("fft"), _along("ifft")
rfft, irfft = _along("rfft"), _along("irfft")
hfft, ihfft = _along("hfft"), _along("ihfft")
fft2, ifft2 = _over("fft2", (-2, -1)), _over("ifft2", (-2, -1))
rfft2, irfft2 = _over("rfft2", (-2, -1)), _over("irfft2", (-2, -1))
fftn, ifftn = _over("fftn", None), _over("ifftn", None)
rfftn, irfftn = _over("rfftn", None), _over("irfftn", None)


def fftshift(input: Any, dim: Any = None) -> Any:
    """The zero frequency moved to the middle.

    >>> torch.fft.fftshift(torch.tensor([0.0, 1.0, -1.0]))
    tensor([-1.,  0.,  1.])
    """
    return fourier.fftshift(input, dim)


def ifftshift(input: Any, dim: Any = None) -> Any:
    """The inverse of `fftshift`."""
    return fourier.ifftshift(input, dim)


def fftfreq(n: int, d: float = 1.0, *, dtype: Any = None) -> Any:
    """Frequencies of the elements that `fft` gives.

    >>> torch.fft.fftfreq(4)
    tensor([ 0.0000,  0.2500, -0.5000, -0.2500])
    """
    return _made(np.fft.fftfreq(n, d), _floating(dtype), False)


def rfftfreq(n: int, d: float = 1.0, *, dtype: Any = None) -> Any:
    """Frequencies of the elements that `rfft` gives."""
    return _made(np.fft.rfftfreq(n, d), _floating(dtype), False)


def __getattr__(name: str) -> Any:
    raise _missing.missing(__name__, name, __all__)
