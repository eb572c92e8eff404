"""The hot path of eager code: calls and elementwise reverse rules, with as few steps as can be.

Calling an operation on one or two operands takes a load for each value and node, the evaluation,
and where a derivative is wanted one node. Compiled to C where the library is built with a compiler
at hand (see `setup.py`); runs unchanged as Python.
"""

from __future__ import annotations

from _thread import get_ident
from collections.abc import Callable
from typing import Any, Final

import numpy as np

from chainrule.graph.node import Abstract, Node, Spec, Variable, next_order, paused
from chainrule.ops.complaints import CAUGHT, NUMBERS, check_rules, explain
from chainrule.ops.recording import SCALARS, everywhere, fit, general, kept, settle

ndarray: Final[Any] = np.ndarray

# --- products that respect a zero cotangent ------------------------------------------------------

careful: Final[set[int]] = set()
"""Threads whose backward pass met 0 times infinity, and takes it for zero (see derive.reverse)."""

strong_product: Any = None
"""The product with 0 * inf = 0, a row of `ops.family`, which sets it."""


def times(ct: Any, partial: Any) -> Any:
    """Cotangent times partial; a zero cotangent stays zero whatever it meets, when asked to."""
    if careful and get_ident() in careful:
        return strong_product(ct, partial)
    return ct * partial


def product(partial: Any) -> Callable[..., Any]:
    """Cotangent times a partial derivative, as a function (ct, y, *operands)."""
    if callable(partial):
        function = partial

        def general_product(ct: Any, *saved: Any) -> Any:
            return times(ct, function(*saved))

        return general_product
    sign = partial

    def constant_product(ct: Any, *saved: Any) -> Any:
        return constant(ct, sign)

    return constant_product


def constant(ct: Any, partial: Any) -> Any:
    """Cotangent times a partial that is 1, -1 or zero."""
    if partial == 1:
        return ct
    return -ct if partial == -1 else ct * 0


# --- calls and pulls ---------------------------------------------------------------------------


def calls(row: Any, evaluate: Any) -> tuple[Any, Any]:
    """(call, reflected call) of a row of one or two operands, parameters having their defaults."""
    if row.arity == 1:
        return _unary(row, evaluate), None
    return _binary(row, evaluate) if row.arity == 2 else (None, None)


def elementwise_pull(row: Any) -> Any:
    """The reverse rules of an elementwise row together."""
    if row.arity == 1 and row.partials:
        return _pull_unary(row)
    return _pull_binary(row) if row.arity == 2 and row.partials else row.pull


def alike(value: Any, operand: Any) -> bool:
    """Whether a result needs no settling: an array of some dimensions, or a NumPy scalar, of the
    dtype of an operand that counts in promotion (PyTorch: one of as many dimensions).
    """
    if type(operand) is ndarray:
        if type(value) is ndarray:
            return value.dtype is operand.dtype and value.ndim != 0
        return type(value) in SCALARS and value.dtype is operand.dtype
    return type(value) is type(operand) and type(value) in SCALARS


class Meter:
    """Counts evaluations by NumPy down, to where one is noted (`ops.repeated`)."""

    def __init__(self) -> None:
        self.left = 1


meter: Final = Meter()

noticed: Final[list[Any]] = []
"""`ops.repeated.note`, and the list that says how many evaluations there are to a note."""


def evaluated(row: Any, evaluate: Any, binary: bool, a: Any, b: Any) -> Any:
    """The value by NumPy, of a row of one or two operands whose parameters have their defaults."""
    try:
        value = evaluate(a, b) if binary else evaluate(a)
    except CAUGHT as error:
        raise explain(row, (a, b) if binary else (a,), row.defaults, error) from None
    meter.left -= 1
    if meter.left <= 0:
        note, every = noticed
        meter.left = every[0]
        note(row, (a, b) if binary else (a,), value)
    return value


def _unary(row: Any, evaluate: Any) -> Any:
    code: list[Any] = row.code
    keep_y: bool = row.keeps[0]
    keep_x: bool = row.keeps[1]
    traceable: bool = row.differentiable
    complete = not any(isinstance(r, str) for r in _rules(row))
    elementwise: bool = row.kind == "elementwise"
    params: dict[str, Any] = row.defaults

    def call(x: Any) -> Any:
        if not isinstance(x, Variable):
            return general(row, (x,), params)
        v = x._value
        n = x._node
        if type(v) is Abstract:
            return general(row, (x,), params)
        value: Any = code[0](v) if code else None
        if value is None:
            value = evaluated(row, evaluate, False, v, None)
        cls: Any = type(x)
        if not alike(value, v):
            value = settle(cls, value, (v,), row, params)
        out: Variable = cls()
        out._value = value
        if n is None or not traceable or (paused and get_ident() in paused):
            out._node = None
            return out
        if not complete:
            check_rules(row, (n,), (v,))
        node = Node()
        node.op = row
        node.inputs = (n,)
        node.params = params
        node.order = next_order()
        if elementwise and type(value) is ndarray and not keep_y:
            node.saved = (None, kept(v, keep_x))
        else:
            node.saved = (kept(value, keep_y), kept(v, keep_x))
        out._node = node
        return out

    return call


def _binary(row: Any, evaluate: Any) -> tuple[Any, Any]:
    code: list[Any] = row.code
    keep_y: bool = row.keeps[0]
    keep_a: bool = row.keeps[1]
    keep_b: bool = row.keeps[2]
    traceable: bool = row.differentiable
    complete = not any(isinstance(r, str) for r in _rules(row))
    elementwise: bool = row.kind == "elementwise"
    params: dict[str, Any] = row.defaults

    def finish(cls: Any, va: Any, vb: Any, na: Node | None, nb: Node | None) -> Any:
        value: Any = code[0](va, vb) if code else None
        if value is None:
            value = evaluated(row, evaluate, True, va, vb)
        if not alike(value, va) and not alike(value, vb):
            value = settle(cls, value, (va, vb), row, params)
        out: Variable = cls()
        out._value = value
        if (na is None and nb is None) or not traceable or (paused and get_ident() in paused):
            out._node = None
            return out
        if not complete:
            check_rules(row, (na, nb), (va, vb))
        node = Node()
        node.op = row
        node.inputs = (na, nb)
        node.params = params
        node.order = next_order()
        if elementwise and type(value) is ndarray and not keep_y:
            node.saved = (None, kept(va, keep_a), kept(vb, keep_b))
        else:
            node.saved = (kept(value, keep_y), kept(va, keep_a), kept(vb, keep_b))
        out._node = node
        return out

    def call(a: Any, b: Any) -> Any:
        if isinstance(a, Variable):
            cls: Any = type(a)
            if type(b) is cls:
                other: Variable = b
                if type(a._value) is Abstract or type(other._value) is Abstract:
                    return general(row, (a, b), params)
                return finish(cls, a._value, other._value, a._node, other._node)
            if (type(b) is float or type(b) is int or type(b) in NUMBERS) and type(
                a._value
            ) is not Abstract:
                return finish(cls, a._value, b, a._node, None)
            if (
                type(b) is ndarray
                and b.ndim
                and type(a._value) is not Abstract
                and b.dtype.kind in "biufc"
            ):
                return finish(cls, a._value, b, a._node, None)
        return general(row, (a, b), params)

    def reflected(b: Any, a: Any) -> Any:
        if (
            isinstance(b, Variable)
            and (type(a) is float or type(a) is int or type(a) in NUMBERS)
            and type(b._value) is not Abstract
        ):
            return finish(type(b), a, b._value, None, b._node)
        return general(row, (a, b), params)

    return call, reflected


def _rules(row: Any) -> Any:
    """The rules one by one, where a row has one for each operand."""
    return () if callable(row.reverse) else row.reverse


def _pull_unary(row: Any) -> Any:
    partial = row.partials[0]
    direct = callable(partial)

    def pull(ct: Any, saved: tuple[Any, ...], node: Node) -> tuple[Any, ...]:
        x = saved[1]
        g = scaled(ct, partial(saved[0], x)) if direct else constant(ct, partial)
        if type(g) is not type(x) or type(g) not in SCALARS:
            g = fit(g, x)
        return (g,)

    return pull


def _pull_binary(row: Any) -> Any:
    partial_a, partial_b = row.partials
    direct_a, direct_b = callable(partial_a), callable(partial_b)

    def pull(ct: Any, saved: tuple[Any, ...], node: Node) -> tuple[Any, ...]:
        y = saved[0]
        a = saved[1]
        b = saved[2]
        inputs = node.inputs
        ga: Any = None
        gb: Any = None
        if type(ct) in SCALARS and (is_array(a) or is_array(b)):
            stretched = is_array(a) and is_array(b) and a.shape != b.shape
            if stretched or not (direct_a and direct_b):
                ct = everywhere(ct, _common(a, b))
        if inputs[0] is not None:
            ga = scaled(ct, partial_a(y, a, b)) if direct_a else constant(ct, partial_a)
            if type(ga) is not type(a) or type(ga) not in SCALARS:
                ga = fit(ga, a)
        if inputs[1] is not None:
            gb = scaled(ct, partial_b(y, a, b)) if direct_b else constant(ct, partial_b)
            if type(gb) is not type(b) or type(gb) not in SCALARS:
                gb = fit(gb, b)
        return (ga, gb)

    return pull


def _common(a: Any, b: Any) -> tuple[int, ...]:
    """The shape two kept operands broadcast to."""
    m: tuple[int, ...] = a.shape if is_array(a) else ()
    n: tuple[int, ...] = b.shape if is_array(b) else ()
    if m == n or not n:
        return m
    return np.broadcast_shapes(m, n) if m else n


def is_array(x: Any) -> bool:
    """Whether a kept operand is an array of some dimensions, or the Spec of one."""
    return type(x) is ndarray or isinstance(x, Spec)


def scaled(ct: Any, partial: Any) -> Any:
    """Cotangent times partial, on the paths where microseconds count."""
    if careful:
        return times(ct, partial)
    if type(partial) is ndarray and type(ct) in SCALARS:
        # a scalar times a small array takes twice the time of two arrays, and is often 1
        return partial if ct == 1 else np.multiply(np.asarray(ct), partial)
    return ct * partial
