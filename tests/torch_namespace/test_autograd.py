"""`torch.autograd`: operations of one's own, functional forms, checks, modes."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import numpy as np
import pytest

import chainrule.torch as torch
from chainrule.errors import GraphError, MissingDerivative, NaNError, ShapeError

functional = torch.autograd.functional


class Cube(torch.autograd.Function):
    """x**3, with a derivative that is itself differentiable."""

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        ctx.save_for_backward(x)
        return x**3

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        (x,) = ctx.saved_tensors
        return 3 * x**2 * g


class SumAndProduct(torch.autograd.Function):
    """Two results of two tensors and a number."""

    @staticmethod
    def forward(ctx: Any, x: Any, y: Any, k: float) -> Any:
        ctx.save_for_backward(x, y)
        ctx.k = k
        return k * (x + y), x * y

    @staticmethod
    def backward(ctx: Any, a: Any, b: Any) -> Any:
        x, y = ctx.saved_tensors
        return ctx.k * a + y * b, ctx.k * a + x * b, None


class NumpyExp(torch.autograd.Function):
    """exp by way of NumPy: its backward cannot be differentiated."""

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        y = torch.from_numpy(np.exp(x.detach().numpy()))
        ctx.save_for_backward(y)
        return y

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, g: Any) -> Any:
        (y,) = ctx.saved_tensors
        return torch.from_numpy(g.numpy() * y.numpy())


def double(*values: float) -> Any:
    return torch.tensor(values, dtype=torch.float64, requires_grad=True)


def test_function_derivatives_of_every_order() -> None:
    """Value, gradient, second and third derivative; forward mode follows."""
    x = double(2.0, -1.0)
    (g,) = torch.autograd.grad(Cube.apply(x).sum(), x, create_graph=True)
    (h,) = torch.autograd.grad(g.sum(), x, create_graph=True)
    (t,) = torch.autograd.grad(h.sum(), x)

    assert g.tolist() == [12, 3]
    assert h.tolist() == [12, -6]
    assert t.tolist() == [6, 6]
    assert torch.autograd.gradcheck(Cube.apply, (x,))
    assert torch.autograd.gradgradcheck(Cube.apply, (x,))
    assert functional.jvp(Cube.apply, x, torch.ones(2).double())[1].tolist() == [12, 3]


def test_function_of_several() -> None:
    """Several results, of which one may be unused; an argument that is no tensor."""
    x, y = double(1.0, 2.0), double(3.0, 4.0)
    assert torch.autograd.gradcheck(lambda x, y: SumAndProduct.apply(x, y, 2.0), (x, y))
    assert torch.autograd.gradgradcheck(lambda x, y: SumAndProduct.apply(x, y, 2.0), (x, y))

    total, _ = SumAndProduct.apply(x, y, 5.0)
    total.sum().backward()
    assert x.grad.tolist() == [5, 5]


def test_function_results_are_released() -> None:
    """A saved result does not keep itself alive."""

    class Exp(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            y = x.exp()
            ctx.save_for_backward(y)
            return y

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g * ctx.saved_tensors[0]

    x = double(1.0)
    y = Exp.apply(x)
    y.backward(torch.ones(1).double())
    assert x.grad.item() == pytest.approx(np.e)
    gone = weakref.ref(y)
    gc.disable()
    try:
        del y
        assert gone() is None
    finally:
        gc.enable()


def test_once_differentiable() -> None:
    """The first derivative works, with create_graph too; the second is refused."""
    x = double(1.0)
    (g,) = torch.autograd.grad(NumpyExp.apply(x), x, create_graph=True)
    assert g.item() == pytest.approx(np.e)
    with pytest.raises(MissingDerivative, match="once_differentiable"):
        g.backward()


def test_function_errors() -> None:
    """A gradient too few, of a wrong shape, a write into what was saved, a second pass."""

    class Wrong(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any, y: Any) -> Any:
            ctx.save_for_backward(x)
            return x * y

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return ctx.saved_tensors[0] if len(g) == 2 else (torch.ones(7).double(), g)

    with pytest.raises(GraphError, match="gave 1 gradients"):
        Wrong.apply(double(1.0, 2.0), double(1.0, 2.0)).sum().backward()
    with pytest.raises(ShapeError, match="shape"):
        Wrong.apply(double(1.0, 2.0, 3.0), double(1.0, 2.0, 3.0)).sum().backward()
    x = double(*np.arange(40.0))
    z = x * 1
    y = Cube.apply(z)
    z[0] = 3.0
    with pytest.raises(GraphError, match="Cube"):
        y.sum().backward()
    y = Cube.apply(x).sum()
    y.backward()
    with pytest.raises(GraphError, match="second time"):
        y.backward()


def test_function_outside_of_recording() -> None:
    """Nothing is recorded, and no gradient is said to be wanted."""
    seen = []

    class Look(Cube):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            seen.append((torch.is_grad_enabled(), x.requires_grad))
            return x**3

    x = double(2.0)
    with torch.no_grad():
        assert not Look.apply(x).requires_grad
    assert not Look.apply(x.detach()).requires_grad
    assert Look.apply(x).requires_grad
    assert seen == [(False, True), (False, False), (False, True)]


def test_in_place_function() -> None:
    """mark_dirty: the argument itself goes on as the result."""

    class Double(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.mark_dirty(x)
            return x.mul_(2)

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return 2 * g

    x = double(1.0, 3.0)
    y = x * 1
    z = Double.apply(y)
    assert z is y
    z.sum().backward()
    assert x.grad.tolist() == [2, 2]


@pytest.mark.parametrize("strategy", ["reverse-mode", "forward-mode"])
def test_jacobian(strategy: str) -> None:
    """By rows and by columns; several inputs and outputs; constants give zeros."""
    x, y = torch.tensor([1.0, 2.0]), torch.tensor([3.0])

    J = functional.jacobian(lambda x, y: (x * y, y.exp(), x.sum()), (x, y), strategy=strategy)

    assert [[tuple(b.shape) for b in row] for row in J] == [
        [(2, 2), (2, 1)], [(1, 2), (1, 1)], [(2,), (1,)],
    ]  # fmt: skip
    assert J[0][0].tolist() == [[3, 0], [0, 3]]
    assert J[0][1].tolist() == [[1], [2]]
    assert J[1][0].tolist() == [[0, 0]]
    assert not J[0][0].requires_grad


def test_strict_refuses_what_does_not_depend() -> None:
    """strict=True, as in PyTorch."""
    with pytest.raises(GraphError, match="depend"):
        functional.jacobian(lambda x, y: x.sum(), (torch.ones(2), torch.ones(2)), strict=True)


def test_hessian_and_products_agree() -> None:
    """hessian, hvp, vhp, and jacobian of the gradient."""
    x = torch.tensor([0.5, 1.5, -1.0], dtype=torch.float64)
    v = torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64)
    f = lambda x: (x[0] * x[1] * x.exp()).sum()  # noqa: E731

    H = functional.hessian(f, x)

    np.testing.assert_allclose(H.numpy(), H.T.numpy())
    for product in (functional.hvp, functional.vhp):
        np.testing.assert_allclose(product(f, x, v)[1].numpy(), (H @ v).numpy())


def test_gradcheck_finds_a_wrong_derivative() -> None:
    """And says where."""

    class Wrong(Cube):
        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            (x,) = ctx.saved_tensors
            return 2 * x**2 * g

    with pytest.raises(torch.autograd.GradcheckError, match=r"at \[0, 0\]"):
        torch.autograd.gradcheck(Wrong.apply, (double(1.0, 2.0),))
    assert not torch.autograd.gradcheck(Wrong.apply, (double(1.0),), raise_exception=False)
    with pytest.raises(ValueError, match="float64"):
        torch.autograd.gradcheck(torch.exp, (torch.ones(1, requires_grad=True),))


def test_detect_anomaly() -> None:
    """As a block and as a switch; afterwards nothing is looked for."""
    x = double(0.0)

    def nan() -> Any:
        return (x * float("nan")).sum()

    with torch.autograd.detect_anomaly(), pytest.raises(NaNError, match="multiply"):
        nan().backward()
    with torch.autograd.set_detect_anomaly(True), pytest.raises(NaNError):
        nan().backward()
    with torch.autograd.detect_anomaly(check_nan=False):
        nan().backward()
    nan().backward()


def test_inference_mode() -> None:
    """A block, a decorator with and without parentheses, and switched off."""
    x = double(1.0)

    @torch.inference_mode
    def plain(x: Any) -> Any:
        return x * 2

    @torch.inference_mode()
    def called(x: Any) -> Any:
        return x * 2

    with torch.inference_mode():
        assert not (x * 2).requires_grad
    with torch.inference_mode(False):
        assert (x * 2).requires_grad
    assert not plain(x).requires_grad
    assert not called(x).requires_grad


def test_backward_of_chosen_inputs() -> None:
    """Only their gradients are accumulated."""
    x, y = double(1.0), double(2.0)

    (x * y).sum().backward(inputs=[y])

    assert x.grad is None
    assert y.grad.item() == 1
