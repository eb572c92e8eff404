"""The functions of elementary mathematics as LLVM assembly, for scalars and vectors of any width.

`function("exp", 64, 4)` gives the definition of exp for `<4 x double>`: a function to be inlined,
made of arithmetic, comparisons and selections, so that loops around it stay vectors on any
processor. Only huge arguments of sin, cos, sincos and tan lead over a branch. `docs/vectormath.md`
lists the errors.

The formulas (`FORMULAS`) are in a file per family; `emitter` is the language they are written in,
`exact` has the error-free transformations, `tools/minimax.py` computes `coefficients`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Final

from chainrule.codegen.vectormath.emitter import Emitter, Number, sqrt
from chainrule.codegen.vectormath.error import erf, erfc
from chainrule.codegen.vectormath.exponential import (
    exp,
    exp2,
    expm1,
    log_sigmoid,
    sigmoid,
    softplus,
)
from chainrule.codegen.vectormath.hyperbolic import acosh, asinh, atanh, cosh, sinh, tanh
from chainrule.codegen.vectormath.inverse import acos, asin, atan, atan2
from chainrule.codegen.vectormath.logarithm import log, log1p, log2, log10
from chainrule.codegen.vectormath.power import cbrt, hypot, power, rsqrt
from chainrule.codegen.vectormath.trigonometric import cos, sin, sincos, tan

Formula = Callable[..., Number] | Callable[..., tuple[Number, Number]]

_ALL: list[Formula] = [
    *(exp, exp2, expm1, sigmoid, softplus, log_sigmoid, log, log2, log10, log1p),
    *(sin, cos, sincos, tan, asin, acos, atan, atan2),
    *(sinh, cosh, tanh, asinh, acosh, atanh),
    *(power, sqrt, rsqrt, cbrt, hypot, erf, erfc),
]
FORMULAS: Final[dict[str, Formula]] = {f.__name__: f for f in _ALL}
"""Name of the operation in the table -> formula over `Number`s.

`sincos` (two results) and `rsqrt` are no rows.
"""

ATTRIBUTES: Final = "nounwind willreturn memory(none)"


@dataclass(eq=False, repr=False)
class Function:
    """What a module must contain to call the function `symbol`."""

    symbol: str
    result: str
    """LLVM type of the result; of `sincos` a structure of two."""
    operands: tuple[str, ...]
    """LLVM types of the operands."""
    definitions: dict[str, str]
    """Symbol -> assembly that defines or declares it: each goes into the module once."""

    def call(self, *names: str) -> str:
        """The instruction that calls it with values of these names."""
        pairs = ", ".join(f"{t} {x}" for t, x in zip(self.operands, names, strict=True))
        return f"call {self.result} @{self.symbol}({pairs})"


@cache
def function(
    name: str,
    bits: int,
    lanes: int = 1,
    *,
    fma: bool = True,
    avx512: bool = False,
    inline: bool = True,
) -> Function:
    """The function of this name for double (64 bits) or float (32), scalar or `<lanes x ...>`.

    `fma` says that the processor multiplies and adds in one instruction (where it does not, LLVM
    would call the C library for it), `avx512` that it has AVX-512. Without `inline` the function is
    called: less code, where a loop is not in vectors; it has the attributes `#0` of `codegen.text`.
    The text is made once.

    >>> f = function("exp", 64, 4)
    >>> f.call("%x")
    'call <4 x double> @chainrule.exp.v4f64(<4 x double> %x)'
    >>> sorted(f.definitions)
    ['chainrule.exp.v4f64', 'llvm.fma.v4f64']
    """
    formula = FORMULAS[name]
    e = Emitter(bits, lanes, fma=fma, avx512=avx512)
    arity = formula.__code__.co_argcount
    operands = [Number(e, f"%x{i}") for i in range(arity)]
    y = formula(*operands)
    t = e.number_type
    if isinstance(y, tuple):
        result, value = f"{{ {t}, {t} }}", "poison"
        for i, part in enumerate(y):
            value = e.do(f"insertvalue {result} {value}, {t} {part.name}, {i}")
    else:
        result, value = t, y.name
    e.put(f"ret {result} {value}")
    symbol = f"chainrule.{name}.{e.suffix}"
    parameters = ", ".join(f"{t} {x.name}" for x in operands)
    # LLVM sets its code generator up anew for functions with other attributes than those around
    attributes = f"alwaysinline {ATTRIBUTES}" if inline else f"noinline {ATTRIBUTES} #0"
    text = "\n".join(
        [
            f"define internal {result} @{symbol}({parameters}) {attributes} {{",
            "entry:",
            *e.allocated,
            *e.lines,
            "}",
        ]
    )
    return Function(symbol, result, (t,) * arity, {**e.needs, symbol: text})
