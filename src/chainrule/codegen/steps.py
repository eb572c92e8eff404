"""A program's steps as a function: kernels are called, BLAS and NumPy are called, loops go round.

`StepsEmitter` is the body of a function that knows where its buffers are (`names`). The entry
(`codegen.assemble`) is one, and so is each body of a loop.
"""

from __future__ import annotations

from typing import Any, Final

from chainrule.codegen import blas
from chainrule.codegen.emit import KernelEmitter, write_nest
from chainrule.codegen.index import Affine, Coordinate
from chainrule.codegen.loops import Access, Buffer, Callback, Kernel, Loop, Nest, Product, Program
from chainrule.codegen.text import Emitter, Module, literal, memory_type, scalar_type

OK: Final = 0
OUT_OF_RANGE: Final = 1
RAISED: Final = 2
LAYOUT: Final = 3
"""An input is not contiguous or not aligned: nothing was done."""
DOUBT: Final = 4
"""There may have been a product of zero and infinity: run the careful program (a bit)."""
TOO_LONG: Final = 8
"""A loop went on beyond its limit."""


class Shared:
    """What all functions of a module have in common."""

    def __init__(self, vector_bytes: int, callback: int, addresses: dict[Buffer, int]) -> None:
        self.module = Module()
        self.vector_bytes, self.callback, self.addresses = vector_bytes, callback, addresses
        self.count = 0

    def name(self, stem: str) -> str:
        """A name for a function."""
        self.count += 1
        return f"{stem}{self.count}"


class StepsEmitter:
    """Writes the steps of a program into a function."""

    def __init__(self, program: Program, shared: Shared) -> None:
        self.program, self.shared, self.module = program, shared, shared.module
        self.callback = shared.callback
        self.e = Emitter(self.module)
        self.names: dict[Buffer, str] = {}
        self._labels = 0

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
                arguments = ", ".join(f"ptr {self.names[b]}" for b in buffers)
                self.e.put(f"call void @{step.name}({arguments})")
            elif isinstance(step, Product):
                self._product(step)
            elif isinstance(step, Loop):
                self._loop(step)
            else:
                self._callback(step)

    def place_temporaries(self, arena: str) -> None:
        """Name the places of the temporaries in an arena, and of the constants."""
        for b in self.program.constants:
            self.names[b] = f"inttoptr (i64 {self.shared.addresses[b]} to ptr)"
        for b in self.program.temporaries:
            place = max(b.offset, 0)
            self.names[b] = self.e.do(f"getelementptr i8, ptr {arena}, i64 {place}")

    def unless(self, good: str, code: str) -> None:
        """Return a code unless something holds."""
        self._labels += 1
        go, stop = f"go{self._labels}", f"stop{self._labels}"
        self.e.put(f"br i1 {good}, label %{go}, label %{stop}")
        self.e.label(stop)
        self.e.put(f"ret i32 {code}")
        self.e.label(go)

    # --- loops ------------------------------------------------------------------------------------

    def _body(self, program: Program) -> str:
        """The function of a loop's body; its name."""
        inner = StepsEmitter(program, self.shared)
        name = self.shared.name("body")
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
        self.module.functions.append(
            "\n".join([f"define internal i32 @{name}({head}) #0 {{", *inner.e.lines, "}"])
        )
        return name

    def _run(self, name: str, pointers: list[str], scratch: str) -> None:
        p = self.program
        arguments = [*pointers, scratch, self.names[p.status], self.names[p.doubt]]
        code = self.e.do(f"call i32 @{name}({', '.join('ptr ' + a for a in arguments)})")
        self.unless(self.e.do(f"icmp eq i32 {code}, 0"), code)

    def _copy(self, to: str, source: str, count: int) -> None:
        self.module.declare("llvm.memcpy.p0.p0.i64", "void", "ptr, ptr, i64, i1")
        if count:
            self.e.put(
                f"call void @llvm.memcpy.p0.p0.i64(ptr {to}, ptr {source}, i64 {count}, i1 false)"
            )

    def _loop(self, step: Loop) -> None:
        bodies = [self._body(p) for p in step.bodies]
        arguments = [self.names[b] for b in step.arguments]
        results = [self.names[b] for b in step.results]
        scratch = self.names[step.scratch]
        if step.kind == "cond":
            self._branch(step, bodies, arguments, results, scratch)
        elif step.kind == "scan":
            self._scan(step, bodies[0], arguments, results, scratch)
        else:
            self._while(step, bodies, arguments, results, scratch)

    def _branch(
        self, step: Loop, bodies: list[str], arguments: list[str], results: list[str], scratch: str
    ) -> None:
        e = self.e
        self._labels += 1
        yes, no, end = (f"{w}{self._labels}" for w in ("yes", "no", "join"))
        e.put(f"br i1 {self._truth(step.arguments[0])}, label %{yes}, label %{no}")
        for label, body in zip((yes, no), bodies, strict=True):
            e.label(label)
            self._run(body, [*arguments[1:], *results], scratch)
            e.put(f"br label %{end}")
        e.label(end)

    def _truth(self, b: Buffer) -> str:
        e, t = self.e, memory_type(b.code)
        x = e.do(f"load {t}, ptr {self.names[b]}")
        if b.code[0] == "f":
            return e.do(f"fcmp une {t} {x}, 0.0")
        return e.do(f"icmp ne {t} {x}, 0")

    def _scan(
        self, step: Loop, body: str, arguments: list[str], results: list[str], scratch: str
    ) -> None:
        """The carry lies in the results; each turn makes the next one, which is copied there."""
        e, (m, n) = self.e, step.counts
        carry = results[:n]
        sizes = [b.nbytes for b in step.results[:n]]
        for to, source, size in zip(carry, arguments[m : m + n], sizes, strict=True):
            self._copy(to, source, size)
        if not step.length:
            return
        following = [self.names[b] for b in step.following]
        program = step.bodies[0]

        def turn(i: str) -> None:
            at = e.do(f"sub i64 {step.length - 1}, {i}") if step.reverse else i
            slices = [
                self._slice(a, b.nbytes, at)
                for a, b in zip(arguments[m + n :], program.inputs[m + n :], strict=True)
            ]
            outs = [
                self._slice(r, b.nbytes, at)
                for r, b in zip(results[n:], program.outputs[n:], strict=True)
            ]
            self._run(body, [*arguments[:m], *carry, *slices, *following, *outs], scratch)
            for to, source, size in zip(carry, following, sizes, strict=True):
                self._copy(to, source, size)

        self._counted(step.length, turn)

    def _slice(self, name: str, size: int, at: str) -> str:
        offset = self.e.do(f"mul nsw i64 {at}, {size}")
        return self.e.do(f"getelementptr i8, ptr {name}, i64 {offset}")

    def _counted(self, count: int, turn: Any) -> None:
        """`for i in range(count): turn(i)`."""
        e = self.e
        self._labels += 1
        before, head, latch, end = (
            f"{w}{self._labels}" for w in ("before", "turn", "latch", "after")
        )
        i, following = f"%{head}.i", f"%{head}.n"
        e.put(f"br label %{before}")
        e.label(before)
        e.put(f"br label %{head}")
        e.label(head)
        e.put(f"{i} = phi i64 [ 0, %{before} ], [ {following}, %{latch} ]")
        turn(i)
        e.put(f"br label %{latch}")
        e.label(latch)
        e.put(f"{following} = add nuw nsw i64 {i}, 1")
        more = e.do(f"icmp ult i64 {following}, {count}")
        e.put(f"br i1 {more}, label %{head}, label %{end}")
        e.label(end)

    def _while(
        self, step: Loop, bodies: list[str], arguments: list[str], results: list[str], scratch: str
    ) -> None:
        """A doubt ends the loop: a NaN could keep it going for ever."""
        e, (m, k) = self.e, step.counts
        n = m + k
        sizes = [b.nbytes for b in step.results]
        for to, source, size in zip(results, arguments[n:], sizes, strict=True):
            self._copy(to, source, size)
        following = [self.names[b] for b in step.following]
        assert step.holds is not None
        self._labels += 1
        before, head, turn, end = (f"{w}{self._labels}" for w in ("before", "head", "go", "after"))
        i, plus = f"%{head}.i", f"%{head}.n"
        latch = f"latch{self._labels}"
        e.put(f"br label %{before}")
        e.label(before)
        e.put(f"br label %{head}")
        e.label(head)
        e.put(f"{i} = phi i64 [ 0, %{before} ], [ {plus}, %{latch} ]")
        self._run(bodies[0], [*arguments[:m], *results, self.names[step.holds]], scratch)
        holds = self._truth(step.holds)
        doubt = e.do(f"load i8, ptr {self.names[self.program.doubt]}")
        sure = e.do(f"icmp eq i8 {doubt}, 0")
        e.put(f"br i1 {e.do(f'and i1 {holds}, {sure}')}, label %{turn}, label %{end}")
        e.label(turn)
        if step.limit is not None:
            self.unless(e.do(f"icmp ult i64 {i}, {step.limit}"), str(TOO_LONG))
        self._run(bodies[1], [*arguments[m:n], *results, *following], scratch)
        for to, source, size in zip(results, following, sizes, strict=True):
            self._copy(to, source, size)
        e.put(f"br label %{latch}")
        e.label(latch)
        e.put(f"{plus} = add nuw nsw i64 {i}, 1")
        e.put(f"br label %{head}")
        e.label(end)

    # --- callbacks -------------------------------------------------------------------------------

    def _callback(self, step: Callback) -> None:
        e = self.e
        buffers = [*step.reads(), *step.writes()]
        table = self._slots(f"[{max(len(buffers), 1)} x ptr]")
        for k, b in enumerate(buffers):
            p = e.do(f"getelementptr ptr, ptr {table}, i64 {k}")
            e.put(f"store ptr {self.names[b]}, ptr {p}")
        function = f"inttoptr (i64 {self.callback} to ptr)"
        code = e.do(f"call i32 {function}(i64 {step.number}, ptr {table})")
        self.unless(e.do(f"icmp eq i32 {code}, 0"), str(RAISED))

    def _slots(self, t: str) -> str:
        """Memory on the stack, taken once at the beginning."""
        name = self.e.fresh()
        at = self.e.lines.index("entry:") + 1
        self.e.lines.insert(at, f"  {name} = alloca {t}, align 8")
        return name

    # --- matrix products -------------------------------------------------------------------------

    def _product(self, step: Product) -> None:
        """C = A B in C's order is C^T = B^T A^T in Fortran's."""
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
        ta, la = _layout(step.a, m, k)
        tb, lb = _layout(step.b, k, n)
        one, zero = self._number(1.0, code), self._number(0.0, code)
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
        pointer = f"inttoptr (i64 {blas.address(name)} to ptr)"
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
        return self._global(f"int{n}", "i32", str(n))

    def _letter(self, c: str) -> str:
        return self._global(f"letter{c}", "i8", str(ord(c)))

    def _number(self, x: float, code: str) -> str:
        return self._global(f"{code}_{int(x)}", scalar_type(code), literal(x, code))


def _layout(access: Access, rows: int, columns: int) -> tuple[str, int]:
    """Whether Fortran sees the matrix transposed as C sees it ("N"), and its leading dimension."""
    if (access.column == 1 or columns == 1) and not (columns == 1 and access.row == 1 and rows > 1):
        return "N", max(access.row, columns, 1)
    return "T", max(access.column, rows, 1)
