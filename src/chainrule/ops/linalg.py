"""The linear algebra operations, gathered: the namespace that is public as `chainrule.linalg`."""

from __future__ import annotations

from chainrule.ops.decompositions import cholesky, lu, qr
from chainrule.ops.determinants import cofactor, cofactor_derivative, det, slogdet
from chainrule.ops.eigen import eig, eigh, eigvals, eigvalsh
from chainrule.ops.matrix_functions import expm, logm, matrix_power, sqrtm
from chainrule.ops.norms import cond, matrix_norm, norm, vector_norm
from chainrule.ops.singular import svd, svdvals
from chainrule.ops.systems import (
    block_diag,
    cho_solve,
    inv,
    least_squares,
    lstsq,
    matrix_rank,
    pinv,
    solve,
    solve_triangular,
    tensorinv,
    tensorsolve,
    toeplitz,
)

__all__ = [
    "block_diag",
    "cho_solve",
    "cholesky",
    "cofactor",
    "cofactor_derivative",
    "cond",
    "det",
    "eig",
    "eigh",
    "eigvals",
    "eigvalsh",
    "expm",
    "inv",
    "least_squares",
    "logm",
    "lstsq",
    "lu",
    "matrix_norm",
    "matrix_power",
    "matrix_rank",
    "norm",
    "pinv",
    "qr",
    "slogdet",
    "solve",
    "solve_triangular",
    "sqrtm",
    "svd",
    "svdvals",
    "tensorinv",
    "tensorsolve",
    "toeplitz",
    "vector_norm",
]
