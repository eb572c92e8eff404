"""Machine code that stands in for NumPy's evaluation of an operation on operands like some."""

from __future__ import annotations

from collections.abc import Sequence

from chainrule.codegen.engine import Machine, object_code
from chainrule.codegen.guarded import Expected, guarded
from chainrule.run.compiled import Compiled, builtin


class Guarded:
    """A function of Python objects: `call(*operands)` is the result, or None for operands unlike
    those it is made for, unless `following` has one. It lives as long as the process.
    """

    def __init__(
        self,
        run: Compiled,
        expected: Sequence[Expected],
        given: Sequence[int],
        following: Guarded | None,
    ) -> None:
        """`run` computes the one result of the operands `given`, by their numbers."""
        next_one = 0 if following is None else following.machine.address("guard")
        entry = run.machine.address("entry")
        text = guarded(expected, given, run.results[0], entry, next_one)
        self.machine: Machine = Machine(object_code(text, 1))
        self.call, self._method = builtin(self.machine.address("guard"))
        self._kept = (run, expected, following)  # their addresses are in the code
