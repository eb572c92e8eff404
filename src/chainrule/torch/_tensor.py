"""The Tensor of PyTorch's programs: chainrule's own, with PyTorch's conventions laid over it.

Operators, in-place operators and indexing are inherited as they are. What is spelled out here is
what only a method can be; the functions of tensors in the other private modules become methods in
`_methods`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Self

import numpy as np

from chainrule.arraylike import Absent
from chainrule.graph.node import Variable
from chainrule.graph.writes import note_write
from chainrule.ops import elementwise, movement
from chainrule.record.inplace import assign
from chainrule.tensor import Tensor as Base
from chainrule.torch import _dtypes, _promotion
from chainrule.torch._arguments import sizes
from chainrule.torch._dtypes import Count, Size, checked, dtype_of
from chainrule.transforms.backward import backward, gradients

_TYPE_NAMES = {
    "float32": "Float", "float64": "Double", "int64": "Long", "int32": "Int", "int16": "Short",
    "int8": "Char", "uint8": "Byte", "bool": "Bool", "complex64": "ComplexFloat",
    "complex128": "ComplexDouble",
}  # fmt: skip


class Tensor(Base):
    """An array that remembers how it was computed, by PyTorch's names and conventions.

    Make one with `torch.tensor`. Floats are float32 unless another dtype is asked for.

    >>> x = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
    >>> torch.sum(x**2).backward()
    >>> x.grad
    tensor([2., 4., 6.])
    """

    __slots__ = ()
    __hash__ = object.__hash__
    fill = Absent("fill", "use `.fill_(value)`")
    _default_dtype: ClassVar[np.dtype[Any]] = np.dtype(np.float32)
    _dtype_prefix: ClassVar[str] = "torch."

    @staticmethod
    def _promote(value: Any, operands: Sequence[Any], row: Any, params: dict[str, Any]) -> Any:
        return _promotion.promote(value, operands, row, params, Tensor._default_dtype)

    # --- what it is -----------------------------------------------------------------------------

    @property
    def dtype(self) -> Any:
        """Type of the elements: `torch.float32` and its like, which equal NumPy's."""
        return dtype_of(self._value.dtype)

    @property
    def shape(self) -> Size:
        """Sizes, as a `torch.Size`."""
        return Size(self._value.shape)

    @property
    def size(self) -> Any:
        """`x.size()` is the shape, `x.size(dim)` one size; `x.size` the number of elements."""
        return Count(self._value.shape, self._value.size)

    @property
    def device(self) -> Any:
        """Always the CPU."""
        return _dtypes.device("cpu")

    @property
    def is_cuda(self) -> bool:
        """Always False."""
        return False

    is_sparse = is_quantized = is_meta = is_cuda

    def dim(self) -> int:
        """Number of dimensions."""
        return self._value.ndim

    ndimension = dim

    def numel(self) -> int:
        """Number of elements."""
        return self._value.size

    nelement = numel

    def element_size(self) -> int:
        """Bytes of one element."""
        return self._value.itemsize

    def is_floating_point(self) -> bool:
        """Whether the elements are real floating-point numbers."""
        return self._value.dtype.kind == "f"

    def is_complex(self) -> bool:
        """Whether the elements are complex."""
        return self._value.dtype.kind == "c"

    def is_signed(self) -> bool:
        """Whether the elements can be negative."""
        return self._value.dtype.kind in "ifc"

    def is_same_size(self, other: Any) -> bool:
        """Whether the shapes are equal."""
        return self._value.shape == other._value.shape

    def stride(self, dim: int | None = None) -> Any:
        """Steps in memory, in elements, from one position to the next along each dimension."""
        value = self._value
        steps = tuple(s // value.itemsize for s in getattr(value, "strides", ()))
        return steps if dim is None else steps[dim]

    def data_ptr(self) -> int:
        """Address of the first element."""
        return self._shared().ctypes.data

    # --- derivatives ----------------------------------------------------------------------------

    def backward(
        self,
        gradient: Any = None,
        retain_graph: bool | None = None,
        create_graph: bool = False,
        inputs: Any = None,
    ) -> None:
        """Accumulate the gradient of this tensor in the `.grad` of the leaves it depends on.

        `gradient` is the cotangent, 1 by default for a tensor of one element; `retain_graph` keeps
        the graph for another pass, `create_graph` records the pass itself. With `inputs` (leaves),
        only their gradients are accumulated.

        >>> x = torch.tensor(3.0, requires_grad=True)
        >>> (x**2).backward()
        >>> x.grad
        tensor(6.)
        """
        if inputs is None:
            backward(self, gradient, retain_graph, create_graph)
            return
        chosen = (inputs,) if isinstance(inputs, Variable) else tuple(inputs)
        found = gradients(
            (self,), chosen, (gradient,), retain_graph=retain_graph, create_graph=create_graph,
            allow_unused=True,
        )  # fmt: skip
        for x, g in zip(chosen, found, strict=True):
            if g is not None:
                x.grad = g if x.grad is None else x.grad + g

    @property
    def grad_fn(self) -> Any:
        """The recorded operation that made this tensor, None for a leaf."""
        from chainrule.torch.autograd.graph import Node

        return None if self.is_leaf else Node(self._node)  # type: ignore[arg-type]

    @property
    def data(self) -> Self:
        """The same value, in the same memory, outside any graph."""
        return self.detach()

    @data.setter
    def data(self, value: Any) -> None:
        if value._value is not self._value:
            self._value = value._shared()
            note_write(self._value, "data")

    def detach_(self) -> Self:
        """Forget the history."""
        self._node = None
        return self

    # --- value ----------------------------------------------------------------------------------

    def to(self, *args: Any, **kwargs: Any) -> Self:
        """In another dtype: `.to(torch.float64)`, `.to(other)`; `.to("cpu")` is the tensor itself.

        >>> torch.tensor([1.5]).to(torch.float64)
        tensor([1.5000], dtype=torch.float64)
        """
        kwargs.pop("non_blocking", None)
        copy = kwargs.pop("copy", False)
        wanted, place = kwargs.pop("dtype", None), kwargs.pop("device", None)
        for given in args:
            if isinstance(given, Variable):
                wanted = given._value.dtype
            elif isinstance(given, (str, _dtypes.device)):
                place = given
            elif given is not None and not isinstance(given, bool):
                wanted = given
        if place is not None:
            _dtypes.device(place)
        return self._as(self._value.dtype if wanted is None else wanted, copy)

    def _as(self, dtype: Any, copy: bool = False) -> Self:
        kind = checked(dtype)
        if kind == self._value.dtype:
            return movement.copy(self) if copy else self
        return movement.astype(self, kind)

    def type(self, dtype: Any = None) -> Any:
        """The name of the tensor's type, or the elements in another dtype."""
        if dtype is None:
            return f"torch.{_TYPE_NAMES[self._value.dtype.name]}Tensor"
        for name, spoken in _TYPE_NAMES.items():
            if dtype == f"torch.{spoken}Tensor":
                dtype = name
        return self._as(dtype)

    def type_as(self, other: Any) -> Self:
        """The elements in the dtype of another tensor."""
        return self._as(other._value.dtype)

    def astype(self, dtype: Any, copy: bool = True) -> Self:
        """The elements in another dtype (NumPy's name of `to`)."""
        return movement.astype(self, checked(dtype))

    def float(self) -> Self:
        """The elements as float32."""
        return self._as(np.float32)

    def double(self) -> Self:
        """The elements as float64."""
        return self._as(np.float64)

    def int(self) -> Self:
        """The elements as int32."""
        return self._as(np.int32)

    def long(self) -> Self:
        """The elements as int64."""
        return self._as(np.int64)

    def short(self) -> Self:
        """The elements as int16."""
        return self._as(np.int16)

    def char(self) -> Self:
        """The elements as int8."""
        return self._as(np.int8)

    def byte(self) -> Self:
        """The elements as uint8."""
        return self._as(np.uint8)

    def bool(self) -> Self:
        """The elements as booleans."""
        return self._as(np.bool_)

    def cfloat(self) -> Self:
        """The elements as complex64."""
        return self._as(np.complex64)

    def cdouble(self) -> Self:
        """The elements as complex128."""
        return self._as(np.complex128)

    def half(self) -> Self:
        """Not provided: raises DtypeError, as NumPy computes in half precision only slowly."""
        raise _dtypes.absent("half precision", "torch.float32")

    bfloat16 = half

    def cpu(self) -> Self:
        """The tensor itself."""
        return self

    def cuda(self, *_: Any, **__: Any) -> Self:
        """Not provided: raises DtypeError, as chainrule computes on the CPU."""
        _dtypes.device("cuda")
        return self

    def contiguous(self) -> Self:
        """The tensor itself where its elements lie in memory row by row, else a copy that does."""
        return self if self.is_contiguous() else movement.copy(self, "C")

    def is_contiguous(self) -> Any:
        """Whether the elements lie in memory row by row."""
        value = self._value
        return value.flags.c_contiguous if value.ndim else True

    def fill_diagonal_(self, fill_value: Any) -> Self:
        """Set the elements whose positions are equal in all dimensions, in place."""
        places = np.arange(min(self._value.shape))
        assign(self, (places,) * self._value.ndim, fill_value)
        return self

    def apply_(self, function: Any) -> Self:
        """Replace every element x by function(x), a Python function, in place."""
        assign(self, ..., np.vectorize(function, otypes=[self._value.dtype])(self._value))
        return self

    # --- new tensors of this one's dtype ----------------------------------------------------------

    def _new(self, value: Any, dtype: Any, requires_grad: Any) -> Self:
        out = type(self)()
        value = np.asarray(value, checked(dtype) or self._value.dtype)
        out._value, out._node = (value if value.ndim else value[()]), None
        return out.requires_grad_() if requires_grad else out

    def new_tensor(self, data: Any, *, dtype: Any = None, requires_grad: Any = False) -> Self:
        """A tensor with a copy of `data`, by default of this tensor's dtype."""
        value = np.array(data._value if isinstance(data, Variable) else data)
        return self._new(value, dtype, requires_grad)

    def new_zeros(self, *size: Any, dtype: Any = None, requires_grad: Any = False) -> Self:
        """Zeros, by default of this tensor's dtype."""
        return self._new(np.zeros(sizes(size), self._value.dtype), dtype, requires_grad)

    def new_ones(self, *size: Any, dtype: Any = None, requires_grad: Any = False) -> Self:
        """Ones, by default of this tensor's dtype."""
        return self._new(np.ones(sizes(size), self._value.dtype), dtype, requires_grad)

    new_empty = new_zeros

    def new_full(
        self, size: Any, fill_value: Any, *, dtype: Any = None, requires_grad: Any = False
    ) -> Self:
        """One number everywhere, by default in this tensor's dtype."""
        return self._new(
            np.full(sizes((size,)), fill_value, self._value.dtype), dtype, requires_grad
        )

    # --- methods whose first argument is not the function's ---------------------------------------

    @property
    def real(self) -> Self:
        """Real part; of a real tensor, the tensor itself."""
        return elementwise.real(self) if self.is_complex() else self

    @property
    def H(self) -> Self:  # noqa: N802 - PyTorch's name
        """Conjugate transpose of a matrix."""
        return elementwise.conj(movement.permute_dims(self, None))

    @property
    def mH(self) -> Self:  # noqa: N802 - PyTorch's name
        """Conjugate transpose of the last two dimensions."""
        return elementwise.conj(movement.matrix_transpose(self))

    def where(self, condition: Any, other: Any) -> Self:
        """The elements where the condition holds, else those of `other`."""
        return elementwise.where(condition, self, other)

    def polygamma(self, n: Any) -> Self:
        """The n-th derivative of the digamma function at each element."""
        from chainrule.ops import special

        return special.polygamma(n, self)
