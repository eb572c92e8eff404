"""`torch.autograd.function`: where PyTorch's programs look for `once_differentiable`."""

from chainrule.torch.autograd._function import Function, FunctionCtx, once_differentiable

__all__ = ["Function", "FunctionCtx", "once_differentiable"]
