"""`rewrite`: a user's function as one that does the same, on Tensors as well."""

from __future__ import annotations

import ast
import copy
import weakref
from types import CodeType, FunctionType
from typing import Any, Final

from chainrule.record.syntax import source
from chainrule.record.syntax.calls import Calls
from chainrule.record.syntax.users import package_of, writes

HELPER: Final = "_cr_"
"""The variable through which rewritten code reaches its helpers."""

_modes: Final[dict[tuple[bool, bool, str], Calls]] = {}
_known: Final[weakref.WeakKeyDictionary[FunctionType, dict[Calls, FunctionType]]] = (
    weakref.WeakKeyDictionary()
)
_codes: Final[dict[tuple[CodeType, str, bool], CodeType | None]] = {}
_products: Final[dict[int, tuple[CodeType, bool]]] = {}
"""Codes that came out of a rewrite, inner ones included, by identity: (code, with control flow)."""


def rewrite(function: Any, *, arrays: bool, control_flow: bool) -> Any:
    """The function to run in place of `function`; itself if there is nothing to rewrite."""
    key = (arrays, control_flow, package_of(function))
    calls = _modes.get(key)
    if calls is None:
        calls = _modes[key] = Calls(*key, _rewritten)
    if isinstance(function, FunctionType):
        return _rewritten(function, calls)
    return calls.callee(function)


def _rewritten(function: FunctionType, calls: Calls) -> FunctionType:
    by_mode = _known.get(function)
    if by_mode is None:
        by_mode = _known[function] = {}
    found = by_mode.get(calls)
    if found is None:
        found = by_mode[calls] = _new(function, calls)
    return found


def _new(function: FunctionType, calls: Calls) -> FunctionType:
    product = _products.get(id(function.__code__))
    if product is not None and (product[1] or not calls.control_flow):
        return function
    if not calls.control_flow and not writes(function, calls.package):
        return function
    code = _code(function, calls.control_flow)
    return function if code is None else source.instance(code, function, {HELPER: calls})


def _code(function: FunctionType, control_flow: bool) -> CodeType | None:
    """The rewritten code, shared by all functions of one code object; None without source."""
    original = function.__code__
    key = (original, original.co_filename, control_flow)
    if key not in _codes:
        try:
            located = source.locate(function)
        except source.NoSource:
            _codes[key] = None
            return None
        node = copy.deepcopy(located.node)
        source.bare(node)
        code = source.assemble(Callees().visit(node), located, function, HELPER)
        _codes[key] = code
        _products.update((id(c), (c, control_flow)) for c in source.codes(code))
    return _codes[key]


class Callees(ast.NodeTransformer):
    """`f(x)` becomes `_cr_.callee(f)(x)`, `a[i] = v` becomes `_cr_.assignable(a)[i] = v`."""

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        """What is assigned to by index."""
        self.generic_visit(node)
        if isinstance(node.ctx, ast.Store):
            node.value = helper_call("assignable", [node.value], node.value)
        return node

    def visit_Call(self, node: ast.Call) -> ast.AST:
        """What is called."""
        self.generic_visit(node)
        node.func = helper_call("callee", [node.func], node.func)
        return node


def helper_call(name: str, args: list[ast.expr], at: ast.AST) -> ast.Call:
    """`_cr_.name(*args)`, at the place of another node."""
    helper = ast.Attribute(ast.Name(HELPER, ast.Load()), name, ast.Load())
    call = ast.Call(helper, args, [])
    for part in (helper.value, helper, call):
        ast.copy_location(part, at)
    return call
