"""`print` and `assert` of traced values: done when the program runs, on the numbers it has then."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from chainrule.errors import at, user_line
from chainrule.ops.comparison import logical_not
from chainrule.ops.effects import effect
from chainrule.ops.recording import is_traced
from chainrule.record.trees import flatten, unflatten

Piece = str | tuple[Any, str, str]
"""Of an f-string: a text, or a value, its conversion ("r" for `!r`) and its format."""


class Text(str):
    """An f-string with traced values in it: its pieces are put together when there are numbers."""

    __slots__ = ("pieces",)
    pieces: Sequence[Piece]


def text(pieces: Sequence[Piece]) -> str:
    """An f-string, put together now if nothing in it is traced."""
    if not any(is_traced(p[0]) for p in pieces if not isinstance(p, str)):
        return "".join(map(_formatted, pieces))
    found = Text("".join([p if isinstance(p, str) else repr(p[0]) for p in pieces]))
    found.pieces = pieces
    return found


def _formatted(piece: Piece) -> str:
    if isinstance(piece, str):
        return piece
    value, conversion, form = piece
    convert = _CONVERSIONS.get(conversion)
    return format(value if convert is None else convert(value), form)


_CONVERSIONS: Final[dict[str, Callable[[Any], str]]] = {"r": repr, "s": str, "a": ascii}


def has_traced(tree: Any) -> bool:
    """Whether something in a container is traced."""
    return any(is_traced(x) or isinstance(x, Text) for x in flatten(tree)[0])


def _later(tree: Any) -> tuple[list[Any], Callable[[Sequence[Any]], Any]]:
    """The traced values in a container, and the container as a function of their numbers."""
    leaves, structure = flatten(tree)
    traced: list[Any] = []

    def noted(x: Any) -> Callable[[Sequence[Any]], Any]:
        if is_traced(x):
            traced.append(x)
            number = len(traced) - 1
            return lambda values: values[number]
        if isinstance(x, Text):
            pieces = [p if isinstance(p, str) else (noted(p[0]), *p[1:]) for p in x.pieces]
            return lambda values: "".join(
                [_formatted(p if isinstance(p, str) else (p[0](values), *p[1:])) for p in pieces]
            )
        return lambda values: x

    found = [noted(x) for x in leaves]
    return traced, lambda values: unflatten(structure, [f(values) for f in found])


def show(args: Sequence[Any], options: dict[str, Any], witness: Any = None) -> None:
    """`print(*args, **options)` when the program runs, in each turn of a loop that it is in.

    `witness` is a traced value of the place, needed where nothing that is printed is traced.
    """
    traced, whole = _later(list(args))

    def function(*values: Any) -> None:
        print(*whole(values), **options)

    effect([True, *traced, *_present(witness)], function=function, name="print")


def check(condition: Any, message: Any, witness: Any = None) -> None:
    """`assert condition, message` when the program runs; the error names the user's line."""
    place = at(user_line())
    traced, whole = _later(message)

    def function(*values: Any) -> None:
        raise AssertionError(f"{whole(values)}{place}".lstrip("\n"))

    effect([logical_not(condition), *traced, *_present(witness)], function=function, name="assert")


def _present(witness: Any) -> list[Any]:
    return [] if witness is None else [witness]
