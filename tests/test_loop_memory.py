"""What the way back through loops keeps, and what it computes again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.codegen.loops import Loop, Program
from chainrule.rewrite import segments

# --- programs ------------------------------------------------------------------------------------

N = 83


def heat(u: Any, k: Any) -> Any:
    """A stencil; bilinear in the carry and a constant."""
    for _ in range(N):
        inside = u[1:-1] + k * (u[2:] - 2 * u[1:-1] + u[:-2])
        u = np.concatenate([u[:1], inside, u[-1:]])
    return np.sum(u * u)


def forced(u: Any, k: Any) -> Any:
    """A walk along an array, which stacks what others read, with its own derivative."""
    xs = np.sin(np.arange(N * 80.0)).reshape(N, 80) * k
    last, ys = cr.scan(lambda c, x: (np.tanh(c * x) + u, np.sum(c * c) * x), u, xs)
    return np.sum(last) + np.sum(ys * ys)


def backwards(u: Any, k: Any) -> Any:
    """The same from the end."""
    xs = np.sin(np.arange(N * 80.0)).reshape(N, 80) * k
    last, ys = cr.scan(lambda c, x: (np.tanh(c * x) + u, np.sum(c * c) * x), u, xs, reverse=True)
    return np.sum(last) + np.sum(ys * ys)


def filled(u: Any, k: Any) -> Any:
    """An array written element by element, each from the one before."""
    y = np.zeros(80)
    y[0] = k
    for i in range(1, 80):
        y[i] = np.sin(y[i - 1]) * u[i]
    return np.sum(y * y)


def updated(u: Any, k: Any) -> Any:
    """Elements written again and again, at places that depend on what is there, read as a whole."""
    y = u * 1.0
    for i in range(N):
        j = cr.astype(cr.floor(np.abs(y[i % 80]) * 7), np.int64) % 80
        y[j] = k * np.tanh(np.sum((1.0 * y) ** 2) / 40) + y[(j + 3) % 80]
        y[i % 80] = y[i % 80] * 0.5 + y[5]
    return np.sum(y * y)


def nested(u: Any, k: Any) -> Any:
    """A loop in a loop."""
    for _ in range(9):
        v = u
        for _ in range(11):
            v = np.sin(v * k) + u
        u = u + 0.1 * v
    return np.sum(u * u)


PROGRAMS: list[Callable[..., Any]] = [heat, forced, backwards, filled, updated, nested]

U = np.random.default_rng(0).random(80)


@pytest.fixture(params=["as a rule", "in segments"])
def _how(request: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "in segments":
        monkeypatch.setattr(segments, "LARGE", 0)
        monkeypatch.setattr(segments, "WIDE", 0)
        monkeypatch.setattr(segments, "NEAR", 1 << 12)
        monkeypatch.setattr(segments, "CHEAP", 1 << 30)
        monkeypatch.setattr(segments, "_work", lambda _: 1)


@pytest.mark.usefixtures("_how")
@pytest.mark.parametrize("program", PROGRAMS, ids=lambda f: f.__name__)
def test_gradients(program: Callable[..., Any]) -> None:
    """Compiled agrees with eager, and both with differences."""
    gradient = cr.grad(program, argnums=(0, 1))
    got, want = cr.jit(gradient)(U, 0.3), gradient(U, 0.3)
    for a, b in zip(got, want, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-11)
    value, h = cr.jit(program), 1e-6
    direction = np.cos(np.arange(80.0))
    slope = (value(U + h * direction, 0.3 + h) - value(U - h * direction, 0.3 - h)) / (2 * h)
    np.testing.assert_allclose(np.sum(got[0] * direction) + got[1], slope, rtol=1e-5, atol=1e-7)


@pytest.mark.usefixtures("_how")
@pytest.mark.parametrize("program", PROGRAMS, ids=lambda f: f.__name__)
def test_second_derivatives(program: Callable[..., Any]) -> None:
    """Products with the Hessian, forward over reverse and reverse over reverse."""
    v = np.cos(np.arange(80.0))

    def slope(u: Any) -> Any:
        return np.sum(cr.grad(program)(u, 0.3) * v)

    def forward(u: Any) -> Any:
        return cr.jvp(lambda x: cr.grad(program)(x, 0.3), u, v)[1]

    found = cr.jit(cr.grad(slope))(U)
    np.testing.assert_allclose(cr.jit(forward)(U), found, rtol=1e-8, atol=1e-10)
    gradient, h = cr.jit(cr.grad(program)), 1e-5
    differences = (gradient(U + h * v, 0.3) - gradient(U - h * v, 0.3)) / (2 * h)
    np.testing.assert_allclose(found, differences, rtol=1e-5, atol=1e-6)


def loops(program: Program) -> list[Loop]:
    """The loops of a program, those inside of others too."""
    return [s for p in program.programs() for s in p.steps if isinstance(s, Loop)]


# --- in place ------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1000, 10_000])
def test_writing_elements_keeps_the_elements(n: int) -> None:
    """An array written one element a turn: the tape grows with the turns, not with their square."""

    def f(x: Any) -> Any:
        y = np.zeros(n)
        y[0] = x[0]
        for i in range(1, n):
            y[i] = np.sin(y[i - 1]) * x[i]
        return np.sum(y)

    program = cr.jit(cr.grad(f)).lower(np.ones(n)).loops
    assert sum(p.arena for p in program.programs()) < 100 * n


def test_what_is_read_as_a_whole_is_undone() -> None:
    """Old elements and their places are kept, and put back on the way back."""
    program = cr.jit(cr.grad(updated)).lower(U, 0.3).loops
    assert sum(p.arena for p in program.programs()) < 20 * 8 * N + 20 * 8 * 80


def test_a_linear_loop_keeps_nothing() -> None:
    """Where the way back reads nothing of the turns, nothing is stored."""

    def f(u: Any) -> Any:
        for _ in range(100_000):
            u = u + 0.1 * (np.concatenate([u[1:], u[:1]]) - u)
        return np.sum(u * u)

    program = cr.jit(cr.grad(f)).lower(U).loops
    assert sum(p.arena for p in program.programs()) < 100 * 80 * 8


# --- what is kept, and where ---------------------------------------------------------------------


def dashed(u: Any, k: Any) -> Any:
    """From the end of an array; the way back reads the carry again."""
    ys, _ = cr.scan(lambda c, x: (c - k * c * c * x, x), u, np.arange(40.0) / 80, reverse=True)
    return np.sum(ys * ys)


@pytest.mark.parametrize("program", [heat, dashed], ids=lambda f: f.__name__)
def test_a_carry_that_is_kept_lies_in_the_tape(program: Callable[..., Any]) -> None:
    """It is not copied there: a turn reads a row and writes the next."""
    gradient = cr.jit(cr.grad(program, argnums=(0, 1)))
    for got, want in zip(gradient(U, 0.3), cr.grad(program, argnums=(0, 1))(U, 0.3), strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-10)
    there = loops(gradient.lower(U, 0.3).loops)[0]
    assert there.rows == {0: 1}
    row = there.bodies[0].outputs[1]
    assert not any(row in s.writes() for s in there.bodies[0].steps)


@pytest.mark.parametrize(("turns", "times"), [(20, 1), (100_000, 2)])
def test_dear_values_are_kept_where_the_tape_is_near(turns: int, times: int) -> None:
    """An exponential is taken once, but twice where that saves memory."""

    def f(u: Any) -> Any:
        for _ in range(turns):
            u = u - 1e-6 * np.exp(1 / (1 + np.exp(-u)))
        return np.sum(u)

    gradient = cr.jit(cr.grad(f)).lower(U).loops
    body = [e for k in gradient.programs() for s in k.kernels for e in s.body()]
    assert sum(e.op == "exp" for e in body) == 2 * times
    if turns < 100:
        np.testing.assert_allclose(cr.jit(cr.grad(f))(U), cr.grad(f)(U), rtol=1e-12)


def test_numbers_move_into_linear_functions() -> None:
    """The way back through a stencil is one loop: its sum for k is of what the cotangent is of."""
    program = cr.jit(cr.grad(heat, argnums=(0, 1))).lower(U, 0.3).loops
    back = loops(program)[-1].bodies[0]
    assert [k.extents for k in back.kernels if k.extents] == [(76,)]


def moving(u: Any, k: Any) -> Any:
    """Linear functions of the carry times numbers: of several arrays, read twice, on two axes."""
    v = np.reshape(u, (8, 10))
    for _ in range(7):
        a = (v[1:, :] - v[:-1, :]) * k
        b = k * np.transpose(v)[1:-1].T * 2.0
        twice = v[:, 1:] - 3.0 * v[:, :-1]
        c = k * twice + k**2 * twice
        d = k * (np.roll(v, 1, axis=0) - v)
        v = v + 0.1 * np.concatenate([v[:1], a], axis=0) - 0.1 * np.pad(b, ((0, 0), (1, 1)))
        v = v + 0.05 * np.pad(c * np.cos(v[:, :-1]), ((0, 0), (1, 0))) + d
    return np.sum(v**2)


def test_moved_numbers_change_no_derivative() -> None:
    """Compiled against the eager walk, which moves nothing."""
    gradient = cr.grad(moving, argnums=(0, 1))
    for got, want in zip(cr.jit(gradient)(U, 0.3), gradient(U, 0.3), strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-10)


def mixed(u: Any, k: Any) -> Any:
    """Differences in single precision, of a small part, and of what stays the same."""
    f = np.sin(np.arange(80.0))
    for _ in range(7):
        v = u.astype(np.float32)
        u = u + k * np.pad((v[1:] - v[:-1]) * np.float64(2.0), (0, 1))
        u = u * (1.0 + np.sum(k * (u[1:3] - u[:2]))) + k * np.pad(f[1:] - f[:-1], (1, 0))
    return np.sum(u**2)


def test_numbers_are_moved_in_one_dtype() -> None:
    """And into arrays that are not much larger, which depend on the carry."""
    gradient = cr.grad(mixed, argnums=(0, 1))
    for got, want in zip(cr.jit(gradient)(U, 0.03), gradient(U, 0.03), strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-5)
