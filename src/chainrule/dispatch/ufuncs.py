"""`np.exp(t)`, `np.add.reduce(t)`, `np.add.at(t, i, v)`: NumPy's hook for ufuncs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.dispatch.masked import MISSING, reduced
from chainrule.dispatch.output import store
from chainrule.dispatch.values import cast, lost, plain, run, tracked
from chainrule.errors import DtypeError, GraphError, at, user_line
from chainrule.graph.node import Variable
from chainrule.ops.axes import along, axes_of, operand
from chainrule.ops.indexing import add_at, index_of, may_repeat, set_item
from chainrule.ops.joining import stack
from chainrule.ops.movement import expand_dims, moveaxis, reshape
from chainrule.ops.recording import raw
from chainrule.ops.table import NUMPY, TABLE
from chainrule.record.inplace import replace

REDUCED = {"add": "sum", "multiply": "prod", "maximum": "max", "minimum": "min",
           "logical_or": "any", "logical_and": "all"}  # fmt: skip
"""Ufunc whose `.reduce` is another operation."""

ACCUMULATED = {"add": "cumulative_sum", "multiply": "cumulative_prod", "maximum": "cummax",
               "minimum": "cummin", "logaddexp": "logcumsumexp"}  # fmt: skip
"""Ufunc whose `.accumulate` is another operation."""

Function = Callable[..., Any]

CALLS: dict[Any, Function] = {
    ufunc: row.call
    for ufunc, row in ((u, getattr(f, "operation", None)) for u, f in NUMPY.items())
    if isinstance(ufunc, np.ufunc) and row is not None and row.call and row.arity == ufunc.nin
}
"""What a ufunc's call comes down to without further arguments."""


def array_ufunc(self: Any, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
    """Answer a ufunc, or a method of one, that was given a Tensor."""
    if method == "__call__" and not kwargs:
        call = CALLS.get(ufunc)
        if call is not None:
            return call(*inputs)
    function = NUMPY.get(ufunc)
    if function is None and type(ufunc) is np.ufunc:
        function = NUMPY.get(f"scipy.special.{ufunc.__name__}")
    if method == "__call__" and function is not None and not kwargs:
        return function(*inputs)
    name = ufunc.__name__ if method == "__call__" else f"{ufunc.__name__}.{method}"
    if method == "at":
        return _at(ufunc, function, name, *inputs)
    outs = kwargs.get("out") or ()
    if not tracked((inputs, kwargs)) and not any(isinstance(o, Variable) for o in outs):
        _refuse_gaps(name, kwargs, outs, method)
        if method != "__call__" or function is None:
            return run(getattr(ufunc, method), inputs, kwargs, name)
    if function is None:
        if not tracked((inputs, kwargs)):
            return _into_tensors(ufunc, method, name, inputs, kwargs)
        raise lost(name, "chainrule has no operation of this name", "write it with others")
    return METHODS[method](ufunc, function, name, inputs, **kwargs)


def _into_tensors(ufunc: Any, method: str, name: str, inputs: Any, kwargs: dict[str, Any]) -> Any:
    """A ufunc without operation or derivative whose results go into Tensors."""
    out, where = kwargs.pop("out"), kwargs.pop("where", True)
    result = getattr(ufunc, method)(*plain(inputs), **plain(kwargs))
    return _stored(name, result, out, where, kwargs.get("casting", "same_kind"))


def _refuse_gaps(name: str, kwargs: dict[str, Any], outs: Any, method: str = "__call__") -> None:
    where = kwargs.get("where", True)
    if where is not True and not any(o is not None for o in outs) and method == "__call__":
        raise DtypeError(
            f"{name}: with where= and without out= the elements left out would be whatever the "
            "memory held; give out= as well, or use cr.where on the result" + at(user_line())
        )


def _stored(name: str, result: Any, out: Any, where: Any = True, casting: str = "same_kind") -> Any:
    """The results, those for which there is an `out` stored in it."""
    if not out or all(o is None for o in out):
        return result
    if not isinstance(result, tuple):
        return store(out[0], result, name, where, casting)
    return tuple(
        r if o is None else store(o, r, name, where, casting)
        for r, o in zip(result, out, strict=True)
    )


def _call(
    ufunc: Any,
    function: Function,
    name: str,
    inputs: tuple[Any, ...],
    out: Any = (),
    where: Any = True,
    dtype: Any = None,
    casting: str = "same_kind",
    order: str = "K",
    subok: bool = True,
    signature: Any = None,
    **more: Any,
) -> Any:
    """`ufunc(*inputs, out=, where=, dtype=, casting=)`."""
    _refuse_gaps(name, {"where": where}, out)
    if dtype is not None or signature is not None:
        inputs = _converted(ufunc, name, inputs, dtype, signature, casting)
    keepdims = more.pop("keepdims", False)
    known = function.operation.names if hasattr(function, "operation") else ()
    unknown = [k for k in more if k not in known]
    if unknown:
        raise DtypeError(
            f"{name}: the operation takes no argument {unknown[0]}=; move the axes of the operands "
            "first" + at(user_line())
        )
    with np.errstate(all="ignore" if where is not True else None):  # left out, so not computed
        result = function(*inputs, **more)
    if keepdims:
        result = expand_dims(result, more.get("axis", -1))
    return _stored(name, result, out, where, casting)


def _converted(
    ufunc: Any, name: str, inputs: tuple[Any, ...], dtype: Any, signature: Any, casting: str
) -> tuple[Any, ...]:
    """Operands in the dtypes in which NumPy would compute a result of a dtype."""
    if isinstance(signature, str):
        codes = signature.replace("->", "")
        signature = tuple(np.dtype(c) for c in codes)
    wanted = signature or (None,) * ufunc.nin + (np.dtype(dtype),) * ufunc.nout
    wanted = tuple(None if d is None else np.dtype(d) for d in wanted)
    kinds = [type(x) if type(x) in (int, float, complex) else _dtype(x) for x in inputs]
    try:
        loop = ufunc.resolve_dtypes(
            (*kinds, *(None,) * ufunc.nout), signature=wanted, casting=casting
        )
    except TypeError as error:
        raise DtypeError(f"{name}: {error}" + at(user_line())) from None
    return tuple(cast(x, d, name) for x, d in zip(inputs, loop, strict=False))


def _dtype(x: Any) -> Any:
    return raw(x).dtype if hasattr(raw(x), "dtype") else np.asarray(x).dtype


# --- methods ---------------------------------------------------------------------------------


def _reduce(
    ufunc: Any,
    function: Function,
    name: str,
    inputs: tuple[Any, ...],
    axis: Any = 0,
    dtype: Any = None,
    out: Any = (),
    keepdims: bool = False,
    initial: Any = MISSING,
    where: Any = True,
) -> Any:
    x = operand(inputs[0], name)
    if dtype is not None and ufunc.__name__ not in ("logical_or", "logical_and"):
        x = cast(x, dtype, name)
    if ufunc.__name__ in REDUCED:
        row = REDUCED[ufunc.__name__]
        y = reduced(row, x, where, initial, axis=axis, keepdims=keepdims)
    elif ufunc.__name__ == "logaddexp" and where is True and initial is MISSING and x.size:
        y = TABLE["logsumexp"].function(x, axis=axis, keepdims=keepdims)
    else:
        y = _folded(ufunc, function, x, axis, keepdims, initial, where)
    return _stored(name, y, out)


def _folded(
    ufunc: Any, function: Function, x: Any, axis: Any, keepdims: bool, initial: Any, where: Any
) -> Any:
    """The reduction step by step, as it is defined."""
    axes = sorted(axes_of(axis, x.ndim), reverse=True)
    if where is not True:
        raise DtypeError(
            f"{ufunc.__name__}.reduce: where= is not there for this function; select the elements "
            "first" + at(user_line())
        )
    for k, number in zip(axes, range(len(axes)), strict=True):
        first = initial if number == 0 and initial not in (MISSING, None) else ufunc.identity
        parts = [x[along(k, x.ndim, i)] for i in range(x.shape[k])]
        if not parts or (number == 0 and initial not in (MISSING, None)):
            if first is None:
                raise ValueError(f"{ufunc.__name__}.reduce: no elements along axis {k}")
            parts.insert(0, np.full(x[along(k, x.ndim, slice(0, 0))].sum(k).shape, first))
        y = parts[0]
        for part in parts[1:]:
            y = function(y, part)
        x = expand_dims(y, k) if keepdims else y
    return x


def _accumulate(
    ufunc: Any,
    function: Function,
    name: str,
    inputs: tuple[Any, ...],
    axis: int = 0,
    dtype: Any = None,
    out: Any = (),
) -> Any:
    x = operand(inputs[0], name)
    if dtype is not None:
        x = cast(x, dtype, name)
    if ufunc.__name__ in ACCUMULATED:
        return _stored(name, TABLE[ACCUMULATED[ufunc.__name__]].function(x, axis=axis), out)
    parts = [x[along(axis, x.ndim, i)] for i in range(x.shape[axis])]
    for i in range(1, len(parts)):
        parts[i] = function(parts[i - 1], parts[i])
    return _stored(name, stack(parts, axis) if parts else x, out)


def _outer(
    ufunc: Any, function: Function, name: str, inputs: tuple[Any, ...], **kwargs: Any
) -> Any:
    a, b = (operand(x, name) for x in inputs)
    a = reshape(a, tuple(a.shape) + (1,) * b.ndim)
    return _call(ufunc, function, name, (a, b), **kwargs)


def _reduceat(
    ufunc: Any,
    function: Function,
    name: str,
    inputs: tuple[Any, ...],
    axis: int = 0,
    dtype: Any = None,
    out: Any = (),
) -> Any:
    x, indices = operand(inputs[0], name), np.asarray(raw(inputs[1]))
    x = moveaxis(x, axis, 0)
    ends = [*indices[1:].tolist(), x.shape[0]]
    parts = []
    for i, j in zip(indices.tolist(), ends, strict=True):
        if not 0 <= i < x.shape[0]:
            raise IndexError(f"{name}: index {i} is out of bounds for axis of size {x.shape[0]}")
        piece = x[i:j] if i < j else x[i : i + 1]
        parts.append(_reduce(ufunc, function, name, (piece,), 0, dtype))
    return _stored(name, moveaxis(stack(parts, 0), 0, axis), out)


METHODS: dict[str, Function] = {
    "__call__": _call, "reduce": _reduce, "accumulate": _accumulate, "outer": _outer,
    "reduceat": _reduceat,
}  # fmt: skip


def _at(ufunc: Any, function: Function | None, name: str, x: Any, index: Any, *more: Any) -> None:
    """`ufunc.at(x, index, value)`: recorded as a change of x in place."""
    index = index_of(index)
    if not isinstance(x, Variable):
        if tracked(more):
            raise GraphError(
                f"{name}: adding what requires grad to a NumPy array in place would lose its "
                "derivative; make the array a Tensor first (`x = cr.tensor(x)`)" + at(user_line())
            )
        run(ufunc.at, (x, index, *more), {}, name)
        return
    if function is None:
        if tracked((x, more)):
            raise lost(name, "chainrule has no operation of this name", "write it with others")

        def function(*args: Any) -> Any:
            return ufunc(*plain(args))

    replace(x, _changed, (index, ufunc, function, *more), {}, name)


def _changed(x: Any, index: Any, ufunc: Any, function: Function, *more: Any) -> Any:
    """x after `ufunc.at`."""
    if ufunc is np.add:
        return add_at(x, more[0], index)
    if ufunc is np.subtract:
        return add_at(x, np.negative(more[0]), index)
    if not may_repeat(index):
        return set_item(x, function(x[index], *more), index)
    places = np.arange(x.size).reshape(x.shape)[index]
    values = [np.broadcast_to(operand(v, ufunc.__name__), places.shape).reshape(-1) for v in more]
    y = reshape(x, (-1,))
    for k, place in enumerate(places.ravel().tolist()):  # one after the other: places may repeat
        y = set_item(y, function(y[place], *(v[k] for v in values)), place)
    return reshape(y, tuple(x.shape))
