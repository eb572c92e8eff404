"""Functions as methods: `x.exp()`, `x.sum(0)`, `x.clamp_(0, 1)`.

A function of the namespace whose first argument is a tensor is the method of that name, without a
layer between. In-place forms, whose names end in an underscore, are made of the same functions.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from chainrule.errors import GraphError, at, user_line
from chainrule.graph.node import Leaf
from chainrule.ops import elementwise as rows
from chainrule.record.inplace import replace, update
from chainrule.record.mode import is_grad_enabled
from chainrule.torch import _elementwise, _indexing, _ordering, _products, _reductions, _shapes
from chainrule.torch._tensor import Tensor as Tensor

NOT_METHODS = frozenset({
    "atleast_1d", "atleast_2d", "atleast_3d", "broadcast_shapes", "broadcast_tensors", "bucketize",
    "cartesian_prod", "cat", "cdist", "chain_matmul", "column_stack", "complex", "concat",
    "concatenate", "dstack", "einsum", "hstack", "imag", "isin", "meshgrid", "polar", "polygamma",
    "real", "row_stack", "rsub", "searchsorted", "stack", "std_mean", "tensordot", "trapezoid",
    "trapz", "var_mean", "vstack", "where",
})  # fmt: skip
"""Functions of no one tensor in particular, and those that Tensor writes out."""

NOT_IN_PLACE = frozenset({
    "allclose", "angle", "conj", "equal", "fmax", "fmin", "isclose", "isfinite", "isinf", "isnan",
    "isneginf", "isposinf", "isreal", "logaddexp", "logaddexp2", "maximum", "minimum", "positive",
    "signbit",
})  # fmt: skip
"""Elementwise functions without an in-place form, as in PyTorch."""

OTHER_IN_PLACE = frozenset({
    "addmm", "addmv", "addr", "baddbmm", "index_add", "index_copy", "index_fill", "index_put",
    "masked_fill", "masked_scatter", "scatter", "scatter_add", "tril", "triu", "cumsum", "cumprod",
})  # fmt: skip
"""Functions that have in-place forms besides the elementwise ones."""

RESHAPED_IN_PLACE = ("squeeze", "swapaxes", "swapdims", "t", "transpose", "unsqueeze")
"""In-place forms that change the shape: the tensor goes on as another view of its memory."""

ARITHMETIC = {
    "add": (rows.add, operator.add),
    "sub": (rows.subtract, operator.sub),
    "subtract": (rows.subtract, operator.sub),
    "mul": (rows.multiply, operator.mul),
    "multiply": (rows.multiply, operator.mul),
    "div": (rows.divide, operator.truediv),
    "divide": (rows.divide, operator.truediv),
    "pow": (rows.power, operator.pow),
}
"""In-place forms that optimizers call, made of the operation itself."""


def _in_place(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """`x.name_(...)`: x becomes function(x, ...), in its own memory."""
    label = f"{name}_"

    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        return replace(self, function, args, kwargs, label)

    return _named(method, label, f"`{name}`, in place.")


def _arithmetic_in_place(name: str, row: Any, evaluate: Any) -> Callable[..., Any]:
    """`x.add_(other, alpha=...)` and its like, with no step more than `x += other` has."""
    label = f"{name}_"
    operation = row.operation
    general = _in_place(name, getattr(_elementwise, name))

    def method(self: Any, other: Any, **kwargs: Any) -> Any:
        if kwargs:
            return general(self, other, **kwargs)
        return update(self, operation, evaluate, other, label)

    return _named(method, label, f"`{name}`, in place.")


def _reshaped_in_place(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """`x.t_()` and its like."""
    label = f"{name}_"

    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        if type(self._node) is Leaf and is_grad_enabled():
            raise GraphError(
                f"{label}: a leaf tensor that requires grad was changed in place while recording; "
                f"write `x = x.{name}(...)`" + at(user_line())
            )
        out = function(self, *args, **kwargs)
        self._value, self._node = out._value, out._node
        return self

    return _named(method, label, f"`{name}`, in place.")


def _named(method: Any, name: str, doc: str) -> Callable[..., Any]:
    method.__name__, method.__qualname__, method.__doc__ = name, f"Tensor.{name}", doc
    method.__module__ = __name__
    return method


def _install() -> None:
    for family in (_elementwise, _reductions, _ordering, _shapes, _indexing, _products):
        for name in {*family.__all__, *getattr(family, "ONLY_METHODS", ())} - NOT_METHODS:
            function = getattr(family, name)
            setattr(Tensor, name, function)
            if name in ARITHMETIC:
                setattr(Tensor, f"{name}_", _arithmetic_in_place(name, *ARITHMETIC[name]))
            elif name in OTHER_IN_PLACE or (family is _elementwise and name not in NOT_IN_PLACE):
                setattr(Tensor, f"{name}_", _in_place(name, function))
            elif name in RESHAPED_IN_PLACE:
                setattr(Tensor, f"{name}_", _reshaped_in_place(name, function))


_install()
