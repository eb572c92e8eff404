"""Donated arguments: their memory is used where that is right, and only there."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import chainrule as cr
from chainrule.codegen.donate import disjoint
from chainrule.codegen.index import affine
from chainrule.errors import ArgumentError, GraphError, ShapeError

A = np.linspace(-1, 1, 900).reshape(30, 30)

WORKS: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "as it is": (lambda x: x, (A,)),
    "elementwise": (lambda x, y: cr.exp(x) * y - x, (A, A[0])),
    "odd": (lambda x: x + 1, (np.arange(37.0),)),
    "odd single": (lambda x: 2 * x + 1, (np.arange(1003.0, dtype=np.float32),)),
    "one": (lambda x: x * 3, (np.ones(1),)),
    "update": (lambda x, g: x - 0.1 * g @ g, (A, A)),
    "momentum": (lambda x, v, g: (x - 0.1 * (0.9 * v + g), 0.9 * v + g), (A, A + 1, A)),
    "matrices": (lambda x, y: x @ y + x, (A, A)),
    "vectors": (lambda x: cr.vmap(lambda v: v / cr.linalg.vector_norm(v))(x), (np.ones((50, 3)),)),
    "loop": (lambda x: cr.fori_loop(0, 7, lambda i, x: x * 0.5 + 1, x), (A,)),
    "reversed": (lambda x: x[::-1] * 2, (A,)),
    "transposed": (lambda x: x.T + 1, (A,)),
    "sum of all": (lambda x: x / cr.sum(x * x), (A,)),
    "used twice": (lambda x: (x + 1, x * 2, cr.sum(x)), (A,)),
    "softmax": (lambda x: cr.softmax(x), (np.ones((40, 50)),)),
    "rolled": (lambda x: cr.roll(x, 1, 0), (A,)),
    "gathered": (lambda x: cr.take(x, np.arange(30)[::-1], axis=0), (A,)),
    "gradient": (lambda x: cr.grad(lambda x: cr.sum(cr.sqrt(x * x)))(x), (A - A[0, 0],)),
    "branch": (lambda x: cr.cond(cr.sum(x) > 0, lambda x: x + 1, lambda x: x[::-1] * 2, x), (A,)),
}


def assigned(x: Any) -> Any:
    x[3] = 7.0
    x[5:9] *= 2
    return x


def swept(x: Any) -> Any:
    for i in range(1, 300):
        x[i] = x[i - 1] * 0.5 + x[i]
    return x


WORKS |= {"assigned": (assigned, (A,)), "swept": (swept, (np.ones(300),))}

REUSED = {
    "as it is", "elementwise", "odd", "odd single", "one", "update", "momentum", "vectors",
    "assigned", "swept", "sum of all", "used twice", "gradient",
}  # fmt: skip
"""Where the memory must be used."""


@pytest.mark.filterwarnings("ignore:jit. memory donated")
@pytest.mark.parametrize("check", [False, True])
@pytest.mark.parametrize("name", WORKS)
def test_results_are_the_same(name: str, check: bool) -> None:
    f, args = WORKS[name]
    want = cr.jit(f)(*[np.array(a) for a in args])
    g = cr.jit(f, donate=tuple(range(len(args))), check_bounds=check)
    for _ in range(2):
        given = [np.array(a) for a in args]
        got = g(*given)
        outs = got if isinstance(got, tuple) else (got,)
        for a, b in zip(outs, want if isinstance(want, tuple) else (want,), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-15)
    if name in REUSED:
        assert any(np.shares_memory(a, b) for a in outs for b in given)
    if name == "momentum":
        assert outs[0] is given[0]
        assert outs[1] is given[1]


def test_nothing_is_shared_without_asking() -> None:
    x = np.ones(40)
    assert not np.shares_memory(cr.jit(lambda x: x)(x), x)
    assert not np.shares_memory(cr.jit(lambda x: x + 1, donate=())(x), x)


@pytest.mark.filterwarnings("ignore:jit. memory donated")
def test_arrays_that_must_not_be_written_are_copied() -> None:
    """Read-only ones, strided ones, and those that another argument shows."""
    f = cr.jit(lambda x, y: x + 2 * y[::-1], donate="x")
    x = np.arange(40.0)
    x.flags.writeable = False
    np.testing.assert_array_equal(f(x, x), x + 2 * x[::-1])
    np.testing.assert_array_equal(x, np.arange(40.0))
    for make in (lambda x: (x, x), lambda x: (x[:30], x[10:]), lambda x: (x[::2], x[1::2])):
        a, b = make(np.arange(40.0))
        want = a + 2 * b[::-1]
        before = b.copy()
        np.testing.assert_array_equal(f(a, b), want)
        np.testing.assert_array_equal(b, before)


def test_names_and_positions_and_containers() -> None:
    def step(state: Any, scale: Any) -> Any:
        return {"a": state["a"] * scale, "b": [state["b"][0] + 1]}

    for donate, kwargs in ((0, {}), ("state", {}), ("state", {"state": None}), ((0,), {})):
        state = {"a": np.ones(30), "b": [np.zeros((3, 4))]}
        g = cr.jit(step, donate=donate)
        out = g(state=state, scale=2.0) if kwargs else g(state, 2.0)
        assert out["a"] is state["a"]
        assert out["b"][0] is state["b"][0]
        assert (out["a"] == 2).all()


def test_tensors_are_donated() -> None:
    x = cr.tensor(np.ones(30))
    memory = x.numpy()
    out = cr.jit(lambda x: x + 1, donate=0)(x)
    assert isinstance(out, cr.Tensor)
    assert np.shares_memory(out.numpy(), memory)


def test_what_a_derivative_needs_is_missed() -> None:
    """A write into memory that an earlier operation kept: backward says so."""
    w = cr.tensor(np.ones(30), requires_grad=True)
    x = np.full(30, 2.0)
    y = cr.sum(w * cr.tensor(x) if False else w * cr.asarray(x, copy=False))
    cr.jit(lambda x: x + 1, donate=0)(x)
    with pytest.raises(GraphError, match="changed in place by `jit`"):
        y.backward()


def test_under_a_derivative_nothing_is_donated() -> None:
    x = np.linspace(1, 2, 30)
    before = x.copy()
    g = cr.grad(lambda x: cr.sum(cr.jit(lambda x: x**3, donate=0)(x)))(x)
    np.testing.assert_allclose(g, 3 * before**2)
    np.testing.assert_array_equal(x, before)


def test_what_cannot_be_used_is_named_once() -> None:
    g = cr.jit(lambda x, table: cr.sum(x) + cr.sum(table), donate=("x", "table"))
    with pytest.warns(RuntimeWarning, match=r"not used: 'x' .*float64\[4\].*'table'"):
        g(np.ones(4), np.ones((2, 3)))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        g(np.ones(4), np.ones((2, 3)))
        g(np.ones(5), np.ones((2, 3)))
        cr.jit(lambda x: x + 1, donate=0)(2.0)  # a number has no memory to give


def test_donations_that_cannot_be() -> None:
    with pytest.raises(ArgumentError, match=r"donate='z' is no argument of .*x, y"):
        cr.jit(lambda x, y: x, donate="z")
    with pytest.raises(ArgumentError, match="donate=2"):
        cr.jit(lambda x, y: x, donate=2)
    with pytest.raises(ArgumentError, match="x cannot be donated, being static"):
        cr.jit(lambda x, y: x, donate=0, static=0)


def test_zero_times_infinity_is_right_at_once() -> None:
    """The program could not be run again: its argument is gone."""
    f = lambda x: cr.grad(lambda x: cr.sum(cr.sqrt(cr.where(x > 0, x, 0.0))))(x)  # noqa: E731
    x = np.array([0.0, 4.0, -1.0, 0.0, 1.0] * 9)
    want = cr.jit(f)(x)
    got = cr.jit(f, donate=0)(x)
    assert got is x
    np.testing.assert_array_equal(got, want)


@pytest.mark.filterwarnings("ignore:jit. memory donated")
def test_what_numpy_may_have_to_do_again_keeps_its_arguments() -> None:
    """A routine that gives up after an argument was overwritten would begin with the new one."""
    bad = np.full((5, 5), np.inf)

    def f(x: Any, a: Any) -> Any:
        y = x + 1
        return y, cr.linalg.expm(a * y[0])

    with np.errstate(all="ignore"):
        want = cr.jit(f)(np.zeros(3), bad)
        got = cr.jit(f, donate="x")(np.zeros(3), bad)
    for a, b in zip(got, want, strict=True):
        np.testing.assert_array_equal(a, b)


def test_an_index_out_of_range_ends_the_call() -> None:
    """Found after an argument was overwritten, by which it would be in range."""

    def f(x: Any) -> Any:
        y = x - 1
        return y, y[cr.astype(y[0], np.int64)]

    with pytest.raises(ShapeError, match="out of range"):
        cr.jit(f, donate=0)(np.array([4.0, 1.0, 2.0]))


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_disjoint_places(data: Any) -> None:
    """Where it says so, no two points of the loops touch one element."""
    extents = data.draw(st.lists(st.integers(1, 5), min_size=1, max_size=3))
    steps = data.draw(st.tuples(*[st.integers(-12, 12) for _ in extents]))
    constants = data.draw(st.lists(st.integers(0, 4), min_size=1, max_size=3))
    places = [affine(c, dict(enumerate(steps))) for c in constants]
    seen: dict[int, Any] = {}
    collides = False
    for point in np.ndindex(*extents):
        for c in set(constants):
            where = c + sum(i * s for i, s in zip(point, steps, strict=True))
            collides |= seen.setdefault(where, point) != point
    if disjoint(places, extents):
        assert not collides
