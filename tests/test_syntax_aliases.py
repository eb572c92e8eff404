# ruff: noqa: B007, E741, E742 - as users write them
"""Arrays of several names, changed in place in traced branches and loops: as in plain Python."""

from __future__ import annotations

import weakref
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.errors import GraphError, SyntaxUnsupported

A = np.array([1.5, -2.0])
FOLLOWED: list[Any] = []
EITHER: list[Any] = []
"""Those whose aliases depend on traced values: right, or an error."""


def followed(f: Any) -> Any:
    FOLLOWED.append(f)
    return f


def either(f: Any) -> Any:
    EITHER.append(f)
    return f


@followed
def base(a: Any, c: Any) -> Any:
    x = np.zeros(2)
    y = x
    if c > 0:
        x += a
        x = np.ones(2)
    return y


@followed
def noctl_view(a: Any, c: Any) -> Any:
    x = np.zeros(3)
    y = x[1:]
    x[1:] += a
    return y


@followed
def noctl_view2(a: Any, c: Any) -> Any:
    x = np.zeros(3)
    y = x[1:]
    y += a
    return x[1:]


@either
def noctl_reshape(a: Any, c: Any) -> Any:
    x = np.zeros(2)
    y = x.reshape(1, 2)
    x += a
    return y


@followed
def two_names(a: Any, c: Any) -> Any:
    x = np.zeros(2)
    y = x
    if c > 0:
        x += a
        y *= 2
    return y + 10 * x


@followed
def view_in(a: Any, c: Any) -> Any:
    x = np.zeros(3)
    y = x[1:]
    if c > 0:
        x[1:] += a
        z = y * 2
    else:
        z = y * 1
    return y + 10 * z


@followed
def view_chg(a: Any, c: Any) -> Any:
    x = np.zeros(3)
    y = x[1:]
    if c > 0:
        y += a
    return x[1:]


@followed
def view_chg_rebind(a: Any, c: Any) -> Any:
    x = np.zeros(3)
    y = x[1:]
    if c > 0:
        y += a
        y = np.ones(2)
    return x[1:] + 10 * y


@either
def view_traced(a: Any, c: Any) -> Any:
    x = a * np.ones(2)
    y = x[1:]
    if c > 0:
        y += a[0]
        y = np.ones(1)
    return x + 10 * y


@followed
def view_traced2(a: Any, c: Any) -> Any:
    x = a * np.ones(2)
    y = x[1:]
    if c > 0:
        x += a
        x = np.ones(2)
    return x + 10 * y


@either
def reshape_in(a: Any, c: Any) -> Any:
    x = a * np.ones(2)
    y = x.reshape(1, 2)
    z = y
    if c > 0:
        x += a
        z = y * 2
    return z


@either
def reshape_conc(a: Any, c: Any) -> Any:
    x = np.zeros(2)
    y = x.reshape(1, 2)
    z = y
    if c > 0:
        x += a
        z = y * 2
    return z


@either
def choice(a: Any, c: Any) -> Any:
    x = np.zeros(2)
    y = np.ones(2)
    if c > 0:
        z = x
    else:
        z = y
    z += a
    return x + 10 * y


@either
def choice_read(a: Any, c: Any) -> Any:
    x = a * np.ones(2)
    y = a * np.ones(2)
    if c > 0:
        z = x
    else:
        z = y
    x += 1
    return z


@either
def for_(a: Any, c: Any) -> Any:
    x = np.zeros(2)
    y = x
    for i in range(int(c)):
        x += a
        x = np.ones(2)
    return y


@followed
def for_rev(a: Any, c: Any) -> Any:
    x = np.zeros(2)
    y = x
    for i in range(int(c)):
        x = x + 1
        x += a
    return y + 10 * x


@either
def while_(a: Any, c: Any) -> Any:
    x = np.zeros(2)
    y = x
    while x.sum() < 1 + c:
        x += a
        x = x * 3 + 1
    return y + 10 * x


@either
def scan_(a: Any, c: Any) -> Any:
    x = a * np.zeros(2)
    y = x
    for v in a:
        x += v
        x = x * 2
    return y + 10 * x


@followed
def nested(a: Any, c: Any) -> Any:
    x = np.zeros(2)
    y = x
    if c > 0:
        for i in range(int(c)):
            x += a
        x = np.ones(2)
        if c > 1:
            y += a
    return y + 10 * x


@followed
def cont(a: Any, c: Any) -> Any:
    x = np.zeros(2)
    d = {"k": x}
    if c > 0:
        x += a
        x = np.ones(2)
    return d["k"]


@followed
def cont2(a: Any, c: Any) -> Any:
    x = np.zeros(2)
    l = [x, x]
    if c > 0:
        l[0][0] = a[0]
    return x + 10 * l[1]


@either
def cont3(a: Any, c: Any) -> Any:
    l = [a, a * 2]
    m = l
    if c > 0:
        l[0] = a * 5
        l = [a, a]
    return m[0] + 10 * l[1]


@followed
def cont4(a: Any, c: Any) -> Any:
    x = np.zeros(2)
    l = [x]
    if c > 0:
        l[0] += a
    return x


@followed
def cont5(a: Any, c: Any) -> Any:
    x = np.zeros(2)
    l = [x]
    if c > 0:
        l[0] += a
        l = [a]
    return x


@followed
def tup(a: Any, c: Any) -> Any:
    x = np.zeros(2)
    t = (x, 1)
    if c > 0:
        t[0][0] = a[0]
    return x


@followed
def closure(a: Any, c: Any) -> Any:
    x = np.zeros(2)

    def g():
        return x * 2

    y = x
    if c > 0:
        x += a
        z = g()
        x = np.ones(2)
    else:
        z = g()
    return y + 10 * z + 100 * g()


@followed
def nonloc(a: Any, c: Any) -> Any:
    x = np.zeros(2)
    y = x

    def g():
        nonlocal x
        x += a
        x = np.ones(2)

    if c > 0:
        g()
    return y + 10 * x


@either
def nonloc_loop(a: Any, c: Any) -> Any:
    x = np.zeros(2)
    y = x

    def g():
        nonlocal x
        x += a
        x = np.ones(2)

    for i in range(int(c)):
        g()
    return y + 10 * x


@followed
def called(a: Any, c: Any) -> Any:
    def g(v):
        v += a

    x = np.zeros(2)
    y = x
    if c > 0:
        g(x)
        x = np.ones(2)
    return y


@followed
def called2(a: Any, c: Any) -> Any:
    def g(v):
        v += a

    x = np.zeros(2)
    y = x
    if c > 0:
        g(y)
    return x


@followed
def swap(a: Any, c: Any) -> Any:
    x = a * 1
    y = a * 2
    if c > 0:
        x, y = y, x
        x += 1
    return x + 10 * y


@followed
def swap_alias(a: Any, c: Any) -> Any:
    x = a * 1
    y = a * 2
    u = x
    v = y
    if c > 0:
        x, y = y, x
        x += 1
    return u + 10 * v


@either
def loop_swap(a: Any, c: Any) -> Any:
    x = a * 1
    y = a * 2
    u = x
    v = y
    for i in range(int(c)):
        x, y = y, x
        x += 1
    return u + 10 * v


@followed
def attr(a: Any, c: Any) -> Any:
    class O:
        pass

    o = O()
    o.x = a * 1
    y = o.x
    if c > 0:
        o.x += a
        o.x = a * 7
    return y + 10 * o.x


@followed
def arg(a: Any, c: Any) -> Any:
    y = a
    if c > 0:
        a += 1
        a = a * 0
    return y


@followed
def early(a: Any, c: Any) -> Any:
    x = np.zeros(2)
    y = x
    if c > 0:
        x += a
        return y
    x += 3
    return y


@either
def brk(a: Any, c: Any) -> Any:
    x = np.zeros(2)
    y = x
    for i in range(5):
        x += a
        if i > c:
            break
        if c > 1:
            x = x * 2
    return x + 10 * y


@followed
def listoflist(a: Any, c: Any) -> Any:
    x = np.zeros(2)
    l = [[x]]
    i = l[0]
    if c > 0:
        i[0] = a
    return l[0][0] + 10 * x


@either
def newalias(a: Any, c: Any) -> Any:
    x = np.zeros(2)
    if c > 0:
        y = x
    else:
        y = a * 1
    y += 1
    return x


@followed
def newalias2(a: Any, c: Any) -> Any:
    x = a * 1
    y = a * 3
    if c > 0:
        y = x
        y += 1
    return x + 10 * y


@either
def newalias3(a: Any, c: Any) -> Any:
    x = a * 1
    y = a * 3
    if c > 0:
        y = x
    x += 1
    return x + 10 * y


@either
def both_alias(a: Any, c: Any) -> Any:
    x = a * 1
    if c > 0:
        y = x
    else:
        y = x
    y += 1
    return x


@either
def made_alias(a: Any, c: Any) -> Any:
    if c > 0:
        x = a * 1
        y = x
    else:
        x = a * 2
        y = x
    x += 1
    return y


@either
def made_alias2(a: Any, c: Any) -> Any:
    x = a * 1
    y = a * 1
    for i in range(int(c)):
        x = a * 2
        y = x
    x += 1
    return y


@either
def made_view(a: Any, c: Any) -> Any:
    if c > 0:
        x = a * 1
        y = x[1:]
    else:
        x = a * 2
        y = x[1:]
    x += 1
    return y


@either
def made_list(a: Any, c: Any) -> Any:
    x = a * 1
    if c > 0:
        l = [x]
    else:
        l = [x]
    x += 1
    return l[0]


@either
def loop_alias(a: Any, c: Any) -> Any:
    x = a * 1
    y = a * 1
    for i in range(int(c)):
        y = x
        x = x + 1
        y += 5
    return x + 10 * y


@either
def loop_alias2(a: Any, c: Any) -> Any:
    x = a * 1
    y = a * 1
    for i in range(int(c)):
        x += 1
        y = x
    return x + 10 * y


@either
def loop_alias3(a: Any, c: Any) -> Any:
    x = a * 1
    y = a * 1
    for i in range(int(c) + 1):
        x += 1
        y = x
    x += 1
    return y


@followed
def rebound_in_one(a: Any, c: Any) -> Any:
    z = a * 1.0
    d = {"k": z}
    if c > 0:
        z = np.sin(a)
    else:
        z *= 0.5
    return d["k"] + 10 * z


@either
def swapped_in_loop(a: Any, c: Any) -> Any:
    x = a * 1.0
    y = np.ones(2)
    d = {"k": x}
    for _ in range(int(c)):
        x, y = y, x
        x[:1] = 1.0
    return d["k"]


@either
def one_place_of_a_list(a: Any, c: Any) -> Any:
    x = a * 1.0
    z = x
    l = [x, x]
    for _ in range(int(c)):
        l[0][1] = 0.5
        l[1] = np.array([1.0, a[0]])
    return z


@either
def either_in_a_loop(a: Any, c: Any) -> Any:
    v = a[1:] * 1.0
    b = a * 3.0
    for _ in range(int(c)):
        if c > 0:
            v = b[1:]
    b *= 0.5
    return v


@followed
def view_of_the_last_pass(a: Any, c: Any) -> Any:
    y = a * 0.5
    v = a[:1]
    for _ in range(int(c)):
        y += a
        v = y[1:]
    return v + y[:1]


@followed
def buffers(a: Any, c: Any) -> Any:
    old = a * 1.0
    new = a * 0.0
    for _ in range(int(c) * 20):
        new[0] = 0.5 * old[1]
        new[1] = 0.5 * old[0] + 1.0
        old, new = new, old
    return old


@followed
def dict_of_two_names(a: Any, c: Any) -> Any:
    d = e = {"k": a}
    for _ in range(int(c)):
        e = d
    d["k"] = a * 2.0
    return e["k"]


@followed
def dict_under_a_new_name(a: Any, c: Any) -> Any:
    d = e = {"k": a}
    for _ in a:
        e = d
        e["k"] = a * 2.0
    return d["k"]


@followed
def array_under_a_new_name(a: Any, c: Any) -> Any:
    x = np.zeros(2)
    if c > 0:
        y = x
        y += a
    return x


@followed
def list_under_a_new_name(a: Any, c: Any) -> Any:
    l = [a, a]
    if c > 0:
        m = l
        m[0] = a * 3.0
    return l[0]


@followed
def list_of_two_names(a: Any, c: Any) -> Any:
    l = m = [a * 0.0, a * 1.0]
    if c > 0:
        l = [a, a]
        m[1] += 1.0
    return m[0] + 10 * l[0] + 100 * m[1]


@followed
def two_names_swapped(a: Any, c: Any) -> Any:
    x = np.zeros(2)
    y = x
    l = [y]
    if c > 0:
        x, y = y, x
        y[:] = a + 0.5
    l[0] += 1.0
    return x


@pytest.mark.parametrize("c", [2.0, -1.0])
@pytest.mark.parametrize("f", FOLLOWED, ids=lambda f: f.__name__)
def test_changes_reach_every_name(f: Any, c: float) -> None:
    np.testing.assert_array_equal(cr.jit(f)(A.copy(), c), f(A.copy(), c))


@pytest.mark.parametrize("c", [2.0, -1.0])
@pytest.mark.parametrize("f", EITHER, ids=lambda f: f.__name__)
def test_never_a_wrong_number(f: Any, c: float) -> None:
    """Where a name may stand for one array or another, the number is right or there is an error."""
    try:
        found = cr.jit(f)(A.copy(), c)
    except (GraphError, SyntaxUnsupported) as error:
        assert f"at {__file__}:" in str(error)  # noqa: PT017 - either is right
    else:
        np.testing.assert_array_equal(found, f(A.copy(), c))


def test_gradients_go_through_an_alias() -> None:
    def f(a: Any, c: Any) -> Any:
        x = np.zeros(2)
        y = x
        if c > 0:
            x += a * a
            x = np.ones(2)
        return (y * x).sum()

    for c, expected in ((1.0, 2 * A), (-1.0, 0 * A)):
        np.testing.assert_array_equal(cr.jit(cr.grad(f))(A, c), expected)


def test_derivatives_are_by_the_argument_as_it_was() -> None:
    """A function that changes its argument in place changes no variable of a transform."""

    def f(a: Any) -> Any:
        a *= 2
        return (a**2).sum()

    x = np.array([1.5, -2.0])
    for name, found, want in (
        ("grad", cr.jit(cr.grad(f))(x), 8 * x),
        ("of jit", cr.grad(cr.jit(f))(x), 8 * x),
        ("vjp", cr.jit(lambda a: cr.vjp(f, a)[1](1.0)[0])(x), 8 * x),
        ("jvp", cr.jit(lambda a: cr.jvp(f, a, np.ones(2))[1])(x), 8 * x.sum()),
        ("jacobian", cr.jit(cr.jacobian(f))(x), 8 * x),
        ("hessian", cr.jit(cr.hessian(f))(x), 8 * np.eye(2)),
        ("twice", cr.jit(cr.grad(lambda a: cr.grad(f)(a).sum()))(x), [8.0, 8.0]),
    ):
        np.testing.assert_allclose(found, want, err_msg=name)
    np.testing.assert_array_equal(x, [1.5, -2.0])


def test_signs_of_zero_are_two_constants() -> None:
    def f(x: Any) -> Any:
        return np.copysign(x, 0.0), np.copysign(x, -0.0), np.copysign(x, 0.0)

    assert [float(v) for v in cr.jit(f)(1.5)] == [1.5, -1.5, 1.5]
    given = cr.jit(lambda x, s: np.copysign(x, s))
    assert [float(given(1.5, s)) for s in (0.0, -0.0, 0.0)] == [1.5, -1.5, 1.5]
    for zero in (0.0, -0.0):
        for g in (
            lambda x, z=zero: x + z,
            lambda x, z=zero: z + x,
            lambda x, z=zero: x - z,
            lambda x, z=zero: x * 1.0 + z,
            lambda x, z=zero: np.copysign(1.0, x * z),
            lambda x, z=zero: np.where(x == 0, z, x),
            lambda x, z=zero: x * np.array([z, -z]) + 0.0 * np.array([-z, z]),
            lambda x, z=zero: np.copysign(x + 1, np.array([z, -z])) + np.copysign(x + 1, -z),
        ):
            for x in (0.0, -0.0):
                found, wanted = np.asarray(cr.jit(g)(x)), np.asarray(g(np.float64(x)))
                assert found.tobytes() == wanted.tobytes()


def test_dead_proxies_are_no_harm() -> None:
    """All objects are gone through for other names of a memory, whatever they are."""

    class Thing:
        pass

    proxy = weakref.proxy(Thing())  # what it stood for is gone

    def f(a: Any, c: Any) -> Any:
        x = np.zeros(2)
        y = x
        if c > 0:
            x += a
        return x + y

    np.testing.assert_array_equal(cr.jit(f)(np.ones(2), 1.0), [2.0, 2.0])
    del proxy
