# ruff: noqa: B007, B018, B023, B905, C416, FURB171, PERF401, PLC0206, PLC3002, PLW0603, RET503, RET504
"""Functions for the tests of rewriting: (function, arguments to call it with), one construct each.

Those of TRACEABLE can be given traced numbers as well, and have the same results.
"""

from __future__ import annotations

import contextlib
import functools
import operator
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

CALLS: list[tuple[Any, tuple[Any, ...]]] = []
TRACEABLE: list[tuple[Any, tuple[Any, ...]]] = []


def case(*calls: tuple[Any, ...], traced: bool = True) -> Any:
    """Note a function with arguments to try."""

    def note(function: Any) -> Any:
        for args in calls:
            CALLS.append((function, args))
            if traced:
                TRACEABLE.append((function, args))
        return function

    return note


ONE = ((0,), (1,), (-2,), (5,))

# --- branches ---------------------------------------------------------------------------------


@case(*ONE)
def if_else(x):
    if x > 0:
        y = x * 2
    else:
        y = -x
    return y


@case(*ONE)
def if_without_else(x):
    y = 1
    if x > 0:
        y = x * 2
    return y + x


@case(*ONE)
def elif_chain(x):
    if x < -1:
        y = 10
    elif x < 1:
        y = 20
    elif x < 3:
        y = 30
    else:
        y = 40
    return y


@case(*ONE)
def early_return(x):
    if x > 3:
        return x * 100
    y = x + 1
    if y < 0:
        return y
    return y * y


@case(*ONE)
def early_return_nested(x):
    if x > 0:
        if x > 3:
            return 7
        x = x + 10
    return x


@case(*ONE)
def returns_in_all_branches(x):
    if x > 0:
        if x > 3:
            return 1
        return 2
    if x == 0:
        return 3
    return 4


@case(*ONE, traced=False)
def returns_nothing_at_the_end(x):
    if x > 0:
        return x


@case(*ONE)
def several_variables(x):
    a, b = 1, 2
    if x > 0:
        a, b = b, a + x
    else:
        b = a
        a -= x
    return a * 10 + b


@case(*ONE)
def temporary_in_a_branch(x):
    out = 0
    if x > 0:
        t = x * 3
        out = t + 1
    else:
        t = (x, x)
        out = t[0] + t[1]
    return out


@case(*ONE, traced=False)
def bound_in_one_branch(x):
    if x > 0:
        y = 5
    return y


@case(*ONE)
def containers(x):
    state = {"a": x, "b": (x, [1, 2])}
    if x > 0:
        state = {"a": x + 1, "b": (x * 2, [3, x])}
    return state["a"] + state["b"][0] + sum(state["b"][1])


@case(*ONE)
def stores_in_containers(x):
    values, kept = [1, 2, 3], {"a": 1}
    other = values
    if x > 0:
        values[0] = x
        kept["a"] += x
    else:
        values[1] += x
    return other[0] * 100 + other[1] * 10 + kept["a"]


@case(*ONE)
def static_stays(x):
    name = "linear"
    f = operator.add
    if x > 0:
        name = "linear"
        x = f(x, 1)
    return x if name == "linear" else 0


@case(*ONE)
def if_on_a_constant(x, flag=True):
    if flag:
        x = x + 1
    if None:
        return 5
    return x


# --- conditions -------------------------------------------------------------------------------


@case(*ONE)
def and_or_not(x):
    y = 0
    if x > 0 and x < 4:
        y += 1
    if x < 0 or x > 4:
        y += 10
    if not x > 1:
        y += 100
    if not (x > 0 and x != 3) or x == 5:
        y += 1000
    return y


@case(*ONE, traced=False)
def and_or_give_operands(x):
    return (x and "yes", x or "no", (x and x + 1) or [], not x)


@case(*ONE)
def comparison_chain(x):
    y = 0
    if -1 <= x < 2:
        y = 1
    if -3 < x <= 0 != 7:
        y += 10
    return y


@case(*ONE)
def conditional_expression(x):
    y = x * 2 if x > 0 else -x
    return (1 if y > 3 else 2) + (y if x else 0)


@case(*ONE)
def membership(x):
    return 1 if x in (0, 5) else 2 if x not in [1] else 3


@case(*ONE, traced=False)
def evaluation_order(x):
    seen = []

    def note(v):
        seen.append(v)
        return v

    r = (note(x) < note(2) < note(3) and note(0)) or note(1)
    s = note(7) if note(x) else note(8)
    return seen, r, s


@case(*ONE, traced=False)
def walrus(x):
    y = 0
    if (n := x + 1) > 1 and (m := n * 2) > 3:
        y = n + m
    while (n := n - 1) > 0:
        y += n
    return y, n, [k := v for v in range(3)], k


@case(*ONE, traced=False)
def is_and_in(x):
    y = None
    if y is None and x is not None and "a" in {"a": 1} and x not in {7: 1}:
        return 1
    return 2


# --- loops ------------------------------------------------------------------------------------


@case(*ONE)
def for_range(x):
    s = 0
    for i in range(x):
        s = s + i * i
    return s


@case((0, 10, 3), (10, 0, -3), (3, 3, 1), (0, -5, -1), (0, -5, 2))
def for_range_steps(a, b, step):
    s = 1
    for i in range(a, b, step):
        s = s * 3 + i
    return s


@case(*ONE)
def for_over_a_tuple(x):
    s = 0
    for v in (x, 2, 3):
        s += v * x
    return s


@case(*ONE)
def while_loop(x):
    n = 0
    while x < 20:
        x = x * 2 + 3
        n += 1
    return x + n * 100


@case(*ONE)
def while_true_break(x):
    while True:
        x = x + 1
        if x > 7:
            break
    return x


@case(*ONE)
def break_and_continue(x):
    s = 0
    for i in range(10):
        if i == x:
            continue
        if s > 20:
            break
        s += i
    return s


@case(*ONE)
def for_traced_break(x):
    s = 0
    for i in range(x):
        if i == 3:
            break
        s += i + 1
    return s


@case(*ONE)
def loop_else(x):
    r = 0
    for i in range(4):
        if i == x:
            r = 10
            break
    else:
        r = 20
    while r > 15:
        r -= 1
        if r == x:
            break
    else:
        r += 100
    return r


@case(*ONE)
def return_in_a_loop(x):
    for i in range(10):
        if i * i > x:
            return i
    return -1


@case(*ONE)
def return_in_nested_loops(x):
    for i in range(4):
        for j in range(4):
            if i * j == x:
                return i * 10 + j
    return -1


@case(*ONE)
def nested_loops(x):
    s = 0
    for i in range(3):
        for j in range(i, x):
            if (i + j) % 2 == 0:
                continue
            s += i * j
        s += 1
    return s


@case(*ONE)
def fibonacci(x):
    a, b = 0, 1
    for _ in range(x):
        a, b = b, a + b
    return a


@case(*ONE)
def collatz(x):
    n, steps = x * x + 1, 0
    while n != 1:
        if n % 2 == 0:
            n = n // 2
        else:
            n = 3 * n + 1
        steps += 1
    return steps


@case((12, 18), (7, 5), (0, 3), (3, 0))
def gcd(a, b):
    while b:
        a, b = b, a % b
    return a


@case(*ONE)
def newton(x):
    r = x * x + 1.0
    for _ in range(50):
        new = 0.5 * (r + (x * x + 1.0) / r)
        if abs(new - r) < 1e-12:
            break
        r = new
    return r


@case(*ONE)
def loop_variable_after(x):
    i = 100
    for i in range(x):
        pass
    return i


@case(*ONE)
def enumerate_zip_reversed(x):
    s = 0
    for i, (a, b) in enumerate(zip([1, 2, x], (4, 5, 6))):
        s += i * a * b
    for k, v in enumerate(reversed([x, 2]), 1):
        s = s * 2 + k * v
    return s


@case(*ONE)
def enumerate_range(x):
    s = 0
    for k, i in enumerate(range(x), 5):
        s += k * i
    for i in reversed(range(x)):
        s = 2 * s + i
    for i, j in zip(range(x), range(2, 2 + x)):
        s = 3 * s + i * j
    return s


@case(*ONE)
def temporary_in_a_loop(x):
    s = 0
    for i in range(4):
        t = i * x
        if t > 2:
            u = t * t
            s += u
    return s


@case(*ONE)
def loop_over_changing_list(x):
    values = [0, 0, 0]
    for i in range(3):
        values[i] = x + i
        if values[i] > 1:
            values[0] += 1
    return values[0] * 100 + values[1] * 10 + values[2]


@case(*ONE, traced=False)
def list_that_grows(x):
    out = []
    for i in range(x):
        if i % 2:
            out.append(i)
        else:
            out += [i, i]
    return out


@case(*ONE)
def list_that_grows_in_a_plain_loop(x):
    out = []
    for i in range(3):
        out.append(x * i)
    return out[0] + out[1] * out[2]


@case(*ONE, traced=False)
def comprehensions(x):
    i = 50
    a = [i * x for i in range(4) if i % 2]
    b = {k: v for k, v in zip("ab", a)}
    c = {i for i in a}
    return a, b, c, sum(i for i in a), i, [[j for j in range(i)] for i in range(3)]


@case(*ONE, traced=False)
def while_with_del(x):
    n, t = 3, x
    while n:
        t = n
        del t
        t = n * 2
        n -= 1
    if x > 0:
        del t
    return t


# --- functions --------------------------------------------------------------------------------


@case(*ONE)
def nested_function(x):
    def square_or_zero(v):
        if v > 0:
            return v * v
        return 0

    s = 0
    for i in range(3):
        s += square_or_zero(x - i)
    return s


@case(*ONE)
def late_binding(x):
    scale = 1

    def f(v):
        return v * scale

    scale = 5
    y = f(x)
    if x > 0:
        scale = 7
    else:
        scale = 9
    return y + f(1)


@case(*ONE)
def nonlocal_counter(x):
    count = 0

    def bump(by):
        nonlocal count
        count += by

    for i in range(3):
        if x > i:
            bump(x)
    return count


@case(*ONE, traced=False)
def closures_in_a_loop(x):
    fs = []
    for i in range(3):
        fs.append(lambda v, i=i: v + i)
        fs.append(lambda v: v * i)
    return [f(x) for f in fs]


@case(*ONE)
def lambdas(x):
    f = lambda v: v * 2 if v > 0 else -v  # noqa: E731
    return f(x) + (lambda a, b=3: a and b)(x)


def _clipped(x, low=0, *, high=3):
    if x < low:
        return low
    if x > high:
        return high
    return x


@case(*ONE)
def calls_another(x):
    return _clipped(x) + _clipped(x, -1, high=10) * 100


@case(*ONE)
def star_args(x):
    def total(*args, first=0, **more):
        s = first
        for a in args:
            s += a
        for k in more:
            s += more[k]
        return s

    args, kwargs = (x, 1), {"first": 2, "z": x}
    return total(*args, 5, **kwargs)


def _power(x, n):
    if n == 0:
        return 1
    if n % 2:
        return x * _power(x, n - 1)
    half = _power(x, n // 2)
    return half * half


@case(*ONE)
def recursion(x):
    return _power(x, 5)


@case(*ONE)
def partials_and_maps(x):
    f = functools.partial(_clipped, low=1)
    return sum(map(_clipped, [x, 1, 2])) + f(x) + functools.reduce(_larger, [1, x, 3])


def _larger(a, b):
    if a > b:
        return a
    return b


@case(*ONE)
def builtins_of_numbers(x):
    return max(x, 1, 2) * 100 + min(x, 3) + abs(x) + int(float(x) * 1.5) + (1 if bool(x) else 0)


@case(*ONE)
def any_and_all(x):
    return (1 if any([x > 0, x < -1]) else 2) + (10 if all([x > 0, x < 4]) else 20)


@case(*ONE, traced=False)
def generator_inside(x):
    def numbers(n):
        for i in range(n):
            if i == 2:
                continue
            yield i * x
        return

    return list(numbers(5)), sum(v for v in numbers(3))


@case(*ONE, traced=False)
def defaults_evaluated_once(x):
    def f(v, seen=[]):  # noqa: B006
        seen.append(v)
        return len(seen)

    for _ in range(3):
        n = f(x)
    return n


# --- classes ----------------------------------------------------------------------------------


class Base:
    """With a method to be overridden."""

    def __init__(self, x):
        self.x = x
        self.__hidden = x * 2

    def value(self):
        if self.x > 0:
            return self.x
        return -self.__hidden

    def __call__(self, y):
        return self.value() + y


class Derived(Base):
    """Which overrides it."""

    def value(self):
        r = 1
        if self.x > 1:
            r = super().value() * 2
        else:
            r = r + super().value()
        return r

    @property
    def half(self):
        return self.x / 2

    @staticmethod
    def twice(x):
        return 2 * x

    @classmethod
    def made(cls, x):
        return cls(x + 1)


@case(*ONE)
def methods(x):
    d = Derived(x)
    return d.value() + d(3) * 10 + Derived.made(x).value() + d.half + d.twice(x)


@case(*ONE)
def attributes_in_branches(x):
    d = Base(x)
    d.count = 0
    for i in range(3):
        d.count += i
        if d.x > i:
            d.x = d.x - 1
            d.count += 10
    return d.count * 100 + d.x


@dataclass
class Point:
    """Two numbers."""

    a: Any
    b: Any


@case(*ONE)
def dataclasses_as_state(x):
    p = Point(x, 1)
    if x > 0:
        p = Point(p.b, p.a)
    for i in range(3):
        p = Point(p.a + p.b, i)
    return p.a * 10 + p.b


@case(*ONE, traced=False)
def class_inside(x):
    class Inner:
        y = x

        def get(self, flag=True):
            if flag:
                return self.y + x
            return 0

    return Inner().get() + Inner().get(False)


# --- statements around ------------------------------------------------------------------------


@case(*ONE)
def with_statement(x):
    y = 0
    with contextlib.nullcontext(3) as c:
        if x > 0:
            y = c
        else:
            y = x
    return y


@case(*ONE, traced=False)
def return_in_with(x):
    seen = []
    with _noting(seen):
        for i in range(3):
            with _noting(seen):
                if i == x:
                    return seen, i
                if i > 1:
                    continue
    return seen


@contextlib.contextmanager
def _noting(seen: list[Any]) -> Iterator[None]:
    seen.append("in")
    yield
    seen.append("out")


@case(*ONE, traced=False)
def suppressed(x):
    with contextlib.suppress(ZeroDivisionError):
        return 1 / x
    return "suppressed"


@case(*ONE, traced=False)
def try_statement(x):
    seen = []
    for i in range(3):
        try:
            seen.append(i)
            if i == x:
                break
            if x < 0:
                raise KeyError(i)
            y = 1 / (x - 5)
        except KeyError as e:
            seen.append(e.args[0])
            continue
        except ZeroDivisionError:
            return seen
        else:
            seen.append(y)
        finally:
            seen.append("f")
    return seen


@case(*ONE)
def try_finally(x):
    y = 1
    try:
        if x > 0:
            y = x
    finally:
        y = y * 2
    return y


@case(*ONE, traced=False)
def finally_that_jumps(x):
    for i in range(3):
        try:
            if i == x:
                return "lost"
        finally:
            if i > 0:
                break  # noqa: B012
    return i


@case(*ONE, traced=False)
def match_statement(x):
    match (x, [x, 2, 3]):
        case (0, _):
            return "zero"
        case (n, [a, *rest]) if n > 1:
            r = (n, a, rest)
        case (n, {"k": v, **others}):
            r = v, others
        case _ as whole:
            r = whole
    return r


@case(*ONE, traced=False)
def imports_inside(x):
    if x > 0:
        import math as m
        from os.path import join
    else:
        m, join = None, "".join
    return m and m.pi, join("a", "b") if x > 0 else join(["a"])


COUNTER = 0


@case(*ONE, traced=False)
def global_write(x):
    global COUNTER
    COUNTER = 0
    for i in range(3):
        if i < x:
            COUNTER += i
    return COUNTER


@case(*ONE, traced=False)
def raises(x):
    if x > 3:
        raise ValueError(f"{x}")
    for i in range(3):
        if i == x:
            y = 1 / (i - x)
            return y
    assert x >= 0, f"negative {x}"
    return x


@case(*ONE, traced=False)
def raises_deep(x):
    def inner(v):
        while v < 3:
            if v == 2:
                return {}[v]
            v += 1
        return v

    return inner(x)


@case(*ONE, traced=False)
def f_strings(x):
    return f"{x if x > 0 else -x:>5} {[i for i in range(3)]!r} {x=}"


@case(*ONE, traced=False)
def locals_inside(x):
    y = 1
    if x > 0:
        y = 2
    return sorted(locals().items())


@case(*ONE)
def annotated(x):
    y: int = 1
    z: float
    if x > 0:
        y: int = x
        z = 2.0
    else:
        z = 3.0
    return y * z


@case(*ONE)
def starred_assignment(x):
    first, *rest = [x, 1, 2]
    if x > 0:
        first, *rest = [1, x, x]
    return first * 100 + sum(rest)


@case(*ONE)
def swap_in_list(x):
    v = [3, x, 2]
    for i in range(3):
        for j in range(2 - i):
            if v[j] > v[j + 1]:
                v[j], v[j + 1] = v[j + 1], v[j]
    return v[0] * 100 + v[1] * 10 + v[2]


@case(*ONE)
def changed_by_a_call(x):
    values = [1, 2]
    for i in range(2):
        if x > i:
            _bump(values, i, x)
    return values[0] * 10 + values[1]


def _bump(values, i, by):
    values[i] += by


@case(*ONE)
def docstring_and_expression(x):
    """A docstring."""
    x
    return x
