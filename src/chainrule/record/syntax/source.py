"""From a function to its syntax tree, and from a changed tree back to a function.

The tree is found in the file's own, so that the class around a method and the columns of a lambda
are known. The changed function is compiled under the user's file name and line numbers, inside a
function whose parameters are the free variables of the original. It is never run there: its code
is taken out and given the original's own cells, so closures stay live.
"""

from __future__ import annotations
import __future__

import ast
import linecache
from collections.abc import Iterator
from dataclasses import dataclass
from inspect import CO_NEWLOCALS
from types import CellType, CodeType, FunctionType
from typing import Any, Final

_PLAN: Final = "_cr_plan"
"""Name of the function around the changed one."""

SYNTHETIC: Final = "_cr_"
"""How the names begin of what a rewrite adds; no traceback should show them to be the user's."""

_FLAGS: Final = sum(getattr(__future__, n).compiler_flag for n in __future__.all_feature_names)

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


class NoSource(Exception):
    """The source of a function cannot be read: why, for the error message."""


@dataclass(frozen=True, slots=True)
class Located:
    """A function's place in its file."""

    node: Definition
    class_name: str | None
    """The class around it, by which names like `__x` are mangled."""
    filename: str
    lines: list[str]


def locate(function: FunctionType) -> Located:
    """The syntax tree of a function, or NoSource."""
    code = function.__code__
    lines = linecache.getlines(code.co_filename, function.__globals__)
    if not lines:
        raise NoSource(f"its file {code.co_filename!r} cannot be read")
    found = [
        (node, name)
        for node, name in _definitions(code.co_filename, "".join(lines))
        if _begins(node) == code.co_firstlineno and _is_like(node, code)
    ]
    if len(found) > 1:
        found = [(node, name) for node, name in found if _span(node) == _code_span(code)]
    if len(found) != 1:
        what = "lambdas on its line cannot be told apart" if found else "its file has changed since"
        raise NoSource(what)
    node, class_name = found[0]
    return Located(node, class_name, code.co_filename, lines)


_files: Final[dict[str, tuple[str, list[tuple[Definition, str | None]]]]] = {}


def _definitions(filename: str, text: str) -> list[tuple[Definition, str | None]]:
    """All functions of a file, each with the name of the class it is in."""
    known = _files.get(filename)
    if known is None or known[0] != text:
        try:
            tree = ast.parse(text)
        except SyntaxError as error:
            raise NoSource(f"its file {filename!r} cannot be parsed: {error}") from None
        known = _files[filename] = (text, list(_walk(tree, None)))
    return known[1]


def _walk(node: ast.AST, class_name: str | None) -> Iterator[tuple[Definition, str | None]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.ClassDef):
            yield from _walk(child, child.name)
            continue
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield child, class_name
        yield from _walk(child, class_name)


def _begins(node: Definition) -> int:
    """The line that the compiler takes for the first one: a decorator's, if there is one."""
    if isinstance(node, ast.Lambda) or not node.decorator_list:
        return node.lineno
    return node.decorator_list[0].lineno


def _is_like(node: Definition, code: CodeType) -> bool:
    name = "<lambda>" if isinstance(node, ast.Lambda) else node.name
    a = node.args
    args = [*a.posonlyargs, *a.args, *a.kwonlyargs]
    args += [v for v in (a.vararg, a.kwarg) if v is not None]
    names = code.co_varnames[: len(args)]
    same = all(n == g.arg or n.endswith(g.arg) for n, g in zip(names, args, strict=False))
    counts = (len(a.posonlyargs) + len(a.args), len(a.kwonlyargs))
    ends = max((line for _, _, line in code.co_lines() if line), default=0)
    last = node.end_lineno or 0
    return (
        same
        and (code.co_name == name or code.co_name.endswith(name))
        and counts == (code.co_argcount, code.co_kwonlyargcount)
        and len(names) == len(args)
        and ends <= last
    )


def _span(node: Definition) -> tuple[int | None, ...]:
    body = node.body if isinstance(node, ast.Lambda) else node
    return body.lineno, body.col_offset, body.end_lineno, body.end_col_offset


def _code_span(code: CodeType) -> tuple[int | None, ...]:
    """Where the longest expression of a lambda's code stands: its body."""
    spans = [p for p in code.co_positions() if None not in p and p[3] != 0]
    if not spans:
        return ()
    start = min((p[0], p[2]) for p in spans)
    end = max((p[1], p[3]) for p in spans)
    return (*start, *end)


# --- back to a function --------------------------------------------------------------------------


def assemble(node: Definition, located: Located, function: FunctionType, helper: str) -> CodeType:
    """The code of a changed definition; `helper` is the free variable that the changes refer to."""
    code = function.__code__
    if not isinstance(node, ast.Lambda):
        node.name = SYNTHETIC + "function"  # under its own, it would hide a global from itself
    names = [ast.arg(n) for n in dict.fromkeys((*code.co_freevars, helper))]
    made: ast.stmt = ast.Return(node) if isinstance(node, ast.Lambda) else node
    no_args = ast.arguments(posonlyargs=[], args=names, kwonlyargs=[], kw_defaults=[], defaults=[])
    plan: ast.stmt = defined(
        ast.FunctionDef(name=_PLAN, args=no_args, body=[made], decorator_list=[])
    )
    if located.class_name is not None:
        plan = defined(
            ast.ClassDef(
                name=located.class_name, bases=[], keywords=[], body=[plan], decorator_list=[]
            )
        )
    module = ast.Module(body=[plan], type_ignores=[])
    ast.copy_location(plan, node)
    ast.fix_missing_locations(module)
    compiled = compile(module, located.filename, "exec", code.co_flags & _FLAGS, dont_inherit=True)
    while compiled.co_name != _PLAN:
        compiled = _child(compiled)
    return _renamed(_child(compiled), code.co_name, code.co_qualname)


def defined(node: Any) -> Any:
    """A new definition, with the field that Python 3.12 has besides."""
    node.type_params = []
    return node


def codes(code: CodeType) -> Iterator[CodeType]:
    """A function's code and that of the functions in it, classes left out."""
    yield code
    for c in code.co_consts:
        if isinstance(c, CodeType) and c.co_flags & CO_NEWLOCALS:
            yield from codes(c)


def _child(code: CodeType) -> CodeType:
    """The one code object among another's constants (defaults and annotations are left out)."""
    return next(c for c in code.co_consts if isinstance(c, CodeType))


def _renamed(code: CodeType, name: str, qualname: str) -> CodeType:
    """Code whose qualified names, inner ones included, say nothing of the rewrite."""
    outer, _, last = qualname.rpartition(".<locals>.")
    inside = outer if last.startswith(SYNTHETIC) else qualname
    consts = tuple(_renamed_inside(c, name, inside) for c in code.co_consts)
    return code.replace(co_name=name, co_qualname=qualname, co_consts=consts)


def _renamed_inside(c: Any, outer_name: str, outer: str) -> Any:
    if not isinstance(c, CodeType):
        return c
    qualname = f"{outer}.<locals>.{c.co_name}"
    return _renamed(c, outer_name if c.co_name.startswith(SYNTHETIC) else c.co_name, qualname)


def instance(code: CodeType, function: FunctionType, extra: dict[str, Any]) -> FunctionType:
    """A function with this code, and everything else of `function`; `extra` are new variables."""
    cells = dict(zip(function.__code__.co_freevars, function.__closure__ or (), strict=True))
    closure = tuple(CellType(extra[n]) if n in extra else cells[n] for n in code.co_freevars)
    new = FunctionType(
        code, function.__globals__, function.__name__, function.__defaults__, closure
    )
    new.__kwdefaults__ = function.__kwdefaults__
    new.__doc__ = function.__doc__
    new.__module__ = function.__module__
    new.__qualname__ = function.__qualname__
    for name in ("__annotate__", "__annotations__", "__type_params__"):  # the first is 3.14's
        if hasattr(function, name):
            setattr(new, name, getattr(function, name))
            if name == "__annotate__":
                break
    new.__dict__.update(function.__dict__)
    return new


def bare(node: Definition) -> None:
    """Take away what is evaluated where a function is defined: decorators, defaults, annotations.

    The function was defined long ago; what was evaluated then is taken from it.
    """
    args = node.args
    args.defaults = [ast.Constant(None) for _ in args.defaults]
    args.kw_defaults = [None if d is None else ast.Constant(None) for d in args.kw_defaults]
    for arg in (*args.posonlyargs, *args.args, *args.kwonlyargs, args.vararg, args.kwarg):
        if arg is not None:
            arg.annotation = None
    if not isinstance(node, ast.Lambda):
        node.decorator_list = []
        node.returns = None
        defined(node)
