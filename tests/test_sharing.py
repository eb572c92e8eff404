"""Equal operations of one trace are recorded once, and programs mean what they meant."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import chainrule as cr
import chainrule.torch as torch


def determinant(a: Any) -> Any:
    """By expansion along the first row, each minor an array of its own."""
    if len(a) == 1:
        return a[0, 0]
    total = 0.0
    for j in range(len(a)):
        minor = np.concatenate([a[1:, :j], a[1:, j + 1 :]], axis=1)
        total = total + (-1.0) ** j * a[0, j] * determinant(minor)
    return total


def test_equal_minors_are_recorded_once() -> None:
    a = np.random.default_rng(0).standard_normal((6, 6))
    f = cr.jit(determinant)
    graph = f.lower(a).graph
    products = sum(node.op.name == "multiply" for node in graph.nodes)
    assert products < 500  # 1956 without sharing
    np.testing.assert_allclose(f(a), np.linalg.det(a))
    inverse = np.linalg.inv(a)
    np.testing.assert_allclose(cr.jit(cr.grad(determinant))(a), np.linalg.det(a) * inverse.T)


def change_between(x: Any) -> Any:
    y = x.copy()
    before = y[0] * y[1]
    y[0] = 5.0
    between = y[0] * y[1]
    y[1] += x[2]
    return before + 10 * between + 100 * (y[0] * y[1])


def copies_that_part(x: Any) -> Any:
    y, z = x * 2.0, x * 2.0
    y[0] = z[1]
    z[1] = y[0] * z[0]
    return np.sum(y * z)


def signed_zeros(x: Any) -> Any:
    return np.copysign(x[0], x[1] * 0.0 + 0.0) + 2 * np.copysign(x[0], -0.0)


def dtypes_of_numbers(x: Any) -> Any:
    return np.sum(x * 1) + np.sum(x * 1.0) + np.sum(x * True)


def branch(x: Any) -> Any:
    y = x[0]
    if x[0] > 0:
        y = np.exp(x[1]) + x[2]
    return y + np.exp(x[1])


def turns(x: Any) -> Any:
    total = np.exp(x[1])
    for _ in range(3):
        for k in range(3):
            total = total + np.exp(x[1]) * x[k]
    return total * np.exp(x[1])


def inner_gradients(x: Any) -> Any:
    inner = cr.grad(lambda y: y[0] * x[0] * y[1])(x)
    twice = cr.grad(lambda y: np.sum(cr.grad(lambda z: np.sum(z**3 * y))(y)))(x)
    return np.sum(inner * twice)


PROGRAMS = (
    change_between, copies_that_part, signed_zeros, dtypes_of_numbers,
    branch, turns, inner_gradients,
)  # fmt: skip


@pytest.mark.parametrize("function", PROGRAMS)
@pytest.mark.parametrize("x", [(1.5, 0.5, -2.0), (-1.0, 2.0, 0.25)])
def test_programs_mean_what_they_meant(function: Any, x: Any) -> None:
    x = np.array(x)
    np.testing.assert_allclose(cr.jit(function)(x), function(cr.tensor(x)).numpy())
    np.testing.assert_allclose(cr.jit(cr.grad(function))(x), cr.grad(function)(x))
    np.testing.assert_allclose(cr.jit(cr.hessian(function))(x), cr.hessian(function)(x))


def test_views_of_what_changes() -> None:
    def f(x: Any) -> Any:
        y = x * 1.0
        first, again = y[:2], y[:2]
        y[0] = 7.0
        first[1] = 3.0
        return first * 10 + again + y[:2] * 100

    x = np.array([1.5, 0.5, -2.0])
    np.testing.assert_allclose(cr.jit(f)(x), f(cr.tensor(x)).numpy())


def test_effects_happen_each_time(capsys: Any) -> None:
    @cr.jit
    def f(x: Any) -> Any:
        print(x * 2)
        print(x * 2)
        return x * 2

    assert f(1.5) == 3.0
    assert capsys.readouterr().out.split() == ["3.0", "3.0"]


def test_random_numbers_differ() -> None:
    def f(x: Any) -> Any:
        rng = np.random.default_rng(0)
        return x * rng.standard_normal(3) - x * rng.standard_normal(3)

    assert np.all(cr.jit(f)(np.ones(3)) != 0)
    np.testing.assert_array_equal(cr.jit(f)(np.ones(3)), f(np.ones(3)))


def test_constants_changed_between() -> None:
    def f(x: Any) -> Any:
        c = np.ones(3)
        first = x * c
        c[0] = 5.0
        return first + 10 * (x * c)

    np.testing.assert_array_equal(cr.jit(f)(np.ones(3)), [51.0, 11.0, 11.0])


def test_a_derivative_by_one_of_two_equal_values() -> None:
    def f(x: Any) -> Any:
        a, b = x * 2.0, x * 2.0
        (g,) = torch.autograd.grad(np.sum(a * a * b), [a], create_graph=True)
        return g

    x = np.array([1.0, 3.0])
    np.testing.assert_allclose(cr.jit(f)(x), 2 * (2 * x) * (2 * x))


def test_a_hook_on_one_of_two_equal_values() -> None:
    def f(x: Any) -> Any:
        a, b = x * 2.0, x * 2.0
        a.register_hook(lambda g: g * 10.0)
        return np.sum(a * b)

    x = np.array([1.0, 3.0])
    np.testing.assert_allclose(cr.jit(cr.grad(f))(x), cr.grad(f)(x))


def test_a_branch_not_taken_takes_no_time() -> None:
    """What it computes of values from outside alone belongs to it: this loop would not end."""

    def endless(x: Any) -> Any:
        k = 0.0
        while k < x * 1e300:
            k = k + 1.0
        return k

    def f(p: Any, x: Any) -> Any:
        return endless(x) if p > 0 else x

    g = cr.jit(f)
    assert g(-1.0, 2.0) == 2.0
    assert g(1.0, -2.0) == 0.0


def test_zero_and_one_are_two_numbers() -> None:
    x = np.array([1.5, -2.0])
    for n in (0.0, -0.0):
        for m in (1.0, -1.0):
            found = cr.jit(lambda a, n=n, m=m: (a * n, a * m, a + n, a + m))(x)
            np.testing.assert_array_equal(found, (x * n, x * m, x + n, x + m))
