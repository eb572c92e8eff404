"""What holds of every program, over random ones.

`make test` runs some hundred programs, always the same; `make test-long` thousands, new ones
every time.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from checks import DTYPE_BY_VALUE
from hypothesis import given
from hypothesis import strategies as st
from programs import (
    CALLS,
    PYTHON,
    VALUE_DEPENDENT,
    Call,
    Program,
    alike,
    arrays,
    programs,
    until,
)

import chainrule as cr
from chainrule.ops.table import TABLE
from chainrule.record.trees import flatten, tree_map, unflatten

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")

EAGER = [*PYTHON, until]


def traceable(name: str) -> bool:
    return name not in VALUE_DEPENDENT


def random_like(tree: Any, seed: int = 1) -> Any:
    """A container of random numbers, nested like another."""
    rng = np.random.default_rng(seed)
    return tree_map(lambda v: rng.standard_normal(np.shape(getattr(v, "_value", v)))[()], tree)


def pairing(a: Any, b: Any) -> float:
    return sum(float(np.sum(x * y)) for x, y in zip(arrays(a), arrays(b), strict=True))


def sizes(a: Any, b: Any) -> float:
    return sum(float(np.sum(abs(x * y))) for x, y in zip(arrays(a), arrays(b), strict=True))


def test_programs_are_made_of_the_whole_table() -> None:
    """The properties below would hold of few operations."""
    assert len({name for name, _ in CALLS}) > 300
    kinds = {TABLE[name].kind for name, _ in CALLS}
    assert kinds == {"elementwise", "linear", "movement", "rule", "composite"}


@given(programs(python=EAGER))
def test_forward_is_reverse_transposed(program: Program) -> None:
    """<c, J t> = <J^T c, t>, and both modes give one Jacobian."""
    x = program.point()
    t = random_like(x)
    value, tangent = cr.jvp(program, x, t)
    again, pullback = cr.vjp(program, x)
    c = random_like(value, 2)
    (cotangent,) = pullback(c)

    alike(value, program(x), 1e-12, "value in forward mode")
    alike(again, value, 1e-12, "value in reverse mode")
    scale = sizes(c, tangent) + sizes(cotangent, t)
    np.testing.assert_allclose(
        pairing(c, tangent), pairing(cotangent, t), rtol=1e-8, atol=1e-9 * max(1.0, scale)
    )


@given(programs(3))
def test_jacobians_of_both_modes(program: Program) -> None:
    """One walk with a batch, forwards or backwards, gives the same blocks."""
    x = program.point()
    forward = cr.jacobian(program, mode="forward")(x)

    alike(cr.jacobian(program, mode="reverse")(x), forward, 1e-8)
    t = random_like(x)
    _, tangent = cr.jvp(program, x, t)
    blocks = flatten(forward)[0]
    count = len(arrays(x))
    for k, expected in enumerate(arrays(tangent)):
        found = sum(
            np.tensordot(block, v, v.ndim)
            for block, v in zip(blocks[k * count : (k + 1) * count], arrays(t), strict=True)
        )
        alike(np.asarray(found), expected, 1e-8)


@given(programs(2))
def test_hessian_by_all_four_ways(program: Program) -> None:
    """Symmetric, and the same forward over reverse, reverse over forward, and over themselves."""
    x = program.point()
    t, s = random_like(x, 3), random_like(x, 4)
    hessian = flatten(cr.hessian(program.number)(x))[0]
    count = len(arrays(x))
    ones = [v.size for v in arrays(x)]
    matrix = np.block(
        [
            [np.reshape(hessian[i * count + j], (ones[i], ones[j])) for j in range(count)]
            for i in range(count)
        ]
    )
    vector, other = (np.concatenate([v.ravel() for v in arrays(d)]) for d in (t, s))

    alike(matrix, matrix.T, 1e-7, "symmetric")
    product = unflatten(flatten(x)[1], [
        part.reshape(v.shape)
        for part, v in zip(np.split(matrix @ vector, np.cumsum(ones)[:-1]), arrays(x), strict=True)
    ])  # fmt: skip
    alike(cr.hvp(program.number, x, t), product, 1e-7, "forward over reverse")

    def slope(x: Any) -> Any:
        return cr.jvp(program.number, x, t)[1]

    alike(cr.grad(slope)(x), product, 1e-7, "reverse over forward")
    alike(cr.jvp(slope, x, s)[1], np.array(other @ matrix @ vector), 1e-7, "forward over forward")
    _, pullback = cr.vjp(cr.grad(program.number), x)
    alike(pullback(t)[0], product, 1e-7, "reverse over reverse")


@given(programs(names=traceable), st.integers(1, 3))
def test_vmap_is_a_loop(program: Program, n: int) -> None:
    """A batch through the program at once, or one example after the other."""
    points = [program.point(k) for k in range(n)]
    batch = tree_map(lambda *vs: np.stack(vs), *points)
    alone = [program(x) for x in points]
    expected = tree_map(lambda *vs: np.stack([np.asarray(v) for v in vs]), *alone)

    alike(cr.vmap(program)(batch), expected, 1e-9)


@given(programs(2, names=traceable))
def test_vmap_of_the_gradient_is_a_loop(program: Program) -> None:
    points = [program.point(k) for k in range(2)]
    batch = tree_map(lambda *vs: np.stack(vs), *points)
    alone = [cr.grad(program.number)(x) for x in points]
    expected = tree_map(lambda *vs: np.stack([np.asarray(v) for v in vs]), *alone)

    alike(cr.vmap(cr.grad(program.number))(batch), expected, 1e-8)


@given(programs(python=EAGER))
def test_linearize_is_jvp(program: Program) -> None:
    """For more than one tangent, as nothing of it is worked out for the first."""
    x = program.point()
    value, derivative = cr.linearize(program, x)

    for seed in (5, 6):
        t = random_like(x, seed)
        expected = cr.jvp(program, x, t)
        alike(value, expected[0], 1e-12)
        alike(derivative(t), expected[1], 1e-9)


@given(programs(python=EAGER))
def test_pullbacks_and_tangents_are_linear(program: Program) -> None:
    """Of the sum of two it is the sum, with factors."""
    x = program.point()
    value, pullback = cr.vjp(program, x)
    b, c = random_like(value, 7), random_like(value, 8)
    whole = pullback(tree_map(lambda u, v: 2 * u - 3 * v, b, c))
    parts = tree_map(lambda u, v: 2 * u - 3 * v, pullback(b), pullback(c))

    alike(whole, parts, 1e-8)
    s, t = random_like(x, 9), random_like(x, 10)
    _, pushed = cr.linearize(program, x)
    alike(
        pushed(tree_map(lambda u, v: 2 * u - 3 * v, s, t)),
        tree_map(lambda u, v: 2 * u - 3 * v, pushed(s), pushed(t)),
        1e-8,
    )


@given(programs(3, python=EAGER, names=lambda name: TABLE[name].differentiable))
def test_derivatives_are_those_of_the_numbers(program: Program) -> None:
    """Both modes against extrapolated differences."""
    report = cr.check_grad(
        program.number, program.point(), directions=1, rtol=1e-5, raise_on_failure=False
    )

    assert report.ok, f"{report!r}\n{program}"


@given(programs(2, names=lambda name: TABLE[name].differentiable))
def test_jet_is_nested_jvp(program: Program) -> None:
    """Derivatives along a line to third order, by propagation of series."""
    x = program.point()
    t = random_like(x)
    line = tree_map(lambda v: [v, 0 * v, 0 * v], t)
    value, series = cr.jet(program, x, line)

    def along(f: Any) -> Any:
        return lambda s: cr.jvp(f, s, 1.0)[1]

    def f(s: Any) -> Any:
        return program(tree_map(lambda v, d: v + s * d, x, t))

    alike(value, program(x), 1e-12)
    for k in range(3):
        f = along(f)
        found = [column[k] for column in columns(series, f(0.0))]
        alike(found, flatten(f(0.0))[0], 1e-6, f"order {k + 1}")


def columns(series: Any, like: Any) -> list[Any]:
    """The lists of coefficients that stand in place of arrays."""
    return [series["last"], *series["before"]] if isinstance(like, dict) else [series]


@pytest.mark.parametrize("name", sorted({name for name, _ in CALLS}))
def test_every_row_within_a_program(name: str) -> None:
    """Each sample of each row, between others: `linearize`, Jacobians, Hessians, `vmap`."""
    for k in [k for n, k in CALLS if n == name]:
        program = Program(((3,),), (Call(name, k, (0, 1, 0), k),), k)
        x = program.point()
        assert all(np.all(np.isfinite(v)) for v in arrays(program(x)))
        t = random_like(x)
        _, tangent = cr.jvp(program, x, t)
        alike(cr.linearize(program, x)[1](t), tangent, 1e-9, f"{name} sample {k}: linearize")
        forward = cr.jacobian(program, mode="forward")(x)
        reverse = cr.jacobian(program, mode="reverse")(x)
        alike(reverse, forward, 1e-8, f"{name} sample {k}: modes")
        product = cr.hvp(program.number, x, t)

        def slope(x: Any, program: Program = program, t: Any = t) -> Any:
            return cr.jvp(program.number, x, t)[1]

        alike(cr.grad(slope)(x), product, 1e-7, f"{name} sample {k}: reverse over forward")
        if traceable(name) and name not in DTYPE_BY_VALUE:
            batch = tree_map(lambda v: np.stack([v, v]), x)
            alone = tree_map(lambda v: np.stack([np.asarray(v)] * 2), program(x))
            alike(cr.vmap(program)(batch), alone, 1e-9, f"{name} sample {k}: vmap")


def test_properties_can_fail() -> None:
    """A row with a wrong rule backwards, or forwards, does not pass."""
    row = TABLE["sinh"]
    program = Program(((3,),), (Call("sinh", 1, (0, 0, 0), 0),), 0)
    x = program.point()
    right, partials = row.pull, row.partials
    forward = cr.jacobian(program, mode="forward")(x)
    alike(cr.jacobian(program, mode="reverse")(x), forward, 1e-8)
    try:
        row.pull = lambda ct, saved, node: [cr.multiply(ct, np.sinh(saved[1]))]
        with pytest.raises(AssertionError):
            alike(cr.jacobian(program, mode="reverse")(x), forward, 1e-8)
        row.pull, row.partials = right, (lambda _y, x: np.sinh(x),)
        assert not cr.check_grad(program.number, x, raise_on_failure=False)
    finally:
        row.pull, row.partials = right, partials
