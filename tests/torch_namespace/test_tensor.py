"""Tensor's conventions: dtypes, promotion, shapes, in-place forms, names."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest

import chainrule.torch as torch
from chainrule.errors import DtypeError, GraphError, ShapeError
from chainrule.torch import _elementwise, _indexing, _ordering, _products, _reductions, _shapes

FAMILIES = (_elementwise, _indexing, _ordering, _products, _reductions, _shapes)
DTYPES = [
    torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64, torch.float32,
    torch.float64, torch.complex64, torch.complex128,
]  # fmt: skip


# --- dtypes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES, ids=repr)
def test_a_dtype_stands_for_numpys(dtype: Any) -> None:
    """It is accepted where NumPy's is, equals it, and prints as PyTorch's."""
    assert np.zeros(2, dtype).dtype == dtype == np.dtype(dtype)
    assert {np.dtype(dtype): 1}[dtype] == 1
    assert torch.zeros(2, dtype=dtype).dtype is dtype
    assert repr(dtype) == f"torch.{np.dtype(dtype).name}"
    assert pickle.loads(pickle.dumps(dtype)) is dtype


def test_names_of_dtypes() -> None:
    """PyTorch's other names, and its properties."""
    assert torch.float is torch.float32
    assert torch.double is torch.float64
    assert torch.long is torch.int64
    assert torch.float32.is_floating_point
    assert not torch.int64.is_floating_point
    assert torch.complex64.is_complex
    assert torch.float64.itemsize == 8


@pytest.mark.parametrize("dtype", [str, "no such", object(), np.dtype("U3")])
def test_what_is_no_dtype_is_refused(dtype: Any) -> None:
    """With an error that says what is one."""
    with pytest.raises(DtypeError, match=r"torch\.float32"):
        torch.zeros(2, dtype=dtype)


def test_half_precision_is_refused() -> None:
    """It is not provided, and the error says what to use."""
    with pytest.raises(DtypeError, match="float32"):
        torch.ones(2).half()
    with pytest.raises(AttributeError, match="float32"):
        torch.float16  # noqa: B018


K = torch.tensor([1, 2])
V = torch.tensor([1.0, 2.0])
D = V.double()


@pytest.mark.parametrize(
    ("value", "dtype"),
    [
        (K + 1.5, torch.float32),
        (K / 2, torch.float32),
        (K / K, torch.float32),
        (K + V, torch.float32),
        (K.int() + K, torch.int64),
        (K.int() + K[0], torch.int32),
        (V + D[0], torch.float32),
        (V + D, torch.float64),
        (K + D[0], torch.float64),
        (torch.tensor(3) + torch.tensor(1.5), torch.float32),
        (torch.exp(K), torch.float32),
        (torch.sqrt(K.to(torch.int8)), torch.float32),
        (torch.sin(torch.tensor(True)), torch.float32),
        (V + 1j, torch.complex64),
        (D + 1j, torch.complex128),
        (K.sum(), torch.int64),
        ((K > 1).sum(), torch.int64),
        (torch.where(K > 1, 1.0, 0), torch.float32),
        (V.double(), torch.float64),
        (V.to(torch.float64).float(), torch.float32),
        (V.mean(dtype=torch.float64), torch.float64),
        (K.argmax(), torch.int64),
        (abs(V + 1j), torch.float32),
        (torch.fft.fft(V), torch.complex64),
        (torch.matmul(V, V), torch.float32),
    ],
)
def test_promotion(value: Any, dtype: Any) -> None:
    """Tensors without dimensions and Python's numbers do not raise the dtype within a category."""
    assert value.dtype == dtype


def test_int8_is_computed_in_single_precision() -> None:
    """NumPy would compute in half precision."""
    assert torch.exp(torch.tensor([1], dtype=torch.int8)).item() == np.exp(np.float32(1))


def test_promotion_keeps_gradients_in_the_dtype_of_the_operand() -> None:
    """float64 meets float32, a number without dimensions a vector."""
    s = torch.tensor(2.0, dtype=torch.float64, requires_grad=True)
    v = torch.tensor([1.0, 2.0], requires_grad=True)

    (s * v).sum().backward()

    assert s.grad.dtype == torch.float64
    assert v.grad.dtype == torch.float32
    assert s.grad.item() == 3


def test_default_dtype() -> None:
    """It decides over Python's floats, and is not printed."""
    torch.set_default_dtype(torch.float64)
    try:
        assert torch.tensor(1.5).dtype == torch.float64
        assert (torch.tensor(1) / 2).dtype == torch.float64
        assert repr(torch.tensor([1.5])) == "tensor([1.5000])"
    finally:
        torch.set_default_dtype(torch.float32)


# --- shapes and arguments -------------------------------------------------------------------------


def test_size() -> None:
    """The shape as a torch.Size, callable; and NumPy's number of elements, which rules use."""
    x = torch.zeros(2, 3)

    assert repr(x.shape) == "torch.Size([2, 3])" == repr(x.size())
    assert x.size(0) == x.size(dim=-2) == 2
    assert x.size == 6 == x.numel() == x.nelement() == x.shape.numel()
    assert repr(x.shape[:1] + torch.Size([4])) == "torch.Size([2, 4])"
    with pytest.raises(ShapeError, match="no such dimension"):
        x.size(2)


def test_numpys_argument_names_are_taken() -> None:
    """axis= and keepdims= beside dim= and keepdim=."""
    x = torch.tensor([[1.0, 2.0], [3.0, 5.0]])

    for name in ("sum", "mean", "amax", "prod", "var", "all"):
        by_dim = getattr(x, name)(dim=1, keepdim=True)
        by_axis = getattr(x, name)(axis=1, keepdims=True)
        assert torch.equal(by_dim, by_axis), name
    assert torch.equal(torch.cat((x, x), axis=1), torch.cat((x, x), dim=1))


def test_max_along_a_dimension_selects() -> None:
    """A named pair; the gradient goes to the element selected, that of `amax` is shared."""
    x = torch.tensor([[1.0, 3.0, 3.0]], requires_grad=True)

    values, indices = torch.max(x, dim=1)
    values.sum().backward()
    assert indices.tolist() == [1]
    assert x.grad.tolist() == [[0, 1, 0]]

    x.grad = None
    x.amax(1).sum().backward()
    assert x.grad.tolist() == [[0, 0.5, 0.5]]
    assert repr(torch.max(x.detach(), 1)) == (
        "torch.return_types.max(\nvalues=tensor([3.]),\nindices=tensor([1]))"
    )


@pytest.mark.parametrize(
    "text",
    [
        "x.view(5)",
        "x.expand(3, 3)",
        "torch.mm(x, v)",
        "torch.dot(x, x)",
        "x.t().unsqueeze(0).t()",
        "torch.zeros(-1)",
        "x.split([1, 2])",
        "x.select(3, 0)",
        "v.kthvalue(7)",
        "torch.nn.functional.nll_loss(x, torch.tensor([0, 9]))",
    ],
)
def test_shapes_that_do_not_fit(text: str) -> None:
    """Errors with shapes in them, of a kind PyTorch's users catch."""
    scope = {"torch": torch, "x": torch.ones(2, 2), "v": torch.ones(2)}
    with pytest.raises((ShapeError, ValueError)):
        eval(text, scope)


# --- methods --------------------------------------------------------------------------------------


def test_functions_are_methods() -> None:
    """The same function, without a layer between."""
    assert torch.Tensor.exp is torch.exp
    assert torch.Tensor.sum is torch.sum
    count = sum(hasattr(torch.Tensor, name) for f in FAMILIES for name in f.__all__)
    assert count > 200


@pytest.mark.parametrize(
    "name", sorted(n for n in dir(torch.Tensor) if n.endswith("_") and n[0] != "_")
)
def test_in_place_forms_give_themselves(name: str) -> None:
    """x.exp_() is x, and holds what x.exp() gives."""
    function = getattr(torch.Tensor, name.removesuffix("_"), None)
    if function is None or name in {"requires_grad_", "detach_"}:
        return
    x = torch.tensor([[0.3, 0.4], [0.5, 0.6]])
    arguments = {
        "index_add": (0, torch.tensor([0]), torch.ones(1, 2)),
        "index_copy": (0, torch.tensor([0]), torch.ones(1, 2)),
        "index_fill": (0, torch.tensor([0]), 1.0),
        "index_put": ((torch.tensor([0]),), torch.ones(2)),
        "masked_fill": (x > 0.4, 1.0),
        "masked_scatter": (x > 0.4, torch.ones(2)),
        "scatter": (0, torch.tensor([[0]]), 1.0),
        "scatter_add": (0, torch.tensor([[0]]), torch.ones(1, 1)),
        "transpose": (0, 1), "swapaxes": (0, 1), "swapdims": (0, 1), "unsqueeze": (0,),
        "cumsum": (0,), "cumprod": (0,), "clamp": (0.4, 0.5), "clip": (0.4, 0.5), "lerp": (x, 0.5),
        "addcmul": (x, x), "addcdiv": (x, x), "addmm": (x, x), "mvlgamma": (1,), "copy": (x,),
        "bernoulli": (), "polygamma": (1,), "bitwise_not": (),
    }  # fmt: skip
    if name in {"acosh_", "arccosh_"}:
        x = x + 1
    if name.startswith("bitwise"):
        x = torch.tensor([[1, 2], [3, 4]])
    if name in {
        "addmv_",
        "addr_",
        "baddbmm_",
        "uniform_",
        "normal_",
        "random_",
        "bernoulli_",
        "copy_",
    }:
        return  # of other shapes, or random
    for args in (arguments.get(name.removesuffix("_")), (), (x.clone(),), (1,)):
        if args is None:
            continue
        try:
            expected = function(x.clone(), *args)
        except TypeError:
            continue
        y = x.clone()
        assert getattr(y, name)(*args) is y
        np.testing.assert_array_equal(y.numpy(), expected.to(y.dtype).numpy())
        return
    pytest.fail(f"no arguments were found for {name}")


def test_in_place_on_a_leaf_is_refused() -> None:
    """Outside no_grad, as in PyTorch."""
    x = torch.ones(2, requires_grad=True)

    for change in (lambda: x.exp_(), lambda: x.add_(1), lambda: x.t_(), lambda: x.mul_(2)):
        with pytest.raises(GraphError, match="leaf"):
            change()
    with torch.no_grad():
        assert x.mul_(3).tolist() == [3, 3]
    assert x.is_leaf
    assert x.requires_grad


def test_data_shares_memory() -> None:
    """Writing to `.data` is not recorded and shows in the tensor."""
    x = torch.ones(3, requires_grad=True)

    x.data[0] = 5.0
    x.data += 1
    assert x.tolist() == [6, 2, 2]
    x.data = torch.zeros(3)
    assert x.tolist() == [0, 0, 0]
    assert x.requires_grad


def test_rules_run_on_these_tensors() -> None:
    """Second derivatives run NumPy-named rules on tensors with PyTorch's conventions."""
    x = torch.tensor([[0.5, 1.5], [2.5, -0.5]], dtype=torch.float64, requires_grad=True)
    for f in (
        lambda x: x.var(), lambda x: x.std(0), lambda x: x.mean(1), lambda x: x.norm(),
        lambda x: x.max(1).values ** 2, lambda x: x.softmax(0), lambda x: x.cumprod(1),
        lambda x: x.sort(0).values ** 3, lambda x: (x @ x).det(), lambda x: x.inverse(),
        lambda x: x.T.exp() @ x, lambda x: x.prod(), lambda x: x.logsumexp(1),
        lambda x: x.gather(1, torch.tensor([[0], [1]])) ** 2,
        lambda x: torch.einsum("ij,ij->j", x, x),
    ):  # fmt: skip
        assert torch.autograd.gradgradcheck(f, (x,))


def test_copies() -> None:
    """clone keeps the history, detach the memory, deepcopy and pickle the leaf."""
    x = torch.tensor([1.0, 2.0], requires_grad=True)

    assert x.clone().grad_fn is not None
    assert np.shares_memory(x.detach().numpy(), x.numpy(force=True))
    for y in (copy.deepcopy(x), pickle.loads(pickle.dumps(x))):
        assert y.is_leaf
        assert y.requires_grad
        assert torch.equal(y, x)
        assert type(y) is type(x)


def test_from_numpy_shares_memory() -> None:
    """Both ways, also for an array without dimensions."""
    for a in (np.array([1.0, 2.0]), np.array(3.0)):
        t = torch.from_numpy(a)
        t += 1
        assert (t.numpy() == a).all()
        assert np.shares_memory(t.numpy(), a)
        assert t.dtype == torch.float64


def test_the_class_makes_tensors() -> None:
    """`torch.Tensor(...)`, and `isinstance` with it."""
    assert torch.Tensor([1, 2]).tolist() == [1.0, 2.0]
    assert torch.Tensor(2, 3).shape == (2, 3)
    assert isinstance(torch.ones(1), torch.Tensor)
    assert not isinstance(np.ones(1), torch.Tensor)


# --- names ----------------------------------------------------------------------------------------


SPACES = [
    torch, torch.autograd, torch.autograd.functional, torch.cuda, torch.fft, torch.linalg, torch.nn,
    torch.nn.functional, torch.nn.init, torch.nn.utils, torch.optim, torch.optim.lr_scheduler,
    torch.special,
]  # fmt: skip


@pytest.mark.parametrize("space", SPACES, ids=lambda m: m.__name__)
def test_every_name_is_there(space: Any) -> None:
    """`__all__` tells the truth, and an absent name is explained."""
    assert len(set(space.__all__)) == len(space.__all__)
    for name in space.__all__:
        getattr(space, name)
    with pytest.raises(AttributeError, match=rf"{space.__name__}.__all__ lists"):
        space.no_such_name  # noqa: B018


def test_a_misspelled_name_is_found() -> None:
    """With what is near in spelling, or what else does it."""
    with pytest.raises(AttributeError, match="softmax"):
        torch.sofmax  # noqa: B018
    with pytest.raises(AttributeError, match="pickle"):
        torch.load  # noqa: B018
