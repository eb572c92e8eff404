"""Remainders of huge arguments by multiples of pi/2: a scalar function off the usual path.

M. Payne and R. Hanek, Radian reduction for trigonometric functions, SIGNUM Newsletter 18 (1983):
of the digits of 2/pi only those count whose product with x is neither a multiple of 4 nor
negligible. Here they are a window of 192 bits of a table, and the product is one of integers
modulo 4.
"""

from __future__ import annotations

from functools import cache
from string import Template
from typing import Final

from chainrule.codegen.vectormath.emitter import (
    Bits,
    Condition,
    Emitter,
    Number,
    fma,
    select,
    select_bits,
)
from chainrule.codegen.vectormath.exact import PI, Pair, pair, pi_scaled, two_product

Reduction = tuple[Bits, Pair]
"""The multiple, in the last bits of an integer, and the remainder."""

SYMBOL: Final = "chainrule.remainder"
TABLE: Final = "chainrule.two_over_pi"
WORDS: Final = 20
"""64-bit words of the table: the last window begins at bit 64 + 971."""


@cache
def table() -> str:
    """64 zeros, then the digits of 2/pi from the one of weight 2 on."""
    count = 64 * (WORDS - 1)
    digits = (1 << (2 * count + 63)) // pi_scaled(count + 64)
    words = [(digits >> (64 * i)) & ((1 << 64) - 1) for i in reversed(range(WORDS))]
    body = ", ".join(f"i64 {w}" for w in words)
    return f"@{TABLE} = private unnamed_addr constant [{WORDS} x i64] [{body}]"


FUNCTION: Final = Template("""\
; three arrays of n that follow each other: x becomes the remainder's high part in units of pi/2;
; its low part and the multiple are added. It runs rarely: optnone, to compile quickly
define internal void @$symbol(ptr %data, i64 %n) cold noinline optnone nounwind {
entry:
  br label %loop
loop:
  %i = phi i64 [ 0, %entry ], [ %next, %loop ]
  %high.at = getelementptr i64, ptr %data, i64 %i
  %i1 = add i64 %i, %n
  %low.at = getelementptr i64, ptr %data, i64 %i1
  %i2 = add i64 %i1, %n
  %multiple.at = getelementptr i64, ptr %data, i64 %i2
  %x = load i64, ptr %high.at
  ; x = m * 2^e: the window begins at bit 64 + e of the table (at 0 for what is not large: unused)
  %negative = icmp slt i64 %x, 0
  %shifted = lshr i64 %x, 52
  %biased = and i64 %shifted, 2047
  %start.any = sub i64 %biased, ${start}
  %inside = icmp ult i64 %start.any, ${starts}
  %start = select i1 %inside, i64 %start.any, i64 0
  %fraction = and i64 %x, 4503599627370495
  %m.64 = or i64 %fraction, 4503599627370496
  %m = zext i64 %m.64 to i128
  %word = lshr i64 %start, 6
  %w0.at = getelementptr i64, ptr @$table, i64 %word
  %w1.at = getelementptr i64, ptr %w0.at, i64 1
  %w2.at = getelementptr i64, ptr %w0.at, i64 2
  %w3.at = getelementptr i64, ptr %w0.at, i64 3
  %w0 = load i64, ptr %w0.at
  %w1 = load i64, ptr %w1.at
  %w2 = load i64, ptr %w2.at
  %w3 = load i64, ptr %w3.at
  %shift = and i64 %start, 63
  %a0 = call i64 @llvm.fshl.i64(i64 %w0, i64 %w1, i64 %shift)
  %a1 = call i64 @llvm.fshl.i64(i64 %w1, i64 %w2, i64 %shift)
  %a2 = call i64 @llvm.fshl.i64(i64 %w2, i64 %w3, i64 %shift)
  ; the upper 128 of the product's 192 bits: 2 before the point and 126 after it
  %a0.128 = zext i64 %a0 to i128
  %a0.up = shl i128 %a0.128, 64
  %a1.128 = zext i64 %a1 to i128
  %upper = or i128 %a0.up, %a1.128
  %a2.128 = zext i64 %a2 to i128
  %lower.192 = mul i128 %m, %a2.128
  %lower = lshr i128 %lower.192, 64
  %product.up = mul i128 %m, %upper
  %product = add i128 %product.up, %lower
  ; to the nearest multiple: its number, and the rest
  %moved = add i128 %product, $half
  %multiple.128 = lshr i128 %moved, 126
  %multiple.any = trunc i128 %multiple.128 to i64
  %rest.unsigned = and i128 %moved, $mask
  %rest = sub i128 %rest.unsigned, $half
  ; its magnitude in three numbers of 42 bits
  %below = icmp slt i128 %rest, 0
  %opposite = sub i128 0, %rest
  %magnitude = select i1 %below, i128 %opposite, i128 %rest
  %c2.128 = lshr i128 %magnitude, 84
  %c2.64 = trunc i128 %c2.128 to i64
  %c1.128 = lshr i128 %magnitude, 42
  %c1.any = trunc i128 %c1.128 to i64
  %c1.64 = and i64 %c1.any, 4398046511103
  %c0.any = trunc i128 %magnitude to i64
  %c0.64 = and i64 %c0.any, 4398046511103
  %c2.whole = uitofp i64 %c2.64 to double
  %c1.whole = uitofp i64 %c1.64 to double
  %c0.whole = uitofp i64 %c0.64 to double
  %c2 = fmul double %c2.whole, 0x3D50000000000000 ; 2^-42
  %c1 = fmul double %c1.whole, 0x3AB0000000000000 ; 2^-84
  %c0 = fmul double %c0.whole, 0x3810000000000000 ; 2^-126
  %high.0 = fadd double %c2, %c1
  %part = fsub double %high.0, %c2
  %low.1 = fsub double %c1, %part
  %low.0 = fadd double %low.1, %c0
  ; the signs of the remainder and of x
  %flip = xor i1 %below, %negative
  %high.minus = fneg double %high.0
  %low.minus = fneg double %low.0
  %multiple.minus = sub i64 0, %multiple.any
  %high = select i1 %flip, double %high.minus, double %high.0
  %low = select i1 %flip, double %low.minus, double %low.0
  %multiple = select i1 %negative, i64 %multiple.minus, i64 %multiple.any
  store double %high, ptr %high.at
  store double %low, ptr %low.at
  store i64 %multiple, ptr %multiple.at
  %next = add i64 %i, 1
  %more = icmp ult i64 %next, %n
  br i1 %more, label %loop, label %done
done:
  ret void
}
""")


@cache
def function() -> str:
    """The function, its numbers put in."""
    return FUNCTION.substitute(
        symbol=SYMBOL,
        table=TABLE,
        start=1075 - 64,
        starts=64 + 971 + 1,
        half=1 << 125,
        mask=(1 << 126) - 1,
    )


def reduced_huge(x: Number, large: Condition, near: Reduction) -> Reduction:
    """`near`, but from the table where x is `large`: a branch that is taken if any lane is."""
    e = x.e
    n, (high, low) = near
    e.needs["llvm.fshl.i64"] = "declare i64 @llvm.fshl.i64(i64, i64, i64)"
    e.needs[TABLE] = table()
    e.needs[SYMBOL] = function()
    usual, rare, after = e.block, f"rare{e.fresh()[1:]}", f"after{e.fresh()[1:]}"
    e.put(f"br i1 {large.anywhere()}, label %{rare}, label %{after}")

    e.begin(rare)
    far_n, far = _remainders(x)
    far_n = select_bits(large, far_n, n)
    far_high, far_low = select(large, far[0], high), select(large, far[1], low)
    e.put(f"br label %{after}")

    e.begin(after)

    def joined(t: str, a: str, b: str) -> str:
        return e.do(f"phi {t} [ {a}, %{usual} ], [ {b}, %{rare} ]")

    return (
        Bits(e, joined(e.bits_type, n.name, far_n.name)),
        (
            Number(e, joined(e.number_type, high.name, far_high.name)),
            Number(e, joined(e.number_type, low.name, far_low.name)),
        ),
    )


def _remainders(x: Number) -> Reduction:
    """The multiples and remainders of all lanes, by a call that goes through memory."""
    e = x.e
    doubles, longs = e.lanes_of("double"), e.lanes_of("i64")
    data = e.allocate(f"[{3 * e.lanes} x i64]")
    wide = x.name if e.bits == 64 else e.do(f"fpext {e.number_type} {x.name} to {doubles}")
    e.put(f"store {doubles} {wide}, ptr {data}, align 8")
    e.put(f"call void @{SYMBOL}(ptr {data}, i64 {e.lanes})")

    def loaded(t: str, part: int) -> str:
        at = e.do(f"getelementptr i64, ptr {data}, i64 {part * e.lanes}")
        return e.do(f"load {t}, ptr {at}, align 8")

    high, low, n = loaded(doubles, 0), loaded(doubles, 1), loaded(longs, 2)
    if e.bits == 32:
        n = e.do(f"trunc {longs} {n} to {e.bits_type}")
        rounded = e.do(f"fptrunc {doubles} {high} to {e.number_type}")
        again = e.do(f"fpext {e.number_type} {rounded} to {doubles}")
        rest = e.do(f"fsub {doubles} {high}, {again}")
        low = e.do(f"fadd {doubles} {rest}, {low}")
        high, low = rounded, e.do(f"fptrunc {doubles} {low} to {e.number_type}")
    return Bits(e, n), _times_half_pi(e, (Number(e, high), Number(e, low)))


def _times_half_pi(e: Emitter, r: Pair) -> Pair:
    high, low = pair(e, PI / 2)
    p, rest = two_product(r[0], high)
    return p, fma(r[0], low, fma(r[1], high, rest))
