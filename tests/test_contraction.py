"""Products, Einstein sums and convolutions: what the general tests of the table do not see."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from chainrule.errors import ShapeError
from chainrule.ops import contraction, convolution, einsum
from chainrule.ops.hot import careful
from chainrule.tensor import Tensor, tensor
from chainrule.transforms.backward import gradients

RNG = np.random.default_rng(0)


def drawn(*shape: int, kind: str = "f") -> Any:
    x = RNG.standard_normal(shape)
    return x + 1j * RNG.standard_normal(shape) if kind == "c" else x


def check_transpose(f: Any, *operands: Any) -> None:
    """<ct, f(.., t, ..)> = <cotangent, t> in each operand, the pairing being without conjugates."""
    leaves = [tensor(x, requires_grad=True) for x in operands]
    y = f(*leaves)
    ct = drawn(*y.shape, kind=y.dtype.kind)
    found = gradients([y], leaves, [tensor(ct)])
    for i, (x, g) in enumerate(zip(operands, found, strict=True)):
        t = drawn(*x.shape, kind=x.dtype.kind)
        moved = f(*[t if k == i else v for k, v in enumerate(operands)])
        assert np.isclose(np.sum(ct * moved).real, np.sum(g.numpy() * t).real)


BILINEAR = {
    "matmul": (contraction.matmul, (2, 3), (3, 2)),
    "vecdot": (contraction.vecdot, (2, 3), (3,)),
    "vecmat": (contraction.vecmat, (2, 3), (3, 4)),
    "matvec": (contraction.matvec, (2, 3), (3,)),
    "dot": (contraction.dot, (2, 3), (2, 3, 4)),
    "inner": (contraction.inner, (2, 3), (4, 3)),
    "outer": (contraction.outer, (2,), (3,)),
    "kron": (contraction.kron, (2, 2), (3, 1)),
    "cross": (contraction.cross, (2, 3), (3,)),
    "tensordot": (contraction.tensordot, (2, 3, 4), (3, 4)),
    "einsum": (lambda a, b: einsum.einsum("iij,jk->ki", a, b), (2, 2, 3), (3, 4)),
    "convolve": (convolution.convolve, (4,), (3,)),
    "correlate": (lambda a, v: convolution.correlate(a, v, "same"), (4,), (3,)),
    "convolve_nd": (convolution.convolve_nd, (3, 4), (2, 2)),
}


@pytest.mark.parametrize("kinds", ["cc", "fc", "cf"])
@pytest.mark.parametrize(("f", "a", "b"), BILINEAR.values(), ids=BILINEAR.keys())
def test_complex_operands(f: Any, a: Any, b: Any, kinds: str) -> None:
    check_transpose(f, drawn(*a, kind=kinds[0]), drawn(*b, kind=kinds[1]))


@pytest.mark.parametrize("name", ["kron", "cross", "outer", "inner", "dot", "tensordot"])
@pytest.mark.parametrize("kind", ["f", "c", "i"])
def test_values_are_those_of_numpy(name: str, kind: str) -> None:
    f, a, b = BILINEAR[name]
    x, y = drawn(*a, kind=kind), drawn(*b, kind=kind)
    if kind == "i":
        x, y = (x * 9).astype(int), (y * 9).astype(int)
    expected = getattr(np, name)(x, y)
    np.testing.assert_allclose(f(x, y), expected)
    assert f(x, y).dtype == expected.dtype
    np.testing.assert_allclose(getattr(np, name)(tensor(x), y).numpy(), expected)


def test_a_chain_of_matrices() -> None:
    parts = [drawn(*s) for s in ((4, 30), (30, 2), (2, 20), (20, 5))]
    np.testing.assert_allclose(contraction.multi_dot(parts), np.linalg.multi_dot(parts))
    assert contraction._cheapest_order([4, 30, 2, 20, 5])[0][3] == 1


# --- zero times infinity ------------------------------------------------------------------------


@pytest.mark.parametrize("record", [False, True])
@pytest.mark.parametrize(
    "f",
    [
        contraction.matmul,
        lambda a, b: einsum.einsum("ij,jk->ik", a, b),
        lambda a, b: contraction.tensordot(a, b, 1),
    ],
    ids=["matmul", "einsum", "tensordot"],
)
def test_a_zero_cotangent_stays_zero(f: Any, record: bool) -> None:
    a = tensor(np.ones((2, 2)), requires_grad=True)
    b = tensor([[1.0, np.inf], [2.0, np.nan]], requires_grad=True)
    y = f(a, b)
    ct = tensor([[1.0, 0.0], [3.0, 0.0]])
    ga, gb = gradients([y], [a, b], [ct], create_graph=record)
    np.testing.assert_array_equal(ga.numpy(force=True), [[1.0, 2.0], [3.0, 6.0]])
    np.testing.assert_array_equal(gb.numpy(force=True), [[4.0, 0.0], [4.0, 0.0]])
    assert not careful


def test_infinities_that_count_are_kept() -> None:
    values = [0.0, 1.0, -2.0, np.inf, -np.inf, np.nan]
    for p, q, r, s in itertools.product(values, repeat=4):
        a, b = np.array([[p, q]]), np.array([[r], [s]])
        terms = [0.0 if 0 in pair else pair[0] * pair[1] for pair in ((p, r), (q, s))]
        with np.errstate(invalid="ignore"):
            expected = np.array([[np.add(*terms)]])
            found = contraction.strong_contract(contraction.matmul, a, b)
        np.testing.assert_array_equal(found, expected)


def test_the_derivative_of_a_careful_product() -> None:
    a = tensor([[0.0, 1.0]], requires_grad=True)
    b = tensor([[np.inf], [2.0]], requires_grad=True)
    with np.errstate(invalid="ignore"):
        y = a @ b
    (g,) = gradients([y], [b], [np.ones((1, 1))], create_graph=True)  # a, transposed
    (h,) = gradients([(g * tensor([[5.0], [7.0]])).sum()], [a])
    np.testing.assert_array_equal(h.numpy(), [[5.0, 7.0]])


# --- Einstein sums ------------------------------------------------------------------------------

PATTERNS = [
    ("ij,jk", [(2, 3), (3, 4)]),
    ("ba", [(2, 3)]),
    ("bA", [(2, 3)]),
    ("i i", [(3, 3)]),
    ("...ij,...jk", [(5, 2, 3), (3, 4)]),
    ("...ij,...jk -> ...ki", [(5, 1, 2, 3), (4, 3, 4)]),
    ("i...->...", [(3, 2, 2)]),
    ("...,...", [(2, 3), (3,)]),
    ("...i->...", [(3,)]),
    ("a,b,c->cab", [(2,), (3,), (4,)]),
    ("ij,jk,kl,lm", [(2, 3), (3, 4), (4, 3), (3, 2)]),
    ("...ii->...i", [(2, 3, 3)]),
    (",ij", [(), (2, 3)]),
    ("ij,j->i", [(20, 300), (300,)]),
    ("bij,bkj->bik", [(10, 12, 13), (10, 11, 13)]),
]


@pytest.mark.parametrize(("pattern", "shapes"), PATTERNS, ids=[p for p, _ in PATTERNS])
def test_einsum_as_numpy(pattern: str, shapes: Any) -> None:
    operands = [drawn(*s) for s in shapes]
    expected = np.einsum(pattern, *operands)
    np.testing.assert_allclose(einsum.einsum(pattern, *operands), expected)
    np.testing.assert_allclose(np.einsum(pattern, *map(tensor, operands)).numpy(), expected)
    check_transpose(lambda *xs: einsum.einsum(pattern, *xs), *operands)


def test_einsum_with_lists_of_integers() -> None:
    a, b = drawn(2, 3), drawn(3, 4)
    np.testing.assert_allclose(einsum.einsum(a, [0, 1], b, [1, 30]), a @ b)
    np.testing.assert_allclose(einsum.einsum(a, [0, 1], b, [1, 2], [2, 0]), (a @ b).T)
    np.testing.assert_allclose(einsum.einsum(a, [..., 1], b, [1, 2], [2, ...]), (a @ b).T)


@pytest.mark.parametrize(
    ("pattern", "shapes"),
    [
        ("ij,jk->ik", [(2, 3)]),
        ("ijk->ik", [(2, 3)]),
        ("i->i", [(2, 3)]),
        ("...i->i", [(2, 3)]),
        ("ij,jk->ik", [(2, 3), (4, 2)]),
        ("ij->il", [(2, 3)]),
    ],
)
def test_einsum_patterns_that_do_not_fit(pattern: str, shapes: Any) -> None:
    with pytest.raises(ShapeError, match="einsum"):
        einsum.einsum(pattern, *[tensor(drawn(*s)) for s in shapes])


def test_einsum_of_one_operand_is_no_view() -> None:
    x = drawn(3, 3)
    assert not np.shares_memory(einsum.einsum("ii->i", x), x)


# --- convolution --------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["full", "same", "valid"])
def test_all_lengths(mode: str) -> None:
    for n, m in itertools.product(range(1, 5), repeat=2):
        for f in (convolution.convolve, convolution.correlate):
            check_transpose(lambda a, v, f=f: f(a, v, mode), drawn(n), drawn(m))
        check_transpose(lambda a, v: convolution.convolve_nd(a, v, mode), drawn(n), drawn(m))


def test_a_convolution_of_infinities_keeps_zeros() -> None:
    a = tensor([1.0, 2.0, 3.0], requires_grad=True)
    v = np.array([1.0, np.inf])
    y = convolution.convolve(a, v)
    (g,) = gradients([y], [a], [tensor([1.0, 0.0, 0.0, 0.0])])
    assert isinstance(g, Tensor)
    np.testing.assert_array_equal(g.numpy(), [1.0, 0.0, 0.0])
