"""`jet`: Taylor mode, the derivatives of a composition to any order in one walk."""

from __future__ import annotations

import math
from _thread import get_ident
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from chainrule.creation import get_default_dtype
from chainrule.derive.forward import between
from chainrule.derive.taylor import apart, taylor
from chainrule.errors import DtypeError, ShapeError, StructureError, at, user_line
from chainrule.graph.node import Node, Variable, paused
from chainrule.ops.complaints import as_value, describe
from chainrule.ops.movement import copy
from chainrule.ops.recording import raw, wrapped, zeros_like
from chainrule.ops.replay import is_traced
from chainrule.record.switch import Record
from chainrule.record.trees import Structure, flatten, unflatten
from chainrule.tensor import Tensor


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
        A tuple or list of its arguments. Anything else is taken for the only argument.
    series
        For each argument a list of coefficients of the argument's shape; in an argument that is a
        container a list stands in place of each array. A single argument's series stands alone.
        A series that is shorter than the longest one is followed by zeros.
    factorial_scaled
        True: coefficients are derivatives, given and returned. False: they are normalized Taylor
        coefficients x^(k)(0) / k!.

    Names and meaning are those of `jax.experimental.jet.jet`. Results have the structure of what
    `fun` returns, with a list in place of each array in `series_out`. NumPy arrays and numbers in
    give NumPy arrays out (a number for no dimensions); Tensors in, or Tensors that require a
    derivative in the function's closure, give Tensors out, which can be differentiated again.

    To order K each multiplication of `fun`, and each elementary function in it, costs a product of
    truncated series, about K^2 / 2 multiplications (fewer where coefficients are zero). Functions
    whose derivatives are ever new ones (`polygamma`, Bessel functions) cost a factor of about K / 3
    more, products of m factors in one `einsum` K^(m - 2) more, and matrix functions (`expm`,
    `logm`, `sqrtm`) are evaluated on a matrix of (k + 1) n rows for each order k.

    At a point where a function is not analytic, the first-order conventions go on (see the page on
    kinks): `abs`, `maximum`, `where`, `sort` take the piece that the value selects, or the mean of
    the pieces that tie, and coefficients that do not exist (`sqrt` at 0) are infinite or NaN. A
    coefficient that is zero stays zero whatever it is multiplied by.

    Raises ShapeError for a coefficient of another shape than its argument's, DtypeError for what is
    not a floating-point number, StructureError for series that are not as many as the arguments or
    not nested alike, MissingDerivative for an operation without a derivative.

    >>> value, derivatives = cr.jet(lambda x: cr.exp(cr.sin(x)), 0.0, [1.0, 0.0, 0.0, 0.0])
    >>> [float(d) for d in derivatives]
    [1.0, 1.0, 0.0, -3.0]
    >>> y, (d1, d2) = cr.jet(np.multiply, (2.0, 3.0), ([1.0, 0.0], [1.0, 0.0]))
    >>> float(y), float(d1), float(d2)
    (6.0, 5.0, 2.0)
    """
    arguments, lists = _arguments(primals, series)
    flat = [flatten(x) for x in arguments]
    xs = [_floating(x, i) for i, (leaves, _) in enumerate(flat) for x in leaves]
    found = [
        c for i, (s, (_, t)) in enumerate(zip(lists, flat, strict=True)) for c in _take(t, s, i)
    ]
    curves = [_coefficients(cs, x) for cs, x in zip(found, xs, strict=True)]
    if factorial_scaled:
        curves = [_rescaled(cs, lambda k: 1 / float(math.factorial(k))) for cs in curves]
    order = max((len(cs) for cs in curves), default=0)

    run = _Run(xs, curves)
    results, structure, values = run.results(fun, [s for _, s in flat], order)
    if factorial_scaled:
        results = [_rescaled(cs, lambda k: float(math.factorial(k))) for cs in results]
    return unflatten(structure, values), unflatten(structure, results)


class _Run:
    """The function recorded on a copy of its arguments, and the walk over what was recorded."""

    def __init__(self, xs: list[Any], curves: list[list[Any]]) -> None:
        given = [x for x in (*xs, *(c for cs in curves for c in cs)) if isinstance(x, Variable)]
        self.cls = _class(given)
        self.tensors = bool(given)
        self.traced = any(is_traced(x) for x in given)
        # under no_grad nothing outside is to be recorded, while the function itself must be
        self.idle = get_ident() in paused and not self.traced
        self.recorded = not self.idle and any(x._node is not None for x in given)
        self.xs = [raw(x) for x in xs] if self.idle else xs
        self.curves = curves

    def results(
        self, fun: Callable[..., Any], structures: list[Structure], order: int
    ) -> tuple[list[list[Any]], Structure, list[Any]]:
        """Coefficients of the results, their structure and their values."""
        cls = self.cls
        with Record():
            inner = [copy(x if _node(x) is not None else apart(x, cls)) for x in self.xs]
            sources = [x._node for x in inner]  # the function may change its arguments in place
            parts = []
            rest = list(inner)
            for s in structures:
                parts.append(unflatten(s, rest[: s.count]))
                del rest[: s.count]
            outs, structure = flatten(fun(*parts))
            outs = [x if isinstance(x, Variable) else _array(x) for x in outs]
            nodes = [n for n in map(_node, outs) if n is not None]
            known = dict(zip(sources, self.curves, strict=True))
            outside: list[Node] = []
            between(nodes, known, outside)
            traced = self.traced or any(is_traced(x) for x in outs)
            self.recorded = self.recorded or traced or (bool(outside) and not self.idle)
            known = {n: [self._inside(c) for c in cs] for n, cs in known.items()}
            found = taylor(nodes, known, order, cls, recorded=self.recorded)
        series = dict(zip(nodes, found, strict=True))
        zeros: list[Any] = [None] * order
        curves = [[self._outside(c, x) for c in series.get(_node(x), zeros)] for x in outs]
        return curves, structure, [self._outside(x, x) for x in outs]

    def _inside(self, c: Any) -> Any:
        """A coefficient as the walk takes it."""
        if not self.recorded:
            return raw(c)
        return c if isinstance(c, Variable) else wrapped(self.cls, c, None)

    def _outside(self, c: Any, like: Any) -> Any:
        """A coefficient or value of a result as it is handed to the caller."""
        spec = _spec(like)
        if c is None:
            c = zeros_like(spec)
        if self.recorded:
            c = c if isinstance(c, Variable) else wrapped(self.cls, c, None)
            return c if c._value.dtype == spec.dtype else c.astype(spec.dtype)
        value = np.array(raw(c), spec.dtype)[()]  # its own memory: c may show the caller's arrays
        return wrapped(self.cls, value, None) if self.tensors else value


def _class(given: list[Variable]) -> type[Variable]:
    """The most special class of Tensor among those given."""
    cls: type[Variable] = Tensor
    for x in given:
        cls = type(x) if issubclass(type(x), cls) else cls
    return cls


def _spec(x: Any) -> Any:
    """What tells the shape and dtype of an array, or a Tensor of any class."""
    return x._value if isinstance(x, Variable) else x


def _node(x: Any) -> Any:
    return x._node if isinstance(x, Variable) else None


def _arguments(primals: Any, series: Any) -> tuple[Sequence[Any], Sequence[Any]]:
    if not isinstance(primals, tuple | list) or hasattr(primals, "_fields"):
        return (primals,), (series,)
    if not isinstance(series, tuple | list) or len(series) != len(primals):
        given = f"{len(series)} of them" if isinstance(series, tuple | list) else _kind(series)
        raise StructureError(
            f"jet: series must hold one list of coefficients for each of the {len(primals)} "
            f"arguments in primals, and is {given}; write jet(f, (x,), ([v, a],)), or jet(f, x, "
            "[v, a]) for a single argument" + at(user_line())
        )
    return primals, series


def _kind(x: Any) -> str:
    return f"a {type(x).__name__}"


def _array(x: Any) -> Any:
    """An array, a number of NumPy's for no dimensions; an error for what is no number."""
    return np.asarray(as_value(x, "jet"))[()]


def _floating(x: Any, i: int) -> Any:
    """An array of an argument, in a dtype that has derivatives."""
    if type(x) in (int, float):
        return get_default_dtype().type(x)
    value: Any = x if isinstance(x, Variable) else _array(x)
    if value.dtype.kind not in "fc":
        raise DtypeError(
            f"jet: argument {i} is {describe(value)}, and only floating-point numbers have "
            "derivatives; convert it (`.astype(float)`), or put it into the function's closure"
            + at(user_line())
        )
    return value


def _take(structure: Structure, series: Any, i: int) -> list[Any]:
    """The lists of coefficients in a container that is nested as argument i."""
    if structure.kind is None:
        if isinstance(series, list | tuple) or hasattr(series, "ndim"):
            return [list(series)]
        raise StructureError(
            f"jet: the series of argument {i} must be a list of coefficients (in place of each "
            f"array of it), not {_kind(series)}" + at(user_line())
        )
    if not structure.count:
        return []
    if type(series) is not structure.kind:
        raise _nested_otherwise(structure, series, i)
    if structure.keys and isinstance(series, dict):
        parts = [series[k] for k in structure.keys] if set(series) == set(structure.keys) else []
    elif structure.keys:
        parts = [getattr(series, k) for k in structure.keys]
    else:
        parts = list(series)
    if len(parts) != len(structure.parts):
        raise _nested_otherwise(structure, series, i)
    return [c for s, part in zip(structure.parts, parts, strict=True) for c in _take(s, part, i)]


def _nested_otherwise(structure: Structure, series: Any, i: int) -> StructureError:
    return StructureError(
        f"jet: argument {i} is nested as {structure}, and its series as {flatten(series)[1]}; it "
        "must be nested alike, with a list of coefficients in place of each array" + at(user_line())
    )


def _coefficients(given: list[Any], x: Any) -> list[Any]:
    """Coefficients of an argument, of its shape and dtype."""
    out = []
    for k, c in enumerate(given, 1):
        value: Any = c if isinstance(c, Variable) else _array(c)
        if value.shape != x.shape:
            raise ShapeError(
                f"jet: coefficient {k} has the shape {list(value.shape)}, and its argument "
                f"{list(x.shape)}; they must be equal" + at(user_line())
            )
        if value.dtype.kind == "c" and x.dtype.kind != "c":
            raise DtypeError(
                f"jet: coefficient {k} is {describe(value)}, and its argument {x.dtype}; make the "
                "argument complex" + at(user_line())
            )
        out.append(value if value.dtype == x.dtype else value.astype(x.dtype))
    return out


def _rescaled(coefficients: list[Any], factor: Callable[[int], Any]) -> list[Any]:
    """Coefficient k times factor(k), for k = 1, 2, ..."""
    return [
        c * factor(k) if k > 1 and _spec(c).dtype.kind in "fc" else c
        for k, c in enumerate(coefficients, 1)
    ]
