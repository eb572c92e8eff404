"""Random functions of two integers: assignments, branches and loops, with jumps out of them."""

from __future__ import annotations

import itertools
import linecache
import re
from fractions import Fraction
from typing import Any

import numpy as np
from hypothesis import strategies as st

NAMES = ("a", "b", "c", "x", "y")
_numbers = itertools.count()


@st.composite
def expressions(draw: Any, depth: int = 2) -> str:
    """A number that stays small."""
    if depth == 0 or draw(st.booleans()):
        return draw(st.sampled_from([*NAMES, "1", "2", "3"]))
    a, b = draw(expressions(depth - 1)), draw(expressions(depth - 1))
    if draw(st.integers(0, 5)) == 0:
        return f"({a} if {draw(conditions(depth - 1))} else {b})"
    return f"({a} {draw(st.sampled_from('+-*'))} {b}) % 11"


@st.composite
def conditions(draw: Any, depth: int = 2) -> str:
    """A truth value."""
    kind = draw(st.integers(0, 5)) if depth else 0
    a, b = draw(expressions(1)), draw(expressions(1))
    if kind <= 2:
        return f"{a} {draw(st.sampled_from(['<', '<=', '==', '!=', '>']))} {b}"
    if kind == 3:
        return f"0 <= {a} < {b}"
    if kind == 4:
        return f"not {draw(conditions(depth - 1))}"
    word = draw(st.sampled_from(["and", "or"]))
    return f"({draw(conditions(depth - 1))} {word} {draw(conditions(depth - 1))})"


@st.composite
def blocks(draw: Any, depth: int, in_loop: bool, indent: str) -> list[str]:
    """Lines of a block."""
    lines: list[str] = []
    for _ in range(draw(st.integers(1, 3))):
        lines += draw(statements(depth, in_loop, indent))
    return lines


@st.composite
def statements(draw: Any, depth: int, in_loop: bool, indent: str) -> list[str]:
    """Lines of a statement."""
    kinds = ["assign", "augment", "swap", "return"]
    kinds += ["break", "continue"] * in_loop
    kinds += ["if", "if", "else", "for", "while"] * (depth > 0)
    kind = draw(st.sampled_from(kinds))
    name, inside = draw(st.sampled_from(NAMES)), indent + "    "
    deeper = blocks(depth - 1, in_loop, inside) if depth else None
    match kind:
        case "assign":
            return [f"{indent}{name} = {draw(expressions())}"]
        case "augment":
            return [f"{indent}{name} += {draw(expressions())}"]
        case "swap":
            return [f"{indent}{name}, c = c, {draw(expressions())}"]
        case "return":
            return [f"{indent}return {draw(expressions())}"]
        case "if":
            return [f"{indent}if {draw(conditions())}:", *draw(deeper)]
        case "else":
            middle = []
            if draw(st.booleans()):
                middle = [f"{indent}elif {draw(conditions())}:", *draw(deeper)]
            start = [f"{indent}if {draw(conditions())}:", *draw(deeper)]
            return [*start, *middle, f"{indent}else:", *draw(deeper)]
        case "for" | "while":
            return draw(loops(kind, depth, indent))
    return [indent + kind]


@st.composite
def loops(draw: Any, kind: str, depth: int, indent: str) -> list[str]:
    """Lines of a loop of few passes, its `else` included."""
    inside = indent + "    "
    body = draw(blocks(depth - 1, True, inside))
    if kind == "for":
        over = [f"range({draw(expressions(1))} % 4)", "range(3)", "range(2, -1, -1)", "(x, 2, y)"]
        head = [f"{indent}for {draw(st.sampled_from(NAMES))} in {draw(st.sampled_from(over))}:"]
    else:
        n = f"n{next(_numbers)}"
        head = [f"{indent}{n} = 0", f"{indent}while {n} < 4 and {draw(conditions())}:"]
        head.append(f"{inside}{n} += 1")
    if draw(st.integers(0, 3)) == 0:
        in_loop = False  # a jump from there would be one of the loop around, if there is one
        return [*head, *body, f"{indent}else:", *draw(blocks(depth - 1, in_loop, inside))]
    return [*head, *body]


@st.composite
def programs(draw: Any) -> str:
    """The source of a function."""
    body = draw(blocks(2, False, "    "))
    return "\n".join(
        ["def program(x, y):", "    a, b, c = 1, 2, 0", *body, "    return a + b * c", ""]
    )


def made(source: str) -> Any:
    """The function of a source, which can be read back from it."""
    filename = f"<program {next(_numbers)}>"
    linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
    namespace: dict[str, Any] = {}
    exec(compile(source, filename, "exec"), namespace)
    return namespace["program"]


def of_reals(source: str) -> Any:
    """The function of (x, y, n) that a source makes of two reals, its ranges by an integer n."""
    source = re.sub(r"range\((.*) % 4\)", r"range(n % 4)", source)
    program = made(source.replace("def program(x, y)", "def program(x, y, n)"))
    return lambda x, y, n: program(x, y, n) + 0.0 * (x + y)


class Inexact(Exception):
    """A number that floating point may round."""


class Second:
    """A number, its gradient and its Hessian by x and y, all exact: an oracle for derivatives."""

    def __init__(self, v: Any, g: Any = (0, 0), h: Any = ((0, 0), (0, 0))) -> None:
        self.v, self.g, self.h = Fraction(v), np.array(g, object), np.array(h, object)
        if self.v.denominator.bit_length() + abs(self.v.numerator).bit_length() > 50:
            raise Inexact

    def __add__(self, other: Any) -> Any:
        o = _second(other)
        return Second(self.v + o.v, self.g + o.g, self.h + o.h)

    def __sub__(self, other: Any) -> Any:
        return self + _second(other) * -1

    def __rsub__(self, other: Any) -> Any:
        return _second(other) - self

    def __mul__(self, other: Any) -> Any:
        o = _second(other)
        cross = np.outer(self.g, o.g)
        h = self.v * o.h + o.v * self.h + cross + cross.T
        return Second(self.v * o.v, self.v * o.g + o.v * self.g, h)

    def __mod__(self, other: int) -> Any:
        return Second(self.v % other, self.g, self.h)

    __radd__, __rmul__ = __add__, __mul__

    def __eq__(self, other: object) -> bool:
        return self.v == _second(other).v

    def __lt__(self, other: Any) -> bool:
        return self.v < _second(other).v

    def __le__(self, other: Any) -> bool:
        return self.v <= _second(other).v

    def __gt__(self, other: Any) -> bool:
        return self.v > _second(other).v

    def __ge__(self, other: Any) -> bool:
        return self.v >= _second(other).v

    __hash__ = None  # type: ignore[assignment]


def _second(x: Any) -> Second:
    return x if isinstance(x, Second) else Second(x)
