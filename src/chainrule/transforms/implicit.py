"""`implicit`: derivatives of a solution, whatever found it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from chainrule.errors import ArgumentError, ShapeError, at, user_line
from chainrule.ops.deferred import deferred, spec_of
from chainrule.ops.recording import is_traced, numbers
from chainrule.ops.systems import solve
from chainrule.record.trees import Structure, flatten, flatten_like, unflatten
from chainrule.transforms.arguments import Chosen, as_operand
from chainrule.transforms.custom import custom_jvp
from chainrule.transforms.jacobian import jacobian
from chainrule.transforms.jvp import jvp


def implicit(
    g: Callable[..., Any],
    solver: Callable[..., Any],
    *,
    fixed_point: bool = False,
    linear_solve: Callable[[Any, Any], Any] = solve,
    like: Any = None,
) -> Callable[..., Any]:
    """The solution y of g(y, *x) = 0 as a differentiable function of x, found by `solver(*x)`.

    The solver is a black box: it is called with NumPy arrays and gives y as arrays, and no
    derivative goes through its steps. With `fixed_point` the equation is y = g(y, *x). Derivatives
    of both modes and of every order follow from the implicit function theorem,
    dy = -(dg/dy)^{-1} (dg/dx) dx, where dg/dy must be regular. y and the arguments may be
    containers; g's result has as many elements as y. `linear_solve(matrix, vector)` solves the
    linear system. `like`, a value nested like y and of its shapes and dtypes, is needed where the
    function is traced (`vmap`, `jit`): the solver then runs when there are numbers.

    Raises ArgumentError where `like` is needed, ShapeError where g has not as many results as y has
    elements, MatrixError where dg/dy is singular.

    >>> root = cr.implicit(lambda y, a: y**2 - a, lambda a: np.sqrt(a))
    >>> root(4.0), cr.grad(root)(4.0)
    (np.float64(2.0), np.float64(0.25))
    """

    @functools.wraps(solver)
    def plain(*x: Any) -> Any:
        leaves, structure = flatten(x)
        return _solved(solver, leaves, structure, like)

    solution = custom_jvp(plain)

    @solution.defjvp
    def rule(primals: Any, tangents: Any) -> Any:
        y = solution(*primals)
        chosen = Chosen("implicit", (y,), {}, 0)
        flat = [as_operand(v) for v in chosen.leaves]

        def residual(*args: Any) -> Any:
            leaves, x = args[: len(flat)], args[len(flat) :]
            out = flatten(g(unflatten(chosen.structure, leaves), *x))[0]
            if fixed_point:
                out = [a - b for a, b in zip(out, leaves, strict=True)]
            return out

        still = [np.zeros(v.shape, v.dtype) for v in flat]
        _, moved = jvp(residual, (*flat, *primals), (*still, *tangents))
        blocks = jacobian(residual, tuple(range(len(flat))))(*flat, *primals)
        sizes = [int(np.prod(v.shape)) for v in flat]
        count = sum(int(np.prod(np.shape(b))) for b in moved)
        if count != sum(sizes):
            raise ShapeError(
                f"implicit: g has {count} results for {sum(sizes)} unknowns; it needs as many "
                "equations as unknowns" + at(user_line())
            )
        matrix = np.concatenate(
            [
                np.concatenate(
                    [np.reshape(b, (-1, n)) for b, n in zip(row, sizes, strict=True)], axis=1
                )
                for row in blocks
            ]
        )
        vector = np.concatenate([np.reshape(m, (-1,)) for m in moved])
        step = -linear_solve(matrix, vector)
        parts, start = [], 0
        for v, n in zip(flat, sizes, strict=True):
            parts.append(np.reshape(step[start : start + n], v.shape))
            start += n
        return y, unflatten(chosen.structure, parts)

    return solution


def _solved(
    solver: Callable[..., Any], leaves: Sequence[Any], structure: Structure, like: Any
) -> Any:
    """The solver's result on plain arrays: now, or when there are numbers."""

    def on_numbers(*values: Any) -> Any:
        return solver(*unflatten(structure, [numbers(v) for v in values]))

    if not any(map(is_traced, leaves)):
        return on_numbers(*leaves)
    if like is None:
        raise ArgumentError(
            "implicit: the arguments are traced, so the solver cannot run yet; tell the shapes of "
            "the solution with like= (an example of it)" + at(user_line())
        )
    examples, nested = flatten(like)
    specs = tuple(spec_of(as_operand(x)) for x in examples)

    def flat(*values: Any) -> list[Any]:
        return flatten_like(on_numbers(*values), nested, "implicit", "the solution")

    return unflatten(nested, deferred(leaves, flat, specs))
