"""`gradcheck`: derivatives against finite differences."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from chainrule.errors import ChainruleError, at, user_line
from chainrule.graph.node import Variable
from chainrule.torch._random import Generator
from chainrule.torch._tensor import Tensor
from chainrule.transforms.backward import gradients


class GradcheckError(ChainruleError, RuntimeError):
    """A derivative that finite differences contradict."""


def gradcheck(
    func: Callable[..., Any],
    inputs: Any,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    **_: Any,
) -> bool:
    """Compare Jacobians of `func` with central differences, at inputs that require grad (float64).

    True where |analytic - numerical| <= atol + rtol * |numerical| throughout; otherwise
    GradcheckError naming the entry, or False where `raise_exception` is False.

    >>> x = torch.tensor([1.0, 2.0], dtype=torch.float64, requires_grad=True)
    >>> torch.autograd.gradcheck(torch.exp, (x,))
    True
    """
    given = (inputs,) if isinstance(inputs, Variable) else tuple(inputs)
    try:
        _check(func, given, eps, atol, rtol)
    except GradcheckError:
        if raise_exception:
            raise
        return False
    return True


def _tracked(given: Sequence[Any]) -> list[int]:
    return [i for i, x in enumerate(given) if isinstance(x, Variable) and x._node is not None]


def _outputs(func: Callable[..., Any], given: Sequence[Any]) -> list[Any]:
    out = func(*given)
    return [
        y for y in (out if isinstance(out, (tuple, list)) else (out,)) if isinstance(y, Variable)
    ]


def _check(
    func: Callable[..., Any], given: Sequence[Any], eps: float, atol: float, rtol: float
) -> None:
    where = _tracked(given)
    if not where:
        raise ValueError("gradcheck: no input requires grad" + at(user_line()))
    for i in where:
        if given[i]._value.dtype not in (np.float64, np.complex128):
            raise ValueError(
                f"gradcheck: input {i} is {given[i].dtype}; finite differences need torch.float64"
                + at(user_line())
            )
    numerical = [_differences(func, given, i, eps) for i in where]
    for k, y in enumerate(_outputs(func, given)):
        if y._value.dtype.kind not in "fc":
            continue
        analytic = _rows(y, [given[i] for i in where])
        for i, a, differences in zip(where, analytic, numerical, strict=True):
            _compare(f"output {k} by input {i}", a, differences[k], atol, rtol)


def _differences(
    func: Callable[..., Any], given: Sequence[Any], i: int, eps: float
) -> list[np.ndarray[Any, Any]]:
    """Jacobians of the outputs by input i, one column at a time."""
    value = np.array(given[i]._value)
    columns: list[list[Any]] = []
    for place in np.ndindex(value.shape):
        both = []
        for step in (eps, -eps):
            moved = value.copy()
            moved[place] += step
            x = Tensor()
            x._value, x._node = (moved if moved.ndim else moved[()]), None
            outs = _outputs(func, [*given[:i], x, *given[i + 1 :]])
            both.append([np.array(y._value) for y in outs])
        columns.append([(a - b).ravel() / (2 * eps) for a, b in zip(*both, strict=True)])
    return [np.stack(c, 1) for c in zip(*columns, strict=True)]


def _rows(y: Variable, xs: Sequence[Variable]) -> list[np.ndarray[Any, Any]]:
    """The Jacobians of one output, a row at a time."""
    sizes = [x._value.size for x in xs]
    if y._node is None:
        return [np.zeros((y._value.size, n)) for n in sizes]
    rows: list[list[Any]] = [[] for _ in xs]
    for k in range(y._value.size):
        seed = np.zeros(y._value.size, y._value.dtype)
        seed[k] = 1
        found = gradients(
            (y,), xs, (seed.reshape(y._value.shape),), retain_graph=True, allow_unused=True
        )
        for row, g, n in zip(rows, found, sizes, strict=True):
            row.append(np.zeros(n) if g is None else np.asarray(g._value).ravel())
    return [np.stack(r) if r else np.zeros((0, n)) for r, n in zip(rows, sizes, strict=True)]


def _compare(what: str, analytic: Any, numerical: Any, atol: float, rtol: float) -> None:
    wrong = ~(np.abs(analytic - numerical) <= atol + rtol * np.abs(numerical))
    if wrong.any():
        row, column = np.argwhere(wrong)[0]
        raise GradcheckError(
            f"gradcheck: the Jacobian of {what} is not that of differences at [{row}, {column}]: "
            f"{analytic[row, column]:.6g} against {numerical[row, column]:.6g}" + at(user_line())
        )


def gradgradcheck(
    func: Callable[..., Any],
    inputs: Any,
    grad_outputs: Any = None,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    **_: Any,
) -> bool:
    """Compare second derivatives with central differences of the first (see `gradcheck`).

    >>> x = torch.tensor([1.0, 2.0], dtype=torch.float64, requires_grad=True)
    >>> torch.autograd.gradgradcheck(torch.exp, (x,))
    True
    """
    given = (inputs,) if isinstance(inputs, Variable) else tuple(inputs)
    outs = [y for y in _outputs(func, given) if y._node is not None]
    source = Generator().manual_seed(0)
    if grad_outputs is None:
        seeds = [source.normal(y._value.size, np.float64).reshape(y._value.shape) for y in outs]
    else:
        many = (grad_outputs,) if isinstance(grad_outputs, Variable) else grad_outputs
        seeds = [g._value for g in many]
    count = len(given)
    where = _tracked(given)

    def first(*both: Any) -> tuple[Any, ...]:
        # finite differences hand in plain values: they are variables here all the same
        xs = [
            x if i not in where or x._node is not None else x.detach().requires_grad_()
            for i, x in enumerate(both[:count])
        ]
        ys = [y for y in _outputs(func, xs) if y._node is not None]
        found = gradients(
            ys, [xs[i] for i in where], list(both[count:]), create_graph=True, allow_unused=True
        )
        return tuple(g for g in found if g is not None)

    cotangents = []
    for seed in seeds:
        c = Tensor()
        c._value, c._node = np.asarray(seed)[()], None
        cotangents.append(c.requires_grad_())
    return gradcheck(
        first, (*given, *cotangents), eps=eps, atol=atol, rtol=rtol, raise_exception=raise_exception
    )
