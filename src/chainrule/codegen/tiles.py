"""A tile of a matrix product: numbers of the result that stay in registers (see `codegen.gemm`)."""

from __future__ import annotations

from typing import Final

from chainrule.codegen import engine
from chainrule.codegen.blocks import Blocks
from chainrule.codegen.text import Module, scalar_type, width

DEPTH: Final = {4: 192, 8: 128}
"""Numbers of a row of a in a block, by their bytes: a panel of b leaves room in the near cache."""

LONG: Final = 64
"""Steps that take long enough for the tile's place to be fetched meanwhile."""

RETURNS: Final = "zeroext i1"
"""A function says whether there is a NaN among the results."""


class Tiles:
    """Writes the innermost part of products of a dtype; what all of it has in common."""

    def __init__(self, code: str, vector_bytes: int, registers: int) -> None:
        self.code, self.t, self.module = code, scalar_type(code), Module()
        self.lanes = vector_bytes // width(code)
        self.v = f"<{self.lanes} x {self.t}>"
        self.align = width(code)
        # accumulators, a row of b and one number of a fill the registers
        self.rows, self.vectors = (8, 3) if registers >= 32 else (6, 2)
        self.depth = DEPTH[width(code)]
        self.small = min(self.rows & -self.rows, self.lanes)  # lanes in which a is copied

    def blocks(self) -> Blocks:
        """A function to be written."""
        return Blocks(self.module).start()

    def _tile(self, vectors: int) -> None:
        """The rows of a times some vectors' width of b."""
        e, v = self.blocks(), self.v
        e.may_note()
        rows = []
        for r in range(self.rows):  # beyond the last row, the last row again
            row = e.smaller(str(r), "%last") if r else "0"
            rows.append(e.at(self.t, "%a", e.do(f"mul nsw i64 {row}, %ars")))
        long = e.do(f"icmp uge i64 %depth, {LONG}")
        e.when(long, lambda: self._fetch(e, vectors))
        before = e.block
        head = e.begin("step")
        at = len(e.lines)
        b = f"%{head}.b"
        line = [
            e.do(f"load {v}, ptr {e.at(v, b, str(j))}, align {self.align}") for j in range(vectors)
        ]
        begins, ends = [], []
        e.lanes = self.lanes
        for r in range(self.rows):
            x = e.do(f"load {self.t}, ptr {e.at(self.t, rows[r], f'%{head}.a')}")
            x = self._spread(e, x)
            for j in range(vectors):
                begins.append(f"%{head}.c{r}.{j}")
                ends.append(self._multiply_add(e, x, line[j], begins[-1]))
        i = f"%{head}.i"
        nexts = [
            e.do(f"add nuw nsw i64 {i}, 1"),
            e.do(f"add nsw i64 %{head}.a, %acs"),
            e.at(self.t, b, "%brs"),
        ]
        phis = [
            f"  {name} = phi {t} [ {start}, %{before} ], [ {end}, %{head} ]"
            for name, t, start, end in (
                (i, "i64", "0", nexts[0]),
                (f"%{head}.a", "i64", "0", nexts[1]),
                (b, "ptr", "%b", nexts[2]),
                *((x, v, "zeroinitializer", y) for x, y in zip(begins, ends, strict=True)),
            )
        ]
        e.lines[at:at] = phis
        e.unless_done(e.do(f"icmp ult i64 {nexts[0]}, %depth"), head)
        self._finish(e, vectors, ends)
        e.function(
            f"internal {RETURNS} @tile{vectors}(i64 %depth, ptr %a, i64 %ars, i64 %acs, ptr %b, "
            "i64 %brs, ptr noalias %c, i64 %ldc, i64 %last, i64 %columns, i1 %add)"
        )

    def _fetch(self, e: Blocks, vectors: int) -> None:
        """Have the tile's place in c come near, to be written."""
        self.module.declare("llvm.prefetch.p0", "void", "ptr, i32, i32, i32")
        for r in range(self.rows):
            c = e.at(self.t, "%c", e.do(f"mul nsw i64 {r}, %ldc"))
            for j in range(vectors):
                place = e.at(self.v, c, str(j))
                e.put(f"call void @llvm.prefetch.p0(ptr {place}, i32 1, i32 3, i32 1)")

    def _spread(self, e: Blocks, x: str) -> str:
        one = e.do(f"insertelement {self.v} poison, {self.t} {x}, i32 0")
        return e.do(f"shufflevector {self.v} {one}, {self.v} poison, {self._zeros()}")

    def _zeros(self) -> str:
        return f"<{self.lanes} x i32> zeroinitializer"

    def _multiply_add(self, e: Blocks, x: str, y: str, z: str) -> str:
        if engine.has_fma():
            return e.intrinsic("fma", self.code, x, y, z)
        return e.do(f"fadd {self.v} {e.do(f'fmul {self.v} {x}, {y}')}, {z}")

    def _finish(self, e: Blocks, vectors: int, values: list[str]) -> None:
        """Put a tile in its place: all of it, or the part that there is."""
        rows = self.rows
        whole = e.do(f"icmp eq i64 %last, {rows - 1}")
        spare = f"%spare{vectors}"
        e.lines.insert(1, f"  {spare} = alloca [{rows * vectors} x {self.v}], align 64")
        wide = e.do(f"icmp eq i64 %columns, {vectors * self.lanes}")
        whole = e.do(f"and i1 {whole}, {wide}")

        def parts() -> None:
            for k, x in enumerate(values):
                e.put(f"store {self.v} {x}, ptr {e.at(self.v, spare, str(k))}, align 64")
            masks = [self._mask(e, j) for j in range(vectors)]
            count = e.do("add nuw nsw i64 %last, 1")

            def row(i: str) -> None:
                source = e.at(self.v, spare, e.do(f"mul nsw i64 {i}, {vectors}"))
                to = e.at(self.t, "%c", e.do(f"mul nsw i64 {i}, %ldc"))
                for j, (mask, again) in enumerate(masks):
                    x = e.do(f"load {self.v}, ptr {e.at(self.v, source, str(j))}, align 64")
                    self._put_masked(e, e.at(self.v, to, str(j)), mask, again, x)

            e.loop(count, "1", row)

        def whole_tile() -> None:
            e.either(
                "%add",
                lambda: self._put(e, vectors, values, True),
                lambda: self._put(e, vectors, values, False),
            )

        e.either(whole, whole_tile, parts)
        e.give_noted()

    def _put(self, e: Blocks, vectors: int, values: list[str], add: bool) -> None:
        """Store a whole tile, or add it to what an earlier block has left."""
        results = []
        for r in range(self.rows):
            to = e.at(self.t, "%c", e.do(f"mul nsw i64 {r}, %ldc"))
            for j in range(vectors):
                place, x = e.at(self.v, to, str(j)), values[r * vectors + j]
                if add:
                    old = e.do(f"load {self.v}, ptr {place}, align {self.align}")
                    x = e.do(f"fadd {self.v} {old}, {x}")
                e.put(f"store {self.v} {x}, ptr {place}, align {self.align}")
                results.append(x)
        self._note_nan(e, results)

    def first(self, e: Blocks, n: int, count: str) -> str:
        """The mask of the first lanes, of which there may be none, or more than a vector has."""
        edge = e.do(f"insertelement <{n} x i64> poison, i64 {count}, i32 0")
        edge = e.do(
            f"shufflevector <{n} x i64> {edge}, <{n} x i64> poison, <{n} x i32> zeroinitializer"
        )
        lanes = ", ".join(f"i64 {k}" for k in range(n))
        return e.do(f"icmp slt <{n} x i64> <{lanes}>, {edge}")

    def load_masked(self, e: Blocks, n: int, place: str, mask: str) -> str:
        """A vector from memory, with zeros in the lanes that are masked out."""
        v, masks = f"<{n} x {self.t}>", f"<{n} x i1>"
        name = f"llvm.masked.load.v{n}f{8 * self.align}.p0"
        self.module.declare(name, v, f"ptr, i32, {masks}, {v}")
        return e.do(
            f"call {v} @{name}(ptr {place}, i32 {self.align}, {masks} {mask}, {v} zeroinitializer)"
        )

    def _mask(self, e: Blocks, j: int) -> tuple[str, str]:
        """Which lanes of a row's vector j exist, and which of them an earlier block has left."""
        masks = f"<{self.lanes} x i1>"
        mask = self.first(e, self.lanes, e.do(f"sub nsw i64 %columns, {j * self.lanes}"))
        return mask, e.do(f"select i1 %add, {masks} {mask}, {masks} zeroinitializer")

    def _put_masked(self, e: Blocks, place: str, mask: str, again: str, x: str) -> None:
        """Store some lanes, or add them to what an earlier block has left."""
        v, masks = self.v, f"<{self.lanes} x i1>"
        old = self.load_masked(e, self.lanes, place, again)
        name = f"v{self.lanes}f{8 * self.align}.p0"
        self.module.declare(f"llvm.masked.store.{name}", "void", f"{v}, ptr, i32, {masks}")
        x = e.do(f"fadd {v} {old}, {x}")
        e.put(
            f"call void @llvm.masked.store.{name}({v} {x}, ptr {place}, i32 {self.align}, "
            f"{masks} {mask})"
        )
        x = e.do(f"select {masks} {mask}, {v} {x}, {v} zeroinitializer")
        self._note_nan(e, [x])

    def _note_nan(self, e: Blocks, values: list[str]) -> None:
        """Note whether a lane of some vectors is NaN."""
        n = self.lanes
        odd = [e.do(f"fcmp uno {self.v} {x}, {x}") for x in values]
        while len(odd) > 1:
            rest = [odd[-1]] if len(odd) % 2 else []
            pairs = zip(odd[::2], odd[1::2], strict=False)
            odd = [e.do(f"or <{n} x i1> {x}, {y}") for x, y in pairs] + rest
        bits = e.do(f"bitcast <{n} x i1> {odd[0]} to i{n}")
        e.note(e.do(f"icmp ne i{n} {bits}, 0"))
