"""Long code without loops: it is cut, and computes what it did."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.codegen.straight import LONG, PIECE

START = np.linspace(0.1, 0.9, 4)
TURNS = list(range(50))


def turned(x: Any) -> Any:
    """Fifty products of small matrices, with a choice now and then."""
    for k in TURNS:
        turn = np.stack([np.stack([x[0], -x[1]]), np.stack([x[1], x[0]])])
        half = np.where(x[2] < 0.4, turn @ x[:2], x[2:] * (0.5 + k / 50))
        x = np.concatenate([np.sin(half), turn @ x[2:]])
    return x


def looked_up(x: Any, table: Any, k: Any) -> Any:
    """The place that is read comes of what was read before."""
    for _ in [None] * 300:
        k = (k + 3) % 7
        x = x * table[k] + 0.25 * (table[k] > 0.9)
    return x, k


def overwritten(x: Any) -> Any:
    """The first result is there long before the first argument is read for the last time."""
    y = x[1]
    for k in list(range(1000)):
        y = np.sin(y) + k
    return np.stack([2 * x[1], 3 * x[0] + y])


PROGRAMS: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "turned": (turned, (START,)),
    "single": (turned, (START.astype(np.float32),)),
    "looked up": (looked_up, (0.5, np.linspace(0.5, 1, 7), np.int64(2))),
    "overwritten": (overwritten, (START[:2],)),
    "gradient": (cr.grad(lambda x: cr.sum(turned(x))), (START,)),
}


@pytest.mark.parametrize("check", [False, True])
@pytest.mark.parametrize("name", PROGRAMS)
def test_long_code_is_cut_and_computes_the_same(name: str, check: bool) -> None:
    f, args = PROGRAMS[name]
    compiled = cr.jit(f, check_bounds=check)
    got, want = compiled(*args), f(*args)
    single = name == "single"
    for a, b in zip(np.atleast_1d(got), np.atleast_1d(want), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3 if single else 1e-9)
    kernels = compiled.lower(*args).program.kernels
    computed = [[e for e in k.body() if e.op not in ("const", "load")] for k in kernels]
    assert sum(map(len, computed)) > LONG
    assert max(map(len, computed)) <= 2 * PIECE


def test_an_argument_that_is_overwritten_is_read_before() -> None:
    given = START[:2].copy()
    want = overwritten(given)
    got = cr.jit(overwritten, donate=0)(given)
    assert got is given
    np.testing.assert_allclose(got, want, rtol=1e-12)


def side_by_side(*xs: Any) -> Any:
    """Chains that need nothing of each other, written a turn of all after a turn of all."""
    chains = list(xs)
    for k in TURNS[:30]:
        chains = [x * (x + k) + 1 / (1 + x * x) for x in chains]
    total = 0.0
    for x in chains:
        total = total + x
    return total


def test_what_is_needed_together_is_computed_together() -> None:
    args = tuple(0.01 * k for k in range(1, 17))
    compiled = cr.jit(side_by_side)
    np.testing.assert_allclose(compiled(*args), side_by_side(*args), rtol=1e-12)
    kernels = compiled.lower(*args).program.kernels
    assert len(kernels) > 3
    assert all(len(k.stores) <= 4 for k in kernels)  # in the order of recording it would be 16


def minors(a: Any, row: int, columns: tuple[int, ...]) -> Any:
    if row == len(a):
        return 1.0
    total: Any = 0.0
    for k, column in enumerate(columns):
        part = a[row, column] * minors(a, row + 1, columns[:k] + columns[k + 1 :])
        total = total - part if k % 2 else total + part
    return total


@pytest.mark.parametrize("zeros", [0, 3])
def test_the_gradient_of_a_determinant_by_minors(zeros: int) -> None:
    a = np.random.default_rng(0).standard_normal((7, 7))
    a[0, :zeros] = 0
    gradient = cr.jit(cr.grad(lambda a: minors(a, 0, tuple(range(7)))))
    want = np.linalg.det(a) * np.linalg.inv(a).T
    np.testing.assert_allclose(gradient(a), want, rtol=1e-9, atol=1e-11)
    assert len(gradient.lower(a).program.kernels) > 3
