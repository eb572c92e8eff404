"""Matrices so small that compiled code has them written out, entry by entry: in a batch of them
every operation is one on vectors of numbers, one from each matrix.

These are the `expand` of rows of `ops.systems` and `ops.determinants`. Elimination takes the
largest pivot first, as LAPACK does, by selection instead of by exchanges.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.ops.family import elementwise, shown

SMALL = 4
"""Matrices up to this size are written out."""


def _checked(complaint: str, holds: Any) -> Any:
    def evaluate(x: Any) -> Any:
        if not np.all(holds(x)):
            raise np.linalg.LinAlgError(complaint)
        return x

    return evaluate


pivot = elementwise(
    "pivot",
    _checked("Singular matrix", lambda x: np.not_equal(x, 0)),
    (1,),
    domain=((0.5, 2.0),),
    doc=shown(
        "x itself, which must not be zero: what elimination divides by. Raises MatrixError.",
        "from chainrule.ops.small_matrices import pivot\n>>> pivot(cr.tensor(2.0))",
        "tensor(2.)",
    ),
)
positive_pivot = elementwise(
    "positive_pivot",
    _checked("Matrix is not positive definite", lambda x: ~np.less_equal(x, 0)),
    (1,),
    domain=((0.5, 2.0),),
    doc=shown(
        "x itself, which must be positive: what Cholesky takes the root of. Raises MatrixError.",
        "from chainrule.ops.small_matrices import positive_pivot\n"
        ">>> positive_pivot(cr.tensor(2.0))",
        "tensor(2.)",
    ),
)


def _entries(a: Any) -> list[list[Any]]:
    n = a.shape[-1]
    return [[a[..., i, j] for j in range(n)] for i in range(n)]


def _exchanged(c: Any, one: Any, two: Any) -> tuple[Any, Any]:
    return np.where(c, two, one), np.where(c, one, two)


def _eliminated(a: list[list[Any]], b: list[Any], regular: bool) -> Any:
    """The upper triangle that a becomes and what b, a column for each row, becomes with it;
    and how the sign of the determinant changes. Pivots are checked if they must be `regular`.
    """
    n = len(a)
    sign: Any = 1.0
    for c in range(n):
        for r in range(c + 1, n):
            larger = np.greater(np.abs(a[r][c]), np.abs(a[c][c]))
            for j in range(c, n):
                a[c][j], a[r][j] = _exchanged(larger, a[c][j], a[r][j])
            if b:
                b[c], b[r] = _exchanged(larger[..., None], b[c], b[r])
            sign = np.where(larger, -sign, sign)
        if regular:
            a[c][c] = pivot(a[c][c])
        for r in range(c + 1, n):
            if regular:
                factor = a[r][c] / a[c][c]
            else:  # where the largest is zero, all are
                none = np.equal(a[c][c], 0)
                factor = np.where(none, 0.0, a[r][c] / np.where(none, 1.0, a[c][c]))
            for j in range(c + 1, n):
                a[r][j] = a[r][j] - factor * a[c][j]
            if b:
                b[r] = b[r] - factor[..., None] * b[c]
    return a, b, sign


def _substituted(u: list[list[Any]], b: list[Any]) -> Any:
    """The solution x of u x = b as a stack of its rows."""
    n = len(u)
    x: list[Any] = [None] * n
    for r in range(n - 1, -1, -1):
        total = b[r]
        for j in range(r + 1, n):
            total = total - u[r][j][..., None] * x[j]
        x[r] = total / u[r][r][..., None]
    return np.stack(x, axis=-2)


def solved(a: Any, b: Any) -> Any:
    """`solve` of vectors, and of small matrices; None for other ones."""
    if b.ndim == 1:
        return np.linalg.solve(a, b[:, None])[..., 0]
    if a.shape[-1] > SMALL or a.dtype != b.dtype or a.dtype.kind != "f":
        return None
    rows = [b[..., i, :] for i in range(a.shape[-1])]
    u, right, _ = _eliminated(_entries(a), rows, regular=True)
    return _substituted(u, right)


def inverted(a: Any) -> Any:
    """`inv` of small matrices."""
    n = a.shape[-1]
    if n > SMALL or a.dtype.kind != "f":
        return None
    return solved(a, np.broadcast_to(np.eye(n, dtype=a.dtype), a.shape))


def determinant(a: Any) -> Any:
    """`det` of small matrices."""
    if a.shape[-1] > SMALL or a.dtype.kind != "f":
        return None
    u, _, sign = _eliminated(_entries(a), [], regular=False)
    product = sign
    for i in range(len(u)):
        product = product * u[i][i]
    return product


def sign_and_logarithm(a: Any) -> Any:
    """`slogdet` of small matrices."""
    if a.shape[-1] > SMALL or a.dtype.kind != "f":
        return None
    u, _, sign = _eliminated(_entries(a), [], regular=False)
    log: Any = 0.0
    for i in range(len(u)):
        sign = sign * np.sign(u[i][i])
        log = log + np.log(np.abs(u[i][i]))
    return sign, log


def factored(a: Any, upper: bool) -> Any:
    """`cholesky` of small matrices."""
    n = a.shape[-1]
    if n > SMALL or a.dtype.kind != "f":
        return None
    a = (a + a.mT) * 0.5
    entry = _entries(a)
    zero = np.zeros(a.shape[:-2], a.dtype)
    f = [[zero] * n for _ in range(n)]
    for j in range(n):
        d = entry[j][j]
        for k in range(j):
            d = d - f[j][k] * f[j][k]
        f[j][j] = np.sqrt(positive_pivot(d))
        for i in range(j + 1, n):
            t = entry[i][j]
            for k in range(j):
                t = t - f[i][k] * f[j][k]
            f[i][j] = t / f[j][j]
    rows = list(zip(*f, strict=True)) if upper else f
    return np.stack([np.stack(r, axis=-1) for r in rows], axis=-2)


def substituted(a: Any, b: Any, lower: bool, trans: Any, unit_diagonal: bool) -> Any:
    """`solve_triangular` of vectors, and of small matrices."""
    from chainrule.ops.systems import TRANSPOSITIONS, solve_triangular

    if b.ndim == 1:
        options: Any = {"lower": lower, "trans": trans, "unit_diagonal": unit_diagonal}
        return solve_triangular(a, b[:, None], **options)[..., 0]
    n = a.shape[-1]
    if n > SMALL or a.dtype != b.dtype or a.dtype.kind != "f":
        return None
    if TRANSPOSITIONS[trans]:
        a, lower = a.mT, not lower
    u = _entries(a)
    rows = [b[..., i, :] for i in range(n)]
    if lower:  # turned round, it is an upper one
        u = [r[::-1] for r in u[::-1]]
        rows.reverse()
    for i in range(n):
        u[i][i] = np.ones(a.shape[:-2], a.dtype) if unit_diagonal else pivot(u[i][i])
    x = _substituted(u, rows)
    return np.flip(x, -2) if lower else x
