"""Traced values and control-flow operations that compute, to test what is asked of them.

A `Traced` has no truth value and is no number to Python, as while a function is traced. The
operations run every part at least once on stand-ins, whether it is taken or not, as tracing does.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.graph.node import Abstract, Variable

PASSES = 30
"""A loop that is not taken, whose numbers mean nothing, ends after so many."""


def number_of(x: Any) -> Any:
    """The number in a traced value, also in containers."""
    if isinstance(x, Traced):
        return x.number
    if isinstance(x, list | tuple):
        return type(x)(number_of(v) for v in x)
    return x


class Traced(Variable):
    """A number or array that says it has none."""

    __slots__ = ("number",)
    __array_priority__ = 1000

    def __init__(self, number: Any) -> None:
        self.number = np.asarray(number)[()]
        self._value = Abstract(self.number.shape, self.number.dtype)
        self._node = None

    shape = property(lambda self: self.number.shape)
    dtype = property(lambda self: self.number.dtype)
    size = property(lambda self: self.number.size)
    ndim = property(lambda self: self.number.ndim)

    def _refuse(self, *_: Any) -> Any:
        raise self._value.unknown("a number")

    __bool__ = __float__ = __int__ = __index__ = __complex__ = __array__ = _refuse
    __hash__ = None  # type: ignore[assignment]

    def __getitem__(self, index: Any) -> Traced:
        return Traced(self.number[number_of(index)])

    def __setitem__(self, index: Any, value: Any) -> None:
        self.number = np.array(self.number)
        self.number[number_of(index)] = number_of(value)
        self._node = object()  # type: ignore[assignment]

    def __iter__(self) -> Any:
        return (self[i] for i in range(len(self.number)))

    def __len__(self) -> int:
        return len(self.number)

    def __iadd__(self, other: Any) -> Any:
        if not self.ndim:
            return self + other
        self[...] = self.number + number_of(other)
        return self

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Traced:
        assert method == "__call__"
        assert not kwargs
        return Traced(ufunc(*map(number_of, inputs)))

    def __array_function__(self, f: Any, types: Any, args: Any, kwargs: Any) -> Traced:
        return Traced(f(*number_of(args), **kwargs))

    def astype(self, dtype: Any) -> Traced:
        return Traced(np.asarray(self.number).astype(dtype))

    def reshape(self, *shape: Any) -> Traced:
        return Traced(np.reshape(self.number, shape))

    def any(self) -> Traced:
        return Traced(np.any(self.number))

    def __abs__(self) -> Traced:
        return Traced(abs(self.number))

    def __neg__(self) -> Traced:
        return Traced(-self.number)


def _binary(function: Any, reflected: bool) -> Any:
    def method(self: Traced, other: Any) -> Any:
        if not isinstance(other, Traced | int | float | bool | np.ndarray | np.generic):
            return NotImplemented
        a, b = number_of(self), number_of(other)
        with np.errstate(all="ignore"):
            return Traced(function(b, a) if reflected else function(a, b))

    return method


for _name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul"):
    setattr(Traced, f"__{_name}__", _binary(getattr(operator, _name), False))
    setattr(Traced, f"__r{_name}__", _binary(getattr(operator, _name), True))
for _name in ("lt", "le", "gt", "ge", "eq", "ne"):
    setattr(Traced, f"__{_name}__", _binary(getattr(operator, _name), False))


class Operations:
    """The four operations; counts how often each is used."""

    def __init__(self) -> None:
        self.used: list[str] = []
        self._idle = 0

    def _aside(self, run: Callable[..., Any], *args: Any) -> Any:
        """Run a part whose result is not wanted, as tracing does."""
        self._idle += 1
        try:
            return run(*args)
        finally:
            self._idle -= 1

    def cond(self, predicate: Any, yes: Any, no: Any, *operands: Any) -> tuple[Any, ...]:
        self.used.append("cond")
        assert isinstance(predicate, Traced)
        assert predicate.dtype == bool
        assert predicate.shape == ()
        taken = bool(predicate.number)
        out = {}
        for which, part in ((True, yes), (False, no)):
            fresh = [Traced(number_of(v)) for v in operands]
            out[which] = part(*fresh) if which is taken else self._aside(part, *fresh)
        assert len(out[True]) == len(out[False])
        return _traced(out[taken])

    def while_loop(self, condition: Any, body: Any, init: Any) -> tuple[Any, ...]:
        self.used.append("while_loop")
        self._aside(condition, _traced(init))
        assert len(self._aside(body, _traced(init))) == len(init)
        state, passes = _traced(init), 0
        while number_of(condition(_traced(state))) and not (self._idle and passes > PASSES):
            state, passes = body(_traced(state)), passes + 1
        return _traced(state)

    def fori_loop(self, lower: Any, upper: Any, body: Any, init: Any) -> tuple[Any, ...]:
        self.used.append("fori_loop")
        assert len(self._aside(body, Traced(number_of(lower)), _traced(init))) == len(init)
        state = _traced(init)
        for k, i in enumerate(range(number_of(lower), number_of(upper))):
            if self._idle and k > PASSES:
                break
            state = body(Traced(i), _traced(state))
        return _traced(state)

    def scan(self, body: Any, init: Any, xs: Any) -> tuple[Any, Any]:
        self.used.append("scan")
        rows = [tuple(Traced(number_of(a)[k]) for a in xs) for k in range(len(xs[0]))]
        self._aside(body, _traced(init), rows[0])
        state, ys = _traced(init), []
        for row in rows:
            state, y = body(_traced(state), row)
            ys.append(y)
        return _traced(state), ys


def _traced(values: Any) -> tuple[Any, ...]:
    return tuple(Traced(number_of(v)) for v in values)
