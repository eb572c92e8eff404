"""Tracing: a traced function, run again, gives what the function itself gives; over the table."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from checks import Program, call, close, samples_of

import chainrule as cr
from chainrule.graph.node import Spec, Variable
from chainrule.ops.recording import general
from chainrule.ops.replay import replay
from chainrule.ops.table import TABLE
from chainrule.record.trace import trace
from chainrule.tensor import Tensor, tensor

ROWS = sorted(n for n in TABLE if samples_of(TABLE[n]))

DATA = {
    "argwhere", "extract", "flatnonzero", "nonzero", "unique", "unique_all", "unique_counts",
    "unique_inverse", "unique_values", "compress", "fftfreq", "rfftfreq",
    "bincount", "histogram", "histogram_bin_edges", "intersect1d", "occurrences", "polydiv",
    "real_if_close",
    "roots", "setdiff1d", "setxor1d", "union1d",
}  # fmt: skip
"""Rows whose result's shape depends on values: they cannot be traced, and say so."""


def run_traced(function: Any, arrays: list[Any]) -> list[Any]:
    """The results of a function of Tensors, traced on the arrays' shapes and run on them."""
    graph = trace(function, [Spec(np.asarray(x)) for x in arrays], Tensor)
    for node in graph.nodes:
        assert node.op.kind != "composite"
    return replay(graph, [tensor(x) for x in arrays])


def tensors(results: list[Any]) -> list[Any]:
    return [r for r in results if isinstance(r, Variable)]


@pytest.mark.parametrize("name", ROWS)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_traced_value_and_derivatives(name: str) -> None:
    """Value, reverse and forward derivative of every sample, traced and run, equal the eager ones;
    shapes and dtypes are known when tracing.
    """
    row = TABLE[name]
    rng = np.random.default_rng(0)
    for sample in samples_of(row):
        program = Program(row, sample, rng)
        arrays = program.operands

        def function(*xs: Any, sample: Any = sample) -> list[Any]:
            return call(row, list(xs), sample)

        if name in DATA:
            with pytest.raises(cr.TracedValueError):
                run_traced(function, arrays)
            continue
        expected = function(*[tensor(x) for x in arrays])
        found = run_traced(function, arrays)
        for a, b in zip(found, expected, strict=True):
            assert a.dtype == b.dtype
            np.testing.assert_array_equal(np.asarray(a._value), np.asarray(b._value), err_msg=name)
        if not program.where:
            continue
        tangents, cts = (
            program.random_like(program.at),
            program.random_like(program.values(program.at)),
        )

        def of_some(*xs: Any, function: Any = function, program: Any = program) -> Any:
            return tuple(function(*program.inputs(list(xs))))

        def pulled(*xs: Any, of_some: Any = of_some, cts: Any = cts) -> list[Any]:
            value, pullback = cr.vjp(of_some, *xs)
            weights = tuple(
                c if y.dtype.kind in "fc" else np.zeros(c.shape)
                for c, y in zip(cts, value, strict=True)
            )
            return list(pullback(weights))

        def pushed(*xs: Any, of_some: Any = of_some, tangents: Any = tangents) -> list[Any]:
            return list(cr.jvp(of_some, xs, tuple(tangents))[1])

        at = [np.asarray(x) for x in program.at]
        for what in (pulled, pushed):
            plain = what(*[tensor(x) for x in at])
            for a, b in zip(run_traced(what, at), plain, strict=True):
                close(np.asarray(a), np.asarray(b), 1e-9, 1e-9, f"{name}: {what.__name__}")


def test_a_traced_tensor_prints_what_is_known() -> None:
    """In the middle of a trace, and after it."""
    seen: list[Any] = []
    trace(lambda x: seen.append((f"{x} {x:.3f}", x)) or [x], [Spec(np.zeros(()))], Tensor)
    assert seen[0][0] == "tensor(traced float64[]) tensor(traced float64[])"
    assert repr(seen[0][1]) == "tensor(traced float64[])"


def test_general_is_traced_with_numbers_and_arrays() -> None:
    """An array or a number beside a traced operand is a constant of the graph."""
    (found,) = run_traced(lambda x: [general(TABLE["add"], (x, np.ones(3)), {}) * 2], [np.zeros(3)])
    np.testing.assert_array_equal(found._value, [2.0, 2.0, 2.0])
