"""Jacobians of the text's examples, at random points and in random sizes, in both modes.

`docs/jacobians.md` shows the same examples, with numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import chainrule as cr

MODES = ("forward", "reverse")
SIZES = st.integers(1, 4)
SEEDS = st.integers(0, 2**32 - 1)


def both_modes(f: Callable[..., Any], *args: Any, argnums: Any = 0) -> Any:
    """The Jacobian, which must be the same by rows and by columns."""
    forward, reverse = (cr.jacobian(f, argnums, mode=mode)(*args) for mode in MODES)
    np.testing.assert_allclose(forward, reverse, rtol=1e-13, atol=1e-13)
    return forward


def g(x: Any) -> Any:
    return np.stack([3 * x[0] ** 2, x[1], x[0] * x[1]])


def h(y: Any) -> Any:
    return y[0] + y[1] + np.exp(y[2])


def f(x: Any) -> Any:
    return 3 * x[0] ** 2 + x[1] + np.exp(x[0] * x[1])


@given(SIZES, SIZES, SEEDS)
def test_rows_are_components(m: int, d: int, seed: int) -> None:
    """J is m x d, row i the gradient of component i, and approximates f."""
    rng = np.random.default_rng(seed)
    a, x, step = rng.standard_normal((m, d)), rng.standard_normal(d), 1e-6 * rng.standard_normal(d)

    def function(x: Any) -> Any:
        return np.sin(a @ x)

    jacobian = both_modes(function, x)
    assert jacobian.shape == (m, d)
    for i in range(m):
        gradient = cr.grad(lambda x, i=i: function(x)[i])(x)
        np.testing.assert_allclose(jacobian[i], gradient, rtol=1e-13, atol=1e-13)
    change = function(x + step) - function(x)
    np.testing.assert_allclose(jacobian @ step, change, atol=1e-9)


@given(SEEDS)
def test_the_functions_of_two_variables(seed: int) -> None:
    """By hand; composed and expanded; the Hessian as the Jacobian of the gradient."""
    x = np.random.default_rng(seed).uniform(-1.0, 1.0, 2)
    e = np.exp(x[0] * x[1])
    by_hand = np.array([6 * x[0] + x[1] * e, 1 + x[0] * e])
    outer, inner = cr.grad(h)(g(x)), both_modes(g, x)

    np.testing.assert_allclose(inner, [[6 * x[0], 0], [0, 1], [x[1], x[0]]], rtol=1e-15)
    np.testing.assert_allclose(outer, [1, 1, e], rtol=1e-15)
    np.testing.assert_allclose(cr.grad(f)(x), by_hand, rtol=1e-14)
    np.testing.assert_allclose(outer @ inner, by_hand, rtol=1e-14)
    for j in range(2):
        expanded = sum(outer[k] * inner[k, j] for k in range(3))
        np.testing.assert_allclose(expanded, by_hand[j], rtol=1e-14)
    row = both_modes(lambda x: np.stack([h(g(x))]), x)
    np.testing.assert_allclose(row, by_hand[None], rtol=1e-14)
    mixed = e * (1 + x[0] * x[1])
    hessian = [[6 + x[1] ** 2 * e, mixed], [mixed, x[0] ** 2 * e]]
    np.testing.assert_allclose(cr.hessian(f)(x), hessian, rtol=1e-13)
    np.testing.assert_allclose(both_modes(cr.grad(f), x), hessian, rtol=1e-13)


@pytest.mark.parametrize("t", [0.0, 0.7, -2.0])
def test_a_parametric_curve(t: float) -> None:
    """One column, the velocity."""

    def curve(t: Any) -> Any:
        return np.stack([np.cos(t), np.sin(t), t**2, 0 * t + 1.0])

    velocity = [-np.sin(t), np.cos(t), 2 * t, 0.0]
    np.testing.assert_allclose(both_modes(curve, t), velocity, rtol=1e-15)
    column = both_modes(lambda t: curve(t[0]), np.array([t]))
    np.testing.assert_allclose(column, np.array(velocity)[:, None], rtol=1e-15)


@given(SIZES, SIZES, SIZES, SEEDS)
def test_affine_maps_and_affine_after_affine(m: int, d: int, p: int, seed: int) -> None:
    """A, everywhere; and C A, of the composed map and as a product."""
    rng = np.random.default_rng(seed)
    a, b, x = rng.standard_normal((m, d)), rng.standard_normal(m), rng.standard_normal(d)
    c, e = rng.standard_normal((p, m)), rng.standard_normal(p)

    def inner(x: Any) -> Any:
        return a @ x + b

    def outer(y: Any) -> Any:
        return c @ y + e

    np.testing.assert_array_equal(both_modes(inner, x), a)
    composed = both_modes(lambda x: outer(inner(x)), x)
    product = both_modes(outer, inner(x)) @ both_modes(inner, x)
    np.testing.assert_allclose(composed, c @ a, rtol=1e-13, atol=1e-13)
    np.testing.assert_allclose(product, c @ a, rtol=1e-13, atol=1e-13)
    np.testing.assert_allclose(both_modes(lambda x: (c @ a) @ x, x), composed, atol=1e-13)


@given(SIZES, SIZES, SEEDS)
def test_a_linear_map_by_its_matrix_and_its_argument(n: int, m: int, seed: int) -> None:
    """With x = vec(X^T): A_n[x] by z, B_n[z] by x, and the two side by side by both."""
    rng = np.random.default_rng(seed)
    matrix, z = rng.standard_normal((n, m)), rng.standard_normal(m)
    x = cr.vec(matrix.T)

    def by_both(v: Any) -> Any:
        return cr.algebra.A(v[m:], n) @ v[:m]

    a, b = cr.algebra.A(x, n), cr.algebra.B(z, n)
    np.testing.assert_array_equal(a, matrix)
    np.testing.assert_array_equal(b, np.kron(np.eye(n), z))
    np.testing.assert_array_equal(both_modes(lambda z: matrix @ z, z), a)
    np.testing.assert_array_equal(both_modes(lambda x: cr.algebra.A(x, n) @ z, x), b)
    by_matrix = both_modes(lambda y: y @ z, matrix)
    assert by_matrix.shape == (n, n, m)
    np.testing.assert_array_equal(by_matrix.reshape(n, n * m), b)
    blocks = b.reshape(n, n, m)
    for k in range(n):  # the columns of row k of X are e_k z^T
        np.testing.assert_array_equal(blocks[:, k], np.outer(np.eye(n)[k], z))
    whole = both_modes(by_both, np.concatenate([z, x]))
    np.testing.assert_array_equal(whole, np.hstack([a, b]))


@pytest.mark.parametrize("name", ["exp", "tanh", "sin", "square", "arctan", "expm1"])
def test_an_elementwise_function(name: str) -> None:
    """A diagonal matrix of the derivatives of one variable."""
    function, x = getattr(np, name), np.array([-1.0, 0.5, 2.0, 0.0])
    slopes = np.array([cr.grad(function)(v) for v in x])

    np.testing.assert_allclose(both_modes(function, x), np.diag(slopes), rtol=1e-14)


@given(SEEDS)
def test_determinants_of_changes_of_variables(seed: int) -> None:
    """r for polar coordinates, r**2 sin(angle) for spherical ones, and their gradients."""
    r, a, b = np.random.default_rng(seed).uniform(0.1, 1.5, 3)

    def polar(p: Any) -> Any:
        return np.stack([p[0] * np.cos(p[1]), p[0] * np.sin(p[1])])

    def spherical(p: Any) -> Any:
        across = p[0] * np.sin(p[1])
        return np.stack([across * np.cos(p[2]), across * np.sin(p[2]), p[0] * np.cos(p[1])])

    def factor(change: Any) -> Any:
        return lambda p: np.abs(np.linalg.det(cr.jacobian(change)(p)))

    np.testing.assert_allclose(factor(polar)(np.array([r, a])), r, rtol=1e-12)
    np.testing.assert_allclose(cr.grad(factor(polar))(np.array([r, a])), [1, 0], atol=1e-12)
    p = np.array([r, a, b])
    np.testing.assert_allclose(factor(spherical)(p), r**2 * np.sin(a), rtol=1e-12)
    slopes = [2 * r * np.sin(a), r**2 * np.cos(a), 0]
    np.testing.assert_allclose(cr.grad(factor(spherical))(p), slopes, atol=1e-12)


def test_the_quiz() -> None:
    """Its five answers, by shape and by number."""
    rng = np.random.default_rng(0)
    assert cr.kron(np.ones((2, 3)), np.ones((4, 5))).shape == (8, 15)
    assert both_modes(lambda x: np.tanh(np.ones((3, 4)) @ x), np.zeros(4)).shape == (3, 4)
    x = rng.standard_normal(2)
    assert both_modes(lambda x: np.stack([h(g(x))]), x).shape == (1, 2)
    a, b = rng.standard_normal((3, 2)), rng.standard_normal((2, 3))
    composed = both_modes(lambda x: np.tanh(b @ np.sin(a @ x)), x)
    inner = both_modes(lambda x: np.sin(a @ x), x)
    outer = both_modes(lambda y: np.tanh(b @ y), np.sin(a @ x))
    np.testing.assert_allclose(composed, outer @ inner, rtol=1e-13)
    assert (inner @ outer).shape != composed.shape
    np.testing.assert_array_equal(both_modes(lambda x: a @ x + np.ones(3), x), a)
