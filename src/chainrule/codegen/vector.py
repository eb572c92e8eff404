"""A stretch of the last loop in vectors: chunks, accumulators, and the ends of reductions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chainrule.codegen.expression import Expr, mask_of
from chainrule.codegen.index import Affine
from chainrule.codegen.lanes import Lanes
from chainrule.codegen.loops import Store
from chainrule.codegen.scalars import EMIT, cast, combine, identity_of
from chainrule.codegen.segments import IDEMPOTENT, Segment
from chainrule.codegen.text import scalar_type

if TYPE_CHECKING:
    from chainrule.codegen.emit import KernelEmitter


class Vector(Lanes):
    """Writes a segment of the last loop."""

    def __init__(self, kernel: KernelEmitter, segment: Segment) -> None:
        super().__init__(kernel, segment)
        self.splats: dict[Expr, str] = {}
        self.inner = [x for x in kernel.body if x.mask & kernel.last]
        stores = kernel.kernel.stores
        self.accumulators = [
            s for s in stores if s.how != "=" and not mask_of(s.position) & kernel.last
        ]
        self.stores = [s for s in stores if s not in self.accumulators]
        self.together = self._neighbors([x for x in self.inner if x.op == "load"])

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
                if len(self.together.get(x, ())) > 1:
                    if x not in self.names:
                        self._load_row(self.together[x])
                else:
                    self.names[x] = self._vector(x)
            self._store_all(self.stores)
            new = self._is_new(fresh) if s.overlaps and begins is not None else None
            for store, out, begin in zip(
                self.accumulators, ends, begins or [None] * len(ends), strict=True
            ):
                e.lanes = s.lanes
                value, code = self.names[store.expr], store.expr.code
                if new is not None and store.how not in IDEMPOTENT:
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
