"""Every operation that PyTorch has too: value, first and second derivative, in both precisions."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from peers.comparison import Unsupported, compare, samples, torch
from peers.mapping import NO_PEER, PEERS

from chainrule.ops.table import TABLE

pytestmark = [pytest.mark.peers, pytest.mark.filterwarnings("ignore::RuntimeWarning")]


def test_every_row_is_mapped_or_has_no_peer() -> None:
    """No row is forgotten, and none stands in both lists or in one without being in the table."""
    assert set(PEERS) | set(NO_PEER) == set(TABLE)
    assert not set(PEERS) & set(NO_PEER)
    assert len(PEERS) > 250


@pytest.mark.parametrize("dtype", [np.float64, np.float32], ids=["float64", "float32"])
@pytest.mark.parametrize("name", sorted(PEERS))
def test_row(name: str, dtype: type) -> None:
    """Over the row's own samples."""
    row, peer = TABLE[name], PEERS[name]
    count = 0
    for sample in samples(row, peer):
        try:
            compare(row, sample, peer, dtype)
        except Unsupported:
            continue
        count += 1
    assert count
