"""Python's own loops and branches inside `jit`: values and derivatives equal to eager ones."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import syntax_corpus
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from random_programs import Inexact, Second, made, of_reals, programs
from test_control_flow import POINTS, PROGRAMS, VIEWS

import chainrule as cr
from chainrule.codegen.loops import Kernel, Loop, Program
from chainrule.errors import SyntaxUnsupported

Function = Callable[..., Any]


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("program", PROGRAMS, ids=lambda f: f.__name__)
@pytest.mark.filterwarnings("ignore:overflow")
def test_explicit_loops(program: Function, view: str) -> None:
    """The functions of `record.control_flow`, compiled after and before the derivative is taken."""
    f = VIEWS[view](program)
    eager = [float(f(x)) for x in POINTS]
    after = cr.jit(f)
    np.testing.assert_allclose([after(x) for x in POINTS], eager, rtol=1e-9)
    before = VIEWS[view](cr.jit(program))
    np.testing.assert_allclose([float(before(x)) for x in POINTS], eager, rtol=1e-9)


IDS = [f"{f.__name__}-{args}" for f, args in syntax_corpus.TRACEABLE]


@pytest.mark.parametrize(("function", "args"), syntax_corpus.TRACEABLE, ids=IDS)
def test_corpus(function: Function, args: tuple[int, ...]) -> None:
    """One construct each."""
    found = cr.jit(function)(*map(np.int64, args))
    np.testing.assert_array_equal(np.asarray(found), np.asarray(function(*args)))


@settings(max_examples=25, deadline=None)
@given(programs(), st.integers(-3, 9), st.integers(-3, 9))
def test_random_programs(source: str, x: int, y: int) -> None:
    """Branches and loops in one another, with jumps out of them."""
    program = made(source)
    assert cr.jit(program)(np.int64(x), np.int64(y)) == program(x, y)


@settings(max_examples=15)
@given(programs(), st.integers(-3, 9), st.integers(-3, 9), st.integers(0, 3))
def test_derivatives_of_random_programs(source: str, x: int, y: int, n: int) -> None:
    """Value, gradient and Hessian: exact arithmetic in plain Python, eager Tensors, compiled."""
    program = of_reals(source)
    try:
        want = program(Second(Fraction(x, 4), (1, 0)), Second(Fraction(y, 4), (0, 1)), n)
    except Inexact:
        assume(False)  # a branch may go the other way

    def f(z: Any) -> Any:
        return program(z[0], z[1], n)

    def g(z: Any, n: Any) -> Any:
        return program(z[0], z[1], n)

    z = np.array([x / 4, y / 4])
    found = {
        "eager": (f(z), cr.grad(f)(z), cr.hessian(f)(z)),
        "compiled": (
            cr.jit(g)(z, n),
            cr.jit(cr.grad(g))(z, n),
            cr.jit(cr.hessian(g))(z, n),
        ),
    }
    for how, got in found.items():
        for a, b in zip(got, (want.v, want.g, want.h), strict=True):
            np.testing.assert_allclose(
                a, np.asarray(b, float), rtol=1e-9, atol=1e-9, err_msg=f"{how}\n{source}"
            )


# --- programs of floats --------------------------------------------------------------------------


def descent(x: Any) -> Any:
    for _ in range(100):
        x = x - 0.01 * cr.grad(lambda y: y**3)(x)
    return x


def filled(x: Any) -> Any:
    y = np.zeros(40)
    for i in range(40):
        y[i] = np.sin(x * i)
        if i > 0:
            y[i] += y[i - 1] * x
    return np.sum(y * y)


def swept(x: Any) -> Any:
    """A large carry, in two places in turn; an odd number of turns and an even one."""
    u = np.linspace(0.0, 1.0, 200) * x
    for _ in range(31):
        u = np.sin(u) + 0.1 * np.roll(u, 1)
    for _ in range(20):
        u = u * 0.9 + np.roll(u, -1) * x
    return np.sum(u)


def nested(x: Any) -> Any:
    total = 0.0
    for i in range(20):
        z = x * (i + 1)
        while abs(z) > 0.5:
            z = z * 0.5 + 0.01 * i
            if z > 3:
                z = np.sqrt(z)
        total += z * i
    return total


def left_early(x: Any) -> Any:
    s = x * 0.0
    for i in range(100):
        if i == 2:
            continue
        s += x * s + x
        if s > 50:
            break
    return s


def small_state(x: Any) -> Any:
    s = np.array([1.0, 0.5, 0.0])
    for _ in range(50):
        d = np.stack([s[1], -x * s[0] + s[2] * s[1], s[0] * 0.1])
        s = s + 0.01 * d
    return s[0] * s[1] + s[2]


def to_the_diagonal(x: Any) -> Any:
    a = np.eye(3) * x
    for i in range(3):
        for j in range(i):
            a[i, j] = a[j, j] * x
    k = 0
    while k < x * 3:
        a[k % 3, :] += x
        k += 1
    return np.sum(a * a)


FLOATS = [descent, filled, swept, nested, left_early, small_state, to_the_diagonal]


@pytest.mark.parametrize("program", FLOATS, ids=lambda f: f.__name__)
@pytest.mark.parametrize("x", [0.7, 1.3])
def test_programs(program: Function, x: float) -> None:
    """Value, gradient and second derivative."""
    np.testing.assert_allclose(cr.jit(program)(x), float(program(x)), rtol=1e-10)
    slope = float(cr.grad(program)(x))
    np.testing.assert_allclose(cr.jit(cr.grad(program))(x), slope, rtol=1e-9)
    np.testing.assert_allclose(float(cr.grad(cr.jit(program))(x)), slope, rtol=1e-9)
    h = 1e-5
    bend = (cr.grad(program)(x + h) - cr.grad(program)(x - h)) / (2 * h)
    found = cr.jit(cr.hessian(program))(x)
    np.testing.assert_allclose(found, float(bend), rtol=1e-4, atol=1e-5)


def _loops(program: Program) -> list[Loop]:
    return [s for s in program.steps if isinstance(s, Loop)]


def test_code_does_not_grow_with_the_turns() -> None:
    """A million turns and a hundred million are the same code."""
    lengths = []
    for turns in (1_000_000, 100_000_000):

        def f(x: Any, n: int = turns) -> Any:
            for _ in range(n):
                x = x * 0.5 + 1
            return x

        lengths.append(len(cr.jit(f).lower(1.0).llvm.splitlines()))
    assert lengths[0] == lengths[1]


def test_nothing_is_left_to_python() -> None:
    """The reverse of both kinds of loop is machine code."""
    for program in (nested, filled, descent, swept):
        assert not cr.jit(cr.grad(program)).lower(0.7).loops.callbacks


def test_elements_are_changed_where_they_lie() -> None:
    """No copy of an array of which one element is written in each turn."""

    def f(x: Any) -> Any:
        y = np.zeros(1000)
        for i in range(1000):
            y[i] = x * i
        return y

    (loop,) = _loops(cr.jit(f).lower(1.0).loops)
    assert loop.bodies[0].inplace
    assert all(not s.extents for s in loop.bodies[0].steps if isinstance(s, Kernel))
    np.testing.assert_array_equal(cr.jit(f)(2.0), 2.0 * np.arange(1000))


def test_the_value_of_a_scan_is_not_computed_twice() -> None:
    """A gradient has one loop forwards and one backwards."""

    def f(x: Any) -> Any:
        s = x
        for _ in range(50):
            s = np.sin(s) * x
        return s * s

    loops = _loops(cr.jit(cr.value_and_grad(f)).lower(0.5).loops)
    assert [p.reverse for p in loops] == [False, True]
    kept = [b for b in loops[0].results if b.size == 50]
    assert 1 <= len(kept) <= 2  # s, perhaps a function of it that is dear
    assert {b.value.dtype.kind for b in kept} == {"f"}  # and not the counter


def test_memory_that_grows() -> None:
    """More turns than there was room for at first, and none at all."""

    def f(x: Any) -> Any:
        k, s = x * 0.0, x
        while k < 3000 * x:
            s, k = np.cos(s) * x, k + 1
        return s

    for x in (1.0, -1.0, 0.4):
        got = cr.jit(cr.grad(f))(x)
        np.testing.assert_allclose(got, float(cr.grad(f)(x)), rtol=1e-10, atol=1e-300)


def test_a_condition_that_turns_out_constant() -> None:
    """What is known when the program is simplified is chosen then."""

    def f(x: Any) -> Any:
        a = 1
        return (a + a) * x if (a + a < x or a < 2) else a

    assert cr.jit(f)(0.5) == f(0.5)


def test_errors() -> None:
    """A loop that can neither be one operation nor be written out."""

    @cr.jit
    def grows(x: Any) -> Any:
        found = []
        for i in range(100_000):
            found.append(x * i)  # noqa: PERF401
        return found[-1]

    with pytest.raises(SyntaxUnsupported, match="100000 passes is too long"):
        grows(1.0)
