"""The hot path of eager code: elementwise calls and their reverse rules, with as few steps as can be.

Calling an operation on one or two operands takes a load for each value and node, the evaluation,
and where a derivative is wanted one node. Compiled to C where the library is built with a compiler
at hand (see `setup.py`); runs unchanged as Python.
"""

from __future__ import annotations

from _thread import get_ident
from collections.abc import Callable
from typing import Any, Final

import numpy as np

from chainrule.graph.node import Node, Variable, next_order, paused
from chainrule.ops.complaints import CAUGHT, NUMBERS, check_rules, explain
from chainrule.ops.recording import fit, general, kept, settle

ndarray: Final[Any] = np.ndarray
generic: Final[Any] = np.generic

# --- products that respect a zero cotangent ------------------------------------------------------

careful: Final[set[int]] = set()
"""Threads whose backward pass met 0 times infinity, and now takes it for zero (see derive.reverse)."""

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


def make(row: Any, evaluate: Any) -> tuple[tuple[Any, Any], Any]:
    """((call, reflected call), pull) of an elementwise row."""
    if row.arity == 1:
        return (_unary(row, evaluate), None), _pull_unary(row)
    if row.arity == 2:
        return _binary(row, evaluate), _pull_binary(row)
    return (None, None), row.pull


def _unary(row: Any, evaluate: Any) -> Any:
    keep_y: bool = row.keeps[0]
    keep_x: bool = row.keeps[1]
    traceable: bool = row.differentiable

    def call(x: Any) -> Any:
        if not isinstance(x, Variable):
            return general(row, (x,), {})
        v = x._value
        n = x._node
        try:
            value = evaluate(v)
        except CAUGHT as error:
            raise explain(row, (v,), {}, error) from None
        cls: Any = type(x)
        if type(value) is not type(v) or (type(value) is ndarray and value.dtype is not v.dtype):
            value = settle(cls, value, (v,), row, {})
        out: Variable = cls()
        out._value = value
        if n is None or not traceable or (paused and get_ident() in paused):
            out._node = None
            return out
        node = Node()
        node.op = row
        node.inputs = (n,)
        node.order = next_order()
        if type(value) is ndarray:
            node.saved = (value if keep_y else None, v if keep_x else kept(v, False))
        else:
            node.saved = (value, v)
        out._node = node
        return out

    return call


def _binary(row: Any, evaluate: Any) -> tuple[Any, Any]:
    keep_y: bool = row.keeps[0]
    keep_a: bool = row.keeps[1]
    keep_b: bool = row.keeps[2]
    traceable: bool = row.differentiable
    complete = not any(isinstance(p, str) for p in row.partials)

    def finish(cls: Any, va: Any, vb: Any, na: Node | None, nb: Node | None) -> Any:
        try:
            value = evaluate(va, vb)
        except CAUGHT as error:
            raise explain(row, (va, vb), {}, error) from None
        kind = type(value)
        if kind is ndarray:
            if not (
                (type(va) is ndarray and value.dtype is va.dtype)
                or (type(vb) is ndarray and value.dtype is vb.dtype)
            ) or not value.ndim:
                value = settle(cls, value, (va, vb), row, {})
        elif kind is not type(va) and kind is not type(vb):
            value = settle(cls, value, (va, vb), row, {})
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
        node.order = next_order()
        if type(value) is ndarray:
            node.saved = (
                value if keep_y else None,
                va if keep_a or na is None else kept(va, False),
                vb if keep_b or nb is None else kept(vb, False),
            )
        else:
            node.saved = (value, va, vb)
        out._node = node
        return out

    def call(a: Any, b: Any) -> Any:
        if isinstance(a, Variable):
            cls: Any = type(a)
            if type(b) is cls:
                other: Variable = b
                return finish(cls, a._value, other._value, a._node, other._node)
            if type(b) is float or type(b) is int or type(b) in NUMBERS:
                return finish(cls, a._value, b, a._node, None)
        return general(row, (a, b), {})

    def reflected(b: Any, a: Any) -> Any:
        if isinstance(b, Variable) and (type(a) is float or type(a) is int or type(a) in NUMBERS):
            return finish(type(b), a, b._value, None, b._node)
        return general(row, (a, b), {})

    return call, reflected


def _pull_unary(row: Any) -> Any:
    if not row.partials:
        return None
    partial = row.partials[0]
    direct = callable(partial)

    def pull(ct: Any, saved: tuple[Any, ...], node: Node) -> tuple[Any, ...]:
        x = saved[1]
        if direct:
            p = partial(saved[0], x)
            g = times(ct, p) if careful else ct * p
        else:
            g = constant(ct, partial)
        if type(g) is not type(x) or not isinstance(g, generic):
            g = fit(g, x)
        return (g,)

    return pull


def _pull_binary(row: Any) -> Any:
    if not row.partials:
        return None
    partial_a, partial_b = row.partials
    direct_a, direct_b = callable(partial_a), callable(partial_b)

    def pull(ct: Any, saved: tuple[Any, ...], node: Node) -> tuple[Any, ...]:
        y = saved[0]
        a = saved[1]
        b = saved[2]
        inputs = node.inputs
        ga: Any = None
        gb: Any = None
        if inputs[0] is not None:
            if direct_a:
                p = partial_a(y, a, b)
                ga = times(ct, p) if careful else ct * p
            else:
                ga = constant(ct, partial_a)
            if type(ga) is not type(a) or not isinstance(ga, generic):
                ga = fit(ga, a)
        if inputs[1] is not None:
            if direct_b:
                p = partial_b(y, a, b)
                gb = times(ct, p) if careful else ct * p
            else:
                gb = constant(ct, partial_b)
            if type(gb) is not type(b) or not isinstance(gb, generic):
                gb = fit(gb, b)
        return (ga, gb)

    return pull
