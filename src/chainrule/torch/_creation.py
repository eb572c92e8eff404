"""Making tensors, with PyTorch's signatures: sizes one by one, float32 by default."""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule import creation
from chainrule.errors import DtypeError, ShapeError, at, user_line
from chainrule.ops.table import raw
from chainrule.tensor import tensor as _tensor
from chainrule.torch import _dtypes
from chainrule.torch._arguments import sizes
from chainrule.torch._dtypes import checked, dtype_of
from chainrule.torch._methods import Tensor
from chainrule.torch._promotion import result_dtype

__all__ = [
    "BoolTensor", "DoubleTensor", "FloatTensor", "IntTensor", "LongTensor", "arange", "as_tensor",
    "asarray", "can_cast", "clone", "detach", "empty", "empty_like", "eye", "from_numpy", "full",
    "full_like", "get_default_dtype", "is_complex", "is_floating_point", "is_nonzero",
    "is_tensor", "linspace", "logspace", "numel", "ones", "ones_like", "promote_types", "range",
    "result_type", "set_default_dtype", "tensor", "tril_indices", "triu_indices", "vander",
    "view_as_complex", "view_as_real", "zeros", "zeros_like",
]  # fmt: skip


def tensor(
    data: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """A tensor with a copy of `data`: a number, nested lists, a NumPy array or a tensor.

    Python's floats become the default dtype (float32), ints int64; arrays keep their dtype.

    >>> torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    tensor([[1., 2.],
            [3., 4.]])
    >>> torch.tensor(2, dtype=torch.float64)
    tensor(2., dtype=torch.float64)
    """
    if device is not None:
        _dtypes.device(device)
    return _tensor(data, checked(dtype), requires_grad, cls=Tensor)


def as_tensor(data: Any, dtype: Any = None, device: Any = None) -> Tensor:
    """A tensor of `data`, in the same memory where it is an array or tensor of that dtype.

    >>> a = np.zeros(2)
    >>> torch.as_tensor(a).fill_(1.0)
    tensor([1., 1.], dtype=torch.float64)
    >>> a
    array([1., 1.])
    """
    if device is not None:
        _dtypes.device(device)
    wanted = checked(dtype)
    if isinstance(data, Tensor):
        return data if wanted is None else data.to(wanted)
    if isinstance(data, np.ndarray) and (wanted is None or wanted == data.dtype):
        return from_numpy(data)
    return _tensor(data, wanted, cls=Tensor)


def asarray(
    obj: Any, *, dtype: Any = None, copy: bool | None = None, requires_grad: bool = False
) -> Tensor:
    """As `as_tensor`, or with `copy=True` as `tensor`."""
    out = tensor(obj, dtype=dtype) if copy else as_tensor(obj, dtype)
    return out.requires_grad_() if requires_grad else out


def from_numpy(array: Any) -> Tensor:
    """A tensor in the same memory as a NumPy array: a change of one shows in the other.

    >>> a = np.array([1.0, 2.0])
    >>> t = torch.from_numpy(a)
    >>> a[0] = 5.0
    >>> t
    tensor([5., 2.], dtype=torch.float64)
    """
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "biufc":
        kind = getattr(array, "dtype", type(array).__name__)
        raise DtypeError(
            f"from_numpy: needs a NumPy array of numbers, not {kind}" + at(user_line())
        )
    out = Tensor()
    out._value, out._node = array, None
    return out


def _made(value: Any, dtype: Any, requires_grad: bool, device: Any = None) -> Tensor:
    """A tensor around a new array."""
    if device is not None:
        _dtypes.device(device)
    kind = checked(dtype)
    return creation.make(
        Tensor, value if kind is None else value.astype(kind, copy=False), requires_grad
    )


def _floating(dtype: Any) -> np.dtype[Any]:
    return checked(dtype) or Tensor._default_dtype


def zeros(*size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Zeros.

    >>> torch.zeros(2, 2)
    tensor([[0., 0.],
            [0., 0.]])
    """
    return _made(np.zeros(_sizes(size), _floating(dtype)), None, requires_grad, device)


def ones(*size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Ones.

    >>> torch.ones(2, 1)
    tensor([[1.],
            [1.]])
    """
    return _made(np.ones(_sizes(size), _floating(dtype)), None, requires_grad, device)


def empty(*size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """A tensor whose elements are whatever the memory held."""
    return _made(np.empty(_sizes(size), _floating(dtype)), None, requires_grad, device)


def _sizes(size: tuple[Any, ...]) -> tuple[int, ...]:
    shape = sizes(size)
    if any(n < 0 for n in shape):
        raise ShapeError(f"sizes cannot be negative: {list(shape)}" + at(user_line()))
    return shape


def full(
    size: Any,
    fill_value: Any,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """One number everywhere; it decides the dtype where none is given.

    >>> torch.full((2,), 7)
    tensor([7, 7])
    """
    value = raw(fill_value)
    kind = checked(dtype) or result_dtype([value], Tensor._default_dtype)
    return _made(np.full(sizes((size,)), value, kind), None, requires_grad, device)


def eye(
    n: int,
    m: int | None = None,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Ones on the diagonal, zeros elsewhere.

    >>> torch.eye(2)
    tensor([[1., 0.],
            [0., 1.]])
    """
    return _made(np.eye(n, m, dtype=_floating(dtype)), None, requires_grad, device)


def arange(
    start: Any, end: Any = None, step: Any = 1, *, dtype: Any = None, device: Any = None,
    requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Equally spaced numbers from `start` (0 by default) up to, and without, `end`.

    >>> torch.arange(4)
    tensor([0, 1, 2, 3])
    >>> torch.arange(0, 1, 0.25)
    tensor([0.0000, 0.2500, 0.5000, 0.7500])
    """
    first, last, by = (raw(x) for x in ((0, start, step) if end is None else (start, end, step)))
    floats = any(isinstance(x, (float, np.floating)) for x in (first, last, by))
    kind = checked(dtype) or (Tensor._default_dtype if floats else np.dtype(np.int64))
    return _made(np.arange(first, last, by).astype(kind), None, requires_grad, device)


def range(start: Any, end: Any, step: Any = 1, *, dtype: Any = None) -> Tensor:
    """Equally spaced numbers from `start` to `end`, both included."""
    count = int((end - start) / step) + 1
    return _made(start + step * np.arange(count), _floating(dtype), False)


def linspace(
    start: Any, end: Any, steps: int, *, dtype: Any = None, device: Any = None,
    requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """So many equally spaced numbers from `start` to `end`, both included.

    >>> torch.linspace(0, 1, 5)
    tensor([0.0000, 0.2500, 0.5000, 0.7500, 1.0000])
    """
    value = np.linspace(float(start), float(end), steps)
    return _made(value, _floating(dtype), requires_grad, device)


def logspace(
    start: Any, end: Any, steps: int, base: float = 10.0, *, dtype: Any = None,
    requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """`base` to the powers of `linspace(start, end, steps)`."""
    value = np.logspace(float(start), float(end), steps, base=base)
    return _made(value, _floating(dtype), requires_grad)


def _like(input: Any, dtype: Any) -> tuple[tuple[int, ...], np.dtype[Any]]:
    value = raw(input)
    return value.shape, checked(dtype) or value.dtype


def zeros_like(input: Any, *, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Zeros of the shape and dtype of another tensor."""
    return _made(np.zeros(*_like(input, dtype)), None, requires_grad)


def ones_like(input: Any, *, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Ones of the shape and dtype of another tensor."""
    return _made(np.ones(*_like(input, dtype)), None, requires_grad)


def empty_like(input: Any, *, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """A tensor of the shape and dtype of another, its elements whatever the memory held."""
    return _made(np.empty(*_like(input, dtype)), None, requires_grad)


def full_like(
    input: Any, fill_value: Any, *, dtype: Any = None, requires_grad: bool = False
) -> Tensor:
    """One number everywhere, in the shape and dtype of another tensor."""
    shape, kind = _like(input, dtype)
    return _made(np.full(shape, raw(fill_value), kind), None, requires_grad)


def _triangle(lower: bool, row: int, col: int, offset: int) -> Tensor:
    found = (np.tril_indices if lower else np.triu_indices)(row, offset, col)
    return _made(np.stack(found), None, False)


def tril_indices(row: int, col: int, offset: int = 0) -> Tensor:
    """Positions of the lower triangle: rows, then columns."""
    return _triangle(True, row, col, offset)


def triu_indices(row: int, col: int, offset: int = 0) -> Tensor:
    """Positions of the upper triangle: rows, then columns."""
    return _triangle(False, row, col, offset)


def vander(x: Any, N: int | None = None, increasing: bool = False) -> Any:  # noqa: N803
    """The Vandermonde matrix: powers of x in its columns.

    >>> torch.vander(torch.tensor([1, 2]), 3)
    tensor([[1, 1, 1],
            [4, 2, 1]])
    """
    powers = np.arange(x.shape[0] if N is None else N)
    return x[:, None] ** _made(powers if increasing else powers[::-1].copy(), None, False)


# --- dtypes --------------------------------------------------------------------------------------


def set_default_dtype(dtype: Any) -> None:
    """Set the dtype of Python's floats and of the creation functions; float32 at the start.

    >>> torch.set_default_dtype(torch.float64)
    >>> torch.ones(1).dtype
    torch.float64
    >>> torch.set_default_dtype(torch.float32)
    """
    creation.set_default_dtype(checked(dtype), cls=Tensor)


def get_default_dtype() -> Any:
    """The dtype of Python's floats and of the creation functions.

    >>> torch.get_default_dtype()
    torch.float32
    """
    return dtype_of(Tensor._default_dtype)


def result_type(tensor1: Any, tensor2: Any) -> Any:
    """The dtype of an operation on two operands, tensors or numbers.

    >>> torch.result_type(torch.tensor([1, 2]), 1.0)
    torch.float32
    """
    return dtype_of(result_dtype([raw(tensor1), raw(tensor2)], Tensor._default_dtype))


def promote_types(type1: Any, type2: Any) -> Any:
    """The dtype that tensors of two dtypes have in common.

    >>> torch.promote_types(torch.int64, torch.float32)
    torch.float32
    """
    values = [np.zeros(1, checked(t)) for t in (type1, type2)]
    return dtype_of(result_dtype(values, Tensor._default_dtype))


def can_cast(from_: Any, to: Any) -> bool:
    """Whether a cast keeps the category (boolean, integer, floating, complex) or raises it."""
    order = "biufc"
    a, b = np.zeros(0, checked(from_)).dtype.kind, np.zeros(0, checked(to)).dtype.kind
    return order.index(a.replace("u", "i")) <= order.index(b.replace("u", "i"))


def is_tensor(obj: Any) -> bool:
    """Whether an object is a tensor."""
    return isinstance(obj, Tensor)


def is_floating_point(input: Any) -> bool:
    """Whether the elements are real floating-point numbers."""
    return bool(raw(input).dtype.kind == "f")


def is_complex(input: Any) -> bool:
    """Whether the elements are complex."""
    return bool(raw(input).dtype.kind == "c")


def is_nonzero(input: Any) -> bool:
    """Whether the one element is not zero."""
    return bool(input)


def numel(input: Any) -> int:
    """Number of elements."""
    return int(raw(input).size)


def clone(input: Any) -> Any:
    """A copy in memory of its own, with its history."""
    return input.clone()


def detach(input: Any) -> Any:
    """The same value without its history."""
    return input.detach()


def view_as_real(input: Any) -> Any:
    """Complex elements as pairs of real ones, in a new last dimension."""
    from chainrule.ops import elementwise, joining

    return joining.stack([elementwise.real(input), elementwise.imag(input)], -1)


def view_as_complex(input: Any) -> Any:
    """Pairs in the last dimension as complex elements."""
    return input[..., 0] + 1j * input[..., 1]


def _legacy(name: str, kind: Any) -> Any:
    """`torch.FloatTensor` and its like: sizes, or data."""

    def make(*data: Any) -> Tensor:
        if data and not isinstance(data[0], int):
            return _tensor(data[0], kind, cls=Tensor)
        return zeros(*data, dtype=kind) if data else zeros(0, dtype=kind)

    make.__name__ = make.__qualname__ = name
    make.__doc__ = f"A tensor of `data`, or of the sizes given, in {dtype_of(kind)!r}."
    return make


FloatTensor = _legacy("FloatTensor", np.float32)
DoubleTensor = _legacy("DoubleTensor", np.float64)
LongTensor = _legacy("LongTensor", np.int64)
IntTensor = _legacy("IntTensor", np.int32)
BoolTensor = _legacy("BoolTensor", np.bool_)


class _Constructor(type):
    """Lets `torch.Tensor([1.0, 2.0])` make a tensor, and `isinstance(x, torch.Tensor)` know one.

    Operations make hundreds of thousands of tensors a second, so the class of tensors itself has no
    constructor that would look at arguments.
    """

    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, Tensor)

    def __subclasscheck__(cls, subclass: type) -> bool:
        return issubclass(subclass, Tensor)


class TensorFace(Tensor, metaclass=_Constructor):
    """`torch.Tensor`: the class by its public name.

    >>> torch.Tensor([1.0, 2.0])
    tensor([1., 2.])
    """

    __slots__ = ()

    def __new__(cls, *data: Any) -> Any:
        return FloatTensor(*data) if Tensor._default_dtype == np.float32 else DoubleTensor(*data)


TensorFace.__name__ = TensorFace.__qualname__ = "Tensor"
