"""Memory that compiling has used goes back to the system.

The C library keeps what is freed for the next allocations. After a large function was compiled that
is many megabytes that nobody needs, as machine code is small.
"""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

ENOUGH: Final = 2 << 20
"""Bytes of growth that are worth the milliseconds of giving back."""

_STATE: Final = Path("/proc/self/statm")
"""Where Linux says how much memory a process has."""


@contextmanager
def returned() -> Iterator[None]:
    """What is freed inside goes back to the system afterwards, where it is much."""
    before = _resident()
    yield
    if _resident() - before > ENOUGH:
        _trim()()


def _resident() -> int:
    """Bytes that this process has in memory; 0 where that cannot be known."""
    try:
        return int(_STATE.read_text().split()[1]) * 4096
    except (OSError, ValueError, IndexError):
        return 0


@functools.lru_cache(maxsize=1)
def _trim() -> Callable[[], object]:
    """What gives memory back, where the C library can."""
    try:
        trim = ctypes.CDLL(None).malloc_trim
    except (OSError, AttributeError, TypeError):  # not GNU's, or not one to be asked by name
        return lambda: None
    trim.argtypes = [ctypes.c_size_t]
    return functools.partial(trim, 0)
