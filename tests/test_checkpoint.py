"""`checkpoint` in compiled programs: the same values, and nothing inside is kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.codegen.loops import Loop, Program

Function = Callable[..., Any]
X = np.linspace(0.1, 0.9, 64)


def layer(x: Any) -> Any:
    """It keeps several arrays."""
    for _ in range(4):
        x = np.sin(x) * np.exp(-x) + x
    return x


def chain(wrap: Function) -> Function:
    """One after the other."""
    part = wrap(layer)

    def f(x: Any) -> Any:
        for _ in range(8):
            x = part(x)
        return np.sum(x * x)

    return f


def looped(wrap: Function) -> Function:
    """In a loop of known length, with what it takes from around it."""

    def f(x: Any) -> Any:
        part = wrap(lambda y: layer(y) * x)
        y = x
        for _ in range(40):
            y = part(y)
        return np.sum(y * y)

    return f


def until(wrap: Function) -> Function:
    """In a loop of unknown length."""
    part = wrap(layer)

    def f(x: Any) -> Any:
        y, k = x, 0
        while np.sum(y) > 1.0 and k < 30:
            y = 0.7 * part(y)
            k += 1
        return np.sum(y * x)

    return f


def chosen(wrap: Function) -> Function:
    """In a branch, with a branch and a loop in it, nested, and with containers."""

    def part(d: Any, scale: Any = 1.0) -> Any:
        y = d["x"] * scale
        if np.sum(y) > 3:
            for _ in range(20):
                y = np.sin(y)
        return {"y": y, "n": 3, "z": wrap(layer)(y)}

    def f(x: Any) -> Any:
        if x[0] > 0:
            out = wrap(part)({"x": x}, scale=2.0)
            return np.sum(out["y"] * out["z"]) * out["n"]
        return np.sum(x)

    return f


PROGRAMS = [chain, looped, until, chosen]
VIEWS: dict[str, Function] = {
    "value": lambda f: f,
    "gradient": cr.grad,
    "hessian times vector": lambda f: lambda x: cr.jvp(cr.grad(f), (x,), (np.cos(x),))[1],
    "reverse over reverse": lambda f: cr.grad(lambda x: np.sum(cr.grad(f)(x) * np.cos(x))),
    "batch": lambda f: lambda x: cr.vmap(cr.grad(f))(np.stack([x, x + 0.1])),
    "series": lambda f: lambda x: cr.jet(f, (x,), ((np.cos(x), x),))[1][1],
}


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("program", PROGRAMS, ids=lambda f: f.__name__)
def test_changes_nothing(program: Function, view: str) -> None:
    """Of the compiled program, beside the same without it."""
    x = X[:5]
    kept, plain = VIEWS[view](program(cr.checkpoint)), VIEWS[view](program(lambda f: f))
    want = cr.jit(plain)(x)
    np.testing.assert_allclose(cr.jit(kept)(x), want, rtol=1e-9, atol=1e-12)
    if view != "batch":
        within = VIEWS[view](cr.jit(program(cr.checkpoint)))
        np.testing.assert_allclose(within(x), want, rtol=1e-9, atol=1e-12)


def loops(program: Program) -> list[Loop]:
    """All in a program."""
    found = [s for s in program.steps if isinstance(s, Loop)]
    return found + [inner for s in found for p in s.bodies for inner in loops(p)]


def tape(program: Function, checkpoint: bool) -> int:
    """Bytes that the compiled gradient's loops stack for the way back."""
    f = cr.jit(cr.grad(program(cr.checkpoint if checkpoint else lambda f: f)))
    f(X)
    scans = [s for s in loops(f.lower(X).loops) if s.kind == "scan" and s.length == 40]
    assert scans
    return sum(b.nbytes for s in scans for b in s.results[s.counts[1] :])


def test_loops_store_what_goes_in() -> None:
    """Of each turn one array, the argument of the call."""
    assert tape(looped, True) == 40 * X.nbytes


W = np.random.default_rng(0).standard_normal((300, 300)) / 20


def dense(x: Any) -> Any:
    """It keeps four arrays for the way back."""
    for _ in range(4):
        x = np.tanh(W @ x)
    return x


def test_straight_code_needs_less_memory() -> None:
    """The arena holds the arguments of the calls and what one of them needs."""
    arenas, gradients = [], []
    for wrap in (cr.checkpoint, lambda f: f):
        part = wrap(dense)

        def f(x: Any, part: Any = part) -> Any:
            for _ in range(4):
                x = part(x)
            return np.sum(x * x)

        compiled = cr.jit(cr.grad(f))
        x = np.random.default_rng(1).standard_normal((300, 200))
        gradients.append(compiled(x))
        arenas.append(compiled.lower(x).loops.arena)
    np.testing.assert_allclose(*gradients, rtol=1e-9, atol=1e-12)
    assert arenas[0] < 0.65 * arenas[1]


def test_effects_are_done_once(capsys: pytest.CaptureFixture[str]) -> None:
    """A `print` in it is not repeated on the way back."""

    def talks(x: Any) -> Any:
        print("x is", x)
        return np.sin(x) * x

    gradient = cr.jit(cr.grad(lambda x: cr.checkpoint(talks)(x) * 2))
    np.testing.assert_allclose(gradient(0.5), 2 * (np.cos(0.5) * 0.5 + np.sin(0.5)))
    assert capsys.readouterr().out.count("x is 0.5") == 1
