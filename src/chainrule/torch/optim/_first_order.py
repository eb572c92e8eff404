"""Optimizers that take one gradient a step: SGD, Adam and its relatives, RMSprop, Adagrad.

The formulas, and the order in which they round, are those of PyTorch's documentation of each.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from chainrule.torch.optim._optimizer import Optimizer, decayed, fractions, moved, positive


class SGD(Optimizer):
    """Gradient descent, with momentum if wanted.

    >>> x = torch.tensor([1.0], requires_grad=True)
    >>> optimizer = torch.optim.SGD([x], lr=0.1)
    >>> (x**2).sum().backward()
    >>> optimizer.step()
    >>> x
    tensor([0.8000], requires_grad=True)
    """

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        positive(lr=lr, momentum=momentum, weight_decay=weight_decay)
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ValueError("Nesterov's momentum needs a momentum, and zero dampening")
        super().__init__(
            params,
            {
                "lr": lr, "momentum": momentum, "dampening": dampening,
                "weight_decay": weight_decay, "nesterov": nesterov, "maximize": maximize,
            },
        )  # fmt: skip

    def _update(self, p: Any, g: Any, state: dict[str, Any], group: dict[str, Any]) -> None:
        g = decayed(p, g, group)
        momentum = group["momentum"]
        if momentum:
            before = state.get("momentum_buffer")
            if before is None:
                buffer = g.copy()
            else:
                buffer = momentum * before + (1 - group["dampening"]) * g
            state["momentum_buffer"] = buffer
            g = g + momentum * buffer if group["nesterov"] else buffer
        moved(p, p._value - group["lr"] * g)


class Adam(Optimizer):
    """Adam (Kingma and Ba, 2015): running means of the gradient and of its square.

    >>> x = torch.tensor([1.0], requires_grad=True)
    >>> optimizer = torch.optim.Adam([x], lr=0.1)
    >>> (x**2).sum().backward()
    >>> optimizer.step()
    >>> x
    tensor([0.9000], requires_grad=True)
    """

    _decoupled = False

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        positive(lr=lr, eps=eps, weight_decay=weight_decay)
        fractions(beta1=betas[0], beta2=betas[1])
        super().__init__(
            params,
            {
                "lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay,
                "amsgrad": amsgrad, "maximize": maximize,
            },
        )  # fmt: skip

    def _update(self, p: Any, g: Any, state: dict[str, Any], group: dict[str, Any]) -> None:
        lr, (beta1, beta2) = group["lr"], group["betas"]
        value = p._value
        if self._decoupled:
            value = value * (1 - lr * group["weight_decay"])
        else:
            g = decayed(p, g, group)
        if not state:
            state.update(step=0, exp_avg=g * 0, exp_avg_sq=g * 0)
        state["step"] += 1
        mean = state["exp_avg"] = state["exp_avg"] + (g - state["exp_avg"]) * (1 - beta1)
        square = state["exp_avg_sq"] = beta2 * state["exp_avg_sq"] + (1 - beta2) * (g * g)
        if group["amsgrad"]:
            square = state["max_exp_avg_sq"] = np.maximum(
                state.get("max_exp_avg_sq", square), square
            )
        rate = lr / (1 - beta1 ** state["step"])
        root = math.sqrt(1 - beta2 ** state["step"])
        moved(p, value - rate * (mean / (np.sqrt(square) / root + group["eps"])))


class AdamW(Adam):
    """Adam with decoupled weight decay (Loshchilov and Hutter, 2019): the parameters shrink.

    >>> x = torch.tensor([1.0], requires_grad=True)
    >>> optimizer = torch.optim.AdamW([x], lr=0.1, weight_decay=0.5)
    >>> (x**2).sum().backward()
    >>> optimizer.step()
    >>> x
    tensor([0.8500], requires_grad=True)
    """

    _decoupled = True

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad, maximize=maximize)


class RMSprop(Optimizer):
    """The gradient over the root of the running mean of its square (Tieleman and Hinton, 2012).

    >>> x = torch.tensor([1.0], requires_grad=True)
    >>> optimizer = torch.optim.RMSprop([x], lr=0.01)
    >>> (x**2).sum().backward()
    >>> optimizer.step()
    >>> x
    tensor([0.9000], requires_grad=True)
    """

    def __init__(
        self,
        params: Any,
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        positive(lr=lr, alpha=alpha, eps=eps, weight_decay=weight_decay, momentum=momentum)
        super().__init__(
            params,
            {
                "lr": lr, "momentum": momentum, "alpha": alpha, "eps": eps, "centered": centered,
                "weight_decay": weight_decay, "maximize": maximize,
            },
        )  # fmt: skip

    def _update(self, p: Any, g: Any, state: dict[str, Any], group: dict[str, Any]) -> None:
        g = decayed(p, g, group)
        alpha = group["alpha"]
        square = state["square_avg"] = alpha * state.get("square_avg", g * 0) + (1 - alpha) * (
            g * g
        )
        if group["centered"]:
            mean = state.get("grad_avg", g * 0)
            mean = state["grad_avg"] = mean + (g - mean) * (1 - alpha)
            square = square - mean * mean
        step = g / (np.sqrt(square) + group["eps"])
        if group["momentum"]:
            before = state.get("momentum_buffer", g * 0)
            step = state["momentum_buffer"] = group["momentum"] * before + step
        moved(p, p._value - group["lr"] * step)


class Adagrad(Optimizer):
    """The gradient divided by the root of the sum of its squares (Duchi, Hazan and Singer, 2011).

    >>> x = torch.tensor([1.0], requires_grad=True)
    >>> optimizer = torch.optim.Adagrad([x], lr=0.1)
    >>> (x**2).sum().backward()
    >>> optimizer.step()
    >>> x
    tensor([0.9000], requires_grad=True)
    """

    def __init__(
        self,
        params: Any,
        lr: float = 1e-2,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
        *,
        maximize: bool = False,
    ) -> None:
        positive(lr=lr, lr_decay=lr_decay, weight_decay=weight_decay, eps=eps)
        super().__init__(
            params,
            {
                "lr": lr, "lr_decay": lr_decay, "eps": eps, "weight_decay": weight_decay,
                "initial_accumulator_value": initial_accumulator_value, "maximize": maximize,
            },
        )  # fmt: skip

    def _update(self, p: Any, g: Any, state: dict[str, Any], group: dict[str, Any]) -> None:
        g = decayed(p, g, group)
        if not state:
            state.update(step=0, sum=g * 0 + group["initial_accumulator_value"])
        state["step"] += 1
        rate = group["lr"] / (1 + (state["step"] - 1) * group["lr_decay"])
        total = state["sum"] = state["sum"] + g * g
        moved(p, p._value - rate * (g / (np.sqrt(total) + group["eps"])))
