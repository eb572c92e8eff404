"""What a compiled derivative costs beside its function, and what it may cost by the textbook:
A. Griewank and A. Walther, Evaluating Derivatives, 2nd edition (2008), chapters 3 and 4.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary


@dataclass
class Derivative:
    """What a function that a transform has made computes."""

    kind: str
    """gradient, Jacobian or Hessian."""
    function: Callable[..., Any]
    """What it is the derivative of."""
    mode: str = "reverse"
    has_aux: bool = False


_DERIVATIVES: WeakKeyDictionary[Callable[..., Any], Derivative] = WeakKeyDictionary()


def note(made: Callable[..., Any], derivative: Derivative) -> None:
    """Note that a function is a derivative."""
    _DERIVATIVES[made] = derivative


def noted(function: Any) -> Derivative | None:
    """What a function is the derivative of, if a transform has made it."""
    try:
        return _DERIVATIVES.get(function)
    except TypeError:  # without a hash, or a weak reference
        return None


def comparison(derivative: Derivative, program: Any, own: Any) -> str:
    """The operations of a derivative's program beside those of its function's."""
    from chainrule.run.report import operations_of  # which loads the compiler

    count, theirs = operations_of(program), operations_of(own)
    if not theirs:
        return f"{derivative.kind}: its function does no operations"
    line = f"{derivative.kind}: {count / theirs:.1f} times the operations of its function"
    bound = _bound(derivative, *(sum(b.value.size for b in p.outputs) for p in (program, own)))
    return line if bound is None else f"{line} (by the textbook, at most {bound:g} times)"


def _bound(derivative: Derivative, elements: int, results: int) -> float | None:
    """At most how many times its function's operations a derivative of so many elements takes."""
    if derivative.kind == "gradient":
        return 4
    if derivative.has_aux or not results or elements % results:
        return None
    if derivative.kind == "Hessian":  # a product with each unit vector
        return 10 * math.isqrt(elements)
    variables = elements // results
    forward = variables <= results if derivative.mode == "auto" else derivative.mode == "forward"
    return 1 + 1.5 * variables if forward else 1.5 + 2.5 * results
