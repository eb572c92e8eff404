"""Formulas become LLVM assembly: an emitter, and numbers, bits and conditions with operators.

An `Emitter` writes the body of one function for one type: float or double, one of them or a vector
of `lanes`. What a formula handles are `Number` (floating point), `Bits` (integers of the same
width) and `Condition` (truth values); a Python float or int beside one of them is a constant in
every lane. No instruction carries a fast-math flag: error-free transformations depend on that.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any, Final

FRACTION: Final = {64: 52, 32: 23}
"""Bits of the type -> bits of its fraction."""
BIAS: Final = {64: 1023, 32: 127}


class Emitter:
    """Writes instructions for numbers of `bits` (64 or 32), `lanes` at a time (1: a scalar).

    `fma` says that the processor has a fused multiply-add; without it, formulas are written with
    products and sums, and remain as exact. `avx512` says that it has the instructions of AVX-512
    (its parts F and DQ).
    """

    def __init__(
        self, bits: int, lanes: int = 1, *, fma: bool = True, avx512: bool = False
    ) -> None:
        self.bits, self.lanes, self.has_fma = bits, lanes, fma
        self.wide = avx512 and (lanes == 1 or bits * lanes == 512)
        """Whether there are the instructions of `wide`."""
        self.fraction, self.bias = FRACTION[bits], BIAS[bits]
        self.scalar = "double" if bits == 64 else "float"
        self.number_type = self.lanes_of(self.scalar)
        self.bits_type = self.lanes_of(f"i{bits}")
        self.condition_type = self.lanes_of("i1")
        self.suffix = f"f{bits}" if lanes == 1 else f"v{lanes}f{bits}"
        self.lines: list[str] = []
        self.needs: dict[str, str] = {}
        """What the module must declare or define beside the function, by symbol."""
        self.block = "entry"
        self.allocated: list[str] = []
        self._count = 0

    def lanes_of(self, scalar: str) -> str:
        """The type of as many of a scalar type as there are lanes."""
        return scalar if self.lanes == 1 else f"<{self.lanes} x {scalar}>"

    def fresh(self) -> str:
        """A new name."""
        self._count += 1
        return f"%v{self._count}"

    def do(self, instruction: str) -> str:
        """Write an instruction; the name of its result."""
        name = self.fresh()
        self.lines.append(f"  {name} = {instruction}")
        return name

    def put(self, line: str) -> None:
        """Write an instruction without a result."""
        self.lines.append(f"  {line}")

    def allocate(self, t: str) -> str:
        """Memory on the stack for the whole function."""
        name = self.fresh()
        self.allocated.append(f"  {name} = alloca {t}, align 8")
        return name

    def begin(self, block: str) -> None:
        """Begin a block."""
        self.lines.append(f"{block}:")
        self.block = block

    # --- operands ---------------------------------------------------------------------------------

    def _constant(self, literal: str, scalar: str) -> str:
        return literal if self.lanes == 1 else f"splat ({scalar} {literal})"

    def number(self, value: Number | float) -> Number:
        """A number as it is, or a constant, rounded to the type."""
        if isinstance(value, Number):
            return value
        return Number(self, self._constant(self.literal(value), self.scalar))

    def literal(self, value: float) -> str:
        """One number, rounded to the type, as assembly writes it."""
        if self.bits == 32:
            value = struct.unpack("f", struct.pack("f", value))[0]
        # assembly writes a float as the double of the same value
        return f"0x{struct.unpack('Q', struct.pack('d', value))[0]:016X}"

    def integer(self, value: Bits | int) -> Bits:
        """Bits as they are, or a constant."""
        if isinstance(value, Bits):
            return value
        value = (value + (1 << (self.bits - 1))) % (1 << self.bits) - (1 << (self.bits - 1))
        return Bits(self, self._constant(str(value), f"i{self.bits}"))

    def pattern(self, value: float) -> int:
        """The bits of a constant of the type, as an integer."""
        code = "dQ" if self.bits == 64 else "fI"
        return int(struct.unpack(code[1], struct.pack(code[0], value))[0])

    def intrinsic(self, name: str, *operands: Number) -> Number:
        """A call of `llvm.<name>` on numbers."""
        t, symbol = self.number_type, f"llvm.{name}.{self.suffix}"
        self.needs[symbol] = f"declare {t} @{symbol}({', '.join([t] * len(operands))})"
        arguments = ", ".join(f"{t} {x.name}" for x in operands)
        return Number(self, self.do(f"call {t} @{symbol}({arguments})"))


class _Value:
    """A value of the function being written: its name, or a constant."""

    __slots__ = ("e", "name")

    def __init__(self, e: Emitter, name: str) -> None:
        self.e, self.name = e, name


class Condition(_Value):
    """A truth value in each lane."""

    __slots__ = ()

    def _with(self, op: str, other: str) -> Condition:
        t = self.e.condition_type
        return Condition(self.e, self.e.do(f"{op} {t} {self.name}, {other}"))

    def __and__(self, other: Condition) -> Condition:
        return self._with("and", other.name)

    def __or__(self, other: Condition) -> Condition:
        return self._with("or", other.name)

    def __xor__(self, other: Condition) -> Condition:
        return self._with("xor", other.name)

    def __invert__(self) -> Condition:
        return self._with("xor", "true" if self.e.lanes == 1 else "splat (i1 true)")

    def anywhere(self) -> str:
        """Whether it holds in any lane: the name of one truth value."""
        if self.e.lanes == 1:
            return self.name
        n = self.e.lanes
        mask = self.e.do(f"bitcast {self.e.condition_type} {self.name} to i{n}")
        return self.e.do(f"icmp ne i{n} {mask}, 0")


class Bits(_Value):
    """An integer as wide as the number in each lane."""

    __slots__ = ()

    def _with(self, op: str, other: Bits | int) -> Bits:
        t, right = self.e.bits_type, self.e.integer(other).name
        return Bits(self.e, self.e.do(f"{op} {t} {self.name}, {right}"))

    def __add__(self, other: Bits | int) -> Bits:
        return self._with("add", other)

    def __sub__(self, other: Bits | int) -> Bits:
        return self._with("sub", other)

    def __and__(self, other: Bits | int) -> Bits:
        return self._with("and", other)

    def __or__(self, other: Bits | int) -> Bits:
        return self._with("or", other)

    def __xor__(self, other: Bits | int) -> Bits:
        return self._with("xor", other)

    def __lshift__(self, places: int) -> Bits:
        return self._with("shl", places)

    def __rshift__(self, places: int) -> Bits:
        """Zeros come in from the left."""
        return self._with("lshr", places)

    def equals(self, other: Bits | int) -> Condition:
        """Whether they are the same."""
        t, right = self.e.bits_type, self.e.integer(other).name
        return Condition(self.e, self.e.do(f"icmp eq {t} {self.name}, {right}"))

    def number(self) -> Number:
        """The number of these bits."""
        e = self.e
        return Number(e, e.do(f"bitcast {e.bits_type} {self.name} to {e.number_type}"))


class Number(_Value):
    """A floating-point number in each lane."""

    __slots__ = ()

    def _with(self, op: str, left: Number | float, right: Number | float) -> Number:
        a, b = self.e.number(left).name, self.e.number(right).name
        return Number(self.e, self.e.do(f"{op} {self.e.number_type} {a}, {b}"))

    def _compared(self, how: str, other: Number | float) -> Condition:
        t, right = self.e.number_type, self.e.number(other).name
        return Condition(self.e, self.e.do(f"fcmp {how} {t} {self.name}, {right}"))

    def __add__(self, other: Number | float) -> Number:
        return self._with("fadd", self, other)

    def __radd__(self, other: float) -> Number:
        return self._with("fadd", other, self)

    def __sub__(self, other: Number | float) -> Number:
        return self._with("fsub", self, other)

    def __rsub__(self, other: float) -> Number:
        return self._with("fsub", other, self)

    def __mul__(self, other: Number | float) -> Number:
        return self._with("fmul", self, other)

    def __rmul__(self, other: float) -> Number:
        return self._with("fmul", other, self)

    def __truediv__(self, other: Number | float) -> Number:
        return self._with("fdiv", self, other)

    def __rtruediv__(self, other: float) -> Number:
        return self._with("fdiv", other, self)

    def __neg__(self) -> Number:
        return Number(self.e, self.e.do(f"fneg {self.e.number_type} {self.name}"))

    def __abs__(self) -> Number:
        return self.e.intrinsic("fabs", self)

    # comparisons are false where a NaN takes part

    def __lt__(self, other: Number | float) -> Condition:
        return self._compared("olt", other)

    def __le__(self, other: Number | float) -> Condition:
        return self._compared("ole", other)

    def __gt__(self, other: Number | float) -> Condition:
        return self._compared("ogt", other)

    def __ge__(self, other: Number | float) -> Condition:
        return self._compared("oge", other)

    def equals(self, other: Number | float) -> Condition:
        """Whether they are equal (`==` compares Python objects)."""
        return self._compared("oeq", other)

    def unordered(self, other: Number | float) -> Condition:
        """Whether one of them is NaN."""
        return self._compared("uno", other)

    def bits(self) -> Bits:
        """Sign, exponent and fraction as an integer."""
        e = self.e
        return Bits(e, e.do(f"bitcast {e.number_type} {self.name} to {e.bits_type}"))

    def sign_bit(self) -> Bits:
        """The sign alone: flips the sign of what it is given to `flipped`."""
        return self.bits() & (1 << (self.e.bits - 1))

    def flipped(self, sign: Bits) -> Number:
        """The number with its sign changed where the sign bit is set."""
        return (self.bits() ^ sign).number()

    def with_sign_of(self, other: Number) -> Number:
        """The magnitude of this, the sign of the other."""
        return self.e.intrinsic("copysign", self, other)


def select(where: Condition, yes: Number | float, no: Number | float) -> Number:
    """`yes` where the condition holds, `no` elsewhere: both are computed."""
    e = where.e
    t, a, b = e.number_type, e.number(yes).name, e.number(no).name
    return Number(e, e.do(f"select {e.condition_type} {where.name}, {t} {a}, {t} {b}"))


def select_bits(where: Condition, yes: Bits | int, no: Bits | int) -> Bits:
    """`select` of integers."""
    e = where.e
    t, a, b = e.bits_type, e.integer(yes).name, e.integer(no).name
    return Bits(e, e.do(f"select {e.condition_type} {where.name}, {t} {a}, {t} {b}"))


def at_most(x: Number, bound: float) -> Number:
    """The smaller; NaN stays."""
    return select(x > bound, bound, x)


def at_least(x: Number, bound: float) -> Number:
    """The larger; NaN stays."""
    return select(x < bound, bound, x)


def sqrt(x: Number) -> Number:
    """The correctly rounded square root: an instruction."""
    return x.e.intrinsic("sqrt", x)


def fma(a: Number | float, b: Number | float, c: Number | float) -> Number:
    """a * b + c, rounded once if the processor can, else twice: where either will do."""
    e = next(x.e for x in (a, b, c) if isinstance(x, Number))
    a, b, c = e.number(a), e.number(b), e.number(c)
    return e.intrinsic("fma", a, b, c) if e.has_fma else a * b + c


def polynomial(x: Number, coefficients: Sequence[float]) -> Number:
    """The polynomial with these coefficients, constant first.

    Even and odd powers are summed apart: two chains, each half as long as Horner's.
    """
    if len(coefficients) < 5:
        return _horner(x, coefficients)
    square = x * x
    return fma(_horner(square, coefficients[1::2]), x, _horner(square, coefficients[::2]))


def _horner(x: Number, coefficients: Sequence[float]) -> Number:
    result: Any = x.e.number(coefficients[-1])
    for c in reversed(coefficients[:-1]):
        result = fma(result, x, c)
    return result
