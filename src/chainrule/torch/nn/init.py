"""`torch.nn.init`: starting values, put into a tensor in place."""

from __future__ import annotations

import math
from typing import Any

from chainrule.errors import ShapeError, at, user_line
from chainrule.record.mode import no_grad
from chainrule.torch import _missing, _random

__all__ = [
    "constant_", "kaiming_normal_", "kaiming_uniform_", "normal_", "ones_", "uniform_",
    "xavier_normal_", "xavier_uniform_", "zeros_",
]  # fmt: skip


@no_grad()
def uniform_(tensor: Any, a: float = 0.0, b: float = 1.0) -> Any:
    """Random numbers, uniform in [a, b)."""
    return _random.uniform_(tensor, a, b)


@no_grad()
def normal_(tensor: Any, mean: float = 0.0, std: float = 1.0) -> Any:
    """Normal random numbers."""
    return _random.normal_(tensor, mean, std)


@no_grad()
def constant_(tensor: Any, val: float) -> Any:
    """One number everywhere.

    >>> torch.nn.init.constant_(torch.empty(2), 3.0)
    tensor([3., 3.])
    """
    return tensor.fill_(val)


def zeros_(tensor: Any) -> Any:
    """Zeros."""
    return constant_(tensor, 0.0)


def ones_(tensor: Any) -> Any:
    """Ones."""
    return constant_(tensor, 1.0)


def _fans(tensor: Any) -> tuple[int, int]:
    """(inputs, outputs) of a layer with this weight."""
    if tensor.ndim < 2:
        raise ShapeError("a weight of fewer than two dimensions has no fan-in" + at(user_line()))
    rest = math.prod(tensor.shape[2:])
    return tensor.shape[1] * rest, tensor.shape[0] * rest


def xavier_uniform_(tensor: Any, gain: float = 1.0) -> Any:
    """Uniform, of variance 2 / (inputs + outputs) * gain**2 (Glorot and Bengio, 2010)."""
    bound = gain * math.sqrt(6 / sum(_fans(tensor)))
    return uniform_(tensor, -bound, bound)


def xavier_normal_(tensor: Any, gain: float = 1.0) -> Any:
    """Normal, of variance 2 / (inputs + outputs) * gain**2 (Glorot and Bengio, 2010)."""
    return normal_(tensor, 0.0, gain * math.sqrt(2 / sum(_fans(tensor))))


def _gain(a: float, nonlinearity: str) -> float:
    gains = {"linear": 1.0, "sigmoid": 1.0, "tanh": 5 / 3, "relu": math.sqrt(2.0), "selu": 0.75}
    if nonlinearity == "leaky_relu":
        return math.sqrt(2 / (1 + a * a))
    return gains[nonlinearity]


def kaiming_uniform_(
    tensor: Any, a: float = 0, mode: str = "fan_in", nonlinearity: str = "leaky_relu"
) -> Any:
    """Uniform, of variance gain**2 / inputs (He and others, 2015)."""
    bound = _gain(a, nonlinearity) * math.sqrt(3 / _fans(tensor)[mode == "fan_out"])
    return uniform_(tensor, -bound, bound)


def kaiming_normal_(
    tensor: Any, a: float = 0, mode: str = "fan_in", nonlinearity: str = "leaky_relu"
) -> Any:
    """Normal, of variance gain**2 / inputs (He and others, 2015)."""
    return normal_(
        tensor, 0.0, _gain(a, nonlinearity) / math.sqrt(_fans(tensor)[mode == "fan_out"])
    )


def __getattr__(name: str) -> Any:
    raise _missing.missing(__name__, name, __all__)
