"""Operations on small arrays that are repeated run as machine code: NumPy's values, and errors."""

from __future__ import annotations

import gc
import itertools
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import checks
import numpy as np
import pytest

import chainrule as cr
import chainrule.torch as torch
from chainrule.codegen.engine import available
from chainrule.ops import hot, repeated
from chainrule.ops.table import TABLE

if not available():
    pytest.skip("needs llvmlite", allow_module_level=True)

from chainrule.codegen.engine import is_x86

if not is_x86():
    pytest.skip("the processor notes errors elsewhere", allow_module_level=True)

DIRECT = sorted(n for n, row in TABLE.items() if row.call is not None)


@contextmanager
def at_once() -> Iterator[None]:
    """Within this block every operation is compiled when it is met first."""
    before = repeated.ENOUGH[0], repeated.EVERY[0]
    repeated.ENOUGH[0], repeated.EVERY[0] = 0, 1
    hot.meter.left = 1
    repeated.forget()
    try:
        yield
    finally:
        repeated.ENOUGH[0], repeated.EVERY[0] = before
        repeated.forget()


def outcome(call: Callable[[], Any]) -> tuple[Any, list[str]]:
    """What a call gives or raises, and what it warns of."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        try:
            value = call()
        except Exception as error:
            return type(error), []
    return value, sorted({str(w.message) for w in said})


def same(found: Any, expected: Any, rtol: float) -> None:
    """Equal in type, dtype and shape, and in value up to rounding."""
    assert type(found) is type(expected)
    assert found.dtype == expected.dtype
    assert found.shape == expected.shape
    scale = float(np.max(np.abs(np.nan_to_num(expected)), initial=1.0, where=np.isfinite(expected)))
    np.testing.assert_allclose(found, expected, rtol, rtol * scale)


@pytest.mark.parametrize("name", DIRECT)
def test_row(name: str) -> None:
    """Each row on its samples and at its special points: value, warnings, and errors as before."""
    row = TABLE[name]
    for k, sample in enumerate(checks.samples_of(row)[:3]):
        rng = checks.generator_for(row, sample)
        dtype = np.float32 if k % 2 else np.float64
        rtol = 1e-5 if k % 2 else 1e-13
        drawn = checks.Program(row, sample, rng, checks.draw).operands
        operands = [v.astype(dtype) if v.dtype.kind == "f" else v for v in map(np.asarray, drawn)]
        if row.special and all(v.dtype.kind == "f" for v in operands):
            with np.errstate(over="ignore"):
                points = np.resize(np.array(row.special, dtype), 8)
            operands = [points, points[::-1].copy()][: len(operands)]

        def call(operands: Any = operands) -> Any:
            return row.call(*map(cr.tensor, operands))._value  # type: ignore[misc]

        expected, said = outcome(call)
        with at_once():
            for _ in range(3):
                found, now = outcome(call)
                assert now == said
                if isinstance(expected, type):
                    assert found is expected
                else:
                    same(found, expected, rtol * row.tolerance)


def test_machine_code_is_used() -> None:
    """The operations of a small program, Python's numbers among the operands, all get theirs."""
    x = cr.tensor([[1.0, -2.0, 3.0]], requires_grad=True)
    names = ("multiply", "add", "power", "sum", "matmul", "subtract", "relu")
    with at_once():
        for _ in range(2):
            y = cr.special.relu(x) @ cr.ones((3, 2)) + 0.5 * x[:, :2] ** 2 - x[:, 1:]
            assert float(y.sum()._value) == 9.5
        assert [n for n in names if not TABLE[n].code] == []


def test_operands_of_all_kinds_in_turn() -> None:
    """One row on arrays of many shapes, dtypes and layouts, and numbers, over and over."""
    a = np.arange(1.0, 13.0).reshape(3, 4)
    kinds = [
        a, a[0], a[:, :1].copy(), a.T, a[::2], a.astype(np.float32), a.astype(int), a > 2,
        np.float64(2), np.float32(3), 2, 3, 300, True, 2.0, 0.5, a.astype(">f8"), np.zeros((0, 4)),
    ]  # fmt: skip
    with at_once():
        for _ in range(3):
            for name in ("add", "multiply", "power", "maximum"):
                row = TABLE[name]
                for x, y in itertools.product(kinds, kinds):
                    if not isinstance(x, np.ndarray) or x.dtype.kind == "b":
                        continue
                    expected, said = outcome(partial(row.evaluate, x, y))
                    found, now = outcome(partial(row.call, cr.tensor(x), y))  # type: ignore[arg-type]
                    assert now == said
                    if isinstance(expected, type):
                        assert isinstance(found, type)
                    else:
                        same(found._value, np.asarray(expected)[()], 1e-6)


def test_more_kinds_than_are_kept() -> None:
    """After many shapes the machine code begins anew, and the values stay right."""
    with at_once():
        for n in [*range(1, 40), *range(1, 40)]:
            x = cr.tensor(np.arange(float(n)) + 1)
            np.testing.assert_array_equal((x + x).numpy(), 2 * np.arange(float(n)) + 2)


def test_what_numpy_is_told_of_errors() -> None:
    """Warnings and exceptions of the processor's errors come as `np.errstate` asks for them."""
    x, zero = cr.tensor([1.0, -1.0]), cr.tensor([0.0, 0.0])
    huge, tiny = cr.tensor([1e308, 1.0]), cr.tensor([1e-200, 1.0])
    cases = [lambda: x / zero, lambda: zero / zero, lambda: huge * huge, lambda: tiny * tiny]
    with at_once():
        for good in (x / x, huge * x, tiny * x):
            assert good is not None
        for _ in range(2):
            for k, case in enumerate(cases):
                with np.errstate(all="raise"), pytest.raises(FloatingPointError):
                    case()
                with np.errstate(all="ignore"):
                    case()
                if k < 3:
                    with pytest.warns(RuntimeWarning):
                        case()
        assert TABLE["divide"].code
        assert TABLE["multiply"].code


def test_results_are_new_and_nothing_leaks() -> None:
    """Each call makes an object of its own, and counts of references stay what they are."""
    x = cr.tensor([1.0, 2.0, 3.0])
    other = cr.tensor([1.0, 2.0])
    with at_once():
        seen = [(x * x)._value for _ in range(3)] + [x.sum()._value for _ in range(3)]
        assert len({id(v) for v in seen}) == 6
        objects = (np.dtype(float), None, np.float64, np.ndarray, 2, 0)
        gc.collect()
        before = [sys.getrefcount(o) for o in objects]
        for _ in range(20_000):
            (x * x).sum()
            other * other  # passes by the machine code of x, and takes its own
        gc.collect()
        after = [sys.getrefcount(o) for o in objects]
        assert max(abs(b - a) for a, b in zip(before, after, strict=True)) < 100


def test_wherever_it_is_met() -> None:
    """Within `no_grad`, a transform, or the tracing of another function, on constants."""
    x, c = cr.tensor([1.0, 2.0, 3.0]), cr.tensor([2.0, 2.0, 2.0])

    def within(t: Any) -> Any:
        return ((c * c) * t).sum()

    ways: list[Callable[[], Any]] = [
        lambda: cr.no_grad()(lambda: (x * x).sum()._value)(),
        lambda: cr.grad(within)(np.ones(3)).sum(),
        lambda: cr.jit(within)(np.ones(3)),
        lambda: cr.vmap(within)(np.ones((2, 3))).sum(),
    ]
    for way, expected in zip(ways, (14.0, 12.0, 12.0, 24.0), strict=True):
        with at_once():
            for _ in range(2):
                assert float(way()) == expected
                assert float((x * x).sum()._value) == 14.0
            assert TABLE["multiply"].code


def test_in_several_threads() -> None:
    """Threads that meet the same operations while these are compiled."""
    wrong: list[int] = []

    def work(n: int) -> None:
        x = cr.tensor(np.full(n, 2.0))
        wrong.extend(n for _ in range(300) if float((x * x + 1.0).sum()) != 5.0 * n)

    with at_once():
        threads = [threading.Thread(target=work, args=(n,)) for n in (2, 3, 4, 5)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
    assert not wrong


def test_pytorch_rules_of_promotion_stay() -> None:
    """`chainrule.torch` has dtypes of its own, whether NumPy computes or machine code."""
    x = torch.tensor([1.0, 2.0])
    with at_once():
        for _ in range(3):
            scalar = torch.tensor(2.0, dtype=torch.float64)
            for y in (x * scalar, 2 * x, x * 2.5, x + np.float64(1)):
                assert y.dtype == torch.float32


def test_the_switch() -> None:
    """With `set_compile_walks(False)` NumPy computes everything again."""
    x = cr.tensor([1.0, 2.0, 3.0])
    with at_once():
        x * x
        assert TABLE["multiply"].code
        cr.set_compile_walks(False)
        try:
            assert not TABLE["multiply"].code
            x * x
            assert not TABLE["multiply"].code
        finally:
            cr.set_compile_walks(True)


def test_only_what_is_repeated_is_compiled() -> None:
    """A program that computes now and then never waits for a compiler."""
    x = cr.tensor([1.0, 2.0, 3.0, 4.0, 5.0])
    repeated.forget()
    for _ in range(1000):
        x * x
    assert not TABLE["multiply"].code
    for _ in range(repeated.ENOUGH[0]):
        x * x
    assert TABLE["multiply"].code
    repeated.forget()
