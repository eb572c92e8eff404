"""Rewritten functions do what the originals do: on ordinary values, and on traced ones."""

from __future__ import annotations

import contextlib
import traceback
from collections.abc import Iterator
from typing import Any

import pytest
import syntax_corpus
from fake_tracing import Operations, Traced, number_of
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from random_programs import made, programs

from chainrule.record.syntax import rewrite
from chainrule.record.syntax.registry import control_flow

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
