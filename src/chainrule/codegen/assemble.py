"""The whole program as one module: kernels, and the entry function that runs the steps in order.

The entry is a function as Python's own built-in ones are (`METH_FASTCALL`): it takes Python
objects, arrays, NumPy scalars, and floats for the inputs, arrays for the results. It reads where
their data are itself (all of them keep it at the same place, see `run.compiled`, which checks
that), so that a call costs next to nothing for each argument. Where there is much to do, other
threads may run Python meanwhile.

It returns a Python integer: OK, or why not.
"""

from __future__ import annotations

from typing import Any, Final

from chainrule.codegen.engine import host
from chainrule.codegen.linkage import InProcess
from chainrule.codegen.loops import Buffer, Kernel, Program, chopped, work
from chainrule.codegen.steps import INTERRUPTED, LAYOUT, RunEmitter, Shared, aligned, on_stack
from chainrule.codegen.text import Emitter, Module

DATA_AT: Final = 16
"""Bytes from the start of an array to the pointer to its data, or of a number to its value."""

FLAGS_AT: Final = 64
"""Bytes from the start of an array to its flags."""

PLAIN: Final = 0x101
"""Flags: contiguous in C's order, and aligned."""

LONG: Final = 800
"""A body without loops longer than this is cut."""


LITTLE: Final = 20000
"""Operations that take less time than letting other threads run would be worth."""


def is_long(program: Program) -> bool:
    """Whether a call takes so long that other threads may run Python meanwhile."""
    return work(program) > LITTLE


def chop(program: Program) -> None:
    """Cut very long bodies without loops into several kernels."""
    steps: list[Any] = []
    for step in program.steps:
        if isinstance(step, Kernel) and not step.extents and len(step.body()) > LONG:
            parts = _by_dtype(step, program)
            steps.extend(parts)
        else:
            steps.append(step)
    program.steps = steps


def _by_dtype(kernel: Kernel, program: Program) -> list[Kernel]:
    codes = {e.code for e in kernel.body() if e.op not in ("const", "load")}
    if codes != {"f8"}:  # the numbers passed on are of one dtype
        return [kernel]
    from chainrule.codegen.values import Value

    number = 1 + max(
        [b.number for b in (*program.temporaries, *program.constants, *program.inputs)], default=0
    )
    number = max(number, 1 + max((b.number for b in program.outputs), default=0))
    scratch = Buffer("temporary", "f8", 1, number, Value("scratch", None, (), {}))
    program.temporaries.append(scratch)
    return chopped(kernel, scratch)


def assemble(program: Program, linkage: InProcess) -> str:
    """The module's text, for this machine."""
    shared = Shared(host(), linkage)
    RunEmitter(program, shared).write("run")
    shared.module.functions += [_called(program, shared.module), _builtin(shared.module)]
    return shared.module.text()


def _called(program: Program, module: Module) -> str:
    """The program as a function of an array of objects."""
    e = Emitter(module)
    e.label("entry")
    pointers = []
    for k, b in enumerate((*program.inputs, *program.outputs)):
        pointers.append(_data(e, b, _object(e, k), checked=k < len(program.inputs)))
    if not on_stack(program):
        place = e.do(f"getelementptr i8, ptr {_object(e, len(pointers))}, i64 {DATA_AT}")
        pointers.append(aligned(e, e.do(f"load ptr, ptr {place}")))
    free = is_long(program)
    if free:
        module.declare("PyEval_SaveThread", "ptr", "")
        module.declare("PyEval_RestoreThread", "void", "ptr")
        state = e.do("call ptr @PyEval_SaveThread()")
    code = e.do(f"call i32 @run({', '.join('ptr ' + p for p in pointers)})")
    if free:
        e.put(f"call void @PyEval_RestoreThread(ptr {state})")
    e.put(f"ret i32 {code}")
    return "\n".join(["define internal i32 @called(ptr %args) #0 {", *e.lines, "}"])


def _object(e: Emitter, k: int) -> str:
    place = e.do(f"getelementptr ptr, ptr %args, i64 {k}")
    return e.do(f"load ptr, ptr {place}")


def _data(e: Emitter, b: Buffer, name: str, checked: bool) -> str:
    """Where the data of an object are; of inputs it is checked that they lie as they should."""
    place = e.do(f"getelementptr i8, ptr {name}, i64 {DATA_AT}")
    if checked and not b.value.shape:
        return place
    if checked:
        flags = e.do(f"getelementptr i8, ptr {name}, i64 {FLAGS_AT}")
        plain = e.do(f"and i32 {e.do(f'load i32, ptr {flags}')}, {PLAIN}")
        good = e.do(f"icmp eq i32 {plain}, {PLAIN}")
        number = len(e.lines)
        e.put(f"br i1 {good}, label %go{number}, label %stop{number}")
        e.label(f"stop{number}")
        e.put(f"ret i32 {LAYOUT}")
        e.label(f"go{number}")
    return e.do(f"load ptr, ptr {place}")


def _builtin(module: Module) -> str:
    """The entry in the form of Python's built-in functions."""
    e = Emitter(module)
    e.label("entry")
    code = e.do("call i32 @called(ptr %args)")
    module.declare("PyLong_FromLong", "ptr", "i64")
    e.put(f"br i1 {e.do(f'icmp eq i32 {code}, {INTERRUPTED}')}, label %raise, label %return")
    e.label("raise")  # what a handler of a signal has raised
    e.put("ret ptr null")
    e.label("return")
    result = e.do(f"call ptr @PyLong_FromLong(i64 {e.do(f'zext i32 {code} to i64')})")
    e.put(f"ret ptr {result}")
    head = "define ptr @entry(ptr %self, ptr %args, i64 %count) #0 {"
    return "\n".join([head, *e.lines, "}"])
