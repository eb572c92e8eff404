"""Rows of neighbors in memory: loops over them read and write whole rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import chainrule as cr

WIDTHS = [2, 3, 4, 5, 7, 8, 10, 12, 16]
LENGTHS = [17, 40, 101]
DTYPES = [np.float64, np.float32, np.int32, np.int64]


def mixed(x: Any) -> Any:
    """Each result takes from all columns, and from one of them twice."""
    total = x[:, 0] * 2
    for k in range(1, x.shape[1]):
        total = total + x[:, k] * (k + 1)
    return cr.stack([total, total - x[:, -1], x[:, 0] + x[:, 1]], axis=1)


@pytest.mark.parametrize("check", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("width", WIDTHS)
def test_columns_of_rows(width: int, dtype: Any, check: bool) -> None:
    f = cr.jit(mixed, check_bounds=check)
    for n in LENGTHS:
        x = np.arange(n * width).reshape(n, width).astype(dtype)
        np.testing.assert_array_equal(f(x), mixed(x))


@pytest.mark.parametrize("width", WIDTHS)
def test_some_columns_of_longer_rows(width: int) -> None:
    """Rows further apart than what is read of them, from a place inside."""
    f = cr.jit(lambda x: mixed(x[:, 1 : 1 + width]))
    for n in LENGTHS:
        x = np.arange(n * (width + 3.0)).reshape(n, -1)
        np.testing.assert_array_equal(f(x), mixed(x[:, 1 : 1 + width]))


def test_batches_of_small_matrices() -> None:
    a = np.random.default_rng(3).normal(size=(2, 53, 4, 4))
    f = cr.jit(lambda a, b: a @ b)
    np.testing.assert_allclose(f(a[0], a[1]), a[0] @ a[1], rtol=1e-12, atol=1e-14)


def test_rows_are_not_gathered() -> None:
    x = np.ones((100, 8))
    assert "masked.gather" not in cr.jit(mixed).lower(x).llvm
    assert "masked.gather" in cr.jit(lambda x: cr.exp(x[:, 3])).lower(x).llvm
