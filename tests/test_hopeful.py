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


def mixture(mean: Any, factor: Any) -> Any:
    """Centered examples times triangles: means are broadcast before a product."""
    z = np.einsum("kij,nkj->nki", factor, EXAMPLES[:, None, :] - mean)
    return np.sum(np.log(np.sum(np.exp(-0.5 * np.sum(z * z, axis=-1)), axis=1)))


def biases(shift: Any, weight: Any) -> Any:
    """A shift of everything before a product, the examples in two axes."""
    return np.sum(np.tanh((EXAMPLES.reshape(4, 10, 3) + shift) @ weight) ** 2)


def sums_of_products(a: Any, b: Any) -> Any:
    """Of rows, of columns, of both, of a batch as well, after movement, with signs."""
    y = a @ b
    return [
        np.sum(a @ np.exp(b)),
        np.sum(-(a @ (2 * b)), axis=-2),
        np.sum(a @ np.sin(b), axis=(0, 2)),
        np.sum((np.sin(a) @ b).transpose(2, 0, 1).reshape(8, 30), axis=1),
        np.sum((np.cos(a) @ b).reshape(6, 40), axis=1),
        np.sum(np.reshape(np.cos(a) @ np.cos(b), (6, 5, 1, 2, 4)), axis=(1, 4), keepdims=True),
        np.sum(y, axis=1) + y[:, 0],
    ]


EXAMPLES = RNG.random((40, 3))


def products(program: Any) -> list[tuple[int, ...]]:
    """Rows, columns and length of the inner axis of a program's matrix products."""
    from chainrule.codegen.loops import Product

    return [s.sizes for s in program.program.steps if isinstance(s, Product)]


@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        (mixture, (RNG.random((7, 3)), RNG.random((7, 3, 3)))),
        (biases, (RNG.random(3), RNG.random((3, 20)))),
    ],
)
def test_derivatives_before_products_are_sums_of_one_row(function: Any, arguments: Any) -> None:
    """Those by what is broadcast, and their derivatives."""
    gradient = cr.grad(function, argnums=(0, 1))
    tangents = tuple(np.cos(np.arange(x.size)).reshape(x.shape) for x in arguments)
    for f in (gradient, lambda *x: cr.jvp(gradient, x, tangents)[1]):
        for ours, theirs in zip(cr.jit(f)(*arguments), f(*arguments), strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-12)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("special", [0.5, np.inf, np.nan, 1e308])
def test_sums_come_before_products(special: float) -> None:
    """Where they are finite; what overflows or is NaN is as it is written."""
    a, b = RNG.random((3, 10, 20)), RNG.random((20, 8))
    a[1, 2:4, 3], b[3] = special, 1e-8
    compiled = cr.jit(sums_of_products)
    for ours, theirs in zip(compiled(a, b), sums_of_products(a, b), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12)
    whole = [s for s in products(compiled.lower(a, b)) if s == (10, 8, 20)]
    assert len(whole) == 3  # where half of the rows are summed, or something else reads the product
