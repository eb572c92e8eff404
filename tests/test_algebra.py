"""The text's lemmas on Hadamard and Kronecker products over random shapes; Jacobian blocks."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import chainrule as cr
from chainrule.errors import ShapeError

sizes = st.integers(1, 4)
Array = np.ndarray[Any, Any]


def array(*shape: int, low: float = -3.0) -> st.SearchStrategy[Array]:
    """Arrays of small whole numbers and halves, whose sums and products are exact."""
    return arrays(np.float64, shape, elements=st.integers(int(2 * low), 6).map(lambda k: k / 2))


def matrices(data: st.DataObject, *shapes: tuple[int, ...]) -> list[Array]:
    """One array of each shape."""
    return [data.draw(array(*shape)) for shape in shapes]


def jacobian(f: Callable[[Any], Any], x: Array) -> Array:
    """The Jacobian of a function of vectors, one backward pass for each row."""
    v = cr.tensor(x, requires_grad=True)
    rows = []
    for i in range(f(v).shape[0]):
        v.grad = None
        f(v)[i].backward()
        rows.append(v.grad.numpy().copy() if v.grad is not None else np.zeros(x.shape))
    return np.array(rows).reshape(-1, x.shape[0])


# --- Hadamard ----------------------------------------------------------------------------------


@given(st.data(), sizes)
def test_diagonal_times_vector(data: st.DataObject, n: int) -> None:
    """(a) diag(a) b = a ⊙ b, and as diagonal matrices diag(a) diag(b) = diag(a ⊙ b)."""
    a, b = matrices(data, (n,), (n,))

    np.testing.assert_array_equal(cr.diag(a) @ b, cr.hadamard(a, b))
    np.testing.assert_array_equal(cr.diag(a) @ cr.diag(b), cr.diag(cr.hadamard(a, b)))


@given(st.data(), sizes)
def test_inner_product_with_a_hadamard_product(data: st.DataObject, n: int) -> None:
    """(b) a^T (b ⊙ c) = 1^T (a ⊙ b ⊙ c)."""
    a, b, c = matrices(data, (n,), (n,), (n,))

    assert a @ cr.hadamard(b, c) == np.ones(n) @ cr.hadamard(a, b, c)


@given(st.data(), sizes)
def test_diagonal_undoes_a_division(data: st.DataObject, n: int) -> None:
    """(c) diag(a) (b ⊘ a) = b where no entry of a is zero."""
    a, b = data.draw(array(n, low=0.5)), data.draw(array(n))

    np.testing.assert_allclose(cr.diag(a) @ cr.hadamard_div(b, a), b, rtol=1e-15)


@given(st.data(), sizes)
def test_inner_product_undoes_a_division(data: st.DataObject, n: int) -> None:
    """(d) a^T (b ⊘ a) = 1^T b where no entry of a is zero."""
    a, b = data.draw(array(n, low=0.5)), data.draw(array(n))

    np.testing.assert_allclose(a @ cr.hadamard_div(b, a), np.ones(n) @ b, rtol=1e-13, atol=1e-13)


@given(st.data(), sizes, sizes)
def test_hadamard_of_matrices(data: st.DataObject, n: int, m: int) -> None:
    """Product and quotient go element by element, and the product takes any number of factors."""
    a, b, c = matrices(data, (n, m), (n, m), (n, m))

    np.testing.assert_array_equal(cr.hadamard(a, b, c), a * b * c)
    with np.errstate(divide="ignore", invalid="ignore"):
        np.testing.assert_array_equal(cr.hadamard_div(a, b), a / b)


# --- Kronecker ---------------------------------------------------------------------------------


@given(st.data(), sizes, sizes, sizes, sizes)
def test_kronecker_distributes(data: st.DataObject, n: int, m: int, p: int, q: int) -> None:
    """(a) A ⊗ (B + C) = A ⊗ B + A ⊗ C, and (B + C) ⊗ A = B ⊗ A + C ⊗ A."""
    a, b, c = matrices(data, (n, m), (p, q), (p, q))

    np.testing.assert_array_equal(cr.kron(a, b + c), cr.kron(a, b) + cr.kron(a, c))
    np.testing.assert_array_equal(cr.kron(b + c, a), cr.kron(b, a) + cr.kron(c, a))


@given(st.data(), *[sizes] * 6)
def test_kronecker_mixed_product(
    data: st.DataObject, n: int, m: int, k: int, p: int, q: int, r: int
) -> None:
    """(b) (A ⊗ B) (C ⊗ D) = (A C) ⊗ (B D)."""
    a, b, c, d = matrices(data, (n, m), (p, q), (m, k), (q, r))

    np.testing.assert_array_equal(cr.kron(a, b) @ cr.kron(c, d), cr.kron(a @ c, b @ d))


@given(st.data(), sizes, sizes, sizes, sizes)
def test_kronecker_with_hadamard(data: st.DataObject, n: int, m: int, p: int, q: int) -> None:
    """(c) (A ⊗ B) ⊙ (C ⊗ D) = (A ⊙ C) ⊗ (B ⊙ D)."""
    a, b, c, d = matrices(data, (n, m), (p, q), (n, m), (p, q))

    np.testing.assert_array_equal(
        cr.hadamard(cr.kron(a, b), cr.kron(c, d)), cr.kron(cr.hadamard(a, c), cr.hadamard(b, d))
    )


@given(st.data(), sizes, sizes)
def test_kronecker_inverse(data: st.DataObject, n: int, m: int) -> None:
    """(d) (A ⊗ B)^-1 = A^-1 ⊗ B^-1."""
    a, b = matrices(data, (n, n), (m, m))
    a, b = a + 20 * np.eye(n), b + 20 * np.eye(m)  # dominated by the diagonal, so invertible

    np.testing.assert_allclose(
        cr.linalg.inv(cr.kron(a, b)), cr.kron(cr.linalg.inv(a), cr.linalg.inv(b)), atol=1e-12
    )


@given(st.data(), sizes, sizes, sizes, sizes)
def test_kronecker_transpose(data: st.DataObject, n: int, m: int, p: int, q: int) -> None:
    """(e) (A ⊗ B)^T = A^T ⊗ B^T."""
    a, b = matrices(data, (n, m), (p, q))

    np.testing.assert_array_equal(cr.kron(a, b).T, cr.kron(a.T, b.T))


@given(st.data(), sizes, sizes, sizes, sizes)
def test_kronecker_with_a_vector(data: st.DataObject, n: int, m: int, p: int, k: int) -> None:
    """(f) (A B) ⊗ u = (A ⊗ u) B for a column u, and (A B) ⊗ u^T = A (B ⊗ u^T)."""
    a, b, u = matrices(data, (n, m), (m, p), (k, 1))

    np.testing.assert_array_equal(cr.kron(a @ b, u), cr.kron(a, u) @ b)
    np.testing.assert_array_equal(cr.kron(a @ b, u.T), a @ cr.kron(b, u.T))


@given(st.data(), sizes, sizes, sizes)
def test_kronecker_takes_any_number_of_factors(data: st.DataObject, n: int, m: int, p: int) -> None:
    """The product associates."""
    factors = matrices(data, (n, m), (m, p), (p, n))

    np.testing.assert_array_equal(cr.kron(*factors), reduce(np.kron, factors))


@given(st.data(), sizes, sizes)
def test_outer_product(data: st.DataObject, n: int, m: int) -> None:
    """u v^T = v^T ⊗ u = u ⊗ v^T, for columns u and v."""
    u, v = matrices(data, (n,), (m,))

    np.testing.assert_array_equal(cr.outer(u, v), u[:, None] * v)
    np.testing.assert_array_equal(cr.outer(u, v), cr.kron(v[None, :], u[:, None]))
    np.testing.assert_array_equal(cr.outer(u, v), cr.kron(u[:, None], v[None, :]))


# --- vec and the blocks --------------------------------------------------------------------------


@given(st.data(), *[sizes] * 4)
def test_vec(data: st.DataObject, n: int, m: int, p: int, q: int) -> None:
    """The columns of a matrix are stacked, `unvec` undoes it, and vec(A X B) = (B^T ⊗ A) vec(X)."""
    a, x, b = matrices(data, (n, m), (m, p), (p, q))

    np.testing.assert_array_equal(cr.vec(x), np.concatenate(list(x.T)))
    np.testing.assert_array_equal(cr.unvec(cr.vec(x), x.shape), x)
    np.testing.assert_array_equal(cr.vec(a @ x @ b), cr.kron(b.T, a) @ cr.vec(x))


@given(st.data(), sizes, sizes)
def test_jacobian_of_a_linear_map(data: st.DataObject, n: int, m: int) -> None:
    """The Jacobian of (z, x) -> X z with x = vec(X^T) is (A_n[x]  B_n[z])."""
    z, x = matrices(data, (m,), (n * m,))

    both = jacobian(lambda zx: cr.algebra.A(zx[m:], n) @ zx[:m], np.concatenate([z, x]))

    np.testing.assert_array_equal(both, np.hstack([cr.algebra.A(x, n), cr.algebra.B(z, n)]))


@given(st.data(), sizes, sizes)
def test_blocks(data: st.DataObject, n: int, m: int) -> None:
    """A_n[vec(X^T)] is X, B_n[z] is I_n ⊗ z^T, and A_n[x] z = B_n[z] x."""
    matrix, z = matrices(data, (n, m), (m,))
    x = cr.vec(matrix.T)

    np.testing.assert_array_equal(cr.algebra.A(x, n), matrix)
    np.testing.assert_array_equal(cr.algebra.B(z, n), np.kron(np.eye(n), z[None, :]))
    np.testing.assert_array_equal(cr.algebra.A(x, n) @ z, cr.algebra.B(z, n) @ x)


@given(st.data(), sizes, sizes)
def test_blocks_are_differentiable(data: st.DataObject, n: int, m: int) -> None:
    """A and B are linear in the vector they are made of, so their Jacobian maps it to them."""
    x, z = matrices(data, (n * m,), (m,))

    by_x = jacobian(lambda v: cr.vec(cr.algebra.A(v, n)), x)
    by_z = jacobian(lambda v: cr.vec(cr.algebra.B(v, n)), z)

    np.testing.assert_array_equal(by_x @ x, cr.vec(cr.algebra.A(x, n)))
    np.testing.assert_array_equal(by_z @ z, cr.vec(cr.algebra.B(z, n)))


def test_block_matrix_is_zero_between_blocks() -> None:
    """An infinite entry of z does not leak into the zeros beside it."""
    np.testing.assert_array_equal(
        cr.algebra.B(np.array([np.inf, 1.0]), 2), [[np.inf, 1, 0, 0], [0, 0, np.inf, 1]]
    )


def test_division_by_zero_is_numpys() -> None:
    """The text excludes zero divisors; NumPy's infinities and NaN stand for what is undefined."""
    with np.errstate(divide="ignore", invalid="ignore"):
        out = cr.hadamard_div(np.array([1.0, -1.0, 0.0]), np.zeros(3))

    np.testing.assert_array_equal(out, [np.inf, -np.inf, np.nan])


@pytest.mark.parametrize("kind", [np.array, cr.tensor])
def test_the_kind_of_the_operands_is_kept(kind: Callable[..., Any]) -> None:
    """Arrays in, arrays out; Tensors in, Tensors out; float32 stays float32."""
    v = kind([1.0, 2.0], dtype=np.float32)
    results = [
        cr.hadamard(v, v), cr.hadamard_div(v, v), cr.kron(v, v), cr.outer(v, v), cr.diag(v),
        cr.vec(v), cr.unvec(v, (2, 1)), cr.algebra.A(v, 2), cr.algebra.B(v, 2),
    ]  # fmt: skip

    assert {type(r) for r in results} == {type(v)}
    assert {r.dtype for r in results} == {np.dtype(np.float32)}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: cr.hadamard(np.ones(2), np.ones(3)), r"hadamard: the shapes \[2\] and \[3\]"),
        (lambda: cr.hadamard_div(np.ones(2), 1.0), r"hadamard_div: the shapes \[2\] and \[\]"),
        (lambda: cr.outer(np.ones((2, 1)), np.ones(3)), r"outer: .* \[2, 1\] and \[3\]"),
        (lambda: cr.vec(np.ones((2, 2, 2))), r"vec: .* \[2, 2, 2\]"),
        (lambda: cr.unvec(np.ones(5), (2, 3)), r"unvec: .* \[2, 3\] has 6 .* has 5"),
        (lambda: cr.unvec(np.ones((2, 3)), (2, 3)), r"unvec: .* \[2, 3\]"),
        (lambda: cr.algebra.A(np.ones(5), 2), r"A: a vector of 5 elements does not fill 2 rows"),
        (lambda: cr.algebra.A(np.ones((2, 2)), 2), r"A: it takes a vector.* \[2, 2\]"),
        (lambda: cr.algebra.B(np.ones(()), 2), r"B: it takes a vector.* \[\]"),
        (lambda: cr.algebra.B(np.ones(2), 0), r"B: the number of rows must be at least 1, not 0"),
    ],
)
def test_shape_errors_name_function_and_shapes(call: Callable[[], Any], message: str) -> None:
    """What does not fit is named, with the line of the caller."""
    with pytest.raises(ShapeError, match=f"(?s){message}.*{__file__}"):
        call()
