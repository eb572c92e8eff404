"""Memory shared with PyTorch, both ways."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import chainrule as cr

peer = pytest.importorskip("torch")

pytestmark = pytest.mark.peers

DTYPES = [
    "float32",
    "float64",
    "complex64",
    "complex128",
    "int8",
    "int32",
    "int64",
    "uint8",
    "bool",
]


@pytest.mark.parametrize("dtype", DTYPES)
def test_pytorch_sees_our_memory(dtype: str) -> None:
    x = cr.tensor(np.arange(6).reshape(2, 3).astype(dtype))
    t = peer.from_dlpack(x)

    assert t.dtype == getattr(peer, dtype)
    assert t.tolist() == x.tolist()
    t[0, 0] = 1
    assert x[0, 0].item() == 1


@pytest.mark.parametrize("dtype", DTYPES)
def test_we_see_memory_of_pytorch(dtype: str) -> None:
    t = peer.arange(6).reshape(2, 3).to(getattr(peer, dtype))
    x = cr.from_dlpack(t)

    assert x.dtype == np.dtype(dtype)
    assert x.tolist() == t.tolist()
    x[0, 0] = 1
    assert t[0, 0].item() == 1
    t[1, 2] = 0
    assert x[1, 2].item() == 0


def test_views_keep_their_strides() -> None:
    x = cr.tensor(np.arange(12.0).reshape(3, 4))

    assert peer.from_dlpack(x.T).stride() == (1, 4)
    assert cr.from_dlpack(peer.arange(12.0).reshape(3, 4).T).strides == (4, 16)


@pytest.mark.parametrize("which", ["ours", "theirs"])
def test_requiring_grad_is_refused(which: str) -> None:
    def ours() -> Any:
        return peer.from_dlpack(cr.tensor([1.0], requires_grad=True))

    def theirs() -> Any:
        return cr.from_dlpack(peer.ones(1, requires_grad=True))

    with pytest.raises(BufferError, match="detach"):
        {"ours": ours, "theirs": theirs}[which]()
