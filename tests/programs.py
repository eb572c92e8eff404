"""Random programs for property tests: rows of the table composed at random, and Python between.

A program takes a container of arrays and gives one. Each step takes earlier values, brings them to
the shapes and into the domains that a sample of its row wants, and adds its result to the values.
"""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable
from typing import Any

import numpy as np
from checks import samples_of
from hypothesis import strategies as st

from chainrule.graph.node import Variable
from chainrule.ops.table import TABLE, Sample

VALUE_DEPENDENT = {
    "argwhere", "compress", "extract", "flatnonzero", "histogram", "histogram_bin_edges",
    "intersect1d", "nonzero", "polydiv", "real_if_close", "roots", "setdiff1d", "setxor1d",
    "union1d", "unique", "unique_all", "unique_counts", "unique_inverse", "unique_values",
}  # fmt: skip
"""Rows whose results have shapes or dtypes that depend on values, so that they cannot be traced."""


DOMAINS = {"zeta": (1.2, 4.0)}
"""Where operands of functions that are not rows of their own are drawn from."""


def size(spec: Any) -> int:
    """Elements of an operand of a sample."""
    return int(np.prod(spec)) if isinstance(spec, tuple) else 1


CALLS = [
    (name, k)
    for name, row in sorted(TABLE.items())
    if not row.untested
    for k, sample in enumerate(samples_of(row))
    if all(size(spec) for spec in sample.operands) and sample.operands
]
"""Row and number of the sample, of everything that can be a step."""

Values = list[Any]


def flat(v: Any, n: int) -> Any:
    """n elements of a value: repeated as often as it takes, with changing factors."""
    v = np.reshape(v, (-1,))
    count = v.shape[0]
    if n <= count:
        return v[:n]
    k = np.arange(n)
    return v[k % count] * (1 + 0.5 * np.cos(2.0 * k)) + 0.5 * np.sin(k**2)


def into(v: Any, shape: tuple[int, ...], low: float, high: float) -> Any:
    """A value in another shape and within an interval."""
    v = np.reshape(flat(v, int(np.prod(shape))), shape)
    return 0.5 * (low + high) + 0.4 * (high - low) * np.tanh(v)


def operand(row: Any, i: int, spec: Any, v: Any, rng: np.random.Generator) -> Any:
    """What a sample wants for an operand, depending on the value v where that can be."""
    if not isinstance(spec, tuple):
        base = np.asarray(spec(rng)) if callable(spec) else np.asarray(spec)
        if base.dtype.kind not in "fc" or not base.size or not np.all(np.isfinite(base)):
            return base
        return base + into(v, base.shape, -0.03, 0.03)
    domain = DOMAINS.get(row.name) or (row.domain[i] if i < len(row.domain) else (-2.0, 2.0))
    if domain == "bool":
        return rng.random(spec) < 0.5
    if isinstance(domain, str):
        return rng.integers(1 if "positive" in domain else -5, 6, spec)
    return into(v, spec, *domain)


def real(y: Any) -> Any:
    """A result as real numbers, or None where it has none."""
    kind = y.dtype.kind
    if kind == "c":
        return np.real(y) + 0.5 * np.imag(y)
    return y if kind == "f" else y.astype(float) if kind in "iub" else None


@dataclasses.dataclass(frozen=True)
class Call:
    """A row of the table at one of its samples."""

    row: str
    sample: int
    sources: tuple[int, ...]
    seed: int

    def __call__(self, values: Values) -> None:
        """Add the results to the values."""
        row = TABLE[self.row]
        sample: Sample = samples_of(row)[self.sample]
        rng = np.random.default_rng(self.seed)
        operands = [
            operand(row, i, spec, values[self.sources[i % 3] % len(values)], rng)
            for i, spec in enumerate(sample.operands)
        ]
        out = (
            row.function(operands, **sample.params)
            if sample.sized
            else row.function(*operands, **sample.params)
        )
        for y in out if isinstance(out, tuple | list) else (out,):
            y = real(y) if hasattr(y, "dtype") else None
            if y is not None and int(np.prod(y.shape)):
                values.append(y)


def looped(v: Any, w: Any, n: int) -> Any:
    """Repetition as Python has it."""
    for k in range(n):
        v = np.sin(v) * 0.9 + 0.1 * k * np.tanh(w.sum())
    return v


def chosen(v: Any, w: Any, n: int) -> Any:
    """A branch on an ordinary value, and a call of itself."""
    if v.ndim and n > 2:
        return np.sum(v * v, axis=-1) + np.tanh(w).sum()
    if n > 0:
        return chosen(np.cos(v), w, n - 1)
    return v * 2


def masked(v: Any, w: Any, n: int) -> Any:
    """Branches for each element, one of which is not defined everywhere."""
    v = np.tanh(v)
    return np.where(
        v > 0.1 * n - 0.2, np.sqrt(np.where(v > 0, v, 0.0) + 0.01), v * np.tanh(w.sum())
    )


def extremes(v: Any, w: Any, n: int) -> Any:
    """Maximum and minimum of two values, and along an axis."""
    v, w = np.tanh(v), np.tanh(w)
    return np.maximum(v, 0.3 * w.mean() + 0.05 * n) + np.minimum(v.max(), w.min())


def indexed(v: Any, w: Any, n: int) -> Any:
    """Indices of all kinds."""
    u = flat(v, 6)
    by_array, by_slice, by_mask = u[[0, 3, 0, n]], u[::-2][: 1 + n % 3], u[np.arange(6) % 2 == 0]
    return np.concatenate([by_array, by_slice, by_mask]) * np.tanh(w.sum()) + u[-1]


def assigned(v: Any, w: Any, n: int) -> Any:
    """Elements changed in place, one through a view."""
    u = np.tanh(flat(v, 6)) + 0.1 * w.sum()  # of w at least, as v may be a constant
    u[n] = np.sin(w.sum())
    u[1:3] *= 2.0
    view = u[4:]
    view += 0.5
    return u * u


def contracted(v: Any, w: Any, n: int) -> Any:
    """Products of matrices, and a system with a well-conditioned one."""
    a = into(v, (3, 3), -0.3, 0.3) + 2 * np.eye(3)
    b = into(w, (3, 2), -1.0, 1.0)
    if n % 2:
        return np.linalg.solve(a, b) @ b.T
    return np.einsum("ij,jk,lk->il", a, b, b) + np.linalg.inv(a) * np.linalg.slogdet(a)[1]


def until(v: Any, w: Any, n: int) -> Any:
    """A loop whose end depends on the numbers: only where they are there."""
    while (v * v).sum() > 1.0:
        v = v * (0.6 + 0.01 * n) * (1 + 0.1 * np.tanh(w.sum()))
    return v


PYTHON = [looped, chosen, masked, extremes, indexed, assigned, contracted]


@dataclasses.dataclass(frozen=True)
class Python:
    """A step written out in Python."""

    function: Callable[[Any, Any, int], Any]
    sources: tuple[int, ...]
    n: int

    def __call__(self, values: Values) -> None:
        """Add the result to the values."""
        v, w = (values[i % len(values)] for i in self.sources[:2])
        values.append(self.function(v, w, self.n))


@dataclasses.dataclass(frozen=True)
class Program:
    """A function from a container of arrays to another."""

    shapes: tuple[tuple[int, ...], ...]
    steps: tuple[Any, ...]
    seed: int

    def point(self, seed: int = 0) -> dict[str, Any]:
        """Arguments: {"a": array, "b": [array, number]}, for example."""
        rng = np.random.default_rng(self.seed + seed)
        drawn = [rng.uniform(-1.5, 1.5, s) for s in self.shapes]
        return {"a": drawn[0], "b": [*drawn[1:], np.float64(rng.uniform(-1.5, 1.5))], "none": None}

    def __call__(self, x: dict[str, Any]) -> dict[str, Any]:
        """The last results."""
        values = [x["a"], *x["b"]]
        for step in self.steps:
            step(values)
        last = values[-3:]
        return {"last": last[-1], "before": tuple(last[:-1])}

    def number(self, x: dict[str, Any]) -> Any:
        """The same, as one number."""
        total: Any = 0.0
        for k, v in enumerate([(out := self(x))["last"], *out["before"]]):
            weights = np.cos(np.arange(int(np.prod(v.shape))) + k).reshape(v.shape)
            total = total + (np.tanh(v) * weights).sum()
        return total


def programs(
    steps: int = 4,
    *,
    python: list[Any] = PYTHON,
    names: Callable[[str], bool] = lambda name: True,
) -> st.SearchStrategy[Program]:
    """Programs of up to so many steps, of rows whose names are wanted.

    Hypothesis chooses how many, and the state of a generator that chooses the rest: left to itself
    it takes the first rows of the table again and again.
    """
    rows: dict[str, list[int]] = {}
    for name, k in CALLS:
        if names(name):
            rows.setdefault(name, []).append(k)

    def build(seed: int, count: int) -> Program:
        rng = random.Random(seed)
        shapes = rng.sample(SHAPES, rng.choice([1, 2]))
        made: list[Any] = []
        for _ in range(count):
            sources = (rng.randrange(10), rng.randrange(10), rng.randrange(10))
            if rng.random() < 0.3:
                made.append(Python(rng.choice(python), sources, rng.randrange(6)))
            else:
                name = rng.choice(list(rows))
                made.append(Call(name, rng.choice(rows[name]), sources, rng.randrange(2**16)))
        return Program(tuple(shapes), tuple(made), seed % 2**16)

    return st.builds(build, st.integers(0, 2**32 - 1), st.integers(2, steps))


SHAPES = [(), (1,), (3,), (2, 2), (2, 1, 2)]


def arrays(tree: Any) -> list[Any]:
    """The leaves of a container as arrays."""
    from chainrule.record.trees import flatten

    return [np.asarray(v._value if isinstance(v, Variable) else v) for v in flatten(tree)[0]]


def alike(a: Any, b: Any, tolerance: float = 1e-9, what: str = "") -> None:
    """Containers of the same numbers, up to rounding in proportion to the largest of each array."""
    for x, y in zip(arrays(a), arrays(b), strict=True):
        assert x.shape == y.shape, f"{what}: {x.shape} against {y.shape}"
        finite = np.isfinite(x) & np.isfinite(y)
        largest = max(1.0, float(np.max(np.abs(np.where(finite, x, 0)), initial=0.0)))
        np.testing.assert_allclose(x, y, rtol=tolerance, atol=tolerance * largest, err_msg=what)
