"""What is checked of every row of the operation table. `test_table.py` runs it over all of them.

For each sample of a row: the value against NumPy's own evaluation, dtypes, forward against reverse
by the dot-product identity, both against finite differences, second derivatives against finite
differences of the first, float32 against float64.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.derive.forward import forward
from chainrule.errors import DtypeError, MissingDerivative
from chainrule.graph.node import Variable
from chainrule.ops.table import TABLE, ZERO, Operation, Sample
from chainrule.tensor import Tensor, tensor
from chainrule.transforms.backward import gradients

DTYPE_BY_VALUE = {"poly"}
"""Rows that take matrices as well, of whose eigenvalues only numbers tell whether they are real:
tracing takes them to be, and where they are not, running the traced graph is an error.
"""

BROADCASTING = [
    ((),), ((3,),), ((2, 3),), ((0,),), ((1,),), ((2, 0, 3),),
]  # fmt: skip
PAIRS = [
    ((), ()), ((3,), (3,)), ((2, 3), (3,)), ((2, 1), (1, 3)), ((), (2,)), ((4, 1, 2), (3, 1)),
    ((0,), (1,)), ((0, 3), (3,)), ((1,), ()),
]  # fmt: skip
TRIPLES = [((), (), ()), ((3,), (3,), (3,)), ((2, 1), (3,), ()), ((0,), (1,), ())]


def samples_of(row: Operation) -> list[Sample]:
    """The row's own samples, or those of the elementwise family."""
    if row.samples:
        return list(row.samples)
    if row.kind != "elementwise":
        return []
    shapes = {1: BROADCASTING, 2: PAIRS, 3: TRIPLES}[row.arity or 1]
    return [Sample(s) for s in shapes]


def draw(row: Operation, sample: Sample, rng: np.random.Generator) -> list[np.ndarray[Any, Any]]:
    """Operands of a sample in float64 (or as the sample's own functions make them)."""
    out = []
    for i, spec in enumerate(sample.operands):
        if callable(spec):
            out.append(np.asarray(spec(rng)))
        elif isinstance(spec, tuple):
            domain = row.domain[i] if i < len(row.domain) else (-2.0, 2.0)
            if domain == "int":
                out.append(rng.integers(-5, 6, spec))
            elif domain == "positive int":
                out.append(rng.integers(1, 6, spec))
            elif domain == "bool":
                out.append(rng.random(spec) < 0.5)
            else:
                out.append(np.asarray(rng.uniform(domain[0], domain[1], spec)))
        else:
            out.append(np.asarray(spec))
    return out


HERMITIAN = ("symmetric", "positive definite")
"""Kinds of matrices (`ops.matrices.Draw`) that stay Hermitian when they are made complex."""


def draw_complex(
    row: Operation, sample: Sample, rng: np.random.Generator
) -> list[np.ndarray[Any, Any]]:
    """The operands of `draw`, real floating-point ones with an imaginary part besides."""
    out = []
    for spec, x in zip(sample.operands, draw(row, sample, rng), strict=True):
        if x.dtype.kind == "f":
            imaginary = rng.uniform(0.2, 1.0, x.shape)  # away from the branch cuts
            if getattr(spec, "kind", "") in HERMITIAN:
                imaginary = 0.3 * (imaginary - imaginary.mT)
            x = x + 1j * imaginary
        out.append(x)
    return out


Drawing = Callable[[Operation, Sample, np.random.Generator], list[np.ndarray[Any, Any]]]


def call(row: Operation, operands: list[Any], sample: Sample) -> list[Any]:
    """Results of the public function, as a list."""
    out = (
        row.function(operands, **sample.params)
        if sample.sized
        else row.function(*operands, **sample.params)
    )
    return list(out) if isinstance(out, (tuple, list)) else [out]


def differentiable_operands(row: Operation, operands: list[Any]) -> list[int]:
    """Operands in which a derivative is claimed."""
    return [
        i
        for i, x in enumerate(operands)
        if x.dtype.kind in "fc"
        and row.differentiable
        and (row.kind == "composite" or callable(row.reverse) or row.missing(i) is None)
    ]


def real_inner(a: Any, b: Any) -> float:
    """The pairing of a cotangent with a tangent (bilinear; its real part for complex values)."""
    return float(np.sum(np.multiply(a, b)).real)


class Program:
    """One sample as a function of its differentiable operands, and its derivatives at a point."""

    def __init__(
        self, row: Operation, sample: Sample, rng: np.random.Generator, drawn: Drawing = draw
    ) -> None:
        self.row, self.sample, self.rng = row, sample, rng
        self.operands = drawn(row, sample, rng)
        self.where = differentiable_operands(row, self.operands)
        self.at = [self.operands[i] for i in self.where]

    def inputs(self, values: list[Any]) -> list[Any]:
        full: list[Any] = list(self.operands)
        for i, v in zip(self.where, values, strict=True):
            full[i] = v
        return full

    def values(self, at: list[Any]) -> list[np.ndarray[Any, Any]]:
        """Results at other operands, as plain arrays."""
        return [
            np.asarray(v._value if isinstance(v, Variable) else v)
            for v in call(self.row, self.inputs(at), self.sample)
        ]

    def recorded(self, at: list[Any]) -> tuple[list[Tensor], list[Tensor]]:
        """(leaves, results that need a gradient)."""
        leaves = [tensor(v, requires_grad=True) for v in at]
        results = call(self.row, self.inputs(leaves), self.sample)
        return leaves, results

    def random_like(self, arrays: list[Any]) -> list[np.ndarray[Any, Any]]:
        out = []
        for a in arrays:
            a = np.asarray(a)
            r = self.rng.standard_normal(a.shape)
            if a.dtype.kind == "c":
                r = r + 1j * self.rng.standard_normal(a.shape)
            out.append(r)
        return out


def pullback(program: Program, at: list[Any], cts: list[Any], create: bool = False) -> list[Any]:
    """Cotangents of the leaves; with `create`, as recorded Tensors of the recorded cotangents."""
    leaves, results = program.recorded(at)
    live = [
        (r, c)
        for r, c in zip(results, cts, strict=True)
        if isinstance(r, Variable) and r._node is not None
    ]
    if not live:
        return [np.zeros(np.shape(a)) for a in at]
    out = gradients(
        [r for r, _ in live], leaves, [c for _, c in live], allow_unused=True, create_graph=create
    )
    return [
        np.zeros(np.shape(a)) if g is None else np.asarray(g._value)
        for a, g in zip(at, out, strict=True)
    ]


def pushforward(program: Program, at: list[Any], tangents: list[Any]) -> list[Any]:
    """Tangents of the results."""
    leaves, results = program.recorded(at)
    nodes = [r._node for r in results if isinstance(r, Variable) and r._node is not None]
    known = {x._node: np.asarray(t)[()] for x, t in zip(leaves, tangents, strict=True)}
    found = dict(zip(nodes, forward(nodes, known, Tensor), strict=True))
    out = []
    for r in results:
        t = found.get(r._node) if isinstance(r, Variable) and r._node is not None else None
        out.append(
            np.zeros(np.shape(r))
            if t is None
            else np.asarray(t._value if isinstance(t, Variable) else t)
        )
    return out


def close(a: Any, b: Any, rtol: float, atol: float, what: str) -> None:
    np.testing.assert_allclose(a, b, rtol=rtol, atol=atol, err_msg=what)


def generator_for(row: Operation, sample: Sample) -> np.random.Generator:
    """Random numbers that are the same in every run."""
    return np.random.default_rng(zlib.crc32(f"{row.name}{sample.operands}{sample.params}".encode()))


def check_sample(row: Operation, sample: Sample, drawn: Drawing = draw) -> int:
    """Check one sample; the number of differentiable operands it had."""
    program = Program(row, sample, generator_for(row, sample), drawn)
    name = f"{row.name}{[np.shape(x) for x in program.operands]} {sample.params}"
    plain = program.values(program.at)
    results = call(row, [tensor(x) for x in program.operands], sample)
    for p, r in zip(plain, results, strict=True):
        assert isinstance(r, Variable), f"{name}: a Tensor in gives {type(r).__name__}"
        assert np.asarray(r._value).dtype == p.dtype, f"{name}: dtype {r.dtype} against {p.dtype}"
        if p.dtype.kind == "c":  # NumPy multiplies complex scalars and arrays by different code
            np.testing.assert_allclose(np.asarray(r._value), p, rtol=1e-14, err_msg=name)
        else:
            np.testing.assert_array_equal(np.asarray(r._value), p, err_msg=name)
    if not program.where:
        return 0

    h = 1e-6
    tangents, cts = program.random_like(program.at), program.random_like(plain)
    for i, c in enumerate(cts):
        if plain[i].dtype.kind not in "fc":
            cts[i] = np.zeros_like(c)
    push = pushforward(program, program.at, tangents)
    pull = pullback(program, program.at, cts)
    for g, x in zip(pull, program.at, strict=True):
        assert g.shape == x.shape, f"{name}: cotangent of shape {g.shape} for operand {x.shape}"
    lhs = sum(real_inner(c, p) for c, p in zip(cts, push, strict=True))
    rhs = sum(real_inner(g, t) for g, t in zip(pull, tangents, strict=True))
    close(lhs, rhs, 1e-8 * row.tolerance, 1e-9 * row.tolerance, f"{name}: forward against reverse")

    plus = program.values([x + h * t for x, t in zip(program.at, tangents, strict=True)])
    minus = program.values([x - h * t for x, t in zip(program.at, tangents, strict=True)])
    for p, q, d, v in zip(plus, minus, push, plain, strict=True):
        if v.dtype.kind in "fc":
            close(
                d,
                (p - q) / (2 * h),
                2e-5 * row.tolerance,
                2e-6 * row.tolerance,
                f"{name}: forward against differences",
            )

    # second order: the derivative of the pulled-back cotangents along the tangents
    leaves, results = program.recorded(program.at)
    live = [(r, c) for r, c in zip(results, cts, strict=True) if r._node is not None]
    if live:
        first = gradients(
            [r for r, _ in live], leaves, [c for _, c in live], allow_unused=True, create_graph=True
        )
        for g, p in zip(first, pull, strict=True):
            if g is not None:
                close(
                    np.asarray(g._value),
                    p,
                    1e-9 * row.tolerance,
                    1e-9 * row.tolerance,
                    f"{name}: recorded reverse",
                )
        pairs = [
            (g, t)
            for g, t in zip(first, tangents, strict=True)
            if g is not None and g._node is not None
        ]
        second = (
            gradients([g for g, _ in pairs], leaves, [t for _, t in pairs], allow_unused=True)
            if pairs
            else [None] * len(leaves)
        )
        plus = pullback(
            program, [x + h * t for x, t in zip(program.at, tangents, strict=True)], cts
        )
        minus = pullback(
            program, [x - h * t for x, t in zip(program.at, tangents, strict=True)], cts
        )
        for g, p, q in zip(second, plus, minus, strict=True):
            difference = (p - q) / (2 * h)
            value = np.zeros_like(difference) if g is None else np.asarray(g._value)
            close(
                value,
                difference,
                5e-5 * row.tolerance,
                5e-6 * row.tolerance,
                f"{name}: second order",
            )

    if not row.untested:
        check_float32(program, name, cts)
    return len(program.where)


def check_float32(program: Program, name: str, cts: list[Any]) -> None:
    """Single precision in, single precision out, gradients included, and near the double values."""
    narrow = {"f": np.float32, "c": np.complex64}
    program.operands = [
        x.astype(narrow[x.dtype.kind]) if x.dtype.kind in "fc" else x for x in program.operands
    ]
    at = [program.operands[i] for i in program.where]
    leaves, results = program.recorded(at)
    rounded = [np.asarray(x, np.complex128 if x.dtype.kind == "c" else np.float64) for x in at]
    exact = pullback(program, rounded, cts)
    for r in results:
        assert r.dtype not in (np.float64, np.complex128), f"{name}: float32 in gives {r.dtype}"
    live = [
        (r, np.asarray(c).astype(r.dtype))
        for r, c in zip(results, cts, strict=True)
        if r._node is not None
    ]
    if live:
        out = gradients([r for r, _ in live], leaves, [c for _, c in live], allow_unused=True)
        for g, x, e in zip(out, at, exact, strict=True):
            if g is not None:
                assert g.dtype == x.dtype, f"{name}: gradient of {x.dtype} is {g.dtype}"
                near = 2e-3 * program.row.tolerance * max(1.0, float(np.max(np.abs(e), initial=0)))
                close(np.asarray(g._value), e, 2e-3, near, f"{name}: single precision")


def check_row(name: str) -> None:
    """Check every sample of a row (see the module's docstring)."""
    row = TABLE[name]
    samples = samples_of(row)
    assert samples or row.untested, f"{name} has no samples"
    count = sum(check_sample(row, s) for s in samples)
    claims = row.differentiable and (
        row.kind == "composite"
        or any(
            r is not ZERO and not isinstance(r, str)
            for r in (row.reverse if isinstance(row.reverse, tuple) else (row.reverse,))
        )
    )
    assert count or not claims or row.untested, f"{name}: no sample has a differentiable operand"


def check_complex(row: Operation, sample: Sample) -> str:
    """Check one sample with complex operands: "checked", "refused" where the operation takes none,
    "underived" where it takes them and says that it has no derivative, "none" where no operand of
    the sample could be complex.
    """
    real = draw(row, sample, generator_for(row, sample))
    operands = draw_complex(row, sample, generator_for(row, sample))
    if not any(x.dtype.kind == "f" for x in real):
        return "none"
    try:
        call(row, [tensor(x) for x in operands], sample)
    except DtypeError:
        return "refused"
    try:
        check_sample(row, sample, draw_complex)
    except (DtypeError, MissingDerivative):
        return "underived"
    return "checked"
