"""Matrix products in machine code of our own: c = a b, with operands read where they lie.

The scheme is that of Goto and van de Geijn, "Anatomy of high-performance matrix multiplication"
(ACM TOMS 34, 2008), in the form of BLIS: a *tile* of the result stays in registers while the inner
index runs. A step takes a few vectors of a row of b, and multiplies them by the numbers of a column
of a, one for each of the tile's rows. A panel of b as wide as a tile is copied, so that it lies in
one piece in a near cache and runs along the result's rows; a is read in place, whatever its
strides, or copied as well where many panels use it. Tiles are in `codegen.tiles`, copies in
`codegen.panels`; here are the blocks, as large as the caches, in which all of it is done.

A product says whether a NaN is among its results, which it has in registers anyway
(`codegen.doubt` asks).
"""

from __future__ import annotations

import threading
from typing import Any, Final

from chainrule.codegen import engine
from chainrule.codegen.blocks import Blocks
from chainrule.codegen.panels import Panels
from chainrule.codegen.text import width
from chainrule.codegen.tiles import RETURNS

HEIGHT: Final = 256
"""... rows of a ..."""

BREADTH: Final = 576
"""... and columns of b (whole panels for every width of vectors)."""

FEW: Final = 32
"""With no more rows than this, b is read in place where it lies along the rows ..."""

SMALL: Final = 1 << 14
"""... and where it has no more bytes than this."""

MANY: Final = 4
"""From so many panels on, a is copied as well."""

LINE: Final = 64
"""Bytes of a line of the cache, at which copies begin: no vector of b lies in two."""

NO_ROOM: Final = 2
"""What a product gives where there was no memory for its copies; 1 if a result is NaN, else 0."""


class Gemm(Panels):
    """Writes the product of matrices of a dtype."""

    def text(self) -> str:
        """The module."""
        for vectors in range(1, self.vectors + 1):
            self._tile(vectors)
        for lanes in sorted({self.lanes, self.small}):
            self._pack(lanes)
        self._copy("copy_b", self.lanes, self._wide)
        self._copy("copy_a", self.small, self._narrow)
        self._panel()
        self._block()
        self._product()
        return self.module.text()

    def _panel(self) -> None:
        """All rows of a times a panel of b."""
        e = self.blocks()
        e.may_note()

        def tiles(vectors: int) -> None:
            def tile(i: str) -> None:
                last = e.do(f"sub nsw i64 {e.do(f'sub nsw i64 %m, {i}')}, 1")
                last = e.smaller(last, str(self.rows - 1))
                a = e.at(self.t, "%a", e.do(f"mul nsw i64 {i}, %step"))
                c = e.at(self.t, "%c", e.do(f"mul nsw i64 {i}, %ldc"))
                nan = e.do(
                    f"call {RETURNS} @tile{vectors}(i64 %depth, ptr {a}, i64 %ars, i64 %acs, "
                    f"ptr %b, i64 %brs, ptr {c}, i64 %ldc, i64 {last}, i64 %columns, i1 %add)"
                )
                e.note(nan)

            e.loop("%m", str(self.rows), tile)

        def choose(vectors: int) -> None:
            if vectors == 1:
                tiles(1)
                return
            enough = e.do(f"icmp ugt i64 %columns, {(vectors - 1) * self.lanes}")
            e.either(enough, lambda: tiles(vectors), lambda: choose(vectors - 1))

        choose(self.vectors)
        e.give_noted()
        e.function(
            f"internal {RETURNS} @panel(i64 %m, i64 %columns, i64 %depth, ptr %a, i64 %step, "
            "i64 %ars, i64 %acs, ptr %b, i64 %brs, ptr noalias %c, i64 %ldc, i1 %add)"
        )

    def _block(self) -> None:
        """Rows of a, copied or not, times all panels of b."""
        e = self.blocks()
        e.may_note()

        def panel(j: str, columns: str, across: str) -> None:
            b = e.do(f"mul nsw i64 {j}, {e.do('select i1 %direct, i64 1, i64 %depth')}")
            b = e.at(self.t, "%b", b)
            brs = e.do(f"select i1 %direct, i64 %brs, i64 {across}")
            e.note(
                e.do(
                    f"call {RETURNS} @panel(i64 %m, i64 {columns}, i64 %depth, ptr %a, i64 %step, "
                    f"i64 %ars, i64 %acs, ptr {b}, i64 {brs}, ptr {e.at(self.t, '%c', j)}, "
                    "i64 %ldc, i1 %add)"
                )
            )

        self._wide(e, panel)
        e.give_noted()
        e.function(
            f"internal {RETURNS} @block(i64 %m, i64 %n, i64 %depth, ptr %a, i64 %step, i64 %ars, "
            "i64 %acs, i1 %direct, ptr %b, i64 %brs, ptr noalias %c, i64 %ldc, i1 %add)"
        )

    def _product(self) -> None:
        """Blocks of the inner index, of columns of b, and of rows of a."""
        e, n = self.blocks(), self.lanes
        e.may_note()
        few = e.do(f"icmp ule i64 %m, {FEW}")
        small = e.do(f"icmp ule i64 {e.do('mul nsw i64 %n, %k')}, {SMALL // width(self.code)}")
        along = e.do(f"and i1 {e.do(f'or i1 {few}, {small}')}, {e.do('icmp eq i64 %bcs, 1')}")
        even = e.do(f"icmp eq i64 {e.do(f'and i64 %n, {n - 1}')}, 0")
        direct = e.do(f"and i1 {along}, {even}")
        copies = e.do(f"icmp uge i64 %n, {MANY * n * self.vectors}")
        room_b = e.do(f"select i1 {direct}, i64 0, i64 {self._room(e, '%n', BREADTH, n)}")
        room_a = e.do(f"select i1 {copies}, i64 {self._room(e, '%m', HEIGHT, self.rows)}, i64 0")
        room = e.do(f"add i64 {e.do(f'add i64 {room_a}, {room_b}')}, {LINE}")
        e.module.declare("malloc", "ptr", "i64")
        e.module.declare("free", "void", "ptr")
        memory = e.do(f"call ptr @malloc(i64 {room})")
        none, work = e.named("none"), e.named("work")
        e.put(f"br i1 {e.do(f'icmp eq ptr {memory}, null')}, label %{none}, label %{work}")
        e.enter(none)
        e.put(f"ret i32 {NO_ROOM}")
        e.enter(work)
        start = e.do(f"ptrtoint ptr {memory} to i64")
        apart = e.do(f"and i64 {e.do(f'sub i64 0, {start}')}, {LINE - 1}")
        for_b = e.do(f"getelementptr i8, ptr {memory}, i64 {apart}")
        for_a = e.do(f"getelementptr i8, ptr {for_b}, i64 {room_b}")

        def columns(p: str, j: str) -> None:
            depth = e.smaller(e.do(f"sub nsw i64 %k, {p}"), str(self.depth))
            breadth = e.smaller(e.do(f"sub nsw i64 %n, {j}"), str(BREADTH))
            add, end = e.do(f"icmp ne i64 {p}, 0"), e.do(f"add nsw i64 {p}, {depth}")
            last = e.do(f"icmp eq i64 {end}, %k")
            b = e.at(self.t, "%b", self._place(e, p, "%brs", j, "%bcs"))
            e.unless(
                direct,
                lambda: e.put(
                    f"call void @copy_b(i64 {depth}, i64 {breadth}, ptr {b}, i64 %brs, i64 %bcs, "
                    f"ptr {for_b})"
                ),
            )
            b = e.do(f"select i1 {direct}, ptr {b}, ptr {for_b}")

            def rows(i: str) -> None:
                height = e.smaller(e.do(f"sub nsw i64 %m, {i}"), str(HEIGHT))
                a = e.at(self.t, "%a", self._place(e, i, "%ars", p, "%acs"))
                e.when(
                    copies,
                    lambda: e.put(
                        f"call void @copy_a(i64 {depth}, i64 {height}, ptr {a}, i64 %acs, "
                        f"i64 %ars, ptr {for_a})"
                    ),
                )
                a = e.do(f"select i1 {copies}, ptr {for_a}, ptr {a}")
                step = e.do(f"select i1 {copies}, i64 {depth}, i64 %ars")
                ars = e.do(f"select i1 {copies}, i64 1, i64 %ars")
                acs = e.do(f"select i1 {copies}, i64 {self.rows}, i64 %acs")
                c = e.at(self.t, "%c", self._place(e, i, "%ldc", j, "1"))
                nan = e.do(
                    f"call {RETURNS} @block(i64 {height}, i64 {breadth}, i64 {depth}, ptr {a}, "
                    f"i64 {step}, i64 {ars}, i64 {acs}, i1 {direct}, ptr {b}, i64 %brs, ptr {c}, "
                    f"i64 %ldc, i1 {add})"
                )
                e.note(e.do(f"and i1 {nan}, {last}"))

            e.loop("%m", str(HEIGHT), rows)

        e.loop("%k", str(self.depth), lambda p: e.loop("%n", str(BREADTH), lambda j: columns(p, j)))
        e.put(f"call void @free(ptr {memory})")
        odd = e.do("load i1, ptr %odd")
        e.put(f"ret i32 {e.do(f'zext i1 {odd} to i32')}")
        e.function(
            "i32 @gemm(i64 %m, i64 %n, i64 %k, ptr %a, i64 %ars, i64 %acs, "
            "ptr %b, i64 %brs, i64 %bcs, ptr noalias %c, i64 %ldc)"
        )

    def _room(self, e: Blocks, count: str, most: int, step: int) -> str:
        """Bytes of the copy of a block."""
        count = e.smaller(count, str(most))
        count = e.do(f"add nsw i64 {count}, {step}")
        depth = e.smaller("%k", str(self.depth))
        return e.do(f"mul nsw i64 {e.do(f'mul nsw i64 {count}, {depth}')}, {width(self.code)}")


_machines: dict[str, Any] = {}
_lock = threading.Lock()


def machine(code: str) -> Any:
    """The machine code for a dtype, compiled when first asked for, and kept."""
    with _lock:  # others hold its address: it must not be made twice, and one of the two dropped
        if code not in _machines:
            text = Gemm(code, engine.vector_bytes(), engine.registers()).text()
            _machines[code] = engine.Machine(engine.object_code(text))
        return _machines[code]


def address(code: str) -> int:
    """The address of the product of a dtype: `gemm(m, n, k, a, row step, column step, b, row step,
    column step, c, row step)`. It gives 0; 1 if a result is NaN; NO_ROOM.
    """
    return int(machine(code).address("gemm"))
