"""Calls of compiled code leave no memory behind. `CHAINRULE_CALLS` says how many are made."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import chainrule as cr

CALLS = int(os.environ.get("CHAINRULE_CALLS", "100000"))


def resident() -> int:
    """Bytes of this process that are in memory."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def scalars() -> Callable[[], Any]:
    f = cr.jit(cr.grad(lambda x, y: 3 * x**2 + y + cr.exp(x * y), argnums=(0, 1)))
    return lambda: f(1.0, 2.0)


def arrays() -> Callable[[], Any]:
    f, x = cr.jit(lambda x: (cr.sin(x), cr.sum(x * x))), np.ones(100)
    return lambda: f(x)


def tensors() -> Callable[[], Any]:
    f, x = cr.jit(lambda x: {"a": [x + 1.0], "b": cr.sum(x)}), cr.tensor(np.ones(10))
    return lambda: f(x)


def donated() -> Callable[[], Any]:
    f, x = cr.jit(lambda x: x + 1.0, donate=0), np.ones(10)
    return lambda: f(x)


def by_numpy() -> Callable[[], Any]:
    f, x = cr.jit(lambda x: cr.sort(x)), np.arange(5.0)
    return lambda: f(x)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory is read from /proc")
@pytest.mark.parametrize("make", [scalars, arrays, tensors, donated, by_numpy])
def test_memory_stays_flat(make: Callable[[], Callable[[], Any]]) -> None:
    """After a beginning that fills the pools of Python and of the C library."""
    call = make()
    for _ in range(CALLS // 10):
        call()
    gc.collect()
    before = resident()
    for _ in range(CALLS):
        call()
    gc.collect()
    grown = resident() - before
    assert grown < 8 * CALLS  # a pointer for each call would be more
    assert grown < 4 << 20
