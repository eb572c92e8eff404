"""Factorizations as loops of compiled code (`ops.native`): LAPACK's routines, as NumPy calls them.

LAPACK reads matrices column by column. `f[j, i]` below is row i and column j of what it reads.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.ops.native import blas, empty, give_up, lapack


def _transposed(to: Any, a: Any) -> None:
    for i in range(a.shape[0]):
        for j in range(a.shape[1]):
            to[j, i] = a[i, j]


def _back(to: Any, f: Any) -> None:
    """The part of a transposed array that another has place for."""
    for i in range(to.shape[0]):
        for j in range(to.shape[1]):
            to[i, j] = f[j, i]


def _symmetric(to: Any, a: Any) -> None:
    """The symmetric part."""
    for i in range(a.shape[0]):
        for j in range(a.shape[0]):
            to[i, j] = (a[i, j] + a[j, i]) * 0.5


def solve(y: Any, a: Any, b: Any) -> None:
    """a y = b."""
    n, k = b.shape
    f = empty((n, n), a)
    r = empty((k, n), a)
    pivots = empty(n, "i4")
    _transposed(f, a)
    _transposed(r, b)
    if lapack.gesv(n, k, f, n, pivots, r, n) != 0:
        give_up()
    _back(y, r)


def inv(y: Any, a: Any) -> None:
    """a y = 1."""
    n = len(a)
    f = empty((n, n), a)
    r = empty((n, n), a)
    pivots = empty(n, "i4")
    _transposed(f, a)
    for i in range(n):
        for j in range(n):
            r[i, j] = 0.0
        r[i, i] = 1.0
    if lapack.gesv(n, n, f, n, pivots, r, n) != 0:
        give_up()
    _back(y, r)


def solve_triangular(y: Any, a: Any, b: Any, lower: bool, trans: Any, unit_diagonal: bool) -> None:
    """Rows of y solve the transposed system, so that nothing is copied but b."""
    n, k = b.shape
    if not unit_diagonal:
        for i in range(n):
            if a[i, i] == 0:
                give_up()
    for i in range(n):
        for j in range(k):
            y[i, j] = b[i, j]
    blas.trsm(
        "R",
        "U" if lower else "L",
        "N" if trans in (0, "N") else "T",
        "U" if unit_diagonal else "N",
        k, n, 1.0, a, n, y, k,
    )  # fmt: skip


def cholesky(y: Any, a: Any, upper: bool) -> None:
    """The lower triangle is the upper one of what LAPACK sees, and the other way round."""
    n = len(a)
    for i in range(n):
        for j in range(n):
            y[i, j] = 0.0
        if upper:
            for j in range(i, n):
                y[i, j] = (a[i, j] + a[j, i]) * 0.5
        else:
            for j in range(i + 1):
                y[i, j] = (a[i, j] + a[j, i]) * 0.5
    if lapack.potrf("L" if upper else "U", n, y, n) != 0:
        give_up()


def det(y: Any, a: Any) -> None:
    """The product of the pivots."""
    n = len(a)
    f = empty((n, n), a)
    pivots = empty(n, "i4")
    _transposed(f, a)
    lapack.getrf(n, n, f, n, pivots)
    product = f[0, 0]
    if pivots[0] != 1:
        product = -product
    for i in range(1, n):
        product *= f[i, i]
        if pivots[i] != i + 1:
            product = -product
    y[()] = product


def slogdet(sign: Any, log: Any, a: Any) -> None:
    """The same, by signs and logarithms."""
    n = len(a)
    f = empty((n, n), a)
    pivots = empty(n, "i4")
    _transposed(f, a)
    lapack.getrf(n, n, f, n, pivots)
    s = 1.0
    total = 0.0
    for i in range(n):
        pivot = f[i, i]
        total += np.log(abs(pivot))
        if pivot == 0:
            s = 0.0 * s
        elif pivot < 0:
            s = -s
        if pivots[i] != i + 1:
            s = -s
    sign[()] = s
    log[()] = total


def lu(p: Any, lower: Any, upper: Any, a: Any) -> None:
    """Rows are exchanged in order; the last exchange is undone first."""
    n = len(a)
    f = empty((n, n), a)
    pivots = empty(n, "i4")
    _transposed(f, a)
    lapack.getrf(n, n, f, n, pivots)
    for i in range(n):
        for j in range(n):
            lower[i, j] = f[j, i] if j < i else 0.0
            upper[i, j] = f[j, i] if j >= i else 0.0
            p[i, j] = 0.0
        lower[i, i] = 1.0
        p[i, i] = 1.0
    for i in range(n - 1, -1, -1):
        other = int(pivots[i]) - 1
        if other != i:
            for j in range(n):
                p[i, j], p[other, j] = p[other, j], p[i, j]


BLOCK = 32
"""Columns that LAPACK's blocked routines take at a time."""


def qr(q: Any, r: Any, a: Any, mode: str) -> None:
    """Householder's reflections, and then the columns of q that are asked for."""
    m, n = a.shape
    columns, k = q.shape[1], min(a.shape)
    wide = max(n, columns)
    f = empty((wide, m), a)
    tau = empty(k, a)
    work = empty(wide * BLOCK, a)
    _transposed(f, a)
    lapack.geqrf(m, n, f, m, tau, work, wide * BLOCK)
    for i in range(r.shape[0]):
        for j in range(n):
            r[i, j] = f[j, i] if j >= i else 0.0
    lapack.orgqr(m, columns, k, f, m, tau, work, wide * BLOCK)
    _back(q, f)


def eigh(w: Any, v: Any, a: Any) -> None:
    """By divide and conquer, as NumPy does."""
    n = len(a)
    f = empty((n, n), a)
    work = empty(1 + 6 * n + 2 * n * n + BLOCK * n, a)
    integers = empty(3 + 5 * n, "i4")
    _symmetric(f, a)
    size = 1 + 6 * n + 2 * n * n + BLOCK * n
    if lapack.syevd("V", "L", n, f, n, w, work, size, integers, 3 + 5 * n) != 0:
        give_up()
    _back(v, f)


def eigvalsh(w: Any, a: Any) -> None:
    """Without the vectors."""
    n = len(a)
    f = empty((n, n), a)
    size = 1 + 2 * n + BLOCK * n
    work = empty(size, a)
    integers = empty(1, "i4")
    _symmetric(f, a)
    if lapack.syevd("N", "L", n, f, n, w, work, size, integers, 1) != 0:
        give_up()


def _svd_space(m: int, n: int) -> int:
    small, large = min(m, n), max(m, n)
    return small * (6 + 4 * small) + large + 3 * small + 7 * small + BLOCK * (m + n)


def svd(u: Any, s: Any, vh: Any, a: Any) -> None:
    """All columns of u and v, or those that belong to the values."""
    m, n = a.shape
    k = min(a.shape)
    f = empty((n, m), a)
    left = empty((u.shape[1], m), a)
    right = empty((n, vh.shape[0]), a)
    size = _svd_space(m, n)
    work = empty(size, a)
    integers = empty(8 * k, "i4")
    _transposed(f, a)
    whole = "A" if u.shape[1] > k or vh.shape[0] > k else "S"
    if lapack.gesdd(
        whole, m, n, f, m, s, left, m, right, vh.shape[0], work, size, integers
    ) != 0:  # fmt: skip
        give_up()
    _back(u, left)
    _back(vh, right)


def svdvals(s: Any, a: Any) -> None:
    """The values alone."""
    m, n = a.shape
    f = empty((n, m), a)
    size = _svd_space(m, n)
    work = empty(size, a)
    integers = empty(8 * min(a.shape), "i4")
    _transposed(f, a)
    if lapack.gesdd("N", m, n, f, m, s, f, m, f, n, work, size, integers) != 0:
        give_up()


PADE = (
    64764752532480000.0, 32382376266240000.0, 7771770303897600.0, 1187353796428800.0,
    129060195264000.0, 10559470521600.0, 670442572800.0, 33522128640.0, 1323241920.0, 40840800.0,
    960960.0, 16380.0, 182.0, 1.0,
)  # fmt: skip
"""Numerator of the Pade approximant of order 13 to the exponential."""

REACH = 4.25
"""Up to this norm it is accurate to rounding in double precision."""


def _times(to: Any, a: Any, b: Any) -> None:
    n = len(a)
    blas.gemm("N", "N", n, n, n, 1.0, a, n, b, n, 0.0, to, n)


def _mixed(to: Any, p: Any, six: Any, q: Any, four: Any, r: Any, two: Any) -> None:
    for i in range(len(to)):
        for j in range(len(to)):
            to[i, j] = p * six[i, j] + q * four[i, j] + r * two[i, j]


def _sum(to: Any, a: Any, b: Any, sign: float) -> None:
    for i in range(len(to)):
        for j in range(len(to)):
            to[i, j] = a[i, j] + sign * b[i, j]


def _copy(to: Any, a: Any, scale: Any) -> None:
    for i in range(len(to)):
        for j in range(len(to)):
            to[i, j] = a[i, j] * scale


def _norm(a: Any) -> Any:
    """The largest sum of magnitudes of a column."""
    norm = 0.0
    for j in range(len(a)):
        total = 0.0
        for i in range(len(a)):
            total += abs(a[i, j])
        norm = max(norm, total)
    return norm


def expm(y: Any, a: Any) -> None:
    """Scaling and squaring (N. Higham, SIAM J. Matrix Anal. Appl. 26 (2005) 1179).

    All of it holds of the transposed matrices as well, which is what LAPACK sees.
    """
    n = len(a)
    norm = _norm(a)
    if not norm < np.inf:
        give_up()
    scale, squarings = 1.0, 0
    while norm > REACH:
        norm, scale, squarings = norm * 0.5, scale * 0.5, squarings + 1
    one, two, four, six = empty((n, n), a), empty((n, n), a), empty((n, n), a), empty((n, n), a)
    odd, even, inner = empty((n, n), a), empty((n, n), a), empty((n, n), a)
    _copy(one, a, scale)
    _times(two, one, one)
    _times(four, two, two)
    _times(six, two, four)
    _mixed(inner, PADE[13], six, PADE[11], four, PADE[9], two)
    _times(even, six, inner)
    _mixed(inner, PADE[7], six, PADE[5], four, PADE[3], two)
    _sum(inner, inner, even, 1.0)
    for i in range(n):
        inner[i, i] += PADE[1]
    _times(odd, one, inner)
    _mixed(inner, PADE[12], six, PADE[10], four, PADE[8], two)
    _times(even, six, inner)
    _mixed(inner, PADE[6], six, PADE[4], four, PADE[2], two)
    _sum(even, even, inner, 1.0)
    for i in range(n):
        even[i, i] += PADE[0]
    _sum(inner, even, odd, -1.0)
    _sum(y, even, odd, 1.0)
    pivots = empty(n, "i4")
    if lapack.gesv(n, n, inner, n, pivots, y, n) != 0:
        give_up()
    for _ in range(squarings):
        _copy(one, y, 1.0)
        _times(y, one, one)
