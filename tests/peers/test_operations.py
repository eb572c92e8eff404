"""Every operation that PyTorch has too: value, first and second derivative, real and complex.

Over the samples of the rows, and at kinks, poles, infinities and ties. What differs on purpose is
in `differences.py`, and is asserted to differ still.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from peers.comparison import Unsupported, compare, has_derivative, samples
from peers.differences import AT_POINTS, NAN_IN_PYTORCH
from peers.mapping import COMPLEX, NO_PEER, PEERS, REAL
from peers.special_points import ARRAYS, COMPOSITES, at_array, mismatches, points

from chainrule.ops import expected as expected  # a row that is loaded when first needed
from chainrule.ops.table import TABLE

pytestmark = [pytest.mark.peers, pytest.mark.filterwarnings("ignore::RuntimeWarning")]

ELEMENTWISE = sorted(
    name
    for name in PEERS
    if TABLE[name].differentiable and (TABLE[name].kind == "elementwise" or name in COMPOSITES)
)
WITH_COMPLEX = sorted(
    {*COMPLEX}
    | {n for n in PEERS if TABLE[n].differentiable and TABLE[n].kind != "elementwise"} - {*REAL}
)
MISSING = [(name, operand) for name, peer in PEERS.items() for operand in peer.missing]


def test_every_row_is_mapped_or_has_no_peer() -> None:
    """No row is forgotten, and none stands in both lists or in one without being in the table."""
    assert set(PEERS) | set(NO_PEER) == set(TABLE)
    assert not set(PEERS) & set(NO_PEER)
    assert len(PEERS) > 250
    assert set(NAN_IN_PYTORCH) | set(AT_POINTS) <= set(PEERS)
    assert set(COMPLEX) | set(REAL) <= set(PEERS)
    assert len(ELEMENTWISE) > 70
    assert len(WITH_COMPLEX) > 150


@pytest.mark.parametrize(
    ("name", "dtype"),
    [
        *((name, dtype) for name in sorted(PEERS) for dtype in (np.float64, np.float32)),
        *((name, np.complex128) for name in WITH_COMPLEX),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_row(name: str, dtype: type) -> None:
    """Over the row's own samples, with imaginary parts added where both know complex numbers."""
    row, peer = TABLE[name], PEERS[name]
    count = 0
    for sample in samples(row, peer):
        try:
            compare(row, sample, peer, dtype)
        except Unsupported:
            continue
        count += 1
    assert count


@pytest.mark.parametrize(("name", "operand"), MISSING)
def test_pytorch_has_no_derivative(name: str, operand: int) -> None:
    """Where a mapping leaves an operand out, PyTorch raises."""
    assert not has_derivative(TABLE[name], PEERS[name], operand)


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_special_points(name: str) -> None:
    """Equal at kinks, poles and infinities, except for what is listed, which differs still."""
    row = TABLE[name]
    found = [(x, *pair) for x in points(row) for pair in mismatches(row, PEERS[name], x)]
    nan = [f for f in found if np.isnan(f[2])]
    other = [f for f in found if not np.isnan(f[2])]
    assert not [f for f in found if np.isnan(f[1])]
    assert bool(nan) == (name in NAN_IN_PYTORCH), nan
    assert bool(other) == (name in AT_POINTS), other


@pytest.mark.parametrize(("name", "operand", "params"), ARRAYS)
def test_special_arrays(name: str, operand: Any, params: dict[str, Any]) -> None:
    """Equal at zeros, ties and infinities, except where PyTorch has NaN."""
    ours, theirs = at_array(TABLE[name], PEERS[name], operand, params)
    for what in ("values", "first", "second"):
        for a, b in zip(getattr(ours, what), getattr(theirs, what), strict=True):
            if name in NAN_IN_PYTORCH and np.isnan(b).all():
                assert not np.isnan(a).any()
            else:
                np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12, err_msg=what)
