"""`vmap` itself: axes, containers, nesting, what it refuses; Jacobians by entries."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pytest

import chainrule as cr
import chainrule.torch as torch
from chainrule.derive import entries
from chainrule.ops.indexing import _SAMPLES, add_at, getitem, last_writers, put, set_item

X = np.arange(6.0).reshape(3, 2)


@dataclass
class Pair:
    """A container of two."""

    a: Any
    b: Any


class Named(NamedTuple):
    """A named tuple of two."""

    a: Any
    b: Any


# --- axes and containers -------------------------------------------------------------------------


@pytest.mark.parametrize("axis", [0, 1, -1, -2])
@pytest.mark.parametrize("out", [0, 1, -1, -2])
def test_axes(axis: int, out: int) -> None:
    """The batch is taken from any axis, and put into any."""
    x = np.arange(12.0).reshape(3, 4)
    found = cr.vmap(lambda v: v * 2, axis, out)(x)
    rows = [2 * v for v in np.moveaxis(x, axis, 0)]
    np.testing.assert_array_equal(found, np.stack(rows, out))


@pytest.mark.parametrize(
    ("make", "axes"),
    [
        (lambda a, b: (a, b), (0, None)),
        (lambda a, b: [a, b], [0, None]),
        (lambda a, b: {"a": a, "b": b}, {"b": None, "a": 0}),
        (Pair, Pair(0, None)),
        (Named, Named(0, None)),
    ],
)
def test_in_axes_for_a_container(make: Callable[..., Any], axes: Any) -> None:
    """`in_axes` may be nested like the argument, whatever container that is."""

    def function(p: Any, q: Any) -> Any:
        a, b = (
            (p["a"], p["b"])
            if isinstance(p, dict)
            else (p.a, p.b)
            if isinstance(p, Pair)
            else tuple(p)
        )
        return a * b + q

    found = cr.vmap(function, in_axes=(axes, 0))(make(X, X[1]), np.arange(3.0))
    np.testing.assert_array_equal(found, X * X[1] + np.arange(3.0)[:, None])


def test_out_axes_for_a_container() -> None:
    """`out_axes` may be nested like the result; None is for what is the same for all."""
    found = cr.vmap(
        lambda x: {"u": x, "v": Pair(x * 2, np.ones(2))}, out_axes={"v": Pair(1, None), "u": 0}
    )(X)
    np.testing.assert_array_equal(found["u"], X)
    np.testing.assert_array_equal(found["v"].a, 2 * X.T)
    np.testing.assert_array_equal(found["v"].b, np.ones(2))


def test_results_that_do_not_depend_on_the_batch() -> None:
    """They are repeated for every example; an argument may be ignored, and be None."""
    found = cr.vmap(lambda x, _unused, none: (np.ones(2), 1.5, x.sum()), in_axes=(0, 0, 0))(
        X, X, None
    )
    np.testing.assert_array_equal(found[0], np.ones((3, 2)))
    np.testing.assert_array_equal(found[1], [1.5, 1.5, 1.5])
    np.testing.assert_array_equal(found[2], X.sum(1))


def test_keywords_and_size() -> None:
    """Keyword arguments are batched along axis 0; `axis_size` where nothing is batched."""
    np.testing.assert_array_equal(
        cr.vmap(lambda x, *, k: x * k)(X, k=np.arange(3.0)), X * np.arange(3.0)[:, None]
    )
    found = cr.vmap(lambda x: x + 1, in_axes=None, axis_size=4)(X[0])
    np.testing.assert_array_equal(found, [X[0] + 1] * 4)


def test_batch_of_no_examples() -> None:
    """A batch of size 0 gives results of the right shape and dtype."""
    found = cr.vmap(lambda x: (np.linalg.inv(x), x.sum(), np.argmax(x)))(np.zeros((0, 2, 2)))
    assert [y.shape for y in found] == [(0, 2, 2), (0,), (0,)]
    assert [y.dtype for y in found] == [np.float64, np.float64, np.int64]


def test_tensors_give_tensors() -> None:
    """Arrays in give arrays, a Tensor in gives Tensors, of its class and promotion."""
    assert isinstance(cr.vmap(np.sin)(X), np.ndarray)
    assert isinstance(cr.vmap(np.sin)(cr.tensor(X)), cr.Tensor)
    a, b = torch.ones(3, dtype=torch.float64), torch.ones(3, 4)
    assert cr.vmap(lambda s, v: s * v)(a, b).dtype == torch.float32  # s has no dimensions


def test_python_numbers_stay_weak() -> None:
    """A number in the function does not widen single precision, nor does a 0-d example."""
    x = np.ones(3, np.float32)
    assert cr.vmap(lambda v: 2.0 * v + 1)(x).dtype == np.float32
    assert cr.vmap(lambda v, c: v * c, in_axes=(0, None))(x, 3.0).dtype == np.float32


# --- nesting -------------------------------------------------------------------------------------


def test_nested() -> None:
    """An outer product by two levels, in either order."""
    a, b = np.arange(2.0), np.arange(3.0)
    inner = cr.vmap(lambda x, y: x * y, in_axes=(0, None))
    np.testing.assert_array_equal(cr.vmap(inner, in_axes=(None, 0))(a, b), np.outer(b, a))
    other = cr.vmap(lambda x, y: x * y, in_axes=(None, 0))
    np.testing.assert_array_equal(cr.vmap(other, in_axes=(0, None))(a, b), np.outer(a, b))


def test_closures_and_transforms() -> None:
    """Gradients go through to variables outside, and transforms nest in any order."""
    w = cr.tensor([1.0, 2.0], requires_grad=True)
    cr.vmap(lambda x: (x * w).sum())(X).sum().backward()
    np.testing.assert_array_equal(w.grad.numpy(), X.sum(0))

    def loss(v: Any) -> Any:
        return cr.vmap(lambda x: np.sin(x * v).sum())(X).sum()

    v = np.array([0.5, -1.0])
    expected = (X * np.cos(X * v)).sum(0)
    np.testing.assert_allclose(cr.grad(loss)(v), expected)
    stacked = cr.vmap(cr.grad(loss))(np.stack([v, 2 * v]))
    np.testing.assert_allclose(stacked, [expected, cr.grad(loss)(2 * v)])
    np.testing.assert_allclose(cr.hessian(loss)(v), np.diag(-(X**2 * np.sin(X * v)).sum(0)))
    jacobian = cr.jacobian(cr.vmap(lambda x: (x * x).sum()))(X)
    np.testing.assert_allclose(jacobian, np.eye(3)[:, :, None] * 2 * X)
    np.testing.assert_allclose(
        cr.vmap(cr.hessian(lambda x: (x**3).sum()))(X), 6 * X[:, :, None] * np.eye(2)
    )
    pushed = cr.jvp(cr.vmap(lambda x: x.prod()), X, np.ones_like(X))[1]
    np.testing.assert_allclose(pushed, X.sum(1))


def test_in_place_changes() -> None:
    """Arrays made inside are filled; the caller's argument stays as it was."""

    def filled(x: Any) -> Any:
        y = cr.zeros(3)
        for i in range(2):
            y[i] = x[i]
        y[2:] = x.sum()
        x[0] = 7.0
        y *= 2
        return y, x

    before = X.copy()
    y, x = cr.vmap(filled)(X)
    np.testing.assert_array_equal(y, 2 * np.column_stack([X, X.sum(1)]))
    np.testing.assert_array_equal(x, [[7.0, 1.0], [7.0, 3.0], [7.0, 5.0]])
    np.testing.assert_array_equal(X, before)


def test_one_large_product() -> None:
    """A matrix that all examples share meets one matrix of all examples."""
    rng = np.random.default_rng(0)
    w, x = rng.standard_normal((4, 5)), rng.standard_normal((3, 5))
    calls = []
    row = cr.ops.table.TABLE["matmul"]
    evaluate = row.evaluate
    row.evaluate = lambda a, b: calls.append((a.shape, b.shape)) or evaluate(a, b)
    try:
        found = cr.vmap(lambda v: w @ v)(x)
    finally:
        row.evaluate = evaluate
    np.testing.assert_allclose(found, x @ w.T)
    assert calls[-1] == ((3, 5), (5, 4))


# --- indices -------------------------------------------------------------------------------------


def _holes(index: Any) -> list[int]:
    """Parts of an index that are integers or arrays of them."""
    parts = index if type(index) is tuple else (index,)
    return [
        k
        for k, p in enumerate(parts)
        if isinstance(p, int) or (isinstance(p, np.ndarray) and p.dtype.kind == "i")
    ]


@pytest.mark.parametrize("case", range(len(_SAMPLES)))
def test_indices_that_differ_by_example(case: int) -> None:
    """Reading and writing where integers in the index are arguments, some of them batched."""
    shape, index = _SAMPLES[case]
    parts = list(index) if type(index) is tuple else [index]
    holes = _holes(index)
    rng = np.random.default_rng(case)
    size, tested = 4, 0
    for chosen in range(1, 2 ** len(holes)):
        own = [k for i, k in enumerate(holes) if chosen >> i & 1]

        def spread(k: int) -> Any:
            part = np.asarray(parts[k])
            low = min(shape)
            return rng.integers(-low, low, (size, *part.shape)) if low else None

        given = [spread(k) for k in own]
        if any(g is None for g in given):
            continue

        def at(values: Any, own: Any = own) -> Any:
            whole = list(parts)
            for k, v in zip(own, values, strict=True):
                whole[k] = v
            return tuple(whole) if type(index) is tuple else whole[0]

        count = np.empty(shape)[at([g[0] for g in given])].shape
        x, value = rng.standard_normal((size, *shape)), rng.standard_normal((size, *count))
        for function in (
            lambda x, _v, *i, at=at: getitem(x, at(i)),
            lambda _x, v, *i, at=at: put(v, at(i), shape),
            lambda x, v, *i, at=at: set_item(x, v, at(i)),
            lambda x, v, *i, at=at: add_at(x, v, at(i)),
            lambda x, _v, *i, at=at: add_at(x, 2.0, at(i)),
            lambda _x, _v, *i, at=at: last_writers(np.empty(shape), at(i)),
        ):
            for moved in [(True, True), (True, False), (False, True), (False, False)]:
                operands = [y if m else y[0] for y, m in zip((x, value), moved, strict=True)]
                axes = [0 if m else None for m in (*moved, *[True] * len(given))]
                expected = [
                    function(
                        *[y[k] if m else y for y, m in zip(operands, moved, strict=True)],
                        *[g[k] for g in given],
                    )
                    for k in range(size)
                ]
                found = cr.vmap(function, in_axes=axes)(*operands, *given)
                np.testing.assert_allclose(found, np.stack(expected))
                tested += 1
    assert tested or not holes or 0 in (*shape, np.size(parts[0]))


def test_table_of_vectors() -> None:
    """Rows of one array at positions by example; the gradient has the array's shape only."""
    table, which = np.arange(8.0).reshape(4, 2), np.array([1, 1, 3])
    np.testing.assert_array_equal(
        cr.vmap(lambda t, i: t[i], in_axes=(None, 0))(table, which), table[which]
    )
    g = cr.grad(lambda t: cr.vmap(lambda i: (t[i] ** 2).sum())(which).sum())(table)
    np.testing.assert_allclose(g, 2 * table * np.array([0, 2, 0, 1])[:, None])


# --- what is refused -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: cr.vmap(lambda x, y: x * y)(X, np.ones(4)), cr.ShapeError, r"sizes, \[3, 4\]"),
        (lambda: cr.vmap(np.sin)(3.0), cr.ShapeError, "no axis 0"),
        (lambda: cr.vmap(np.sin, in_axes=2)(X), cr.ShapeError, "no axis 2"),
        (lambda: cr.vmap(np.sin, out_axes=5)(X), cr.ArgumentError, "from -2 to 1"),
        (lambda: cr.vmap(np.sin, out_axes=None)(X), cr.ArgumentError, "differs from example"),
        (lambda: cr.vmap(np.sin, in_axes=(0, 0))(X), cr.ArgumentError, "does not fit"),
        (lambda: cr.vmap(np.sin, in_axes=((),))(X), cr.ArgumentError, "does not fit"),
        (lambda: cr.vmap(np.sin, in_axes="x")(X), cr.ArgumentError, "does not fit"),
        (lambda: cr.vmap(np.sin, in_axes=({"a": 0},))(X), cr.ArgumentError, "does not fit"),
        (lambda: cr.vmap(np.sin, in_axes=None)(X), cr.ArgumentError, "axis_size="),
        (lambda: cr.vmap(np.sin, axis_size=4)(X), cr.ShapeError, r"\[3, 4\]"),
        (lambda: cr.vmap(lambda x: "text")(X), cr.DtypeError, "returned a str"),
        (lambda: cr.vmap(lambda x: object())(X), cr.DtypeError, "returned an object"),
        (lambda: cr.vmap(np.sin, randomness="any")(X), cr.ArgumentError, "randomness='any'"),
    ],
)
def test_refused(call: Callable[[], Any], error: type[Exception], words: str) -> None:
    """Arguments that do not fit are named, with the user's line."""
    with pytest.raises(error, match=words) as info:
        call()
    assert "test_vmap.py" in str(info.value)


def test_numbers_asked_of_a_batch_are_an_error() -> None:
    """Where Python needs a number, the error says what to use instead, and where."""
    with pytest.raises(cr.TracedValueError, match=r"cr\.where or cr\.cond(.|\n)*test_vmap\.py"):
        cr.vmap(lambda x: x * len(x.tolist()))(X)


def test_branches_on_values() -> None:
    """An `if` on a batched value is taken by each example for itself."""
    x = X - 3
    found = cr.vmap(lambda v: v if v.sum() > 0 else -v)(x)
    np.testing.assert_array_equal(found, np.where(x.sum(1, keepdims=True) > 0, x, -x))


def test_numpy_arrays_of_the_function_and_of_others() -> None:
    """An array that NumPy makes inside is written into; one from outside cannot hold values that
    are traced, and the error says so, and where.
    """
    outside = np.zeros(2)

    def function(x: Any, y: Any = None) -> Any:
        y = np.zeros(2) if y is None else y
        y[0] = x[0]
        return y

    np.testing.assert_array_equal(cr.vmap(function)(X), X * [1, 0])
    with pytest.raises(cr.ChainruleError, match=r"(.|\n)*y\[0\] = x\[0\]"):
        cr.vmap(lambda x: function(x, outside))(X)


@pytest.mark.parametrize("draw", [lambda: cr.random.rand(2), lambda: torch.randn(2).numpy()])
def test_random_numbers(draw: Callable[[], Any]) -> None:
    """They would be the same for all examples, which must be asked for."""
    with pytest.raises(cr.ArgumentError, match="same for all examples"):
        cr.vmap(lambda x: x + draw())(X)
    found = cr.vmap(lambda x: x * 0 + draw(), randomness="same")(X)
    np.testing.assert_array_equal(found, [found[0]] * 3)
    draw()  # allowed again


def test_one_after_the_other_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """An operation without a rule for these operands works, and is logged once."""
    cr.ops.batching._said.clear()
    with caplog.at_level(logging.WARNING, "chainrule.vmap"):
        for _ in range(2):
            found = cr.vmap(lambda x, bins: cr.digitize(x, bins))(X, np.array([[0.0, 3.0]] * 3))
    np.testing.assert_array_equal(found, np.digitize(X, [0.0, 3.0]))
    assert [r.getMessage().split()[0] for r in caplog.records] == ["digitize"]


# --- Jacobians: unit vectors as entries ----------------------------------------------------------


PROGRAMS: list[Callable[[Any], Any]] = [
    lambda x: 100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2,
    lambda x: np.where(x > 0, np.sqrt(np.abs(x)), 0) / 3 - x[::-1],
    lambda x: (x.reshape(5, 4) ** 2).sum(0),
    lambda x: x.reshape(5, 4).sum(axis=1, keepdims=True) * np.arange(4.0),
    lambda x: np.arange(60.0).reshape(3, 20) @ np.sin(x),
    lambda x: (x**2) @ np.arange(60.0).reshape(20, 3),
    lambda x: np.roll(x, 3)[[0, 0, 5]] * x[[7, 8, 8]],
    lambda x: np.flip(np.transpose(x.reshape(4, 5)), 0) * x.reshape(5, 4),
    lambda x: np.concatenate([x[:3], -x[5:]]) / 2.0,
    lambda x: np.sum(x**3) * x,
    lambda x: np.cumsum(x) - np.broadcast_to(x[:1], (20,)),
    lambda x: (x - x.mean()) / np.sqrt(x.var()),
    lambda x: cr.logsumexp(np.outer(x, x), axis=1),
    lambda x: x * np.float32(2),
]


@pytest.mark.parametrize("number", range(len(PROGRAMS)))
@pytest.mark.parametrize("mode", ["forward", "reverse"])
def test_entries(number: int, mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The Jacobian is the same, whether unit vectors are carried as entries or as arrays."""
    f, x = PROGRAMS[number], np.random.default_rng(number).uniform(0.5, 2.0, 20)
    whole = cr.jacobian(f, mode=mode)(x)
    monkeypatch.setattr(entries, "WORTH", 0)
    used = []
    carried = entries.on_entries
    monkeypatch.setattr(
        "chainrule.derive.batch.on_entries", lambda *args: used.append(1) or carried(*args)
    )
    found = cr.jacobian(f, mode=mode)(x)
    assert used
    assert found.dtype == whole.dtype
    np.testing.assert_allclose(found, whole, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(
        cr.hessian(lambda v: (f(v) ** 2).sum())(x),
        cr.jacobian(cr.grad(lambda v: (f(v) ** 2).sum()), mode="reverse")(x),
        rtol=1e-9,
        atol=1e-9,
    )


def test_infinite_partials_beside_zeros() -> None:
    """A zero in a unit vector stays zero where the partial derivative is infinite."""

    def f(x: Any) -> Any:
        return np.where(x > 0, np.sqrt(x), 0)

    for n in (2, 100):
        x = np.linspace(0.0, 1.0, n)
        expected = np.diag(np.where(x > 0, 0.5 / np.sqrt(np.where(x > 0, x, 1)), 0))
        for mode in ("forward", "reverse"):
            np.testing.assert_allclose(cr.jacobian(f, mode=mode)(x), expected)
        tangent = np.ones(n)
        np.testing.assert_allclose(cr.jvp(f, x, tangent)[1], expected @ tangent)
