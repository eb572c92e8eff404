"""Whether this thread records: `no_grad` and `enable_grad`, as context managers and decorators."""

from __future__ import annotations

from _thread import get_ident
from types import TracebackType

from chainrule.graph.node import paused
from chainrule.record.switch import Pause, Record


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
