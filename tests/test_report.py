"""What `f.lower(...).report()` says: what did not fuse and why, and what derivatives cost."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

import chainrule as cr

pytest.importorskip("llvmlite")

X = np.random.default_rng(0).random((40, 40))


def report(function: Any, *args: Any) -> str:
    """The report of a compiled function."""
    return str(cr.jit(function).lower(*args).report())


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (lambda x: np.exp(x) @ np.sin(x), "an operand of a matrix product"),
        (lambda x: np.exp(x @ x), "the result of a matrix product"),
        (
            lambda x: np.exp(x) / np.sum(np.exp(x), axis=0),
            "a reduction, which is complete only after",
        ),
        (lambda x: np.exp(x[0]) + x, "computed in loops [40] and read in loops [40, 40]"),
        (lambda x: np.exp(x) + np.exp(x).T, "read at other elements"),
        (lambda x: cr.linalg.sqrtm(np.exp(x)), "an operand of sqrtm, which NumPy does"),
        (lambda x: np.exp(np.linalg.inv(x)), "the result of"),
        (
            lambda x: cr.fori_loop(0, 9, lambda i, y: np.sin(y) * x, np.exp(x)),
            "an operand of a scan",
        ),
    ],
)
def test_reasons_for_what_lies_in_memory(function: Any, reason: str) -> None:
    """Each is a line under the heading, and names a temporary."""
    _, _, lines = report(function, X).partition("\nnot fused:\n")
    assert any(re.match(r"  t\d+, \[.*\]: ", line) and reason in line for line in lines.split("\n"))


def test_what_fuses_is_not_listed() -> None:
    """One loop, and rows that stay in a near cache."""
    for function in (lambda x: np.exp(x) * 2 + x, lambda x: cr.special.softmax(x, axis=1)):
        assert "not fused" not in report(function, X)


def last(function: Any, *args: Any) -> tuple[str, float, float | None]:
    """What the last line says: the kind of derivative, the ratio and its bound."""
    found = re.fullmatch(
        r"(\w+): ([\d.]+) times the operations of its function"
        r"(?: \(by the textbook, at most ([\d.]+) times\))?",
        report(function, *args).split("\n")[-1],
    )
    assert found is not None
    return found[1], float(found[2]), float(found[3]) if found[3] else None


def rosenbrock(x: Any) -> Any:
    """The function of many variables."""
    return np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def layer(x: Any) -> Any:
    """A matrix product and a function."""
    return np.sum(np.tanh(X @ np.tanh(X @ x)) ** 2)


@pytest.mark.parametrize("function", [rosenbrock, layer, lambda x: np.sum(np.exp(x) * np.sin(x))])
def test_derivatives_keep_to_the_textbook(function: Any) -> None:
    """Gradients take at most 4 times their function's operations, Hessians 10 for a variable."""
    x = X[0]
    for gradient in (cr.grad(function), cr.value_and_grad(function)):
        kind, ratio, bound = last(gradient, x)
        assert (kind, bound) == ("gradient", 4)
        assert 0 < ratio <= 4
    kind, ratio, bound = last(cr.hessian(function), x)
    assert (kind, bound) == ("Hessian", 400)
    assert ratio <= 400


@pytest.mark.parametrize(
    ("mode", "results", "bound"),
    [
        ("auto", 3, 9),
        ("reverse", 3, 9),
        ("forward", 3, 61),
        ("auto", 40, 61),
        ("reverse", 40, 101.5),
    ],
)
def test_bounds_of_jacobians(mode: str, results: int, bound: float) -> None:
    """Of 40 variables, by rows or columns."""
    kind, ratio, most = last(cr.jacobian(lambda x: np.sin(X[:results] @ x), mode=mode), X[0])
    assert (kind, most) == ("Jacobian", bound)
    assert 0 < ratio <= bound


def test_what_else_is_a_derivative() -> None:
    """One of a derivative is compared with that; nothing is said of other functions."""
    assert last(cr.grad(cr.grad(lambda x: np.exp(np.sin(x)))), 0.5)[0] == "gradient"
    with_aux = cr.jacobian(lambda x: (np.sin(x), x), has_aux=True)
    assert last(with_aux, X[0])[::2] == ("Jacobian", None)
    for function in (np.sin, cr.vmap(cr.grad(np.sin)), lambda x: cr.grad(rosenbrock)(x)):
        assert "operations of its function" not in report(function, X[0])
