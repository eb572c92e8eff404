"""Singular values and vectors, batched over leading dimensions.

Where singular values coincide or vanish, the derivative that exists is given, and MissingDerivative
raised for the rest (see `ops.coincidence`). The formulas are those of J. Townsend, Differentiating
the singular value decomposition (2016).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.errors import MissingDerivative, at, user_line
from chainrule.graph.node import Node
from chainrule.ops import matrix_loops
from chainrule.ops.batched import leading
from chainrule.ops.coincidence import Pairs, share
from chainrule.ops.matrices import (
    adjoint,
    attempt,
    conj,
    greatest,
    hermitian_part,
    identity_like,
    largest,
    matrices,
    precision,
    square,
    well,
)
from chainrule.ops.native import loops
from chainrule.ops.recording import is_traced
from chainrule.ops.table import NUMPY, TABLE, S, fit, numbers, operation, raw


def _vanishing(s: Any) -> Any:
    """Mask of the singular values that are zero up to rounding."""
    return s <= 4 * s.shape[-1] * precision(s) * largest(s)


def _share_positive(cs: Any, s: Any, pairs: Pairs) -> Any:
    """Tied singular values share; a value of zero has a kink there, and derivative zero."""
    return np.where(_vanishing(raw(s)), 0, share(cs, pairs))


def _thin(u: Any, s: Any, vh: Any) -> tuple[Any, Any]:
    k = s.shape[-1]
    return u[..., :k], vh[..., :k, :]


def _undetermined() -> MissingDerivative:
    return MissingDerivative(
        "svd: with full_matrices=True the columns beyond the min(m, n) singular values are not "
        "determined by the matrix and have no derivative; pass full_matrices=False"
        + at(user_line())
    )


def _inverse_values(s: Any, parts: tuple[Any, ...], pairs: Pairs) -> Any:
    """1/s; where s vanishes the columns of `parts` must, and it stands 0."""
    zero = _vanishing(raw(s))
    why = (
        "svd: a singular value is zero, and its singular vectors, which the result depends on, "
        "have no derivative there"
    )
    if pairs.traced or np.any(zero):
        for part in parts:
            size = greatest(raw(part), -2)
            bad = zero[..., None, :] & (size > precision(s) ** 0.5 * greatest(size, None))
            if is_traced(bad):
                pairs.note(bad, why)
            elif np.any(bad):
                raise MissingDerivative(why + at(user_line()))
    return np.where(zero, 0, 1 / np.where(zero, 1, s))


def _svd_cotangent(cu: Any, cs: Any, cvh: Any, u: Any, s: Any, vh: Any) -> Any:
    """u inner vh and, for matrices that are not square, the parts outside the spans of u and v.

    With A, B the antisymmetric parts of u^H cu and v^H cv, inner = (A + B) / (s_j - s_i) / 2
    + (A - B) / (s_j + s_i) / 2 + diag(cs): the sum of Townsend's terms split in partial fractions,
    so that only the first has a pole where singular values coincide.
    """
    k = s.shape[-1]
    pairs = Pairs("svd", raw(s))
    uh, v = adjoint(u), adjoint(vh)
    g = 0 if cs is None else (u * _share_positive(cs, s, pairs)[..., None, :]) @ vh
    if cu is None and cvh is None:
        return conj(g)
    cu = u * 0 if cu is None else conj(cu)
    cv = v * 0 if cvh is None else adjoint(conj(cvh))
    x, z = uh @ cu, vh @ cv
    a, b = x - adjoint(x), z - adjoint(z)
    scale = np.maximum(_size(cu), _size(cv))
    pairs.need_no_choice(raw(a + b), scale)
    if cs is not None:
        pairs.need_no_mixture(raw(x + z), scale)
    inner = pairs.inverse_gaps(s) * (a + b) + pairs.inverse_sums(s, raw(a - b), scale) * (a - b)
    if u.dtype.kind == "c":  # the phases that complex u and v share
        inner = inner + a * np.eye(k, dtype=s.dtype) * _inverse_values(s, (), pairs)[..., None, :]
    inner = inner * 0.5
    g = g + u @ inner @ vh
    m, n = u.shape[-2], vh.shape[-1]
    if m > k:
        outside = cu - u @ x
        g = g + (outside * _inverse_values(s, (outside,), pairs)[..., None, :]) @ vh
    if n > k:
        outside = cv - v @ z
        g = g + u @ adjoint(outside * _inverse_values(s, (outside,), pairs)[..., None, :])
    return conj(pairs.checked(g))


def _size(x: Any) -> Any:
    return greatest(raw(x), (-2, -1))


def _svd_reverse(ct: Any, y: Any) -> Any:
    cu, cs, cvh = ct
    u, s, vh = y
    k = s.shape[-1]
    if cu is not None and cu.shape[-1] > k:
        if np.any(numbers(cu)[..., k:]):
            raise _undetermined()
        cu = cu[..., :k]
    if cvh is not None and cvh.shape[-2] > k:
        if np.any(numbers(cvh)[..., k:, :]):
            raise _undetermined()
        cvh = cvh[..., :k, :]
    u, vh = _thin(u, s, vh)
    return _svd_cotangent(cu, cs, cvh, u, s, vh)


def _pull_svd(ct: Any, saved: tuple[Any, ...], _node: Node) -> tuple[Any]:
    y, a = saved
    return (fit(_svd_reverse(ct, y), a),)


def _push_svd(tangents: Any, y: Any, _a: Any, **_: Any) -> tuple[Any, Any, Any]:
    u, s, vh = y
    k, m, n = s.shape[-1], u.shape[-2], vh.shape[-1]
    if u.shape[-1] > k or vh.shape[-2] > k:
        raise _undetermined()
    if u.dtype.kind == "c":
        raise MissingDerivative(
            "svd: the forward derivative of complex singular vectors is not written; "
            "use reverse mode, or svdvals" + at(user_line())
        )
    pairs = Pairs("svd", raw(s))
    (da,) = tangents
    v = vh.mT
    e = u.mT @ da @ v
    plus, minus = e + e.mT, e - e.mT
    scale = _size(da)
    pairs.need_no_choice(raw(plus), scale)
    plus = pairs.inverse_gaps(s) * plus
    minus = pairs.inverse_sums(s, raw(minus), scale) * minus
    du, dv = u @ ((plus + minus) * 0.5), v @ ((plus - minus) * 0.5)
    if m > k:
        outside = da @ v - u @ e
        du = du + outside * _inverse_values(s, (outside,), pairs)[..., None, :]
    if n > k:
        outside = da.mT @ u - v @ e.mT
        dv = dv + outside * _inverse_values(s, (outside,), pairs)[..., None, :]
    ds = np.sum(e * identity_like(e), axis=-1)
    return pairs.checked(du), _share_positive(ds, s, pairs), pairs.checked(dv.mT)


@operation(
    reverse=(lambda ct, y, _a, full_matrices: _svd_reverse(ct, y),),
    forward=_push_svd,
    results=3,
    samples=[
        S(well(3, 3)),
        S(well(4, 2), full_matrices=False),
        S(well(2, 3, 2), full_matrices=False),
        S(well(1, 1)),
    ],
    batch=leading,
    native=loops(matrix_loops.svd, core=(2,), out=(2, 1, 2)),
)
def svd(a: Any, full_matrices: bool = True) -> Any:
    """Singular value decomposition (U, S, Vh) of a = U @ diag(S) @ Vh, S descending.

    (..., m, n) gives U (..., m, k), S (..., k) and Vh (..., k, n) with k = min(m, n) for
    full_matrices=False, which derivatives of U and Vh need unless m = n. Singular vectors whose
    values coincide, or are zero, are not determined: a result that depends on the choice raises
    MissingDerivative; use `svdvals` where only singular values are needed.

    >>> cr.linalg.svd(cr.tensor([[0.0, 2.0], [1.0, 0.0]])).S
    tensor([2., 1.])
    """
    return attempt(np.linalg.svd, matrices(a), full_matrices)


TABLE["svd"].pull = _pull_svd


def _svdvals_rule(ct: Any, _y: Any, a: Any) -> Any:
    u, s, vh = svd(a, full_matrices=False)
    return _svd_cotangent(None, ct, None, u, s, vh)


@operation(
    reverse=(_svdvals_rule,),
    numpy=(np.linalg.svdvals,),
    samples=[S(well(3, 3)), S(well(4, 2, 2)), S(well(2, 3)), S((0, 2))],
    batch=leading,
    native=loops(matrix_loops.svdvals, core=(2,), out=(1,)),
)
def svdvals(a: Any) -> Any:
    """Singular values, descending: shape (..., m, n) to (..., min(m, n)). Values that coincide
    share their derivative equally, and a value of zero has derivative zero.

    >>> cr.linalg.svdvals(cr.tensor([[0.0, 2.0], [1.0, 0.0]]))
    tensor([2., 1.])
    """
    return attempt(np.linalg.svdvals, matrices(a))


def _numpy_svd(
    a: Any, full_matrices: bool = True, compute_uv: bool = True, hermitian: bool = False
) -> Any:
    """NumPy's svd, which gives the singular values alone for compute_uv=False."""
    if hermitian:
        a = hermitian_part(square(a))
    return svd(a, full_matrices=full_matrices) if compute_uv else svdvals(a)


NUMPY[np.linalg.svd] = _numpy_svd
