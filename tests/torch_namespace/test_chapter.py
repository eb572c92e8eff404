"""The programs of the chapter that chainrule was made for, digit for digit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import chainrule.torch as torch


def test_partial_derivatives(capsys: pytest.CaptureFixture[str]) -> None:
    """Two variables of one number each."""
    x1 = torch.tensor(1.0, requires_grad=True)
    x2 = torch.tensor(2.0, requires_grad=True)

    f = 3 * (x1**2) + x2 + torch.exp(x1 * x2)
    f.backward()
    print(x1.grad)
    print(x2.grad)

    assert capsys.readouterr().out == "tensor(20.7781)\ntensor(8.3891)\n"


def test_gradient_of_a_sum_of_squares(capsys: pytest.CaptureFixture[str]) -> None:
    """A vector of variables."""
    z = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)

    g = torch.sum(z**2)
    g.backward()
    print(z.grad)

    assert capsys.readouterr().out == "tensor([2., 4., 6.])\n"


def test_gradient_of_a_loss(capsys: pytest.CaptureFixture[str]) -> None:
    """Random features: the numbers are those PyTorch draws from this seed."""
    torch.manual_seed(42)
    X = torch.randn(3, 2)
    y = torch.tensor([[1.0, 0.0, 1.0]])
    theta = torch.ones(2, 1, requires_grad=True)

    predict = X @ theta
    loss = torch.sum((predict - y) ** 2)
    loss.backward()
    print(X)
    print(theta.grad)

    assert capsys.readouterr().out == (
        "tensor([[ 0.3367,  0.1288],\n"
        "        [ 0.2345,  0.2303],\n"
        "        [-1.1229, -0.1863]])\n"
        "tensor([[12.6212],\n"
        "        [ 1.7745]])\n"
    )


def gd_with_ad(
    f: Callable[[Any], Any], x0: float, alpha: float = 1e-3, niters: int = int(1e6)
) -> tuple[Any, float]:
    """Gradient descent, as in the chapter."""
    xk = torch.tensor(x0, requires_grad=True, dtype=torch.float)
    for _ in range(niters):
        value = f(xk)
        value.backward()
        with torch.no_grad():
            xk -= alpha * xk.grad
        xk.grad.zero_()
    return xk.numpy(force=True), f(xk).item()


@pytest.mark.parametrize(
    ("x0", "niters", "expected"),
    [
        (2, 10_000, "(array(0.03277362, dtype=float32), 3.5202472645323724e-05)"),
        (-2, 100, "(array(-4.9335055, dtype=float32), -120.07894897460938)"),
    ],
)
def test_gradient_descent(x0: float, niters: int, expected: str) -> None:
    """The last digit of float32 included."""
    assert repr(gd_with_ad(lambda x: x**3, x0, niters=niters)) == expected


def test_second_derivative() -> None:
    """The chapter's exercise: a derivative of a derivative."""
    x1 = torch.tensor(1.0, requires_grad=True)
    x2 = torch.tensor(2.0, requires_grad=True)
    f = 3 * x1**2 + x2 + torch.exp(x1 * x2)

    (by_x1,) = torch.autograd.grad(f, x1, create_graph=True)
    second = torch.autograd.grad(by_x1, (x1, x2))

    e = np.exp(2.0)
    np.testing.assert_allclose([s.item() for s in second], [6 + 4 * e, e + 2 * e], rtol=1e-6)
