"""`out=` and `where=` of a NumPy function: the result goes into an array or Tensor there is."""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.dispatch.values import tracked
from chainrule.errors import DtypeError, GraphError, ShapeError, at, user_line
from chainrule.graph.node import Variable
from chainrule.graph.writes import note_write
from chainrule.ops.complaints import describe
from chainrule.ops.elementwise import where as choose
from chainrule.ops.recording import raw
from chainrule.record.inplace import assign


def store(out: Any, result: Any, name: str, where: Any = True, casting: str = "same_kind") -> Any:
    """`out[where] = result`; recorded where `out` is a Tensor. Returns out.

    Raises ShapeError and DtypeError as NumPy would, and GraphError where `out` is an array and the
    derivative would be lost.
    """
    if not isinstance(out, (np.ndarray, Variable)):
        raise DtypeError(f"{name}: out= takes a Tensor or an array, not {out!r}" + at(user_line()))
    target, value = raw(out), raw(result)
    if not _fits((value.shape, np.shape(raw(where))), target.shape):
        raise ShapeError(
            f"{name}: the result {describe(value)} does not fit out= {describe(target)}"
            + at(user_line())
        )
    if not np.can_cast(value.dtype, target.dtype, casting):  # type: ignore[arg-type]
        raise DtypeError(
            f"{name}: the result {describe(value)} cannot be cast to out= {describe(target)} "
            f"with casting={casting!r}" + at(user_line())
        )
    if isinstance(out, Variable):
        assign(out, ..., result if where is True else choose(where, result, out))
    elif tracked((result, where)):
        raise GraphError(
            f"{name}: writing a result that requires grad into a NumPy array would lose its "
            "derivative; use the value that is returned (`x = x + t` in place of `x += t`), or "
            "give a Tensor as out=" + at(user_line())
        )
    else:
        np.copyto(out, value, casting=casting, where=raw(where))  # type: ignore[arg-type]
        note_write(out, name)
    return out


def _fits(shapes: tuple[tuple[int, ...], ...], target: tuple[int, ...]) -> bool:
    """Whether arrays of these shapes broadcast to that of `out`."""
    try:
        return np.broadcast_shapes(*shapes, target) == target
    except ValueError:
        return False
