"""Tensors from nothing: dtypes, classes, memory, and derivatives in what fills them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import checks
import numpy as np
import pytest

from chainrule import creation, spaced
from chainrule.errors import DtypeError, GraphError, MissingDerivative, ShapeError
from chainrule.tensor import Tensor, tensor


class Narrow(Tensor):
    """A class of Tensor with a default of its own, as `chainrule.torch` has."""

    __slots__ = ()
    _default_dtype = np.dtype(np.float32)


@pytest.fixture
def single_precision() -> Iterator[None]:
    """float32 as the default dtype of Tensor."""
    creation.set_default_dtype(np.float32)
    yield
    creation.set_default_dtype(np.float64)


MAKERS: list[tuple[Callable[..., Any], Callable[[], Any]]] = [
    (lambda **k: creation.zeros((2, 3), **k), lambda: np.zeros((2, 3))),
    (lambda **k: creation.ones(3, **k), lambda: np.ones(3)),
    (lambda **k: creation.full((2,), 1.5, **k), lambda: np.full(2, 1.5)),
    (lambda **k: creation.eye(2, 3, k=1, **k), lambda: np.eye(2, 3, 1)),
    (lambda **k: creation.identity(3, **k), lambda: np.identity(3)),
    (lambda **k: spaced.arange(0.0, 2.0, 0.5, **k), lambda: np.arange(0.0, 2.0, 0.5)),
    (lambda **k: spaced.linspace(-1, 1, 7, **k), lambda: np.linspace(-1, 1, 7)),
    (lambda **k: spaced.logspace(0, 2, 5, **k), lambda: np.logspace(0, 2, 5)),
    (lambda **k: spaced.geomspace(1, 9, 4, **k), lambda: np.geomspace(1, 9, 4)),
    (lambda **k: creation.asarray([1.0, 2.0], **k), lambda: np.array([1.0, 2.0])),
    (lambda **k: creation.array([1.0, 2.0], **k), lambda: np.array([1.0, 2.0])),
    (lambda **k: creation.zeros((), **k), lambda: np.zeros(())),
    (lambda **k: creation.ones((0, 2), **k), lambda: np.ones((0, 2))),
]


@pytest.mark.parametrize(("make", "expected"), MAKERS)
def test_values_are_numpys(make: Callable[..., Any], expected: Callable[[], Any]) -> None:
    """Same elements, float64 unless said otherwise."""
    t = make()

    assert type(t) is Tensor
    assert t.dtype == np.float64
    assert not t.requires_grad
    np.testing.assert_array_equal(t.numpy(), expected())


@pytest.mark.parametrize(("make", "expected"), MAKERS)
def test_dtype_requires_grad_and_class(
    make: Callable[..., Any], expected: Callable[[], Any]
) -> None:
    """Every function takes dtype=, requires_grad= and cls=."""
    assert make(dtype=np.float32).dtype == np.float32
    assert make(dtype="complex64").dtype == np.complex64
    assert make(requires_grad=True).requires_grad
    assert make(requires_grad=True).is_leaf
    narrow = make(cls=Narrow)
    assert type(narrow) is Narrow
    assert narrow.dtype == np.float32
    np.testing.assert_allclose(narrow.numpy(), expected(), rtol=1e-6)


@pytest.mark.usefixtures("single_precision")
@pytest.mark.parametrize(("make", "expected"), MAKERS)
def test_default_dtype(make: Callable[..., Any], expected: Callable[[], Any]) -> None:
    """set_default_dtype governs them all."""
    assert creation.get_default_dtype() == np.float32
    assert make().dtype == np.float32


def test_default_dtype_is_a_floating_one() -> None:
    with pytest.raises(DtypeError, match="int64"):
        creation.set_default_dtype(np.int64)


@pytest.mark.parametrize(
    ("made", "dtype"),
    [
        (lambda: spaced.arange(3), np.int64),
        (lambda: spaced.arange(1, 9, 2), np.int64),
        (lambda: creation.full(2, 7), np.int64),
        (lambda: creation.full(2, True), np.bool_),
        (lambda: creation.full(2, 1j), np.complex128),
        (lambda: creation.full(2, np.float32(1)), np.float32),
        (lambda: creation.asarray(0), np.int64),
        (lambda: creation.asarray([]), np.float64),
        (lambda: creation.asarray([True]), np.bool_),
        (lambda: spaced.linspace(0, 1j, 3), np.complex128),
        (lambda: spaced.linspace(np.float32(0), 1, 3), np.float32),
        (lambda: spaced.linspace(0, 10, 4, dtype=int), np.int64),
    ],
)
def test_dtype_follows_the_arguments(made: Callable[[], Any], dtype: Any) -> None:
    assert made().dtype == dtype


def test_integer_linspace_rounds_down() -> None:
    np.testing.assert_array_equal(
        spaced.linspace(-3, 3, 5, dtype=int).numpy(), np.linspace(-3, 3, 5, dtype=int)
    )


def test_empty() -> None:
    assert creation.empty((2, 3)).shape == (2, 3)
    assert creation.empty_like(creation.zeros((2, 3))).shape == (2, 3)


# --- memory ------------------------------------------------------------------------------------


def test_asarray_shares_memory() -> None:
    a = np.zeros(3)

    assert np.shares_memory(creation.asarray(a).numpy(), a)
    assert not np.shares_memory(creation.asarray(a, copy=True).numpy(), a)
    assert not np.shares_memory(creation.array(a).numpy(), a)


def test_asarray_of_a_tensor_is_that_tensor() -> None:
    """Its history comes along, through a change of dtype and a copy too."""
    x = tensor([1.0, 2.0], requires_grad=True)

    assert creation.asarray(x) is x
    creation.asarray(x, dtype=np.float32, copy=True).sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), [1.0, 1.0])


def test_asarray_refuses_a_copy() -> None:
    for obj, options in [([1.0], {}), (np.zeros(2), {"dtype": np.float32})]:
        with pytest.raises(ValueError, match="copy=False"):
            creation.asarray(obj, copy=False, **options)


def test_from_dlpack_shares_memory() -> None:
    a = np.arange(3.0)
    t = creation.from_dlpack(a)
    a[0] = 7.0

    assert t[0] == 7.0
    assert creation.from_dlpack(t)[0] == 7.0
    with pytest.raises(GraphError, match="requires grad"):
        creation.from_dlpack(tensor(1.0, requires_grad=True))


# --- like another ------------------------------------------------------------------------------

LIKES = [
    (np.zeros_like, creation.zeros_like),
    (np.ones_like, creation.ones_like),
    (np.empty_like, creation.empty_like),
]


@pytest.mark.parametrize(("numpys", "ours"), LIKES)
@pytest.mark.parametrize("cls", [Tensor, Narrow])
def test_likes_keep_class_shape_and_dtype(numpys: Any, ours: Any, cls: type[Tensor]) -> None:
    """Under NumPy's name and under ours; they are constants whatever x is."""
    x = creation.ones((2, 3), dtype=np.float32, requires_grad=True, cls=cls)

    for like in (numpys(x), ours(x)):
        assert type(like) is cls
        assert like.shape == (2, 3)
        assert like.dtype == np.float32
        assert not like.requires_grad
    assert numpys(x, dtype=np.int64).dtype == np.int64
    assert numpys(x, shape=(4,)).shape == (4,)
    assert ours(x, requires_grad=True).requires_grad
    assert ours([1.0, 2.0]).dtype == np.float64


def test_full_like() -> None:
    x = creation.ones((2, 3), cls=Narrow)

    assert type(np.full_like(x, 3)) is Narrow
    np.testing.assert_array_equal(np.full_like(x, 3).numpy(), np.full((2, 3), 3, np.float32))
    assert creation.full_like(x, 3).dtype == np.float32


# --- derivatives -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["linspace", "geomspace"])
def test_rows(name: str) -> None:
    checks.check_row(name)


def test_full_is_differentiable() -> None:
    """In its value, which is copied: the result can be written to."""
    x = tensor(2.0, requires_grad=True)
    y = creation.full((2, 3), x)
    y[0, 0] = 5.0
    y.sum().backward()

    assert x.grad == 5.0

    row = tensor([1.0, 2.0, 3.0], requires_grad=True)
    np.full_like(np.ones((2, 3)) * x.detach(), row).sum().backward()
    np.testing.assert_array_equal(row.grad.numpy(), [2.0, 2.0, 2.0])


@pytest.mark.parametrize("space", [np.linspace, spaced.linspace])
def test_linspace_is_differentiable(space: Any) -> None:
    a, b = tensor(1.0, requires_grad=True), tensor(3.0, requires_grad=True)
    y = space(a, b, 3)
    (y * tensor([1.0, 10.0, 100.0])).sum().backward()

    np.testing.assert_array_equal(y.detach().numpy(), [1.0, 2.0, 3.0])
    assert (a.grad, b.grad) == (6.0, 105.0)


def test_logspace_is_differentiable() -> None:
    b = tensor(2.0, requires_grad=True)
    spaced.logspace(0.0, b, 2).sum().backward()

    np.testing.assert_allclose(b.grad.numpy(), 100 * np.log(10))


def test_arange_has_no_derivative() -> None:
    with pytest.raises(MissingDerivative, match="'stop'"):
        spaced.arange(tensor(3.0, requires_grad=True))


# --- errors ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "error", "text"),
    [
        (lambda: creation.zeros(-1), ShapeError, "zeros: negative"),
        (lambda: creation.zeros(2, dtype="number"), DtypeError, "number"),
        (lambda: creation.ones(2, dtype=int, requires_grad=True), DtypeError, "int64"),
        (lambda: creation.zeros(2, device="cuda"), ValueError, "cuda"),
        (lambda: creation.asarray([[1.0], [1.0, 2.0]]), ShapeError, "ragged"),
        (lambda: creation.asarray(["a"]), DtypeError, "asarray"),
        (lambda: creation.asarray(np.array(["a"])), DtypeError, "asarray"),
        (lambda: creation.asarray([[tensor(1.0)], [1.0, 2.0]]), ShapeError, "stack"),
        (lambda: spaced.geomspace(0, 1), ShapeError, "zero"),
        (lambda: spaced.linspace(0, 1, -1), ShapeError, "linspace"),
    ],
)
def test_errors(wrong: Callable[[], Any], error: type[Exception], text: str) -> None:
    """They say what was wrong, and the line that asked for it."""
    with pytest.raises(error, match=text) as caught:
        wrong()
    assert "test_creation.py" in str(caught.value)


def test_device_cpu() -> None:
    assert creation.zeros(2, device="cpu").device == "cpu"
