"""`grad` and `value_and_grad`: run the function on fresh variables, walk back from its value."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from chainrule.graph.budget import Limited, bytes_of
from chainrule.transforms.arguments import (
    Argnames,
    Argnums,
    Chosen,
    full,
    prepared,
    retire,
    scalar_of,
    with_aux,
)
from chainrule.transforms.costs import Derivative, note
from chainrule.transforms.walks import pull


def value_and_grad(
    f: Callable[..., Any],
    argnums: Argnums = None,
    *,
    argnames: Argnames = None,
    has_aux: bool = False,
    memory: int | str | None = None,
) -> Callable[..., Any]:
    """A function that gives f's value and its gradient: `(value, gradient)`.

    f must return one real number (with `has_aux`, a pair of it and anything else: the result is
    `((value, aux), gradient)`). `argnums` and `argnames` say by which arguments, the first by
    default: one gives a gradient of its shape and nesting, a sequence a tuple of gradients.
    Arguments are arrays, numbers, Tensors, or nested containers of them; NumPy arrays in give
    NumPy arrays out, Tensors give Tensors.

    `memory` bounds what loops keep for the derivative, in bytes or as a text like "64MB": turns are
    taken again where there is no room to keep what they computed. It holds for the loops of
    compiled functions, Python's own among them, and for `cr.scan`, `cr.fori_loop` and
    `cr.while_loop` elsewhere. A thousandth of what would be kept without it takes about twice the
    time.

    Raises ShapeError where f returns no single number, DtypeError for arguments of integers and
    results that are no numbers, ArgumentError for arguments that are not there, and for a budget
    that says nothing or is too small for a turn.

    >>> cr.value_and_grad(lambda x: np.sum(x**2))(np.array([1.0, 2.0]))
    (np.float64(5.0), array([2., 4.]))
    """
    function = prepared(f)
    limit = bytes_of("value_and_grad", memory)

    @functools.wraps(f)
    def value_and_gradient(*args: Any, **kwargs: Any) -> Any:
        with Limited(limit):
            return _evaluated("value_and_grad", function, args, kwargs, argnums, argnames, has_aux)

    note(value_and_gradient, Derivative("gradient", f))
    return value_and_gradient


def grad(
    f: Callable[..., Any],
    argnums: Argnums = None,
    *,
    argnames: Argnames = None,
    has_aux: bool = False,
    memory: int | str | None = None,
) -> Callable[..., Any]:
    """A function that gives f's gradient (with `has_aux`, a pair of it and what f passes through).

    The gradient has the shape of the argument; see `value_and_grad` for the rest. As the result is
    a function like any other, `grad(grad(f))` is the second derivative.

    >>> cr.grad(lambda x, y: x**2 * y, argnums=(0, 1))(3.0, 2.0)
    (np.float64(12.0), np.float64(9.0))
    >>> cr.grad(cr.grad(np.sin))(np.pi / 2)
    np.float64(-1.0)

    A loop of a million turns, whose derivative keeps 8 kB:

    >>> def decay(x):
    ...     return cr.fori_loop(0, 1_000_000, lambda i, y: y - 1e-6 * y * y, x)
    >>> cr.jit(cr.grad(decay, memory="8kB"))(1.0).round(4)
    np.float64(0.25)
    """
    return gradient_function("grad", f, argnums, argnames, has_aux, memory)


def gradient_function(
    name: str,
    f: Callable[..., Any],
    argnums: Argnums,
    argnames: Argnames = None,
    has_aux: bool = False,
    memory: int | str | None = None,
) -> Callable[..., Any]:
    """`grad` for the transform of this name, which errors will name."""
    function = prepared(f)
    limit = bytes_of(name, memory)

    @functools.wraps(f)
    def gradient(*args: Any, **kwargs: Any) -> Any:
        if limit is None:
            value, g = _evaluated(name, function, args, kwargs, argnums, argnames, has_aux)
        else:
            with Limited(limit):
                value, g = _evaluated(name, function, args, kwargs, argnums, argnames, has_aux)
        return (g, value[1]) if has_aux else g

    note(gradient, Derivative("gradient", f))
    return gradient


def _evaluated(
    name: str,
    f: Callable[..., Any],
    args: Any,
    kwargs: Any,
    argnums: Argnums,
    argnames: Argnames,
    has_aux: bool,
) -> tuple[Any, Any]:
    chosen = Chosen(name, args, kwargs, argnums, argnames)
    fresh = chosen.fresh()
    out, aux = with_aux(name, chosen.call(f, fresh), has_aux)
    y = scalar_of(name, out, chosen.cls)
    found, free = pull([y], [y._value.dtype.type(1)], fresh, chosen.cls)
    retire(fresh)
    gradients = chosen.out(full(found, fresh))
    value = chosen.result(y, free)
    return ((value, chosen.result_tree(aux, free)) if has_aux else value), gradients
