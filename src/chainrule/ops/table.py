"""The operation table: what a row holds, and how calling an operation records it.

A row (`Operation`) is everything the library knows about one operation. Rows are made by the
families below it: `elementwise` (in `ops.family`) from partial derivatives, `operation` here from
one rule per operand, `composite` from other operations. Rules are written with NumPy's own names
and operators: given arrays they compute numbers, given Tensors they record, and so can be
differentiated again. Next: the rows, one file per family of mathematics in this folder.

**Rules.** `reverse[i](ct, y, *operands, **params)` is the cotangent of operand i. A parameter whose
name begins with an underscore is not needed but for its `.shape` and `.dtype`, so its value is not
kept. In place of a rule stands `ZERO` (the derivative is zero wherever it exists) or a string
(the derivative is missing: the string says why, or what to use instead).
"""

# ruff: noqa: F401 - what rows need to be written is found here
# mypy: implicit-reexport

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, ParamSpec, TypeVar, cast

import numpy as np

from chainrule.graph.node import Cotangents, Node, Spec, Variable, next_order
from chainrule.ops import hot, recording
from chainrule.ops.complaints import CAUGHT, NUMBERS, as_value, check_rules, describe, explain
from chainrule.ops.native import TABLE_OF, Native
from chainrule.ops.recording import (
    SCALARS,
    everywhere,
    filled,
    fit,
    general,
    is_recording,
    kept,
    note_shown,
    numbers,
    raw,
    record,
    selected,
    settle,
    zeros_like,
)

P = ParamSpec("P")
R = TypeVar("R")

Rule = Callable[..., Any]


class _Zero:
    def __repr__(self) -> str:
        return "ZERO"


ZERO: Final = _Zero()
"""In place of a rule: the derivative is zero wherever it exists (and zero at the kinks)."""


@dataclass(frozen=True)
class Sample:
    """Inputs for the table-driven tests: operands as shapes (drawn from the row's domain),
    or as functions of a random generator, and keyword parameters.
    """

    operands: tuple[Any, ...]
    params: dict[str, Any] = field(default_factory=dict)
    sized: bool = False
    """Operands are one sequence argument, as of `concat`."""


def S(*operands: Any, **params: Any) -> Sample:  # noqa: N802 - a letter, so that tables read as tables
    """A sample: `S((3, 4), (4, 2), axis=0)`."""
    return Sample(operands, params)


def Seq(*operands: Any, **params: Any) -> Sample:  # noqa: N802
    """A sample whose operands form one sequence argument: `Seq((3,), (3,), axis=0)`."""
    return Sample(operands, params, sized=True)


@dataclass(eq=False)
class Operation:
    """One row of the table."""

    name: str
    evaluate: Rule
    """Value from NumPy arrays or scalars: `evaluate(*operands, **params)`."""
    reverse: tuple[Any, ...] | Rule
    """One rule, ZERO or reason per operand; for a variadic row one rule `(i, ct, y, *operands)`."""
    forward: Rule | None = None
    """Tangent of the result, `forward(tangents, y, *operands, **params)`, None entries being zero.
    Where not given it follows: from the partials, from `linear`, or by transposing `reverse`."""
    arity: int | None = 1
    """Number of array operands; None for one sequence of them."""
    linear: tuple[int, ...] = ()
    """Operands in each of which, the others fixed, the value is linear."""
    results: int = 1
    """Number of results; 0 stands for as many as the evaluation returns."""
    differentiable: bool = True
    """False where the result is of integers or booleans, or constant."""
    defaults: dict[str, Any] = field(default_factory=dict)
    names: tuple[str, ...] = ()
    """Names of the evaluation's parameters, operands first."""
    partials: tuple[Any, ...] = ()
    """Elementwise rows: the partial derivatives `(y, *operands)`; 1 and -1 stand for themselves."""
    domain: tuple[Any, ...] = ()
    """Where the tests draw operands from: an interval per operand."""
    special: tuple[float, ...] = ()
    """Points the tests visit besides: kinks, poles, infinities."""
    samples: Sequence[Sample] = ()
    numpy: tuple[Any, ...] = ()
    """NumPy (and SciPy) functions that this row answers for when they are given a Tensor."""
    kind: str = "rule"
    """Family: elementwise, linear, movement, rule, composite or creation."""
    doc: str = ""
    tolerance: float = 1.0
    """Factor on the tests' tolerances, with the reason in a comment beside it."""
    untested: str = ""
    """Why some general test does not apply, in words; empty nearly always."""
    plain: Callable[..., Any] | None = None
    """What the evaluation comes down to where the parameters have their defaults."""
    function: Callable[..., Any] = lambda: None
    """The public function."""
    call: Callable[..., Any] | None = None
    """Elementwise rows: the same without a layer between, for Tensor's operators; `reflected` for
    `other op tensor`."""
    reflected: Callable[..., Any] | None = None
    pull: Callable[[Any, tuple[Any, ...], Node], Sequence[Any]] = field(init=False)
    """The reverse rules together: (cotangent, values kept, node) -> cotangents of operands."""
    shape: Rule | str | None = None
    """Shape and dtype of the result, a Spec or a tuple of them, from operands that are arrays or
    Specs: `shape(*operands, **params)`; a string says why they depend on values. Where not given,
    the evaluation tells, run once on numbers of the operands' shapes."""
    batch: Rule | None = None
    """The operation on a batch: `batch(row, size, operands, moved, params)`, operands marked in
    `moved` having the batch as their first axis, as the result has (see `ops.batching`)."""
    taylor: Rule | None = None
    """Taylor coefficients of the result: `taylor(y, *operands, **params)`, of curves (see
    `ops.series`), gives the coefficient as a function of its order, or None to say that the
    derivative serves better. Where not given it follows from linearity, or from the derivative."""
    expand: Rule | None = None
    """For compiled code, the operation in terms of other rows: `expand(*operands, **params)`, None
    where it is plain enough as it is."""
    native: Native | None = None
    """For compiled code, the operation as loops (see `ops.native`)."""
    fused: bool = False
    """Whether machine code is quicker than the evaluation on arrays of all sizes: it goes over them
    once, where NumPy goes over them again and again."""
    code: list[Any] = field(default_factory=list)
    """Machine code for operands that were met often, if there is any (see `ops.repeated`)."""
    keeps: tuple[bool, ...] = ()
    """Which of (result, *operands) some rule reads, so that its value is kept."""

    def __post_init__(self) -> None:
        self.pull = self._pull

    def _pull(self, ct: Any, saved: tuple[Any, ...], node: Node) -> Sequence[Any]:
        rules, params = self.reverse, node.params
        if self.results != 1:
            ct = filled(ct, saved[0])
        elif type(ct) in SCALARS and saved[0].shape:
            ct = everywhere(ct, saved[0].shape)
        if callable(rules):
            return [
                None if n is None else fit(rules(i, ct, *saved, **params), saved[1 + i])
                for i, n in enumerate(node.inputs)
            ]
        return [
            None
            if n is None
            else zeros_like(x)
            if rule is ZERO
            else fit(rule(ct, *saved, **params), x)
            for n, rule, x in zip(node.inputs, rules, saved[1:], strict=True)
        ]

    def record_results(
        self,
        cls: type[Variable],
        value: Any,
        values: Sequence[Any],
        nodes: tuple[Node | None, ...],
        params: dict[str, Any],
    ) -> Any:
        """As `record`, for an operation with several results: a node for all, and one for each."""
        results = [settle(cls, v, values, self, params) for v in value]
        recording = self.differentiable and is_recording(nodes)
        if recording:
            check_rules(self, nodes, values)
            whole = Node()
            whole.op, whole.inputs, whole.params, whole.order = self, nodes, params, next_order()
            keeps = self.keeps or (True,) * (1 + len(values))
            whole.saved = (
                tuple(results),
                *(kept(v, k) for v, k in zip(values, keeps[1:], strict=True)),
            )
        outs = []
        for index, result in enumerate(results):
            out = cls()
            out._value = result
            out._node = None
            if recording and result.dtype.kind in "fc":
                out._node = node = selected(whole, index, len(results), result)
                if self.kind == "movement" and isinstance(result, np.ndarray):
                    note_shown(node, result, values[0])
            outs.append(out)
        return type(value)(*outs) if hasattr(value, "_fields") else tuple(outs)

    def __repr__(self) -> str:
        return f"<operation {self.name}>"

    def reads(self, node: Node, i: int) -> bool:
        """Whether a rule that `node` needs reads value `i` of (result, *operands): others are kept
        as well, small ones and those for operands that need no derivative.
        """
        if self.keeps and not self.keeps[min(i, len(self.keeps) - 1)]:
            return False
        if callable(self.reverse):
            return True
        count = 1 + len(node.inputs)
        rules = self.partials or self.reverse
        wanted = [r for n, r in zip(node.inputs, rules, strict=True) if n is not None]
        read = needs(wanted, count) if self.partials else needs(wanted, 1 + count)[1:]
        return read[i]

    def missing(self, operand: int) -> str | None:
        """Why there is no derivative in this operand, or None where there is one."""
        rule = self.reverse if callable(self.reverse) else self.reverse[operand]
        return rule if isinstance(rule, str) else None


def in_full(pull: Rule) -> Rule:
    """Decorator for a row's own `pull`: a scalar cotangent arrives as the array it means."""

    def pull_in_full(ct: Any, saved: tuple[Any, ...], node: Node) -> Any:
        if type(ct) in SCALARS and saved[0].shape:
            ct = everywhere(ct, saved[0].shape)
        return pull(ct, saved, node)

    return pull_in_full


TABLE: dict[str, Operation] = {}
"""Every operation by name."""
TABLE_OF.append(TABLE)

NUMPY: dict[Any, Callable[..., Any]] = {}
"""NumPy function or ufunc -> the public function that answers for it."""


def register(row: Operation, function: Callable[..., Any]) -> None:
    """Enter a row in the table, once."""
    if row.name in TABLE:
        raise ValueError(f"the operation {row.name!r} is in the table already")
    function.__name__ = function.__qualname__ = row.name
    function.__doc__ = row.doc or row.evaluate.__doc__
    function.operation = row  # type: ignore[attr-defined]
    row.function = function
    TABLE[row.name] = row
    for alias in row.numpy:
        NUMPY[alias] = function


def needs(rules: Sequence[Any], count: int) -> tuple[bool, ...]:
    """Which of (result, *operands) the rules read: those not named with an underscore."""
    needed = [False] * count
    for rule in rules:
        if callable(rule):
            names = [
                p.name
                for p in inspect.signature(rule).parameters.values()
                if p.kind is p.POSITIONAL_OR_KEYWORD or p.kind is p.POSITIONAL_ONLY
            ]
            for i, name in enumerate(names[:count]):
                needed[i] |= not name.startswith("_")
    return tuple(needed)


def _select(ct: Any, _y: Any, several: Any, index: int, count: int) -> Any:
    return Cotangents([ct if k == index else None for k in range(count)])


SELECT = Operation("select", evaluate=lambda x, index, count: x[index], reverse=(_select,))
STOP = Operation("stop_gradient", evaluate=lambda x: x, reverse=(ZERO,), differentiable=False)
ALIAS = Operation(
    "alias",
    evaluate=lambda x: x,
    reverse=(lambda ct, _y, _x: ct,),
    forward=lambda tangents, _y, _x: tangents[0],
)
recording.SELECT.extend((SELECT, STOP, ALIAS))
for _row in (STOP, ALIAS):
    _row.keeps = (False, False)


# --- making rows -------------------------------------------------------------------------------


def operation(
    *,
    reverse: Sequence[Any] | Rule = (),
    arity: int | None = 1,
    name: str | None = None,
    **fields: Any,
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Decorator: make a row of a NumPy evaluation and its rules.

    The decorated function's first `arity` parameters are array operands, the others are static
    parameters; its signature and docstring are those of the public function.
    """

    def decorate(evaluate: Callable[P, R]) -> Callable[P, R]:
        parameters = inspect.signature(evaluate).parameters
        names = tuple(parameters)
        count = 1 if arity is None else arity
        defaults = {
            k: p.default for k, p in list(parameters.items())[count:] if p.default is not p.empty
        }
        rules = reverse if callable(reverse) else tuple(reverse)
        row = Operation(
            name=name or evaluate.__name__.rstrip("_"),
            evaluate=evaluate if arity is not None else (lambda *xs, **kw: evaluate(xs, **kw)),  # type: ignore[arg-type]
            reverse=rules,
            arity=arity,
            defaults=defaults,
            names=names,
            doc=inspect.getdoc(evaluate) or "",
            **fields,
        )
        if callable(rules):
            # rule(i, ct, y, *operands): whether y and the operands are read
            read = [p.name for p in inspect.signature(rules).parameters.values()][2:4]
            row.keeps = tuple(not n.lstrip("*").startswith("_") for n in read)
        elif row.differentiable:
            # a rule's first parameter is the cotangent
            row.keeps = needs(rules, 2 + count)[1:]
        else:
            row.keeps = (False,) * (1 + count)
        if (
            arity in (1, 2)
            and row.results == 1
            and row.kind != "movement"
            and len(defaults) == len(names) - count
        ):
            row.call, row.reflected = hot.calls(row, row.plain or row.evaluate)
        function = _caller(row, names, count)
        function.__wrapped__ = evaluate  # type: ignore[attr-defined]  # signature for help()
        register(row, function)
        return cast("Callable[P, R]", function)

    return decorate


def _caller(row: Operation, names: tuple[str, ...], count: int) -> Callable[..., Any]:
    """The public function of a row: sorts arguments into operands and parameters."""
    defaults = row.defaults
    variadic = row.arity is None

    plain = row.call

    def call(*args: Any, **kwargs: Any) -> Any:
        if len(args) == count and not kwargs:
            if plain is not None:
                return plain(*args)
            params = defaults
        elif (
            len(args) == count
            and kwargs.keys() <= defaults.keys()
            and len(defaults) == len(names) - count
        ):
            params = {**defaults, **kwargs}
        else:
            args, params = bind(row, names, count, args, kwargs)
        return general(row, args[0] if variadic else args, params)

    return call


def bind(
    row: Operation,
    names: tuple[str, ...],
    count: int,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Split a call's arguments into operands and full parameters, as Python would."""
    static = len(names) - count
    if not kwargs and count < len(args) <= len(names):
        params = {**row.defaults, **dict(zip(names[count:], args[count:], strict=False))}
        if len(params) == static:
            return args[:count], params
    if len(args) > len(names):
        raise TypeError(f"{row.name}() takes at most {len(names)} arguments, {len(args)} given")
    given = dict(zip(names, args, strict=False))
    for key, value in kwargs.items():
        if key in given or key not in names:
            problem = "given twice" if key in given else "unknown"
            raise TypeError(
                f"{row.name}(): argument {key!r} is {problem}; it takes ({', '.join(names)})"
            )
        given[key] = value
    params = {**row.defaults, **given}
    absent = [n for n in names if n not in params]
    if absent:
        raise TypeError(
            f"{row.name}() lacks the argument {absent[0]!r}; it takes ({', '.join(names)})"
        )
    operands = tuple(params.pop(n) for n in names[:count])
    return operands, params


def composite(
    *, name: str | None = None, **fields: Any
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Decorator: a row written in terms of other rows, whose derivatives follow from theirs."""

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        row = Operation(
            name=name or function.__name__.rstrip("_"),
            evaluate=function,
            reverse=(),
            kind="composite",
            names=tuple(inspect.signature(function).parameters),
            doc=inspect.getdoc(function) or "",
            **fields,
        )
        doc = function.__doc__
        register(row, function)
        function.__doc__ = doc
        return function

    return decorate
