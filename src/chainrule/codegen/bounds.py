"""Checks of the compiler's own work: every load and store against the extent of its buffer.

A kernel's text is read once more after it has been written, whoever wrote it, and each access goes
through a function that compares its place with the buffer's beginning and end. One that lies
outside is noted, and led to memory that nobody uses, so that the program comes to its end and can
say which it was. What is known without running (the memory plan, matrix products, the parts of
arrays that loops hand to their bodies) is checked when the program is compiled.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from chainrule.codegen.index import bounds
from chainrule.codegen.loops import Access, Buffer, Loop, Product, Program
from chainrule.codegen.text import Module, width
from chainrule.errors import BoundsError

VIOLATION: Final = "violation"
"""Two numbers in the module: the access that lay outside first, counted from 1, and its offset."""

_FUNCTION: Final = f"""\
define internal ptr @checked(ptr %p, ptr %base, i64 %span, i64 %size, i64 %site) #0 {{
entry:
  %at = ptrtoint ptr %p to i64
  %start = ptrtoint ptr %base to i64
  %offset = sub i64 %at, %start
  %end = add i64 %offset, %span
  %low = icmp sge i64 %offset, 0
  %high = icmp sle i64 %end, %size
  %good = and i1 %low, %high
  br i1 %good, label %inside, label %outside
inside:
  ret ptr %p
outside:
  %seen = load i64, ptr @{VIOLATION}
  %none = icmp eq i64 %seen, 0
  br i1 %none, label %note, label %nowhere
note:
  store i64 %site, ptr @{VIOLATION}
  store i64 %offset, ptr getelementptr (i64, ptr @{VIOLATION}, i64 1)
  br label %nowhere
nowhere:
  ret ptr @nowhere
}}"""

_TYPE: Final = r"(<\d+ x \w+>|\w+)"
_LOAD: Final = re.compile(rf"  %\S+ = load {_TYPE}, ptr (%[\w.]+)")
_STORE: Final = re.compile(rf"  store {_TYPE} .*, ptr (%[\w.]+)(?:, align \d+)?$")
_MANY: Final = re.compile(r"@llvm\.masked\.(gather|scatter)\..*?<(\d+) x ptr> (%[\w.]+), i32 (\d+)")
_DERIVED: Final = re.compile(
    r"  (%[\w.]+) = (?:getelementptr \w+, ptr|extractelement <\d+ x ptr>) (%[\w.]+),"
)
_BITS: Final = {"double": 64, "float": 32}


class Sites:
    """The accesses of a module, in the order in which they are numbered."""

    def __init__(self, module: Module) -> None:
        self.module = module
        self.list: list[str] = []
        module.definitions["checked"] = _FUNCTION
        module.definitions["nowhere"] = "@nowhere = global [512 x i8] zeroinitializer, align 64"
        module.definitions[VIOLATION] = f"@{VIOLATION} = global [2 x i64] zeroinitializer"

    def check(self, name: str, buffers: Sequence[Buffer]) -> None:
        """Have every load and store of the function written last checked."""
        text = self.module.functions[-1]
        self.module.functions[-1] = "\n".join(_Checked(self, name, buffers, text).lines())


class _Checked:
    """The lines of a kernel with checks between them."""

    def __init__(self, sites: Sites, name: str, buffers: Sequence[Buffer], text: str) -> None:
        self.sites, self.name = sites, name
        # a pointer that has been through a check is, to LLVM, of unknown origin
        self.text = text.replace("ptr noalias", "ptr")
        self.bases = {f"%{b!r}": b for b in buffers}
        self.count = 0

    def lines(self) -> Iterator[str]:
        """All lines."""
        for line in self.text.split("\n"):
            derived = _DERIVED.match(line)
            if derived is not None and derived[2] in self.bases:
                self.bases[derived[1]] = self.bases[derived[2]]
            one = _LOAD.match(line) or _STORE.match(line)
            many = _MANY.search(line)
            if one is not None:
                kind = "writes" if line.startswith("  store") else "reads"
                yield from self._one(line, one[2], _bytes(one[1]), kind)
            elif many is not None:
                yield from self._many(line, many)
            else:
                yield line

    def _one(self, line: str, pointer: str, span: int, kind: str) -> Iterator[str]:
        call, name = self._call(pointer, pointer, span, kind)
        yield call
        yield re.sub(rf"ptr {re.escape(pointer)}\b", f"ptr {name}", line)

    def _many(self, line: str, found: re.Match[str]) -> Iterator[str]:
        """A vector of pointers: lane by lane."""
        kind = "reads" if found[1] == "gather" else "writes"
        lanes, pointers, span = int(found[2]), found[3], int(found[4])
        t, out = f"<{lanes} x ptr>", "poison"
        for lane in range(lanes):
            one, new = self._fresh(), self._fresh()
            yield f"  {one} = extractelement {t} {pointers}, i32 {lane}"
            call, name = self._call(one, pointers, span, kind)
            yield call
            yield f"  {new} = insertelement {t} {out}, ptr {name}, i32 {lane}"
            out = new
        yield line.replace(f"{t} {pointers},", f"{t} {out},")

    def _call(self, pointer: str, origin: str, span: int, kind: str) -> tuple[str, str]:
        buffer = self.bases.get(origin)
        assert buffer is not None, f"{self.name}: the buffer of {origin} cannot be told"
        self.sites.list.append(f"{self.name} {kind} {described(buffer)}")
        name = self._fresh()
        base = next(k for k, b in self.bases.items() if b is buffer)
        return (
            f"  {name} = call ptr @checked(ptr {pointer}, ptr {base}, i64 {span}, "
            f"i64 {buffer.nbytes}, i64 {len(self.sites.list)})"
        ), name

    def _fresh(self) -> str:
        self.count += 1
        return f"%checked{self.count}"


def _bytes(t: str) -> int:
    """Bytes of an LLVM type in memory."""
    lanes, one = re.fullmatch(r"<(\d+) x (\w+)>", t), t
    if lanes is not None:
        one = lanes[2]
    bits = _BITS.get(one) or int(one[1:])
    return (int(lanes[1]) if lanes is not None else 1) * bits // 8


def described(b: Buffer) -> str:
    """A buffer, for a message."""
    return f"{b.kind} {b!r} of {b.size} elements of {max(width(b.code), 1)} bytes"


# --- what is known without running ---------------------------------------------------------------


def verify(program: Program) -> None:
    """Check the memory plan, matrix products and loops; raises BoundsError."""
    for p in program.programs():
        _verify_plan(p)
        for step in p.steps:
            if isinstance(step, Product):
                _verify_product(step)
            elif isinstance(step, Loop):
                _verify_loop(step)


def _verify_plan(program: Program) -> None:
    """Temporaries lie in the arena, and no two that are needed at one time share memory."""
    used: dict[Buffer, list[int]] = {}
    for k, step in enumerate(program.steps):
        for b in (*step.reads(), *step.writes()):
            if b.kind == "temporary":
                used.setdefault(b, []).append(k)
    for b in used:
        if b.offset < 0 or b.offset + b.nbytes > program.arena:
            raise BoundsError(f"{described(b)} lies outside of the arena of {program.arena} bytes")
    placed = sorted(used, key=lambda b: b.offset)
    for i, a in enumerate(placed):
        for b in placed[i + 1 :]:
            if b.offset >= a.offset + a.nbytes:
                break
            if used[a][0] <= used[b][-1] and used[b][0] <= used[a][-1] and b.nbytes:
                raise BoundsError(f"{described(a)} and {described(b)} share memory")


class _Extents:
    """What `bounds` asks for."""

    def __init__(self, extents: Sequence[int]) -> None:
        self.extents = extents
        self.ranges: dict[object, int] = {}


def _verify_product(step: Product) -> None:
    m, n, k = step.sizes
    for access, rows, columns in ((step.a, m, k), (step.b, k, n), (step.c, m, n)):
        reach = bounds(access.position, _Extents(step.extents))
        if (
            reach is None
            or reach[0] < 0
            or _last(access, reach[1], rows, columns) >= max(access.buffer.size, 1)
        ):
            raise BoundsError(f"{step!r} goes beyond {described(access.buffer)}")


def _last(access: Access, start: int, rows: int, columns: int) -> int:
    """Position of the last element of the last matrix."""
    return start + max(rows - 1, 0) * access.row + max(columns - 1, 0) * access.column


def _verify_loop(step: Loop) -> None:
    """What a loop hands to its bodies is as large as they take it to be."""
    pairs: list[tuple[Buffer, Buffer, int]] = []
    m, n = step.counts[:2]
    if step.kind == "cond":
        for body in step.bodies:
            pairs += [(a, b, 1) for a, b in zip(step.arguments[1:], body.inputs, strict=True)]
            pairs += [(a, b, 1) for a, b in zip(step.results, body.outputs, strict=True)]
    elif step.kind == "call":
        (body,) = step.bodies
        given = (*step.arguments, *step.results), (*body.inputs, *body.outputs)
        pairs += [(a, b, 1) for a, b in zip(*given, strict=True)]
    elif step.kind == "scan":
        (body,) = step.bodies
        for k, (a, b) in enumerate(zip(step.arguments, body.inputs, strict=True)):
            pairs.append((a, b, 1 if k < m + n else step.length))
        for k, (a, b) in enumerate(zip(step.results, body.outputs, strict=True)):
            pairs.append((a, b, 1 if k < n else step.length))
    elif step.kind == "while_loop":
        holds, body = step.bodies
        carry = step.arguments[m + n :]
        both = (*step.arguments[:m], *carry), (*step.arguments[m : m + n], *carry)
        for some, p in zip(both, (holds, body), strict=True):
            pairs += [(a, b, 1) for a, b in zip(some, p.inputs, strict=True)]
        pairs += [(a, b, 1) for a, b in zip(step.results, body.outputs, strict=True)]
    for outer, inner, times in pairs:
        if outer.nbytes != inner.nbytes * times:
            raise BoundsError(f"a body of {step.kind} takes {described(outer)} for {inner.size}")
    for body in step.bodies:
        if body.arena > step.scratch.nbytes:
            raise BoundsError(f"the bodies of {step.kind} need more than {described(step.scratch)}")
