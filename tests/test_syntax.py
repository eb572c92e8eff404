"""Rewritten functions do what the originals do: on ordinary values, and on traced ones."""

from __future__ import annotations

import traceback
from typing import Any

import pytest
import syntax_corpus

from chainrule.record.syntax import rewrite

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
