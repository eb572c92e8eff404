"""`check_grad`: forward mode, reverse mode and numbers without rules must agree.

For one argument and one result at a time, the derivative J is compared as <c, J t> for random
directions t and cotangents c. Where the three differ, t and c are halved until one entry of the
Jacobian is left that shows the difference.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from chainrule.errors import ArgumentError, at, user_line
from chainrule.graph.node import Spec, Variable
from chainrule.ops.recording import zeros_like
from chainrule.record.trees import Structure, leaf_names
from chainrule.transforms.arguments import Argnums, Chosen, as_operand, results_of
from chainrule.transforms.gradient_report import (
    MODES,
    Disagreement,
    GradientMismatch,
    GradientReport,
    spread,
)
from chainrule.transforms.jvp import jvp
from chainrule.transforms.numerical import complex_step, differences, wide
from chainrule.transforms.vjp import vjp

METHODS = ("differences", "complex-step")
FEW = 32
"""Entries are looked at one by one once this many are left."""


def check_grad(
    f: Callable[..., Any],
    primals: Any,
    *,
    argnums: Argnums = None,
    order: int = 1,
    modes: Sequence[str] = MODES,
    method: str = "differences",
    step: float | None = None,
    rtol: float | None = None,
    atol: float | None = None,
    directions: int = 2,
    seed: int = 0,
    raise_on_failure: bool = True,
) -> GradientReport:
    """Compare f's derivatives in forward mode, in reverse mode, and by numbers without any rule.

    `primals` is the tuple of f's arguments (or the one argument), as for `cr.jvp`; arguments and
    results may be containers. `argnums` says by which arguments, by default all. With `order=2`
    the derivatives of both modes' derivatives are compared as well, which covers all four ways of
    nesting them, and so on. A function with a rule for one mode only (`cr.custom_vjp`) is checked
    with `modes=("reverse",)`.

    `method` is "differences" (central, extrapolated to step zero; `step` is the first step, in
    units of the argument's largest entry) or "complex-step", which is exact to rounding for
    analytic functions whose program takes complex numbers. Arguments in single precision are
    compared with differences in double precision where f computes in it.

    Differences may be off by `atol + rtol * size`, where `size` is the norm of the terms that were
    summed; the two modes, which differ by rounding only, by `atol * (1 + size)`. By default
    `rtol = eps**(3/8)` (1.3e-6 for float64, 2.5e-3 for float32) and `atol = sqrt(eps)`, with the
    eps of the least precise dtype of arguments and results.

    Returns a `GradientReport`, which is true where all agreed. Where they do not, the report names
    the argument, the result, the entry, each mode's number and the mode that is wrong, and
    GradientMismatch (an AssertionError) is raised with it unless `raise_on_failure` is False. The
    dtypes and shapes of derivatives are checked as well, and that f's value is the same while it
    is differentiated.

    >>> cr.check_grad(lambda x: np.sin(x).sum(), np.array([0.0, 1.0]))
    check_grad: ok, 2 comparisons, the largest difference ... times the tolerance
    >>> bool(cr.check_grad(lambda x, y: {"xy": x * y}, (2.0, np.ones(3)), order=2))
    True
    """
    _check_choice("modes", modes, MODES)
    _check_choice("method", (method,), METHODS)
    if argnums is None and type(primals) is tuple:
        argnums = tuple(range(len(primals)))
    args = primals if type(primals) is tuple else (primals,)
    chosen = Chosen("check_grad", args, {}, argnums)
    names = leaf_names(chosen.parts, [f"argument {p}" for p in chosen.places])
    report = GradientReport()
    options = _Options(
        tuple(modes), method, step, rtol, atol, directions, np.random.default_rng(seed), report
    )
    structure: list[Structure] = []

    def flat(*leaves: Any) -> list[Any]:
        tensors = [chosen.tensor(as_operand(v)) for v in leaves]
        out = chosen.call(f, tensors)
        found, nested = results_of("check_grad", out, chosen.cls)
        structure[:] = [nested]
        return found

    x = [np.asarray(v._value if isinstance(v, Variable) else v) for v in chosen.leaves]
    _check_order("f", flat, x, names, lambda: leaf_names(structure[0], "result"), order, options)
    if raise_on_failure and not report.ok:
        raise GradientMismatch(report)
    return report


@dataclasses.dataclass(frozen=True)
class _Options:
    modes: tuple[str, ...]
    method: str
    step: float | None
    rtol: float | None
    atol: float | None
    directions: int
    rng: np.random.Generator
    report: GradientReport


def _check_choice(name: str, given: Sequence[str], known: Sequence[str]) -> None:
    wrong = [g for g in given if g not in known]
    if wrong or not given or isinstance(given, str):
        raise ArgumentError(
            f"check_grad: {name}={given!r}; it takes {' or '.join(map(repr, known))}"
            + at(user_line())
        )


def _check_order(
    title: str,
    flat: Callable[..., list[Any]],
    x: Sequence[Any],
    names: Sequence[str],
    results: Callable[[], list[str]],
    order: int,
    options: _Options,
) -> None:
    """Check a function of leaves, and the derivatives that modes give of it."""
    check = _Check(title, flat, x, names, results, options)
    check.run()
    if order <= 1:
        return
    cts = [check.random(y) if y.dtype.kind in "fc" else zeros_like(y) for y in check.value]
    tangents = [check.random(v) for v in x]

    def forward(*leaves: Any) -> list[Any]:
        return jvp(flat, leaves, tuple(tangents))[1]

    def reverse(*leaves: Any) -> list[Any]:
        return list(vjp(flat, *leaves)[1](cts))

    tangent_names = [f"tangent of {n}" for n in check.results]
    gradient_names = [f"gradient by {n}" for n in names]
    for mode, derivative, named in (
        ("forward", forward, tangent_names),
        ("reverse", reverse, gradient_names),
    ):
        if mode in options.modes:
            of = f"{title} in {mode} mode"
            _check_order(of, derivative, x, names, named.copy, order - 1, options)


class _Check:
    """A function of leaves at a point, and its derivative as each mode gives it."""

    def __init__(
        self,
        title: str,
        flat: Callable[..., list[Any]],
        x: Sequence[Any],
        names: Sequence[str],
        results: Callable[[], list[str]],
        options: _Options,
    ) -> None:
        self.title, self.flat, self.x, self.names, self.options = title, flat, x, names, options
        self.report, self.rng = options.report, options.rng
        self.value = [_plain(y) for y in flat(*x)]
        self.results = results()
        self.scale = [float(np.max(np.abs(v), initial=0)) or 1.0 for v in x]
        kinds = [np.asarray(v).dtype for v in (*x, *self.value)]
        eps = max((float(np.finfo(d).eps) for d in kinds if d.kind in "fc"), default=1e-16)
        self.eps = eps
        self.rtol = eps ** (3 / 8) if options.rtol is None else options.rtol
        self.atol = eps**0.5 if options.atol is None else options.atol

    def random(self, like: Any) -> Any:
        """A random direction of a value's shape and dtype."""
        draw = self.rng.standard_normal(like.shape)
        if like.dtype.kind == "c":
            draw = draw + 1j * self.rng.standard_normal(like.shape)
        return np.asarray(draw).astype(like.dtype)

    # --- the three derivatives ------------------------------------------------------------------

    def forward(self, tangents: Sequence[Any]) -> list[Any]:
        """J t of every result."""
        return [_plain(t) for t in jvp(self.flat, tuple(self.x), tuple(tangents))[1]]

    def reverse(self, r: int, ct: Any) -> list[Any]:
        """J^T c of every argument, c being the cotangent of result r."""
        cts = [ct if k == r else zeros_like(y) for k, y in enumerate(self.value)]
        return [_plain(g) for g in vjp(self.flat, *self.x)[1](cts)]

    def numbers(self, tangents: Sequence[Any]) -> list[Any]:
        """J t of every result, without rules."""
        x, t = [wide(v) for v in self.x], [wide(v) for v in tangents]

        def f(leaves: Sequence[Any]) -> list[Any]:
            with np.errstate(all="ignore"):
                return [_plain(y) for y in self.flat(*leaves)]

        if self.options.method == "complex-step":
            if any(v.dtype.kind == "c" for v in x):
                raise ArgumentError(
                    'check_grad: method="complex-step" is for real arguments, and one is complex; '
                    'use method="differences"' + at(user_line())
                )
            return complex_step(f, x, t)
        return differences(f, x, t, self.options.step)

    # --- comparing -------------------------------------------------------------------------------

    def run(self) -> None:
        """Compare everything, each argument with each result."""
        self.check_values_and_dtypes()
        for a in range(len(self.x)):
            for r, y in enumerate(self.value):
                if not self.x[a].size or not y.size:
                    continue
                if y.dtype.kind not in "fc":
                    self.report.note(f"{self.results[r]} of {self.title} is of dtype {y.dtype}")
                    continue
                for _ in range(self.options.directions):
                    t, c = self.random(self.x[a]) * self.scale[a], self.random(y)
                    _, excess = self.compare(a, r, t, c)
                    self.report.comparisons += 1
                    self.report.largest = max(self.report.largest, excess)
                    if excess > 1:
                        self.report.disagreements.append(self.locate(a, r, t, c))
                        break

    def compare(self, a: int, r: int, t: Any, c: Any) -> tuple[dict[str, float], float]:
        """<c, J t> by mode, and the largest difference in units of what is allowed."""
        tangents = [t if k == a else np.zeros_like(v) for k, v in enumerate(self.x)]
        values, size = {}, 0.0
        if "forward" in self.options.modes:
            values["forward"], size = _pairing(c, self.forward(tangents)[r])
        if "reverse" in self.options.modes:
            values["reverse"], terms = _pairing(self.reverse(r, c)[a], t)
            size = max(size, terms)
        by_rules = list(values.values())
        number, terms = _pairing(c, self.numbers(tangents)[r])
        values[self.options.method] = number
        rounding = 64 * self.eps * _pairing(c, self.value[r])[1]  # differences see no more
        allowed = self.atol * float(np.max(np.abs(c))) + rounding + self.rtol * size
        exact = self.atol * (float(np.max(np.abs(c))) + size) + rounding
        return values, max(
            spread(list(values.values())) / allowed,
            spread(by_rules) / exact,
        )

    def locate(self, a: int, r: int, t: Any, c: Any) -> Disagreement:
        """The entry of the Jacobian that shows a difference most, found by halving t, then c."""

        def by_t(part: Any) -> float:
            return self.compare(a, r, part, c)[1]

        i, unit_t = _worst(t, by_t)

        def by_c(part: Any) -> float:
            return self.compare(a, r, unit_t, part)[1]

        j, unit_c = _worst(c, by_c)
        values, _ = self.compare(a, r, unit_t, unit_c)
        over = abs(unit_t[i]) * abs(unit_c[j])
        part = ""
        if self.x[a].dtype.kind == "c":
            part = " (its imaginary part)" if unit_t[i].real == 0 else " (its real part)"
        entry = {name: v / over for name, v in values.items()}
        return Disagreement(self.title, self.names[a], i, self.results[r], j, entry, part)

    def check_values_and_dtypes(self) -> None:
        """What is recorded must have the same value, and derivatives the dtypes of theirs."""
        finest = max((float(np.finfo(v.dtype).eps) for v in self.x), default=self.eps)
        for name, y in zip(self.results, self.value, strict=True):
            if y.dtype.kind in "fc" and np.finfo(y.dtype).eps > finest:
                self.report.note(
                    f"{name} of {self.title} is of dtype {y.dtype}: compared with that precision"
                )
        tangents = [self.random(v) for v in self.x]
        if "forward" in self.options.modes:
            value, found = jvp(self.flat, tuple(self.x), tuple(tangents))
            self.check_like("tangent", self.results, found, self.value)
        else:
            value = vjp(self.flat, *self.x)[0]
        for name, y, known in zip(self.results, value, self.value, strict=True):
            y = _plain(y)
            near = 64 * self.eps
            if y.shape != known.shape or not np.allclose(y, known, near, near, equal_nan=True):
                self.report.problems.append(
                    f"{name} of {self.title} is another when the function is differentiated than "
                    "when it is called: it may be random, or keep something from call to call"
                )
        if "reverse" not in self.options.modes:
            return
        cts = [self.random(y) if y.dtype.kind in "fc" else zeros_like(y) for y in self.value]
        self.check_like("gradient", self.names, vjp(self.flat, *self.x)[1](cts), self.x)

    def check_like(
        self, what: str, names: Sequence[str], found: Sequence[Any], like: Sequence[Any]
    ) -> None:
        """Derivatives must have the shape and dtype of what they are the derivatives of."""
        for name, d, v in zip(names, found, like, strict=True):
            d = _plain(d)
            if v.dtype.kind in "fc" and (d.shape != v.shape or d.dtype != v.dtype):
                self.report.problems.append(
                    f"the {what} of {name} is {Spec(d)!r}, and {name} is {Spec(v)!r}: a rule does "
                    "not keep the shape and dtype"
                )


def _worst(whole: Any, excess: Callable[[Any], float]) -> tuple[tuple[int, ...], Any]:
    """The index at which a direction shows a difference most, and the direction of it alone."""
    places = np.arange(whole.size)

    def only(at: Any) -> Any:
        part = np.zeros_like(whole)
        part.flat[at] = whole.flat[at]
        return part

    while len(places) > FEW:
        half = len(places) // 2
        places = max(places[:half], places[half:], key=lambda p: excess(only(p)))
    units = [unit for p in places for unit in _units(only(p))]
    unit = max(units, key=excess)
    index = np.unravel_index(int(np.argmax(np.abs(unit))), whole.shape)
    return tuple(int(i) for i in index), unit


def _units(part: Any) -> Iterator[Any]:
    """A direction as it is, a complex one as its real and its imaginary part."""
    if part.dtype.kind != "c":
        yield np.abs(part)
        return
    yield np.abs(part.real).astype(part.dtype)
    yield (1j * np.abs(part.imag)).astype(part.dtype)


def _pairing(a: Any, b: Any) -> tuple[float, float]:
    """The real part of the sum of products, and the size of the terms (zero if not finite)."""
    with np.errstate(all="ignore"):
        terms = np.multiply(wide(a), wide(b))
        size = float(np.linalg.norm(terms.ravel()))
        return float(np.sum(terms).real), size if np.isfinite(size) else 0.0


def _plain(x: Any) -> Any:
    return np.asarray(x._value if isinstance(x, Variable) else x)
