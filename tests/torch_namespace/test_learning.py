"""`torch.nn`, `torch.optim` and random numbers."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import chainrule.torch as torch
from chainrule.errors import ShapeError

nn, F = torch.nn, torch.nn.functional


# --- random numbers: what PyTorch 2.13 prints -----------------------------------------------------


@pytest.mark.parametrize(
    ("draw", "expected"),
    [
        (lambda: torch.rand(3), [0.88226926, 0.91500396, 0.38286376]),
        (lambda: torch.randn(3), [0.33669037, 0.12880941, 0.23446237]),
        (lambda: torch.randint(0, 10, (5,)), [2, 7, 6, 4, 6]),
        (lambda: torch.randperm(5), [2, 4, 3, 0, 1]),
        (lambda: torch.randn(16)[:3], [1.9269153, 1.4872841, 0.9007172]),
        (lambda: torch.empty(2).uniform_(-1, 1), [0.7645385, 0.8300079]),
    ],
)
def test_random_numbers_are_pytorchs(draw: Callable[[], Any], expected: list[float]) -> None:
    """After manual_seed(42)."""
    torch.manual_seed(42)

    np.testing.assert_allclose(draw().numpy(), expected, rtol=1e-6)


def test_generators_are_independent() -> None:
    """A generator of one's own leaves the common one alone, and states can be kept."""
    torch.manual_seed(1)
    g = torch.Generator().manual_seed(1)
    assert torch.equal(torch.rand(4, generator=g), torch.rand(4))
    state = torch.get_rng_state()
    first = torch.randn(5)
    torch.set_rng_state(state)
    assert torch.equal(torch.randn(5), first)


def test_random_moments() -> None:
    """Of the distributions whose digits are not compared."""
    torch.manual_seed(0)

    assert torch.bernoulli(torch.full((4000,), 0.3)).mean().item() == pytest.approx(0.3, abs=0.03)
    assert F.dropout(torch.ones(4000), 0.25).mean().item() == pytest.approx(1, abs=0.03)
    drawn = torch.multinomial(torch.tensor([1.0, 0.0, 3.0]), 4000, replacement=True)
    np.testing.assert_allclose(np.bincount(drawn.numpy()) / 4000, [0.25, 0, 0.75], atol=0.03)
    assert sorted(torch.multinomial(torch.tensor([1.0, 2.0, 3.0]), 3).tolist()) == [0, 1, 2]
    assert torch.normal(5.0, 2.0, (4000,)).std().item() == pytest.approx(2, abs=0.1)


# --- optimizers -----------------------------------------------------------------------------------

OPTIMIZERS: dict[str, Callable[[Any], Any]] = {
    "SGD": lambda p: torch.optim.SGD(p, lr=0.1),
    "momentum": lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.8),
    "Nesterov": lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.8, nesterov=True),
    "Adam": lambda p: torch.optim.Adam(p, lr=0.1),
    "AMSGrad": lambda p: torch.optim.Adam(p, lr=0.1, amsgrad=True),
    "AdamW": lambda p: torch.optim.AdamW(p, lr=0.1, weight_decay=1e-4),
    "RMSprop": lambda p: torch.optim.RMSprop(p, lr=0.02),
    "Adagrad": lambda p: torch.optim.Adagrad(p, lr=0.5),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizers_find_a_minimum(name: str) -> None:
    """Of a quadratic function of a matrix and a number."""
    x = torch.tensor([[1.0, -2.0]], dtype=torch.float64, requires_grad=True)
    s = torch.tensor(3.0, requires_grad=True)
    optimizer = OPTIMIZERS[name]([x, s])

    for _ in range(300):
        optimizer.zero_grad()
        loss = ((x - 1) ** 2).sum() + (s + 1) ** 2 + x[0, 0] * s / 4
        loss.backward()
        optimizer.step()

    # where the derivative vanishes
    expected = np.linalg.solve([[2, 0.25], [0.25, 2]], [2.0, -2.0])
    np.testing.assert_allclose([x[0, 0].item(), s.item()], expected, atol=0.03)
    assert x[0, 1].item() == pytest.approx(1, abs=0.03)
    assert x.dtype == torch.float64
    assert s.dtype == torch.float32


@pytest.mark.parametrize("line_search", [None, "strong_wolfe"])
def test_lbfgs(line_search: str | None) -> None:
    """Rosenbrock's function with a line search; a quadratic without."""
    x = torch.tensor([-1.2, 1.0], dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([x], max_iter=100, line_search_fn=line_search)

    def closure() -> Any:
        optimizer.zero_grad()
        loss = (
            (1 - x[0]) ** 2 + 100 * (x[1] - x[0] ** 2) ** 2
            if line_search
            else ((x - 1) ** 2 * torch.tensor([1.0, 3.0])).sum()
        )
        loss.backward()
        return loss

    for _ in range(3):
        optimizer.step(closure)

    np.testing.assert_allclose(x.detach().numpy(), [1, 1], atol=1e-4)


def test_state_of_an_optimizer_can_be_kept() -> None:
    """Going on from a saved state is going on."""
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    optimizer = torch.optim.Adam([x], lr=0.1)

    def steps(p: Any, o: Any, count: int) -> None:
        for _ in range(count):
            o.zero_grad()
            (p**4).sum().backward()
            o.step()

    steps(x, optimizer, 3)
    y = x.detach().clone().requires_grad_()
    other = torch.optim.Adam([y], lr=0.7)
    other.load_state_dict(pickle.loads(pickle.dumps(optimizer.state_dict())))
    steps(x, optimizer, 3)
    steps(y, other, 3)
    assert torch.equal(x, y)


def test_groups_and_settings() -> None:
    """Groups with rates of their own; what cannot be is refused."""
    x, y = torch.ones(1, requires_grad=True), torch.ones(1, requires_grad=True)
    optimizer = torch.optim.SGD([{"params": [x]}, {"params": [y], "lr": 0.5}], lr=0.1)
    (x + y).sum().backward()
    optimizer.step()
    np.testing.assert_allclose([x.item(), y.item()], [0.9, 0.5], rtol=1e-6)
    optimizer.zero_grad(set_to_none=False)
    assert x.grad.item() == 0
    optimizer.zero_grad()
    assert x.grad is None
    for wrong in (
        lambda: torch.optim.SGD([x, x * 2], lr=0.1),
        lambda: torch.optim.SGD([], lr=0.1),
        lambda: torch.optim.SGD([x], lr=-1.0),
        lambda: torch.optim.SGD([x], lr=0.1, nesterov=True),
        lambda: torch.optim.Adam([x], betas=(1.0, 0.9)),
        lambda: torch.optim.SGD([{"params": [x]}, {"params": [x]}], lr=0.1),
    ):
        with pytest.raises(ValueError):  # noqa: PT011 - that it is one
            wrong()
    with pytest.raises(TypeError, match="iterable"):
        torch.optim.SGD(x, lr=0.1)


# --- modules --------------------------------------------------------------------------------------


def small_model() -> Any:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1))


def test_modules_learn() -> None:
    """A small network fits a product."""
    model = small_model()
    X = torch.rand(64, 2)
    y = X[:, :1] * X[:, 1:]
    optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
    for _ in range(300):
        optimizer.zero_grad()
        loss = nn.MSELoss()(model(X), y)
        loss.backward()
        optimizer.step()
    assert loss.item() < 3e-3


def test_modules_know_their_parameters() -> None:
    """Names, state, training mode, copies."""
    model = small_model()

    assert [n for n, _ in model.named_parameters()] == ["0.weight", "0.bias", "2.weight", "2.bias"]
    assert list(model.state_dict()) == ["0.weight", "0.bias", "2.weight", "2.bias"]
    assert all(isinstance(p, nn.Parameter) and p.requires_grad for p in model.parameters())
    assert not isinstance(model[0].weight * 2, nn.Parameter)
    assert not any(m.training for m in model.eval().modules())
    x = torch.ones(1, 2)
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert torch.equal(other(x), model(x))
        assert all(isinstance(p, nn.Parameter) for p in other.parameters())
        assert other[0].weight is not model[0].weight
    model(x).sum().backward()
    model.zero_grad()
    assert all(p.grad is None for p in model.parameters())
    assert model.double()(x.double()).dtype == torch.float64
    with pytest.raises(KeyError, match="missing"):
        model.load_state_dict({})
    with pytest.raises(ShapeError):
        model.load_state_dict({**model.state_dict(), "0.bias": torch.ones(7)})


def test_module_attributes() -> None:
    """Assigning before super().__init__(), replacing, removing."""

    class Hasty(nn.Module):
        def __init__(self) -> None:
            self.w = nn.Parameter(torch.ones(1))

    with pytest.raises(AttributeError, match="super"):
        Hasty()
    module = nn.Linear(1, 1)
    module.bias = None
    assert [n for n, _ in module.named_parameters()] == ["weight"]
    assert module(torch.ones(1, 1)).shape == (1, 1)
    del module.weight
    with pytest.raises(AttributeError, match="weight"):
        module.weight  # noqa: B018
    with pytest.raises(NotImplementedError, match="forward"):
        nn.Module()(1)


X = torch.tensor([[0.5, -1.0, 2.0], [1.5, 0.1, -0.3]], dtype=torch.float64, requires_grad=True)
P = torch.tensor([[0.5, 0.9, 0.2], [0.1, 0.6, 0.7]], dtype=torch.float64, requires_grad=True)
T = torch.tensor([[1.0, 0.0, 1.0], [0.0, 1.0, 0.5]], dtype=torch.float64)
SIGNS = 2 * T.round() - 1

LOSSES: dict[str, Callable[..., Any]] = {
    "mse": lambda r: F.mse_loss(X, T, reduction=r),
    "l1": lambda r: F.l1_loss(X, T, reduction=r),
    "smooth_l1": lambda r: F.smooth_l1_loss(X, T, reduction=r),
    "huber": lambda r: F.huber_loss(X, T, reduction=r, delta=0.6),
    "cross_entropy": lambda r: F.cross_entropy(X, torch.tensor([2, 0]), reduction=r),
    "soft cross_entropy": lambda r: F.cross_entropy(X, T, reduction=r),
    "nll": lambda r: F.nll_loss(X.log_softmax(1), torch.tensor([1, 2]), reduction=r),
    "bce": lambda r: F.binary_cross_entropy(P, T, reduction=r),
    "bce with logits": lambda r: F.binary_cross_entropy_with_logits(X, T, reduction=r),
    "kl": lambda r: F.kl_div(X.log_softmax(1), T, reduction=r),
    "poisson": lambda r: F.poisson_nll_loss(X, T, reduction=r),
    "gaussian": lambda r: F.gaussian_nll_loss(X, T, P, reduction=r),
    "soft margin": lambda r: F.soft_margin_loss(X, SIGNS, reduction=r),
    "hinge": lambda r: F.hinge_embedding_loss(X, SIGNS, reduction=r),
    "ranking": lambda r: F.margin_ranking_loss(X, P, SIGNS, reduction=r),
    "triplet": lambda r: F.triplet_margin_loss(X, P, T, reduction=r),
    "cosine": lambda r: F.cosine_embedding_loss(X, P, torch.tensor([1, -1]), reduction=r),
}


@pytest.mark.parametrize("name", LOSSES)
def test_losses(name: str) -> None:
    """The three reductions agree, and derivatives are right."""
    each = LOSSES[name]("none")

    assert LOSSES[name]("sum").item() == pytest.approx(each.sum().item())
    if name != "soft cross_entropy":
        assert LOSSES[name]("mean").item() == pytest.approx(each.mean().item())
    with pytest.raises(ValueError, match="reduction"):
        LOSSES[name]("no such")


def test_loss_values() -> None:
    """Closed forms."""
    assert F.cross_entropy(torch.zeros(2, 4), torch.tensor([0, 3])).item() == pytest.approx(
        np.log(4)
    )
    with np.errstate(divide="ignore"):
        assert F.binary_cross_entropy(torch.tensor([0.0]), torch.tensor([1.0])).item() == 100
    big = F.binary_cross_entropy_with_logits(torch.tensor([1000.0]), torch.tensor([0.0]))
    assert big.item() == 1000


@pytest.mark.parametrize(
    "name", [n for n in torch.nn._activations.__all__ if n not in {"dropout", "prelu"}]
)
def test_activations(name: str) -> None:
    """Derivatives of first and second order."""
    function = getattr(F, name)
    x = torch.tensor([[0.55, -1.3, 2.2, 0.01], [1.5, 0.1, -0.3, -4.0]]).double().requires_grad_()
    args = {"softmax": (1,), "log_softmax": (1,), "softmin": (1,), "threshold": (0.2, -1.0)}

    assert torch.autograd.gradcheck(lambda x: function(x, *args.get(name, ())), (x,))
    assert torch.autograd.gradgradcheck(lambda x: function(x, *args.get(name, ())), (x,))
