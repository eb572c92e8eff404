"""Loops and branches in machine code: values, gradients, and loops that end as they should."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.codegen.loops import Loop
from chainrule.errors import LoopError, ShapeError


def recurrent(x: Any, w: Any) -> Any:
    def step(h: Any, row: Any) -> Any:
        h = cr.tanh(w @ h + row)
        return h, cr.sum(h)

    h, sums = cr.scan(step, cr.zeros(w.shape[0]), x)
    return cr.sum(h) + cr.sum(sums * sums)


def newton(a: Any) -> Any:
    def apart(s: Any) -> Any:
        return cr.abs(s * s - a) > 1e-12

    return cr.while_loop(apart, lambda s: 0.5 * (s + a / s), a)


@pytest.mark.parametrize("n", [3, 14, 60])
def test_scan_and_its_gradient(n: int) -> None:
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((20, n)), rng.standard_normal((n, n)) * 0.2
    np.testing.assert_allclose(
        cr.jit(recurrent)(x, w), recurrent(cr.tensor(x), cr.tensor(w)).item()
    )
    gradient = cr.grad(recurrent, argnums=(0, 1))
    for got, want in zip(cr.jit(gradient)(x, w), gradient(x, w), strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-10, atol=1e-12)
    program = cr.jit(gradient).lower(x, w).loops
    assert any(isinstance(s, Loop) for s in program.steps)
    assert not program.callbacks


def test_while_and_its_gradient() -> None:
    assert cr.jit(newton)(2.0) == newton(cr.tensor(2.0)).item()
    np.testing.assert_allclose(cr.jit(cr.grad(newton))(2.0), 0.5 / np.sqrt(2.0), rtol=1e-12)


def test_a_limit() -> None:
    f = cr.jit(lambda x: cr.while_loop(lambda s: s > 0, lambda s: s + 1, x, max_iterations=10))
    assert f(-1.0) == -1.0
    with pytest.raises(LoopError, match="max_iterations"):
        f(1.0)


def test_branches() -> None:
    f = cr.jit(lambda x: cr.cond(cr.sum(x) > 0, lambda x: x * 2, lambda x: -x, x))
    np.testing.assert_array_equal(f(np.ones(30)), 2 * np.ones(30))
    np.testing.assert_array_equal(f(-np.ones(30)), np.ones(30))


def test_counted_loops_inside_one_another() -> None:
    def table(x: Any) -> Any:
        def row(i: Any, s: Any) -> Any:
            return cr.fori_loop(0, 3, lambda j, t: t * 0.5 + i * j, s)

        return cr.fori_loop(0, 4, row, x)

    x = np.linspace(0, 1, 40)
    np.testing.assert_allclose(cr.jit(table)(x), table(cr.tensor(x)).numpy(), rtol=1e-13)
    gradient = cr.grad(lambda x: cr.sum(table(x) ** 2))
    np.testing.assert_allclose(cr.jit(gradient)(x), gradient(x), rtol=1e-12)


def test_numpy_inside_a_loop() -> None:
    def f(a: Any) -> Any:
        return cr.fori_loop(0, 3, lambda _, s: cr.linalg.inv(s) + a, a)

    a = np.eye(3) * 2 + 0.1
    np.testing.assert_allclose(cr.jit(f)(a), f(cr.tensor(a)).numpy(), rtol=1e-12)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_doubt_ends_a_loop() -> None:
    """A NaN from zero times infinity keeps no loop going: the program starts again with care."""

    def f(x: Any) -> Any:
        def step(s: Any) -> Any:
            return s - 0.5 * cr.grad(lambda z: cr.sum(cr.where(z > 0, cr.sqrt(z), z * z)))(s)

        return cr.while_loop(lambda s: cr.logical_not(cr.sum(s * s) < 1e-3), step, x)

    x = np.array([0.0, -1.0])
    np.testing.assert_allclose(cr.jit(f)(x), f(cr.tensor(x)).numpy(), rtol=1e-12)


def test_python_syntax() -> None:
    """Loops, branches and assignments of Python on traced values are compiled."""

    @cr.jit
    def collatz(n: Any) -> Any:
        steps = 0
        while n != 1:
            if n % 2 == 0:
                n = n // 2
            else:
                n = 3 * n + 1
            steps += 1
        return steps

    assert collatz(27) == 111
    assert collatz(97) == 118

    @cr.jit
    def smooth(x: Any, turns: Any) -> Any:
        y = np.zeros(x.shape)
        for i in range(1, 39):
            y[i] = (x[i - 1] + x[i + 1]) / 2
        return y * turns

    x = np.random.default_rng(0).random(40)
    want = np.zeros(40)
    want[1:-1] = (x[:-2] + x[2:]) / 2
    np.testing.assert_allclose(smooth(x, 2.0), 2 * want)


def test_traced_indices_are_native() -> None:
    def f(x: Any, i: Any) -> Any:
        return cr.sum(x[i] ** 2) + cr.sum(x[:, 1][i])

    x, i = np.random.default_rng(0).random((30, 3)), np.arange(100) % 30 - 7
    for function in (f, cr.grad(f)):
        compiled = cr.jit(function)
        np.testing.assert_allclose(compiled(x, i), function(x, i), rtol=1e-12)
        assert not compiled.lower(x, i).loops.callbacks
    with pytest.raises(ShapeError, match="out of range"):
        cr.jit(f)(x, i + 10)


def test_elements_are_set_in_place_of_their_loop() -> None:
    def f(x: Any) -> Any:
        def turn(i: Any, y: Any) -> Any:
            return cr.ops.indexing.set_item(y, y[i - 1] + x[i], i)

        return cr.fori_loop(1, 50, turn, x)

    x = np.random.default_rng(0).random(50)
    compiled = cr.jit(f)
    np.testing.assert_allclose(compiled(x), np.cumsum(x))
    assert not compiled.lower(x).loops.callbacks


@pytest.mark.parametrize("explicit", [False, True])
def test_a_branch_computes_nothing_outside(explicit: bool) -> None:
    """What a branch reads from around it is there; what it makes of it is made if it is taken."""

    def f(x: Any, c: Any) -> Any:
        if explicit:
            return cr.cond(c > 0, lambda: np.sum(np.linalg.inv(x)), lambda: np.sum(x))
        y = 0.0
        if c > 0:
            z = np.linalg.inv(x)
            y = np.sum(z * z) if c > 1 else np.sum(z)
        return y if explicit else y + np.sum(x)

    x = np.random.default_rng(0).random((4, 4)) + np.eye(4)
    compiled, plain = cr.jit(f), f
    names = [n.op.name for n in compiled.lower(x, 1.0).graph.nodes]
    assert "cond" in names
    assert "inv" not in names
    for c in (2.0, 0.5, -1.0):
        args = cr.tensor(x), cr.tensor(c)
        np.testing.assert_allclose(compiled(x, c), plain(*args).item(), rtol=1e-12)
        np.testing.assert_allclose(
            cr.jit(cr.grad(f))(x, c), cr.grad(plain)(x, c), rtol=1e-10, atol=1e-12
        )
    singular = np.zeros((4, 4))
    assert compiled(singular, -1.0) == 0  # the error of `inv` belongs to the other branch
    with pytest.raises(np.linalg.LinAlgError):
        compiled(singular, 1.0)


def iterated(x: Any) -> Any:
    """A loop of unknown length whose value is squared, so that the way back needs it."""
    k, y = 0, x
    while k < 3000 and np.max(y) < 1e3:
        y = y + 1e-3 * np.sin(y) * x
        k += 1
    return np.sum(y * y)


def inside(x: Any) -> Any:
    """Such a loop with its gradient in each turn of another."""
    y = x
    for _ in range(30):
        value, slope = cr.value_and_grad(iterated)(y)
        y = y - 1e-6 * slope * value / 3000
    return np.sum(y)


@pytest.mark.parametrize("size", [1, 5, 100])
@pytest.mark.parametrize("f", [iterated, inside])
def test_value_and_gradient_take_the_turns_once(f: Any, size: int) -> None:
    """The loop that gives the value remembers its turns for the way back."""
    x = np.linspace(0.5, 1.5, size)
    both = cr.jit(cr.value_and_grad(f) if f is iterated else f)
    value = both(x)
    loops = [s for s in both.lower(x).loops.steps if isinstance(s, Loop)]
    if f is inside:
        (outer,) = loops
        loops = [s for s in outer.bodies[0].steps if isinstance(s, Loop)]
        np.testing.assert_allclose(value, cr.jit(f)(x), rtol=1e-12)
    else:
        np.testing.assert_allclose(value[0], cr.jit(f)(x), rtol=1e-12)
        np.testing.assert_allclose(value[1], cr.jit(cr.grad(f))(x), rtol=1e-12)
    there, back = loops
    assert there.kind == "while_loop"
    assert back.kind == "while_back"
    assert there.back is back


def test_turns_that_are_remembered_end_with_an_error() -> None:
    """What is raised between there and back, or on the way, is raised as ever."""

    def f(x: Any, most: int = 50) -> Any:
        y = cr.while_loop(lambda y: y < 100, lambda y: y * 1.1, x, max_iterations=most)
        assert y < 108, "too far"
        return y * y

    both = cr.jit(cr.value_and_grad(f))
    y, slope = both(1.0)
    np.testing.assert_allclose(slope, 2 * y)  # of (1.1**49 x)**2 at 1
    with pytest.raises(AssertionError, match="too far"):
        both(99.0)
    with pytest.raises(LoopError, match="as many turns as `max_iterations`"):
        both(1e-3)


def test_of_values_of_about_a_size_the_carry_is_kept() -> None:
    """Two numbers more in each turn, instead of an array that must be computed to be stored."""

    def f(u: Any, k: Any) -> Any:
        for _ in range(20):
            inside = u[1:-1] + k * (u[2:] - 2 * u[1:-1] + u[:-2])
            u = np.concatenate([u[:1], inside, u[-1:]])
        return np.sum(u * u)

    u = np.random.default_rng(0).random(300)
    gradient = cr.jit(cr.grad(f, argnums=(0, 1)))
    du, dk = gradient(u, 0.2)
    h = 1e-6
    assert abs((f(u, 0.2 + h) - f(u, 0.2 - h)) / (2 * h) - dk) < 1e-6
    v = np.cos(u)
    assert abs((f(u + h * v, 0.2) - f(u - h * v, 0.2)) / (2 * h) - du @ v) < 1e-6
    there, _ = (s for s in gradient.lower(u, 0.2).loops.steps if isinstance(s, Loop))
    assert [b.value.shape for b in there.results[there.counts[1] :]] == [(20, 300)]
