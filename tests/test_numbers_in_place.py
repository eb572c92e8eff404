"""`x += y` of a number makes another number, also where the number has become a Tensor."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import chainrule as cr


def aliased(x: Any) -> Any:
    y = x
    y += 1.0
    return x * y


def summed(x: Any) -> Any:
    s = x
    for _ in range(3):
        s += x
    return s


def element(x: Any) -> Any:
    a = np.array([1.0, 2.0]) * x
    first = a[0]
    first *= 10.0
    a[1] -= first
    return a[0] * a[1] + first


@pytest.mark.parametrize("f", [aliased, summed, element], ids=lambda f: f.__name__)
def test_a_number_is_not_changed(f: Any) -> None:
    """Plain Python, compiled, batched and differentiated functions agree."""
    h = 1e-6
    slope = (f(2.0 + h) - f(2.0 - h)) / (2 * h)
    assert cr.jit(f)(2.0) == f(2.0)
    assert cr.vmap(f)(np.array([2.0, 3.0])).tolist() == [f(2.0), f(3.0)]
    for g in (cr.grad(f), cr.jit(cr.grad(f)), lambda x: cr.jvp(f, x, 1.0)[1]):
        np.testing.assert_allclose(g(2.0), slope, rtol=1e-8)
    np.testing.assert_allclose(cr.vmap(cr.grad(f))(np.array([2.0])), [slope], rtol=1e-8)


def test_a_row_picked_by_a_traced_number_is_a_view() -> None:
    """Writing into it writes into what it was picked from, and it shows what is written there."""

    def through(x: Any, i: Any) -> Any:
        row = x[i]
        row[1] = 7.0
        x[i, 0] = -1.0
        return x.sum() + 100 * row[0]

    x = np.arange(6.0).reshape(2, 3)
    plain = [through(x.copy(), i) for i in (0, 1)]
    assert cr.vmap(through, in_axes=(None, 0))(x, np.array([0, 1])).tolist() == plain
    assert cr.jit(through)(x, 1) == plain[1]
