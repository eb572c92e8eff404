"""`rewrite`: a user's function as one that does the same, on Tensors as well."""

from __future__ import annotations

import ast
import copy
import functools
import weakref
from types import CodeType, FunctionType
from typing import Any, Final

from chainrule.errors import COMPILED, PACKAGE, SyntaxUnsupported, TracedValueError, at, user_line
from chainrule.record.syntax import source
from chainrule.record.syntax.calls import Calls
from chainrule.record.syntax.helpers import Helpers
from chainrule.record.syntax.lower import lower
from chainrule.record.syntax.nodes import at as place
from chainrule.record.syntax.nodes import helper
from chainrule.record.syntax.source import SYNTHETIC
from chainrule.record.syntax.users import package_of, writes

_modes: Final[dict[tuple[bool, bool, str], Calls]] = {}
_known: Final[weakref.WeakKeyDictionary[FunctionType, dict[Calls, Any]]] = (
    weakref.WeakKeyDictionary()
)
"""What to run in place of functions, None for themselves.

Functions with a closure are not kept: it may lead back to the function, which would then never die.
"""

_codes: Final[dict[tuple[CodeType, str, bool], CodeType | None]] = {}
_products: Final[dict[int, tuple[CodeType, bool]]] = {}
"""Codes that came out of a rewrite, inner ones included, by identity: (code, with control flow)."""


_UNKNOWN: Final = object()


def rewrite(function: Any, *, arrays: bool, control_flow: bool) -> Any:
    """The function to run in place of `function`; itself if there is nothing to rewrite."""
    key = (arrays, control_flow, package_of(function))
    calls = _modes.get(key)
    if calls is None:
        calls = _modes[key] = Helpers(*key, _rewritten)
    if isinstance(function, FunctionType):
        return _rewritten(function, calls)
    return calls.callee(function)


def _rewritten(function: FunctionType, calls: Calls) -> FunctionType:
    by_mode = _known.get(function)
    if by_mode is None:
        by_mode = _known[function] = {}
    found = by_mode.get(calls, _UNKNOWN)
    if found is _UNKNOWN:
        found = _new(function, calls)
        if found is function:
            by_mode[calls] = None
        elif function.__closure__ is None:
            by_mode[calls] = found
    return function if found is None else found


def _new(function: FunctionType, calls: Calls) -> FunctionType:
    product = _products.get(id(function.__code__))
    if product is not None and (product[1] or not calls.control_flow):
        return function
    if not calls.control_flow and not writes(function, calls.package):
        return function
    code = _code(function, calls.control_flow)
    if code is not None:
        return source.instance(code, function, {SYNTHETIC: calls})
    return _without_source(function) if calls.control_flow else function


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
        node = lower(node, original.co_freevars) if control_flow else Callees().visit(node)
        code = source.assemble(node, located, function, SYNTHETIC)
        _codes[key] = code
        _products.update((id(c), (c, control_flow)) for c in source.codes(code))
    return _codes[key]


def _without_source(function: FunctionType) -> Any:
    """A function whose source cannot be read: where it needs control flow, the error says so."""
    code = function.__code__

    @functools.wraps(function)
    def original(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except TracedValueError as error:
            if not _asked_by(error, code):
                raise
            raise SyntaxUnsupported(
                f"{function.__qualname__}: its `if`, `while` or `for` depends on a traced value, "
                f"and cannot be rewritten since {_reason(function)}. Write it with cr.cond, "
                "cr.while_loop, cr.fori_loop or cr.scan, or put the function in a file"
                + at(user_line())
            ) from error

    return original


def _asked_by(error: TracedValueError, code: CodeType) -> bool:
    """Whether the innermost frame outside chainrule in which an error arose runs this code."""
    found = None
    trace = error.__traceback__
    while trace is not None:
        inner = trace.tb_frame.f_code
        if not inner.co_filename.startswith((PACKAGE, COMPILED)):
            found = inner
        trace = trace.tb_next
    return found is code


def _reason(function: FunctionType) -> str:
    try:
        source.locate(function)
    except source.NoSource as error:
        return str(error)
    return "its source cannot be read"


class Callees(ast.NodeTransformer):
    """`f(x)` becomes `_cr_.callee(f)(x)`, `a[i] = v` becomes `_cr_.assignable(a)[i] = v`."""

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        """What is assigned to by index."""
        self.generic_visit(node)
        if isinstance(node.ctx, ast.Store):
            node.value = place(helper("assignable", [node.value]), node.value)
        return node

    def visit_Call(self, node: ast.Call) -> ast.AST:
        """What is called."""
        self.generic_visit(node)
        node.func = place(helper("callee", [node.func]), node.func)
        return node

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        """A class: its methods are rewritten when they are called."""
        return node
