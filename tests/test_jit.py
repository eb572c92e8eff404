"""`jit`: arguments and results, signatures, errors, and what it does inside of other transforms."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.errors import DtypeError, ShapeError, TracedValueError
from chainrule.run.compiled import Compiled
from chainrule.run.reference import Reference


def f(x: Any, y: Any) -> Any:
    return 3 * x**2 + y + cr.exp(x * y)


# --- arguments and results ------------------------------------------------------------------------


def test_numbers_give_numpy_scalars() -> None:
    out = cr.jit(f)(1.0, 2.0)
    assert type(out) is np.float64
    np.testing.assert_allclose(out, 5 + np.exp(2.0), rtol=1e-15)


def test_arrays_give_arrays_and_tensors_give_tensors() -> None:
    x = np.linspace(0, 1, 50)
    assert type(cr.jit(f)(x, x)) is np.ndarray
    assert isinstance(cr.jit(f)(cr.tensor(x), cr.tensor(x)), cr.Tensor)
    np.testing.assert_allclose(cr.jit(f)(x, 2.0), 3 * x**2 + 2 + np.exp(2 * x), rtol=1e-14)


@dataclass
class Point:
    """A container."""

    x: Any
    y: Any


def test_containers_in_and_out() -> None:
    @cr.jit
    def step(params: Any, point: Point) -> Any:
        a, b = params["a"], params["b"]
        return {"sum": a + b[0], "pair": (point.x * point.y, [b[1]])}, Point(point.y, point.x)

    out, point = step({"a": 1.0, "b": [np.ones(3), 2.0]}, Point(3.0, np.arange(4.0)))
    np.testing.assert_array_equal(out["sum"], [2, 2, 2])
    np.testing.assert_array_equal(out["pair"][0], 3 * np.arange(4.0))
    assert out["pair"][1] == [2.0]
    assert point.y == 3.0


def test_keywords_and_defaults() -> None:
    @cr.jit
    def g(x: Any, *, scale: Any = 2.0) -> Any:
        return x * scale

    assert g(3.0) == 6.0
    assert g(3.0, scale=5.0) == 15.0


def test_static_arguments_choose_the_program() -> None:
    traces: list[int] = []

    @cr.jit(static=("power",))
    def g(x: Any, power: int = 2) -> Any:
        traces.append(power)
        for _ in range(power - 1):
            x = x * x
        return x

    assert [g(2.0), g(2.0, power=3), g(3.0, power=3)] == [4.0, 16.0, 81.0]
    assert traces == [2, 3]
    assert cr.jit(lambda x, n: x * n, static=1)(2.0, 3) == 6.0


def test_a_changing_number_does_not_compile_again() -> None:
    traces: list[int] = []

    @cr.jit
    def g(x: Any, alpha: Any) -> Any:
        traces.append(1)
        return alpha * x

    x = np.ones(20)
    for alpha in (0.5, 0.25, 3.0):
        np.testing.assert_array_equal(g(x, alpha), alpha * x)
    assert len(traces) == 1
    assert len(g.cache) >= 1


def test_python_numbers_are_weak() -> None:
    single, small = np.ones(50, np.float32), np.arange(50, dtype=np.int16)
    for f in (
        lambda x, a: a * x,
        lambda x, a: (2 * a + 1) * x,
        lambda x, a: x / a,
        lambda x, a: cr.maximum(x, a) + a,
    ):
        for x in (single, small, single.astype(float)):
            for number in (2, 0.5):
                want = f(cr.tensor(x), number)
                got = cr.jit(f)(x, number)
                assert got.dtype == want.dtype, (x.dtype, number)
                np.testing.assert_allclose(got, want.numpy(), rtol=1e-6)
    assert cr.jit(lambda x, n: x * n)(single, np.float64(2)).dtype == np.float64
    np.testing.assert_allclose(cr.jit(lambda x, n: x**n)(single * 3, 2), single * 9)
    gradient = cr.grad(cr.jit(lambda x, a: cr.sum(a * x * x)))
    assert gradient(single, 2.0).dtype == np.float32


def test_results_share_no_memory() -> None:
    x = np.arange(40.0)
    same, view, twice, again = cr.jit(lambda x: (x, x[::2], x * 2, x * 2))(x)
    for out in (same, view, twice, again):
        assert not np.shares_memory(out, x)
    assert not np.shares_memory(twice, again)
    np.testing.assert_array_equal(same, x)


def test_strided_and_foreign_memory() -> None:
    g = cr.jit(lambda a, b: a * 2 + b)
    a = np.arange(60.0).reshape(6, 10)
    np.testing.assert_array_equal(g(a.T, a.T), a.T * 3)
    np.testing.assert_array_equal(g(a[::2, ::-1], a[:3]), a[::2, ::-1] * 2 + a[:3])
    swapped = a.astype(">f8")
    np.testing.assert_array_equal(g(swapped, a), a * 3)
    odd = np.frombuffer(b"x" + a.tobytes(), np.uint8)[1:].view(np.float64).reshape(6, 10)
    np.testing.assert_array_equal(g(odd, a), a * 3)


def test_many_threads() -> None:
    g = cr.jit(lambda a: cr.sum(cr.exp(a).T @ a, axis=0))
    a = np.random.default_rng(0).random((60, 70))
    want = (np.exp(a).T @ a).sum(axis=0)
    wrong: list[Any] = []

    def work() -> None:
        wrong.extend(1 for _ in range(50) if not np.allclose(g(a), want, rtol=1e-12))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong


def test_constants_are_those_of_the_trace() -> None:
    table = np.arange(30.0)
    g = cr.jit(lambda x: x + table)
    g(np.zeros(30))
    table[:] = -1
    np.testing.assert_array_equal(g(np.zeros(30)), np.arange(30.0))


# --- transforms -----------------------------------------------------------------------------------


def test_nested_transforms() -> None:
    def g(x: Any) -> Any:
        return cr.sum(cr.sin(x) * x)

    x = np.linspace(0.1, 1, 5)
    want = cr.hessian(g)(x)
    for h in (
        cr.jit(cr.hessian(g)),
        cr.hessian(cr.jit(g)),
        cr.jit(cr.jacobian(cr.jit(cr.grad(g)))),
        cr.jit(cr.jacobian(cr.grad(cr.jit(g)))),
    ):
        np.testing.assert_allclose(h(x), want, rtol=1e-12, atol=1e-13)
    batch = np.stack([x, 2 * x, 3 * x])
    np.testing.assert_allclose(
        cr.jit(cr.vmap(cr.grad(g)))(batch), np.stack([cr.grad(g)(r) for r in batch]), rtol=1e-12
    )
    np.testing.assert_allclose(cr.vmap(cr.jit(g))(batch), [g(r) for r in batch], rtol=1e-12)


def test_backward_through_a_jitted_function() -> None:
    x = cr.tensor([1.0, 2.0], requires_grad=True)
    cr.jit(lambda x: cr.sum(x**3))(x).backward()
    np.testing.assert_allclose(x.grad.numpy(), [3.0, 12.0])


def test_tensors_from_outside_take_part() -> None:
    w = cr.tensor([1.0, 2.0], requires_grad=True)
    g = cr.jit(lambda x: cr.sum(x * w * w))
    g(cr.tensor([3.0, 4.0])).backward()
    np.testing.assert_allclose(w.grad.numpy(), [6.0, 16.0])


def test_zero_times_infinity_is_zero() -> None:
    """What the plain program gets wrong is noticed, and done again with care."""

    def g(x: Any) -> Any:
        return cr.sum(cr.where(cr.greater(x, 0), cr.sqrt(x) + cr.log(x), 0.0))

    x = np.array([0.0, 4.0, -1.0, 0.25] * 10)
    got = cr.jit(cr.grad(g))(x)
    np.testing.assert_allclose(
        got, np.where(x > 0, 0.5 / np.sqrt(abs(x) + (x == 0)) + 1 / (x + (x == 0)), 0)
    )
    a = np.array([[np.inf, 1.0], [2.0, 3.0]])

    def h(v: Any) -> Any:
        return (a @ v)[1]

    np.testing.assert_array_equal(cr.jit(cr.grad(h))(np.ones(2)), cr.grad(h)(np.ones(2)))
    big = np.full((40, 40), np.inf)
    k = cr.grad(lambda v: cr.sum((big @ v)[:0]) + v[0])
    np.testing.assert_array_equal(cr.jit(k)(np.ones(40)), k(np.ones(40)))


def test_nan_that_is_meant_stays() -> None:
    x = np.array([np.nan, 1.0])
    np.testing.assert_array_equal(
        np.isnan(cr.jit(cr.grad(lambda x: cr.sum(x * x * x)))(x)), [True, False]
    )


# --- errors ---------------------------------------------------------------------------------------


def test_an_argument_that_is_no_array() -> None:
    with pytest.raises(DtypeError, match=r"(?s)static.*test_jit.py"):
        cr.jit(lambda x, mode: x)(1.0, "fast")
    with pytest.raises(DtypeError, match="hashable"):
        cr.jit(lambda x, mode: x, static=1)(1.0, [1])
    with pytest.raises(DtypeError, match="returns a str"):
        cr.jit(lambda x: "no")(1.0)


def test_numbers_asked_of_traced_values() -> None:
    with pytest.raises(TracedValueError, match=r"(?s)cr.where.*test_jit.py"):
        cr.jit(lambda x: x.item())(1.0)
    kept: list[Any] = []
    g = cr.jit(lambda x: kept.append(x) or x * 2)
    g(1.0)
    with pytest.raises(TracedValueError, match="return it"):
        cr.jit(lambda x: x + kept[0])(1.0)


def test_shapes_that_depend_on_values() -> None:
    with pytest.raises(TracedValueError):
        cr.jit(lambda x: cr.nonzero(x)[0])(np.ones(3))


def test_an_index_out_of_range() -> None:
    g = cr.jit(lambda x, i: cr.take(x, i))
    x = np.arange(5.0)
    np.testing.assert_array_equal(g(x, np.array([0, -1, 4])), [0, 4, 4])
    for wrong in (5, -6):
        with pytest.raises(ShapeError, match="out of range"):
            g(x, np.array([0, wrong, 1]))
    big = np.arange(1000) % 5
    np.testing.assert_array_equal(g(x, big), x[big])
    big[700] = 5
    with pytest.raises(ShapeError, match="out of range"):
        g(x, big)


def test_an_error_of_numpy_is_passed_on() -> None:
    with pytest.raises(np.linalg.LinAlgError):
        cr.jit(cr.linalg.inv)(np.zeros((3, 3)))


# --- what is made ---------------------------------------------------------------------------------


def lowered(function: Any, *args: Any) -> Compiled:
    found = cr.jit(function).lower(*args)
    assert isinstance(found, Compiled)
    return found


def test_a_chain_and_its_sum_are_one_kernel() -> None:
    x = np.ones((30, 40))
    c = lowered(lambda x, y: cr.sum(cr.exp(x * y) + x / 3), x, x)
    (kernel,) = c.loops.kernels
    assert kernel.extents == (1200,)
    assert not c.loops.temporaries
    assert not c.loops.callbacks


def test_small_arrays_are_written_out_over_a_batch() -> None:
    def rotate(r: Any, x: Any) -> Any:
        return (
            cr.sum(cr.cross(r, x) * r[..., ::-1], axis=-1)
            + (x[..., None, :] @ r[..., None])[..., 0, 0]
        )

    x = np.random.default_rng(0).random((500, 3))
    c = lowered(rotate, x, x + 1)
    (kernel,) = c.loops.kernels
    assert kernel.extents == (500,)
    assert not c.loops.temporaries
    np.testing.assert_allclose(c([x, x + 1])[0], rotate(cr.tensor(x), cr.tensor(x + 1)), rtol=1e-12)


def test_gathers_are_read_in_place() -> None:
    table, i = np.random.default_rng(0).random((20, 3)), np.arange(300) % 20
    c = lowered(lambda t, i: cr.sum(cr.take(t, i, axis=0) ** 2), table, i)
    assert len(c.loops.kernels) == 1
    assert not c.loops.temporaries
    np.testing.assert_allclose(c([table, i])[0], (table[i] ** 2).sum(), rtol=1e-13)


def test_transposes_are_flags_of_blas() -> None:
    a = np.random.default_rng(0).random((50, 60))
    c = lowered(lambda a, b: a.T @ b.T, a, np.ones((40, 50)))
    assert [type(s).__name__ for s in c.loops.steps] == ["Product"]
    np.testing.assert_allclose(c([a, np.ones((40, 50))])[0], a.T @ np.ones((50, 40)), rtol=1e-12)


def test_stages_can_be_seen() -> None:
    c = lowered(lambda x: cr.linalg.sqrtm(cr.exp(x)), np.eye(7))
    assert "exp" in repr(c.loops)
    assert "define" in c.llvm
    assert "ret" in c.assembly
    assert "by NumPy, as there is no machine code for them: sqrtm" in c.report()
    assert len(c.graph.nodes) == 2


def test_the_reference_runs_the_same_graph() -> None:
    c = lowered(
        cr.grad(lambda x: cr.sum(cr.softmax(x) * x) if False else cr.sum(cr.tanh(x) * x)),
        np.ones(20),
    )
    x = np.linspace(-1, 1, 20)
    np.testing.assert_allclose(Reference(c.graph)([x])[0], c([x])[0], rtol=1e-13)


def test_a_long_program_is_cut() -> None:
    def g(x: Any) -> Any:
        y = x
        for _ in [None] * 600:  # a loop over a list is written out
            y = cr.sin(y) * x + 0.5 * y
        return y

    assert len(lowered(g, 0.3).loops.kernels) > 2
    np.testing.assert_allclose(cr.jit(g)(0.3), g(cr.tensor(0.3)).item(), rtol=1e-12)


def test_what_is_put_in_memory_later_is_not_read_before() -> None:
    """A joined array that first only an elementwise operation reads, and then a matrix product."""

    def g(x: Any) -> Any:
        c = cr.concat([x, 2 * x], -1)
        return cr.sum(c @ c.T) + cr.sum(cr.sin(c))

    x = np.random.default_rng(0).uniform(-1, 1, (40, 3))
    np.testing.assert_allclose(cr.jit(cr.grad(g))(x), cr.grad(g)(x), rtol=1e-12)
    np.testing.assert_allclose(cr.jit(g)(x), g(cr.tensor(x)).item(), rtol=1e-12)


def test_rows_stay_in_the_cache() -> None:
    """A softmax is one loop over the rows, and what its parts pass on is as large as a row."""
    x = np.random.default_rng(0).standard_normal((200, 300))
    for function in (
        lambda x: cr.special.softmax(x, axis=1),
        lambda x: cr.special.logsumexp(x, axis=1),
        lambda x: (x - cr.mean(x, axis=1, keepdims=True)) / cr.std(x, axis=1, keepdims=True),
    ):
        c = lowered(function, x)
        assert [type(s).__name__ for s in c.loops.steps] == ["Nest"]
        assert c.loops.arena < 200 * 300 * 8 / 10
        np.testing.assert_allclose(
            c([x])[0], function(cr.tensor(x)).numpy(), rtol=1e-10, atol=1e-12
        )
        gradient = cr.grad(lambda x, f=function: cr.sum(f(x) ** 2))
        np.testing.assert_allclose(cr.jit(gradient)(x), gradient(x), rtol=1e-8, atol=1e-12)


def test_report_of_a_loop_shows_its_body() -> None:
    """Loops and branches hold programs of their own, which the report goes into."""
    f = cr.jit(lambda x: cr.fori_loop(0, 1000, lambda i, c: cr.sin(c) * x, x))
    lines = f.lower(2.0).report().splitlines()
    assert any("scan of 1000 turns" in line for line in lines)
    assert any(line.startswith("    kernel") for line in lines)


def test_calls_unlike_the_last_one() -> None:
    """Other shapes, dtypes, types, strides, counts of arguments and names, in turn."""

    def f(x: Any, y: Any = 2.0) -> Any:
        return x * y + 1

    compiled = cr.jit(f)
    a = np.arange(6.0)
    calls: list[tuple[tuple[Any, ...], dict[str, Any]]] = [
        ((a, a), {}), ((a, 3.0), {}), ((3.0, a), {}), ((a,), {}), ((2.0, 3.0), {}),
        ((np.float32(2), 3.0), {}), ((a.astype("f4"), a), {}), ((a.reshape(2, 3), 1.5), {}),
        ((a[::2], a[1::2]), {}), ((a,), {"y": a}), ((np.array(2.0), a), {}), ((2, a), {}),
        ((a.astype(">f8"), a), {}), ((cr.tensor(a), 2.0), {}), ((a > 2, a), {}),
    ]  # fmt: skip
    for _ in range(3):
        for args, kwargs in [*calls, *calls[::-1], *[c for c in calls for _ in range(2)]]:
            ours, theirs = compiled(*args, **kwargs), f(*args, **kwargs)
            assert type(ours) is type(theirs) or type(theirs) is float
            assert ours.dtype == np.asarray(theirs).dtype
            np.testing.assert_array_equal(np.asarray(ours), np.asarray(theirs))
