"""Rows that are loops of their own (`ops.native`) as steps: lowered, and written as functions.

A routine works on one example of a batch; what it needs of memory besides lies in the arena.
"""

from __future__ import annotations

import inspect
import math
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from chainrule.codegen.loops import Buffer, Program
from chainrule.codegen.scalars import SPECIAL
from chainrule.codegen.scope import Memory as Buffers
from chainrule.codegen.text import Emitter, Module, memory_type
from chainrule.codegen.values import CODES, Value

FAILED: Final = 128
"""What a routine was given cannot be done: the rows' own evaluation says why not."""

ALIGNMENT: Final = 64


@dataclass(eq=False, repr=False)
class Array:
    """An array as a routine takes it: its part for one example, at steps over the batch."""

    buffer: Buffer
    batch: tuple[int, ...]
    core: tuple[int, ...]

    def part(self, k: int) -> Buffer:
        """The part for one example, as parameter number k of a routine."""
        return Buffer("part", self.buffer.code, math.prod(self.core), k, self.buffer.value)


@dataclass(eq=False, repr=False)
class Routine:
    """A row done by loops of its own, for each example of a batch."""

    value: Value
    batch: tuple[int, ...]
    results: list[Array]
    operands: list[Array]
    scratch: Buffer
    module: Module
    """The functions, under names that begin with NAME."""
    may_fail: bool
    """Whether it gives up on some arguments."""
    level: int = 0
    name: str = ""

    def reads(self) -> list[Buffer]:
        """Buffers that are read."""
        return list(dict.fromkeys(a.buffer for a in self.operands))

    def writes(self) -> list[Buffer]:
        """Buffers that are written."""
        return [*(a.buffer for a in self.results), self.scratch]

    def arrays(self) -> list[Array]:
        """What the routine takes, in order."""
        return [*self.results, *self.operands]

    def __repr__(self) -> str:
        given = ", ".join(repr(a.buffer) for a in self.operands)
        made = ", ".join(repr(a.buffer) for a in self.results)
        batch = f" for each of {list(self.batch)}" if self.batch else ""
        return f"{made} = {self.value.op}({given}) by a loop{batch}"


NAME: Final = "@routine"


def routine(v: Value, results: list[Buffer], memory: Buffers, level: int) -> Routine | None:
    """The routine for a value, or None where its row has none for such operands."""
    native = getattr(v.row, "native", None)
    if native is None or not native.fits(*v.args, **v.params):
        return None
    if not all(a.native and a.size for a in v.args):
        return None
    if not all(b.code in CODES and b.size for b in results):
        return None
    args = _in_dtype(v, native, memory)
    ranks = [native.core[min(k, len(native.core) - 1)] for k in range(len(v.args))]
    if args is None or any(a.ndim < r for a, r in zip(args, ranks, strict=True)):
        return None
    batch = np.broadcast_shapes(*(a.shape[: a.ndim - r] for a, r in zip(args, ranks, strict=True)))
    operands = []
    for a, r in zip(args, ranks, strict=True):
        buffer = memory.of(a)
        assert buffer is not None
        operands.append(Array(buffer, a.shape[: a.ndim - r], a.shape[a.ndim - r :]))
    made = []
    for k, b in enumerate(results):
        r = native.out[min(k, len(native.out) - 1)]
        shape = b.value.shape
        if shape[: len(shape) - r] != batch:
            return None
        made.append(Array(b, batch, shape[len(shape) - r :]))
    try:
        module, space, may_fail = _write(v, native.loop, made, operands, batch)
    except OSError:  # the source is not there
        return None
    spec = Value("scratch", None, (), {}).spec((max(space, 1),), np.dtype(np.uint8))
    scratch = memory.new("temporary", spec)
    return Routine(v, batch, made, operands, scratch, module, may_fail, level)


def _in_dtype(v: Value, native: Any, memory: Buffers) -> list[Value] | None:
    """The operands in the dtype that the loops want: constants are cast here, others were by
    `rewrite.expand`; None where one is not.
    """
    if not native.dtype:
        return list(v.args)
    dtype = v.const[0].dtype if v.dtype == object else v.dtype
    if native.dtype == "common":
        dtype = np.result_type(*(a.const if a.op == "const" else a.dtype for a in v.args))
    args = [
        memory.constant(np.asarray(a.const).astype(dtype))
        if a.op == "const" and a.dtype != dtype
        else a
        for a in v.args
    ]
    return args if all(a.dtype == dtype for a in args) else None


def _write(
    v: Value, loop: Any, results: list[Array], operands: list[Array], batch: tuple[int, ...]
) -> tuple[Module, int, bool]:
    """The module with the functions of a routine, the bytes of memory it needs besides, and
    whether it may give up.
    """
    from chainrule.codegen.translate import Memory, Translator  # few programs need it

    module = Module()
    e = Emitter(module)
    arrays = [*results, *operands]
    count = math.prod(batch)
    one = f"{NAME}.one" if count > 1 else NAME
    space = 0

    def more(size: int) -> str:
        nonlocal space
        place = e.fresh()
        e.lines.insert(1, f"  {place} = getelementptr i8, ptr %p{len(arrays)}, i64 {space}")
        space += -(-size // ALIGNMENT) * ALIGNMENT
        return place

    e.label("entry")
    floating = next((a.buffer.code for a in arrays if a.buffer.code[0] == "f"), "f8")
    asked = inspect.signature(loop).parameters
    params = {k: p for k, p in v.params.items() if k in asked}
    given = [Memory(f"%p{k}", a.core, a.buffer.code) for k, a in enumerate(arrays)]
    writer = Translator(e, floating, more)
    writer.run(loop, given, params)
    if not writer.ended:
        e.put("ret i32 0")
    pointers = ", ".join(f"ptr noalias %p{k}" for k in range(len(arrays) + 1))
    module.functions.append(
        "\n".join([f"define internal i32 {one}({pointers}) #0 {{", *e.lines, "}"])
    )
    if count > 1:
        module.functions.append(_over(batch, arrays, pointers, module))
    return module, space, writer.gives_up


def _over(batch: tuple[int, ...], arrays: list[Array], pointers: str, module: Module) -> str:
    """The function that runs one example after the other."""
    e = Emitter(module)
    e.label("entry")
    e.put("br label %head")
    e.label("head")
    e.put("%i = phi i64 [ 0, %entry ], [ %n, %next ]")
    places: list[str] = []
    for k, a in enumerate(arrays):
        offset = _offset(e, batch, a)
        t = memory_type(a.buffer.code)
        places.append(f"ptr {e.do(f'getelementptr {t}, ptr %p{k}, i64 {offset}')}")
    code = e.do(f"call i32 {NAME}.one({', '.join([*places, f'ptr %p{len(arrays)}'])})")
    e.put(f"br i1 {e.do(f'icmp eq i32 {code}, 0')}, label %next, label %failed")
    e.label("failed")
    e.put(f"ret i32 {code}")
    e.label("next")
    e.put("%n = add nuw nsw i64 %i, 1")
    more = e.do(f"icmp ult i64 %n, {math.prod(batch)}")
    e.put(f"br i1 {more}, label %head, label %done")
    e.label("done")
    e.put("ret i32 0")
    return "\n".join([f"define internal i32 {NAME}({pointers}) #0 {{", *e.lines, "}"])


def _offset(e: Emitter, batch: tuple[int, ...], a: Array) -> str:
    """Where example %i of an array is, in elements."""
    size = math.prod(a.core)
    if a.batch == batch:
        return e.do(f"mul i64 %i, {size}")
    own = (1,) * (len(batch) - len(a.batch)) + a.batch
    total, inner = "0", 1
    for n, have in zip(reversed(batch), reversed(own), strict=True):
        if have > 1:
            index = e.do(f"urem i64 {e.do(f'udiv i64 %i, {inner}')}, {n}")
            total = e.do(f"add i64 {total}, {e.do(f'mul i64 {index}, {size}')}")
        size *= have
        inner *= n
    return total


def libraries(program: Program) -> set[str]:
    """The rows that call LAPACK, or SciPy's special functions."""
    found = set()
    for p in program.programs():
        for step in p.steps:
            if isinstance(step, Routine) and "outside $" in "".join(step.module.functions):
                found.add(step.value.op)
        found |= {e.op for k in p.kernels for e in k.body() if e.op in SPECIAL}
    return found


def write_routine(step: Routine, shared: Any) -> None:
    """Put a routine's functions into the program's module, under a name of their own."""
    step.name = shared.name("routine")
    shared.module.declared.update(step.module.declared)
    shared.module.definitions.update(step.module.definitions)
    for k, text in enumerate(step.module.functions):
        shared.module.functions.append(text.replace(NAME, f"@{step.name}"))
        if not k and shared.sites is not None:  # the arrays of one example are parameters
            parts = [a.part(i) for i, a in enumerate(step.arrays())]
            s = step.scratch
            shared.sites.check(
                step.name, [*parts, Buffer("part", s.code, s.size, len(parts), s.value)]
            )
