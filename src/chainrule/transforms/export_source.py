"""What `export` makes functions of C of: the user's function, each derivative as a graph, names."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np

from chainrule.errors import DtypeError, MissingMachineCode, TracedValueError, at, user_line
from chainrule.graph.graph import EFFECT, Graph
from chainrule.graph.node import Abstract, Spec
from chainrule.record.trees import Structure, flatten, leaf_names, unflatten
from chainrule.tensor import Tensor
from chainrule.transforms.arguments import Argnums, Chosen, prepared
from chainrule.transforms.grad import grad, value_and_grad
from chainrule.transforms.hessian import hessian
from chainrule.transforms.hvp import hvp
from chainrule.transforms.jacobian import jacobian
from chainrule.transforms.jit import class_of_leaves, graph_of, specs_of
from chainrule.transforms.jvp import jvp
from chainrule.transforms.vjp import vjp

FIXED: Final = "give it its value beforehand (`functools.partial`)"
"""What to do with an argument that is no array."""


class Source:
    """The function, its arguments and their names."""

    def __init__(self, f: Callable[..., Any], example_args: Any, argnums: Argnums, name: str):
        self.f, self.name = f, name
        self.title = getattr(f, "__name__", type(f).__name__)
        self.args = example_args if type(example_args) is tuple else (example_args,)
        leaves, self.structure = flatten(self.args)
        self.cls = class_of_leaves(leaves) or Tensor
        self.specs = specs_of(leaves, f"export: {self.title}", FIXED)
        self.argnums: int | Sequence[int] = 0 if argnums is None else argnums
        self.given = _unique(_names(f, self.args, self.structure))
        _check_types(self.given, [s.dtype for s in self.specs])
        self.graph, shape = graph_of(
            prepared(f), self.specs, self.structure, self.cls, "export", self.title
        )
        self.results = leaf_names(shape, "out")

    def chosen(self) -> tuple[list[str], list[int]]:
        """Names of the leaves to differentiate by, and which leaves they are."""
        numbers = [self.argnums] if isinstance(self.argnums, int) else list(self.argnums)
        numbers = [k % len(self.args) for k in numbers]
        ends = np.cumsum([0, *(p.count for p in self.structure.parts)])
        leaves = [i for k in numbers for i in range(ends[k], ends[k + 1])]
        return [self.given[i] for i in leaves], leaves

    def function(self, kind: str) -> Any:
        """The function of C for a derivative."""
        from chainrule.codegen.entries import Function, Parameter

        if kind != "value":
            Chosen(kind, self.args, {}, self.argnums)  # raises for what has no derivative
        says, transform, more = KINDS[kind]
        by, leaves = ([], []) if kind == "value" else self.chosen()
        outs = [s._value for s in self.graph.outputs]
        names, specs = list(self.given), list(self.specs)
        if more == "tangents":
            names += [f"tangent_{n}" for n in by]
            specs += [self.specs[i] for i in leaves]
        elif more == "cotangents":
            names += [f"cotangent_{n}" for n in self.results]
            specs += [Abstract(np.shape(v), np.result_type(v)) for v in outs]
        graph = self.graph if kind == "value" else self._traced(transform, specs, more)
        names = _unique(names)
        results = _unique(self._result_names(kind, by), names)
        _check_types(results, [out._value for out in graph.outputs])
        plain, careful = _programs(graph, f"{self.title}, {kind}")
        return Function(
            self.name if kind == "value" else f"{self.name}_{kind}",
            tuple(map(Parameter, names, [b.value for b in plain.inputs])),
            tuple(map(Parameter, results, [b.value for b in plain.outputs])),
            plain, careful, says.format(f=self.title, by=", ".join(by)),
        )  # fmt: skip

    def _traced(self, transform: Callable[..., Any], specs: Sequence[Spec], more: str) -> Graph:
        """The graph of a derivative, of the arguments and of tangents or cotangents."""
        f, argnums = prepared(self.f), self.argnums
        count = len(self.specs)

        def whole(*leaves: Any) -> Any:
            args = unflatten(self.structure, leaves[:count])
            return transform(f, argnums, args, leaves[count:])

        flat = Structure(tuple, (), (Structure(None),) * len(specs), len(specs))
        return graph_of(whole, specs, flat, self.cls, "export", self.title)[0]

    def _result_names(self, kind: str, by: Sequence[str]) -> list[str]:
        """Names of the results of a derivative, in order."""
        outs = self.results
        if kind == "value":
            return outs
        if kind == "jacobian":
            single = len(outs) == 1
            return [f"jacobian_{x}" if single else f"jacobian_{o}_{x}" for o in outs for x in by]
        if kind == "hessian":
            return [f"hessian_{a}" if len(by) == 1 else f"hessian_{a}_{b}" for a in by for b in by]
        if kind == "jvp":
            return [*outs, *[f"tangent_{o}" for o in outs]]
        if kind == "vjp":
            return [*outs, *[f"cotangent_{x}" for x in by]]
        values = outs if kind == "value_and_grad" else []
        return [*values, *[f"{'hvp' if kind == 'hvp' else 'grad'}_{x}" for x in by]]


def _parts(argnums: int | Sequence[int], args: Sequence[Any]) -> tuple[list[int], list[Any]]:
    numbers = [argnums] if isinstance(argnums, int) else list(argnums)
    numbers = [k % len(args) for k in numbers]
    return numbers, [args[k] for k in numbers]


def _of_chosen(f: Callable[..., Any], numbers: Sequence[int], args: Sequence[Any]) -> Any:
    """f as a function of some of its arguments."""

    def call(*parts: Any) -> Any:
        places = dict(zip(numbers, parts, strict=True))
        return f(*[places.get(k, a) for k, a in enumerate(args)])

    return call


def _like(parts: Sequence[Any], leaves: Sequence[Any]) -> tuple[Any, ...]:
    """Leaves nested as a tuple of arguments."""
    return unflatten(flatten(tuple(parts))[1], leaves)


def _jvp(f: Any, argnums: Any, args: Any, tangents: Sequence[Any]) -> Any:
    numbers, parts = _parts(argnums, args)
    return jvp(_of_chosen(f, numbers, args), tuple(parts), _like(parts, tangents))


def _hvp(f: Any, argnums: Any, args: Any, tangents: Sequence[Any]) -> Any:
    numbers, parts = _parts(argnums, args)
    return hvp(_of_chosen(f, numbers, args), tuple(parts), _like(parts, tangents))


def _vjp(f: Any, argnums: Any, args: Any, cotangents: Sequence[Any]) -> Any:
    numbers, parts = _parts(argnums, args)
    value, pullback = vjp(_of_chosen(f, numbers, args), *parts)
    return value, pullback(unflatten(flatten(value)[1], cotangents))


def _without(transform: Callable[..., Any]) -> Callable[..., Any]:
    """A transform that takes the arguments and nothing else."""
    return lambda f, argnums, args, _: transform(f, argnums)(*args)


KINDS: Final[dict[str, tuple[str, Any, str]]] = {
    "value": ("The value of {f}.", None, ""),
    "grad": ("The gradient of {f} by {by}.", _without(grad), ""),
    "value_and_grad": (
        "The value of {f}, and its gradient by {by}.", _without(value_and_grad), "",
    ),
    "jacobian": (
        "The Jacobian of {f} by {by}: axes of the result, then of the argument.",
        _without(jacobian), "",
    ),
    "hessian": ("The Hessian of {f} by {by}.", _without(hessian), ""),
    "hvp": ("The Hessian of {f} by {by}, times a tangent.", _hvp, "tangents"),
    "jvp": ("The value of {f}, and its Jacobian by {by} times a tangent.", _jvp, "tangents"),
    "vjp": (
        "The value of {f}, and its transposed Jacobian by {by} times a cotangent.", _vjp,
        "cotangents",
    ),
}  # fmt: skip
"""Derivative -> what the header says, how it is computed, and what it takes besides."""


def _programs(graph: Graph, what: str) -> tuple[Any, Any]:
    """The program with plain products, and the careful one."""
    from chainrule.codegen.lower import lower, plan_all
    from chainrule.codegen.routines import libraries
    from chainrule.codegen.straight import chop
    from chainrule.codegen.values import Values
    from chainrule.rewrite.optimize import optimized

    if any(n is not None and type(v) is Abstract for n, v in graph.given()):
        raise TracedValueError(
            f"export: {what} uses a traced value from outside; export it outside of `jit` and of "
            "transforms" + at(user_line())
        )
    graph = optimized(graph)
    found = []
    for careful in (False, True):
        program = lower(Values(graph), careful)
        values = [c.value for p in program.programs() for c in p.callbacks]
        rows = sorted({v.params["name"] if v.op == EFFECT else v.op for v in values})
        rows += sorted(libraries(program))
        if rows:
            raise MissingMachineCode(
                f"export: {what}: there is no machine code for {', '.join(rows)}, which only NumPy "
                "evaluates, and an exported function has no Python to call. Compute it beforehand "
                "and pass the result as an argument, or write it in other operations"
                + at(user_line())
            )
        chop(program)
        plan_all(program)
        found.append(program)
    return found[0], found[1]


def _check_types(names: Sequence[str], specs: Sequence[Any]) -> None:
    """Raise for an argument or a result that has no type in C."""
    from chainrule.codegen.header import TYPES
    from chainrule.codegen.values import code_of

    for name, spec in zip(names, specs, strict=True):
        dtype = np.dtype(spec.dtype) if isinstance(spec, Spec) else np.result_type(spec)
        if code_of(dtype) not in TYPES:
            raise DtypeError(
                f"export: {name} is {dtype}, for which there is no type in C; pass real and "
                "imaginary parts, or convert with .astype" + at(user_line())
            )


# --- names ---------------------------------------------------------------------------------------


def _names(f: Callable[..., Any], args: Sequence[Any], structure: Structure) -> list[str]:
    """Names of the leaves of the arguments, after the parameters of f."""
    try:
        parameters = list(inspect.signature(f).parameters.values())
    except (TypeError, ValueError):
        parameters = []
    names = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    names += [f"arg{k}" for k in range(len(names), len(args))]
    return leaf_names(structure, names[: len(args)])


def _unique(names: Sequence[str], taken: Sequence[str] = ()) -> list[str]:
    """Names as identifiers of C, each of them once: `w['a'][0]` is `w_a_0`."""
    from chainrule.codegen.header import KEYWORDS

    found: list[str] = []
    for name in names:
        name = re.sub(r"[^0-9A-Za-z]+", "_", name).strip("_") or "arg"
        name = f"_{name}" if name[0].isdigit() else name
        while name in found or name in taken or name in KEYWORDS or name == "workspace":
            name += "_"
        found.append(name)
    return found
