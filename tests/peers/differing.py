"""Runs the expressions of a `Difference`, and writes the results as `docs/differences.md` does."""

from __future__ import annotations

from typing import Any

import numpy as np
from peers.comparison import plain, torch
from peers.differences import Difference

import chainrule as cr
from chainrule.transforms.backward import gradients


def ours(difference: Difference) -> str:
    """What chainrule gives."""
    x = cr.tensor(_point(difference), requires_grad=True)
    result = eval(difference.chainrule, {"cr": cr, "np": np, "x": x})
    for k in range(difference.order):
        again = k + 1 < difference.order
        (result,) = gradients([result.sum()], [x], [np.ones(())], create_graph=again)
    return written(result)


def theirs(difference: Difference) -> str:
    """What PyTorch gives, or the class of the error it raises."""
    x = torch.tensor(_point(difference)).requires_grad_()
    try:
        result = eval(difference.pytorch, {"torch": torch, "F": torch.nn.functional, "x": x})
        for k in range(difference.order):
            again = k + 1 < difference.order
            (result,) = torch.autograd.grad(result.sum(), x, create_graph=again)
    except (RuntimeError, ValueError, NotImplementedError) as error:
        return type(error).__name__
    return written(result)


def _point(difference: Difference) -> Any:
    value = np.asarray(eval(difference.point, {"inf": np.inf, "nan": np.nan}))
    return value if value.dtype.kind == "c" else value.astype(float)


def written(result: Any) -> str:
    """A result in six digits."""
    return _nested(result if isinstance(result, int) else plain(result).tolist())


def _nested(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_nested, value))}]"
    if isinstance(value, complex):
        return f"{value.real:g}{value.imag:+g}j"
    return f"{value + 0.0:.6g}" if abs(1 - value) > 1e-4 or value == 1 else repr(value)
