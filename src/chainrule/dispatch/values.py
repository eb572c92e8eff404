"""Tensors among the arguments of a NumPy function: finding them, and running without them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.errors import MissingDerivative, at, user_line
from chainrule.graph.node import Variable
from chainrule.graph.writes import note_write
from chainrule.ops import movement
from chainrule.ops.recording import is_recording, is_traced, numbers, raw


def variables(x: Any) -> list[Variable]:
    """The Tensors in arguments, in lists, tuples and dicts as well."""
    if isinstance(x, Variable):
        return [x]
    if isinstance(x, (list, tuple)):
        return [v for e in x for v in variables(e)]
    if isinstance(x, dict):
        return [v for e in x.values() for v in variables(e)]
    return []


def tracked(x: Any) -> bool:
    """Whether something computed from these arguments would be recorded."""
    found = variables(x)
    return is_recording([v._node for v in found]) or any(map(is_traced, found))


def plain(x: Any) -> Any:
    """Arguments with arrays in place of Tensors."""
    if isinstance(x, (list, tuple)) and not hasattr(x, "_fields"):
        return type(x)(plain(e) for e in x)
    if isinstance(x, dict):
        return {k: plain(v) for k, v in x.items()}
    return numbers(x)


def stand_ins(x: Any) -> Any:
    """As `plain`, with zeros of their shape in place of traced Tensors."""
    if is_traced(x):
        return np.broadcast_to(np.zeros((), x.dtype), x.shape)
    if isinstance(x, (list, tuple)):
        return type(x)(stand_ins(e) for e in x)
    return raw(x)


def wrap(cls: type[Variable], x: Any) -> Any:
    """What NumPy returned with Tensors in place of arrays of numbers."""
    if isinstance(x, (np.ndarray, np.generic)) and x.dtype.kind in "biufc":
        out = cls()
        out._value = x if isinstance(x, np.ndarray) and x.ndim else x[()]  # type: ignore[index]
        out._node = None
        return out
    if isinstance(x, (tuple, list)):
        parts = [wrap(cls, e) for e in x]
        return type(x)(*parts) if hasattr(x, "_fields") else type(x)(parts)
    return x


def run(call: Callable[..., Any], args: Any, kwargs: dict[str, Any], name: str) -> Any:
    """NumPy's function on the plain arrays, its result wrapped; a write into `out=` is filed."""
    cls = type(variables((args, kwargs))[0])
    result = wrap(cls, call(*plain(args), **plain(kwargs)))
    out = kwargs.get("out")
    for array in out if isinstance(out, tuple) else (out,):
        note_write(array, name)
    return result if out is None or out == (None,) else out[0] if isinstance(out, tuple) else out


def lost(name: str, why: str, instead: str) -> MissingDerivative:
    """The error of a call whose derivative would be lost."""
    return MissingDerivative(
        f"{name}: {why}, so its derivative would be lost; {instead}, or `.detach()` the argument "
        "if no derivative is meant" + at(user_line())
    )


def cast(x: Any, dtype: Any, name: str) -> Any:
    """x in another dtype, or an error where a derivative would be lost."""
    dtype = np.dtype(dtype)
    if not isinstance(x, Variable):
        return np.asarray(x).astype(dtype)
    if x._value.dtype == dtype:
        return x
    if dtype.kind not in "fc" and x._value.dtype.kind in "fc" and tracked(x):
        raise lost(name, f"dtype={dtype} holds no derivatives", "leave dtype= out")
    return movement.astype(x, dtype)
