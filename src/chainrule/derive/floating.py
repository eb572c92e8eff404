"""NumPy's floating-point error state during a walk, set in a tenth of `np.errstate`'s time.

A backward pass of a handful of scalars takes a few microseconds, `np.errstate` one of them. NumPy
keeps the state in a context variable; where this NumPy has it under the expected name, prepared
states are put there directly, and otherwise `np.seterr` is used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

enter: Callable[[Any], Any]
"""Install a prepared state; returns what `leave` needs to undo it."""
leave: Callable[[Any], Any]

INVALID_RAISES: Any
"""0 * inf raises FloatingPointError; nothing else is reported."""
QUIET: Any
"""Nothing is reported."""

try:
    from numpy._core.umath import _extobj_contextvar, _make_extobj

    INVALID_RAISES = _make_extobj(all="ignore", invalid="raise")
    QUIET = _make_extobj(all="ignore")
    enter, leave = _extobj_contextvar.set, _extobj_contextvar.reset
except (ImportError, TypeError, ValueError):  # a NumPy that keeps it elsewhere
    INVALID_RAISES = {"all": "ignore", "invalid": "raise"}
    QUIET = {"all": "ignore"}

    def enter(state: Any) -> Any:  # noqa: D103 - said above
        return np.seterr(**state)

    def leave(before: Any) -> Any:  # noqa: D103 - said above
        return np.seterr(**before)


@contextmanager
def quiet() -> Iterator[None]:
    """A block in which NumPy reports nothing."""
    token = enter(QUIET)
    try:
        yield
    finally:
        leave(token)
