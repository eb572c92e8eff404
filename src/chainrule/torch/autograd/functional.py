"""`torch.autograd.functional`: Jacobians, Hessians, and their products with vectors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from chainrule.derive.forward import forward
from chainrule.errors import GraphError, ShapeError, at, user_line
from chainrule.graph.node import Variable
from chainrule.ops import joining, movement
from chainrule.torch import _missing
from chainrule.torch._tensor import Tensor
from chainrule.transforms.backward import gradients

__all__ = ["hessian", "hvp", "jacobian", "jvp", "vhp", "vjp"]

Function = Callable[..., Any]


def _listed(x: Any) -> tuple[list[Any], bool]:
    """A tensor or sequence of tensors as a list, and whether it was a sequence."""
    return (list(x), True) if isinstance(x, (tuple, list)) else ([x], False)


def _packed(xs: Sequence[Any], many: bool) -> Any:
    return tuple(xs) if many else xs[0]


def _variables(inputs: Sequence[Any], create_graph: bool) -> list[Any]:
    """Inputs to differentiate by: fresh leaves, or, to go on from there, what continues them."""
    return [
        movement.reshape(x, tuple(x.shape))
        if create_graph and x._node is not None
        else x.detach().requires_grad_()
        for x in inputs
    ]


def _constant(value: Any) -> Any:
    out = Tensor()
    out._value, out._node = np.asarray(value)[()] if np.ndim(value) == 0 else value, None
    return out


def _finished(x: Any, create_graph: bool) -> Any:
    return x if create_graph else x.detach()


def _called(func: Function, inputs: Sequence[Any], name: str) -> tuple[list[Any], bool]:
    outputs, many = _listed(func(*inputs))
    for y in outputs:
        if not isinstance(y, Variable):
            raise GraphError(
                f"{name}: the function gave a {type(y).__name__}, not a tensor" + at(user_line())
            )
    return outputs, many


def _gradients(
    outputs: Sequence[Any],
    inputs: Sequence[Any],
    cotangents: Sequence[Any],
    create_graph: bool,
    strict: bool,
    name: str,
) -> list[Any]:
    """Gradients of the outputs together; zeros where one does not depend on an input."""
    live = [(y, c) for y, c in zip(outputs, cotangents, strict=True) if y._node is not None]
    found: Sequence[Any] = [None] * len(inputs)
    if live:
        ys, cs = zip(*live, strict=True)
        found = gradients(
            ys, inputs, cs, retain_graph=True, create_graph=create_graph, allow_unused=True
        )
    if strict and any(g is None for g in found):
        raise GraphError(
            f"{name}: an output does not depend on an input, and strict=True" + at(user_line())
        )
    return [
        _constant(np.zeros(x._value.shape, x._value.dtype)) if g is None else g
        for g, x in zip(found, inputs, strict=True)
    ]


def _vectors(v: Any, like: Sequence[Any], name: str) -> list[Any]:
    """The vectors given, in the shapes of `like`; 1 where there is one number only."""
    if v is None:
        if len(like) != 1 or like[0]._value.size != 1:
            raise ShapeError(
                f"{name}: v= can be left out only for a single number" + at(user_line())
            )
        return [_constant(np.ones(like[0]._value.shape, like[0]._value.dtype))]
    given, _ = _listed(v)
    for a, b in zip(given, like, strict=True):
        if a._value.shape != b._value.shape:
            raise ShapeError(
                f"{name}: v has shape {list(a._value.shape)}, not {list(b._value.shape)}"
                + at(user_line())
            )
    return given


def jacobian(
    func: Function,
    inputs: Any,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    strategy: str = "reverse-mode",
) -> Any:
    """The Jacobian of a function at `inputs`, a tensor or a tuple of tensors.

    Its shape is that of the output followed by that of the input; with several of either, tuples
    (of tuples). `strategy` may be "forward-mode"; `vectorize` is accepted and ignored.

    >>> torch.autograd.functional.jacobian(torch.exp, torch.tensor([0.0, 1.0]))
    tensor([[1.0000, 0.0000],
            [0.0000, 2.7183]])
    """
    given, many_in = _listed(inputs)
    xs = _variables(given, create_graph)
    ys, many_out = _called(func, xs, "jacobian")
    if strategy == "forward-mode" and not create_graph:
        blocks = _by_columns(ys, xs)
    else:
        blocks = [_by_rows(y, xs, create_graph, strict) for y in ys]
    return _packed([_packed(row, many_in) for row in blocks], many_out)


def _by_rows(y: Any, xs: Sequence[Any], create_graph: bool, strict: bool) -> list[Any]:
    value = y._value
    rows: list[list[Any]] = [[] for _ in xs]
    for k in range(value.size):
        seed = np.zeros(value.size, value.dtype)
        seed[k] = 1
        ct = _constant(seed.reshape(value.shape))
        for row, g in zip(
            rows, _gradients([y], xs, [ct], create_graph, strict, "jacobian"), strict=True
        ):
            row.append(g)
    out = []
    for x, row in zip(xs, rows, strict=True):
        shape = (*value.shape, *x._value.shape)
        block = movement.reshape(joining.stack(row), shape) if row else _constant(np.zeros(shape))
        out.append(_finished(block, create_graph))
    return out


def _by_columns(ys: Sequence[Any], xs: Sequence[Any]) -> list[list[Any]]:
    nodes = [y._node for y in ys]
    blocks = [
        [np.zeros((*x._value.shape, *y._value.shape), y._value.dtype) for x in xs] for y in ys
    ]
    for j, x in enumerate(xs):
        for place in np.ndindex(x._value.shape):
            tangent = np.zeros(x._value.shape, x._value.dtype)
            tangent[place] = 1
            live = [n for n in nodes if n is not None]
            moved = iter(forward(live, {x._node: tangent[()]}, Tensor))
            for i, node in enumerate(nodes):
                t = next(moved) if node is not None else None
                if t is not None:
                    blocks[i][j][place] = t
    out = []
    for row, y in zip(blocks, ys, strict=True):
        ndim = y._value.ndim
        out.append(
            [_constant(np.moveaxis(b, range(b.ndim - ndim, b.ndim), range(ndim))) for b in row]
        )
    return out


def hessian(
    func: Function,
    inputs: Any,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    outer_jacobian_strategy: str = "reverse-mode",
) -> Any:
    """The Hessian of a function with one number as its result.

    >>> torch.autograd.functional.hessian(lambda x: (x**3).sum(), torch.tensor([1.0, 2.0]))
    tensor([[ 6.,  0.],
            [ 0., 12.]])
    """
    given, many = _listed(inputs)

    def gradient(*xs: Any) -> Any:
        y = _single(func(*xs), "hessian")
        one = _constant(np.ones((), y._value.dtype))
        return tuple(_gradients([y], xs, [one], True, strict, "hessian"))

    out = jacobian(gradient, tuple(given), create_graph, strict)
    return out if many else out[0][0]


def _single(y: Any, name: str) -> Any:
    if not isinstance(y, Variable) or y._value.size != 1:
        shape = list(y._value.shape) if isinstance(y, Variable) else type(y).__name__
        raise ShapeError(
            f"{name}: the function must give one number, not {shape}" + at(user_line())
        )
    return movement.reshape(y, ())


def vjp(
    func: Function, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """(outputs, product of the vector v with the Jacobian).

    >>> torch.autograd.functional.vjp(torch.exp, torch.tensor([0.0, 1.0]), torch.ones(2))
    (tensor([1.0000, 2.7183]), tensor([1.0000, 2.7183]))
    """
    given, many_in = _listed(inputs)
    xs = _variables(given, create_graph)
    ys, many_out = _called(func, xs, "vjp")
    found = _gradients(ys, xs, _vectors(v, ys, "vjp"), create_graph, strict, "vjp")
    outputs = [_finished(y, create_graph) for y in ys]
    return _packed(outputs, many_out), _packed([_finished(g, create_graph) for g in found], many_in)


def jvp(
    func: Function, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """(outputs, product of the Jacobian with the vector v).

    >>> torch.autograd.functional.jvp(torch.exp, torch.tensor([0.0, 1.0]), torch.ones(2))
    (tensor([1.0000, 2.7183]), tensor([1.0000, 2.7183]))
    """
    given, _ = _listed(inputs)
    xs = _variables(given, create_graph)
    ys, many_out = _called(func, xs, "jvp")
    vs = _vectors(v, xs, "jvp")
    tangents = {x._node: (t if create_graph else t._value) for x, t in zip(xs, vs, strict=True)}
    live = [y._node for y in ys if y._node is not None]
    moved = iter(forward(live, tangents, Tensor, recorded=create_graph))
    found = []
    for y in ys:
        t = next(moved) if y._node is not None else None
        if t is None:
            if strict:
                raise GraphError("jvp: an output does not depend on the inputs" + at(user_line()))
            t = np.zeros(y._value.shape, y._value.dtype)
        found.append(t if isinstance(t, Variable) else _constant(t))
    outputs = [_finished(y, create_graph) for y in ys]
    return _packed(outputs, many_out), _packed(
        [_finished(t, create_graph) for t in found], many_out
    )


def hvp(
    func: Function, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """(output, product of the Hessian with the vector v).

    >>> torch.autograd.functional.hvp(
    ...     lambda x: (x**3).sum(), torch.tensor([1.0, 2.0]), torch.ones(2)
    ... )
    (tensor(9.), tensor([ 6., 12.]))
    """
    given, many = _listed(inputs)
    xs = _variables(given, create_graph)
    y = _single(func(*xs), "hvp")
    first = _gradients([y], xs, [_constant(np.ones((), y._value.dtype))], True, strict, "hvp")
    vs = _vectors(v, xs, "hvp")
    second = _gradients(first, xs, vs, create_graph, False, "hvp")
    return _finished(y, create_graph), _packed([_finished(h, create_graph) for h in second], many)


vhp = hvp  # the Hessian is symmetric


def __getattr__(name: str) -> Any:
    raise _missing.missing(__name__, name, __all__)
