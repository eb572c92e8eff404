"""Rewrites: the graph before and after."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.graph.node import Abstract
from chainrule.record.trace import trace
from chainrule.rewrite import loops
from chainrule.rewrite.expand import EXPANSIONS
from chainrule.rewrite.optimize import optimized
from chainrule.rewrite.simplify import simplified
from chainrule.run.reference import Reference
from chainrule.tensor import Tensor


def names(f: Any, *args: Any) -> list[str]:
    """Rows of the optimized graph, whose value is compared with that of the graph before."""
    values = [np.asarray(a) for a in args]
    graph = trace(lambda *xs: [f(*xs)], [Abstract(v.shape, v.dtype) for v in values], Tensor)
    after = optimized(graph)
    given = [v[()] for v in values]
    np.testing.assert_allclose(Reference(after)(given)[0], Reference(graph)(given)[0], rtol=1e-12)
    return [n.op.name for n in after.nodes]


X = np.linspace(0.1, 1.0, 6).reshape(2, 3)


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (lambda x: x * 1.0, []),
        (lambda x: 1.0 * x / 1.0 - 0.0, []),
        (lambda x: cr.negative(cr.negative(x)), []),
        (lambda x: x.T.T, []),
        (lambda x: x.reshape(6).reshape(3, 2).reshape(2, 3), []),
        (lambda x: x.reshape(6).reshape(3, 2), ["reshape"]),
        (lambda x: cr.broadcast_to(x, (2, 3)), []),
        (lambda x: x.astype(np.float64), []),
        (lambda x: x**2, ["multiply"]),
        (lambda x: x**3, ["multiply", "multiply"]),
        (lambda x: cr.sin(x) + cr.sin(x), ["sin", "add"]),
        (lambda x: x + cr.exp(cr.tensor(1.0)) * 0.5, ["add"]),
        (lambda x: cr.where(cr.tensor(True), x, cr.log(x)), []),
        (lambda x: cr.mean(x), ["sum", "divide"]),
        (lambda x: cr.stop_gradient(x) + 1.0, ["add"]),
        (lambda x: x * 0.0, ["multiply"]),
        (lambda x: x + 0.0, ["add"]),
    ],
)
def test_rewrite(function: Any, expected: list[str]) -> None:
    assert names(function, X) == expected


def test_strong_products_of_bounded_factors_are_plain() -> None:
    gradient = cr.grad(lambda x: cr.sum(cr.sin(x)))
    assert "strong_multiply" not in names(gradient, X)
    gradient = cr.grad(lambda x: cr.sum(cr.log(x)))
    assert "strong_multiply" not in names(gradient, X)


def test_expansions_leave_plain_rows_only() -> None:
    for f in (
        lambda x: cr.special.softmax(x),
        lambda x: cr.special.logsumexp(x, axis=0),
        lambda x: cr.std(x),
        lambda x: cr.einsum("ij,kj->ik", x, x),
    ):
        assert not set(names(f, X)) & (set(EXPANSIONS) - {"matmul"})


def test_a_negative_factor_goes_into_a_number_of_any_kind() -> None:
    """(-x) * 2 is x * -2, also where 2 is an integer of Python's."""

    def f(x: Any) -> Any:
        return -cr.exp(x) * 2

    compiled = cr.jit(f)
    x = np.linspace(0.0, 1.0, 5)
    np.testing.assert_allclose(compiled(x), -np.exp(x) * 2, rtol=1e-14)
    assert "negative" not in [n.op.name for n in compiled.lower(x).graph.nodes]


@pytest.mark.parametrize("transform", [lambda f: f, cr.grad])
def test_loops_in_loops_are_not_gone_through_by_factors(transform: Any, monkeypatch: Any) -> None:
    """Each level of loops adds walks, and does not multiply them by three."""
    walks = 0
    walk = loops._Walk.graph

    def counted(self: Any) -> Any:
        nonlocal walks
        walks += 1
        return walk(self)

    monkeypatch.setattr(loops._Walk, "graph", counted)

    def needed(depth: int) -> int:
        nonlocal walks

        def nest(x: Any, depth: int) -> Any:
            if depth == 0:
                return np.sin(x)
            turn = lambda i, y: y + np.cos(i * x) * nest(x * y, depth - 1)  # noqa: E731
            return cr.fori_loop(0, 3, turn, x)

        walks = 0
        f = cr.jit(transform(lambda x: nest(x, depth)))
        eager = transform(lambda x: nest(x, depth))
        np.testing.assert_allclose(f(0.3), eager(0.3), rtol=1e-10)
        return walks

    assert needed(5) < 2.5 * needed(4)


def test_a_simple_graph_stays_the_object_it_is() -> None:
    """What cannot be simplified further is not made anew, so that whoever asks again can tell."""
    graph = cr.jit(lambda x: (cr.exp(x) * 1.0 + 0.0).sum()).lower(X).graph
    once = simplified(graph)
    assert simplified(once) is once


@pytest.mark.parametrize("f", [lambda a, b: a / b, lambda a, b: 1.0 / b + a, lambda a, b: 2.0 / b])
def test_a_quotient_and_its_derivative_divide_once(f: Any) -> None:
    """Where 1 / b is there, or the quotient is that."""
    a, b = X, X + 0.5
    found = names(cr.grad(lambda a, b: cr.sum(f(a, b) ** 2), argnums=1), a, b)
    assert found.count("divide") <= 2
    gradient = cr.grad(lambda a, b: cr.sum(f(a, b) * a), argnums=(0, 1))
    for one, two in zip(cr.jit(gradient)(a, b), gradient(a, b), strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-14)


def test_zero_over_a_number_without_reciprocal() -> None:
    """Where 1 / b is infinite, 0 / b is zero still."""
    tiny = np.array([1e-310, 2.0])
    gradient = cr.grad(lambda b: cr.sum(np.array([0.0, 3.0]) / b))
    np.testing.assert_array_equal(cr.jit(gradient)(tiny), [0.0, -0.75])


def test_a_slice_among_zeros_times_a_number_is_no_array_of_zeros() -> None:
    """Sums of slices see through products with numbers, of which equal ones are taken once."""

    def f(x: Any, k: Any) -> Any:
        return cr.sum((k * (0.5 * x[1:] - 0.5 * x[:-1]) + 3.0 * x[:-1]) ** 2 / 2)

    x = np.cos(np.arange(100.0))
    found = names(cr.grad(f), x, 0.3)
    assert "tiles" in found
    assert "put" not in found


@pytest.mark.parametrize("count", [3, 4, 7])
@pytest.mark.parametrize("turns", [1, 4])
def test_parts_used_one_by_one_are_put_together_once(count: int, turns: int) -> None:
    """Each is less than half of the array, as the gates of a cell are; all of them are the whole,
    or overlap, or leave a part out.
    """
    size = 14 * count

    def f(z: Any, ends: Any) -> Any:
        total = 0.0
        for _ in range(turns):
            for k, (start, stop) in enumerate(ends):
                total = total + np.sum(np.sin((k + 1) * z[start:stop])) * 0.5
        return total

    z = np.cos(np.arange(float(size)))
    whole = [(14 * k, 14 * k + 14) for k in range(count)]
    overlapping = [(a, min(b + 5, size)) for a, b in whole]
    for ends in (whole, whole[::-1], overlapping, whole[:1] + whole[2:]):
        gradient = cr.grad(lambda z, ends=ends: f(z, ends))
        expected = np.zeros(size)
        for k, (start, stop) in enumerate(ends):
            expected[start:stop] += 0.5 * turns * (k + 1) * np.cos((k + 1) * z[start:stop])
        np.testing.assert_allclose(cr.jit(gradient)(z), expected, rtol=1e-12, atol=1e-13)
        found = names(gradient, z)
        assert "tiles" in found
        assert "put" not in found


def test_small_parts_of_a_large_array_are_not_put_together() -> None:
    """The rest, which is zeros, would be more than they are."""
    gradient = cr.grad(lambda z: np.sum(np.sin(z[:10])) + np.sum(z[50:60] ** 2))
    assert "tiles" not in names(gradient, np.ones(100))


def test_the_sum_of_boxes_is_one_of_sums() -> None:
    """Its boxes are not put together only to be added up."""
    x = np.cos(np.arange(100.0))

    def f(x: Any, k: Any) -> Any:
        return cr.sum(cr.grad(lambda v: cr.sum((k * (v[1:] - v[:-1])) ** 2))(x) * x)

    assert "tiles" not in names(f, x, 0.3)


def test_the_slope_of_a_quotient_takes_no_division_of_its_own() -> None:
    """Both derivatives of a / b are products with 1 / b, and what they were without."""
    a, b = np.array([0.0, 1.0, -2.0, 3.0, 0.0]), np.array([2.0, 1e-3, 1e300, -np.inf, 5e-324])
    with np.errstate(all="ignore"):
        gradient = cr.grad(lambda a, b: np.sum(a / b), argnums=(0, 1))
        compiled = cr.jit(gradient)
        for found, expected in zip(compiled(a, b), gradient(a, b), strict=True):
            np.testing.assert_allclose(found, expected, rtol=1e-15)
    assert repr(compiled.lower(a, b).program).count("divide(") == 2 * a.size
