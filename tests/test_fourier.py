"""Fourier transforms against NumPy's, and against matrices made of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from chainrule.ops import fourier
from chainrule.tensor import tensor
from chainrule.transforms.backward import gradients

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("norm", [None, "ortho", "forward", "backward"])
@pytest.mark.parametrize("n", [None, 1, 2, 3, 4, 5, 8])
@pytest.mark.parametrize("size", [1, 2, 5, 6])
@pytest.mark.parametrize("name", ["fft", "ifft", "rfft", "irfft", "hfft", "ihfft"])
def test_the_reverse_rule_is_the_transpose(name: str, size: int, n: Any, norm: Any) -> None:
    if n is None and size == 1 and name in ("irfft", "hfft"):
        pytest.skip("NumPy has no transform of no values")
    f, plain = getattr(fourier, name), getattr(np.fft, name)
    kinds = {"rfft": "f", "ihfft": "f"}.get(name, "fc")
    for kind in kinds:
        x, t = (RNG.standard_normal(size) + (1j * RNG.standard_normal(size) if kind == "c" else 0)
                for _ in range(2))  # fmt: skip
        leaf = tensor(x, requires_grad=True)
        y = f(leaf, n, norm=norm)
        np.testing.assert_allclose(y.detach().numpy(), plain(x, n, norm=norm), atol=1e-13)
        ct = RNG.standard_normal(y.shape) + (
            1j * RNG.standard_normal(y.shape) if y.dtype.kind == "c" else 0
        )
        (g,) = gradients([y], [leaf], [tensor(ct)])
        moved = plain(t, n, norm=norm)
        assert np.isclose(np.sum(ct * moved).real, np.sum(g.numpy() * t).real)


MANY = [
    {},
    {"s": (2, 7)},
    {"axes": (0, 2)},
    {"s": (5, -1), "axes": (2, 0)},
    {"axes": (1,), "norm": "ortho"},
]


@pytest.mark.parametrize("params", MANY, ids=str)
@pytest.mark.parametrize("name", ["fftn", "ifftn", "rfftn", "irfftn"])
def test_several_axes_as_numpy(name: str, params: Any) -> None:
    if "s" in params and "axes" not in params:
        params = {**params, "axes": (-2, -1)}
    x = RNG.standard_normal((3, 4, 6))
    expected = getattr(np.fft, name)(x, **params)
    np.testing.assert_allclose(getattr(fourier, name)(x, **params), expected, atol=1e-13)
    np.testing.assert_allclose(
        getattr(np.fft, name)(tensor(x), **params).numpy(), expected, atol=1e-13
    )


def test_single_precision_stays() -> None:
    x = tensor(np.ones(4, np.float32), requires_grad=True)
    y = np.fft.irfft(np.fft.rfft(x))
    assert y.dtype == np.float32
    assert gradients([y.sum()], [x])[0].dtype == np.float32


def test_frequencies_as_numpy() -> None:
    for n in (1, 4, 5):
        np.testing.assert_array_equal(fourier.fftfreq(n, 0.5), np.fft.fftfreq(n, 0.5))
        np.testing.assert_array_equal(fourier.rfftfreq(n, 0.5), np.fft.rfftfreq(n, 0.5))
