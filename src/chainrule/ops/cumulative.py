"""Running sums, products and extremes, and the recurrence that their derivatives are made of.

The derivative of a running product divides by elements that may be zero when it is written as a
quotient. Here it is written as a linear recurrence, whose derivative is one again, so that there is
no division and every order exists.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from chainrule.ops.axes import along, axes_of, numpy_names, operand
from chainrule.ops.batched import over_axis_of_all, over_axis_or_flat
from chainrule.ops.complaints import NUMBERS
from chainrule.ops.joining import concat
from chainrule.ops.movement import flip, roll
from chainrule.ops.native import along_last, last_axis, loops
from chainrule.ops.series import Curve, Step, pairs, plus, total
from chainrule.ops.table import TABLE, S, composite, operation

ZEROS = S(lambda rng: np.array([2.0, 0.0, -1.5, 0.0, 3.0]))
"""A vector with two zeros, where quotients would fail."""


def flat(x: Any, axis: int | None) -> tuple[Any, int]:
    """x and its axis; x as a vector and 0 where the axis is None."""
    return (x.reshape(-1), 0) if axis is None else (x, axis)


def previous(x: Any, axis: int, first: float) -> Any:
    """x moved one place along an axis, with `first` put in front and the last element dropped."""
    if x.size == 0:
        return x
    shape = tuple(1 if k == axis % x.ndim else n for k, n in enumerate(x.shape))
    start = np.full(shape, first, x.dtype)
    return concat([start, x[along(axis, x.ndim, slice(-1))]], axis)


def _without_initial(ct: Any, axis: int, include_initial: bool) -> Any:
    return ct[along(axis, ct.ndim, slice(1, None))] if include_initial else ct


# --- loops of compiled code ----------------------------------------------------------------------


def _running_recurrence(y: Any, a: Any, b: Any) -> None:
    last = b[0]
    y[0] = last
    for i in range(1, len(b)):
        last = a[i] * last + b[i]
        y[i] = last


def _running_sum(y: Any, x: Any) -> None:
    total = x[0]
    y[0] = total
    for i in range(1, len(x)):
        total += x[i]
        y[i] = total


def _running_product(y: Any, x: Any) -> None:
    total = x[0]
    y[0] = total
    for i in range(1, len(x)):
        total *= x[i]
        y[i] = total


def _running_maximum(y: Any, x: Any) -> None:
    largest = x[0]
    y[0] = largest
    for i in range(1, len(x)):
        largest = max(largest, x[i])
        y[i] = largest


def _running_minimum(y: Any, x: Any) -> None:
    smallest = x[0]
    y[0] = smallest
    for i in range(1, len(x)):
        smallest = min(smallest, x[i])
        y[i] = smallest


def _running_logsumexp(y: Any, x: Any) -> None:
    total = x[0]
    y[0] = total
    for i in range(1, len(x)):
        new = x[i]
        if total == new:  # infinities too
            total = total + LN2
        else:
            total = max(total, new) + np.log1p(np.exp(-abs(total - new)))
        y[i] = total


LN2 = math.log(2.0)


def _expanded(name: str, first: float) -> Any:
    """Along the last axis, and without the initial element, which is put in front."""
    plain = along_last(name)

    def expand(x: Any, axis: Any, include_initial: bool, **params: Any) -> Any:
        if not include_initial:
            return plain(x, axis=axis, include_initial=False, **params)
        k = axis or 0
        x = x.reshape(-1) if axis is None else x
        y = TABLE[name].function(x, axis=k, **params)
        shape = tuple(1 if i == k % y.ndim else n for i, n in enumerate(y.shape))
        return concat([np.full(shape, first, y.dtype), y], k)

    return expand


def _ends(x: Any, axis: Any, include_initial: bool, **_: Any) -> bool:
    return not include_initial and last_axis(x, axis=axis)


# --- linear recurrences --------------------------------------------------------------------------


def _recurrence_by_coefficient(ct: Any, y: Any, a: Any, _b: Any, axis: int) -> Any:
    """Of a[i]: s[i] * y[i-1], s being the cotangent of b; the first coefficient is not used."""
    return recur_back(a, ct, axis) * previous(y, axis, 0)


def _recurrence_series(y: Curve, a: Curve, b: Curve, axis: int) -> Step:
    """y_k solves the recurrence of a_0 and of b_k + the sum of a_j previous(y_(k-j)) over j > 0."""

    def step(k: int) -> Any:
        known = total(p * previous(q, axis, 0) for p, q in pairs(a, y, k, first=1))
        rest = plus(b[k], known)
        return None if rest is None else linear_recurrence(a.value, rest, axis)

    return step


@operation(
    reverse=(
        _recurrence_by_coefficient,
        lambda ct, _y, a, _b, axis: recur_back(a, ct, axis),
    ),
    arity=2,
    linear=(1,),
    taylor=_recurrence_series,
    samples=[
        S((5,), (5,)),
        S((3, 4), (3, 4)),
        S((3, 4, 2), (3, 4, 2), axis=1),
        S((0,), (0,)),
        S((4, 9), (4, 9), axis=0),
        S((40, 2), (40, 2), axis=0),
        S((1, 3), (1, 3), axis=0),
    ],
    batch=over_axis_of_all,
    expand=along_last("linear_recurrence"),
    native=loops(_running_recurrence, fits=last_axis),
)
def linear_recurrence(a: Any, b: Any, axis: int = -1) -> Any:
    """The solution of y[0] = b[0], y[i] = a[i] y[i-1] + b[i] along an axis; a and b of one shape.

    The coefficient a[0] is not used.

    >>> linear_recurrence(cr.tensor([0.0, 2.0, 2.0]), cr.tensor([1.0, 0.0, 1.0]))
    tensor([1., 2., 5.])
    """
    a, b = np.asarray(a), np.asarray(b)
    if a.shape != b.shape:
        raise ValueError("coefficients and terms must be of one shape")
    y = np.array(b, np.result_type(a, b))
    coefficients, rows = np.moveaxis(a, axis, 0), np.moveaxis(y, axis, 0)
    if rows.size > 4 * len(rows) or len(rows) <= 32 or y.dtype.char not in "fdFD":
        for i in range(1, len(rows)):
            rows[i] += coefficients[i] * rows[i - 1]
    else:  # too few columns for an array operation at each step to pay
        for column in np.ndindex(rows.shape[1:]):
            rows[:, *column] = _solve(coefficients[:, *column], rows[:, *column])
    return y


def _solve(a: Any, b: Any) -> Any:
    """The recurrence of two vectors as a bidiagonal system of equations, by BLAS."""
    from scipy.linalg import get_blas_funcs

    bands = np.zeros(
        (2, len(b)), b.dtype, order="F"
    )  # the diagonal, which is taken for 1, and below
    bands[1, :-1] = -a[1:]
    return get_blas_funcs("tbsv", dtype=b.dtype)(1, bands, b, lower=1, diag=1)


def recur_back(a: Any, ct: Any, axis: int) -> Any:
    """The recurrence from the end, s[i] = ct[i] + a[i+1] s[i+1]: the transpose of that in b."""
    return flip(linear_recurrence(roll(flip(a, axis), 1, axis), flip(ct, axis), axis), axis)


# --- sums and products ---------------------------------------------------------------------------


def _cumulative_sum_back(
    ct: Any, _y: Any, _x: Any, axis: int | None, include_initial: bool, **_: Any
) -> Any:
    k = axis or 0
    ct = _without_initial(ct, k, include_initial)
    added = flip(cumulative_sum(flip(ct, k), k), k)
    return added.reshape(_x.shape)


@operation(
    reverse=(_cumulative_sum_back,),
    linear=(0,),
    kind="linear",
    samples=[
        S((5,)),
        S((3, 4), axis=-1),
        S((3, 4), axis=0, include_initial=True),
        S((3, 4)),
        S((0,)),
        S((0, 2), axis=0, include_initial=True),
        S(()),
    ],
    numpy=(np.cumsum, *numpy_names("cumulative_sum")),
    batch=over_axis_or_flat,
    expand=_expanded("cumulative_sum", 0),
    native=loops(_running_sum, fits=_ends),
)
def cumulative_sum(
    x: Any, axis: int | None = None, dtype: Any = None, include_initial: bool = False
) -> Any:
    """The sums of the first elements of x along an axis; of x as a vector where it is None.

    With `include_initial` the result begins with the empty sum, 0, and is one longer.

    >>> cr.cumulative_sum(cr.tensor([1.0, 2.0, 3.0]))
    tensor([1., 3., 6.])
    """
    return _with_initial(np.cumsum(x, axis, dtype), axis, 0, include_initial)


def _with_initial(y: Any, axis: int | None, first: int, include_initial: bool) -> Any:
    if not include_initial:
        return y
    k = axis or 0
    shape = tuple(1 if i == k % y.ndim else n for i, n in enumerate(y.shape))
    return np.concatenate([np.full(shape, first, y.dtype), y], k)


def _cumulative_product_back(
    ct: Any, y: Any, x: Any, axis: int | None, include_initial: bool, **_: Any
) -> Any:
    """dy[i]/dx[k] is the product before k times that from k+1 to i: a prefix and a recurrence."""
    line, k = flat(x, axis)
    before = previous(y, k, 1) if not include_initial else y[along(k, y.ndim, slice(-1))]
    after = recur_back(line, _without_initial(ct, k, include_initial), k)
    return (before * after).reshape(x.shape)


@operation(
    reverse=(_cumulative_product_back,),
    samples=[
        S((5,)),
        ZEROS,
        S((3, 4), axis=-1),
        S((3, 4), axis=0, include_initial=True),
        S((2, 3)),
        S((0,)),
        S((0, 2), axis=0, include_initial=True),
        S(()),
    ],
    numpy=(np.cumprod, *numpy_names("cumulative_prod")),
    batch=over_axis_or_flat,
    expand=_expanded("cumulative_prod", 1),
    native=loops(_running_product, fits=_ends),
)
def cumulative_prod(
    x: Any, axis: int | None = None, dtype: Any = None, include_initial: bool = False
) -> Any:
    """The products of the first elements of x along an axis; of x as a vector where it is None.

    With `include_initial` the result begins with the empty product, 1, and is one longer.
    Derivatives are exact where elements are zero.

    >>> cr.cumulative_prod(cr.tensor([1.0, 2.0, 3.0]))
    tensor([1., 2., 6.])
    """
    return _with_initial(np.cumprod(x, axis, dtype), axis, 1, include_initial)


def products_of_others(x: Any, axes: tuple[int, ...]) -> Any:
    """For each element the product of all others along these axes, without a division."""
    if not axes or x.ndim == 0:
        return np.ones(x.shape, x.dtype)
    if x.size == 0:
        return x
    front = tuple(k for k in range(x.ndim) if k not in axes)
    order = front + axes
    moved = np.transpose(x, order)
    line = moved.reshape((*[x.shape[k] for k in front], math.prod(x.shape[k] for k in axes)))
    running = np.multiply.accumulate if isinstance(x, np.ndarray) else cumulative_prod
    one = np.ones((*line.shape[:-1], 1), x.dtype)
    before = np.concatenate([one, running(line[..., :-1], -1)], -1)
    after = np.concatenate([one, running(line[..., :0:-1], -1)], -1)[..., ::-1]
    others = (before * after).reshape(moved.shape)
    return np.transpose(others, [order.index(k) for k in range(x.ndim)])


# --- extremes ------------------------------------------------------------------------------------


def _running_extreme_back(ct: Any, y: Any, x: Any, axis: int | None) -> Any:
    """Each result's cotangent, shared among the elements so far that equal it.

    Along a stretch of equal results, `count[i]` elements have reached that value by i, and an
    element takes its share of all results from itself to the end of the stretch: two recurrences
    whose coefficient is 1 within a stretch and 0 at its beginning.
    """
    line, k = flat(x, axis)
    hit = (line == y).astype(ct.dtype)
    same = (y == previous(y, k, 0)).astype(ct.dtype)  # the first place is not used
    count = linear_recurrence(same, hit, k)
    shares = recur_back(same, ct / np.maximum(count, 1), k)
    return (hit * shares).reshape(x.shape)


RUNNING = (S((5,)), S((3, 4), axis=-1), S((3, 4), axis=0), S((2, 3)), S((0,)), S(()))


@operation(
    reverse=(_running_extreme_back,),
    samples=RUNNING,
    batch=over_axis_or_flat,
    expand=along_last("cummax"),
    native=loops(_running_maximum, fits=last_axis),
)
def cummax(x: Any, axis: int | None = None) -> Any:
    """The largest element so far along an axis; of x as a vector where it is None.

    Elements that tie share the derivative equally.

    >>> cr.cummax(cr.tensor([1.0, 3.0, 2.0]))
    tensor([1., 3., 3.])
    """
    x, axis = flat(np.asarray(x), axis)
    return np.maximum.accumulate(x, axis)


@operation(
    reverse=(_running_extreme_back,),
    samples=RUNNING,
    batch=over_axis_or_flat,
    expand=along_last("cummin"),
    native=loops(_running_minimum, fits=last_axis),
)
def cummin(x: Any, axis: int | None = None) -> Any:
    """The smallest element so far along an axis; of x as a vector where it is None.

    Elements that tie share the derivative equally.

    >>> cr.cummin(cr.tensor([2.0, 3.0, 1.0]))
    tensor([2., 2., 1.])
    """
    x, axis = flat(np.asarray(x), axis)
    return np.minimum.accumulate(x, axis)


def _logcumsumexp_back(ct: Any, y: Any, x: Any, axis: int | None) -> Any:
    """exp(x[k] - y[k]) s[k] with s[k] = ct[k] + exp(y[k] - y[k+1]) s[k+1]: no factor exceeds 1."""
    line, k = flat(x, axis)
    finite = np.where(y == -np.inf, 0, y)  # exp(-inf - finite) is the 0 that is meant
    decay = np.exp(previous(y, k, 0) - finite)
    return (np.exp(line - finite) * recur_back(decay, ct, k)).reshape(x.shape)


@operation(
    reverse=(_logcumsumexp_back,),
    samples=(*RUNNING, S(lambda rng: np.array([0.5, -np.inf, 2.0]))),
    batch=over_axis_or_flat,
    expand=along_last("logcumsumexp"),
    native=loops(_running_logsumexp, fits=last_axis),
)
def logcumsumexp(x: Any, axis: int | None = None) -> Any:
    """log of the running sum of exp(x) along an axis, without overflow; of x as a vector for None.

    >>> cr.logcumsumexp(cr.tensor([0.0, 0.0]))
    tensor([0.0000, 0.6931])
    """
    x, axis = flat(np.asarray(x), axis)
    return np.logaddexp.accumulate(x, axis)


# --- differences ---------------------------------------------------------------------------------


@composite(
    samples=[
        S((5,)),
        S((3, 4), n=2),
        S((3, 4), axis=0),
        S((3, 4), axis=0, prepend=0.0),
        S((3,), n=4),
        S((2, 3), n=0),
    ],
    numpy=(np.diff,),
)
def diff(x: Any, n: int = 1, axis: int = -1, prepend: Any = None, append: Any = None) -> Any:
    """The n-th differences of neighbors along an axis, after putting arrays before or behind x.

    >>> cr.diff(cr.tensor([1.0, 4.0, 9.0]))
    tensor([3., 5.])
    """
    if n < 0:
        raise ValueError(f"diff: n must not be negative, and is {n}")
    x = operand(x, "diff")
    parts = [_margin(prepend, x, axis), x, _margin(append, x, axis)]
    if prepend is not None or append is not None:
        x = concat([p for p in parts if p is not None], axis)
    later, earlier = along(axis, x.ndim, slice(1, None)), along(axis, x.ndim, slice(-1))
    for _ in range(n):
        x = x[later] - x[earlier] if x.dtype != bool else x[later] != x[earlier]
    return x


def _margin(margin: Any, x: Any, axis: int) -> Any:
    """What `diff` puts beside x: a number is stretched to one slice."""
    if margin is None:
        return None
    if type(margin) in NUMBERS:
        margin = np.asarray(margin, np.result_type(x.dtype, margin))
    margin = operand(margin, "diff")
    if margin.ndim:
        return margin
    (k,) = axes_of(axis, x.ndim)
    return np.broadcast_to(margin, (*x.shape[:k], 1, *x.shape[k + 1 :]))
