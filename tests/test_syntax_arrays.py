"""Arrays that NumPy makes inside a rewritten function can be assigned to."""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import chainrule as cr
from chainrule.errors import DtypeError, GraphError
from chainrule.record.syntax import rewrite

Array = npt.NDArray[Any]


def derivative(function: Any, at: Any) -> Any:
    """Gradient of the sum of a rewritten function's result."""
    x = cr.tensor(at, requires_grad=True)
    out = rewrite(function, arrays=True, control_flow=False)(x)
    out.sum().backward()
    return x.grad.numpy()


def by_differences(function: Any, at: Any, step: float = 1e-6) -> Any:
    """The same from the original, run by NumPy on numbers."""
    at = np.array(at, float)
    out = np.zeros(at.shape)
    for i in np.ndindex(at.shape):
        shift = np.zeros(at.shape)
        shift[i] = step
        above, below = function((at + shift)[()]), function((at - shift)[()])
        out[i] = (np.sum(above) - np.sum(below)) / (2 * step)
    return out


# --- programs ---------------------------------------------------------------------------------


def slices(x: Any) -> Any:
    y = np.zeros(3)
    y[0] = x[0]
    y[1:] += x[:2] * 2
    y[-1] *= x[2]
    return y


def table(x: Any) -> Any:
    a = np.empty((3, 2))
    for i in range(3):
        for j in range(2):
            a[i, j] = x[i] ** (j + 1)
    return a @ np.array([1.0, 2.0])


def like(x: Any) -> Any:
    y = np.empty_like(x)
    y[...] = x * x
    z = np.zeros_like(np.array([1.0, 2.0]))
    z[1] = y[0]
    return y[1] * z


def lists(x: Any) -> Any:
    rotation = np.array([[np.cos(x[0]), -np.sin(x[0])], [np.sin(x[0]), np.cos(x[0])]])
    return rotation @ np.asarray([x[1], 1])


def copies(x: Any) -> Any:
    a = CONSTANT.copy()
    b = np.copy(CONSTANT)
    c = CONSTANT.astype(float)
    d = np.ones(3).copy()
    a[0] = b[1] = c[2] = d[0] = x[0]
    return a * b * c * d


def filled(x: Any) -> Any:
    y = np.full(3, x[0])
    y[1] = x[1]
    z = np.full((2,), 2.0)
    z[0] += y[0] * x[2]
    return np.concatenate([y, z])


def in_place(x: Any) -> Any:
    y = np.ones(3)
    y += x
    y *= x
    return y


def several_targets(x: Any) -> Any:
    y, z = np.zeros(2), np.linspace(0.0, 1.0, 3)
    y[0], z[1:] = x[0] * x[1], x[:2]
    for y[1] in (x[0], x[2]):
        pass
    return np.dot(y, y) + z


def called(x: Any) -> Any:
    return _first_doubled(x) + Model(x).scaled(x) + functools.partial(_added, 2.0)(x)


def _first_doubled(x: Any) -> Any:
    out = np.zeros(len(x))
    out[0] = 2 * x[0]
    return out


def _added(a: float, x: Any) -> Any:
    return _first_doubled(x) + a * x


class Model:
    """Keeps arrays of its own."""

    def __init__(self, x: Any) -> None:
        self.weights = np.ones(len(x))
        self.weights[1] = x[2]

    def scaled(self, x: Any) -> Any:
        self.__hidden = np.zeros(len(x))
        self.__hidden[:] = x
        return self.weights * self.__hidden


class Scaled(Model):
    """Calls what it inherits."""

    def scaled(self, x: Any) -> Any:
        out = np.zeros(3)
        out[1:] = super().scaled(x)[:2]
        return out


def inherited(x: Any) -> Any:
    return Scaled(x).scaled(x)


def passed(x: Any) -> Any:
    return sum(_first_doubled(v) for v in [x, 2 * x]) + _applied(lambda v: _first_doubled(v), x)


def _applied(f: Any, x: Any) -> Any:
    return f(x)


def closed_over(x: Any) -> Any:
    out = np.zeros(3)

    def put(i: int) -> None:
        out[i] = x[i] * count

    count = 2
    for i in range(3):
        put(i)
        count += 1
    return out


def numbers(x: Any) -> Any:
    first, second = x[0], x[1]
    return math.sin(first) * math.exp(second) + math.log(first, 3) + math.atan2(first, second)


def complex_entries(x: Any) -> Any:
    z = np.zeros(2, dtype=complex)
    z[0] = x[0] * 1j
    z[1] = x[1]
    return (z * z.conj()).real


CONSTANT = np.array([1.0, 2.0, 3.0])
PROGRAMS = [
    slices, table, like, lists, copies, filled, in_place, several_targets, called, inherited,
    passed, closed_over, numbers, complex_entries,
]  # fmt: skip


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.__name__)
def test_programs_that_fill_arrays_are_differentiated(program: Any) -> None:
    at = [0.7, 1.3, -0.4]

    np.testing.assert_allclose(derivative(program, at), by_differences(program, at), atol=1e-7)


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.__name__)
def test_values_are_those_of_numpy(program: Any) -> None:
    at = [0.7, 1.3, -0.4]
    rewritten = rewrite(program, arrays=True, control_flow=False)
    expected = program(np.array(at))

    np.testing.assert_allclose(rewritten(np.array(at)), expected, rtol=1e-14)
    out = rewritten(cr.tensor(at))
    np.testing.assert_allclose(out, expected, rtol=1e-14)
    assert np.asarray(out).dtype == np.asarray(expected).dtype


def test_what_comes_from_outside_is_not_changed() -> None:
    copies(CONSTANT)
    derivative(copies, [5.0, 6.0, 7.0])

    assert CONSTANT.tolist() == [1.0, 2.0, 3.0]


# --- dtypes ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "make",
    [
        lambda: np.zeros(3),
        lambda: np.ones((2, 2), dtype=np.float32),
        lambda: np.full(2, 1.5),
        lambda: np.eye(2, dtype=complex),
        lambda: np.array([1, 2.5]),
        lambda: np.array([np.float32(1)]),
        lambda: np.arange(3.0),
        lambda: np.linspace(0, 1, 4),
        lambda: np.zeros_like(np.float32([1, 2])),
        lambda: np.array(2.0),
        lambda: np.arange(3),
        lambda: np.zeros(3, bool),
        lambda: np.array(["a", "b"]),
    ],
)
def test_dtype_is_the_one_numpy_gives(make: Any) -> None:
    expected = make()
    # these functions write nothing, so they go through the mode that rewrites all
    made = rewrite(make, arrays=True, control_flow=True)()

    assert made.dtype == expected.dtype
    assert made.shape == expected.shape
    assert isinstance(made, cr.Tensor) == (expected.dtype.kind in "biufc")
    np.testing.assert_array_equal(np.asarray(made), expected)


@pytest.mark.parametrize(
    ("entries", "dtype"),
    [
        (lambda x: [x, 1], "float64"),
        (lambda x: [x.astype("float32"), np.float32(2)], "float32"),
        (lambda x: [x, 1j], "complex128"),
        (lambda x: [[x, 1.0], [np.ones(2)[0], 2]], "float64"),
        (lambda x: ([x], [2]), "float64"),
    ],
)
def test_lists_with_tensors_have_the_dtype_of_numpy(entries: Any, dtype: str) -> None:
    def build(x: Any) -> Any:
        out = np.array(entries(x))
        out[0] += 1
        return out

    x = cr.tensor(3.0, requires_grad=True)
    out = rewrite(build, arrays=True, control_flow=False)(x)

    assert out.dtype == dtype
    assert out.requires_grad
    assert out.shape == np.shape(np.array(entries(cr.tensor(3.0))))


def test_integer_arrays_stay_numpy_arrays() -> None:
    """They hold no derivative, and serve as indices and keys."""

    def counts(x: Any) -> Any:
        seen = np.zeros(3, dtype=int)
        seen[1] += 1
        assert type(seen) is np.ndarray
        return x * {0: 1.0, 1: 5.0}[seen[1]]

    assert derivative(counts, 2.0) == 5.0

    def stores(x: Any) -> Any:
        y = np.arange(3)
        y[0] = x
        return y

    with pytest.raises(GraphError, match="cannot hold its derivative"):
        derivative(stores, 2.0)


# --- what is rewritten -----------------------------------------------------------------------


def test_functions_that_write_nothing_are_left_alone() -> None:
    def smooth(x: Any) -> Any:
        total = 0.0
        for i in range(3):
            total += np.sin(x[i]) * x.sum()
        return np.linalg.norm(x) + total + _twice(x).sum()

    def rewrites(x: Any) -> Any:
        return _first_doubled(x).sum()

    assert rewrite(smooth, arrays=True, control_flow=False) is smooth
    assert rewrite(rewrites, arrays=True, control_flow=False) is not rewrites
    assert rewrite(np.sum, arrays=True, control_flow=False) is np.sum
    assert rewrite(cr.sin, arrays=True, control_flow=False) is cr.sin


def _twice(x: Any) -> Any:
    return 2 * x


def _ping(x: Any, n: int) -> Any:
    return _pong(x, n - 1) if n else _first_doubled(x)


def _pong(x: Any, n: int) -> Any:
    return _ping(x, n)


def test_functions_that_call_each_other() -> None:
    """Whether one writes is not concluded before the other has been looked at."""
    assert derivative(lambda x: _pong(x, 3), [1.0, 2.0]).tolist() == [2.0, 0.0]
    assert derivative(lambda x: _ping(x, 3), [1.0, 2.0]).tolist() == [2.0, 0.0]


def test_a_rewritten_function_is_kept() -> None:
    once = rewrite(slices, arrays=True, control_flow=False)

    assert rewrite(slices, arrays=True, control_flow=False) is once
    assert rewrite(once, arrays=True, control_flow=False) is once
    assert once.__name__ == "slices"
    assert once.__code__.co_filename == __file__
    assert once.__code__.co_firstlineno == slices.__code__.co_firstlineno


# --- arrays from outside -----------------------------------------------------------------------


def test_assignment_into_an_array_from_outside_names_the_line_and_what_to_do() -> None:
    outside = np.zeros(3)

    def store(x: Any) -> Any:
        outside[0] = x  # the line
        return outside

    def numbers_may(x: Any) -> Any:
        outside[0] = 1.0
        outside[1:] += 1.0
        return x

    with pytest.raises(GraphError, match=r"cr\.asarray(.|\n)*outside\[0\] = x  # the line"):
        derivative(store, 2.0)
    derivative(numbers_may, 2.0)
    assert outside.tolist() == [1.0, 1.0, 1.0]


@pytest.mark.parametrize("index", [0, slice(None), ..., [0, 1]])
def test_without_a_rewrite_no_derivative_is_lost_in_an_array(index: Any) -> None:
    """NumPy takes an element by `float()`, and puts an error of its own on top of ours."""
    y, x = np.zeros(3), cr.tensor(2.0, requires_grad=True)

    with pytest.raises((GraphError, ValueError)) as caught:
        y[index] = x
    raised = caught.value if isinstance(caught.value, GraphError) else caught.value.__cause__
    assert isinstance(raised, GraphError)
    assert "y[index] = x" in str(raised)
    assert y.tolist() == [0.0, 0.0, 0.0]


def test_numbers_of_tensors_are_had_as_before() -> None:
    x = cr.tensor(2.0, requires_grad=True)
    y, kept = np.zeros(2), {}
    y[0] = float(x)
    y[1] = x.detach()
    kept[0] = x

    assert (float(x), int(x), complex(x)) == (2.0, 2, 2 + 0j)
    assert y.tolist() == [2.0, 2.0]
    assert kept[0] is x


def test_tensors_that_require_grad_cannot_be_stored_as_integers() -> None:
    def store(x: Any) -> Any:
        y = np.zeros(2, dtype="int64")
        y[0] = x
        return y

    with pytest.raises((DtypeError, GraphError)):
        rewrite(store, arrays=True, control_flow=True)(cr.tensor(1.0, requires_grad=True))
