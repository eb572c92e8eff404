"""`torch.autograd.Function`: an operation of the user's own, with a derivative written by hand.

Calling `apply` makes a row of the operation table for that one call: its value comes from
`forward`, its reverse rule is `backward`. What is saved for the rule is filed with the node like
any other operation's, so writes into it are noticed, and higher derivatives see where it came from.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from chainrule.errors import GraphError, MissingDerivative, ShapeError, at, user_line
from chainrule.graph.node import Leaf, Node, Spec, Variable, next_order
from chainrule.ops import movement
from chainrule.ops.recording import is_recording
from chainrule.ops.table import SELECT, Operation, fit, zeros_like
from chainrule.record.mode import enable_grad, no_grad
from chainrule.torch._tensor import Tensor

F = TypeVar("F", bound=Callable[..., Any])


class FunctionCtx:
    """What `forward` leaves for `backward`: saved tensors, and any attributes of your own."""

    needs_input_grad: tuple[bool, ...]
    """For each argument of `apply`, whether its gradient is wanted."""

    def __init__(self) -> None:
        self._saved: tuple[Any, ...] = ()
        self._places: list[tuple[str, Any]] = []
        self._kept: Sequence[Any] | None = None
        self._constant: tuple[Any, ...] = ()
        self._dirty: tuple[Any, ...] = ()
        self._materialize = True

    def save_for_backward(self, *tensors: Any) -> None:
        """Keep tensors (arguments, results, or others; or None) for `saved_tensors`."""
        self._saved = tensors

    @property
    def saved_tensors(self) -> tuple[Any, ...]:
        """What `save_for_backward` was given."""
        if self._kept is None:
            return self._saved
        kept = self._kept
        parts = {"input": kept[1:], "output": kept[0] if isinstance(kept[0], tuple) else kept[:1]}
        return tuple(
            _tensor(parts[kind][which]) if kind in parts else which for kind, which in self._places
        )

    def mark_non_differentiable(self, *tensors: Any) -> None:
        """Say that these results are constants."""
        self._constant = tensors

    def mark_dirty(self, *tensors: Any) -> None:
        """Say that these arguments were changed in place."""
        self._dirty = tensors

    def set_materialize_grads(self, value: bool) -> None:
        """Whether results that nothing used come to `backward` as zeros (True) or as None."""
        self._materialize = value

    def _settle(self, inputs: Sequence[Any], outputs: Sequence[Any]) -> None:
        """Note where saved tensors are found, not the tensors: they would keep the graph alive."""
        for x in self._saved:
            for kind, family in (("input", inputs), ("output", outputs)):
                found = [i for i, y in enumerate(family) if y is x]
                if found:
                    self._places.append((kind, found[0]))
                    break
            else:
                self._places.append(("other", x))
        self._saved = ()

    def _saves(self, kind: str, index: int) -> bool:
        return (kind, index) in [p for p in self._places if p[0] != "other"]


class Function:
    """Base of operations of your own: subclass it with `forward` and `backward`, and call `apply`.

    >>> class Square(torch.autograd.Function):
    ...     @staticmethod
    ...     def forward(ctx, x):
    ...         ctx.save_for_backward(x)
    ...         return x * x
    ...
    ...     @staticmethod
    ...     def backward(ctx, grad):
    ...         (x,) = ctx.saved_tensors
    ...         return 2 * x * grad
    >>> x = torch.tensor(3.0, requires_grad=True)
    >>> Square.apply(x).backward()
    >>> x.grad
    tensor(6.)
    """

    @staticmethod
    def forward(*args: Any, **kwargs: Any) -> Any:
        """The value: `forward(ctx, *args)`, or `forward(*args)` where `setup_context` is given."""
        raise NotImplementedError("a Function needs a static method forward(ctx, *args)")

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> Any:
        """What `backward` needs, saved apart from `forward`."""
        raise NotImplementedError

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Any:
        """The gradient of each argument (None for constants), given those of the results."""
        raise NotImplementedError("a Function needs a static method backward(ctx, *grad_outputs)")

    vjp = backward

    @classmethod
    def apply(cls, *args: Any) -> Any:
        """Compute, and record for the derivative."""
        ctx = FunctionCtx()
        inputs = [x for x in args if isinstance(x, Variable)]
        nodes = tuple(x._node for x in inputs)
        recording = is_recording(nodes)
        ctx.needs_input_grad = tuple(
            recording and isinstance(x, Variable) and x._node is not None for x in args
        )
        with no_grad():
            if cls.setup_context is Function.setup_context:
                out = cls.forward(ctx, *args)
            else:
                out = cls.forward(*args)
                cls.setup_context(ctx, args, out)
        return _recorded(cls, ctx, args, inputs, nodes, out) if recording else out


def _recorded(
    cls: type[Function],
    ctx: FunctionCtx,
    args: Sequence[Any],
    inputs: Sequence[Variable],
    nodes: tuple[Node | None, ...],
    out: Any,
) -> Any:
    """The results as Tensors with nodes."""
    outputs = out if isinstance(out, tuple) else (out,)
    for x in ctx._dirty:
        if type(x._node) is Leaf:
            raise GraphError(
                f"{cls.__name__}: a leaf tensor that requires grad was changed in place"
                + at(user_line())
            )
    ctx._settle(inputs, outputs)
    values = tuple(y._value if isinstance(y, Variable) else None for y in outputs)
    several = isinstance(out, tuple)
    row = Operation(cls.__name__, evaluate=_no_evaluation, reverse=_no_evaluation)
    row.results = len(outputs) if several else 1
    row.pull = functools.partial(_pull, cls, ctx, tuple(isinstance(x, Variable) for x in args))
    node = Node()
    node.op, node.inputs, node.params, node.order = row, nodes, {}, next_order()
    node.saved = (
        values if several else values[0],
        *(x._value if ctx._saves("input", i) else Spec(x._value) for i, x in enumerate(inputs)),
    )
    results = []
    for i, y in enumerate(outputs):
        results.append(_result(ctx, y, _part(node, i, len(outputs)) if several else node))
    return tuple(results) if several else results[0]


def _no_evaluation(*_: Any) -> Any:
    raise NotImplementedError("an operation made by Function.apply is not evaluated again")


def _part(whole: Node, index: int, count: int) -> Node:
    """The node of one result of several."""
    assert whole.saved is not None
    node = Node()
    node.op, node.inputs, node.order = SELECT, (whole,), next_order()
    node.params = {"index": index, "count": count}
    value = whole.saved[0][index]
    node.saved = (None if value is None else Spec(value), None)
    return node


def _result(ctx: FunctionCtx, y: Any, node: Node) -> Any:
    if not isinstance(y, Variable) or y._value.dtype.kind not in "fc":
        return y
    if any(y is c for c in ctx._constant):
        return y
    out = y if any(y is d for d in ctx._dirty) else type(y)()
    out._value, out._node = y._value, node
    return out


def _tensor(x: Any) -> Any:
    """A plain value as a Tensor; a Tensor as it is."""
    if x is None or isinstance(x, Variable):
        return x
    out = Tensor()
    out._value, out._node = x, None
    return out


def _pull(
    cls: type[Function],
    ctx: FunctionCtx,
    is_tensor: tuple[bool, ...],
    ct: Any,
    saved: tuple[Any, ...],
    node: Node,
) -> Sequence[Any]:
    """The reverse rule: `backward` of the class, on Tensors; for plain values it gives such."""
    several = node.op.results != 1 or isinstance(saved[0], tuple)
    results = saved[0] if several else (saved[0],)
    given = [
        _whole(c, y, ctx._materialize)
        for c, y in zip(ct if several else (ct,), results, strict=True)
    ]
    recorded = any(isinstance(x, Variable) for x in (*given, *results, *saved[1:]))
    backward = cls.backward if cls.backward is not Function.backward else cls.vjp
    once = recorded and hasattr(backward, "once_differentiable")
    ctx._kept = _plain(saved) if once else saved
    try:
        with enable_grad() if recorded and not once else no_grad():
            gradients = backward(ctx, *map(_tensor, _plain(given) if once else given))
    finally:
        ctx._kept = None
    if not isinstance(gradients, (tuple, list)):
        gradients = (gradients,)
    if len(gradients) < len(is_tensor) or any(g is not None for g in gradients[len(is_tensor) :]):
        raise GraphError(
            f"{cls.__name__}.backward gave {len(gradients)} gradients for the {len(is_tensor)} "
            "arguments of forward; each needs one (None for a constant)"
        )
    mine = [g for g, wanted in zip(gradients, is_tensor, strict=False) if wanted]
    if once:
        sources = (*(x._node for x in given if isinstance(x, Variable)), *node.inputs)
        mine = [_guarded(g, sources, cls.__name__) for g in mine]
    return [
        None if n is None else _fitted(cls, g, x, recorded)
        for g, x, n in zip(mine, saved[1:], node.inputs, strict=True)
    ]


def _whole(ct: Any, y: Any, materialize: bool) -> Any:
    """A cotangent in the shape of its result: none may stand for zeros, a number for an array."""
    if ct is None:
        return zeros_like(y) if materialize else None
    if ct.shape == y.shape:
        return ct
    spread = movement.broadcast_to(ct, y.shape)
    return spread if isinstance(ct, Variable) else spread.copy()


def _fitted(cls: type[Function], g: Any, x: Any, recorded: bool) -> Any:
    if g is None:
        return zeros_like(x)
    g = g if recorded and isinstance(g, Variable) else getattr(g, "_value", g)
    try:
        return fit(g, x)
    except ValueError:
        raise ShapeError(
            f"{cls.__name__}.backward gave a gradient of shape {list(g.shape)} for an argument of "
            f"shape {list(x.shape)}"
        ) from None


def _plain(x: Any) -> Any:
    """Values without their nodes, in tuples and lists as they were."""
    return type(x)(map(_plain, x)) if isinstance(x, (tuple, list)) else getattr(x, "_value", x)


def once_differentiable(backward: F) -> F:
    """Decorator for a `backward` that cannot be differentiated again: doing so is an error.

    Without it, a `backward` that leaves the graph (through NumPy, say) would give wrong zeros.
    """
    backward.once_differentiable = True  # type: ignore[attr-defined]
    return backward


def _guarded(g: Any, sources: tuple[Node | None, ...], name: str) -> Any:
    """A gradient whose own derivative is an error."""
    if not isinstance(g, Variable):
        return g

    def refuse(*_: Any) -> Any:
        raise MissingDerivative(
            f"{name}.backward is once_differentiable: there is no second derivative"
        )

    row = Operation("once_differentiable", evaluate=_no_evaluation, reverse=refuse)
    row.pull = refuse
    out = type(g)()
    out._value, out._node = g._value, Node()
    out._node.op, out._node.inputs, out._node.params = row, sources, {}
    out._node.order = next_order()
    out._node.saved = (None, *(None for _ in sources))
    return out
