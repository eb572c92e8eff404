"""What every transform does with the arguments and results of the function it is given.

Arguments may be containers. The leaves to differentiate by are replaced by Tensors with nodes of
their own (`Chosen.fresh`), the function runs, and results go back to where arguments came from:
NumPy arrays in give NumPy arrays out, Tensors give Tensors, and a result that still depends on
something (an enclosing transform's variable) stays a Tensor whatever the arguments were.
"""

from __future__ import annotations

from _thread import get_ident
from collections.abc import Callable, Mapping, Sequence
from operator import index
from typing import Any, Final

import numpy as np

from chainrule.errors import ArgumentError, DtypeError, ShapeError, at, user_line
from chainrule.graph.node import Leaf, Variable, transforming
from chainrule.graph.switch import Record
from chainrule.ops.complaints import NUMBERS, describe
from chainrule.ops.recording import is_traced, marked, standard_class, wrapped, zeros_like
from chainrule.record.trace import check_open, is_tracing
from chainrule.record.trees import LEAF, Structure, flatten, tree_map, unflatten

Argnums = int | Sequence[int] | None
Argnames = str | Sequence[str] | None


def prepared(f: Callable[..., Any]) -> Callable[..., Any]:
    """f with NumPy's arrays assignable, and under a trace with Python's own loops and branches."""
    from chainrule.record.syntax import rewrite  # loaded when first needed, as it takes time

    eager = rewrite(f, arrays=True, control_flow=False)

    def call(*args: Any, **kwargs: Any) -> Any:
        g = rewrite(f, arrays=True, control_flow=True) if is_tracing() else eager
        return g(*args, **kwargs)

    return call


ONE: Final[Any] = flatten([0.0])[1]
"""The parts of a choice of the first argument, an array."""


class Chosen:
    """The arguments to differentiate by: their leaves, and how to call the function with others."""

    __slots__ = ("args", "cls", "kwargs", "leaves", "name", "parts", "places", "structure")

    def __init__(
        self,
        name: str,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        argnums: Argnums = None,
        argnames: Argnames = None,
    ) -> None:
        self.places: tuple[Any, ...]
        if argnums is None:
            argnums = 0 if argnames is None else ()
        if type(argnums) is int and argnums == 0 and argnames is None and len(args) > 0:
            x = args[0]
            if type(x) is np.ndarray and x.dtype.kind == "f":  # so common that it has a short way
                self.name, self.args, self.kwargs = name, list(args), kwargs
                self.places, self.leaves = (0,), [x]
                self.parts, self.structure, self.cls = ONE, LEAF, standard_class()
                return
        numbers = _numbers(name, argnums, len(args), kwargs)
        keys = _keys(name, argnames, kwargs)
        self.name, self.args, self.kwargs = name, list(args), kwargs
        self.places = (*numbers, *keys)
        self.leaves, self.parts = flatten([*(args[i] for i in numbers), *(kwargs[k] for k in keys)])
        inside, count = self.parts.parts, self.parts.count
        if len(inside) == 1 and (isinstance(argnums, int) or isinstance(argnames, str)):
            self.structure = inside[0]
        elif keys and not numbers:
            self.structure = Structure(dict, keys, inside, count)
        else:
            self.structure = Structure(tuple, (), inside, count)
        for x in self.leaves:
            check_leaf(name, x)
        self.cls = class_of(self.leaves)

    @classmethod
    def all_of(cls, name: str, primals: Any) -> Chosen:
        """Every argument of a call, given as a tuple, or as the one argument there is."""
        if type(primals) is tuple:
            return cls(name, primals, {}, tuple(range(len(primals))))
        return cls(name, (primals,), {}, 0)

    def fresh(self, own: bool = False) -> list[Any]:
        """The leaves as Tensors with nodes of their own; of copies of arrays where they are to
        keep their numbers (`own`), whatever happens to the caller's.
        """
        cls = self.cls
        values = [as_operand(x) for x in self.leaves]
        return [marked(cls, x.copy() if own and type(x) is np.ndarray else x) for x in values]

    def call(self, function: Callable[..., Any], leaves: Sequence[Any]) -> Any:
        """The function's result with these leaves in the chosen places, recorded.

        It may change a traced one in place, which has no memory: the variable itself stays.
        """
        leaves = [wrapped(type(x), x._value, x._node) if is_traced(x) else x for x in leaves]
        args, kwargs = self.args.copy(), self.kwargs
        if self.parts is ONE:
            args[0] = leaves[0]
        else:
            parts = unflatten(self.parts, leaves)
            for place, part in zip(self.places, parts, strict=True):
                if type(place) is int:
                    args[place] = part
                else:
                    kwargs = {**kwargs, place: part}
        ident = get_ident()
        transforming[ident] = transforming.get(ident, 0) + 1
        try:
            with Record():
                return function(*args, **kwargs)
        finally:
            if transforming[ident] == 1:
                del transforming[ident]
            else:
                transforming[ident] -= 1

    def out(self, derivatives: Sequence[Any]) -> Any:
        """Derivatives by each leaf, nested like the chosen arguments."""
        return unflatten(
            self.structure,
            [
                returned(self.tensor(g), isinstance(x, Variable))
                for g, x in zip(derivatives, self.leaves, strict=True)
            ],
        )

    def result(self, x: Any, free: bool) -> Any:
        """A leaf of the function's result as the caller gets it; `free` of everything outside, it
        leaves the history behind that it has here.
        """
        if not isinstance(x, Variable):
            return x
        if free and not is_traced(x):
            x = wrapped(type(x), x._value, None)
        return returned(x, any(isinstance(leaf, Variable) for leaf in self.leaves))

    def result_tree(self, tree: Any, free: bool) -> Any:
        """`result` of every leaf of a container."""
        return tree_map(lambda x: self.result(x, free), tree)

    def derivatives(self, found: Sequence[Any], given: Sequence[Any] = ()) -> list[Any]:
        """Derivatives as the caller gets them: Tensors if an argument, or what was `given` besides,
        is a Tensor.
        """
        tensors = any(isinstance(x, Variable) for x in (*self.leaves, *given))
        return [returned(self.tensor(d), tensors) for d in found]

    def tensor(self, value: Any) -> Any:
        """A value as a Tensor of the arguments' class."""
        if isinstance(value, Variable):
            return value
        return wrapped(self.cls, value if value.ndim else value[()], None)


def _numbers(
    name: str, argnums: int | Sequence[int], count: int, kwargs: Mapping[str, Any]
) -> tuple[int, ...]:
    """Positions of arguments, from the beginning."""
    try:
        given = tuple(map(index, argnums if isinstance(argnums, Sequence) else [argnums]))
    except TypeError:
        raise ArgumentError(
            f"{name}: argnums={argnums!r} must be the position of an argument, an integer that "
            "counts from 0, or a sequence of them; name keyword arguments with argnames="
            + at(user_line())
        ) from None
    if not count and given:
        raise ArgumentError(
            f"{name}: the function was called without positional arguments, so there is nothing to "
            "differentiate by; pass it one"
            + (f", or argnames={min(kwargs)!r}" if kwargs else "")
            + at(user_line())
        )
    for i in given:
        if not -count <= i < count:
            raise ArgumentError(
                f"{name}: argnums={argnums!r} names argument {i!r}, and the function was called "
                f"with {count} positional argument{'' if count == 1 else 's'}; count from 0, and "
                "name keyword arguments with argnames=" + at(user_line())
            )
    numbers = tuple(i % count for i in given)
    if len(set(numbers)) < len(numbers):
        raise ArgumentError(
            f"{name}: argnums={argnums!r} names an argument twice" + at(user_line())
        )
    return numbers


def _keys(name: str, argnames: Argnames, kwargs: Mapping[str, Any]) -> tuple[str, ...]:
    given = (argnames,) if isinstance(argnames, str) else tuple(argnames or ())
    for key in given:
        if key not in kwargs:
            raise ArgumentError(
                f"{name}: argnames names {key!r}, and the keyword arguments of the call are "
                f"{sorted(kwargs)}; pass it by keyword, or use argnums=" + at(user_line())
            )
    return given


def check_leaf(name: str, x: Any) -> None:
    """Raise for an argument that there is no derivative by."""
    kind = type(x)
    if kind is float or kind is complex:
        return
    dtype = getattr(x, "dtype", None)
    if kind in NUMBERS or (dtype is not None and np.dtype(dtype).kind in "biu"):
        what = kind.__name__ if dtype is None else describe(getattr(x, "_value", x))
        raise DtypeError(
            f"{name}: an argument to differentiate by is of integers or booleans ({what}); write "
            "1.0 for 1 or use .astype(float), or choose other arguments with argnums="
            + at(user_line())
        )
    if dtype is None or np.dtype(dtype).kind not in "fc":
        raise DtypeError(
            f"{name}: an argument to differentiate by is {_article(kind.__name__)}; it must be a "
            "number, an array or a Tensor, or a container of them (tuple, list, dict, named "
            "tuple, dataclass); leave others out with argnums=" + at(user_line())
        )


def _article(noun: str) -> str:
    return f"an {noun}" if noun[:1].lower() in "aeiou" else f"a {noun}"


def as_operand(x: Any) -> Any:
    """A Tensor as it is; a number as a NumPy scalar, an array of no dimensions likewise."""
    if isinstance(x, Variable):
        return x
    if type(x) is float:
        return np.float64(x)
    x = np.asarray(x)
    return x if x.ndim else x[()]


def class_of(leaves: Sequence[Any]) -> type[Variable]:
    """The class of the first Tensor among some values, `chainrule.Tensor` if there is none."""
    for x in leaves:
        if isinstance(x, Variable):
            return type(x)
    cls: type[Variable] = standard_class()
    return cls


def returned(value: Variable, tensors: bool) -> Any:
    """A result as the caller gets it: a Tensor if that is wanted, or if it has a history."""
    return value if tensors or value._node is not None else value._value


def retire(fresh: Sequence[Any]) -> None:
    """Say of fresh variables, at the end of a transform, that nobody differentiates by them now:
    what was computed from them on the way counts as a constant to enclosing transforms.
    """
    for x in fresh:
        node = x._node
        if type(node) is Leaf:
            node.frozen = True


def full(derivatives: Sequence[Any], like: Sequence[Any]) -> list[Any]:
    """Derivatives with zeros of the shapes of some Tensors in place of None."""
    return [
        zeros_like(x._value) if d is None else d for d, x in zip(derivatives, like, strict=True)
    ]


def results_of(
    name: str, out: Any, cls: type[Variable], aux: bool = True
) -> tuple[list[Any], Structure]:
    """The leaves of what a function returned, as Tensors, and their structure; `aux` says whether
    the transform lets other things pass.
    """
    if out is None:
        raise ArgumentError(
            f"{name}: the function returned None; is its `return` missing?" + at(user_line())
        )
    leaves, structure = flatten(out)
    return [as_result(name, x, cls, aux) for x in leaves], structure


def as_result(name: str, x: Any, cls: type[Variable], aux: bool = True) -> Variable:
    """A result as a Tensor, or an error for what is no number."""
    if isinstance(x, Variable):
        if is_traced(x) and x._node is not None and not is_tracing():
            check_open([x._node])
        return x
    value = np.asarray(x) if not isinstance(x, str) else None
    if value is None or value.dtype.kind not in "biufc":
        hint = (
            ". What is to be passed through as it is goes into the second result, with has_aux=True"
        )
        raise DtypeError(
            f"{name}: the function returned {_article(type(x).__name__)}"
            f"{f' ({x!r})' if isinstance(x, str) else ''}; it must return numbers, arrays or "
            f"Tensors, or containers of them{hint if aux else ''}" + at(user_line())
        )
    return wrapped(cls, value if value.ndim else value[()], None)


def with_aux(name: str, out: Any, has_aux: bool) -> tuple[Any, Any]:
    """What a function returned, split in its value and what it passes through."""
    if not has_aux:
        return out, None
    if not isinstance(out, tuple) or len(out) != 2:
        raise ArgumentError(
            f"{name}: with has_aux=True the function must return two results (value, aux), not "
            f"{_article(type(out).__name__)}" + at(user_line())
        )
    return out


def scalar_of(name: str, out: Any, cls: type[Variable]) -> Variable:
    """A function's value, which must be one real number."""
    if isinstance(out, Variable) and not out._value.shape:
        y = as_result(name, out, cls)
    else:
        leaves, structure = results_of(name, out, cls)
        if structure is not LEAF:
            raise ShapeError(
                f"{name}: the function returned {structure}, and only a single number has a "
                "gradient; return one (and the rest as aux with has_aux=True), or use "
                "cr.jacobian" + at(user_line())
            )
        y = leaves[0]
    if y._value.shape:
        raise ShapeError(
            f"{name}: the function returned a value of shape {list(y._value.shape)}, and only a "
            "single number has a gradient; reduce it (`.sum()`), or use cr.jacobian"
            + at(user_line())
        )
    if y._value.dtype.kind in "biu" and isinstance(out, (Variable, np.ndarray, np.generic)):
        raise DtypeError(
            f"{name}: the function returned {describe(y._value)}, and there is no derivative of "
            "integers and booleans" + at(user_line())
        )
    if y._value.dtype.kind == "c":
        raise DtypeError(
            f"{name}: the function returned a complex number; take its real part, its absolute "
            "value, or use cr.jacobian" + at(user_line())
        )
    return y


def cotangents_like(name: str, what: str, given: Sequence[Any], values: Sequence[Any]) -> list[Any]:
    """Cotangents (or tangents) that must have the shapes of some values; cast to their dtypes."""
    out: list[Any] = []
    for g, value in zip(given, values, strict=True):
        like = value._value if isinstance(value, Variable) else value
        g = as_operand(g) if g is not None else None
        if g is None:
            out.append(None)
            continue
        if g.shape != like.shape:
            raise ShapeError(
                f"{name}: {what} of shape {list(g.shape)} for a value of shape "
                f"{list(like.shape)}; they must be equal" + at(user_line())
            )
        if g.dtype != like.dtype:
            if g.dtype.kind == "c" and like.dtype.kind != "c":
                raise DtypeError(
                    f"{name}: {what} of dtype {g.dtype} for a value of dtype {like.dtype}; take "
                    "its real part" + at(user_line())
                )
            g = g.astype(like.dtype)
        out.append(g)
    return out
