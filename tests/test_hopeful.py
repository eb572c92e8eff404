"""Derivatives of extremes in machine code: scattered where each is one element, shared at ties."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import chainrule as cr


def rows(x: Any) -> Any:
    """The largest of each row."""
    return np.sum(np.max(x, axis=1) ** 2)


def columns(x: Any) -> Any:
    """The least of each column, of something computed."""
    return np.sum(np.min(np.sin(x), axis=0) * np.arange(1.0, x.shape[1] + 1))


def whole(x: Any) -> Any:
    """log of the sum of exponentials, from the largest up."""
    x = x.reshape(-1)
    largest = np.max(x)
    return largest + np.log(np.sum(np.exp(x - largest)))


def nearest(x: Any) -> Any:
    """Squared distances from points to the nearest of some others."""
    return np.sum(np.min(np.sum((POINTS[:, None, :] - x) ** 2, axis=-1), axis=1))


def kept(x: Any) -> Any:
    """What is hot is also needed as a whole, and added to another one."""
    low, high = np.min(x, axis=-1, keepdims=True), np.max(x, axis=-1, keepdims=True)
    return np.sum((x - low) / (high - low) * np.cos(x))


def middle(x: Any) -> Any:
    """Along the middle axis of three, and a sum over the last."""
    return np.sum(np.max(x.reshape(5, -1, 4), axis=1) ** 3)


RNG = np.random.default_rng(0)
POINTS = RNG.random((50, 40))
PROGRAMS = [rows, columns, whole, nearest, kept, middle]


def inputs(kind: str) -> Any:
    """Arrays of which elements are all different, or tie, or are no ordinary numbers."""
    x = np.random.default_rng(1).random((30, 40))
    if kind == "ties":
        x = np.round(x * 4)
    elif kind != "plain":
        x[3, 4] = {"nan": np.nan, "inf": np.inf, "-inf": -np.inf}[kind]
    return x


@pytest.mark.parametrize("kind", ["plain", "ties", "nan", "inf", "-inf"])
@pytest.mark.parametrize("function", PROGRAMS)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_gradients_agree_with_eager_ones(function: Any, kind: str) -> None:
    """First and second derivatives, called more than once."""
    x = inputs(kind)
    gradient = cr.grad(function)

    def second(x: Any) -> Any:
        return cr.jvp(gradient, x, np.cos(np.arange(x.size)).reshape(x.shape))[1]

    for f in (gradient, second):
        compiled = cr.jit(f)
        for _ in range(4):
            np.testing.assert_allclose(compiled(x), f(x), rtol=1e-10, atol=1e-10)


def test_the_careful_program_runs_only_at_ties() -> None:
    """Where extremes are unique nothing is as large as the mask of hits, and nothing is repeated;
    after ties the quick program is tried again.
    """
    compiled = cr.jit(cr.grad(rows))
    plain, tied = inputs("plain"), inputs("ties")
    compiled(plain)
    program = compiled.lower(plain)
    assert "careful" not in vars(program)
    for _ in range(600):
        np.testing.assert_array_equal(compiled(tied), cr.grad(rows)(tied))
        np.testing.assert_array_equal(compiled(plain), cr.grad(rows)(plain))
    assert "careful" in vars(program)


def test_products_at_places_are_not_computed_elsewhere() -> None:
    """The gradient of nearest distances costs little more than the distances."""
    x = inputs("plain")
    value, gradient = cr.jit(nearest).lower(x), cr.jit(cr.grad(nearest)).lower(x)

    def operations(program: Any) -> int:
        line = next(s for s in program.report().split("\n") if "operations on numbers" in s)
        return int(line.split()[0].replace(",", ""))

    assert operations(gradient) < 1.5 * operations(value)


def test_factors_come_before_sums_that_are_there() -> None:
    """One pass over an array for its sum and the sums of its multiples, whatever the axes."""

    def sums(x: Any, c: Any) -> Any:
        return np.sum(x), np.sum(c * x), np.sum(-(x * c) * 2.0), np.sum(x * c, axis=(0, 1))

    compiled = cr.jit(sums)
    x = RNG.random((30, 40))
    for ours, theirs in zip(compiled(x, 3.0), sums(x, 3.0), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12)
    loops = [k for k in compiled.lower(x, 3.0).program.kernels if k.extents]
    assert len(loops) == 1


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize(
    ("size", "c"), [(1e307, 1e-300), (1e308, 0.0), (1.0, np.inf), (0.0, np.inf)]
)
def test_sums_that_overflow_without_their_factor(size: float, c: float) -> None:
    """Then every element is multiplied, as it is written."""

    def sums(x: Any, c: Any) -> Any:
        return np.sum(x), np.sum(c * x)

    x = np.full(100, size)
    for ours, theirs in zip(cr.jit(sums)(x, c), sums(x, c), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12)
