"""Eager walks that are repeated run as machine code: the same derivatives, or the walk itself."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import checks
import numpy as np
import pytest
import scipy.special
from hypothesis import given
from programs import PYTHON, Program, alike, programs

import chainrule as cr
import chainrule.torch as torch
from chainrule.derive import repeated, tape
from chainrule.derive.repeated import ACCUMULATE, REVERSE
from chainrule.errors import ArgumentError, GraphError, MissingDerivative
from chainrule.ops.table import TABLE
from chainrule.transforms.hessian import TWICE
from chainrule.transforms.jacobian import BY_COLUMN, BY_ROW

pytest.importorskip("llvmlite")

KINDS = (REVERSE, BY_ROW, BY_COLUMN, TWICE, ACCUMULATE)
DIFFERENTIABLE = sorted(n for n in TABLE if TABLE[n].differentiable)
EAGER = [p for p in PYTHON if p.__name__ not in {"looped", "until", "chosen"}]


@contextmanager
def at_once() -> Iterator[None]:
    """Within this block every walk is compiled when it is met first."""
    before = repeated.ENOUGH[0], repeated.EVERY[0]
    repeated.ENOUGH[0], repeated.EVERY[0] = 0, 1
    try:
        yield
    finally:
        repeated.ENOUGH[0], repeated.EVERY[0] = before
        for kind in KINDS:
            kind.plans.clear()
            kind.compiled.clear()


@contextmanager
def walking() -> Iterator[None]:
    """Within this block no walk is compiled."""
    cr.set_compile_walks(False)
    try:
        yield
    finally:
        cr.set_compile_walks(True)


def made(kind: tape.Kind = REVERSE) -> int:
    """How many walks of a kind are machine code by now."""
    return sum(plan.state == tape.COMPILED for plan in kind.plans.values())


def both(call: Callable[[], Any]) -> tuple[Any, Any]:
    """What a call gives walking, and from machine code that an earlier call made."""
    with walking():
        expected = call()
    call()
    return expected, call()


@pytest.mark.parametrize("name", DIFFERENTIABLE)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_row(name: str) -> None:
    """Cotangents by machine code that was made at another point, for each of the row's samples."""
    row = TABLE[name]
    for sample in checks.samples_of(row):
        rng = checks.generator_for(row, sample)
        program = checks.Program(row, sample, rng, checks.draw)
        if not program.where:
            continue
        here = program.at
        there = [x + 1e-3 * rng.standard_normal(x.shape).astype(x.dtype) for x in here]
        cts = program.random_like(program.values(here))
        with walking():
            expected = checks.pullback(program, there, cts)
        with at_once():
            checks.pullback(program, here, cts)
            found = checks.pullback(program, there, cts)
        scale = max([1.0, *(float(np.max(np.abs(e), initial=0.0)) for e in expected)])
        for a, b in zip(found, expected, strict=True):
            assert a.dtype == b.dtype
            assert a.shape == b.shape
            rtol = 1e-8 * row.tolerance if a.dtype.itemsize >= 8 else 1e-3
            checks.close(a, b, rtol, rtol * scale, name)


@given(programs(4, python=EAGER))
def test_programs(program: Program) -> None:
    """Gradient, Jacobians of both modes and Hessian of random programs."""
    x = program.point()
    ways = {
        "gradient": cr.grad(program.number),
        "forward": cr.jacobian(program, mode="forward"),
        "reverse": cr.jacobian(program, mode="reverse"),
        "hessian": cr.hessian(program.number),
    }
    for what, way in ways.items():
        with at_once():
            expected, found = both(lambda way=way: way(x))  # type: ignore[misc]
        alike(found, expected, 1e-8, what)


def test_machine_code_is_used() -> None:
    """Each kind of walk over a program of some rows is compiled."""

    def f(x: Any) -> Any:
        return np.sum(np.exp(x) * x[::-1]) + np.log(x[0])

    x = np.array([1.0, 2.0, 3.0])
    with at_once():
        cr.grad(f)(x)
        assert made() == 1
        cr.jacobian(lambda x: np.stack([f(x), x[1]]), mode="reverse")(x)
        cr.jacobian(lambda x: np.stack([f(x), x[1]]), mode="forward")(x)
        cr.hessian(f)(x)
        assert [made(kind) for kind in KINDS[1:4]] == [1, 1, 1]
        for way in (cr.grad(f), cr.hessian(f)):
            expected, found = both(lambda way=way: way(x + 1))  # type: ignore[misc]
            alike(found, expected, 1e-12)


CHANGED: dict[str, list[Callable[[Any], Any]]] = {
    "numbers": [lambda x: x * 2.0 + x * x, lambda x: x * 3.0 + x * x],
    "kinds of numbers": [lambda x: x**2, lambda x: x**2.0, lambda x: x**3],
    "constants": [lambda x, c=c: x * c for c in (np.ones(4), np.arange(4.0), np.float32(2))],
    "axes": [lambda x: x.reshape(2, 2).sum(0), lambda x: x.reshape(2, 2).sum(1)],
    "slices": [lambda x: x[1:] * x[1:], lambda x: x[:-1] * x[:-1], lambda x: x[::2] * x[1::2]],
    "places": [lambda x, p=p: x[np.array(p)] ** 2 for p in ([0, 1], [2, 3], [1, 1])],
    "masks": [lambda x, t=t: x[np.arange(4) > t] ** 2 for t in (0, 1, 2)],
    "wiring": [lambda x: x * np.sin(x), lambda x: np.sin(x) * x, lambda x: np.sin(x) * np.sin(x)],
    "reuse": [lambda x: (y := np.sin(x)) * y, lambda x: np.sin(x) * np.sin(x)],
    "dtypes": [lambda x: np.sin(x), lambda x: np.sin(x.astype(np.float32)) * 2],
    "orders": [lambda x: np.linalg.norm(x, 2), lambda x: np.linalg.norm(x, 3)],
}


@pytest.mark.parametrize("name", CHANGED)
def test_programs_that_differ_in_one_thing(name: str) -> None:
    """No machine code stands in for the walk over another program."""
    x = np.array([0.5, -1.0, 2.0, 3.0])
    with at_once():
        for _ in range(3):
            for f in CHANGED[name]:
                with walking():
                    expected = cr.grad(lambda x, f=f: np.sum(f(x)))(x)
                alike(cr.grad(lambda x, f=f: np.sum(f(x)))(x), expected, 1e-7)


def test_shapes_and_dtypes_of_variables_differ() -> None:
    """The same operations on other arrays are another walk."""
    with at_once():
        for _ in range(2):
            for x in (np.ones(3), np.ones(4), np.ones((2, 2)), np.ones(3, np.float32)):
                g = cr.grad(lambda x: np.sum(x * x))(x)
                assert g.dtype == x.dtype
                np.testing.assert_array_equal(g, 2 * x)


def test_layouts_of_kept_values_differ() -> None:
    """Kept values may lie in memory as they like."""
    a = np.arange(12.0).reshape(3, 4)
    with at_once():
        for x in (a, a.T.copy().T, a[::-1], np.asfortranarray(a), np.broadcast_to(a[0], (3, 4))):
            np.testing.assert_array_equal(cr.grad(lambda x: np.sum(x * x * x))(x), 3 * x * x)


def test_results_are_new_arrays() -> None:
    """No call changes what an earlier one gave."""
    gradient = cr.grad(lambda x: np.sum(x * x))
    with at_once():
        found = [gradient(np.full(3, float(k))) for k in range(4)]
    np.testing.assert_array_equal(found, [[0.0] * 3, [2.0] * 3, [4.0] * 3, [6.0] * 3])


def test_backward_accumulates_and_lets_go() -> None:
    """`.grad` adds up, a second pass needs `retain_graph`, frozen leaves get nothing."""
    with at_once():
        for _ in range(3):
            x = torch.tensor([1.0, 2.0], requires_grad=True)
            w = torch.tensor([3.0, 4.0])
            y = (x * w).sum() + (x * x).sum()
            y.backward(retain_graph=True)
            y.backward()
            assert x.grad is not None
            np.testing.assert_array_equal(x.grad.numpy(), [10.0, 16.0])
            assert w.grad is None
            with pytest.raises(GraphError, match="retain_graph"):
                y.backward()


def test_gradients_are_added_to_where_they_lie() -> None:
    """A second pass of the same kind writes into the array that `.grad` has, and says so."""
    with at_once():
        x = torch.tensor([1.0, 2.0], requires_grad=True)
        for _ in range(2):
            (x * x).sum().backward()
        memory = x.grad.numpy()
        for _ in range(3):
            (x * x).sum().backward()
        assert made(ACCUMULATE) == 2  # without gradient, and with one
        np.testing.assert_array_equal(memory, [10.0, 20.0])
        kept = torch.tensor([1.0, 1.0], requires_grad=True) * x.grad
        (x * x).sum().backward()
        with pytest.raises(GraphError, match="changed in place"):
            kept.sum().backward()


def _grads(setting: Callable[[Any, Any], None]) -> list[Any]:
    """Gradients of two leaves after five passes, before each of which `setting` sees to them."""
    a, b = (torch.tensor([v, 2.0], requires_grad=True) for v in (1.0, 3.0))
    out = []
    for _ in range(5):
        setting(a, b)
        (a * b * b).sum().backward()
        out.append([x.grad.numpy(force=True).copy() for x in (a, b)])
    return out


def _share(a: Any, b: Any) -> None:
    a.grad = b.grad = torch.zeros(2)


def _views(a: Any, b: Any) -> None:
    both = torch.zeros(4)
    a.grad, b.grad = both[:2], both[1:3]


def _strided(a: Any, b: Any) -> None:
    a.grad, b.grad = torch.zeros(4)[::2], torch.zeros(2, dtype=torch.float64)


def _none(a: Any, b: Any) -> None:
    a.grad = None


def _recorded(a: Any, b: Any) -> None:
    b.grad = torch.ones(2, requires_grad=True) * 2


GRADIENTS = [_share, _views, _strided, _none, _recorded, lambda a, b: None]


@pytest.mark.parametrize("setting", GRADIENTS)
def test_gradients_as_they_come(setting: Callable[[Any, Any], None]) -> None:
    """Gradients that share memory, or are none, strided, of another dtype, or have a history."""
    with walking():
        expected = _grads(setting)
    with at_once():
        found = _grads(setting)
    np.testing.assert_array_equal(found, expected)


def test_a_leaf_in_two_places() -> None:
    """Machine code made of a program of two variables, where the two are one."""
    with at_once():
        for _ in range(3):
            for scalar in (False, True):
                a, b = (torch.tensor(v if scalar else [v], requires_grad=True) for v in (2.0, 5.0))
                for x, y in ((a, b), (a, b), (a, b), (a, a), (a, a)):
                    (x * y).sum().backward()
                assert [float(a.grad), float(b.grad)] == [15.0 + 8.0, 6.0]


def test_changed_in_place_is_an_error_again() -> None:
    """A kept value that was overwritten is found, whether the walk is compiled or not."""
    with at_once():
        for _ in range(3):
            x = torch.tensor([1.0, 2.0], requires_grad=True)
            y = x * 2
            z = (y * y).sum()
            y += 1.0
            with pytest.raises(GraphError):
                z.backward()


def test_hooks_run() -> None:
    """A hook on a tensor in the middle sees its cotangent, and may change it."""
    with at_once():
        for k in range(4):
            x = torch.tensor([1.0, 2.0], requires_grad=True)
            y = x * 3
            seen: list[Any] = []
            if k % 2:
                y.register_hook(lambda g, seen=seen: (seen.append(g), g * 2)[1])
            (y * y).sum().backward()
            factor = 2 if k % 2 else 1
            np.testing.assert_array_equal(x.grad.numpy(), factor * np.array([18.0, 36.0]))
            assert len(seen) == k % 2


def test_some_of_the_variables() -> None:
    """Only what is asked for, whichever were asked for before."""
    with at_once():
        for _ in range(2):
            a, b = (cr.tensor([v], requires_grad=True) for v in (2.0, 5.0))
            y = (a * b * b).sum()
            for wanted, expected in (([a], [25]), ([b], [20]), ([b, a], [20, 25])):
                found = torch.autograd.grad(y, wanted, retain_graph=True)
                np.testing.assert_array_equal([g.numpy()[0] for g in found], expected)


def test_several_threads() -> None:
    """Threads that repeat the same walk at once, while it is compiled."""
    wrong: list[Any] = []

    def work(k: int) -> None:
        x = np.full(5, 1.0 + k)
        found = [cr.grad(lambda x: np.sum(x * x))(x) for _ in range(200)]
        wrong.extend(k for g in found if not np.array_equal(g, 2 * x))

    with at_once():
        threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
    assert not wrong


def test_rules_that_look_at_numbers_are_walked() -> None:
    """A walk that cannot be traced stays one, and is looked at once."""
    a = np.diag([1.0, 2.0, 3.0]) + 0.1
    a = a + a.T
    with at_once():
        for _ in range(3):
            expected, found = both(lambda: cr.grad(lambda a: np.sum(np.linalg.eigh(a)[1] ** 3))(a))
            alike(found, expected, 1e-12)


def test_errors_of_the_walk_stay() -> None:
    """A derivative that does not exist is refused on every repetition."""
    with at_once():
        for _ in range(3):
            with pytest.raises(MissingDerivative, match="order"):
                cr.grad(lambda x: np.sum(scipy.special.jv(x, x)))(np.ones(2))


def test_the_switch() -> None:
    """Nothing is compiled, and nothing compiled is used, while it is off."""
    x = np.ones(3)
    assert cr.get_compile_walks()
    with at_once():
        with walking():
            assert not cr.get_compile_walks()
            cr.grad(lambda x: np.sum(x * x))(x)
            assert made() == 0
        cr.grad(lambda x: np.sum(x * x))(x)
        assert made() == 1
    with pytest.raises(ArgumentError, match="True or False"):
        cr.set_compile_walks(1)  # type: ignore[arg-type]


def test_only_what_is_repeated_is_compiled() -> None:
    """A program that takes a derivative now and then never waits for a compiler."""
    f = lambda x: np.sum(np.sin(x) * np.cos(x) * 0.123)  # noqa: E731
    before = made()
    for _ in range(50):
        cr.grad(f)(np.ones(3))
    assert made() == before
    for _ in range(20_000):
        if made() > before:
            break
        cr.grad(f)(np.ones(3))
    assert made() == before + 1
