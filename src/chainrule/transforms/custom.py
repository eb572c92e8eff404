"""`custom_jvp` and `custom_vjp`: functions with a derivative rule of their own."""

from __future__ import annotations

import functools
import inspect
from _thread import get_ident
from collections.abc import Callable, Sequence
from typing import Any

from chainrule.derive.custom import Rule
from chainrule.errors import ArgumentError, DtypeError, ShapeError, at, user_line
from chainrule.graph.node import Variable
from chainrule.ops.custom import custom
from chainrule.ops.deferred import spec_of
from chainrule.ops.recording import stopped
from chainrule.record.trees import Structure, flatten, flatten_like, unflatten
from chainrule.transforms.arguments import as_operand, class_of, results_of

_within: set[tuple[int, Any]] = set()
"""Threads and functions whose forward rule is running: it may call the function."""


class _Call:
    """The arguments of one call: those that are fixed, and the leaves to differentiate by."""

    def __init__(self, args: tuple[Any, ...], nondiff: Sequence[int]) -> None:
        self.args, self.nondiff = args, {i % len(args) for i in nondiff} if args else set()
        self.fixed = [args[i] for i in nondiff]
        moving = [a for i, a in enumerate(args) if i not in self.nondiff]
        self.leaves, self.structure = flatten(moving)
        self.cls = class_of(self.leaves)

    def needed(self) -> bool:
        """Whether a derivative could be asked for."""
        return any(isinstance(x, Variable) and x._node is not None for x in self.leaves)

    def joined(self, moving: Sequence[Any]) -> list[Any]:
        """All arguments, with others in the places to differentiate by."""
        rest = iter(moving)
        return [a if i in self.nondiff else next(rest) for i, a in enumerate(self.args)]


class _Custom:
    """What the two have in common: which arguments a call differentiates by."""

    kind = "custom"

    def __init__(self, f: Callable[..., Any], nondiff_argnums: Sequence[int] = ()) -> None:
        self.function = f
        self.name = getattr(f, "__name__", type(f).__name__)
        self.nondiff_argnums = tuple(nondiff_argnums)
        functools.update_wrapper(self, f)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The function's value, which carries the rule where a derivative could be asked for."""
        call = _Call(self._bound(args, kwargs), self.nondiff_argnums)
        return self._recorded(call) if call.needed() else self.function(*call.args)

    def _recorded(self, call: _Call) -> Any:
        raise NotImplementedError

    def _bound(self, args: Any, kwargs: Any) -> tuple[Any, ...]:
        """All arguments by position, defaults filled in."""
        if not kwargs:
            return tuple(args)
        bound = inspect.signature(self.function).bind(*args, **kwargs)
        bound.apply_defaults()
        if bound.kwargs:
            raise ArgumentError(
                f"{self.kind}: `{self.name}` was called with keyword-only arguments "
                f"{sorted(bound.kwargs)}; a function with a rule takes its arguments by position"
                + at(user_line())
            )
        return bound.args

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self if instance is None else functools.partial(self, instance)


class custom_jvp(_Custom):  # noqa: N801 - a decorator
    """A function with a rule of its own for tangents, from which reverse mode follows too.

    The rule, set by `defjvp`, takes the arguments as a tuple and their tangents as another, and
    returns the value and its tangent, which must be linear in the tangents. It is differentiated in
    its turn for higher orders. `nondiff_argnums` names arguments (functions, strings) to leave out:
    the rule receives them first.

    >>> @cr.custom_jvp
    ... def log1pexp(x):
    ...     return np.log(1 + np.exp(x))
    >>> @log1pexp.defjvp
    ... def rule(primals, tangents):
    ...     (x,), (t,) = primals, tangents
    ...     return log1pexp(x), t / (1 + np.exp(-x))
    >>> cr.grad(log1pexp)(80.0)
    np.float64(1.0)
    """

    kind = "custom_jvp"
    rule: Callable[..., Any] | None = None

    def defjvp(self, rule: Callable[..., Any]) -> Callable[..., Any]:
        """Set the rule `(*nondiff, primals, tangents) -> (value, tangent)`; also as a decorator."""
        self.rule = rule
        return rule

    def _recorded(self, call: _Call) -> Any:
        if self.rule is None:
            raise ArgumentError(
                f"custom_jvp: `{self.name}` has no rule yet; set one with "
                f"`@{self.name}.defjvp`" + at(user_line())
            )
        leaves, structure, cls = call.leaves, call.structure, call.cls
        still = [stopped(x) if isinstance(x, Variable) else x for x in leaves]
        out = self.function(*call.joined(unflatten(structure, still)))
        ys, nesting = results_of("custom_jvp", out, cls)
        count = len(leaves)

        def tangents(*values: Any) -> list[Any]:
            primals = tuple(unflatten(structure, values[:count]))
            moved = tuple(unflatten(structure, values[count:]))
            assert self.rule is not None
            found = self.rule(*call.fixed, primals, moved)
            if not isinstance(found, tuple) or len(found) != 2:
                raise ArgumentError(
                    f"custom_jvp: the rule of `{self.name}` must return (value, tangent)"
                    + at(user_line())
                )
            given = flatten_like(found[1], nesting, "custom_jvp", "the tangent")
            return _checked("custom_jvp", self.name, "tangent", given, ys, cls)

        rule = Rule(self.name, len(ys), count, cls, tangents)
        operands = [*(stopped(y) for y in ys), *map(as_operand, leaves)]
        return unflatten(nesting, custom(operands, rule=rule))


class custom_vjp(_Custom):  # noqa: N801 - a decorator
    """A function with a rule of its own for cotangents.

    The rule is two functions, set by `defvjp(forward, backward)`: `forward(*args)` returns the
    value and whatever is to be remembered, `backward(remembered, cotangent)` a tuple with a
    cotangent for each argument, None for zero. Both are differentiated in their turn for higher
    orders. There is no forward mode. `nondiff_argnums` names arguments to leave out, which
    `backward` receives first.

    >>> @cr.custom_vjp
    ... def clipped(x):
    ...     return x
    >>> clipped.defvjp(lambda x: (x, None), lambda _, ct: (np.clip(ct, -1.0, 1.0),))
    >>> cr.grad(lambda x: 5.0 * clipped(x))(2.0)
    np.float64(1.0)
    """

    kind = "custom_vjp"
    forward: Callable[..., Any] | None = None
    backward: Callable[..., Any] | None = None

    def defvjp(self, forward: Callable[..., Any], backward: Callable[..., Any]) -> None:
        """Set the rule: `forward(*args) -> (value, remembered)`, and
        `backward(*nondiff, remembered, cotangent) -> cotangents of the arguments`.
        """
        self.forward, self.backward = forward, backward

    def _recorded(self, call: _Call) -> Any:
        if self.forward is None or self.backward is None:
            raise ArgumentError(
                f"custom_vjp: `{self.name}` has no rule yet; set one with "
                f"`{self.name}.defvjp(forward, backward)`" + at(user_line())
            )
        key = (get_ident(), self)
        if key in _within:
            return self._recorded_later(call)
        leaves, structure, cls = call.leaves, call.structure, call.cls
        _within.add(key)
        try:
            found = self.forward(*call.args)
        finally:
            _within.discard(key)
        if not isinstance(found, tuple) or len(found) != 2:
            raise ArgumentError(
                f"custom_vjp: the forward rule of `{self.name}` must return (value, remembered)"
                + at(user_line())
            )
        ys, nesting = results_of("custom_vjp", found[0], cls)
        kept, inside = flatten(found[1])
        places = [k for k, v in enumerate(kept) if hasattr(v, "dtype")]
        backward = self.backward

        def cotangents(*values: Any) -> list[Any]:
            remembered = list(kept)
            for k, v in zip(places, values, strict=False):
                remembered[k] = v
            ct = unflatten(nesting, values[len(places) :])
            out = backward(*call.fixed, unflatten(inside, remembered), ct)
            return self._by_leaf(out, structure, leaves, cls)

        rule = Rule(self.name, len(ys), len(leaves), cls, cotangents, backward=True)
        operands = [
            *(stopped(y) for y in ys),
            *(as_operand(kept[k]) for k in places),
            *map(as_operand, leaves),
        ]
        return unflatten(nesting, custom(operands, rule=rule))

    def _recorded_later(self, call: _Call) -> Any:
        """A call within the forward rule itself, which runs again if its derivative is needed."""
        leaves, structure, cls = call.leaves, call.structure, call.cls
        still = [stopped(x) if isinstance(x, Variable) else x for x in leaves]
        out = self.function(*call.joined(unflatten(structure, still)))
        ys, nesting = results_of("custom_vjp", out, cls)
        count = len(leaves)

        def cotangents(*values: Any) -> list[Any]:
            assert self.forward is not None
            assert self.backward is not None
            _, remembered = self.forward(*call.joined(unflatten(structure, values[:count])))
            ct = unflatten(nesting, values[count:])
            found = self.backward(*call.fixed, remembered, ct)
            return self._by_leaf(found, structure, leaves, cls)

        rule = Rule(self.name, len(ys), count, cls, cotangents, backward=True)
        operands = [as_operand(x) for x in leaves]
        return unflatten(nesting, custom([*ys, *operands, *operands], rule=rule))

    def _by_leaf(
        self, out: Any, structure: Structure, leaves: Sequence[Any], cls: type[Variable]
    ) -> list[Any]:
        """What the backward rule returned, a cotangent or None for each leaf of the arguments."""
        count = len(structure.parts)
        if not isinstance(out, (tuple, list)) or len(out) != count:
            raise ArgumentError(
                f"custom_vjp: the backward rule of `{self.name}` must return a tuple with a "
                f"cotangent for each of its {count} arguments, not "
                f"{len(out) if isinstance(out, (tuple, list)) else type(out).__name__}"
                + at(user_line())
            )
        found: list[Any] = []
        for part, nested in zip(out, structure.parts, strict=True):
            if part is None:
                found += [None] * nested.count
            else:
                found += flatten_like(part, nested, "custom_vjp", "a cotangent")
        return _checked("custom_vjp", self.name, "cotangent", found, leaves, cls)


def _checked(
    kind: str,
    name: str,
    what: str,
    found: Sequence[Any],
    like: Sequence[Any],
    cls: type[Variable],
) -> list[Any]:
    """Derivatives that a rule returned, of the shapes they must have."""
    out: list[Any] = []
    for g, x in zip(found, like, strict=True):
        if g is None:
            out.append(None)
            continue
        spec = spec_of(as_operand(x))
        g = as_operand(g)
        if g.shape != spec.shape:
            raise ShapeError(
                f"{kind}: the rule of `{name}` gave a {what} of shape {list(g.shape)} for a value "
                f"of shape {list(spec.shape)}; they must be equal" + at(user_line())
            )
        if g.dtype.kind == "c" and spec.dtype.kind == "f":
            raise DtypeError(
                f"{kind}: the rule of `{name}` gave a complex {what} for a real value; take its "
                "real part" + at(user_line())
            )
        if spec.dtype.kind in "fc" and g.dtype != spec.dtype:
            g = g.astype(spec.dtype)
        out.append(results_of(kind, g, cls)[0][0])
    return out
