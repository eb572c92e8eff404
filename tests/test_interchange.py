"""A Tensor outside: NumPy conversion, DLPack, copying, pickling, iteration, notebooks."""

from __future__ import annotations

import copy
import pickle
import re
from typing import Any

import numpy as np
import pytest

import chainrule as cr
import chainrule.torch as torch
from chainrule.display import html, latex


def tracked(data: Any = (1.0, 2.0)) -> Any:
    return cr.tensor(list(data), requires_grad=True)


# --- NumPy ---------------------------------------------------------------------------------------


def test_asarray_of_a_detached_tensor_is_free() -> None:
    x = cr.tensor([[1.0, 2.0], [3.0, 4.0]])

    assert np.asarray(x) is x.numpy()
    assert np.shares_memory(np.asarray(tracked().detach()), np.asarray(tracked().detach())) is False
    assert np.asarray(x, dtype=np.float32).dtype == np.float32
    assert not np.shares_memory(np.array(x), x)
    with pytest.raises(ValueError, match="copy"):
        np.asarray(x, dtype=np.float32, copy=False)


@pytest.mark.parametrize(
    "convert",
    [
        np.asarray,
        np.array,
        lambda x: np.array([x[0], x[1]]),
        lambda x: np.full(2, x),
        lambda x: np.zeros(2).__setitem__(slice(None), x),
        lambda x: np.ones(2).dot(x),
        lambda x: np.vectorize(lambda v: v * 2)(x),
        lambda x: np.ascontiguousarray(x),
        lambda x: x.numpy(),
    ],
)
def test_conversion_does_not_lose_a_derivative(convert: Any) -> None:
    """It is an error that names the user's line, not one of NumPy's."""
    with pytest.raises(cr.GraphError, match="detach") as error:
        convert(tracked())
    assert "test_interchange.py" in str(error.value)
    assert np.asarray(tracked().detach()).tolist() == [1.0, 2.0]


# --- DLPack --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "dtype", ["f4", "f8", "c8", "c16", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "?"]
)
def test_dlpack_shares_memory_with_numpy(dtype: str) -> None:
    x = cr.tensor(np.arange(6).reshape(2, 3).astype(dtype))
    array = np.from_dlpack(x)

    assert array.dtype == x.dtype
    assert np.shares_memory(array, x)
    x[0, 1] = 0
    assert array[0, 1] == 0


def test_from_dlpack_shares_memory() -> None:
    array = np.arange(6.0).reshape(2, 3)
    x = cr.from_dlpack(array)
    array[0, 0] = 7.0

    assert x[0, 0].item() == 7.0
    assert np.shares_memory(x, array)
    assert np.shares_memory(cr.from_dlpack(x), x)
    assert not np.shares_memory(cr.from_dlpack(array, copy=True), array)
    y = cr.from_dlpack(array.T)
    assert y.tolist() == array.T.tolist()


def test_dlpack_of_views_and_numbers() -> None:
    x = cr.tensor(np.arange(12.0).reshape(3, 4))

    assert np.from_dlpack(x[1:, ::2]).tolist() == x[1:, ::2].tolist()
    assert np.from_dlpack(x.T).strides == x.T.strides
    s = cr.tensor(2.0)
    array = np.from_dlpack(s)
    assert array.shape == ()
    s[...] = 3.0
    assert array == 3.0
    assert x.__dlpack_device__() == (1, 0)


def test_dlpack_refuses_what_requires_grad() -> None:
    """As PyTorch does; a BufferError, as the standard asks."""
    x = tracked()
    with pytest.raises(BufferError, match="detach"):
        np.from_dlpack(x)
    with pytest.raises(cr.GraphError, match="detach"):
        x.__dlpack__()
    with pytest.raises(cr.GraphError, match="requires grad"):
        cr.from_dlpack(x)
    assert np.shares_memory(np.from_dlpack(x.detach()), x)


# --- copies and pickles --------------------------------------------------------------------------


@pytest.mark.parametrize("module", [cr, torch])
def test_a_leaf_survives_pickle_and_deepcopy(module: Any) -> None:
    x = module.tensor([[1.0, 2.0]], requires_grad=True)
    (x**2).sum().backward()
    for y in (pickle.loads(pickle.dumps(x)), copy.deepcopy(x)):
        assert type(y) is type(x)
        assert y.dtype == x.dtype
        assert y.requires_grad
        assert y.is_leaf
        assert y.tolist() == x.tolist()
        assert y.grad.tolist() == x.grad.tolist()
        assert not np.shares_memory(y.detach(), x.detach())
        assert y.grad is not x.grad
        (y * 3).sum().backward()
        assert y.grad.tolist() == [[5.0, 7.0]]
        assert x.grad.tolist() == [[2.0, 4.0]]


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_pickle_of_constants(protocol: int) -> None:
    for x in (cr.tensor(2.0), cr.tensor([1, 2]), cr.tensor([[True]]), cr.tensor([1j])):
        y = pickle.loads(pickle.dumps(x, protocol))
        assert y.dtype == x.dtype
        assert y.tolist() == x.tolist()
        assert not y.requires_grad


def test_computed_tensors_are_not_cut_from_their_history() -> None:
    y = tracked() * 2
    for cut in (pickle.dumps, copy.deepcopy):
        with pytest.raises(cr.GraphError, match=r"history.*detach"):
            cut(y)
    assert pickle.loads(pickle.dumps(y.detach())).tolist() == [2.0, 4.0]


def test_copy() -> None:
    """A copy has memory of its own; of a leaf it is a leaf."""
    x = tracked()
    y = copy.copy(x * 2)
    y.sum().backward()
    assert x.grad.tolist() == [2.0, 2.0]
    leaf = copy.copy(x)
    assert leaf.is_leaf
    assert leaf.requires_grad
    assert leaf.grad is None
    constant = cr.tensor([1.0])
    other = copy.copy(constant)
    constant[0] = 5.0
    assert other.tolist() == [1.0]


def test_containers_of_leaves_share_in_deepcopy() -> None:
    x = tracked()
    a, b = copy.deepcopy([x, x])

    assert a is b


# --- Python's own protocols ----------------------------------------------------------------------


def test_tensors_are_hashed_by_identity() -> None:
    x, y = cr.tensor([1.0]), cr.tensor([1.0])

    assert {x: 1, y: 2}[x] == 1
    assert len({x, y, x}) == 2


def test_length_and_iteration() -> None:
    x = tracked([1.0, 2.0, 3.0])

    assert len(x) == 3
    assert [float(v) for v in x] == [1.0, 2.0, 3.0]
    a, b, c = x
    (a * b * c).backward()
    assert x.grad.tolist() == [6.0, 3.0, 2.0]
    assert 2.0 in x.detach()
    assert next(reversed(x.detach())).item() == 3.0
    for ask in (len, iter):
        with pytest.raises(cr.ShapeError, match="no dimensions"):
            ask(cr.tensor(1.0))


def test_format() -> None:
    assert f"{cr.tensor(1.23456):.2f}" == "1.23"
    assert f"{cr.tensor([1.0])}" == "tensor([1.])"


# --- notebooks -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tensor", "text"),
    [
        (cr.tensor(2.5), "2.5000"),
        (cr.tensor([1.0, 2.0]), r"\left(1.,\; 2.\right)"),
        (cr.tensor([[1, 2], [3, 40]]), r"\begin{bmatrix}1 & 2 \\ 3 & 40\end{bmatrix}"),
        (cr.tensor([1e-7, 1.0]), r"\left(1.0000 \times 10^{-7},\; 1.0000 \times 10^{0}\right)"),
        (cr.tensor([float("inf"), float("nan")]), r"\left(\infty,\; \mathrm{nan}\right)"),
        (cr.tensor([True]), r"\left(\mathrm{True}\right)"),
        (cr.tensor([1 - 2j]), r"\left(1.-2.\,i\right)"),
        (cr.tensor([1.0], requires_grad=True), r"\left(1.\right)\quad\texttt{requires\_grad=True}"),
        (torch.tensor([1.0]), r"\left(1.\right)"),
    ],
)
def test_small_tensors_are_mathematics(tensor: Any, text: str) -> None:
    assert latex(tensor) == rf"$\displaystyle {text}$"
    assert tensor._repr_latex_() == latex(tensor)
    assert tensor._repr_html_() is None


def test_latex_of_a_history() -> None:
    assert r"grad\_fn=<MulBackward0>" in (tracked() * 2)._repr_latex_()


def test_large_tensors_are_tables() -> None:
    x = cr.tensor(np.arange(600.0).reshape(20, 30))
    text = x._repr_html_()

    assert x._repr_latex_() is None
    assert "<caption>20 &times; 30 float64</caption>" in text
    assert text.count("<tr>") == 7
    assert text.count("⋮") == 7
    assert text.count("…") == 6
    assert re.findall(r"<td>([^<]*)</td>", text)[:7] == ["0.", "1.", "2.", "…", "27.", "28.", "29."]
    assert "599." in text
    assert len(text) < 2000


def test_other_tables() -> None:
    assert "12 int64</caption><tr>" in cr.tensor(np.arange(12))._repr_html_()
    deep = cr.tensor(np.zeros((2, 3, 2, 2)), requires_grad=True)._repr_html_()
    assert "2 &times; 3 &times; 2 &times; 2 float64, requires_grad=True; [0, 0, :, :] of 6" in deep
    assert deep.count("<td>") == 4
    history = (cr.tensor(np.zeros((2, 2, 2)), requires_grad=True) * 2)._repr_html_()
    assert "grad_fn=&lt;MulBackward0&gt;" in history
    assert html(cr.zeros((0, 3))) == "<table><caption>0 &times; 3 float64</caption></table>"


class Printer:
    """What IPython gives `_repr_pretty_`."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def text(self, text: str) -> None:
        self.said.append(text)

    def break_(self) -> None:
        self.said.append("\n")


def test_pretty_is_repr() -> None:
    x, printer = cr.tensor([[1.0], [2.0]]), Printer()
    x._repr_pretty_(printer, False)
    assert "".join(printer.said) == repr(x)
    printer = Printer()
    x._repr_pretty_(printer, True)
    assert printer.said == ["..."]
