"""Asking for strong products, in which zero times infinity is zero, in a block of code."""

from __future__ import annotations

from _thread import get_ident
from collections.abc import Iterator
from contextlib import contextmanager

from chainrule.ops.hot import careful


@contextmanager
def strong_products() -> Iterator[None]:
    """A block in which rules multiply with a zero that stays zero whatever it meets."""
    ident = get_ident()
    nested = ident in careful
    careful.add(ident)
    try:
        yield
    finally:
        if not nested:
            careful.discard(ident)
