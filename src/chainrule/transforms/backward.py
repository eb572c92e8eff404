"""`backward` and `gradients`: the reverse walk as PyTorch's users call it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from chainrule.derive.repeated import ACCUMULATE, release, repeated
from chainrule.derive.reverse import reverse, watchers
from chainrule.derive.tape import FROZEN
from chainrule.errors import GraphError, ShapeError, at, user_line
from chainrule.graph.node import Leaf, Node, Variable
from chainrule.graph.switch import Record
from chainrule.graph.writes import note_write
from chainrule.ops.hot import careful
from chainrule.ops.movement import copy
from chainrule.ops.sharing import separate

empty: Final[Any] = np.empty

_ONE: Final = {t: t(1) for t in (np.float64, np.float32, np.complex128, np.complex64)}
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
    ct: Any = None
    if gradient is None and not create_graph:
        ct = _ONE.get(type(output._value))
    if ct is None:
        ct = _cotangent("backward", output, gradient, create_graph)
    keep = create_graph if retain_graph is None else retain_graph
    roots = [(node, ct)]
    if create_graph:
        found = _recorded(roots, None, cls, keep)
    elif _accumulated(roots, cls, keep):
        return
    else:
        found = reverse(roots, None, None, keep)
    while found:
        item = found.popitem()  # so that nothing else holds the cotangent
        leaf = item[0]
        if isinstance(leaf, Leaf) and not leaf.frozen:
            _accumulate(leaf, item, cls)


def _accumulated(roots: list[tuple[Node, Any]], cls: type[Variable], keep: bool) -> bool:
    """The walk by machine code that adds to the gradients of the leaves; whether it ran.

    Arrays are added to where they lie.
    """
    if careful or watchers:
        return False
    nodes: list[Node] = []
    arguments: list[Any] = []
    plan = repeated(ACCUMULATE, roots, None, nodes, arguments)
    if plan is None:
        return False
    leaves: list[Leaf] = []
    for k, step in enumerate(plan.steps):
        if step.op is None and step.place != FROZEN:
            leaf = nodes[k]
            assert isinstance(leaf, Leaf)
            before = leaf.grad
            leaves.append(leaf)
            if before is not None:
                arguments.append(before._value)
    if len(leaves) > 1 and len(set(leaves)) < len(leaves):  # each has a gradient of its own
        return False
    results: list[Any] = []
    for made in plan.made:
        if made is not None:
            new: Any = empty(made[0], made[1]) if type(made) is tuple else made()
            results.append(new)
            arguments.append(new)
    if plan.call(*arguments):
        return False  # nothing was written
    arguments.clear()
    i = 0
    for k, leaf in enumerate(leaves):
        before = leaf.grad
        if plan.made[k] is None:
            if _holders(before) > _ALONE:  # some node may have kept it
                note_write(before._value, "backward")
        elif before is None:
            leaf.grad = _wrapped(cls, results[i])
            i += 1
        else:
            before._value = results[i]
            i += 1
    if not keep:
        release(plan, nodes)
    return True


def _recorded(roots: Any, wanted: Any, cls: type[Variable], keep: bool) -> dict[Any, Any]:
    """A walk that is recorded in its turn, in a `no_grad` block as well."""
    with Record():
        return reverse(roots, wanted, cls, keep)


def _references(item: tuple[Any, Any]) -> int:
    return sys.getrefcount(item[1])


def _holders(grad: Variable) -> int:
    return sys.getrefcount(grad._value)


def _wrapped(cls: type[Variable], value: Any) -> Variable:
    out = cls()
    out._value = value
    out._node = None
    return out


_OWN = _references((None, np.zeros(1)))
"""References to an array that nothing but its item in the result of the walk holds."""

_ALONE = _holders(_wrapped(Variable, np.zeros(1)))
"""References to the array of a gradient that nothing else holds."""


def _own(item: tuple[Any, Any], references: int) -> Any:
    """The cotangent of an item, copied where it is an array that something else keeps too (another
    leaf's gradient, a value, the caller's cotangent), or that shows other memory: a gradient must
    be its own.
    """
    shared = type(item[1]) is np.ndarray and (
        _references(item) > references or item[1].base is not None
    )
    return item[1].copy() if shared else item[1]


def own(item: tuple[Any, Any]) -> Any:
    """The cotangent of an item taken out of a walk's result, in memory of its own."""
    return None if item[1] is None else _own(item, _OWN)


def _separate(g: Variable) -> Variable:
    """A recorded gradient in memory of its own, with its history."""
    if type(g._value) is not np.ndarray:
        return g
    if getattr(g._node, "shown", None) is not None:
        with Record():
            return copy(g)
    out = _wrapped(type(g), g._value.copy())
    out._node = g._node
    return out


def _accumulate(leaf: Leaf, item: tuple[Any, Any], cls: Any) -> None:
    before = leaf.grad
    if isinstance(item[1], Variable):
        leaf.grad = _separate(item[1]) if before is None else before + item[1]
        return
    ct = _own(item, _OWN)
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
        if _holders(grad) > _ALONE:  # some node may have kept it
            note_write(grad._value, "backward")
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
    for x in inputs:
        separate(x._node)
    cls = type(outputs[0])
    keep = create_graph if retain_graph is None else retain_graph
    wanted = [x._node for x in inputs]
    found = (
        _recorded(roots, wanted, cls, keep) if create_graph else reverse(roots, wanted, None, keep)
    )
    out: list[Any] = []
    for i, x in enumerate(inputs):
        item = (x._node, found.get(x._node))
        if item[1] is None:
            if not allow_unused:
                raise GraphError(
                    f"grad: the output does not depend on input {i} "
                    f"(shape {list(x._value.shape)}); pass allow_unused=True to have None for it"
                    + at(user_line())
                )
            out.append(None)
        elif isinstance(item[1], Variable):
            out.append(_separate(item[1]))
        else:
            out.append(_wrapped(cls, _own(item, _OWN + 1)))  # the walk's result holds it as well
    return tuple(out)


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
