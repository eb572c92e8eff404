"""What one turn of a loop hands to the next, and where it lies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from chainrule.codegen.loops import Buffer, Program

if TYPE_CHECKING:
    from chainrule.codegen.poll import Poll
    from chainrule.codegen.turns import Turns

SMALL: Final = 512
"""Bytes of an array that gets a slot on the stack."""


def is_small(b: Buffer) -> bool:
    """Whether an array gets a slot on the stack."""
    return b.nbytes <= SMALL


class Carry:
    """What one turn hands to the next: small parts in two slots, large ones in two places."""

    def __init__(
        self, turns: Turns, buffers: Sequence[Buffer], begin: Sequence[str],
        result: Sequence[str], other: Sequence[str], body: Program,
    ) -> None:  # fmt: skip
        self.turns, self.e = turns, turns.e
        self.buffers, self.begin, self.result, self.other = buffers, begin, result, other
        self.small = [is_small(b) for b in buffers]
        self.fixed = [k in body.inplace for k in range(len(buffers))]
        self.rows: dict[int, tuple[str, int, bool]] = {}
        """Parts that lie in rows: of what, how many, and whether the last one comes first."""
        self.now: list[str] = []
        """Where the carry of this turn is."""
        self.then: list[str] = []
        """Where that of the next turn is written."""

    def copy(self) -> None:
        """No turns: the result is the first carry."""
        for to, source, b in zip(self.result, self.begin, self.buffers, strict=True):
            if to != source:
                self.turns._copy(to, source, b.nbytes)

    def lies_in(self, k: int, stack: str, length: int, reverse: bool) -> None:
        """A large part lies in the rows of a stack: a turn reads one, and writes the next."""
        self.rows[k] = stack, length, reverse

    def first(self, odd: bool) -> None:
        """Before the loop, with an odd or even number of turns, or an unknown one."""
        self.places = []
        for k, b in enumerate(self.buffers):
            if self.fixed[k]:
                place = self.turns._slot_of(b.nbytes) if self.small[k] else self.result[k]
                if place != self.begin[k]:
                    self.turns._copy(place, self.begin[k], b.nbytes)
                self.places.append((place, place))
            elif k in self.rows:
                row = self._row(k, "0")
                self.turns._copy(row, self.begin[k], b.nbytes)
                self.places.append((row, row))
            elif self.small[k]:
                slots = self.turns._slot_of(b.nbytes), self.turns._slot_of(b.nbytes)
                self.turns._copy(slots[0], self.begin[k], b.nbytes)
                self.places.append(slots)
            else:
                pair = (self.result[k], self.other[k])
                self.places.append(pair if odd else pair[::-1])

    def phis(self, before: str, latch: str, poll: Poll | None) -> None:
        """At the head of the loop, which is reached from `before`, `latch` and a poll."""
        e = self.e
        self.now, self.then, self.pending = [], [], []
        for k, (one, two) in enumerate(self.places):
            if self.small[k] or self.fixed[k]:
                self.now.append(one)
                self.then.append(two)
                continue
            now, then, later = e.fresh(), e.fresh(), e.fresh()
            if k in self.rows:
                more = f", [ {then}, %{poll.after} ]" if poll else ""
                e.put(f"{now} = phi ptr [ {one}, %{before} ], [ {then}, %{latch} ]{more}")
                self.now.append(now)
                self.then.append(then)
                continue
            for name, first, next_one in ((now, self.begin[k], then), (then, one, later)):
                more = f", [ {next_one}, %{poll.after} ]" if poll else ""
                ways = f"[ {first}, %{before} ], [ {next_one}, %{latch} ]{more}"
                e.put(f"{name} = phi ptr {ways}")
            self.now.append(now)
            self.then.append(then)
            self.pending.append((k, later))

    def follow(self, i: str) -> None:
        """In turn i: the rows in which the next carry lies; after the last one, the result."""
        e = self.e
        for k, (_, length, _) in self.rows.items():
            following = e.do(f"add nuw nsw i64 {i}, 1")
            row = self._row(k, following)
            last = e.do(f"icmp eq i64 {following}, {length}")
            e.put(f"{self.then[k]} = select i1 {last}, ptr {self.result[k]}, ptr {row}")

    def _row(self, k: int, i: str) -> str:
        """Where turn i finds a part."""
        stack, length, reverse = self.rows[k]
        at = self.e.do(f"sub i64 {length - 1}, {i}") if reverse else i
        return self.turns._slice(stack, self.buffers[k].nbytes, at)

    def turn(self) -> None:
        """After a turn: the next carry becomes the carry."""
        for k, b in enumerate(self.buffers):
            if self.small[k] and not self.fixed[k]:
                self.turns._copy(self.now[k], self.then[k], b.nbytes)

    def exchange(self) -> None:
        """In the latch: the two places change roles."""
        e = self.e
        for k, later in self.pending:
            one, two = self.places[k]
            same = e.do(f"icmp eq ptr {self.then[k]}, {one}")
            e.put(f"{later} = select i1 {same}, ptr {two}, ptr {one}")

    def give(self, known: bool) -> None:
        """After the loop: the carry is put where the result is wanted."""
        for k, b in enumerate(self.buffers):
            if self.small[k]:
                self.turns._copy(self.result[k], self.places[k][0], b.nbytes)
            elif not known and not self.fixed[k]:
                self.turns.steps.module.declare(
                    "llvm.memmove.p0.p0.i64", "void", "ptr, ptr, i64, i1"
                )
                self.e.put(
                    f"call void @llvm.memmove.p0.p0.i64(ptr {self.result[k]}, ptr {self.now[k]}, "
                    f"i64 {b.nbytes}, i1 false)"
                )
