"""Elementwise rows at kinks, poles and infinities; other rows at zeros, ties and infinities."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
from peers.comparison import Peer, by_chainrule, by_torch

from chainrule.ops.table import Operation, Sample

inf, nan = np.inf, np.nan
POINTS = {0.0, 1.0, -1.0, 2.0, -2.0, inf, -inf}
COMPOSITES = {"elu", "gelu", "hardtanh", "leaky_relu", "mish", "round"}
"""Elementwise functions that are not rows of that family."""


class Point:
    """Operands given as numbers, in the place of a `checks.Program`."""

    def __init__(
        self, row: Operation, sample: Sample, operands: list[Any], where: list[int]
    ) -> None:
        self.row, self.sample, self.operands, self.where = row, sample, operands, where
        self.at = [operands[i] for i in where]

    def inputs(self, values: list[Any]) -> list[Any]:
        """Operands with others in place of those that are differentiated."""
        full = list(self.operands)
        for i, v in zip(self.where, values, strict=True):
            full[i] = v
        return full


def points(row: Operation) -> Iterator[tuple[Any, ...]]:
    """Every combination of special points, of all operands of real numbers."""
    choices = {"bool": [True, False], "int": [1, 2], "positive int": [1, 2]}
    reals = sorted(
        {
            *POINTS,
            *(p for p in row.special if not np.isnan(p)),
            *((0.5, 1.5) if row.name == "round" else ()),
        }
    )
    domains = row.domain or ((-2.0, 2.0),)
    return itertools.product(*(choices[d] if isinstance(d, str) else reals for d in domains))


def mismatches(row: Operation, peer: Peer, operands: tuple[Any, ...]) -> list[tuple[float, float]]:
    """(chainrule, PyTorch) of values, first and second derivatives in which they differ."""
    arrays = [np.asarray(x) for x in operands]
    where = [i for i, x in enumerate(arrays) if x.dtype.kind == "f" and i not in peer.missing]
    point = Point(row, Sample(tuple(arrays)), arrays, where)
    found = []
    for (
        which
    ) in where:  # second derivatives one row at a time, so that no sum hides what is infinite
        tangents = [np.asarray(float(i == which)) for i in where]
        mine = by_chainrule(peer, point, [np.ones(())], tangents)  # type: ignore[arg-type]
        other = by_torch(peer, point, [np.ones(())], tangents)  # type: ignore[arg-type]
        if np.isnan(mine.values[0]):
            continue  # outside the domain
        for a, b in zip(
            mine.values + mine.first + mine.second,
            other.values + other.first + other.second,
            strict=True,
        ):
            if not np.isclose(a, b, rtol=1e-7, atol=1e-7, equal_nan=True):
                found.append((float(a), float(b)))
    return found


ARRAYS: list[tuple[str, Any, dict[str, Any]]] = [
    ("prod", [0.0, 2.0, 3.0], {}),
    ("prod", [0.0, 0.0, 3.0], {}),
    ("prod", [[0.0, 2.0], [1.0, 3.0]], {"axis": 0}),
    ("cumulative_prod", [2.0, 0.0, 3.0, 4.0], {}),
    ("cumulative_prod", [2.0, 0.0, 3.0, 0.0], {}),
    ("max", [1.0, 2.0, 2.0], {}),
    ("max", [[1.0, 1.0], [0.0, 2.0]], {"axis": 1}),
    ("min", [1.0, 1.0, 2.0], {}),
    ("ptp", [1.0, 1.0, 2.0], {}),
    ("median", [2.0, 1.0, 2.0], {}),
    ("median", [2.0, 2.0, 2.0, 2.0], {}),
    ("quantile", [1.0, 2.0, 2.0, 3.0], {"q": 0.3}),
    ("sort", [2.0, 1.0, 2.0, 1.0], {}),
    ("sort", [2.0, 1.0, 2.0, 1.0], {"descending": True}),
    ("cummax", [1.0, 2.0, 0.0], {}),
    ("logsumexp", [-inf, 0.0, 1.0], {}),
    ("logcumsumexp", [0.0, -inf, 1.0], {}),
    ("softmax", [-inf, 0.0, 1.0], {}),
    ("softmax", [1000.0, 0.0], {}),
    ("log_softmax", [1000.0, 0.0], {}),
    ("nansum", [nan, 1.0], {}),
    ("nanmean", [nan, 1.0, 2.0], {}),
    ("nan_to_num", [nan, inf, -inf, 1.0], {}),
    ("clip", [-1.0, 0.0, 0.5, 1.0, 2.0], {"min": 0.0, "max": 1.0}),
    ("round", [0.5, 1.5, -0.5, 2.0], {}),
    ("norm", [0.0, 0.0], {}),
    ("vector_norm", [0.0, 0.0], {}),
    ("vector_norm", [0.0, 1.0, -2.0], {"ord": 1}),
    ("vector_norm", [0.0, 1.0, -2.0], {"ord": 3}),
    ("vector_norm", [0.0, 0.0], {"ord": 3}),
    ("vector_norm", [1.0, -1.0], {"ord": inf}),
    ("vector_norm", [1.0, -1.0], {"ord": -inf}),
    ("vector_norm", [0.0, 3.0], {"ord": 0}),
    ("matrix_norm", [[0.0, 0.0], [0.0, 0.0]], {}),
    ("matrix_norm", [[1.0, 0.0], [0.0, 1.0]], {"ord": 2}),
    ("matrix_norm", [[1.0, 1.0], [-1.0, 1.0]], {"ord": 1}),
    ("var", [1.0, 1.0], {}),
    ("std", [1.0, 1.0], {}),
    ("det", [[1.0, 0.0], [0.0, 0.0]], {}),
    ("det", [[0.0, 0.0], [0.0, 0.0]], {}),
    ("svdvals", [[1.0, 0.0], [0.0, 2.0]], {}),
    ("eigvalsh", [[1.0, 0.0], [0.0, 2.0]], {}),
    ("expm", [[0.0, 0.0], [0.0, 0.0]], {}),
    ("matrix_power", [[0.0, 1.0], [0.0, 0.0]], {"n": 3}),
    ("diff", [1.0, 1.0], {}),
    ("cov", [1.0, 1.0, 1.0], {}),
]
"""Row, operand, parameters: zeros in products, ties, infinities, singular matrices."""


def at_array(row: Operation, peer: Peer, operand: Any, params: dict[str, Any]) -> tuple[Any, Any]:
    """(chainrule's derivatives, PyTorch's) with cotangents and tangents that tell entries apart."""
    x = np.asarray(operand)
    point = Point(row, Sample((x,), params), [x], [0])
    shape = np.shape(row.function(x, **params))
    cotangent = np.arange(1.0, 1.0 + np.prod(shape, dtype=int)).reshape(shape)
    tangent = np.linspace(1.0, 2.0, x.size).reshape(x.shape)
    return tuple(f(peer, point, [cotangent], [tangent]) for f in (by_chainrule, by_torch))  # type: ignore[arg-type, return-value]
