"""Random programs with arrays of several names: traced, compiled, differentiated, as in Python.

`make test` runs a few hundred, always the same; `make test-long` tens of thousands.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import pytest
from alias_programs import program
from random_programs import made

import chainrule as cr
from chainrule.errors import ChainruleError
from chainrule.ops.replay import replay
from chainrule.record.syntax import rewrite
from chainrule.record.trees import flatten
from chainrule.tensor import Tensor
from chainrule.transforms.jit import graph_of, specs_of

COUNT = int(os.environ.get("CHAINRULE_ALIASES", "100"))
POINTS = [
    (np.array([0.7, -0.4, 1.3]), np.array([0.2, 0.9, -0.6]), 0.8, 2),
    (np.array([-0.5, 0.6, -1.1]), np.array([0.3, -0.8, 0.45]), -0.35, 1),
    (np.array([0.1, 0.65, -1.7]), np.array([-0.3, 0.75, 0.55]), -0.9, 3),
]
ALONG = (np.array([0.3, 0.5, -0.2]), np.array([0.1, -0.7, 0.4]), 0.6)
WEIGHTS = np.array([1.0, 0.7, -0.4])


def fresh(point: Any) -> tuple[Any, ...]:
    """A point that a program may change."""
    a, b, c, n = point
    return a.copy(), b.copy(), c, n


def function(seed: int) -> Any:
    """The program of a number, made of a source that can be read back."""
    return made("import numpy as np\n\n" + program(seed))


def wanted(f: Any) -> list[Any]:
    """What plain Python gives; None for programs whose numbers grow."""
    with np.errstate(all="ignore"):
        out = [f(*fresh(p)) for p in POINTS]
    return out if max(np.abs(x).max() for x in out) < 1e6 else []


def refused(error: ChainruleError) -> bool:
    """Whether an error says where the program is not followed."""
    return "\n  at " in str(error)


def test_traced() -> None:
    """Values of the graph, which holds for both branches and any number of passes."""
    right = 0
    for seed in range(COUNT):
        f = function(seed)
        rewritten = rewrite(f, arrays=True, control_flow=True)
        leaves, structure = flatten((fresh(POINTS[0]), {}))
        try:
            graph = graph_of(
                lambda args, _, g=rewritten: g(*args),
                specs_of(leaves, "jit"), structure, Tensor, "jit", "program",
            )[0]  # fmt: skip
        except ChainruleError as error:
            assert refused(error), (seed, error)  # noqa: PT017 - right, or an error
            continue
        for point, want in zip(POINTS, wanted(f), strict=False):
            (found,) = replay(graph, [np.asarray(v)[()] for v in fresh(point)])
            np.testing.assert_allclose(
                getattr(found, "_value", found), want, 1e-9, 1e-9, err_msg=f"{seed}"
            )
        right += 1
    assert right > 0.7 * COUNT


@pytest.mark.parametrize("seed", range(1000, 1000 + COUNT // 20))
def test_compiled_and_differentiated(seed: int) -> None:
    """The compiled program, and the compiled gradient against differences."""
    f = function(seed)

    def total(a: Any, b: Any, c: Any, n: Any) -> Any:
        return np.sum(f(a, b, c, n) * WEIGHTS)

    def moved(point: Any, h: float) -> Any:
        a, b, c = (x + h * t for x, t in zip(point, ALONG, strict=False))
        return total(a, b, c, point[3])

    compiled, gradient = cr.jit(f), cr.jit(cr.grad(total, (0, 1, 2)))
    for point, want in zip(POINTS, wanted(f), strict=False):
        try:
            found, g = compiled(*fresh(point)), gradient(*fresh(point))
        except ChainruleError as error:
            assert refused(error)  # noqa: PT017 - right, or an error
            return
        np.testing.assert_allclose(found, want, 1e-9, 1e-9)
        slopes = [(moved(point, h) - moved(point, -h)) / (2 * h) for h in (1e-5, 1e-6)]
        if abs(slopes[0] - slopes[1]) < 1e-5 * (1 + abs(slopes[0])):  # no jump in between
            slope = sum(np.sum(x * t) for x, t in zip(g, ALONG, strict=True))
            np.testing.assert_allclose(slope, slopes[0], 1e-4, 1e-4)
