"""Chains of matrix products that run tile by tile of the examples, beside eager evaluation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import chainrule as cr

pytest.importorskip("llvmlite")

from chainrule.rewrite import examples
from chainrule.rewrite.examples import tile_of

RNG = np.random.default_rng(5)

Case = tuple[Callable[..., Any], list[Any]]


@pytest.fixture(autouse=True)
def small_caches(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the caches were small, so that a few hundred examples are many."""
    monkeypatch.setattr(examples, "NEAR", 1 << 16)
    monkeypatch.setattr(examples, "WORTH", 1 << 15)


def tiled(function: Callable[..., Any], *args: Any, **options: Any) -> bool:
    """Whether a program runs tile by tile; its results are those of the plain evaluation."""
    compiled = cr.jit(function, **options)
    found, expected = compiled(*args), function(*args)
    found, expected = [x if isinstance(x, tuple) else (x,) for x in (found, expected)]
    assert len(found) == len(expected)
    for a, b in zip(found, expected, strict=True):
        single = np.asarray(b).dtype == np.float32
        scale = np.max(np.abs(b), initial=0, where=np.isfinite(b))
        np.testing.assert_allclose(a, b, rtol=0, atol=(1e-4 if single else 1e-10) * scale)
        assert np.asarray(a).dtype == np.asarray(b).dtype
    return "scan(" in repr(compiled.lower(*args).program)


def layers(n: int, dtype: Any = np.float64) -> Case:
    """Two dense layers."""
    x, y = RNG.standard_normal((n, 30)).astype(dtype), RNG.standard_normal((n, 5)).astype(dtype)
    shapes = ((30, 40), (40,), (40, 5))
    weights = [RNG.standard_normal(s).astype(dtype) / 6 for s in shapes]

    def loss(w: Any, b: Any, v: Any, x: Any) -> Any:
        return np.sum((np.tanh(x @ w + b) @ v - y) ** 2) / n

    return loss, [*weights, x]


def columns(n: int) -> Case:
    """Examples are columns."""
    x = RNG.standard_normal((20, n))

    def loss(w: Any, v: Any, x: Any) -> Any:
        return np.sum(np.tanh(v @ np.sin(w @ x)) * np.arange(n))

    return loss, [RNG.standard_normal((30, 20)), RNG.standard_normal((9, 30)), x]


def mixture(n: int) -> Case:
    """A logarithm of a sum of exponentials of quadratic forms, examples in the middle."""
    x = RNG.standard_normal((n, 12))

    def loss(mu: Any, q: Any, x: Any) -> Any:
        z = cr.einsum("kij,nkj->nki", q, x[:, None, :] - mu)
        return cr.sum(cr.special.logsumexp(-cr.sum(z * z, axis=-1) / 2, axis=1))

    return loss, [RNG.standard_normal((6, 12)), RNG.standard_normal((6, 12, 12)) / 4, x]


def classes(n: int) -> Case:
    """Softmax, with weights of the examples."""
    x, labels = RNG.standard_normal((n, 24)), np.eye(11)[RNG.integers(0, 11, n)]

    def loss(w: Any, v: Any, weight: Any) -> Any:
        z = np.maximum(x @ w, 0.0) @ v
        return -np.sum(weight * np.sum(labels * (z - cr.special.logsumexp(z, 1)[:, None]), 1))

    sizes = ((24, 40), (40, 11), (n,))
    return loss, [RNG.standard_normal(s) / 5 for s in sizes]


def extremes(n: int) -> Case:
    """The largest of each row."""
    x = RNG.standard_normal((n, 16))

    def loss(w: Any, v: Any, x: Any) -> Any:
        return np.sum(np.max(np.cos(x @ w) @ v, axis=1))

    return loss, [RNG.standard_normal((16, 40)), RNG.standard_normal((40, 12)), x]


def vectors(n: int) -> Case:
    """Products with vectors at both ends."""
    x = RNG.standard_normal((n, 48))

    def loss(w: Any, v: Any, x: Any) -> Any:
        return np.sum(np.log1p(np.exp(-np.tanh(x @ w) @ v)))

    return loss, [RNG.standard_normal((48, 40)), RNG.standard_normal(40), x]


CASES = (layers, columns, mixture, classes, extremes, vectors)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("n", [400, 521, 1000])
def test_gradients(case: Callable[[int], Case], n: int) -> None:
    """By factors, which are sums over tiles, and by examples; with and without a rest."""
    loss, args = case(n)
    assert tiled(cr.grad(loss, argnums=tuple(range(len(args)))), *args)
    value_too = cr.value_and_grad(loss)
    assert tiled(lambda *args: (value_too(*args)[0], value_too(*args)[1]), *args)


def test_single_precision() -> None:
    """Results keep their dtype."""
    loss, args = layers(1000, np.float32)
    assert tiled(cr.grad(loss, argnums=(0, 1, 2, 3)), *args)


@pytest.mark.parametrize("n", [512, 777])
def test_every_access_is_within_bounds(n: int) -> None:
    """With checks of all loads and stores."""
    for case in (layers, mixture, columns):
        loss, args = case(n)
        assert tiled(cr.grad(loss), *args, check_bounds=True)


@pytest.mark.parametrize("n", [512, 701])
def test_results_with_a_row_for_each_example(n: int) -> None:
    """They are put together, whatever axis runs over the examples."""
    x, w = RNG.standard_normal((n, 20)), RNG.standard_normal((3, 20, 25))

    def predictions(x: Any, w: Any) -> Any:
        y = np.tanh(np.tanh(x @ w) @ np.swapaxes(w, 1, 2))
        z = np.sin(y @ w)
        return z @ w[0].T, np.swapaxes(z, 0, 1)[:, :2] * 2, np.sum(z, axis=(1, 2)), np.cos(x)

    assert tiled(predictions, x, w)


def test_what_precedes_products_may_be_wanted_whole() -> None:
    """Arrays that are read in the tiles and after them."""
    x, w = RNG.standard_normal((600, 20)), RNG.standard_normal((20, 30))

    def f(x: Any, w: Any) -> Any:
        y = np.exp(x)
        z = np.sin(y @ w) @ w.T
        return np.sum(np.cos(z) @ w) * y + np.roll(y, 1, axis=0), z

    assert tiled(f, x, w)


def test_what_depends_on_all_examples() -> None:
    """Means are taken before the products, or after them; arrays as wide as there are examples."""
    x, w = RNG.standard_normal((512, 20)), RNG.standard_normal((20, 30))

    def standardized(x: Any, w: Any) -> Any:
        y = (x - np.mean(x, axis=0)) @ w
        return np.sum(np.tanh((y - np.mean(y, axis=0)) @ w.T) ** 2)

    def similarities(x: Any, w: Any) -> Any:
        y = np.tanh(x @ w)
        return np.sum(np.exp(-((y @ y.T) ** 2)) @ y)

    for f in (standardized, similarities):
        tiled(cr.grad(f, argnums=(0, 1)), x, w)
    square = RNG.standard_normal((512, 512)) / 20
    tiled(cr.grad(lambda a, b: np.sum(np.tanh(a @ b) @ a), argnums=(0, 1)), square, square.T)


def test_no_nan_from_what_is_masked() -> None:
    """A zero cotangent meets infinities in some tiles: the gradient is as it is without tiles."""
    w, _, v, x = layers(600)[1]
    x = x.copy()
    x[130, 3] = x[599, 0] = np.inf

    def masked(w: Any, v: Any) -> Any:
        y = x @ w
        return np.sum(np.where(np.isfinite(y), np.tanh(y), 0.0) @ v)

    found = cr.jit(cr.grad(masked, argnums=(0, 1)))(w, v)
    expected = cr.grad(masked, argnums=(0, 1))(w, v)
    for one, two in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-9)


def test_ties_in_tiles() -> None:
    """Extremes that tie share their cotangents, wherever they are."""
    x = np.round(RNG.standard_normal((500, 16)))
    w = np.round(RNG.standard_normal((16, 40)))
    assert tiled(
        cr.grad(lambda w, v: np.sum(np.max(np.abs(x @ w) @ v, axis=1))), w, np.ones((40, 12))
    )


def test_small_arrays_stay_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where all fits a near cache, and where factors do not."""
    monkeypatch.undo()
    loss, args = layers(1000)
    assert not tiled(cr.grad(loss), *args)
    monkeypatch.setattr(examples, "BESIDE", 1 << 10)
    monkeypatch.setattr(examples, "WORTH", 1 << 15)
    assert not tiled(cr.grad(loss), *args)
    monkeypatch.setattr(examples, "BESIDE", 1 << 20)
    assert tiled(cr.grad(loss), *args)


def test_a_product_alone_stays_whole() -> None:
    """Nothing is between products: its rows, its columns, and what is summed are as they were."""
    a, b = RNG.standard_normal((5, 300, 10)), RNG.standard_normal((5, 400, 10))
    assert not tiled(lambda a, b: np.tanh(a @ np.swapaxes(b, 1, 2)), a, b)
    assert not tiled(lambda a, b: np.swapaxes(a, 1, 2) @ np.sin(a), a, b)


@pytest.mark.parametrize("count", [256, 1000, 1009, 4096])
def test_sizes_of_tiles(count: int) -> None:
    """As many examples as are wanted, or somewhat fewer."""
    for most in (16, 33, 40, 100, 5000):
        size = tile_of(count, most)
        assert min(most, count) // 2 <= size <= min(most, count)
    assert tile_of(1000, 47) == 40
    assert tile_of(1009, 47) == 40
