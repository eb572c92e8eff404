"""C functions for programs, in an object file: what `transforms.export` writes.

`Function` is one of them: parameters, and the program on plain products with its careful version
(`codegen.doubt`), which the machine code runs itself where the first ended in doubt. Arguments of
no axes are passed by value, arrays by pointer. Small temporaries lie on the stack; where they do
not, the last parameter is memory for them, or null, and then it is allocated for the call.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from chainrule.codegen.doubt import check
from chainrule.codegen.engine import Target
from chainrule.codegen.linkage import InObject
from chainrule.codegen.loops import Product, Program, Step
from chainrule.codegen.memory import ALIGNMENT
from chainrule.codegen.products import as_loops
from chainrule.codegen.steps import (
    DOUBT,
    NO_MEMORY,
    OUT_OF_RANGE,
    Shared,
    StepsEmitter,
    aligned,
    on_stack,
)
from chainrule.codegen.text import Emitter, Module, memory_type
from chainrule.codegen.values import Value


@dataclass(frozen=True)
class Parameter:
    """An argument or a result: its name in C, and the array it is."""

    name: str
    value: Value


@dataclass(frozen=True)
class Function:
    """A function of C: what it is called with, and the program it runs."""

    name: str
    inputs: tuple[Parameter, ...]
    outputs: tuple[Parameter, ...]
    plain: Program
    careful: Program
    says: str
    """What it computes."""

    @property
    def workspace(self) -> int:
        """Bytes of the memory it takes for temporaries, 0 if they lie on the stack."""
        large = [p.arena for p in (self.plain, self.careful) if not on_stack(p)]
        return max(large) + ALIGNMENT if large else 0

    @property
    def doubtful(self) -> bool:
        """Whether the careful program may be needed."""
        return any(p.doubt in s.writes() for p in self.plain.programs() for s in p.steps)


def prepare(program: Program, blas: bool) -> None:
    """Have a program call nothing but what an object file can: of BLAS what Fortran declares, or
    nothing. Whether a result of BLAS is NaN is asked afterwards.
    """
    for p in program.programs():
        steps: list[Step] = []
        for s in p.steps:
            if not isinstance(s, Product):
                steps.append(s)
                continue
            steps.append(s if blas else as_loops(s))
            if s.doubt is not None:
                steps.append(check(s.c.buffer, s.doubt, s.level))
        p.steps = steps


def routines(functions: Sequence[Function]) -> bool:
    """Whether BLAS is called."""
    programs = [p for f in functions for whole in (f.plain, f.careful) for p in whole.programs()]
    return any(isinstance(s, Product) for p in programs for s in p.steps)


def module_of(functions: Sequence[Function], target: Target) -> Module:
    """The functions in LLVM's language."""
    shared = Shared(target, InObject())
    for f in functions:
        shared.module.functions.append(_function(f, shared))
    return shared.module


class RunEmitter(StepsEmitter):
    """A whole program as a function of pointers: inputs, outputs, and the arena if it has one that
    is too large for the stack. It returns OK, or why not.
    """

    def write(self, name: str) -> None:
        """Append the function to the module."""
        e, p = self.e, self.program
        e.label("entry")
        pointers = []
        for k, b in enumerate((*p.inputs, *p.outputs)):
            self.names[b] = f"%p{k}"
            pointers.append(f"ptr %p{k}")
        self.begin_notes()
        arena = "%arena"
        if on_stack(p):
            arena = e.do(f"alloca [{max(p.arena, 1)} x i8], align {ALIGNMENT}")
        else:
            pointers.append("ptr %arena")
        self.place_temporaries(arena)
        self.steps()
        e.put(f"ret i32 {self.noted()}")
        head = f"define internal i32 @{name}({', '.join(pointers)}) #0 {{"
        self.module.functions.append("\n".join([head, *e.lines, "}"]))


# --- the functions themselves ---------------------------------------------------------------------


def _function(f: Function, shared: Shared) -> str:
    e = Emitter(shared.module)
    e.label("entry")
    types, pointers = [], []
    for k, p in enumerate(f.inputs):
        by_value = not p.value.shape
        types.append(memory_type(p.value.code) if by_value else "ptr")
        pointers.append(e.do(f"alloca {types[k]}, align 8") if by_value else f"%p{k}")
        if by_value:
            e.put(f"store {types[k]} %p{k}, ptr {pointers[k]}")
    pointers += [f"%p{k}" for k in range(len(types), len(types) + len(f.outputs))]
    types += ["ptr"] * len(f.outputs)
    place, own = _workspace(e, f, f"%p{len(types)}") if f.workspace else ("", "")
    types += ["ptr"] * bool(f.workspace)
    _run(e, f, shared, pointers, place, own)
    parameters = ", ".join(f"{t} %p{k}" for k, t in enumerate(types))
    return "\n".join([f"define i32 @{f.name}({parameters}) #0 {{", *e.lines, "}"])


def _workspace(e: Emitter, f: Function, given: str) -> tuple[str, str]:
    """The memory for temporaries, and what is to be freed in the end."""
    e.module.declare("malloc", "ptr", "i64")
    e.module.declare("free", "void", "ptr")
    e.put(f"br i1 {e.do(f'icmp eq ptr {given}, null')}, label %make, label %have")
    e.label("make")
    made = e.do(f"call ptr @malloc(i64 {f.workspace})")
    e.put(f"br i1 {e.do(f'icmp eq ptr {made}, null')}, label %none, label %have")
    e.label("none")
    e.put(f"ret i32 {NO_MEMORY}")
    e.label("have")
    own = e.do(f"phi ptr [ null, %entry ], [ {made}, %make ]")
    place = e.do(f"phi ptr [ {given}, %entry ], [ {made}, %make ]")
    return aligned(e, place), own


def _run(
    e: Emitter, f: Function, shared: Shared, pointers: Sequence[str], place: str, own: str
) -> None:
    """Call the program, the careful one after a doubt, and return the code."""

    def call(program: Program) -> str:
        name = shared.name("run")
        RunEmitter(program, shared).write(name)
        given = [*pointers, *([] if on_stack(program) else [place])]
        return e.do(f"call i32 @{name}({', '.join('ptr ' + p for p in given)})")

    code = call(f.plain)
    if f.doubtful:
        noted = e.do(f"and i32 {code}, {DOUBT | OUT_OF_RANGE}")
        again = e.do(f"icmp eq i32 {noted}, {DOUBT}")
        e.put("br label %first")
        e.label("first")
        e.put(f"br i1 {again}, label %again, label %end")
        e.label("again")
        second = call(f.careful)
        e.put("br label %end")
        e.label("end")
        code = e.do(f"phi i32 [ {code}, %first ], [ {second}, %again ]")
        code = e.do(f"and i32 {code}, {~DOUBT}")
    if own:
        e.put(f"call void @free(ptr {own})")
    e.put(f"ret i32 {code}")
