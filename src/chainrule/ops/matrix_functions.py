"""Powers, exponentials, roots and logarithms of square matrices, batched over leading dimensions.

The derivative of a matrix function f at a in the direction e is the upper right block of f applied
to the block triangle [[a, e], [0, a]] (R. Mathias, A chain rule for matrix functions and
applications, 1996), and its transpose is the same map at a^T. So a rule is one more evaluation, and
derivatives of every order follow.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.ops import matrix_loops
from chainrule.ops.batched import leading
from chainrule.ops.matrices import floating, gaussian, recorded, spd, square, symmetric, well
from chainrule.ops.native import loops
from chainrule.ops.series import Curve, Step
from chainrule.ops.table import TABLE, S, composite, numbers, operation


def _by_blocks(name: str) -> Callable[..., Any]:
    """The reverse rule of the matrix function in the row `name`."""

    def rule(ct: Any, _y: Any, a: Any) -> Any:
        n = a.shape[-1]
        t = a.mT
        # the block is linear in ct, whose size should not decide how often a is halved
        scale = float(np.max(np.abs(numbers(ct)), initial=0)) or 1.0
        top = np.concatenate([t, ct / scale], axis=-1)
        bottom = np.concatenate([np.zeros(t.shape, t.dtype), t], axis=-1)
        return TABLE[name].function(np.concatenate([top, bottom], axis=-2))[..., :n, n:] * scale

    return rule


def _series_by_blocks(name: str) -> Callable[[Curve, Curve], Step]:
    """The recurrence of the matrix function in the row `name`: block triangular Toeplitz matrices
    of a_0, a_1, ... multiply as the series do, so the last block of the first row of f of that
    matrix is the coefficient wanted. It has (k + 1) n rows for coefficient k.
    """

    def rule(_y: Curve, a: Curve) -> Step:
        n = a.value.shape[-1]

        def step(k: int) -> Any:
            zero = np.zeros(a.value.shape, a.value.dtype)
            blocks = [zero if a[j] is None else a[j] for j in range(k + 1)]
            rows = [
                np.concatenate([*[zero] * i, *blocks[: k + 1 - i]], axis=-1) for i in range(k + 1)
            ]
            return TABLE[name].function(np.concatenate(rows, axis=-2))[..., :n, k * n :]

        return step

    return rule


def _as_precise(y: Any, a: Any) -> Any:
    """SciPy's result in the precision of a, where it went to double."""
    kind = np.result_type(a.dtype, np.complex64) if y.dtype.kind == "c" else a.dtype
    return y.astype(kind, copy=False)


@operation(
    reverse=(_by_blocks("expm"),),
    taylor=_series_by_blocks("expm"),
    samples=[S(gaussian(3, 3)), S((2, 2, 2)), S((1, 1)), S((0, 0))],
    batch=leading,
    native=loops(matrix_loops.expm, core=(2,)),
)
def expm(a: Any) -> Any:
    """Exponential of each matrix of shape (..., n, n): the series 1 + a + a @ a / 2 + ...

    >>> cr.linalg.expm(cr.tensor([[0.0, 1.0], [0.0, 0.0]]))
    tensor([[1., 1.],
            [0., 1.]])
    """
    from scipy.linalg import expm as evaluate

    a = floating(square(a))
    return _as_precise(evaluate(a), a)


@operation(
    reverse=(_by_blocks("sqrtm"),),
    taylor=_series_by_blocks("sqrtm"),
    samples=[S(spd(3)), S(spd(2, 2))],
    batch=leading,
)
def sqrtm(a: Any) -> Any:
    """Principal square root of each matrix of shape (..., n, n).

    The result is complex where the matrix has negative eigenvalues.

    >>> cr.linalg.sqrtm(cr.tensor([[4.0, 0.0], [0.0, 9.0]]))
    tensor([[2., 0.],
            [0., 3.]])
    """
    from scipy.linalg import sqrtm as evaluate

    a = floating(square(a))
    return _as_precise(_each(evaluate, a), a)


@operation(
    reverse=(_by_blocks("logm"),),
    taylor=_series_by_blocks("logm"),
    samples=[S(spd(3)), S(spd(2, 2))],
    tolerance=10.0,  # SciPy's logm is accurate to a few digits less than its expm,
    batch=leading,
)
def logm(a: Any) -> Any:
    """Principal logarithm of each matrix of shape (..., n, n), the inverse of `expm`.

    The result is complex where the matrix has negative eigenvalues.

    >>> cr.linalg.logm(cr.tensor([[1.0, 0.0], [0.0, 1.0]]))
    tensor([[0., 0.],
            [0., 0.]])
    """
    from scipy.linalg import logm as evaluate

    a = floating(square(a))
    # in double precision: in single SciPy takes the rounding of a real matrix for a complex result
    wide = a.astype(np.result_type(a.dtype, np.float64), copy=False)
    return _as_precise(_each(evaluate, wide), a)


def _each(evaluate: Callable[[Any], Any], a: Any) -> Any:
    """evaluate on every matrix of a batch."""
    if a.ndim == 2 and a.size:
        return evaluate(a)
    if not a.size:
        return np.zeros_like(a)
    batch = a.shape[:-2]
    return np.stack([evaluate(a[i]) for i in np.ndindex(batch)]).reshape(a.shape)


@composite(
    numpy=(np.linalg.matrix_power,),
    samples=[
        S((3, 3), n=3),
        S((2, 2, 2), n=5),
        S(well(3, 3), n=-2),
        S((2, 2), n=0),
        S((2, 2), n=1),
        S(symmetric(4), n=2),
    ],
)
def matrix_power(a: Any, n: int) -> Any:
    """Integer power of each matrix of shape (..., k, k); of the inverse where n is negative.

    >>> cr.linalg.matrix_power(cr.tensor([[1.0, 1.0], [0.0, 1.0]]), 3)
    tensor([[1., 3.],
            [0., 1.]])
    """
    if not recorded(a):
        return np.linalg.matrix_power(a, n)
    n = operator.index(n)
    square(a)
    if n < 0:
        a, n = np.linalg.inv(a), -n
    if n == 0:
        return a * 0 + np.eye(a.shape[-1], dtype=a.dtype)
    if n == 3:  # as NumPy multiplies
        return (a @ a) @ a
    result = None
    while n:
        if n % 2:
            result = a if result is None else result @ a
        n //= 2
        if n:
            a = a @ a
    return result
