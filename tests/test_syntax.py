"""Rewritten functions do what the originals do: on ordinary values, and on traced ones."""

from __future__ import annotations

import contextlib
import functools
import gc
import inspect
import json
import textwrap
import traceback
import weakref
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import syntax_corpus
from fake_tracing import Operations, Traced, number_of
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from random_programs import made, programs

import chainrule as cr
from chainrule.errors import ShapeError
from chainrule.record.syntax import rewrite
from chainrule.record.syntax.helpers import Helpers
from chainrule.record.syntax.registry import control_flow
from chainrule.record.syntax.users import is_users

IDS = [f"{f.__name__}-{args}" for f, args in syntax_corpus.CALLS]


def outcome(function: Any, args: tuple[Any, ...]) -> Any:
    """What a call returns, or the error it raises and the lines it passes in the corpus."""
    try:
        return "returned", function(*args)
    except Exception as error:
        lines: list[tuple[str, int | None]] = []
        for f in traceback.extract_tb(error.__traceback__):
            if f.filename == syntax_corpus.__file__:
                if lines and lines[-1][0] == f.name:
                    lines.pop()  # a branch is a frame of its own, under its function's name
                lines.append((f.name, f.lineno))
        # whose variable is not bound is said in other words
        kind = NameError if isinstance(error, NameError) else type(error)
        return "raised", kind, str(error) if kind is not NameError else "", lines


@pytest.mark.parametrize(("function", "args"), syntax_corpus.CALLS, ids=IDS)
def test_ordinary_values(function: Any, args: tuple[Any, ...]) -> None:
    rewritten = rewrite(function, arrays=True, control_flow=True)
    assert rewritten is not function

    expected = outcome(function, args)
    found = outcome(rewritten, args)
    assert repr(found) == repr(expected)


# --- traced values -----------------------------------------------------------------------------


@contextlib.contextmanager
def replaced(fakes: Operations) -> Iterator[Operations]:
    """With operations that compute, in place of the real ones."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("cond", "while_loop", "fori_loop", "scan"):
            patch.setattr(control_flow, name, getattr(fakes, name))
        yield fakes


@pytest.fixture
def operations() -> Iterator[Operations]:
    with replaced(Operations()) as fakes:
        yield fakes


def run_traced(function: Any, args: tuple[Any, ...]) -> Any:
    """Result of the rewritten function on traced numbers, as ordinary ones."""
    out = rewrite(function, arrays=True, control_flow=True)(*map(Traced, args))
    return number_of(out)


TRACED_IDS = [f"{f.__name__}-{args}" for f, args in syntax_corpus.TRACEABLE]


@pytest.mark.parametrize(("function", "args"), syntax_corpus.TRACEABLE, ids=TRACED_IDS)
def test_traced_values(function: Any, args: tuple[Any, ...], operations: Operations) -> None:
    assert run_traced(function, args) == pytest.approx(function(*args))


# --- random programs ---------------------------------------------------------------------------


@settings(max_examples=40, suppress_health_check=list(HealthCheck))
@given(programs(), st.integers(-3, 5), st.integers(-3, 5))
def test_random_programs_on_ordinary_values(source: str, x: int, y: int) -> None:
    program = made(source)
    rewritten = rewrite(program, arrays=True, control_flow=True)

    assert outcome(rewritten, (x, y)) == outcome(program, (x, y))


@settings(max_examples=40, suppress_health_check=list(HealthCheck))
@given(programs(), st.integers(-3, 5), st.integers(-3, 5), st.booleans())
def test_random_programs_on_traced_values(source: str, x: int, y: int, both: bool) -> None:
    program = made(source)
    with replaced(Operations()):
        found = (
            run_traced(program, (x, y))
            if both
            else number_of(rewrite(program, arrays=True, control_flow=True)(Traced(x), y))
        )

    assert found == program(x, y)


# --- functions stay what they are --------------------------------------------------------------


def decorated(function: Any) -> Any:
    """A decorator that leaves a mark, to be applied once."""
    APPLIED.append(function.__name__)
    function.mark = "kept"
    return function


APPLIED: list[str] = []


@decorated
def described(a: int, b: float = 2.0, *rest: Any, key: str = "k", **more: Any) -> str:
    """What it says."""
    if a:
        return f"{a} {b} {rest} {key} {more}"
    return ""


def test_what_describes_a_function_is_kept() -> None:
    rewritten = rewrite(described, arrays=True, control_flow=True)

    assert rewritten(1, 3.0, 4, key="x", z=5) == described(1, 3.0, 4, key="x", z=5)
    assert rewritten(1) == described(1)
    for name in ("__name__", "__qualname__", "__doc__", "__module__", "__defaults__"):
        assert getattr(rewritten, name) == getattr(described, name)
    assert rewritten.__kwdefaults__ == {"key": "k"}
    assert rewritten.__annotations__ == described.__annotations__
    assert inspect.signature(rewritten) == inspect.signature(described)
    assert rewritten.mark == "kept"
    assert APPLIED == ["described"]
    assert inspect.getsource(described).endswith(inspect.getsource(rewritten))


def test_names_of_inner_functions_say_nothing_of_the_rewrite() -> None:
    def outer(flag: bool) -> Any:
        if flag:

            def inner() -> int:
                return 1

            return inner, lambda: 2
        return None

    expected = [f.__qualname__ for f in outer(True)]
    found = [f.__qualname__ for f in rewrite(outer, arrays=True, control_flow=True)(True)]
    assert found == expected


def test_a_decorator_that_wraps_is_looked_through() -> None:
    def logged(function: Any) -> Any:
        @functools.wraps(function)
        def wrapper(*args: Any) -> Any:
            return function(*args)

        return wrapper

    @logged
    def sign(x: Any) -> Any:
        if x > 0:
            return 1
        return -1

    with replaced(Operations()):
        rewritten = rewrite(sign, arrays=True, control_flow=True)
        assert number_of(rewritten(Traced(3))) == 1
    assert rewritten.__wrapped__ is sign.__wrapped__


def test_closures_stay_live() -> None:
    scale = 2

    def scaled(x: Any) -> Any:
        nonlocal calls
        calls += 1
        return x * scale if x else 0

    calls = 0
    rewritten = rewrite(scaled, arrays=True, control_flow=True)
    assert rewritten(3) == 6
    scale = 5
    assert rewritten(3) == 15
    assert calls == 2


def test_each_closure_has_its_own_values() -> None:
    def maker(k: int, default: int) -> Any:
        def f(x: Any, d: int = default) -> Any:
            return x * k + d if x else d

        return f

    fs = [maker(k, 10 * k) for k in range(3)]
    assert [rewrite(f, arrays=True, control_flow=True)(1) for f in fs] == [0, 11, 22]


def test_a_rewritten_function_is_kept_and_not_rewritten_again() -> None:
    once = rewrite(described, arrays=True, control_flow=True)
    inner = rewrite(lambda: lambda x: 1 if x else 2, arrays=True, control_flow=True)()

    assert rewrite(inner, arrays=True, control_flow=True) is inner
    assert rewrite(described, arrays=True, control_flow=True) is once
    assert rewrite(once, arrays=True, control_flow=True) is once


def test_functions_die_with_their_last_user() -> None:
    def make() -> Any:
        def recursive(n: int) -> int:
            return n * recursive(n - 1) if n else 1

        assert rewrite(recursive, arrays=True, control_flow=True)(4) == 24
        assert rewrite(recursive, arrays=True, control_flow=False)(4) == 24
        return weakref.ref(recursive)

    gone = make()
    gc.collect()
    assert gone() is None


def test_lambdas_on_one_line_are_told_apart() -> None:
    fs = [lambda x: 1 if x else 2, lambda x: 3 if x else 4]; g = lambda x, y=(lambda z: z or 5): y(x)  # noqa: E501, E702, E731 # fmt: skip

    assert [rewrite(f, arrays=True, control_flow=True)(0) for f in fs] == [2, 4]
    assert rewrite(g, arrays=True, control_flow=True)(0) == 5
    with replaced(Operations()):
        found = [rewrite(f, arrays=True, control_flow=True)(Traced(0)) for f in fs]
        assert number_of(found) == [2, 4]


def test_functions_of_libraries_are_called_as_they_are() -> None:
    def refuse(f: Any, calls: Any) -> Any:
        pytest.fail(f"{f} was rewritten")

    calls = Helpers(True, True, "user", refuse)
    for f in (textwrap.dedent, json.dumps, np.median, np.linalg.norm, len, dict, st.integers):
        assert calls.callee(f) is f
    assert calls.callee(json.JSONEncoder) is json.JSONEncoder
    assert calls.callee(cr.sin)(0.5) == np.sin(0.5)


def test_an_installed_package_is_rewritten_if_its_own_function_is_transformed() -> None:
    assert is_users(json.dumps, "json")
    assert not is_users(json.dumps, "user")
    assert not is_users(cr.sin, "chainrule")


def test_the_users_line_is_found() -> None:
    def complains(x: Any) -> Any:
        if x:
            for _ in range(2):
                return np.zeros(2) @ cr.zeros(3)  # this line
        return x

    with pytest.raises(ShapeError, match="this line"):
        rewrite(complains, arrays=True, control_flow=True)(1)
