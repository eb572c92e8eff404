"""How compiled programs go through memory: copies made and left out, tiles, short vectors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.rewrite.tiling import FEWEST, MOST, tile_of

RNG = np.random.default_rng(0)


def check(function: Any, *args: Any) -> Any:
    """Compare a function and its gradient with eager ones; the gradient's program."""
    for f in (function, cr.grad(function)):
        np.testing.assert_allclose(cr.jit(f)(*args), f(*args), rtol=1e-9, atol=1e-9)
    return cr.jit(cr.grad(function)).lower(*args)


# --- elements that are read in large steps --------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("shapes", [((40, 5), (30, 5)), ((9, 16), (17, 16)), ((8, 3), (4, 3))])
def test_what_is_read_in_steps_again_and_again_is_copied(shapes: Any, dtype: Any) -> None:
    """Distances between all pairs, of which the last axis is written out."""
    a, b = (RNG.random(s).astype(dtype) for s in shapes)

    def distances(a: Any, b: Any) -> Any:
        return np.sqrt(np.sum((a[:, None, :] - b) ** 2, axis=-1))

    compiled = cr.jit(distances)
    rtol = 1e-12 if dtype == np.float64 else 1e-5
    np.testing.assert_allclose(compiled(a, b), distances(a, b), rtol=rtol)
    copies = "packed" in {
        x.value.op for x in compiled.lower(a, b).program.temporaries if x.value.op == "packed"
    }
    assert copies == (shapes[1][0] >= 16)  # fewer pairs are written out


def test_copies_follow_a_carry_that_changes() -> None:
    """What a loop changes in place is copied again in each turn."""

    def walk(x: Any, y: Any) -> Any:
        def step(_: Any, x: Any) -> Any:
            d = np.sum((y[:, None, :] - x) ** 2, axis=-1)
            return x + 0.01 * np.sum(np.exp(-d), axis=0)[:, None]

        return np.sum(cr.fori_loop(0, 5, step, x) ** 2)

    check(walk, RNG.random((20, 6)), RNG.random((30, 6)))


# --- pieces of concatenations ---------------------------------------------------------------------


def test_pieces_are_computed_where_they_end() -> None:
    """A transposed matrix in the middle of a vector: no step but the ones that compute."""

    def joined(x: Any, b: Any) -> Any:
        m = np.exp(x)
        return np.concatenate([b, m.T.reshape(-1), [1.0], (m * m).reshape(-1)])

    x, b = RNG.random((20, 30)), RNG.random(7)
    compiled = cr.jit(joined)
    np.testing.assert_allclose(compiled(x, b), joined(x, b), rtol=1e-14)


def test_a_piece_over_something_else_waits_for_it() -> None:
    """An assignment into a copy: what is beneath is written first."""

    def assigned(x: Any, b: Any) -> Any:
        t = np.exp(x)
        s = np.sum(t)
        z = b * s
        z[3 : 3 + len(x)] = t
        return z, s, z[::2] * 2

    x, b = RNG.random(100), RNG.random(150)
    for ours, theirs in zip(cr.jit(assigned)(x, b), assigned(x, b), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-14)


def test_pieces_that_others_need() -> None:
    """A piece that a library and NumPy read stays where it is."""

    def several(x: Any) -> Any:
        m = np.exp(x)
        return np.concatenate([m.reshape(-1), np.cumsum(m)]), m @ m, np.sum(m.T.reshape(-1)[3:9])

    x = RNG.random((40, 40))
    for ours, theirs in zip(cr.jit(several)(x), several(x), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12)


# --- loops tile by tile ---------------------------------------------------------------------------


def clenshaw(coefficients: Any, t: Any) -> Any:
    """A sum of Chebyshev polynomials at many places, by Clenshaw's recurrence."""
    b1, b2 = np.zeros(len(t)), np.zeros(len(t))
    for k in range(len(coefficients)):
        b1, b2 = coefficients[k] + 2 * t * b1 - b2, b1
    return np.sum((b1 - t * b2 - np.abs(t)) ** 2)


def logistic(start: Any, rate: Any) -> Any:
    """A map that is applied again and again to each of many numbers."""

    def step(x: Any, r: Any) -> Any:
        x = r * x * (1 - x)
        return x, np.sum(x)

    x, totals = cr.scan(step, start, rate)
    return np.mean(x) + np.sum(totals**2)


def planes(x: Any, w: Any) -> Any:
    """Elements with components of their own."""

    def step(_: Any, x: Any) -> Any:
        return np.tanh(x * w[:, None]) + 0.1 * np.sum(x, axis=1, keepdims=True)

    return np.sum(cr.fori_loop(0, 40, step, x))


def mixed(x: Any) -> Any:
    """Every element depends on all: no tiles."""

    def step(_: Any, x: Any) -> Any:
        return x / np.sum(x) + np.roll(x, 1)

    return np.sum(cr.fori_loop(0, 20, step, x) ** 2)


@pytest.mark.parametrize("count", [1024, 1000, 4099, 520])
@pytest.mark.parametrize("argument", [0, 1])
def test_recurrences_of_single_elements_are_tiled(count: int, argument: int) -> None:
    """Values and gradients by both arguments, with and without a rest."""
    t = np.linspace(-0.99, 0.99, count)
    c = RNG.standard_normal(40) / 40
    f = (lambda c: clenshaw(c, t)) if argument == 0 else (lambda t: clenshaw(c, t))
    program = check(f, c if argument == 0 else t)
    assert "scan" in program.report()
    if argument == 0 and count > 4096:
        assert program.report().count("scan of") >= 3  # one over tiles, two inside


def test_sums_in_each_turn() -> None:
    """Sums over all elements in each turn are put together from the tiles."""
    check(lambda x: logistic(x, np.linspace(3, 3.5, 30)), RNG.random(2000))
    check(lambda r: logistic(np.linspace(0.1, 0.9, 1111), r), np.linspace(3, 3.5, 30))


def test_what_cannot_be_tiled_is_left_alone() -> None:
    """Elements that see others; components of elements do not matter."""
    check(mixed, RNG.random(3000))
    check(lambda x: planes(x, np.linspace(0.5, 1, 700)), RNG.random((700, 3)))
    check(lambda w: planes(np.ones((700, 3)), w), RNG.random(700))


def test_long_constants_are_not_made_beforehand() -> None:
    """The powers that a recurrence goes through are not held by the compiled program."""
    t = np.linspace(-1, 1, 5000)

    def fit(x: Any) -> Any:
        residual, power = np.sign(t), np.ones(5000)
        for j in range(50):
            residual, power = residual - x[j] * power, power * t
        return np.sum(residual**2)

    program = check(fit, RNG.random(50))
    held = [b.nbytes for p in program.program.programs() for b in p.constants]
    assert max(held, default=0) <= t.nbytes


@pytest.mark.parametrize("count", [512, 1024, 16392, 10007])
@pytest.mark.parametrize("each", [8, 1024, 1 << 20])
def test_size_of_tiles(count: int, each: int) -> None:
    """Tiles are whole vectors, as many elements as a cache holds."""
    size = tile_of(count, each)
    assert size % 8 == 0
    assert FEWEST // 2 <= size <= MOST


# --- short vectors --------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 3, 7, 8, 9, 14, 16, 17, 33])
def test_recurrences_of_short_vectors(n: int) -> None:
    """A recurrent cell on vectors that are one machine vector or a few."""
    w = RNG.standard_normal((4, n)) * 0.5
    xs = RNG.standard_normal((12, n))

    def cell(w: Any) -> Any:
        def step(h: Any, x: Any) -> Any:
            gate = 1 / (1 + np.exp(-(w[0] * x + w[1] * h)))
            h = gate * np.tanh(w[2] * h + w[3]) + x / (1 + np.sum(np.exp(h)))
            return h, h[0] * np.max(h)

        h, ys = cr.scan(step, np.zeros(n), xs)
        return np.sum(h * h) + np.sum(ys)

    check(cell, w)


# --- static arguments -----------------------------------------------------------------------------


def test_static_arguments_are_told_apart() -> None:
    """By value and type, in calls after the first too; one without a hash is an error."""
    f = cr.jit(lambda x, n, y: x * n + y / n, static=1)
    for _ in range(3):
        assert f(2.0, 2, 3.0) == 5.5
        assert f(2.0, 4, 3.0) == 8.75
        assert f(np.ones(2), 2, 0.0).tolist() == [2.0, 2.0]
        with pytest.raises(cr.DtypeError, match="hashable"):
            f(np.ones(2), [2], 0.0)


def test_tiles_come_before_segments() -> None:
    """A tape that is too large for a cache is small enough in tiles, and no turn is run again."""
    n, turns = 16384, 128

    def residual(x: Any) -> Any:
        t = np.linspace(-1.0, 1.0, n)
        left, power = np.sign(t), np.ones(n)
        for j in range(len(x)):
            left = left - x[j] * power
            power = power * t
        return np.sum(left**2) / 2

    compiled = check(residual, RNG.standard_normal(turns))
    assert sum(p.arena for p in compiled.program.programs()) < turns * n


def test_an_array_is_filled_before_its_pieces_are_computed() -> None:
    """Kernels that share rows are not run before a kernel that writes where they do."""

    def rosenbrock(x: Any) -> Any:
        return np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)

    for n in (5, 40, 100):
        x = RNG.random(n)
        hessian = cr.hessian(rosenbrock)
        np.testing.assert_allclose(cr.jit(hessian)(x), hessian(x), rtol=1e-12, atol=1e-10)


@pytest.mark.parametrize("shape", [(30, 30), (30, 6, 5), (7, 40), (40, 7)])
@pytest.mark.parametrize("index", [np.s_[:], np.s_[:, 2:], np.s_[1:], np.s_[::-1], np.s_[:, ::2]])
def test_constant_diagonals_are_computed(shape: Any, index: Any) -> None:
    """Unit vectors and what comes of them, their rows and columns cut, and what is not diagonal."""
    rows, columns = shape[0], int(np.prod(shape[1:]))
    for offset in (0, 3, -2):
        for on, off in ((1.0, 0.0), (2.5, -0.0), (np.nan, 1.0)):
            plain = np.where(np.eye(rows, columns, offset) == 1, on, off).reshape(shape)
            spoiled = plain.copy()
            spoiled[(2,) * len(shape)] = 7.0
            for c in (plain, spoiled):

                def f(x: Any, c: Any = c) -> Any:
                    return c[index] * x, x / (c[index] + 0.0)

                x = RNG.random(plain[index].shape)
                with np.errstate(all="ignore"):
                    for ours, theirs in zip(cr.jit(f)(x), f(x), strict=True):
                        np.testing.assert_array_equal(ours, theirs)


def test_unit_vectors_are_not_kept() -> None:
    """The Jacobian of an elementwise function needs no constant as large as itself: where its
    entries lie, at most.
    """
    x = RNG.random(200)
    program = cr.jit(cr.jacobian(lambda x: x[1:] * np.sin(x[:-1]))).lower(x)
    assert sum(b.size for b in program.program.constants) <= 2 * x.size


@pytest.mark.parametrize("dtype", ["f8", "f4", "i4", "b1"])
def test_extremes_of_rows_of_every_length(dtype: str) -> None:
    """What is left over of a row is taken together with elements that were seen already."""
    for n in (*range(1, 70), 127, 131, 300):
        x = (RNG.standard_normal((5, n)) * 9).astype(dtype)

        def f(x: Any) -> Any:
            return np.max(x, axis=1), np.min(x, axis=1), np.all(x < 0, axis=1), np.any(x > 15, 1)

        for ours, theirs in zip(cr.jit(f)(x), f(x), strict=True):
            np.testing.assert_array_equal(ours, theirs)


# --- temporaries that lie in results --------------------------------------------------------------


def agree(got: Any, want: Any) -> None:
    """Compare results, one or several."""
    several = isinstance(want, tuple)
    for a, b in zip(got if several else (got,), want if several else (want,), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-14)


def softmax(x: Any) -> Any:
    e = np.exp(x - np.max(x))
    return e / np.sum(e)


def standardized(x: Any) -> Any:
    y = np.exp(x) - np.sum(np.exp(x)) / x.size
    return (y * (1 / np.sqrt(np.sum(y * y)))) ** 3


def three_passes(x: Any) -> Any:
    """One temporary after the other, in the same place."""
    for _ in range(3):
        x = np.sin(x) / np.sum(np.sin(x) ** 2)
    return x


def of_two(x: Any) -> Any:
    """Results that both read what is stored: one of them can have its place."""
    e = np.exp(x)
    return e / np.sum(e), e * np.sum(e * x)


@pytest.mark.parametrize("shape", [(4096,), (5003,), (67, 89)])
@pytest.mark.parametrize("function", [softmax, standardized, three_passes, of_two])
def test_what_is_read_for_the_last_time_lies_in_the_result(function: Any, shape: Any) -> None:
    """No temporary is as large as the data."""
    x = RNG.random(shape)
    compiled = cr.jit(function)
    agree(compiled(x), function(x))
    assert compiled.lower(x).program.arena < x.nbytes / 2


def reversed_twice(x: Any) -> Any:
    e = np.exp(x)
    return e[::-1] * np.sum(e)


def shifted(x: Any) -> Any:
    e = np.exp(x)
    return np.sum(e) * e - np.roll(e, 1)


def kept_on(x: Any) -> Any:
    """Read once more after the result is there."""
    e = np.exp(x)
    y = e * np.sum(e)
    return y, np.sum(y[::-1] * e)


@pytest.mark.parametrize("function", [reversed_twice, shifted, kept_on])
def test_what_is_read_elsewhere_stays_where_it_is(function: Any) -> None:
    x = RNG.random(5003)
    compiled = cr.jit(function)
    agree(compiled(x), function(x))
    assert compiled.lower(x).program.arena >= x.nbytes
