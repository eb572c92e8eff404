"""The eager engine: accumulation, graphs kept and freed, hooks, threads, depth, memory."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Iterator

import numpy as np
import pytest

import chainrule as cr
from chainrule.transforms.backward import gradients


def leaf(value: object) -> cr.Tensor:
    return cr.tensor(value, requires_grad=True)


def test_gradients_accumulate_over_uses_and_passes() -> None:
    """A variable used n times gets n contributions, and a second pass adds to the first."""
    x = leaf(3.0)
    for _ in range(2):
        (x * x + x).backward()

    assert x.grad is not None
    assert x.grad.item() == 14.0


def test_gradients_of_two_leaves_do_not_share_memory() -> None:
    """Zeroing one gradient in place leaves the other alone, though both came from one cotangent."""
    x, y = leaf([1.0, 2.0]), leaf([3.0, 4.0])
    (x + y).backward(np.ones(2))
    x.grad.zero_()

    assert x.grad.tolist() == [0.0, 0.0]
    assert y.grad.tolist() == [1.0, 1.0]


def test_the_cotangent_given_is_not_written_to() -> None:
    """Accumulating twice into a gradient leaves the caller's cotangent as it was."""
    x, ct = leaf([1.0, 2.0]), np.array([1.0, 10.0])
    (+x).backward(ct)
    (+x).backward(ct)

    assert ct.tolist() == [1.0, 10.0]
    assert x.grad.tolist() == [2.0, 20.0]


def test_broadcast_gradient_is_writable() -> None:
    """The gradient of a sum is an array of its own, not a read-only broadcast view."""
    x = leaf(np.zeros((3, 40)))
    x.sum().backward()
    x.grad.zero_()

    assert not x.grad.numpy().any()


def test_second_backward_needs_retain_graph() -> None:
    """A used graph says so; one that was kept can be used again."""
    x = leaf(2.0)
    y = x**3
    y.backward(retain_graph=True)
    y.backward()

    assert x.grad.item() == 24.0
    with pytest.raises(
        cr.errors.GraphError, match=r"power.*second time.*retain_graph=True[\s\S]*test_backward.py"
    ):
        y.backward()
    assert x.grad.item() == 24.0


def test_create_graph_gives_derivatives_of_every_order() -> None:
    """Five derivatives of x**5 by repeated backward with create_graph."""
    x = leaf(2.0)
    y, expected = x**5, [80.0, 160.0, 240.0, 240.0, 120.0]
    for value in expected:
        (y,) = gradients([y], [x], create_graph=True)
        assert y.item() == value


def test_no_perturbation_confusion() -> None:
    """d/dx [x * d/dy (x + y)] at y = x is 1: the inner derivative sees only its own variable."""
    x = leaf(1.0)
    y = x * 1.0
    (inner,) = gradients([x + y], [y], create_graph=True)
    (outer,) = gradients([x * inner], [x])

    assert inner.item() == 1.0
    assert outer.item() == 1.0


def test_a_million_operations_overflow_nothing() -> None:
    """Recording, walking and freeing a long chain use no recursion."""
    x = leaf(1.0)
    y = x
    for _ in range(1_000_000):
        y = y + 1e-7
    y.backward()

    assert x.grad.item() == 1.0
    del y


def test_the_tape_dies_with_its_output() -> None:
    """Values that only the graph held are released when the result is dropped."""
    x = leaf(np.ones(1000))
    y = cr.exp(x)
    value = weakref.ref(y.detach().numpy())
    z = (y * 2).sum()
    del y
    assert value() is not None
    del z
    gc.collect()

    assert value() is None


def test_backward_releases_what_nodes_kept() -> None:
    """After a pass the intermediate values are gone, though the result is still there."""
    x = leaf(np.ones(1000))
    y = cr.exp(x)
    value = weakref.ref(y.detach().numpy())
    z = (y * y).sum()
    del y
    z.backward()

    assert value() is None
    assert z.item() == pytest.approx(1000 * np.e**2)


def test_nothing_is_recorded_without_need() -> None:
    """Without requires_grad, or under no_grad, results have no node; enable_grad records again."""
    x, c = leaf(1.0), cr.tensor(2.0)

    assert (c * c).grad_fn is None
    with cr.no_grad():
        assert not (x * x).requires_grad
        with cr.enable_grad():
            assert (x * x).requires_grad
        assert not (x * x).requires_grad
    assert (x * x).requires_grad


def test_modes_are_decorators_too_and_survive_errors() -> None:
    """`@no_grad()` wraps a function; an exception inside a block restores recording."""

    @cr.no_grad()
    def double(x: cr.Tensor) -> cr.Tensor:
        return x * 2

    assert not double(leaf(1.0)).requires_grad
    with pytest.raises(KeyError), cr.no_grad():
        raise KeyError
    assert cr.is_grad_enabled()


def test_recording_state_is_per_thread() -> None:
    """no_grad in one thread does not stop another, and two threads differentiate at once."""
    inside, done = threading.Event(), threading.Event()
    results: list[float] = []

    def pause() -> None:
        with cr.no_grad():
            inside.set()
            done.wait(10)

    def work(k: float) -> None:
        for _ in range(200):
            x = leaf(k)
            y = x
            for _ in range(20):
                y = cr.sin(y) * x
            y.backward()
            results.append(x.grad.item())

    blocker = threading.Thread(target=pause)
    blocker.start()
    inside.wait(10)
    workers = [threading.Thread(target=work, args=(k,)) for k in (0.5, 0.5, 0.5)]
    for w in workers:
        w.start()
    for w in workers:
        w.join()
    done.set()
    blocker.join()

    assert len(results) == 600
    assert set(results) == {results[0]}


def test_hooks_see_and_change_gradients() -> None:
    """A hook runs once a pass, on leaves and results alike, until it is removed."""
    x = leaf([1.0, 2.0])
    y = x * 3
    seen: list[list[float]] = []
    handle = y.register_hook(lambda g: seen.append(g.tolist()))
    x.register_hook(lambda g: g * 10)
    y.sum().backward(retain_graph=True)

    assert seen == [[1.0, 1.0]]
    assert x.grad.tolist() == [30.0, 30.0]
    handle.remove()
    y.sum().backward()
    assert len(seen) == 1


def test_retained_gradient_of_an_intermediate_result() -> None:
    """retain_grad keeps what the walk found, also when called after the result was used."""
    x = leaf(2.0)
    y = x * x
    z = y * 3
    y.retain_grad()
    z.backward()

    assert y.grad.item() == 3.0
    assert x.grad.item() == 12.0


def test_backward_of_a_leaf_itself() -> None:
    """A leaf is its own derivative."""
    x = leaf(5.0)
    x.backward()

    assert x.grad.item() == 1.0


def test_errors_leave_no_gradient_half_done() -> None:
    """A pass that fails on the way changes no `.grad` and frees no value."""
    x = leaf(2.0)
    y = cr.exp(x) * x

    def fail(_: object) -> None:
        raise RuntimeError("stop")

    handle = x.register_hook(fail)
    with pytest.raises(RuntimeError, match="stop"):
        y.backward()
    assert x.grad is None
    handle.remove()
    y.backward()
    assert x.grad.item() == pytest.approx(3 * np.exp(2.0))


def cases() -> Iterator[tuple[str, object, float, float]]:
    """Finite derivatives although a branch not taken has none: (name, f, at, value)."""
    yield "where sqrt", lambda x: cr.where(x > 0, cr.sqrt(x), 0.0), 0.0, 0.0
    yield "where log", lambda x: cr.where(x > 0, cr.log(x), x * 2), 0.0, 2.0
    yield "where division", lambda x: cr.where(x != 0, cr.sin(x) / x, 1.0), 0.0, 0.0
    yield "where overflow", lambda x: cr.where(x < 100, x * x, cr.exp(x * x)), 50.0, 100.0
    yield "x**0", lambda x: x**0, 0.0, 0.0
    yield "x**0.0", lambda x: x**0.0, 0.0, 0.0
    yield "0**p", lambda p: cr.tensor(0.0) ** p, 2.0, 0.0
    yield "x**2 at 0", lambda x: x**2, 0.0, 0.0
    yield "masked power", lambda x: cr.where(x > 0, x**0.5, 0.0), 0.0, 0.0
    yield "norm", lambda x: cr.linalg.norm(cr.stack([x, x * 0])), 0.0, 0.0
    yield "sqrt of square masked", lambda x: cr.where(x == 0, 0.0, cr.sqrt(x * x)), 0.0, 0.0
    yield "times infinity masked", lambda x: cr.where(x > 0, x * np.inf, x), -1.0, 1.0


@pytest.mark.parametrize(
    ("f", "at", "value"), [c[1:] for c in cases()], ids=[c[0] for c in cases()]
)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_no_nan_from_code_not_taken(f, at, value) -> None:  # type: ignore[no-untyped-def]
    """A zero cotangent that meets an infinite partial stays zero, to second order."""
    x = leaf(at)
    y = f(x)
    if not y.requires_grad:
        assert value == 0.0
        return
    y.backward(retain_graph=True)
    assert x.grad.item() == value
    (first,) = gradients([y], [x], create_graph=True)
    assert first.item() == value
    if first.requires_grad:
        (second,) = gradients([first], [x], allow_unused=True)
        assert second is None or np.isfinite(second.item())


def test_strong_zero_does_not_cut_second_derivatives() -> None:
    """A cotangent that is zero only at this point still has its own derivative."""
    x, y = leaf(1.0), leaf(2.0)
    f = (x - 1) ** 2 * cr.log(y)
    fx, fy = gradients([f], [x, y], create_graph=True)

    assert fy.item() == 0.0
    (fxy,) = gradients([fx], [y], create_graph=True)
    assert fxy.item() == 0.0
    (fxyx,) = gradients([fxy], [x])
    assert fxyx.item() == 1.0  # d/dx of 2 (x - 1) / y


def test_gradient_dtype_follows_the_leaf() -> None:
    """Mixed precision: each leaf's gradient has the leaf's dtype."""
    x = cr.tensor([1.0, 2.0], dtype=np.float32, requires_grad=True)
    y = leaf([3.0, 4.0])
    (x * y).sum().backward()

    assert x.grad.dtype == np.float32
    assert y.grad.dtype == np.float64


def test_unused_inputs() -> None:
    """gradients() of an input that plays no part is an error, or None when allowed."""
    x, y = leaf(1.0), leaf(2.0)
    with pytest.raises(cr.errors.GraphError, match="does not depend on input 1"):
        gradients([x * 2], [x, y])
    assert gradients([x * 2], [x, y], allow_unused=True)[1] is None
