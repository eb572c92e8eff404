"""A look at the user from time to time: a loop that may take long ends when Python says so.

The machine code calls a function of `codegen.linkage` between turns, as seldom as is enough to
answer at once: every quarter of a million operations. A loop whose length is known is a loop in
pieces, so that nothing is tested between the turns of a piece; in one of unknown length the number
of the turn is tested, one instruction.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from chainrule.codegen.loops import work

INTERRUPTED: Final = 64
"""The user wants no more: an exception of Python's is set."""

PATIENCE: Final = 1 << 18
"""About as many operations are done between two looks at whether the user wants no more."""


@dataclass(eq=False, repr=False)
class Poll:
    """A look at whether the user wants the program to stop, every so many turns of a loop."""

    of: Any
    name: str
    """The function that looks."""
    turns: int
    """A power of two."""
    before: str
    ask: str
    """The block that calls the function."""
    after: str
    """The block from which the loop goes on."""

    def write(self) -> None:
        """The blocks `ask` and `after`, the last of which is left open."""
        e = self.of.e
        e.label(self.ask)
        code = e.do(f"call i32 @{self.name}()")
        self.of.steps.unless(e.do(f"icmp eq i32 {code}, 0"), str(INTERRUPTED))
        e.put(f"br label %{self.after}")
        e.label(self.after)


def poll_of(turns: Any, length: int | None) -> Poll | None:
    """What is asked between the turns of a loop that may take long; `length` is how many there
    are, if that is known.
    """
    count = 1
    once = sum(map(work, turns.step.bodies))
    while 2 * count * once <= PATIENCE:
        count *= 2
    if length is not None and length <= count:
        return None
    name = turns.steps.shared.linkage.poll(turns.steps.module)
    return Poll(turns, name, count, *turns._label("piece", "ask", "asked")) if name else None


class Endless:
    """A loop of unknown length: its head is written at once, its end by `close`."""

    def __init__(self, turns: Any, carry: Any, start: str) -> None:
        e = turns.e
        self.turns, self.carry = turns, carry
        before, head, self.turn, self.latch, self.end = turns._label(
            "before", "head", "go", "latch", "after"
        )
        self.head, self.number, self.following = head, f"%{head}.i", f"%{head}.n"
        """The number of the turn, and what the caller makes of it for the next."""
        e.put(f"br label %{before}")
        e.label(before)
        e.put(f"br label %{head}")
        e.label(head)
        self.poll = poll_of(turns, None)
        more = f", [ {self.following}, %{self.poll.after} ]" if self.poll else ""
        ends = f"[ {start}, %{before} ], [ {self.following}, %{self.latch} ]{more}"
        e.put(f"{self.number} = phi i64 {ends}")
        carry.phis(before, self.latch, self.poll)

    def begin(self, goes_on: str) -> None:
        """The turn, where something holds; else the loop is over."""
        e = self.turns.e
        e.put(f"br i1 {goes_on}, label %{self.turn}, label %{self.end}")
        e.label(self.turn)

    def latched(self) -> None:
        """The end of the turn: the carry that was made is the next one's."""
        e = self.turns.e
        self.carry.turn()
        e.put(f"br label %{self.latch}")
        e.label(self.latch)
        self.carry.exchange()

    def close(self) -> None:
        """Back to the head, with a look every so many turns."""
        e, poll = self.turns.e, self.poll
        if poll is not None:
            odd = e.do(f"icmp ne i64 {e.do(f'and i64 {self.following}, {poll.turns - 1}')}, 0")
            e.put(f"br i1 {odd}, label %{self.head}, label %{poll.ask}")
            poll.write()
        e.put(f"br label %{self.head}")
        e.label(self.end)
