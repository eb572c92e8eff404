"""The one node type of the computation graph, and the variable that carries a value and its node.

A variable (the public `Tensor`) is a handle: a value, and the node that produced it, or None
where no derivative is asked for. A node holds what the walks need and nothing else: the operation,
the nodes of its operands, what the derivative rules asked to keep, and its place in the order
of recording. Next: `chainrule.ops.table`, which creates the nodes.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any, ClassVar, Final

import numpy as np

from chainrule.errors import GraphError, ShapeError, TracedValueError, at, user_line

try:
    from mypy_extensions import mypyc_attr as mypyc_attr
except ImportError:  # only needed where these modules are compiled

    def mypyc_attr(*attrs: str, **kwattrs: object) -> Any:  # type: ignore[misc]  # noqa: D103
        return lambda cls: cls


next_order: Final[Callable[[], int]] = itertools.count(1).__next__
"""Numbers nodes in the order of recording: an operand always has a smaller number than its user."""

paused: Final[set[int]] = set()
"""Identifiers of the threads that are not recording. Empty nearly always: the test is one load."""


hooked: Final[set[int]] = set()
"""Orders of the nodes with hooks. Nearly always empty, so that walks pay one load for it."""

transforming: Final[dict[int, int]] = {}
"""Threads that run the function of a transform (`grad` and its like), and how many levels deep."""


class Node:
    """One recorded operation: op(inputs; params), and the values its derivative rules keep."""

    __slots__ = ("guard", "inputs", "op", "order", "params", "recipe", "saved", "shown")

    op: Any  # chainrule.ops.table.Operation; None for a leaf
    inputs: tuple[Node | None, ...]  # None where the operand needs no derivative
    saved: tuple[Any, ...] | None  # result and operands, each a value or a Spec; None once freed
    params: dict[str, Any]
    order: int
    guard: Any  # set only where a hook was registered: holds the hooks, and dies with the node
    recipe: Any  # set only where the values are computed again when needed: has `recover(order)`
    shown: Callable[[], Any]  # set only where the result is a view: weak reference to the memory

    def __repr__(self) -> str:
        return f"<{self.op.name if self.op is not None else 'leaf'} node {self.order}>"


class Leaf(Node):
    """Where a derivative is wanted: a node without operation that collects the gradient."""

    __slots__ = ("frozen", "grad", "spec")

    grad: Any
    spec: Any
    frozen: bool  # no derivative is wanted any more (requires_grad was switched off): passed by

    def __init__(self, spec: Spec) -> None:
        self.op = None
        self.inputs = ()
        self.saved = None
        self.params = {}
        self.order = next_order()
        self.grad = None
        self.spec = spec
        self.frozen = False


@mypyc_attr(allow_interpreted_subclasses=True)
class Variable:
    """A value and the node that produced it. `Tensor` is this class with methods."""

    __slots__ = ("_base", "_frozen", "_node", "_value")

    _value: Any  # np.ndarray, or a NumPy scalar for zero dimensions (five times faster)
    _node: Node | None
    _promote: ClassVar[Any] = None  # a class of Tensor may have promotion rules of its own
    _base: Any  # set only on views: (variable it shows, index), so that writes go through
    _frozen: Any  # set only where requires_grad was switched off: the leaf, to take up again

    @property
    def grad(self) -> Any:
        """The gradient that `backward` accumulated here, or None."""
        node = self._node
        if isinstance(node, Leaf):
            return node.grad
        if node is None:
            frozen = getattr(self, "_frozen", None)
            return None if frozen is None else frozen.grad
        if not hooked:
            return None
        guard = getattr(node, "guard", None)  # see graph.hooks.retain
        return None if guard is None else guard.gradient

    @grad.setter
    def grad(self, value: Any) -> None:
        node = self._node
        if not isinstance(node, Leaf):
            raise GraphError("grad can only be set on a leaf that requires grad" + at(user_line()))
        if value is not None and getattr(value, "shape", None) != self._value.shape:
            given = list(value.shape) if hasattr(value, "shape") else type(value).__name__
            raise ShapeError(
                f"grad must be a tensor of shape {list(self._value.shape)} or None, not {given}"
                + at(user_line())
            )
        node.grad = value


class Spec:
    """Shape and dtype of a value that was not worth keeping."""

    __slots__ = ("dtype", "shape")

    def __init__(self, value: Any) -> None:
        self.shape: tuple[int, ...] = value.shape
        self.dtype: np.dtype[Any] = value.dtype

    @property
    def ndim(self) -> int:
        """Number of dimensions."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of elements."""
        size = 1
        for n in self.shape:
            size *= n
        return size

    def __repr__(self) -> str:
        return f"{self.dtype}{list(self.shape)}"


class Abstract(Spec):
    """The value of a traced Tensor: shape and dtype, and numbers only once the graph is run.

    `shows` is set where the result would show an operand's memory: the operand and its node then,
    so that a later change of the operand in place does not go unnoticed; or tuples of several, one
    of which it may be, depending on a branch that was taken. `weak` is set where the
    number that is to come is one of Python's own, which leaves the dtype to the other operands.
    """

    __slots__ = ("shows", "weak")

    shows: tuple[Any, Any] | None
    weak: bool

    def __init__(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        self.shape = shape
        self.dtype = dtype
        self.shows = None
        self.weak = False

    def astype(self, dtype: Any) -> Abstract:
        """The same shape in another dtype."""
        return Abstract(self.shape, np.dtype(dtype))

    @property
    def nbytes(self) -> int:
        """Bytes of all elements."""
        return self.size * self.dtype.itemsize

    def __len__(self) -> int:
        return self.shape[0]

    def item(self) -> Any:
        """Raise: there is no number yet."""
        raise self.unknown("a number")

    def tolist(self) -> Any:
        """Raise: there are no numbers yet."""
        raise self.unknown("a list of numbers")

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        raise self.unknown("a NumPy array")

    def __bool__(self) -> bool:
        raise self.unknown("a truth value")

    def __float__(self) -> float:
        raise self.unknown("a number")

    def __int__(self) -> int:
        raise self.unknown("an integer")

    def __complex__(self) -> complex:
        raise self.unknown("a number")

    def __index__(self) -> int:
        raise self.unknown("an integer")

    def __eq__(self, other: object) -> bool:
        raise self.unknown("a comparison")

    __hash__ = object.__hash__

    def unknown(self, wanted: str) -> TracedValueError:
        """The error of asking a traced value for what only numbers have."""
        return TracedValueError(
            f"a traced tensor ({self!r}) has no numbers while its function is being traced, and "
            f"{wanted} was asked of it. Choose between values with cr.where or cr.cond, repeat "
            "with cr.while_loop or cr.fori_loop, and pass numbers that Python needs as ordinary "
            "arguments, not as traced ones" + at(user_line())
        )


def fresh(spec: Spec) -> Abstract:
    """A value of this shape and dtype that is to come."""
    value = Abstract(spec.shape, spec.dtype)
    value.weak = isinstance(spec, Abstract) and spec.weak
    return value


SEVERAL: Final = Abstract((), np.dtype(object))
"""Stands for the results, together, of a traced operation with several."""


class Scope:
    """One trace, from its beginning to its end."""

    __slots__ = ("name", "open")

    def __init__(self, name: str) -> None:
        self.name = name
        self.open = True


class Parameter(Leaf):
    """An input of a graph that is being traced, or was: `scope` says which."""

    __slots__ = ("scope",)

    def __init__(self, spec: Spec, scope: Scope) -> None:
        super().__init__(spec)
        self.scope = scope


@mypyc_attr(native_class=False)
class Cotangents(list[Any]):
    """The cotangent of an operation with several results: one entry each, None for zero."""

    __slots__ = ()

    def __add__(self, other: Any) -> Cotangents:
        return Cotangents(
            b if a is None else a if b is None else a + b for a, b in zip(self, other, strict=True)
        )
