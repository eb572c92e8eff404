"""What a traced loop goes over: `range`, `enumerate`, `zip` and `reversed` of traced values.

These stand in for Python's own where an argument is traced. In a `for` they give the elements of
one pass; everywhere else they are ordinary iterables, as long as their length is known.
"""

from __future__ import annotations

import builtins
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from chainrule.errors import SyntaxUnsupported, at, user_line
from chainrule.ops.recording import is_traced


class Rows:
    """Elements by number, for numbers that may be traced."""

    length: Any
    """How many: an int, or traced."""

    def at(self, k: Any) -> Any:
        """The k-th element."""
        raise NotImplementedError

    def __iter__(self) -> Iterator[Any]:
        if not isinstance(self.length, int):
            raise SyntaxUnsupported(
                "the length of this range is traced, so its elements cannot be listed; loop over "
                "it in a `for` statement" + at(user_line())
            )
        return (self.at(k) for k in range(self.length))

    def __len__(self) -> int:
        if not isinstance(self.length, int):
            raise SyntaxUnsupported("len(): the length of this range is traced" + at(user_line()))
        return self.length


class Steps(Rows):
    """`range` with a traced start, stop or step."""

    def __init__(self, *bounds: Any) -> None:
        self.start, self.stop, self.step = (
            (0, bounds[0], 1) if len(bounds) == 1 else bounds if len(bounds) == 3 else (*bounds, 1)
        )
        for bound in (self.start, self.stop, self.step):
            if is_traced(bound) and (bound.dtype.kind not in "iu" or bound.shape != ()):
                raise SyntaxUnsupported(
                    f"range(): a bound is {bound.dtype}{list(bound.shape)}, and must be one "
                    "integer; write `int(...)` around it if it is a whole number" + at(user_line())
                )
        if not any(map(is_traced, (self.start, self.stop, self.step))):
            self.length = len(range(self.start, self.stop, self.step))
            return
        # floor division rounds towards the start for either sign of the step
        self.length = np.maximum(-((self.start - self.stop) // self.step), 0)

    def at(self, k: Any) -> Any:
        """The k-th number."""
        return self.start + k * self.step


class Stacked(Rows):
    """Elements made of the rows of arrays, all of one length."""

    def __init__(self, arrays: tuple[Any, ...], element: Callable[[tuple[Any, ...]], Any]) -> None:
        self.arrays = arrays
        self.element = element
        self.length = int(arrays[0].shape[0])

    def at(self, k: Any) -> Any:
        """The element of the k-th rows."""
        return self.element(tuple(a[k] for a in self.arrays))


class Numbered(Rows):
    """`zip` where a length is traced."""

    def __init__(self, parts: tuple[Rows, ...]) -> None:
        self.parts = parts
        self.length = parts[0].length
        for part in parts[1:]:
            self.length = np.minimum(self.length, part.length)

    def at(self, k: Any) -> Any:
        """The tuple of the k-th elements."""
        return tuple(part.at(k) for part in self.parts)


def rows_of(x: Any) -> Rows | None:
    """A traced array's rows, or what is Rows already; None for all else."""
    if isinstance(x, Rows):
        return x
    if is_traced(x):
        if not x.shape:
            raise SyntaxUnsupported("iteration over a number, which is traced" + at(user_line()))
        return Stacked((x,), lambda rows: rows[0])
    return None


def traced_range(*bounds: Any) -> Any:
    """`range`."""
    return Steps(*bounds) if any(map(is_traced, bounds)) else range(*bounds)


def traced_enumerate(iterable: Any, start: Any = 0) -> Any:
    """`enumerate`."""
    rows = rows_of(iterable)
    if rows is None and not is_traced(start):
        return enumerate(iterable, start)
    return traced_zip(_count(rows, start), iterable)


def _count(rows: Rows | None, start: Any) -> Any:
    if isinstance(rows, Stacked) and not is_traced(start):
        return np.arange(start, start + rows.length)
    return Steps(start, start + rows.length) if rows is not None else start


def traced_zip(*iterables: Any, strict: bool = False) -> Any:
    """`zip`."""
    found = [rows_of(x) for x in iterables]
    if all(r is None for r in found):
        return zip(*iterables, strict=strict)
    parts = [_rows_beside(x) if r is None else r for r, x in zip(found, iterables, strict=True)]
    if any(p is None for p in parts) or strict:  # what is in a list need not be an array
        return zip(*iterables, strict=strict)
    if all(isinstance(p, Stacked) for p in parts):
        return _stacked_zip(parts)
    return Numbered(tuple(parts))  # type: ignore[arg-type]


def _rows_beside(x: Any) -> Rows | None:
    """An array or a range beside traced ones, as rows."""
    if isinstance(x, range):
        x = np.array(x, int)
    if isinstance(x, np.ndarray) or (hasattr(x, "shape") and hasattr(x, "dtype")):
        return Stacked((x,), lambda rows: rows[0])
    return None


def _stacked_zip(parts: list[Any]) -> Stacked:
    length = min(p.length for p in parts)
    arrays = tuple(a[:length] for p in parts for a in p.arrays)
    counts = [len(p.arrays) for p in parts]

    def element(rows: tuple[Any, ...]) -> tuple[Any, ...]:
        out, first = [], 0
        for part, count in zip(parts, counts, strict=True):
            out.append(part.element(rows[first : first + count]))
            first += count
        return tuple(out)

    return Stacked(arrays, element)


def traced_reversed(sequence: Any) -> Any:
    """`reversed`."""
    rows = rows_of(sequence)
    if rows is None:
        return builtins.reversed(sequence)
    if isinstance(rows, Stacked):
        return Stacked(tuple(a[::-1] for a in rows.arrays), rows.element)
    if isinstance(rows, Steps):
        return Steps(rows.at(rows.length - 1), rows.start - rows.step, -rows.step)
    raise SyntaxUnsupported("reversed(): not of a `zip` of traced lengths" + at(user_line()))
