"""Random programs: NumPy node by node, eager and compiled agree, and so do their gradients.

`CHAINRULE_PROGRAMS` in the environment says how many are run.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import chainrule as cr

COUNT = int(os.environ.get("CHAINRULE_PROGRAMS", "60"))
SHAPES = [(), (1,), (3,), (40,), (2, 3), (5, 40), (40, 3), (50, 1), (4, 2, 3), (0, 3), (30, 3, 3)]

UNARY = [
    cr.sin, cr.tanh, cr.negative, lambda x: x * x, lambda x: cr.exp(-x * x),
    lambda x: x / (1 + x * x),
    lambda x: cr.sqrt(1 + x * x), cr.abs, lambda x: cr.log1p(x * x), lambda x: cr.atan(x) - 0.5,
    lambda x: cr.where(cr.greater(x, 0.1), x, 0.3 * x), lambda x: cr.maximum(x, 0.2),
]  # fmt: skip
BINARY = [
    cr.add, cr.subtract, cr.multiply, cr.maximum, cr.hypot, lambda a, b: a / (1 + b * b),
    lambda a, b: cr.where(cr.less(a, b), a, b * b), cr.atan2,
]  # fmt: skip
REDUCE = [cr.sum, cr.mean, cr.max, lambda x, axis, keepdims: cr.sum(x * x, axis, keepdims=keepdims)]


def build(draw: Any, pool: list[Any]) -> list[Any]:  # noqa: C901 - one branch for each kind of step
    """Steps of a program, each a function of all values so far, drawn along their shapes."""
    steps: list[Any] = []

    def add(step: Any) -> None:
        value = step(pool)
        if value.size <= 20000:
            steps.append(step)
            pool.append(value)

    for _ in range(draw(st.integers(2, 12))):
        k = draw(st.integers(0, len(pool) - 1))
        x = pool[k]
        kind = draw(
            st.sampled_from(["unary", "binary", "reduce", "move", "index", "join", "product"])
        )
        if kind == "unary":
            f = draw(st.sampled_from(UNARY))
            add(lambda vs, f=f, k=k: f(vs[k]))
        elif kind == "binary":
            fits = [j for j, y in enumerate(pool) if _broadcasts(x.shape, y.shape)]
            f, j = draw(st.sampled_from(BINARY)), draw(st.sampled_from(fits))
            add(lambda vs, f=f, k=k, j=j: f(vs[k], vs[j]))
        elif kind == "reduce" and x.ndim and x.size:
            f, axis = draw(st.sampled_from(REDUCE)), draw(st.integers(-x.ndim, x.ndim - 1))
            keep = draw(st.booleans())
            add(lambda vs, f=f, k=k, a=axis, d=keep: f(vs[k], axis=a, keepdims=d))
        elif kind == "move" and x.ndim:
            axes = draw(st.permutations(range(x.ndim)))
            how = draw(st.integers(0, 3))
            if how == 0:
                add(lambda vs, k=k, axes=axes: cr.permute_dims(vs[k], tuple(axes)))
            elif how == 1:
                add(lambda vs, k=k: cr.flip(vs[k], 0))
            elif how == 2:
                add(lambda vs, k=k: vs[k].reshape(-1))
            else:
                add(lambda vs, k=k: cr.roll(vs[k], 1, 0))
        elif kind == "index" and x.ndim and x.shape[0]:
            n = x.shape[0]
            how = draw(st.integers(0, 3))
            i = draw(st.integers(-n, n - 1))
            if how == 0:
                add(lambda vs, k=k, i=i: vs[k][i])
            elif how == 1:
                add(lambda vs, k=k: vs[k][::-2])
            elif how == 2:
                add(lambda vs, k=k, i=i: vs[k][np.array([i, 0, i, -1])])
            else:
                add(lambda vs, k=k: vs[k][1:] - vs[k][:-1])
        elif kind == "join" and x.ndim:
            add(lambda vs, k=k: cr.concat([vs[k], 2 * vs[k]], -1))
        elif kind == "product" and x.ndim == 2:
            add(lambda vs, k=k: vs[k] @ vs[k].T)
    return steps


def _broadcasts(a: tuple[int, ...], b: tuple[int, ...]) -> bool:
    try:
        np.broadcast_shapes(a, b)
    except ValueError:
        return False
    return True


def run(steps: list[Any], inputs: Any) -> list[Any]:
    values = list(inputs)
    for step in steps:
        values.append(step(values))
    return values[len(inputs) :]


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@settings(
    max_examples=COUNT,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    derandomize=COUNT < 100,
)
@given(st.data())
def test_compiled_programs_equal_eager_ones(data: Any) -> None:
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    shapes = data.draw(st.lists(st.sampled_from(SHAPES), min_size=1, max_size=3))
    inputs = [np.asarray(rng.uniform(-1, 1, s)) for s in shapes]
    with cr.no_grad():
        steps = build(data.draw, [cr.tensor(x) for x in inputs])
    if not steps:
        return

    def program(*xs: Any) -> Any:
        return run(steps, xs)

    def total(*xs: Any) -> Any:
        return cr.stack([cr.sum(v) for v in run(steps, xs)]).sum()

    tensors = [cr.tensor(x) for x in inputs]
    for got, want in zip(cr.jit(program)(*tensors), program(*tensors), strict=True):
        assert got.shape == want.shape
        np.testing.assert_allclose(got.numpy(), want.numpy(), rtol=1e-9, atol=1e-9)
    where = tuple(range(len(inputs)))
    eager = cr.grad(total, argnums=where)(*inputs)
    compiled = cr.jit(cr.grad(total, argnums=where))(*inputs)
    for g, w in zip(compiled, eager, strict=True):
        assert np.shape(g) == np.shape(w)
        scale = 1 + float(np.max(np.abs(w), initial=0))
        np.testing.assert_allclose(g, w, rtol=1e-7, atol=1e-7 * scale)
