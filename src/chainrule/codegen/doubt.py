"""Zero times infinity, at the price of plain products.

The strong product (0 * inf = 0) costs five instructions where a product costs one, and is needed in
one call of a million. So kernels are first made with plain products, and note a *doubt* where a NaN
is stored that comes from one. After a call with a doubt the program is run again as it was written
(`run.compiled`), as eager gradients are (`derive.reverse`).

That is right as long as a NaN cannot get lost on the way to what is stored: a product that a
comparison, a choice or an integer depends on stays strong.
"""

from __future__ import annotations

import math
from typing import Final

from chainrule.codegen.expression import Expr, Expressions, gathered
from chainrule.codegen.loops import Buffer, Kernel, Store

PASSES_NAN: Final = frozenset({
    "add", "subtract", "multiply", "strong_multiply", "divide", "negative", "positive", "abs",
    "fabs", "square", "reciprocal", "sqrt", "exp", "exp2", "expm1", "log", "log2", "log10", "log1p",
    "sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh", "asinh", "acosh", "atanh",
    "cbrt", "erf", "erfc", "sigmoid", "softplus", "log_sigmoid", "maximum", "minimum", "floor",
    "ceil", "trunc", "rint", "relu", "clip_below", "clip_above", "sign", "real",
})  # fmt: skip
"""Operations that give NaN where an operand is NaN."""


MANY: Final = 64
"""Terms of a sum that is looked at as a whole: a NaN in one of them is one in the sum."""


def plain(kernel: Kernel, doubt: Buffer) -> tuple[Kernel, list[Kernel]]:
    """The kernel with plain products where a NaN would be noticed, and the notice; and kernels that
    look at sums after it.
    """
    body = kernel.body()
    if not any(e.op == "strong_multiply" for e in body):
        return kernel, []
    strong = _decisive(kernel, body)
    tainted: set[Expr] = set()
    for e in body:
        if (e.op == "strong_multiply" and e not in strong) or any(a in tainted for a in e.args):
            tainted.add(e)
    changed: dict[Expr, Expr] = {}
    for e in body:
        if e not in tainted:
            changed[e] = e
            continue
        new = Expr()
        new.op, new.code, new.order, new.mask, new.value = e.op, e.code, e.order, e.mask, e.value
        new.args = tuple([changed[a] for a in e.args])
        if e.op == "strong_multiply" and e not in strong:
            new.op = "multiply"
        changed[e] = new
    stores = [Store(s.buffer, s.position, changed[s.expr], s.how, s.start) for s in kernel.stores]
    doubtful = [s for s in kernel.stores if s.expr in tainted]
    many = math.prod(kernel.extents) >= MANY
    totals = {s.buffer for s in doubtful if many and _is_total(s)}
    seen = list(
        dict.fromkeys(_without_sign(changed[s.expr]) for s in doubtful if s.buffer not in totals)
    )
    if seen:
        stores.append(Store(doubt, 0, _any_nan(seen, body[-1].order + 1), "logical_or"))
    new_kernel = Kernel(kernel.extents, stores, kernel.level, kernel.name)
    return new_kernel, [check(b, doubt, kernel.level) for b in totals]


def _is_total(store: Store) -> bool:
    """Whether a store adds to one number at every turn of the kernel's loops."""
    return store.how == "add" and store.start is not None and store.buffer.size == 1


def _without_sign(e: Expr) -> Expr:
    """What is NaN where an expression is."""
    while e.op in ("negative", "abs", "positive") and e.args[0].code == e.code:
        e = e.args[0]
    return e


def _decisive(kernel: Kernel, body: list[Expr]) -> set[Expr]:
    """Expressions on which something depends that does not pass a NaN on."""
    found: set[Expr] = set()
    for s in kernel.stores:
        found.update(gathered(s.position))
        if s.expr.code[0] != "f" or s.how not in ("=", "add", "multiply", "maximum", "minimum"):
            found.add(s.expr)
    for e in reversed(body):
        if e in found:
            found.update(e.args)
        elif e.op == "where":
            found.add(e.args[0])
        elif e.op == "cast":
            if e.code[0] != "f":
                found.update(e.args)
        elif e.op not in PASSES_NAN:
            found.update(e.args)
        if e.op == "load":
            found.update(gathered(e.value[1]))
        elif e.op == "index":
            found.update(gathered(e.value))
    return found


def _any_nan(exprs: list[Expr], order: int) -> Expr:
    """Whether one of some numbers is NaN: compared in pairs, as a comparison tells of two."""
    make = Expressions()
    make.list.extend([exprs[0]] * order)  # so that what is made comes after the body
    by_code: dict[str, list[Expr]] = {}
    for e in exprs:
        by_code.setdefault(e.code, []).append(e)
    parts = []
    for some in by_code.values():
        ends = some[1::2] + some[-1:]
        parts += [
            make.apply("unordered", pair, "b1") for pair in zip(some[::2], ends, strict=False)
        ]
    while len(parts) > 1:
        odd = [parts[-1]] if len(parts) % 2 else []
        parts = [
            make.apply("logical_or", (a, b), "b1")
            for a, b in zip(parts[::2], parts[1::2], strict=False)
        ] + odd
    return parts[0]


def check(buffer: Buffer, doubt: Buffer, level: int) -> Kernel:
    """A kernel that looks for NaN in what a library has computed."""
    from chainrule.codegen.index import variable

    make = Expressions()
    e = make.load(buffer, variable(0) if buffer.size > 1 else 0, buffer.code)
    extents = (buffer.size,) if buffer.size > 1 else ()
    return Kernel(
        extents, [Store(doubt, 0, make.apply("unordered", (e, e), "b1"), "logical_or")], level
    )
