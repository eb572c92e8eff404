"""`return`, `break` and `continue` inside branches and loops, as assignments to flags.

A branch that becomes a function of its own cannot jump out. Where all of a branch jumps, what
follows the `if` moves into the other branch, and no flag need be asked:

    if c:                       if c:
        return a        ->          result = a
    rest                        else:
                                    rest

Elsewhere what follows is put under `if not flag`. A loop asks its flags before each pass.
"""

from __future__ import annotations

import ast
import itertools
from collections.abc import Iterable, Sequence

from chainrule.record.syntax.nodes import at, load, none_of, own_attribute, store
from chainrule.record.syntax.source import SYNTHETIC

RESULT = SYNTHETIC + "result"
"""The variable that holds what a function returns."""

RETURNED = SYNTHETIC + "returned"
"""The flag that says that the function has returned."""

CONTINUED = SYNTHETIC + "continued"
"""How the flags begin that end one pass of a loop."""

NESTED = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)
"""What has names, jumps and yields of its own."""

_COMPOUND = (ast.If, ast.For, ast.While, ast.With, ast.Try, ast.Match)


def canonicalize(function: ast.FunctionDef) -> None:
    """Change a function's jumps into flags; its returns too, unless it only returns at its end."""
    body = function.body
    last = body[-1]
    if not any(_kinds(body[:-1])) and not (isinstance(last, _COMPOUND) and jumps(last)):
        function.body = _Blocks(returns=False).block(body, _Flags())
        return
    start = 1 if ast.get_docstring(function, clean=False) is not None else 0
    rest = list(body[start:])
    if not always(rest):
        rest.append(at(ast.Return(ast.Constant(None)), last))
    new = _Blocks(returns=True).block(rest, _Flags())
    function.body = _without_unread(
        [
            *body[:start],
            _set(RETURNED, False, body[0]),
            at(ast.Assign([store(RESULT)], own_attribute("unset")), body[0]),
            *new,
            at(ast.Return(load(RESULT)), last),
        ],
        RETURNED,
    )


def jumps(node: ast.AST) -> set[str]:
    """Kinds of jumps in a statement that lead out of it."""
    if isinstance(node, ast.Return | ast.Break | ast.Continue):
        return {type(node).__name__.lower()}
    if isinstance(node, (*NESTED, ast.expr)):
        return set()
    if isinstance(node, ast.For | ast.While | ast.AsyncFor):
        return (_kinds(node.body) - {"break", "continue"}) | _kinds(node.orelse)
    return _kinds(ast.iter_child_nodes(node))


def _kinds(nodes: Iterable[ast.AST]) -> set[str]:
    return set[str]().union(*map(jumps, nodes))


def always(block: Sequence[ast.stmt]) -> bool:
    """Whether control never comes to the end of a block."""
    return any(
        isinstance(s, ast.Return | ast.Break | ast.Continue | ast.Raise)
        or (isinstance(s, ast.If) and always(s.body) and always(s.orelse))
        for s in block
    )


class _Flags:
    """Names of the flags of one loop."""

    _numbers = itertools.count()

    def __init__(self) -> None:
        number = next(self._numbers)
        self.broken = f"{SYNTHETIC}broken_{number}"
        self.continued = f"{CONTINUED}_{number}"

    def of(self, kinds: set[str]) -> list[str]:
        """The flags that jumps of these kinds set."""
        named = {"break": self.broken, "continue": self.continued, "return": RETURNED}
        return [named[k] for k in ("break", "continue", "return") if k in kinds]


class _Blocks:
    """Rewrites blocks; knows whether the function's returns are to be rewritten."""

    def __init__(self, returns: bool) -> None:
        self.returns = returns

    def block(self, stmts: Sequence[ast.stmt], flags: _Flags) -> list[ast.stmt]:
        """A block in which no jump is left."""
        out: list[ast.stmt] = []
        for k, s in enumerate(stmts):
            rest = list(stmts[k + 1 :])
            if isinstance(s, ast.Return) and self.returns:
                out.append(at(ast.Assign([store(RESULT)], s.value or ast.Constant(None)), s))
                return [*out, _set(RETURNED, True, s)]
            if isinstance(s, ast.Break):
                return [*out, _set(flags.broken, True, s)]
            if isinstance(s, ast.Continue):
                return [*out, _set(flags.continued, True, s)]
            kinds = jumps(s)
            if isinstance(s, ast.For | ast.While):
                kinds = _kinds(s.body) & {"return"}
                otherwise = self.loop(s, out)
                return out + self.guarded(otherwise + rest, kinds, flags, s)
            if isinstance(s, ast.If):
                rest = self.branch(s, rest, flags)
            else:
                self.inside(s, flags)
            out.append(s)
            if kinds:
                return out + self.guarded(rest, kinds, flags, s)
            if isinstance(s, ast.If):
                return out + self.block(rest, flags)
        return out

    def branch(self, s: ast.If, rest: list[ast.stmt], flags: _Flags) -> list[ast.stmt]:
        """Rewrite an `if`; returns what follows it still."""
        kinds = jumps(s)
        if kinds and always(s.body):
            s.orelse, rest = s.orelse + rest, []
        elif kinds and always(s.orelse):
            s.body, rest = s.body + rest, []
        s.body = self.block(s.body, flags) or [at(ast.Pass(), s)]
        s.orelse = self.block(s.orelse, flags)
        return rest

    def guarded(
        self, rest: list[ast.stmt], kinds: set[str], flags: _Flags, place: ast.stmt
    ) -> list[ast.stmt]:
        """What follows a statement that may have jumped."""
        new = self.block(rest, flags)
        asked = flags.of(kinds if self.returns else kinds - {"return"})
        return [at(ast.If(none_of(asked), new, []), place)] if asked and new else new

    def loop(self, s: ast.For | ast.While, before: list[ast.stmt]) -> list[ast.stmt]:
        """Add a loop to what came before; returns its `else`, to be rewritten with what follows."""
        flags = _Flags()
        if isinstance(s, ast.While) and any(isinstance(n, ast.NamedExpr) for n in ast.walk(s.test)):
            leave = at(ast.If(ast.UnaryOp(ast.Not(), s.test), [at(ast.Break(), s)], []), s)
            s.body.insert(0, leave)
            s.test = at(ast.Constant(True), s)
        kinds = _kinds(s.body) if self.returns else _kinds(s.body) - {"return"}
        s.body = self.block(s.body, flags) or [at(ast.Pass(), s)]
        ending = flags.of(kinds - {"continue"})
        s.cr_flags = ending  # type: ignore[union-attr]
        if "break" in kinds:
            before.append(_set(flags.broken, False, s))
        if "continue" in kinds:
            s.body = _without_unread([_set(flags.continued, False, s), *s.body], CONTINUED)
        before.append(s)
        otherwise, s.orelse = s.orelse, []
        if "break" in kinds and otherwise:
            return [at(ast.If(none_of([flags.broken]), otherwise, []), otherwise[0])]
        return otherwise

    def inside(self, s: ast.stmt, flags: _Flags) -> None:
        """Rewrite the blocks of another compound statement."""
        if isinstance(s, ast.With | ast.Try):
            kinds = _kinds(s.body)
            s.body = self.block(s.body, flags) or [at(ast.Pass(), s)]
            if isinstance(s, ast.Try):
                s.orelse = self.guarded(s.orelse, kinds, flags, s)
                s.finalbody = self.block(s.finalbody, flags)
        parts: list[ast.ExceptHandler | ast.match_case] = []
        parts += s.handlers if isinstance(s, ast.Try) else []
        parts += s.cases if isinstance(s, ast.Match) else []
        for part in parts:
            part.body = self.block(part.body, flags) or [at(ast.Pass(), s)]


def flags_of(loop: ast.For | ast.While) -> list[str]:
    """The flags that end a loop before its time."""
    found: list[str] = getattr(loop, "cr_flags", [])
    return found


class _Prune(ast.NodeTransformer):
    """Takes away the flags of one kind that are set and never asked."""

    def __init__(self, prefix: str, kept: set[str]) -> None:
        self.prefix = prefix
        self.kept = kept

    def visit_Assign(self, node: ast.Assign) -> ast.AST:
        """An assignment to a flag, or another."""
        target = node.targets[0]
        if isinstance(target, ast.Name) and target.id.startswith(self.prefix):
            return node if target.id in self.kept else at(ast.Pass(), node)
        return node


def _without_unread(block: list[ast.stmt], prefix: str) -> list[ast.stmt]:
    kept = set[str]()
    for n in (n for s in block for n in ast.walk(s)):
        if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load):
            kept.add(n.id)
        elif isinstance(n, ast.For | ast.While):
            kept.update(flags_of(n))
    return [_Prune(prefix, kept).visit(s) for s in block]


def _set(name: str, value: bool, place: ast.AST) -> ast.Assign:
    return at(ast.Assign([store(name)], ast.Constant(value)), place)


# --- declarations -------------------------------------------------------------------------------


def own_nodes(node: ast.AST) -> Iterable[ast.AST]:
    """Nodes of a function, nested functions left out."""
    for child in ast.iter_child_nodes(node):
        yield child
        if not isinstance(
            child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef
        ):
            yield from own_nodes(child)


class _Hoist(ast.NodeTransformer):
    """Takes declarations to the beginning, and annotations away: no name may have both."""

    def visit_Global(self, node: ast.Global | ast.Nonlocal) -> ast.AST:
        """A declaration."""
        return at(ast.Pass(), node)

    visit_Nonlocal = visit_Global  # noqa: N815

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        """An annotated assignment, which may not be to a variable of a function around."""
        if node.value is not None:
            return at(ast.Assign([node.target], node.value), node)
        if isinstance(node.target, ast.Name):  # says that the name is local, and nothing else
            never = ast.If(ast.Constant(False), [ast.Assign([node.target], ast.Constant(None))], [])
            return at(never, node)
        return at(ast.Expr(node.target), node)

    def visit_FunctionDef(self, node: ast.AST) -> ast.AST:
        """A function inside has declarations of its own."""
        return node

    visit_AsyncFunctionDef = visit_ClassDef = visit_Lambda = visit_FunctionDef  # noqa: N815


def hoist_declarations(node: ast.FunctionDef) -> None:
    """Move `global` and `nonlocal` to the beginning; take annotations of variables away."""
    found = [n for n in own_nodes(node) if isinstance(n, ast.Global | ast.Nonlocal)]
    start = 1 if ast.get_docstring(node, clean=False) is not None else 0
    hoisted: list[ast.stmt] = [at(type(n)(n.names), n) for n in found]
    rest = [_Hoist().visit(s) for s in node.body[start:]]
    node.body = [*node.body[:start], *hoisted, *rest]
