"""Indexing and selection: what the general tests of the table do not see."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from chainrule.errors import DtypeError
from chainrule.ops import indexing, selection
from chainrule.tensor import Tensor, tensor
from chainrule.transforms.backward import gradients


def gradient(y: Tensor, x: Tensor) -> Any:
    return gradients([y.sum()], [x])[0].numpy()


# --- indices -----------------------------------------------------------------------------------


def test_a_basic_index_shows_the_same_memory() -> None:
    x = tensor(np.zeros((3, 4)))
    assert np.shares_memory(indexing.getitem(x, (slice(1, None), 2)).numpy(), x.numpy())
    assert not np.shares_memory(indexing.getitem(x, [0, 1]).numpy(), x.numpy())


def test_one_element_is_a_numpy_scalar() -> None:
    assert isinstance(tensor([[1.0, 2.0]])[0, 1]._value, np.float64)


@pytest.mark.parametrize(
    ("index", "plain"),
    [
        (tensor([2, 0]), [2, 0]),
        (tensor([True, False, True]), [0, 2]),
        ([tensor(2), 0], [2, 0]),
        ((tensor(1), Ellipsis), 1),
        (slice(tensor(1), None), slice(1, None)),
        ([], []),
        (range(2), [0, 1]),
        (np.int64(2), 2),
    ],
)
def test_tensors_and_sequences_in_an_index(index: Any, plain: Any) -> None:
    x = np.arange(3.0)
    y = indexing.getitem(tensor(x, requires_grad=True), index)
    np.testing.assert_array_equal(y.detach().numpy(), x[plain])


@pytest.mark.parametrize(
    "index", [tensor([0.0, 1.0]), 1.0, (0, tensor(1.0)), "a", [0.5], np.array([0.0])]
)
def test_an_index_of_other_kinds_is_refused(index: Any) -> None:
    with pytest.raises(DtypeError, match="an index takes integers"):
        indexing.getitem(tensor(np.zeros((3, 3))), index)


def test_an_index_out_of_bounds_is_named() -> None:
    with pytest.raises(IndexError, match="out of bounds"):
        indexing.getitem(tensor([1.0, 2.0]), 5)


# --- writing -------------------------------------------------------------------------------------

RNG = np.random.default_rng(0)
INDICES = {
    "row": RNG.integers(0, 4, 50),
    "reversed view": RNG.integers(0, 4, 50)[::-1],
    "columns first": np.asfortranarray(RNG.integers(0, 4, (8, 9))),
    "strided": RNG.integers(0, 4, (8, 9))[::2, ::-3],
    "broadcast pair": (RNG.integers(0, 4, (8, 1)), RNG.integers(0, 5, 9)),
    "around a slice": (RNG.integers(0, 4, 9), slice(None), RNG.integers(0, 3, 9)),
    "behind a slice": (slice(1, 3), RNG.integers(0, 5, (3, 4)).T),
}


@pytest.mark.parametrize("layout", ["C", "F", "broadcast"])
@pytest.mark.parametrize("index", INDICES.values(), ids=INDICES.keys())
def test_the_last_write_wins_in_value_and_gradient(index: Any, layout: str) -> None:
    shape = (4, 5, 3)
    x = np.zeros(shape)
    target = x[index].shape
    value: Any = RNG.standard_normal(target)
    if layout == "broadcast":
        value = value[..., :1]
    value = np.array(value, order="F" if layout == "F" else "C")
    places = np.arange(x.size).reshape(shape)[index]
    expected, winner = np.zeros(x.size), {}
    for n, (place, v) in enumerate(
        zip(places.ravel(), np.broadcast_to(value, target).ravel(), strict=True)
    ):
        expected[place], winner[place] = v, n
    wins = np.zeros(places.size)
    wins[list(winner.values())] = 1
    wins = wins.reshape(target)
    if layout == "broadcast":
        wins = wins.sum(-1, keepdims=True)

    v = tensor(value, requires_grad=True)
    y = indexing.set_item(x, v, index)
    np.testing.assert_array_equal(y.detach().numpy(), expected.reshape(shape))
    np.testing.assert_array_equal(gradient(y, v), wins)


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.complex128, np.int64])
@pytest.mark.parametrize("size", [3, 3000])
def test_repeated_places_add_up(dtype: Any, size: int) -> None:
    index = (RNG.integers(0, 20, size), slice(None), RNG.integers(-3, 3, size))
    g = RNG.integers(-5, 5, (size, 2)).astype(dtype)
    expected = np.zeros((20, 2, 3), dtype)
    np.add.at(expected, index, g)
    y = indexing.put(g, index, (20, 2, 3))
    assert y.dtype == dtype
    np.testing.assert_array_equal(y, expected)
    np.testing.assert_array_equal(indexing.add_at(expected, g, index), 2 * expected)


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.complex64, np.int64])
@pytest.mark.parametrize("shape", [(7,), (40, 50)])
def test_repeated_rows_add_up(dtype: Any, shape: tuple[int, ...]) -> None:
    index = RNG.integers(-9, 9, shape)
    index.flat[0] = -9
    g = RNG.integers(-5, 5, (*shape, 2, 3)).astype(dtype)
    expected = np.zeros((9, 2, 3), dtype)
    np.add.at(expected, index, g)
    y = indexing.put(g, index, (9, 2, 3))
    assert y.dtype == dtype
    np.testing.assert_array_equal(y, expected)
    with pytest.raises(IndexError):
        indexing.put(g, index, (8, 2, 3))


def test_a_float_is_not_cut_to_an_integer() -> None:
    with pytest.raises(DtypeError, match="cannot write float64 into an array of int64"):
        indexing.set_item(tensor([1, 2]), tensor([0.5]), slice(0, 1))
    with pytest.raises(DtypeError, match="cannot write float64 into an array of int64"):
        indexing.add_at(tensor([1, 2]), tensor([0.5]), [0])


def test_written_leading_axes_of_size_one() -> None:
    v = tensor([[1.0, 2.0]], requires_grad=True)
    y = indexing.set_item(np.zeros((3, 2)), v, 1)
    np.testing.assert_array_equal(gradient(y * 3, v), [[3.0, 3.0]])


# --- selection -----------------------------------------------------------------------------------


def test_sort_and_topk_agree_with_their_positions() -> None:
    x = RNG.integers(0, 5, (6, 7)).astype(float)
    for axis in (0, 1):
        for descending in (False, True):
            order = selection.argsort(x, axis, descending)
            expected = selection.sort(x, axis, descending)
            np.testing.assert_array_equal(np.take_along_axis(x, order, axis), expected)
            for k in (0, 1, 3, x.shape[axis]):
                found = selection.topk(x, k, axis, largest=descending)
                first = expected.take(range(k), axis)
                np.testing.assert_array_equal(found.values, first)
                np.testing.assert_array_equal(np.take_along_axis(x, found.indices, axis), first)


def test_a_descending_order_keeps_ties_as_they_stood() -> None:
    np.testing.assert_array_equal(
        selection.argsort([1.0, 2.0, 1.0, 2.0], descending=True), [1, 3, 0, 2]
    )


def test_topk_is_recorded_with_its_names() -> None:
    x = tensor([1.0, 4.0, 3.0], requires_grad=True)
    top = selection.topk(x, 2)
    assert top.indices.tolist() == [1, 2]
    np.testing.assert_array_equal(gradient(top.values, x), [0.0, 1.0, 1.0])
    with pytest.raises(ValueError, match="out of range"):
        selection.topk(x, 4)


def test_equal_elements_share_the_gradient_of_their_value() -> None:
    x = tensor([2.0, 1.0, 2.0], requires_grad=True)
    for distinct in (selection.unique_values, lambda v: selection.unique_counts(v).values):
        np.testing.assert_array_equal(gradient(distinct(x), x), [0.5, 1.0, 0.5])


def test_numpy_functions_that_choose() -> None:
    x = tensor([-1.0, 2.0, 5.0], requires_grad=True)
    y = np.select([x < 0, x > 4], [-x, x * 10])
    np.testing.assert_array_equal(y.detach().numpy(), [1.0, 0.0, 50.0])
    np.testing.assert_array_equal(gradient(y, x), [-1.0, 0.0, 10.0])

    y = np.choose(np.array([1, 0, 1]), [x, x * x])
    np.testing.assert_array_equal(gradient(y, x), [-2.0, 1.0, 10.0])
    with pytest.raises(ValueError, match="no choice"):
        selection.choose([2], [x, x])

    y = np.piecewise(x, [x < 0, x > 4], [0.0, np.sqrt, lambda v: v * 3])
    np.testing.assert_allclose(y.detach().numpy(), [0.0, 6.0, 5.0**0.5])
    np.testing.assert_allclose(gradient(y, x), [0.0, 3.0, 0.5 / 5.0**0.5])


def test_nonzero_and_boolean_masks_agree() -> None:
    x = tensor([[0.0, 1.0], [2.0, 0.0]], requires_grad=True)
    np.testing.assert_array_equal(gradient(x[np.nonzero(x)], x), [[0, 1], [1, 0]])
    np.testing.assert_array_equal(gradient(x[x > 0], x), [[0, 1], [1, 0]])
