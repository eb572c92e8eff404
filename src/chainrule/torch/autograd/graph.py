"""`torch.autograd.graph`: the recorded graph, as PyTorch's programs walk it."""

from __future__ import annotations

from typing import Any

from chainrule.graph.hooks import Handle, add_hook
from chainrule.graph.node import Leaf
from chainrule.graph.node import Node as Recorded
from chainrule.ops.sharing import separate
from chainrule.printing import grad_fn_name
from chainrule.torch._tensor import Tensor


class Node:
    """A recorded operation: what `x.grad_fn` is.

    >>> x = torch.tensor(1.0, requires_grad=True)
    >>> y = 3 * x
    >>> y.grad_fn.name()
    'MulBackward0'
    >>> y.grad_fn.next_functions[1][0].name()
    'torch::autograd::AccumulateGrad'
    """

    __slots__ = ("_node",)

    def __init__(self, node: Recorded) -> None:
        self._node = node

    def name(self) -> str:
        """PyTorch's name of the operation, with "Backward" and a number."""
        node = self._node
        if isinstance(node, Leaf):
            return "torch::autograd::AccumulateGrad"
        result = None if node.saved is None else node.saved[0]
        return grad_fn_name(node, getattr(result, "ndim", 0))

    @property
    def next_functions(self) -> tuple[tuple[Node | None, int], ...]:
        """The operations that the operands came from, None for constants."""
        return tuple((None if n is None else Node(n), 0) for n in self._node.inputs)

    def register_hook(self, hook: Any) -> Handle:
        """Call `hook(gradient)` when the gradient of the operation's result is known."""
        separate(self._node)
        return add_hook(self._node, hook, Tensor)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Node) and other._node is self._node

    def __hash__(self) -> int:
        return hash(self._node)

    def __repr__(self) -> str:
        return f"<{self.name().split('::')[-1]} object at {id(self._node):#x}>"
