"""`jet`: Taylor mode, the derivatives of a composition to any order in one walk."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.derive import control_flow_taylor as control_flow_taylor  # rules of loops
from chainrule.derive.taylor import taylor
from chainrule.errors import StructureError, at, user_line
from chainrule.graph.node import Leaf, Variable
from chainrule.graph.switch import Record
from chainrule.ops.recording import raw, wrapped
from chainrule.record.trees import Structure, flatten, unflatten
from chainrule.transforms.arguments import Chosen, cotangents_like, full, results_of
from chainrule.transforms.walks import is_free


def jet(
    fun: Callable[..., Any], primals: Any, series: Any, *, factorial_scaled: bool = True
) -> tuple[Any, Any]:
    """Value and higher derivatives of `fun` along a curve, by propagation of Taylor series.

    The argument i of `fun` moves along a curve x_i(t) with x_i(0) = primals[i] and derivatives
    x_i^(k)(0) = series[i][k - 1]. Returns (primal_out, series_out): the value y(0), and a list with
    the derivatives y^(k)(0) of y(t) = fun(x_0(t), x_1(t), ...) for k = 1, 2, ... With the series
    [1, 0, 0, ...] these are the derivatives of a function of one variable; with [v, 0, 0, ...] the
    directional ones, d^k f(x)[v, ..., v].

    Parameters
    ----------
    fun
        A function of arrays or nested containers of arrays (tuples, lists, dicts, dataclasses).
    primals
        A tuple of its arguments. Anything else is taken for the only argument.
    series
        Nested as the arguments, with a list of coefficients (of the array's shape) in place of each
        array; a list that is shorter than the longest one is followed by zeros.
    factorial_scaled
        True: coefficients are derivatives, given and returned. False: they are normalized Taylor
        coefficients x^(k)(0) / k!.

    Names and meaning are those of `jax.experimental.jet.jet`. Results have the structure of what
    `fun` returns, with a list in place of each array in `series_out`. NumPy arrays and numbers in
    give NumPy arrays out (a number for no dimensions); Tensors in, or Tensors that require a
    derivative in the function's closure, give Tensors out, which can be differentiated again.

    To order K each multiplication of `fun`, and each elementary function in it, costs a product of
    truncated series, about K^2 / 2 multiplications (fewer where coefficients are zero). Functions
    whose derivatives are ever new ones (`polygamma`, Bessel functions), and loops in traced
    functions, cost a factor of about K / 3 more, products of m factors in one `einsum` K^(m - 2)
    more, and matrix functions (`expm`, `logm`, `sqrtm`) are evaluated on a matrix of (k + 1) n rows
    for each order k.

    At a point where a function is not analytic, the first-order conventions go on (see the page on
    kinks): `abs`, `maximum`, `where`, `sort` take the piece that the value selects, or the mean of
    the pieces that tie, and coefficients that do not exist (`sqrt` at 0) are infinite or NaN. A
    coefficient that is zero stays zero whatever it is multiplied by.

    Raises ShapeError for a coefficient of another shape than its argument's, DtypeError for what is
    not a floating-point number, StructureError for series that are not nested as the arguments,
    MissingDerivative for an operation without a derivative, OverflowError for derivatives of an
    order above 170 (their factorial is no float; `factorial_scaled=False` has no such limit).

    >>> value, derivatives = cr.jet(lambda x: cr.exp(cr.sin(x)), 0.0, [1.0, 0.0, 0.0, 0.0])
    >>> [float(d) for d in derivatives]
    [1.0, 1.0, 0.0, -3.0]
    >>> y, (d1, d2) = cr.jet(np.multiply, (2.0, 3.0), ([1.0, 0.0], [1.0, 0.0]))
    >>> float(y), float(d1), float(d2)
    (6.0, 5.0, 2.0)
    """
    chosen = Chosen.all_of("jet", primals)
    fresh = chosen.fresh()
    given = _lists(chosen.structure, series, chosen.structure, series)
    curves = [
        cotangents_like("jet", "a coefficient", cs, [x] * len(cs))
        for cs, x in zip(given, fresh, strict=True)
    ]
    if factorial_scaled:
        curves = [_rescaled(cs, lambda k: 1 / _factorial(k)) for cs in curves]
    ys, structure = results_of("jet", chosen.call(fun, fresh), chosen.cls)
    found, free = _walk(ys, fresh, curves, chosen.cls)
    if factorial_scaled:
        found = [_rescaled(cs, _factorial) for cs in found]
    coefficients = [c for cs in given for c in cs]
    out = [chosen.derivatives(cs, coefficients) for cs in found]
    return unflatten(structure, [chosen.result(y, free) for y in ys]), unflatten(structure, out)


def _walk(
    ys: list[Any], fresh: list[Any], curves: list[list[Any]], cls: type[Variable]
) -> tuple[list[list[Any]], bool]:
    """Coefficients of the results (Tensors where they depend on anything outside, else arrays), and
    whether the values are free of everything outside.
    """
    order = max((len(cs) for cs in curves), default=0)
    free = is_free(ys, fresh)
    plain = free and not any(
        isinstance(c, Variable) and c._node is not None for cs in curves for c in cs
    )
    live = [y._node for y in ys if y._node is not None]
    known = {
        x._node: [raw(c) if plain else _tensor(c, cls) for c in cs]
        for x, cs in zip(fresh, curves, strict=True)
    }
    with Record():
        walked = taylor(live, known, order, cls, recorded=not plain)
    for x in fresh:  # variables of this walk, and constants to whatever encloses it
        if isinstance(x._node, Leaf):
            x._node.frozen = True
    found = dict(zip(live, walked, strict=True))
    zeros = [None] * order
    out = [[_fitted(c, y) for c in full(found.get(y._node, zeros), [y] * order)] for y in ys]
    return out, free


def _tensor(c: Any, cls: type[Variable]) -> Any:
    return c if isinstance(c, Variable) else wrapped(cls, c, None)


def _fitted(c: Any, y: Any) -> Any:
    """A coefficient in the dtype of its result; an array in memory of its own."""
    dtype = y._value.dtype
    if not isinstance(c, Variable):
        return np.array(c, dtype)[()]  # it may show the caller's arrays
    recorded: Any = c
    return c if c._value.dtype == dtype else recorded.astype(dtype)


def _lists(structure: Structure, series: Any, whole: Structure, given: Any) -> list[list[Any]]:
    """The lists of coefficients in a container that is nested as the arguments; `whole` and `given`
    are those of all arguments, for the message.
    """
    if structure.kind is None:
        if isinstance(series, list | tuple) or hasattr(series, "ndim"):
            return [list(series)]
    elif not structure.count:
        return []
    elif type(series) is structure.kind:
        parts = _parts(structure, series)
        if len(parts) == len(structure.parts):
            return [
                cs
                for s, part in zip(structure.parts, parts, strict=True)
                for cs in _lists(s, part, whole, given)
            ]
    raise StructureError(
        f"jet: the arguments are nested as {whole}, and the series as {flatten(given)[1]}; series "
        "must be nested alike, with a list of coefficients in place of each array: "
        "jet(f, x, [v, a]) or jet(f, (x, y), ([v, a], [w, b]))" + at(user_line())
    )


def _parts(structure: Structure, series: Any) -> list[Any]:
    if not structure.keys:
        return list(series)
    if isinstance(series, dict):
        return [series[k] for k in structure.keys if k in series]
    return [getattr(series, k) for k in structure.keys]


def _factorial(k: int) -> float:
    return float(math.factorial(k))


def _rescaled(coefficients: list[Any], factor: Callable[[int], float]) -> list[Any]:
    """Coefficient k times factor(k), for k = 1, 2, ...; zeros of integers as they are."""
    return [
        c * factor(k) if k > 1 and raw(c).dtype.kind in "fc" else c
        for k, c in enumerate(coefficients, 1)
    ]
