"""Every row of the operation table, checked in every respect that `checks.py` knows."""

from __future__ import annotations

import numpy as np
import pytest
from checks import (
    Program,
    call,
    check_complex,
    check_row,
    differentiable_operands,
    pullback,
    samples_of,
)

import chainrule as cr
from chainrule.derive.reverse import reverse
from chainrule.ops.table import TABLE, ZERO

ROWS = sorted(TABLE)
DIFFERENTIABLE = [n for n in ROWS if TABLE[n].differentiable]


def test_the_table_is_not_empty() -> None:
    """The loops below run over something."""
    assert len(ROWS) > 250
    assert len(DIFFERENTIABLE) > 180


@pytest.mark.parametrize("name", ROWS)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_row(name: str) -> None:
    """Value, forward, reverse, second order and dtypes of each of the row's samples."""
    check_row(name)


UNDERIVED = {
    "digamma", "gamma",  # SciPy's polygamma is real
    "riemann_zeta", "zeta",  # Euler-Maclaurin is applied for real arguments
    "betainc_moment", "gammainc_moment",  # parts of functions of real arguments
    "eig", "svd",  # phases of complex vectors are free: reverse mode only (see test_linalg)
    "ive",  # not holomorphic
}  # fmt: skip
"""Operations that take complex operands and say that they have no (forward) derivative there."""


REAL_SAMPLES = {
    "eigh",  # complex eigenvectors are determined up to a phase: see test_linalg
    "deferred",  # its samples state the dtypes of their operands
}
"""Operations that are not checked with complex operands as they are with real ones."""


@pytest.mark.parametrize("name", sorted(set(ROWS) - REAL_SAMPLES))
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_row_of_complex_operands(name: str) -> None:
    """Every sample again with complex operands: as well as the real ones, or a clear refusal."""
    found = {check_complex(TABLE[name], sample) for sample in samples_of(TABLE[name])}

    assert ("underived" in found) == (name in UNDERIVED), found


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_most_operations_take_complex_operands() -> None:
    """The test above would pass on rows that refuse them."""
    analytic = {
        "exp", "log", "log1p", "expm1", "sin", "cos", "tan", "asin", "acos", "atan", "sinh",
        "cosh", "tanh", "asinh", "acosh", "atanh", "sqrt", "square", "power", "multiply", "divide",
        "reciprocal", "abs", "sign", "conj", "real", "imag", "sum", "prod", "mean", "var", "std",
        "cumulative_sum", "cumulative_prod", "matmul", "einsum", "tensordot", "getitem", "take",
        "where", "sort", "solve", "inv", "det", "slogdet", "cholesky", "qr", "eigvalsh", "norm",
        "pinv", "expm", "convolve", "concat", "erf",
    }  # fmt: skip
    taken = {
        n
        for n in set(ROWS) - REAL_SAMPLES
        for s in samples_of(TABLE[n])
        if check_complex(TABLE[n], s) == "checked"
    }

    assert analytic <= taken
    assert len(taken) > 220


@pytest.mark.parametrize(
    "name", [n for n in DIFFERENTIABLE if TABLE[n].special and TABLE[n].kind == "elementwise"]
)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_zero_cotangent_stays_zero_at_special_points(name: str) -> None:
    """At kinks, poles and infinities a cotangent of zero gives zero, never NaN."""
    row = TABLE[name]
    for point in row.special:
        inside = [
            np.array([2]) if isinstance(d, str) else np.array([0.4 * d[0] + 0.6 * d[1]])
            for d in row.domain
        ]
        for i in differentiable_operands(row, inside):
            operands = list(inside)
            operands[i] = np.array([point])
            xs = [cr.tensor(x, requires_grad=(k == i)) for k, x in enumerate(operands)]
            y = row.function(*xs)
            if y._node is None:
                continue
            (g,) = reverse(((y._node, np.zeros(1)),)).values()
            np.testing.assert_array_equal(g, [0.0], err_msg=f"{name} in operand {i} at {point}")


@pytest.mark.parametrize("name", [n for n in ROWS if samples_of(TABLE[n])])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_non_contiguous_operands(name: str) -> None:
    """A transposed or strided operand gives the value of its contiguous copy, and the gradient."""
    row = TABLE[name]
    rng = np.random.default_rng(0)
    for sample in samples_of(row):
        program = Program(row, sample, rng)
        plain = program.values(program.at)
        program.operands = [_strided(x) for x in program.operands]
        at = [program.operands[i] for i in program.where]
        for a, b in zip(program.values(at), plain, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12, err_msg=name)
        if program.where:
            cts = [
                c if p.dtype.kind in "fc" else np.zeros(c.shape)
                for c, p in zip(program.random_like(plain), plain, strict=True)
            ]
            for a, b in zip(
                pullback(program, at, cts), pullback(program, program.at, cts), strict=True
            ):
                np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-10, err_msg=name)


@pytest.mark.parametrize("name", DIFFERENTIABLE)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_scalar_cotangent_stands_for_a_constant_array(name: str) -> None:
    """The walk may carry one number for an array of equal ones (see `ops.recording.fit`)."""
    row = TABLE[name]
    rng = np.random.default_rng(0)
    for sample in samples_of(row):
        program = Program(row, sample, rng)
        if not program.where:
            continue
        leaves, results = program.recorded(program.at)
        for result in results:
            node = result._node
            if node is None or not result.shape:
                continue
            number = result.dtype.type(0.7)
            full = reverse(((node, np.full(result.shape, number)),), keep=True)
            short = reverse(((node, number),), keep=True)
            for leaf in leaves:
                if leaf._node in full:
                    expected, found = full[leaf._node], short[leaf._node]
                    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9, err_msg=name)


def _strided(x: np.ndarray) -> np.ndarray:
    """The same values, every other element of a larger array."""
    if not x.ndim:
        return x
    wide = np.empty((*x.shape[:-1], 2 * x.shape[-1]), x.dtype)
    wide[..., ::2] = x
    return wide[..., ::2]


def test_every_rule_is_written_or_says_why_not() -> None:
    """No differentiable row leaves an operand without a rule, ZERO, or a reason."""
    for name in DIFFERENTIABLE:
        row = TABLE[name]
        if row.kind == "composite" or callable(row.reverse):
            continue
        assert len(row.reverse) == row.arity, name
        for rule in row.reverse:
            assert callable(rule) or rule is ZERO or (isinstance(rule, str) and len(rule) > 10), (
                name
            )


def test_checks_can_fail() -> None:
    """A row with a wrong derivative does not pass."""
    row = TABLE["sin"]
    right = row.pull
    row.pull = lambda ct, saved, node: [ct * np.sin(saved[1])]
    try:
        with pytest.raises(AssertionError, match="forward against reverse"):
            check_row("sin")
    finally:
        row.pull = right
    assert call(row, [np.float64(0.0)], samples_of(row)[0]) == [0.0]
