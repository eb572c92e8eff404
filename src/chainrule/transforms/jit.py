"""`jit`: a function compiled to machine code, for each combination of shapes and dtypes."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import operator
import warnings
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

import numpy as np

from chainrule.codegen.options import wanted
from chainrule.errors import ArgumentError, DtypeError, at, user_line
from chainrule.graph.budget import budget
from chainrule.graph.graph import Graph, has_variable
from chainrule.graph.node import Abstract, Spec, Variable
from chainrule.ops.control_flow import has_loop
from chainrule.ops.replay import replay
from chainrule.ops.sharing import attempt
from chainrule.record.trace import is_tracing, trace
from chainrule.record.trees import LEAF, Structure, flatten, unflatten
from chainrule.run.ready import MISSED, Ready
from chainrule.tensor import Tensor
from chainrule.transforms.costs import comparison, noted
from chainrule.transforms.quick import quick

CACHED: Final = 256
"""So many signatures of a function are kept compiled; of more, the one least recently used goes."""

ndarray = np.ndarray
Signature = tuple[Any, ...]


class Entry:
    """One signature of a jitted function: its graph, and what runs it."""

    __slots__ = ("call", "finish", "graph", "outside", "quick", "run", "structure")

    graph: Graph
    structure: Structure
    run: Any
    """Runs the graph on a list of arrays."""
    call: Callable[..., Any] | None
    """The same as quickly as can be, where every argument has the dtype that was traced."""
    quick: Callable[..., Any] | None
    """The same for positional arguments like those it was made for (`transforms.quick`)."""
    outside: bool
    finish: Callable[[Any], Any]
    """Puts the results together as the function nests them."""

    def __init__(self, graph: Graph, structure: Structure) -> None:
        self.graph, self.structure = graph, structure
        self.outside = any(n is not None and has_variable(n) for n, _ in graph.given())
        self.run = self.call = self.quick = None
        self.finish = _finish(structure)


class CacheInfo(NamedTuple):
    """What a function given to `jit` has compiled."""

    compiled: int
    """Signatures for which machine code was made."""
    loaded: int
    """Signatures whose code was found in the folder of `set_cache_dir`."""
    kept: int
    """Signatures that are compiled now; those used least recently may have gone."""


class Jitted(Ready):
    """What `jit` returns: call it like the function it was made of."""

    def __init__(
        self,
        function: Callable[..., Any],
        static: tuple[int | str, ...] = (),
        check_bounds: bool = False,
        donate: tuple[int | str, ...] = (),
    ) -> None:
        from chainrule.run.choose import load

        super().__init__()
        load()  # here, where nobody waits for a result yet
        self.function, self.static, self.options = function, static, wanted(check_bounds)
        self.donate = _donated(function, static, donate)
        self._warned: set[str] = set()
        self.cache: OrderedDict[Signature, Entry] = OrderedDict()
        self._places = frozenset({i for i in static if isinstance(i, int)})
        self._made = [0, 0]
        """Signatures that were compiled, and loaded."""
        self.__name__ = getattr(function, "__name__", type(function).__name__)
        functools.update_wrapper(self, function, updated=())

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        """As a method of a class: the instance comes first, and is usually a static argument."""
        return self if instance is None else functools.partial(self, instance)

    def __copy__(self) -> Jitted:
        """Itself, as of any function."""
        return self

    def __deepcopy__(self, memo: Any) -> Jitted:
        """Itself, as of any function."""
        return self

    def general(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Run the compiled function, compiling it first where this signature is new."""
        if kwargs:
            return self._general(args, kwargs)
        key: list[Any] = []
        values: list[Any] = []
        cls: Any = None
        moving: Sequence[Any] = args
        if self.static:
            fixed = [a for i, a in enumerate(args) if i in self._places]
            key += [*map(type, fixed), *fixed]
            moving = [a for i, a in enumerate(args) if i not in self._places]
        for a in moving:
            kind = type(a)
            if kind is ndarray:
                value = a
            elif isinstance(a, Variable):
                value = a._value
                if a._node is not None or type(value) is Abstract:
                    return self._general(args, kwargs)
                cls = kind
                key.append(kind)
            elif kind in _FLOATS:
                key.append(kind)
                values.append(a)
                continue
            else:
                return self._general(args, kwargs)
            shape = value.shape
            key.append(shape)
            key.append(value.dtype)
            values.append(value if shape else value[()])
        short = tuple(key)
        try:
            entry = self.cache.get(short)
        except TypeError:  # a static argument without a hash
            return self._general(args, kwargs)
        if entry is None or entry.call is None:
            return self._general(args, kwargs, short)
        if cls is None:
            self._quick = entry.quick or self._quick
            return entry.finish(entry.call(*values))
        return entry.finish([_tensor(cls, v) for v in entry.call(*values)])

    def _general(
        self, args: tuple[Any, ...], kwargs: dict[str, Any], short: Signature | None = None
    ) -> Any:
        """Any arguments: containers, static ones, Tensors under differentiation or a trace."""
        fixed, leaves, structure = self._leaves(args, kwargs)
        cls = class_of_leaves(leaves)
        entry, key = self._entry(fixed, leaves, structure, cls or Tensor)
        if short is not None and all(
            (np.dtype(np.float64) if type(x) is float else x.dtype) == s.spec.dtype
            for x, s in zip(leaves, entry.graph.inputs, strict=True)
        ):
            self._keep(short, entry)
            if entry.call is not None and not self.static:
                entry.quick = _quickest(args, entry)
                self._quick = entry.quick or self._quick
        self.cache.move_to_end(key)
        if entry.outside or any(isinstance(x, Variable) and _is_live(x) for x in leaves):
            if entry.outside:  # it takes Tensors from outside whose derivative may be wanted
                return self.function(*args, **kwargs)
            if budget() is not None and not is_tracing() and has_loop(entry.graph):
                raise _no_budget(self.__name__)
            wanted = [
                _as_tensor(x, cls or Tensor, s)
                for x, s in zip(leaves, entry.graph.inputs, strict=True)
            ]
            return unflatten(entry.structure, replay(entry.graph, wanted))
        outs = entry.run(
            [_raw(x, s.spec.dtype) for x, s in zip(leaves, entry.graph.inputs, strict=True)]
        )
        if cls is not None:
            outs = [_tensor(cls, v) for v in outs]
        return unflatten(entry.structure, outs)

    def _leaves(
        self, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[Any, list[Any], Structure]:
        """Static arguments, the leaves of the others, and how those are nested."""
        if not self.static:
            leaves, structure = flatten((args, kwargs))
            return (), leaves, structure
        places = self._places
        fixed: list[Any] = [(i, args[i]) for i in sorted(places) if i < len(args)]
        fixed += [(k, kwargs[k]) for k in self.static if isinstance(k, str) and k in kwargs]
        moving = tuple(None if i in places else a for i, a in enumerate(args))
        named = {k: v for k, v in kwargs.items() if k not in self.static}
        leaves, structure = flatten((moving, named))
        return tuple(fixed), leaves, structure

    def _entry(
        self, fixed: Any, leaves: list[Any], structure: Structure, cls: Any
    ) -> tuple[Entry, Signature]:
        specs = specs_of(leaves, f"jit: {self.__name__}")
        key = (
            fixed,
            structure,
            cls,
            tuple(
                (s.shape, s.dtype, type(x) in _PYTHON) for s, x in zip(specs, leaves, strict=True)
            ),
        )
        try:
            entry = self.cache.get(key)
        except TypeError:
            raise DtypeError(
                f"jit: a static argument of {self.__name__} must be hashable, as compiled code is "
                f"found by its value; {fixed!r} is not" + at(user_line())
            ) from None
        if entry is None:
            entry = self._compile(fixed, specs, structure, cls)
            self._keep(key, entry)
        return entry, key

    def _keep(self, key: Signature, entry: Entry) -> None:
        self.cache[key] = entry
        while len(self.cache) > CACHED:
            self.cache.popitem(last=False)

    def _compile(self, fixed: Any, specs: Sequence[Spec], structure: Structure, cls: Any) -> Entry:
        from chainrule.record.syntax import rewrite
        from chainrule.run.choose import runnable

        function = rewrite(self.function, arrays=True, control_flow=True)

        def whole(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
            places = dict(fixed)
            named = {k: v for k, v in fixed if isinstance(k, str)}
            return function(*[places.get(k, a) for k, a in enumerate(args)], **kwargs, **named)

        entry = Entry(*graph_of(whole, specs, structure, cls, "jit", self.__name__))
        if not entry.outside:
            names = self._given(structure) if self.donate else {}
            given = tuple(k for k in names if specs[k].shape)
            entry.run = runnable(entry.graph, dataclasses.replace(self.options, donated=given))
            self._warn(entry.run, {names[k]: specs[k] for k in given if not _taken(entry.run, k)})
            entry.call = getattr(entry.run, "call", None)
            self._made[getattr(entry.run, "loaded", False)] += 1
        return entry

    def _given(self, structure: Structure) -> dict[int, str]:
        """The leaves of the arguments that are donated, and the names of these."""
        leaves = range(structure.count)
        args, kwargs = unflatten(structure, list(leaves))
        found: dict[int, str] = {}
        for position, name in self.donate:
            if name in kwargs:
                part = kwargs[name]
            elif position is not None and position < len(args):
                part = args[position]
            else:
                continue
            found.update(dict.fromkeys(flatten(part)[0], name))
        return found

    def _warn(self, run: Any, unused: dict[str, Spec]) -> None:
        """Say once of each argument that was donated in vain."""
        unused = {name: spec for name, spec in unused.items() if name not in self._warned}
        if unused and hasattr(run, "image"):
            self._warned.update(unused)
            shown = ", ".join(f"{name!r} ({spec!r})" for name, spec in unused.items())
            warnings.warn(
                f"jit: memory donated to {self.__name__} is not used: {shown}; a result can take "
                "an array's memory if it has the same shape and dtype and is computed after the "
                "last use of the array" + at(user_line()),
                RuntimeWarning,
                stacklevel=2,
            )

    def cache_info(self) -> CacheInfo:
        """How often it was compiled, and how often its code was found on disk.

        >>> f = cr.jit(lambda x: x + 1)
        >>> _ = f(1.0), f(2.0), f(np.ones(3))
        >>> f.cache_info().compiled
        2
        """
        compiled, loaded = self._made
        return CacheInfo(compiled, loaded, len(set(map(id, self.cache.values()))))

    def lower(self, *args: Any, **kwargs: Any) -> Any:
        """The stages of compiling for these arguments: graph, loops, LLVM, assembly, report."""
        fixed, leaves, structure = self._leaves(args, kwargs)
        run = self._entry(fixed, leaves, structure, class_of_leaves(leaves) or Tensor)[0].run
        derivative = noted(self.function)
        if derivative is not None and hasattr(run, "comparison"):
            own = Jitted(derivative.function, self.static)
            run.comparison = lambda: comparison(
                derivative, run.program, own.lower(*args, **kwargs).program
            )
        return run


STATIC: Final = "pass it as a static argument (`cr.jit(f, static=...)`)"
"""What to do with an argument that is no array."""


def graph_of(
    function: Callable[..., Any],
    specs: Sequence[Spec],
    structure: Structure,
    cls: Any,
    transform: str,
    name: str,
) -> tuple[Graph, Structure]:
    """The graph of a function of containers nested as `structure`, and how its result is nested.

    `transform` wants it; errors name both.
    """
    found: list[Structure] = []

    def body(*tensors: Any) -> list[Any]:
        leaves, shape = flatten(function(*unflatten(structure, tensors)))
        found.append(shape)
        return [_output(x, f"{transform}: {name}") for x in leaves]

    return attempt(lambda: trace(body, specs, cls, name)), found[-1]


def jit(
    function: Callable[..., Any] | None = None,
    *,
    static: int | str | Sequence[int | str] = (),
    donate: int | str | Sequence[int | str] = (),
    check_bounds: bool = False,
) -> Any:
    """The function, compiled to machine code when it is first called with arguments of some shapes
    and dtypes, and for each other combination of them.

    The function is traced: it runs once on Tensors without numbers, and what it computes with
    them is compiled. Python's `for`, `while`, `if` and assignments to elements that depend on them
    become loops and branches of the compiled function, longer loops over ordinary ranges as well.

    Arguments are arrays, Tensors, numbers, or containers of them; `static` names
    (by position or keyword) those that are used as they are, one compilation for each value.
    NumPy arrays and numbers give NumPy arrays and scalars, Tensors give Tensors. Called on Tensors
    that require a derivative, or inside of another transform, the function takes part in it.

    A `print` of traced values, in whole or in part, and any `print` in a branch or loop that is
    traced, prints NumPy's numbers each time it is reached in a call; any other prints once, while
    the function is traced. An `assert` of a traced condition is checked in each call. Under a
    derivative both are done once, with the primal values.

    `donate` names arguments (by position or name) whose arrays are not needed after the call. A
    result of the same shape and dtype takes the memory of such an array where it can, and is that
    array; what cannot be used is named in a warning, once. Whoever reads a donated array later
    finds the result, or after an error anything, in it. Arrays that are read-only, strided, or
    share memory with another argument are copied before. Without `donate` results never share
    memory with arguments. Under a derivative or a trace nothing is donated.

    With `check_bounds` every load and store of the machine code is compared with the extent of its
    memory, and BoundsError raised in place of a crash; it runs several times slower. The
    environment variable `CHAINRULE_CHECK_BOUNDS=1` asks for it in the whole process.

    Raises TracedValueError where Python asks a traced value for a number, DtypeError for an
    argument that is no array, and ArgumentError for a donated one that the function does not have.

    >>> @cr.jit
    ... def f(x, y):
    ...     return 3 * x**2 + y + cr.exp(x * y)
    >>> f(cr.tensor(1.0), cr.tensor(2.0))
    tensor(12.3891)
    >>> @cr.jit
    ... def root(a):
    ...     assert a > 0, f"{a} has no real root"
    ...     x = a
    ...     while cr.abs(x * x - a) > 1e-3:
    ...         x = (x + a / x) / 2
    ...         print(f"{x:.6f}")
    ...     return x
    >>> root(9.0)
    5.000000
    3.400000
    3.023529
    3.000092
    np.float64(3.00009...)

    >>> step = cr.jit(lambda x, g: x - 0.1 * g, donate="x")
    >>> x = np.ones(3)
    >>> step(x, np.ones(3)) is x
    True
    """
    fixed = (static,) if isinstance(static, (int, str)) else tuple(static)
    given = (donate,) if isinstance(donate, (int, str)) else tuple(donate)
    if function is None:
        return lambda f: Jitted(f, fixed, check_bounds, given)
    return Jitted(function, fixed, check_bounds, given)


# --- arguments and results -----------------------------------------------------------------------


def class_of_leaves(leaves: Sequence[Any]) -> Any:
    """The class of Tensor among the leaves, or None."""
    cls: Any = None
    for x in leaves:
        if isinstance(x, Variable) and (cls is None or issubclass(type(x), cls)):
            cls = type(x)
    return cls


def _taken(run: Any, k: int) -> bool:
    """Whether a result has the memory of input k."""
    return any(j == k for _, j in getattr(getattr(run, "image", None), "inplace", ()))


def _donated(
    function: Any, static: Sequence[int | str], donate: Sequence[int | str]
) -> tuple[tuple[int | None, str], ...]:
    """Position and name of each argument that is donated."""
    if not donate:
        return ()
    parameters = inspect.signature(function).parameters
    names = list(parameters)
    kinds = {p.kind for p in parameters.values()}
    found: list[tuple[int | None, str]] = []
    for x in donate:
        if isinstance(x, int) and 0 <= x < len(names):
            found.append((x, names[x]))
        elif isinstance(x, int) and x >= 0 and inspect.Parameter.VAR_POSITIONAL in kinds:
            found.append((x, f"argument {x}"))
        elif x in names and parameters[str(x)].kind is not inspect.Parameter.VAR_KEYWORD:
            found.append((names.index(str(x)), str(x)))
        elif isinstance(x, str) and inspect.Parameter.VAR_KEYWORD in kinds:
            found.append((None, x))
        else:
            raise ArgumentError(
                f"jit: donate={x!r} is no argument of {getattr(function, '__name__', 'it')}, which "
                f"has {', '.join(names)}" + at(user_line())
            )
    both = [name for k, name in found if k in static or name in static]
    if both:
        raise ArgumentError(
            f"jit: {', '.join(both)} cannot be donated, being static: its value is part of the "
            "compiled code" + at(user_line())
        )
    return tuple(found)


def _no_budget(name: str) -> ArgumentError:
    """The error of a budget for loops that are compiled, and differentiated outside."""
    return ArgumentError(
        f"memory=: {name} is compiled, and its loops cannot keep to a budget where the derivative "
        f"is taken outside; compile the derivative instead, as in `cr.jit(cr.grad({name}, "
        "memory=...))`, which may call compiled functions" + at(user_line())
    )


def _finish(structure: Structure) -> Callable[[Any], Any]:
    """From the results to what the function returns."""
    if structure is LEAF:
        return operator.itemgetter(0)
    if structure.kind is tuple and all(p is LEAF for p in structure.parts):
        return tuple
    return functools.partial(unflatten, structure)


def _quickest(args: tuple[Any, ...], entry: Entry) -> Callable[..., Any] | None:
    """What calls the program of an entry, for arguments like these."""
    made = quick(args, entry.call, entry.finish) if entry.call is not None else None
    direct = getattr(entry.run, "direct", None)
    if made is None or direct is None:
        return made
    if entry.structure is LEAF:
        return direct
    if entry.finish is not tuple:
        return made
    return direct if entry.structure.count > 1 else _in_a_tuple(direct)


def _in_a_tuple(direct: Callable[..., Any]) -> Callable[..., Any]:
    """A call whose one result goes into a tuple."""

    def call(*args: Any) -> Any:
        found = direct(*args)
        return found if found is MISSED else (found,)

    return call


_FLOATS: Final = frozenset({float, np.float64, np.float32})
"""Numbers that machine code reads as they are."""


_PYTHON: Final = frozenset({float, int})
"""Python's own numbers, which are weak in dtype."""


def _is_live(x: Variable) -> bool:
    """Whether a Tensor is being differentiated or traced."""
    return x._node is not None or type(x._value) is Abstract


def specs_of(leaves: Sequence[Any], what: str, instead: str = STATIC) -> list[Spec]:
    """Shapes and dtypes of the arguments; Python's own numbers are weak. `what` takes them, and
    `instead` is what to do with one that is no array.
    """
    found: list[Spec] = []
    for x in leaves:
        v: Any = x._value if isinstance(x, Variable) else x
        if type(v) is float or type(v) is int:
            number = Abstract((), np.dtype(np.float64 if type(v) is float else np.int64))
            number.weak = True
            found.append(number)
            continue
        if not hasattr(v, "dtype"):
            v = _array(v, what, instead)
        if v.dtype.kind not in "biufc":
            raise _no_array(v, what, instead)
        found.append(Abstract(v.shape, v.dtype.newbyteorder("=")))
    return found


def _array(v: Any, what: str, instead: str) -> Any:
    try:
        found = np.asarray(v)
    except Exception:
        raise _no_array(v, what, instead) from None
    if found.dtype.kind not in "biufc":
        raise _no_array(v, what, instead)
    return found


def _no_array(v: Any, what: str, instead: str) -> DtypeError:
    return DtypeError(
        f"{what}: an argument is a {type(v).__name__}, which is no array; {instead}, or pass it as "
        "an array" + at(user_line())
    )


def _output(x: Any, what: str) -> Any:
    if isinstance(x, (Variable, np.ndarray, np.generic, int, float, complex)):
        return x
    raise DtypeError(
        f"{what} returns a {type(x).__name__}, which is no array; return Tensors, arrays, "
        "numbers, or containers of them" + at(user_line())
    )


def _raw(x: Any, dtype: np.dtype[Any]) -> Any:
    """An argument as compiled code takes it: an array, or a NumPy scalar or float."""
    value = x._value if isinstance(x, Variable) else x
    if type(value) is float and dtype == np.float64:
        return value
    if type(value) is not ndarray or value.dtype != dtype:
        value = np.asarray(value, dtype)
    return value if value.shape else value[()]


def _as_tensor(x: Any, cls: Any, node: Any) -> Any:
    if isinstance(x, Variable) or type(x) in _PYTHON:
        return x
    return _tensor(cls, _raw(x, node.spec.dtype))


def _tensor(cls: Any, value: Any) -> Any:
    out = cls()
    out._value = value
    out._node = None
    return out
