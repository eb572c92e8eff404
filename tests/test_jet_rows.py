"""Taylor mode through every row of the operation table, against nested reverse mode."""

from __future__ import annotations

import math
import zlib
from typing import Any

import numpy as np
import pytest
from checks import Program, call, samples_of

import chainrule as cr
from chainrule.ops.table import TABLE, Operation, Sample
from chainrule.transforms.backward import gradients

DIFFERENTIABLE = sorted(n for n, row in TABLE.items() if row.differentiable)

ORDER = 4

SLOW = {"betainc", "betaincc", "betainc_moment", "gammainc", "gammaincc", "logm", "qr"}
"""Rows to order 3 only, as the nested derivatives they are compared with take seconds."""


class Curve:
    """A sample of a row as a function of its operands, which move along random polynomials."""

    def __init__(self, row: Operation, sample: Sample, order: int) -> None:
        seed = zlib.crc32(f"{row.name}{sample.operands}{sample.params}".encode())
        self.rng = np.random.default_rng(seed)
        self.program = Program(row, sample, self.rng)
        self.at = self.program.at
        steps = [self.program.random_like(self.at) for _ in range(order)]
        # coefficients that keep the operands in the row's domain for a while
        self.series = [[0.3 * steps[k][i] for k in range(order)] for i in range(len(self.at))]
        self.name = f"{row.name}{[np.shape(x) for x in self.program.operands]} {sample.params}"

    def function(self, *xs: Any) -> tuple[Any, ...]:
        """All results of the row."""
        program = self.program
        return tuple(call(program.row, program.inputs(list(xs)), program.sample))

    def moved(self, xs: list[Any], t: Any) -> list[Any]:
        """Operands at time t, normalized coefficients giving x + t x_1 + t^2 x_2 + ..."""
        out = []
        for x, coefficients in zip(xs, self.series, strict=True):
            for k, c in enumerate(coefficients, 1):
                x = x + t**k * cr.tensor(c)
            out.append(x)
        return out

    def weights(self, like: Any) -> Any:
        """A random cotangent."""
        (ct,) = self.program.random_like([np.zeros(like.shape, like.dtype)])
        return ct


def derivative(y: Any, t: Any) -> Any:
    """dy/dt as a recorded Tensor, or None where y does not depend on t any more."""
    if y is None or y._node is None:
        return None
    return gradients([y], [t], create_graph=True, allow_unused=True)[0]


def inner(ct: Any, y: Any) -> float:
    return float(np.real(np.sum(ct * y)))


def near(got: float, want: Any, size: float, what: str, tolerance: float = 1.0) -> None:
    value = 0.0 if want is None else float(want._value.real)
    np.testing.assert_allclose(
        got, value, rtol=1e-7 * tolerance, atol=1e-8 * tolerance * max(1.0, size), err_msg=what
    )


def test_the_table_is_not_empty() -> None:
    """The loops below run over something."""
    assert len(DIFFERENTIABLE) > 180
    assert sum(len(samples_of(TABLE[n])) for n in DIFFERENTIABLE) > 1000


@pytest.mark.parametrize("name", DIFFERENTIABLE)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_row_against_nested_reverse_mode(name: str) -> None:
    """Coefficients 1 to 4 of every row along curved operands, all of which move. No row lacks."""
    row = TABLE[name]
    order = ORDER - 1 if name in SLOW else ORDER
    for sample in samples_of(row):
        curve = Curve(row, sample, order)
        if not curve.at:
            continue
        values, series = cr.jet(
            curve.function, tuple(curve.at), tuple(curve.series), factorial_scaled=False
        )
        t = cr.tensor(0.0, requires_grad=True)
        results = curve.function(*curve.moved([cr.tensor(x) for x in curve.at], t))
        for value, coefficients, result in zip(values, series, results, strict=True):
            assert len(coefficients) == order
            np.testing.assert_array_equal(value, np.asarray(result._value), err_msg=curve.name)
            ct = curve.weights(result)
            y = cr.sum(ct * result) if result._node is not None else None
            for k, c in enumerate(coefficients, 1):
                assert type(c) is type(value), curve.name
                assert (c.shape, c.dtype) == (value.shape, value.dtype), curve.name
                y = derivative(y, t)
                got = inner(ct, c) * math.factorial(k)
                size = float(np.sum(np.abs(ct * c))) * math.factorial(k)
                near(got, y, size, f"{curve.name}, order {k}", row.tolerance)


@pytest.mark.parametrize("name", DIFFERENTIABLE)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_row_recorded(name: str) -> None:
    """Of Tensors that require a derivative: the same coefficients, and their derivatives by the
    operands, against one more step of nested reverse mode.
    """
    row = TABLE[name]
    for sample in samples_of(row)[-2:]:
        curve = Curve(row, sample, 2)
        if not curve.at:
            continue
        lists = tuple(curve.series)
        plain = cr.jet(curve.function, tuple(curve.at), lists, factorial_scaled=False)[1]
        xs = [cr.tensor(x, requires_grad=True) for x in curve.at]
        recorded = cr.jet(curve.function, tuple(xs), lists, factorial_scaled=False)[1]
        t = cr.tensor(0.0, requires_grad=True)
        results = curve.function(*curve.moved(xs, t))
        for p, r, result in zip(plain, recorded, results, strict=True):
            for a, b in zip(p, r, strict=True):
                assert isinstance(b, cr.Tensor)
                np.testing.assert_allclose(b._value, a, rtol=1e-8, atol=1e-9, err_msg=curve.name)
            if result._node is None or result.dtype.kind == "c" or xs[0].dtype.kind == "c":
                continue
            ct = curve.weights(result)
            second = derivative(derivative(cr.sum(ct * result), t), t)
            got, want = gradients_of(cr.sum(ct * r[1]), xs), gradients_of(second, xs)
            for g, w in zip(got, want, strict=True):
                size = float(np.max(np.abs(w), initial=1.0))
                np.testing.assert_allclose(
                    2 * g, w, rtol=1e-6, atol=1e-8 * size * row.tolerance, err_msg=curve.name
                )


def gradients_of(y: Any, xs: list[Any]) -> list[Any]:
    """Gradients as arrays, zeros where y does not depend on x."""
    found = (
        [None] * len(xs)
        if y is None or y._node is None
        else gradients([y], xs, allow_unused=True, retain_graph=True)
    )
    return [
        np.zeros(x.shape) if g is None else np.asarray(g._value)
        for g, x in zip(found, xs, strict=True)
    ]
