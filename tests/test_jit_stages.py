"""What compiling leaves behind: machine code, and what is needed to make the rest again."""

from __future__ import annotations

import hashlib
import platform
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

import chainrule as cr

FREEING = """
import numpy as np
from chainrule.run import heap

before = heap._resident()
with heap.returned():
    parts = [np.ones(10_000) for _ in range(500)]
    pins = parts[::100]  # what the C library could give back by itself ends below them
    assert heap._resident() - before > 30 << 20
    del parts
assert heap._resident() - before < 10 << 20
assert all(p.sum() == 10_000 for p in pins)
"""
"""In a process of its own, whose memory holds nothing else."""

X = np.linspace(0.1, 0.9, 50)


def smooth(x: Any) -> Any:
    return cr.sum(np.exp(x) * np.sin(x))


def test_stages_are_dropped_and_made_again() -> None:
    compiled = cr.jit(cr.grad(smooth)).lower(X)
    assert not {"graph", "program", "_assembled"} & set(vars(compiled))
    for _ in range(2):
        assert hashlib.blake2b(compiled.llvm.encode(), digest_size=32).hexdigest() == (
            compiled.image.text
        )
    assert "operations" in compiled.report()
    np.testing.assert_allclose(compiled([X])[0], np.exp(X) * (np.sin(X) + np.cos(X)))


def test_operations_of_numpy_keep_their_program() -> None:
    f = cr.jit(lambda x: np.fft.fft(x).real * 2)
    compiled = f.lower(X)
    assert compiled.image.callbacks
    assert compiled.program is compiled.program
    np.testing.assert_allclose(f(X), np.fft.fft(X).real * 2)


@pytest.mark.skipif(
    sys.platform != "linux" or platform.libc_ver()[0] != "glibc", reason="no GNU C library"
)
def test_freed_memory_goes_back() -> None:
    subprocess.run([sys.executable, "-c", FREEING], check=True)
