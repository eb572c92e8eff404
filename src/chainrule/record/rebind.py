"""In-place changes of traced values, which have no memory: the Tensor becomes another value.

Views follow: what a basic index of x shows is part of x, so changing it changes x (and whatever x
is a part of), and a view made before x was changed is made again when it is next used. Where that
is not possible (a reshape or a transpose) its next use is an error (`ops.recording.renew`).
"""

from __future__ import annotations

import gc
import sys
from _thread import get_ident
from typing import Any, Final

import numpy as np

from chainrule.errors import DtypeError, GraphError, ShapeError, at, user_line
from chainrule.graph.node import Abstract, Leaf, Node, Parameter, Variable
from chainrule.graph.writes import owner
from chainrule.ops.complaints import as_value, describe
from chainrule.ops.indexing import set_item
from chainrule.ops.recording import is_traced, renew


def replace(x: Any, function: Any, args: Any, kwargs: dict[str, Any], name: str) -> Any:
    """x becomes function(x, *args)."""
    _refuse(x, name)
    before = _handle(x)
    result = function(before, *args, **kwargs)
    del before  # it would count as another tensor in the memory of x
    check_same(x._value, result._value, name)
    adopt(x, _cast(result, x._value.dtype), asked=True)
    return x


def assign(x: Any, index: Any, new: Any) -> None:
    """`x[index] = new`."""
    base = getattr(new, "_base", None) if isinstance(new, Variable) else None
    if base is not None and base[0] is x and base[1] is index and _current(new):
        return  # the tail of `x[i] += v`: the view has written through already
    _refuse(x, "__setitem__")
    value = new if isinstance(new, Variable) else as_value(new, "__setitem__")
    dtype = getattr(value, "dtype", None)
    if dtype is not None and not np.can_cast(dtype, x._value.dtype, "same_kind"):
        raise DtypeError(
            f"__setitem__: cannot store {describe(getattr(value, '_value', value))} in a tensor of "
            f"dtype {x._value.dtype}" + at(user_line())
        )
    adopt(x, set_item(_handle(x), value, index), asked=True)


def adopt(x: Variable, result: Any, asked: bool = False) -> None:
    """x takes over a value and its node, and so does whatever x shows a part of.

    `asked` says that the program changes it in place.
    """
    if not isinstance(result, Variable):  # neither x nor the rest was a Tensor's value any more
        raise GraphError("an in-place change of a traced value lost its trace" + at(user_line()))
    base = getattr(x, "_base", None)
    become(x, result, asked)
    if base is None or not x._value.shape:
        return
    shown, index = base
    adopt(shown, set_item(_handle(shown), x, index), asked)
    if is_traced(x):
        x._value.shows = (shown, shown._node)


_ANOTHER: Final = Node()
"""In place of what a view has seen: no tensor's node, so that it is made again, or refused."""

Change = tuple[Any, Any, Any, bool]
"""A Tensor that became another value, its value and node before, and whether the program asked."""

journal: Final[dict[int, list[Change]]] = {}
"""By thread, where a branch or a loop is traced: what is to be set back."""


def revert(entries: list[Change]) -> None:
    """Set Tensors back, the last first."""
    while entries:
        x, value, node, _ = entries.pop()
        x._value, x._node = value, node


def _note(x: Any, asked: bool = False) -> None:
    entries = journal.get(get_ident())
    if entries is not None:
        entries.append((x, x._value, x._node, asked))


def become(x: Any, new: Variable, asked: bool = False) -> None:
    """x takes over a value and its node; other tensors in its memory, if it had any, follow."""
    memory = x._value
    if type(memory) is Abstract and memory.shows is not None and type(memory.shows[0]) is tuple:
        for one in memory.shows[0]:  # one of them changes with it, and which is not known
            forget(one)
    _note(x, asked)
    x._value, x._node = new._value, new._node
    if type(memory) is not np.ndarray or type(new._value) is not Abstract:
        return
    memory = owner(memory)
    base = getattr(x, "_base", None)
    if base is not None and type(base[0]._value) is np.ndarray:
        return  # what x shows becomes traced next
    if sys.getrefcount(memory) <= 2:  # no other has it, which is the usual case
        return
    for y in gc.get_objects():
        # by type alone: a proxy asked for its class may run code of its own, or raise
        if issubclass(type(y), Variable) and y is not x and _lies_in(y, memory):
            forget(y, getattr(y, "_base", (x,))[0])


def _lies_in(y: Any, memory: Any) -> bool:
    value = getattr(y, "_value", None)
    return type(value) is np.ndarray and owner(value) is memory


def forget(y: Any, shown: Any = None) -> None:
    """Take the value of y away, so that it is made again from what it shows, or is an error."""
    if shown is None:
        shown = type(y)()
        shown._value, shown._node = None, None
    _note(y)
    y._value = Abstract(y._value.shape, y._value.dtype)
    y._value.shows = (shown, _ANOTHER)
    y._node = None


def may_be(x: Any, others: list[Any]) -> None:
    """Note that x may be the same array as one of some others, depending on a traced value."""
    if others and type(x._value) is Abstract:
        value = Abstract(x._value.shape, x._value.dtype)
        for y in list(others):  # and those may be others in turn
            shows = y._value.shows if type(y._value) is Abstract else None
            if shows is not None and type(shows[0]) is tuple:
                others += [z for z in shows[0] if z is not x]
        seen = [y._value.copy() if type(y._value) is np.ndarray else y._node for y in others]
        value.shows = (tuple(others), tuple(seen))
        x._value = value


def _handle(x: Any) -> Variable:
    """The value of x as it is now, in a handle of its own."""
    renew(x)
    out: Variable = type(x)()
    out._value, out._node = x._value, x._node
    return out


def _current(view: Any) -> bool:
    """Whether a view shows what its tensor is now."""
    shows = view._value.shows if is_traced(view) else None
    return shows is not None and shows[0]._node is shows[1]


def _refuse(x: Any, name: str) -> None:
    """Raise where a change would reach a tensor that cannot be told of it."""
    base = getattr(x, "_base", None)
    if base is not None and x._value.shape:
        _refuse(base[0], name)
        return
    if is_traced(x) and x._value.shows is not None and type(x._value.shows[0]) is not tuple:
        raise GraphError(
            f"{name}: an in-place change of a view (made by reshape, a transpose or the like) is "
            "not recorded while a function is traced; change the tensor it was made from, or "
            "`.copy()` the view" + at(user_line())
        )
    if type(x._node) is Leaf and not isinstance(x._node, Parameter):
        raise GraphError(
            f"{name}: a leaf tensor that requires grad ({describe(x._value)}) was changed in place "
            "while recording; write `x = x + ...` to make a new tensor" + at(user_line())
        )


def check_same(value: Any, new: Any, name: str) -> None:
    """Raise where a result cannot take the place of a value: another shape, or a wider dtype."""
    shape = np.shape(new) if not hasattr(new, "shape") else new.shape
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


def _cast(result: Any, dtype: Any) -> Any:
    return result if result.dtype == dtype else result.astype(dtype)
