"""Convolution and correlation.

Every mode is a piece of the full convolution. The reverse rule puts the cotangent back into the
full length, and convolves it with the other operand reversed.
"""

from __future__ import annotations

from _thread import get_ident
from typing import Any, Final

import numpy as np

from chainrule.ops import batched_products
from chainrule.ops.contraction import strong_contract
from chainrule.ops.hot import careful
from chainrule.ops.indexing import put
from chainrule.ops.native import loops
from chainrule.ops.table import S, composite, operation

_MODES: Final = ("full", "same", "valid")


def _convolve(a: Any, v: Any, mode: str) -> Any:
    if careful and get_ident() in careful:
        return strong_contract(convolve, a, v, mode=mode)
    return convolve(a, v, mode)


def _whole(ct: Any, n: int, m: int, start: int) -> Any:
    """A cotangent as one of the full convolution, of which the result began at `start`."""
    if ct.shape[0] == n + m - 1:
        return ct
    return put(ct, slice(start, start + ct.shape[0]), (n + m - 1,))


def _start(n: int, m: int, mode: str) -> int:
    shorter = min(n, m)
    return 0 if mode == "full" else shorter - 1 if mode == "valid" else (shorter - 1) // 2


def _transposed(ct: Any, _other: Any, v: Any, mode: str) -> Any:
    (n,), (m,) = _other.shape or (1,), v.shape or (1,)
    whole = _whole(ct, n, m, _start(n, m, mode))
    return _convolve(whole, v.reshape(m)[::-1], "valid").reshape(_other.shape)


SHORT = 32
"""So many shifted copies are added up in compiled code."""


def _added_shifts(
    x: Any, kernel: Any, starts: list[int], sizes: list[int], multiply: Any = np.multiply
) -> Any:
    """The part of the full convolution from `starts` on, as a sum of shifted copies of x."""
    margins = [(m - 1, m - 1) for m in kernel.shape]
    padded = np.pad(x, margins)
    total: Any = None
    for j in np.ndindex(kernel.shape):
        first = [m - 1 - i + s for m, i, s in zip(kernel.shape, j, starts, strict=True)]
        part = padded[tuple(slice(f, f + n) for f, n in zip(first, sizes, strict=True))]
        term = multiply(kernel[j], part)
        total = term if total is None else total + term
    return total


def _shifted_sums(a: Any, v: Any, mode: str, multiply: Any = np.multiply) -> Any:
    """A convolution with a short sequence."""
    a, v = (x.reshape(-1) if x.ndim == 0 else x for x in (a, v))
    if a.size < v.size:
        a, v = v, a
    n, m = a.size, v.size
    if m > SHORT:
        return None
    size = {"full": n + m - 1, "same": n, "valid": n - m + 1}[mode]
    return _added_shifts(a, v, [_start(n, m, mode)], [size], multiply)


def _sliding(y: Any, a: Any, v: Any, mode: str) -> None:
    n, m = len(a), len(v)
    start = _start(n, m, mode)
    for i in range(len(y)):
        k = start + i
        total = 0.0 if a.dtype.kind == "f" else 0
        for j in range(max(k - n + 1, 0), min(k, m - 1) + 1):
            total += a[k - j] * v[j]
        y[i] = total


def _by_convolution(a: Any, v: Any, mode: str) -> Any:
    """With the second sequence backwards; in mode "same" NumPy centers on the longer operand."""
    n, m = a.shape[0], v.shape[0]
    start = n // 2 if mode == "same" and n < m else _start(n, m, mode)
    size = {"full": n + m - 1, "same": max(n, m), "valid": abs(n - m) + 1}[mode]
    return convolve(a, v[::-1], "full")[start : start + size]


def _shifted_sums_nd(x: Any, kernel: Any, mode: str) -> Any:
    """A convolution with few elements."""
    pairs = list(zip(x.shape, kernel.shape, strict=True))
    if kernel.size > SHORT or (mode == "valid" and any(n < m for n, m in pairs)):
        return None
    sizes = {
        "full": [n + m - 1 for n, m in pairs], "same": list(x.shape),
        "valid": [n - m + 1 for n, m in pairs],
    }[mode]  # fmt: skip
    return _added_shifts(x, kernel, _starts(x, kernel, mode), sizes)


@operation(
    reverse=(
        lambda ct, _y, _a, v, mode: _transposed(ct, _a, v, mode),
        lambda ct, _y, a, _v, mode: _transposed(ct, _v, a, mode),
    ),
    arity=2,
    linear=(0, 1),
    numpy=(np.convolve,),
    samples=[
        *(S((5,), (3,), mode=mode) for mode in _MODES),
        *(S((2,), (5,), mode=mode) for mode in _MODES),
        S((4,), (2,), mode="same"),
        S((1,), (1,)),
    ],
    batch=batched_products.convolutions,
    expand=_shifted_sums,
    native=loops(_sliding),
)
def convolve(a: Any, v: Any, mode: str = "full") -> Any:
    """Convolution of two sequences: `y[n] = sum over k of a[k] v[n - k]`.

    `mode` is "full", "same" (as long as the longer one, centered) or "valid" (complete overlap).

    >>> cr.convolve(cr.tensor([1.0, 2.0, 3.0]), cr.tensor([1.0, 1.0]))
    tensor([1., 3., 5., 3.])
    """
    return np.convolve(a, v, mode)  # type: ignore[call-overload]


def _correlation(ct: Any, _a: Any, _v: Any, mode: str) -> Any:
    """The cotangent in full length; in mode "same" NumPy centers on the longer operand."""
    n, m = _a.shape[0], _v.shape[0]
    start = n // 2 if mode == "same" and n < m else _start(n, m, mode)
    return _whole(ct, n, m, start)


def _correlate_first(ct: Any, _y: Any, _a: Any, v: Any, mode: str) -> Any:
    return _convolve(_correlation(ct, _a, v, mode), np.conj(v), "valid")


def _correlate_second(ct: Any, _y: Any, a: Any, _v: Any, mode: str) -> Any:
    return np.conj(_convolve(_correlation(ct, a, _v, mode), a[::-1], "valid")[::-1])


@operation(
    reverse=(_correlate_first, _correlate_second),
    arity=2,
    linear=(0, 1),
    numpy=(np.correlate,),
    samples=[
        *(S((5,), (3,), mode=mode) for mode in _MODES),
        *(S((2,), (5,), mode=mode) for mode in _MODES),
        *(S((n,), (m,), mode="same") for n, m in ((4, 2), (2, 4), (3, 4), (3, 3))),
    ],
    batch=batched_products.convolutions,
    expand=_by_convolution,
)
def correlate(a: Any, v: Any, mode: str = "valid") -> Any:
    """Correlation of two sequences: `y[k] = sum over n of a[n + k] conj(v[n])`.

    The modes are those of `convolve`.

    >>> cr.correlate(cr.tensor([1.0, 2.0, 3.0]), cr.tensor([0.0, 1.0]))
    tensor([2., 3.])
    """
    return np.correlate(a, v, mode)  # type: ignore[call-overload]


# --- any number of dimensions --------------------------------------------------------------------


def _transposed_nd(ct: Any, _other: Any, v: Any, starts: list[int]) -> Any:
    shape = tuple(n + m - 1 for n, m in zip(_other.shape, v.shape, strict=True))
    if ct.shape != shape:
        place = tuple(slice(s, s + k) for s, k in zip(starts, ct.shape, strict=True))
        ct = put(ct, place, shape)
    return convolve_nd(ct, np.flip(v), "valid")


def _starts(x: Any, kernel: Any, mode: str) -> list[int]:
    sizes = zip(x.shape, kernel.shape, strict=True)
    return [(m - 1) // 2 if mode == "same" else _start(n, m, mode) for n, m in sizes]


@operation(
    reverse=(
        lambda ct, _y, _x, k, mode: _transposed_nd(ct, _x, k, _starts(_x, k, mode)),
        lambda ct, _y, x, _k, mode: _transposed_nd(ct, _k, x, _starts(x, _k, mode)),
    ),
    arity=2,
    linear=(0, 1),
    samples=[
        *(S((4, 5), (2, 3), mode=mode) for mode in _MODES),
        S((2, 3, 4), (2, 2, 2)),
        S((2, 3), (3, 4), mode="same"),
    ],
    batch=batched_products.convolutions_nd,
    expand=_shifted_sums_nd,
)
def convolve_nd(x: Any, kernel: Any, mode: str = "full") -> Any:
    """Convolution over all axes of two arrays with equally many of them.

    `mode` is "full", "same" (the shape of x) or "valid" (complete overlap). Large arrays go through
    the fast Fourier transform, as in `scipy.signal.convolve`.

    >>> cr.convolve_nd(cr.tensor([[1.0, 2.0], [3.0, 4.0]]), cr.tensor([[1.0, 1.0]]), "valid")
    tensor([[3.],
            [7.]])
    """
    from scipy.signal import convolve as scipy_convolve  # 0.3 s to import

    return scipy_convolve(x, kernel, mode)


@composite(
    samples=[S((5,), (3,)), S((4, 3), (2, 2), mode="same"), S((3, 4, 2), (2, 2, 2), mode="valid")],
)
def correlate_nd(x: Any, kernel: Any, mode: str = "full") -> Any:
    """Cross-correlation over all axes: convolution with the kernel reversed along each, conjugated.

    Modes are those of `convolve_nd`.

    >>> cr.correlate_nd(cr.tensor([[1.0, 2.0], [3.0, 4.0]]), cr.tensor([[1.0, 0.0]]), "valid")
    tensor([[1.],
            [3.]])
    """
    return convolve_nd(x, np.conj(np.flip(kernel)), mode)
