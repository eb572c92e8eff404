"""Branches, loops and conditions, as calls that decide when they run.

    if c:                       def _cr_body():
        y = f(x)        ->          nonlocal y
                                    y = f(x)
                                _cr_.if_(c, _cr_body, None, _cr_state, (...))

The helpers of `branches` and `loops` run the parts as Python would where the condition has a
value, and record an operation where it is traced. `_cr_state` reads what the parts change, and,
given values, sets it (`scopes` says what that is).
"""

from __future__ import annotations

import ast
import itertools
from collections.abc import Iterable, Sequence

from chainrule.record.syntax.canonical import (
    canonicalize,
    flags_of,
    hoist_declarations,
    jumps,
    own_nodes,
)
from chainrule.record.syntax.nodes import (
    at,
    constant,
    function,
    helper,
    load,
    none_of,
    own_attribute,
    path_tree,
    pieces,
    store,
    thunk,
)
from chainrule.record.syntax.scopes import Construct, Scope, State, names_of, parameters
from chainrule.record.syntax.source import SYNTHETIC, Definition

_SUSPENDING = (ast.Yield, ast.YieldFrom, ast.Await)
_UNMOVABLE = (*_SUSPENDING, ast.NamedExpr)
"""Expressions that cannot be moved into a function of their own."""

_numbers = itertools.count()


def lower(node: Definition, free: Iterable[str]) -> Definition:
    """A function in which everything that depends on a condition is a call of a helper."""
    if isinstance(node, ast.Lambda):
        node.body = _Lowering(None, first_parameter(node)).visit(node.body)
        return node
    reason = _unmovable(node)
    if reason is not None:
        plain = _Lowering(None, first_parameter(node), reason)
        node.body = plain.block(node.body)
        return node
    assert isinstance(node, ast.FunctionDef)
    hoist_declarations(node)
    canonicalize(node)
    scope = Scope(node, free)
    lowering = _Lowering(scope, first_parameter(node))
    start = 1 if ast.get_docstring(node, clean=False) is not None else 0
    body = lowering.block(node.body[start:])
    node.body = [*node.body[:start], *_declarations(scope, node), *body]
    return node


def first_parameter(node: Definition) -> str | None:
    """What `super()` takes for the object."""
    return next(parameters(node.args), None)


def _unmovable(node: Definition) -> str | None:
    """Why the branches of a function cannot become functions; None if they can."""
    if isinstance(node, ast.AsyncFunctionDef):
        return "an async function"
    own = list(own_nodes(node))
    if any(isinstance(n, _SUSPENDING) for n in own):
        return "a generator"
    for n in own:
        if isinstance(n, ast.Call) and isinstance(n.func, ast.Name) and _looks_around(n, n.func.id):
            return f"a function that calls {n.func.id}()"
        if isinstance(n, ast.TryStar):
            return "a function with except*"
        if isinstance(n, ast.Try) and any(jumps(s) for s in n.finalbody):
            return "a function that jumps out of a `finally`"
    return None


def _declarations(scope: Scope, node: ast.FunctionDef) -> list[ast.stmt]:
    """Binds the local variables for the compiler, which sees no assignment to them any more."""
    names = sorted(scope.locals - scope.params)
    if not names:
        return []
    bind = ast.Assign([store(n) for n in names], ast.Constant(None))
    return [at(ast.If(ast.Constant(False), [bind], []), node)]


def _looks_around(call: ast.Call, name: str) -> bool:
    """Whether a call looks into the frame it is made in, which a branch does not have whole."""
    return name in ("locals", "eval", "exec") or (name in ("vars", "dir") and not call.args)


class _Lowering(ast.NodeTransformer):
    """Lowers one function: expressions everywhere, statements unless `reason` says why not."""

    def __init__(self, scope: Scope | None, first: str | None, reason: str | None = None) -> None:
        self.scope = scope
        self.first = first
        self.reason = reason
        self.inside = 0  # how many branches and loops that have become functions are around
        self.caught = False

    def block(self, stmts: Sequence[ast.stmt]) -> list[ast.stmt]:
        """A block, statement by statement."""
        out: list[ast.stmt] = []
        for s in stmts:
            if isinstance(s, ast.Raise) and self.inside and not self.caught:
                out.append(at(ast.Expr(helper("may_raise", [])), s))
            new = self.visit(s)
            out += new if isinstance(new, list) else [new]
        return out

    def generic_visit(self, node: ast.AST) -> ast.AST:
        """Blocks as blocks, everything else part by part."""
        for name, value in ast.iter_fields(node):
            if isinstance(value, list) and value and isinstance(value[0], ast.stmt):
                setattr(node, name, self.block(value))
            elif isinstance(value, list):
                setattr(node, name, [self.visit(v) if isinstance(v, ast.AST) else v for v in value])
            elif isinstance(value, ast.AST):
                setattr(node, name, self.visit(value))
        return node

    # --- statements ---------------------------------------------------------------------------

    def visit_If(self, node: ast.If) -> ast.AST | list[ast.stmt]:
        """`if` and its `else`."""
        if self.reason is not None or self.scope is None:
            return self._plain_if(node)
        number = next(_numbers)
        places = [self._part("body", number, node.body)]
        if node.orelse:
            places.append(self._part("else", number, node.orelse))
        args = [self.visit(node.test), load(places[0].name)]
        args.append(load(places[1].name) if node.orelse else ast.Constant(None))
        return [*places, *self._call("if_", args, node, number, node.test)]

    def _plain_if(self, node: ast.If) -> ast.AST:
        node.test = self._plain(self.visit(node.test))
        node.body, node.orelse = self.block(node.body), self.block(node.orelse)
        return node

    def visit_While(self, node: ast.While) -> ast.AST | list[ast.stmt]:
        """`while`; an `else` is an `if` after it by now."""
        asked = self._going_on(node)
        test = node.test if asked is None else ast.BoolOp(ast.And(), [asked, node.test])
        test = self.visit(at(test, node.test))
        if self.reason is not None or self.scope is None:
            node.test = self._plain(test)
            node.body, node.orelse = self.block(node.body), self.block(node.orelse)
            return node
        number = next(_numbers)
        body = self._part("body", number, node.body)
        args = [thunk(test), load(body.name)]
        return [body, *self._call("while_", args, node, number, node.test)]

    def visit_For(self, node: ast.For) -> ast.AST | list[ast.stmt]:
        """`for`; an `else` is an `if` after it by now."""
        asked = self._going_on(node)
        if self.reason is not None or self.scope is None:
            node.iter = at(
                helper("plain_items", [self.visit(node.iter), self._reason()]), node.iter
            )
            node.target = self.visit(node.target)
            node.body, node.orelse = self.block(node.body), self.block(node.orelse)
            if asked is not None:
                leave = ast.If(ast.UnaryOp(ast.Not(), asked), [ast.Break()], [])
                node.body.append(at(leave, node))
            return node
        number = next(_numbers)
        item = SYNTHETIC + "item"
        take = at(ast.Assign([node.target], load(item)), node.target)
        body = self._part("body", number, [take, *node.body], item)
        going_on = ast.Constant(None) if asked is None else thunk(self.visit(at(asked, node.iter)))
        args = [self.visit(node.iter), load(body.name), going_on]
        return [body, *self._call("for_", args, node, number, node.iter)]

    def _going_on(self, node: ast.For | ast.While) -> ast.expr | None:
        """The condition, besides its own, that a loop goes on: none of its flags is set."""
        return none_of(flags_of(node)) if flags_of(node) else None

    def _part(self, what: str, number: int, block: list[ast.stmt], *params: str) -> ast.FunctionDef:
        """A block as a function that shares the variables of the one it is in."""
        names = names_of(*block).stored
        self.inside += 1
        body = [*self._sharing(names), *self.block(block)]
        self.inside -= 1
        return at(function(f"{SYNTHETIC}{what}_{number}", params, body), block[0])

    def _sharing(self, names: set[str]) -> list[ast.stmt]:
        assert self.scope is not None
        shared = sorted(names & self.scope.mine)
        outside = sorted(names & self.scope.globals)
        return [
            *([ast.Nonlocal(shared)] if shared else []),
            *([ast.Global(outside)] if outside else []),
        ]

    def _call(
        self, name: str, args: list[ast.expr], node: Construct, number: int, place: ast.expr
    ) -> list[ast.stmt]:
        """The call of a helper, after the function that reads and sets the state."""
        assert self.scope is not None
        state = self.scope.states[node]
        access = self._access(state, number) if state.paths else None
        args.append(ast.Constant(None) if access is None else load(access.name))
        args.append(constant(state.groups))
        call = at(ast.Expr(helper(name, args)), place)
        return [call] if access is None else [at(access, place), call]

    def _access(self, state: State, number: int) -> ast.FunctionDef:
        """`def access(*new)`: the values of all paths, after setting those that are given."""
        new = SYNTHETIC + "new"
        sets: list[ast.stmt] = []
        for k, path in enumerate(state.paths):
            value = ast.Subscript(load(new), ast.Constant(k), ast.Load())
            keep = ast.Compare(value, [ast.IsNot()], [own_attribute("keep")])
            sets.append(ast.If(keep, [ast.Assign([path_tree(path, ast.Store())], value)], []))
        body: list[ast.stmt] = [
            *self._sharing({p for p in state.paths if "." not in p}),
            ast.If(load(new), sets, []),
            ast.Return(
                ast.Tuple([thunk(path_tree(p, ast.Load())) for p in state.paths], ast.Load())
            ),
        ]
        made = function(f"{SYNTHETIC}state_{number}", (), body)
        made.args.vararg = ast.arg(new)
        return made

    def visit_Try(self, node: ast.Try) -> ast.AST:
        """`try`: where something is caught, no branch below can depend on a traced value."""
        before = self.reason, self.caught
        if node.handlers:
            self.reason = self.reason or "a `try` with `except`"
            self.caught = True
        node.body = self.block(node.body)
        self.reason, self.caught = before
        node.handlers = [self.visit(h) for h in node.handlers]
        node.orelse, node.finalbody = self.block(node.orelse), self.block(node.finalbody)
        return node

    def visit_Match(self, node: ast.Match) -> ast.AST:
        """`match`: on values that are there."""
        node.subject = self._plain(self.visit(node.subject), "`match`")
        for case in node.cases:
            if case.guard is not None:
                case.guard = self._plain(self.visit(case.guard), "the `if` of a `case`")
            case.body = self.block(case.body)
        return node

    def visit_Assert(self, node: ast.Assert) -> ast.AST:
        """`assert`."""
        node.msg = None if node.msg is None else self.visit(pieces(node.msg))
        args = [self.visit(node.test), thunk(node.msg or ast.Constant(""))]
        node.test = at(helper("checked", args), node.test)
        return node

    # --- functions and classes inside -----------------------------------------------------------

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> ast.AST:
        """A function inside: a scope of its own."""
        node.decorator_list = [self.visit(d) for d in node.decorator_list]
        node.args = self.visit(node.args)
        lower(node, () if self.scope is None else self.scope.mine)
        return node

    visit_AsyncFunctionDef = visit_FunctionDef  # noqa: N815

    def visit_Lambda(self, node: ast.Lambda) -> ast.AST:
        """A lambda: expressions only."""
        node.args = self.visit(node.args)
        return lower(node, ())

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        """A class: its methods are rewritten when they are called."""
        return node

    def visit_arg(self, node: ast.arg) -> ast.AST:
        """A parameter, whose annotation stays."""
        return node

    # --- expressions --------------------------------------------------------------------------

    def visit_Name(self, node: ast.Name) -> ast.AST:
        """A name that may not be bound, where it is read."""
        unsure = self.scope is not None and node.id in self.scope.unsure
        if unsure and isinstance(node.ctx, ast.Load):
            return at(helper("defined", [node]), node)
        return node

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        """`a[i] = v`, and `a[i]` where i may be traced."""
        stored = isinstance(node.ctx, ast.Store)
        if stored and isinstance(node.value, ast.Subscript) and not _is_fixed(node.value.slice):
            inner = node.value
            args = [self.visit(inner.value), self.visit(_index(inner.slice))]
            node.value = at(helper("part", args), inner)
            node.slice = self.visit(node.slice)
            return node
        self.generic_visit(node)
        if stored:
            node.value = at(helper("assignable", [node.value]), node.value)
        elif isinstance(node.ctx, ast.Load) and not _is_fixed(node.slice):
            return at(helper("item", [node.value, _index(node.slice)]), node)
        return node

    def visit_Call(self, node: ast.Call) -> ast.AST:
        """What is called."""
        is_super = isinstance(node.func, ast.Name) and node.func.id == "super"
        if is_super and not node.args and self.first is not None:  # needs a method's own frame
            node.args = [at(load("__class__"), node), at(load(self.first), node)]
            return node
        if isinstance(node.func, ast.Name) and node.func.id == "print":
            node.args = list(map(pieces, node.args))
        self.generic_visit(node)
        node.func = at(helper("callee", [node.func]), node.func)
        return node

    def visit_BoolOp(self, node: ast.BoolOp) -> ast.AST:
        """`and`, `or`."""
        values = [self.visit(v) for v in node.values]
        if any(_unmovable_in(v) for v in node.values[1:]):
            what = "an `and` or `or` with an assignment or a `yield` in it"
            node.values = [*(self._plain(v, what) for v in values[:-1]), values[-1]]
            return node
        name = "and_" if isinstance(node.op, ast.And) else "or_"
        return at(helper(name, [values[0], *map(thunk, values[1:])]), node)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.AST:
        """`not`."""
        self.generic_visit(node)
        return at(helper("not_", [node.operand]), node) if isinstance(node.op, ast.Not) else node

    def visit_IfExp(self, node: ast.IfExp) -> ast.AST:
        """`a if c else b`."""
        unmovable = _unmovable_in(node.body) or _unmovable_in(node.orelse)
        self.generic_visit(node)
        if unmovable:
            node.test = self._plain(node.test, "an `if` expression with an assignment in it")
            return node
        return at(helper("choose", [node.test, thunk(node.body), thunk(node.orelse)]), node)

    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        """`a < b < c`, `a in b`."""
        chained = len(node.ops) > 1 and not any(map(_unmovable_in, node.comparators[1:]))
        contains = isinstance(node.ops[0], ast.In | ast.NotIn) and len(node.ops) == 1
        self.generic_visit(node)
        if not chained and not contains:
            return node
        names = constant(tuple(type(op).__name__ for op in node.ops))
        args = [node.left, names, node.comparators[0], *map(thunk, node.comparators[1:])]
        return at(helper("compare", args), node)

    def visit_comprehension(self, node: ast.comprehension) -> ast.AST:
        """A `for` of a comprehension runs as it is; its conditions need values."""
        self.generic_visit(node)
        node.ifs = [self._plain(test, "the `if` of a comprehension") for test in node.ifs]
        return node

    def _plain(self, test: ast.expr, what: str | None = None) -> ast.expr:
        """A condition that must have a value when it is met."""
        reason = self._reason() if what is None else ast.Constant(what)
        return at(helper("plain", [test, reason]), test)

    def _reason(self) -> ast.expr:
        return ast.Constant(self.reason or "a lambda")


def _is_fixed(index: ast.expr) -> bool:
    """Whether an index cannot be traced as a whole."""
    if isinstance(index, ast.UnaryOp):
        index = index.operand
    return isinstance(index, ast.Constant | ast.Slice)


def _index(node: ast.expr) -> ast.expr:
    """What is in brackets, as an expression: slices as calls."""
    if isinstance(node, ast.Slice):
        parts = (node.lower, node.upper, node.step)
        ends: list[ast.expr] = [ast.Constant(None) if p is None else p for p in parts]
        return helper("slice", ends)
    if isinstance(node, ast.Tuple):
        return ast.Tuple([_index(e) for e in node.elts], ast.Load())
    return node


def _unmovable_in(node: ast.AST) -> bool:
    return any(isinstance(n, _UNMOVABLE) for n in ast.walk(node))
