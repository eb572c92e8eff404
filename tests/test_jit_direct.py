"""The function of a compiled program that does the whole call (`codegen.direct`)."""

from __future__ import annotations

import copy
import gc
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.errors import ShapeError
from chainrule.run.ready import MISSED

PROGRAMS: dict[str, tuple[Callable[..., Any], list[Any]]] = {
    "an array": (lambda x, y: x * y + 1, [np.arange(3.0), np.ones(3)]),
    "two axes": (lambda x: x.T @ x, [np.arange(6.0).reshape(2, 3)]),
    "single precision": (lambda x: cr.exp(x), [np.arange(9, dtype="f4")]),
    "integers": (lambda x: x + 1, [np.arange(4)]),
    "truth values": (lambda x: x > 1, [np.arange(4.0)]),
    "a number": (lambda x: cr.sum(x), [np.arange(4.0)]),
    "a number of single precision": (lambda x: cr.sum(x), [np.arange(4, dtype="f4")]),
    "of Python's numbers": (lambda x, y: x * y, [2.0, 3.0]),
    "of NumPy's numbers": (lambda x: x * 2, [np.float64(1.5)]),
    "of numbers of single precision": (lambda x: x * 2, [np.float32(1.5)]),
    "several": (lambda x, y: (x + y, cr.sum(x), y), [np.arange(3.0), 2.0]),
    "nothing inside": (lambda x: x + 1, [np.empty((0, 3))]),
}


def compiled(name: str) -> tuple[Any, Callable[..., Any], list[Any]]:
    """The jitted function, its function that does the whole call, and arguments."""
    function, arguments = PROGRAMS[name]
    f = cr.jit(function)
    f(*arguments)
    direct = f.lower(*arguments).direct
    assert direct is not None
    assert f._quick is direct
    return f, direct, arguments


def same(found: Any, expected: Any) -> None:
    """Types, dtypes and values."""
    assert type(found) is type(expected)
    if isinstance(found, tuple):
        assert len(found) == len(expected)
        for a, b in zip(found, expected, strict=True):
            same(a, b)
    else:
        assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
        np.testing.assert_array_equal(found, expected)


def test_one_result_in_a_tuple() -> None:
    """What a gradient by `argnums=(0,)` is; for other arguments as well."""
    f = cr.jit(cr.grad(lambda x: cr.sum(x * x), argnums=(0,)))
    for x in (np.arange(3.0), np.arange(3.0), np.ones(4), np.arange(3.0)):
        same(f(x), (2 * x,))


@pytest.mark.parametrize("name", PROGRAMS)
def test_it_gives_what_a_call_gives(name: str) -> None:
    """Of the same types, in arrays of their own."""
    f, direct, arguments = compiled(name)
    outs = f.lower(*arguments).call(*arguments)
    found = direct(*arguments)

    same(found, tuple(outs) if len(outs) > 1 else outs[0])
    if isinstance(found, np.ndarray):
        assert found.flags.owndata
        assert found.flags.carray
        assert not np.shares_memory(found, direct(*arguments))


@pytest.mark.parametrize("name", PROGRAMS)
def test_other_arguments_are_not_for_it(name: str) -> None:
    """Of other types, shapes and dtypes, more of them or fewer."""
    _, direct, arguments = compiled(name)

    class Own(np.ndarray):
        pass

    for k, x in enumerate(arguments):
        if isinstance(x, np.ndarray):
            others = [x[None], x.astype("c16"), x.view(Own), cr.tensor(x), x.tolist(), 1.0]
            others += [np.concatenate([x, x], axis=-1), x.astype(x.dtype.newbyteorder())]
        else:
            others = [np.ones(3), np.array(1.0), 1, 1j, "1", None]
            others += [np.float32(1.0) if type(x) is not np.float32 else 1.0]
        for other in others:
            assert direct(*arguments[:k], other, *arguments[k + 1 :]) is MISSED
    assert direct(*arguments, 1.0) is MISSED
    assert direct(*arguments[1:]) is MISSED


def test_arrays_in_another_order_in_memory() -> None:
    """They are taken as they are meant."""
    f, direct, (x,) = compiled("two axes")
    for other in (np.asfortranarray(x), np.repeat(x, 2, axis=1)[:, ::2]):
        np.testing.assert_allclose(direct(other), x.T @ x)
        np.testing.assert_allclose(f(other), x.T @ x)


def test_calls_in_turn() -> None:
    """Arguments of several signatures, by position and by name, as arrays and as Tensors."""
    f = cr.jit(lambda x, y: x * y)
    for _ in range(3):
        for x in (np.arange(3.0), np.arange(4.0), 2.0, np.arange(3, dtype="f4")):
            np.testing.assert_array_equal(f(x, x), np.asarray(x) ** 2)
            np.testing.assert_array_equal(f(x, y=x), np.asarray(x) ** 2)
        assert isinstance(f(cr.tensor([1.0, 2.0]), 2.0), cr.Tensor)
    with pytest.raises(TypeError):
        f(np.arange(3.0))


def test_errors() -> None:
    """An index out of range is the error it is otherwise, every time."""
    f = cr.jit(lambda x, k: x[k])
    x = np.arange(3.0)
    np.testing.assert_array_equal(f(x, np.array([2, 0])), [2, 0])
    for _ in range(3):
        with pytest.raises((ShapeError, IndexError)):
            f(x, np.array([3, 0]))
        np.testing.assert_array_equal(f(x, np.array([1, 1])), [1, 1])


def test_programs_that_are_run_again() -> None:
    """Zero times infinity: the strong product's value, and plain code again after a rest."""
    f = cr.jit(cr.grad(lambda x: cr.sum(cr.where(x > 0, cr.sqrt(x), 0.0))))
    zero, one = np.zeros(3), np.ones(3)
    for _ in range(40):
        np.testing.assert_array_equal(f(zero), [0, 0, 0])
    for _ in range(600):
        np.testing.assert_array_equal(f(one), [0.5, 0.5, 0.5])
    program = f.lower(one)
    assert program._names["entry"] is program._entry
    assert program.direct(one) is not MISSED


@pytest.mark.parametrize("name", PROGRAMS)
def test_references(name: str) -> None:
    """None is lost and none is left, whether it runs or not."""
    _, direct, arguments = compiled(name)
    watched = [*arguments, MISSED, *(np.dtype(c) for c in ("f8", "f4", "i8", "?"))]

    def counts() -> list[int]:
        gc.collect()
        return [sys.getrefcount(x) for x in watched]

    before = counts()
    for _ in range(1000):
        direct(*arguments)
        direct(*arguments, None)
    assert all(abs(a - b) < 100 for a, b in zip(counts(), before, strict=True))


def test_a_copy_is_itself() -> None:
    """As of any function: what holds one can be copied."""
    f = cr.jit(lambda x: x + 1)
    f(1.0)
    assert copy.copy(f) is f
    assert copy.deepcopy({"f": f})["f"] is f
