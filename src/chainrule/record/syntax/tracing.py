"""Which part of a function is being traced under a traced condition, and what is traced in it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import CodeType, FrameType
from typing import Any

from chainrule.errors import PACKAGE, SyntaxUnsupported, at, user_line
from chainrule.record.syntax.source import SYNTHETIC

Part = Callable[..., None]
"""A branch, or the body of a loop, as a function."""


class _Active(threading.local):
    def __init__(self) -> None:
        self.codes: list[CodeType] = []
        self.witnesses: list[Any] = []
        """For each of them, something traced: it is not there before the part is reached."""


active = _Active()
"""Codes of the parts that are being traced in this thread."""


def witness() -> Any:
    """Something traced where a part is being traced, else None."""
    return active.witnesses[-1] if active.witnesses else None


def truth(test: Any) -> Any:
    """A traced condition as one boolean."""
    if test.shape != ():
        if test.size != 1:
            raise SyntaxUnsupported(
                f"a condition of shape {list(test.shape)} is not one truth value; use `.any()` or "
                "`.all()`, or `np.where` for a choice by element" + at(user_line())
            )
        test = test.reshape(())
    return test if test.dtype == bool else test != 0


# --- what cannot depend on a traced value --------------------------------------------------------


def in_traced_part(frame: FrameType | None) -> bool:
    """Whether a frame runs a part of a function under a traced condition."""
    while frame is not None:
        code = frame.f_code
        if code in active.codes:
            return True
        ours = code.co_filename.startswith(PACKAGE)
        if not ours and SYNTHETIC not in code.co_qualname.rpartition(".")[2]:
            return False
        frame = frame.f_back
    return False
