"""In-place changes: `x += y`, `x[i] = v`, `x.zero_()`.

Where nothing is recorded the array itself is changed. Where something is, the variable goes on
as the result of a recorded operation, its array still changed for whoever shares it, and writing
through a view goes on to the tensor it shows. A leaf that requires grad may only be changed under
`no_grad`. Values that earlier operations kept are protected by `graph.writes`.
"""

from __future__ import annotations

from _thread import get_ident
from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.errors import DtypeError, GraphError, ShapeError, at, user_line
from chainrule.graph.node import Leaf, Variable, paused
from chainrule.graph.writes import note_write
from chainrule.ops.indexing import getitem, index_of, set_item
from chainrule.ops.table import as_value, describe, record

Update = Callable[[Any, Any], Any]


def update(x: Any, function: Update, other: Any, name: str) -> Any:
    """`x op= other`: x becomes function(x, other), in its own memory."""
    value = x._value
    recording = not (paused and get_ident() in paused)
    if recording and (x._node is not None or _tracked(other)):
        _refuse_leaf(x, name)
        before = type(x)()
        before._value = value.copy() if type(value) is np.ndarray else value
        before._node = x._node
        result = function(before, other)
        _check_same(value, result._value, name)
        _rebind(x, result, name)
        return x
    new = function(value, other._value if isinstance(other, Variable) else other)
    _check_same(value, new, name)
    store(x, new, name)
    return x


def store(x: Any, new: Any, name: str) -> None:
    """Write `new` into x's memory (a scalar is rebound), filing the write."""
    value = x._value
    if type(value) is np.ndarray:
        if not value.flags.writeable:
            raise GraphError(
                f"{name}: this tensor shows memory that cannot be written (a broadcast view or a "
                "read-only array); `.clone()` it first" + at(user_line())
            )
        value[...] = new
        note_write(value, name)
    else:
        x._value = new if type(new) is type(value) else value.dtype.type(new)


def assign(x: Any, index: Any, new: Any) -> None:
    """`x[index] = new`."""
    index = index_of(index)
    if isinstance(new, Variable) and getattr(new, "_base", (None,))[0] is x and new._base[1] is index:
        return  # the tail of `x[i] += v`: the view has written through already
    value = x._value
    recording = not (paused and get_ident() in paused)
    tracked = recording and (x._node is not None or _tracked(new))
    if tracked:
        _refuse_leaf(x, "__setitem__")
    filling = new._value if isinstance(new, Variable) else as_value(new, "__setitem__")
    if type(value) is not np.ndarray:
        value = x._value = np.array(value)
    if not value.flags.writeable:
        raise GraphError(
            "__setitem__: this tensor shows memory that cannot be written (a broadcast view or a "
            "read-only array); `.clone()` it first" + at(user_line())
        )
    if np.iscomplexobj(filling) and value.dtype.kind != "c":
        raise DtypeError(
            f"__setitem__: cannot store {describe(filling)} in a tensor of dtype {value.dtype}"
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
    note_write(value, "__setitem__")
    if tracked:
        nodes = (x._node, new._node if isinstance(new, Variable) else None)
        row = set_item.operation  # type: ignore[attr-defined]
        out = record(row, type(x), value, (value, filling), nodes, {"index": index})
        x._node = out._node
        _write_through(x)


def _rebind(x: Any, result: Any, name: str) -> None:
    store(x, result._value, name)
    x._node = result._node
    _write_through(x)


def _write_through(x: Any) -> None:
    """Let the tensor that a view shows know of the view's new node (its memory has changed already)."""
    base = getattr(x, "_base", None)
    if base is None:
        return
    shown, index = base
    if index is None:
        raise GraphError(
            "an in-place change of a view that requires grad (made by reshape, a transpose or the "
            "like) is not recorded; change the tensor it was made from, or `.clone()` the view"
            + at(user_line())
        )
    _refuse_leaf(shown, "in-place change of a view")
    row = set_item.operation  # type: ignore[attr-defined]
    out = record(
        row, type(shown), shown._value, (shown._value, x._value), (shown._node, x._node), {"index": index}
    )
    shown._node = out._node
    _write_through(shown)
    again = getitem(shown, index)
    x._node = again._node


def _refuse_leaf(x: Any, name: str) -> None:
    if type(x._node) is Leaf:
        raise GraphError(
            f"{name}: a leaf tensor that requires grad ({describe(x._value)}) was changed in place "
            "while recording; do it inside `with no_grad():`, or write `x = x + ...` to make a new "
            "tensor" + at(user_line())
        )


def _tracked(x: Any) -> bool:
    return isinstance(x, Variable) and x._node is not None


def _check_same(value: Any, new: Any, name: str) -> None:
    shape = np.shape(new)
    if shape != value.shape:
        raise ShapeError(
            f"{name}: the result has shape {list(shape)}, the tensor changed in place has "
            f"{list(value.shape)}; write `x = x op y` to make a new tensor" + at(user_line())
        )
    dtype = getattr(new, "dtype", None)
    if dtype is not None and not np.can_cast(dtype, value.dtype, "same_kind"):
        raise DtypeError(
            f"{name}: the result has dtype {dtype}, which the tensor's dtype {value.dtype} cannot "
            "hold; write `x = x op y`, or cast first" + at(user_line())
        )
