"""PyTorch's products, linear algebra, convolutions and Fourier transforms by chainrule's names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from peers.comparison import Peer, torch

import chainrule as cr
from chainrule.ops.matrices import spd, well
from chainrule.ops.table import S

F = torch.nn.functional

# --- products -------------------------------------------------------------------------------------


def _dot(a: Any, b: Any) -> Any:
    if not a.ndim or not b.ndim:
        return a * b
    return torch.tensordot(a, b, dims=([a.ndim - 1], [max(b.ndim - 2, 0)]))


def _tensordot(a: Any, b: Any, axes: Any = 2) -> Any:
    if isinstance(axes, int):
        return torch.tensordot(a, b, dims=axes)
    return torch.tensordot(a, b, dims=[[k] if isinstance(k, int) else list(k) for k in axes])


def _vector_by_matrix(x: Any, a: Any) -> Any:
    return (x.conj()[..., None, :] @ a)[..., 0, :]


def _convolution(a: Any, v: Any) -> Any:
    """Full convolution over all axes, which PyTorch calls a transposed one."""
    full = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}[a.ndim]
    flipped = torch.flip(v, tuple(range(v.ndim)))
    return full(a[None, None], flipped[None, None], padding=tuple(n - 1 for n in v.shape))[0, 0]


def _convolve(a: Any, v: Any, mode: str = "full") -> Any:
    return _part(_convolution(a, v), len(a), len(v), mode, (min(len(a), len(v)) - 1) // 2)


def _correlate(a: Any, v: Any, mode: str = "valid") -> Any:
    n, m = len(a), len(v)
    return _part(_convolution(a, v.flip(0).conj()), n, m, mode, n // 2 if n < m else (m - 1) // 2)


def _part(y: Any, n: int, m: int, mode: str, middle: int) -> Any:
    start, size = {
        "full": (0, n + m - 1),
        "same": (middle, max(n, m)),
        "valid": (min(n, m) - 1, abs(n - m) + 1),
    }[mode]
    return y[start : start + size]


def _convolve_nd(x: Any, kernel: Any, mode: str = "full") -> Any:
    y = _convolution(x, kernel)
    if mode == "full":
        return y
    for axis, (n, m) in enumerate(zip(x.shape, kernel.shape, strict=True)):
        y = y.narrow(
            axis, *(((m - 1) // 2, n) if mode == "same" else (min(n, m) - 1, abs(n - m) + 1))
        )
    return y


def _product(*xs: Any) -> Any:
    y = xs[0]
    for x in xs[1:]:
        y = y * x
    return y


def _cross_entropy(x: Any, labels: Any) -> Any:
    rows = x.reshape(labels.numel(), x.shape[-1])
    losses = F.cross_entropy(rows, labels.reshape(-1), reduction="none")
    return losses.reshape(labels.shape)


PRODUCTS: dict[str, Peer] = {
    "convolve": Peer(_convolve),
    "convolve_nd": Peer(_convolve_nd),
    "correlate_nd": Peer(
        lambda x, kernel, mode="full": _convolve_nd(
            x, torch.flip(kernel, tuple(range(kernel.ndim))).conj().resolve_conj(), mode
        )
    ),
    "correlate": Peer(_correlate),
    "cross": Peer(
        lambda a, b, axis=-1: torch.linalg.cross(*torch.broadcast_tensors(a, b), dim=axis)
    ),
    "dot": Peer(_dot),
    "einsum": Peer(lambda xs, subscripts: torch.einsum(subscripts, *xs)),
    "hadamard": Peer(_product),
    "hadamard_div": Peer(torch.divide),
    "inner": Peer(torch.inner),
    "kron": Peer(torch.kron),
    "matmul": Peer(torch.matmul),
    "matvec": Peer(lambda a, x: (a @ x[..., None])[..., 0]),
    "multi_dot": Peer(torch.linalg.multi_dot),
    "outer": Peer(lambda a, b: torch.outer(a.reshape(-1), b.reshape(-1))),
    "softmax_cross_entropy": Peer(_cross_entropy),
    "tensordot": Peer(_tensordot),
    "vecdot": Peer(lambda a, b, axis=-1: torch.linalg.vecdot(a, b, dim=axis)),
    "vecmat": Peer(_vector_by_matrix),
}

# --- linear algebra -------------------------------------------------------------------------------


def _hermitian(a: Any) -> Any:
    """What chainrule's functions of symmetric matrices read (PyTorch's read one triangle)."""
    return (a + a.mH) / 2


def _columns(function: Callable[..., Any]) -> Callable[..., Any]:
    """A solver of matrices on the right, given one vector too."""

    def solver(a: Any, b: Any, **params: Any) -> Any:
        return (
            function(a, b[..., None], **params)[..., 0] if b.ndim == 1 else function(a, b, **params)
        )

    return solver


@_columns
def _solve_triangular(
    a: Any, b: Any, lower: bool = False, trans: Any = 0, unit_diagonal: bool = False
) -> Any:
    if trans not in (0, "N"):
        a, lower = (a.mH if trans in (2, "C") else a.mT), not lower
    return torch.linalg.solve_triangular(a, b, upper=not lower, unitriangular=unit_diagonal)


@_columns
def _least_squares(a: Any, b: Any) -> Any:
    batch = torch.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    a, b = a.expand(*batch, *a.shape[-2:]), b.expand(*batch, *b.shape[-2:])
    return torch.linalg.lstsq(a, b).solution


def _pinv(a: Any, hermitian: bool = False) -> Any:
    return torch.linalg.pinv(_hermitian(a) if hermitian else a, hermitian=hermitian)


def _weights(n: int) -> Any:
    return np.linspace(1.0, 2.0, n).astype(np.float32)  # exact in both precisions


def _like(x: Any, w: Any) -> Any:
    """Constant weights in the class and the precision of x."""
    return (
        torch.tensor(w).to(x.real.dtype) if isinstance(x, torch.Tensor) else w.astype(x.real.dtype)
    )


def _bilinear(v: Any) -> Any:
    """The projections v diag(w) v^H, which do not depend on the phases of the columns of v."""
    return (v * _like(v, _weights(v.shape[-1]))) @ v.conj().mT


def _of_svd(u: Any, s: Any, vh: Any) -> Any:
    k = s.shape[-1]
    u, vh = u[..., :, :k], vh[..., :k, :]
    return s, (u * _like(u, _weights(k))) @ vh, _bilinear(u)


def _of_eig(w: Any, v: Any) -> Any:
    """Eigenvalues in order; both libraries give them as LAPACK does."""
    return w, abs(v)


def _real_if_real(function: Callable[..., Any]) -> Callable[..., Any]:
    """NumPy answers in real numbers where all eigenvalues are real."""

    def spectrum(a: Any) -> Any:
        out = function(a)
        parts = list(out) if isinstance(out, tuple) else [out]
        if not a.is_complex() and float(parts[0].detach().imag.abs().max()) == 0:
            parts = [p.real for p in parts]
        return tuple(parts) if len(parts) > 1 else parts[0]

    return spectrum


def _of_qr(q: Any, r: Any) -> Any:
    """The signs of the rows of r are free."""
    return q @ r, _bilinear(q), abs(r)


def _norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    return torch.linalg.norm(x, ord, axis, keepdims)


def _vector_norm(x: Any, axis: Any = None, keepdims: bool = False, ord: Any = 2) -> Any:
    return torch.linalg.vector_norm(x, ord, axis, keepdims)


def _cond(a: Any, p: Any = None) -> Any:
    """Where p is not a norm of singular values, PyTorch's own fails at differentiation."""
    if p in (None, 2, -2):
        return torch.linalg.cond(a, p)
    return torch.linalg.matrix_norm(a, p) * torch.linalg.matrix_norm(torch.linalg.inv(a), p)


LINALG: dict[str, Peer] = {
    "cho_solve": Peer(
        # PyTorch also gives a derivative in the triangle that it does not read
        _columns(lambda c, b: torch.cholesky_solve(b, c.tril())),
        ours=lambda c, b: cr.linalg.cho_solve((c, True), b),
        samples=[
            S(lambda rng: np.linalg.cholesky(spd(3)(rng)), (3,)),
            S(lambda rng: np.linalg.cholesky(spd(3)(rng)), (3, 2)),
        ],
    ),
    "cholesky": Peer(lambda a, upper=False: torch.linalg.cholesky(_hermitian(a), upper=upper)),
    "condition_number": Peer(_cond),
    "det": Peer(torch.linalg.det),
    "eig": Peer(_real_if_real(torch.linalg.eig), invariant=_of_eig),
    "eigh": Peer(
        lambda a, UPLO="L": torch.linalg.eigh(_hermitian(a)),
        invariant=lambda w, v: (w, _bilinear(v)),
    ),
    "eigvals": Peer(_real_if_real(torch.linalg.eigvals)),
    "eigvalsh": Peer(lambda a, UPLO="L": torch.linalg.eigvalsh(_hermitian(a))),
    "expm": Peer(torch.linalg.matrix_exp),
    "inv": Peer(torch.linalg.inv),
    "least_squares": Peer(_least_squares),
    "lstsq": Peer(
        _least_squares,
        ours=lambda a, b: cr.linalg.lstsq(a, b)[0],
        samples=[S(well(4, 2), (4,)), S(well(4, 2), (4, 3))],
    ),
    "lu": Peer(torch.linalg.lu),
    "matrix_norm": Peer(
        lambda x, keepdims=False, ord="fro": torch.linalg.matrix_norm(x, ord, keepdim=keepdims)
    ),
    "matrix_power": Peer(torch.linalg.matrix_power),
    "matrix_rank": Peer(torch.linalg.matrix_rank),
    "norm": Peer(_norm),
    "pinv": Peer(_pinv),
    "qr": Peer(lambda a, mode="reduced": torch.linalg.qr(a, mode=mode), invariant=_of_qr),
    "slogdet": Peer(torch.linalg.slogdet),
    "solve": Peer(_columns(torch.linalg.solve)),
    "solve_triangular": Peer(_solve_triangular),
    "svd": Peer(
        lambda a, full_matrices=True: torch.linalg.svd(a, full_matrices=False), invariant=_of_svd
    ),
    "svdvals": Peer(torch.linalg.svdvals),
    "tensorinv": Peer(lambda a, ind: torch.linalg.tensorinv(a, ind)),
    "tensorsolve": Peer(lambda a, b, axes=None: torch.linalg.tensorsolve(a, b, dims=axes)),
    "vector_norm": Peer(_vector_norm),
}

# --- Fourier transforms ---------------------------------------------------------------------------


def _one(name: str) -> Peer:
    function = getattr(torch.fft, name)
    return Peer(lambda x, n=None, axis=-1, norm=None: function(x, n, axis, norm))


def _several(name: str, default: Any = None) -> Peer:
    function = getattr(torch.fft, name)
    return Peer(lambda x, s=None, axes=default, norm=None: function(x, s, axes, norm))


def _frequencies(name: str) -> Peer:
    function = getattr(torch.fft, name)
    # PyTorch's takes a number for the distance, so that no derivative passes
    return Peer(lambda n, d: function(int(n), dtype=d.dtype) / d)


FOURIER: dict[str, Peer] = {
    **{name: _one(name) for name in ("fft", "ifft", "rfft", "irfft", "hfft", "ihfft")},
    **{name: _several(name) for name in ("fftn", "ifftn", "rfftn", "irfftn")},
    **{name: _several(name, (-2, -1)) for name in ("fft2", "ifft2", "rfft2", "irfft2")},
    **{name: _frequencies(name) for name in ("fftfreq", "rfftfreq")},
}
