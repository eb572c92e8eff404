"""A program's steps as a function: kernels are called, BLAS and NumPy are called, loops go round.

`StepsEmitter` is the body of a function that knows where its buffers are (`names`). The entry
(`codegen.assemble`) is one, and so is each body of a loop.
"""

from __future__ import annotations

from typing import Final

from chainrule.codegen.back import NO_MEMORY as NO_MEMORY
from chainrule.codegen.back import Tape
from chainrule.codegen.bounds import Sites
from chainrule.codegen.carry import is_small
from chainrule.codegen.emit import KernelEmitter, write_nest
from chainrule.codegen.engine import Target
from chainrule.codegen.index import Affine, Coordinate
from chainrule.codegen.linkage import BLAS, CALLBACK, GEMM, PARALLEL, Linkage
from chainrule.codegen.loops import Access, Buffer, Callback, Kernel, Loop, Nest, Product, Program
from chainrule.codegen.memory import ALIGNMENT
from chainrule.codegen.poll import INTERRUPTED as INTERRUPTED
from chainrule.codegen.routines import FAILED as FAILED
from chainrule.codegen.routines import Routine, write_routine
from chainrule.codegen.text import Emitter, Module, literal, memory_type, scalar_type
from chainrule.codegen.turns import TOO_LONG as TOO_LONG
from chainrule.codegen.turns import Turns, inlined
from chainrule.graph.graph import EFFECT

ON_STACK: Final = 16384
"""An arena of at most so many bytes lies on the stack."""

OK: Final = 0
OUT_OF_RANGE: Final = 1
RAISED: Final = 2
LAYOUT: Final = 3
"""An input is not contiguous or not aligned: nothing was done."""
DOUBT: Final = 4
"""There may have been a product of zero and infinity: run the careful program (a bit)."""
OUT_OF_BOUNDS: Final = 32
"""Compiled code left its memory (`codegen.bounds`; a bit)."""


class Shared:
    """What all functions of a module have in common."""

    def __init__(self, target: Target, linkage: Linkage, check_bounds: bool = False) -> None:
        self.module = Module(target.fma, target.avx512)
        self.sites = Sites(self.module) if check_bounds else None
        self.vector_bytes, self.linkage = target.vector_bytes, linkage
        self.count = 0

    def name(self, stem: str) -> str:
        """A name for a function: one that no function of C can have."""
        self.count += 1
        return f"{stem}.{self.count}"


class StepsEmitter:
    """Writes the steps of a program into a function."""

    def __init__(self, program: Program, shared: Shared) -> None:
        self.program, self.shared, self.module = program, shared, shared.module
        self.e = Emitter(self.module)
        self.names: dict[Buffer, str] = {}
        self._labels = 0
        self.tapes: list[Tape] = []
        """Those in memory that is to be given back whatever happens."""
        self.kept: dict[Loop, Tape] = {}
        """Tapes that loops have left for the way back over them."""
        self.inside = False
        """Whether this is the body of a loop or branch."""

    def another(self, program: Program) -> StepsEmitter:
        """The emitter of a body."""
        inner = StepsEmitter(program, self.shared)
        inner.inside = True
        return inner

    def label(self) -> int:
        """A number for labels."""
        self._labels += 1
        return self._labels

    def steps(self) -> None:
        """All steps, in order."""
        for step in self.program.steps:
            if isinstance(step, (Kernel, Nest)):
                step.name = self.shared.name("kernel")
                width = self.shared.vector_bytes
                if isinstance(step, Nest):
                    buffers = write_nest(step, self.module, width)
                else:
                    buffers = KernelEmitter(step, self.module, width).write()
                if self.shared.sites is not None:
                    self.shared.sites.check(step.name, buffers)
                if self.inside:
                    self.module.functions[-1] = inlined(self.module.functions[-1])
                if isinstance(step, Kernel) and step.grain:
                    self._share(step, buffers)
                    continue
                arguments = ", ".join(f"ptr {self.names[b]}" for b in buffers)
                self.e.put(f"call void @{step.name}({arguments})")
            elif isinstance(step, Product):
                self._product(step)
            elif isinstance(step, Loop):
                Turns(self, step).write()
            elif isinstance(step, Routine):
                self._routine(step)
            else:
                self._callback(step)

    def _share(self, step: Kernel, buffers: list[Buffer]) -> None:
        """Have threads share the first loop of a kernel that takes a stretch of it."""
        e, part = self.e, Emitter(self.module)
        table = self.slots(f"[{len(buffers)} x ptr]")
        arguments, notes = [], []
        part.label("entry")
        for k, b in enumerate(buffers):
            e.put(
                f"store ptr {self.names[b]}, ptr {e.do(f'getelementptr ptr, ptr {table}, i64 {k}')}"
            )
            place = part.do(f"getelementptr ptr, ptr %context, i64 {k}")
            name = part.do(f"load ptr, ptr {place}")
            if b in (self.program.status, self.program.doubt):  # threads do not change it together
                own = part.do("alloca i8")
                part.put(f"store i8 0, ptr {own}")
                notes.append((name, own))
                name = own
            arguments.append(f"ptr {name}")
        part.put(f"call void @{step.name}(i64 %low, i64 %high, {', '.join(arguments)})")
        for k, (name, own) in enumerate(notes):
            seen = part.do(f"icmp ne i8 {part.do(f'load i8, ptr {own}')}, 0")
            part.put(f"br i1 {seen}, label %note{k}, label %go{k}")
            part.label(f"note{k}")
            part.put(f"store atomic i8 1, ptr {name} monotonic, align 1")
            part.put(f"br label %go{k}")
            part.label(f"go{k}")
        part.put("ret void")
        head = f"define internal void @{step.name}.part(ptr %context, i64 %low, i64 %high) #0 {{"
        self.module.functions.append("\n".join([head, *part.lines, "}"]))
        e.put(
            f"call void {self.outside(PARALLEL)}(ptr @{step.name}.part, ptr {table}, "
            f"i64 {step.extents[0]}, i64 {step.grain})"
        )

    def place_temporaries(self, arena: str) -> None:
        """Name the places of the temporaries in an arena, and of the constants."""
        for b in self.program.constants:
            self.names[b] = self.shared.linkage.constant(b, self.e)
        for b in self.program.temporaries:
            if self.inside and is_small(b):
                self.names[b] = self.slots(f"[{max(b.nbytes, 1)} x i8]", 8)
                continue
            place = max(b.offset, 0)
            self.names[b] = self.e.do(f"getelementptr i8, ptr {arena}, i64 {place}")

    def outside(self, name: str) -> str:
        """The address of a routine of a library, of a function of Python (`codegen.linkage`)."""
        return self.shared.linkage.outside(name, self.e)

    def unless(self, good: str, code: str) -> None:
        """Return a code unless something holds."""
        self._labels += 1
        go, stop = f"go{self._labels}", f"stop{self._labels}"
        self.e.put(f"br i1 {good}, label %{go}, label %{stop}")
        self.e.label(stop)
        for tape in self.tapes:
            tape.free()
        self.e.put(f"ret i32 {code}")
        self.e.label(go)

    def _routine(self, step: Routine) -> None:
        write_routine(step, self.shared)
        arrays = [a.buffer for a in step.arrays()]
        arguments = ", ".join(f"ptr {self.names[b]}" for b in (*arrays, step.scratch))
        code = self.e.do(f"call i32 @{step.name}({arguments})")
        self.unless(self.e.do(f"icmp eq i32 {code}, 0"), str(FAILED))

    # --- callbacks -------------------------------------------------------------------------------

    def _callback(self, step: Callback) -> None:
        e = self.e
        buffers = [*step.reads(), *step.writes()]
        table = self.slots(f"[{max(len(buffers), 1)} x ptr]")
        for k, b in enumerate(buffers):
            p = e.do(f"getelementptr ptr, ptr {table}, i64 {k}")
            e.put(f"store ptr {self.names[b]}, ptr {p}")
        after = self._only_where(step)
        code = e.do(f"call i32 {self.outside(CALLBACK)}(i64 {step.number}, ptr {table})")
        self.unless(e.do(f"icmp eq i32 {code}, 0"), str(RAISED))
        if after:
            e.put(f"br label %{after}")
            e.label(after)

    def _only_where(self, step: Callback) -> str:
        """Step over the call of an effect whose condition does not hold; where to."""
        e, when = self.e, step.arguments[0] if step.arguments else None
        if step.value.op != EFFECT or not isinstance(when, Buffer):
            return ""
        number = self.label()
        holds = e.do(f"icmp ne i8 {e.do(f'load i8, ptr {self.names[when]}')}, 0")
        e.put(f"br i1 {holds}, label %do{number}, label %done{number}")
        e.label(f"do{number}")
        return f"done{number}"

    def begin_notes(self) -> None:
        """At the beginning of a whole program: nothing has been noted."""
        for b in (self.program.status, self.program.doubt):
            self.names[b] = self.e.do("alloca i8, align 8")
            self.e.put(f"store i8 0, ptr {self.names[b]}")

    def noted(self) -> str:
        """At its end: what has been noted, as a code."""
        e, p = self.e, self.program
        status = e.do(f"zext i8 {e.do(f'load i8, ptr {self.names[p.status]}')} to i32")
        doubt = e.do(f"zext i8 {e.do(f'load i8, ptr {self.names[p.doubt]}')} to i32")
        return e.do(f"or i32 {status}, {e.do(f'shl i32 {doubt}, 2')}")

    def slots(self, t: str, align: int = 8) -> str:
        """Memory on the stack, taken once at the beginning."""
        name = self.e.fresh()
        at = self.e.lines.index("entry:") + 1
        self.e.lines.insert(at, f"  {name} = alloca {t}, align {align}")
        return name

    # --- matrix products -------------------------------------------------------------------------

    def _product(self, step: Product) -> None:
        """A product for each point of the loops over the batch."""
        variables: dict[int, str] = {}
        ends: list[tuple[str, str, str, int, str, int]] = []
        e = self.e
        for k, n in enumerate(step.extents):
            self._labels += 1
            before, head = f"before{self._labels}", f"batch{self._labels}"
            i = f"%{head}.i"
            e.put(f"br label %{before}")
            e.label(before)
            e.put(f"br label %{head}")
            e.label(head)
            at = len(e.lines)
            e.put("")
            variables[k] = i
            ends.append((before, head, i, n, f"%{head}.n", at))
        self._gemm(step, variables)
        for before, head, i, n, following, at in reversed(ends):
            latch, end = f"{head}.latch", f"{head}.end"
            e.put(f"br label %{latch}")
            e.label(latch)
            e.put(f"{following} = add nuw nsw i64 {i}, 1")
            more = e.do(f"icmp ult i64 {following}, {n}")
            e.put(f"br i1 {more}, label %{head}, label %{end}")
            e.lines[at] = f"  {i} = phi i64 [ 0, %{before} ], [ {following}, %{latch} ]"
            e.label(end)

    def _gemm(self, step: Product, variables: dict[int, str]) -> None:
        m, n, k = step.sizes
        code = step.code
        prefix = "d" if code == "f8" else "s"
        a = self._matrix(step.a, variables)
        b = self._matrix(step.b, variables)
        c = self._matrix(step.c, variables)
        if m == 1 or n == 1:
            self._gemv(step, prefix, a, b, c)
            return
        if not self.shared.linkage.gemm:
            self._fortran(step, prefix, a, b, c)
            return
        from chainrule.codegen.gemm import NO_ROOM  # here, as few programs need it

        sizes = [str(m), str(n), str(k)]
        pointers = [(a, step.a), (b, step.b), (c, step.c)]
        arguments = [f"i64 {x}" for x in sizes]
        for pointer, access in pointers:
            arguments += [f"ptr {pointer}", f"i64 {access.row}", f"i64 {access.column}"]
        function = self.outside(GEMM + code)
        found = self.e.do(f"call i32 {function}({', '.join(arguments[:-1])})")
        room = self.e.do(f"icmp ne i32 {found}, {NO_ROOM}")
        self.unless(room, str(NO_MEMORY))
        if step.doubt is not None:
            place = self.names[step.doubt]
            old = self.e.do(f"load i8, ptr {place}")
            new = self.e.do(f"trunc i32 {found} to i8")
            self.e.put(f"store i8 {self.e.do(f'or i8 {old}, {new}')}, ptr {place}")

    def _fortran(self, step: Product, prefix: str, a: str, b: str, c: str) -> None:
        """By BLAS: C = A B in C's order is C^T = B^T A^T in Fortran's."""
        m, n, k = step.sizes
        ta, la = _layout(step.a, m, k)
        tb, lb = _layout(step.b, k, n)
        one, zero = self._number(1.0, step.code), self._number(0.0, step.code)
        self._call(
            f"{prefix}gemm",
            [
                self._letter(tb), self._letter(ta), self._integer(n), self._integer(m),
                self._integer(k), one, b, self._integer(lb), a, self._integer(la), zero, c,
                self._integer(n),
            ],
        )  # fmt: skip

    def _gemv(self, step: Product, prefix: str, a: str, b: str, c: str) -> None:
        m, n, k = step.sizes
        code = step.code
        one, zero = self._number(1.0, code), self._number(0.0, code)
        if n == 1:  # c = A b; in Fortran's order the matrix is A^T
            t, ld = _layout(step.a, m, k)
            letter, rows, columns = ("T", k, m) if t == "N" else ("N", m, k)
            matrix, x, step_x = a, b, step.b.row if k > 1 else 1
        else:  # c = a B
            t, ld = _layout(step.b, k, n)
            letter, rows, columns = ("N", n, k) if t == "N" else ("T", k, n)
            matrix, x, step_x = b, a, step.a.column if k > 1 else 1
        self._call(
            f"{prefix}gemv",
            [
                self._letter(letter), self._integer(rows), self._integer(columns), one, matrix,
                self._integer(ld), x, self._integer(max(step_x, 1)), zero, c, self._integer(1),
            ],
        )  # fmt: skip

    def _call(self, name: str, arguments: list[str]) -> None:
        pointer = self.outside(BLAS + name)
        self.e.put(f"call void {pointer}({', '.join('ptr ' + a for a in arguments)})")

    def _matrix(self, access: Access, variables: dict[int, str]) -> str:
        e = self.e
        offset = self._position(access.position, variables)
        t = memory_type(access.buffer.code)
        return e.do(f"getelementptr {t}, ptr {self.names[access.buffer]}, i64 {offset}")

    def _position(self, c: Coordinate, variables: dict[int, str]) -> str:
        if isinstance(c, int):
            return str(c)
        assert isinstance(c, Affine)
        out = str(c.const)
        for v, k in c.terms:
            term = self.e.do(f"mul nsw i64 {variables[v]}, {k}")
            out = self.e.do(f"add nsw i64 {out}, {term}")
        return out

    def _global(self, name: str, t: str, value: str) -> str:
        if name not in self.module.definitions:
            self.module.definitions[name] = f"@{name} = private constant {t} {value}"
        return f"@{name}"

    def _integer(self, n: int) -> str:
        return self._global(f"int.{n}", "i32", str(n))

    def _letter(self, c: str) -> str:
        return self._global(f"letter.{c}", "i8", str(ord(c)))

    def _number(self, x: float, code: str) -> str:
        return self._global(f"{code}.{int(x)}", scalar_type(code), literal(x, code))


def _layout(access: Access, rows: int, columns: int) -> tuple[str, int]:
    """Whether Fortran sees the matrix transposed as C sees it ("N"), and its leading dimension."""
    if (access.column == 1 or columns == 1) and not (columns == 1 and access.row == 1 and rows > 1):
        return "N", max(access.row, columns, 1)
    return "T", max(access.column, rows, 1)


def on_stack(program: Program) -> bool:
    """Whether the arena lies on the stack."""
    return program.arena <= ON_STACK


def aligned(e: Emitter, pointer: str) -> str:
    """The first place of an arena in memory with room for ALIGNMENT bytes more."""
    number = e.do(f"ptrtoint ptr {pointer} to i64")
    number = e.do(f"and i64 {e.do(f'add i64 {number}, {ALIGNMENT - 1}')}, -{ALIGNMENT}")
    return e.do(f"inttoptr i64 {number} to ptr")
