"""Loops and branches in LLVM's language: bodies are functions, called turn by turn.

What is small lies in slots on the stack of its own: constants and carries are copied there before
the loop, and the result from there after it. Bodies and their kernels are inlined, so that LLVM
finds that nobody else sees the slots, and keeps them in registers. A large carry lies in one of two
places in turn; nothing is copied.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from chainrule.codegen.back import Tape, ThereAndBack
from chainrule.codegen.carry import Carry, is_small
from chainrule.codegen.loops import Buffer, Loop, Program
from chainrule.codegen.poll import Endless, poll_of

INLINED: Final = 3000
"""Lines of a function that is inlined at most."""

TOO_LONG: Final = 8
"""A loop went on beyond its limit."""


def inlined(text: str) -> str:
    """A function as one that is inlined, unless it is very long.

    That its pointers are no aliases would become a note on every access, where it is inlined: most
    of the time of inlining, for the same machine code.
    """
    if text.count("\n") > INLINED:
        return text
    head, rest = text.split("\n", 1)
    head = head.replace("noalias ", "").replace(" #0 {", " alwaysinline #0 {")
    return f"{head}\n{rest}"


class Turns:
    """Writes one loop or branch into the function of `steps`, a `StepsEmitter`."""

    def __init__(self, steps: Any, step: Loop) -> None:
        self.steps, self.step = steps, step
        self.e, self.names = steps.e, steps.names
        self.arguments = [self.names[b] for b in step.arguments]
        self.results = [self.names[b] for b in step.results]
        self.scratch = self.names[step.scratch]
        program = steps.program
        self.notes = [(self.names[b], self._slot_of(1)) for b in (program.status, program.doubt)]

    def write(self) -> None:
        """All of it."""
        step, e = self.step, self.e
        for _, slot in self.notes:
            e.put(f"store i8 0, ptr {slot}")
        # the turns of a way back may have been taken before
        bodies = [self._body(p) for p in step.bodies[-1 if step in self.steps.kept else 0 :]]
        if step.kind == "cond":
            self._branch(bodies)
        elif step.kind == "call":
            self._run(bodies[0], [*self.arguments, *self.results])
        elif step.kind == "scan":
            self._scan(bodies[0])
        elif step.kind == "while_back":
            ThereAndBack(self, bodies).write()
        else:
            self._while(bodies)
        for place, slot in self.notes:
            both = e.do(f"or i8 {e.do(f'load i8, ptr {place}')}, {e.do(f'load i8, ptr {slot}')}")
            e.put(f"store i8 {both}, ptr {place}")

    # --- bodies ----------------------------------------------------------------------------------

    def _body(self, program: Program) -> str:
        """The function of a body; its name."""
        inner = self.steps.another(program)
        name = self.steps.shared.name("body")
        inner.e.label("entry")
        parameters = []
        for k, b in enumerate((*program.inputs, *program.outputs)):
            inner.names[b] = f"%p{k}"
            parameters.append(f"ptr noalias %p{k}")
        inner.names[program.status], inner.names[program.doubt] = "%status", "%doubt"
        inner.place_temporaries("%arena")
        inner.steps()
        inner.e.put("ret i32 0")
        head = ", ".join([*parameters, "ptr %arena", "ptr %status", "ptr %doubt"])
        text = "\n".join([f"define internal i32 @{name}({head}) #0 {{", *inner.e.lines, "}"])
        self.steps.module.functions.append(inlined(text))
        return name

    def _run(self, name: str, pointers: Sequence[str]) -> None:
        arguments = [*pointers, self.scratch, *[slot for _, slot in self.notes]]
        code = self.e.do(f"call i32 @{name}({', '.join('ptr ' + a for a in arguments)})")
        self.steps.unless(self.e.do(f"icmp eq i32 {code}, 0"), code)

    # --- memory ----------------------------------------------------------------------------------

    def _slot_of(self, size: int) -> str:
        return self.steps.slots(f"[{max(size, 1)} x i8]", 64 if size >= 64 else 8)

    def _copy(self, to: str, source: str, size: int) -> None:
        self.steps.module.declare("llvm.memcpy.p0.p0.i64", "void", "ptr, ptr, i64, i1")
        if size:
            self.e.put(
                f"call void @llvm.memcpy.p0.p0.i64(ptr {to}, ptr {source}, i64 {size}, i1 false)"
            )

    def _constants(self, count: int, start: int = 0) -> list[str]:
        """Arguments that stay the same: the small ones in slots."""
        found = []
        for b, name in list(zip(self.step.arguments, self.arguments, strict=True))[
            start : start + count
        ]:
            if is_small(b):
                slot = self._slot_of(b.nbytes)
                self._copy(slot, name, b.nbytes)
                name = slot
            found.append(name)
        return found

    def _slice(self, name: str, size: int, at: str) -> str:
        offset = self.e.do(f"mul nsw i64 {at}, {size}")
        return self.e.do(f"getelementptr i8, ptr {name}, i64 {offset}")

    def _truth(self, b: Buffer, name: str) -> str:
        from chainrule.codegen.text import memory_type

        e, t = self.e, memory_type(b.code)
        x = e.do(f"load {t}, ptr {name}")
        return e.do(f"fcmp une {t} {x}, 0.0" if b.code[0] == "f" else f"icmp ne {t} {x}, 0")

    def _label(self, *stems: str) -> list[str]:
        number = self.steps.label()
        return [f"{s}{number}" for s in stems]

    # --- a choice --------------------------------------------------------------------------------

    def _branch(self, bodies: list[str]) -> None:
        e, step = self.e, self.step
        yes, no, end = self._label("yes", "no", "join")
        given = self._constants(len(self.arguments) - 1, 1)
        outs = [
            self._slot_of(b.nbytes) if is_small(b) else r
            for b, r in zip(step.results, self.results, strict=True)
        ]
        for k, j in step.bodies[0].inplace.items():
            outs[k] = given[j]
        e.put(
            f"br i1 {self._truth(step.arguments[0], self.arguments[0])}, label %{yes}, label %{no}"
        )
        for label, body in zip((yes, no), bodies, strict=True):
            e.label(label)
            self._run(body, [*given, *outs])
            e.put(f"br label %{end}")
        e.label(end)
        self._give(outs, step.results)

    def _give(self, outs: Sequence[str], buffers: Sequence[Buffer]) -> None:
        for to, out, b in zip(self.results, outs, buffers, strict=False):
            if to != out:
                self._copy(to, out, b.nbytes)

    # --- loops -----------------------------------------------------------------------------------

    def _carry(self, start: int, count: int) -> Carry:
        """The carry that begins with some arguments and ends in the results."""
        step = self.step
        other = [self.names[b] for b in step.following]
        return Carry(
            self, step.results[:count], self.arguments[start : start + count],
            self.results[:count], other, step.bodies[-1],
        )  # fmt: skip

    def _scan(self, body: str) -> None:
        step, (m, n) = self.step, self.step.counts
        e, program = self.e, step.bodies[0]
        carry = self._carry(m, n)
        if not step.length:
            carry.copy()
            return
        constants = self._constants(m)
        for k, j in step.rows.items():
            carry.lies_in(k, self.results[j], step.length, step.reverse)
        carry.first(odd=step.length % 2 == 1)
        before, head, latch, end = self._label("before", "turn", "latch", "after")
        i, following = f"%{head}.i", f"%{head}.n"
        e.put(f"br label %{before}")
        e.label(before)
        e.put(f"br label %{head}")
        e.label(head)
        poll = poll_of(self, step.length)
        stop = str(step.length)
        if poll is None:
            e.put(f"{i} = phi i64 [ 0, %{before} ], [ {following}, %{latch} ]")
        else:
            stop, later = f"%{head}.stop", f"%{head}.later"
            ends = f"[ {following}, %{latch} ], [ {following}, %{poll.after} ]"
            e.put(f"{i} = phi i64 [ 0, %{before} ], {ends}")
            ends = f"[ {stop}, %{latch} ], [ {later}, %{poll.after} ]"
            e.put(f"{stop} = phi i64 [ {poll.turns}, %{before} ], {ends}")
        carry.phis(before, latch, poll)
        carry.follow(i)
        at = e.do(f"sub i64 {step.length - 1}, {i}") if step.reverse else i
        slices = [
            self._slice(a, b.nbytes, at)
            for a, b in zip(self.arguments[m + n :], program.inputs[m + n :], strict=True)
        ]
        outs = [
            self._slice(r, b.nbytes, at)
            for r, b in zip(self.results[n:], program.outputs[n:], strict=True)
        ]
        self._run(body, [*constants, *carry.now, *slices, *carry.then, *outs])
        carry.turn()
        e.put(f"br label %{latch}")
        e.label(latch)
        carry.exchange()
        e.put(f"{following} = add nuw nsw i64 {i}, 1")
        more = e.do(f"icmp ult i64 {following}, {stop}")
        e.put(f"br i1 {more}, label %{head}, label %{poll.before if poll else end}")
        if poll is not None:  # the loop is one in pieces, so that turns are not counted twice
            e.label(poll.before)
            more = e.do(f"icmp ult i64 {following}, {step.length}")
            e.put(f"br i1 {more}, label %{poll.ask}, label %{end}")
            poll.write()
            limit = e.do(f"add nuw nsw i64 {stop}, {poll.turns}")
            e.module.declare("llvm.umin.i64", "i64", "i64, i64")
            e.put(f"{later} = call i64 @llvm.umin.i64(i64 {limit}, i64 {step.length})")
            e.put(f"br label %{head}")
        e.label(end)
        carry.give(known=True)

    def _while(self, bodies: list[str]) -> None:
        m, k = self.step.counts
        constants = self._constants(m + k)
        carry = self._carry(m + k, len(self.step.results))
        back = self.step.back
        tape = None if back is None else Tape(self, back)
        count = self.until(bodies, constants, carry, tape)
        if back is not None and tape is not None:
            tape.count = count
            self.steps.kept[back] = tape
        carry.give(known=False)

    def until(
        self,
        bodies: list[str],
        constants: Sequence[str],
        carry: Carry,
        tape: Tape | None = None,
    ) -> str:
        """Turns for as long as the condition holds; the number of those taken. A tape remembers
        what they begin with.

        A doubt ends the loop: a NaN could keep it going for ever.
        """
        e, step = self.e, self.step
        m, k = step.counts[:2]
        carry.first(odd=True)
        assert step.holds is not None
        holds = self._slot_of(step.holds.nbytes)
        loop = Endless(self, carry, "0")
        i = loop.number
        self._run(bodies[0], [*constants[:m], *carry.now, holds])
        goes_on = self._truth(step.holds, holds)
        sure = e.do(f"icmp eq i8 {e.do(f'load i8, ptr {self.notes[1][1]}')}, 0")
        loop.begin(e.do(f"and i1 {goes_on}, {sure}"))
        if step.limit is not None:
            self.steps.unless(e.do(f"icmp ult i64 {i}, {step.limit}"), str(TOO_LONG))
        if tape is not None:
            tape.remember(i, carry)
        self._run(bodies[1], [*constants[m : m + k], *carry.now, *carry.then])
        loop.latched()
        e.put(f"{loop.following} = add nuw nsw i64 {i}, 1")
        loop.close()
        return i
