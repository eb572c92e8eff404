"""Gradients of every row, compiled: equal to the eager ones; zero times infinity is zero."""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np
import pytest
from checks import call, differentiable_operands, draw, samples_of
from test_jit_table import ROWS, compare

import chainrule as cr
from chainrule.errors import ChainruleError, TracedValueError
from chainrule.graph.node import Variable
from chainrule.ops.table import TABLE

DIFFERENTIABLE = [n for n in ROWS if TABLE[n].differentiable]


def weighted(row: Any, sample: Any, operands: list[Any], where: list[int], rng: Any) -> Any:
    """The sum of a row's results times fixed weights, as a function of some operands."""
    results = call(row, [cr.tensor(x) for x in operands], sample)
    weights = [rng.standard_normal(np.shape(r)) for r in results]

    def function(*at: Any) -> Any:
        full = list(operands)
        for i, v in zip(where, at, strict=True):
            full[i] = v
        total: Any = 0.0
        for r, w in zip(call(row, full, sample), weights, strict=True):
            if isinstance(r, Variable) and r.dtype.kind == "f":
                total = total + cr.sum(r * w.astype(r.dtype))
            elif isinstance(r, Variable) and r.dtype.kind == "c":
                total = total + cr.sum(cr.real(r) * w) + cr.sum(cr.imag(r) * w)
        return total

    return function


@pytest.mark.parametrize("name", DIFFERENTIABLE)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_compiled_gradient_equals_eager(name: str) -> None:
    """`jit(grad(f))` and `grad(jit(f))` against `grad(f)`."""
    row = TABLE[name]
    checked, refused = 0, False
    for sample in samples_of(row):
        rng = np.random.default_rng(zlib.crc32(f"{name}{sample}".encode()))
        operands = draw(row, sample, rng)
        where = [i for i in differentiable_operands(row, operands) if operands[i].dtype == float]
        if not where:
            continue
        f = weighted(row, sample, operands, where, rng)
        at = [operands[i] for i in where]
        everything = tuple(range(len(where)))
        try:
            want = cr.grad(f, argnums=everything)(*at)
        except ChainruleError:  # there is no eager gradient either
            refused = True
            continue
        label = f"{name}{[np.shape(x) for x in operands]} {sample.params}"
        compiled = cr.jit(cr.grad(f, argnums=everything))
        try:
            compiled.lower(*at)
        except TracedValueError:  # its value, or its shape, depends on numbers
            refused = True
            continue
        got = compiled(*at)
        compare(list(got), list(want), label, 10 * row.tolerance)
        inside = cr.grad(cr.jit(f), argnums=everything)(*at)
        compare(list(inside), list(want), label, 10 * row.tolerance)
        checked += 1
    assert checked or refused or row.untested or name in NO_REAL_GRADIENT, f"{name}: none compared"


NO_REAL_GRADIENT = {"fft2", "hfft", "ifft2", "irfft2", "irfftn", "real_if_close"}
"""Rows whose samples are complex."""


@pytest.mark.parametrize(
    "name", [n for n in DIFFERENTIABLE if TABLE[n].special and TABLE[n].kind == "elementwise"]
)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_zero_cotangent_stays_zero_when_compiled(name: str) -> None:
    """At kinks, poles and infinities a weight of zero gives a gradient of zero, never NaN."""
    row = TABLE[name]
    for point in row.special:
        inside = [
            np.array([2]) if isinstance(d, str) else np.array([0.4 * d[0] + 0.6 * d[1]])
            for d in row.domain
        ]
        for i in differentiable_operands(row, inside):

            def f(x: Any, w: Any, i: int = i, inside: Any = inside) -> Any:
                full = list(inside)
                full[i] = x
                y = row.function(*full)
                return cr.sum(cr.where(cr.equal(w, 0), 0.0, y) if y.dtype.kind == "f" else x * 0)

            x = np.array([point])
            eager = cr.grad(f)(x, np.zeros(1))
            np.testing.assert_array_equal(eager, [0.0], err_msg=f"{name} at {point}, eager")
            got = cr.jit(cr.grad(f))(x, np.zeros(1))
            np.testing.assert_array_equal(got, [0.0], err_msg=f"{name} in {i} at {point}")


def test_zero_times_infinity_in_a_sum() -> None:
    """Of many terms the sum is looked at, not each term."""

    def f(k: Any, x: Any) -> Any:
        return cr.sum(cr.where(x > 0, cr.sqrt(k * x), 0.0))

    x = np.linspace(-1.0, 1.0, 201)
    x[np.abs(x) < 1e-9] = 0.0
    found = cr.jit(cr.grad(f))(2.0, x)
    np.testing.assert_allclose(found, np.sum(np.sqrt(x[x > 0] / 8)), rtol=1e-12)
