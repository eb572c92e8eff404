"""The switches behind `no_grad` and `enable_grad`: compiled where they can be (see `setup.py`), as
optimizers flip them at every step.
"""

from __future__ import annotations

import functools
from _thread import get_ident
from collections.abc import Callable
from typing import Any

from chainrule.graph.node import mypyc_attr as mypyc_attr
from chainrule.graph.node import paused


@mypyc_attr(allow_interpreted_subclasses=True)
class Switch:
    """Context manager and decorator that says whether this thread records."""

    __slots__ = ("_before",)
    _before: int  # what to go back to, a bit for each time the block was entered

    def __init__(self, function: object = None) -> None:
        if function is not None:
            name = type(self).__name__
            raise TypeError(f"{name} takes no argument; as a decorator write `@{name}()`")
        self._before = 1

    def _enter(self, records: bool) -> None:
        ident = get_ident()
        if ident in paused:
            self._before = 2 * self._before
            if records:
                paused.discard(ident)
        else:
            self._before = 2 * self._before + 1
            if not records:
                paused.add(ident)

    def __exit__(self, kind: object, error: object, traceback: object) -> None:
        if self._before % 2:
            paused.discard(get_ident())
        else:
            paused.add(get_ident())
        self._before = self._before // 2

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, run inside a block of this kind."""
        switch: Any = type(self)

        @functools.wraps(function)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            with switch():
                return function(*args, **kwargs)

        return wrapped


@mypyc_attr(allow_interpreted_subclasses=True)
class Pause(Switch):
    """Does not record."""

    __slots__ = ()

    def __enter__(self) -> None:
        self._enter(False)


@mypyc_attr(allow_interpreted_subclasses=True)
class Record(Switch):
    """Records."""

    __slots__ = ()

    def __enter__(self) -> None:
        self._enter(True)
