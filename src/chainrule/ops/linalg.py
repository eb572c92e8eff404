"""The linear algebra operations, gathered: the namespace that is public as `chainrule.linalg`."""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.ops import diagonal as planes
from chainrule.ops.contraction import cross, matmul, multi_dot, outer, tensordot, vecdot
from chainrule.ops.decompositions import cholesky, lu, qr
from chainrule.ops.determinants import cofactor, cofactor_derivative, det, slogdet
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
from chainrule.ops.table import NUMPY


def diagonal(x: Any, /, *, offset: int = 0) -> Any:
    """The diagonals of the matrices in the last two axes of x, as the last axis of the result.

    >>> cr.linalg.diagonal(cr.tensor([[1.0, 2.0], [3.0, 4.0]]))
    tensor([1., 4.])
    """
    return planes.diagonal(x, offset, -2, -1)


def trace(x: Any, /, *, offset: int = 0, dtype: Any = None) -> Any:
    """The sums of the diagonals of the matrices in the last two axes of x.

    >>> cr.linalg.trace(cr.tensor([[1.0, 2.0], [3.0, 4.0]]))
    tensor(5.)
    """
    return planes.trace(x, offset, -2, -1, dtype)


NUMPY.update({
    np.linalg.cross: cross,
    np.linalg.diagonal: diagonal,
    np.linalg.matmul: matmul,
    np.linalg.matrix_transpose: matrix_transpose,
    np.linalg.tensordot: tensordot,
    np.linalg.trace: trace,
    np.linalg.vecdot: vecdot,
})  # fmt: skip

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
