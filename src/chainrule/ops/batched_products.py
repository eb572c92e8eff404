"""Rules for batches of products: rows that are linear in each operand.

A product with an operand that all examples share is one large product, and not a stack of small
ones: this is what makes Jacobians fast. Where the walk asks for products in which zero times
infinity is zero (`ops.contraction`), the same rules run with those.
"""

from __future__ import annotations

import math
from _thread import get_ident
from collections.abc import Sequence
from string import ascii_letters
from typing import Any

import numpy as np

from chainrule.ops.batched import MANY, Params, aligned, dimensions, rank
from chainrule.ops.hot import careful
from chainrule.ops.recording import general
from chainrule.ops.strong import strong_products
from chainrule.ops.table import TABLE


def multiplied(row: Any, operands: Sequence[Any], params: Params) -> Any:
    """A row that is linear in each operand, in the kind of product that is asked for."""
    if careful and get_ident() in careful:
        return general(TABLE["strong_contraction"], operands, {"row": row, "params": params})
    return general(row, operands, params)


def strong(row: Any, size: int, operands: Sequence[Any], moved: Any, params: Params) -> Any:
    """`strong_contraction`: the rule of the row in it, asked for strong products."""
    inner = params["row"]
    with strong_products():
        return inner.batch(inner, size, operands, moved, params["params"])


# --- matrix products -----------------------------------------------------------------------------


def matrices(row: Any, size: int, operands: Sequence[Any], moved: Any, params: Params) -> Any:
    """`matmul`."""
    a, b = operands
    if not moved[1]:
        return _shared_right(row, a, b)
    if not moved[0]:
        return _shared_left(row, a, b)
    row_vector, column_vector = len(a.shape) == 2, len(b.shape) == 2
    if row_vector and column_vector:
        return multiplied(TABLE["einsum"], [a, b], {"subscripts": "zi,zi->z", "optimize": False})
    a = a[:, None, :] if row_vector else a
    b = b[..., None] if column_vector else b
    y = multiplied(row, aligned([a, b], moved), {})
    return y[..., 0, :] if row_vector else y[..., 0] if column_vector else y


def _shared_right(row: Any, a: Any, b: Any) -> Any:
    """A batch of a times one b: the rows of all examples are one matrix."""
    if len(b.shape) > 2:
        vector = len(a.shape) == 2
        a = a[:, None, :] if vector else a
        y = multiplied(row, aligned([a, b], (True, False), len(b.shape)), {})
        return y[..., 0, :] if vector else y
    if len(a.shape) == 2:
        return multiplied(row, [a, b], {})
    lead, inner = a.shape[:-1], a.shape[-1]
    y = multiplied(row, [a.reshape((math.prod(lead), inner)), b], {})
    return y.reshape((*lead, *b.shape[1:]))


def _shared_left(row: Any, a: Any, b: Any) -> Any:
    """One a times a batch of b: the columns of all examples are one matrix."""
    n = len(b.shape) - 1
    if n == 1:
        if len(a.shape) == 1:
            return multiplied(row, [b, a], {})
        lead, inner = a.shape[:-1], a.shape[-1]
        y = multiplied(row, [b, a.reshape((math.prod(lead), inner)).T], {})
        return y.reshape((b.shape[0], *lead))
    if len(a.shape) > 2:
        return multiplied(row, aligned([a, b], (False, True), len(a.shape)), {})
    columns = np.moveaxis(b, -2, 0)  # (inner, batch, ..., column)
    y = multiplied(row, [a, columns.reshape((columns.shape[0], math.prod(columns.shape[1:])))], {})
    y = y.reshape((*a.shape[:-1], *columns.shape[1:]))
    return y if len(a.shape) == 1 else np.moveaxis(y, 0, -2)


# --- sums of products over any indices -----------------------------------------------------------


def einstein(row: Any, size: int, operands: Sequence[Any], moved: Any, params: Params) -> Any:
    """`einsum`: one more index."""
    given, _, out = params["subscripts"].partition("->")
    batch = next(c for c in ascii_letters if c not in params["subscripts"])
    words = [batch * m + w for w, m in zip(given.split(","), moved, strict=True)]
    subscripts = ",".join(words) + "->" + batch + out
    return multiplied(row, operands, {**params, "subscripts": subscripts})


def tensordots(row: Any, size: int, operands: Sequence[Any], moved: Any, params: Params) -> Any:
    """`tensordot`: by other axes where one operand is the same for all, else an Einstein sum."""
    ranks = [rank(x, m) for x, m in zip(operands, moved, strict=True)]
    of_a, of_b = _paired(params["axes"], *ranks)
    if not all(moved):
        axes = [i + moved[0] for i in of_a], [i + moved[1] for i in of_b]
        y = multiplied(row, operands, {"axes": axes})
        return y if moved[0] else np.moveaxis(y, ranks[0] - len(of_a), 0)
    batch, letters = ascii_letters[0], list(ascii_letters[1:])
    first, rest = letters[: ranks[0]], letters[ranks[0] : sum(ranks)]
    second = [first[of_a[of_b.index(i)]] if i in of_b else rest[i] for i in range(ranks[1])]
    free = [c for i, c in enumerate(first) if i not in of_a]
    free += [c for i, c in enumerate(second) if i not in of_b]
    words = ("".join([batch, *w]) for w in (first, second, free))
    subscripts = "{},{}->{}".format(*words)
    return multiplied(TABLE["einsum"], operands, {"subscripts": subscripts, "optimize": True})


def _paired(axes: Any, a: int, b: int) -> tuple[list[int], list[int]]:
    """The axes of either operand that are summed together, counted from 0."""
    if isinstance(axes, (int, np.integer)):
        return list(range(a - int(axes), a)), list(range(int(axes)))
    of_a, of_b = ([x] if np.ndim(x) == 0 else list(x) for x in axes)
    return [int(i) % a for i in of_a], [int(i) % b for i in of_b]


def along_axis(row: Any, size: int, operands: Sequence[Any], moved: Any, params: Params) -> Any:
    """`vecdot` and `cross`: the axis counted from the end, the others broadcast."""
    axis = params["axis"]
    if axis >= 0:
        axis -= rank(operands[0], moved[0])
    return multiplied(row, aligned(operands, moved), {"axis": axis})


# --- convolutions --------------------------------------------------------------------------------


def convolutions(row: Any, size: int, operands: Sequence[Any], moved: Any, params: Params) -> Any:
    """`convolve` and `correlate`: windows of the longer sequence times the shorter one reversed."""
    pairs = [_sequence(x, m) for x, m in zip(operands, moved, strict=True)]
    (n, m), mode = (x.shape[-1] for x in pairs), params["mode"]
    if n * m > MANY:
        return NotImplemented
    same = (min(n, m) - 1) // 2
    if row.name == "correlate":
        pairs[1] = np.conj(pairs[1])[..., ::-1]
        same = n // 2 if n < m else same  # as NumPy centers
    which = int(n < m)
    long, short = pairs[which], pairs[1 - which]
    most, least = max(n, m), min(n, m)
    start, count = {"full": (0, n + m - 1), "same": (same, most)}.get(
        mode, (least - 1, most - least + 1)
    )
    margins = [(0, 0)] * (len(long.shape) - 1) + [(least - 1, least - 1)]
    places = np.arange(start, start + count)[:, None] + np.arange(least)
    windows = np.pad(long, margins)[..., places]
    order = (moved[which], moved[1 - which])
    return matrices(TABLE["matmul"], size, [windows, short[..., ::-1]], order, {})


def _sequence(x: Any, moved: bool) -> Any:
    """NumPy takes a number for a sequence of one."""
    if rank(x, moved):
        return x
    return x[:, None] if moved else np.asarray(x)[None] if not dimensions(x) else x


def convolutions_nd(
    row: Any, size: int, operands: Sequence[Any], moved: Any, params: Params
) -> Any:
    """`convolve_nd`: over one more axis, of size one in the operand that all examples share."""
    x, kernel = operands
    if all(moved):
        return NotImplemented
    if moved[0]:
        return multiplied(row, [x, kernel[None]], params)
    mode, sizes = params["mode"], list(zip(x.shape, kernel.shape[1:], strict=True))
    whole = multiplied(row, [x[None], kernel], {"mode": "full"})
    if mode == "full":
        return whole
    if mode == "same":
        return whole[(slice(None), *(slice((m - 1) // 2, (m - 1) // 2 + n) for n, m in sizes))]
    return whole[(slice(None), *(slice(min(n, m) - 1, max(n, m)) for n, m in sizes))]
