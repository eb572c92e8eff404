"""Composed operations in terms of plain ones: what machine code is made of.

`EXPANSIONS[name](*operands, **params)` traces the same function with elementwise operations,
movement, sums, extremes and matrix products; None where it does not apply (complex operands).
Accuracy and special values are those of the rows' own evaluation.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np

from chainrule.graph.graph import Graph
from chainrule.graph.node import Node, Parameter, Scope, Variable, fresh
from chainrule.ops.axes import axes_of
from chainrule.ops.recording import general, wrapped
from chainrule.ops.table import TABLE
from chainrule.ops.traced_index import one_hole

LN2 = math.log(2.0)


def expansion(node: Node, operands: Sequence[Any], cls: type[Variable]) -> Graph | None:
    """What a node does as a graph of plainer operations, its inputs being the traced ones among
    the operands; None where its row is plain, or has no expansion for these operands.
    """
    rule = node.op.expand or EXPANSIONS.get(node.op.name)
    if rule is None and node.op.native is None:
        return None
    assert node.saved is not None
    specs = node.saved[0] if isinstance(node.saved[0], tuple) else (node.saved[0],)
    if any(s.dtype.kind not in "fiub" for s in specs):
        return None
    scope = Scope("")
    inputs = []
    values = []
    for x in operands:
        if isinstance(x, Variable):
            like = x._value
            inputs.append(Parameter(fresh(like), scope))
            x = wrapped(cls, fresh(like), inputs[-1])
        values.append(x)
    if any(_kind(v) not in "fiub" or not _size(v) for v in values):
        return None
    found: Any = None if rule is None else rule(*values, **node.params)
    if found is None and node.op.native is not None:
        found = _cast(node.op, values, node.params, specs[0].dtype)
    if found is None:
        return None
    results = [
        y if isinstance(y, Variable) else wrapped(cls, np.asarray(y), None)
        for y in (found if isinstance(found, tuple) else (found,))
    ]
    return Graph(inputs, [_like(y, s) for y, s in zip(results, specs, strict=True)], cls)


def _like(y: Any, spec: Any) -> Any:
    """A result in the shape and dtype that the row gives."""
    y = y if y.dtype == spec.dtype else y.astype(spec.dtype)
    return y if y.shape == spec.shape else y.reshape(spec.shape)


def _cast(row: Any, values: Sequence[Any], params: dict[str, Any], dtype: Any) -> Any:
    """The same of operands in the dtype that the row's loops want; None where they are in it."""
    arrays: list[Any] = [v if hasattr(v, "dtype") else np.asarray(v) for v in values]
    if not row.native.dtype or not row.native.fits(*arrays, **params):
        return None
    if row.native.dtype == "common":
        dtype = np.result_type(
            *(a.dtype if hasattr(v, "dtype") else v for a, v in zip(arrays, values, strict=True))
        )
    # constants are cast where the loops are written
    cast = [
        isinstance(v, Variable) and a.dtype != dtype for v, a in zip(values, arrays, strict=True)
    ]
    if not any(cast):
        return None
    return general(
        row, [v.astype(dtype) if c else v for v, c in zip(values, cast, strict=True)], params
    )


def as_dtype(v: Any, dtype: Any) -> Any:
    """An operand in another dtype."""
    return v.astype(dtype) if hasattr(v, "astype") else np.asarray(v, dtype)


def _kind(v: Any) -> str:
    return str((v if hasattr(v, "dtype") else np.asarray(v)).dtype.kind)


def _size(v: Any) -> int:
    return math.prod(v.shape) if hasattr(v, "shape") else 1


def _floating(x: Any) -> Any:
    return x if x.dtype.kind == "f" else x.astype(np.float64)


def _count(x: Any, axis: Any) -> int:
    return math.prod(x.shape[k] for k in axes_of(axis, len(x.shape)))


# --- reductions ----------------------------------------------------------------------------------


def _mean(x: Any, axis: Any = None, dtype: Any = None, keepdims: bool = False) -> Any:
    x = _floating(x) if dtype is None else x.astype(dtype)
    return np.sum(x, axis=axis, keepdims=keepdims) / _count(x, axis)


def _var(
    x: Any,
    axis: Any = None,
    correction: float = 0,
    keepdims: bool = False,
    ddof: float | None = None,
    dtype: Any = None,
) -> Any:
    x = _floating(x) if dtype is None else x.astype(dtype)
    n = _count(x, axis)
    d = x - np.sum(x, axis=axis, keepdims=True) / n
    freedom = n - (correction if ddof is None else ddof)
    total = np.sum(d * d, axis=axis, keepdims=keepdims)
    return total / freedom if freedom > 0 else total / np.float64(0)


def _std(x: Any, **params: Any) -> Any:
    return np.sqrt(_var(x, **params))


def _shifted(x: Any, axis: Any) -> tuple[Any, Any]:
    x = _floating(x)
    largest = np.max(x, axis=axis, keepdims=True)
    largest = np.where(np.isfinite(largest), largest, 0.0)
    return x - largest, largest


def _logsumexp(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    if not x.ndim:
        x, axis = x.reshape(1), None
    shifted, largest = _shifted(x, axis)
    y = np.log(np.sum(np.exp(shifted), axis=axis, keepdims=True)) + largest
    if keepdims:
        return y
    gone = axes_of(axis, x.ndim)
    return y.reshape(tuple(n for k, n in enumerate(x.shape) if k not in gone))


def _softmax(x: Any, axis: Any = -1) -> Any:
    e = np.exp(_shifted(x, axis)[0])
    return e / np.sum(e, axis=axis, keepdims=True)


def _log_softmax(x: Any, axis: Any = -1) -> Any:
    shifted, _ = _shifted(x, axis)
    return shifted - np.log(np.sum(np.exp(shifted), axis=axis, keepdims=True))


def _cross_entropy(x: Any, labels: Any) -> Any:
    if x.dtype.kind in "iu":
        x = x.astype(np.float64)
    if x.dtype.kind != "f":
        return None
    shifted, _ = _shifted(x, -1)
    places = labels[..., None] if labels.ndim else labels.reshape(1)
    picked = np.take_along_axis(shifted, places, -1)[..., 0]
    return np.log(np.sum(np.exp(shifted), axis=-1)) - picked


def _count_nonzero(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    return np.sum(np.not_equal(x, 0), axis=axis, keepdims=keepdims)


def _arg(extreme: Any) -> Callable[..., Any]:
    """The first place of the extreme, or of a NaN: the least index among those that tie."""

    def rule(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
        if not x.ndim:
            x = x.reshape(1)
            keepdims, axis = False, 0
        shape = x.shape
        if axis is None:
            x, along = x.reshape(-1), 0
        else:
            along = axis % x.ndim
        n = x.shape[along]
        hit = np.equal(x, extreme(x, axis=along, keepdims=True))
        if x.dtype.kind == "f":
            hit = hit | np.isnan(x)
        places = np.arange(n).reshape((n,) + (1,) * (x.ndim - 1 - along))
        y = np.min(np.where(hit, places, n), axis=along, keepdims=keepdims)
        return y.reshape((1,) * len(shape)) if keepdims and axis is None else y

    return rule


def _vector_norm(  # the row calls its parameter so
    x: Any,
    axis: Any = None,
    keepdims: bool = False,
    ord: Any = 2,  # noqa: A002
) -> Any:
    x = _floating(x)
    if isinstance(axis, list):
        axis = tuple(axis)
    if ord == 2:
        return np.sqrt(np.sum(x * x, axis=axis, keepdims=keepdims))
    if ord == 1:
        return np.sum(np.abs(x), axis=axis, keepdims=keepdims)
    if ord == math.inf:
        return np.max(np.abs(x), axis=axis, keepdims=keepdims)
    if ord == -math.inf:
        return np.min(np.abs(x), axis=axis, keepdims=keepdims)
    if ord == 0:
        return np.sum(np.not_equal(x, 0), axis=axis, keepdims=keepdims)
    return np.sum(np.abs(x) ** float(ord), axis=axis, keepdims=keepdims) ** (1.0 / ord)


# --- sums of products ----------------------------------------------------------------------------


def _matmul(a: Any, b: Any) -> Any:
    """Inner products of vectors, and products with one of few columns or rows, as sums."""
    if a.ndim == b.ndim == 1 and a.shape[0] > 16:
        return np.sum(a * b)
    return None


def _vecdot(a: Any, b: Any, axis: int = -1) -> Any:
    return np.sum(a * b, axis=axis)


Product = Callable[[Any, Any], Any]


def _tensordot(a: Any, b: Any, axes: Any = 2, *, matmul: Product = np.matmul) -> Any:
    from chainrule.ops.contraction import _paired

    of_a, of_b = _paired(axes, a.ndim, b.ndim)
    free_a = [i for i in range(a.ndim) if i not in of_a]
    free_b = [i for i in range(b.ndim) if i not in of_b]
    k = math.prod(a.shape[i] for i in of_a)
    rows, columns = [a.shape[i] for i in free_a], [b.shape[i] for i in free_b]
    left = np.transpose(a, (*free_a, *of_a)).reshape((math.prod(rows), k))
    right = np.transpose(b, (*of_b, *free_b)).reshape((k, math.prod(columns)))
    return matmul(left, right).reshape((*rows, *columns))


def _einsum(
    *operands: Any,
    subscripts: str,
    optimize: Any = None,
    matmul: Product = np.matmul,
    multiply: Product = np.multiply,
) -> Any:
    given, _, out = subscripts.partition("->")
    sizes: dict[str, int] = {}
    factors = []
    for word, x in zip(given.split(","), operands, strict=True):
        word, x = _without_twins(word, x)
        for c, n in zip(word, x.shape, strict=True):
            sizes[c] = max(n, sizes.get(c, 1))
        factors.append((word, x))
    for k, (word, x) in enumerate(factors):
        full = tuple(sizes[c] for c in word)
        if x.shape != full:
            factors[k] = (word, np.broadcast_to(x, full))
    while len(factors) > 1:
        (wa, a), (wb, b) = factors[0], factors[1]
        later = set(out).union(*(w for w, _ in factors[2:]))
        if _first(wb, wa, out) < _first(wa, wb, out):  # rows before columns, as the result has them
            wa, a, wb, b = wb, b, wa, a
        factors[:2] = [_pair(wa, a, wb, b, later, matmul, multiply)]
    word, x = factors[0]
    gone = tuple(i for i, c in enumerate(word) if c not in out)
    if gone:
        x = np.sum(x, axis=gone)
        word = "".join(c for c in word if c in out)
    return np.transpose(x, [word.index(c) for c in out]) if word != out else x


def _first(mine: str, other: str, out: str) -> int:
    """Where in the result the first index stands that only one factor has."""
    return min([out.index(c) for c in mine if c not in other and c in out], default=len(out))


def _without_twins(word: str, x: Any) -> tuple[str, Any]:
    """Diagonals taken where an index stands twice."""
    for c in dict.fromkeys(word):
        while word.count(c) > 1:
            i = word.index(c)
            j = word.index(c, i + 1)
            x = np.diagonal(x, 0, i, j)
            word = "".join(k for n, k in enumerate(word) if n not in (i, j)) + c
    return word, x


def _pair(
    wa: str, a: Any, wb: str, b: Any, later: set[str], matmul: Product, multiply: Product
) -> tuple[str, Any]:
    """Two factors as one, summed over what nothing needs afterwards."""
    alone = tuple(i for i, c in enumerate(wa) if c not in wb and c not in later)
    if alone:
        a, wa = np.sum(a, axis=alone), "".join(c for i, c in enumerate(wa) if i not in alone)
    alone = tuple(i for i, c in enumerate(wb) if c not in wa and c not in later)
    if alone:
        b, wb = np.sum(b, axis=alone), "".join(c for i, c in enumerate(wb) if i not in alone)
    batch = [c for c in wa if c in wb and c in later]
    inner = [c for c in wa if c in wb and c not in later]
    rows = [c for c in wa if c not in wb]
    columns = [c for c in wb if c not in wa]
    if not inner:
        return _multiplied(wa, a, wb, b, multiply)
    size = dict(zip(wa + wb, (*a.shape, *b.shape), strict=True))
    shape = {
        name: math.prod(size[c] for c in letters)
        for name, letters in (("m", rows), ("n", columns), ("k", inner))
    }
    first = tuple(size[c] for c in batch)
    left = np.transpose(a, [wa.index(c) for c in (*batch, *rows, *inner)])
    right = np.transpose(b, [wb.index(c) for c in (*batch, *inner, *columns)])
    y = matmul(
        left.reshape((*first, shape["m"], shape["k"])),
        right.reshape((*first, shape["k"], shape["n"])),
    )
    word = "".join((*batch, *rows, *columns))
    return word, y.reshape(tuple(size[c] for c in word))


def _multiplied(wa: str, a: Any, wb: str, b: Any, multiply: Product) -> tuple[str, Any]:
    word = wa + "".join(c for c in wb if c not in wa)
    left = a.reshape((*a.shape, *(1,) * (len(word) - len(wa))))
    order = sorted(range(len(wb)), key=lambda i: word.index(wb[i]))
    right = np.transpose(b, order) if len(wb) > 1 else b
    size = dict(zip(wb, b.shape, strict=True))
    right = right.reshape(tuple(size.get(c, 1) for c in word))
    return word, multiply(left, right)


def _strong_contraction(*operands: Any, row: Any, params: dict[str, Any]) -> Any:
    """The same sums with products in which 0 * inf = 0."""
    matmul = TABLE["matmul"]
    if row is matmul:
        return None

    def product(a: Any, b: Any) -> Any:
        return TABLE["strong_contraction"].function([a, b], row=matmul, params={})

    if row.name == "tensordot":
        return _tensordot(*operands, **params, matmul=product)
    if row.name == "einsum":
        multiply = TABLE["strong_multiply"].function
        return _einsum(*operands, **params, matmul=product, multiply=multiply)
    if row.name == "convolve" and row.expand is not None:
        return row.expand(*operands, **params, multiply=TABLE["strong_multiply"].function)
    return None


def _cross(a: Any, b: Any, axis: int = -1) -> Any:
    if axis not in (-1, a.ndim - 1):
        moved = _cross(np.moveaxis(a, axis, -1), np.moveaxis(b, axis, -1))
        return np.moveaxis(moved, -1, axis)
    a0, a1, a2 = (a[..., k] for k in range(3))
    b0, b1, b2 = (b[..., k] for k in range(3))
    return TABLE["stack"].function([a1 * b2 - a2 * b1, a2 * b0 - a0 * b2, a0 * b1 - a1 * b0], -1)


def _at_index(*operands: Any, row: Any, params: dict[str, Any]) -> Any:
    """`x[i]` with a traced i along one axis is `take`."""
    found = one_hole(params["index"], operands[0].ndim)
    if row.name != "getitem" or found is None or _kind(operands[found[1]]) not in "iu":
        return None
    return TABLE["take"].function(operands[0], operands[found[1]], axis=found[0])


# --- movement ------------------------------------------------------------------------------------


def _triangle(lower: bool) -> Callable[..., Any]:
    def rule(x: Any, k: int = 0) -> Any:
        if x.ndim < 2:
            x = np.broadcast_to(x, (x.size, x.size))
        mask = np.tri(x.shape[-2], x.shape[-1], k if lower else k - 1, dtype=bool)
        return np.where(mask if lower else ~mask, x, x.dtype.type(0))

    return rule


# --- elementwise ---------------------------------------------------------------------------------


def _logaddexp(exp: Any, log1p_of: Any, shift: float) -> Callable[..., Any]:
    def rule(a: Any, b: Any) -> Any:
        largest = np.maximum(a, b)
        y = largest + log1p_of(exp(-np.abs(a - b)))
        return np.where(np.equal(a, b), a + shift, y)

    return rule


def _under(a: Any, y: Any) -> Any:
    """y, and 0 where a is (and y could be NaN or infinite)."""
    return np.where(np.equal(a, 0), 0.0, y)


def _xlogy(log: Any) -> Callable[..., Any]:
    def rule(a: Any, b: Any) -> Any:
        return np.where(np.equal(a, 0) & ~np.isnan(b), 0.0, a * log(b))

    return rule


def _entr(x: Any) -> Any:
    y = np.where(np.less(x, 0), -np.inf, -x * np.log(x))
    return _under(x, y)


def _exprel(x: Any) -> Any:
    zero = np.less(np.abs(x), 1e-16)
    infinite = np.greater(x, 717.0)
    y = np.expm1(x) / np.where(zero, 1.0, x)
    return np.where(zero, 1.0, np.where(infinite, np.inf, y))


def _sinc(x: Any) -> Any:
    y = np.pi * np.where(np.equal(x, 0), 1.0e-20, x)
    return np.sin(y) / y


def _deferred_by(scale: float) -> Callable[..., Any]:
    return lambda x: x * scale


def _float_only(rule: Callable[..., Any]) -> Callable[..., Any]:
    """The rule on floating-point numbers."""

    def checked(*operands: Any) -> Any:
        return rule(*(x if _kind(x) == "f" else as_dtype(x, np.dtype(float)) for x in operands))

    return checked


EXPANSIONS: Final[dict[str, Callable[..., Any]]] = {
    "mean": _mean,
    "var": _var,
    "std": _std,
    "logsumexp": _logsumexp,
    "softmax": _softmax,
    "log_softmax": _log_softmax,
    "softmax_cross_entropy": _cross_entropy,
    "count_nonzero": _count_nonzero,
    "argmax": _arg(np.max),
    "argmin": _arg(np.min),
    "vector_norm": _vector_norm,
    "matmul": _matmul,
    "vecdot": _vecdot,
    "tensordot": _tensordot,
    "einsum": _einsum,
    "at_index": _at_index,
    "strong_contraction": _strong_contraction,
    "cross": _cross,
    "tril": _triangle(True),
    "triu": _triangle(False),
    "logaddexp": _float_only(_logaddexp(np.exp, np.log1p, LN2)),
    "logaddexp2": _float_only(_logaddexp(np.exp2, lambda t: np.log1p(t) * (1 / LN2), 1.0)),
    "silu": _float_only(lambda x: x * TABLE["sigmoid"].function(x)),
    "logit": _float_only(lambda x: np.log(x) - np.log1p(-x)),
    "xlogy": _float_only(_xlogy(np.log)),
    "xlog1py": _float_only(_xlogy(np.log1p)),
    "entr": _float_only(_entr),
    "exprel": _float_only(_exprel),
    "sinc": _float_only(_sinc),
    "ndtr": _float_only(lambda x: 0.5 * TABLE["erfc"].function(x * -math.sqrt(0.5))),
    "radians": _float_only(_deferred_by(math.pi / 180)),
    "degrees": _float_only(_deferred_by(180 / math.pi)),
}
"""Name of a row -> how it is written in others."""


def names() -> Sequence[str]:
    """The rows that are expanded."""
    return sorted(EXPANSIONS)
