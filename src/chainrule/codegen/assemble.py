"""The whole program as one module: kernels, and the entry function that runs the steps in order.

The entry is a function as Python's own built-in ones are (`METH_FASTCALL`): it takes Python
objects, arrays, NumPy scalars, and floats for the inputs, arrays and new NumPy scalars for the
results. It reads where their data are itself (all of them keep it at the same place, see
`run.compiled`, which checks that), so that a call costs next to nothing for each argument. Where
there is much to do, other threads may run Python meanwhile.

It returns a Python integer: OK, or why not.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from chainrule.codegen.bounds import VIOLATION, verify
from chainrule.codegen.direct import Direct, suits
from chainrule.codegen.engine import host
from chainrule.codegen.linkage import ADDRESSES, CONSTANT, Table
from chainrule.codegen.loops import Buffer, Program, work
from chainrule.codegen.memory import ALIGNMENT
from chainrule.codegen.steps import (
    INTERRUPTED,
    LAYOUT,
    OUT_OF_BOUNDS,
    Shared,
    StepsEmitter,
    aligned,
    on_stack,
)
from chainrule.codegen.text import Emitter, linked

DATA_AT: Final = 16
"""Bytes from the start of an array to the pointer to its data, or of a number to its value."""

FLAGS_AT: Final = 64
"""Bytes from the start of an array to its flags."""

PLAIN: Final = 0x101
"""Flags: contiguous in C's order, and aligned."""

WRITEABLE: Final = 0x400
"""Flag of what may be written."""

LITTLE: Final = 20000
"""Operations that take less time than letting other threads run would be worth."""


def is_long(program: Program) -> bool:
    """Whether a call takes so long that other threads may run Python meanwhile."""
    return work(program) > LITTLE


def is_number(shape: tuple[int, ...], dtype: np.dtype[Any]) -> bool:
    """Whether a result is made as a NumPy scalar, which holds the number itself. Of truth values
    there are two objects only, which nobody may write; they are made as arrays.
    """
    return not shape and dtype.kind != "b"


@dataclass(eq=False, repr=False)
class Assembled:
    """A module: its text, and what must be known besides."""

    text: str
    outside: list[str]
    """Names of what its table of addresses is to hold."""
    sites: list[str]
    """What the accesses are that are checked, by their numbers."""
    direct: bool
    """Whether there is a function that does the whole call (`codegen.direct`)."""


def assemble(program: Program, check_bounds: bool = False) -> Assembled:
    """The program as a module. Raises BoundsError if a check of bounds fails already."""
    names = {b: f"{CONSTANT}{k}" for k, b in enumerate(constants(program))}
    if check_bounds:
        verify(program)
    table = Table(names, unlocked=is_long(program))
    shared = Shared(host(), table, check_bounds)
    direct = not check_bounds and on_stack(program) and suits(program)
    text = _Entry(program, shared, table, direct).text()
    return Assembled(text, list(table.places), shared.sites.list if shared.sites else [], direct)


def constants(program: Program) -> list[Buffer]:
    """The constants of a program and its loops, in order."""
    return [b for p in program.programs() for b in p.constants]


class _Entry(StepsEmitter):
    """The function that is called."""

    def __init__(self, program: Program, shared: Shared, table: Table, direct: bool) -> None:
        super().__init__(program, shared)
        self.table, self.direct = table, direct

    def text(self) -> str:
        """The module."""
        self._prologue()
        self.steps()
        self._finish()
        self.module.functions = [linked(t, self.table.loaded) for t in self.module.functions]
        count = len(self.table.places)
        self.module.definitions[ADDRESSES] = (
            f"@{ADDRESSES} = global [{count} x ptr] zeroinitializer"
        )
        return self.module.text()

    def _prologue(self) -> None:
        e, p, names = self.e, self.program, self.names
        e.label("entry")
        taken = [p.inputs[j] for j in p.inplace.values()]
        for b in p.inputs:
            names[b] = self._data(b, f"%o{b.number}", PLAIN | WRITEABLE * (b in taken))
        for b in taken:
            self._alone(b)
        for b in self._made():
            place = e.do(f"getelementptr i8, ptr %r{b.number}, i64 {DATA_AT}")
            names[b] = (
                place if is_number(b.value.shape, b.value.dtype) else e.do(f"load ptr, ptr {place}")
            )
        self.begin_notes()
        if on_stack(p):
            arena = e.do(f"alloca [{max(p.arena, 1)} x i8], align {ALIGNMENT}")
        else:
            place = e.do(f"getelementptr i8, ptr %arena, i64 {DATA_AT}")
            arena = aligned(e, e.do(f"load ptr, ptr {place}"))
        self.place_temporaries(arena)

    def _made(self) -> list[Buffer]:
        """The outputs that are not written where an input lies."""
        return [b for k, b in enumerate(self.program.outputs) if k not in self.program.inplace]

    def _alone(self, b: Buffer) -> None:
        """What is overwritten must not share memory with another input."""
        e = self.e
        start = e.do(f"ptrtoint ptr {self.names[b]} to i64")
        for other in self.program.inputs:
            if other is b or not other.value.shape:
                continue
            theirs = e.do(f"ptrtoint ptr {self.names[other]} to i64")
            ends = e.do(f"add i64 {start}, {b.nbytes}"), e.do(f"add i64 {theirs}, {other.nbytes}")
            before = e.do(f"icmp ule i64 {ends[0]}, {theirs}")
            after = e.do(f"icmp ule i64 {ends[1]}, {start}")
            self.unless(e.do(f"or i1 {before}, {after}"), str(LAYOUT))

    def _data(self, b: Buffer, name: str, wanted: int) -> str:
        e = self.e
        place = e.do(f"getelementptr i8, ptr {name}, i64 {DATA_AT}")
        if not b.value.shape:
            return place
        flags = e.do(f"getelementptr i8, ptr {name}, i64 {FLAGS_AT}")
        plain = e.do(f"and i32 {e.do(f'load i32, ptr {flags}')}, {wanted}")
        good = e.do(f"icmp eq i32 {plain}, {wanted}")
        self.unless(good, str(LAYOUT))
        return e.do(f"load ptr, ptr {place}")

    def _finish(self) -> None:
        e, p = self.e, self.program
        code = self.noted()
        if self.shared.sites is not None:
            outside = e.do(f"icmp ne i64 {e.do(f'load i64, ptr @{VIOLATION}')}, 0")
            bit = e.do(f"select i1 {outside}, i32 {OUT_OF_BOUNDS}, i32 0")
            code = e.do(f"or i32 {code}, {bit}")
        e.put(f"ret i32 {code}")
        parameters = [f"ptr %o{b.number}" for b in p.inputs] + [
            f"ptr %r{b.number}" for b in self._made()
        ]
        if not on_stack(p):
            parameters.append("ptr %arena")
        head = f"define internal i32 @run({', '.join(parameters)}) #0 {{"
        self.module.functions.append("\n".join([head, *e.lines, "}"]))
        self.module.functions.append(self._builtin(len(parameters)))
        if self.direct:
            function = Direct(self.module, self.table, p)
            self.module.functions.append(function.text(self._run, INTERRUPTED))

    def _run(self, e: Emitter, objects: Sequence[str]) -> str:
        """The code of a run on objects; other threads may run Python meanwhile if it takes long."""
        free = is_long(self.program)
        if free:
            self.module.declare("PyEval_SaveThread", "ptr", "")
            self.module.declare("PyEval_RestoreThread", "void", "ptr")
            state = e.do("call ptr @PyEval_SaveThread()")
        code = e.do(f"call i32 @run({', '.join(f'ptr {x}' for x in objects)})")
        if free:
            e.put(f"call void @PyEval_RestoreThread(ptr {state})")
        return code

    def _builtin(self, count: int) -> str:
        """The entry in the form of Python's built-in functions."""
        e = Emitter(self.module)
        e.label("entry")
        objects = []
        for k in range(count):
            place = e.do(f"getelementptr ptr, ptr %args, i64 {k}")
            objects.append(e.do(f"load ptr, ptr {place}"))
        code = self._run(e, objects)
        self.module.declare("PyLong_FromLong", "ptr", "i64")
        e.put(f"br i1 {e.do(f'icmp eq i32 {code}, {INTERRUPTED}')}, label %raise, label %return")
        e.label("raise")  # what a handler of a signal has raised
        e.put("ret ptr null")
        e.label("return")
        result = e.do(f"call ptr @PyLong_FromLong(i64 {e.do(f'zext i32 {code} to i64')})")
        e.put(f"ret ptr {result}")
        head = "define ptr @entry(ptr %self, ptr %args, i64 %count) #0 {"
        return "\n".join([head, *e.lines, "}"])


def address_of(array: Any) -> int:
    """Where an array's data are."""
    return int(array.__array_interface__["data"][0])


def callback_type() -> Any:
    """The C type of the function that runs a callback."""
    return ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int64, ctypes.c_void_p)
