"""Rules of the user's, solutions of equations, and what is computed again."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import chainrule as cr


@cr.custom_jvp
def by_tangents(x: Any, y: Any) -> Any:
    return np.sin(x) * y


@by_tangents.defjvp
def _tangent(primals: Any, tangents: Any) -> Any:
    (x, y), (tx, ty) = primals, tangents
    return by_tangents(x, y), np.cos(x) * y * tx + np.sin(x) * ty


@cr.custom_vjp
def by_cotangents(x: Any, y: Any) -> Any:
    return np.sin(x) * y


by_cotangents.defvjp(
    lambda x, y: (by_cotangents(x, y), (x, y)),
    lambda kept, ct: (ct * np.cos(kept[0]) * kept[1], ct * np.sin(kept[0])),
)


def plain(x: Any, y: Any) -> Any:
    return np.sin(x) * y


def looped(f: Callable[..., Any]) -> Callable[..., Any]:
    return lambda x, y: cr.fori_loop(0, 3, lambda i, c: f(c, y), x)


REVERSE: dict[str, Callable[..., Any]] = {
    "value": lambda f: f,
    "gradient": lambda f: cr.grad(f, (0, 1)),
    "second": lambda f: cr.grad(lambda x, y: cr.grad(f)(x, y), (0, 1)),
    "mixed": lambda f: cr.grad(lambda x, y: cr.grad(f, 1)(x, y)),
    "third": lambda f: cr.grad(cr.grad(cr.grad(f))),
    "batch": lambda f: lambda x, y: cr.vmap(f, (0, None))(np.array([x, x + 1]), y),
    "batch of gradients": lambda f: (
        lambda x, y: cr.vmap(cr.grad(f, (0, 1)), (0, None))(np.array([x, x + 1]), y)
    ),
    "gradient of a batch": lambda f: cr.grad(
        lambda x, y: np.sum(cr.vmap(f, (None, 0))(x, y * np.array([1.0, 2.0]))), (0, 1)
    ),
    "batch of second": lambda f: (
        lambda x, y: cr.vmap(cr.grad(cr.grad(f)), (0, None))(np.array([x, x + 1]), y)
    ),
    "in a loop": lambda f: cr.grad(looped(f), (0, 1)),
    "in a traced loop": lambda f: (
        lambda x, y: cr.vmap(cr.grad(looped(f), (0, 1)))(np.array([x, y]), np.array([y, x]))
    ),
}

FORWARD: dict[str, Callable[..., Any]] = {
    "tangent": lambda f: lambda x, y: cr.jvp(f, (x, y), (1.0, 2.0)),
    "hessian": lambda f: cr.hessian(f, (0, 1)),
    "linear": lambda f: lambda x, y: cr.linearize(f, x, y)[1](1.0, 2.0),
    "jacobian": lambda f: lambda x, y: cr.jacobian(f)(np.array([x, y, 1.0]), y),
}


def flat(tree: Any) -> Any:
    return np.concatenate([np.ravel(v) for v in (tree if isinstance(tree, tuple) else (tree,))])


def leaves(tree: Any) -> Any:
    while isinstance(tree, tuple) and any(isinstance(v, tuple) for v in tree):
        tree = tuple(w for v in tree for w in (v if isinstance(v, tuple) else (v,)))
    return flat(tree)


@pytest.mark.parametrize("view", [*REVERSE, *FORWARD])
def test_rules_for_tangents(view: str) -> None:
    """A right rule changes nothing, under whatever transform."""
    of = (REVERSE | FORWARD)[view]
    np.testing.assert_allclose(leaves(of(by_tangents)(1.0, 2.0)), leaves(of(plain)(1.0, 2.0)))


@pytest.mark.parametrize("view", REVERSE)
def test_rules_for_cotangents(view: str) -> None:
    """Likewise, in reverse mode."""
    of = REVERSE[view]
    np.testing.assert_allclose(leaves(of(by_cotangents)(1.0, 2.0)), leaves(of(plain)(1.0, 2.0)))


def test_the_rule_is_what_counts() -> None:
    """A rule that says something else is believed, at every order."""

    @cr.custom_jvp
    def f(x: Any) -> Any:
        return x

    f.defjvp(lambda primals, tangents: (f(*primals), 3 * primals[0] ** 2 * tangents[0]))
    assert cr.grad(f)(2.0) == 12.0
    assert cr.grad(cr.grad(f))(2.0) == 12.0
    assert cr.vmap(cr.grad(f))(np.array([1.0, 2.0])).tolist() == [3.0, 12.0]


def test_arguments_that_are_passed_through() -> None:
    """`nondiff_argnums`, containers, keyword arguments and defaults."""

    def power(name: str, x: Any, n: float = 2.0) -> Any:
        return {"cube": x["a"] ** 3, "square": x["a"] ** n}[name]

    def forward(name: str, x: Any, n: float = 2.0) -> Any:
        return power(name, x, n), (x, n)

    def backward(name: str, kept: Any, ct: Any) -> Any:
        x, n = kept
        return {"a": ct * 10 * x["a"] * n}, None

    f = cr.custom_vjp(power, nondiff_argnums=(0,))
    f.defvjp(forward, backward)
    g = cr.grad(lambda x: f("square", x, n=2.0))({"a": 3.0})
    assert g == {"a": 60.0}


def test_errors_of_rules() -> None:
    """What is missing or does not fit is named."""
    bare = cr.custom_jvp(lambda x: x)
    with pytest.raises(cr.ArgumentError, match="no rule yet"):
        cr.grad(bare)(1.0)
    assert bare(1.0) == 1.0
    with pytest.raises(cr.MissingDerivative, match=r"custom_vjp: `by_cotangents`.*cotangents only"):
        cr.jvp(by_cotangents, (1.0, 2.0), (1.0, 1.0))

    wrong = cr.custom_vjp(lambda x: np.sum(x))
    wrong.defvjp(lambda x: (np.sum(x), None), lambda _, ct: (ct,))
    with pytest.raises(cr.ShapeError, match=r"cotangent of shape \[\] for a value of shape \[3\]"):
        cr.grad(wrong)(np.ones(3))
    wrong.defvjp(lambda x: (np.sum(x), None), lambda _, ct: ct)
    with pytest.raises(cr.ArgumentError, match="a tuple with a cotangent for each of its 1"):
        cr.grad(wrong)(np.ones(3))


# --- implicit ------------------------------------------------------------------------------------


def test_implicit_root_to_third_order() -> None:
    """The square root, found by bisection."""

    def bisect(a: Any) -> Any:
        low, high = 0.0, max(1.0, float(a))
        for _ in range(200):
            mid = (low + high) / 2
            low, high = (mid, high) if mid * mid < a else (low, mid)
        return high

    root = cr.implicit(lambda y, a: y**2 - a, bisect, like=1.0)
    for order, exact in enumerate((2.0, 0.25, -1 / 32, 3 / 256)):
        f: Any = root
        for _ in range(order):
            f = cr.grad(f)
        np.testing.assert_allclose(f(4.0), exact, rtol=1e-9)
    np.testing.assert_allclose(cr.jvp(root, 4.0, 2.0)[1], 0.5)
    np.testing.assert_allclose(cr.vmap(cr.grad(root))(np.array([4.0, 9.0])), [0.25, 1 / 6])


def test_implicit_containers_and_fixed_points() -> None:
    """A system in two unknowns of different shapes, and a fixed point."""

    def g(y: Any, a: Any, b: Any) -> Any:
        return {"u": a @ y["u"] - b, "v": y["v"] - np.sum(y["u"])}

    def solver(a: Any, b: Any) -> Any:
        u = np.linalg.solve(a, b)
        return {"u": u, "v": u.sum()}

    a, b = np.array([[2.0, 1.0], [0.5, 3.0]]), np.array([1.0, 2.0])
    found = cr.jacobian(cr.implicit(g, solver), (0, 1))(a, b)
    direct = cr.jacobian(
        lambda a, b: {"u": np.linalg.solve(a, b), "v": np.sum(np.linalg.solve(a, b))}, (0, 1)
    )(a, b)
    for key in ("u", "v"):
        for p, q in zip(found[key], direct[key], strict=True):
            np.testing.assert_allclose(p, q, atol=1e-12)

    def iterate(a: Any) -> Any:
        y = 0.5
        for _ in range(200):
            y = a * np.cos(y)
        return y

    fixed = cr.implicit(lambda y, a: a * np.cos(y), iterate, fixed_point=True)
    np.testing.assert_allclose(cr.grad(fixed)(0.9), cr.grad(iterate)(0.9), rtol=1e-10)


def test_errors_of_implicit() -> None:
    """Too few equations, and a trace without an example of the solution."""
    short = cr.implicit(lambda y, a: np.sum(y) - a, lambda a: np.array([a, 0.0]))
    with pytest.raises(cr.ShapeError, match="1 results for 2 unknowns"):
        cr.jacobian(short)(1.0)
    with pytest.raises(cr.ArgumentError, match="like="):
        cr.vmap(cr.implicit(lambda y, a: y - a, lambda a: a))(np.ones(2))


# --- checkpoint ----------------------------------------------------------------------------------


def layer(x: Any) -> Any:
    return np.tanh(2 * x) + x * x


@pytest.mark.parametrize("view", ["grad", "second", "jvp", "jacobian", "hessian", "backward"])
def test_checkpoint_changes_nothing(view: str) -> None:
    """Nested and repeated, in both modes and to second order."""
    kept = cr.checkpoint(layer)
    outer = cr.checkpoint(lambda x: kept(kept(x)) * x)
    of: Any = {
        "grad": cr.grad,
        "second": lambda f: cr.grad(cr.grad(f)),
        "jvp": lambda f: lambda x: cr.jvp(f, x, 1.0),
        "jacobian": cr.jacobian,
        "hessian": cr.hessian,
        "backward": backward_of,
    }[view]
    found = of(lambda x: outer(outer(x)))(0.3)

    def twice(x: Any) -> Any:
        y = layer(layer(x)) * x
        return layer(layer(y)) * y

    plainly = of(twice)(0.3)
    np.testing.assert_allclose(found, plainly, rtol=1e-12)


def backward_of(f: Any) -> Any:
    def run(x: float) -> Any:
        t = cr.tensor(x, requires_grad=True)
        f(t).backward()
        assert t.grad is not None
        return t.grad.item()

    return run


def test_checkpoint_saves_memory() -> None:
    """A chain of calls holds the values of one, not of all."""

    def long(x: Any) -> Any:
        for _ in range(20):
            x = np.sin(x) * np.cos(x) + x
        return x

    def peak(f: Any) -> int:
        x = cr.tensor(np.linspace(0.0, 1.0, 20_000), requires_grad=True)
        gc.collect()
        tracemalloc.start()
        y = x
        for _ in range(10):
            y = f(y)
        y.sum().backward()
        top = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return top

    assert peak(cr.checkpoint(long)) < 0.3 * peak(long)


def test_checkpoint_notices_what_changed() -> None:
    """Another computation, or an argument that was written to, is an error."""
    turns = iter(range(10))

    def moody(x: Any) -> Any:
        return x * x if next(turns) else np.sin(x)

    with pytest.raises(cr.GraphError, match="`moody` computed something else"):
        cr.grad(cr.checkpoint(moody))(1.0)

    x = cr.tensor([1.0, 2.0])
    w = cr.tensor([3.0, 4.0], requires_grad=True)
    y = cr.checkpoint(lambda a, b: a * b * b)(x, w)
    x += 1
    with pytest.raises(cr.GraphError, match="changed in place"):
        y.sum().backward()
