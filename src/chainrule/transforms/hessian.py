"""`hessian`: the Jacobian of the gradient, forward over reverse."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from chainrule.transforms.arguments import Argnames, Argnums
from chainrule.transforms.costs import Derivative, note
from chainrule.transforms.grad import gradient_function
from chainrule.transforms.jacobian import evaluated


def hessian(
    f: Callable[..., Any],
    argnums: Argnums = None,
    *,
    argnames: Argnames = None,
    has_aux: bool = False,
    memory: int | str | None = None,
) -> Callable[..., Any]:
    """A function that gives the Hessian of f, which must return one real number.

    For an argument of shape T it has the shape (*T, *T); for a container of arguments it is a
    container of containers. `argnums`, `argnames`, `has_aux` and `memory` are as for `grad`.

    >>> cr.hessian(lambda x: x[0] ** 2 * x[1])(np.array([3.0, 5.0]))
    array([[10.,  6.],
           [ 6.,  0.]])
    """
    gradient = gradient_function("hessian", f, argnums, argnames, has_aux, memory)

    @functools.wraps(f)
    def hessian_of(*args: Any, **kwargs: Any) -> Any:
        return evaluated(
            "hessian", gradient, args, kwargs, argnums, argnames, has_aux, mode="forward"
        )

    note(hessian_of, Derivative("Hessian", f, "forward", has_aux))
    return hessian_of
