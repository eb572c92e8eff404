"""Every row of the operation table, compiled: equal to the eager value."""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np
import pytest
from checks import call, draw, samples_of

import chainrule as cr
from chainrule.errors import TracedValueError
from chainrule.graph.node import Variable
from chainrule.ops.table import TABLE
from chainrule.transforms.jit import jit

ROWS = sorted(n for n in TABLE if samples_of(TABLE[n]))
NARROW = {"f": np.float32, "c": np.complex64, "i": np.int32, "b": np.bool_, "u": np.uint32}


def values(results: list[Any]) -> list[np.ndarray]:
    return [np.asarray(r._value if isinstance(r, Variable) else r) for r in results]


def compare(got: list[Any], want: list[Any], name: str, tolerance: float = 1.0) -> None:
    assert len(got) == len(want)
    for g, w in zip(values(got), values(want), strict=True):
        assert g.shape == w.shape, f"{name}: shape {g.shape}, eager {w.shape}"
        assert g.dtype == w.dtype, f"{name}: dtype {g.dtype}, eager {w.dtype}"
        eps = 2e-5 if w.dtype in (np.float32, np.complex64) else 1e-11
        np.testing.assert_allclose(g, w, rtol=eps * tolerance, atol=eps * tolerance, err_msg=name)


@pytest.mark.parametrize("width", ["double", "single"])
@pytest.mark.parametrize("name", ROWS)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_compiled_row_equals_eager(name: str, width: str) -> None:
    """Value, shape and dtype of each of the row's samples."""
    row = TABLE[name]
    checked, refused = 0, False
    for sample in samples_of(row):
        rng = np.random.default_rng(zlib.crc32(f"{name}{sample}".encode()))
        operands = draw(row, sample, rng)
        if width == "single":
            operands = [x.astype(NARROW[x.dtype.kind]) for x in operands]
        tensors = [cr.tensor(x) for x in operands]
        want = call(row, tensors, sample)
        function = jit(lambda *xs, row=row, sample=sample: call(row, list(xs), sample))
        try:
            function.lower(*tensors)
        except TracedValueError:  # its value, or its shape, depends on numbers
            refused = True
            continue
        got = function(*tensors)
        compare(
            got, want, f"{name}{[np.shape(x) for x in operands]} {sample.params}", row.tolerance
        )
        checked += 1
    assert checked or refused, f"{name}: nothing was compiled"


def test_few_rows_are_left_to_numpy() -> None:
    """Elementwise rows of real arithmetic, movement, sums and products have machine code."""
    native = 0
    for name in ROWS:
        row = TABLE[name]
        sample = samples_of(row)[0]
        operands = [cr.tensor(x) for x in draw(row, sample, np.random.default_rng(0))]
        try:
            found = jit(lambda *xs, r=row, s=sample: call(r, list(xs), s)).lower(*operands)
        except TracedValueError:
            continue
        native += not found.loops.callbacks
    assert native > 0.55 * len(ROWS), f"{native} of {len(ROWS)}"
