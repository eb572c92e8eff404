"""Machine code that stands in for NumPy's evaluation of an operation on operands like some."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from chainrule.codegen.direct import DIRECT
from chainrule.codegen.engine import Machine, object_code
from chainrule.codegen.guarded import GUARD, Expected, guarded
from chainrule.run.compiled import Compiled, builtin
from chainrule.run.ready import MISSED


class Guarded:
    """A function of Python objects: `call(*operands)` is the result, or None for operands unlike
    those it is made for, unless `following` has one. It must live as long as it may be called.
    """

    def __init__(
        self,
        run: Compiled,
        expected: Sequence[Expected],
        given: Sequence[int],
        following: Guarded | None,
    ) -> None:
        """`run` computes the one result of the operands `given`, by their numbers, directly."""
        bound: Any = run.direct_bound
        direct = run.machine.address(DIRECT), id(bound), id(MISSED)
        next_one = 0 if following is None else following.address
        text = guarded(expected, given, run.results[0], direct, next_one)
        self._machine = Machine(object_code(text, 1))
        self.address: int = self._machine.address(GUARD)
        self.call, self._method = builtin(self.address)
        self._kept = (run, bound, expected, following)  # their addresses are in the code
