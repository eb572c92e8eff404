"""In-place changes: `x += y`, `x[i] = v`, `x.zero_()`.

Where nothing is recorded the array itself is changed. Where something is, the variable goes on
as the result of a recorded operation, its array still changed for whoever shares it, and writing
through a view goes on to the tensor it shows. A leaf that requires grad may only be changed under
`no_grad`. Values that earlier operations kept are protected by `graph.writes`.
"""

from __future__ import annotations

from _thread import get_ident
from typing import Any, Final

import numpy as np

from chainrule.errors import DtypeError, GraphError, ShapeError, at, user_line
from chainrule.graph.node import Abstract, Leaf, Variable, paused, transforming
from chainrule.graph.writes import note_write
from chainrule.ops.complaints import CAUGHT, as_value, describe, explain
from chainrule.ops.indexing import getitem, index_of, set_item
from chainrule.ops.recording import STANDARD, is_traced, record
from chainrule.ops.traced_index import is_dynamic
from chainrule.record import rebind
from chainrule.record.rebind import check_same

ndarray: Final[Any] = np.ndarray

_ZERO: Final[dict[Any, Any]] = {
    t: t(0) for t in (np.float64, np.float32, np.complex128, np.complex64, np.int64, np.int32)
}


def update(x: Any, row: Any, evaluate: Any, other: Any, name: str) -> Any:
    """`x op= other`: x becomes row(x, other), in its own memory; `evaluate` is the operator."""
    if not isinstance(x, Variable):
        raise TypeError(name)
    if _is_number(x):
        return row.call(x, other)
    if is_traced(x) or is_traced(other):
        return rebind.replace(x, row.call, (other,), {}, name)
    _renew(x)
    value = x._value
    tracked = x._node is not None or (isinstance(other, Variable) and other._node is not None)
    if tracked and not (paused and get_ident() in paused):
        return replace(x, row.call, (other,), {}, name)
    given = other._value if isinstance(other, Variable) else other
    if (
        type(value) is ndarray
        and value.dtype.kind == "f"
        and (
            type(given) is float
            or (
                type(given) is ndarray and given.dtype is value.dtype and given.shape == value.shape
            )
        )
        and value.flags.writeable
    ):
        row.evaluate(value, given, out=value)  # no temporary: the usual step of an optimizer
        note_write(value, name)
        return x
    try:
        new = evaluate(value, given)
    except CAUGHT as error:
        raise explain(row, (value, given), {}, error) from None
    if type(new) is not type(value) or type(value) is ndarray:
        check_same(value, new, name)
        store(x, new, name)
    else:
        x._value = new
        _write_element(x)
    return x


def _is_number(x: Variable) -> bool:
    """Whether x stands for a number, of which `x += y` makes another: a Tensor of no dimensions in
    a function given to a transform. There it is what a Python or NumPy number became.
    """
    value = x._value
    if type(value) is ndarray or value.shape or type(x) is not STANDARD[0]:
        return False
    return type(value) is Abstract or (bool(transforming) and get_ident() in transforming)


def replace(
    x: Variable, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any], name: str
) -> Any:
    """x becomes function(x, *args), in its own memory."""
    if is_traced(x) or any(map(is_traced, args)):
        return rebind.replace(x, function, args, kwargs, name)
    _renew(x)
    value = x._value
    before: Variable = type(x)()
    before._value = value
    before._node = None
    if not (paused and get_ident() in paused):
        _refuse_leaf(x, name)
        before._node = x._node
        if x._node is not None and type(value) is ndarray:
            before._value = value.copy()  # the operation may keep it, and the memory is written
    result = function(before, *args, **kwargs)
    check_same(value, result._value, name)
    recorded = result._node is not None
    store(x, result._value, name, recorded)
    if recorded:
        x._node = result._node
        _write_through(x, name)
    return x


def store(x: Variable, new: Any, name: str, recorded: bool = False) -> None:
    """Write `new` into x's memory (a scalar is rebound), filing the write if it is not recorded."""
    value = x._value
    if type(value) is ndarray:
        if not value.flags.writeable:
            raise _read_only(name)
        if type(new) is int:
            value.fill(new)
        else:
            value[...] = new
        if not recorded:
            note_write(value, name)
    else:
        x._value = new if type(new) is type(value) else value.dtype.type(new)
        if not recorded:
            _write_element(x)


def zero(x: Variable) -> Any:
    """Set every element to zero."""
    if is_traced(x):
        rebind.assign(x, ..., 0)
        return x
    _renew(x)
    value = x._value
    if x._node is not None:
        assign(x, ..., 0)
    elif type(value) in _ZERO:
        x._value = _ZERO[type(value)]
        _write_element(x)
    else:
        store(x, 0, "zero_")
    return x


def _read_only(name: str) -> GraphError:
    return GraphError(
        f"{name}: this tensor shows memory that cannot be written (a broadcast view or a "
        "read-only array); `.clone()` it first" + at(user_line())
    )


def assign(x: Any, index: Any, new: Any) -> None:
    """`x[index] = new`."""
    index = index_of(index)
    if is_traced(x) or is_traced(new) or is_dynamic(index):
        rebind.assign(x, index, new)
        return
    if (
        isinstance(new, Variable)
        and getattr(new, "_base", (None,))[0] is x
        and new._base[1] is index
        and _is_written(x, new, index)
    ):
        return  # the tail of `x[i] += v`: the view has written through already
    _renew(x)
    value = x._value
    recording = not (paused and get_ident() in paused)
    tracked = recording and (x._node is not None or _tracked(new))
    if tracked:
        _refuse_leaf(x, "__setitem__")
    filling = new._value if isinstance(new, Variable) else as_value(new, "__setitem__")
    if type(value) is not np.ndarray:
        value = x._value = np.array(value)
    if not value.flags.writeable:
        raise _read_only("__setitem__")
    if np.iscomplexobj(filling) and value.dtype.kind != "c":
        raise DtypeError(
            f"__setitem__: cannot store {describe(filling)} in a tensor of dtype {value.dtype}"
            + at(user_line())
        )
    if tracked and value.dtype.kind not in "fc":
        raise DtypeError(
            f"__setitem__: a value that requires grad cannot be stored in a tensor of dtype "
            f"{value.dtype}, where its derivative would be lost; make it floating-point"
            + at(user_line())
        )
    try:
        value[index] = filling
    except (ValueError, IndexError) as error:
        kind = IndexError if isinstance(error, IndexError) else ShapeError
        raise kind(
            f"__setitem__: cannot store {describe(filling)} in {describe(value)}: {error}"
            + at(user_line())
        ) from None
    if not tracked:
        note_write(value, "__setitem__")
        _write_element(x)
    else:
        nodes = (x._node, new._node if isinstance(new, Variable) else None)
        row = set_item.operation  # type: ignore[attr-defined]
        out = record(row, type(x), value, (value, filling), nodes, {"index": index})
        x._node = out._node
        _write_through(x, "__setitem__")


def _renew(x: Any) -> None:
    """Give a view the history of what it shows, which may have been changed in place since."""
    if _is_element(x) or x._value.base is None or (paused and get_ident() in paused):
        return
    base = getattr(x, "_base", None)
    if base is None:
        return
    shown, index = base
    _renew(shown)
    node = x._node
    if (
        shown._node is not None
        and type(node) is not Leaf
        and (node is None or node.inputs[0] is not shown._node)
    ):
        x._node = getitem(shown, index)._node


def _is_written(x: Any, view: Any, index: Any) -> bool:
    """Whether x has at an index the value of a view picked there, and that view's history."""
    if _is_element(view) and x._value[index] != view._value:
        return False
    node = view._node
    if node is None:
        return x._node is None
    return bool(node.inputs) and node.inputs[0] is x._node


def _is_element(view: Any) -> bool:
    """Whether a view is one element of what it shows, which shares no memory with it."""
    return type(view._value) is not ndarray or not view._value.ndim


def _write_element(x: Variable) -> None:
    """Write an element that was picked from an array back into it: the scalar shares no memory."""
    if type(x._node) is Leaf:
        return  # what is a variable by itself was not picked
    base = getattr(x, "_base", None)
    if base is not None and _is_element(x):
        shown, index = base
        shown._value[index] = x._value
        note_write(shown._value, "in-place change of an element")


def _write_through(x: Any, name: str) -> None:
    """File a recorded write, and tell the tensors that a view shows of its new node.

    The write is numbered between the nodes that still mean the values before it and those that give
    the views their new history.
    """
    row = set_item.operation  # type: ignore[attr-defined]
    views: list[Any] = []
    base = getattr(x, "_base", None)
    while base is not None:
        shown, index = base
        if _is_element(x):
            shown._value[index] = x._value
        nodes = (shown._node, x._node)
        out = record(
            row, type(shown), shown._value, (shown._value, x._value), nodes, {"index": index}
        )
        shown._node = out._node
        views.append(x)
        x = shown
        base = getattr(x, "_base", None)
    note_write(x._value, name, True)
    while views:
        view = views.pop()
        shown, index = view._base
        view._node = getitem(shown, index)._node


def _refuse_leaf(x: Any, name: str) -> None:
    """Raise where a recorded change would reach a leaf, or a tensor that cannot be told of it."""
    base = getattr(x, "_base", None)
    if base is not None:
        _refuse_leaf(base[0], name)
        return
    if getattr(x._node, "shown", None) is not None:
        raise GraphError(
            f"{name}: an in-place change of a view that requires grad (made by reshape, a "
            "transpose or the like) is not recorded; change the tensor it was made from, or "
            "`.clone()` the view" + at(user_line())
        )
    if type(x._node) is Leaf:
        raise GraphError(
            f"{name}: a leaf tensor that requires grad ({describe(x._value)}) was changed in place "
            "while recording; do it inside `with no_grad():`, or write `x = x + ...` to make a new "
            "tensor" + at(user_line())
        )


def _tracked(x: Any) -> bool:
    return isinstance(x, Variable) and x._node is not None
