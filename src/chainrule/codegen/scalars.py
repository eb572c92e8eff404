"""Machine code of the elementwise rows: `EMIT[name](emitter, code, *operands)`.

`code` is the dtype the operation computes in (its operands are in it; for a comparison it is the
operands' dtype). Semantics are NumPy's, NaN and integer division included. The mathematical
functions come from `codegen.vectormath`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from chainrule.codegen.text import BITS, Emitter, outside
from chainrule.codegen.vectormath import FORMULAS, function
from chainrule.ops.table import TABLE

Emission = Callable[..., str]

EMIT: Final[dict[str, Emission]] = {}


def _by_kind(floating: str | None, integer: str | None, boolean: str | None = None) -> Emission:
    def emit(e: Emitter, code: str, a: str, b: str) -> str:
        op = floating if code[0] == "f" else boolean if code == "b1" else integer
        assert op is not None
        return e.binary(op, code, a, b)

    return emit


EMIT["add"] = _by_kind("fadd", "add", "or")
EMIT["subtract"] = _by_kind("fsub", "sub")
EMIT["multiply"] = _by_kind("fmul", "mul", "and")
EMIT["divide"] = _by_kind("fdiv", None)


def strong_multiply(e: Emitter, code: str, a: str, b: str) -> str:
    """a * b, but 0 where a or b is 0 and the product is not finite."""
    if code[0] != "f":
        return EMIT["multiply"](e, code, a, b)
    y = e.binary("fmul", code, a, b)
    # 0 * inf is NaN: only then do the factors matter
    zero = e.const(0, code)
    either = e.binary("or", "b1", e.compare("oeq", code, a, zero), e.compare("oeq", code, b, zero))
    odd = e.compare("uno", code, y, y)
    return e.select(e.binary("and", "b1", either, odd), code, zero, y)


EMIT["strong_multiply"] = strong_multiply


# --- division and remainders ---------------------------------------------------------------------


def _integer_division(e: Emitter, code: str, a: str, b: str) -> tuple[str, str, str]:
    """Quotient and remainder towards zero, of 0 where b is 0; and whether b is 0.

    The least integer over -1 is itself, as two's complement has it.
    """
    signed = code[0] == "i"
    zero, one = e.const(0, code), e.const(1, code)
    none = e.compare("eq", code, b, zero)
    safe = e.select(none, code, one, b)
    if signed:
        least = e.const(-(1 << (BITS[code] - 1)), code)
        over = e.binary(
            "and",
            "b1",
            e.compare("eq", code, a, least),
            e.compare("eq", code, b, e.const(-1, code)),
        )
        safe = e.select(over, code, one, safe)
    q = e.binary("sdiv" if signed else "udiv", code, a, safe)
    r = e.binary("srem" if signed else "urem", code, a, safe)
    return e.select(none, code, zero, q), e.select(none, code, zero, r), none


def _float_division(e: Emitter, code: str, a: str, b: str) -> tuple[str, str]:
    """Quotient rounded down and the remainder of the sign of b, as NumPy's `divmod`."""
    zero = e.const(0, code)
    mod = e.do(f"frem {e.type(code)} {a}, {b}")
    div = e.binary("fdiv", code, e.do(f"fsub {e.type(code)} {a}, {mod}"), b)
    apart = e.binary(
        "xor", "b1", e.compare("olt", code, b, zero), e.compare("olt", code, mod, zero)
    )
    apart = e.binary("and", "b1", apart, e.compare("une", code, mod, zero))
    mod = e.select(apart, code, e.binary("fadd", code, mod, b), mod)
    div = e.select(apart, code, e.binary("fsub", code, div, e.const(1, code)), div)
    down = e.intrinsic("floor", code, div)
    more = e.compare("ogt", code, e.do(f"fsub {e.type(code)} {div}, {down}"), e.const(0.5, code))
    down = e.select(more, code, e.binary("fadd", code, down, e.const(1, code)), down)
    signed = e.intrinsic("copysign", code, zero, e.binary("fdiv", code, a, b))
    div = e.select(e.compare("une", code, div, zero), code, down, signed)
    mod = e.select(
        e.compare("une", code, mod, zero), code, mod, e.intrinsic("copysign", code, zero, b)
    )
    none = e.compare("oeq", code, b, zero)
    return e.select(none, code, e.binary("fdiv", code, a, b), div), mod


def floor_divide(e: Emitter, code: str, a: str, b: str) -> str:
    """a // b."""
    if code[0] == "f":
        return _float_division(e, code, a, b)[0]
    q, r, _ = _integer_division(e, code, a, b)
    if code[0] == "u":
        return q
    zero = e.const(0, code)
    apart = e.compare("slt", code, e.binary("xor", code, r, b), zero)
    apart = e.binary("and", "b1", apart, e.compare("ne", code, r, zero))
    return e.select(apart, code, e.binary("sub", code, q, e.const(1, code)), q)


def remainder(e: Emitter, code: str, a: str, b: str) -> str:
    """a % b, of the sign of b."""
    if code[0] == "f":
        return _float_division(e, code, a, b)[1]
    _, r, _ = _integer_division(e, code, a, b)
    if code[0] == "u":
        return r
    zero = e.const(0, code)
    apart = e.compare("slt", code, e.binary("xor", code, r, b), zero)
    apart = e.binary("and", "b1", apart, e.compare("ne", code, r, zero))
    return e.select(apart, code, e.binary("add", code, r, b), r)


def fmod(e: Emitter, code: str, a: str, b: str) -> str:
    """The remainder of the sign of a."""
    if code[0] == "f":
        return e.do(f"frem {e.type(code)} {a}, {b}")
    return _integer_division(e, code, a, b)[1]


EMIT["floor_divide"], EMIT["remainder"], EMIT["fmod"] = floor_divide, remainder, fmod

# --- signs, rounding, powers ---------------------------------------------------------------------


def negative(e: Emitter, code: str, a: str) -> str:
    """-a."""
    if code[0] == "f":
        return e.do(f"fneg {e.type(code)} {a}")
    return e.binary("sub", code, e.const(0, code), a)


def absolute(e: Emitter, code: str, a: str) -> str:
    """|a|."""
    if code[0] == "f":
        return e.intrinsic("fabs", code, a)
    if code[0] in "ub":
        return a
    negated = e.binary("sub", code, e.const(0, code), a)
    return e.select(e.compare("slt", code, a, e.const(0, code)), code, negated, a)


def sign(e: Emitter, code: str, a: str) -> str:
    """-1, 0, 1; NaN of NaN."""
    less, more = ("olt", "ogt") if code[0] == "f" else ("slt", "sgt")
    zero, one = e.const(0, code), e.const(1, code)
    if code[0] == "u":
        return e.select(e.compare("ne", code, a, zero), code, one, zero)
    low = e.select(e.compare(less, code, a, zero), code, e.const(-1, code), zero)
    y = e.select(e.compare(more, code, a, zero), code, one, low)
    return e.select(e.compare("uno", code, a, a), code, a, y) if code[0] == "f" else y


def _rounding(name: str) -> Emission:
    def emit(e: Emitter, code: str, a: str) -> str:
        return e.intrinsic(name, code, a) if code[0] == "f" else a

    return emit


EMIT["negative"], EMIT["sign"] = negative, sign
EMIT["abs"] = EMIT["fabs"] = absolute
EMIT["positive"] = EMIT["real"] = lambda _e, _code, a: a
EMIT["floor"], EMIT["ceil"] = _rounding("floor"), _rounding("ceil")
EMIT["trunc"], EMIT["rint"] = _rounding("trunc"), _rounding("rint")
EMIT["square"] = lambda e, code, a: EMIT["multiply"](e, code, a, a)
EMIT["reciprocal"] = lambda e, code, a: e.binary("fdiv", code, e.const(1, code), a)
EMIT["sqrt"] = lambda e, code, a: e.intrinsic("sqrt", code, a)
EMIT["copysign"] = lambda e, code, a, b: e.intrinsic("copysign", code, a, b)


def heaviside(e: Emitter, code: str, a: str, b: str) -> str:
    """0 below 0, 1 above, b at 0, NaN of NaN."""
    zero, one = e.const(0, code), e.const(1, code)
    y = e.select(e.compare("ogt", code, a, zero), code, one, zero)
    y = e.select(e.compare("oeq", code, a, zero), code, b, y)
    return e.select(e.compare("uno", code, a, a), code, a, y)


EMIT["heaviside"] = heaviside

# --- extrema and choice --------------------------------------------------------------------------


def _extreme(wins: str, numbers: bool) -> Emission:
    """The larger or smaller operand: NaN if one is, or the number if one is."""

    def emit(e: Emitter, code: str, a: str, b: str) -> str:
        if code[0] != "f":
            kind = ("s" if code[0] == "i" else "u") + wins
            return e.select(e.compare(kind, code, a, b), code, a, b)
        y = e.select(e.compare("o" + wins, code, a, b), code, a, b)
        if numbers:
            return e.select(e.compare("uno", code, b, b), code, a, y)
        return e.select(e.compare("uno", code, a, a), code, a, y)

    return emit


EMIT["maximum"] = EMIT["clip_below"] = _extreme("gt", numbers=False)
EMIT["minimum"] = EMIT["clip_above"] = _extreme("lt", numbers=False)
EMIT["fmax"], EMIT["fmin"] = _extreme("gt", numbers=True), _extreme("lt", numbers=True)
EMIT["relu"] = lambda e, code, a: EMIT["maximum"](e, code, a, e.const(0, code))
EMIT["where"] = lambda e, code, c, a, b: e.select(c, code, a, b)

# --- comparisons, logic, bits --------------------------------------------------------------------


def _comparison(kind: str) -> Emission:
    def emit(e: Emitter, code: str, a: str, b: str) -> str:
        if code[0] == "f":
            return e.compare(("u" if kind == "ne" else "o") + kind, code, a, b)
        plain = kind if kind in ("eq", "ne") else ("s" if code[0] == "i" else "u") + kind
        return e.compare(plain, code, a, b)

    return emit


for _name, _kind in {
    "equal": "eq",
    "not_equal": "ne",
    "less": "lt",
    "less_equal": "le",
    "greater": "gt",
    "greater_equal": "ge",
}.items():
    EMIT[_name] = _comparison(_kind)

EMIT["logical_and"] = lambda e, _code, a, b: e.binary("and", "b1", a, b)
EMIT["logical_or"] = lambda e, _code, a, b: e.binary("or", "b1", a, b)
EMIT["logical_xor"] = lambda e, _code, a, b: e.binary("xor", "b1", a, b)
EMIT["logical_not"] = lambda e, _code, a: e.binary("xor", "b1", a, e.const(True, "b1"))
EMIT["bitwise_and"] = lambda e, code, a, b: e.binary("and", code, a, b)
EMIT["bitwise_or"] = lambda e, code, a, b: e.binary("or", code, a, b)
EMIT["bitwise_xor"] = lambda e, code, a, b: e.binary("xor", code, a, b)
EMIT["bitwise_invert"] = lambda e, code, a: e.binary(
    "xor", code, a, e.const(True if code == "b1" else -1, code)
)


def _shift(left: bool) -> Emission:
    """A shift by as many places as there are bits, or more, pushes all of them out."""

    def emit(e: Emitter, code: str, a: str, b: str) -> str:
        signed = code[0] == "i"
        inside = e.compare("ult", code, b, e.const(BITS[code], code))
        safe = e.select(inside, code, b, e.const(0, code))
        y = e.binary("shl" if left else "ashr" if signed else "lshr", code, a, safe)
        out = e.const(0, code)
        if signed and not left:
            out = e.binary("ashr", code, a, e.const(BITS[code] - 1, code))
        return e.select(inside, code, y, out)

    return emit


EMIT["bitwise_left_shift"], EMIT["bitwise_right_shift"] = _shift(True), _shift(False)


def _infinity(e: Emitter, code: str) -> str:
    return e.const(float("inf"), code)


EMIT["unordered"] = lambda e, code, a, b: e.compare("uno", code, a, b)
EMIT["isnan"] = lambda e, code, a: e.compare("uno", code, a, a)
EMIT["isinf"] = lambda e, code, a: e.compare("oeq", code, absolute(e, code, a), _infinity(e, code))
EMIT["isfinite"] = lambda e, code, a: e.compare(
    "olt", code, absolute(e, code, a), _infinity(e, code)
)


def signbit(e: Emitter, code: str, a: str) -> str:
    """Whether the sign bit is set."""
    whole = "i8" if code == "f8" else "i4"
    if code[0] == "f":
        a, code = e.do(f"bitcast {e.type(code)} {a} to {e.type(whole)}"), whole
    return e.compare("slt", code, a, e.const(0, code))


EMIT["signbit"] = signbit

# --- mathematical functions ----------------------------------------------------------------------

_MATHEMATICAL = frozenset(FORMULAS) - {"sqrt", "rsqrt", "sincos"}


def _function(name: str) -> Emission:
    """A function of `codegen.vectormath`: inlined into vector loops, called from scalar code."""

    def emit(e: Emitter, code: str, *args: str) -> str:
        fma, avx512 = e.module.fma, e.module.avx512
        f = function(name, BITS[code], e.lanes, fma=fma, avx512=avx512, inline=e.lanes > 1)
        e.module.definitions.update(f.definitions)
        return e.do(f.call(*args))

    return emit


for _name in _MATHEMATICAL:
    EMIT[_name] = _function(_name)


def _special(name: str, arity: int, vanishing: bool) -> Emission:
    """A special function of SciPy's, of doubles, called number by number; if `vanishing`, it is 0
    where its last argument is infinite.
    """

    def emit(e: Emitter, code: str, *args: str) -> str:
        assert code == "f8"
        function = outside(e, f"special.{name}.{arity}")
        vector, out = e.type(code), "poison"
        for lane in range(e.lanes):
            parts = [a if e.lanes == 1 else _lane(e, vector, a, lane) for a in args]
            y = e.do(f"call double {function}({', '.join(f'double {p}' for p in parts)}, i32 0)")
            out = (
                y if e.lanes == 1
                else e.do(f"insertelement {vector} {out}, double {y}, i32 {lane}")
            )  # fmt: skip
        if vanishing:
            out = e.select(EMIT["isinf"](e, code, args[-1]), code, e.const(0, code), out)
        return out

    return emit


def _lane(e: Emitter, vector: str, a: str, lane: int) -> str:
    return e.do(f"extractelement {vector} {a}, i32 {lane}")


SPECIAL: Final = {
    name: row.evaluate.scipy
    for name, row in TABLE.items()
    if row.kind == "elementwise" and hasattr(row.evaluate, "scipy") and name not in EMIT
}  # fmt: skip
"""Rows that SciPy evaluates, and the name of its function."""

for _name, _function_name in SPECIAL.items():
    _row = TABLE[_name]
    EMIT[_name] = _special(_function_name, _row.arity or 1, hasattr(_row.evaluate, "vanishing"))

EMIT["nextafter"] = lambda e, code, a, b: e.library(
    "nextafter" if code == "f8" else "nextafterf", code, a, b
)

EXPENSIVE: Final = (
    _MATHEMATICAL | SPECIAL.keys() | {"divide", "sqrt", "remainder", "fmod", "nextafter"}
)
"""Operations better kept than computed twice."""


def cast(e: Emitter, a: str, old: str, new: str) -> str:
    """A number in another dtype, as NumPy's `astype`."""
    if old == new:
        return a
    told, tnew = e.type(old), e.type(new)
    if new == "b1":
        return e.compare("une" if old[0] == "f" else "ne", old, a, e.const(0, old))
    if old[0] == "f" and new[0] == "f":
        op = "fpext" if new == "f8" else "fptrunc"
    elif old[0] == "f":
        return _float_to_integer(e, a, old, new)
    elif new[0] == "f":
        if old == "b1":  # a choice, which an addition makes by its mask
            return e.do(f"select {told} {a}, {tnew} {e.const(1, new)}, {tnew} {e.const(0, new)}")
        op = "sitofp" if old[0] == "i" else "uitofp"
    elif BITS[old] == BITS[new]:
        return a
    elif BITS[old] > BITS[new]:
        op = "trunc"
    else:
        op = "sext" if old[0] == "i" else "zext"
    return e.do(f"{op} {told} {a} to {tnew}")


def _float_to_integer(e: Emitter, a: str, old: str, new: str) -> str:
    """Towards zero; what does not fit is unspecified, as in C, but not undefined behavior."""
    wide = "i8" if BITS[new] == 64 else "i4"
    kind = "fptoui" if new == "u8" else "fptosi"
    t, f = e.type(wide), e.type(old)
    name = f"llvm.{kind}.sat.{e.suffix(wide)}.{e.suffix(old)}"
    e.module.declare(name, t, f)
    y = e.do(f"call {t} @{name}({f} {a})")
    return y if BITS[new] == BITS[wide] else e.do(f"trunc {t} {y} to {e.type(new)}")


def identity_of(op: str, code: str) -> Any:
    """The neutral element of a reduction."""
    if op in ("add", "or"):
        return 0
    if op in ("multiply", "and"):
        return 1
    if code[0] == "f":
        return float("-inf") if op == "maximum" else float("inf")
    if code == "b1":
        return op == "minimum"
    high = (1 << (BITS[code] - (code[0] == "i"))) - 1
    low = -high - 1 if code[0] == "i" else 0
    return low if op == "maximum" else high


def combine(e: Emitter, op: str, code: str, a: str, b: str) -> str:
    """One step of a reduction."""
    name = {"or": "logical_or", "and": "logical_and"}.get(op, op)
    return EMIT[name](e, code, a, b)
