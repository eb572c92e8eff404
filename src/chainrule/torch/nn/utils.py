"""`torch.nn.utils`: gradients kept within bounds, and parameters as one vector."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from chainrule.graph.node import Variable
from chainrule.ops import joining, movement
from chainrule.record.inplace import store
from chainrule.torch import _missing
from chainrule.torch._creation import from_numpy

__all__ = [
    "clip_grad_norm_",
    "clip_grad_value_",
    "parameters_to_vector",
    "vector_to_parameters",
]


def _gradients(parameters: Any) -> list[Any]:
    listed = [parameters] if isinstance(parameters, Variable) else list(parameters)
    return [p.grad for p in listed if p.grad is not None]


def clip_grad_norm_(parameters: Any, max_norm: float, norm_type: float = 2.0) -> Any:
    """Scale the gradients, in place, so that their norm as one vector is at most `max_norm`.

    Returns the norm they had.

    >>> x = torch.tensor([3.0, 4.0], requires_grad=True)
    >>> (x**2).sum().backward()
    >>> torch.nn.utils.clip_grad_norm_([x], 1.0)
    tensor(10.)
    >>> x.grad
    tensor([0.6000, 0.8000])
    """
    grads = _gradients(parameters)
    values = [np.ravel(g._value) for g in grads]
    norm = np.linalg.norm(np.concatenate(values), norm_type) if values else np.float32(0)
    scale = min(1.0, max_norm / (float(norm) + 1e-6))
    for g in grads:
        store(g, g._value * g._value.dtype.type(scale), "clip_grad_norm_")
    return from_numpy(np.asarray(norm))


def clip_grad_value_(parameters: Any, clip_value: float) -> None:
    """Limit every element of the gradients, in place, to [-clip_value, clip_value]."""
    for g in _gradients(parameters):
        store(g, np.clip(g._value, -clip_value, clip_value), "clip_grad_value_")


def parameters_to_vector(parameters: Iterable[Any]) -> Any:
    """All parameters as one vector."""
    return joining.concat([movement.reshape(p, -1) for p in parameters])


def vector_to_parameters(vec: Any, parameters: Iterable[Any]) -> None:
    """Put the elements of a vector into parameters, one after another."""
    at = 0
    for p in parameters:
        count = p.numel()
        p.data = movement.reshape(vec.detach()[at : at + count], tuple(p.shape))
        at += count


def __getattr__(name: str) -> Any:
    raise _missing.missing(__name__, name, __all__)
