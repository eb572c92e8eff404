"""Products of vectors and matrices under PyTorch's names; most are also methods of Tensor."""

from __future__ import annotations

from typing import Any

from chainrule.errors import ShapeError, at, user_line
from chainrule.ops import contraction, linalg, movement
from chainrule.ops import einsum as _einsum
from chainrule.ops.contraction import matmul
from chainrule.torch import _results
from chainrule.torch import linalg as _linalg

__all__ = [
    "addmm", "addmv", "addr", "baddbmm", "bmm", "cdist", "chain_matmul", "cholesky", "cross",
    "det", "dot", "einsum", "ger", "inner", "inverse", "kron", "logdet", "matmul", "matrix_exp",
    "matrix_power", "mm", "mv", "outer", "pinverse", "qr", "slogdet", "svd", "tensordot",
    "vdot",
]  # fmt: skip


def _dimensions(name: str, *wanted: tuple[Any, int]) -> None:
    for x, ndim in wanted:
        if x.ndim != ndim:
            raise ShapeError(
                f"{name}: an operand of shape {list(x.shape)}, where {ndim} dimensions are needed; "
                "`@` takes others" + at(user_line())
            )


def mm(input: Any, mat2: Any) -> Any:
    """Product of two matrices.

    >>> torch.mm(torch.eye(2), torch.ones(2, 1))
    tensor([[1.],
            [1.]])
    """
    _dimensions("mm", (input, 2), (mat2, 2))
    return matmul(input, mat2)


def mv(input: Any, vec: Any) -> Any:
    """Product of a matrix and a vector."""
    _dimensions("mv", (input, 2), (vec, 1))
    return matmul(input, vec)


def bmm(input: Any, mat2: Any) -> Any:
    """Products of the matrices of two batches."""
    _dimensions("bmm", (input, 3), (mat2, 3))
    return matmul(input, mat2)


def dot(input: Any, tensor: Any) -> Any:
    """Inner product of two vectors.

    >>> torch.dot(torch.tensor([1.0, 2.0]), torch.tensor([3.0, 4.0]))
    tensor(11.)
    """
    _dimensions("dot", (input, 1), (tensor, 1))
    return matmul(input, tensor)


def vdot(input: Any, other: Any) -> Any:
    """Inner product of two vectors, the first conjugated."""
    _dimensions("vdot", (input, 1), (other, 1))
    return contraction.vecdot(input, other)


def inner(input: Any, other: Any) -> Any:
    """Inner products over the last dimensions."""
    return contraction.inner(input, other)


def outer(input: Any, vec2: Any) -> Any:
    """All products of an element of one vector with an element of another.

    >>> torch.outer(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 10.0]))
    tensor([[ 1., 10.],
            [ 2., 20.]])
    """
    _dimensions("outer", (input, 1), (vec2, 1))
    return contraction.outer(input, vec2)


ger = outer


def kron(input: Any, other: Any) -> Any:
    """Kronecker product.

    >>> torch.kron(torch.eye(2), torch.ones(1, 2)).shape
    torch.Size([2, 4])
    """
    return contraction.kron(input, other)


def einsum(equation: str, *operands: Any) -> Any:
    """A sum of products, by Einstein's convention.

    >>> torch.einsum("ij,j->i", torch.ones(2, 3), torch.ones(3))
    tensor([3., 3.])
    """
    if len(operands) == 1 and isinstance(operands[0], (list, tuple)):
        operands = tuple(operands[0])
    return _einsum.einsum(equation, *operands)


def tensordot(a: Any, b: Any, dims: Any = 2) -> Any:
    """Sum of products over the last `dims` dimensions of a and the first of b, or those named."""
    return contraction.tensordot(a, b, dims)


def cross(input: Any, other: Any, dim: int | None = None) -> Any:
    """Vector product along a dimension of size 3 (by default the first such).

    >>> torch.cross(torch.tensor([1.0, 0, 0]), torch.tensor([0, 1.0, 0]), dim=0)
    tensor([0., 0., 1.])
    """
    if dim is None:
        dim = next((i for i, n in enumerate(input.shape) if n == 3), -1)
    return contraction.cross(input, other, dim)


def _weighted(input: Any, product: Any, beta: float, alpha: float) -> Any:
    product = product if alpha == 1 else alpha * product
    return (input if beta == 1 else beta * input) + product


def addmm(input: Any, mat1: Any, mat2: Any, *, beta: float = 1, alpha: float = 1) -> Any:
    """beta * input + alpha * mat1 @ mat2."""
    return _weighted(input, mm(mat1, mat2), beta, alpha)


def addmv(input: Any, mat: Any, vec: Any, *, beta: float = 1, alpha: float = 1) -> Any:
    """beta * input + alpha * mat @ vec."""
    return _weighted(input, mv(mat, vec), beta, alpha)


def addr(input: Any, vec1: Any, vec2: Any, *, beta: float = 1, alpha: float = 1) -> Any:
    """beta * input + alpha * outer(vec1, vec2)."""
    return _weighted(input, outer(vec1, vec2), beta, alpha)


def baddbmm(input: Any, batch1: Any, batch2: Any, *, beta: float = 1, alpha: float = 1) -> Any:
    """beta * input + alpha * batch1 @ batch2, matrix by matrix."""
    return _weighted(input, bmm(batch1, batch2), beta, alpha)


def chain_matmul(*matrices: Any) -> Any:
    """Product of several matrices, in the order that costs least."""
    return contraction.multi_dot(matrices)


def cdist(x1: Any, x2: Any, p: float = 2.0) -> Any:
    """Distances between every row of x1 and every row of x2.

    >>> torch.cdist(torch.zeros(1, 2), torch.tensor([[3.0, 4.0]]))
    tensor([[5.]])
    """
    difference = movement.expand_dims(x1, -2) - movement.expand_dims(x2, -3)
    return linalg.vector_norm(difference, axis=-1, ord=p)


# --- decompositions, under their older names ------------------------------------------------------


det, logdet, inverse = _linalg.det, _linalg.logdet, _linalg.inv
matrix_exp, matrix_power = _linalg.matrix_exp, _linalg.matrix_power


def slogdet(input: Any) -> Any:
    """(sign, log of the absolute value) of the determinant."""
    return _results.slogdet(*linalg.slogdet(input))


def cholesky(input: Any, upper: bool = False) -> Any:
    """The triangular factor of a positive definite matrix."""
    return _linalg.cholesky(input, upper=upper)


def qr(input: Any, some: bool = True) -> Any:
    """(Q, R): orthogonal times upper triangular."""
    return _results.qr(*_linalg.qr(input, "reduced" if some else "complete"))


def svd(input: Any, some: bool = True, compute_uv: bool = True) -> Any:
    """(U, S, V) with input = U diag(S) V^H."""
    if not compute_uv:
        values = _linalg.svdvals(input)
        rows, cols = input.shape[-2:]
        return _results.svd(values.new_zeros(rows, rows), values, values.new_zeros(cols, cols))
    u, s, vh = _linalg.svd(input, full_matrices=not some)
    return _results.svd(u, s, vh.mH)


def pinverse(input: Any, rcond: float = 1e-15) -> Any:
    """Pseudo-inverse."""
    return _linalg.pinv(input, rtol=rcond)
