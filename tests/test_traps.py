"""The classic traps of automatic differentiation, each with the answer that is right."""

from __future__ import annotations

import copy
import dataclasses
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import pytest

import chainrule as cr
from chainrule.graph.node import paused


def forward(f: Callable[[Any], Any], x: Any) -> Any:
    """f'(x) of a function of a number, in forward mode."""
    return cr.jvp(f, x, 1.0)[1]


def reverse(f: Callable[[Any], Any], x: Any) -> Any:
    """f'(x) of a function of a number, in reverse mode."""
    return cr.grad(f)(x)


MODES = {"forward": forward, "reverse": reverse}
PAIRS = [(a, b) for a in MODES for b in MODES]


# --- perturbation confusion ----------------------------------------------------------------------


@pytest.mark.parametrize(("outer", "inner"), PAIRS)
def test_inner_derivative_of_a_constant_of_its_own(outer: str, inner: str) -> None:
    """d/dx (x * d/dy (x + y)) = 1: y's perturbation is not x's (Siskind and Pearlmutter, 2005)."""
    d, e = MODES[outer], MODES[inner]

    assert d(lambda x: x * e(lambda y: x + y, 1.0), 1.0) == 1.0


@pytest.mark.parametrize(("outer", "inner"), PAIRS)
def test_both_variables_in_the_inner_function(outer: str, inner: str) -> None:
    """d/dx (x * d/dy (x * y**2) at y = 3) = 12 x; and where y is x itself."""
    d, e = MODES[outer], MODES[inner]

    assert d(lambda x: x * e(lambda y: x * y**2, 3.0), 2.0) == 24.0
    assert d(lambda x: x * e(lambda y: x * y**2, x), 2.0) == 6 * 2.0**2


@pytest.mark.parametrize(("outer", "inner"), PAIRS)
def test_a_function_that_returns_a_function(outer: str, inner: str) -> None:
    """The derivative of a curried function applied to itself (Manzyuk et al., 2019)."""
    d, e = MODES[outer], MODES[inner]

    def shifted(u: Any) -> Callable[[Any], Any]:
        return lambda x: e(lambda v: np.sin(v + u) * u, x)

    # d/du [sin'(x + u) u] = cos(x + u) - u sin(x + u)
    found = d(lambda u: shifted(u)(0.3), 0.5)
    np.testing.assert_allclose(found, np.cos(0.8) - 0.5 * np.sin(0.8), rtol=1e-14)


def test_three_levels_and_all_modes() -> None:
    """x**4 three times, by every sequence of modes, and by the transforms for it."""
    for a in MODES.values():
        for b in MODES.values():
            for c in MODES.values():
                assert a(lambda x, b=b, c=c: b(lambda y: c(lambda z: z**4, y), x), 2.0) == 48.0
    assert cr.grad(cr.grad(cr.grad(lambda x: x**4)))(2.0) == 48.0
    assert cr.grad(cr.hessian(lambda x: x**4))(2.0) == 48.0
    assert cr.jacobian(cr.jacobian(cr.jacobian(lambda x: x**4)))(2.0) == 48.0


def test_vmap_inside_and_outside() -> None:
    """A batch between two derivatives confuses neither."""
    x = np.array([1.0, 2.0, 3.0])

    def f(s: Any) -> Any:
        return (cr.vmap(cr.grad(lambda y: s * y**3))(x) * s).sum()

    assert cr.grad(f)(2.0) == 2 * 2.0 * np.sum(3 * x**2)
    batch = cr.vmap(lambda s: cr.grad(lambda y: s * y**3)(s))(x)
    np.testing.assert_array_equal(batch, 3 * x**3)
    nested = cr.vmap(lambda s: cr.vmap(lambda y: s * y)(x))(x)
    np.testing.assert_array_equal(nested, np.outer(x, x))


# --- control flow --------------------------------------------------------------------------------


def test_fixed_point_by_iteration() -> None:
    """The derivative of the iteration converges to that of the fixed point x = cos(a x)."""

    def fixed(a: Any) -> Any:
        x: Any = 0.5
        for _ in range(200):
            x = np.cos(a * x)
        return x

    a = 0.9
    x = float(fixed(a))
    exact = -x * np.sin(a * x) / (1 + a * np.sin(a * x))
    assert cr.grad(fixed)(a) == pytest.approx(exact, rel=1e-12)
    assert forward(fixed, a) == pytest.approx(exact, rel=1e-12)


@pytest.mark.parametrize("mode", MODES)
def test_data_dependent_while(mode: str) -> None:
    """Halving until below one: the trip count is the value's, the derivative that of the path."""

    def f(x: Any) -> Any:
        while x > 1:
            x = x / 2
        return x**2

    assert MODES[mode](f, 5.0) == 2 * (5 / 8) / 8
    assert cr.hessian(f)(5.0) == 2 / 64


def test_recursion() -> None:
    def power(x: Any, n: int) -> Any:
        return 1.0 if n == 0 else x * power(x, n - 1)

    assert cr.grad(lambda x: power(x, 50))(1.1) == pytest.approx(50 * 1.1**49)
    assert cr.grad(cr.grad(lambda x: power(x, 5)))(2.0) == 20 * 8


def test_generators() -> None:
    """A function that draws its terms from a generator, which is left half way."""

    def terms(x: Any) -> Iterator[Any]:
        term: Any = x
        while True:
            yield term
            term = term * x

    def f(x: Any) -> Any:
        source = terms(x)
        return sum(next(source) for _ in range(3))

    assert cr.grad(f)(2.0) == 1 + 4 + 12
    assert cr.grad(cr.grad(f))(2.0) == 2 + 12


def test_newton_by_grad_within_grad() -> None:
    """A root found with the function's own derivative: d sqrt(a) / da."""

    def root(a: Any) -> Any:
        x: Any = 1.0
        for _ in range(8):
            x = x - (x**2 - a) / cr.grad(lambda x: x**2 - a)(x)
        return x

    assert cr.grad(root)(2.0) == pytest.approx(0.5 / np.sqrt(2.0))
    assert forward(root, 2.0) == pytest.approx(0.5 / np.sqrt(2.0))


# --- closures ------------------------------------------------------------------------------------


def test_closure_over_a_tracked_tensor() -> None:
    """A result depends on a global Tensor that requires grad, and keeps that history."""
    w = cr.tensor([1.0, 2.0], requires_grad=True)

    g = cr.grad(lambda x: (w * x**2).sum())(cr.tensor([3.0, 4.0]))
    np.testing.assert_array_equal(g.detach().numpy(), [6.0, 16.0])
    assert g.requires_grad
    g.sum().backward()
    np.testing.assert_array_equal(w.grad.numpy(), [6.0, 8.0])


def test_closure_over_a_tracked_tensor_with_arrays() -> None:
    """NumPy arrays in; what depends on the outside stays a Tensor, as an array would lose that."""
    w = cr.tensor(2.0, requires_grad=True)

    value, g = cr.value_and_grad(lambda x: (w * x**2).sum())(np.array([3.0]))
    g.sum().backward(retain_graph=True)
    assert w.grad == 6.0
    value.backward()
    assert w.grad == 6.0 + 9.0
    t = cr.jvp(lambda x: w * x, 1.0, 1.0)[1]
    assert t.requires_grad
    assert w.grad is not None
    plain = cr.grad(lambda x: (w.detach() * x**2).sum())(np.array([3.0]))
    assert isinstance(plain, np.ndarray)


def test_closure_over_an_outer_variable_is_constant_inside() -> None:
    assert cr.grad(lambda x: cr.grad(lambda y: x**2)(1.0) + x)(3.0) == 1.0
    assert cr.grad(lambda x: cr.jvp(lambda y: x**2 * 1.0, 1.0, 1.0)[1] + x)(3.0) == 1.0


def test_leaves_of_the_outside_receive_no_gradient() -> None:
    """A transform does not accumulate into `.grad`."""
    w = cr.tensor(2.0, requires_grad=True)
    x = cr.tensor(3.0, requires_grad=True)

    assert cr.grad(lambda x: w * x**2)(x) == 12.0
    assert w.grad is None
    assert x.grad is None


# --- results and arguments -----------------------------------------------------------------------


def test_a_function_that_returns_its_input() -> None:
    x = np.array([1.0, 2.0])

    assert cr.grad(lambda x: x)(3.0) == 1.0
    np.testing.assert_array_equal(cr.jacobian(lambda x: x)(x), np.eye(2))
    for mode in ("forward", "reverse"):
        np.testing.assert_array_equal(cr.jacobian(lambda x: x, mode=mode)(x), np.eye(2))
    np.testing.assert_array_equal(cr.vjp(lambda x: x, x)[1](x)[0], x)
    value, tangent = cr.jvp(lambda x: x, x, np.ones(2))
    np.testing.assert_array_equal([value, tangent], [x, np.ones(2)])
    np.testing.assert_array_equal(cr.linearize(lambda x: x, x)[1](x), x)
    np.testing.assert_array_equal(cr.vmap(lambda x: x)(x), x)
    assert cr.hessian(lambda x: x)(3.0) == 0.0


def test_a_function_that_returns_an_argument_twice() -> None:
    x = np.array([1.0, 2.0])

    _, pullback = cr.vjp(lambda x: (x, {"again": x}), x)
    np.testing.assert_array_equal(pullback((x, {"again": 10 * x}))[0], 11 * x)
    a, b = cr.jacobian(lambda x: (x, x))(x)
    np.testing.assert_array_equal(a, np.eye(2))
    np.testing.assert_array_equal(b, np.eye(2))


@pytest.mark.parametrize("constant", [3.0, 3, np.float64(3.0), np.ones(()), cr.tensor(3.0)])
def test_a_function_that_returns_a_constant(constant: Any) -> None:
    x = np.array([1.0, 2.0])

    np.testing.assert_array_equal(cr.grad(lambda x: constant)(x), np.zeros(2))
    np.testing.assert_array_equal(cr.jvp(lambda x: constant, x, x)[1], 0.0)
    np.testing.assert_array_equal(cr.vjp(lambda x: constant, x)[1](1.0)[0], np.zeros(2))
    np.testing.assert_array_equal(cr.jacobian(lambda x: constant)(x), np.zeros(2))
    np.testing.assert_array_equal(cr.hessian(lambda x: constant)(x), np.zeros((2, 2)))
    np.testing.assert_array_equal(cr.linearize(lambda x: constant, x)[1](x), 0.0)
    np.testing.assert_array_equal(cr.vmap(lambda x: constant)(x), [float(constant)] * 2)


def test_unused_arguments() -> None:
    """They have derivative zero, of their shape and dtype."""
    x, y = np.ones(2), np.ones((2, 3), np.float32)

    g = cr.grad(lambda x, y: x.sum(), argnums=(0, 1))(x, y)
    assert g[1].shape == (2, 3)
    assert g[1].dtype == np.float32
    assert not g[1].any()
    assert not cr.jacobian(lambda x, y: 2 * x, argnums=1)(x, y).any()
    assert cr.hessian(lambda x, y: (x**2).sum(), argnums=(0, 1))(x, y)[0][1].shape == (2, 2, 3)


@pytest.mark.parametrize("transform", [cr.grad, cr.jacobian, cr.hessian, cr.value_and_grad])
def test_integers_are_no_variables(transform: Any) -> None:
    for x in (3, np.arange(3), np.int64(3), True, cr.tensor([1, 2])):
        with pytest.raises(cr.DtypeError, match="integers or booleans"):
            transform(lambda x: (x * 1.0).sum())(x)


def test_the_same_array_twice() -> None:
    """Two arguments that are one array are two variables; a container may hold it twice as well."""
    x = np.array([1.0, 2.0])

    gx, gy = cr.grad(lambda x, y: (x**2 * y).sum(), argnums=(0, 1))(x, x)
    np.testing.assert_array_equal(gx, 2 * x * x)
    np.testing.assert_array_equal(gy, x**2)
    first, second = cr.grad(lambda p: (p[0] ** 2 * p[1]).sum())([x, x])
    np.testing.assert_array_equal(first, 2 * x * x)
    np.testing.assert_array_equal(second, x**2)
    t = cr.tensor(x)
    gx, gy = cr.grad(lambda x, y: (x**2 * y).sum(), argnums=(0, 1))(t, t)
    np.testing.assert_array_equal(gx.numpy(), 2 * x * x)
    np.testing.assert_array_equal(gy.numpy(), x**2)
    leaf = cr.tensor(x, requires_grad=True)
    gx, gy = cr.grad(lambda x, y: (x**2 * y).sum(), argnums=(0, 1))(leaf, leaf)
    np.testing.assert_array_equal(gy.numpy(force=True), x**2)


def test_none_in_a_container() -> None:
    p = {"w": np.array([1.0, 2.0]), "bias": None}

    g = cr.grad(lambda p: (p["w"] ** 2).sum() + (0 if p["bias"] is None else 1))(p)
    assert g["bias"] is None
    np.testing.assert_array_equal(g["w"], 2 * p["w"])
    assert cr.vjp(lambda p: (p["w"], None), p)[1]((p["w"], None))[0]["bias"] is None


class Params(NamedTuple):
    """A container with names."""

    w: Any
    b: Any = 0.0


@dataclasses.dataclass
class Model:
    """A dataclass with a container in it, and a number that is checked when it is made."""

    layers: list[Any]
    scale: Any = 2.0

    def __post_init__(self) -> None:
        assert self.scale > 0

    def __call__(self, x: Any) -> Any:
        for w in self.layers:
            x = np.tanh(w @ x)
        return x.sum() * self.scale


def test_named_tuples_and_dataclasses() -> None:
    g = cr.grad(lambda p: p.w**2 * p.b)(Params(3.0, 2.0))
    assert g == Params(12.0, 9.0)
    assert type(g) is Params
    model = Model([np.eye(2), np.ones((2, 2))])
    gradient = cr.grad(lambda m: m(np.array([0.1, 0.2])))(model)
    assert type(gradient) is Model
    assert [w.shape for w in gradient.layers] == [(2, 2), (2, 2)]
    assert gradient.scale == pytest.approx(model(np.array([0.1, 0.2])) / 2)
    assert cr.check_grad(lambda m: m(np.array([0.1, 0.2])), model, order=2)


def test_order_of_dicts() -> None:
    """Keys are what counts, not the order they were written in."""
    x = {"b": 2.0, "a": 3.0}

    assert cr.jvp(lambda p: p["a"] * p["b"], x, {"a": 1.0, "b": 0.0})[1] == 2.0
    _, pullback = cr.vjp(lambda p: {"x": p["a"], "y": p["b"]}, x)
    assert pullback({"y": 1.0, "x": 10.0})[0] == {"a": 10.0, "b": 1.0}
    assert list(cr.grad(lambda p: p["a"] * p["b"])(x)) == ["b", "a"]
    ordered = OrderedDict(x)
    assert type(cr.grad(lambda p: p["a"] * p["b"])(ordered)) is OrderedDict


def test_has_aux_with_anything() -> None:
    """Strings, containers, None and objects pass through; Tensors among them lose the trace."""
    thing = object()

    def f(x: Any) -> Any:
        return (x**2).sum(), {"text": "done", "n": 3, "none": None, "y": 2 * x, "t": [thing]}

    x = np.array([1.0, 2.0])
    for aux in (
        cr.grad(f, has_aux=True)(x)[1],
        cr.value_and_grad(f, has_aux=True)(x)[0][1],
        cr.jacobian(f, has_aux=True)(x)[1],
        cr.hessian(f, has_aux=True)(x)[1],
        cr.vjp(f, x, has_aux=True)[2],
        cr.jvp(f, x, x, has_aux=True)[2],
    ):
        assert aux["text"] == "done"
        assert aux["n"] == 3
        assert aux["none"] is None
        assert aux["t"] == [thing]
        assert type(aux["y"]) is np.ndarray
        np.testing.assert_array_equal(aux["y"], 2 * x)


# --- memory --------------------------------------------------------------------------------------


ALIASES: dict[str, Callable[[Any], Any]] = {
    "identity": lambda x: x,
    "view": lambda x: x[...],
    "reshape": lambda x: x.reshape(-1),
    "transpose": lambda x: x.T,
    "sum": lambda x: x.sum() * np.ones((2, 2)),
    "add": lambda x: x + x,
    "negative": lambda x: -x,
    "broadcast": lambda x: np.broadcast_to(x, (3, 2, 2)),
    "concatenate": lambda x: np.concatenate([x, x]),
    "astype": lambda x: x.astype(float),
    "ravel": lambda x: np.ravel(x),
}


@pytest.mark.parametrize("name", ALIASES)
def test_gradients_share_no_memory(name: str) -> None:
    """Neither with an argument, a cotangent, a tangent, the value, nor with one another."""
    f = ALIASES[name]
    x, y = np.arange(4.0).reshape(2, 2), np.ones((2, 2))

    def both(x: Any, y: Any) -> Any:
        return f(x), f(x + y), y

    value, pullback = cr.vjp(both, x, y)
    ct = [np.ones(np.shape(v)) for v in value]
    found = [*pullback(tuple(ct)), *pullback(tuple(ct))]
    found += cr.grad(lambda x, y: sum(v.sum() for v in both(x, y)), argnums=(0, 1))(x, y)
    t = [np.ones((2, 2)), np.ones((2, 2))]
    tangents = list(cr.jvp(both, (x, y), tuple(t))[1])
    linear = cr.linearize(both, x, y)[1]
    tangents += [*linear(*t), *linear(*t)]
    rows = list(cr.jacobian(both)(x, y)) + list(cr.jacobian(both, mode="reverse")(x, y))
    fresh = [*found, *tangents, *rows]
    for i, a in enumerate(fresh):
        assert a.flags.writeable, i
        for b in (x, y, *ct, *t):
            assert not np.shares_memory(a, b)
        for b in fresh[:i]:
            assert not np.shares_memory(a, b)


def test_changing_a_gradient_changes_nothing_else() -> None:
    x = np.array([1.0, 2.0])
    gradient = cr.grad(lambda x: x.sum() + (2 * x).sum())
    first = gradient(x)
    first *= 0.0
    np.testing.assert_array_equal(gradient(x), [3.0, 3.0])
    np.testing.assert_array_equal(x, [1.0, 2.0])


def test_inputs_changed_after_the_call() -> None:
    """A pullback or a linear map is that of the point it was made at, or an error."""
    x = np.array([1.0, 2.0])
    _, pullback = cr.vjp(lambda x: x**3, x)
    _, pushed = cr.linearize(lambda x: x**3, x)
    x *= 10
    expected = [3.0, 12.0]
    np.testing.assert_array_equal(pullback(np.ones(2))[0], expected)
    np.testing.assert_array_equal(pushed(np.ones(2)), expected)


def test_tensors_changed_after_the_call() -> None:
    """A Tensor changed in place is noticed."""
    x = cr.tensor([1.0, 2.0])
    _, pullback = cr.vjp(lambda x: x**3, x)
    x *= 10
    with pytest.raises(cr.GraphError, match="pow"):
        pullback(np.ones(2))


def test_arguments_changed_by_the_function() -> None:
    """Inside, an argument may be changed in place: the caller's array is not."""
    x = np.array([1.0, 2.0])

    def f(x: Any) -> Any:
        y = x * 1.0
        y *= 3
        y[0] = 5.0
        return (y**2).sum()

    np.testing.assert_array_equal(cr.grad(f)(x), [0.0, 36.0])
    np.testing.assert_array_equal(x, [1.0, 2.0])


# --- points without a derivative -----------------------------------------------------------------


ZERO_CHAINS: dict[str, tuple[Callable[[Any], Any], float, float]] = {
    "where over sqrt": (lambda x: np.where(x > 0, np.sqrt(x), 0.0), 0.0, 0.0),
    "where over log": (lambda x: np.where(x > 0, np.log(x), 0.0), 0.0, 0.0),
    "where over 1/x": (lambda x: np.where(x > 0, 1 / x, x**2), 0.0, 2.0),
    "where twice": (lambda x: np.where(x > 0, np.where(x > 0, np.sqrt(x), x) / x, x), 1.0, 0.0),
    "x**0": (lambda x: x**0, 0.0, 0.0),
    "x**0.": (lambda x: x**0.0, 0.0, 0.0),
    "x**1": (lambda x: x**1, 1.0, 0.0),
    "x**2": (lambda x: x**2, 0.0, 2.0),
    "x**2.": (lambda x: x**2.0, 0.0, 2.0),
    "x**3": (lambda x: x**3, 0.0, 0.0),
    "0**(x+1)": (lambda x: 0.0 ** (x + 1), 0.0, 0.0),
    "0**(x+2)": (lambda x: np.power(0.0, x + 2), 0.0, 0.0),
    "sqrt(x**2) of zero": (lambda x: np.sqrt(x * 0.0) * x, 0.0, 0.0),
    "sqrt under zero": (lambda x: 0.0 * np.sqrt(x) + x, 1.0, 0.0),
    "abs": (np.abs, 0.0, 0.0),
    "abs squared": (lambda x: np.abs(x) ** 2, 0.0, 0.0),  # by sign(0) = 0, which is constant
    "sign": (lambda x: np.sign(x) * x, 0.0, 0.0),
    "relu": (cr.special.relu, 0.0, 0.0),
    "sinc": (lambda x: np.sinc(x / np.pi), 0.0, -1 / 3),
    "log1p under where": (lambda x: np.where(x >= 0, np.log1p(x), np.log(-x)), 1.0, -1.0),
    "arccos under where": (lambda x: np.where(x < 1, x, np.arccos(1 + x)), 1.0, 0.0),
    "x log x under where": (lambda x: np.where(x > 0, x * np.log(x), 0.0), 0.0, 0.0),
}


@pytest.mark.parametrize("name", ZERO_CHAINS)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_at_zero_in_every_transform(name: str) -> None:
    """First and second derivative at 0: no NaN from code not taken."""
    f, first, second = ZERO_CHAINS[name]
    batch = np.zeros(3)

    def seconds() -> dict[str, Any]:
        return {
            "grad of grad": cr.grad(cr.grad(f))(0.0),
            "hessian": cr.hessian(f)(0.0),
            "forward over forward": forward(lambda x: forward(f, x), 0.0),
            "reverse over forward": reverse(lambda x: forward(f, x), 0.0),
            "hvp": cr.hvp(f, 0.0, 1.0),
            "vmap of hessian": cr.vmap(cr.hessian(f))(batch)[1],
        }

    firsts = {
        "grad": cr.grad(f)(0.0),
        "jvp": forward(f, 0.0),
        "jacobian forward": cr.jacobian(f, mode="forward")(batch)[1, 1],
        "jacobian reverse": cr.jacobian(f, mode="reverse")(batch)[1, 1],
        "linearize": cr.linearize(f, 0.0)[1](1.0),
        "vmap of grad": cr.vmap(cr.grad(f))(batch)[1],
        "vmap of jvp": cr.vmap(lambda x: forward(f, x))(batch)[1],
        "sum": cr.grad(lambda x: f(x).sum())(batch)[1],
    }
    for how, found in firsts.items():
        assert found == pytest.approx(first, abs=1e-15), how
    for how, found in seconds().items():
        assert found == pytest.approx(second, abs=1e-15), how


NORMS: dict[str, Callable[[Any], Any]] = {
    "np.linalg.norm": np.linalg.norm,
    "sqrt of squares": lambda x: np.sqrt((x**2).sum()),
    "sqrt of products": lambda x: np.sqrt(np.dot(x, x)),
    "hypot": lambda x: np.hypot(x[0], x[1]),
    "cr.linalg.vector_norm": cr.linalg.vector_norm,
    "1-norm": lambda x: np.linalg.norm(x, 1),
    "inf-norm": lambda x: np.linalg.norm(x, np.inf),
    "3-norm": lambda x: np.linalg.norm(x, 3),
    "max": lambda x: np.max(np.abs(x)),
    "softened": lambda x: np.where((x**2).sum() > 0, np.sqrt((x**2).sum()), 0.0),
}


@pytest.mark.parametrize("name", NORMS)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_norms_at_zero(name: str) -> None:
    """The gradient of a norm at the origin is 0, and no second derivative is NaN."""
    f, x = NORMS[name], np.zeros(2)
    for found in (
        cr.grad(f)(x),
        cr.jacobian(f, mode="forward")(x),
        cr.jacobian(f, mode="reverse")(x),
        cr.vmap(cr.grad(f))(np.zeros((2, 2))),
    ):
        np.testing.assert_array_equal(found, 0.0)
    assert cr.jvp(f, x, np.zeros(2))[1] == 0.0
    assert not np.any(np.isnan(cr.jvp(f, x, np.ones(2))[1]))
    for found in (cr.hessian(f)(x), cr.jacobian(cr.grad(f), mode="reverse")(x)):
        assert not np.any(np.isnan(found))
    under = cr.hessian(lambda x: np.where(x[0] > 1, f(x), (x**2).sum()))(x)
    np.testing.assert_array_equal(under, 2 * np.eye(2))


# --- kinds of numbers ----------------------------------------------------------------------------


def test_kinds_of_numbers() -> None:
    """Python floats, NumPy scalars and 0-d arrays in; NumPy scalars out; dtypes are kept."""
    for x in (3.0, np.float64(3.0), np.array(3.0)):
        g = cr.grad(lambda x: x**2)(x)
        assert g == 6.0
        assert np.shape(g) == ()
        assert np.asarray(g).dtype == np.float64
    for kind in (np.float32, np.float16):
        for x in (kind(3.0), np.array(3.0, kind), np.array([3.0], kind)):
            f = lambda x: (x**2 * 2.0 + 1).sum()  # noqa: E731
            assert cr.grad(f)(x).dtype == kind
            assert cr.jvp(f, x, x)[1].dtype == kind
            assert cr.jacobian(f)(x).dtype == kind
            assert cr.hessian(f)(x).dtype == kind
            assert cr.vjp(f, x)[1](1.0)[0].dtype == kind
            assert cr.hvp(f, x, x).dtype == kind
    assert cr.grad(lambda x: (x.astype(np.float64) ** 2).sum())(np.ones(2, np.float32)).dtype == (
        np.float32
    )
    t = cr.grad(lambda x: x**2)(cr.tensor(3.0))
    assert isinstance(t, cr.Tensor)
    assert not t.requires_grad


def test_complex_arguments() -> None:
    """The gradient g of a real function gives df = Re(sum(g dz)): for |z|**2 that is 2 conj(z)."""
    z = np.array([1.0 + 2.0j, -0.5j])

    g = cr.grad(lambda z: np.sum(np.abs(z) ** 2))(z)
    np.testing.assert_allclose(g, 2 * np.conj(z))
    np.testing.assert_allclose(cr.grad(lambda z: np.real(z))(1.0 + 1.0j), 1.0)
    np.testing.assert_allclose(cr.grad(lambda z: np.imag(z))(1.0 + 1.0j), -1.0j)
    # holomorphic functions: the complex derivative, by jvp and by vjp alike
    np.testing.assert_allclose(cr.jvp(np.exp, 1j, 1.0 + 0j)[1], np.exp(1j))
    np.testing.assert_allclose(cr.vjp(np.exp, 1j)[1](1.0 + 0j)[0], np.exp(1j))
    with pytest.raises(cr.DtypeError, match="complex number"):
        cr.grad(np.exp)(1j)


def test_real_functions_of_complex_intermediates() -> None:
    """A spectrum's power, whose gradient is real and of the signal's dtype."""
    x = np.array([0.5, -1.0, 2.0, 0.25])

    def power(x: Any) -> Any:
        return np.sum(np.abs(np.fft.fft(x)) ** 2)

    g = cr.grad(power)(x)
    assert g.dtype == np.float64
    np.testing.assert_allclose(g, 2 * len(x) * x)
    np.testing.assert_allclose(cr.hessian(power)(x), 2 * len(x) * np.eye(4), atol=1e-12)
    assert cr.grad(lambda x: np.abs(np.exp(1j * x)) ** 2)(np.float32(0.3)).dtype == np.float32


# --- state ---------------------------------------------------------------------------------------


TRANSFORMS: dict[str, Callable[[Callable[[Any], Any], Any], Any]] = {
    "grad": lambda f, x: cr.grad(f)(x),
    "value_and_grad": lambda f, x: cr.value_and_grad(f)(x),
    "jacobian": lambda f, x: cr.jacobian(f)(x),
    "hessian": lambda f, x: cr.hessian(f)(x),
    "jvp": lambda f, x: cr.jvp(f, x, np.ones(2)),
    "vjp": lambda f, x: cr.vjp(f, x),
    "hvp": lambda f, x: cr.hvp(f, x, np.ones(2)),
    "linearize": lambda f, x: cr.linearize(f, x),
    "vmap": lambda f, x: cr.vmap(f)(x),
}


@pytest.mark.parametrize("name", TRANSFORMS)
@pytest.mark.parametrize("recording", [True, False])
def test_exceptions_leave_no_state(name: str, recording: bool) -> None:
    """After an exception in f this thread records or not as before, and transforms work."""

    def fails(x: Any) -> Any:
        np.exp(x * 2)
        raise KeyError("the user's own")

    x = np.array([1.0, 2.0])
    with cr.set_grad_enabled(recording):
        before = set(paused)
        with pytest.raises(KeyError, match="the user's own"):
            TRANSFORMS[name](fails, x)
        assert set(paused) == before
        assert cr.is_grad_enabled() == recording
        np.testing.assert_array_equal(cr.grad(lambda x: (x**2).sum())(x), 2 * x)
        with pytest.raises(KeyError):
            cr.grad(lambda x: cr.grad(lambda y: fails(x * y))(x.sum()))(x)
        assert cr.is_grad_enabled() == recording


def test_transforms_record_under_no_grad() -> None:
    """`no_grad` around a transform does not keep it from differentiating; inside f it does."""
    with cr.no_grad():
        assert cr.grad(lambda x: x**2)(3.0) == 6.0
        assert cr.grad(cr.grad(lambda x: x**3))(3.0) == 18.0

    def partly(x: Any) -> Any:
        with cr.no_grad():
            c = x**2
        return c * x

    assert cr.grad(partly)(3.0) == 9.0
    assert cr.jvp(partly, 3.0, 1.0)[1] == 9.0


def test_threads() -> None:
    """Threads differentiate at the same time, some of them under no_grad."""
    x = np.linspace(0.1, 1.0, 50)
    expected = np.cos(x) * np.exp(np.sin(x))
    wrong: list[Any] = []

    def work(quiet: bool) -> None:
        for _ in range(20):
            with cr.set_grad_enabled(not quiet):
                g = cr.grad(lambda x: np.exp(np.sin(x)).sum())(x)
                h = cr.vmap(cr.grad(lambda x: np.exp(np.sin(x))))(x)
            if not (np.allclose(g, expected) and np.allclose(h, expected)):
                wrong.append((g, h))

    threads = [threading.Thread(target=work, args=(k % 2 == 0,)) for k in range(6)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong


def test_a_function_that_starts_threads() -> None:
    """What a thread computes with the variable counts, whichever thread recorded it."""

    def f(x: Any) -> Any:
        out: list[Any] = [None, None]

        def part(k: int) -> None:
            out[k] = x ** (k + 2)

        threads = [threading.Thread(target=part, args=(k,)) for k in range(2)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        return out[0] + out[1]

    assert cr.grad(f)(2.0) == 4.0 + 12.0


def test_transformed_functions_are_reentrant() -> None:
    """The same transformed function within itself."""
    gradient: Callable[..., Any]

    def f(x: Any, depth: int) -> Any:
        return x**3 if depth == 0 else x * gradient(x, depth - 1)

    gradient = cr.grad(f)
    # f0 = x^3, g0 = 3x^2, f1 = 3x^3, g1 = 9x^2, f2 = 9x^3, g2 = 27x^2
    assert gradient(2.0, 2) == 27 * 4.0


def test_copies_of_variables() -> None:
    """`copy.copy` of a computed Tensor keeps its history; `deepcopy`, which could not, refuses."""
    assert cr.grad(lambda x: copy.copy(2 * x) ** 2)(3.0) == 24.0
    y = copy.copy(2 * cr.tensor([1.0], requires_grad=True))
    assert y.requires_grad
    with pytest.raises(cr.GraphError, match="deepcopy"):
        cr.grad(lambda x: copy.deepcopy(2 * x) ** 2)(3.0)


def test_pullbacks_can_be_called_again() -> None:
    _, pullback = cr.vjp(lambda x: np.sin(x) * x, np.array([1.0, 2.0]))

    np.testing.assert_array_equal(pullback(np.ones(2))[0], pullback(np.ones(2))[0])


def test_size_zero() -> None:
    x = np.zeros((0, 3))

    assert cr.grad(lambda x: (x**2).sum())(x).shape == (0, 3)
    assert cr.jacobian(lambda x: x.sum(axis=0))(x).shape == (3, 0, 3)
    assert cr.jacobian(lambda x: 2 * x)(x).shape == (0, 3, 0, 3)
    assert cr.hessian(lambda x: (x**2).sum())(x).shape == (0, 3, 0, 3)
    assert cr.vmap(lambda x: x * 2)(x).shape == (0, 3)
