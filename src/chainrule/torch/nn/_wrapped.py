"""Activations and losses as modules: a call of the function, with settings given beforehand."""

from __future__ import annotations

import inspect
from typing import Any

from chainrule.torch.nn import functional
from chainrule.torch.nn.modules import Module


class _Activation(Module):
    """A function of one tensor, whose other arguments are settings."""

    _function: str

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()
        parameters = list(inspect.signature(getattr(functional, self._function)).parameters)[1:]
        if len(args) > len(parameters):
            raise TypeError(
                f"{type(self).__name__} takes {len(parameters)} settings, not {len(args)}"
            )
        self._settings = {**dict(zip(parameters, args, strict=False)), **kwargs}
        unknown = set(self._settings) - set(parameters)
        if unknown:
            raise TypeError(f"{type(self).__name__} has no setting {min(unknown)!r}")

    def forward(self, input: Any) -> Any:
        """The function of the input."""
        return getattr(functional, self._function)(input, **self._settings)

    def extra_repr(self) -> str:
        """Settings, for printing."""
        return ", ".join(f"{k}={v}" for k, v in self._settings.items())


class _Loss(Module):
    """A loss of predictions and targets."""

    _function: str

    def __init__(self, weight: Any = None, *, reduction: str = "mean", **settings: Any) -> None:
        super().__init__()
        self.reduction = reduction
        self._settings = settings if weight is None else {"weight": weight, **settings}
        known = inspect.signature(getattr(functional, self._function)).parameters
        unknown = set(self._settings) - set(known)
        if unknown:
            raise TypeError(f"{type(self).__name__} has no setting {min(unknown)!r}")

    def forward(self, input: Any, target: Any) -> Any:
        """The loss."""
        function = getattr(functional, self._function)
        return function(input, target, reduction=self.reduction, **self._settings)


def _made(name: str, function: str, base: type[Module]) -> Any:
    kind = "loss" if base is _Loss else "activation"
    doc = f"The {kind} `torch.nn.functional.{function}` as a module."
    return type(name, (base,), {"_function": function, "__doc__": doc, "__module__": __name__})


CELU = _made("CELU", "celu", _Activation)
ELU = _made("ELU", "elu", _Activation)
GELU = _made("GELU", "gelu", _Activation)
GLU = _made("GLU", "glu", _Activation)
Hardshrink = _made("Hardshrink", "hardshrink", _Activation)
Hardsigmoid = _made("Hardsigmoid", "hardsigmoid", _Activation)
Hardswish = _made("Hardswish", "hardswish", _Activation)
Hardtanh = _made("Hardtanh", "hardtanh", _Activation)
LeakyReLU = _made("LeakyReLU", "leaky_relu", _Activation)
LogSigmoid = _made("LogSigmoid", "logsigmoid", _Activation)
LogSoftmax = _made("LogSoftmax", "log_softmax", _Activation)
Mish = _made("Mish", "mish", _Activation)
ReLU6 = _made("ReLU6", "relu6", _Activation)
SELU = _made("SELU", "selu", _Activation)
SiLU = _made("SiLU", "silu", _Activation)
Sigmoid = _made("Sigmoid", "sigmoid", _Activation)
Softmax = _made("Softmax", "softmax", _Activation)
Softmin = _made("Softmin", "softmin", _Activation)
Softplus = _made("Softplus", "softplus", _Activation)
Softshrink = _made("Softshrink", "softshrink", _Activation)
Softsign = _made("Softsign", "softsign", _Activation)
Tanh = _made("Tanh", "tanh", _Activation)
Tanhshrink = _made("Tanhshrink", "tanhshrink", _Activation)
Threshold = _made("Threshold", "threshold", _Activation)

BCELoss = _made("BCELoss", "binary_cross_entropy", _Loss)
BCEWithLogitsLoss = _made("BCEWithLogitsLoss", "binary_cross_entropy_with_logits", _Loss)
CrossEntropyLoss = _made("CrossEntropyLoss", "cross_entropy", _Loss)
HingeEmbeddingLoss = _made("HingeEmbeddingLoss", "hinge_embedding_loss", _Loss)
HuberLoss = _made("HuberLoss", "huber_loss", _Loss)
KLDivLoss = _made("KLDivLoss", "kl_div", _Loss)
L1Loss = _made("L1Loss", "l1_loss", _Loss)
MSELoss = _made("MSELoss", "mse_loss", _Loss)
NLLLoss = _made("NLLLoss", "nll_loss", _Loss)
PoissonNLLLoss = _made("PoissonNLLLoss", "poisson_nll_loss", _Loss)
SmoothL1Loss = _made("SmoothL1Loss", "smooth_l1_loss", _Loss)
SoftMarginLoss = _made("SoftMarginLoss", "soft_margin_loss", _Loss)


class ReLU(Module):
    """The activation `torch.nn.functional.relu` as a module."""

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def forward(self, input: Any) -> Any:
        """Positive elements as they are, zero for the others."""
        return functional.relu(input, self.inplace)


class CosineSimilarity(Module):
    """`torch.nn.functional.cosine_similarity` as a module."""

    def __init__(self, dim: int = 1, eps: float = 1e-8) -> None:
        super().__init__()
        self.dim, self.eps = dim, eps

    def forward(self, x1: Any, x2: Any) -> Any:
        """Cosines of the angles between vectors."""
        return functional.cosine_similarity(x1, x2, self.dim, self.eps)
