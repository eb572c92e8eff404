"""Making tensors: the creation functions of the array API standard, and NumPy's besides.

Each takes `dtype=None` for the default dtype, `requires_grad=True` to make a variable to
differentiate by, and `cls`, the class of Tensor to make, for `chainrule.torch`. Where a value is
itself a Tensor (`full`, `linspace`, `logspace`, `geomspace`) the result is differentiable in it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.errors import DtypeError, MissingDerivative, ShapeError, at, user_line
from chainrule.graph.node import Variable
from chainrule.ops import joining, movement
from chainrule.ops.complaints import as_value, check_device, holds_variable
from chainrule.ops.recording import is_traced, raw
from chainrule.ops.table import NUMPY
from chainrule.tensor import Tensor, leaf, tensor

Shape = int | tuple[int, ...]
Class = type[Tensor]

array = tensor


def set_default_dtype(dtype: Any, *, cls: Class = Tensor) -> None:
    """Set the dtype that Python floats and the creation functions give; float64 at the start.

    Raises DtypeError for what is no real floating-point dtype.

    >>> cr.set_default_dtype("float32")
    >>> cr.ones(2).dtype
    dtype('float32')
    >>> cr.set_default_dtype("float64")
    """
    wanted = np.dtype(dtype)
    if wanted.kind != "f":
        raise DtypeError(f"the default dtype is floating-point, not {wanted}" + at(user_line()))
    cls._default_dtype = wanted


def get_default_dtype(*, cls: Class = Tensor) -> np.dtype[Any]:
    """The dtype that Python floats and the creation functions give.

    >>> cr.get_default_dtype()
    dtype('float64')
    """
    return cls._default_dtype


# --- what the functions share --------------------------------------------------------------------


def make(cls: Class, value: Any, requires_grad: bool = False, device: Any = None) -> Any:
    """A tensor of a class around a value of NumPy's, which is not copied."""
    check_device(device)
    out = cls()
    out._value = value if value.ndim else value[()]
    out._node = leaf(value) if requires_grad else None
    return out


def sharing(cls: Class, array: Any, requires_grad: bool = False) -> Any:
    """A tensor in the memory of an array, which stays one if it has no dimensions."""
    out = cls()
    out._value = array
    out._node = leaf(array) if requires_grad else None
    return out


def settled(dtype: Any, cls: Class, given: Any = 0.0) -> np.dtype[Any]:
    """The dtype asked for; where none was, the one that `given` has, or as a Python number gets."""
    try:
        wanted: np.dtype[Any] = np.dtype(np.asarray(raw(given)).dtype if dtype is None else dtype)
    except TypeError as error:
        raise DtypeError(f"{error}" + at(user_line())) from None
    return wanted if dtype is not None or hasattr(given, "dtype") else weak(wanted, cls)


def weak(dtype: np.dtype[Any], cls: Class) -> np.dtype[Any]:
    """A dtype that comes from Python numbers, in the default precision."""
    if dtype.kind == "c":
        return np.dtype(np.result_type(cls._default_dtype, np.complex64))
    return cls._default_dtype if dtype.kind == "f" else dtype


def plain(x: Any, function: str, argument: str) -> Any:
    """The value of an argument in which a function has no derivative, an error if one is wanted."""
    if isinstance(x, Variable) and x._node is not None:
        raise MissingDerivative(
            f"{function}: there is no derivative in {argument!r}; pass it detached "
            f"(`{argument}.detach()`) if none is meant" + at(user_line())
        )
    return raw(x)


def _tracked(*xs: Any) -> bool:
    return any(isinstance(x, Variable) and x._node is not None for x in xs)


def built(build: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """A value by NumPy's function, whose complaint about a size comes with the user's line."""
    try:
        return build(*args, **kwargs)
    except ValueError as error:
        raise ShapeError(f"{build.__name__}: {error}" + at(user_line())) from None


def finished(cls: Class, out: Any, dtype: Any, requires_grad: bool, device: Any) -> Any:
    """A value or Tensor that came out of operations, in a dtype (None for its own)."""
    if not isinstance(out, Variable):
        return make(cls, out if dtype is None else out.astype(dtype), requires_grad, device)
    check_device(device)
    if dtype is not None and out._value.dtype != dtype:
        out = movement.astype(out, dtype)
    if requires_grad and out._node is None:
        return make(type(out), out._value, True)
    return out


# --- from other objects ------------------------------------------------------------------------


def asarray(
    obj: Any,
    /,
    *,
    dtype: Any = None,
    device: Any = None,
    copy: bool | None = None,
    requires_grad: bool = False,
    cls: Class = Tensor,
) -> Any:
    """A tensor of a number, nested lists, a NumPy array or a Tensor, sharing memory where it can.

    A Tensor comes back as it is, its history with it, and lists of Tensors as `stack` makes one of
    them. `copy=True` always copies; `copy=False` never does, and raises ValueError where it would
    have to. Ragged lists raise ShapeError.

    >>> a = np.zeros(2)
    >>> t = cr.asarray(a)
    >>> a[0] = 5.0
    >>> t
    tensor([5., 0.])
    """
    listed = isinstance(obj, (list, tuple)) and holds_variable(obj)
    if listed:
        obj = _stacked(obj)
    if isinstance(obj, Variable):
        wanted = obj._value.dtype if dtype is None else settled(dtype, cls)
        _refuse_copy(copy, listed or wanted != obj._value.dtype)
        copy = copy and not listed
        return finished(cls, movement.copy(obj) if copy else obj, wanted, requires_grad, device)
    value = np.asarray(as_value(obj, "asarray"))
    if value.dtype.kind not in "biufc":
        raise DtypeError(f"asarray: a tensor cannot hold {value.dtype}" + at(user_line()))
    own = value.dtype if hasattr(obj, "dtype") else weak(value.dtype, cls)
    wanted = own if dtype is None else settled(dtype, cls)
    _refuse_copy(copy, wanted != value.dtype or not hasattr(obj, "dtype"))
    new = value.astype(wanted, copy=bool(copy))
    if new is not obj:
        return make(cls, new, requires_grad, device)
    check_device(device)
    return sharing(cls, new, requires_grad)


def _stacked(x: Any) -> Any:
    """Nested lists with Tensors in them as one Tensor."""
    return joining.stack([_stacked(v) for v in x]) if isinstance(x, (list, tuple)) else x


def _refuse_copy(copy: bool | None, needed: bool) -> None:
    if copy is False and needed:
        raise ValueError(
            "asarray: copy=False, but this object's memory cannot be shared (it is no array of "
            "this dtype); leave copy= out" + at(user_line())
        )


def from_dlpack(
    x: Any, /, *, device: Any = None, copy: bool | None = None, cls: Class = Tensor
) -> Any:
    """A tensor in the memory of another library's array, through the DLPack protocol.

    >>> a = np.arange(3.0)
    >>> cr.from_dlpack(a)
    tensor([0., 1., 2.])
    """
    check_device(device)
    return sharing(cls, np.from_dlpack(x, copy=copy))


# --- of a shape --------------------------------------------------------------------------------


def empty(
    shape: Shape,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    cls: Class = Tensor,
) -> Any:
    """A tensor of a shape, its elements whatever the memory held.

    >>> cr.empty((2, 3)).shape
    (2, 3)
    """
    return make(cls, built(np.empty, shape, settled(dtype, cls)), requires_grad, device)


def zeros(
    shape: Shape,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    cls: Class = Tensor,
) -> Any:
    """Zeros.

    >>> cr.zeros((2, 2))
    tensor([[0., 0.],
            [0., 0.]])
    """
    return make(cls, built(np.zeros, shape, settled(dtype, cls)), requires_grad, device)


def ones(
    shape: Shape,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    cls: Class = Tensor,
) -> Any:
    """Ones.

    >>> cr.ones(3, dtype="int64")
    tensor([1, 1, 1])
    """
    return make(cls, built(np.ones, shape, settled(dtype, cls)), requires_grad, device)


def full(
    shape: Shape,
    fill_value: Any,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    cls: Class = Tensor,
) -> Any:
    """`fill_value` everywhere; differentiable in it.

    Without `dtype` the value decides: Python floats give the default dtype, ints int64.

    >>> x = cr.tensor(2.0, requires_grad=True)
    >>> cr.full(3, x).sum().backward()
    >>> x.grad
    tensor(3.)
    """
    wanted = settled(dtype, cls, fill_value)
    if _tracked(fill_value):
        # a copy: broadcasting alone gives one number in many places, which cannot be written to
        spread = movement.copy(movement.broadcast_to(fill_value, shape))
        return finished(cls, spread, wanted, requires_grad, device)
    if isinstance(fill_value, Tensor):
        cls = type(fill_value)
    return make(cls, built(np.full, shape, raw(fill_value), wanted), requires_grad, device)


def eye(
    n_rows: int,
    n_cols: int | None = None,
    /,
    *,
    k: int = 0,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    cls: Class = Tensor,
) -> Any:
    """Ones on the k-th diagonal, zeros elsewhere; square by default.

    >>> cr.eye(2)
    tensor([[1., 0.],
            [0., 1.]])
    """
    value = built(np.eye, n_rows, n_cols, k, settled(dtype, cls))
    return make(cls, value, requires_grad, device)


def identity(n: int, dtype: Any = None, *, requires_grad: bool = False, cls: Class = Tensor) -> Any:
    """The n by n identity matrix.

    >>> cr.identity(2)
    tensor([[1., 0.],
            [0., 1.]])
    """
    return eye(n, dtype=dtype, requires_grad=requires_grad, cls=cls)


# --- like another ------------------------------------------------------------------------------


def _like(build: Callable[..., Any], x: Any, dtype: Any, shape: Any) -> tuple[Class, Any]:
    """(class, value) of NumPy's `..._like` function for a Tensor, an array or a number."""
    cls = type(x) if isinstance(x, Tensor) else Tensor
    if is_traced(x):
        value: Any = np.broadcast_to(np.zeros((), x.dtype), x.shape)
    else:
        value = as_value(raw(x), build.__name__)
    wanted = settled(dtype, cls, value)
    return cls, built(build, value, wanted, shape=shape)


def empty_like(
    x: Any,
    /,
    dtype: Any = None,
    *,
    shape: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Any:
    """A tensor of x's class, shape and dtype, its elements whatever the memory held.

    >>> cr.empty_like(cr.zeros((2, 3))).shape
    (2, 3)
    """
    cls, value = _like(np.empty_like, x, dtype, shape)
    return make(cls, value, requires_grad, device)


def zeros_like(
    x: Any,
    /,
    dtype: Any = None,
    *,
    shape: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Any:
    """Zeros of x's class, shape and dtype.

    >>> cr.zeros_like(cr.tensor([1.0, 2.0]))
    tensor([0., 0.])
    """
    cls, value = _like(np.zeros_like, x, dtype, shape)
    return make(cls, value, requires_grad, device)


def ones_like(
    x: Any,
    /,
    dtype: Any = None,
    *,
    shape: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Any:
    """Ones of x's class, shape and dtype.

    >>> cr.ones_like(cr.tensor([1.0, 2.0]))
    tensor([1., 1.])
    """
    cls, value = _like(np.ones_like, x, dtype, shape)
    return make(cls, value, requires_grad, device)


def full_like(
    x: Any,
    /,
    fill_value: Any,
    dtype: Any = None,
    *,
    shape: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Any:
    """`fill_value` everywhere, in x's class, shape and dtype; differentiable in `fill_value`.

    >>> cr.full_like(cr.tensor([1.0, 2.0]), 7)
    tensor([7., 7.])
    """
    cls, value = _like(np.empty_like, x, dtype, shape)
    options = {"device": device, "requires_grad": requires_grad}
    return full(value.shape, fill_value, dtype=value.dtype, cls=cls, **options)


NUMPY.update({np.empty_like: empty_like, np.full_like: full_like})
NUMPY.update({np.zeros_like: zeros_like, np.ones_like: ones_like})
