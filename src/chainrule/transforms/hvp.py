"""`hvp`: the derivative of the gradient in a direction, which never forms the Hessian."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from chainrule.transforms.grad import gradient_function
from chainrule.transforms.jvp import jvp


def hvp(f: Callable[..., Any], primals: Any, tangents: Any) -> Any:
    """The Hessian of f at a point times a direction, nested like `primals`: forward over reverse.

    `primals` is a tuple of arguments (or the one argument), `tangents` is nested alike; f returns
    one real number. The cost is a small multiple of f's, whatever the number of variables
    (B. Pearlmutter, Fast exact multiplication by the Hessian, 1994).

    >>> cr.hvp(lambda x: np.sum(x**3), np.array([1.0, 2.0]), np.array([1.0, 0.5]))
    array([6., 6.])
    """
    argnums = tuple(range(len(primals))) if type(primals) is tuple else 0
    return jvp(gradient_function("hvp", f, argnums), primals, tangents)[1]
