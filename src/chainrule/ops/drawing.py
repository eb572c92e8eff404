"""Whether random numbers may be drawn: not while a function is traced for a batch.

There they would be drawn once, and be the same for all examples without anybody having said so.
"""

from __future__ import annotations

from _thread import get_ident
from collections.abc import Iterator
from contextlib import contextmanager

from chainrule.errors import ArgumentError, at, user_line

_refused: set[int] = set()
"""Threads in which a function is traced for a batch."""


@contextmanager
def drawing(allowed: bool) -> Iterator[None]:
    """A block in which drawing random numbers is allowed, or raises an error."""
    ident = get_ident()
    before = ident in _refused
    (_refused.discard if allowed else _refused.add)(ident)
    try:
        yield
    finally:
        (_refused.add if before else _refused.discard)(ident)


def check_drawing() -> None:
    """Raise ArgumentError where random numbers may not be drawn."""
    if _refused and get_ident() in _refused:
        raise ArgumentError(
            "vmap: random numbers drawn here would be the same for all examples; draw them outside "
            "of the function, for the whole batch, and pass them as an argument, or say "
            'randomness="same" if that is meant' + at(user_line())
        )
