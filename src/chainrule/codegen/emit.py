"""A kernel in LLVM's language: loops written out, the last one in vectors.

The last loop runs in chunks of as many elements as a vector has, several vectors at once where a
reduction's latency asks for it. Where the extent is no multiple of the chunk, the last chunk
overlaps the one before: its results are stored twice, and a reduction leaves the elements out
that it has seen. Kernels that add to memory at gathered places have a loop for the rest instead.
"""

from __future__ import annotations

from typing import Any

from chainrule.codegen.expression import Expr
from chainrule.codegen.index import Coordinate
from chainrule.codegen.loops import Buffer, Kernel, Nest, Store
from chainrule.codegen.scalars import EMIT, cast, combine
from chainrule.codegen.segments import segments
from chainrule.codegen.text import Emitter, Module, literal, memory_type
from chainrule.codegen.vector import Vector


class KernelEmitter:
    """Writes one kernel as a function of its buffers."""

    def __init__(
        self, kernel: Kernel, module: Module, vector_bytes: int, emitter: Emitter | None = None
    ) -> None:
        self.kernel, self.module, self.vector_bytes = kernel, module, vector_bytes
        self.e = emitter or Emitter(module)
        self.depth = len(kernel.extents)
        self.last = 1 << (self.depth - 1) if self.depth else 0
        self.buffers = list(dict.fromkeys([*kernel.reads(), *kernel.writes()]))
        self.body = kernel.body()
        self.scalars: dict[Expr, str] = {}
        self.variables: dict[int, str] = {}

    def write(self) -> list[Buffer]:
        """Append the function to the module; the buffers that it takes, in order."""
        e = self.e
        self._begin("entry")
        self._fill()
        if self.depth:
            self._scalars(0)
            self._loop(0)
        else:
            self._straight()
        e.put("ret void")
        arguments = ", ".join(f"ptr noalias %{b!r}" for b in self.buffers)
        if self.kernel.grain:
            arguments = f"i64 %low, i64 %high, {arguments}"
        head = f"define internal void @{self.kernel.name}({arguments}) #0 {{"
        self.module.functions.append("\n".join([head, *e.lines, "}"]))
        return self.buffers

    def _straight(self) -> None:
        """Without loops: a number is stored when it is there, and leaves its register, unless what
        it overwrites may be read.
        """
        read = set(self.kernel.reads())
        early: dict[Expr, list[Store]] = {}
        rest = []
        for s in self.kernel.stores:
            if s.buffer in read or not isinstance(s.position, int):
                rest.append(s)
            else:
                early.setdefault(s.expr, []).append(s)
        for x in self.body:
            self.scalars[x] = self._scalar(x)
            for s in early.get(x, ()):
                self._store_scalar(s)
        for s in rest:
            self._store_scalar(s)

    # --- in a nest: the first loop is around this kernel and others -----------------------------

    def before_rows(self, rowwise: dict[Buffer, int]) -> None:
        """What comes before the loop over the rows."""
        self._fill({s.buffer for s in self.kernel.stores if s.buffer not in rowwise})
        self._scalars(0)

    def row(self, i: str, rowwise: dict[Buffer, int]) -> None:
        """What is done for row i."""
        self._fill({s.buffer for s in self.kernel.stores if s.buffer in rowwise})
        self.variables[0] = i
        if self.depth > 1:
            self._scalars(1)
            self._loop(1)
            return
        self.e.lanes = 1
        for x in self.body:
            if x.mask:
                self.scalars[x] = self._scalar(x)
        for s in self.kernel.stores:
            self._store_scalar(s)

    # --- blocks ----------------------------------------------------------------------------------

    def _label(self, stem: str) -> str:
        self.e.labels += 1
        return f"{stem}{self.e.labels}"

    def _begin(self, label: str) -> None:
        self.e.label(label)
        self.e.block = label

    def _counted(self, stem: str, start: int | str, stop: int | str, step: int, body: Any) -> None:
        """`for i in range(start, stop, step): body(i)`."""
        e = self.e
        head, before = self._label(stem), self.e.block
        i, following = f"%{head}.i", f"%{head}.n"
        e.put(f"br label %{head}")
        self._begin(head)
        at = len(e.lines)
        e.put("")
        body(i)
        e.put(f"{following} = add nuw nsw i64 {i}, {step}")
        more = e.do(f"icmp ult i64 {following}, {stop}")
        end = self._label("end")
        e.lines[at] = f"  {i} = phi i64 [ {start}, %{before} ], [ {following}, %{self.e.block} ]"
        e.put(f"br i1 {more}, label %{head}, label %{end}")
        self._begin(end)

    def _fill(self, which: set[Buffer] | None = None) -> None:
        """Fill what reductions add to with their neutral element."""
        starts: dict[Buffer, Any] = {}
        for s in self.kernel.stores:
            if s.start is not None and (which is None or s.buffer in which):
                starts[s.buffer] = s.start
        for buffer, start in starts.items():
            code = buffer.code
            value = f"{memory_type(code)} {int(start) if code == 'b1' else literal(start, code)}"
            if buffer.size == 1:
                self.e.put(f"store {value}, ptr %{buffer!r}")
                continue

            def put(i: str, buffer: Buffer = buffer, value: str = value) -> None:
                t = memory_type(buffer.code)
                p = self.e.do(f"getelementptr {t}, ptr %{buffer!r}, i64 {i}")
                self.e.put(f"store {value}, ptr {p}")

            self._counted("fill", 0, buffer.size, 1, put)

    def _loop(self, k: int) -> None:
        """Loop k and what is inside it."""
        if k == self.depth - 1:
            for segment in segments(self.kernel, self.vector_bytes):
                if segment.stop > segment.start:
                    Vector(self, segment).write()
            return

        def body(i: str) -> None:
            self.variables[k] = i
            self._scalars(k + 1)
            self._loop(k + 1)

        if k == 0 and self.kernel.grain:
            self._counted("loop", "%low", "%high", 1, body)
            return
        self._counted("loop", 0, self.kernel.extents[k], 1, body)

    # --- scalars ---------------------------------------------------------------------------------

    def _scalars(self, depth: int) -> None:
        """Expressions that vary with loop depth - 1 and loops around it only."""
        if depth == self.depth and depth:
            return
        for x in self.body:
            if x.mask.bit_length() == depth:
                self.scalars[x] = self._scalar(x)

    def _scalar(self, x: Expr) -> str:
        e = self.e
        if x.op == "const":
            return literal(x.value, x.code)
        if x.op == "load":
            buffer, position = x.value
            return self._load(buffer, self.address(buffer, position))
        if x.op == "index":
            return self.number(x.value)
        args = [self.scalars[a] for a in x.args]
        if x.op == "cast":
            return cast(e, args[0], x.args[0].code, x.code)
        return EMIT[x.op](e, x.args[-1].code, *args)

    def number(self, c: Coordinate) -> str:
        """A coordinate that does not vary with the last loop, as an i64."""
        if isinstance(c, int):
            return str(c)
        out = str(c.const) if c.const else ""
        for v, k in c.terms:
            name = self.variables[v] if isinstance(v, int) else self.scalars[v]
            term = name if k == 1 else self.e.do(f"mul nsw i64 {name}, {k}")
            out = self.e.do(f"add nsw i64 {out}, {term}") if out else term
        return out

    def address(self, buffer: Buffer, position: Coordinate) -> str:
        """Pointer to an element."""
        if position == 0:
            return f"%{buffer!r}"
        t = memory_type(buffer.code)
        return self.e.do(f"getelementptr {t}, ptr %{buffer!r}, i64 {self.number(position)}")

    def _load(self, buffer: Buffer, pointer: str) -> str:
        t = memory_type(buffer.code)
        x = self.e.do(f"load {t}, ptr {pointer}")
        return self.e.do(f"icmp ne i8 {x}, 0") if buffer.code == "b1" else x

    def _put(self, buffer: Buffer, pointer: str, x: str) -> None:
        if buffer.code == "b1":
            x = self.e.do(f"zext i1 {x} to i8")
        self.e.put(f"store {memory_type(buffer.code)} {x}, ptr {pointer}")

    def _store_scalar(self, s: Store) -> None:
        self.accumulate(s, self.address(s.buffer, s.position), self.scalars[s.expr])

    def accumulate(self, s: Store, pointer: str, x: str) -> None:
        """Store a number, or combine it with the one that is there."""
        self.e.lanes = 1
        if s.how != "=":
            old = self._load(s.buffer, pointer)
            x = combine(self.e, s.how, s.buffer.code, old, x)
        self._put(s.buffer, pointer, x)


def write_nest(nest: Nest, module: Module, vector_bytes: int) -> list[Buffer]:
    """Append the function of a nest to the module; the buffers that it takes, in order."""
    e = Emitter(module)
    parts = [KernelEmitter(k, module, vector_bytes, e) for k in nest.kernels]
    buffers = list(dict.fromkeys([*nest.reads(), *nest.writes()]))
    e.label("entry")
    for part in parts:
        part.before_rows(nest.rowwise)

    def row(i: str) -> None:
        for part in parts:
            part.row(i, nest.rowwise)

    parts[0]._counted("row", 0, nest.rows, 1, row)
    e.put("ret void")
    arguments = ", ".join(f"ptr noalias %{b!r}" for b in buffers)
    head = f"define internal void @{nest.name}({arguments}) #0 {{"
    module.functions.append("\n".join([head, *e.lines, "}"]))
    return buffers
