"""A value whose derivative exists only where something holds, in a graph without numbers.

Rules that look at eigenvalues ask at once where there are numbers (`ops.coincidence`); traced, they
leave the question in the graph. Machine code answers it on the way.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.errors import MissingDerivative, at, user_line
from chainrule.graph.node import Spec
from chainrule.ops.batched import repeated
from chainrule.ops.recording import general
from chainrule.ops.table import ZERO, S, operation


def in_batch(index: Any) -> str:
    """` in matrix [2] of the batch`, or nothing for a single matrix."""
    return f" in matrix {[int(i) for i in index]} of the batch" if len(index) else ""


def _each(row: Any, size: int, operands: Sequence[Any], moved: Any, params: Any) -> Any:
    x, holds = operands
    return general(row, [repeated(x, moved[0], size), repeated(holds, moved[1], size)], params)


@operation(
    reverse=(lambda ct, _y, _x, _holds, **_: ct, ZERO),
    arity=2,
    linear=(0,),
    samples=[S((2, 3, 3), lambda _: np.ones((2, 1, 1), bool), why="it does not hold")],
    shape=lambda x, _holds, **_: x if isinstance(x, Spec) else Spec(x),
    batch=_each,
)
def ensured(x: Any, holds: Any, why: str) -> Any:
    """x, matrices or what has as many axes; MissingDerivative where `holds`, (..., 1, 1), does not.

    >>> from chainrule.ops.ensured import ensured
    >>> ensured(cr.ones((1, 1)), np.array([[True]]), why="it does not hold")
    tensor([[1.]])
    """
    if not np.all(holds):
        where = np.argwhere(np.logical_not(holds))[0][:-2]
        raise MissingDerivative(why + in_batch(where) + at(user_line()))
    return x
