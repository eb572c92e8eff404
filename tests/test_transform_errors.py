"""What a newcomer reads: errors of transforms say what was asked of what, where, and what to do."""

from __future__ import annotations

import math
import re
from collections import namedtuple
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import chainrule as cr

X = np.array([1.0, 2.0, 3.0])
Pair = namedtuple("Pair", "a b")
kept: list[Any] = []


BUFFER = np.zeros(3)
"""An array that is there before the function, so that no transform can make it a Tensor."""


def fill(x: Any) -> Any:
    BUFFER[0] = x[0] * 2
    return BUFFER.sum()


def keep(x: Any) -> Any:
    kept.append(2 * x)
    return x


def use_kept_from_vmap(f: Callable[[], Any]) -> Any:
    kept.clear()
    cr.vmap(keep)(X)
    return f()


CASES: dict[str, tuple[Callable[[], Any], type[Exception], list[str]]] = {
    # what no rewriting can know
    "mask": (
        lambda: cr.vmap(lambda x: x[x > 0])(np.ones((2, 3))),
        cr.TracedValueError, ["getitem", "mask", "cr.where"],
    ),
    "nonzero": (
        lambda: cr.vmap(np.nonzero)(np.ones((2, 3))), cr.TracedValueError, ["nonzero", "cr.where"],
    ),
    # a traced value beyond its trace
    "kept and used in vmap": (
        lambda: use_kept_from_vmap(lambda: cr.vmap(lambda x: x * kept[0])(X)),
        cr.TracedValueError, ["float64[]", "beyond the trace of vmap", "return it"],
    ),
    "kept and printed as a number": (
        lambda: use_kept_from_vmap(lambda: float(kept[0])),
        cr.TracedValueError, ["beyond the trace of vmap", "return it"],
    ),
    "kept and used in grad": (
        lambda: use_kept_from_vmap(lambda: cr.grad(lambda x: (x * kept[0]).sum())(X)),
        cr.TracedValueError, ["beyond the trace of vmap", "return it"],
    ),
    # containers
    "pullback of another container": (
        lambda: cr.vjp(lambda x: {"a": x, "b": 2 * x}, X)[1]({"a": X}),
        cr.StructureError, ["vjp", "cotangent", "{'a': *}", "{'a': *, 'b': *}"],
    ),
    "list for a tuple": (
        lambda: cr.vjp(lambda x: (x, x), X)[1]([X, X]), cr.StructureError, ["[*, *]", "(*, *)"],
    ),
    "named tuple": (
        lambda: cr.jvp(lambda p: p.a, Pair(1.0, 2.0), (1.0, 2.0)),
        cr.StructureError, ["jvp", "tangents", "Pair(a=*, b=*)"],
    ),
    "linear map of fewer arguments": (
        lambda: cr.linearize(lambda a, b: a * b, X, X)[1](X), cr.StructureError, ["linearize"],
    ),
    "one tangent for two arguments": (
        lambda: cr.jvp(lambda a, b: a * b, (X, X), X), cr.StructureError, ["(*, *)"],
    ),
    # not a single number
    "grad of a vector": (
        lambda: cr.grad(lambda x: 2 * x)(X),
        cr.ShapeError, ["grad:", "[3]", ".sum()", "cr.jacobian"],
    ),
    "value_and_grad of a vector": (
        lambda: cr.value_and_grad(lambda x: 2 * x)(X), cr.ShapeError, ["value_and_grad:", "[3]"],
    ),
    "hessian of a vector": (
        lambda: cr.hessian(lambda x: 2 * x)(X), cr.ShapeError, ["hessian:", "[3]"],
    ),
    "hvp of a vector": (lambda: cr.hvp(lambda x: 2 * x, X, X), cr.ShapeError, ["hvp:", "[3]"]),
    "grad of one element": (
        lambda: cr.grad(lambda x: x[:1])(X), cr.ShapeError, ["[1]", "cr.jacobian"],
    ),
    "grad of a container": (
        lambda: cr.grad(lambda x: (x.sum(), x))(X), cr.ShapeError, ["(*, *)", "has_aux=True"],
    ),
    # shapes and dtypes of directions
    "cotangent's shape": (
        lambda: cr.vjp(lambda x: 2 * x, X)[1](np.ones(2)),
        cr.ShapeError, ["vjp", "cotangent", "[2]", "[3]"],
    ),
    "tangent's shape": (
        lambda: cr.jvp(np.sin, X, 1.0), cr.ShapeError, ["jvp", "tangent", "[]", "[3]"],
    ),
    "linear map's shape": (
        lambda: cr.linearize(np.sin, X)[1](np.ones(2)), cr.ShapeError, ["linearize", "[2]", "[3]"],
    ),
    "complex tangent": (
        lambda: cr.jvp(np.sin, X, 1j * X), cr.DtypeError, ["complex128", "float64", "real part"],
    ),
    # which arguments
    "argnums out of range": (
        lambda: cr.grad(lambda x: 2 * x, argnums=1)(2.0),
        cr.ArgumentError, ["argnums=1", "1 positional argument", "argnames"],
    ),
    "argnums of a name": (
        lambda: cr.grad(lambda x: 2 * x, argnums="x")(2.0),
        cr.ArgumentError, ["argnums='x'", "integer", "argnames"],
    ),
    "argnums of a float": (
        lambda: cr.jacobian(lambda x: 2 * x, argnums=0.0)(2.0), cr.ArgumentError, ["argnums=0.0"],
    ),
    "argnums twice": (
        lambda: cr.grad(lambda x, y: x * y, argnums=(0, -2))(2.0, 3.0),
        cr.ArgumentError, ["argnums=(0, -2)", "twice"],
    ),
    "argnames of no keyword": (
        lambda: cr.grad(lambda x, y=1.0: x * y, argnames="y")(2.0),
        cr.ArgumentError, ["'y'", "pass it by keyword"],
    ),
    "no arguments": (
        lambda: cr.grad(lambda: 1.0)(), cr.ArgumentError, ["nothing to differentiate by"],
    ),
    "keywords only": (
        lambda: cr.grad(lambda x: x * x)(x=2.0), cr.ArgumentError, ["argnames='x'"],
    ),
    "integers": (
        lambda: cr.grad(lambda x: x * 2)(3), cr.DtypeError, ["integers", "1.0", "argnums"],
    ),
    "a list of integers": (lambda: cr.grad(lambda x: x[0])([1, 2]), cr.DtypeError, ["(int)"]),
    "a string": (lambda: cr.grad(lambda x: x)("a"), cr.DtypeError, ["a str", "argnums"]),
    # what functions return
    "returns a string": (
        lambda: cr.grad(lambda x: "done")(2.0), cr.DtypeError, ["a str ('done')", "has_aux=True"],
    ),
    "returns a string in a container": (
        lambda: cr.jacobian(lambda x: (x, "done"))(X), cr.DtypeError, ["a str ('done')"],
    ),
    "returns None": (
        lambda: cr.grad(lambda x: None)(2.0), cr.ArgumentError, ["None", "`return` missing"],
    ),
    "returns nothing for jacobian": (
        lambda: cr.jacobian(lambda x: None)(X), cr.ArgumentError, ["None", "`return` missing"],
    ),
    "returns an object": (
        lambda: cr.jacobian(lambda x: object())(X), cr.DtypeError, ["an object"],
    ),
    "returns integers": (
        lambda: cr.grad(np.argmax)(X), cr.DtypeError, ["int64[]", "no derivative"],
    ),
    "returns complex": (
        lambda: cr.grad(lambda x: 1j * x)(2.0), cr.DtypeError, ["complex", "real part"],
    ),
    "has_aux of one": (
        lambda: cr.grad(lambda x: x, has_aux=True)(2.0),
        cr.ArgumentError, ["has_aux=True", "(value, aux)", "a Tensor"],
    ),
    # vmap
    "vmap of different sizes": (
        lambda: cr.vmap(lambda x, y: x + y)(np.ones(3), np.ones((4, 2))),
        cr.ShapeError, ["[3, 4]", "[4, 2]", "sizes"],
    ),
    "vmap over no axis": (
        lambda: cr.vmap(lambda x: x, in_axes=2)(X), cr.ShapeError, ["[3]", "axis 2", "in_axes"],
    ),
    "vmap of a number": (lambda: cr.vmap(lambda x: x)(3.0), cr.ShapeError, ["in_axes=None"]),
    "vmap of a string": (
        lambda: cr.vmap(lambda x, s: x)(X, "a"), cr.DtypeError, ["a str", "in_axes=None"],
    ),
    "vmap with too few axes": (
        lambda: cr.vmap(lambda x, y: x, in_axes=(0,))(X, X),
        cr.ArgumentError, ["in_axes=(0,)", "(*, *)"],
    ),
    "vmap to no axis": (
        lambda: cr.vmap(lambda x: x, out_axes=3)(X), cr.ArgumentError, ["out_axes=3"],
    ),
    # within the function
    "shapes within grad": (
        lambda: cr.grad(lambda x: (x @ np.ones((2, 2))).sum())(X),
        cr.ShapeError, ["matmul", "float64[3]", "float64[2, 2]"],
    ),
    "shapes within vmap": (
        lambda: cr.vmap(lambda x: (x @ np.ones((2, 2))).sum())(np.ones((4, 3))),
        cr.ShapeError, ["matmul", "float64[3]", "float64[2, 2]"],
    ),
    "mode": (
        lambda: cr.jacobian(np.sin, mode="fwd"), cr.ArgumentError, ["'fwd'", "'forward'"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_message(case: str) -> None:
    """The class of error, the words in it, and the line in this file."""
    function, kind, words = CASES[case]

    with pytest.raises(kind) as caught:
        function()
    text = str(caught.value)
    for word in words:
        assert word in text, text
    assert re.search(r"\n  at .*test_transform_errors\.py:\d+: \S", text), text


def test_the_line_is_that_of_the_operation() -> None:
    """Of several lines the one that asked."""

    def f(x: Any) -> Any:
        y = x * 2
        y = y @ np.ones((2, 2))  # this one
        return y.sum()

    with pytest.raises(cr.ShapeError, match="# this one"):
        cr.grad(f)(X)


# Python that asks for numbers, in functions whose source cannot be read and so not be rewritten
BLIND = {
    "lambda x: x if x > 0 else -x": ["bool[]", "truth value", "cr.where"],
    "lambda x: x and 1.0": ["truth value", "cr.cond"],
    "lambda x: float(x) * 2": ["float64[]", "a number"],
    "lambda x: sum(range(int(x)))": ["an integer", "cr.fori_loop"],
    "lambda x: math.sin(x)": ["a number", "float64[]"],
    "lambda x: np.asarray(x)": ["a NumPy array"],
    "lambda x: x.item()": ["a number"],
    "lambda x: x.tolist()": ["a list of numbers"],
}


@pytest.mark.parametrize("source", BLIND)
def test_numbers_of_traced_values(source: str) -> None:
    """Asked of what has none, where Python needs them; the error says that it is why."""
    with pytest.raises(cr.ChainruleError) as caught:
        cr.vmap(eval(source, {"math": math, "np": np}))(X)
    reason = caught.value.__cause__ or caught.value
    assert isinstance(reason, cr.TracedValueError)
    for word in (*BLIND[source], "while its function is being traced", "\n  at "):
        assert word in str(reason)


def test_filling_an_array_from_elsewhere_names_the_line() -> None:
    with pytest.raises((ValueError, cr.GraphError)) as caught:
        cr.grad(fill)(X)
    text = f"{caught.value} {caught.value.__cause__}"
    for words in ("NumPy array", "derivative", "cr.asarray", ": BUFFER[0] = x[0] * 2"):
        assert words in text


def test_filling_a_tensor_works() -> None:
    """The replacement; and numbers without a derivative may be stored."""

    def f(x: Any) -> Any:
        y = cr.zeros(3)
        y[0] = x[0] * 2
        return y.sum()

    np.testing.assert_array_equal(cr.grad(f)(X), [2.0, 0.0, 0.0])
    values = np.zeros(2)
    values[0] = cr.tensor(3.0)
    values[1] = float(cr.tensor(3.0, requires_grad=True))
    np.testing.assert_array_equal(values, 3.0)


def test_printing_within_a_trace() -> None:
    """`print` is what a newcomer looks with: it must not fail."""
    seen: list[str] = []

    def f(x: Any) -> Any:
        seen.append(f"{x} {x!r}")
        return x

    cr.vmap(f)(X)
    assert "float64[]" in seen[0]
