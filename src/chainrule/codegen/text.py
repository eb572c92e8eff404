"""LLVM assembly, line by line: types, constants, names, and declarations that are needed."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from typing import Any, Final

import numpy as np

BITS = {"f8": 64, "f4": 32, "i8": 64, "i4": 32, "i2": 16, "i1": 8}
BITS |= {"u" + k[1:]: n for k, n in BITS.items() if k[0] == "i"} | {"b1": 1}


def scalar_type(code: str) -> str:
    """The LLVM type of a number in a register."""
    if code[0] == "f":
        return "double" if code == "f8" else "float"
    return f"i{BITS[code]}"


def memory_type(code: str) -> str:
    """The LLVM type of an element in memory: a truth value takes a byte."""
    return "i8" if code == "b1" else scalar_type(code)


def width(code: str) -> int:
    """Bytes of an element in memory."""
    return int(code[1:])


def literal(number: Any, code: str) -> str:
    """A constant."""
    if code[0] == "f":
        # LLVM writes a float as the double of the same value
        bits = struct.unpack("<Q", struct.pack("<d", float(np.asarray(number, code))))[0]
        return f"0x{bits:016X}"
    if code == "b1":
        return "true" if number else "false"
    return str(int(number))


_ATTRIBUTES: Final = (
    'attributes #0 = { nounwind "no-trapping-math"="true" '
    '"min-legal-vector-width"="512" "prefer-vector-width"="512" }'
)


class Module:
    """The text of a module: functions, and declarations of what they call."""

    def __init__(self, fma: bool = True, avx512: bool = False) -> None:
        self.fma, self.avx512 = fma, avx512
        """Whether the processor multiplies and adds in one instruction, and has AVX-512."""
        self.functions: list[str] = []
        self.declared: dict[str, str] = {}
        self.definitions: dict[str, str] = {}

    def declare(self, name: str, result: str, arguments: str) -> None:
        """Declare an external function or an intrinsic."""
        if name not in self.declared:
            self.declared[name] = f"declare {result} @{name}({arguments})"

    def text(self) -> str:
        """The whole module."""
        declared = {k: v for k, v in self.declared.items() if k not in self.definitions}
        parts = [
            *declared.values(),
            *self.definitions.values(),
            *self.functions,
            _ATTRIBUTES,
        ]
        return "\n".join(parts) + "\n"


class Emitter:
    """Writes the instructions of one function. `lanes` is the width of what is being emitted."""

    def __init__(self, module: Module) -> None:
        self.module = module
        self.lines: list[str] = []
        self._count = 0
        self.lanes = 1
        self.block = "entry"
        """The block that is being written."""
        self.labels = 0

    def fresh(self) -> str:
        """A name for a value."""
        self._count += 1
        return f"%v{self._count}"

    def type(self, code: str) -> str:
        """The register type of a dtype at the current width."""
        t = scalar_type(code)
        return t if self.lanes == 1 else f"<{self.lanes} x {t}>"

    def const(self, number: Any, code: str) -> str:
        """A constant at the current width."""
        c = literal(number, code)
        return c if self.lanes == 1 else f"splat ({scalar_type(code)} {c})"

    def do(self, instruction: str) -> str:
        """Append an instruction, and give the name of its result."""
        self._count += 1
        name = f"%v{self._count}"
        self.lines.append(f"  {name} = {instruction}")
        return name

    def put(self, line: str) -> None:
        """Append a line without a result."""
        self.lines.append("  " + line)

    def label(self, name: str) -> None:
        """Begin a block."""
        self.lines.append(f"{name}:")

    def binary(self, op: str, code: str, a: str, b: str) -> str:
        """`op type a, b`."""
        flags = " contract" if op in _CONTRACTED else ""
        return self.do(f"{op}{flags} {self.type(code)} {a}, {b}")

    def compare(self, kind: str, code: str, a: str, b: str) -> str:
        """A truth value: an `fcmp` or `icmp` by dtype."""
        op = "fcmp" if code[0] == "f" else "icmp"
        return self.do(f"{op} {kind} {self.type(code)} {a}, {b}")

    def select(self, c: str, code: str, a: str, b: str) -> str:
        """a where c, else b."""
        t = self.type(code)
        return self.do(f"select {self.type('b1')} {c}, {t} {a}, {t} {b}")

    def suffix(self, code: str) -> str:
        """The ending of an intrinsic's name."""
        t = ("f" if code[0] == "f" else "i") + str(BITS[code])
        return t if self.lanes == 1 else f"v{self.lanes}{t}"

    def intrinsic(self, name: str, code: str, *args: str) -> str:
        """A call of llvm.<name> on operands of one dtype."""
        t = self.type(code)
        full = f"llvm.{name}.{self.suffix(code)}"
        self.module.declare(full, t, ", ".join([t] * len(args)))
        return self.do(f"call {t} @{full}({', '.join(f'{t} {a}' for a in args)})")

    def library(self, name: str, code: str, *args: str) -> str:
        """A call of a function of C on numbers, lane by lane."""
        t = scalar_type(code)
        self.module.declare(name, t, ", ".join([t] * len(args)))
        if self.lanes == 1:
            return self.do(f"call {t} @{name}({', '.join(f'{t} {a}' for a in args)})")
        vector, out = self.type(code), "poison"
        for lane in range(self.lanes):
            parts = [self.do(f"extractelement {vector} {a}, i32 {lane}") for a in args]
            y = self.do(f"call {t} @{name}({', '.join(f'{t} {p}' for p in parts)})")
            out = self.do(f"insertelement {vector} {out}, {t} {y}, i32 {lane}")
        return out


def outside(e: Emitter, name: str) -> str:
    """The address of something that is not in the module (`codegen.linkage`), for whoever does not
    know yet how that is reached: `linked` fills it in.
    """
    return e.do(f"outside ${name}$")


def linked(text: str, loaded: Callable[[str], str]) -> str:
    """Text with the instructions that give the addresses of what is outside."""
    return re.sub(r"outside \$([\w.]+)\$", lambda found: loaded(found[1]), text)


_CONTRACTED = frozenset({"fadd", "fsub", "fmul"})
