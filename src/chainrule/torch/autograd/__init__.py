"""`torch.autograd`: gradients of recorded computations, and operations of one's own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from chainrule.derive import reverse as _reverse
from chainrule.graph.node import Leaf as _Leaf
from chainrule.graph.node import Variable as _Variable
from chainrule.record.mode import enable_grad, no_grad, set_grad_enabled
from chainrule.torch import _missing
from chainrule.torch._tensor import Tensor
from chainrule.torch.autograd import function, functional, graph
from chainrule.torch.autograd._function import Function
from chainrule.torch.autograd._gradcheck import GradcheckError, gradcheck, gradgradcheck
from chainrule.torch.autograd._mode import detect_anomaly, inference_mode, set_detect_anomaly
from chainrule.transforms.backward import _accumulate, _cotangent, gradients

__all__ = [
    "Function", "GradcheckError", "Variable", "backward", "detect_anomaly", "enable_grad",
    "function", "functional", "grad", "gradcheck", "gradgradcheck", "graph", "inference_mode",
    "no_grad", "set_detect_anomaly", "set_grad_enabled",
]  # fmt: skip


def _listed(x: Any) -> tuple[Any, ...]:
    return (x,) if isinstance(x, _Variable) else tuple(x)


def Variable(data: Any, requires_grad: bool = False) -> Any:  # noqa: N802 - PyTorch's old name
    """A tensor of the same value and memory: from before variables and tensors became one."""
    return data.detach().requires_grad_(requires_grad)


def grad(
    outputs: Any,
    inputs: Any,
    grad_outputs: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    allow_unused: bool | None = None,
    is_grads_batched: bool = False,
    materialize_grads: bool = False,
) -> tuple[Any, ...]:
    """Gradients of the outputs, summed, with respect to each input; `.grad` is left alone.

    `grad_outputs` are the cotangents of the outputs, `create_graph` makes the gradients
    differentiable in turn. An input that has no part in the outputs is an error, None with
    `allow_unused`, zeros with `materialize_grads`.

    >>> x = torch.tensor(3.0, requires_grad=True)
    >>> (g,) = torch.autograd.grad(x**3, x, create_graph=True)
    >>> torch.autograd.grad(g, x)
    (tensor(18.),)
    """
    ys, xs = _listed(outputs), _listed(inputs)
    cts = None if grad_outputs is None else _listed(grad_outputs)
    if is_grads_batched:
        return _batched(ys, xs, cts or (), create_graph, bool(allow_unused))
    found = gradients(
        ys, xs, cts, retain_graph=retain_graph, create_graph=create_graph,
        allow_unused=materialize_grads or bool(allow_unused),
    )  # fmt: skip
    if not materialize_grads:
        return found
    return tuple(x.new_zeros(*x.shape) if g is None else g for g, x in zip(found, xs, strict=True))


def _batched(
    ys: tuple[Any, ...], xs: tuple[Any, ...], cts: tuple[Any, ...], create_graph: bool, unused: bool
) -> tuple[Any, ...]:
    """One gradient for each entry of the cotangents' first dimension."""
    from chainrule.ops import joining

    rows = [
        gradients(
            ys,
            xs,
            [c[k] for c in cts],
            retain_graph=True,
            create_graph=create_graph,
            allow_unused=unused,
        )
        for k in range(len(cts[0]))
    ]
    return tuple(
        None if column[0] is None else joining.stack(column) for column in zip(*rows, strict=True)
    )


def backward(
    tensors: Any,
    grad_tensors: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    inputs: Any = None,
) -> None:
    """Accumulate the gradients of several tensors, summed, in the leaves (see `Tensor.backward`).

    >>> x = torch.tensor(3.0, requires_grad=True)
    >>> torch.autograd.backward([x * 2, x * 3])
    >>> x.grad
    tensor(5.)
    """
    ys = _listed(tensors)
    cts: Sequence[Any] = (None,) * len(ys) if grad_tensors is None else _listed(grad_tensors)
    if len(ys) == 1:
        ys[0].backward(cts[0], retain_graph, create_graph, inputs)
        return
    if inputs is not None:
        xs = _listed(inputs)
        found = gradients(
            ys, xs, cts, retain_graph=retain_graph, create_graph=create_graph, allow_unused=True
        )
        for x, g in zip(xs, found, strict=True):
            if g is not None:
                x.grad = g if x.grad is None else x.grad + g
        return
    roots = [
        (y._node, _cotangent("backward", y, ct, create_graph))
        for y, ct in zip(ys, cts, strict=True)
    ]
    keep = create_graph if retain_graph is None else retain_graph
    reached = _reverse.reverse(roots, None, Tensor if create_graph else None, keep)
    while reached:
        item = reached.popitem()
        if isinstance(item[0], _Leaf):
            _accumulate(item[0], item, Tensor)


def __getattr__(name: str) -> Any:
    raise _missing.missing(__name__, name, __all__)
