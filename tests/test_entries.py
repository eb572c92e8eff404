"""Unit vectors as entries (`derive.entries`) while tracing: compiled Jacobians and Hessians."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.codegen.loops import work

N = 72
RNG = np.random.default_rng(3)
MATRIX = RNG.random((5, N))
PLACES = RNG.integers(0, N, N)
MASK = RNG.random(N) > 0.5

SPARSE: dict[str, Callable[[Any], Any]] = {
    "elementwise": lambda x: np.sin(x) * x / (1 + x * x),
    "neighbors": lambda x: x[1:] ** 2 - np.exp(x[:-1]) * x[1:],
    "every other": lambda x: x[::2] * x[1::2] + 1,
    "in reverse": lambda x: -x[::-1] * x,
    "choice by a mask": lambda x: np.where(MASK, x * x, 2.0),
    "choice by values": lambda x: np.where(x > 0.5, x * x, 2.0),
    "the other choice by values": lambda x: np.where(x > 0.5, 1.0, x**3),
    "sums of rows": lambda x: np.sum(np.reshape(x * x, (8, 9)), axis=1),
    "two axes": lambda x: np.reshape(x, (8, 9)).T * np.reshape(x * x, (9, 8)),
}
OTHERS: dict[str, Callable[[Any], Any]] = {
    "at places": lambda x: x[PLACES] * x,
    "put together": lambda x: np.concatenate([x[:3] ** 2, x[5:]]),
    "a product with a matrix": lambda x: MATRIX @ np.exp(x),
    "stretched": lambda x: x[:1] * x,
    "a sum of all": lambda x: np.sum(x * x) * x,
    "a norm": lambda x: x / np.linalg.norm(x),
    "a running sum": lambda x: np.cumsum(x * x),
}


@pytest.mark.parametrize("mode", ["forward", "reverse"])
@pytest.mark.parametrize("name", [*SPARSE, *OTHERS])
def test_jacobians(name: str, mode: str) -> None:
    """Compiled ones are the eager ones."""
    f, x = (SPARSE | OTHERS)[name], RNG.random(N)
    jacobian = cr.jacobian(f, mode=mode)

    found = cr.jit(jacobian)(x)

    np.testing.assert_allclose(found, jacobian(x), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("name", [*SPARSE, *OTHERS])
def test_hessians(name: str) -> None:
    """Of the sum of all elements, cubed; in turn to be differentiated."""
    f, x = (SPARSE | OTHERS)[name], RNG.random(N)
    hessian = cr.hessian(lambda x: np.sum(f(x) ** 3))

    np.testing.assert_allclose(cr.jit(hessian)(x), hessian(x), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("name", SPARSE)
def test_work(name: str) -> None:
    """Beside writing the zeros it grows with the number of entries."""
    jacobian = cr.jit(cr.jacobian(SPARSE[name], mode="forward"))
    x = RNG.random(N)
    size = jacobian(x).size
    assert work(jacobian.lower(x).program) < 3 * size + 100 * N


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_zero_times_infinity() -> None:
    """Roots of zero beside what is not chosen, as in eager code."""
    jacobian = cr.jacobian(lambda x: np.where(x > 0.5, np.sqrt(x - 0.5), 0.0) * x[::-1])
    x = np.where(MASK, 0.5, 0.75)

    found = cr.jit(jacobian)(x)

    assert np.isfinite(found).all()
    np.testing.assert_allclose(found, jacobian(x), rtol=1e-14)


def test_tracing_computes_with_no_numbers_of_old_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether a result would be a view is found with zeros, which every row can add up."""
    empty = np.empty

    def spoiled(*args: Any, **kwargs: Any) -> Any:
        memory = empty(*args, **kwargs)
        if memory.dtype.kind == "f" and memory.ndim:
            memory.flat[::2], memory.flat[1::2] = np.inf, -np.inf
        return memory

    monkeypatch.setattr(np, "empty", spoiled)
    with np.errstate(invalid="raise"):
        f = cr.jit(cr.jacobian(SPARSE["neighbors"])).lower(RNG.random(N))
    assert f.graph.nodes


def test_derivatives_of_compiled_jacobians() -> None:
    """Traced entries are differentiated like any other program."""
    x = RNG.random(N)

    def total(x: Any) -> Any:
        return np.sum(cr.jacobian(SPARSE["neighbors"])(x) ** 2)

    np.testing.assert_allclose(cr.jit(cr.grad(total))(x), cr.grad(total)(x), rtol=1e-12)
