"""The operations that rewritten control flow is recorded with, and the choices it leaves open.

The attributes of `control_flow` may be replaced: by a compiler that unrolls otherwise, by tests.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from chainrule.errors import SyntaxUnsupported, at, user_line
from chainrule.record import control_flow as operations
from chainrule.record import effects
from chainrule.record.syntax.tracing import witness
from chainrule.record.trace import is_tracing

UNROLLED: Final = 16
"""A loop over an ordinary range of at most so many passes is written out, pass by pass ..."""

WRITTEN_OUT: Final = 2000
"""... and one that cannot be an operation of the traced program (it asks for the number) up to so
many. So many passes of a `while` on ordinary values are written out."""


class ControlFlow:
    """The control-flow operations.

    The functions they are given return flat tuples of arrays and numbers, may refer to traced
    values around them, and change the user's variables while they run: an operation may trace one
    more than once, but must let its exceptions through. A number of Python's that comes in is weak
    in dtype: the operation finds the dtype in which it is carried.
    """

    def __init__(self) -> None:
        self.cond: Callable[..., Any] = operations.cond
        self.while_loop: Callable[..., Any] = operations.while_loop
        self.fori_loop: Callable[..., Any] = operations.fori_loop
        self.scan: Callable[..., Any] = operations.scan

    def for_range(self, values: range) -> bool:
        """Whether a loop over ordinary numbers becomes one operation, instead of being unrolled."""
        return len(values) > UNROLLED

    def unrolled(self, values: range, reason: Exception) -> None:
        """Raise where a loop that cannot be one operation has more passes than are written out."""
        if len(values) > WRITTEN_OUT:
            raise SyntaxUnsupported(
                f"a loop of {len(values)} passes is too long to be written out (the limit is "
                f"{WRITTEN_OUT}), and it cannot be one operation of the traced program: {reason}"
            ) from reason

    def passed(self, count: int) -> None:
        """Raise where a `while` on ordinary values has had more passes than are written out."""
        if count > WRITTEN_OUT and is_tracing():
            raise SyntaxUnsupported(
                "a `while` whose condition is an ordinary Python value is written out pass by "
                f"pass, and has had {WRITTEN_OUT} of them, the limit; loop over `range(n)`, or let "
                "the condition depend on an argument, to make it one operation of the traced "
                "program" + at(user_line())
            )

    def print(self, *args: Any, **kwargs: Any) -> None:
        """`print` of traced values, or in a branch or loop that is traced."""
        effects.show(args, kwargs, witness())

    def check(self, condition: Any, message: Callable[[], Any]) -> None:
        """`assert` of a traced value, or in a branch or loop that is traced."""
        effects.check(condition, message(), witness())


control_flow: Final = ControlFlow()
"""The one that rewritten functions use."""
