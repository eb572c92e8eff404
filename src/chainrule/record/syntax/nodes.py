"""Small syntax trees, of which the larger ones are made."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from typing import Any, TypeVar

from chainrule.record.syntax.source import SYNTHETIC, defined

T = TypeVar("T", bound=ast.AST)


def at(node: T, place: ast.AST) -> T:
    """A new node, and all in it that has no place yet, at the place of another."""
    ast.copy_location(node, place)
    for child in ast.iter_child_nodes(node):
        if not hasattr(child, "lineno"):
            at(child, place)
    return node


def load(name: str) -> ast.Name:
    """A name that is read."""
    return ast.Name(name, ast.Load())


def store(name: str) -> ast.Name:
    """A name that is assigned to."""
    return ast.Name(name, ast.Store())


def constant(value: Any) -> ast.Constant:
    """A constant; the compiler takes tuples of them as well."""
    return ast.Constant(value)


def none_of(flags: list[str]) -> ast.expr:
    """`not (a or b)`."""
    values: list[ast.expr] = [load(f) for f in flags]
    return ast.UnaryOp(ast.Not(), values[0] if len(values) == 1 else ast.BoolOp(ast.Or(), values))


def own_attribute(name: str) -> ast.Attribute:
    """`_cr_.name`."""
    return ast.Attribute(load(SYNTHETIC), name, ast.Load())


def helper(name: str, args: list[ast.expr]) -> ast.Call:
    """`_cr_.name(*args)`."""
    return ast.Call(own_attribute(name), args, [])


def pieces(text: ast.expr) -> ast.expr:
    """An f-string as a call of the helper that puts it together; any other expression as it is."""
    if not isinstance(text, ast.JoinedStr):
        return text
    args: list[ast.expr] = []
    for part in text.values:
        if isinstance(part, ast.FormattedValue):
            conversion = "" if part.conversion == -1 else chr(part.conversion)
            form = part.format_spec or constant("")
            part = ast.Tuple([part.value, constant(conversion), form], ast.Load())
        args.append(part)
    return at(helper("text", args), text)


def thunk(value: ast.expr) -> ast.Lambda:
    """`lambda: value`."""
    no_args = ast.arguments(posonlyargs=[], args=[], kwonlyargs=[], kw_defaults=[], defaults=[])
    return ast.Lambda(no_args, value)


def function(name: str, params: Iterable[str], body: list[ast.stmt]) -> ast.FunctionDef:
    """`def name(params): body`."""
    args = ast.arguments(
        posonlyargs=[],
        args=[ast.arg(p) for p in params],
        kwonlyargs=[],
        kw_defaults=[],
        defaults=[],
    )
    made: ast.FunctionDef = defined(
        ast.FunctionDef(name=name, args=args, body=body, decorator_list=[])
    )
    return made


def path_tree(path: str, ctx: ast.expr_context) -> ast.expr:
    """The tree of `a` or `self.x`."""
    first, *names = path.split(".")
    tree: ast.expr = ast.Name(first, ast.Load() if names else ctx)
    for k, name in enumerate(names):
        tree = ast.Attribute(tree, name, ctx if k == len(names) - 1 else ast.Load())
    return tree
