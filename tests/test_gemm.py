"""Matrix products in machine code of our own: every part of a block, every layout, every width."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.codegen import engine

pytest.importorskip("llvmlite")

from chainrule.codegen import gemm
from chainrule.codegen.tiles import DEPTH

WIDTHS = [(b, r) for b, r in ((16, 16), (32, 16), (64, 32)) if b <= engine.vector_bytes()]
LAYOUTS = ("rows", "columns", "apart")

Product = Callable[[Any, Any, Any], int]


@pytest.fixture(scope="module", params=[(c, *w) for c in ("f4", "f8") for w in WIDTHS], ids=str)
def product(request: pytest.FixtureRequest) -> Any:
    """The dtype and the product, compiled for vectors of a width."""
    code, vector_bytes, registers = request.param
    machine = engine.Machine(engine.object_code(gemm.Gemm(code, vector_bytes, registers).text()))
    types = [ctypes.c_int64] * 11
    function = ctypes.CFUNCTYPE(ctypes.c_int32, *types)(machine.address("gemm"))

    def run(a: Any, b: Any, c: Any) -> int:
        arguments = [*c.shape, a.shape[1]]
        for x in (a, b):
            arguments += [x.ctypes.data, *(s // x.itemsize for s in x.strides)]
        arguments += [c.ctypes.data, c.strides[0] // c.itemsize]
        return int(function(*arguments))

    yield np.dtype(code), run
    del machine


def laid_out(x: Any, layout: str) -> Any:
    """The matrix in memory row by row, column by column, or with gaps between all elements."""
    if layout == "rows":
        return np.ascontiguousarray(x)
    if layout == "columns":
        return np.asfortranarray(x)
    room = np.full((2 * x.shape[0], 3 * x.shape[1]), np.nan, x.dtype)
    room[::2, ::3] = x
    return room[::2, ::3]


def check(run: Product, dtype: Any, m: int, n: int, k: int, one: str, two: str) -> None:
    """Results, and that nothing beside them is written."""
    rng = np.random.default_rng(m + 7 * n + 31 * k)
    a = laid_out(rng.integers(-8, 8, (m, k)).astype(dtype), one)
    b = laid_out(rng.integers(-8, 8, (k, n)).astype(dtype), two)
    room = np.full((m + 1, n + 3), np.nan, dtype)
    assert run(a, b, room[:m, :n]) == 0
    exact = a.astype(np.int64) @ b.astype(np.int64)  # sums of small integers are exact
    assert (room[:m, :n] == exact).all(), (m, n, k, one, two)
    assert np.isnan(room[m]).all()
    assert np.isnan(room[:, n:]).all()


@pytest.mark.parametrize("one", LAYOUTS)
@pytest.mark.parametrize("two", LAYOUTS)
def test_parts_of_a_tile(product: Any, one: str, two: str) -> None:
    """Every number of rows of a tile, and of vectors and of columns beyond them."""
    dtype, run = product
    for m in (2, 5, 6, 7, 8, 9, 13):
        for n in (2, 7, 8, 9, 16, 23, 31, 32, 48, 50, 64, 65):
            for k in (1, 2, 9, 16):
                check(run, dtype, m, n, k, one, two)


@pytest.mark.parametrize("one", LAYOUTS)
@pytest.mark.parametrize("two", LAYOUTS)
def test_parts_of_a_block(product: Any, one: str, two: str) -> None:
    """Sizes about those of the blocks in every direction, and copies of both operands."""
    dtype, run = product
    depth = DEPTH[dtype.itemsize]
    for m in (33, gemm.HEIGHT - 1, gemm.HEIGHT, gemm.HEIGHT + 5):
        check(run, dtype, m, 49, 40, one, two)
    for n in (200, gemm.BREADTH - 1, gemm.BREADTH, gemm.BREADTH + 17):
        check(run, dtype, 35, n, 19, one, two)
    for k in (depth - 1, depth, depth + 1, 2 * depth + 3):
        check(run, dtype, 10, 40, k, one, two)
        check(run, dtype, 40, 230, k, one, two)


def test_a_nan_is_noticed(product: Any) -> None:
    """In whatever place of the result it is; one that cancels nothing is in all of a row."""
    dtype, run = product
    a, c = np.ones((41, 300), dtype), np.empty((41, 77), dtype)
    for i in (0, 7, 8, 40):
        for j in (0, 15, 47, 48, 76):
            for k in (0, 299):
                b = np.ones((300, 77), dtype)
                b[k, j] = np.inf
                one = a.copy()
                one[i, k] = 0
                assert run(one, b, c) == 1
                assert np.isnan(c).sum() == 1
                assert np.isnan(c[i, j])
                assert run(a, b, c) == 0
                b[150, j] = -np.inf  # infinities that meet in the sum of blocks
                assert run(a, b, c) == 1


def test_a_product_in_doubt_is_run_again() -> None:
    """A zero cotangent meets an infinite weight: the gradient stays zero."""
    w = np.ones((40, 50))
    w[3, 4] = np.inf

    def f(x: Any) -> Any:
        y = x @ w
        return cr.sum(cr.where(cr.isfinite(y), y, 0.0))

    x = np.ones((30, 40))
    found = cr.jit(cr.grad(f))(x)
    expected = cr.grad(f)(x)
    assert np.isfinite(found).all()
    np.testing.assert_allclose(found, expected)


def test_threads_share_one_machine() -> None:
    """Threads that ask at once get the same code, which is kept."""
    gemm._machines.clear()
    kept = []

    def ask(k: int) -> int:
        kept.append(gemm.machine("f8"))
        return gemm.address("f8")

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(ask, range(16)))) == 1
    assert len(set(map(id, kept))) == 1


VIEWS: dict[str, Callable[[Any], Any]] = {
    "axes moved and merged": lambda x: np.transpose(x, (1, 2, 0)).reshape(12, 50),
    "merged and transposed": lambda x: x.reshape(50, 12).T,
    "one of many": lambda x: x[:, 1, :].T,
    "split": lambda x: x.reshape(25, 2, 12)[:, 1].T,
}


@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)
def test_views_of_views_are_read_where_they_lie(view: Callable[[Any], Any]) -> None:
    """No operand is copied where its rows or its columns lie in one piece."""
    rng = np.random.default_rng(0)
    x = rng.random((50, 4, 3))
    w = rng.random((view(x).shape[-1], 40))

    def product(x: Any, w: Any) -> Any:
        return view(x) @ w

    compiled = cr.jit(product)
    np.testing.assert_allclose(compiled(x, w), product(x, w), rtol=1e-12)
    assert not compiled.lower(x, w).program.kernels


def test_what_has_no_steps_is_copied() -> None:
    """Axes that are merged in another order than they lie."""
    x, w = np.random.default_rng(0).random((50, 4, 30)), np.ones((200, 40))

    def product(x: Any, w: Any) -> Any:
        return np.transpose(x, (2, 0, 1)).reshape(30, 200) @ w + np.swapaxes(x, 0, 1).reshape(
            30, 200
        ) @ (2 * w)

    np.testing.assert_allclose(cr.jit(product)(x, w), product(x, w), rtol=1e-12)
