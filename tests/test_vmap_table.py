"""`vmap` of every row of the operation table, and of its derivatives, against a loop."""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pytest
from checks import DTYPE_BY_VALUE, call, differentiable_operands, draw, samples_of

import chainrule as cr
from chainrule.graph.node import Variable
from chainrule.ops import batching
from chainrule.ops.table import TABLE, Operation, Sample

ROWS = sorted(TABLE)
DIFFERENTIABLE = [n for n in ROWS if TABLE[n].differentiable]

UNTRACEABLE = {
    "nonzero", "argwhere", "flatnonzero", "unique_values", "unique_counts", "unique_inverse",
    "unique_all", "unique", "compress", "extract", "fftfreq", "rfftfreq",
    "bincount", "histogram", "histogram_bin_edges", "intersect1d", "occurrences", "polydiv",
    "real_if_close", "roots", "setdiff1d", "setxor1d", "union1d",
}  # fmt: skip
"""Rows whose results have a shape that depends on values: they cannot be traced."""

ONE_BY_ONE = {
    "deferred": "a Python function of numbers, which knows no batch",
    "convolve_nd": "where both operands differ by example: SciPy has no such convolution",
    "digitize": "where bins differ by example: whether they rise or fall does, too",
    "correlate_nd": "as convolve_nd",
    "expected": "made by the compiler, when batches are no more",
    "occupancy": "NumPy counts in one set of bins, and sorts for it",
}
"""Rows that run on one example after the other, for some operands at least, and why."""

ORDERED = {"searchsorted": (0,), "digitize": (1,), "occupancy": (1,)}
"""Operands that a row wants in order."""


def leaves(out: Any) -> list[Any]:
    """Results as a list of arrays."""
    parts = out if isinstance(out, (tuple, list)) else [out]
    return [np.asarray(p._value if isinstance(p, Variable) else p) for p in parts]


def cases(row: Operation) -> Iterator[tuple[Sample, np.random.Generator, str]]:
    for sample in samples_of(row):
        matrix = isinstance(sample.operands[0], tuple) and len(sample.operands[0]) == 2
        if row.name in DTYPE_BY_VALUE and (matrix or callable(sample.operands[0])):
            continue
        seed = zlib.crc32(f"{row.name}{sample.operands}{sample.params}".encode())
        yield sample, np.random.default_rng(seed), f"{row.name} {sample.operands} {sample.params}"


def examples(row: Operation, sample: Sample, rng: np.random.Generator, size: int) -> list[Any]:
    """Operands of `size` examples, each stacked along a first axis."""
    drawn = [draw(row, sample, rng) for _ in range(max(size, 1))]
    stacks = [np.stack(xs) for xs in zip(*drawn, strict=True)]
    for i, xs in enumerate(stacks):
        if i in ORDERED.get(row.name, ()) or xs.ndim < 2 or xs.dtype.kind not in "iu":
            continue
        for x in xs:  # constants of the sample, such as positions
            x[...] = rng.permutation(x.reshape(-1)).reshape(x.shape)
    return [xs[:size] for xs in stacks]


def subsets(count: int) -> list[tuple[bool, ...]]:
    every = [s for s in itertools.product((True, False), repeat=count) if any(s)]
    return every if count <= 3 else [(True,) * count, (True, *(False,) * (count - 1))]


def looped(function: Callable[..., Any], operands: Sequence[Any], moved: Sequence[bool]) -> Any:
    """A function on one example after the other; results stacked."""
    size = next(len(x) for x, m in zip(operands, moved, strict=True) if m)
    results = [
        leaves(function(*[x[k] if m else x for x, m in zip(operands, moved, strict=True)]))
        for k in range(size)
    ]
    return [np.stack(part) for part in zip(*results, strict=True)]


def compare(found: Any, expected: Sequence[Any], what: str, tolerance: float = 1.0) -> None:
    found = leaves(found)
    assert len(found) == len(expected), what
    for a, b in zip(found, expected, strict=True):
        assert a.shape == b.shape, f"{what}: shape {a.shape} against {b.shape}"
        same = a.dtype == b.dtype or what.rpartition(" of ")[2].split()[0] in DTYPE_BY_VALUE
        assert same, f"{what}: dtype {a.dtype} against {b.dtype}"
        np.testing.assert_allclose(a, b, rtol=1e-9 * tolerance, atol=1e-9 * tolerance, err_msg=what)


@pytest.fixture
def run_singly(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Names of the rows that ran on one example after the other."""
    seen: set[str] = set()
    singly = batching.one_by_one

    def noted(row: Any, *args: Any) -> Any:
        seen.add(row.name)
        return singly(row, *args)

    monkeypatch.setattr(batching, "one_by_one", noted)
    return seen


@pytest.mark.parametrize("name", [n for n in ROWS if n not in UNTRACEABLE])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_row(name: str, run_singly: set[str]) -> None:
    """Every sample, every choice of operands that have a batch, sizes 3, 1 and 0."""
    row = TABLE[name]
    for sample, rng, what in cases(row):

        def function(*operands: Any, sample: Sample = sample) -> Any:
            out = call(row, list(operands), sample)
            return tuple(out) if len(out) != 1 else out[0]

        whole = examples(row, sample, rng, 3)
        for moved in subsets(len(whole)):
            axes = tuple(0 if m else None for m in moved)
            operands = [x if m else x[0] for x, m in zip(whole, moved, strict=True)]
            expected = looped(function, operands, moved)
            for size in (3, 1, 0):
                batch = [x[:size] if m else x for x, m in zip(operands, moved, strict=True)]
                compare(
                    cr.vmap(function, in_axes=axes)(*batch),
                    [e[:size] for e in expected],
                    f"{what}, {moved}, {size}",
                )
    assert run_singly <= ONE_BY_ONE.keys()


def test_rows_without_a_rule_are_listed() -> None:
    """A row has a rule for batches, or it is listed why it has none."""
    without = {
        r.name for r in TABLE.values() if r.kind not in ("elementwise", "composite") and not r.batch
    }
    assert without <= UNTRACEABLE | ONE_BY_ONE.keys()


@pytest.mark.parametrize("name", sorted(UNTRACEABLE))
def test_untraceable_rows_say_so(name: str) -> None:
    """A result whose shape depends on values is refused, not given in a wrong shape."""
    row = TABLE[name]
    for sample, rng, _ in cases(row):
        operands = examples(row, sample, rng, 2)
        with pytest.raises(cr.TracedValueError):
            cr.vmap(lambda *xs, sample=sample: row.function(*xs, **sample.params))(*operands)


def test_eigenvalues_that_turn_out_complex_are_an_error() -> None:
    """Tracing takes the spectrum of a real matrix to be real; where it is not, that is said."""
    turned = np.array([[[0.0, 1.0], [-1.0, 0.0]], [[1.0, 0.0], [0.0, 2.0]]])
    with pytest.raises(cr.DtypeError, match="depends on the values"):
        cr.vmap(np.linalg.eigvals)(turned)
    found = cr.vmap(np.linalg.eigvals)(turned.astype(complex))
    np.testing.assert_allclose(sorted(found[0].imag), [-1.0, 1.0])


def floating(results: Sequence[Any]) -> list[Any]:
    return [r for r in results if r.dtype.kind in "fc"]


def derivative_cases(row: Operation) -> Iterator[Any]:
    """(function of the differentiable operands, a batch of them, what it is)."""
    for sample, rng, what in cases(row):
        whole = examples(row, sample, rng, 2)
        where = differentiable_operands(row, [x[0] for x in whole])
        if not where:
            continue

        def function(
            *values: Any, whole: Any = whole, sample: Any = sample, where: Any = where
        ) -> Any:
            operands = [x[0] for x in whole]
            for i, v in zip(where, values, strict=True):
                operands[i] = v
            return tuple(floating(call(row, operands, sample)))

        yield function, [whole[i] for i in where], what


@pytest.mark.parametrize(
    "name",
    [n for n in DIFFERENTIABLE if n not in UNTRACEABLE],
)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_derivatives_of_row(name: str) -> None:
    """`vmap` of the pullback and the pushforward, for a cotangent and a tangent by example."""
    row = TABLE[name]
    for function, xs, what in derivative_cases(row):
        n = len(xs)
        rng = np.random.default_rng(1)

        def like(x: Any, rng: Any = rng) -> Any:
            y = rng.standard_normal(x.shape)
            return y.astype(x.dtype) if x.dtype.kind == "f" else y + 0j

        results = looped(function, xs, (True,) * n)

        def pulled(*args: Any, function: Any = function, n: int = n) -> Any:
            _, pullback = cr.vjp(function, *args[:n])
            return pullback(tuple(args[n:]))

        def pushed(*args: Any, function: Any = function, n: int = n) -> Any:
            return cr.jvp(function, tuple(args[:n]), tuple(args[n:]))[1]

        for derivative, extra in ((pulled, results), (pushed, xs)):
            args = [*xs, *map(like, extra)]
            expected = looped(derivative, args, (True,) * len(args))
            compare(cr.vmap(derivative)(*args), expected, f"{derivative.__name__} of {what}", 100)


@pytest.mark.parametrize("name", [n for n in DIFFERENTIABLE if n not in UNTRACEABLE])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_jacobian_of_row(name: str) -> None:
    """Jacobians by forward and by reverse mode are equal, and made of the pulled unit vectors."""
    for function, xs, what in derivative_cases(TABLE[name]):
        args = [x[0] for x in xs]
        if any(x.dtype.kind == "c" for x in args):
            continue
        results, pullback = cr.vjp(function, *args)
        if any(y.dtype.kind == "c" for y in results):
            continue
        argnums = tuple(range(len(args)))
        by_row = cr.jacobian(function, argnums, mode="reverse")(*args)
        by_column = cr.jacobian(function, argnums, mode="forward")(*args)
        for k, y in enumerate(results):
            units = np.eye(y.size).reshape(y.size, *y.shape)
            for i, x in enumerate(args):
                rows = [
                    pullback(tuple(u if j == k else z * 0 for j, z in enumerate(results)))[i]
                    for u in units
                ]
                expected = np.reshape(rows, (*y.shape, *x.shape))
                for found, mode in ((by_row[k][i], "reverse"), (by_column[k][i], "forward")):
                    assert np.shape(found) == expected.shape, f"{mode} of {what}"
                    np.testing.assert_allclose(
                        found, expected, rtol=1e-8, atol=1e-8, err_msg=f"{mode} of {what}"
                    )
