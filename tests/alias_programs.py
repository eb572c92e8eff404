"""Random programs on arrays of several names, changed in place in branches and loops.

A program is a function of vectors `a` and `b` of three, a number `c` and an integer `n`. Its names
are those of arrays (x, y, z of three; u, v of two, mostly views), a number s, a list, a dict and an
object with arrays in them. Whatever the statements, numbers stay small.
"""

from __future__ import annotations

import random

HEAD = """\
class Box:
    pass

def bump(p, q):
    p += 0.5 * q

def put(p, q):
    p[0] = q

def tail(p):
    return p[1:]

def same(p):
    return p

def double(p):
    return p * 0.5

def either(p, q):
    if p[0] > q[0]:
        return p
    return q

def program(a, b, c, n):
"""

THREE = ("x", "y", "z")
TWO = ("u", "v")


class Writer:
    """Writes one program, by the choices of a seeded generator."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.loops = 0
        self.kinds = self.random.sample(KINDS, 7)

    def one(self, *choices: str) -> str:
        """One of some texts."""
        return self.random.choice(choices)

    def array(self) -> str:
        """An array of three, by a name."""
        names = [*THREE, *THREE, "l[0]", "l[1]", "d['k']", "o.x", "a", "b"]
        return self.random.choice(names)

    def target(self) -> str:
        """What an array can be assigned to."""
        return self.random.choice([*THREE, *THREE, *THREE, "l[0]", "l[1]", "d['k']", "o.x"])

    def number(self) -> str:
        """A number."""
        return self.one(
            "s", "c", "1.0", "0.5", f"{self.array()}[{self.one('0', '1', '-1', 'n % 3')}]",
            f"{self.array()}.sum() * 0.25", f"{self.one(*TWO)}[0]",
        )  # fmt: skip

    def new(self) -> str:
        """An array of three that is made."""
        p, q = self.array(), self.array()
        return self.one(
            f"{p} * 0.5", f"{p} - 0.5 * {q}", f"{p}.copy()", "np.zeros(3)", f"np.sin({p})",
            f"np.array([{self.number()}, {self.number()}, 1.0])", f"{p} + {self.number()}",
            f"np.array({p})", f"double({p})", "np.arange(3.0)", f"np.where({p} > 0, {q}, 0.5)",
        )  # fmt: skip

    def alias(self) -> str:
        """An array of three that may be one that is there, or show one."""
        p, q = self.array(), self.array()
        return self.one(
            p, p, p, p, f"same({p})", f"{p}[:]", f"{p}[::-1]", f"{p}.reshape(3)", f"{p}.T",
            f"np.asarray({p})", f"either({p}, {q})", f"({p} if {self.condition()} else {q})",
            f"({p} if {self.condition()} else {q})",
        )  # fmt: skip

    def pair(self) -> str:
        """An array of two, often a view."""
        p = self.array()
        return self.one(f"{p}[1:]", f"{p}[:2]", f"{p}[::2]", f"tail({p})", f"{p}[1:] * 0.5", *TWO)

    def condition(self) -> str:
        """A condition that is traced."""
        return self.one(
            "c > 0", "c > 0", f"{self.number()} > 0.3", f"{self.array()}.sum() > 0", "n > 1",
            f"{self.array()}[0] > {self.array()}[1]",
        )  # fmt: skip

    def block(self, depth: int, length: int, indent: str, loop: bool = False) -> list[str]:
        """Lines of a block."""
        lines: list[str] = []
        for _ in range(length):
            if depth and self.random.random() < 0.3:
                lines += self.construct(depth, indent, loop)
            else:
                lines.append(indent + self.statement())
        return lines

    def construct(self, depth: int, indent: str, loop: bool) -> list[str]:
        """Lines of a branch or a loop."""
        inner = indent + "    "
        length = self.random.randint(1, 3)
        kind = self.random.random()
        if kind < 0.6:
            lines = [f"{indent}if {self.condition()}:", *self.block(depth - 1, length, inner, loop)]
            if loop and self.random.random() < 0.15:
                lines.append(inner + self.one("break", "continue"))
            elif not loop and self.random.random() < 0.08:
                lines.append(inner + "return " + self.array())
            if self.random.random() < 0.4:
                length = self.random.randint(1, 2)
                lines += [f"{indent}else:", *self.block(depth - 1, length, inner, loop)]
            return lines
        body = self.block(depth - 1, length, inner, True)
        if kind < 0.85:
            over = self.one("range(n)", "range(n)", "range(3)", "range(17)", "a", "[x, y]")
            item = f"i{self.loops}"
            self.loops += 1
            return [f"{indent}for {item} in {over}:", *body]
        k = f"k{self.loops}"
        self.loops += 1
        test = f"{k} < n" if self.random.random() < 0.5 else f"{k} < 3 and {self.condition()}"
        return [f"{indent}{k} = 0", f"{indent}while {test}:", f"{inner}{k} += 1", *body]

    def statement(self) -> str:
        """One line."""
        t, p = self.target(), self.array()
        match self.random.choice(self.kinds):
            case "new":
                return f"{t} = {self.new()}"
            case "alias":
                return f"{t} = {self.alias()}"
            case "augment":
                what = self.one(f"0.5 * {p}", self.number(), "1.0")
                return f"{self.array()} {self.one('+=', '-=')} {what}"
            case "shrink":
                return f"{self.array()} *= 0.5"
            case "element":
                index = self.one("0", "1", "-1", "n % 3")
                return f"{self.array()}[{index}] {self.one('=', '+=')} {self.number()}"
            case "slice":
                index = self.one("1:", ":2", "::2")
                op = self.one("=", "=", "+=")
                return f"{self.array()}[{index}] {op} {self.one(*TWO, self.number())}"
            case "whole":
                return f"{self.array()}[:] = {self.one(self.array(), self.new())}"
            case "view":
                return f"{self.one(*TWO)} = {self.pair()}"
            case "through":
                name = self.one(*TWO)
                return self.one(f"{name} += {self.number()}", f"{name}[0] = {self.number()}")
            case "call":
                return self.one(
                    f"bump({self.array()}, {p})", f"put({self.array()}, {self.number()})"
                )
            case "number":
                return self.one(f"s = {self.number()}", f"s += {self.number()}", "s *= 0.5")
            case "list":
                return self.one(
                    f"l = [{p}, {self.array()}]", f"l = [{p}, {self.array()}]", "m = l", "l = m",
                    "m[0] = x", "m[1] += 1.0",
                )  # fmt: skip
            case "dict":
                return self.one(f"d = {{'k': {p}}}", "e = d", "d = e", "e['k'] = y")
            case "object":
                return self.one("o = w", "w = o", "w.x = x", "w.x += 1.0")
        return self.one("x, y = y, x", "x, z = z, x", f"{t}, y = y, {p}", f"x = y = {self.new()}")

    def program(self) -> str:
        """The source of a function."""
        start = [
            self.one("x = a", "x = a * 1.0", "x = np.zeros(3)", "x = a.copy()"),
            self.one("y = b", "y = x", "y = np.ones(3)", "y = b * 0.5", "y = x[::-1]"),
            self.one("z = x", "z = y", "z = np.array([a[0], 1.0, c])", "z = a - b"),
            "u = " + self.one("x[1:]", "y[:2]", "np.ones(2)"),
            "v = " + self.one("z[1:]", "u", "np.zeros(2)", "b[:2]"),
            "s = " + self.one("c", "0.0", "a[0]"),
            "l = m = " + self.one("[x, y]", "[x, x]", "[z, b]", "[np.zeros(3), a]"),
            "d = e = " + self.one("{'k': x}", "{'k': z}", "{'k': np.ones(3)}"),
            "o = w = Box()",
            "o.x = " + self.one("x", "y", "np.zeros(3)"),
        ]
        body = self.block(2, self.random.randint(2, 4), "    ")
        if not any(line.lstrip().startswith(("if", "for", "while")) for line in body):
            body += self.construct(2, "    ", False)
        parts = ["x", "y", "z", "l[0]", "l[1]", "m[0]", "d['k']", "e['k']", "o.x", "a", "b"]
        weights = ("0.3", "0.7", "1.1", "1.3", "1.9", "2.3", "2.9")
        chosen = self.random.sample(parts, self.random.randint(1, 5))
        out = [f"{w} * {p}" for w, p in zip(weights, chosen, strict=False)]
        out += [f"3.1 * {p}.sum()" for p in self.random.sample(TWO, self.random.randint(0, 2))]
        out += ["s"] * (self.random.random() < 0.3)
        lines = ["    " + s for s in start]
        return HEAD + "\n".join([*lines, *body, "    return " + " + ".join(out), ""])


KINDS = (
    "new", "new", "alias", "alias", "augment", "augment", "shrink", "element", "element", "slice",
    "whole", "view", "through", "call", "number", "list", "dict", "object", "swap",
)  # fmt: skip
"""Kinds of statements; a program has some of them."""


def program(seed: int) -> str:
    """The source of the program of a number."""
    return Writer(seed).program()
