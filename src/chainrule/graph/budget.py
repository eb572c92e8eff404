"""How many bytes loops may keep for the way back: said by `grad(f, memory=...)`, read by whoever
records, differentiates or runs a loop.
"""

from __future__ import annotations

import re
from _thread import get_ident
from typing import Any, Final

from chainrule.errors import ArgumentError, at, user_line

UNITS: Final = {
    "B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12,
    "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40,
}  # fmt: skip

_budgets: dict[int, int] = {}
"""The budget of each thread that has one."""


def bytes_of(name: str, memory: Any) -> int | None:
    """A budget in bytes: None, an integer, or a text as "64MB" or "1.5 GiB".

    Raises ArgumentError for anything else.

    >>> bytes_of("grad", "64MB")
    64000000
    """
    if memory is None:
        return None
    if isinstance(memory, int) and not isinstance(memory, bool) and memory > 0:
        return memory
    found = (
        re.fullmatch(r"\s*(\d+(?:\.\d*)?)\s*([A-Za-z]*)\s*", memory)
        if type(memory) is str
        else None
    )
    units = {u.lower(): n for u, n in UNITS.items()}
    size = units.get((found[2] or "B").lower()) if found else None
    if found is None or size is None or int(float(found[1]) * size) < 1:
        raise ArgumentError(
            f"{name}: memory={memory!r} is no number of bytes; give a positive integer, or a text "
            f"as '64MB' with one of the units {', '.join(UNITS)}" + at(user_line())
        )
    return int(float(found[1]) * size)


def budget() -> int | None:
    """What loops may keep now; None where there is no limit."""
    return _budgets.get(get_ident()) if _budgets else None


class Limited:
    """Within this block loops may keep so many bytes; None changes nothing."""

    def __init__(self, memory: int | None) -> None:
        self.memory = memory

    def __enter__(self) -> None:
        self.before = budget()
        if self.memory is not None:
            _budgets[get_ident()] = self.memory

    def __exit__(self, *_: object) -> None:
        if self.before is None:
            _budgets.pop(get_ident(), None)
        else:
            _budgets[get_ident()] = self.before


def too_little(what: str, given: int, least: int) -> ArgumentError:
    """The error of a budget in which a loop cannot be differentiated."""
    return ArgumentError(
        f"memory={given} bytes is too little for the derivative of {what}: the least is {least} "
        "bytes" + at(user_line())
    )
