"""Tensor: a value and its node, with NumPy's and PyTorch's methods, each one call into `ops`.

Operators are the operations' own functions, without a layer between: eager speed is decided here.
"""

from __future__ import annotations

import copy as copying
import operator
import sys
from _thread import get_ident
from collections.abc import Callable, Iterator
from opcode import opmap
from types import FrameType
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from chainrule import dispatch
from chainrule.arraylike import ArrayLike
from chainrule.errors import DtypeError, GraphError, ShapeError, at, user_line
from chainrule.graph.hooks import Handle, add_hook, retain
from chainrule.graph.node import Abstract, Leaf, Spec, Variable, transforming
from chainrule.graph.writes import owner
from chainrule.ops import (
    contraction,
    elementwise,
    indexing,
    joining,
    linalg,
    movement,
    reduction,
    selection,
)
from chainrule.ops.complaints import as_value
from chainrule.ops.frequent import is_basic, picked
from chainrule.ops.recording import STANDARD
from chainrule.ops.sharing import separate
from chainrule.ops.table import TABLE
from chainrule.printing import tensor_text
from chainrule.record.inplace import assign, update, zero
from chainrule.record.trace import check_open
from chainrule.transforms.backward import backward

_API_VERSIONS = ("2023.12", "2024.12")
"""The array API standards by date that `__array_namespace__` may be asked for."""

Shape = tuple[int, ...]
Axis = int | tuple[int, ...] | None

_GETITEM = TABLE["getitem"]

_ASSIGNMENTS = frozenset(opmap[n] for n in ("STORE_SUBSCR", "STORE_SLICE") if n in opmap)
"""Instructions of `a[i] = v`."""


def _operator(function: Callable[..., Any], *, reflected: bool = False) -> Callable[..., Any]:
    """The operation itself, without the layer that gives the public function its name."""
    row = function.operation  # type: ignore[attr-defined]
    return row.reflected if reflected else row.call


_ADD, _SUBTRACT, _MULTIPLY, _DIVIDE, _POWER, _REMAINDER, _FLOOR_DIVIDE, _MATMUL = (
    TABLE[name]
    for name in (
        "add", "subtract", "multiply", "divide", "power", "remainder", "floor_divide", "matmul"
    )
)  # fmt: skip
_AND, _OR, _XOR, _LEFT, _RIGHT = (
    TABLE[f"bitwise_{name}"] for name in ("and", "or", "xor", "left_shift", "right_shift")
)


class Tensor(ArrayLike):
    """An array that remembers how it was computed, where a gradient is asked for.

    Make one with `chainrule.tensor`. It behaves as a NumPy array in arithmetic, indexing and under
    NumPy's own functions; `requires_grad=True` marks it as a variable to differentiate by.

    >>> x = cr.tensor([1.0, 2.0, 3.0], requires_grad=True)
    >>> (x**2).sum().backward()
    >>> x.grad
    tensor([2., 4., 6.])
    """

    __slots__ = ("__weakref__",)
    __hash__ = object.__hash__
    __array_priority__ = 1000.0
    _default_dtype: ClassVar[np.dtype[Any]] = np.dtype(np.float64)
    """What a floating-point tensor has without its dtype being printed."""

    # --- arithmetic: the operations themselves --------------------------------------------------

    if TYPE_CHECKING:  # for editors: what the operations below are as methods

        def __add__(self, other: Any, /) -> Self: ...
        def __radd__(self, other: Any, /) -> Self: ...
        def __sub__(self, other: Any, /) -> Self: ...
        def __rsub__(self, other: Any, /) -> Self: ...
        def __mul__(self, other: Any, /) -> Self: ...
        def __rmul__(self, other: Any, /) -> Self: ...
        def __truediv__(self, other: Any, /) -> Self: ...
        def __rtruediv__(self, other: Any, /) -> Self: ...
        def __floordiv__(self, other: Any, /) -> Self: ...
        def __rfloordiv__(self, other: Any, /) -> Self: ...
        def __mod__(self, other: Any, /) -> Self: ...
        def __rmod__(self, other: Any, /) -> Self: ...
        def __pow__(self, other: Any, /) -> Self: ...
        def __rpow__(self, other: Any, /) -> Self: ...
        def __neg__(self) -> Self: ...
        def __pos__(self) -> Self: ...
        def __abs__(self) -> Self: ...
        def __invert__(self) -> Self: ...
        def __and__(self, other: Any, /) -> Self: ...
        def __rand__(self, other: Any, /) -> Self: ...
        def __or__(self, other: Any, /) -> Self: ...
        def __ror__(self, other: Any, /) -> Self: ...
        def __xor__(self, other: Any, /) -> Self: ...
        def __rxor__(self, other: Any, /) -> Self: ...
        def __lshift__(self, other: Any, /) -> Self: ...
        def __rlshift__(self, other: Any, /) -> Self: ...
        def __rshift__(self, other: Any, /) -> Self: ...
        def __rrshift__(self, other: Any, /) -> Self: ...
        def __lt__(self, other: Any, /) -> Self: ...
        def __le__(self, other: Any, /) -> Self: ...
        def __gt__(self, other: Any, /) -> Self: ...
        def __ge__(self, other: Any, /) -> Self: ...
        def __eq__(self, other: Any, /) -> Self: ...  # type: ignore[override]
        def __ne__(self, other: Any, /) -> Self: ...  # type: ignore[override]
        def __matmul__(self, other: Any, /) -> Self: ...
    else:
        __add__ = _operator(elementwise.add)
        __radd__ = _operator(elementwise.add, reflected=True)
        __sub__ = _operator(elementwise.subtract)
        __rsub__ = _operator(elementwise.subtract, reflected=True)
        __mul__ = _operator(elementwise.multiply)
        __rmul__ = _operator(elementwise.multiply, reflected=True)
        __truediv__ = _operator(elementwise.divide)
        __rtruediv__ = _operator(elementwise.divide, reflected=True)
        __floordiv__ = _operator(elementwise.floor_divide)
        __rfloordiv__ = _operator(elementwise.floor_divide, reflected=True)
        __mod__ = _operator(elementwise.remainder)
        __rmod__ = _operator(elementwise.remainder, reflected=True)
        __pow__ = _operator(elementwise.power)
        __rpow__ = _operator(elementwise.power, reflected=True)
        __neg__ = _operator(elementwise.negative)
        __pos__ = _operator(elementwise.positive)
        __abs__ = _operator(elementwise.abs)
        __invert__ = _operator(elementwise.bitwise_invert)
        __and__ = _operator(elementwise.bitwise_and)
        __rand__ = _operator(elementwise.bitwise_and, reflected=True)
        __or__ = _operator(elementwise.bitwise_or)
        __ror__ = _operator(elementwise.bitwise_or, reflected=True)
        __xor__ = _operator(elementwise.bitwise_xor)
        __rxor__ = _operator(elementwise.bitwise_xor, reflected=True)
        __lshift__ = _operator(elementwise.bitwise_left_shift)
        __rlshift__ = _operator(elementwise.bitwise_left_shift, reflected=True)
        __rshift__ = _operator(elementwise.bitwise_right_shift)
        __rrshift__ = _operator(elementwise.bitwise_right_shift, reflected=True)
        __lt__ = _operator(elementwise.less)
        __le__ = _operator(elementwise.less_equal)
        __gt__ = _operator(elementwise.greater)
        __ge__ = _operator(elementwise.greater_equal)
        __eq__ = _operator(elementwise.equal)
        __ne__ = _operator(elementwise.not_equal)
        __matmul__ = _operator(contraction.matmul)

    def __rmatmul__(self, other: Any) -> Self:
        return contraction.matmul(other, self)

    def __divmod__(self, other: Any) -> tuple[Self, Self]:
        return self // other, self % other

    def __rdivmod__(self, other: Any) -> tuple[Self, Self]:
        return other // self, other % self

    def __round__(self, digits: int = 0) -> Self:
        scale = 10.0**digits
        return elementwise.round(self * scale) / scale if digits else elementwise.round(self)

    # --- in place -----------------------------------------------------------------------------

    def __iadd__(self, other: Any, /) -> Self:
        return update(self, _ADD, operator.add, other, "__iadd__")

    def __isub__(self, other: Any, /) -> Self:
        return update(self, _SUBTRACT, operator.sub, other, "__isub__")

    def __imul__(self, other: Any, /) -> Self:
        return update(self, _MULTIPLY, operator.mul, other, "__imul__")

    def __itruediv__(self, other: Any, /) -> Self:
        return update(self, _DIVIDE, operator.truediv, other, "__itruediv__")

    def __ipow__(self, other: Any, /) -> Self:
        return update(self, _POWER, operator.pow, other, "__ipow__")

    def __imod__(self, other: Any, /) -> Self:
        return update(self, _REMAINDER, operator.mod, other, "__imod__")

    def __ifloordiv__(self, other: Any, /) -> Self:
        return update(self, _FLOOR_DIVIDE, operator.floordiv, other, "__ifloordiv__")

    def __imatmul__(self, other: Any, /) -> Self:
        return update(self, _MATMUL, operator.matmul, other, "__imatmul__")

    def __iand__(self, other: Any, /) -> Self:
        return update(self, _AND, operator.and_, other, "__iand__")

    def __ior__(self, other: Any, /) -> Self:
        return update(self, _OR, operator.or_, other, "__ior__")

    def __ixor__(self, other: Any, /) -> Self:
        return update(self, _XOR, operator.xor, other, "__ixor__")

    def __ilshift__(self, other: Any, /) -> Self:
        return update(self, _LEFT, operator.lshift, other, "__ilshift__")

    def __irshift__(self, other: Any, /) -> Self:
        return update(self, _RIGHT, operator.rshift, other, "__irshift__")

    def zero_(self) -> Self:
        """Set every element to zero, in place."""
        return zero(self)

    def fill_(self, value: Any) -> Self:
        """Set every element to `value`, in place."""
        assign(self, ..., value)
        return self

    def copy_(self, other: Any) -> Self:
        """Take over the values of `other`, in place."""
        assign(self, ..., other)
        return self

    def __getitem__(self, index: Any) -> Self:
        if type(self._value) is np.ndarray and is_basic(index):
            return picked(_GETITEM, self, index)
        out = indexing.getitem(self, index)
        value = out._value
        if type(value) is Abstract:
            if indexing.is_basic(index):
                out._base = (self, index)
                if value.shape:
                    value.shows = (self, self._node)
        elif type(value) is not np.ndarray or (
            value.base is not None
            and (value.base is self._value or owner(value) is owner(self._value))
        ):
            out._base = (self, index)
        return out

    def __setitem__(self, index: Any, value: Any) -> None:
        assign(self, index, value)

    # --- derivatives --------------------------------------------------------------------------

    @property
    def requires_grad(self) -> bool:
        """Whether derivatives by this tensor, or by what it was made from, are recorded."""
        return self._node is not None

    @requires_grad.setter
    def requires_grad(self, wanted: bool) -> None:
        self.requires_grad_(wanted)

    def requires_grad_(self, wanted: bool = True) -> Self:
        """Mark this tensor as a variable to differentiate by, or as a constant; returns itself.

        Raises DtypeError for integers and booleans, GraphError for switching off a result.
        """
        if wanted:
            if self._node is None:
                self._node = self._thawed() or leaf(self._value)
        elif type(self._node) is Leaf:
            self._frozen, self._node = self._node, None
            self._frozen.frozen = True
        elif self._node is not None:
            raise GraphError(
                "requires_grad can only be switched off on a leaf; `.detach()` gives this value "
                "without its history" + at(user_line())
            )
        return self

    def _thawed(self) -> Leaf | None:
        """The leaf this tensor was before requires_grad was switched off, with its gradient."""
        node: Leaf | None = getattr(self, "_frozen", None)
        value = self._value
        if node is None or (node.spec.shape, node.spec.dtype) != (value.shape, value.dtype):
            return None
        node.frozen = False
        return node

    @property
    def is_leaf(self) -> bool:
        """Whether this tensor was made by the user rather than by a recorded operation."""
        return self._node is None or type(self._node) is Leaf

    @property
    def grad_fn(self) -> Any:
        """The node of the operation that made this tensor, None for a leaf."""
        return None if self.is_leaf else self._node

    def backward(
        self, gradient: Any = None, retain_graph: bool | None = None, create_graph: bool = False
    ) -> None:
        """Accumulate the gradient of this tensor in the `.grad` of every leaf it depends on.

        `gradient` is the cotangent (same shape), 1 by default for a tensor of one element.
        `retain_graph` keeps the graph for another pass; `create_graph` records the pass itself, so
        that gradients can be differentiated.

        Raises GraphError where nothing was recorded, for a graph used up by an earlier pass,
        and for a tensor of several elements without `gradient`.

        >>> x = cr.tensor(3.0, requires_grad=True)
        >>> (x**2).backward()
        >>> x.grad
        tensor(6.)
        """
        backward(self, gradient, retain_graph, create_graph)

    def detach(self) -> Self:
        """The same value, in the same memory, without its history."""
        out = type(self)()
        out._value = self._shared()
        out._node = None
        return out

    def clone(self) -> Self:
        """A copy in memory of its own, with its history."""
        return movement.copy(self)

    copy = clone

    def register_hook(self, hook: Callable[[Self], Self | None]) -> Handle:
        """Call `hook(gradient)` when the gradient of this tensor is known; what it returns,
        if anything, replaces the gradient. Returns a handle with `remove()`.

        >>> x = cr.tensor(1.0, requires_grad=True)
        >>> handle = x.register_hook(lambda g: g * 10)
        >>> (2 * x).backward()
        >>> x.grad
        tensor(20.)
        """
        if self._node is None:
            raise GraphError(
                "register_hook: this tensor does not require grad, so it will have none"
                + at(user_line())
            )
        separate(self._node)
        return add_hook(self._node, hook, type(self))

    def retain_grad(self) -> None:
        """Keep the gradient of this intermediate result in its `.grad`."""
        node = self._node
        if node is None:
            raise GraphError("retain_grad: this tensor does not require grad" + at(user_line()))
        if type(node) is not Leaf:
            separate(node)
            retain(node, type(self))

    # --- value --------------------------------------------------------------------------------

    @property
    def shape(self) -> Shape:
        """Sizes, as a tuple."""
        return self._value.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """NumPy dtype of the elements."""
        return self._value.dtype

    @property
    def ndim(self) -> int:
        """Number of dimensions."""
        return self._value.ndim

    @property
    def size(self) -> int:
        """Number of elements."""
        return self._value.size

    @property
    def itemsize(self) -> int:
        """Bytes of one element."""
        return self._value.dtype.itemsize

    @property
    def nbytes(self) -> int:
        """Bytes of all elements."""
        return self._value.nbytes

    @property
    def device(self) -> str:
        """Always "cpu"."""
        return "cpu"

    def to_device(self, device: Any, /, *, stream: Any = None) -> Self:
        """The tensor itself, as it is on the only device, "cpu". Raises ValueError for another."""
        if str(device) != "cpu" or stream is not None:
            raise ValueError(
                f"to_device({str(device)!r}, stream={stream}): tensors live on the cpu, which has "
                "no streams" + at(user_line())
            )
        return self

    def _shared(self) -> Any:
        """The value as an array that can share its memory: a scalar becomes a 0-d array."""
        if type(self._value) is not np.ndarray:
            self._value = np.array(self._value)
        return self._value

    def numpy(self, *, force: bool = False) -> np.ndarray[Any, Any]:
        """The value as a NumPy array in the same memory; `force=True` even if grad is required."""
        if self._node is not None and not force:
            raise GraphError(
                "numpy(): this tensor requires grad, and a NumPy array would lose that silently; "
                "use `.detach().numpy()` or `.numpy(force=True)`" + at(user_line())
            )
        return self._shared()

    def item(self, *index: Any) -> Any:
        """The one element as a Python number, or the one at an index or a position as if flat."""
        if index:
            return self._value.item(*index)
        if self._value.size != 1:
            raise ShapeError(
                f"item(): a tensor of shape {list(self.shape)} is not one number; index it, or "
                "reduce it (`.sum()`), first" + at(user_line())
            )
        return self._known().item()

    def tolist(self) -> Any:
        """The elements as nested lists of Python numbers."""
        return self._known().tolist()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray[Any, Any]:
        self._refuse_assignment(sys._getframe(1))
        if type(self._value) is Abstract:
            raise self._known().unknown("a NumPy array")
        if self._node is not None:
            raise GraphError(
                "a tensor that requires grad was turned into a NumPy array, which would lose its "
                "derivative silently; use `.detach()` if that is meant, `np.stack([...])` for "
                "`np.array([...])`, or the function of the same name in chainrule if a NumPy "
                "function did this" + at(user_line())
            )
        return np.array(self._value, dtype=dtype, copy=copy)

    def __array_namespace__(self, /, *, api_version: str | None = None) -> Any:
        import chainrule

        if api_version not in (None, *_API_VERSIONS):
            raise ValueError(
                f"the array API of version {api_version!r} is not there, only those of "
                f"{', '.join(_API_VERSIONS)}" + at(user_line())
            )
        return chainrule

    __array_ufunc__ = dispatch.array_ufunc
    __array_function__ = dispatch.array_function

    def _known(self) -> Any:
        """The value, from which numbers will be asked: not of a trace that has ended."""
        if type(self._value) is Abstract and self._node is not None:
            check_open([self._node])
        return self._value

    def _number(self, kind: str) -> Any:
        if self._value.size != 1:
            hint = (
                "use `.any()` or `.all()`, or `cr.where` for a choice by element"
                if kind == "bool"
                else "index it, or reduce it (`.sum()`), first"
            )
            raise ShapeError(
                f"{kind}() of a tensor of shape {list(self.shape)}: only one element has a value "
                f"as a number; {hint}" + at(user_line())
            )
        value = self._known()
        return value.item() if value.ndim else value

    def _refuse_assignment(self, caller: FrameType) -> None:
        """Raise where `array[i] = tensor` is what asks for the numbers: the derivative ends there.

        NumPy asks for them as `float(t)` does. What tells them apart is the caller's instruction.
        """
        if self._node is not None and caller.f_code.co_code[caller.f_lasti] in _ASSIGNMENTS:
            raise GraphError(
                "a tensor that requires grad was assigned into a NumPy array, which would lose its "
                "derivative silently; make the array a tensor before (`y = cr.asarray(y)`), or use "
                "`.detach()` if that is meant. Arrays that NumPy makes (np.zeros, np.empty_like, "
                "np.array ...) inside a function given to a transform are tensors already"
                + at(user_line())
            )

    def _refuse_number(self, kind: str) -> None:
        """Raise where a function given to a transform asks for the number of what it differentiates
        by: `math.sin(x)` would end the derivative there, silently.
        """
        if self._node is not None and transforming and get_ident() in transforming:
            raise GraphError(
                f"{kind}() of a tensor that is being differentiated (as functions of Python's math "
                "module and other libraries call it) would lose its derivative silently; use the "
                "function of NumPy or chainrule of that name, or `.item()` if the number is meant "
                "as a constant" + at(user_line())
            )

    def __float__(self) -> float:
        self._refuse_assignment(sys._getframe(1))
        self._refuse_number("float")
        return float(self._number("float"))

    def __int__(self) -> int:
        self._refuse_assignment(sys._getframe(1))
        return int(self._number("int"))

    def __complex__(self) -> complex:
        self._refuse_assignment(sys._getframe(1))
        self._refuse_number("complex")
        return complex(self._number("complex"))

    def __bool__(self) -> bool:
        return bool(self._number("bool"))

    def __index__(self) -> int:
        if self._value.dtype.kind not in "iu" or self._value.ndim:
            raise DtypeError(
                f"only an integer tensor of no dimensions can be an index, not "
                f"{self.dtype}{list(self.shape)}" + at(user_line())
            )
        return int(self._value)

    def __len__(self) -> int:
        if not self._value.ndim:
            raise ShapeError("len() of a tensor of no dimensions" + at(user_line()))
        return len(self._value)

    def __iter__(self) -> Iterator[Self]:
        if not self._value.ndim:
            raise ShapeError("iteration over a tensor of no dimensions" + at(user_line()))
        return (self[i] for i in range(len(self._value)))

    def __contains__(self, element: Any) -> bool:
        return bool((self == element).any())

    def __repr__(self) -> str:
        return tensor_text(self)

    def __format__(self, spec: str) -> str:
        if type(self._value) is Abstract:
            return repr(self)
        return format(self.item(), spec) if spec or not self.ndim else repr(self)

    def __reduce__(self) -> tuple[Any, ...]:
        if type(self._value) is Abstract or not self.is_leaf:
            raise GraphError(
                "pickle of a computed tensor would cut it from its history; pickle its "
                "`.detach()`" + at(user_line())
            )
        return _restore, (type(self), self._value, type(self._node) is Leaf, self.grad)

    def __copy__(self) -> Self:
        """As `copy`, but for a leaf, whose copy is a leaf without a gradient."""
        if self._node is not None and self.is_leaf:
            return _restore(type(self), self._value.copy(), True)  # type: ignore[return-value]
        return movement.copy(self)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        if not self.is_leaf:
            raise GraphError(
                "deepcopy of a computed tensor would cut it from its history; use `.clone()`, or "
                "`.detach()` first" + at(user_line())
            )
        grad = copying.deepcopy(self.grad, memo)
        value = copying.deepcopy(self._value)
        out: Any = _restore(type(self), value, type(self._node) is Leaf, grad)
        memo[id(self)] = out
        return out

    # --- shape --------------------------------------------------------------------------------

    def reshape(self, *shape: Any, order: str = "C", copy: bool | None = None) -> Self:
        """The same elements in another shape; -1 stands for what is left."""
        if order == "C" and copy is None:
            return movement.reshape(self, _sizes(shape))
        return movement.reshape(self, _sizes(shape), order, copy)

    def transpose(self, *axes: Any) -> Self:
        """Axes in another order; reversed by default."""
        return movement.permute_dims(self, _sizes(axes) or None)

    @property
    def T(self) -> Self:  # noqa: N802 - NumPy's name
        """Axes reversed."""
        return movement.permute_dims(self, None)

    @property
    def mT(self) -> Self:  # noqa: N802 - the standard's name
        """The last two axes exchanged."""
        return movement.matrix_transpose(self)

    def swapaxes(self, axis1: int, axis2: int) -> Self:
        """Two axes exchanged."""
        return movement.swapaxes(self, axis1, axis2)

    def ravel(self, order: str = "C") -> Self:
        """All elements along one axis, rows first ("C") or columns first ("F")."""
        return movement.reshape(self, (-1,)) if order == "C" else movement.ravel(self, order)

    flatten = ravel

    def squeeze(self, axis: Axis = None) -> Self:
        """Axes of size one removed."""
        return movement.squeeze(self, axis)

    def repeat(self, repeats: Any, axis: int | None = None) -> Self:
        """Elements repeated, as `numpy.repeat`."""
        return joining.repeat(self, repeats, axis)

    def astype(self, dtype: Any, copy: bool = True) -> Self:
        """The elements in another dtype; a gradient comes back in this one."""
        return movement.astype(self, dtype)

    def diagonal(self, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Self:
        """Diagonals, as `numpy.diagonal`."""
        return movement.diagonal(self, offset, axis1, axis2)

    def trace(self, offset: int = 0, axis1: int = 0, axis2: int = 1, dtype: Any = None) -> Self:
        """Sum of the diagonal."""
        return movement.trace(self, offset, axis1, axis2, dtype)

    def take(self, indices: Any, axis: int | None = None, mode: str = "raise") -> Self:
        """Elements by position, as `numpy.take`."""
        return indexing.take(self, indices, axis=axis, mode=mode)

    def sort(self, axis: int = -1) -> Self:
        """The elements in ascending order (a new tensor)."""
        return selection.sort(self, axis=axis)

    def argsort(self, axis: int = -1) -> Self:
        """Positions that would sort the elements."""
        return selection.argsort(self, axis=axis)

    # --- reductions and products ----------------------------------------------------------------

    # `numpy` in what follows: further arguments that NumPy's function takes (out, where, initial)

    def sum(
        self, axis: Axis = None, keepdims: bool = False, dtype: Any = None, **numpy: Any
    ) -> Self:
        """Sum over `axis` (all by default)."""
        if numpy:
            return np.sum(self, axis=axis, keepdims=keepdims, dtype=dtype, **numpy)
        if axis is None and dtype is None and not keepdims:
            return reduction.sum_of_all(self)
        return reduction.sum(self, axis=axis, keepdims=keepdims, dtype=dtype)

    def prod(self, axis: Axis = None, keepdims: bool = False, **numpy: Any) -> Self:
        """Product over `axis` (all by default)."""
        if numpy:
            return np.prod(self, axis=axis, keepdims=keepdims, **numpy)
        return reduction.prod(self, axis=axis, keepdims=keepdims)

    def mean(self, axis: Axis = None, keepdims: bool = False, **numpy: Any) -> Self:
        """Arithmetic mean over `axis` (all by default)."""
        if numpy:
            return np.mean(self, axis=axis, keepdims=keepdims, **numpy)
        return reduction.mean(self, axis=axis, keepdims=keepdims)

    def var(self, axis: Axis = None, ddof: float = 0, keepdims: bool = False, **numpy: Any) -> Self:
        """Variance over `axis`; the divisor is n - ddof."""
        if numpy:
            return np.var(self, axis=axis, ddof=ddof, keepdims=keepdims, **numpy)
        return reduction.var(self, axis=axis, correction=ddof, keepdims=keepdims)

    def std(self, axis: Axis = None, ddof: float = 0, keepdims: bool = False, **numpy: Any) -> Self:
        """Standard deviation over `axis`; the divisor is n - ddof."""
        if numpy:
            return np.std(self, axis=axis, ddof=ddof, keepdims=keepdims, **numpy)
        return reduction.std(self, axis=axis, correction=ddof, keepdims=keepdims)

    def max(self, axis: Axis = None, keepdims: bool = False, **numpy: Any) -> Self:
        """Largest element over `axis`; a gradient is shared equally among ties."""
        if numpy:
            return np.max(self, axis=axis, keepdims=keepdims, **numpy)
        return reduction.max(self, axis=axis, keepdims=keepdims)

    def min(self, axis: Axis = None, keepdims: bool = False, **numpy: Any) -> Self:
        """Smallest element over `axis`; a gradient is shared equally among ties."""
        if numpy:
            return np.min(self, axis=axis, keepdims=keepdims, **numpy)
        return reduction.min(self, axis=axis, keepdims=keepdims)

    def argmax(self, axis: int | None = None, keepdims: bool = False) -> Self:
        """Position of the largest element."""
        return reduction.argmax(self, axis=axis, keepdims=keepdims)

    def argmin(self, axis: int | None = None, keepdims: bool = False) -> Self:
        """Position of the smallest element."""
        return reduction.argmin(self, axis=axis, keepdims=keepdims)

    def all(self, axis: Axis = None, keepdims: bool = False, **numpy: Any) -> Self:
        """Whether all elements are true."""
        if numpy:
            return np.all(self, axis=axis, keepdims=keepdims, **numpy)
        return reduction.all(self, axis=axis, keepdims=keepdims)

    def any(self, axis: Axis = None, keepdims: bool = False, **numpy: Any) -> Self:
        """Whether some element is true."""
        if numpy:
            return np.any(self, axis=axis, keepdims=keepdims, **numpy)
        return reduction.any(self, axis=axis, keepdims=keepdims)

    def cumsum(self, axis: int | None = None, dtype: Any = None) -> Self:
        """Running sum."""
        return reduction.cumulative_sum(self, axis=axis, dtype=dtype)

    def cumprod(self, axis: int | None = None, dtype: Any = None) -> Self:
        """Running product."""
        return reduction.cumulative_prod(self, axis=axis, dtype=dtype)

    def dot(self, other: Any) -> Self:
        """Product as `numpy.dot`."""
        return contraction.dot(self, other)

    def norm(self, ord: Any = None, axis: Axis = None, keepdims: bool = False) -> Self:
        """Norm as `numpy.linalg.norm`."""
        return linalg.norm(self, ord=ord, axis=axis, keepdims=keepdims)

    # --- elementwise --------------------------------------------------------------------------

    def clip(self, min: Any = None, max: Any = None) -> Self:
        """Elements limited to [min, max]."""
        return elementwise.clip(self, min, max)

    def conj(self) -> Self:
        """Complex conjugate."""
        return elementwise.conj(self)

    def round(self, decimals: int = 0) -> Self:
        """Elements rounded to `decimals` places."""
        return self.__round__(decimals)

    @property
    def real(self) -> Self:
        """Real part."""
        return elementwise.real(self)

    @property
    def imag(self) -> Self:
        """Imaginary part."""
        return elementwise.imag(self)


STANDARD.append(Tensor)


def _sizes(given: tuple[Any, ...]) -> Any:
    """Sizes given one by one or as one sequence."""
    return tuple(given[0]) if len(given) == 1 and isinstance(given[0], (tuple, list)) else given


def leaf(value: Any) -> Leaf:
    """A leaf for a value, or an error where it has no derivative."""
    if value.dtype.kind not in "fc":
        raise DtypeError(
            f"only floating-point and complex tensors can require grad, not {value.dtype}; "
            "write 1.0 for 1, or give dtype=" + at(user_line())
        )
    return Leaf(Spec(value))


def _restore(cls: type[Tensor], value: Any, requires_grad: bool, grad: Any = None) -> Tensor:
    out = cls()
    out._value = value
    out._node = leaf(value) if requires_grad else None
    if requires_grad:
        out.grad = grad
    return out


def tensor(
    data: Any, dtype: Any = None, requires_grad: bool = False, *, cls: type[Tensor] = Tensor
) -> Any:
    """A tensor with a copy of `data`: a number, nested lists, a NumPy array, or a Tensor.

    Floating-point dtypes are kept; Python floats become the default dtype (float64, see
    `set_default_dtype`), Python ints int64.

    Raises ShapeError for ragged lists, DtypeError for what is no number and for integers with
    `requires_grad`.

    >>> cr.tensor([[1.0, 2.0], [3.0, 4.0]])
    tensor([[1., 2.],
            [3., 4.]])
    """
    kind = type(data)
    if kind is float:
        value = (np.dtype(dtype) if dtype is not None else cls._default_dtype).type(data)
    else:
        value = _copied(data, dtype, cls)
    out = cls()
    out._value = value
    out._node = leaf(value) if requires_grad else None
    return out


def _copied(data: Any, dtype: Any, cls: type[Tensor]) -> Any:
    if isinstance(data, Variable):
        data = data._value
    given = getattr(data, "dtype", None)
    if given is None and isinstance(data, (list, tuple)):
        data = _without_tensors(data)
    value = np.array(as_value(data, "tensor"), copy=True)
    if dtype is not None:
        value = value.astype(dtype)
    elif given is None and value.dtype.kind == "f":
        value = value.astype(cls._default_dtype)
    elif given is None and value.dtype.kind == "c":
        value = value.astype(np.result_type(cls._default_dtype, np.complex64))
    return value[()] if not value.ndim else value


def _without_tensors(data: Any) -> Any:
    """Nested lists with the Tensors in them replaced by their values."""
    if isinstance(data, (list, tuple)):
        return [_without_tensors(v) for v in data]
    return data._value.tolist() if isinstance(data, Variable) else data
