"""`torch.nn.parameter`: tensors that a module learns."""

from __future__ import annotations

import copy
from typing import Any

from chainrule.tensor import leaf
from chainrule.torch._tensor import Tensor


class Parameter(Tensor):
    """A leaf that requires grad, and that a `Module` it is assigned to knows of.

    >>> torch.nn.Parameter(torch.ones(2))
    Parameter containing:
    tensor([1., 1.], requires_grad=True)
    """

    __slots__ = ()

    def __new__(cls, data: Any = None, requires_grad: bool = True) -> Any:
        """A parameter around `data`; without it a plain tensor, which is what operations make."""
        if data is None:
            return Tensor.__new__(Tensor)
        out = Tensor.__new__(cls)
        out._value = data._shared() if data._value.ndim else data._value
        out._node = leaf(out._value) if requires_grad else None
        return out

    def __repr__(self) -> str:
        plain = Tensor.__new__(Tensor)
        plain._value, plain._node = self._value, self._node
        return f"Parameter containing:\n{plain!r}"

    def __reduce__(self) -> tuple[Any, ...]:
        data = self.detach()
        return Parameter, (data, self._node is not None)

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        data = Tensor.__new__(Tensor)
        data._value, data._node = copy.deepcopy(self._value), None
        out = memo[id(self)] = Parameter(data, self._node is not None)
        return out
