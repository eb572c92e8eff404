"""`print` and `assert` of traced values: done when the program runs, once, in order."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.run import choose
from chainrule.run.reference import Reference


def straight(x: Any) -> Any:
    print("start", x, sep=": ")
    y = np.sqrt(x)  # which is the same to the last digit everywhere
    print([x, {"y": y}], 3, end=".\n")
    print("nothing that is traced")
    return y * x


def in_a_loop(x: Any) -> Any:
    for i in range(20):
        print(i, x)
        x = x * 0.5 + 0.25
        if x < 1.0:
            print(f"turn {i}: {x:.3f}, {x!r:>30}", "small")
        else:
            print("large")
    print("end", x)
    return x


def in_a_while(x: Any) -> Any:
    while x < 10.0:
        print("before", x)
        x = x * 2
        for _ in range(30):
            x = x + 0.01
        print("after", x)
    return x * x


def in_the_condition(x: Any) -> Any:
    def small(x: Any) -> Any:
        print("is", x, "small?")
        return x < 10.0

    while small(x):
        x = x * 3
    return x


def unused(x: Any) -> Any:
    for i in range(20):
        print("turn", i, x * 0)
    print(x * 0, x - x)
    return x * 1.0


def nested(x: Any) -> Any:
    total = x * 0
    for i in range(18):
        for j in range(17):
            if j * i == 100:
                print("hundred", i, j, x)
            total = total + x * j
    return total


PROGRAMS = [straight, in_a_loop, in_a_while, in_the_condition, unused, nested]

TRANSFORMS: dict[str, Callable[[Any], Callable[[Any], Any]]] = {
    "jit": cr.jit,
    "grad, compiled": lambda f: cr.jit(cr.grad(f)),
    "grad of compiled": lambda f: cr.grad(cr.jit(f)),
    "value_and_grad": lambda f: cr.jit(cr.value_and_grad(f)),
    "jvp": lambda f: cr.jit(lambda x: cr.jvp(f, x, 1.0)),
    "jvp of compiled": lambda f: lambda x: cr.jvp(cr.jit(f), x, 1.0),
    "vjp": lambda f: cr.jit(lambda x: cr.vjp(f, x)[1](1.0)),
    "hessian": lambda f: cr.jit(cr.hessian(f)),
    "jet": lambda f: cr.jit(lambda x: cr.jet(f, x, [1.0, 0.0])),
    "compiled twice": lambda f: cr.jit(lambda x: cr.jit(f)(x)),
}


def printed(f: Any, x: Any, capsys: Any) -> str:
    capsys.readouterr()
    f(x)
    return str(capsys.readouterr().out)


@pytest.mark.parametrize("transform", TRANSFORMS)
@pytest.mark.parametrize("f", PROGRAMS)
def test_printed_as_by_python(f: Any, transform: str, capsys: Any) -> None:
    want = printed(f, np.float64(0.75), capsys)
    compiled = TRANSFORMS[transform](f)
    first = printed(compiled, 0.75, capsys)
    again = printed(compiled, 0.75, capsys)
    other = printed(compiled, 0.5, capsys)
    # what is not traced is printed while tracing, before all else
    while_tracing = [line for line in want.splitlines() if line == "nothing that is traced"]
    at_run_time = [line for line in want.splitlines() if line != "nothing that is traced"]
    assert [x for x in again.splitlines() if x not in while_tracing] == at_run_time
    assert first.splitlines() == [*while_tracing, *at_run_time]
    wanted = printed(f, np.float64(0.5), capsys).splitlines()
    assert [x for x in other.splitlines() if x not in while_tracing] == [
        x for x in wanted if x not in while_tracing
    ]


@pytest.mark.parametrize("f", PROGRAMS)
def test_values_and_derivatives_stay(f: Any, capsys: Any) -> None:
    for g in (f, cr.grad(f), cr.hessian(f)):
        np.testing.assert_allclose(cr.jit(g)(0.75), g(0.75), rtol=1e-12, atol=1e-12)
    batch = np.array([0.75, 2.0])
    if f is in_the_condition:
        with pytest.raises(NotImplementedError, match="in the condition of a `while`"):
            cr.vmap(f)(batch)
    else:
        np.testing.assert_allclose(cr.vmap(f)(batch), [f(0.75), f(2.0)], rtol=1e-12)


def test_arrays_are_printed_as_numpy_does(capsys: Any) -> None:
    def f(x: Any) -> Any:
        print(x, x > 1, x.astype(int))
        return x

    x = np.array([[0.5, 1.25], [1e10, 2]])
    assert printed(cr.jit(f), x, capsys) == printed(f, x, capsys)


def test_without_llvm(monkeypatch: Any, capsys: Any) -> None:
    monkeypatch.setattr("chainrule.run.choose.available", lambda: False)
    monkeypatch.setattr(choose, "_said", [True])
    compiled = cr.jit(in_a_loop)
    assert isinstance(compiled.lower(0.75), Reference)
    want = printed(in_a_loop, np.float64(0.75), capsys)
    capsys.readouterr()
    assert printed(compiled, 0.75, capsys) == want


@pytest.mark.parametrize("n", [2, 6])
def test_what_fails_is_printed_once(n: int, capsys: Any) -> None:
    """NumPy, asked why a matrix has no factor, does not do again what was done before."""

    @cr.jit
    def f(a: Any) -> Any:
        print("before", a[0, 0])
        return cr.linalg.cholesky(a)

    with pytest.raises(cr.MatrixError, match="not positive definite"):
        f(-np.eye(n))
    assert capsys.readouterr().out == "before -1.0\n"


def test_a_batch(capsys: Any) -> None:
    def f(x: Any) -> Any:
        print("x is", x)
        if x > 1.0:
            print("large", x)
        while x < 4.0:
            print("turn", x)
            x = x * 2
        return x

    want = ["x is 3.0", "x is 1.0", "large 3.0", "turn 3.0", "turn 1.0", "turn 2.0"]
    for g in (cr.vmap(f), cr.jit(cr.vmap(f)), cr.vmap(cr.jit(f))):
        assert printed(g, np.array([3.0, 1.0]), capsys).splitlines() == want


def test_a_batch_in_which_it_cannot_be_told(capsys: Any) -> None:
    def f(x: Any) -> Any:
        while x < 4.0:
            if x > 1.0:
                print("large")
                print(x)
            x = x * 2
        return x

    with pytest.raises(NotImplementedError, match="print or assert in a loop or branch, inside"):
        cr.vmap(f)(np.array([3.0, 1.0]))


# --- assert ---------------------------------------------------------------------------------------


def positive(x: Any) -> Any:
    assert np.all(x > 0), f"{x} is not positive"
    return np.sum(np.sqrt(x))


def bounded(x: Any) -> Any:
    for _ in range(50):
        x = x * 1.5
        assert x < 1e3
    return x


def bounded_where_it_matters(x: Any) -> Any:
    while np.abs(x) < 1e3:
        x = x * 1.5
        if x > 0:
            assert x < 100.0, "too large"
        else:
            x = x - 1
    return x


ASSERTING: list[tuple[Any, Any, Any, str]] = [
    (positive, np.array([1.0, 4.0]), np.array([1.0, -1.0]), r"\[ 1. -1.\] is not positive\n"),
    (bounded, 1e-9, 1.0, "at .*assert x < 1e3"),
    (bounded_where_it_matters, -1.0, 1.0, "too large\n"),
]


@pytest.mark.parametrize("transform", TRANSFORMS)
@pytest.mark.parametrize(("f", "good", "bad", "words"), ASSERTING)
def test_asserted(f: Any, good: Any, bad: Any, words: str, transform: str) -> None:
    if np.ndim(good) and transform[0] == "j" and transform != "jit":
        good, bad, f = good[0], bad[1], lambda x, f=f: f(np.ones(2) * x)
        words = "is not positive"
    compiled = TRANSFORMS[transform](f)
    compiled(good)
    with pytest.raises(AssertionError, match=words) as caught:
        compiled(bad)
    place, source = str(caught.value).rsplit("  at ", 1)[1].split(": ", 1)
    assert place.startswith(__file__)
    assert source.startswith("assert ")
    compiled(good)


def test_what_holds_is_not_called_for() -> None:
    """In machine code the condition is tested there."""
    text = cr.jit(bounded).lower(1.0).llvm
    assert text.count("icmp ne i8") >= 1

    def silent(x: Any) -> Any:
        assert x * 0 == 0, "never"
        assert np.ones(3)[0] == x / x
        return x

    assert cr.jit(silent)(2.0) == 2.0


def test_an_assertion_of_ordinary_values() -> None:
    def f(x: Any, n: Any) -> Any:
        assert n > 0, "while tracing"
        return x * n

    compiled = cr.jit(f, static=1)
    assert compiled(2.0, 3) == 6.0
    with pytest.raises(AssertionError, match=r"^while tracing$"):
        compiled(2.0, -3)


def test_what_is_not_traced_in_a_branch_that_is(capsys: Any) -> None:
    """It is done where the branch is taken."""

    def f(x: Any) -> Any:
        if x > 0:
            print("positive")
        else:
            assert False, "negative"  # noqa: B011, PT015 - what is tested
        return x

    compiled = cr.jit(f)
    compiled(1.0)
    compiled(2.0)
    assert capsys.readouterr().out == "positive\npositive\n"
    with pytest.raises(AssertionError, match=r"negative\n  at .*assert False"):
        compiled(-1.0)


def test_a_condition_of_several_elements() -> None:
    def f(x: Any) -> Any:
        assert x > 0
        return x

    with pytest.raises(NotImplementedError, match="not one truth value"):
        cr.jit(f)(np.ones(2))


def test_an_error_on_the_way_ends_what_is_printed(capsys: Any) -> None:
    def f(x: Any) -> Any:
        for i in range(100):
            print(i)
            assert x < 3.0
            x = x + 1.0
        return x

    compiled = cr.jit(f)
    with pytest.raises(AssertionError):
        compiled(0.0)
    assert capsys.readouterr().out == "0\n1\n2\n3\n"


def test_what_is_exported_does_not_print(tmp_path: Path) -> None:
    with pytest.raises(cr.MissingMachineCode, match="no machine code for print"):
        cr.export(straight, 1.0, tmp_path / "f")


def test_doubt_does_not_print_twice(capsys: Any) -> None:
    """Zero times infinity makes other programs run again."""

    def f(x: Any) -> Any:
        print(x)
        return np.where(x > 0, np.sqrt(x), 0.0)

    compiled = cr.jit(cr.grad(f))
    assert compiled(0.0) == 0.0
    assert capsys.readouterr().out == "0.0\n"
