"""Cholesky, QR and LU factors, batched over leading dimensions.

Operations on symmetric matrices read the symmetric part (a + a^H) / 2 of their argument, so that
their derivative in every entry is well defined. M. Seeger et al., Auto-differentiating linear
algebra (2017), derive the rules for Cholesky and QR. Next: `ops.eigen`, `ops.singular`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.errors import MissingDerivative, at, user_line
from chainrule.ops import matrix_loops, small_matrices
from chainrule.ops.batched import leading
from chainrule.ops.ensured import ensured, in_batch
from chainrule.ops.matrices import (
    adjoint,
    attempt,
    conj,
    floating,
    hermitian_part,
    largest,
    matrices,
    precision,
    spd,
    square,
    well,
)
from chainrule.ops.native import loops
from chainrule.ops.recording import is_traced
from chainrule.ops.systems import solve_triangular
from chainrule.ops.table import NUMPY, S, operation, raw

# --- Cholesky ------------------------------------------------------------------------------------


def _cholesky_rule(ct: Any, y: Any, _a: Any, upper: bool) -> Any:
    """Symmetric part of L^-H phi(L^H ct) L^-1, phi: the lower triangle with half the diagonal."""
    factor, c = (adjoint(y), adjoint(conj(ct))) if upper else (y, conj(ct))
    half = np.tri(factor.shape[-1], dtype=_real(c)) - 0.5 * np.eye(factor.shape[-1], dtype=_real(c))
    inner = (adjoint(factor) @ c) * half
    left = solve_triangular(factor, inner, lower=True, trans=2)
    return conj(hermitian_part(solve_triangular(factor, adjoint(left), lower=True, trans=2)))


def _real(x: Any) -> Any:
    """The real dtype of the precision of x."""
    return np.finfo(x.dtype).dtype


@operation(
    reverse=(_cholesky_rule,),
    numpy=(np.linalg.cholesky,),
    samples=[S(spd(4)), S(spd(3, 2), upper=True), S(spd(1)), S(spd(0))],
    batch=leading,
    expand=small_matrices.factored,
    native=loops(matrix_loops.cholesky, core=(2,)),
)
def cholesky(a: Any, /, *, upper: bool = False) -> Any:
    """Lower triangular L with L @ L^H = a (or the upper one, U^H @ U = a) of positive definite a.

    Reads the symmetric part of a. Raises MatrixError where it is not positive definite.

    >>> cr.linalg.cholesky(cr.tensor([[4.0, 2.0], [2.0, 5.0]]))
    tensor([[2., 0.],
            [1., 2.]])
    """
    return attempt(np.linalg.cholesky, hermitian_part(floating(square(a))), upper=upper)


# --- QR and LU -----------------------------------------------------------------------------------


def _qr_square(cq: Any, cr: Any, q: Any, r: Any) -> Any:
    """Cotangent of a = q r where r is square, in the literature's convention."""
    m = np.triu(cr @ adjoint(r) - adjoint(q) @ cq)
    n = r.shape[-1]
    both = (m + adjoint(m)) * (1 - 0.5 * np.eye(n, dtype=_real(r)))
    return adjoint(solve_triangular(r, adjoint(cq + q @ both)))


def _qr_rule(ct: Any, y: Any, _a: Any, mode: str) -> Any:
    """S. Walter and L. Lehmann (2010), and for wide matrices J. Liao et al. (2019):
    the columns beyond the square part are q @ r2, and add to the cotangent of q.
    """
    (cq, cr), (q, r) = (conj(ct[0]), conj(ct[1])), y
    m, n = q.shape[-2], r.shape[-1]
    if mode == "complete" and m > n:
        raise MissingDerivative(
            "qr: the derivative for mode='complete' of a matrix with more rows than columns is "
            "missing: the columns of q beyond the first n are not determined by the matrix. "
            "Use mode='reduced'" + at(user_line())
        )
    r = _full_rank(r)
    if m >= n:
        return conj(_qr_square(cq, cr, q, r))
    rest, c_rest = r[..., m:], cr[..., m:]
    first = _qr_square(cq + q @ rest @ adjoint(c_rest), cr[..., :m], q, r[..., :m])
    return conj(np.concatenate([first, q @ c_rest], axis=-1))


def _full_rank(r: Any) -> Any:
    """r; an error where a diagonal element of the triangle vanishes."""
    on = np.abs(np.diagonal(raw(r), axis1=-2, axis2=-1))
    low = np.any(on <= 8 * precision(r) * largest(on), axis=-1)
    why = (
        "qr: the leading columns are linearly dependent, where q has no derivative; it takes a "
        "matrix whose first min(m, n) columns are independent; they are dependent"
    )
    if is_traced(low):
        return ensured(r, np.logical_not(low)[..., None, None], why)
    if np.any(low):
        raise MissingDerivative(why + in_batch(np.argwhere(low)[0]) + at(user_line()))
    return r


@operation(
    reverse=(_qr_rule,),
    results=2,
    samples=[
        S(well(4, 3)),
        S(well(3, 3, 2)),
        S(well(2, 4)),
        S(well(3, 4, 2), mode="complete"),
        S(well(1, 1)),
    ],
    batch=leading,
    native=loops(matrix_loops.qr, core=(2,)),
)
def qr(a: Any, mode: str = "reduced") -> Any:
    """Factors (Q, R) of a = Q @ R: orthonormal columns, and an upper triangle.

    (..., m, n) gives (..., m, k) and (..., k, n) with k = min(m, n); mode="complete" gives all m
    columns of Q. The derivative needs linearly independent leading columns, and for m > n
    mode="reduced".

    >>> cr.linalg.qr(cr.tensor([[0.0, 2.0], [1.0, 0.0]])).R.shape
    (2, 2)
    """
    if mode not in ("reduced", "complete"):
        raise ValueError(
            f"mode={mode!r} is not one of 'reduced' and 'complete'; numpy.linalg.qr also takes 'r'"
        )
    return attempt(np.linalg.qr, matrices(a), mode)


def _numpy_qr(a: Any, mode: str = "reduced") -> Any:
    """NumPy's qr, whose mode 'r' gives R alone."""
    return qr(a).R if mode == "r" else qr(a, mode=mode)


NUMPY[np.linalg.qr] = _numpy_qr


def _lu_rule(ct: Any, y: Any, _a: Any) -> Any:
    """p^T a = l u: p l^-T (strict lower triangle of l^T cl + upper triangle of cu u^T) u^-T."""
    (_, cl, cu), (p, lower, upper) = ct, y
    inner = np.tril(lower.mT @ cl, -1) + np.triu(cu @ upper.mT)
    left = solve_triangular(lower, inner, lower=True, trans=1, unit_diagonal=True)
    return raw(p) @ solve_triangular(upper, left.mT).mT


@operation(
    reverse=(_lu_rule,),
    results=3,
    samples=[S(well(3, 3)), S(well(4, 4, 2))],
    batch=leading,
    native=loops(matrix_loops.lu, core=(2,)),
)
def lu(a: Any) -> tuple[Any, Any, Any]:
    """Factors (P, L, U) of square matrices a = P @ L @ U, as `scipy.linalg.lu`.

    P is a permutation, L lower triangular with ones on the diagonal, U upper triangular.

    >>> p, l, u = cr.linalg.lu(cr.tensor([[2.0, 1.0], [4.0, 4.0]]))
    >>> u
    tensor([[ 4.,  4.],
            [ 0., -1.]])
    """
    from scipy.linalg import lu as factor

    return tuple(factor(square(a)))
