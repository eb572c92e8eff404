"""Instructions of AVX-512 that formulas use where an emitter is `wide`: on vectors of 512 bits, and
on single numbers, which come out the same.
"""

from __future__ import annotations

from collections.abc import Sequence

from chainrule.codegen.vectormath.emitter import Bits, Emitter, Number

ENTRIES = 16
"""Numbers in a table."""

_ROUNDED = ("i32", "4")
"""As ever."""
_SMALLER = ("i32", "2")
"""Of two numbers the one of smaller magnitude, with the sign of the first."""


def times_power(x: Number, k: Number) -> Number:
    """x * 2^floor(k), rounded once; infinite or 0 where k is."""
    given, unmasked = _given(x, k)
    return _call(x.e, "mask.scalef", [*given, *unmasked, _ROUNDED])


def exponent(x: Number) -> Number:
    """The whole number k with 2^k <= |x| < 2^(k + 1), of subnormal x as well."""
    given, unmasked = _given(*[x] if x.e.lanes > 1 else [x, x])
    return _call(x.e, "mask.getexp", [*given, *unmasked, _ROUNDED])


def fraction(x: Number) -> Number:
    """x times the power of two that brings it to [3/4, 3/2)."""
    given, unmasked = _given(*[x] if x.e.lanes > 1 else [x, x])
    return _call(x.e, "mask.getmant", [*given, ("i32", "3"), *unmasked, _ROUNDED])


def bounded(x: Number, bound: float) -> Number:
    """x where |x| < bound, else the bound with its sign; the bound where it is NaN."""
    given, unmasked = _given(x, x.e.number(bound))
    more = [_SMALLER, *unmasked] if x.e.lanes > 1 else [*unmasked, _SMALLER]
    return _call(x.e, "mask.range", [*given, *more, _ROUNDED])


def looked_up(name: str, table: Sequence[float], index: Bits) -> Number:
    """The number in a table of 16 that the last 4 bits of the index name. Tables have names."""
    e = index.e
    if e.lanes == 1:
        symbol = f"chainrule.table.{name}.{e.bits}"
        kind = f"[{ENTRIES} x {e.scalar}]"
        e.needs[symbol] = f"@{symbol} = private constant {kind} [{_numbers(e, table)}]"
        place = e.do(f"getelementptr {kind}, ptr @{symbol}, i64 0, i{e.bits} {(index & 15).name}")
        return Number(e, e.do(f"load {e.scalar}, ptr {place}"))
    t, indices = e.number_type, (e.bits_type, index.name)
    rows = [(t, f"<{_numbers(e, table[k : k + e.lanes])}>") for k in range(0, ENTRIES, e.lanes)]
    if len(rows) == 1:
        return _call(e, "permvar", [*rows, indices], "sf")
    return _call(e, "vpermi2var", [rows[0], indices, rows[1]])


def _numbers(e: Emitter, values: Sequence[float]) -> str:
    return ", ".join(f"{e.scalar} {e.literal(x)}" for x in values)


def _given(*numbers: Number) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Operands of an instruction, types and values, and those that say that no lane is masked."""
    e = numbers[0].e
    lanes = 128 // e.bits if e.lanes == 1 else e.lanes
    t = f"<{lanes} x {e.scalar}>"
    names = [x.name for x in numbers]
    if e.lanes == 1:
        names = [e.do(f"insertelement {t} poison, {e.scalar} {x}, i32 0") for x in names]
    return [(t, x) for x in names], [(t, "zeroinitializer"), (f"i{max(lanes, 8)}", "-1")]


def _call(e: Emitter, name: str, operands: list[tuple[str, str]], kind: str = "") -> Number:
    """A call of `llvm.x86.avx512.<name>`."""
    t, one = operands[0][0], e.lanes == 1
    kind = kind or ("s" if one else "p") + ("d" if e.bits == 64 else "s")
    symbol = f"llvm.x86.avx512.{name}.{kind}" + ("" if one else ".512")
    e.needs[symbol] = f"declare {t} @{symbol}({', '.join(k for k, _ in operands)})"
    y = e.do(f"call {t} @{symbol}({', '.join(f'{k} {x}' for k, x in operands)})")
    return Number(e, e.do(f"extractelement {t} {y}, i32 0") if one else y)
