"""`torch.func`: PyTorch's names of the transforms."""

from __future__ import annotations

from typing import Any

import numpy as np

import chainrule.torch as torch


def f(x: Any) -> Any:
    return (torch.sin(x) * x).sum()


def test_the_names_agree_with_each_other() -> None:
    """Gradients, Jacobians in both modes and Hessians of the same functions, in float32."""
    x = torch.tensor([0.5, 1.0, 2.0])
    g, value = torch.func.grad_and_value(f)(x)
    assert g.dtype == torch.float32
    assert torch.equal(g, torch.func.grad(f)(x))
    assert torch.equal(value, f(x))
    by_row, by_column = (
        torch.func.jacrev(torch.func.grad(f))(x),
        torch.func.jacfwd(torch.func.grad(f))(x),
    )
    assert torch.allclose(by_row, by_column)
    assert torch.allclose(torch.func.hessian(f)(x), by_row)
    batch = torch.stack([x, 2 * x])
    each = torch.stack([torch.func.grad(f)(v) for v in batch])
    assert torch.allclose(torch.vmap(torch.func.grad(f))(batch), each)
    assert torch.vmap(f, in_dims=1)(batch).shape == (3,)


def test_linear_maps() -> None:
    """`jvp`, `vjp` and `linearize` pair as they should."""
    x, t = torch.tensor([0.5, 1.0]), torch.tensor([1.0, -2.0])
    value, moved = torch.func.jvp(torch.exp, (x,), (t,))
    assert torch.equal(value, torch.exp(x))
    _, pullback = torch.func.vjp(torch.exp, x)
    (back,) = pullback(t)
    np.testing.assert_allclose(back.numpy(), moved.numpy())
    assert torch.equal(torch.func.linearize(torch.exp, x)[1](t), moved)
