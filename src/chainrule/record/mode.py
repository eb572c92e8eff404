"""Whether this thread records: `no_grad` and `enable_grad`, as context managers and decorators."""

from __future__ import annotations

import functools
import threading
from _thread import get_ident
from collections.abc import Callable
from types import TracebackType
from typing import ParamSpec, TypeVar

from chainrule.graph.node import paused
from chainrule.graph.switch import Pause, Record

P = ParamSpec("P")
R = TypeVar("R")


def is_grad_enabled() -> bool:
    """Whether operations of this thread are recorded.

    >>> with cr.no_grad():
    ...     print(cr.is_grad_enabled())
    False
    """
    return get_ident() not in paused


class set_grad_enabled:  # noqa: N801 - PyTorch's name
    """Record (True) or do not record (False) in a `with` block, in a decorated function,
    or from the call on.

    >>> with cr.set_grad_enabled(False):
    ...     print(cr.is_grad_enabled())
    False
    """

    def __init__(self, mode: bool) -> None:
        self._before = [get_ident() not in paused]
        self._mode = mode
        _switch(mode)

    def __enter__(self) -> None:
        _switch(self._mode)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        _switch(self._before[-1])

    def __call__(self, function: Callable[P, R]) -> Callable[P, R]:
        """The function, run inside a block of this kind; only it is affected."""
        _switch(self._before[-1])
        switch, mode = type(self), self._mode

        @functools.wraps(function)
        def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
            with switch(mode):
                return function(*args, **kwargs)

        return wrapped


class _Thread:
    """Dies with its thread, whose identifier the next thread may get."""

    def __init__(self) -> None:
        self._ident = get_ident()

    def __del__(self) -> None:
        paused.discard(self._ident)


_this_thread = threading.local()


def _switch(on: bool) -> None:
    if on:
        paused.discard(get_ident())
    else:
        paused.add(get_ident())
        if not hasattr(_this_thread, "end"):
            _this_thread.end = _Thread()


class no_grad(Pause):  # noqa: N801 - PyTorch's name
    """Do not record: results need no gradient, and leaves may be changed in place.

    >>> x = cr.tensor(3.0, requires_grad=True)
    >>> with cr.no_grad():
    ...     y = x * 2
    >>> y.requires_grad
    False
    """

    __slots__ = ()


class enable_grad(Record):  # noqa: N801 - PyTorch's name
    """Record again, inside a `no_grad` block.

    >>> x = cr.tensor(3.0, requires_grad=True)
    >>> with cr.no_grad(), cr.enable_grad():
    ...     y = x * 2
    >>> y.requires_grad
    True
    """

    __slots__ = ()
