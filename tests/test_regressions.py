"""Mistakes that were found once, each with a test that fails where it is made again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.transforms.backward import gradients

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")

inf = np.inf
special = cr.special


def derivatives(function: Callable[..., Any], *at: Any) -> list[Any]:
    """The gradient of a function of numbers or arrays, and each row of its Hessian."""
    xs = [cr.tensor(np.asarray(x, float), requires_grad=True) for x in at]
    y = function(*xs)
    first = gradients([y], xs, [np.ones(np.shape(y))], allow_unused=True, create_graph=True)
    rows = [
        gradients([g], xs, [np.ones(np.shape(g))], allow_unused=True, retain_graph=True)
        if g is not None and g._node is not None
        else [None] * len(xs)
        for g in first
    ]
    return [_numbers(first), *map(_numbers, rows)]


def _numbers(tensors: Any) -> list[Any]:
    return [0.0 if t is None else np.asarray(t._value).tolist() for t in tensors]


# --- zero times infinity had lost a second derivative ---------------------------------------------


def test_rel_entr_and_kl_div_have_their_mixed_second_derivative_where_a_is_zero() -> None:
    """-1 / b, which went through the infinite slope of log(a / b) at 0."""
    for function in (special.rel_entr, special.kl_div):
        _, by_a, by_b = derivatives(function, 0.0, 4.0)
        assert by_a[1] == by_b[0] == -0.25
    assert derivatives(special.rel_entr, 2.0, inf)[1][0] == 0.5


def test_gammainc_has_its_second_derivative_at_zero() -> None:
    """The density x^(a-1) e^-x / gamma(a) at 0 has slope 1 for a = 2 and -1 for a = 1."""
    for a, slope in ((1.0, -1.0), (2.0, 1.0), (3.0, 0.0)):
        assert derivatives(lambda x, a=a: special.gammainc(a, x), 0.0)[1] == [slope]
        assert derivatives(lambda x, a=a: special.gammaincc(a, x), 0.0)[1] == [-slope]


def test_betainc_has_its_second_derivative_at_both_ends() -> None:
    """I_x(2, 2) = 3 x^2 - 2 x^3, so that the second derivative is 6 - 12 x."""
    for x, slope in ((0.0, 6.0), (1.0, -6.0)):
        (second,) = derivatives(lambda x: special.betainc(2.0, 2.0, x), x)[1]
        np.testing.assert_allclose(second, slope)


# --- NaN where there is a limit -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("function", "at", "first"),
    [
        (cr.hypot, (inf, 1.0), [1.0, 0.0]),
        (cr.hypot, (-2.0, -inf), [0.0, -1.0]),
        (cr.atan2, (inf, 1.0), [0.0, 0.0]),
        (cr.atan2, (1.0, -inf), [0.0, 0.0]),
        (special.silu, (inf,), [1.0]),
        (special.silu, (-inf,), [0.0]),
        (special.i1e, (inf,), [0.0]),
        (special.k1e, (inf,), [0.0]),
        (cr.logsumexp, ([inf, 0.0],), [[1.0, 0.0]]),
        (cr.logsumexp, ([inf, inf],), [[0.5, 0.5]]),
    ],
)
def test_derivatives_at_infinity(function: Any, at: tuple[Any, ...], first: list[Any]) -> None:
    """The limit of the first, and zero for the second."""
    found, *second = derivatives(function, *at)
    assert found == first
    assert not np.any(
        np.nan_to_num(np.concatenate([np.ravel(r) for row in second for r in row]), nan=1.0)
    )


def test_second_derivatives_at_infinity() -> None:
    """`log_ndtr` and the scaled Bessel function are flat there."""
    assert derivatives(special.log_ndtr, inf)[1] == [0.0]
    assert derivatives(special.i0e, inf)[1] == [0.0]


def test_logsumexp_with_an_infinite_row_beside_a_finite_one() -> None:
    """Only the infinite row is shared among its infinite elements."""
    x = cr.tensor([[inf, 1.0, inf], [0.0, 0.0, 0.0]], requires_grad=True)
    cr.logsumexp(x, axis=1).sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), [[0.5, 0.0, 0.5], [1 / 3, 1 / 3, 1 / 3]])


def test_scaled_bessel_functions_vanish_at_infinity() -> None:
    """SciPy's are NaN there from order 2 on."""
    assert special.ive(2, inf) == special.ive(2, -inf) == special.kve(2, inf) == 0


# --- second derivatives at a corner ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("function", "at"),
    [
        (cr.hypot, (0.0, 0.0)),
        (cr.atan2, (0.0, 0.0)),
        (lambda x, y: cr.std(cr.stack([x, y])), (1.0, 1.0)),
        (special.xlogy, (0.0, 0.0)),
        (special.xlog1py, (0.0, -1.0)),
    ],
)
def test_the_hessian_is_zero_where_the_gradient_is_zero_by_convention(
    function: Any, at: Any
) -> None:
    """It had entries of the formula that holds elsewhere, and was not symmetric."""
    for row in derivatives(function, *at):
        assert not np.any(np.concatenate([np.ravel(r) for r in row]))


# --- partial derivatives in the lower of two precisions -------------------------------------------


@pytest.mark.parametrize(
    "function",
    [
        cr.divide,
        cr.power,
        special.xlogy,
        special.xlog1py,
        special.gammainc,
        special.rel_entr,
        cr.atan2,
    ],
)
@pytest.mark.parametrize("wide", [0, 1])
def test_mixed_precision(function: Any, wide: int) -> None:
    """The gradient of a float64 operand beside a float32 one has the digits of float64."""

    def gradient(*operands: Any) -> Any:
        leaves = [cr.tensor(x, requires_grad=True) for x in operands]
        function(*leaves).sum().backward()
        return leaves[wide].grad.numpy()

    narrow = [np.array([0.7, 1.3], np.float32), np.array([0.3, 1.9], np.float32)]
    narrow[wide] = narrow[wide] + np.array([1e-9, 1e-9])
    exact = gradient(*[x.astype(np.float64) for x in narrow])
    found = gradient(*narrow)
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, exact, rtol=1e-13)
