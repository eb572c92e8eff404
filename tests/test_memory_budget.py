"""`grad(f, memory=...)`: the same gradients, and no more memory than was said."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.record.bounded import first_part

TURNS = 1000
X = np.linspace(0.5, 1.5, 100)


def counted(x: Any) -> Any:
    """A loop of known length."""
    return np.sum(cr.fori_loop(0, TURNS, lambda i, y: y - 1e-3 * np.sin(y) * y, x) ** 2)


def along(x: Any) -> Any:
    """A walk along an array, which stacks."""
    ts = np.linspace(0, 1e-2, TURNS)
    last, ys = cr.scan(lambda y, t: (y - t * np.sin(y) * y, np.sum(y * y)), x, ts, reverse=True)
    return np.sum(last) + np.sum(ys * ts)


def until(x: Any) -> Any:
    """A loop of unknown length."""
    return np.sum(
        cr.while_loop(
            lambda c: c[0] < TURNS, lambda c: (c[0] + 1, c[1] - 1e-3 * np.sin(c[1]) * c[1]), (0, x)
        )[1]
    )


def nested(x: Any) -> Any:
    """Loops in a loop."""

    def turn(_: Any, y: Any) -> Any:
        y = cr.fori_loop(0, 30, lambda i, z: z - 1e-3 * np.sin(z) * z, y)
        return cr.while_loop(
            lambda c: c[0] < 20, lambda c: (c[0] + 1, c[1] - 1e-3 * c[1] ** 2), (0, y)
        )[1]

    return np.sum(cr.fori_loop(0, TURNS // 50, turn, x) ** 2)


PROGRAMS: list[Callable[..., Any]] = [counted, along, until, nested]
FULL = TURNS * X.nbytes


@pytest.mark.parametrize("budget", ["400kB", "64kB", 20_000])
@pytest.mark.parametrize("program", PROGRAMS, ids=lambda f: f.__name__)
def test_compiled(program: Callable[..., Any], budget: Any) -> None:
    """The arena holds what is stored, besides a few arrays of the loop's own."""
    compiled = cr.jit(cr.grad(program, memory=budget))
    np.testing.assert_allclose(compiled(X), cr.jit(cr.grad(program))(X), rtol=1e-12)
    size = {"400kB": 400_000, "64kB": 64_000}.get(budget, budget)
    own = {along: 4 * 8 * TURNS}.get(program, 0)
    loops = compiled.lower(X).loops
    assert loops.arena < size + 40 * X.nbytes + own
    assert not loops.callbacks


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda f: f.__name__)
def test_eager(program: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Measured: what Python allocates at most."""
    monkeypatch.setitem(globals(), "TURNS", 200)
    x = np.linspace(0.5, 1.5, 20_000)
    size = 8_000_000 if program is nested else 3_000_000  # a quarter is for the loops inside
    gradient = cr.grad(program, memory=size)
    gradient(x)
    tracemalloc.start()
    try:
        found = gradient(x)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    np.testing.assert_array_equal(found, cr.grad(program)(x))
    assert peak < size + 30 * x.nbytes < 600 * x.nbytes / 7


@pytest.mark.parametrize("slots", range(6))
def test_binomial_plan(slots: int) -> None:
    """Turns taken, counted, are the fewest that can be (Griewank and Walther 2000, theorem 1)."""
    from math import comb

    def taken(steps: int, slots: int) -> int:
        if steps == 1:
            return 0
        m = first_part(steps, slots)
        return m + taken(m, slots) + taken(steps - m, max(slots - 1, 0))

    for steps in range(1, 40):
        r = 0
        while comb(slots + 1 + r, r) < steps:
            r += 1
        least = r * steps - comb(slots + 1 + r, r - 1) if r else 0
        assert taken(steps, slots) == least


@pytest.mark.parametrize(
    "transform",
    [
        lambda f, **m: cr.value_and_grad(f, **m),
        lambda f, **m: cr.hessian(f, **m),
        lambda f, **m: cr.jacobian(f, mode="reverse", **m),
        lambda f, **m: lambda x: cr.vjp(f, x, **m)[1](1.0)[0],
    ],
    ids=["value_and_grad", "hessian", "jacobian", "vjp"],
)
def test_every_transform(transform: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The budget is an argument of all that go backwards."""
    monkeypatch.setitem(globals(), "TURNS", 60)
    x = X[:5]
    for program in (counted, until):
        limited, free = transform(program, memory="2kB"), transform(program)
        for got, want in zip(limited(x), free(x), strict=True):
            np.testing.assert_allclose(got, want, rtol=1e-10)
        for got, want in zip(cr.jit(limited)(x), free(x), strict=True):
            np.testing.assert_allclose(got, want, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("program", [counted, until], ids=lambda f: f.__name__)
def test_too_little(program: Callable[..., Any], compiled: bool) -> None:
    """What cannot be says the least that can."""
    gradient = cr.grad(program, memory=100)
    with pytest.raises(cr.ArgumentError, match=r"memory=100 bytes.*the least is \d+") as caught:
        (cr.jit(gradient) if compiled else gradient)(X)
    assert "test_memory_budget.py" in str(caught.value)


@pytest.mark.parametrize("memory", ["64QB", "", "MB", -1, 0, 1.5, True, "0 B"])
def test_no_budget(memory: Any) -> None:
    """What is no number of bytes says what is one."""
    with pytest.raises(cr.ArgumentError, match=r"'64MB' with one of the units B, kB, MB"):
        cr.grad(counted, memory=memory)


def test_units() -> None:
    """As texts, decimal and binary."""
    from chainrule.graph.budget import bytes_of

    assert [bytes_of("f", m) for m in (7, "7", "64MB", "1.5 GiB", "2kb")] == [
        7, 7, 64_000_000, 3 << 29, 2000,
    ]  # fmt: skip


def test_compiled_inside() -> None:
    """A compiled function differentiated outside cannot keep to a budget, and says so."""
    compiled = cr.jit(counted)
    with pytest.raises(cr.ArgumentError, match=r"cr\.jit\(cr\.grad\(counted, memory=") as caught:
        cr.grad(compiled, memory="64kB")(X)
    assert "test_memory_budget.py" in str(caught.value)
    within = cr.jit(cr.grad(compiled, memory="64kB"))
    np.testing.assert_allclose(within(X), cr.grad(counted)(X), rtol=1e-12)
    assert within.lower(X).loops.arena < 64_000 + 40 * X.nbytes
    straight = cr.jit(lambda x: np.sum(x * x))
    np.testing.assert_array_equal(cr.grad(straight, memory="64kB")(X), 2 * X)
