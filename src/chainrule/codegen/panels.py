"""Panels: parts of a matrix as wide as a tile, copied so that they lie in one piece."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from chainrule.codegen.blocks import Blocks
from chainrule.codegen.neighbors import exchanged
from chainrule.codegen.text import literal
from chainrule.codegen.tiles import Tiles

SOME: Final = 16
"""Rows that are copied together."""


class Panels(Tiles):
    """Writes the copying of operands."""

    def _pack(self, n: int) -> None:
        """Copy some columns of b, with zeros in place of those that are not there: rows of
        `%across` numbers.
        """
        e = self.blocks()
        e.either(
            e.do("icmp eq i64 %bcs, 1"),
            lambda: self._copied_rows(e, n),
            lambda: self._copied_columns(e, n),
        )
        e.put("ret void")
        e.function(
            f"internal void @pack{n}(i64 %depth, i64 %columns, i64 %across, ptr %b, i64 %brs, "
            "i64 %bcs, ptr noalias %to)"
        )

    def _copied_rows(self, e: Blocks, n: int) -> None:
        """Of a matrix that lies row by row."""
        v = f"<{n} x {self.t}>"

        def row(p: str) -> None:
            source = e.at(self.t, "%b", e.do(f"mul nsw i64 {p}, %brs"))
            to = e.at(self.t, "%to", e.do(f"mul nsw i64 {p}, %across"))

            def vector(j: str) -> None:
                left = e.do(f"sub nsw i64 %columns, {j}")
                x = self.load_masked(e, n, e.at(self.t, source, j), self.first(e, n, left))
                e.put(f"store {v} {x}, ptr {e.at(self.t, to, j)}, align {self.align}")

            e.loop("%across", str(n), vector)

        e.loop("%depth", "1", row)

    def _one(self, e: Blocks, p: str, j: str) -> None:
        """Copy one number, or write a zero."""
        there = e.do(f"icmp ult i64 {j}, %columns")
        place = self._place(e, p, "%brs", j, "%bcs")
        place = e.do(f"select i1 {there}, i64 {place}, i64 0")
        x = e.do(f"load {self.t}, ptr {e.at(self.t, '%b', place)}")
        x = e.do(f"select i1 {there}, {self.t} {x}, {self.t} {literal(0, self.code)}")
        to = e.do(f"add nsw i64 {e.do(f'mul nsw i64 {p}, %across')}, {j}")
        e.put(f"store {self.t} {x}, ptr {e.at(self.t, '%to', to)}")

    def _copied_columns(self, e: Blocks, n: int) -> None:
        """Of one that does not: squares are transposed where it lies column by column."""
        straight = e.do("icmp eq i64 %brs, 1")
        squares = e.do(f"select i1 {straight}, i64 {e.do(f'and i64 %depth, {-n}')}, i64 0")
        whole = e.do(f"and i64 %columns, {-n}")

        def square(p: str, j: str) -> None:
            e.lanes = n
            first = e.do(f"add nsw i64 {p}, {e.do(f'mul nsw i64 {j}, %bcs')}")
            source = e.at(self.t, "%b", first)
            loaded = []
            for k in range(n):
                x = e.at(self.t, source, e.do(f"mul nsw i64 %bcs, {k}"))
                loaded.append(e.do(f"load <{n} x {self.t}>, ptr {x}, align {self.align}"))
            for k, x in enumerate(exchanged(e, loaded, self.t)):
                row = e.do(f"mul nsw i64 {e.do(f'add nsw i64 {p}, {k}')}, %across")
                to = e.at(self.t, "%to", e.do(f"add nsw i64 {row}, {j}"))
                e.put(f"store <{n} x {self.t}> {x}, ptr {to}, align {self.align}")

        def numbers(start_p: str, start_j: str, stop_p: str) -> None:
            """One by one."""

            def column(p: str) -> None:
                e.loop("%across", "1", lambda j: self._one(e, p, j), start_j)

            def rows() -> None:
                e.loop(stop_p, "1", column, start_p)

            some = e.do(f"icmp ult i64 {start_p}, {stop_p}")
            wide = e.do(f"icmp ult i64 {start_j}, %across")
            e.either(e.do(f"and i1 {some}, {wide}"), rows, lambda: None)

        def all_squares() -> None:
            e.loop(whole, str(n), lambda j: e.loop(squares, str(n), lambda p: square(p, j)))

        some = e.do(f"icmp ne i64 {squares}, 0")
        some = e.do(f"and i1 {some}, {e.do(f'icmp ne i64 {whole}, 0')}")
        e.either(some, all_squares, lambda: None)
        numbers("0", whole, squares)
        numbers(squares, "0", "%depth")

    def _copy(self, name: str, lanes: int, panels: Callable[..., None]) -> None:
        """A block of b (or of a transposed) as panels, one after another.

        Where its rows lie in one piece they are gone through a few at a time, over all panels:
        each row may be on a page of its own.
        """
        e = self.blocks()
        along = e.do("icmp eq i64 %cs, 1")
        step = e.do(f"select i1 {along}, i64 {SOME}, i64 %depth")

        def rows(p: str) -> None:
            count = e.smaller(e.do(f"sub nsw i64 %depth, {p}"), step)

            def panel(j: str, columns: str, across: str) -> None:
                source = e.at(self.t, "%from", self._place(e, p, "%rs", j, "%cs"))
                to = e.at(self.t, "%to", self._place(e, p, across, j, "%depth"))
                e.put(
                    f"call void @pack{lanes}(i64 {count}, i64 {columns}, i64 {across}, "
                    f"ptr {source}, i64 %rs, i64 %cs, ptr {to})"
                )

            panels(e, panel)

        e.loop("%depth", step, rows)
        e.put("ret void")
        e.function(
            f"internal void @{name}(i64 %depth, i64 %n, ptr %from, i64 %rs, i64 %cs, "
            "ptr noalias %to)"
        )

    def _place(self, e: Blocks, i: str, rs: str, j: str, cs: str) -> str:
        """i rs + j cs."""
        row = e.do(f"mul nsw i64 {i}, {rs}")
        return e.do(f"add nsw i64 {row}, {e.do(f'mul nsw i64 {j}, {cs}')}")

    def _wide(self, e: Blocks, panel: Callable[[str, str, str], None]) -> None:
        """Panels of b: as wide as a tile; four vectors that remain are two and two."""
        n = self.lanes
        across = n * self.vectors
        before = e.block
        head = e.begin("columns")
        at = len(e.lines)
        e.put("")
        j = f"%{head}.j"
        left = e.do(f"sub nsw i64 %n, {j}")
        columns = e.smaller(left, str(across))
        if self.vectors == 3:
            four = e.do(f"icmp ule i64 {left}, {4 * n}")
            four = e.do(f"and i1 {four}, {e.do(f'icmp ugt i64 {left}, {across}')}")
            columns = e.do(f"select i1 {four}, i64 {2 * n}, i64 {columns}")
        padded = e.do(f"and i64 {e.do(f'add nsw i64 {columns}, {n - 1}')}, {-n}")
        panel(j, columns, padded)
        following = e.do(f"add nuw nsw i64 {j}, {columns}")
        e.lines[at] = f"  {j} = phi i64 [ 0, %{before} ], [ {following}, %{e.block} ]"
        e.unless_done(e.do(f"icmp ult i64 {following}, %n"), head)

    def _narrow(self, e: Blocks, panel: Callable[[str, str, str], None]) -> None:
        """Panels of a transposed, which are as wide as a tile is high."""

        def one(j: str) -> None:
            columns = e.smaller(e.do(f"sub nsw i64 %n, {j}"), str(self.rows))
            panel(j, columns, str(self.rows))

        e.loop("%n", str(self.rows), one)
