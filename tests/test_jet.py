"""Taylor mode: compositions against mpmath, arguments and results, errors, cost. See also
test_jet_rows.py.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import mpmath
import numpy as np
import pytest

import chainrule as cr
from chainrule.graph.node import Spec, next_order
from chainrule.ops.replay import replay
from chainrule.record.trace import trace
from chainrule.transforms.backward import gradients

COMPOSITIONS = {
    "exp of sin": (lambda x: np.exp(np.sin(x)), lambda x: mpmath.exp(mpmath.sin(x)), 0.4),
    "tanh": (np.tanh, mpmath.tanh, 0.3),
    "quotient": (
        lambda x: np.sin(x) / (1 + x * x),
        lambda x: mpmath.sin(x) / (1 + x * x),
        -0.7,
    ),
    "powers": (lambda x: (1 + x**3) ** -1.5, lambda x: (1 + x**3) ** mpmath.mpf(-1.5), 0.6),
    "power of a curve": (lambda x: x**x, lambda x: x**x, 1.3),
    "constant to a curve": (lambda x: 2.0 ** np.sin(x), lambda x: 2 ** mpmath.sin(x), 0.3),
    "natural power at zero": (lambda x: x**5 + x**2, lambda x: x**5 + x**2, 0.0),
    "log of erf": (
        lambda x: np.log(1 + cr.special.erf(x)),
        lambda x: mpmath.log(1 + mpmath.erf(x)),
        0.2,
    ),
    "gamma": (
        lambda x: cr.special.gamma(x) * np.sqrt(x),
        lambda x: mpmath.gamma(x) * mpmath.sqrt(x),
        2.5,
    ),
    "loggamma": (cr.special.gammaln, mpmath.loggamma, 3.2),
    "Bessel": (lambda x: cr.special.jv(2, x), lambda x: mpmath.besselj(2, x), 1.7),
    "Bessel of order 0": (
        lambda x: cr.special.j0(np.exp(x)),
        lambda x: mpmath.besselj(0, mpmath.exp(x)),
        0.1,
    ),
    "inverse functions": (
        lambda x: np.arctan(x) + np.arcsin(x) * np.arcsinh(x),
        lambda x: mpmath.atan(x) + mpmath.asin(x) * mpmath.asinh(x),
        0.35,
    ),
    "sinc at 0": (np.sinc, lambda x: mpmath.sincpi(x), 0.0),
}


@pytest.mark.parametrize("name", COMPOSITIONS)
def test_composition_against_mpmath(name: str) -> None:
    """Ten derivatives of functions of one variable."""
    function, exact, x = COMPOSITIONS[name]
    value, derivatives = cr.jet(function, x, [1.0] + [0.0] * 9)
    with mpmath.workdps(60):
        want = [float(c * mpmath.factorial(k)) for k, c in enumerate(mpmath.taylor(exact, x, 10))]
    np.testing.assert_allclose(value, want[0], rtol=1e-13)
    for k, (d, w) in enumerate(zip(derivatives, want[1:], strict=True), 1):
        np.testing.assert_allclose(d, w, rtol=1e-9, atol=1e-9 * math.factorial(k), err_msg=str(k))


def test_composition_of_jets_is_the_jet_of_the_composition() -> None:
    """A jet's results are the arguments of the next one."""
    x, series = np.array([0.3, -0.2]), [np.array([1.0, 2.0]), np.array([0.5, 0.0])]
    y, ys = cr.jet(np.sin, (x,), (series,))
    z, zs = cr.jet(np.exp, (y,), (ys,))
    w, ws = cr.jet(lambda x: np.exp(np.sin(x)), x, series)
    np.testing.assert_allclose(z, w, rtol=1e-15)
    np.testing.assert_allclose(zs, ws, rtol=1e-14)


def test_factorial_scaling() -> None:
    """Derivatives and normalized coefficients are the same curve."""
    derivatives = cr.jet(np.exp, 0.5, [1.0, 2.0, 3.0])[1]
    coefficients = cr.jet(np.exp, 0.5, [1.0, 1.0, 0.5], factorial_scaled=False)[1]
    for k, (d, c) in enumerate(zip(derivatives, coefficients, strict=True), 1):
        np.testing.assert_allclose(d, c * math.factorial(k), rtol=1e-14)


def test_many_orders() -> None:
    """1 / (1 - x) has all coefficients 1; derivatives of order 171 are beyond floating point."""
    coefficients = cr.jet(lambda x: 1 / (1 - x), 0.0, [1.0] + [0.0] * 199, factorial_scaled=False)
    np.testing.assert_allclose(coefficients[1], np.ones(200), rtol=1e-12)
    gamma = cr.jet(cr.special.gammaln, 1.0, [1.0] + [0.0] * 59, factorial_scaled=False)[1]
    np.testing.assert_allclose(gamma[59], float(mpmath.zeta(60)) / 60, rtol=1e-10)
    with pytest.raises(OverflowError):
        cr.jet(np.exp, 0.0, [1.0] * 171)


def test_several_arguments_and_broadcasting() -> None:
    """Directional derivatives of a product that broadcasts, one argument being a number."""
    a, b = np.array([[1.0], [2.0]]), np.array([3.0, 4.0, 5.0])
    y, (d1, d2, d3) = cr.jet(lambda a, b, c: a * b + c, (a, b, 2.0), ([a, a], [b, 0 * b, b], [1.0]))
    np.testing.assert_allclose(y, a * b + 2)
    np.testing.assert_allclose(d1, 2 * a * b + 1)
    np.testing.assert_allclose(d2, 3 * a * b)
    np.testing.assert_allclose(d3, 4 * a * b)  # a b''' + 3 a' b'' + 3 a'' b' + a''' b


def test_a_shorter_series_goes_on_with_zeros() -> None:
    """An argument without coefficients is constant."""
    full = cr.jet(np.multiply, (2.0, 3.0), ([1.0, 0.0, 0.0], [0.0, 0.0, 0.0]))
    short = cr.jet(np.multiply, (2.0, 3.0), ([1.0, 0.0, 0.0], []))
    assert full == short == (6.0, [3.0, 0.0, 0.0])
    assert cr.jet(lambda a, b: (a, a * b), (2.0, 3.0), ([], [])) == ((2.0, 6.0), ([], []))
    assert cr.jet(lambda: 1.0, (), ()) == (1.0, [])


@dataclass
class Point:
    """A container."""

    x: Any
    y: Any


def test_containers() -> None:
    """A list of coefficients in place of every array, in arguments and results."""
    p = {"a": 0.5, "b": Point(np.array([1.0, 2.0]), None)}
    series = {"a": [1.0], "b": Point([np.array([1.0, 0.0]), np.zeros(2)], None)}

    def f(p: Any) -> Any:
        return [p["a"] * p["b"].x, (p["b"].x.sum(), None), 7.0]

    y, s = cr.jet(f, p, series)
    assert isinstance(y, list)
    assert isinstance(y[1], tuple)
    assert y[1][1] is None
    np.testing.assert_allclose(y[0], [0.5, 1.0])
    np.testing.assert_allclose(s[0], [[1.5, 2.0], [2.0, 0.0]])
    assert s[1] == ([1.0, 0.0], None)
    assert y[2] == 7.0
    n, (d1, d2) = cr.jet(lambda x: cr.argmax(x), np.arange(3.0), [np.ones(3), np.ones(3)])
    assert (n, d1, d2) == (2, 0, 0)
    assert n.dtype == d1.dtype == d2.dtype == np.int64
    assert s[2] == [0.0, 0.0]


def test_kinds_of_numbers() -> None:
    """NumPy in, NumPy out; Tensors in, Tensors out; single precision stays single."""
    x = np.array([0.1, 0.2], np.float32)
    y, s = cr.jet(lambda x: np.exp(x) ** 1.5 / x, x, [np.ones(2), np.zeros(2), [1, 0]])
    assert type(y) is np.ndarray
    assert y.dtype == np.float32
    assert all(type(c) is np.ndarray and c.dtype == np.float32 for c in s)
    y, s = cr.jet(np.exp, cr.tensor(x), [x])
    assert isinstance(y, cr.Tensor)
    assert isinstance(s[0], cr.Tensor)
    assert s[0].dtype == np.float32
    assert not y.requires_grad
    assert not s[0].requires_grad
    y, s = cr.jet(lambda x: x, 2.0, [1])
    assert (y, s) == (2.0, [1.0])
    assert y.dtype == np.float64
    y, s = cr.jet(lambda z: z * z, 1j, [1.0 + 0j, 0j])
    assert (y, s) == (-1, [2j, 2])


def test_results_own_their_memory() -> None:
    """Coefficients that come out do not show those that went in."""
    x, v = np.ones(3), np.ones(3)
    (d,) = cr.jet(lambda x: x, x, [v])[1]
    d[0] = 5.0
    assert v[0] == 1.0
    (d,) = cr.jet(lambda x: x + np.zeros((2, 3)), x, [v])[1]
    d[0, 0] = 5.0
    assert d[1, 0] == 1.0


def test_a_function_may_change_arrays_in_place() -> None:
    """Those it made itself."""
    x = np.array([1.0, 2.0])

    def f(x: Any) -> Any:
        y = x.copy()
        y[0] = y[1] * y[1]
        return y

    y, s = cr.jet(f, x, [np.array([1.0, 1.0]), np.zeros(2)])
    np.testing.assert_allclose(y, [4.0, 2.0])
    np.testing.assert_allclose(s, [[4.0, 1.0], [2.0, 0.0]])
    np.testing.assert_allclose(x, [1.0, 2.0])


def test_kinks_select_by_the_value() -> None:
    """Piecewise functions go on with the piece of the value; what is not selected is not seen."""
    zero, one = [0.0, 0.0, 0.0], [1.0, 0.0, 0.0]
    assert cr.jet(lambda x: cr.where(x > 0, cr.sqrt(x), 0.0), 0.0, one) == (0.0, zero)
    with np.errstate(divide="ignore"):
        assert cr.jet(lambda x: cr.where(x > 0, cr.log(x), x * x), 0.0, one)[1] == [0.0, 2.0, 0.0]
    assert cr.jet(cr.abs, 0.0, one)[1] == zero
    assert cr.jet(lambda x: cr.abs(x) ** 3, -2.0, one)[1] == [-12.0, 12.0, -6.0]
    assert cr.jet(lambda x: cr.maximum(x * x, x), 1.0, one)[1] == [1.5, 1.0, 0.0]
    assert cr.jet(cr.sqrt, 0.0, zero)[1] == zero
    assert cr.jet(cr.sqrt, 0.0, one)[1][0] == np.inf
    assert cr.jet(cr.floor, 1.5, one) == (1.0, zero)
    n, (d,) = cr.jet(lambda x: cr.linalg.vector_norm(x), np.zeros(2), [np.ones(2)])
    assert n == 0
    assert d == 0


# --- results that are differentiated in their turn ------------------------------------------------


def test_derivative_of_a_coefficient_by_a_parameter() -> None:
    """d/dw of the second derivative of sin(w x) is -2 w sin(w x) - w^2 x cos(w x); the parameter
    stands in the function's closure.
    """
    w, x = cr.tensor(1.3, requires_grad=True), 0.4
    y, (_, second) = cr.jet(lambda x: cr.sin(w * x), x, [1.0, 0.0])
    assert isinstance(y, cr.Tensor)
    assert y.requires_grad
    second.backward()
    v = 1.3
    want = -2 * v * math.sin(v * x) - v * v * x * math.cos(v * x)
    np.testing.assert_allclose(float(w.grad), want, rtol=1e-13)


def test_derivative_by_primals_and_series() -> None:
    """Of f'' along (x, v, a): f''(x) v^2 + f'(x) a, for f = exp."""
    x = cr.tensor(0.3, requires_grad=True)
    v = cr.tensor(2.0, requires_grad=True)
    a = cr.tensor(0.7, requires_grad=True)
    y, (_, second) = cr.jet(cr.exp, (x,), ([v, a],))
    e = math.exp(0.3)
    np.testing.assert_allclose(float(second), e * (4 + 0.7), rtol=1e-14)
    by = gradients([second], [x, v, a], retain_graph=True)
    np.testing.assert_allclose([float(g) for g in by], [4.7 * e, 4 * e, e], rtol=1e-13)
    (g,) = gradients([y], [x])
    np.testing.assert_allclose(float(g), e)


def test_nested_jets_are_not_confused() -> None:
    """d/dx (x d/dy (x y)) = 2 x, the classic; and a jet of a jet."""

    def outer(x: Any) -> Any:
        inner = cr.jet(lambda y: x * y, 1.0, [1.0])[1][0]
        return x * inner

    y, (d1, d2) = cr.jet(outer, 3.0, [1.0, 0.0])
    assert (float(y), float(d1), float(d2)) == (9.0, 6.0, 2.0)

    def second(x: Any) -> Any:
        return cr.jet(lambda y: cr.sin(y) * x, x, [1.0, 0.0])[1][1]

    # x -> -x sin x; its derivatives at 0.5
    y, (d1, d2) = cr.jet(second, 0.5, [1.0, 0.0])
    s, c = math.sin(0.5), math.cos(0.5)
    np.testing.assert_allclose(
        [float(y), float(d1), float(d2)], [-s / 2, -s - c / 2, -2 * c + s / 2]
    )


def test_within_other_transforms() -> None:
    """What comes out of a derivative of a jet is a number again; jets of transforms; batches."""

    def second(x: Any) -> Any:
        return cr.jet(lambda x: np.exp(np.sin(x)), x, [1.0, 0.0])[1][1]

    third = cr.jet(lambda x: np.exp(np.sin(x)), 0.3, [1.0, 0.0, 0.0])[1][2]
    g = cr.grad(second)(0.3)
    assert isinstance(g, np.float64)
    np.testing.assert_allclose(g, third, rtol=1e-13)
    at = np.array([0.3, 0.4])
    batch = cr.vmap(second)(at)
    assert isinstance(batch, np.ndarray)
    np.testing.assert_allclose(batch, [second(x) for x in at], rtol=1e-14)
    _, slopes = cr.jet(cr.grad(lambda x: np.exp(np.sin(x))), 0.3, [1.0, 0.0])
    np.testing.assert_allclose(slopes[1], third, rtol=1e-13)
    by = cr.grad(lambda w: cr.jet(lambda x: cr.sin(w * x), 0.4, [1.0, 0.0])[1][1])(1.3)
    assert isinstance(by, np.float64)
    w, x = 1.3, 0.4
    want = -2 * w * math.sin(w * x) - w * w * x * math.cos(w * x)
    np.testing.assert_allclose(by, want, rtol=1e-13)


def test_checkpoints_and_rules_of_the_users_own() -> None:
    """What was not kept is computed again; a forward rule serves to every order."""

    @cr.custom_jvp
    def own_sine(x: Any) -> Any:
        return cr.sin(x)

    own_sine.defjvp(lambda xs, ts: (own_sine(*xs), cr.cos(xs[0]) * ts[0]))
    series = [1.0, 0.5, 0.0, 0.0]
    want = cr.jet(lambda x: np.sin(x) ** 3, 0.5, series)[1]
    for f in (cr.checkpoint(lambda x: np.sin(x) ** 3), lambda x: own_sine(x) ** 3):
        np.testing.assert_allclose(cr.jet(f, 0.5, series)[1], want, rtol=1e-13)


TRACED = {
    "elementary": (COMPOSITIONS["powers"][0], np.array([0.3, 0.7])),
    "power": (lambda x: x**-2.5 + 2.0**x + x**x, np.array([0.3, 0.7])),
    "Bessel": (lambda x: cr.special.jv(2, x), np.float64(0.3)),
    "pieces": (lambda x: cr.where(x > 0.5, cr.sqrt(x), cr.sort(x)), np.array([0.3, 0.7])),
    "loop": (
        lambda x: cr.fori_loop(0, 3, lambda i, c: c * np.sin(x) + i, cr.ones(2)),
        np.array([0.3, 0.7]),
    ),
    "loop of unknown length": (
        lambda x: cr.while_loop(
            lambda c: c[0] < 3 * x.sum(), lambda c: (c[0] + 1, c[1] * np.sin(x)), (0, x)
        )[1],
        np.array([0.3, 0.7]),
    ),
    "scan": (
        lambda x: math.prod(cr.scan(lambda c, a: (c * a + x[0], c * c), x[1], x * x)),
        np.array([0.3, 0.7]),
    ),
    "branch": (
        lambda x: cr.cond(x[0] > 0, lambda x, n: np.sin(x) ** n, lambda x, n: x, x, 3),
        np.array([0.3, 0.7]),
    ),
    "eigenvalues": (cr.linalg.eigvalsh, np.array([[0.3, 0.7], [1.0, 0.2]])),
    "singular values": (cr.linalg.svdvals, np.array([[0.3, 0.7], [1.0, 0.2]])),
}


@pytest.mark.parametrize("name", TRACED)
def test_traced(name: str) -> None:
    """A jet can be traced, and run again on numbers."""
    function, x = TRACED[name]
    v = np.cos(np.arange(x.size)).reshape(x.shape)[()]

    def coefficients(x: Any) -> list[Any]:
        y, series = cr.jet(function, x, [v, 0.5 * v, 0 * v])
        return [y, *series]

    graph = trace(coefficients, [Spec(x)], cr.Tensor)
    for a, b in zip(replay(graph, [cr.tensor(x)]), coefficients(x), strict=True):
        np.testing.assert_allclose(a._value, b, rtol=1e-12, atol=1e-12)


# --- errors ---------------------------------------------------------------------------------------


def test_errors_name_the_users_line() -> None:
    """Each says what was given, and where."""
    with pytest.raises(cr.ShapeError, match=r"a coefficient of shape \[3\].*\[2\]") as error:
        cr.jet(np.exp, np.ones(2), [np.ones(2), np.ones(3)])
    assert "test_jet.py" in str(error.value)
    with pytest.raises(cr.StructureError, match=r"nested as \(\*, \*\), and the series as") as e:
        cr.jet(np.multiply, (1.0, 2.0), ([1.0],))
    assert "test_jet.py" in str(e.value)
    for x, series in [
        (1.0, 1.0),
        ((1.0,), (1.0,)),
        ({"a": 1.0}, {"b": [1.0]}),
        ({"a": 1.0}, [1.0]),
        ([1.0, 2.0], [[1.0]]),
    ]:
        with pytest.raises(cr.StructureError, match="list of coefficients in place of each array"):
            cr.jet(lambda p: p, x, series)
    with pytest.raises(cr.DtypeError, match=r"jet: .*integers or booleans"):
        cr.jet(np.exp, np.array([1, 2]), [np.ones(2)])
    with pytest.raises(cr.DtypeError, match=r"jet: .*must be a number, an array or a Tensor"):
        cr.jet(np.exp, "one", [1.0])
    with pytest.raises(cr.DtypeError, match="jet: the function returned a str"):
        cr.jet(lambda x: "one", 1.0, [1.0])
    with pytest.raises(cr.DtypeError, match="take its real part"):
        cr.jet(np.exp, 1.0, [1j])


def test_missing_derivative() -> None:
    """An operation without a derivative is named, with the line of the call."""
    with pytest.raises(cr.MissingDerivative, match="jv: no derivative is written") as error:
        cr.jet(lambda v: cr.special.jv(v, 1.0), 2.0, [1.0])
    assert "test_jet.py" in str(error.value)
    with pytest.raises(cr.MissingDerivative, match="full_matrices"):
        cr.jet(lambda a: cr.linalg.svd(a)[0], np.ones((3, 2)), [np.ones((3, 2))])


def test_a_value_overwritten_since_is_noticed() -> None:
    """As in the walk backwards."""

    def f(x: Any) -> Any:
        y = cr.exp(x)
        z = cr.sin(y)
        y *= 2
        return z

    with pytest.raises(cr.GraphError, match="changed in place"):
        cr.jet(f, np.ones(3), [np.ones(3)])


# --- cost -----------------------------------------------------------------------------------------


def operations(function: Any, order: int) -> int:
    """Operations that a recorded jet executes: each takes a number of the nodes' counter."""
    x = cr.tensor(0.7, requires_grad=True)
    series = [cr.tensor(0.3 / k, requires_grad=True) for k in range(1, order + 1)]
    before = next_order()
    cr.jet(function, x, series)
    return next_order() - before


@pytest.mark.parametrize(
    "function",
    [
        lambda x: np.tanh(np.sin(x) * np.exp(-x * x)) / (1 + x * x),
        lambda x: cr.special.erf(np.sqrt(x)) ** 2.5,
        lambda x: cr.linalg.solve(
            cr.stack([cr.stack([2 + x, x]), cr.stack([x, x * x])]), cr.stack([x, 1.0])
        ),
        lambda x: cr.special.softmax(cr.stack([x, x * x, 1 / x])),
    ],
    ids=["elementary", "special", "solve", "softmax"],
)
def test_cost_is_quadratic(function: Any) -> None:
    """Second differences of the number of operations are constant in the order."""
    counts = [operations(function, k) for k in (8, 16, 24, 32)]
    first = np.diff(counts)
    second = np.diff(first)
    assert np.all(second > 0)
    assert second[1] <= 1.15 * second[0], counts
    nested = 2.0**10
    assert operations(function, 10) < nested * operations(function, 1) / 8
