"""Loops and branches: eager, traced, differentiated in both modes and to second order, batched."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.graph.node import Spec
from chainrule.ops.replay import replay
from chainrule.record.trace import trace
from chainrule.tensor import Tensor

Function = Callable[[Any], Any]


def powers(x: Any) -> Any:
    """A known number of turns."""
    return cr.fori_loop(0, 3, lambda i, c: c * x + i, 1.0)


def until(x: Any) -> Any:
    """As many turns as it takes."""
    return cr.while_loop(lambda c: c < 100.0, lambda c: c * x + 1, x)


def counted(x: Any) -> Any:
    """A condition that is the same for all examples."""
    return cr.while_loop(lambda c: c[0] < 5, lambda c: (c[0] + 1, c[1] * x), (0, 1.0))[1]


def both(x: Any) -> Any:
    """A condition that depends on the example only through a constant."""
    return cr.while_loop(lambda c: c[0] * x < 9, lambda c: (c[0] + 1, c[1] * x), (0, 1.0))[1]


def along(x: Any) -> Any:
    """A walk along an array, which stacks."""
    last, ys = cr.scan(lambda c, t: (c * x + t, c * t), 1.0, np.arange(4.0))
    return last + np.sum(ys)


def backwards(x: Any) -> Any:
    """The same from the end."""
    last, ys = cr.scan(lambda c, t: (np.sin(c * x) + t, c * t), 1.0, np.arange(4.0), reverse=True)
    return last + np.sum(ys * np.arange(1.0, 5.0))


def of_slices(x: Any) -> Any:
    """Slices that carry a derivative, and a carry of integers beside one of floats."""
    xs = np.array([1.0, 2.0, 3.0]) * x
    (_, total), ys = cr.scan(lambda c, t: ((c[0] + 1, c[1] + t * c[0]), t**2), (0, 0.0), xs)
    return total * np.sum(ys)


def branch(x: Any) -> Any:
    """A choice, which closes over the variable."""
    return cr.cond(x > 1, lambda y: y * y * x, lambda y: np.sin(y) - x, x)


def nested(x: Any) -> Any:
    """A loop in a loop, with a choice inside."""

    def turn(i: Any, c: Any) -> Any:
        inner = cr.fori_loop(0, 2, lambda j, d: d * x + c, c)
        return cr.cond(inner > 3.0, lambda v: v / (1 + v * v), lambda v: v + x, inner)

    return cr.fori_loop(0, 3, turn, 0.5)


def mapped(x: Any) -> Any:
    """One slice after the other."""
    return np.sum(cr.map(lambda t: np.exp(-t * x), np.array([0.5, 1.0, 2.0])))


PROGRAMS = [powers, until, counted, both, along, backwards, of_slices, branch, nested, mapped]

VIEWS: dict[str, Callable[[Function], Function]] = {
    "value": lambda f: f,
    "reverse": cr.grad,
    "forward": lambda f: lambda x: cr.jvp(f, x, 1.0)[1],
    "reverse over reverse": lambda f: cr.grad(cr.grad(f)),
    "forward over reverse": lambda f: lambda x: cr.jvp(cr.grad(f), x, 1.0)[1],
    "reverse over forward": lambda f: cr.grad(lambda x: cr.jvp(f, x, 1.0)[1]),
    "forward over forward": lambda f: lambda x: cr.jvp(
        lambda y: cr.jvp(f, y, 1.0)[1], x, 1.0
    )[1],
}  # fmt: skip

POINTS = np.array([2.1, 3.1, 1.6])


def traced(f: Function, x: float) -> float:
    """The value of a function by way of its graph."""
    graph = trace(lambda t: [f(t)], [Spec(np.float64(0))], Tensor)
    return float(replay(graph, [cr.tensor(x)])[0])


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("program", PROGRAMS, ids=lambda f: f.__name__)
@pytest.mark.filterwarnings("ignore:overflow")
def test_program(program: Function, view: str) -> None:
    """Traced and batched agree with eager, and derivatives with differences."""
    f = VIEWS[view](program)
    eager = np.array([float(f(x)) for x in POINTS])

    np.testing.assert_allclose([traced(f, x) for x in POINTS], eager, rtol=1e-10)
    np.testing.assert_allclose(cr.vmap(f)(POINTS), eager, rtol=1e-10)
    if view in ("reverse", "forward"):
        h = 1e-6
        slopes = [(program(x + h) - program(x - h)) / (2 * h) for x in POINTS]
        np.testing.assert_allclose(eager, slopes, rtol=1e-4, atol=1e-6)
    elif view != "value":
        h = 1e-5
        g = cr.grad(program)
        np.testing.assert_allclose(
            eager, [(g(x + h) - g(x - h)) / (2 * h) for x in POINTS], rtol=1e-4, atol=1e-5
        )


def test_length_of_the_graph_does_not_depend_on_the_turns() -> None:
    """A traced loop is one operation."""
    sizes = []
    for turns in (10, 1000):
        graph = trace(
            lambda x, n=turns: [cr.fori_loop(0, n, lambda i, c: c * x, 1.0)],
            [Spec(np.float64(0))],
            Tensor,
        )
        sizes.append(len(graph.nodes))
    assert sizes[0] == sizes[1] < 5


def test_a_loop_over_a_container() -> None:
    """Carries may be nested; NumPy arrays in give NumPy arrays out."""
    state = {"x": np.ones(2), "n": 0}
    out = cr.while_loop(lambda s: s["n"] < 3, lambda s: {"x": s["x"] * 2, "n": s["n"] + 1}, state)
    assert type(out["x"]) is np.ndarray
    np.testing.assert_array_equal(out["x"], [8.0, 8.0])
    assert out["n"] == 3


def test_batched_loop_freezes_what_is_done() -> None:
    """Each example ends when its own condition does, whatever the others do."""

    def halvings(x: Any) -> Any:
        return cr.while_loop(lambda c: c[0] > 1.0, lambda c: (c[0] / 2, c[1] + 1), (x, 0))[1]

    np.testing.assert_array_equal(cr.vmap(halvings)(np.array([0.5, 2.0, 16.0])), [0, 1, 4])


@pytest.mark.parametrize("tracing", [False, True])
def test_errors(tracing: bool) -> None:
    """What a newcomer does wrong, and what is said of it."""

    def run(f: Function) -> Any:
        return traced(f, 1.0) if tracing else f(1.0)

    with pytest.raises(cr.StructureError, match=r"nested as \(\*, \*\) at the start"):
        run(lambda x: cr.fori_loop(0, 3, lambda i, c: c[0], (x, x)))
    with pytest.raises(cr.LoopError, match="max_iterations=7"):
        run(lambda x: cr.while_loop(lambda c: c > 0, lambda c: c + 1, x, max_iterations=7))
    with pytest.raises(cr.ShapeError, match="no common length"):
        run(lambda x: cr.scan(lambda c, t: (c, t), x, (np.ones(3), np.ones(2)))[0])
    with pytest.raises(cr.ShapeError, match="predicate has shape"):
        run(lambda x: cr.cond(np.array([True, False]), lambda: x, lambda: x))


def test_errors_of_a_traced_carry() -> None:
    """A carry that changes shape or dtype shows both, and the user's line."""
    with pytest.raises(cr.ShapeError, match=r"float64\[\] and float64\[2\]") as caught:
        traced(lambda x: cr.fori_loop(0, 3, lambda i, c: c * np.ones(2), x), 1.0)
    assert "test_control_flow.py" in str(caught.value)
    with pytest.raises(cr.DtypeError, match=r"float64.*bool"):
        traced(lambda x: cr.fori_loop(0, 3, lambda i, c: c > 1, x), 1.0)
    with pytest.raises(cr.DtypeError, match="results of the two functions"):
        traced(lambda x: cr.cond(x > 0, lambda: x, lambda: x > 1), 1.0)
