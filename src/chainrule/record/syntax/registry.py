"""The operations that rewritten control flow is recorded with, and the choices left to them."""

from __future__ import annotations

import builtins
from collections.abc import Callable
from typing import Any, Final

from chainrule.errors import SyntaxUnsupported, at, user_line


class ControlFlow:
    """The control-flow operations, set by the module that has them.

    The functions they are given return flat tuples of arrays and numbers, may refer to traced
    values around them, and change the user's variables while they run: an operation may trace one
    more than once, but must let its exceptions through. A number of Python's that comes in is weak
    in dtype: the operation finds the dtype in which it is carried.
    """

    cond: Callable[..., Any]
    """cond(predicate, if_true, if_false, *operands): what the branch chosen returns."""
    while_loop: Callable[..., Any]
    """while_loop(condition, body, init): the state after the last pass; both take the state."""
    fori_loop: Callable[..., Any]
    """fori_loop(lower, upper, body, init): the same for body(i, state)."""
    scan: Callable[..., Any]
    """scan(body, init, xs): (state, ys) for body(state, x) -> (state, y), over first axes."""

    def __init__(self) -> None:
        for name in ("cond", "while_loop", "fori_loop", "scan"):
            setattr(self, name, _missing(name))

    def for_range(self, values: range) -> bool:
        """Whether a loop over ordinary numbers becomes one operation, instead of being unrolled."""
        return False

    def print(self, *args: Any, **kwargs: Any) -> None:
        """`print` of traced values: as they are, once, while the function is traced."""
        builtins.print(*args, **kwargs)

    def check(self, condition: Any, message: Callable[[], Any]) -> None:
        """`assert` of a traced value."""
        raise SyntaxUnsupported(
            "assert: this condition is traced and has no value yet; check it outside the traced "
            "function, or on values that are not traced" + at(user_line())
        )


def _missing(name: str) -> Callable[..., Any]:
    def missing(*args: Any) -> Any:
        raise SyntaxUnsupported(f"{name} is needed here and is not available" + at(user_line()))

    return missing


control_flow: Final = ControlFlow()
"""The one that rewritten functions use."""
