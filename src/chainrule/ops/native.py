"""What compiled code does for a row that is not elementwise: loops, written in Python.

    def _running_sum(y, x):
        total = x[0]
        y[0] = total
        for i in range(1, len(x)):
            total += x[i]
            y[i] = total

    @operation(..., native=loops(_running_sum, core=(1,)))

The function is never run as Python: `codegen.translate` reads its source, once for each shape and
dtype, and writes machine code. It gets the arrays of the results, which it fills, the arrays of the
operands, and by name the row's parameters it asks for. Arrays have the last axes that `core` says;
the axes before them are a batch, over which the compiled code goes by itself.

The language: `for ... in range`, `while`, `if`, `break`, `continue`, assignments of numbers and
array elements, NumPy's elementwise functions on numbers, `and`, `or`, `not`, calls of functions
written in the same way, and the names below. Shapes, `len`, and parameters are known when the code
is made, and what follows from them is not computed again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, NoReturn

import numpy as np

Loop = Callable[..., Any]


@dataclass(frozen=True)
class Native:
    """Loops for a row, and what they take."""

    loop: Loop
    core: tuple[int, ...]
    """For each operand the number of axes the loops see; the last stands for all that follow."""
    out: tuple[int, ...]
    """The same for the results."""
    dtype: str
    """What operands are cast to: "result", the first result's dtype; "common", one for all of them;
    "" leaves them as they are."""
    fits: Callable[..., bool]
    """`fits(*operands, **params)`: whether the loops are for these; operands have shape, dtype."""


def loops(
    loop: Loop,
    core: tuple[int, ...] = (1,),
    out: tuple[int, ...] | None = None,
    dtype: str = "result",
    fits: Callable[..., bool] = lambda *_, **__: True,
) -> Native:
    """Say how compiled code evaluates a row; by default the result has as many axes as the first
    operand, and operands are cast to its dtype.
    """
    return Native(loop, core, out or core[:1], dtype, fits)


def last_axis(x: Any, *_: Any, axis: Any = -1, **__: Any) -> bool:
    """Whether a row works along the last axis; `along_last` moves others there."""
    return axis is not None and len(x.shape) > 0 and axis in (-1, len(x.shape) - 1)


def along_last(name: str) -> Loop:
    """An `expand` that has the row of this name work along the last axis."""

    def expand(*operands: Any, axis: Any = -1, **params: Any) -> Any:
        function = TABLE_OF[0][name].function
        ranks = {len(x.shape) for x in operands}
        if axis is None or ranks == {0}:
            return function(*(x.reshape(-1) for x in operands), axis=-1, **params)
        (rank,) = ranks
        if axis % rank == rank - 1:
            return None
        y = function(*(np.moveaxis(x, axis, -1) for x in operands), axis=-1, **params)
        return (
            tuple(np.moveaxis(r, -1, axis) for r in y)
            if isinstance(y, tuple)
            else (np.moveaxis(y, -1, axis))
        )

    return expand


TABLE_OF: Final[list[dict[str, Any]]] = []
"""The table, which `ops.table` puts here."""


class Library:
    """Routines of BLAS or LAPACK: `lapack.potrf("L", n, a, n)` gives `info`.

    Names have no letter for the precision, which follows from the arrays; numbers are passed by
    reference, as Fortran takes them.
    """

    def __init__(self, name: str) -> None:
        self.name = name

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"{self.name}.{name} is for loops that are compiled (`ops.native`)")


blas: Final = Library("blas")
lapack: Final = Library("lapack")


def empty(shape: Any, like: Any) -> Any:
    """Memory for a temporary array: of the dtype of an array, or one by name ("i8", "i4")."""
    raise AssertionError("for loops that are compiled")


def give_up() -> NoReturn:
    """What is asked for cannot be done: the row's own evaluation says why not, or does it."""
    raise AssertionError("for loops that are compiled")


def bits(x: Any) -> Any:
    """The bits of a number, as an unsigned integer of its size."""
    raise AssertionError("for loops that are compiled")


def number(bits: Any, like: Any) -> Any:
    """The number of these bits, in the dtype of an array."""
    raise AssertionError("for loops that are compiled")
