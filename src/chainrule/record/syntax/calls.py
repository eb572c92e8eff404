"""What a rewritten function calls in place of what it names.

`f(x)` is rewritten to `_cr_.callee(f)(x)`: the call itself stays in the user's frame. Functions of
the user's are rewritten in turn, NumPy's makers of arrays give Tensors, and everything else is
called as it is: functions of installed packages, of Python and of chainrule.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import BuiltinFunctionType, FunctionType, MethodType
from typing import Any

import numpy as np

from chainrule.errors import PACKAGE
from chainrule.record.syntax.arrays import CREATORS, MATH, Foreign, copying_method
from chainrule.record.syntax.users import is_users

Rewrite = Callable[[FunctionType, "Calls"], FunctionType]


class Calls:
    """What to do with calls, for the functions of one package in one mode."""

    def __init__(self, arrays: bool, control_flow: bool, package: str, rewrite: Rewrite) -> None:
        self.arrays = arrays
        self.control_flow = control_flow
        self.package = package
        self._rewrite = rewrite
        # integers carry no derivative: only where numbers are traced need they be assignable
        self._kinds = "biufc" if control_flow else "fc"
        self._table = dict(MATH)
        if arrays:
            self._table |= {f: make(self._kinds) for f, make in CREATORS.items()}
        if control_flow:
            from chainrule.record.syntax.values import BUILTINS

            self._table |= BUILTINS
            self._table |= {f: self._passing(f) for f in (map, filter, functools.reduce)}

    def callee(self, f: Any) -> Any:
        """What to call in place of f."""
        kind = type(f)
        if kind is BuiltinFunctionType:
            try:
                found = self._table.get(f)
            except TypeError:  # a method of what cannot be hashed
                found = None
            if found is None and self.arrays:
                found = copying_method(f, self._kinds)
            return f if found is None else found
        if kind is FunctionType:
            return self._table.get(f) or self.function(f)
        if kind is type:
            return self._table.get(f) or self._construction(f)
        if kind is MethodType:
            return self._method(f)
        if kind is functools.partial:
            return functools.partial(self.callee(f.func), *f.args, **f.keywords)
        call = getattr(kind, "__call__", None)  # noqa: B004 - as a function, not whether
        if type(call) is FunctionType and is_users(call, self.package):
            return MethodType(self.function(call), f)
        try:
            return self._table.get(f, f)
        except TypeError:
            return f

    def assignable(self, a: Any) -> Any:
        """The `a` of `a[i] = v`: a NumPy array refuses what would lose its derivative in it."""
        return Foreign(a) if type(a) is np.ndarray else a

    def function(self, f: FunctionType) -> Callable[..., Any]:
        """A function of the user's, rewritten; another as it is."""
        if is_users(f, self.package):
            return self._rewrite(f, self)
        ours = self.control_flow and f.__code__.co_filename.startswith(PACKAGE)
        return self._passing(f) if ours else f

    def _passing(self, f: Any) -> Callable[..., Any]:
        """A function that calls those it is given: these are rewritten on the way."""

        def passing(*args: Any, **kwargs: Any) -> Any:
            if any(type(a) is FunctionType for a in args):
                args = tuple([self.callee(a) if type(a) is FunctionType else a for a in args])
            for name, value in kwargs.items():
                if type(value) is FunctionType:
                    kwargs[name] = self.callee(value)
            return f(*args, **kwargs)

        return passing

    def _method(self, f: MethodType) -> Any:
        inner = f.__func__
        if type(inner) is not FunctionType or not is_users(inner, self.package):
            return f
        new = self._rewrite(inner, self)
        return f if new is inner else MethodType(new, f.__self__)

    def _construction(self, cls: Any) -> Any:
        """A plain class of the user's, whose `__init__` is rewritten."""
        init = cls.__init__
        if (
            type(init) is not FunctionType
            or cls.__new__ is not object.__new__
            or not is_users(init, self.package)
        ):
            return cls
        new = self._rewrite(init, self)
        if new is init:
            return cls

        def construct(*args: Any, **kwargs: Any) -> Any:
            made = object.__new__(cls)
            new(made, *args, **kwargs)
            return made

        return construct
