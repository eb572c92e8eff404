"""Without llvmlite: the optimized graph with NumPy, said once, and the same values."""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np
import pytest
from checks import call, draw, samples_of
from test_jit_table import ROWS, compare

import chainrule as cr
from chainrule.errors import TracedValueError
from chainrule.ops.table import TABLE
from chainrule.run import choose


@pytest.fixture
def without_llvm(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if llvmlite were not installed."""
    monkeypatch.setattr(choose, "available", lambda: False)
    monkeypatch.setattr(choose, "_said", [True])


def test_it_is_said_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choose, "available", lambda: False)
    monkeypatch.setattr(choose, "_said", [])
    with pytest.warns(RuntimeWarning, match="llvmlite is not installed"):
        assert cr.jit(lambda x: x + 1)(1.0) == 2.0
    assert cr.jit(lambda x: x + 2)(1.0) == 3.0  # a second warning would be an error


@pytest.mark.parametrize("name", ROWS)
@pytest.mark.usefixtures("without_llvm")
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_row_without_llvm(name: str) -> None:
    """Value, shape and dtype of the row's samples."""
    row = TABLE[name]
    checked, refused = 0, False
    for sample in samples_of(row):
        rng = np.random.default_rng(zlib.crc32(f"{name}{sample}".encode()))
        operands = [cr.tensor(x) for x in draw(row, sample, rng)]
        function = cr.jit(lambda *xs, s=sample: call(row, list(xs), s))
        try:
            function.lower(*operands)
        except TracedValueError:
            refused = True
            continue
        compare(function(*operands), call(row, operands, sample), name, row.tolerance)
        checked += 1
    assert checked or refused


@pytest.mark.usefixtures("without_llvm")
def test_loops_and_gradients_without_llvm() -> None:
    def f(x: Any) -> Any:
        return cr.sum(cr.fori_loop(0, 5, lambda i, s: cr.sin(s) * i + x, x) ** 2)

    x = np.linspace(0, 1, 7)
    np.testing.assert_allclose(cr.jit(cr.grad(f))(x), cr.grad(f)(x), rtol=1e-12)
