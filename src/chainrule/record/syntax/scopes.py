"""What a branch or a loop changes, found in the syntax tree: its *state*.

A name is *rebound* by an assignment, *changed* where something is stored into it (`a[i] = v`,
`self.x = v`), and *lent* where it is given to a call, which may change it: `f(a)`, `a.append(v)`.
Of the names rebound, those count that are read later: after a branch, after a loop or in its next
pass (liveness). The trees have no jumps any more (`canonical`), which keeps all of this short.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from chainrule.record.syntax.canonical import NESTED, flags_of

Construct = ast.If | ast.For | ast.While


@dataclass(frozen=True)
class State:
    """What a branch or a loop changes, as expressions: `a`, `self.x`."""

    rebound: tuple[str, ...]
    changed: tuple[str, ...]
    """Changed in place: what else refers to the same object sees it."""
    lent: tuple[str, ...]
    """May be changed in place by what is called."""
    restored: tuple[str, ...]
    """Rebound by one branch and read by the other, or in a loop, and not read after: to be set
    back, so that nothing of the trace is left in them."""
    refused: tuple[str, ...]
    """Changed in a way that cannot be followed: an error where values are traced."""

    @property
    def groups(self) -> tuple[tuple[str, ...], ...]:
        """All of it, for the helper that runs the construct."""
        return self.rebound, self.changed, self.lent, self.restored, self.refused

    @property
    def paths(self) -> tuple[str, ...]:
        """All of them that can be followed."""
        return tuple(dict.fromkeys(path for group in self.groups[:4] for path in group))


# --- names of a piece of code, nested functions left out -----------------------------------------


@dataclass
class Names:
    """What a piece of code does with names."""

    stored: set[str] = field(default_factory=set)
    assigned: set[str] = field(default_factory=set)
    """Those of them that may become another name of something: not by `a += v` alone."""
    read: set[str] = field(default_factory=set)
    augmented: set[str] = field(default_factory=set)
    changed: set[str] = field(default_factory=set)
    lent: set[str] = field(default_factory=set)
    refused: set[str] = field(default_factory=set)
    nested: list[ast.AST] = field(default_factory=list)
    calls: bool = False


class _Collector(ast.NodeVisitor):
    def __init__(self) -> None:
        self.names = Names()
        self.hidden: list[set[str]] = []  # variables of comprehensions

    def visit_Name(self, node: ast.Name) -> None:
        if any(node.id in names for names in self.hidden):
            return
        if isinstance(node.ctx, ast.Load):
            self.names.read.add(node.id)
        else:
            self.names.stored.add(node.id)
            self.names.assigned.add(node.id)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        if isinstance(node.target, ast.Name):
            for names in (self.names.read, self.names.stored, self.names.augmented):
                names.add(node.target.id)
            self.visit(node.value)
        else:
            self.generic_visit(node)

    def visit_NamedExpr(self, node: ast.NamedExpr) -> None:
        self.names.stored.add(node.target.id)
        self.names.assigned.add(node.target.id)
        self.visit(node.value)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        if not isinstance(node.ctx, ast.Load):
            self._change(node)
        self.visit(node.value)

    def visit_Subscript(self, node: ast.Subscript) -> None:
        if not isinstance(node.ctx, ast.Load):
            self._change(_below(node))
        self.generic_visit(node)

    def _change(self, node: ast.expr) -> None:
        path = path_of(node)
        if path is None:
            self.names.refused.add(ast.unparse(node))
        else:
            self.names.changed.add(path)

    def visit_Call(self, node: ast.Call) -> None:
        self.names.calls = True
        given = [*node.args, *(k.value for k in node.keywords)]
        if isinstance(node.func, ast.Attribute):
            given.append(node.func.value)
        for arg in given:
            path = path_of(_below(arg.value if isinstance(arg, ast.Starred) else arg))
            if path is not None:
                self.names.lent.add(path)
        self.generic_visit(node)

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            self.names.stored.add((alias.asname or alias.name).partition(".")[0])

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        self.names.stored |= {alias.asname or alias.name for alias in node.names}

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> None:
        if node.name:
            self.names.stored.add(node.name)
        self.generic_visit(node)

    def _capture(self, node: ast.MatchAs | ast.MatchStar) -> None:
        if node.name:
            self.names.stored.add(node.name)
        self.generic_visit(node)

    visit_MatchAs = visit_MatchStar = _capture  # noqa: N815

    def visit_MatchMapping(self, node: ast.MatchMapping) -> None:
        if node.rest:
            self.names.stored.add(node.rest)
        self.generic_visit(node)

    def _definition(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> None:
        self.names.stored.add(node.name)
        self._lambda(node)

    def _lambda(self, node: ast.AST) -> None:
        self.names.nested.append(node)
        # what it reads of ours is read where it is called, which may be anywhere from here on
        self.names.read |= {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}

    visit_FunctionDef = visit_AsyncFunctionDef = visit_ClassDef = _definition  # noqa: N815
    visit_Lambda = _lambda  # noqa: N815

    def _comprehension(self, node: ast.expr) -> None:
        targets = {
            n.id
            for g in node.generators  # type: ignore[attr-defined]
            for n in ast.walk(g.target)
            if isinstance(n, ast.Name)
        }
        self.hidden.append(targets)
        self.generic_visit(node)
        self.hidden.pop()
        # its first iterable is outside, and may have a variable of the same name
        self.visit(node.generators[0].iter)  # type: ignore[attr-defined]

    visit_ListComp = visit_SetComp = visit_DictComp = visit_GeneratorExp = _comprehension  # noqa: N815


def names_of(*nodes: ast.AST) -> Names:
    """What pieces of code do with names, nested functions left out."""
    collector = _Collector()
    for node in nodes:
        collector.visit(node)
    return collector.names


def path_of(node: ast.expr) -> str | None:
    """`a` or `self.x.y` as text; None for what is not a chain of attributes of a name."""
    base = node
    while isinstance(base, ast.Attribute):
        base = base.value
    return ast.unparse(node) if isinstance(base, ast.Name) else None


def _below(node: ast.expr) -> ast.expr:
    """What is indexed, however often."""
    while isinstance(node, ast.Subscript):
        node = node.value
    return node


def root(path: str) -> str:
    """The name that a path begins with."""
    return path.partition(".")[0]


# --- the state of every construct -------------------------------------------------------------


class Scope:
    """The states of the branches and loops of one function."""

    def __init__(self, function: ast.FunctionDef, free: Iterable[str]) -> None:
        whole = names_of(*function.body)
        self.params = set(parameters(function.args))
        self.globals = set(_declared(function.body, ast.Global))
        self.nonlocals = set(_declared(function.body, ast.Nonlocal))
        self.locals = whole.stored - self.globals - self.nonlocals
        self.mine = (self.locals | self.nonlocals | self.params | set(free)) - self.globals
        self.states: dict[ast.AST, State] = {}
        self.unsure: set[str] = set()
        """Names that a branch or a loop rebinds and that may be unbound before it."""
        inside = [names_of(*_body(n)) for n in whole.nested]
        deeper = [names_of(*_body(m)) for names in inside for m in names.nested]
        # what functions inside, or the one around, may read at any time
        self._captured = self.nonlocals.union(*(n.read | n.stored for n in inside + deeper))
        self._by_calls = {
            name
            for n in whole.nested
            for name in _declared(_body(n), ast.Nonlocal)
            if name in self.mine
        }
        self._changed_by_calls = {
            p
            for names in inside + deeper
            for p in names.changed
            if root(p) in self.mine and root(p) not in names.stored
        }
        self._live(function.body, set())
        self._bound(function.body, self.params | self.nonlocals)

    def _state(
        self, node: Construct, names: Names, live: set[str], before: set[str], left: set[str]
    ) -> None:
        called = (self._by_calls, self._changed_by_calls) if names.calls else (set(), set())
        changed = names.changed | called[1]
        rebound = (names.stored & (live | (changed & before))) | called[0]
        rebound &= self.mine
        restored = (names.stored & left & self.mine) - rebound
        lost = {p for p in changed if "." in p and root(p) in names.stored}
        lost |= {p for p in changed if root(p) not in self.mine} | (names.stored & self.globals)
        # what is made and changed in here, and not seen from outside, is no state
        changed -= lost | (names.stored - rebound)
        changed |= names.augmented & rebound
        lent = {p for p in names.lent if root(p) in self.mine - names.stored}
        through = {root(p) for p in names.changed | names.lent} | names.augmented
        if through & names.assigned:  # which may be another name of any that is read
            lent |= names.read & (self.mine - names.stored)
        self.states[node] = State(
            tuple(sorted(rebound)),
            tuple(sorted(changed)),
            tuple(sorted(lent - rebound - changed)),
            tuple(sorted(restored)),
            tuple(sorted(names.refused | lost)),
        )

    # liveness: which names are read later, before they are bound again

    def _live(self, block: Sequence[ast.stmt], after: set[str]) -> set[str]:
        live = set(after)
        for s in reversed(block):
            live = self._live_before(s, live)
        return live

    def _live_before(self, s: ast.stmt, after: set[str]) -> set[str]:
        after = after | self._captured
        if isinstance(s, ast.If):
            branches = self._live(s.body, after) | self._live(s.orelse, after)
            self._state(s, names_of(*s.body, *s.orelse), after, branches, branches)
            return branches | names_of(s.test).read
        if isinstance(s, ast.For | ast.While):
            return self._live_before_loop(s, after)
        if isinstance(s, ast.With | ast.Try | ast.Match | ast.AsyncWith | ast.AsyncFor):
            names = names_of(s)
            live = after | names.read  # whatever part of it runs
            for block in _blocks(s):
                self._live(block, live)
            return live
        names = names_of(s)
        if isinstance(s, ast.Return):
            return names.read | self._captured
        return (after - names.stored) | names.read

    def _live_before_loop(self, s: ast.For | ast.While, after: set[str]) -> set[str]:
        test = names_of(s.test) if isinstance(s, ast.While) else Names()
        asked = test.read | set(flags_of(s))
        bound = names_of(s.target).stored if isinstance(s, ast.For) else set[str]()
        live = after | asked
        while True:
            again = live | (self._live(s.body, live) - bound)
            if again == live:
                break
            live = again
        targets = [s.target] if isinstance(s, ast.For) else [s.test]
        names = names_of(*targets, *s.body)
        self._state(s, names, live, set(), names.stored)
        return live | names_of(s.iter).read if isinstance(s, ast.For) else live

    # definite assignment: which names are bound for certain

    def _bound(self, block: Sequence[ast.stmt], bound: set[str]) -> set[str]:
        for s in block:
            state = self.states.get(s)
            if state is not None:
                self.unsure |= {n for n in (*state.rebound, *state.restored) if n not in bound}
            if isinstance(s, ast.If):
                bound = self._bound(s.body, set(bound)) & self._bound(s.orelse, set(bound))
            elif isinstance(s, ast.For | ast.While):
                target = names_of(s.target).stored if isinstance(s, ast.For) else set[str]()
                self._bound(s.body, bound | target)
            elif isinstance(s, ast.Try | ast.Match):
                for inner in _blocks(s):
                    self._bound(inner, set(bound))
            elif isinstance(s, ast.With):
                items = {n for item in s.items for n in names_of(item).stored}
                self._bound(s.body, bound | items)
            elif isinstance(s, ast.Delete):
                bound = bound - names_of(s).stored
            else:
                bound = bound | names_of(s).stored
        return bound


def parameters(args: ast.arguments) -> Iterator[str]:
    """Names of a function's parameters."""
    for arg in (*args.posonlyargs, *args.args, args.vararg, *args.kwonlyargs, args.kwarg):
        if arg is not None:
            yield arg.arg


def _declared(block: Iterable[ast.AST], kind: type[ast.Global | ast.Nonlocal]) -> Iterator[str]:
    for node in block:
        if isinstance(node, kind):
            yield from node.names
        elif not isinstance(node, NESTED):
            yield from _declared(ast.iter_child_nodes(node), kind)


def _body(node: ast.AST) -> list[ast.AST]:
    """What is inside a nested function or class."""
    body = node.body  # type: ignore[attr-defined]
    return body if isinstance(body, list) else [body]


def _blocks(s: ast.stmt) -> Iterator[list[ast.stmt]]:
    """The blocks of a compound statement."""
    for name in ("body", "orelse", "finalbody"):
        yield getattr(s, name, [])
    for part in (*getattr(s, "handlers", ()), *getattr(s, "cases", ())):
        yield part.body
