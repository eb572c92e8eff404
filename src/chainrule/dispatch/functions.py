"""`np.sum(t, 0)`, `np.linalg.solve(t, u)`: NumPy's hook for its functions that are no ufuncs.

An operation has its own parameters, in its own order. `Plan` says for a NumPy function which of its
arguments go where: those of the same name, and those at the same place under another name. What an
operation has no argument for is expressed here (`out`, `where`, `initial`, `mean`, `dtype`), has no
effect on numbers and is dropped (`order`, `subok` ...), or is an error if a derivative would be
lost; where none would, NumPy itself is asked.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

import numpy as np

from chainrule.dispatch.answers import ANSWERS
from chainrule.dispatch.kinds import ABOUT_SHAPE, ASKS, REFUSED
from chainrule.dispatch.masked import MASKED, reduced
from chainrule.dispatch.output import store
from chainrule.dispatch.values import cast, lost, plain, run, stand_ins, tracked, variables, wrap
from chainrule.dispatch.writing import WRITES
from chainrule.errors import DtypeError, at, user_line
from chainrule.graph.node import Variable
from chainrule.ops.editing import apply_along_axis
from chainrule.ops.recording import raw
from chainrule.ops.selection import piecewise
from chainrule.ops.table import NUMPY

Function = Callable[..., Any]
NO_VALUE: Final = np._NoValue

EXPRESSED: Final = frozenset({"out", "where", "initial", "mean", "casting"})
"""Arguments that are expressed by further operations."""

WITHOUT_EFFECT: Final = frozenset({"subok", "overwrite_input", "device", "like", "order", "copy"})
"""Arguments about memory, which change no number."""


def array_function(
    self: Any, func: Function, types: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """Answer a NumPy function that was given a Tensor."""
    plan = _PLANS.get(func)
    if plan is None and answer(func) is not None:
        plan = plan_of(func)
    if plan is not None:
        return call(plan, args, kwargs)
    if func in WRITES:
        return WRITES[func](*args, **kwargs)
    name = func.__name__
    if func in ASKS:
        given = stand_ins if func in ABOUT_SHAPE else plain
        cls = type(variables((args, kwargs))[0])
        return wrap(cls, func(*given(args), **{k: given(v) for k, v in kwargs.items()}))
    if tracked((args, kwargs)):
        why = REFUSED.get(func, "chainrule has no operation of this name")
        raise lost(name, why, "write it with operations it has, define it with a rule of your own")
    return run(func, args, kwargs, name)


def answer(func: Function) -> Function | None:
    """The operation that answers for a NumPy function, or None."""
    function = ANSWERS.get(func) or NUMPY.get(func)
    if function is None:  # of modules that are loaded when first used, by name
        function = NUMPY.get(f"{func.__module__}.{func.__name__}")
    return function


# --- arguments -------------------------------------------------------------------------------


class Plan(NamedTuple):
    """How a NumPy function's arguments become an operation's."""

    func: Function
    function: Function
    parameters: Mapping[str, inspect.Parameter]
    """NumPy's."""
    variadic: bool
    """Whether arguments by position are passed on as they are: any number of arrays."""
    names: dict[str, str]
    """Of NumPy's parameters those that the operation has, and what they are called there."""
    open: bool
    """Whether the operation passes on keywords of any name, to a function it is given."""
    straight: int
    """So many arguments by position are the operation's as well."""
    keywords: frozenset[str]
    """Names that NumPy's function and the operation share."""


_PLANS: Final[dict[Function, Plan]] = {}

_BEFORE_2_4: Final[dict[Any, Function]] = {
    np.concatenate: lambda arrays, /, axis=0, out=None, *, dtype=None, casting="same_kind": None,
    np.dot: lambda a, b, out=None: None,
    np.empty_like: lambda prototype, /, dtype=None, order="K", subok=True, shape=None: None,
    np.inner: lambda a, b, /: None,
    np.vdot: lambda a, b, /: None,
    np.where: lambda condition, x=None, y=None, /: None,
    np.bincount: lambda x, /, weights=None, minlength=0: None,
}
"""Signatures of functions written in C, which older NumPys do not tell."""


def _signature(func: Function) -> Mapping[str, inspect.Parameter]:
    try:
        return inspect.signature(func).parameters
    except ValueError:
        return inspect.signature(_BEFORE_2_4[func]).parameters


def plan_of(func: Function) -> Plan:
    """The plan of a NumPy function that an operation answers for."""
    plan = _PLANS.get(func)
    if plan is not None:
        return plan
    function = answer(func)
    assert function is not None
    parameters = _signature(func)
    own, variadic = _own_names(function)
    variadic |= any(p.kind is p.VAR_POSITIONAL for p in parameters.values())
    names: dict[str, str] = {}
    straight = 0
    by_name = (inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.VAR_KEYWORD)
    positional = [k for k, p in parameters.items() if p.kind not in by_name]
    for i, name in enumerate(positional):
        required = parameters[name].default is inspect.Parameter.empty
        if name not in own and required and i < len(own) and own[i] not in parameters:
            names[name] = own[i]
        elif name in own:
            names[name] = name
        if names.get(name) != (own[i] if i < len(own) else None):
            break
        straight += name in names
    for name in parameters:
        if name in own and name not in names:
            names[name] = name
    if any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        names = {m: m for m in own} | names
    shared = frozenset(n for n, m in names.items() if n == m) - EXPRESSED
    if variadic:
        shared, straight = frozenset(own), 1 << 30
    passes_on = function in (apply_along_axis, piecewise)
    plan = Plan(func, function, parameters, variadic, names, passes_on, straight, shared)
    _PLANS[func] = plan
    return plan


def _own_names(function: Function) -> tuple[list[str], bool]:
    """An operation's parameters, and whether it takes any number of arguments by position."""
    row = getattr(function, "operation", None)
    if row is not None and row.arity is None and row.name == function.__name__ != "einsum":
        return list(row.names), False  # one sequence of arrays
    parameters = inspect.signature(function).parameters.values()
    several = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    names = [p.name for p in parameters if p.kind not in several]
    return names, any(p.kind is p.VAR_POSITIONAL for p in parameters)


def call(plan: Plan, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The operation called with a NumPy function's arguments."""
    if len(args) > plan.straight:
        return _carefully(plan, args, kwargs)
    if not kwargs:
        return plan.function(*args)
    if not plan.open:
        keywords = plan.keywords
        for key, value in kwargs.items():
            if value is NO_VALUE or key not in keywords:
                return _carefully(plan, args, kwargs)
    return plan.function(*args, **kwargs)


def _carefully(plan: Plan, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    name = plan.func.__name__
    if plan.variadic:
        arrays, given = args, dict(kwargs)
    else:
        if len(args) > sum(p.kind is not p.KEYWORD_ONLY for p in plan.parameters.values()):
            raise TypeError(f"{name}() takes ({', '.join(plan.parameters)}), {len(args)} given")
        arrays, given = (), {**dict(zip(plan.parameters, args, strict=False)), **kwargs}
    given = {k: v for k, v in given.items() if v is not NO_VALUE and not _is_default(plan, k, v)}
    expressed = {k: given.pop(k) for k in EXPRESSED & given.keys() if k not in plan.names}
    positional, keyword = list(arrays), {}
    dtype = None
    unknown = []
    for key, value in given.items():
        own = plan.names.get(key, key if plan.variadic and key in plan.keywords else None)
        if own is None:
            if key == "dtype":
                dtype = value
            elif key not in WITHOUT_EFFECT or (key == "order" and value not in tuple("CAFK")):
                unknown.append(key)
        elif own != key or plan.parameters.get(key) in _positional_only(plan):
            positional.append(value)
        else:
            keyword[own] = value
    if unknown:
        return _beyond(plan, args, kwargs, unknown[0])
    return _finished(plan, positional, keyword, expressed, dtype, (args, kwargs))


def _positional_only(plan: Plan) -> list[inspect.Parameter]:
    """Parameters that come first: the operands, and those that NumPy takes by position only."""
    first = list(plan.parameters.values())[:1]
    return first + [p for p in plan.parameters.values() if p.kind is p.POSITIONAL_ONLY]


def _is_default(plan: Plan, key: str, value: Any) -> bool:
    """Whether an argument says what holds without it, and the operation has no such argument."""
    if key in plan.names and key not in EXPRESSED:
        return False
    default = NO_VALUE if key not in plan.parameters else plan.parameters[key].default
    if value is None or value is default:
        return key != "initial"
    return type(value) in (bool, int, str, float) and value == default


def _finished(
    plan: Plan,
    positional: list[Any],
    keyword: dict[str, Any],
    expressed: dict[str, Any],
    dtype: Any,
    given: Any,
) -> Any:
    """Call the operation, and express what it has no arguments for."""
    name = plan.func.__name__
    casting = expressed.pop("casting", "same_kind")
    out = expressed.pop("out", None)
    out = out[0] if isinstance(out, tuple) else out
    row = getattr(plan.function, "operation", None)
    row_name = plan.function.__name__ if row is None else row.name
    if expressed:
        if row_name not in MASKED:
            return _beyond(plan, given[0], given[1], next(iter(expressed)))
        names = [plan.names[k] for k in plan.parameters if k in plan.names]
        keyword |= dict(zip(names[1:], positional[1:], strict=False))
        if dtype is not None:
            keyword["dtype"] = dtype
        result = reduced(row_name, positional[0], **expressed, **keyword)
    else:
        result = plan.function(*positional, **keyword)
        if dtype is not None:
            if not np.can_cast(result.dtype, dtype, casting):
                raise DtypeError(
                    f"{name}: {result.dtype} cannot be cast to dtype={np.dtype(dtype)} with "
                    f"casting={casting!r}" + at(user_line())
                )
            result = cast(result, dtype, name)
    return result if out is None else _into(out, result, name, given)


def _into(out: Any, result: Any, name: str, given: Any) -> Any:
    """`out=`, which NumPy's functions that are no ufuncs cast to more freely."""
    if not isinstance(out, Variable) and raw(out).shape != raw(result).shape:
        raise DtypeError(f"{name}: out= has another shape than the result" + at(user_line()))
    return store(out, result, name)


def _beyond(plan: Plan, args: Any, kwargs: dict[str, Any], argument: str) -> Any:
    """An argument that the operation does not take: NumPy itself is asked, or an error raised."""
    name = plan.func.__name__
    out = kwargs.get("out")
    if tracked((args, kwargs)) or isinstance(out, Variable):
        raise lost(
            name,
            f"the operation takes no argument {argument}=",
            "express it by other operations",
        )
    return run(plan.func, args, kwargs, name)
