"""Matrix products by BLAS: operands are read where they lie, transposed or strided as they are.

Where there is no BLAS the same product is a kernel (`as_loops`).
"""

from __future__ import annotations

from typing import Any

from chainrule.codegen import views
from chainrule.codegen.expression import Expressions
from chainrule.codegen.index import Affine, Coordinate, affine, plus, times, variable
from chainrule.codegen.loops import Access, Kernel, Product, Store
from chainrule.codegen.reshape import interchange
from chainrule.codegen.scope import Memory, Scope, position_of
from chainrule.codegen.values import Value
from chainrule.codegen.views import Index, Unresolved, stretched


def _extents(v: Value) -> tuple[tuple[int, ...], tuple[int, int, int]]:
    """Extents of the batch, and m, n, k."""
    a, b = v.args
    batch = v.shape
    m = n = 1
    if b.ndim > 1:
        batch, n = batch[:-1], b.shape[-1]
    if a.ndim > 1:
        batch, m = batch[:-1], a.shape[-2]
    return batch, (m, n, a.shape[-1])


def _index(v: Value, k: int) -> Index:
    """The index in an operand, the loops being the batch, then rows and columns of the operand."""
    batch, _ = _extents(v)
    x = v.args[k]
    loops: list[Coordinate] = [variable(i) for i in range(len(batch))]
    row, column = variable(len(batch)), variable(len(batch) + 1)
    if x.ndim == 1:
        return (column,) if k == 0 else (row,)
    return (*stretched((*loops,), x.shape[:-2]), row, column)


def _scope(v: Value, k: int, memory: Memory) -> Scope:
    batch, (m, n, inner) = _extents(v)
    return Scope((*batch, *((m, inner) if k == 0 else (inner, n))), memory)


def _follow(v: Value, k: int, fusion: Any) -> tuple[Value, Coordinate]:
    """The value in memory that an operand shows, and the position in it."""
    x = base = v.args[k]
    while not fusion.is_base(base) and fusion.kind[base] == "view" and base.op != "select":
        base = base.args[0]
    layout = views.strided(x, base)
    if layout is not None:
        position: Coordinate = layout[0]
        for c, step in zip(_index(v, k), layout[1], strict=True):
            position = plus(position, times(c, step))
        return base, position
    scope, index = _scope(v, k, fusion.memory), _index(v, k)
    while x is not base:
        try:
            x, index = views.view(x, scope.index_of(index, x), scope)
        except Unresolved:
            return v.args[k], position_of(_index(v, k), v.args[k])
    return x, position_of(index, x)


def base_of(v: Value, k: int, fusion: Any) -> Value:
    """The value that must lie in memory for an operand to be read."""
    base, position = _follow(v, k, fusion)
    return base if _access(v, k, position) else v.args[k]


def _access(v: Value, k: int, position: Coordinate) -> tuple[Coordinate, int, int] | None:
    """Position of the first element, and the steps to the next row and column, if BLAS can."""
    batch, (m, n, inner) = _extents(v)
    terms = dict(position.terms) if isinstance(position, Affine) else {}
    if not all(isinstance(t, int) for t in terms):
        return None
    row, column = terms.pop(len(batch), 0), terms.pop(len(batch) + 1, 0)
    const = position if isinstance(position, int) else position.const
    rows, columns = (m, inner) if k == 0 else (inner, n)
    row, column = (row if rows > 1 else 0), (column if columns > 1 else 0)
    if row < 0 or column < 0 or (rows > 1 and row == 0) or (columns > 1 and column == 0):
        return None  # reversed, or repeated by broadcasting
    if row > 1 and column > 1:
        return None
    return affine(const, terms), row, column


def product(v: Value, fusion: Any, memory: Memory) -> Product:
    """The call for a matrix product."""
    batch, (m, n, inner) = _extents(v)
    accesses = []
    for k, x in enumerate(v.args):
        if x in memory.buffers or x.op == "const":
            base, position = x, position_of(_index(v, k), x)
        else:
            base, position = _follow(v, k, fusion)
        found = _access(v, k, position)
        assert found is not None
        buffer = memory.of(base)
        assert buffer is not None
        accesses.append(Access(buffer, *found))
    strides: Coordinate = 0
    step = m * n
    terms = {}
    for i in range(len(batch) - 1, -1, -1):
        terms[i] = step
        step *= batch[i]
    strides = affine(0, terms)
    result = Access(memory.buffers[v], strides, n, 1)
    return Product(batch, (m, n, inner), accesses[0], accesses[1], result, v.code, fusion.level[v])


def as_loops(p: Product, strong: bool = False) -> Kernel:
    """The same product by loops: where there is no BLAS, and where zero times infinity is zero."""
    make, batch = Expressions(), len(p.extents)
    sizes = dict(zip("mnk", p.sizes, strict=True))
    order = [c for c in "mkn" if sizes[c] > 1]  # rows of b are added to rows of c
    number = {c: batch + k for k, c in enumerate(order)}

    def place(access: Access, row: str, column: str) -> Coordinate:
        c = access.position
        const, terms = (c, {}) if isinstance(c, int) else (c.const, dict(c.terms))
        for name, step in ((row, access.row), (column, access.column)):
            if name in number:
                terms[number[name]] = step
        return affine(const, terms)

    factors = (
        make.load(p.a.buffer, place(p.a, "m", "k"), p.code),
        make.load(p.b.buffer, place(p.b, "k", "n"), p.code),
    )
    term = make.apply("strong_multiply" if strong else "multiply", factors, p.code)
    store = Store(p.c.buffer, place(p.c, "m", "n"), term, "add", 0)
    extents = (*p.extents, *[sizes[c] for c in order])
    return interchange(Kernel(extents, [store], p.level))
