"""Compiled code on disk: found again, by graph and by nothing else, and never a damaged one."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from checks import samples_of

import chainrule as cr
from chainrule.codegen import cache, fingerprint
from chainrule.codegen.fingerprint import Unkeyed
from chainrule.errors import ArgumentError, MatrixError
from chainrule.record.trace import trace
from chainrule.run import compiled

TESTS = Path(__file__).parent


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder in which compiled code is kept during a test."""
    cr.set_cache_dir(tmp_path)
    yield tmp_path
    cr.set_cache_dir(None)


def files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.code"))


def loads(f: Any, *args: Any) -> tuple[Any, int]:
    """The result of a function compiled anew, and how often code was found."""
    g = cr.jit(f)
    return g(*args), g.cache_info().loaded


def gradient(x: Any, y: Any) -> Any:
    return cr.grad(lambda x, y: 3 * x**2 + y + cr.exp(x * y), argnums=(0, 1))(x, y)


W = np.linspace(-1, 1, 300).reshape(30, 10)


def branching(x: Any) -> Any:
    def half(x: Any) -> Any:
        return cr.while_loop(lambda x: cr.sum(x) > 1, lambda x: x / 2, x)

    return cr.cond(cr.sum(x) > 0, half, cr.sin, x)


PROGRAMS = [
    (gradient, (1.0, 2.0)),
    (lambda x: cr.tanh(W @ x), (np.ones(10),)),
    (lambda x: cr.linalg.inv(x) + cr.linalg.det(x), (np.eye(9) + 0.1,)),
    (lambda x: (x[[3, 1]], cr.sort(x), x @ np.ones((40, 40))), (np.arange(40.0) % 7,)),
    (branching, (np.arange(5.0),)),
    (lambda x: cr.scan(lambda c, v: (c + v @ W, cr.sum(c)), np.zeros(10), x), (np.ones((6, 30)),)),
    (lambda x: cr.grad(lambda x: cr.sum(cr.sqrt(cr.where(x > 0, x, 0.0))))(x), (np.zeros(50),)),
    (lambda x: cr.vmap(cr.softmax)(x), (np.random.default_rng(0).random((30, 40)),)),
    (lambda x, n: x.astype(np.float32) + n, (np.ones(7), 3)),
]


@pytest.mark.parametrize("k", range(len(PROGRAMS)))
def test_code_is_found_again(folder: Path, k: int) -> None:
    """With the same result to the last bit, after as many files as there are graphs."""
    f, args = PROGRAMS[k]
    first, loaded = loads(f, *args)
    assert not loaded
    count = len(files(folder))
    assert count
    again, loaded = loads(f, *args)
    assert loaded == 1
    assert len(files(folder)) == count
    for a, b in zip(*(x if isinstance(x, tuple) else (x,) for x in (first, again)), strict=True):
        assert np.asarray(a).tobytes() == np.asarray(b).tobytes()
        assert np.asarray(a).dtype == np.asarray(b).dtype


def test_results_are_those_without_a_folder(folder: Path) -> None:
    kept = [loads(f, *args)[0] for f, args in PROGRAMS for _ in range(2)]
    cr.set_cache_dir(None)
    plain = [cr.jit(f)(*args) for f, args in PROGRAMS for _ in range(2)]
    for a, b in zip(kept, plain, strict=True):
        for x, y in zip(*(x if isinstance(x, tuple) else (x,) for x in (a, b)), strict=True):
            np.testing.assert_array_equal(x, y)


def test_what_is_compiled_differently_has_another_key(folder: Path) -> None:
    """Constants, parameters, shapes, dtypes, the order of operands, kinds of numbers."""
    x, big = np.ones(6), np.arange(6.0)
    other = np.where(big == 3, -1.0, big)
    variants: list[tuple[Any, Any]] = [
        (lambda x: x + 1.0, x), (lambda x: x + 2.0, x), (lambda x: 1.0 - x, x),
        (lambda x: x - 1.0, x), (lambda x: x + 1.0, np.ones(7)),
        (lambda x: x + 1.0, np.ones(6, np.float32)), (lambda x: x + 1.0, 1.0),
        (lambda x: x + 1, np.arange(6)), (lambda x: x + big, x), (lambda x: x + other, x),
        (lambda x: x + 0.0, x), (lambda x: x + -0.0, x), (lambda x: x[::2], x),
        (lambda x: x[1::2], x), (lambda x: cr.sum(x), x), (lambda x: cr.sum(x, keepdims=True), x),
        (lambda x: (x, x + 1.0), x), (lambda x: (x + 1.0, x), x),
        (lambda x: x.astype(np.float32), x), (lambda x: x.astype(np.int32), x),
        (lambda x: cr.cond(x[0] > 0, lambda x: x, lambda x: -x, x), x),
        (lambda x: cr.cond(x[0] > 0, lambda x: -x, lambda x: x, x), x),
    ]  # fmt: skip
    for k, (f, at) in enumerate(variants):
        got, loaded = loads(f, at)
        assert not loaded, k
        want = f(cr.tensor(at))
        for g, w in zip(*(y if isinstance(y, tuple) else (y,) for y in (got, want)), strict=True):
            np.testing.assert_array_equal(g, w.numpy())
    assert len(files(folder)) == len(variants)


def test_every_row_of_the_table_has_a_key() -> None:
    """But for those that hold functions: a row with a new kind of parameter shows up here."""
    from chainrule.graph.node import Abstract
    from chainrule.ops.table import TABLE

    counted, without = 0, set()
    for name, row in TABLE.items():
        for sample in samples_of(row):
            shapes = sample.operands
            if row.untested or sample.sized or not all(isinstance(s, tuple) for s in shapes):
                continue
            specs = [Abstract(s, np.dtype(float)) for s in shapes]
            try:
                graph = trace(
                    lambda *xs, row=row, p=sample.params: row.function(*xs, **p),
                    specs, cr.Tensor, name,
                )  # fmt: skip
            except (TypeError, ValueError, NotImplementedError):
                continue
            try:
                assert fingerprint.fingerprint(graph) == fingerprint.fingerprint(graph)
                counted += 1
            except Unkeyed:
                without.add(name)
    assert counted > 300
    assert without <= {"deferred", "custom"}


def test_a_function_of_the_users_has_no_key(folder: Path) -> None:
    """Its derivative is found while it runs, by a function that no key can stand for."""

    def f(x: Any) -> Any:
        return cr.grad(lambda x: cr.sum(cr.linalg.svdvals(x)))(x)

    x = np.random.default_rng(0).random((4, 4))
    want = f(cr.tensor(x))
    for _ in range(2):
        got, loaded = loads(f, x)
        np.testing.assert_allclose(got, want.numpy(), rtol=1e-9)
    assert loaded == len(files(folder))  # kept or not: right in both cases


def test_rules_of_the_users_are_used_up_by_the_rewrites(folder: Path) -> None:
    @cr.custom_jvp
    def twice(x: Any) -> Any:
        return 2 * x

    twice.defjvp(lambda primals, tangents: (2 * primals[0], 2 * tangents[0]))
    assert "by NumPy" not in cr.jit(lambda x: twice(x) + 1).lower(3.0).report()
    assert len(files(folder)) == 1
    assert loads(lambda x: twice(x) + 1, 3.0) == (7.0, 1)


@pytest.mark.parametrize("damage", ["cut", "empty", "longer", "flipped", "other", "folder"])
def test_a_damaged_file_is_compiled_again(folder: Path, damage: str) -> None:
    """And replaced; no error, no wrong number."""
    f = lambda x: cr.sum(cr.exp(W @ x))  # noqa: E731
    x = np.linspace(0, 1, 10)
    want, _ = loads(f, x)
    (path,) = files(folder)
    content = path.read_bytes()
    bad: list[bytes] = {
        "cut": [content[:n] for n in (1, 40, 64, 65, len(content) // 2, len(content) - 1)],
        "empty": [b""],
        "longer": [content + b"\0"],
        "flipped": [
            content[:n] + bytes([content[n] ^ 1 << b]) + content[n + 1 :]
            for n in range(0, len(content), len(content) // 7)
            for b in (0, 7)
        ],
        "other": [],
        "folder": [],
    }[damage]
    if damage == "other":  # the file of another function under this name
        cr.jit(lambda x: x + 1)(x)
        bad = [next(p for p in files(folder) if p != path).read_bytes()]
    for wrong in bad:
        path.write_bytes(wrong)
        assert loads(f, x) == (want, 0)
        assert loads(f, x) == (want, 1)
    if damage == "folder":  # it cannot be replaced, either
        path.unlink()
        path.mkdir()
        assert loads(f, x) == (want, 0)


@pytest.mark.parametrize("what", ["sources", "version", "numpy", "options"])
def test_another_version_compiles_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    f, args = PROGRAMS[0]
    loads(f, *args)
    if what == "sources":
        monkeypatch.setattr(compiled, "sources", lambda: "another")
    elif what == "version":
        monkeypatch.setattr(compiled, "version", lambda: "another processor")
    elif what == "numpy":
        monkeypatch.setattr(np, "__version__", "0.0.test")
    else:
        monkeypatch.setattr(compiled.Options, "__repr__", lambda self: "another")
    assert loads(f, *args)[1] == 0
    assert loads(f, *args)[1] == 1
    monkeypatch.undo()
    assert loads(f, *args)[1] == 1


def test_the_version_and_every_stage_of_the_compiler_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = tmp_path / "chainrule"
    shutil.copytree(fingerprint.PACKAGE, copy)
    monkeypatch.setattr(fingerprint, "PACKAGE", copy)
    found = set()
    changed = ("version.py", "codegen/emit.py", "rewrite/simplify.py", "ops/table.py", "nothing")
    for name in changed:
        fingerprint.sources.cache_clear()
        found.add(fingerprint.sources())
        if name != "nothing":
            (copy / name).write_text((copy / name).read_text() + "#")
    fingerprint.sources.cache_clear()
    assert len(found) == len(changed)


def test_the_folder_stays_small(tmp_path: Path) -> None:
    """What was used least recently goes first; what a dead process left behind goes too."""
    cr.set_cache_dir(tmp_path, max_bytes=20_000)
    left = tmp_path / "x.writing"
    left.write_bytes(b"")
    os.utime(left, (1.0, 1.0))
    try:
        for k in range(20):
            loads(lambda x, k=k: x + (k + 1.0), 1.0)
            time.sleep(0.01)
            assert loads(lambda x: x + 0.0, 1.0)[1] == (k > 0)  # used again and again: it stays
            assert sum(p.stat().st_size for p in files(tmp_path)) <= 20_000
    finally:
        cr.set_cache_dir(None)
    assert len(files(tmp_path)) >= 3
    assert not left.exists()


def test_what_is_larger_than_the_folder_is_not_kept(tmp_path: Path) -> None:
    table = np.arange(1e5)
    cr.set_cache_dir(tmp_path, max_bytes=100_000)
    try:
        loads(lambda x: x + table, np.ones(100_000))
    finally:
        cr.set_cache_dir(None)
    assert not files(tmp_path)


def test_a_folder_that_cannot_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(ArgumentError, match=r"set_cache_dir: .*cannot be used as a folder"):
        cr.set_cache_dir(file)
    assert cr.get_cache_dir() is None
    monkeypatch.setattr(cache, "_store", [])
    monkeypatch.setenv(cache.VARIABLE, str(file / "below"))
    with pytest.warns(RuntimeWarning, match="compiled code is not kept"):
        assert cr.get_cache_dir() is None
    assert cr.jit(lambda x: x + 1)(1.0) == 2.0


def test_an_unwritable_folder_changes_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_args: Any) -> None:
        raise OSError(28, "no space left on device")

    monkeypatch.setattr(os, "replace", full)
    assert loads(lambda x: x * 3, 2.0) == (6.0, 0)
    assert list(folder.iterdir()) == []


SCRIPT = """
import sys, json
import numpy as np
import chainrule as cr
sys.path.insert(0, {tests!r})
from test_jit_cache import PROGRAMS, loads
from chainrule.record.trees import flatten
found = [loads(f, *args) for f, args in PROGRAMS]
print(json.dumps([[b.tobytes().hex() for b in map(np.asarray, flatten(y)[0])] for y, _ in found]))
print(sum(n for _, n in found))
"""


def processes(count: int, folder: Path) -> list[list[str]]:
    """What that many processes print, all started together."""
    env = os.environ | {cache.VARIABLE: str(folder)}
    script = SCRIPT.format(tests=str(TESTS))
    started = [
        subprocess.Popen([sys.executable, "-c", script], env=env, stdout=-1, stderr=-1, text=True)
        for _ in range(count)
    ]
    found = []
    for p in started:
        out, error = p.communicate(timeout=300)
        assert p.returncode == 0, error
        found.append(out.splitlines())
    return found


def test_processes_share_a_folder(tmp_path: Path) -> None:
    """Two write the same files at once; a third finds all of them, and the same numbers."""
    one, two = processes(2, tmp_path)
    assert one[0] == two[0]
    assert not list(tmp_path.glob("*.writing"))
    (three,) = processes(1, tmp_path)
    assert three == [one[0], str(len(PROGRAMS))]


def test_no_address_is_in_the_text() -> None:
    """Machine code that is kept must not hold places of this process's memory."""
    for f, args in PROGRAMS:
        text = cr.jit(f).lower(*args).llvm
        assert "define" in text
        assert not re.search(r"inttoptr \(i64 \d", text)


def test_linear_algebra_errors_pass_through(folder: Path) -> None:
    """The callbacks of loaded code are those of the program it was made of."""
    for _ in range(2):
        f = cr.jit(lambda x: cr.linalg.inv(x) @ np.ones((40, 40)))
        with pytest.raises((MatrixError, np.linalg.LinAlgError)):
            f(np.zeros((40, 40)))
    assert f.cache_info().loaded == 1
