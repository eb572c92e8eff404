"""Tensors print as PyTorch's do. The strings here were printed by PyTorch 2.13."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from chainrule.printing import set_printoptions, tensor_text
from chainrule.tensor import Tensor, tensor

GOLDEN = [
    (np.float32(20.7781), "tensor(20.7781)"),
    (np.array([2.0, 4.0, 6.0], "f4"), "tensor([2., 4., 6.])"),
    (
        np.array([[0.46252, 1.0], [2.1362, -3.5]], "f4"),
        "tensor([[ 0.4625,  1.0000],\n        [ 2.1362, -3.5000]])",
    ),
    (np.array([[0.46252], [2.1362]], "f4"), "tensor([[0.4625],\n        [2.1362]])"),
    (np.array([1, 2]), "tensor([1, 2])"),
    (np.array([1, -200], "i4"), "tensor([   1, -200], dtype=torch.int32)"),
    (np.array([True, False]), "tensor([ True, False])"),
    (np.array(True), "tensor(True)"),
    (np.array([1.5, np.nan, -np.inf], "f4"), "tensor([1.5000,    nan,   -inf])"),
    (np.array([np.nan, 0.0], "f4"), "tensor([nan, 0.])"),
    (np.array([-0.0, 2.0], "f4"), "tensor([-0., 2.])"),
    (np.array([1.0, 1000.0], "f4"), "tensor([   1., 1000.])"),
    (np.array([1.0, 1001.0], "f4"), "tensor([1.0000e+00, 1.0010e+03])"),
    (np.array([0.5, 1e5], "f4"), "tensor([5.0000e-01, 1.0000e+05])"),
    (np.array([1e-5, 1e-3], "f4"), "tensor([1.0000e-05, 1.0000e-03])"),
    (np.array([2e8], "f4"), "tensor([2.0000e+08])"),
    (np.array([1.5, -2.25]), "tensor([ 1.5000, -2.2500], dtype=torch.float64)"),
    (np.array([1 + 2j, -0.5 - 1j], "c8"), "tensor([ 1.0000+2.j, -0.5000-1.j])"),
    (np.array(1j), "tensor(0.+1.j, dtype=torch.complex128)"),
    (np.zeros(0, "f4"), "tensor([])"),
    (np.zeros(0, "i8"), "tensor([], dtype=torch.int64)"),
    (np.zeros((0, 3), "f4"), "tensor([], size=(0, 3))"),
    (np.zeros((2, 0), "f8"), "tensor([], size=(2, 0), dtype=torch.float64)"),
    (np.zeros((2, 1, 2), "f4"), "tensor([[[0., 0.]],\n\n        [[0., 0.]]])"),
    (
        np.arange(8.0, dtype="f4").reshape(2, 2, 1, 2),
        (
            "tensor([[[[0., 1.]],\n"
            "\n"
            "         [[2., 3.]]],\n"
            "\n"
            "\n"
            "        [[[4., 5.]],\n"
            "\n"
            "         [[6., 7.]]]])"
        ),
    ),
    (
        np.arange(24.0, dtype="f4"),
        (
            "tensor([ 0.,  1.,  2.,  3.,  4.,  5.,  6.,  7.,  8.,  9., 10., 11., 12., 13.,\n"
            "        14., 15., 16., 17., 18., 19., 20., 21., 22., 23.])"
        ),
    ),
    (np.arange(1001), "tensor([   0,    1,    2,  ...,  998,  999, 1000])"),
    (
        np.zeros((50, 40), "f4"),
        (
            "tensor([[0., 0., 0.,  ..., 0., 0., 0.],\n"
            "        [0., 0., 0.,  ..., 0., 0., 0.],\n"
            "        [0., 0., 0.,  ..., 0., 0., 0.],\n"
            "        ...,\n"
            "        [0., 0., 0.,  ..., 0., 0., 0.],\n"
            "        [0., 0., 0.,  ..., 0., 0., 0.],\n"
            "        [0., 0., 0.,  ..., 0., 0., 0.]])"
        ),
    ),
    (
        np.zeros((2, 1, 600), "f4"),
        ("tensor([[[0., 0., 0.,  ..., 0., 0., 0.]],\n\n        [[0., 0., 0.,  ..., 0., 0., 0.]]])"),
    ),
    (
        np.full((2, 2), 0.1, "f2"),
        "tensor([[0.1000, 0.1000],\n        [0.1000, 0.1000]], dtype=torch.float16)",
    ),
]
"""Values, and how PyTorch prints them where float32 is the default."""


class Shown:
    """What printing looks at of a Tensor."""

    _default_dtype = np.dtype(np.float32)
    _dtype_prefix = "torch."
    _node = None

    def __init__(self, value: Any) -> None:
        self._value = value


@pytest.fixture(autouse=True)
def default_options() -> Iterator[None]:
    """Options changed by a test are reset after it."""
    yield
    set_printoptions(profile="default")


@pytest.mark.parametrize(("value", "text"), GOLDEN, ids=[t[:40] for _, t in GOLDEN])
def test_as_pytorch_prints(value: Any, text: str) -> None:
    assert tensor_text(Shown(value)) == text


def test_long_suffix_goes_to_a_line_of_its_own() -> None:
    """A suffix that would pass the end of the line follows on the next one."""
    x = tensor(np.arange(8, dtype=np.float32) / 7, requires_grad=True)

    assert repr(x) == (
        "tensor([0.0000, 0.1429, 0.2857, 0.4286, 0.5714, 0.7143, 0.8571, 1.0000],\n"
        "       dtype=float32, requires_grad=True)"
    )


def test_default_dtype_prints_no_suffix() -> None:
    """Nor does the complex dtype of the same precision."""
    assert repr(tensor([1.0, 2.5])) == "tensor([1.0000, 2.5000])"
    assert repr(tensor([1j])) == "tensor([0.+1.j])"
    assert repr(tensor([1.0], dtype=np.float32)) == "tensor([1.], dtype=float32)"


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"precision": 2}, "tensor([ 1.50, -2.25,  3.14,  0.00])"),
        ({"precision": 0}, "tensor([ 2, -2,  3,  0])"),
        ({"sci_mode": True}, "tensor([ 1.5000e+00, -2.2500e+00,  3.1416e+00,  0.0000e+00])"),
        ({"linewidth": 30}, "tensor([ 1.5000, -2.2500,\n         3.1416,  0.0000])"),
        ({"threshold": 2, "edgeitems": 1}, "tensor([1.5000,  ..., 0.0000])"),
        ({"profile": "short"}, "tensor([ 1.50, -2.25,  3.14,  0.00])"),
    ],
    ids=str,
)
def test_options(options: dict[str, Any], text: str) -> None:
    """set_printoptions takes PyTorch's options."""
    set_printoptions(**options)

    assert tensor_text(Shown(np.array([1.5, -2.25, 3.14159, 0.0], np.float32))) == text


def test_sci_mode_false() -> None:
    """Scientific notation can be refused for numbers that would get it."""
    set_printoptions(sci_mode=False)

    assert repr(tensor([0.5, 1e5])) == "tensor([     0.5000, 100000.0000])"


def test_unknown_profile() -> None:
    with pytest.raises(ValueError, match="default, short, full"):
        set_printoptions(profile="long")


x = tensor([0.3, 0.5], requires_grad=True)
m = tensor([[2.0, 1.0], [0.5, 3.0]], requires_grad=True)


@pytest.mark.parametrize(
    ("made", "name"),
    [
        (x * 2, "MulBackward0"),
        (x + 1, "AddBackward0"),
        (1 - x, "RsubBackward1"),
        (x / x, "DivBackward0"),
        (2 / x, "MulBackward0"),
        (x**2, "PowBackward0"),
        (x**x, "PowBackward1"),
        (2**x, "PowBackward2"),
        (m @ m, "MmBackward0"),
        (m @ x, "MvBackward0"),
        (x @ x, "DotBackward0"),
        (x.sum(), "SumBackward0"),
        (m.sum(0), "SumBackward1"),
        (m.mean(), "MeanBackward0"),
        (m.max(), "MaxBackward1"),
        (m.T, "PermuteBackward0"),
        (m.reshape(4), "ViewBackward0"),
        (np.exp(x), "ExpBackward0"),
        (np.log1p(x), "Log1PBackward0"),
        (np.linalg.det(m), "LinalgDetBackward0"),
        (x.clip(0, 1), "ClampBackward1"),
        (m[0], "SelectBackward0"),
        (m[0:1], "SliceBackward0"),
        (m[:, 0], "SelectBackward0"),
        (m[[0]], "IndexBackward0"),
        (m[m > 1], "IndexBackward0"),
        (m[..., None], "UnsqueezeBackward0"),
        (m[...], "AliasBackward0"),
    ],
)
def test_history_has_pytorchs_names(made: Tensor, name: str) -> None:
    assert repr(made).endswith(f"grad_fn=<{name}>)")


def test_power_keeps_its_name_when_the_graph_is_freed() -> None:
    """The second operand's kind is unknown then, and a number the likely one."""
    y = (tensor(3.0, requires_grad=True)) ** 2
    y.backward()

    assert repr(y) == "tensor(9., grad_fn=<PowBackward0>)"
