"""Linear algebra where the samples do not reach: singular, tied, rank-deficient, complex."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.derive.forward import forward

EYE = np.eye(3)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)


def gradient(f: Callable[..., Any], *at: Any) -> list[Any]:
    leaves = [cr.tensor(x, requires_grad=True) for x in at]
    f(*leaves).backward()
    return [x.grad.numpy() for x in leaves]


def differences(f: Callable[[Any], Any], x: Any, h: float = 1e-5) -> Any:
    out = np.zeros_like(x)
    for i in np.ndindex(x.shape):
        e = np.zeros_like(x)
        e[i] = h
        out[i] = (f(x + e) - f(x - e)) / (2 * h)
    return out


def along(f: Callable[[Any], Any], x: Any, directions: list[Any]) -> float:
    """Repeated directional derivative."""
    t = cr.tensor(x, requires_grad=True)
    y = f(t)
    for d in directions:
        t.grad = None
        y.backward(create_graph=True)
        y = np.sum(t.grad * d)
    return float(y)


def tied(rng: np.random.Generator) -> Any:
    """A symmetric matrix with the eigenvalues 1, 1, 2, 3."""
    q = np.linalg.qr(rng.standard_normal((4, 4)))[0]
    a = (q * [1, 1, 2, 3]) @ q.T
    return (a + a.T) / 2


@pytest.mark.parametrize("rank", range(5))
@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_derivatives_of_det_at_any_rank(rank: int, order: int, rng: np.random.Generator) -> None:
    x = rng.standard_normal((4, rank)) @ rng.standard_normal((rank, 4))
    directions = [rng.standard_normal((4, 4)) for _ in range(order)]

    def polarized(h: float) -> float:
        signs = itertools.product((-1, 1), repeat=order)
        terms = (
            np.prod(s)
            * np.linalg.det(x + h * sum(a * d for a, d in zip(s, directions, strict=True)))
            for s in signs
        )
        return float(sum(terms)) / (2 * h) ** order

    # the error of the difference is one term in h**2, the polynomial having degree 4
    exact = (4 * polarized(0.05) - polarized(0.1)) / 3
    assert along(np.linalg.det, x, directions) == pytest.approx(exact, rel=1e-6, abs=1e-6)


def test_tied_eigenvalues_of_a_symmetric_function(rng: np.random.Generator) -> None:
    a = tied(rng)
    for f in (np.linalg.eigvalsh, lambda t: np.linalg.eigh(t)[0]):
        (g,) = gradient(lambda t, f=f: np.sum(f(t) ** 3), a)
        np.testing.assert_allclose(g, 3 * a @ a, atol=1e-12)


def test_tied_eigenvalues_share_equally() -> None:
    (g,) = gradient(lambda t: np.linalg.eigvalsh(t)[-1], EYE)
    np.testing.assert_allclose(g, EYE / 3, atol=1e-15)


def test_projector_on_an_eigenspace(rng: np.random.Generator) -> None:
    a, c = tied(rng), rng.standard_normal((4, 4))

    def f(x: Any) -> Any:
        v = np.linalg.eigh((x + x.T) / 2)[1][:, :2]
        return np.sum(c * (v @ v.T))

    np.testing.assert_allclose(gradient(f, a)[0], differences(f, a), atol=1e-8)


def test_polar_factor_with_tied_singular_values(rng: np.random.Generator) -> None:
    a, c = 2 * np.eye(4), rng.standard_normal((4, 4))

    def f(x: Any) -> Any:
        u, _, vh = np.linalg.svd(x, full_matrices=False)
        return np.sum(c * (u @ vh))

    np.testing.assert_allclose(gradient(f, a)[0], differences(f, a), atol=1e-8)


def mixed(t: Any) -> Any:
    """The square of a matrix by its eigenvalues: not determined by cotangents where they tie."""
    w, v = np.linalg.eigh(t)
    return np.sum(np.arange(9.0).reshape(3, 3) * ((v * w**2) @ v.T))


MISSING = {
    "a choice among tied eigenvectors": (lambda t: np.linalg.eigh(t)[1][0].sum(), EYE),
    "eigenvalues and vectors together": (mixed, EYE),
    "extra columns of a full svd": (lambda t: np.sum(np.linalg.svd(t)[0]), EYE[:, :2]),
    "extra columns of a complete qr": (
        lambda t: np.sum(cr.linalg.qr(t, "complete")[0]),
        EYE[:, :2],
    ),
    "qr of dependent columns": (lambda t: np.sum(np.linalg.qr(t)[0]), np.ones((3, 2))),
    "a defective matrix": (lambda t: np.sum(np.linalg.eigvals(t)), np.array([[1.0, 1], [0, 1]])),
    "the phase of eigenvectors": (
        lambda t: np.real(np.linalg.eig(t)[1][0, 0] * (1 + 2j)),
        np.array([[0.0, 1], [-1, 0]]),
    ),
    "log det of a singular matrix": (lambda t: np.linalg.slogdet(t)[1], np.ones((2, 2))),
}


@pytest.mark.parametrize("case", MISSING)
def test_missing_derivatives_are_named(case: str) -> None:
    f, x = MISSING[case]
    with pytest.raises(cr.MissingDerivative):
        gradient(f, x)


def test_forward_through_tied_eigenvectors_is_missing() -> None:
    t = cr.tensor(EYE, requires_grad=True)
    y = np.linalg.eigh(t)[1][0, 0]
    with pytest.raises(cr.MissingDerivative, match="eigenvalues 0 and 1 coincide"):
        forward([y._node], {t._node: np.ones((3, 3))}, cr.Tensor)


@pytest.mark.parametrize("kind", ["real", "complex"])
def test_forward_through_complex_eigenvectors(kind: str) -> None:
    """The tangent is that of the vectors NumPy gives, whose largest component is real."""
    rng = np.random.default_rng(3)
    a, da = rng.standard_normal((2, 3, 4, 4))
    if kind == "complex":
        a, da = a + 1j * rng.standard_normal(a.shape), da + 1j * rng.standard_normal(a.shape)
    h = 1e-6
    plus, minus = np.linalg.eig(a + h * da), np.linalg.eig(a - h * da)
    assert plus.eigenvectors.dtype == complex
    _, found = cr.jvp(lambda t: tuple(np.linalg.eig(t)), a, da)
    for d, p, q in zip(found, plus, minus, strict=True):
        np.testing.assert_allclose(d, (p - q) / (2 * h), atol=1e-7)


def test_hessian_of_a_function_of_complex_eigenvalues() -> None:
    """Forward over reverse goes through the vectors, though the function does not need them."""
    a = np.random.default_rng(4).standard_normal((3, 3))
    assert np.linalg.eigvals(a).dtype == complex

    assert cr.check_grad(lambda t: np.sum(np.abs(np.linalg.eigvals(t)) ** 2), a, order=2)


def test_slogdet_of_a_singular_matrix_under_a_mask() -> None:
    x = np.stack([np.ones((3, 3)), EYE])
    (g,) = gradient(lambda t: np.sum(np.where([False, True], np.linalg.slogdet(t)[1], 0.0)), x)
    np.testing.assert_array_equal(g, np.stack([np.zeros((3, 3)), EYE]))


BAD = {
    "singular": lambda: np.linalg.inv(cr.tensor([[1.0, 2], [2, 4]])),
    r"matrix \[1\] of the batch": lambda: np.linalg.solve(
        cr.tensor([[[1.0, 0], [0, 1]], [[1, 2], [2, 4]]]), np.ones(2)
    ),
    "not positive definite": lambda: np.linalg.cholesky(cr.tensor([[1.0, 2], [2, 1]])),
    "needs a square matrix": lambda: np.linalg.det(cr.tensor([[1.0, 2]])),
    "needs a matrix": lambda: np.linalg.inv(cr.tensor([1.0, 2])),
}


@pytest.mark.parametrize("message", BAD)
def test_matrices_that_do_not_fit(message: str) -> None:
    with pytest.raises(np.linalg.LinAlgError, match=f"(?i){message}") as caught:
        BAD[message]()
    assert isinstance(caught.value, cr.ChainruleError)


@pytest.mark.parametrize("order", [None, "fro", "nuc", 1, 2, np.inf])
def test_gradient_of_a_norm_at_zero(order: Any) -> None:
    (g,) = gradient(lambda t: np.linalg.norm(t, order), np.zeros((2, 3)))
    np.testing.assert_array_equal(g, np.zeros((2, 3)))


def test_ties_of_norms_share() -> None:
    (g,) = gradient(lambda t: np.linalg.norm(t, np.inf), np.array([2.0, -2, 1]))
    np.testing.assert_array_equal(g, [0.5, -0.5, 0])
    (g,) = gradient(lambda t: np.linalg.norm(t, 2), np.eye(2))
    np.testing.assert_allclose(g, np.eye(2) / 2, atol=1e-15)


@pytest.mark.parametrize("k", [None, 2])
def test_least_squares_of_deficient_rank(k: int | None, rng: np.random.Generator) -> None:
    """Against the pseudo-inverse, along perturbations that keep the rank."""
    left, right = rng.standard_normal((5, 2)), rng.standard_normal((2, 3))
    b = rng.standard_normal(5 if k is None else (5, k))
    solutions = (
        lambda x: np.linalg.pinv(x, rtol=1e-10) @ b,
        lambda x: np.linalg.lstsq(x, b, 1e-10)[0],
    )
    for solution in solutions:

        def f(x: Any, solution: Any = solution) -> Any:
            return np.sum(solution(x @ right) ** 2)

        np.testing.assert_allclose(gradient(f, left)[0], differences(f, left), rtol=1e-6, atol=1e-6)


def test_lstsq_as_numpy(rng: np.random.Generator) -> None:
    a, b = rng.standard_normal((4, 2)), rng.standard_normal(4)
    for ours, theirs in zip(np.linalg.lstsq(cr.tensor(a), b), np.linalg.lstsq(a, b), strict=True):
        np.testing.assert_allclose(np.asarray(ours), theirs, atol=1e-12)
    residual = gradient(lambda x, y: np.linalg.lstsq(x, y)[1].sum(), a, b)[1]
    np.testing.assert_allclose(residual, 2 * (b - a @ np.linalg.lstsq(a, b)[0]), atol=1e-12)


@pytest.mark.parametrize("lower", [True, False])
def test_cho_solve(lower: bool, rng: np.random.Generator) -> None:
    a = rng.standard_normal((3, 3))
    a, b = a @ a.T + EYE, rng.standard_normal(3)

    def f(x: Any, y: Any) -> Any:
        return np.sum(cr.linalg.cho_solve((cr.linalg.cholesky(x, upper=not lower), lower), y) ** 3)

    def g(x: Any, y: Any) -> Any:
        return np.sum(np.linalg.solve((x + x.mT) / 2, y) ** 3)

    for ours, theirs in zip(gradient(f, a, b), gradient(g, a, b), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", ["eigh", "svd", "eig"])
def test_complex_vectors_up_to_phase(name: str, rng: np.random.Generator) -> None:
    z = rng.standard_normal((3, 3)) + 1j * rng.standard_normal((3, 3))
    z = z + z.conj().T if name == "eigh" else z
    index = 0 if name == "svd" else 1
    weights = rng.standard_normal((3, 3))

    def f(re: Any, im: Any) -> Any:
        return np.sum(weights * np.abs(getattr(np.linalg, name)(re + 1j * im)[index]) ** 2)

    symmetrize = (lambda x, s: (x + s * x.T) / 2) if name == "eigh" else (lambda x, _: x)
    by_re, by_im = gradient(f, z.real.copy(), z.imag.copy())
    expected = differences(lambda x: f(symmetrize(x, 1), z.imag), z.real.copy())
    np.testing.assert_allclose(by_re, expected, atol=1e-7)
    expected = differences(lambda x: f(z.real, symmetrize(x, -1)), z.imag.copy())
    np.testing.assert_allclose(by_im, expected, atol=1e-7)
