"""Whether this thread records: `no_grad` and `enable_grad`, as context managers and decorators."""

from __future__ import annotations

import functools
from _thread import get_ident
from collections.abc import Callable
from types import TracebackType
from typing import Any, TypeVar

from chainrule.graph.node import paused

F = TypeVar("F", bound=Callable[..., Any])


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


def _switch(on: bool) -> None:
    if on:
        paused.discard(get_ident())
    else:
        paused.add(get_ident())


class _Mode:
    """Context manager and decorator. Entering costs two set operations: optimizers enter it often."""

    __slots__ = ("_before",)
    _records: bool

    def __init__(self) -> None:
        self._before: list[bool] = []

    def __exit__(self, *_: object) -> None:
        if self._before.pop():
            paused.discard(get_ident())
        else:
            paused.add(get_ident())

    def __enter__(self) -> None:
        raise NotImplementedError

    def __call__(self, function: F) -> F:
        @functools.wraps(function)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            with type(self)():
                return function(*args, **kwargs)

        return wrapped  # type: ignore[return-value]


class no_grad(_Mode):  # noqa: N801 - PyTorch's name
    """Do not record: results need no gradient, and leaves may be changed in place.

    >>> x = cr.tensor(3.0, requires_grad=True)
    >>> with cr.no_grad():
    ...     y = x * 2
    >>> y.requires_grad
    False
    """

    __slots__ = ()

    def __enter__(self) -> None:
        ident = get_ident()
        self._before.append(ident not in paused)
        paused.add(ident)


class enable_grad(_Mode):  # noqa: N801 - PyTorch's name
    """Record again, inside a `no_grad` block.

    >>> x = cr.tensor(3.0, requires_grad=True)
    >>> with cr.no_grad(), cr.enable_grad():
    ...     y = x * 2
    >>> y.requires_grad
    True
    """

    __slots__ = ()

    def __enter__(self) -> None:
        ident = get_ident()
        self._before.append(ident not in paused)
        paused.discard(ident)
