"""One sample of a row computed by chainrule and by PyTorch: value, gradient, second derivative.

A `Peer` says how PyTorch computes what a row computes. Cotangents of complex results are conjugated
on the way in and out: chainrule multiplies by the derivative as it is, PyTorch by its conjugate.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from checks import Program, samples_of

from chainrule.graph.node import Variable
from chainrule.ops.table import Operation, Sample
from chainrule.tensor import tensor
from chainrule.transforms.backward import gradients

torch = pytest.importorskip("torch")

NARROW = {"f": np.float32, "c": np.complex64}
RTOL = {
    np.dtype(np.float64): 1e-9,
    np.dtype(np.float32): 2e-4,
    np.dtype(np.complex128): 1e-9,
}


class Unsupported(Exception):
    """Raised by a mapping for a sample that PyTorch cannot compute, with the reason."""


@dataclass(frozen=True)
class Peer:
    """PyTorch's way to compute a row: operands as tensors, parameters under the row's names."""

    function: Callable[..., Any]
    tolerance: float = 1.0
    """Factor on the tolerances."""
    missing: tuple[int, ...] = ()
    """Operands in which PyTorch has no derivative (asserted: it raises)."""
    invariant: Callable[..., Any] | None = None
    """Applied to the results on both sides where they are determined up to signs and phases."""
    samples: Sequence[Sample] = ()
    """In place of the row's own samples."""
    ours: Callable[..., Any] | None = None
    """In place of the row's public function, where its arguments are not plain operands."""


@dataclass(frozen=True)
class Derivatives:
    """What is compared: results, cotangents of the operands, and those of the cotangents."""

    values: list[Any]
    first: list[Any]
    second: list[Any]


def listed(results: Any) -> list[Any]:
    """Results as a list."""
    return list(results) if isinstance(results, (tuple, list)) else [results]


def plain(x: Any) -> Any:
    """An array of either library's tensor."""
    if isinstance(x, Variable):
        return np.asarray(x._value)
    return x.numpy(force=True) if isinstance(x, torch.Tensor) else np.asarray(x)


def to_torch(x: Any) -> Any:
    """A tensor of an array's dtype, its own memory."""
    return torch.tensor(np.ascontiguousarray(x)).reshape(np.shape(x))


def by_chainrule(peer: Peer, program: Program, cts: list[Any], tangents: list[Any]) -> Derivatives:
    """The derivatives by chainrule."""
    leaves = [tensor(v, requires_grad=True) for v in program.at]
    function = peer.ours or program.row.function
    operands = program.inputs(leaves)
    if not leaves:
        operands = [tensor(x) for x in operands]
    sample = program.sample
    results = listed(
        function(operands, **sample.params)
        if sample.sized
        else function(*operands, **sample.params)
    )
    if peer.invariant:
        results = listed(peer.invariant(*results))
    live = [
        (r, c)
        for r, c in zip(results, cts, strict=True)
        if isinstance(r, Variable) and r._node is not None
    ]
    if not live or not leaves:
        zeros = [np.zeros_like(x) for x in program.at]
        return Derivatives([plain(r) for r in results], zeros, zeros)
    first = gradients(
        [r for r, _ in live], leaves, [c for _, c in live], allow_unused=True, create_graph=True
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
    return Derivatives(
        [plain(r) for r in results],
        [
            np.zeros_like(x) if g is None else plain(g)
            for g, x in zip(first, program.at, strict=True)
        ],
        [
            np.zeros_like(x) if g is None else plain(g)
            for g, x in zip(second, program.at, strict=True)
        ],
    )


def by_torch(peer: Peer, program: Program, cts: list[Any], tangents: list[Any]) -> Derivatives:
    """The derivatives by PyTorch."""
    leaves = [to_torch(v).requires_grad_() for v in program.at]
    operands = [to_torch(x) for x in program.operands]
    for i, leaf in zip(program.where, leaves, strict=True):
        operands[i] = leaf
    params = program.sample.params
    results = listed(
        peer.function(operands, **params)
        if program.sample.sized
        else peer.function(*operands, **params)
    )
    if peer.invariant:
        results = listed(peer.invariant(*results))
    values = [plain(r) for r in results]
    live = [(r, to_torch(np.conj(c))) for r, c in zip(results, cts, strict=True) if r.requires_grad]
    if not live:
        zeros = [np.zeros_like(x) for x in program.at]
        return Derivatives(values, zeros, zeros)
    first = torch.autograd.grad(
        [r for r, _ in live], leaves, [c for _, c in live], allow_unused=True, create_graph=True
    )
    pairs = [
        (g, to_torch(t))
        for g, t in zip(first, tangents, strict=True)
        if g is not None and g.requires_grad
    ]
    second = (
        torch.autograd.grad([g for g, _ in pairs], leaves, [t for _, t in pairs], allow_unused=True)
        if pairs
        else [None] * len(leaves)
    )
    return Derivatives(
        values,
        [
            np.zeros_like(x) if g is None else np.conj(plain(g))
            for g, x in zip(first, program.at, strict=True)
        ],
        [
            np.zeros_like(x) if g is None else np.conj(plain(g))
            for g, x in zip(second, program.at, strict=True)
        ],
    )


def close(ours: Any, theirs: Any, rtol: float, what: str) -> None:
    """Equal shapes, and equal entries up to a fraction of the largest."""
    ours, theirs = np.asarray(ours), np.asarray(theirs)
    assert ours.shape == theirs.shape, f"{what}: shape {ours.shape} against {theirs.shape}"
    finite = np.abs(theirs[np.isfinite(theirs)])
    scale = max(1.0, float(finite.max())) if finite.size and theirs.dtype != bool else 1.0
    np.testing.assert_allclose(ours, theirs, rtol=rtol, atol=rtol * scale, err_msg=what)


def prepared(row: Operation, sample: Sample, peer: Peer, dtype: Any) -> Program:
    """The sample's operands in a precision, with the operands PyTorch can differentiate."""
    rng = np.random.default_rng(zlib.crc32(f"{row.name}{sample.operands}{sample.params}".encode()))
    program = Program(row, sample, rng)
    if dtype == np.float32:
        program.operands = [
            x.astype(NARROW[x.dtype.kind]) if x.dtype.kind in NARROW else x
            for x in program.operands
        ]
    if dtype == np.complex128:
        program.operands = [
            x + 0.3j * rng.standard_normal(x.shape) if x.dtype.kind == "f" else x
            for x in program.operands
        ]
    program.where = [i for i in program.where if i not in peer.missing]
    program.at = [program.operands[i] for i in program.where]
    return program


def shapes_of_results(peer: Peer, program: Program) -> list[Any]:
    """The results of chainrule on plain Tensors, for drawing cotangents."""
    function, sample = peer.ours or program.row.function, program.sample
    operands = [tensor(x) for x in program.operands]
    results = listed(
        function(operands, **sample.params)
        if sample.sized
        else function(*operands, **sample.params)
    )
    return [plain(r) for r in (listed(peer.invariant(*results)) if peer.invariant else results)]


def compare(row: Operation, sample: Sample, peer: Peer, dtype: Any) -> None:
    """Compare one sample. Raises Unsupported where PyTorch cannot compute it."""
    program = prepared(row, sample, peer, dtype)
    name = f"{row.name}{[np.shape(x) for x in program.operands]} {sample.params} {np.dtype(dtype)}"
    shapes = shapes_of_results(peer, program)
    cts = [
        c.astype(s.dtype) if s.dtype.kind in "fc" else c
        for c, s in zip(program.random_like(shapes), shapes, strict=True)
    ]
    tangents = [
        t.astype(x.dtype) for t, x in zip(program.random_like(program.at), program.at, strict=True)
    ]
    theirs = by_torch(peer, program, cts, tangents)
    ours = by_chainrule(peer, program, cts, tangents)
    rtol = RTOL[np.dtype(dtype)] * peer.tolerance
    for a, b in zip(ours.values, theirs.values, strict=True):
        close(a, b, rtol, f"{name}: value")
        if a.dtype.kind in "fc":
            assert a.dtype == b.dtype, f"{name}: dtype {a.dtype} against {b.dtype}"
    for a, b in zip(ours.first, theirs.first, strict=True):
        close(a, b, rtol, f"{name}: first derivative")
    for a, b in zip(ours.second, theirs.second, strict=True):
        close(a, b, 10 * rtol, f"{name}: second derivative")


def samples(row: Operation, peer: Peer) -> list[Sample]:
    """The samples to compare a row over."""
    return list(peer.samples) or samples_of(row)


def has_derivative(row: Operation, peer: Peer, operand: int) -> bool:
    """Whether PyTorch differentiates in an operand: it raises where it does not."""
    sample = samples(row, peer)[0]
    program = prepared(row, sample, peer, np.float64)
    operands = [to_torch(x) for x in program.operands]
    operands[operand].requires_grad_()
    try:
        result = listed(peer.function(*operands, **sample.params))[0]
        torch.autograd.grad(result.sum(), operands[operand])
    except RuntimeError:  # NotImplementedError is one
        return False
    return True
