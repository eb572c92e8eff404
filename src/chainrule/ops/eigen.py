"""Eigenvalues and eigenvectors, batched over leading dimensions.

Where eigenvalues coincide, the derivative that exists is given, and MissingDerivative raised for
the rest (see `ops.coincidence`). The rules are those of M. Giles, Collected matrix derivative
results (2008), with the normalization of the eigenvectors of unsymmetric matrices.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.errors import MissingDerivative, at, user_line
from chainrule.graph.node import Node
from chainrule.ops import matrix_loops
from chainrule.ops.batched import leading
from chainrule.ops.coincidence import Pairs, share
from chainrule.ops.ensured import in_batch
from chainrule.ops.matrices import (
    adjoint,
    attempt,
    complex_gaussian,
    conj,
    floating,
    hermitian_part,
    identity_like,
    largest,
    precision,
    real_part,
    real_spectrum,
    spd,
    square,
    symmetric,
)
from chainrule.ops.native import loops
from chainrule.ops.recording import is_traced
from chainrule.ops.series import Curve, Series, Step, minus, plus, total
from chainrule.ops.series import pairs as products
from chainrule.ops.table import TABLE, S, fit, numbers, operation, raw

# --- eigenvalues of symmetric matrices -----------------------------------------------------------


def _eigh_cotangent(cw: Any, cv: Any, w: Any, v: Any) -> Any:
    """V (diag(cw) + K / gaps) V^H with K = V^H cv; None for a cotangent says: not used."""
    pairs = Pairs("eigh", raw(w))
    vh = adjoint(v)
    g = None if cw is None else (v * share(cw, pairs)[..., None, :]) @ vh
    if cv is not None:
        c = conj(cv)
        k = vh @ c
        pairs.need_no_choice(raw(k - adjoint(k)), raw(c))
        if cw is not None:
            pairs.need_no_mixture(raw(k), raw(c))
        by_vectors = v @ (pairs.inverse_gaps(w) * k) @ vh
        g = by_vectors if g is None else g + by_vectors
    return pairs.checked(conj(hermitian_part(g)))


def _pull_eigh(ct: Any, saved: tuple[Any, ...], _node: Node) -> tuple[Any]:
    """As the rule, but knowing which of the results were used."""
    (w, v), a = saved
    return (fit(_eigh_cotangent(ct[0], ct[1], w, v), a),)


def _push_eigh(tangents: Any, y: Any, _a: Any, **_: Any) -> tuple[Any, Any]:
    (w, v) = y
    pairs = Pairs("eigh", raw(w))
    da = hermitian_part(tangents[0])
    vh = adjoint(v)
    m = vh @ da @ v
    pairs.need_no_choice(raw(m), raw(da))
    on = real_part(np.sum(m * identity_like(m), axis=-1))
    return share(on, pairs), pairs.checked(v @ (pairs.inverse_gaps(w) * m))


@operation(
    reverse=(lambda ct, y, _a, UPLO: _eigh_cotangent(*ct, *y),),  # noqa: N803 - NumPy's name
    forward=_push_eigh,
    results=2,
    numpy=(np.linalg.eigh,),
    samples=[S(symmetric(4)), S(spd(3, 2)), S(symmetric(1)), S(symmetric(2), UPLO="U")],
    batch=leading,
    native=loops(matrix_loops.eigh, core=(2,), out=(1, 2)),
)
def eigh(a: Any, UPLO: str = "L") -> Any:  # noqa: N803 - NumPy's name
    """Eigenvalues, ascending, and eigenvectors, in columns, of symmetric or Hermitian matrices.

    Reads the symmetric part of a, so that `UPLO` makes no difference. Where eigenvalues coincide
    their eigenvectors are not determined: a result that depends on the choice raises
    MissingDerivative; use `eigvalsh` where only eigenvalues are needed.

    >>> cr.linalg.eigh(cr.tensor([[3.0, 0.0], [0.0, 1.0]])).eigenvalues
    tensor([1., 3.])
    """
    return attempt(np.linalg.eigh, hermitian_part(floating(square(a))), UPLO)


TABLE["eigh"].pull = _pull_eigh


def _eigvalsh_rule(ct: Any, _y: Any, a: Any, **_: Any) -> Any:
    return _eigh_cotangent(ct, None, *eigh(a))


def _eigenvalue_series(w: Any, left: Any, v: Any, coefficient: Step) -> Step | None:
    """From B W = W D, B(t) = V^-1 a(t) V, W(0) = 1 and W_ii = 1: with R all the terms of order k
    but D_0 W_k - W_k D_0 and D_k, the values are D_k = diag(R), and W_k = R_ij / (w_j - w_i).
    None where eigenvalues coincide, or are not known yet.
    """
    if is_traced(w):
        return None
    pairs = Pairs("eig", numbers(w))
    if pairs.some:
        return None
    moved = Curve(None, Series(lambda k: _between(left, coefficient(k), v)))
    vectors: list[Any] = [None]
    values: list[Any] = [None]

    def step(k: int) -> Any:
        known = total(p @ q for p, q in products(moved, [*vectors, None], k, first=1))
        turned = total(
            p * q[..., None, :] for p, q in products([*vectors, None], [*values, None], k)
        )
        r = minus(plus(moved[k], known), turned)
        vectors.append(None if r is None else r * pairs.inverse_gaps(w))
        on = None if r is None else np.sum(r * identity_like(r), axis=-1)
        values.append(on if on is None or w.dtype.kind == "c" else real_part(on))
        return values[k]

    return step


def _between(left: Any, a: Any, right: Any) -> Any:
    return None if a is None else left @ a @ right


def _eigvalsh_series(_y: Curve, a: Curve, **_: Any) -> Step | None:
    w, v = eigh(a.value)

    def coefficient(k: int) -> Any:
        return None if a[k] is None else hermitian_part(a[k])

    return _eigenvalue_series(w, adjoint(v), v, coefficient)


@operation(
    reverse=(_eigvalsh_rule,),
    taylor=_eigvalsh_series,
    numpy=(np.linalg.eigvalsh,),
    samples=[S(symmetric(4)), S(symmetric(3, 2)), S(symmetric(1)), S(symmetric(0))],
    batch=leading,
    native=loops(matrix_loops.eigvalsh, core=(2,), out=(1,)),
)
def eigvalsh(a: Any, UPLO: str = "L") -> Any:  # noqa: N803 - NumPy's name
    """Eigenvalues, ascending, of symmetric or Hermitian matrices. Eigenvalues that coincide share
    their derivative equally. Reads the symmetric part of a.

    >>> cr.linalg.eigvalsh(cr.tensor([[3.0, 0.0], [0.0, 1.0]]))
    tensor([1., 3.])
    """
    return attempt(np.linalg.eigvalsh, hermitian_part(floating(square(a))), UPLO)


# --- eigenvalues of general matrices -------------------------------------------------------------


def _left_vectors(v: Any) -> Any:
    """Inverse of the matrix of eigenvectors, or an error where there are too few of them."""
    values = np.linalg.svdvals(numbers(v))
    low = np.any(values <= v.shape[-1] * precision(v) * largest(values), axis=-1)
    if np.any(low):
        raise MissingDerivative(
            f"eig: the matrix{in_batch(np.argwhere(low)[0])} is defective (its eigenvectors are "
            "linearly dependent), and its eigenvalues have no derivative" + at(user_line())
        )
    return np.linalg.inv(v)


def _without_scale(cv: Any, v: Any) -> Any:
    """cv without its parts along the vectors, whose norm is one and does not vary.

    Complex vectors may be multiplied by a phase, on which the result must not depend.
    """
    along = np.sum(v * cv, axis=-2, keepdims=True)
    if v.dtype.kind == "c":
        limit = precision(v) ** 0.5 * np.max(np.abs(numbers(cv)), initial=0)
        if np.any(np.abs(np.imag(numbers(along))) > limit):
            raise MissingDerivative(
                "eig: the result depends on the phases of complex eigenvectors, which are not "
                "determined by the matrix" + at(user_line())
            )
    return cv - conj(v) * real_part(along)


def _eig_cotangent(cw: Any, cv: Any, w: Any, v: Any) -> Any:
    """V^-T (diag(cw) + V^T cv / gaps) V^T, cv freed of scale; eigenvalues are holomorphic."""
    pairs = Pairs("eig", numbers(w))
    left = _left_vectors(v).mT
    g = None if cw is None else left * share(cw, pairs)[..., None, :]
    if cv is not None:
        k = v.mT @ _without_scale(cv, v)
        pairs.need_no_choice(numbers(k), numbers(cv))
        by_vectors = left @ (pairs.inverse_gaps(w) * k)
        g = by_vectors if g is None else g + by_vectors
    return g @ v.mT


def _pull_eig(ct: Any, saved: tuple[Any, ...], _node: Node) -> tuple[Any]:
    (w, v), a = saved
    return (fit(_eig_cotangent(ct[0], ct[1], w, v), a),)


def _as_scaled(dv: Any, v: Any) -> Any:
    """dv for vectors that keep their norm, and their phase: LAPACK makes the largest component of
    a complex vector real.
    """
    dv = dv - v * real_part(np.sum(conj(v) * dv, axis=-2, keepdims=True))
    if v.dtype.kind != "c":
        return dv
    first = np.argmax(np.abs(numbers(v)), axis=-2)
    top = np.arange(v.shape[-1])[:, None] == first[..., None, :]
    turn = np.sum(np.where(top, dv, 0), axis=-2, keepdims=True) / np.sum(
        np.where(top, v, 0), axis=-2, keepdims=True
    )
    return dv - 1j * v * np.imag(turn)


def _push_eig(tangents: Any, y: Any, _a: Any) -> tuple[Any, Any]:
    (w, v) = y
    pairs = Pairs("eig", numbers(w))
    m = _left_vectors(v) @ tangents[0] @ v
    pairs.need_no_choice(numbers(m), numbers(tangents[0]))
    dv = _as_scaled(v @ (pairs.inverse_gaps(w) * m), v)
    return share(np.sum(m * identity_like(m), axis=-1), pairs), dv


@operation(
    reverse=(lambda ct, y, _a: _eig_cotangent(*ct, *y),),
    forward=_push_eig,
    results=2,
    numpy=(np.linalg.eig,),
    samples=[S(real_spectrum(3)), S(real_spectrum(2, 3)), S(real_spectrum(1))],
    batch=leading,
)
def eig(a: Any) -> Any:
    """Eigenvalues and eigenvectors (columns of norm one) of square matrices.

    Raises MissingDerivative where the eigenvectors used have eigenvalues that coincide, for results
    that depend on the phase of complex eigenvectors, and for defective matrices.

    >>> cr.linalg.eig(cr.tensor([[1.0, 1.0], [0.0, 3.0]])).eigenvalues
    tensor([1., 3.])
    """
    return attempt(np.linalg.eig, square(a))


TABLE["eig"].pull = _pull_eig


def _eigvals_series(_y: Curve, a: Curve) -> Step | None:
    w, v = eig(a.value)
    return _eigenvalue_series(w, _left_vectors(v), v, lambda k: a[k])


@operation(
    reverse=(lambda ct, _y, a: _eig_cotangent(ct, None, *eig(a)),),
    taylor=_eigvals_series,
    numpy=(np.linalg.eigvals,),
    samples=[S(real_spectrum(3)), S(real_spectrum(2, 3)), S(complex_gaussian(3, 3))],
    batch=leading,
)
def eigvals(a: Any) -> Any:
    """Eigenvalues of square matrices, complex where a real matrix has complex ones.

    >>> cr.linalg.eigvals(cr.tensor([[1.0, 1.0], [0.0, 3.0]]))
    tensor([1., 3.])
    """
    return attempt(np.linalg.eigvals, square(a))
