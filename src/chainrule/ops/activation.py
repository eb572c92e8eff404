"""Elementwise functions of neural networks."""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np

from chainrule.ops.elementwise import clip, where
from chainrule.ops.family import elementwise, shown
from chainrule.ops.lazy import scipy_row
from chainrule.ops.normal import ndtr
from chainrule.ops.table import S, composite

inf = math.inf

sigmoid = scipy_row(
    "sigmoid",
    lambda y, _x: y * (1 - y),
    scipy="expit",
    special=(0.0, inf, -inf),
    doc=shown(
        "1 / (1 + exp(-x)).", "cr.special.sigmoid(cr.tensor([0., 2.]))", "tensor([0.5000, 0.8808])"
    ),
)
logit = scipy_row(
    "logit",
    lambda _y, x: 1 / (x * (1 - x)),
    domain=((0.1, 0.9),),
    special=(0.0, 1.0),
    doc=shown(
        "log(x / (1 - x)), the inverse of sigmoid.",
        "cr.special.logit(cr.tensor([0.5, 0.9]))",
        "tensor([0.0000, 2.1972])",
    ),
)
log_sigmoid = scipy_row(
    "log_sigmoid",
    lambda _y, x: sigmoid(-x),
    scipy="log_expit",
    special=(0.0, inf, -inf),
    doc=shown(
        "log(sigmoid(x)), without underflow.",
        "cr.special.log_sigmoid(cr.tensor([0., -1000.]))",
        "tensor([-6.9315e-01, -1.0000e+03])",
    ),
)
softplus = elementwise(
    "softplus",
    lambda x: np.logaddexp(x, 0.0),
    (lambda _y, x: sigmoid(x),),
    special=(0.0, inf, -inf),
    numpy=("scipy.special.softplus",),
    doc=shown(
        "log(1 + exp(x)), without overflow.",
        "cr.special.softplus(cr.tensor([0., 1000.]))",
        "tensor([6.9315e-01, 1.0000e+03])",
    ),
)
relu = elementwise(
    "relu",
    lambda x: np.maximum(x, 0),
    (lambda y, _x: np.greater(y, 0),),
    special=(0.0, inf),
    doc=shown(
        "max(x, 0); its derivative at 0 is 0.",
        "cr.special.relu(cr.tensor([-1., 2.]))",
        "tensor([0., 2.])",
    ),
)


def _silu(x: Any) -> Any:
    return x * sigmoid(x)


def _silu_slope(_y: Any, x: Any) -> Any:
    s = sigmoid(x)
    return s * (1 + np.clip(x, -1e4, 1e4) * (1 - s))  # at infinity 1 - s or s is 0


silu = elementwise(
    "silu",
    _silu,
    (_silu_slope,),
    special=(0.0, 1000.0),
    doc=shown(
        "x * sigmoid(x).", "cr.special.silu(cr.tensor([0., 2.]))", "tensor([0.0000, 1.7616])"
    ),
)


@composite(samples=[S((2, 3)), S((2, 3), approximate="tanh")])
def gelu(x: Any, approximate: Literal["none", "tanh"] = "none") -> Any:
    """x * ndtr(x), or with approximate="tanh" the usual approximation through tanh.

    >>> cr.special.gelu(cr.tensor([0.0, 2.0]))
    tensor([0.0000, 1.9545])
    """
    if approximate == "none":
        return x * ndtr(x)
    if approximate != "tanh":
        raise ValueError(f'gelu: approximate is "none" or "tanh", not {approximate!r}')
    return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x * x * x)))


@composite(samples=[S((2, 3)), S((3,), negative_slope=0.2)])
def leaky_relu(x: Any, negative_slope: float = 0.01) -> Any:
    """x where it is positive, else negative_slope * x (the slope at 0 as well).

    >>> cr.special.leaky_relu(cr.tensor([-1.0, 2.0]))
    tensor([-0.0100,  2.0000])
    """
    return where(np.greater(x, 0), x, negative_slope * x)


@composite(samples=[S((2, 3)), S((3,), alpha=0.5)])
def elu(x: Any, alpha: float = 1.0) -> Any:
    """x where it is positive, else alpha * (exp(x) - 1).

    >>> cr.special.elu(cr.tensor([-1.0, 2.0]))
    tensor([-0.6321,  2.0000])
    """
    positive = np.greater(x, 0)
    return where(positive, x, alpha * np.expm1(where(positive, 0, x)))


@composite(samples=[S((2, 3))])
def mish(x: Any) -> Any:
    """x * tanh(softplus(x)).

    >>> cr.special.mish(cr.tensor([0.0, 2.0]))
    tensor([0.0000, 1.9440])
    """
    return x * np.tanh(softplus(x))


@composite(samples=[S((2, 3)), S((3,), min_val=-0.5, max_val=0.5)])
def hardtanh(x: Any, min_val: float = -1.0, max_val: float = 1.0) -> Any:
    """x limited to [min_val, max_val]; the derivative passes on the closed interval.

    >>> cr.special.hardtanh(cr.tensor([-2.0, 0.5]))
    tensor([-1.0000,  0.5000])
    """
    return clip(x, min_val, max_val)
