"""Linear systems and inverses, batched over leading dimensions.

Names and arguments are those of `numpy.linalg` and of the array API's linear algebra extension.
Formulas without another source: M. Giles, Collected matrix derivative results for forward and
reverse mode algorithmic differentiation (2008). Next: `ops.determinants`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.graph.node import Node
from chainrule.ops import matrix_loops, small_matrices
from chainrule.ops.batched import leading, matrix_ranks, systems
from chainrule.ops.matrices import (
    adjoint,
    attempt,
    columns,
    complex_gaussian,
    conj,
    floating,
    hermitian_part,
    identity_like,
    matrices,
    precision,
    recorded,
    square,
    triangle,
    uncolumned,
    well,
)
from chainrule.ops.native import loops
from chainrule.ops.series import Curve, Step, minus, pairs, total
from chainrule.ops.table import TABLE, S, composite, fit, in_full, operation, raw

# --- systems of equations ------------------------------------------------------------------------


def _solve_by_right(ct: Any, _y: Any, a: Any, _b: Any) -> Any:
    """a^-T ct."""
    vector = _b.ndim == 1
    return uncolumned(np.linalg.solve(a.mT, columns(ct, vector)), vector)


def _minus_outer(cb: Any, y: Any, vector: bool) -> Any:
    """-cb y^T, where vectors are columns."""
    return -(columns(cb, vector) @ columns(y, vector).mT)


def _solve_by_matrix(ct: Any, y: Any, a: Any, _b: Any) -> Any:
    return _minus_outer(_solve_by_right(ct, y, a, _b), y, _b.ndim == 1)


def _solve_series(y: Curve, a: Curve, b: Curve) -> Step:
    """From a y = b: a_0 y_k = b_k - the sum of a_j y_(k-j) over j > 0."""
    vector = b.value.ndim == 1

    def step(k: int) -> Any:
        known = total(p @ columns(q, vector) for p, q in pairs(a, y, k, first=1))
        rest = minus(None if b[k] is None else columns(b[k], vector), known)
        return None if rest is None else uncolumned(solve(a.value, rest), vector)

    return step


@operation(
    arity=2,
    reverse=(_solve_by_matrix, _solve_by_right),
    linear=(1,),
    taylor=_solve_series,
    numpy=(np.linalg.solve,),
    samples=[
        S(well(3, 3), (3,)),
        S(well(3, 3), (3, 2)),
        S(well(3, 3, 2), (3,)),
        S(well(3, 3, 2, 1), (4, 3, 2)),
        S(well(2, 2), (3, 2, 1)),
        S(well(1, 1), (1,)),
        S((0, 0), (0,)),
        S(complex_gaussian(3, 3), complex_gaussian(3, 2)),
    ],
    batch=systems,
    expand=small_matrices.solved,
    native=loops(matrix_loops.solve, core=(2,)),
)
def solve(a: Any, b: Any) -> Any:
    """Solution x of a @ x = b.

    a has shape (..., n, n); b is one vector of shape (n,), or matrices of shape (..., n, k), whose
    leading dimensions broadcast against those of a. Raises MatrixError for a singular matrix.

    >>> cr.linalg.solve(cr.tensor([[2.0, 0.0], [0.0, 4.0]]), cr.tensor([2.0, 2.0]))
    tensor([1.0000, 0.5000])
    """
    return attempt(np.linalg.solve, square(a), b, probe=np.linalg.inv)


@in_full
def _pull_solve(ct: Any, saved: tuple[Any, ...], node: Node) -> tuple[Any, Any]:
    """Both cotangents from one transposed system."""
    y, a, b = saved
    cb = _solve_by_right(ct, y, a, b)
    by_matrix, by_right = node.inputs
    return (
        None if by_matrix is None else fit(_minus_outer(cb, y, b.ndim == 1), a),
        None if by_right is None else fit(cb, b),
    )


TABLE["solve"].pull = _pull_solve

TRANSPOSITIONS = {0: 0, 1: 1, 2: 2, "N": 0, "T": 1, "C": 2}
"""The argument `trans`: as it is, transposed, conjugate transposed."""

SMALL = 32
"""Up to this size, a batched LU of a triangle is faster than a Python loop over the batch."""


def _triangular_by_right(
    ct: Any, _y: Any, a: Any, _b: Any, lower: bool, trans: Any, unit_diagonal: bool
) -> Any:
    kind = TRANSPOSITIONS[trans]
    vector = _b.ndim == 1
    ct = columns(ct if kind < 2 else conj(ct), vector)
    back = solve_triangular(a, ct, lower=lower, trans=1 - min(kind, 1), unit_diagonal=unit_diagonal)
    return uncolumned(back if kind < 2 else conj(back), vector)


def _triangular_by_matrix(
    ct: Any, y: Any, a: Any, _b: Any, lower: bool, trans: Any, unit_diagonal: bool
) -> Any:
    kind = TRANSPOSITIONS[trans]
    cb = _triangular_by_right(ct, y, a, _b, lower, trans, unit_diagonal)
    g = _minus_outer(cb, y, _b.ndim == 1)
    if kind:
        g = g.mT if kind == 1 else adjoint(g)
    return np.where(_triangle(a.shape[-1], lower, unit_diagonal), g, 0)


def _triangle(n: int, lower: bool, strict: bool) -> Any:
    """Mask of the triangle that is read."""
    mask = np.tri(n, k=-1 if strict else 0, dtype=bool)
    return mask if lower else mask.T


def _triangular_series(
    y: Curve, a: Curve, b: Curve, lower: bool, trans: Any, unit_diagonal: bool
) -> Step:
    """As of `solve`, with the triangle of every coefficient of a that is read."""
    vector, kind = b.value.ndim == 1, TRANSPOSITIONS[trans]
    mask = _triangle(a.value.shape[-1], lower, unit_diagonal)

    def step(k: int) -> Any:
        known = total(
            _transposed(np.where(mask, p, 0), kind) @ columns(q, vector)
            for p, q in pairs(a, y, k, first=1)
        )
        rest = minus(None if b[k] is None else columns(b[k], vector), known)
        if rest is None:
            return None
        options: Any = {"lower": lower, "trans": trans, "unit_diagonal": unit_diagonal}
        return uncolumned(solve_triangular(a.value, rest, **options), vector)

    return step


def _transposed(t: Any, kind: int) -> Any:
    return (t, t.mT, adjoint(t))[kind]


@operation(
    arity=2,
    reverse=(_triangular_by_matrix, _triangular_by_right),
    linear=(1,),
    taylor=_triangular_series,
    samples=[
        S(triangle(3), (3,)),
        S(triangle(3), (3, 2), lower=True),
        S(triangle(3, 2), (3,), trans=1),
        S(triangle(3, 2, 1), (4, 3, 2), lower=True, trans="T", unit_diagonal=True),
        S(triangle(3), (2, 3, 2), trans=2, unit_diagonal=True),
        S(triangle(40), (40, 1), lower=True),
        S(triangle(34, 2), (34, 1)),
        S((0, 0), (0, 2)),
    ],
    batch=systems,
    expand=small_matrices.substituted,
    native=loops(matrix_loops.solve_triangular, core=(2,)),
)
def solve_triangular(
    a: Any, b: Any, *, lower: bool = False, trans: Any = 0, unit_diagonal: bool = False
) -> Any:
    """Solution x of T @ x = b, T being the upper (or `lower`) triangle of a.

    The other triangle is not read, nor is the diagonal where `unit_diagonal` says it is one.
    `trans` solves with T (0, "N"), its transpose (1, "T") or conjugate transpose (2, "C"). Shapes
    as in `solve`. Raises MatrixError for a zero on the diagonal.

    >>> cr.linalg.solve_triangular(cr.tensor([[2.0, 1.0], [0.0, 4.0]]), cr.tensor([4.0, 8.0]))
    tensor([1., 2.])
    """
    square(a)
    kind = TRANSPOSITIONS[trans]
    vector = b.ndim == 1
    b = columns(b, vector)
    batch = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    if not a.size or not b.size or (batch and a.shape[-1] <= SMALL):
        x = _substitute(a, b, lower, kind, unit_diagonal)
    else:
        x = _loop_triangular(a, b, batch, lower=lower, trans=kind, unit_diagonal=unit_diagonal)
    return uncolumned(x, vector)


def _substitute(a: Any, b: Any, lower: bool, kind: int, unit_diagonal: bool) -> Any:
    """Batched, through LU: of a triangle turned to be upper, elimination has nothing to do."""
    t = np.where(_triangle(a.shape[-1], lower, unit_diagonal), a, 0)
    if unit_diagonal:
        t = t + identity_like(a)
    t = _transposed(t, kind)
    if lower == (kind == 0):
        x = attempt(np.linalg.solve, t[..., ::-1, ::-1], b[..., ::-1, :], probe=np.linalg.inv)
        return x[..., ::-1, :]
    return attempt(np.linalg.solve, t, b, probe=np.linalg.inv)


def _loop_triangular(a: Any, b: Any, batch: tuple[int, ...], **options: Any) -> Any:
    from scipy.linalg import solve_triangular as substitute

    if not batch:
        return attempt(substitute, a, b, check_finite=False, **options)
    a = np.broadcast_to(a, batch + a.shape[-2:])
    b = np.broadcast_to(b, batch + b.shape[-2:])
    x = np.empty(b.shape, np.result_type(a, b, np.float32))
    for i in np.ndindex(batch):
        x[i] = attempt(substitute, a[i], b[i], check_finite=False, **options)
    return x


@composite(samples=[])
def cho_solve(c_and_lower: Any, b: Any) -> Any:
    """Solution x of a @ x = b from the Cholesky factor of a, given as `(factor, lower)`.

    >>> factor = cr.linalg.cholesky(cr.tensor([[4.0, 0.0], [0.0, 9.0]]))
    >>> cr.linalg.cho_solve((factor, True), cr.tensor([4.0, 18.0]))
    tensor([1., 2.])
    """
    c, lower = c_and_lower
    half = solve_triangular(c, b, lower=lower, trans=0 if lower else 2)
    return solve_triangular(c, half, lower=lower, trans=2 if lower else 0)


TABLE["cho_solve"].untested = "its first argument is a pair; see tests of linear algebra"

# --- inverses ------------------------------------------------------------------------------------


@operation(
    reverse=(lambda ct, y, _a: -(y.mT @ ct @ y.mT),),
    numpy=(np.linalg.inv,),
    samples=[S(well(3, 3)), S(well(2, 2, 3)), S((0, 0)), S(complex_gaussian(3, 3))],
    batch=leading,
    expand=small_matrices.inverted,
    native=loops(matrix_loops.inv, core=(2,)),
)
def inv(a: Any) -> Any:
    """Inverse of each matrix of shape (..., n, n).

    Prefer `solve(a, b)` to `inv(a) @ b`. Raises MatrixError for a singular matrix.

    >>> cr.linalg.inv(cr.tensor([[2.0, 0.0], [0.0, 4.0]]))
    tensor([[0.5000, 0.0000],
            [0.0000, 0.2500]])
    """
    return attempt(np.linalg.inv, square(a))


def _factors(a: Any, rtol: Any) -> tuple[Any, Any, Any]:
    """u, vh, and 1 / s, which is 0 where s is not above `rtol` times the largest."""
    u, s, vh = np.linalg.svd(a, full_matrices=False)
    large = s > rtol * np.max(s, axis=-1, keepdims=True)
    return u, np.where(large, 1 / np.where(large, s, 1), 0).astype(a.dtype), vh


def _pinv_by_values(a: Any, rcond: Any, hermitian: bool, rtol: Any) -> Any:
    a = floating(a)
    rtol = rcond if rtol is None else rtol
    if rtol is None:
        rtol = max(a.shape[-2:]) * precision(a)
    if not isinstance(rtol, (int, float)):
        return None
    u, inverse, vh = _factors(hermitian_part(a) if hermitian else a, rtol)
    return (vh.mT * inverse[..., None, :]) @ u.mT


def _least_squares_by_values(a: Any, b: Any, rcond: Any) -> Any:
    a, vector = floating(a), b.ndim == 1
    if rcond is None:
        rcond = max(a.shape[-2:]) * precision(a)
    u, inverse, vh = _factors(a, rcond if rcond >= 0 else precision(a))
    x = vh.mT @ (inverse[..., None] * (u.mT @ columns(b, vector)))
    return uncolumned(x, vector)


def _rank_by_values(A: Any, tol: Any, hermitian: bool, rtol: Any) -> Any:  # noqa: N803
    a = floating(A)
    if a.ndim < 2 or not isinstance(tol, (int, float, type(None))):
        return None
    if not isinstance(rtol, (int, float, type(None))):
        return None
    s = np.linalg.svdvals(a)
    if tol is None:
        rtol = max(a.shape[-2:]) * precision(s) if rtol is None else rtol
        tol = rtol * np.max(s, axis=-1, keepdims=True)
    return np.count_nonzero(s > tol, axis=-1)


def _pinv_rule(ct: Any, y: Any, a: Any, hermitian: bool, **_: Any) -> Any:
    """G. Golub and V. Pereyra (1973), The differentiation of pseudo-inverses: at constant rank,
    dP = -P dA P + P P^H dA^H (1 - A P) + (1 - P A) dA^H P^H P.
    """
    a = hermitian_part(a) if hermitian else a
    p, ph = y, adjoint(y)
    c = conj(ct)
    ch = adjoint(c)
    g = -(ph @ c @ ph)
    rest = ch @ p @ ph
    g = g + rest - a @ (p @ rest)
    rest = ph @ p @ ch
    g = conj(g + rest - rest @ p @ a)
    return hermitian_part(g) if hermitian else g


@operation(
    reverse=(_pinv_rule,),
    numpy=(np.linalg.pinv,),
    samples=[
        S(well(3, 3)),
        S(well(4, 2)),
        S(well(2, 3, 2)),
        S(well(3, 3), hermitian=True),
        S((2, 0)),
    ],
    batch=leading,
    expand=_pinv_by_values,
)
def pinv(a: Any, rcond: Any = None, hermitian: bool = False, *, rtol: Any = None) -> Any:
    """Moore-Penrose pseudo-inverse of each matrix: shape (..., m, n) to (..., n, m).

    Singular values below `rtol` (by default max(m, n) times the machine epsilon) times the largest
    count as zero. The derivative is that at constant rank. `hermitian` reads the symmetric part.

    >>> cr.linalg.pinv(cr.tensor([[2.0], [0.0]]))
    tensor([[0.5000, 0.0000]])
    """
    a = floating(matrices(a))
    if hermitian:
        a = hermitian_part(square(a))
    rtol = rcond if rtol is None else rtol
    if rtol is None:
        rtol = max(a.shape[-2:]) * precision(a)
    return np.linalg.pinv(a, rcond=rtol, hermitian=hermitian)


def _relative(rcond: Any) -> Any:
    """`rcond` of lstsq as the `rtol` of pinv."""
    return None if rcond is None or rcond < 0 else rcond


def _lstsq_by_right(ct: Any, _y: Any, a: Any, _b: Any, rcond: Any) -> Any:
    vector = _b.ndim == 1
    return uncolumned(pinv(a, rtol=_relative(rcond)).mT @ columns(ct, vector), vector)


def _lstsq_by_matrix(ct: Any, y: Any, a: Any, b: Any, rcond: Any) -> Any:
    """The derivative of pinv(a) @ b, without forming products of the size of pinv's own."""
    vector = b.ndim == 1
    p = pinv(a, rtol=_relative(rcond))
    x, c = columns(y, vector), conj(columns(ct, vector))
    ph, xh = adjoint(p), adjoint(x)
    back = ph @ c
    residual = columns(b, vector) - a @ x
    g = residual @ adjoint(p @ back) - back @ xh
    return conj(g + (ph @ x) @ adjoint(c - p @ (a @ c)))


@operation(
    arity=2,
    reverse=(_lstsq_by_matrix, _lstsq_by_right),
    linear=(1,),
    samples=[
        S(well(4, 2), (4,)),
        S(well(4, 2), (4, 3)),
        S(well(2, 4), (2,)),
        S(well(4, 2, 3), (4,)),
        S(well(3, 3, 2), (2, 3, 1)),
    ],
    batch=systems,
    expand=_least_squares_by_values,
)
def least_squares(a: Any, b: Any, *, rcond: Any = None) -> Any:
    """The x of least norm among those that minimize the 2-norm of a @ x - b.

    a has shape (..., m, n), of any rank; b is one vector (m,) or matrices (..., m, k). Singular
    values below `rcond` times the largest count as zero. The derivative is that at constant rank.

    >>> cr.linalg.least_squares(cr.tensor([[1.0], [1.0]]), cr.tensor([1.0, 2.0]))
    tensor([1.5000])
    """
    vector = b.ndim == 1
    a, b = matrices(a), columns(b, vector)
    batch = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    if not batch:
        return uncolumned(attempt(np.linalg.lstsq, a, b, rcond)[0], vector)
    a = np.broadcast_to(a, batch + a.shape[-2:])
    b = np.broadcast_to(b, batch + b.shape[-2:])
    x = np.empty((*batch, a.shape[-1], b.shape[-1]), np.result_type(a, b, np.float32))
    for i in np.ndindex(batch):
        x[i] = attempt(np.linalg.lstsq, a[i], b[i], rcond)[0]
    return uncolumned(x, vector)


@composite(
    numpy=(np.linalg.lstsq,),
    samples=[],
    untested="its results depend on the rank; see tests of linear algebra",
)
def lstsq(a: Any, b: Any, rcond: Any = None) -> tuple[Any, Any, Any, Any]:
    """Least-squares solution of a @ x = b, as `numpy.linalg.lstsq`: (x, residuals, rank, s).

    a is one matrix (m, n), b of shape (m,) or (m, k). `least_squares` gives x alone, in batches.

    >>> x, residuals, rank, s = cr.linalg.lstsq(cr.tensor([[1.0], [1.0]]), cr.tensor([1.0, 2.0]))
    >>> x, residuals, rank
    (tensor([1.5000]), tensor([0.5000]), 1)
    """
    if not recorded(a, b):
        return np.linalg.lstsq(a, b, rcond)
    x = least_squares(a, b, rcond=rcond)
    s = np.linalg.svdvals(a)
    values = raw(s)
    m, n = np.shape(a)
    cutoff = max(m, n) * precision(values) if _relative(rcond) is None else rcond
    rank = int(np.sum(values > cutoff * np.max(values, initial=0)))
    if rank == n and m > n:
        residuals = np.sum(np.abs(b - a @ x) ** 2, axis=0).reshape(-1)
    else:
        residuals = s[:0]
    return x, residuals, rank, s


# --- ranks, tensors, blocks ----------------------------------------------------------------------


@operation(
    differentiable=False,
    numpy=(np.linalg.matrix_rank,),
    samples=[S((3, 2)), S((2, 3, 3))],
    batch=matrix_ranks,
    expand=_rank_by_values,
)
def matrix_rank(A: Any, tol: Any = None, hermitian: bool = False, *, rtol: Any = None) -> Any:  # noqa: N803 - NumPy's name
    """Number of singular values above `tol`, or above `rtol` times the largest. Not differentiable.

    >>> cr.linalg.matrix_rank(cr.tensor([[1.0, 0.0], [0.0, 0.0]]))
    tensor(1)
    """
    return np.linalg.matrix_rank(A, tol, hermitian, rtol=rtol)


@composite(numpy=(np.linalg.tensorinv,), samples=[S((2, 3, 6), ind=2), S((4, 2, 2), ind=1)])
def tensorinv(a: Any, ind: int = 2) -> Any:
    """Inverse of an array as a linear map from its last axes to its first `ind` ones.

    >>> cr.linalg.tensorinv(cr.tensor([[[2.0]]]), ind=1).shape
    (1, 1, 1)
    """
    if not recorded(a):
        return np.linalg.tensorinv(a, ind)
    if ind <= 0:
        raise ValueError("tensorinv: ind must be positive")
    first, last = a.shape[:ind], a.shape[ind:]
    flat = a.reshape((int(np.prod(first)), int(np.prod(last))))
    return inv(flat).reshape((*last, *first))


@composite(
    numpy=(np.linalg.tensorsolve,),
    samples=[S((2, 3, 6), (2, 3)), S((2, 6, 3), (2, 3), axes=(1,))],
)
def tensorsolve(a: Any, b: Any, axes: Any = None) -> Any:
    """Solution x of tensordot(a, x, x.ndim) = b; `axes` of a are moved to its end first.

    >>> cr.linalg.tensorsolve(cr.tensor([[[2.0]]]), cr.tensor([[4.0]]))
    tensor([2.])
    """
    if not recorded(a, b):
        return np.linalg.tensorsolve(a, b, axes)
    a, b = floating(a), floating(b)
    if axes is not None:
        order = [k for k in range(a.ndim) if k not in axes]
        a = np.transpose(a, (*order, *axes))
    shape = a.shape[b.ndim :]
    flat = a.reshape((b.size, int(np.prod(shape))))
    return solve(flat, b.reshape((b.size,))).reshape(shape)


@composite(samples=[S((2, 3), (1, 2)), S((2, 2))])
def block_diag(*arrays: Any) -> Any:
    """Matrix with the given matrices (vectors count as rows) along its diagonal, zeros elsewhere.

    >>> cr.linalg.block_diag(cr.tensor([[1.0]]), cr.tensor([[2.0, 3.0]]))
    tensor([[1., 0., 0.],
            [0., 2., 3.]])
    """
    parts = [x if recorded(x) else np.asarray(x) for x in arrays]
    blocks = [x.reshape((1,) * (2 - x.ndim) + x.shape) if x.ndim < 2 else x for x in parts]
    width = sum(x.shape[-1] for x in blocks)
    rows, left = [], 0
    for x in blocks:
        height, size = x.shape
        right = width - left - size
        zeros = np.zeros((height, width), x.dtype)
        rows.append(np.concatenate([zeros[:, :left], x, zeros[:, width - right :]], axis=1))
        left += size
    return np.concatenate(rows, axis=0)


@composite(samples=[S((3,)), S((3,), (4,))])
def toeplitz(c: Any, r: Any = None) -> Any:
    """Matrix with constant diagonals: first column c, first row r (c if it is not given).

    >>> cr.linalg.toeplitz(cr.tensor([1.0, 2.0]), cr.tensor([1.0, 5.0]))
    tensor([[1., 5.],
            [2., 1.]])
    """
    c = c if recorded(c) else np.asarray(c)
    r = conj(c) if r is None else r if recorded(r) else np.asarray(r)
    m, n = c.shape[0], r.shape[0]
    values = np.concatenate([r[:0:-1], c]) if n > 1 else c
    return values[np.arange(m)[:, None] - np.arange(n) + max(n - 1, 0)]
