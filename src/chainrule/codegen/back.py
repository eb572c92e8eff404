"""A loop of unknown length, and the way back over its turns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from chainrule.codegen.carry import Carry
from chainrule.codegen.poll import Endless

if TYPE_CHECKING:
    from chainrule.codegen.turns import Turns

NO_MEMORY: Final = 16
"""There was no memory for what the way back through a loop needs."""

RECORDS: Final = 1024
"""Turns that are remembered before more memory is asked for."""


class ThereAndBack:
    """A loop of unknown length, and the way back over its turns.

    What a turn begins with is remembered, as far as the way back reads it, in memory that
    grows to twice its size when it is full.
    """

    def __init__(self, turns: Turns, bodies: list[str]) -> None:
        self.turns, self.bodies, self.e = turns, bodies, turns.e
        self.step, self.steps = turns.step, turns.steps
        m, k, q, n = self.step.counts
        self.constants = turns._constants(m + k + q)
        names = turns.names
        there, back = self.step.bodies[1:]
        places = [names[b] for b in self.step.states]
        start = m + k + q
        self.carry = Carry(
            turns, there.outputs, turns.arguments[start : start + n], places[:n], places[n:], there
        )
        self.going = Carry(
            turns, self.step.results, turns.arguments[start + n :], turns.results,
            [names[b] for b in self.step.following], back,
        )  # fmt: skip
        read = {b for s in back.steps for b in s.reads()}
        self.offsets: list[int | None] = []
        self.size = 0
        for b in back.inputs[q : q + n]:
            self.offsets.append(self.size if b in read else None)
            if b in read:
                self.size += -(-b.nbytes // 8) * 8
        for name, result, types in (
            ("realloc", "ptr", "ptr, i64"), ("free", "void", "ptr"),
        ):  # fmt: skip
            self.steps.module.declare(name, result, types)

    def write(self) -> None:
        """There, and back."""
        e = self.e
        self.tape, self.room = turns_slot(self, "ptr"), turns_slot(self, "i64")
        e.put(f"store ptr null, ptr {self.tape}")
        e.put(f"store i64 0, ptr {self.room}")
        count = self.turns.until(
            self.bodies, self.constants, self.carry, self._remember, self._free
        )
        self._back(count)
        self._free()

    def _free(self) -> None:
        tape = self.e.do(f"load ptr, ptr {self.tape}")
        self.e.put(f"call void @free(ptr {tape})")

    def _record(self, i: str) -> str:
        tape = self.e.do(f"load ptr, ptr {self.tape}")
        offset = self.e.do(f"mul nuw i64 {i}, {self.size}")
        return self.e.do(f"getelementptr i8, ptr {tape}, i64 {offset}")

    def _remember(self, i: str) -> None:
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
        self.steps.unless(e.do(f"icmp ne ptr {new}, null"), str(NO_MEMORY), self._free)
        e.put(f"store ptr {new}, ptr {self.tape}")
        e.put(f"store i64 {room}, ptr {self.room}")
        e.put(f"br label %{go}")
        e.label(go)
        record = self._record(i)
        for offset, now, b in zip(self.offsets, self.carry.now, self.carry.buffers, strict=True):
            if offset is not None:
                place = e.do(f"getelementptr i8, ptr {record}, i64 {offset}")
                self.turns._copy(place, now, b.nbytes)

    def _back(self, count: str) -> None:
        e, t = self.e, self.turns
        m, k, q, _ = self.step.counts
        self.going.first(odd=True)
        loop = Endless(t, self.going, count)
        loop.begin(e.do(f"icmp ne i64 {loop.number}, 0"))
        e.put(f"{loop.following} = add nsw i64 {loop.number}, -1")
        record = self._record(loop.following) if self.size else "null"
        began = [
            "null" if o is None else e.do(f"getelementptr i8, ptr {record}, i64 {o}")
            for o in self.offsets
        ]
        constants = self.constants[m + k : m + k + q]
        t._run(self.bodies[2], [*constants, *began, *self.going.now, *self.going.then], self._free)
        loop.latched()
        loop.close(self._free)
        self.going.give(known=False)


def turns_slot(way: ThereAndBack, t: str) -> str:
    """A slot for a pointer or a number."""
    name: str = way.steps.slots(t)
    return name
