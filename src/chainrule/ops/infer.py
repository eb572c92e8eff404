"""Shape and dtype of a result from those of the operands: what tracing knows in place of a value.

The elementwise family broadcasts. Other rows say it in their `shape`, or are evaluated once on
stand-ins of the operands' shapes, which is kept for the next time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np

from chainrule.errors import TracedValueError, at, user_line
from chainrule.graph.node import Abstract, Spec
from chainrule.ops.complaints import CAUGHT, NUMBERS, explain

Settle = Callable[[Any, Sequence[Any]], Any]
"""(value, operands) -> the value in the dtype that the class of Tensor gives it."""

_known: Final[dict[Any, Any]] = {}
_MANY: Final = 4096


def infer(row: Any, values: Sequence[Any], params: dict[str, Any], cls: Any, settle: Settle) -> Any:
    """Abstract result of an operation, or a tuple of them, given values some of which are Abstract.

    Raises what the evaluation would raise for operands of these shapes and dtypes, and
    TracedValueError where the shape depends on the values.
    """
    if row.kind == "elementwise":
        result = Abstract(_broadcast(row, values, params), _dtype(row, values, cls, settle))
        result.weak = all(map(is_weak, values)) and result.dtype in _PYTHON
        return result
    if isinstance(row.shape, str):
        raise TracedValueError(
            f"{row.name}: {row.shape}, which is not known while a function is traced. Compute it "
            "outside, or use cr.where with a mask" + at(user_line())
        )
    key = None if row.shape is not None else _key(row, values, params, cls)
    found = None if key is None else _known.get(key)
    if found is None:
        found = _evaluated(row, values, params, settle)
        if key is not None:
            if len(_known) > _MANY:
                _known.clear()
            _known[key] = found
    return _fresh(found)


_PYTHON: Final = {np.dtype(np.float64): float, np.dtype(np.int64): int}
"""Dtypes of Python's own numbers."""


def is_weak(v: Any) -> bool:
    """Whether an operand is one of Python's own numbers, there already or to come."""
    return type(v) in NUMBERS or (type(v) is Abstract and v.weak)


def _kind(v: Any) -> Any:
    """What decides about the dtype of a result."""
    if type(v) in NUMBERS:
        return type(v)
    return _PYTHON[v.dtype] if type(v) is Abstract and v.weak else (v.dtype, v.shape != ())


def stand_in(value: Any) -> Any:
    """Numbers of a traced value's shape and dtype that nearly every operation can take."""
    if type(value) is not Abstract:
        return value
    shape, dtype = value.shape, value.dtype
    if len(shape) >= 2 and shape[-1] == shape[-2] and dtype.kind in "fc":
        return np.broadcast_to(2 * np.eye(shape[-1], dtype=dtype), shape)
    number = 0 if dtype.kind in "iu" else 1  # an integer may be an index
    return np.broadcast_to(np.array(number, dtype), shape) if shape else dtype.type(number)


def _broadcast(row: Any, values: Sequence[Any], params: dict[str, Any]) -> tuple[int, ...]:
    shape: tuple[int, ...] = ()
    for v in values:
        s = getattr(v, "shape", ())
        if s and s != shape:
            if shape:
                try:
                    return np.broadcast_shapes(*(getattr(v, "shape", ()) for v in values))
                except ValueError as error:
                    raise explain(row, values, params, error) from None
            shape = s
    return shape


def _dtype(row: Any, values: Sequence[Any], cls: Any, settle: Settle) -> np.dtype[Any]:
    kinds = tuple(_kind(v) for v in values)
    key = (row, cls, kinds)
    found = _known.get(key)
    if found is None:
        small = [v if type(v) in NUMBERS else _one(v) for v in values]
        found = _known[key] = _run(row, small, {}, values, settle).dtype
    return found


def _one(v: Any) -> Any:
    if type(v) is Abstract and v.weak:
        return _PYTHON[v.dtype](1)
    return np.ones(1, v.dtype) if v.shape else v.dtype.type(1)


def _evaluated(row: Any, values: Sequence[Any], params: dict[str, Any], settle: Settle) -> Any:
    if row.shape is not None:
        try:
            return row.shape(*values, **params)
        except CAUGHT as error:
            raise explain(row, values, params, error) from None
    return _run(row, [stand_in(v) for v in values], params, values, settle)


def _run(
    row: Any,
    stand_ins: Sequence[Any],
    params: dict[str, Any],
    values: Sequence[Any],
    settle: Settle,
) -> Any:
    with np.errstate(all="ignore"):
        try:
            value = row.evaluate(*stand_ins, **params)
        except CAUGHT as error:
            raise explain(row, values, params, error) from None
        if isinstance(value, (tuple, list)):
            specs: list[Any] = [Spec(settle(v, stand_ins)) for v in value]
            return type(value)(*specs) if hasattr(value, "_fields") else tuple(specs)
        return Spec(settle(value, stand_ins))


def _fresh(found: Any) -> Any:
    if isinstance(found, tuple):
        parts: list[Any] = [Abstract(s.shape, s.dtype) for s in found]
        return type(found)(*parts) if hasattr(found, "_fields") else tuple(parts)
    return Abstract(found.shape, found.dtype)


def _key(row: Any, values: Sequence[Any], params: dict[str, Any], cls: Any) -> Any:
    """What the result depends on, or None where that cannot be told from a key."""
    parts: list[Any] = [row, cls]
    for v in values:
        if type(v) in NUMBERS:
            parts.append(v)
        elif type(v) is Abstract:
            parts.append((v.shape, v.dtype))
        elif v.dtype.kind in "fc":  # a constant's value decides no shape; an integer's may
            parts.append((v.shape, v.dtype, 0))
        else:
            return None
    for name, p in params.items():
        parts.append(name)
        parts.append(_hashable(p))
    try:
        hash(key := tuple(parts))
    except TypeError:
        return None
    return key


def _hashable(p: Any) -> Any:
    if type(p) is slice:
        return (slice, p.start, p.stop, p.step)
    if type(p) in (tuple, list):
        return (type(p), *map(_hashable, p))
    if type(p) is dict:
        return (dict, *p, *map(_hashable, p.values()))
    return (type(p), p)
