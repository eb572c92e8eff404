"""`out=`, `where=`, `dtype=`, `casting=`; methods of ufuncs; functions that write."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.graph.node import Variable

A = np.random.default_rng(5).uniform(0.4, 1.7, (3, 4))
B = np.array([1.1, 0.7, 1.4, 0.9])


def value(x: Any) -> Any:
    return np.asarray(x._value if isinstance(x, Variable) else x)


def check(f: Callable[..., Any], *operands: Any, rtol: float = 1e-12) -> None:
    """NumPy's value, and the gradient by differences."""
    expected = np.asarray(f(*[x.copy() for x in operands]))
    tensors = [cr.tensor(x, requires_grad=True) for x in operands]
    y = f(*tensors)
    assert isinstance(y, cr.Tensor)
    assert y.dtype == expected.dtype
    np.testing.assert_allclose(value(y), expected, rtol=rtol)
    rng = np.random.default_rng(0)
    weight = rng.normal(size=expected.shape)
    (y * weight).sum().backward()
    directions = [rng.normal(size=x.shape) for x in operands]
    slope = sum(float(np.sum(value(t.grad) * d)) for t, d in zip(tensors, directions, strict=True))
    h = 1e-6
    plus, minus = (
        float(np.sum(np.asarray(
            f(*[x + s * h * d for x, d in zip(operands, directions, strict=True)])) * weight))
        for s in (1, -1)
    )  # fmt: skip
    assert slope == pytest.approx((plus - minus) / (2 * h), rel=1e-5, abs=1e-7)


# --- out=, where= --------------------------------------------------------------------------------

MASK = np.array([[True, False, True, True], [False, True, True, False], [True, True, True, False]])


def zeros(like: Any, shape: Any = (3, 4)) -> Any:
    """Zeros of the kind of something."""
    z = np.zeros(shape)
    return cr.tensor(z) if isinstance(like, Variable) else z


def _add_out(x: Any) -> Any:
    out = zeros(x)
    assert np.add(x, 1.0, out=out) is out
    return out * x


def _positional_out(x: Any) -> Any:
    out = zeros(x)
    np.exp(x, out)
    return out


def _masked_log(x: Any) -> Any:
    out = zeros(x) + 3.0
    np.log(x - 1.0, out=out, where=value(x) > 1.0)
    return out


def _sum_out(x: Any) -> Any:
    out = zeros(x, 4)
    assert np.sum(x, 0, None, out) is out
    return out


def _broadcast_out(x: Any) -> Any:
    out = zeros(x)
    np.multiply(x[:1], 2.0, out=out)
    return out


def _modf_out(x: Any) -> Any:
    a, b = zeros(x), zeros(x)
    np.modf(x * 3, out=(a, b))
    return a + b * x


def _modf_first_out(x: Any) -> Any:
    a = zeros(x)
    np.modf(x * 3, a)
    return a


def _several(f: Callable[..., Any], shape: Any) -> Callable[..., Any]:
    def call(x: Any) -> Any:
        out = zeros(x, shape)
        assert f(x, out) is out
        return out

    return call


INTO = {
    "add": _add_out, "exp": _positional_out, "log": _masked_log, "sum": _sum_out,
    "broadcast": _broadcast_out, "modf": _modf_out, "modf, first": _modf_first_out,
    "cumsum": _several(lambda x, o: np.cumsum(x, 0, out=o), (3, 4)),
    "mean": _several(lambda x, o: np.mean(x, 0, None, o), 4),
    "concatenate": _several(lambda x, o: np.concatenate([x, x], out=o), (6, 4)),
    "stack": _several(lambda x, o: np.stack([x, x], 0, o), (2, 3, 4)),
    "dot": _several(lambda x, o: np.dot(x, x.T, o), (3, 3)),
    "matmul": _several(lambda x, o: np.matmul(x, x.T, o), (3, 3)),
    "clip": _several(lambda x, o: np.clip(x, 0.6, 1.2, o), (3, 4)),
    "take": _several(lambda x, o: np.take(x, [0, 1], 1, o), (3, 2)),
    "reduce": _several(lambda x, o: np.multiply.reduce(x, 1, None, o), 3),
    "einsum": _several(lambda x, o: np.einsum("ij->j", x, out=o), 4),
}  # fmt: skip


@pytest.mark.parametrize("name", INTO)
def test_out_is_recorded(name: str) -> None:
    """A Tensor as `out=` takes the result with its history, and is returned."""
    check(INTO[name], A)


def test_where_with_a_tensor_as_mask() -> None:
    def f(x: Any) -> Any:
        out = zeros(x)
        np.sqrt(x, out=out, where=x > 0.8)
        return out

    check(f, A)


def test_masked_elements_have_no_say() -> None:
    """Where the mask leaves elements out no infinity or NaN reaches value or gradient."""
    x = cr.tensor([0.0, 4.0], requires_grad=True)
    out = cr.zeros(2)
    np.divide(1.0, x, out=out, where=x != 0)
    out.sum().backward()

    assert out.tolist() == [0.0, 0.25]
    assert x.grad.tolist() == [0.0, -0.0625]


def test_where_without_out_is_refused() -> None:
    """The elements left out would be anything."""
    for x in (cr.tensor([1.0]), cr.tensor([1.0], requires_grad=True)):
        with pytest.raises(cr.DtypeError, match="give out="):
            np.exp(x, where=np.array([True]))


def test_an_array_as_out_does_not_lose_a_derivative() -> None:
    x, array = cr.tensor([1.0, 2.0], requires_grad=True), np.zeros(2)
    for call in (
        lambda: np.exp(x, out=array),
        lambda: np.sum(x, axis=0, keepdims=True, out=array[:1]),
        lambda: np.add.accumulate(x, out=array),
        lambda: array.__iadd__(x),
        lambda: np.cumsum(x, out=array),
    ):
        with pytest.raises(cr.GraphError, match="give a Tensor as out="):
            call()
    assert array.tolist() == [0.0, 0.0]
    with cr.no_grad():
        assert np.exp(x, out=array) is array
    np.testing.assert_array_equal(array, np.exp([1.0, 2.0]))
    assert np.cumsum(x.detach(), out=array) is array
    assert array.tolist() == [1.0, 3.0]


def test_a_leaf_as_out_is_refused() -> None:
    leaf = cr.tensor([1.0, 2.0], requires_grad=True)
    with pytest.raises(cr.GraphError, match="leaf"):
        np.exp(leaf, out=leaf)
    assert leaf.tolist() == [1.0, 2.0]


def test_nan_to_num_in_place() -> None:
    """`copy=False` changes the tensor itself, as it changes an array."""
    x = cr.tensor([1.0, np.nan], requires_grad=True) * 2.0
    assert np.nan_to_num(x, copy=False, nan=5.0) is x
    assert x.tolist() == [2.0, 5.0]
    array = cr.tensor([1.0, np.nan])
    assert np.nan_to_num(array, False) is array
    assert array.tolist() == [1.0, 0.0]


def test_out_must_fit() -> None:
    x = cr.tensor([1.0, 2.0], requires_grad=True)
    with pytest.raises(cr.ShapeError, match="out="):
        np.exp(x, out=cr.zeros(3))
    with pytest.raises(cr.DtypeError, match="same_kind"):
        np.exp(x, out=cr.zeros(2, dtype=int))
    with pytest.raises(cr.DtypeError, match="out="):
        np.exp(x, out=[1.0, 2.0])


def test_a_write_through_out_is_noticed_by_earlier_operations() -> None:
    x = cr.tensor([1.0, 2.0], requires_grad=True)
    a = cr.tensor([3.0, 4.0])
    y = x * a
    np.exp(cr.tensor([0.0, 0.0]), out=a)
    with pytest.raises(cr.GraphError, match="changed in place"):
        y.sum().backward()


# --- dtype=, casting= ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "f",
    [
        lambda x: np.add(x, x, dtype=np.float64),
        lambda x: np.exp(x, dtype="f8", casting="same_kind"),
        lambda x: np.multiply(x, 2, dtype=np.float64, order="C", subok=False),
        lambda x: np.add(x, 1, signature="dd->d"),
        lambda x: np.add.reduce(x, 0, np.float64),
        lambda x: np.mean(x, 0, np.float64),
        lambda x: np.stack([x, x], dtype=np.float64),
        lambda x: np.add.outer(x[0], x[1], dtype=float),
    ],
)
def test_dtype(f: Callable[..., Any]) -> None:
    check(f, A)


def test_dtype_converts() -> None:
    x = cr.tensor([1.0, 2.0], requires_grad=True)
    y = np.add(x, x, dtype=np.float32)
    y.sum().backward()

    assert y.dtype == np.float32
    assert x.grad.dtype == np.float64
    assert np.sum(x, dtype=np.float32).dtype == np.float32
    assert np.concatenate([x, x], dtype=np.complex128).dtype == np.complex128
    assert np.add(cr.tensor([1, 2]), 1, dtype=float).dtype == np.float64


def test_dtype_that_does_not_fit() -> None:
    x = cr.tensor([1.0, 2.0], requires_grad=True)
    with pytest.raises(cr.DtypeError, match="same_kind"):
        np.add(x, x, dtype=int)
    with pytest.raises(cr.MissingDerivative, match="int64"):
        np.add(x, x, dtype=int, casting="unsafe")
    with pytest.raises(cr.DtypeError, match="same_kind"):
        np.concatenate([x, x], dtype=int)


# --- methods of ufuncs ---------------------------------------------------------------------------

METHODS: dict[str, Callable[[Any], Any]] = {
    "add.reduce": lambda x: np.add.reduce(x),
    "add.reduce, axes": lambda x: np.add.reduce(x, axis=(0, 1), keepdims=True),
    "add.reduce, where": lambda x: np.add.reduce(x, 0, where=MASK, initial=2.0),
    "multiply.reduce": lambda x: np.multiply.reduce(x, -1),
    "maximum.reduce": lambda x: np.maximum.reduce(x, axis=None),
    "minimum.reduce": lambda x: np.minimum.reduce(x, 0, initial=0.7),
    "logaddexp.reduce": lambda x: np.logaddexp.reduce(x, 1),
    "logaddexp2.reduce": lambda x: np.logaddexp2.reduce(x, 0, keepdims=True),
    "hypot.reduce": lambda x: np.hypot.reduce(x, axis=1),
    "subtract.reduce": lambda x: np.subtract.reduce(x, axis=0),
    "divide.reduce": lambda x: np.divide.reduce(x, axis=1, keepdims=True),
    "fmax.reduce": lambda x: np.fmax.reduce(x, axis=(0, 1)),
    "power.reduce": lambda x: np.power.reduce(x, axis=0),
    "arctan2.reduce": lambda x: np.arctan2.reduce(x, axis=0),
    "add.accumulate": lambda x: np.add.accumulate(x, 1),
    "multiply.accumulate": lambda x: np.multiply.accumulate(x),
    "maximum.accumulate": lambda x: np.maximum.accumulate(x, axis=1),
    "minimum.accumulate": lambda x: np.minimum.accumulate(x, axis=0),
    "subtract.accumulate": lambda x: np.subtract.accumulate(x, 1),
    "divide.accumulate": lambda x: np.divide.accumulate(x, 0),
    "logaddexp.accumulate": lambda x: np.logaddexp.accumulate(x, 0),
    "add.outer": lambda x: np.add.outer(x, x[0]),
    "multiply.outer": lambda x: np.multiply.outer(x[0], [1.0, 2.0]),
    "power.outer": lambda x: np.power.outer(x[0], x),
    "add.reduceat": lambda x: np.add.reduceat(x, [0, 2, 1], axis=0),
    "multiply.reduceat": lambda x: np.multiply.reduceat(x, [0, 3, 1], 1),
    "maximum.reduceat": lambda x: np.maximum.reduceat(x, [1, 0, 2], axis=1),
}


@pytest.mark.parametrize("name", METHODS)
def test_method(name: str) -> None:
    check(METHODS[name], A)
    plain = METHODS[name](cr.tensor(A))
    assert isinstance(plain, cr.Tensor)
    np.testing.assert_array_equal(plain.numpy(), METHODS[name](A))


def test_reductions_of_nothing() -> None:
    x = cr.tensor(np.zeros((0, 2)), requires_grad=True)

    assert np.add.reduce(x).tolist() == [0.0, 0.0]
    assert np.maximum.reduce(x, initial=-1.0).tolist() == [-1.0, -1.0]
    with pytest.raises(ValueError, match=r"no elements|zero-size"):
        np.subtract.reduce(cr.tensor(np.zeros((2, 0)), requires_grad=True), axis=1)


def test_a_mask_may_leave_nothing_to_take_the_largest_of() -> None:
    with pytest.raises(cr.ShapeError, match="initial="):
        np.max(cr.tensor(A, requires_grad=True), where=MASK)


# --- writing -------------------------------------------------------------------------------------


def _written(change: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """A function of (array, values) that changes the array after using it."""

    def f(x: Any, v: Any) -> Any:
        y = x * 2.0
        change(y, v)
        return y * y

    return f


WRITES: dict[str, Callable[[Any, Any], Any]] = {
    "copyto": lambda y, v: np.copyto(y, v),
    "copyto, where": lambda y, v: np.copyto(y, v, where=MASK),
    "copyto, number": lambda y, v: np.copyto(y, 3, "safe", MASK),
    "put": lambda y, v: np.put(y, [1, 5, -1], v[:2]),
    "put, wrap": lambda y, v: np.put(y, [1, 14], v[:2], "wrap"),
    "put, clip": lambda y, v: np.put(y, [1, 40], v, mode="clip"),
    "place": lambda y, v: np.place(y, MASK, v[:3]),
    "putmask": lambda y, v: np.putmask(y, MASK, v[:3]),
    "put_along_axis": lambda y, v: np.put_along_axis(y, np.array([[1], [0], [3]]), v[0], 1),
    "put_along_axis, flat": lambda y, v: np.put_along_axis(y, np.array([1, 7, 9, 2]), v, None),
    "fill_diagonal": lambda y, v: np.fill_diagonal(y, v[:3]),
    "add.at": lambda y, v: np.add.at(y, ([0, 0, 1, 2], [1, 1, 3, 0]), v),
    "subtract.at": lambda y, v: np.subtract.at(y, ([0, 0, 1, 2], [1, 1, 3, 0]), v),
    "multiply.at": lambda y, v: np.multiply.at(y, ([0, 0, 1, 2], [1, 1, 3, 0]), v),
    "maximum.at": lambda y, v: np.maximum.at(y, (slice(None), 2), 2.0 * v[0]),
    "exp.at": lambda y, v: np.exp.at(y, (0, [1, 1])),
    "divide.at": lambda y, v: np.divide.at(y, (slice(0, 2),), v),
}


@pytest.mark.parametrize("name", WRITES)
def test_writing_is_recorded(name: str) -> None:
    """Functions that write into a Tensor give it the history of what was written."""
    f = _written(WRITES[name])
    x, v = cr.tensor(A, requires_grad=True), cr.tensor(B, requires_grad=True)
    y = f(x, v)
    np.testing.assert_allclose(value(y), f(A.copy(), B.copy()), rtol=1e-12)
    weight = np.random.default_rng(0).normal(size=A.shape)
    (y * weight).sum().backward()
    da, db = (np.random.default_rng(k).normal(size=s.shape) for k, s in ((1, A), (2, B)))
    h = 1e-6
    plus, minus = (float(np.sum(f(A + s * da, B + s * db) * weight)) for s in (h, -h))
    slope = float(np.sum(value(x.grad) * da))
    if v.grad is not None:
        slope += float(np.sum(value(v.grad) * db))
    assert slope == pytest.approx((plus - minus) / (2 * h), rel=1e-5)


@pytest.mark.parametrize("name", [n for n in WRITES if "number" not in n and "exp" not in n])
def test_writing_into_an_array_does_not_lose_a_derivative(name: str) -> None:
    array = A.copy()
    with pytest.raises(cr.GraphError, match=r"cr\.tensor\(x\)|silently"):
        WRITES[name](array, cr.tensor(B, requires_grad=True))
    np.testing.assert_array_equal(array, A)
    expected = A.copy()
    WRITES[name](expected, B)
    WRITES[name](array, cr.tensor(B))
    np.testing.assert_array_equal(array, expected)


@pytest.mark.parametrize("name", WRITES)
def test_writing_into_a_leaf_is_refused_before_anything_is_written(name: str) -> None:
    leaf = cr.tensor(A, requires_grad=True)
    with pytest.raises(cr.GraphError, match="leaf"):
        WRITES[name](leaf, B)
    np.testing.assert_array_equal(value(leaf), A)
    with cr.no_grad():
        WRITES[name](leaf, B)
    expected = A.copy()
    WRITES[name](expected, B)
    np.testing.assert_allclose(value(leaf), expected, rtol=1e-15)


def test_wrapped_diagonal() -> None:
    """The diagonal of a tall matrix goes on below, if asked."""
    x = cr.tensor(np.zeros((7, 3)))
    np.fill_diagonal(x, cr.tensor(2.0, requires_grad=True), wrap=True)
    expected = np.zeros((7, 3))
    np.fill_diagonal(expected, 2.0, wrap=True)

    np.testing.assert_array_equal(value(x), expected)
    cube = cr.zeros((3, 3, 3))
    np.fill_diagonal(cube, 1.0)
    assert float(cube.sum()) == 3.0
    with pytest.raises(ValueError, match="same size"):
        np.fill_diagonal(cr.zeros((2, 3, 3)), 1.0)


def test_values_that_would_lose_their_derivative_in_integers() -> None:
    x, v = cr.tensor([1, 2, 3]), cr.tensor(0.5, requires_grad=True)
    for call in (
        lambda: np.put(x, [0], v),
        lambda: np.copyto(x, v),
        lambda: np.insert(x, 0, v),
        lambda: np.add.at(x, [0], v),
    ):
        with pytest.raises((cr.DtypeError, cr.MissingDerivative), match=r"dtype|require|same_kind"):
            call()
    assert x.tolist() == [1, 2, 3]


# --- operators -----------------------------------------------------------------------------------

MIXED: dict[str, Callable[[Any], Any]] = {
    "array + t": lambda x: A + x,
    "array - t": lambda x: A - x,
    "array @ t": lambda x: A.T @ x,
    "t @ array": lambda x: x @ A.T,
    "array ** t": lambda x: A**x,
    "array // t": lambda x: A * 2.7 // x + x,
    "array % t": lambda x: A * 2.7 % x,
    "scalar * t": lambda x: np.float64(2.0) * x,
    "scalar / t": lambda x: np.float32(2.0) / x,
    "scalar of no dimensions - t": lambda x: np.array(2.0) - x,
    "list + t": lambda x: x + B.tolist(),
    "list - t": lambda x: B.tolist() - x,
    "divmod(t, 0.7)": lambda x: sum(divmod(x, 0.7)),
    "divmod(2.0, t)": lambda x: sum(divmod(2.0, x)),
    "divmod(array, t)": lambda x: sum(divmod(A * 2.7, x)),
    "round": lambda x: round(x, 1) + x if isinstance(x, Variable) else np.round(x, 1) + x,
}


@pytest.mark.parametrize("name", MIXED)
def test_operators_with_arrays_and_lists(name: str) -> None:
    check(MIXED[name], A)


def test_comparisons_with_arrays() -> None:
    x = cr.tensor(A, requires_grad=True)

    assert (A[0] <= x).tolist() == (A[0] <= A).tolist()
    assert (np.float64(1.0) == x).tolist() == (A == 1.0).tolist()
    assert (B.tolist() > x).tolist() == (B > A).tolist()
