"""Elements in the lanes of vectors: where they are, reading them and writing them.

`Lanes` is what a chunk of the last loop (`codegen.vector`) knows of memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from chainrule.codegen.expression import Expr, mask_of
from chainrule.codegen.index import Affine, Coordinate, affine
from chainrule.codegen.loops import Buffer, Store
from chainrule.codegen.neighbors import exchanged
from chainrule.codegen.scalars import combine
from chainrule.codegen.segments import Segment
from chainrule.codegen.text import memory_type, scalar_type, width

if TYPE_CHECKING:
    from chainrule.codegen.emit import KernelEmitter


class Lanes:
    """Reads and writes the elements of the lanes."""

    place: str
    """The first lane's index in the last loop."""

    def __init__(self, kernel: KernelEmitter, segment: Segment) -> None:
        self.k, self.e, self.s = kernel, kernel.e, segment
        self.number = kernel.depth - 1
        self.names: dict[Expr, str] = {}
        """What has been computed of this vector."""
        self.pointers: dict[Any, str] = {}

    def _spread(self, name: str, t: str) -> str:
        n = self.s.lanes
        if n == 1:
            return name
        one = self.e.do(f"insertelement <{n} x {t}> poison, {t} {name}, i32 0")
        zeros = "<" + ", ".join(["i32 0"] * n) + ">"
        return self.e.do(
            f"shufflevector <{n} x {t}> {one}, <{n} x {t}> poison, <{n} x i32> {zeros}"
        )

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

    # --- rows: neighbors in memory that different loads read -----------------------------------

    def _neighbors(self, loads: Sequence[Expr]) -> dict[Expr, list[Expr]]:
        """The loads that are done together: as many as a power of two, a row for each lane."""
        rows: dict[Any, dict[int, Expr]] = {}
        for x in loads:
            key = self._row_key(*x.value)
            if key is not None:
                rows.setdefault(key, {})[x.value[1].const] = x
        return {x: some for row in rows.values() for some in self._runs(row) for x in some}

    def _runs(self, row: dict[int, Any]) -> list[list[Any]]:
        """What is at consecutive places, by the largest powers of two up to the lanes."""
        found, places = [], sorted(row)
        while places:
            count = self.s.lanes
            while count > 1 and not (
                len(places) >= count and places[count - 1] == places[0] + count - 1
            ):
                count //= 2
            some, places = [row[p] for p in places[:count]], places[count:]
            found.append(some)
        return found

    def _load_row(self, loads: Sequence[Expr]) -> None:
        """Load neighbors lane by lane, and exchange blocks."""
        e, n, g = self.e, self.s.lanes, len(loads)
        buffer, first = loads[0].value
        t, size = memory_type(buffer.code), width(buffer.code)
        own = self._apart(first)[0]
        e.lanes = 1
        base = self._scalar_pointer(buffer, first)
        rows = []
        for lane in range(n):
            p = e.do(f"getelementptr {t}, ptr {base}, i64 {lane * own}")
            rows.append(e.do(f"load <{g} x {t}>, ptr {p}, align {size}"))
        e.lanes = n
        vectors = exchanged(e, [self._joined(rows[i::g], g, t) for i in range(g)], t)
        self.names.update(zip(loads, vectors, strict=True))

    def _joined(self, parts: list[str], size: int, t: str) -> str:
        """Vectors of a size one after the other."""
        while len(parts) > 1:
            mask = ", ".join(f"i32 {k}" for k in range(2 * size))
            parts = [
                self.e.do(
                    f"shufflevector <{size} x {t}> {a}, <{size} x {t}> {b}, <{2 * size} x i32> "
                    f"<{mask}>"
                )
                for a, b in zip(parts[::2], parts[1::2], strict=True)
            ]
            size *= 2
        return parts[0]

    # --- rows: neighbors in memory that different stores write ---------------------------------

    def _store_all(self, stores: Sequence[Store]) -> None:
        """All stores; those to neighboring places go together, a row for each lane."""
        rows: dict[Any, dict[int, Store]] = {}
        for store in stores:
            key = self._row_key(store.buffer, store.position) if store.how == "=" else None
            if key is None or store.position.const in rows.get(key, ()):
                self.e.lanes = self.s.lanes
                self._store(store)
            else:
                rows.setdefault(key, {})[store.position.const] = store
        for row in rows.values():
            self._store_row(row)

    def _row_key(self, buffer: Buffer, c: Coordinate) -> Any:
        """What accesses have in common to rows of elements in steps of the last loop."""
        if self.s.lanes < 4 or not isinstance(c, Affine):
            return None
        own, gathers, _ = self._apart(c)
        if own < 2 or gathers or buffer.code == "b1":
            return None
        return buffer, c.terms

    def _store_row(self, row: dict[int, Store]) -> None:
        for some in self._runs(row):
            self.e.lanes = self.s.lanes
            if len(some) == 1:
                self._store(some[0])
            else:
                self._transpose(some)

    def _transpose(self, stores: list[Store]) -> None:
        """Store as many neighbors as there are stores for each lane, by exchanging blocks."""
        e, n, g = self.e, self.s.lanes, len(stores)
        buffer, first = stores[0].buffer, stores[0].position
        t, size = memory_type(buffer.code), width(buffer.code)
        vectors = exchanged(e, [self.names[s.expr] for s in stores], t)
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

    def _scalar_pointer(self, buffer: Buffer, c: Affine) -> str:
        """Where the first lane's element is."""
        own, _, rest = self._apart(c)
        e, t = self.e, memory_type(buffer.code)
        total = e.do(f"mul nsw i64 {self.place}, {own}")
        scalar = self.k.number(rest)
        if scalar not in ("", "0"):
            total = e.do(f"add nsw i64 {scalar}, {total}")
        return e.do(f"getelementptr {t}, ptr %{buffer!r}, i64 {total}")
