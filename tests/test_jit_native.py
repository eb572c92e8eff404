"""Which rows compiled code still leaves to NumPy: a closed list. And what loops of rows must get
right besides values that are compared over the whole table (`test_jit_table`).
"""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from checks import call, differentiable_operands, draw, samples_of
from test_jit_gradients import weighted

import chainrule as cr
from chainrule.codegen.values import CODES, code_of
from chainrule.errors import ChainruleError, MatrixError, MissingDerivative
from chainrule.ops.table import TABLE

LEFT_TO_NUMPY = {
    "betainc_moment": "an integral, by quadrature: derivatives in the parameters of betainc",
    "deferred": "a rule that looks at numbers, or a function of the user's",
    "eig": "its results are complex for some matrices",
    "eigvals": "its results are complex for some matrices",
    "exponent": "rare",
    "gammainc_moment": "an integral, by quadrature: derivatives in the parameters of gammainc",
    "geomspace": "rare with ends that are not constant",
    "hurwitz_moment": "a series: the derivative of the zeta functions in their exponent",
    "irfft": "complex numbers on the way",
    "ldexp": "rare",
    "logm": "SciPy's algorithm, by Schur forms",
    "reciprocal": "of integers: rare",
    "riemann_zeta": "SciPy does not export it to C",
    "set_item_at_traced": "several arrays of positions that are not constant",
    "sqrtm": "SciPy's algorithm, by Schur forms",
    "unwrap": "of integers: rare",
}
"""Row -> why compiled code calls back for it where its numbers are real."""

DTYPES = {"double": np.float64, "single": np.float32, "integers": np.int64}


def foreign(step: Any) -> bool:
    """Whether a step has numbers that machine code has none of: complex ones, float16."""
    dtypes = [a.dtype for a in step.value.args] + [b.value.dtype for b in step.results]
    return any(code_of(d) not in CODES for d in dtypes)


def left(function: Any, arguments: Any) -> Iterator[str]:
    """The rows that a compiled function leaves to NumPy, but for foreign dtypes."""
    try:
        found = cr.jit(function).lower(*arguments)
    except (
        ChainruleError,
        OverflowError,
        TypeError,
    ):  # it depends on numbers; it takes no such operands
        return
    yield from (s.value.op for s in found.loops.callbacks if not foreign(s))


def drawn(name: str, dtype: Any) -> Iterator[tuple[Any, list[Any]]]:
    """The samples of a row and their operands, real ones in a dtype."""
    row = TABLE[name]
    for sample in samples_of(row):
        rng = np.random.default_rng(zlib.crc32(f"{name}{sample}".encode()))
        operands = draw(row, sample, rng)
        yield sample, [x.astype(dtype) if x.dtype.kind == "f" else x for x in operands]


@pytest.mark.filterwarnings("ignore")
def test_rows_left_to_numpy() -> None:
    """For operands of every dtype, of size 0 too: those listed, and no other."""
    found: dict[str, set[str]] = {}
    for name, dtype in itertools.product(TABLE, DTYPES.values()):
        for sample, operands in drawn(name, dtype):
            for op in left(lambda *xs, n=name, s=sample: call(TABLE[n], list(xs), s), operands):
                found.setdefault(op, set()).add(name)
    assert found.keys() == LEFT_TO_NUMPY.keys(), found


@pytest.mark.filterwarnings("ignore")
def test_gradients_left_to_numpy() -> None:
    """The same of gradients."""
    found: dict[str, set[str]] = {}
    for name in TABLE:
        row = TABLE[name]
        for sample, operands in drawn(name, np.float64):
            where = [
                i for i in differentiable_operands(row, operands) if operands[i].dtype == float
            ]
            if not row.differentiable or not where:
                continue
            try:
                f = weighted(row, sample, operands, where, np.random.default_rng(0))
            except ChainruleError:
                continue
            gradient = cr.grad(f, argnums=tuple(range(len(where))))
            for op in left(gradient, [operands[i] for i in where]):
                found.setdefault(op, set()).add(name)
    assert found.keys() <= LEFT_TO_NUMPY.keys(), found


# --- errors --------------------------------------------------------------------------------------


def singular(n: int) -> Any:
    return np.stack([np.eye(n), np.ones((n, n))])


@pytest.mark.parametrize("n", [2, 4, 6])
@pytest.mark.parametrize(
    "function",
    [
        lambda a: cr.linalg.solve(a, cr.ones(a.shape[-1])),
        cr.linalg.inv,
        lambda a: cr.linalg.cholesky(a - 2.0),
        lambda a: cr.linalg.solve_triangular(a - 1.0, cr.ones(a.shape[-1])),
    ],
)
def test_errors_are_those_of_eager_code(function: Any, n: int) -> None:
    """What is wrong with which matrix, in the same words."""
    with pytest.raises(MatrixError) as eager:
        function(cr.tensor(singular(n)))
    with pytest.raises(MatrixError) as compiled:
        cr.jit(function)(cr.tensor(singular(n)))
    assert str(compiled.value).split("\n")[0] == str(eager.value).split("\n")[0]


def test_what_does_not_converge() -> None:
    for function in (cr.linalg.eigvalsh, cr.linalg.svdvals):
        with pytest.raises(MatrixError, match="not converge"):
            cr.jit(function)(np.full((4, 4), np.nan))


@pytest.mark.parametrize("n", [1, 3, 4, 5, 9])
def test_singular_matrices_have_determinants(n: int) -> None:
    a = singular(n) if n > 1 else np.zeros((2, 1, 1))
    np.testing.assert_array_equal(cr.jit(cr.linalg.det)(a), np.linalg.det(a))
    for got, want in zip(cr.jit(cr.linalg.slogdet)(a), np.linalg.slogdet(a), strict=True):
        np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize(
    ("function", "matrix"),
    [
        (lambda a: cr.sum(cr.linalg.eigh(a).eigenvectors[0]), np.eye(3)),
        (lambda a: cr.sum(cr.linalg.svd(a).U[0]), np.eye(3)),
        (lambda a: cr.sum(cr.linalg.qr(a).Q), np.ones((3, 3))),
        (lambda a: cr.linalg.slogdet(a).logabsdet, np.ones((3, 3))),
    ],
)
def test_missing_derivatives_are_noticed(function: Any, matrix: Any) -> None:
    """Where eigenvalues coincide, or a matrix is singular, as eager code does; not elsewhere."""
    gradient = cr.jit(cr.grad(function))
    fine = matrix + np.diag([0.5, 1.0, 2.0])
    np.testing.assert_allclose(gradient(fine), cr.grad(function)(fine), rtol=1e-9, atol=1e-12)
    for f in (gradient, cr.grad(function)):
        with pytest.raises(MissingDerivative):
            f(matrix)


# --- batches -------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 7])
def test_batches_of_matrices(n: int) -> None:
    """Written out, or by LAPACK: the same as one after the other, pivots included."""
    rng = np.random.default_rng(n)
    a = rng.standard_normal((40, n, n))
    a[::3, 0, 0] = 0.0 if n > 1 else 1.0
    b = rng.standard_normal((40, n, 2))
    spd = a @ a.mT + np.eye(n)
    for function, arguments in (
        (cr.linalg.solve, (a, b)), (cr.linalg.inv, (a,)), (cr.linalg.det, (a,)),
        (cr.linalg.slogdet, (a,)), (cr.linalg.cholesky, (spd,)), (cr.linalg.eigvalsh, (spd,)),
        (cr.linalg.svdvals, (a,)), (cr.linalg.expm, (a,)),
    ):  # fmt: skip
        compiled = cr.jit(cr.vmap(function))(*arguments)
        eager = function(*arguments)
        for got, want in zip(
            compiled if isinstance(compiled, tuple) else [compiled],
            eager if isinstance(eager, tuple) else [eager],
            strict=True,
        ):
            np.testing.assert_allclose(got, want, rtol=1e-8, atol=1e-9)


# --- order ---------------------------------------------------------------------------------------

SIZES = (1, 5, 48, 49, 300, 5000)


def awkward(n: int, dtype: Any) -> Any:
    """Numbers with ties, both zeros, infinities and NaN where the dtype has them."""
    rng = np.random.default_rng(n)
    x = (50 * rng.standard_normal(n)).astype(np.int64).astype(dtype)
    if x.dtype.kind == "f":
        x[rng.integers(0, n, n // 4)] = 0.0
        x[rng.integers(0, n, n // 4)] = -0.0
        x[: min(4, n - 1)] = [np.nan, np.inf, -np.inf, -np.nan][: min(4, n - 1)]
    return x


@pytest.mark.parametrize("dtype", ["f8", "f4", "i8", "i4", "i1", "u8", "u1", "b1"])
@pytest.mark.parametrize("descending", [False, True])
def test_order(dtype: str, descending: bool) -> None:
    """Values and positions, equal ones as they stood, NaN as NumPy has it."""
    for n in SIZES:
        x = awkward(n, dtype)
        for function in (cr.sort, cr.argsort):
            got = cr.jit(lambda x, f=function: f(x, descending=descending))(x)
            np.testing.assert_array_equal(got, function(x, descending=descending))


@pytest.mark.parametrize("side", ["left", "right"])
def test_searching(side: str) -> None:
    for n in SIZES:
        line = np.sort(awkward(n, "f8"))
        x = np.concatenate([line, line + 0.5, [np.nan, np.inf, -np.inf]])
        got = cr.jit(lambda line, x: cr.searchsorted(line, x, side=side))(line, x)
        np.testing.assert_array_equal(got, np.searchsorted(line, x, side=side))


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_quantiles_of_awkward_numbers() -> None:
    q = [0.0, 0.2, 0.5, 0.77, 1.0]
    for n in SIZES:
        x = np.random.default_rng(n).standard_normal(n)
        for first in (0.0, np.nan, np.inf, -np.inf):
            x[0] = first
            np.testing.assert_allclose(
                cr.jit(lambda x: cr.quantile(x, q))(x), np.quantile(x, q), rtol=1e-13
            )
            np.testing.assert_allclose(cr.jit(cr.median)(x), np.median(x), rtol=1e-13)


@pytest.mark.parametrize("k", [3, 40])
@pytest.mark.parametrize("mode", ["full", "same", "valid"])
@pytest.mark.parametrize("function", [cr.convolve, cr.correlate])
def test_convolutions_short_and_long(function: Any, mode: str, k: int) -> None:
    rng = np.random.default_rng(k)
    for n, m in ((100, k), (k, 100), (k, k)):
        a, v = rng.standard_normal(n), rng.standard_normal(m)
        got = cr.jit(lambda a, v: function(a, v, mode))(a, v)
        np.testing.assert_allclose(got, function(a, v, mode), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("scale", [1e-3, 1.0, 30.0])
def test_exponentials_of_matrices_small_and_large(scale: float) -> None:
    a = scale * np.random.default_rng(0).standard_normal((5, 5))
    want = cr.linalg.expm(a)
    np.testing.assert_allclose(
        cr.jit(cr.linalg.expm)(a), want, rtol=1e-9, atol=1e-12 * abs(want).max()
    )
