"""The linear algebra operations, gathered: the namespace that is public as `chainrule.linalg`."""

from __future__ import annotations

from chainrule.ops.contraction import cross, matmul, multi_dot, outer, tensordot, vecdot
from chainrule.ops.decompositions import cholesky, lu, qr
from chainrule.ops.determinants import cofactor, cofactor_derivative, det, slogdet
from chainrule.ops.diagonal import diagonal, trace
from chainrule.ops.eigen import eig, eigh, eigvals, eigvalsh
from chainrule.ops.matrix_functions import expm, logm, matrix_power, sqrtm
from chainrule.ops.movement import matrix_transpose
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
    "cross",
    "det",
    "diagonal",
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
    "matmul",
    "matrix_norm",
    "matrix_power",
    "matrix_rank",
    "matrix_transpose",
    "multi_dot",
    "norm",
    "outer",
    "pinv",
    "qr",
    "slogdet",
    "solve",
    "solve_triangular",
    "sqrtm",
    "svd",
    "svdvals",
    "tensordot",
    "tensorinv",
    "tensorsolve",
    "toeplitz",
    "trace",
    "vecdot",
    "vector_norm",
]
