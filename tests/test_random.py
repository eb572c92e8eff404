"""Random tensors: repeatable, of the right law, and differentiable in location and scale."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from chainrule import random
from chainrule.errors import DtypeError, MissingDerivative, ShapeError
from chainrule.tensor import Tensor, tensor

DRAWS: dict[str, Callable[..., Any]] = {
    "rand": lambda **k: random.rand(3, 2, **k),
    "randn": lambda **k: random.randn((3, 2), **k),
    "uniform": lambda **k: random.uniform(1.0, 2.0, (3, 2), **k),
    "normal": lambda **k: random.normal(1.0, 2.0, (3, 2), **k),
    "lognormal": lambda **k: random.lognormal(1.0, 2.0, (3, 2), **k),
    "exponential": lambda **k: random.exponential(2.0, (3, 2), **k),
    "laplace": lambda **k: random.laplace(1.0, 2.0, (3, 2), **k),
    "gumbel": lambda **k: random.gumbel(1.0, 2.0, (3, 2), **k),
    "logistic": lambda **k: random.logistic(1.0, 2.0, (3, 2), **k),
    "gamma": lambda **k: random.gamma(2.0, 3.0, (3, 2), **k),
    "beta": lambda **k: random.beta(2.0, 3.0, (3, 2), **k),
    "bernoulli": lambda **k: random.bernoulli(0.5, (3, 2), **k),
    "poisson": lambda **k: random.poisson(2.0, (3, 2), **k),
    "randint": lambda **k: random.randint(2, 9, (3, 2), **k),
}

WHOLE = {"poisson", "randint"}
"""Draws of integers."""

CONSTANT = {"beta", "bernoulli", *WHOLE}
"""Draws that are no variables to differentiate by."""


class Narrow(Tensor):
    """A class of Tensor with a default of its own, as `chainrule.torch` has."""

    __slots__ = ()
    _default_dtype = np.dtype(np.float32)


@pytest.mark.parametrize("name", DRAWS)
def test_seed_repeats(name: str) -> None:
    """The shared generator and one given draw the same from the same seed."""
    draw = DRAWS[name]
    random.seed(5)
    first, second = draw(), draw()
    random.manual_seed(5)

    np.testing.assert_array_equal(draw().numpy(), first.numpy())
    np.testing.assert_array_equal(draw(generator=random.default_rng(5)).numpy(), first.numpy())
    if name != "bernoulli":
        assert not np.array_equal(first.numpy(), second.numpy())


@pytest.mark.parametrize("name", DRAWS)
def test_shape_dtype_class(name: str) -> None:
    t, narrow = DRAWS[name](), DRAWS[name](cls=Narrow)

    assert t.shape == (3, 2)
    assert (type(t), type(narrow)) == (Tensor, Narrow)
    assert t.dtype == (np.int64 if name in WHOLE else np.float64)
    assert narrow.dtype == (np.int64 if name in WHOLE else np.float32)
    assert DRAWS[name](dtype=np.float16).dtype == np.float16
    assert not t.requires_grad
    if name not in CONSTANT:
        leaf = DRAWS[name](requires_grad=True)
        assert leaf.requires_grad
        assert leaf.is_leaf


@pytest.mark.parametrize(
    ("draw", "mean", "deviation"),
    [
        (random.rand, 0.5, 12**-0.5),
        (random.randn, 0.0, 1.0),
        (lambda n: random.uniform(-2.0, 4.0, n), 1.0, 6 * 12**-0.5),
        (lambda n: random.normal(3.0, 0.5, n), 3.0, 0.5),
        (
            lambda n: random.lognormal(0.0, 0.5, n),
            np.exp(0.125),
            np.sqrt(np.exp(0.5) - np.exp(0.25)),
        ),
        (lambda n: random.exponential(2.0, n), 2.0, 2.0),
        (lambda n: random.laplace(1.0, 2.0, n), 1.0, 8**0.5),
        (lambda n: random.gumbel(1.0, 2.0, n), 1 + 2 * np.euler_gamma, 2 * np.pi / 6**0.5),
        (lambda n: random.logistic(1.0, 2.0, n), 1.0, 2 * np.pi / 3**0.5),
        (lambda n: random.gamma(3.0, 2.0, n), 6.0, 12**0.5),
        (lambda n: random.beta(2.0, 3.0, n), 0.4, 0.2),
        (lambda n: random.bernoulli(0.25, n), 0.25, 0.1875**0.5),
        (lambda n: random.poisson(4.0, n), 4.0, 2.0),
        (lambda n: random.randint(5, size=n), 2.0, 2**0.5),
    ],
)
def test_moments(draw: Callable[[int], Any], mean: float, deviation: float) -> None:
    """Mean and standard deviation of many draws, within five standard errors or so."""
    random.seed(1)
    n = 40_000
    values = draw(n).numpy()

    assert abs(values.mean() - mean) < 5 * deviation / n**0.5
    assert abs(values.std() - deviation) < 0.05 * deviation


@pytest.mark.parametrize(
    ("family", "by_scale"),
    [
        (random.normal, lambda y, a, b: (y - a) / b),
        (random.laplace, lambda y, a, b: (y - a) / b),
        (random.gumbel, lambda y, a, b: (y - a) / b),
        (random.logistic, lambda y, a, b: (y - a) / b),
        (random.uniform, lambda y, a, b: (y - a) / (b - a)),
    ],
)
def test_location_and_scale_have_derivatives(family: Any, by_scale: Any) -> None:
    """The draw moves with its parameters, one gradient for each element of theirs."""
    a = tensor([1.0, 2.0, 3.0], requires_grad=True)
    b = tensor(4.0, requires_grad=True)
    y = family(a, b, (5, 3))
    y.sum().backward()

    share = by_scale(y.detach().numpy(), a.detach().numpy(), 4.0)
    by_location = 1 - share if family is random.uniform else np.ones((5, 3))
    np.testing.assert_allclose(a.grad.numpy(), by_location.sum(0))
    np.testing.assert_allclose(b.grad.numpy(), share.sum())


@pytest.mark.parametrize("draw", [random.exponential, lambda s: random.gamma(2.0, s)])
def test_scale_has_a_derivative(draw: Callable[[Any], Any]) -> None:
    scale = tensor([1.0, 2.0], requires_grad=True)
    y = draw(scale)
    y.sum().backward()

    np.testing.assert_allclose(scale.grad.numpy(), y.detach().numpy() / [1.0, 2.0])


def test_parameters_decide_the_dtype() -> None:
    scale = tensor(np.float32(2.0), requires_grad=True)
    y = random.normal(0.0, scale, 3)
    y.sum().backward()

    assert y.dtype == np.float32
    assert scale.grad.dtype == np.float32


def test_permutation() -> None:
    x = tensor(np.arange(6.0).reshape(3, 2), requires_grad=True)
    y = random.permutation(x, axis=0)
    (y * y).sum().backward()

    np.testing.assert_array_equal(np.sort(random.permutation(9).numpy()), np.arange(9))
    np.testing.assert_array_equal(np.sort(y.detach().numpy(), 0), x.detach().numpy())
    np.testing.assert_array_equal(x.grad.numpy(), 2 * x.detach().numpy())


def test_choice() -> None:
    x = tensor([1.0, 2.0, 3.0], requires_grad=True)
    y = random.choice(x, 4, p=[0.0, 1.0, 0.0])
    y.sum().backward()

    np.testing.assert_array_equal(y.detach().numpy(), [2.0] * 4)
    np.testing.assert_array_equal(x.grad.numpy(), [0.0, 4.0, 0.0])
    assert random.choice(5).shape == ()
    assert sorted(random.choice(3, 3, replace=False).tolist()) == [0, 1, 2]
    assert set(random.choice([7, 8], 9).tolist()) <= {7, 8}


def test_empty_and_scalar_draws() -> None:
    assert random.rand().shape == ()
    assert random.randn(0, 3).shape == (0, 3)
    assert random.normal().shape == ()
    assert random.uniform(size=0).shape == (0,)


@pytest.mark.parametrize(
    ("wrong", "error", "text"),
    [
        (lambda: random.normal(np.zeros(3), 1.0, 2), ShapeError, r"size=\(2,\)"),
        (lambda: random.rand(2, dtype=int), DtypeError, "int64"),
        (lambda: random.gamma(tensor(2.0, requires_grad=True)), MissingDerivative, "'shape'"),
        (lambda: random.poisson(tensor(2.0, requires_grad=True)), MissingDerivative, "'rate'"),
        (lambda: random.bernoulli(tensor(0.5, requires_grad=True)), MissingDerivative, "'p'"),
        (lambda: random.randint(3, 3), ValueError, "randint"),
        (lambda: random.laplace(sice=3), TypeError, "'sice'"),
    ],
)
def test_errors(wrong: Callable[[], Any], error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        wrong()


def test_threads_share_the_generator() -> None:
    """No draw is given twice or lost: together the threads get what one would."""
    random.seed(3)
    drawn: list[float] = []
    threads = [
        threading.Thread(target=lambda: drawn.extend(float(random.rand()) for _ in range(200)))
        for _ in range(4)
    ]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    random.seed(3)

    assert sorted(drawn) == sorted(random.rand(800).tolist())


def test_numpy_random_is_imported_on_first_use() -> None:
    """It takes a sixth of the time that NumPy does to import."""
    code = (
        "import sys, chainrule.random as r; assert 'numpy.random' not in sys.modules; "
        "r.rand(1); assert 'numpy.random' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
