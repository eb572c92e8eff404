"""`torch.linalg`: linear algebra under PyTorch's names, over that of `chainrule.linalg`."""

# ruff: noqa: N803 - matrices are A and B in PyTorch

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.errors import MatrixError
from chainrule.ops import contraction, cumulative, elementwise, linalg
from chainrule.ops import diagonal as diagonals
from chainrule.ops.contraction import matmul
from chainrule.ops.linalg import (
    cond,
    det,
    eigvals,
    inv,
    matrix_power,
    solve,
    svdvals,
    tensorinv,
    tensorsolve,
)
from chainrule.ops.linalg import expm as matrix_exp
from chainrule.ops.table import raw
from chainrule.torch import _missing, _results
from chainrule.torch._arguments import axes, numpy_names
from chainrule.torch._reductions import cast
from chainrule.torch._selected import like

__all__ = [
    "LinAlgError", "cholesky", "cholesky_ex", "cond", "cross", "det", "diagonal", "eig", "eigh",
    "eigvals", "eigvalsh", "inv", "inv_ex", "logdet", "lstsq", "lu", "matmul", "matrix_exp",
    "matrix_norm", "matrix_power", "matrix_rank", "multi_dot", "norm", "pinv", "qr", "slogdet",
    "solve", "solve_triangular", "svd", "svdvals", "tensorinv", "tensorsolve", "vander", "vecdot",
    "vector_norm",
]  # fmt: skip

LinAlgError = MatrixError


# --- factorizations -------------------------------------------------------------------------------


def cholesky(input: Any, *, upper: bool = False) -> Any:
    """The triangular factor of a positive definite matrix.

    >>> torch.linalg.cholesky(torch.tensor([[4.0, 2.0], [2.0, 5.0]]))
    tensor([[2., 0.],
            [1., 2.]])
    """
    return linalg.cholesky(input, upper=upper)


def cholesky_ex(input: Any, *, upper: bool = False, check_errors: bool = False) -> Any:
    """(L, info): the factor, and 0 where there is one; errors are raised as in `cholesky`."""
    info = np.zeros(input.shape[:-2], np.int32)
    return _results.linalg_cholesky_ex(cholesky(input, upper=upper), like(input, info))


def qr(A: Any, mode: str = "reduced") -> Any:
    """(Q, R): orthonormal columns times an upper triangle.

    >>> torch.linalg.qr(torch.eye(2)).R.shape
    torch.Size([2, 2])
    """
    return _results.linalg_qr(*linalg.qr(A, mode))


def svd(A: Any, full_matrices: bool = True) -> Any:
    """(U, S, Vh) with A = U diag(S) Vh.

    >>> torch.linalg.svd(torch.diag(torch.tensor([2.0, 1.0]))).S
    tensor([2., 1.])
    """
    return _results.linalg_svd(*linalg.svd(A, full_matrices=full_matrices))


def eig(A: Any) -> Any:
    """(eigenvalues, eigenvectors) of a square matrix, complex."""
    return _results.linalg_eig(*linalg.eig(A))


def eigh(A: Any, UPLO: str = "L") -> Any:
    """(eigenvalues, eigenvectors) of a symmetric or Hermitian matrix.

    >>> torch.linalg.eigh(torch.diag(torch.tensor([2.0, 1.0]))).eigenvalues
    tensor([1., 2.])
    """
    return _results.linalg_eigh(*linalg.eigh(A, UPLO))


def eigvalsh(A: Any, UPLO: str = "L") -> Any:
    """Eigenvalues of a symmetric or Hermitian matrix, in ascending order."""
    return linalg.eigvalsh(A, UPLO)


def lu(A: Any) -> Any:
    """(P, L, U) with A = P L U."""
    p, lower, upper = linalg.lu(A)
    return _results.linalg_lu(p.detach(), lower, upper)


# --- numbers --------------------------------------------------------------------------------------


def slogdet(A: Any) -> Any:
    """(sign, log of the absolute value) of the determinant.

    >>> torch.linalg.slogdet(-torch.eye(1)).sign
    tensor(-1.)
    """
    return _results.linalg_slogdet(*linalg.slogdet(A))


def logdet(A: Any) -> Any:
    """log of the determinant; NaN where that is negative."""
    sign, logarithm = linalg.slogdet(A)
    return elementwise.where(sign < 0, np.nan, logarithm)


def matrix_rank(A: Any, *, tol: Any = None, rtol: Any = None, hermitian: bool = False) -> Any:
    """Number of singular values that count as not zero."""
    return linalg.matrix_rank(A, tol, hermitian, rtol=rtol)


# --- norms ----------------------------------------------------------------------------------------


@numpy_names
def norm(
    A: Any,
    ord: Any = None,
    dim: Any = None,
    keepdim: bool = False,
    *,
    dtype: Any = None,
) -> Any:
    """Norm of a vector or matrix, by default the 2-norm of all elements.

    >>> torch.linalg.norm(torch.tensor([3.0, 4.0]))
    tensor(5.)
    """
    return linalg.norm(cast(A, dtype), ord, axes(dim), keepdim)


@numpy_names
def vector_norm(
    x: Any, ord: Any = 2, dim: Any = None, keepdim: bool = False, *, dtype: Any = None,
    input: Any = None,
) -> Any:  # fmt: skip
    """Norm of all elements, or along `dim`.

    >>> torch.linalg.vector_norm(torch.tensor([3.0, -4.0]), ord=1)
    tensor(7.)
    """
    return linalg.vector_norm(cast(x, dtype), axis=axes(dim), keepdims=keepdim, ord=ord)


@numpy_names
def matrix_norm(
    A: Any,
    ord: Any = "fro",
    dim: Any = (-2, -1),
    keepdim: bool = False,
    *,
    dtype: Any = None,
) -> Any:
    """Norm of matrices.

    >>> torch.linalg.matrix_norm(torch.eye(4))
    tensor(2.)
    """
    if tuple(dim) == (-2, -1):
        return linalg.matrix_norm(cast(A, dtype), keepdims=keepdim, ord=ord)
    return linalg.norm(cast(A, dtype), ord, axes(dim), keepdim)


# --- systems --------------------------------------------------------------------------------------


def solve_triangular(
    A: Any,
    B: Any,
    *,
    upper: bool,
    left: bool = True,
    unitriangular: bool = False,
) -> Any:
    """X with A X = B (or X A = B), A being triangular."""
    if left:
        return linalg.solve_triangular(A, B, lower=not upper, unit_diagonal=unitriangular)
    return linalg.solve_triangular(A.mT, B.mT, lower=upper, unit_diagonal=unitriangular).mT


def inv_ex(A: Any, *, check_errors: bool = False) -> Any:
    """(inverse, info); errors are raised as in `inv`."""
    return _results.linalg_inv_ex(inv(A), like(A, np.zeros(A.shape[:-2], np.int32)))


def pinv(A: Any, *, rcond: Any = None, rtol: Any = None, hermitian: bool = False) -> Any:
    """Pseudo-inverse."""
    return linalg.pinv(A, hermitian=hermitian, rtol=rcond if rtol is None else rtol)


def lstsq(A: Any, B: Any, rcond: Any = None, *, driver: str | None = None) -> Any:
    """(solution, residuals, rank, singular_values) of the least-squares problem A X = B.

    >>> torch.linalg.lstsq(torch.ones(2, 1), torch.tensor([[1.0], [2.0]])).solution
    tensor([[1.5000]])
    """
    solution = linalg.least_squares(A, B, rcond=rcond)
    rows, columns = A.shape[-2:]
    rank = linalg.matrix_rank(A)
    if rows > columns and bool((raw(rank) == columns).all()):
        residuals = ((B - matmul(A, solution)) ** 2).sum(-2)
    else:
        residuals = like(A, np.zeros(0, raw(A).dtype))
    return _results.linalg_lstsq(solution, residuals, rank, like(A, np.zeros(0, raw(A).dtype)))


# --- products -------------------------------------------------------------------------------------


def cross(input: Any, other: Any, *, dim: int = -1) -> Any:
    """Vector product along a dimension of size 3."""
    return contraction.cross(input, other, dim)


def vecdot(x: Any, y: Any, *, dim: int = -1) -> Any:
    """Inner products along a dimension, the first operand conjugated.

    >>> torch.linalg.vecdot(torch.ones(2, 3), torch.ones(2, 3))
    tensor([3., 3.])
    """
    return contraction.vecdot(x, y, dim)


def multi_dot(tensors: Sequence[Any]) -> Any:
    """Product of several matrices, in the order that costs least."""
    return contraction.multi_dot(tensors)


def diagonal(A: Any, *, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Any:
    """Diagonals of matrices, as the last dimension."""
    return diagonals.diagonal(A, offset, dim1, dim2)


def vander(x: Any, N: int | None = None) -> Any:
    """The Vandermonde matrix: powers 0 to N - 1 of x in its columns.

    >>> torch.linalg.vander(torch.tensor([1.0, 2.0]), N=3)
    tensor([[1., 1., 1.],
            [1., 2., 4.]])
    """
    count = x.shape[-1] if N is None else N
    powers = x[..., None].expand(*x.shape, count)
    first = elementwise.where(np.arange(count) == 0, 1.0, powers)
    return cumulative.cumulative_prod(first, -1)


def __getattr__(name: str) -> Any:
    raise _missing.missing(__name__, name, __all__)
