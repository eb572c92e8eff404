"""Activation functions of `torch.nn.functional`.

`inplace=True` is obeyed by `relu`, where programs rely on it, and saves nothing elsewhere.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from chainrule.ops import elementwise, reduction, special
from chainrule.ops.elementwise import tanh
from chainrule.ops.special import log_sigmoid as logsigmoid
from chainrule.ops.special import sigmoid
from chainrule.torch import _random
from chainrule.torch._reductions import cast, log_softmax, softmax

__all__ = [
    "celu", "dropout", "elu", "gelu", "glu", "hardshrink", "hardsigmoid", "hardswish", "hardtanh",
    "leaky_relu", "log_softmax", "logsigmoid", "mish", "prelu", "relu", "relu6", "selu", "sigmoid",
    "silu", "softmax", "softmin", "softplus", "softshrink", "softsign", "tanh", "tanhshrink",
    "threshold",
]  # fmt: skip

SELU_SCALE = 1.0507009873554804934193349852946
SELU_ALPHA = 1.6732632423543772848170429916717


def relu(input: Any, inplace: bool = False) -> Any:
    """Positive elements as they are, zero for the others; its derivative at 0 is 0.

    >>> torch.nn.functional.relu(torch.tensor([-1.0, 2.0]))
    tensor([0., 2.])
    """
    return input.relu_() if inplace else special.relu(input)


def silu(input: Any, inplace: bool = False) -> Any:
    """x * sigmoid(x)."""
    return special.silu(input)


def mish(input: Any, inplace: bool = False) -> Any:
    """x * tanh(softplus(x))."""
    return special.mish(input)


def relu6(input: Any, inplace: bool = False) -> Any:
    """Elements limited to [0, 6]."""
    return elementwise.clip(input, 0, 6)


def leaky_relu(input: Any, negative_slope: float = 0.01, inplace: bool = False) -> Any:
    """x where it is positive, else negative_slope * x."""
    return special.leaky_relu(input, negative_slope)


def prelu(input: Any, weight: Any) -> Any:
    """`leaky_relu` with a slope that is learned, one for all channels or one for each."""
    if weight.size != 1 and input.ndim > 1:
        weight = weight.reshape(-1, *(1 for _ in range(input.ndim - 2)))
    return elementwise.where(input > 0, input, weight * input)


def elu(input: Any, alpha: float = 1.0, inplace: bool = False) -> Any:
    """x where it is positive, else alpha * (exp(x) - 1)."""
    return special.elu(input, alpha)


def celu(input: Any, alpha: float = 1.0, inplace: bool = False) -> Any:
    """x where it is positive, else alpha * (exp(x / alpha) - 1)."""
    positive = input > 0
    below = elementwise.where(positive, 0.0, input)
    return elementwise.where(positive, input, alpha * elementwise.expm1(below / alpha))


def selu(input: Any, inplace: bool = False) -> Any:
    """`elu`, scaled so that mean and variance keep themselves (Klambauer and others, 2017)."""
    return SELU_SCALE * special.elu(input, SELU_ALPHA)


def gelu(input: Any, approximate: Literal["none", "tanh"] = "none") -> Any:
    """x times the normal distribution function; approximate="tanh" for its usual fit.

    >>> torch.nn.functional.gelu(torch.tensor(1.0))
    tensor(0.8413)
    """
    return special.gelu(input, approximate)


def softplus(input: Any, beta: float = 1, threshold: float = 20) -> Any:
    """log(1 + exp(beta * x)) / beta; x itself where beta * x > threshold."""
    scaled = input if beta == 1 else beta * input
    y = special.softplus(scaled)
    return elementwise.where(scaled > threshold, input, y if beta == 1 else y / beta)


def hardtanh(input: Any, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> Any:
    """Elements limited to [min_val, max_val]; no gradient passes at the limits."""
    inside = elementwise.logical_and(input > min_val, input < max_val)
    limited = np.clip(input.detach()._value, min_val, max_val)
    return elementwise.where(inside, input, limited)


def hardsigmoid(input: Any, inplace: bool = False) -> Any:
    """x / 6 + 1/2, limited to [0, 1]."""
    return hardtanh(input + 3, 0.0, 6.0) / 6


def hardswish(input: Any, inplace: bool = False) -> Any:
    """x * hardsigmoid(x)."""
    return input * hardsigmoid(input)


def softsign(input: Any) -> Any:
    """x / (1 + |x|)."""
    return input / (1 + elementwise.abs(input))


def tanhshrink(input: Any) -> Any:
    """x - tanh(x)."""
    return input - tanh(input)


def hardshrink(input: Any, lambd: float = 0.5) -> Any:
    """x where |x| > lambd, else 0."""
    return elementwise.where(elementwise.abs(input) > lambd, input, 0.0)


def softshrink(input: Any, lambd: float = 0.5) -> Any:
    """x moved towards 0 by lambd, and 0 where that would pass it."""
    moved = input - lambd * elementwise.sign(input)
    return elementwise.where(elementwise.abs(input) > lambd, moved, input * 0)


def threshold(input: Any, threshold: float, value: float, inplace: bool = False) -> Any:
    """x where x > threshold, else `value`."""
    return elementwise.where(input > threshold, input, float(value))


def softmin(input: Any, dim: int, dtype: Any = None) -> Any:
    """`softmax` of -x."""
    return reduction.softmax(-cast(input, dtype), dim)


def glu(input: Any, dim: int = -1) -> Any:
    """The first half along `dim`, times the sigmoid of the second."""
    first, second = input.chunk(2, dim)
    return first * sigmoid(second)


def dropout(input: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Any:
    """In training, each element is zero with probability p, the others scaled by 1 / (1 - p)."""
    if not 0 <= p <= 1:
        raise ValueError(f"dropout: the probability p is in [0, 1], not {p}")
    if not training or p == 0:
        return input
    value = input._value
    drawn = _random.default_generator.uniform(value.size, np.dtype(np.float64)).reshape(value.shape)
    scale = 0.0 if p == 1 else 1 / (1 - p)
    return input * ((drawn >= p) * value.dtype.type(scale))
