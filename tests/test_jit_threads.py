"""Large loops on several threads: the same numbers to the last bit, from any thread and process."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.codegen import split
from chainrule.errors import ArgumentError, ShapeError

RNG = np.random.default_rng(0)
X, Y = RNG.random(1003), RNG.random(1003)
M = RNG.random((67, 41)) - 0.5


@pytest.fixture(autouse=True)
def _before() -> Iterator[None]:
    n = cr.get_num_threads()
    yield
    cr.set_num_threads(n)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small loops count as large."""
    monkeypatch.setattr(split, "ENOUGH", 200)
    monkeypatch.setattr(split, "PIECE", 100)


PROGRAMS: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "elementwise": (lambda x, y: 3 * x * x + y + cr.exp(x * y), (X, Y)),
    "single": (lambda x: cr.sin(x), (X.astype(np.float32),)),
    "integers": (lambda x: x * 2 + 1, (np.arange(1000, dtype=np.int16),)),
    "truth": (lambda x: x > 0.5, (X,)),
    "sum": (lambda x: cr.sum(cr.sin(x) * x), (X,)),
    "several": (lambda x: (cr.max(x), cr.min(x), cr.prod(1 + x / 1000), cr.any(x > 2)), (X,)),
    "rows": (lambda x: cr.sum(cr.exp(x), axis=1), (M,)),
    "columns": (lambda x: cr.sum(cr.exp(x), axis=0), (np.tile(M, (20, 1)),)),
    "mixed": (lambda x: (x * 2, cr.sum(x, axis=1), cr.sum(x * x)), (M,)),
    "transposed": (lambda x: x.T * 2 + 1, (M,)),
    "norms": (cr.vmap(lambda v: v / cr.sqrt(cr.sum(v * v))), (RNG.random((501, 3)),)),
    "softmax": (cr.vmap(cr.softmax), (M,)),
    "gradient": (cr.grad(lambda x: cr.sum(cr.tanh(x) * cr.sqrt(x))), (X,)),
    "doubt": (cr.grad(lambda x: cr.sum(cr.sqrt(cr.where(x > 0, x, 0.0)))), (M.ravel().clip(0),)),
    "gathered": (lambda x, i: cr.take(x, i), (X, np.arange(2000) % 1003)),
    "scattered": (cr.grad(lambda x: cr.sum(cr.take(x, np.arange(4000) % 7) ** 2)), (X,)),
    "concat": (lambda x, y: cr.concat([x, y * 2]), (X, Y)),
    "windows": (lambda x: x[1:] - x[:-1], (X,)),
    "products": (lambda x: cr.sin(x @ x.T) + 1, (M,)),
}


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("check", [False, True])
@pytest.mark.parametrize("name", PROGRAMS)
def test_bits_do_not_depend_on_threads(name: str, check: bool) -> None:
    f, args = PROGRAMS[name]
    g = cr.jit(f, check_bounds=check)
    found = []
    for n in (1, 2, 5, 2, 1):
        cr.set_num_threads(n)
        got = g(*args)
        found.append(got if isinstance(got, tuple) else (got,))
    for other in found[1:]:
        for a, b in zip(found[0], other, strict=True):
            assert np.asarray(a).tobytes() == np.asarray(b).tobytes()
    want = f(*map(cr.tensor, args))
    for a, w in zip(found[0], want if isinstance(want, tuple) else (want,), strict=True):
        np.testing.assert_allclose(a, w.numpy(), rtol=2e-5 if name == "single" else 1e-11)


@pytest.mark.usefixtures("small")
def test_loops_are_split() -> None:
    """The test above would pass if none were."""
    shared = {
        name
        for name, (f, args) in PROGRAMS.items()
        if any(k.grain for k in cr.jit(f).lower(*args).loops.kernels)
    }
    assert shared >= {
        "elementwise", "single", "integers", "truth", "sum", "several", "rows", "columns", "mixed",
        "norms", "gradient", "doubt", "gathered", "windows", "products",
    }  # fmt: skip


def test_small_loops_are_not_split() -> None:
    for name in ("elementwise", "sum", "rows", "mixed", "gradient"):
        f, args = PROGRAMS[name]
        assert not any(k.grain for k in cr.jit(f).lower(*args).loops.kernels), name


@pytest.mark.usefixtures("small")
def test_an_index_out_of_range_is_seen_from_every_thread() -> None:
    f = cr.jit(lambda x, i: cr.take(x, i) + 1)
    for n in (1, 3):
        cr.set_num_threads(n)
        for at in (0, 1500, 3999):
            i = np.zeros(4000, np.int64)
            f(X, i)
            i[at] = 1003
            with pytest.raises(ShapeError, match="out of range"):
                f(X, i)


@pytest.mark.usefixtures("small")
def test_donated_arrays_are_changed_in_pieces() -> None:
    f = cr.jit(lambda x, y: 2 * x + y, donate=0)
    for n in (1, 3):
        cr.set_num_threads(n)
        x = X.copy()
        assert f(x, Y) is x
        np.testing.assert_allclose(x, 2 * X + Y, rtol=1e-15)


@pytest.mark.usefixtures("small")
def test_several_python_threads_call_at_once() -> None:
    """The workers serve one of them; the others do their loops by themselves."""
    cr.set_num_threads(3)
    f = cr.jit(lambda x: cr.sum(cr.sin(x)))
    inputs = [RNG.random(60_000) for _ in range(6)]
    want = [f(x) for x in inputs]
    wrong: list[Any] = []

    def run(k: int) -> None:
        wrong.extend(1 for _ in range(200) if f(inputs[k]) != want[k])

    threads = [threading.Thread(target=run, args=(k,)) for k in range(6)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(timeout=120)
    assert not any(t.is_alive() for t in threads)
    assert not wrong


SCRIPT = """
import os, sys, threading
import numpy as np
import chainrule as cr
cr.set_num_threads(3)
f, x = cr.jit(lambda x: cr.sum(cr.sin(x))), np.linspace(0, 1, 400_000)
want = f(x)
assert any(k.grain for k in f.lower(x).loops.kernels)
busy = threading.Thread(target=lambda: [f(x) for _ in range(300)], daemon=True)
if sys.argv[1] == "busy":
    busy.start()
for _ in range(8):
    child = os.fork()
    if not child:
        ok = all(f(x) == want for _ in range(20))
        os._exit(0 if ok else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert f(x) == want
print("end")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes do not fork here")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("how", ["idle", "busy"])
def test_after_a_fork(how: str) -> None:
    """Workers are made anew in the child, also if the parent's were at work; and all ends."""
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", SCRIPT, how],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert (run.returncode, run.stdout, run.stderr) == (0, "end\n", "")


def test_numbers_of_threads() -> None:
    cr.set_num_threads(4)
    assert cr.get_num_threads() == 4
    for wrong in (0, -1, 257, 2.0, True, "2"):
        with pytest.raises(ArgumentError, match=r"set_num_threads: .* integer from 1 to 256"):
            cr.set_num_threads(wrong)  # type: ignore[arg-type]
    assert cr.get_num_threads() == 4


def test_the_default_comes_from_the_environment() -> None:
    script = "import chainrule as cr; print(cr.get_num_threads())"
    for given, expected in (("3", "3"), ("2,4", "2"), ("", None), ("x", None)):
        run = subprocess.run(
            [sys.executable, "-c", script],
            env=os.environ | {"OMP_NUM_THREADS": given},
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        assert run.stdout.strip() == (expected or str(count))
