"""`backward` and `gradients`: the reverse walk as PyTorch's users call it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.derive.reverse import reverse
from chainrule.errors import GraphError, ShapeError, at, user_line
from chainrule.graph.node import Leaf, Variable

_ONE = {t: t(1) for t in (np.float64, np.float32, np.complex128, np.complex64)}
"""The cotangent of a scalar, made beforehand: making it takes longer than looking it up."""


def backward(
    output: Variable,
    gradient: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
) -> None:
    """Accumulate the gradient of `output` in the leaves it depends on (see `Tensor.backward`)."""
    node = output._node
    if node is None:
        raise _nothing_recorded("backward", output)
    cls = type(output)
    value = output._value
    if gradient is None and not create_graph and type(value) in _ONE:
        ct = _ONE[type(value)]
    else:
        ct = _cotangent("backward", output, gradient, create_graph)
    keep = create_graph if retain_graph is None else retain_graph
    found = reverse(((node, ct),), None, cls if create_graph else None, keep)
    while found:
        item = found.popitem()  # so that nothing else holds the cotangent
        leaf = item[0]
        if isinstance(leaf, Leaf):
            _accumulate(leaf, item, cls)


def _references(item: tuple[Any, Any]) -> int:
    return sys.getrefcount(item[1])


_OWN = _references((None, np.zeros(1)))
"""References to an array that nothing but its item in the result of the walk holds."""


def _accumulate(leaf: Leaf, item: tuple[Any, Any], cls: Any) -> None:
    before = leaf.grad
    # an array kept elsewhere too (another leaf's gradient, a value, the caller's cotangent), or one
    # that shows other memory, is copied: the gradient must be its own
    shared = type(item[1]) is np.ndarray and (_references(item) > _OWN or item[1].base is not None)
    ct = item[1].copy() if shared else item[1]
    if isinstance(ct, Variable):
        leaf.grad = ct if before is None else before + ct
        return
    if before is None:
        first: Variable = cls()
        first._value = ct
        first._node = None
        first._base = None
        leaf.grad = first
        return
    grad: Variable = before
    if grad._node is not None:
        leaf.grad = before + ct
    elif type(grad._value) is np.ndarray:
        grad._value += ct
    else:
        grad._value = grad._value + ct


def gradients(
    outputs: Sequence[Any],
    inputs: Sequence[Any],
    cotangents: Sequence[Any] | None = None,
    *,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    allow_unused: bool = False,
) -> tuple[Any, ...]:
    """Gradients of the outputs, summed with their cotangents, with respect to each input.

    Leaves' `.grad` stay as they are. Raises GraphError for an input the outputs do not depend on,
    unless `allow_unused`, which gives None for it.
    """
    roots = []
    for i, output in enumerate(outputs):
        if output._node is None:
            raise _nothing_recorded("grad", output)
        given = None if cotangents is None else cotangents[i]
        roots.append((output._node, _cotangent("grad", output, given, create_graph)))
    for i, x in enumerate(inputs):
        if x._node is None:
            raise GraphError(
                f"grad: input {i} does not require grad; mark it with requires_grad_() before "
                "computing the output" + at(user_line())
            )
    cls = type(outputs[0])
    found = reverse(
        roots,
        [x._node for x in inputs],
        wrap=cls if create_graph else None,
        keep=create_graph if retain_graph is None else retain_graph,
    )
    out: list[Any] = []
    for i, x in enumerate(inputs):
        g = found.get(x._node)
        if g is None:
            if not allow_unused:
                raise GraphError(
                    f"grad: the output does not depend on input {i} "
                    f"(shape {list(x._value.shape)}); pass allow_unused=True to have None for it"
                    + at(user_line())
                )
            out.append(None)
        else:
            out.append(g if isinstance(g, Variable) else _wrapped(cls, g))
    return tuple(out)


def _wrapped(cls: type[Variable], value: Any) -> Variable:
    out = cls()
    out._value = value
    out._node = None
    return out


def _cotangent(name: str, output: Any, given: Any, as_variable: bool) -> Any:
    value = output._value
    if given is None:
        if value.size != 1:
            raise _needs_cotangent(name, output)
        ct: Any = value.dtype.type(1) if not value.shape else np.ones(value.shape, value.dtype)
    else:
        if not isinstance(given, Variable):
            given = np.asarray(given, value.dtype)[()]
        if given.shape != value.shape:
            raise ShapeError(
                f"{name}: the cotangent has shape {list(given.shape)}, the output "
                f"{list(value.shape)}; they must be equal" + at(user_line())
            )
        if as_variable and isinstance(given, Variable):
            return given
        ct = given._value if isinstance(given, Variable) else given
        if ct.dtype != value.dtype:
            ct = ct.astype(value.dtype)
    return _wrapped(type(output), ct) if as_variable else ct


def _nothing_recorded(name: str, output: Any) -> GraphError:
    return GraphError(
        f"{name}: nothing was recorded for this tensor of shape {list(output._value.shape)}: no "
        "operand requires grad, or it was computed under no_grad; mark the variables with "
        "requires_grad=True before computing" + at(user_line())
    )


def _needs_cotangent(name: str, output: Any) -> GraphError:
    return GraphError(
        f"{name}: the output has shape {list(output._value.shape)}, and only a tensor of one "
        "element has a gradient by itself; reduce it (`.sum()`), or pass a cotangent of that shape "
        "(`gradient=`)" + at(user_line())
    )
