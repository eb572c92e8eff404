"""The mistakes newcomers make, and what they are told."""

from __future__ import annotations

import os

import numpy as np
import pytest

import chainrule as cr
from chainrule.errors import ChainruleError, DtypeError, GraphError, MissingDerivative, ShapeError

HERE = os.path.basename(__file__)


def leaf(value: object) -> cr.Tensor:
    return cr.tensor(value, requires_grad=True)


def test_incompatible_shapes() -> None:
    """Operation, both shapes, the line and the way out."""
    with pytest.raises(
        ShapeError, match=r"add\(float64\[3\], float64\[2\]\)[\s\S]*reshape"
    ) as info:
        leaf([1.0, 2.0, 3.0]) + leaf([1.0, 2.0])
    assert HERE in str(info.value)
    assert "leaf([1.0, 2.0, 3.0]) + leaf([1.0, 2.0])" in str(info.value)


def test_incompatible_matrix_shapes() -> None:
    """matmul says which sizes must agree."""
    with pytest.raises(
        ShapeError, match=r"matmul\(float64\[2, 3\], float64\[2, 3\]\)[\s\S]*last"
    ) as info:
        cr.ones((2, 3)) @ cr.ones((2, 3))
    assert HERE in str(info.value)


def test_integer_tensor_with_requires_grad() -> None:
    """Only floating-point and complex tensors carry a gradient."""
    with pytest.raises(DtypeError, match=r"int64.*1\.0"):
        cr.tensor([1, 2], requires_grad=True)
    with pytest.raises(DtypeError, match="bool"):
        cr.tensor(True).requires_grad_()


def test_non_scalar_backward() -> None:
    """A gradient of several numbers needs a cotangent, or a sum."""
    with pytest.raises(GraphError, match=r"\[2\][\s\S]*sum[\s\S]*cotangent"):
        (leaf([1.0, 2.0]) * 2).backward()


def test_wrong_cotangent_shape() -> None:
    """Both shapes are named."""
    with pytest.raises(ShapeError, match=r"\[3\].*\[2\]"):
        (leaf([1.0, 2.0]) * 2).backward(np.ones(3))


def test_backward_of_a_constant() -> None:
    """Nothing recorded: say what to mark."""
    with pytest.raises(GraphError, match="requires_grad=True"):
        (cr.tensor(2.0) * 3).backward()


@pytest.mark.parametrize("convert", [float, int, bool, complex])
def test_number_of_a_non_scalar(convert: type) -> None:
    """float(), int(), bool() and complex() of several elements."""
    with pytest.raises(ShapeError, match=rf"{convert.__name__}\(\).*\[2\]"):
        convert(cr.tensor([1.0, 2.0]))


def test_operation_without_a_derivative() -> None:
    """The argument is named, and the way to go on without."""
    with pytest.raises(MissingDerivative, match=r"jv.*argument 'x'.*closed form[\s\S]*detach"):
        cr.special.jv(leaf(2.0), cr.tensor(1.0))


def test_unknown_numpy_function() -> None:
    """A NumPy function with no row would lose the derivative: an error, not a wrong number."""
    with pytest.raises(
        MissingDerivative, match=r"histogramdd.*derivative would be lost[\s\S]*detach"
    ):
        np.histogramdd(leaf([[1.0], [2.0]]))


def test_array_conversion_that_would_lose_the_derivative() -> None:
    """np.asarray of a tensor that requires grad."""
    with pytest.raises(GraphError, match=r"derivative silently.*detach"):
        np.asarray(leaf([1.0]))
    with pytest.raises(GraphError, match=r"force=True"):
        leaf([1.0]).numpy()
    assert np.asarray(leaf([1.0]).detach()).tolist() == [1.0]


def test_out_and_where_arguments() -> None:
    """out= cannot be recorded."""
    with pytest.raises(ChainruleError, match="out="):
        np.exp(leaf([1.0]), out=np.zeros(1))


def test_nan_in_backward_is_found() -> None:
    """Under detect_anomaly the operation whose derivative is NaN is named."""
    x = leaf(-1.0)
    with pytest.warns(RuntimeWarning):
        y = cr.sqrt(x) * 2
    with cr.detect_anomaly(), pytest.raises(cr.errors.NaNError, match="sqrt"):
        y.backward()
    assert x.grad is None


def test_ragged_list() -> None:
    """Rows of different lengths are no array."""
    with pytest.raises(ShapeError, match="ragged"):
        cr.tensor([[1.0, 2.0], [3.0]])


@pytest.mark.parametrize("data", ["text", ["a", "b"], object(), np.array(["x"]), None])
def test_unsupported_data(data: object) -> None:
    """Strings and objects are named for what they are."""
    with pytest.raises(DtypeError, match="numbers"):
        cr.tensor(data)


def test_unsupported_operand() -> None:
    """An operand that is no number, no array and no Tensor."""
    with pytest.raises(DtypeError, match=r"multiply.*str"):
        leaf(1.0) * "two"


def test_wrong_index() -> None:
    """Index out of range: an IndexError with the shape."""
    with pytest.raises(IndexError, match=r"getitem\(float64\[2\]"):
        leaf([1.0, 2.0])[5]


def test_singular_matrix() -> None:
    """NumPy's own exception class, with the shape and the line."""
    with pytest.raises(np.linalg.LinAlgError, match=r"solve\(float64\[2, 2\][\s\S]*" + HERE):
        cr.linalg.solve(leaf(np.zeros((2, 2))), cr.ones(2))


def test_list_of_tensors_as_operand() -> None:
    """A list that holds Tensors is told about stack."""
    with pytest.raises(DtypeError, match="stack"):
        cr.exp([leaf(1.0), leaf(2.0)])


def test_unknown_keyword() -> None:
    """The keywords that exist are listed."""
    with pytest.raises(TypeError, match=r"sum\(\).*'axes'.*axis"):
        cr.sum(cr.ones(3), axes=0)
