"""Checks of loads and stores: right code passes, code that was broken on purpose does not."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from test_jit_cache import PROGRAMS

import chainrule as cr
from chainrule.codegen import options
from chainrule.codegen.expression import Expr
from chainrule.codegen.index import affine
from chainrule.codegen.loops import Kernel, Loop, Nest, Product, Program
from chainrule.errors import BoundsError, ShapeError
from chainrule.run import compiled
from chainrule.run.compiled import Compiled


def checked(f: Any, *args: Any) -> Any:
    return cr.jit(f, check_bounds=True).lower(*args)


@pytest.mark.parametrize("k", range(len(PROGRAMS)))
def test_checked_code_gives_the_same(k: int) -> None:
    f, args = PROGRAMS[k]
    got, want = (cr.jit(f, check_bounds=check)(*args) for check in (True, False))
    for a, b in zip(*(x if isinstance(x, tuple) else (x,) for x in (got, want)), strict=True):
        np.testing.assert_array_equal(a, b)


def test_every_access_of_a_kernel_is_checked() -> None:
    """Loads and stores of one element, of vectors, of gathered and scattered ones, of rows."""
    i = np.arange(64) % 10

    def f(x: Any, i: Any) -> Any:
        y = cr.take(x, i, axis=0)
        return y, cr.sum(y), cr.scatter_add(y, i, (10, 3)) if False else y[::3], x[0, 0]

    c = checked(f, np.arange(30.0).reshape(10, 3), i)
    kernels = [t for t in c.llvm.split("define ") if "@kernel" in t.split("\n")[0]]
    assert kernels
    for text in kernels:
        found = 0
        for line in text.split("\n"):
            if re.search(r"= load|^ +store|masked\.(gather|scatter)", line):
                assert re.search(r"ptr>? %checked\d+", line), line
                found += 1
        assert found
    assert "noalias" not in "".join(k.split("\n")[0] for k in kernels)


def test_the_whole_process_can_be_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    for value, expected in (("1", True), ("0", False), ("", False)):
        monkeypatch.setenv(options.VARIABLE, value)
        assert ("@checked" in cr.jit(lambda x: x + 1).lower(1.0).llvm) is expected


def kernel_of(program: Program) -> Kernel:
    return next(k for p in program.programs() for k in p.kernels if k.extents)


def longer(program: Program) -> None:
    k = kernel_of(program)
    k.extents = (*k.extents[:-1], k.extents[-1] + 3)


def before(program: Program) -> None:
    store = kernel_of(program).stores[0]
    store.position = affine(-1, dict(store.position.terms))


def far(program: Program) -> None:
    load = next(e for e in kernel_of(program).body() if e.op == "load" and e.mask)
    buffer, position = load.value
    load.value = buffer, affine(10_000_000, dict(position.terms))


def apart(program: Program) -> None:
    load = next(e for e in kernel_of(program).body() if e.op == "load" and e.mask)
    buffer, position = load.value
    load.value = buffer, affine(0, {v: 3 * c for v, c in position.terms})


X = np.linspace(0, 1, 240).reshape(6, 40)


def rows(x: Any) -> Any:
    return cr.vmap(cr.softmax)(x)


def gathered(x: Any) -> Any:
    return cr.take(x.reshape(-1), cr.astype(7 * x.reshape(-1), np.int64))


def in_a_loop(x: Any) -> Any:
    return cr.scan(lambda c, v: (c + v * 2, cr.sum(c * v)), x[0], x)


BROKEN: list[tuple[Any, Callable[[Program], None], str]] = [
    (f, damage, what)
    for f in (lambda x: cr.exp(x) + 1, rows, gathered, in_a_loop, lambda x: cr.sum(x, axis=0))
    for damage, what in (
        (longer, "(reads|writes)"), (before, "(reads|writes)"), (far, "reads"), (apart, "reads"),
    )
]  # fmt: skip


@pytest.mark.parametrize(("f", "damage", "what"), BROKEN)
def test_broken_kernels_are_caught(
    f: Any, damage: Callable[[Program], None], what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error names kernel, buffer and place, and the calling line; the next call is fresh."""
    right = compiled.plan_all

    def wrong(program: Program) -> None:
        damage(program)
        right(program)

    monkeypatch.setattr(compiled, "plan_all", wrong)
    g = cr.jit(f, check_bounds=True)
    for _ in range(2):
        words = rf"kernel\.\d+ {what} \w+ \w\d+ of \d+ elements"
        with pytest.raises(BoundsError, match=words) as e:
            g(X)
        assert "at byte" in str(e.value)
        assert "test_jit_bounds.py" in str(e.value)


def share(program: Program) -> None:
    for b in program.temporaries:
        b.offset = 0


def small(program: Program) -> None:
    program.arena //= 2


def beyond(program: Program) -> None:
    step = next(s for s in program.steps if isinstance(s, Product))
    step.a.position = 1


def short(program: Program) -> None:
    step = next(s for s in program.steps if isinstance(s, Loop))
    step.length += 1


def product(x: Any) -> Any:
    y = cr.sin(x) @ cr.cos(x.T)
    return y @ cr.exp(y)


@pytest.mark.parametrize(
    ("f", "damage", "match"),
    [
        (product, share, "share memory"),
        (product, small, "outside of the arena"),
        (product, beyond, "goes beyond"),
        (in_a_loop, short, "a body of scan takes"),
    ],
)
def test_broken_plans_are_caught(
    f: Any, damage: Callable[[Program], None], match: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the program is compiled: nothing is run."""
    right = compiled.plan_all

    def wrong(program: Program) -> None:
        right(program)
        damage(program)

    monkeypatch.setattr(compiled, "plan_all", wrong)
    with pytest.raises(BoundsError, match=match):
        checked(f, np.ones((40, 40)))


def test_memory_that_nothing_has_written_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    """A kernel that leaves elements out gives NaN there."""
    right = compiled.plan_all

    def wrong(program: Program) -> None:
        k = kernel_of(program)
        k.extents = (k.extents[0] - 8,)
        right(program)

    monkeypatch.setattr(compiled, "plan_all", wrong)
    got = cr.jit(lambda x: cr.exp(x), check_bounds=True)(np.zeros(64))
    assert np.isnan(got[-8:]).all()
    assert (got[:-8] == 1).all()


def test_checks_are_seen_in_nests() -> None:
    """Kernels that run row by row, with scratch of one row."""
    c = checked(rows, X)
    assert isinstance(c, Compiled)
    assert any(isinstance(s, Nest) for s in c.loops.steps)
    assert all(isinstance(e, Expr) for k in c.loops.kernels for e in k.body())
    assert c.llvm.count("call ptr @checked") > 4


def test_errors_name_the_line_of_the_call() -> None:
    for check in (False, True):
        f = cr.jit(lambda x, i: x[i], check_bounds=check)
        with pytest.raises(ShapeError, match=r"test_jit_bounds\.py:\d+: f\(np\.ones\(3\), 7\)"):
            f(np.ones(3), 7)
