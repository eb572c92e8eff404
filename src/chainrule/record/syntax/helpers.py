"""What rewritten code calls, as `_cr_`: runs the parts of a statement as Python does, or traces.

Each tests what it is given: an ordinary value keeps its ordinary meaning, at the cost of a call.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.errors import SyntaxUnsupported, at, user_line
from chainrule.graph.graph import Effects, note_effect
from chainrule.graph.node import next_order
from chainrule.ops.recording import is_traced
from chainrule.record.effects import text
from chainrule.record.syntax import state
from chainrule.record.syntax.arrays import Slot, as_tensor
from chainrule.record.syntax.branches import branch
from chainrule.record.syntax.calls import Calls
from chainrule.record.syntax.construct import Construct
from chainrule.record.syntax.loops import for_traced, while_traced
from chainrule.record.syntax.registry import control_flow
from chainrule.record.syntax.rows import Rows, Steps, rows_of
from chainrule.record.syntax.tracing import Part, in_traced_part, truth, witness
from chainrule.record.syntax.values import OPERATORS, conjunction, disjunction, negated
from chainrule.record.syntax.variables import Spec

Thunk = Callable[[], Any]

_SEQUENCES = frozenset({np.ndarray, list, tuple})


class Helpers(Calls):
    """The helpers of one mode."""

    unset = state.UNSET
    keep = state.KEEP
    slice = slice

    # --- statements -----------------------------------------------------------------------------

    def if_(self, test: Any, body: Part, orelse: Part | None, access: Any, spec: Spec) -> None:
        """`if`."""
        if is_traced(test):
            branch(test, body, orelse, Construct(access, spec, user_line()[1]))
        elif test:
            body()
        elif orelse is not None:
            orelse()

    def while_(self, test: Thunk, body: Part, access: Any, spec: Spec) -> None:
        """`while`: passes run as Python's until the condition is traced, each of them written out
        where it records anything.
        """
        passes = 0
        while True:
            with Effects() as effects:
                asked = test()
            if is_traced(asked):  # then it is asked again
                while_traced(test, body, Construct(access, spec, user_line()[1]))
                return
            for node in effects:
                note_effect(node)
            if not asked:
                return
            before = next_order()
            body()
            passes += next_order() > before + 1
            control_flow.passed(passes)

    def for_(
        self, iterable: Any, body: Part, going_on: Thunk | None, access: Any, spec: Spec
    ) -> None:
        """`for`; `going_on` is asked after each pass."""
        rows = rows_of(iterable)
        if rows is not None:
            for_traced(rows, body, going_on, Construct(access, spec, user_line()[1]))
            return
        is_range = type(iterable) is range
        if is_range and control_flow.for_range(iterable):  # noqa: SIM102 - a choice, then a try
            if self._as_operation(iterable, body, going_on, access, spec):
                return
        items = iter(iterable)
        for item in items:
            body(item)
            if going_on is not None:
                asked = going_on()
                if is_traced(asked):
                    rest = iterable[iterable.index(item) + 1 :] if is_range else items
                    self._rest(rest, body, going_on, access, spec)
                    return
                if not asked:
                    return

    def _as_operation(
        self, numbers: range, body: Part, going_on: Thunk | None, access: Any, spec: Spec
    ) -> bool:
        """Try a loop over ordinary numbers as one operation; False if it needs the numbers."""
        construct = Construct(access, spec, user_line()[1])
        try:
            for_traced(_steps(numbers), body, going_on, construct)
        except Exception as reason:  # whatever it is, it comes again if the numbers do not help
            control_flow.unrolled(numbers, reason)
            return False
        return True

    def _rest(self, rest: Any, body: Part, going_on: Thunk, access: Any, spec: Spec) -> None:
        """The passes after one that made it a traced question whether there are more."""
        line = user_line()[1]
        if type(rest) is range:
            for_traced(_steps(rest), body, going_on, Construct(access, spec, line))
            return
        for item in rest:
            part = functools.partial(body, item)
            branch(going_on(), part, None, Construct(access, spec, line))

    # --- expressions ----------------------------------------------------------------------------

    def and_(self, a: Any, *others: Thunk) -> Any:
        """`a and b and c`."""
        for other in others:
            if is_traced(a):
                a = conjunction(a, other())
            elif a:
                a = other()
            else:
                return a
        return a

    def or_(self, a: Any, *others: Thunk) -> Any:
        """`a or b or c`."""
        for other in others:
            if is_traced(a):
                a = disjunction(a, other())
            elif a:
                return a
            else:
                a = other()
        return a

    def not_(self, a: Any) -> Any:
        """`not a`."""
        return negated(a)

    def compare(self, a: Any, names: tuple[str, ...], b: Any, *others: Thunk) -> Any:
        """`a < b <= c`."""
        found = OPERATORS[names[0]](a, b)
        for name, other in zip(names[1:], others, strict=True):
            if not is_traced(found) and not found:
                return found
            a, b = b, other()
            nxt = OPERATORS[name](a, b)
            found = conjunction(found, nxt) if is_traced(found) else nxt
        return found

    def choose(self, test: Any, body: Thunk, orelse: Thunk) -> Any:
        """`a if test else b`."""
        if not is_traced(test):
            return body() if test else orelse()
        value: Any = state.UNSET

        def access(*new: Any) -> tuple[Thunk]:
            nonlocal value
            if new and new[0] is not state.KEEP:
                value = new[0]
            return (lambda: value,)

        def take(get: Thunk) -> None:
            nonlocal value
            value = get()

        construct = Construct(access, (("the value of `if`",), (), (), (), ()), user_line()[1])
        branch(test, functools.partial(take, body), functools.partial(take, orelse), construct)
        return value

    def item(self, a: Any, index: Any) -> Any:
        """`a[index]`; arrays and lists of numbers take a traced index as well."""
        if type(a) in _SEQUENCES and _has_traced(index):
            return as_tensor(a)[index]
        if type(a) is dict and is_traced(index) and index not in a:
            raise index._value.unknown("a key of a dict")
        return a[index]

    def part(self, a: Any, index: Any) -> Any:
        """The `a[index]` of `a[index][j] = v`, which shows no memory where the index is traced."""
        return Slot(a, index) if _has_traced(index) else self.assignable(a[index])

    def defined(self, value: Any) -> Any:
        """A variable's value, unless it may have none."""
        if isinstance(value, state.Undefined) and value is not state.UNSET:
            raise value.error()
        return value

    # --- where values must be there -------------------------------------------------------------

    def plain(self, test: Any, reason: str) -> Any:
        """A condition in a place where it cannot be traced."""
        if is_traced(test):
            raise SyntaxUnsupported(
                f"{reason}: the condition is traced, and here it needs a value; use `cr.where` or "
                "`cr.cond`, or move it to where no such statement is around" + at(user_line())
            )
        return test

    def plain_items(self, iterable: Any, reason: str) -> Any:
        """What a loop goes over that must run as Python does."""
        if isinstance(iterable, Rows) and not isinstance(iterable.length, int):
            raise SyntaxUnsupported(
                f"{reason}: the length of this loop is traced, and here it needs a value; use "
                "`cr.fori_loop`, or move it to where no such statement is around" + at(user_line())
            )
        return iterable

    def may_raise(self) -> None:
        """Before a `raise` in a branch or a loop."""
        if in_traced_part(sys._getframe(1)):
            raise SyntaxUnsupported(
                "raise: whether this is reached depends on a traced value, and a traced program "
                "cannot raise; check it outside the traced function, or mark the result, for "
                "example with NaN" + at(user_line())
            )

    def text(self, *pieces: Any) -> str:
        """An f-string that is printed, or the message of an `assert`."""
        return text(pieces)

    def checked(self, test: Any, message: Thunk) -> Any:
        """The condition of an `assert`."""
        if is_traced(test):
            control_flow.check(truth(test), message)
            return True
        if not test and witness() is not None and in_traced_part(sys._getframe(1)):
            control_flow.check(False, message)
            return True
        return test


def _has_traced(index: Any) -> bool:
    return is_traced(index) or (type(index) is tuple and any(map(is_traced, index)))


def _steps(numbers: range) -> Steps:
    """An ordinary range as one that an operation goes over."""
    return Steps(numbers.start, numbers.stop, numbers.step)
