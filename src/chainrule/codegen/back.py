"""A loop of unknown length, and the way back over its turns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from chainrule.codegen.carry import Carry
from chainrule.codegen.poll import Endless

if TYPE_CHECKING:
    from chainrule.codegen.loops import Loop
    from chainrule.codegen.turns import Turns

NO_MEMORY: Final = 16
"""There was no memory for what the way back through a loop needs."""

RECORDS: Final = 1024
"""Turns that are remembered before more memory is asked for."""


class Tape:
    """What the turns of a loop begin with, as far as the way back reads it, in memory that grows to
    twice its size when it is full.
    """

    def __init__(self, turns: Turns, back: Loop) -> None:
        self.turns, self.e, self.steps = turns, turns.e, turns.steps
        _, _, q, n = back.counts
        way = back.bodies[-1]
        read = {b for s in way.steps for b in s.reads()}
        self.count = ""
        """How many turns were taken."""
        self.offsets: list[int | None] = []
        self.size = 0
        for b in way.inputs[q : q + n]:
            self.offsets.append(self.size if b in read else None)
            if b in read:
                self.size += -(-b.nbytes // 8) * 8
        for name, result, types in (
            ("realloc", "ptr", "ptr, i64"), ("free", "void", "ptr"),
        ):  # fmt: skip
            self.steps.module.declare(name, result, types)
        self.tape, self.room = self.steps.slots("ptr"), self.steps.slots("i64")
        self.e.put(f"store ptr null, ptr {self.tape}")
        self.e.put(f"store i64 0, ptr {self.room}")
        self.steps.tapes.append(self)

    def free(self) -> None:
        """Give the memory back."""
        self.e.put(f"call void @free(ptr {self.e.do(f'load ptr, ptr {self.tape}')})")

    def places(self, i: str) -> list[str]:
        """Where the parts of the carry are that turn i began with."""
        record = self._record(i) if self.size else "null"
        return [
            "null" if o is None else self.e.do(f"getelementptr i8, ptr {record}, i64 {o}")
            for o in self.offsets
        ]

    def _record(self, i: str) -> str:
        tape = self.e.do(f"load ptr, ptr {self.tape}")
        offset = self.e.do(f"mul nuw i64 {i}, {self.size}")
        return self.e.do(f"getelementptr i8, ptr {tape}, i64 {offset}")

    def remember(self, i: str, carry: Carry) -> None:
        """Write what turn i begins with."""
        if not self.size:
            return
        e = self.e
        grow, go = self.turns._label("grow", "keep")
        full = e.do(f"icmp eq i64 {i}, {e.do(f'load i64, ptr {self.room}')}")
        e.put(f"br i1 {full}, label %{grow}, label %{go}")
        e.label(grow)
        none = e.do(f"icmp eq i64 {i}, 0")
        room = e.do(f"select i1 {none}, i64 {RECORDS}, i64 {e.do(f'shl i64 {i}, 1')}")
        old = e.do(f"load ptr, ptr {self.tape}")
        new = e.do(f"call ptr @realloc(ptr {old}, i64 {e.do(f'mul i64 {room}, {self.size}')})")
        self.steps.unless(e.do(f"icmp ne ptr {new}, null"), str(NO_MEMORY))
        e.put(f"store ptr {new}, ptr {self.tape}")
        e.put(f"store i64 {room}, ptr {self.room}")
        e.put(f"br label %{go}")
        e.label(go)
        for place, now, b in zip(self.places(i), carry.now, carry.buffers, strict=True):
            if place != "null":
                self.turns._copy(place, now, b.nbytes)


class ThereAndBack:
    """A loop of unknown length, and the way back over its turns; or, where the loop that gives the
    value has remembered its turns, the way back alone.
    """

    def __init__(self, turns: Turns, bodies: list[str]) -> None:
        self.turns, self.bodies, self.e = turns, bodies, turns.e
        self.step, self.steps = turns.step, turns.steps
        m, k, q, n = self.step.counts
        self.start = m + k + q + n

    def write(self) -> None:
        """There, and back."""
        tape = self.steps.kept.pop(self.step, None) or self._there()
        self._back(tape)
        tape.free()
        self.steps.tapes.remove(tape)

    def _there(self) -> Tape:
        turns, names = self.turns, self.turns.names
        m, k, _, n = self.step.counts
        there = self.step.bodies[1]
        places = [names[b] for b in self.step.states]
        carry = Carry(
            turns, there.outputs, turns.arguments[self.start - n : self.start], places[:n],
            places[n:], there,
        )  # fmt: skip
        tape = Tape(turns, self.step)
        tape.count = turns.until(self.bodies, turns._constants(m + k), carry, tape)
        return tape

    def _back(self, tape: Tape) -> None:
        e, t, names = self.e, self.turns, self.turns.names
        m, k, q, _ = self.step.counts
        going = Carry(
            t, self.step.results, t.arguments[self.start :], t.results,
            [names[b] for b in self.step.following], self.step.bodies[-1],
        )  # fmt: skip
        constants = t._constants(q, m + k)
        going.first(odd=True)
        loop = Endless(t, going, tape.count)
        loop.begin(e.do(f"icmp ne i64 {loop.number}, 0"))
        e.put(f"{loop.following} = add nsw i64 {loop.number}, -1")
        t._run(self.bodies[-1], [*constants, *tape.places(loop.following), *going.now, *going.then])
        loop.latched()
        loop.close()
        going.give(known=False)
