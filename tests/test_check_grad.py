"""`check_grad` finds what is wrong, names it, and finds nothing where nothing is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import pytest

import chainrule as cr
from chainrule.ops.table import TABLE, operation

X = np.array([[0.5, 1.5, 2.5], [3.5, 4.5, 5.5]])


def cube(name: str, forward: Any, reverse: Any, second: Any = lambda x: 3 * x**2) -> Any:
    """x**3 with given derivatives, a row that no other test sees."""

    def evaluate(x: Any) -> Any:
        """The cube."""
        return x**3

    evaluate.__name__ = name
    return operation(
        reverse=(lambda ct, _y, x: ct * reverse(x) * second(x),),
        forward=lambda tangents, _y, x: tangents[0] * forward(x) * second(x),
    )(evaluate)


def one(_x: Any) -> float:
    return 1.0


def wrong_at(*index: int) -> Callable[[Any], Any]:
    """A factor that is 2 at one entry of X, else 1."""
    factor = np.ones_like(X)
    factor[index] = 2.0
    return lambda _x: factor


@pytest.fixture
def rows() -> Iterator[None]:
    """Rows that a test makes leave the table with it."""
    before = set(TABLE)
    yield
    for name in set(TABLE) - before:
        del TABLE[name]


class Point(NamedTuple):
    """A container of two."""

    a: Any
    b: Any


SOUND: list[tuple[Callable[..., Any], Any]] = [
    (np.sin, 0.5),
    (np.sin, np.float32(0.5)),
    (lambda x: np.linalg.inv(x @ x.T), X),
    (lambda x, y: {"out": [x * y, x.sum()], "n": x.shape[0]}, (X, 2.0)),
    (lambda p: Point(p.b * p.a, np.exp(p.a)), Point(X[0], X[1])),
    (lambda x: np.sum(x**3), cr.tensor(X)),
    (lambda z: np.abs(z) ** 2 + np.exp(z) * np.conj(z), X[0] + 1j * X[1]),
    (lambda x: np.abs(np.fft.fft(x)), X[0]),
    (lambda x: x[:0] * 2, X),
    (lambda x: 3.0, X),
    (lambda x: np.sum(x.astype("float32")), X),
    (lambda x: np.log(x), 1e-8 * X),
    (lambda x: 1e9 + x, X),
]


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("case", range(len(SOUND)))
def test_agreement(case: int, order: int) -> None:
    """Right rules pass, of numbers, containers, single precision, complex numbers, no elements."""
    f, primals = SOUND[case]

    report = cr.check_grad(f, primals, order=order)

    assert report.ok
    assert report
    assert report.largest < 1
    assert repr(report).startswith("check_grad: ok")


def test_comparisons_are_made() -> None:
    """Each argument with each result, as often as asked."""
    report = cr.check_grad(lambda x, y: (x * y, x - y, x), (X, X), directions=3)

    assert report.comparisons == 2 * 3 * 3


@pytest.mark.parametrize("wrong", ["forward", "reverse"])
def test_a_wrong_mode_is_named_with_the_entry(rows: None, wrong: str) -> None:
    """The report says which entry, by how much, in which mode, of which argument and result."""
    at = wrong_at(1, 2)
    f = cube("wrong_mode", at if wrong == "forward" else one, at if wrong == "reverse" else one)

    report = cr.check_grad(
        lambda p, s: (p["unused"] + s, [f(p["x"])]),
        ({"unused": 1.0, "x": X}, 2.0),
        raise_on_failure=False,
    )

    assert not report
    (found,) = report.disagreements
    assert (found.argument, found.argument_index) == ("argument 0['x']", (1, 2))
    assert (found.result, found.result_index) == ("result[1][0]", (1, 2))
    assert found.wrong == wrong
    true = 3 * X[1, 2] ** 2
    np.testing.assert_allclose(found.size, true, rtol=1e-6)
    assert found.values[wrong] == pytest.approx(2 * true)
    assert found.values["differences"] == pytest.approx(true)
    text = repr(report)
    assert "argument 0['x'] (entry [1, 2])" in text
    assert "result[1][0] (entry [1, 2])" in text
    assert f"{wrong} mode is wrong" in text


def test_the_entry_is_found_among_many(rows: None) -> None:
    """Halving finds it: the number of evaluations grows with the logarithm."""
    x = np.linspace(1.0, 2.0, 20_000).reshape(100, 200)
    factor = np.ones_like(x)
    factor[71, 13] = 1.5
    f = cube("one_of_many", one, lambda _x: factor)
    calls: list[None] = []

    def g(x: Any) -> Any:
        calls.append(None)
        return f(x)

    report = cr.check_grad(g, x, raise_on_failure=False)

    assert report.disagreements[0].argument_index == (71, 13)
    assert report.disagreements[0].result_index == (71, 13)
    assert len(calls) < 6000


def test_a_rule_wrong_in_both_modes_is_the_differences_to_blame(rows: None) -> None:
    """Forward and reverse agree; the text says what that can mean."""
    f = cube("wrong_rule", wrong_at(0, 1), wrong_at(0, 1))

    with pytest.raises(cr.GradientMismatch, match="a rule is wrong in both modes") as caught:
        cr.check_grad(f, X)

    assert isinstance(caught.value, AssertionError)
    assert caught.value.report.disagreements[0].wrong == "differences"
    assert "test_check_grad.py" in str(caught.value)


def test_three_different_numbers(rows: None) -> None:
    f = cube("wrong_twice", lambda _x: 2.0, lambda _x: 5.0)

    report = cr.check_grad(f, X, raise_on_failure=False)

    assert report.disagreements[0].wrong == "all"
    assert "no two agree" in repr(report)


def test_second_order_finds_what_first_order_cannot(rows: None) -> None:
    """First derivatives are right, and second ones wrong: the rule hides x from the recording."""
    f = cube("wrong_second", one, one, lambda x: 3 * cr.stop_gradient(x) ** 2)

    assert cr.check_grad(f, X)
    report = cr.check_grad(f, X, order=2, raise_on_failure=False)
    assert {d.function for d in report.disagreements} == {"f in forward mode", "f in reverse mode"}
    assert "gradient by argument 0" in repr(report)


def test_one_mode_only(rows: None) -> None:
    """A mode that is known to be wrong, or missing, can be left out."""
    f = cube("wrong_forward", wrong_at(0, 0), one)

    assert cr.check_grad(f, X, modes=("reverse",))
    with pytest.raises(cr.GradientMismatch):
        cr.check_grad(f, X, modes=("forward",))


def test_argnums() -> None:
    """Arguments that are not chosen may be of anything."""
    report = cr.check_grad(lambda n, x, s: x * n if s == "a" else x, (3, X, "a"), argnums=1)

    assert report.comparisons == 2


def test_complex_entries_are_told_apart(rows: None) -> None:
    """Of complex numbers the part is named by which the derivative is wrong."""
    f = cube("wrong_complex", one, lambda x: np.array([1.0, 2.0, 1.0]))

    report = cr.check_grad(f, X[0] + 1j * X[1], raise_on_failure=False)

    assert report.disagreements[0].argument_index == (1,)
    assert report.disagreements[0].part in (" (its imaginary part)", " (its real part)")


def test_complex_step() -> None:
    """Agreement to rounding for analytic functions."""
    report = cr.check_grad(
        lambda x: np.exp(x) / np.sqrt(np.sin(x) ** 3 + np.cos(x) ** 3),
        np.array([0.4, 0.8]),
        method="complex-step",
        rtol=1e-13,
        order=2,
    )

    assert report.ok


def test_complex_step_of_what_takes_none() -> None:
    """Functions that drop the imaginary part, and complex arguments, are refused."""
    with pytest.raises(cr.ArgumentError, match='use method="differences"'):
        cr.check_grad(lambda x: x.real * 2, 1.0, method="complex-step")
    with pytest.raises(cr.ArgumentError, match='use method="differences"'):
        cr.check_grad(lambda x: x * 2, 1.0 + 1j, method="complex-step")


def test_kinks_and_ends_of_the_domain() -> None:
    """At a kink the differences have something else; at an end of the domain they have nothing."""
    kink = cr.check_grad(lambda x: np.where(x > 0, x, 0.0), np.zeros(2), raise_on_failure=False)
    end = cr.check_grad(np.sqrt, 0.0, raise_on_failure=False)

    assert "a kink or a jump" in repr(kink)
    assert "no numbers on both sides" in repr(end)
    assert cr.check_grad(lambda x: np.maximum(x, 0.0), np.zeros(2)), "which has the mean slope"
    assert cr.check_grad(np.sqrt, 1e-7), "steps that leave the domain are passed over"


def test_single_precision_inside_is_noted() -> None:
    report = cr.check_grad(lambda x: x.astype("float32") ** 2, X)

    assert report.notes == ["result of f is of dtype float32: compared with that precision"]


def test_integer_results_are_noted() -> None:
    report = cr.check_grad(lambda x: (x * 2, np.argmax(x)), X)

    assert report.notes == ["result[1] of f is of dtype int64"]
    assert report.comparisons == 2


def test_wrong_dtypes(rows: None) -> None:
    """A rule that widens single precision is reported, though its numbers are right."""
    f = cube("widening", lambda _x: np.ones(3), one)

    report = cr.check_grad(f, X[0].astype(np.float32), raise_on_failure=False)

    assert not report.disagreements
    (problem,) = report.problems
    assert problem.startswith("the tangent of result is float64[3], and result is float32[3]")


def test_random_functions_are_found_out() -> None:
    rng = np.random.default_rng(0)

    report = cr.check_grad(lambda x: x * rng.random(), X, raise_on_failure=False)

    assert "it may be random" in report.problems[0]


@pytest.mark.parametrize("given", [{"modes": ("both",)}, {"modes": ()}, {"method": "complex"}])
def test_unknown_choices(given: dict[str, Any]) -> None:
    with pytest.raises(cr.ArgumentError, match="it takes"):
        cr.check_grad(np.sin, 1.0, **given)


def test_integer_arguments() -> None:
    with pytest.raises(cr.DtypeError, match=r"check_grad: .* integers"):
        cr.check_grad(np.sin, 1)
