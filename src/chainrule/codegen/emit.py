"""A kernel in LLVM's language: loops written out, the last one in vectors.

The last loop runs in chunks of as many elements as a vector has, several vectors at once where a
reduction's latency asks for it. Where the extent is no multiple of the chunk, the last chunk
overlaps the one before: its results are stored twice, and a reduction leaves the elements out
that it has seen. Kernels that add to memory at gathered places have a loop for the rest instead.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from chainrule.codegen.expression import Expr, mask_of
from chainrule.codegen.index import Affine, Coordinate, affine
from chainrule.codegen.loops import Buffer, Kernel, Nest, Store
from chainrule.codegen.scalars import EMIT, EXPENSIVE, cast, combine, identity_of
from chainrule.codegen.text import Emitter, Module, literal, memory_type, scalar_type, width


@dataclass(eq=False)
class Segment:
    """A stretch of the last loop: chunks of `unroll` vectors of `lanes` elements."""

    start: int
    stop: int
    lanes: int
    unroll: int

    @property
    def chunk(self) -> int:
        """Elements of a step."""
        return self.lanes * self.unroll

    @property
    def overlaps(self) -> bool:
        """Whether the last chunk does some elements again."""
        return (self.stop - self.start) % self.chunk != 0


def segments(kernel: Kernel, vector_bytes: int) -> list[Segment]:
    """How the last loop is run."""
    n = kernel.extents[-1]
    last = 1 << (len(kernel.extents) - 1)
    body = [e for e in kernel.body() if e.mask & last]
    stores = [s for s in kernel.stores if mask_of(s.position) & last]
    sizes = [width(e.code) for e in body if e.code != "b1" and e.op != "index"]
    sizes += [width(s.buffer.code) for s in stores]
    accumulating = any(s not in stores and s.how != "=" for s in kernel.stores)
    if not sizes:
        sizes = [8]
    lanes = max(vector_bytes // max(sizes), 1)
    while lanes > n:
        lanes //= 2
    work = sum(8 if e.op in EXPENSIVE else 1 for e in body)
    adds = any(s.how != "=" for s in stores)
    unroll = 1
    if accumulating and lanes > 1 and work <= 24:
        unroll = 8 if work <= 4 else 4
        while unroll > 1 and n < 2 * lanes * unroll:
            unroll //= 2
    stored = {s.buffer for s in kernel.stores}
    in_place = any(e.op == "load" and e.value[0] in stored for e in kernel.body())
    if (adds or in_place or (accumulating and work <= 24)) and n % (lanes * unroll):
        some, most = n - n % (lanes * unroll), n - n % lanes
        return [
            Segment(0, some, lanes, unroll),
            Segment(some, most, lanes, 1),
            Segment(most, n, 1, 1),
        ]
    return [Segment(0, n, lanes, unroll)]


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
        self._scalars(0)
        if self.depth:
            self._loop(0)
        else:
            for s in self.kernel.stores:
                self._store_scalar(s)
        e.put("ret void")
        arguments = ", ".join(f"ptr noalias %{b!r}" for b in self.buffers)
        if self.kernel.grain:
            arguments = f"i64 %low, i64 %high, {arguments}"
        head = f"define internal void @{self.kernel.name}({arguments}) #0 {{"
        self.module.functions.append("\n".join([head, *e.lines, "}"]))
        return self.buffers

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
                    _Vector(self, segment).write()
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


class _Vector:
    """Writes a segment of the last loop."""

    def __init__(self, kernel: KernelEmitter, segment: Segment) -> None:
        self.k, self.e, self.s = kernel, kernel.e, segment
        self.number = kernel.depth - 1
        self.splats: dict[Expr, str] = {}
        self.inner = [x for x in kernel.body if x.mask & kernel.last]
        stores = kernel.kernel.stores
        self.accumulators = [
            s for s in stores if s.how != "=" and not mask_of(s.position) & kernel.last
        ]
        self.stores = [s for s in stores if s not in self.accumulators]

    def write(self) -> None:
        """The loop, and the ends of the reductions after it."""
        e, s = self.e, self.s
        self._prepare()
        count = s.stop - s.start
        begins = [[f"%{self.k._label('acc')}" for _ in range(s.unroll)] for _ in self.accumulators]
        if count <= s.chunk:  # one chunk: no loop
            ends = self._chunk(str(s.start), str(s.start), None)
        else:
            ends = self._looped(begins)
        for store, parts in zip(self.accumulators, ends, strict=True):
            total = self._total(store, parts)
            self.k.accumulate(store, self.k.address(store.buffer, store.position), total)
        e.lanes = 1

    def _looped(self, begins: list[list[str]]) -> list[list[str]]:
        e, s, k = self.e, self.s, self.k
        head, before = k._label("vector"), e.block
        i, following = f"%{head}.i", f"%{head}.n"
        e.put(f"br label %{head}")
        k._begin(head)
        at = len(e.lines)
        e.lanes = s.lanes
        place = i
        if s.overlaps:
            far = e.do(f"icmp ugt i64 {i}, {s.stop - s.chunk}")
            place = e.do(f"select i1 {far}, i64 {s.stop - s.chunk}, i64 {i}")
        ends = self._chunk(place, i, begins)
        e.put(f"{following} = add nuw nsw i64 {i}, {s.chunk}")
        more = e.do(f"icmp ult i64 {following}, {s.stop}")
        phis = [f"  {i} = phi i64 [ {s.start}, %{before} ], [ {following}, %{e.block} ]"]
        e.lanes = s.lanes
        for store, names, news in zip(self.accumulators, begins, ends, strict=True):
            code = store.expr.code
            start = e.const(identity_of(store.how, code), code)
            phis += [
                f"  {a} = phi {e.type(code)} [ {start}, %{before} ], [ {b}, %{e.block} ]"
                for a, b in zip(names, news, strict=True)
            ]
        e.lines[at:at] = phis
        end = k._label("end")
        e.put(f"br i1 {more}, label %{head}, label %{end}")
        k._begin(end)
        return ends

    def _prepare(self) -> None:
        """Vectors of what is equal in all lanes."""
        self.e.lanes = self.s.lanes
        wanted = {a for x in self.inner for a in x.args if not a.mask & self.k.last}
        wanted |= {s.expr for s in self.k.kernel.stores if not s.expr.mask & self.k.last}
        for x in sorted(wanted, key=lambda x: x.order):
            self.splats[x] = self._splat(x)

    def _splat(self, x: Expr) -> str:
        if x.op == "const":
            return self.e.const(x.value, x.code)
        return self._spread(self.k.scalars[x], scalar_type(x.code))

    def _spread(self, name: str, t: str) -> str:
        n = self.s.lanes
        if n == 1:
            return name
        one = self.e.do(f"insertelement <{n} x {t}> poison, {t} {name}, i32 0")
        zeros = "<" + ", ".join(["i32 0"] * n) + ">"
        return self.e.do(
            f"shufflevector <{n} x {t}> {one}, <{n} x {t}> poison, <{n} x i32> {zeros}"
        )

    # --- one chunk -------------------------------------------------------------------------------

    def _chunk(self, place: str, fresh: str, begins: Any) -> list[list[str]]:
        """The body for each vector of a chunk; the accumulators after it."""
        e, s = self.e, self.s
        ends: list[list[str]] = [[] for _ in self.accumulators]
        for u in range(s.unroll):
            e.lanes = s.lanes
            self.place = place if u == 0 else e.do(f"add nuw nsw i64 {place}, {u * s.lanes}")
            self.k.variables[self.number] = self.place
            self.names: dict[Expr, str] = dict(self.splats)
            self.scalar_names = self.k.scalars
            self.pointers: dict[Any, str] = {}
            for x in self.inner:
                e.lanes = s.lanes
                self.names[x] = self._vector(x)
            self._store_all()
            new = self._is_new(fresh) if s.overlaps and begins is not None else None
            for store, out, begin in zip(
                self.accumulators, ends, begins or [None] * len(ends), strict=True
            ):
                e.lanes = s.lanes
                value, code = self.names[store.expr], store.expr.code
                if new is not None:
                    neutral = e.const(identity_of(store.how, code), code)
                    value = e.select(new, code, value, neutral)
                if begin is not None:
                    value = combine(e, store.how, code, begin[u], value)
                out.append(value)
        return ends

    def _is_new(self, fresh: str) -> str:
        """Which lanes hold elements that no earlier chunk has seen."""
        e = self.e
        lanes = self._index(variable_of(self.number))
        if self.s.lanes == 1:
            return e.do(f"icmp uge i64 {lanes}, {fresh}")
        first = self._spread(fresh, "i64")
        return e.do(f"icmp uge <{self.s.lanes} x i64> {lanes}, {first}")

    def _vector(self, x: Expr) -> str:
        e = self.e
        if x.op == "load":
            return self._load(*x.value)
        if x.op == "index":
            return self._index(x.value)
        args = [self.names[a] for a in x.args]
        if x.op == "cast":
            return cast(e, args[0], x.args[0].code, x.code)
        return EMIT[x.op](e, x.args[-1].code, *args)

    def _index(self, c: Affine) -> str:
        """A coordinate that varies with the last loop, as a vector of i64."""
        e, n = self.e, self.s.lanes
        e.lanes = n
        own, gathers, rest = self._apart(c)
        scalar = self.k.number(rest)
        if own:
            term = self.place if own == 1 else e.do(f"mul nsw i64 {self.place}, {own}")
            scalar = e.do(f"add nsw i64 {scalar}, {term}") if scalar not in ("", "0") else term
        if n == 1:
            out = scalar or "0"
        else:
            out = self._spread(scalar or "0", "i64")
            if own:
                lanes = "<" + ", ".join(f"i64 {own * k}" for k in range(n)) + ">"
                out = e.binary("add", "i8", out, lanes)
        for x, k in gathers:
            term = self.names[x]
            if k != 1:
                term = e.binary("mul", "i8", term, e.const(k, "i8"))
            out = e.binary("add", "i8", out, term)
        return out

    def _apart(self, c: Affine) -> tuple[int, list[tuple[Expr, int]], Coordinate]:
        """The factor of the last loop, gathered parts that vary with it, and what does not."""
        own, gathers, rest = 0, [], {}
        for v, k in c.terms:
            if isinstance(v, int):
                if v == self.number:
                    own = k
                else:
                    rest[v] = k
            elif v.mask & self.k.last:
                gathers.append((v, k))
            else:
                rest[v] = k
        return own, gathers, affine(c.const, rest)

    def _pointer(self, buffer: Buffer, c: Affine) -> tuple[str, bool]:
        """Where the lanes' elements are: a pointer to the first of a row of them, or, with True,
        a vector of pointers.
        """
        e = self.e
        own, gathers, rest = self._apart(c)
        t = memory_type(buffer.code)
        if self.s.lanes == 1 or (own == 1 and not gathers):
            key = (buffer, c.terms)
            base = self.pointers.get(key)
            if base is None:
                e_lanes, e.lanes = e.lanes, 1
                scalar = self.k.number(
                    affine(0, dict(rest.terms) if isinstance(rest, Affine) else {})
                )
                parts = [scalar] if scalar not in ("", "0") else []
                if own:
                    parts.append(
                        self.place if own == 1 else e.do(f"mul nsw i64 {self.place}, {own}")
                    )
                for x, k in gathers:
                    name = self.names[x]
                    parts.append(name if k == 1 else e.do(f"mul nsw i64 {name}, {k}"))
                total = parts[0]
                for p in parts[1:]:
                    total = e.do(f"add nsw i64 {total}, {p}")
                base = e.do(f"getelementptr {t}, ptr %{buffer!r}, i64 {total}")
                self.pointers[key] = base
                e.lanes = e_lanes
            if c.const:
                base = e.do(f"getelementptr {t}, ptr {base}, i64 {c.const}")
            return base, False
        offsets = self._index(c)
        n = self.s.lanes
        return e.do(f"getelementptr {t}, ptr %{buffer!r}, <{n} x i64> {offsets}"), True

    def _load(self, buffer: Buffer, c: Affine) -> str:
        e, n = self.e, self.s.lanes
        pointer, many = self._pointer(buffer, c)
        t = memory_type(buffer.code)
        if n == 1:
            return self.k._load(buffer, pointer)
        if not many:
            x = e.do(f"load <{n} x {t}>, ptr {pointer}, align {width(buffer.code)}")
        else:
            kind = f"v{n}{'f' if t in ('double', 'float') else 'i'}{8 * width(buffer.code)}"
            name = f"llvm.masked.gather.{kind}.v{n}p0"
            e.module.declare(name, f"<{n} x {t}>", f"<{n} x ptr>, i32, <{n} x i1>, <{n} x {t}>")
            x = e.do(
                f"call <{n} x {t}> @{name}(<{n} x ptr> {pointer}, i32 {width(buffer.code)}, "
                f"<{n} x i1> splat (i1 true), <{n} x {t}> poison)"
            )
        if buffer.code == "b1":
            return e.do(f"icmp ne <{n} x i8> {x}, zeroinitializer")
        return x

    # --- rows: neighbors in memory that different stores write ---------------------------------

    def _store_all(self) -> None:
        """All stores; those to neighboring places go together, a row for each lane."""
        rows: dict[Any, dict[int, Store]] = {}
        for store in self.stores:
            key = self._row_key(store)
            if key is None or store.position.const in rows.get(key, ()):
                self.e.lanes = self.s.lanes
                self._store(store)
            else:
                rows.setdefault(key, {})[store.position.const] = store
        for row in rows.values():
            self._store_row(row)

    def _row_key(self, store: Store) -> Any:
        """What stores have in common that write rows of elements in steps of the last loop."""
        c = store.position
        if self.s.lanes < 4 or store.how != "=" or not isinstance(c, Affine):
            return None
        own, gathers, _ = self._apart(c)
        if own < 2 or gathers or store.buffer.code == "b1":
            return None
        return store.buffer, c.terms

    def _store_row(self, row: dict[int, Store]) -> None:
        places = sorted(row)
        while places:
            count = self.s.lanes
            while count > 1 and not (
                len(places) >= count and places[count - 1] == places[0] + count - 1
            ):
                count //= 2
            some, places = [row[p] for p in places[:count]], places[count:]
            self.e.lanes = self.s.lanes
            if count == 1:
                self._store(some[0])
            else:
                self._transpose(some)

    def _transpose(self, stores: list[Store]) -> None:
        """Store as many neighbors as there are stores for each lane, by exchanging blocks."""
        e, n, g = self.e, self.s.lanes, len(stores)
        buffer, first = stores[0].buffer, stores[0].position
        t, size = memory_type(buffer.code), width(buffer.code)
        vectors = self._exchanged([self.names[s.expr] for s in stores], t)
        own = self._apart(first)[0]
        e.lanes = 1
        base = self._scalar_pointer(buffer, first)
        for lane in range(n):
            x = vectors[lane % g]
            if g < n:
                mask = ", ".join(f"i32 {lane // g * g + k}" for k in range(g))
                x = e.do(f"shufflevector <{n} x {t}> {x}, <{n} x {t}> poison, <{g} x i32> <{mask}>")
            p = e.do(f"getelementptr {t}, ptr {base}, i64 {lane * own}")
            e.put(f"store <{g} x {t}> {x}, ptr {p}, align {size}")

    def _exchanged(self, vectors: list[str], t: str) -> list[str]:
        """Transposes of g by g blocks of g vectors: lane j of vector i in lane i of vector j."""
        e, n, g = self.e, self.s.lanes, len(vectors)
        vectors = list(vectors)
        step = 1
        while step < g:
            low = ", ".join(f"i32 {k if not k & step else n + k - step}" for k in range(n))
            high = ", ".join(f"i32 {k + step if not k & step else n + k}" for k in range(n))
            for i in range(g):
                if not i & step:
                    both = f"<{n} x {t}> {vectors[i]}, <{n} x {t}> {vectors[i + step]}, <{n} x i32>"
                    vectors[i] = e.do(f"shufflevector {both} <{low}>")
                    vectors[i + step] = e.do(f"shufflevector {both} <{high}>")
            step *= 2
        return vectors

    def _scalar_pointer(self, buffer: Buffer, c: Affine) -> str:
        """Where the first lane's element is."""
        own, _, rest = self._apart(c)
        e, t = self.e, memory_type(buffer.code)
        total = e.do(f"mul nsw i64 {self.place}, {own}")
        scalar = self.k.number(rest)
        if scalar not in ("", "0"):
            total = e.do(f"add nsw i64 {scalar}, {total}")
        return e.do(f"getelementptr {t}, ptr %{buffer!r}, i64 {total}")

    def _store(self, store: Store) -> None:
        e, n, buffer = self.e, self.s.lanes, store.buffer
        x, c = self.names[store.expr], store.position
        if not mask_of(c) & self.k.last:  # the same place for all: the last one stays
            self._store_last(store, x)
            return
        if store.how != "=" and (n == 1 or self._apart(c)[0] != 1 or self._apart(c)[1]):
            self._add_lanes(store, x)
            return
        pointer, many = self._pointer(buffer, c)
        if n == 1:
            self.k._put(buffer, pointer, x)
            return
        t = memory_type(buffer.code)
        if store.how != "=":
            old = self._load(buffer, c)
            x = combine(e, store.how, buffer.code, old, x)
        if buffer.code == "b1":
            x = e.do(f"zext <{n} x i1> {x} to <{n} x i8>")
        if not many:
            e.put(f"store <{n} x {t}> {x}, ptr {pointer}, align {width(buffer.code)}")
            return
        kind = f"v{n}{'f' if t in ('double', 'float') else 'i'}{8 * width(buffer.code)}"
        name = f"llvm.masked.scatter.{kind}.v{n}p0"
        e.module.declare(name, "void", f"<{n} x {t}>, <{n} x ptr>, i32, <{n} x i1>")
        e.put(
            f"call void @{name}(<{n} x {t}> {x}, <{n} x ptr> {pointer}, i32 {width(buffer.code)}, "
            f"<{n} x i1> splat (i1 true))"
        )

    def _store_last(self, store: Store, x: str) -> None:
        n = self.s.lanes
        if n > 1:
            t = scalar_type(store.buffer.code)
            x = self.e.do(f"extractelement <{n} x {t}> {x}, i32 {n - 1}")
        self.e.lanes = 1
        self.k._put(store.buffer, self.k.address(store.buffer, store.position), x)

    def _add_lanes(self, store: Store, x: str) -> None:
        """Add to memory lane by lane, as two lanes may name the same place."""
        e, n, buffer = self.e, self.s.lanes, store.buffer
        pointers, many = self._pointer(buffer, store.position)
        if n == 1:
            self.k.accumulate(store, pointers, x)
            return
        t = scalar_type(buffer.code)
        for lane in range(n):
            if many:
                p = e.do(f"extractelement <{n} x ptr> {pointers}, i32 {lane}")
            else:
                p = e.do(f"getelementptr {memory_type(buffer.code)}, ptr {pointers}, i64 {lane}")
            value = e.do(f"extractelement <{n} x {t}> {x}, i32 {lane}")
            self.k.accumulate(store, p, value)

    def _total(self, store: Store, parts: list[str]) -> str:
        """One number from the lanes of all accumulators."""
        e, code = self.e, store.expr.code
        n = e.lanes = self.s.lanes
        while len(parts) > 1:
            pairs = zip(parts[::2], parts[1::2], strict=False)
            odd = [parts[-1]] if len(parts) % 2 else []
            parts = [combine(e, store.how, code, a, b) for a, b in pairs] + odd
        x, t = parts[0], scalar_type(code)
        while n > 1:
            half = n // 2
            low = "<" + ", ".join(f"i32 {k}" for k in range(half)) + ">"
            high = "<" + ", ".join(f"i32 {k + half}" for k in range(half)) + ">"
            whole = f"<{n} x {t}> {x}, <{n} x {t}> poison, <{half} x i32>"
            a, b = e.do(f"shufflevector {whole} {low}"), e.do(f"shufflevector {whole} {high}")
            if half == 1:
                a = e.do(f"extractelement <1 x {t}> {a}, i32 0")
                b = e.do(f"extractelement <1 x {t}> {b}, i32 0")
            e.lanes = n = half
            x = combine(e, store.how, code, a, b)
        return x


def variable_of(number: int) -> Affine:
    """The variable of a loop."""
    return Affine(0, ((number, 1),))
