"""What the matrix operations share: adjoints, checks of shape, error hints, random test inputs.

Complex operands: rules are written for the Hermitian inner product, as the literature has them, and
conjugated on the way in and out, because cotangents here are paired without conjugation.
Next: `ops.linalg`, `ops.decompositions`, `ops.norms`, `ops.matrix_functions`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from chainrule.graph.node import Variable
from chainrule.ops.recording import raw

# --- small formulas, for arrays and Tensors alike ------------------------------------------------


def conj(x: Any) -> Any:
    """Complex conjugate; a real array itself, without a copy."""
    return np.conj(x) if x.dtype.kind == "c" else x


def adjoint(x: Any) -> Any:
    """Conjugate transpose of each matrix."""
    return conj(x.mT)


def hermitian_part(x: Any) -> Any:
    """(x + x^H) / 2: what the operations on symmetric matrices read of their argument."""
    return (x + adjoint(x)) * 0.5


def real_part(x: Any) -> Any:
    """Real part; a real array itself."""
    return np.real(x) if x.dtype.kind == "c" else x


def columns(x: Any, vector: bool) -> Any:
    """Vectors as matrices of one column."""
    return x[..., None] if vector else x


def uncolumned(x: Any, vector: bool) -> Any:
    """The inverse of `columns`."""
    return x[..., 0] if vector else x


def identity_like(a: Any) -> Any:
    """The identity of the size and dtype of the matrices a, as a plain array."""
    return np.eye(a.shape[-1], dtype=a.dtype)


def floating(x: Any) -> Any:
    """Integers and booleans as double precision, the rest unchanged."""
    if not isinstance(x, Variable):
        x = np.asarray(x)
    return x if x.dtype.kind in "fc" else x.astype(np.float64)


def precision(x: Any) -> float:
    """Machine epsilon of the dtype of x."""
    return float(np.finfo(x.dtype).eps)


def recorded(*operands: Any) -> bool:
    """Whether some operand is a Tensor."""
    return any(isinstance(x, Variable) for x in operands)


def largest(x: Any) -> Any:
    """Largest magnitude in each vector along the last axis, kept as an axis; 0 for none."""
    return greatest(raw(x), -1)


def greatest(x: Any, axis: Any) -> Any:
    """Largest magnitude along axes, which are kept; 0 where there is nothing."""
    if not x.size:
        return np.max(np.empty(x.shape), axis=axis, keepdims=True, initial=0)
    return np.max(np.abs(x), axis=axis, keepdims=True)


# --- checks and hints ----------------------------------------------------------------------------


def matrices(a: Any) -> Any:
    """a, which must be a matrix or a batch of them."""
    if np.ndim(a) < 2:
        raise np.linalg.LinAlgError(
            f"needs a matrix (at least two dimensions), given an array of {np.ndim(a)}"
        )
    return a


def square(a: Any) -> Any:
    """a, which must be a square matrix or a batch of them."""
    if matrices(a).shape[-1] != a.shape[-2]:
        raise np.linalg.LinAlgError(
            f"needs a square matrix, given {a.shape[-2]} rows and {a.shape[-1]} columns"
        )
    return a


HINTS = {
    "ingular": "use pinv or lstsq, or add a small multiple of the identity",
    "positive definite": (
        "all eigenvalues must be positive; add a small multiple of the identity (`a + 1e-6 * eye`) "
        "if rounding made one of them negative"
    ),
    "converge": "the matrix may contain NaN or infinity",
}
"""What to do about NumPy's complaint that contains the key."""


def attempt(
    evaluate: Callable[..., Any], a: Any, *rest: Any, probe: Any = None, **options: Any
) -> Any:
    """evaluate(a, *rest), with NumPy's complaint completed by which matrix it was and what to do.

    `probe` fails on the same matrices and takes nothing but a matrix; `evaluate` itself by default.
    """
    try:
        return evaluate(a, *rest, **options)
    except np.linalg.LinAlgError as error:
        text = str(error)
        hint = next((f"\n  {h}" for key, h in HINTS.items() if key in text), "")
        raise np.linalg.LinAlgError(text + _which(probe or evaluate, a) + hint) from None


def _which(probe: Callable[..., Any], a: Any) -> str:
    """The index of the first matrix of a batch that fails, as words."""
    if np.ndim(a) < 3:
        return ""
    for index in np.ndindex(a.shape[:-2]):
        try:
            probe(a[index])
        except np.linalg.LinAlgError:
            return f" (matrix {list(index)} of the batch)"
    return ""


# --- random inputs for the tests -----------------------------------------------------------------


@dataclass(frozen=True)
class Draw:
    """A random array of some kind, drawn when a test asks for it; prints the same in every run."""

    kind: str
    shape: tuple[int, ...]
    make: Callable[[np.random.Generator, tuple[int, ...]], Any] = field(repr=False)

    def __call__(self, rng: np.random.Generator) -> Any:
        """A new array."""
        return self.make(rng, self.shape)


def _normal(rng: np.random.Generator, shape: tuple[int, ...]) -> Any:
    return rng.standard_normal(shape)


def _complex(rng: np.random.Generator, shape: tuple[int, ...]) -> Any:
    return rng.standard_normal(shape) + 1j * rng.standard_normal(shape)


def with_values(values: Any, rows: int, cols: int, *batch: int) -> Draw:
    """Matrices with these singular values."""

    def make(rng: np.random.Generator, shape: tuple[int, ...]) -> Any:
        u, _, vh = np.linalg.svd(rng.standard_normal(shape), full_matrices=False)
        return (u * np.asarray(values)) @ vh

    return Draw(f"singular values {values}", (*batch, rows, cols), make)


def well(rows: int, cols: int, *batch: int) -> Draw:
    """Matrices of full rank with distinct singular values between 1 and 3."""
    return with_values(tuple(np.linspace(3.0, 1.0, min(rows, cols))), rows, cols, *batch)


def spd(n: int, *batch: int) -> Draw:
    """Symmetric positive definite matrices with distinct eigenvalues between 1 and 3."""

    def make(rng: np.random.Generator, shape: tuple[int, ...]) -> Any:
        q = np.linalg.qr(rng.standard_normal(shape))[0]
        return (q * np.linspace(1.0, 3.0, n)) @ q.mT

    return Draw("positive definite", (*batch, n, n), make)


def symmetric(n: int, *batch: int) -> Draw:
    """Symmetric indefinite matrices with distinct eigenvalues between -1 and 2.5."""

    def make(rng: np.random.Generator, shape: tuple[int, ...]) -> Any:
        q = np.linalg.qr(rng.standard_normal(shape))[0]
        return (q * np.linspace(-1.0, 2.5, n)) @ q.mT

    return Draw("symmetric", (*batch, n, n), make)


def real_spectrum(n: int, *batch: int) -> Draw:
    """Unsymmetric matrices with the eigenvalues 1, 2, ..., n."""

    def make(rng: np.random.Generator, shape: tuple[int, ...]) -> Any:
        v = np.eye(n) + 0.3 * rng.uniform(-1, 1, shape)
        return (v * np.arange(1.0, n + 1)) @ np.linalg.inv(v)

    return Draw("real spectrum", (*batch, n, n), make)


def triangle(n: int, *batch: int) -> Draw:
    """Full matrices whose triangles are well conditioned."""

    def make(rng: np.random.Generator, shape: tuple[int, ...]) -> Any:
        return 0.5 * rng.uniform(-1, 1, shape) + 2 * np.eye(n)

    return Draw("dominant diagonal", (*batch, n, n), make)


def gaussian(*shape: int) -> Draw:
    """Standard normal entries."""
    return Draw("normal", shape, _normal)


def complex_gaussian(*shape: int) -> Draw:
    """Complex standard normal entries."""
    return Draw("complex normal", shape, _complex)
