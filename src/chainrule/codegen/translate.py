"""Loops written in Python (`ops.native`) to LLVM's language: structured control flow to phis.

What is known when the code is made (shapes, parameters, constants) is a plain Python object here,
and is computed here; what is not is a `Number`, and an array in memory is a `Memory`.
"""

from __future__ import annotations

import ast
import functools
import inspect
import math
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from chainrule.codegen.scalars import EMIT, cast
from chainrule.codegen.text import Emitter, literal, memory_type, outside, scalar_type, width
from chainrule.ops.native import Library, bits, empty, give_up, number
from chainrule.ops.table import NUMPY


@dataclass(frozen=True)
class Number:
    """A number in a register."""

    name: str
    code: str


@dataclass(frozen=True)
class Memory:
    """An array in memory, contiguous."""

    pointer: str
    shape: tuple[int, ...]
    code: str


Env = dict[str, Any]


class Unknown(Exception):
    """The loops use something that the language does not have."""


@functools.lru_cache(maxsize=512)
def _source(function: Callable[..., Any]) -> ast.FunctionDef:
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    found = tree.body[0]
    assert isinstance(found, ast.FunctionDef)
    return found


_BINARY: Final = {
    ast.Add: "add", ast.Sub: "subtract", ast.Mult: "multiply", ast.Div: "divide",
    ast.Mod: "remainder", ast.BitAnd: "bitwise_and", ast.BitOr: "bitwise_or",
    ast.BitXor: "bitwise_xor", ast.LShift: "bitwise_left_shift",
    ast.RShift: "bitwise_right_shift", ast.Pow: "power",
}  # fmt: skip
_COMPARED: Final = {
    ast.Eq: "equal", ast.NotEq: "not_equal", ast.Lt: "less", ast.LtE: "less_equal",
    ast.Gt: "greater", ast.GtE: "greater_equal",
}  # fmt: skip
_PLAIN: Final[dict[type, Callable[[Any, Any], Any]]] = {
    ast.Add: lambda a, b: a + b, ast.Sub: lambda a, b: a - b, ast.Mult: lambda a, b: a * b,
    ast.Div: lambda a, b: a / b, ast.FloorDiv: lambda a, b: a // b, ast.Mod: lambda a, b: a % b,
    ast.Pow: lambda a, b: a**b, ast.Eq: lambda a, b: a == b, ast.NotEq: lambda a, b: a != b,
    ast.Lt: lambda a, b: a < b, ast.LtE: lambda a, b: a <= b, ast.Gt: lambda a, b: a > b,
    ast.GtE: lambda a, b: a >= b, ast.Is: lambda a, b: a is b, ast.IsNot: lambda a, b: a is not b,
    ast.In: lambda a, b: a in b, ast.LShift: lambda a, b: a << b, ast.RShift: lambda a, b: a >> b,
}  # fmt: skip


class Translator:
    """Writes one function, in the block that the emitter is at."""

    def __init__(self, e: Emitter, floating: str, space: Callable[[int], str]) -> None:
        """`floating` is the dtype of numbers like 0.0; `space(bytes)` gives a pointer to memory."""
        self.e, self.floating, self.space = e, floating, space
        self.block = "entry"
        self.count = 0
        self.ended = False
        self.gives_up = False
        """Whether the block has ended already, by a return or a break."""
        self.loops: list[tuple[list[Any], list[Any]]] = []
        self.names: Env = {}
        self.known: list[Env] = []

    def run(self, function: Callable[..., Any], arguments: Sequence[Any], params: Env) -> Any:
        """The body of a function, its arguments bound; what it returns at its end."""
        tree = _source(function)
        names = [a.arg for a in tree.args.args]
        variables = inspect.getclosurevars(function)
        before = self.names, self.known
        self.known = [*self.known, {**variables.builtins, **variables.globals}]
        self.known[-1].update(variables.nonlocals)
        self.names = dict(zip(names, arguments, strict=False)) | params
        missing = names[len(self.names) :]
        assert not missing, f"{function.__name__} lacks {missing}"
        result = None
        for statement in tree.body:
            if self.ended:
                break
            if isinstance(statement, ast.Return) and len(self.known) > 1:
                result = self.value(statement.value) if statement.value else None
                break
            self.statement(statement)
        self.names, self.known = before
        return result

    # --- blocks ----------------------------------------------------------------------------------

    def _label(self, stem: str) -> str:
        self.count += 1
        return f"{stem}.{self.count}"

    def _begin(self, label: str) -> None:
        self.e.label(label)
        self.block, self.ended = label, False

    def _jump(self, label: str) -> None:
        if not self.ended:
            self.e.put(f"br label %{label}")
            self.ended = True

    def _join(self, label: str, ways: Sequence[tuple[str, Env]]) -> None:
        """Begin a block that is reached from several, with one name for what differs."""
        self._begin(label)
        first = ways[0][1]
        joined: Env = {}
        for name in first:
            if not all(name in env for _, env in ways):
                continue
            values = [env[name] for _, env in ways]
            if all(v is values[0] or v == values[0] for v in values):
                joined[name] = values[0]
                continue
            code = next(v.code for v in values if isinstance(v, Number))
            parts = [
                f"[ {v.name if isinstance(v, Number) else literal(v, code)}, %{block} ]"
                for v, (block, _) in zip(values, ways, strict=True)
            ]
            if any(isinstance(v, Number) and v.code != code for v in values):
                raise Unknown(f"{name} changes its dtype")
            joined[name] = Number(self.e.do(f"phi {scalar_type(code)} {', '.join(parts)}"), code)
        self.names = joined

    # --- statements ------------------------------------------------------------------------------

    def statements(self, body: Sequence[ast.stmt]) -> None:
        """One after the other, up to one that ends the block."""
        for statement in body:
            if self.ended:
                return
            self.statement(statement)

    def statement(self, s: ast.stmt) -> None:
        """Write a statement."""
        method = getattr(self, f"_do_{type(s).__name__.lower()}", None)
        if method is None:
            raise Unknown(type(s).__name__)
        method(s)

    def _do_expr(self, s: ast.Expr) -> None:
        if not isinstance(s.value, ast.Constant):  # a docstring
            self.value(s.value)

    def _do_pass(self, _: ast.Pass) -> None:
        pass

    def _do_return(self, s: ast.Return) -> None:
        """The loops' end; a value is returned by the last statement of a function they call."""
        if s.value is not None:
            raise Unknown("return of a value before the end")
        self._end(0)

    def _end(self, code: int) -> None:
        self.e.put(f"ret i32 {code}")
        self.ended = True

    def _do_assign(self, s: ast.Assign) -> None:
        value = self.value(s.value)
        for target in s.targets:
            self._bind(target, value)

    def _do_augassign(self, s: ast.AugAssign) -> None:
        assert isinstance(s.target, (ast.Name, ast.Subscript))
        self._bind(s.target, self._binary(s.op, self.value(s.target), self.value(s.value)))

    def _bind(self, target: ast.expr, value: Any) -> None:
        if isinstance(target, ast.Name):
            self.names[target.id] = value
        elif isinstance(target, ast.Tuple):
            for t, v in zip(target.elts, value, strict=True):
                self._bind(t, v)
        elif isinstance(target, ast.Subscript):
            at = self._element(target)
            x = self._as(value, at.code)
            if at.code == "b1":
                x = self.e.do(f"zext i1 {x} to i8")
            self.e.put(f"store {memory_type(at.code)} {x}, ptr {at.pointer}")
        else:
            raise Unknown(type(target).__name__)

    def _do_if(self, s: ast.If) -> None:
        test = self._truth(self.value(s.test))
        if isinstance(test, bool):
            self.statements(s.body if test else s.orelse)
            return
        yes, no, end = self._label("yes"), self._label("no"), self._label("end")
        self.e.put(f"br i1 {test}, label %{yes}, label %{no}")
        before = dict(self.names)
        ways = []
        for label, body in ((yes, s.body), (no, s.orelse)):
            self.names = dict(before)
            self._begin(label)
            self.statements(body)
            if not self.ended:
                ways.append((self.block, self.names))
                self._jump(end)
        if ways:
            self._join(end, ways)

    def _do_break(self, _: ast.Break) -> None:
        self._leave(0)

    def _do_continue(self, _: ast.Continue) -> None:
        self._leave(1)

    def _leave(self, which: int) -> None:
        """To the loop's end (0) or its next turn (1)."""
        self.e.put(f"br label %{self.loops[-1][which][0]}")
        self.loops[-1][which].append((self.block, dict(self.names)))
        self.ended = True

    def _do_for(self, s: ast.For) -> None:
        if not isinstance(s.iter, ast.Call):  # a tuple that is known: written out
            for value in self.value(s.iter):
                self._bind(s.target, value)
                self.statements(s.body)
            return
        call: Any = s.iter
        target: Any = s.target
        if not (isinstance(call.func, ast.Name) and call.func.id == "range"):
            raise Unknown("for without range")
        bounds = [self.value(a) for a in call.args]
        start, stop = (0, bounds[0]) if len(bounds) == 1 else bounds[:2]
        step = bounds[2] if len(bounds) == 3 else 1
        if all(isinstance(b, int) for b in (start, stop)) and not range(start, stop, step):
            return
        self.names[target.id] = start
        condition = "less" if step > 0 else "greater"

        def more(i: Any) -> str:
            return self._as(self._compare(condition, i, stop), "b1")

        def following(i: Any) -> Any:
            return self._binary(ast.Add(), i, step)

        self._loop(s.body, lambda: more(self.names[target.id]), target.id, following)
        self.names.pop(target.id, None)

    def _do_while(self, s: ast.While) -> None:
        self._loop(s.body, lambda: self._truth(self.value(s.test)))

    def _loop(
        self, body: Sequence[ast.stmt], test: Callable[[], Any], counter: str = "",
        following: Callable[[Any], Any] = lambda i: i,
    ) -> None:  # fmt: skip
        """Turns while the test holds, with a phi for all that the body changes."""
        changed = sorted(_assigned(body) & self.names.keys() | ({counter} if counter else set()))
        changed = [n for n in changed if not isinstance(self.names[n], Memory)]
        head, turn = self._label("head"), self._label("turn")
        latch, end = self._label("latch"), self._label("end")
        before = self.block
        starts = {n: self._number(self.names[n]) for n in changed}
        self._jump(head)
        self._begin(head)
        marks = {}
        for n in changed:
            phi = self.e.fresh()
            self.e.put(f"; {phi}")
            marks[n] = phi
            self.names[n] = Number(phi, starts[n].code)
        condition = test()
        if isinstance(condition, bool):
            condition = "true" if condition else "false"
        self.e.put(f"br i1 {condition}, label %{turn}, label %{end}")
        exits: list[Any] = [end, (self.block, dict(self.names))]
        again: list[Any] = [latch]
        self.loops.append((exits, again))
        self._begin(turn)
        self.statements(body)
        self.loops.pop()
        if not self.ended:
            again.append((self.block, dict(self.names)))
            self._jump(latch)
        if len(again) > 1:
            self._join(latch, again[1:])
            if counter:
                self.names[counter] = following(self.names[counter])
            last = {n: self._as(self.names[n], starts[n].code) for n in changed}
            back = self.block
            self._jump(head)
        for n, phi in marks.items():
            ways = [f"[ {starts[n].name}, %{before} ]"]
            if len(again) > 1:
                ways.append(f"[ {last[n]}, %{back} ]")
            line = f"  {phi} = phi {scalar_type(starts[n].code)} {', '.join(ways)}"
            self.e.lines[self.e.lines.index(f"  ; {phi}")] = line
        self._join(end, exits[1:])

    # --- numbers ---------------------------------------------------------------------------------

    def _number(self, x: Any) -> Number:
        """A number in a register; Python's own in the dtype that it stands for."""
        if isinstance(x, Number):
            return x
        code = "b1" if isinstance(x, bool) else "i8" if isinstance(x, int) else self.floating
        return Number(literal(x, code), code)

    def _as(self, x: Any, code: str) -> str:
        """The name of a number, in a dtype."""
        if isinstance(x, Number):
            return cast(self.e, x.name, x.code, code)
        if isinstance(x, Memory):
            raise Unknown("an array as a number")
        return literal(x, code)

    def _truth(self, x: Any) -> Any:
        """A condition: True, False, or a name."""
        return self._as(x, "b1") if isinstance(x, Number) else bool(x)

    def _common(self, a: Any, b: Any) -> str:
        """The dtype in which two numbers meet."""
        codes = sorted({x.code for x in (a, b) if isinstance(x, Number)} - {"b1"})
        floats = [c for c in codes if c[0] == "f"]
        if any(isinstance(x, float) for x in (a, b)) and not floats:
            return self.floating
        if floats:
            return floats[-1]
        if len(codes) == 1:
            return codes[0]
        plain = any(isinstance(x, int) and not isinstance(x, bool) for x in (a, b))
        return "i8" if codes or plain else "b1"

    def value(self, node: ast.expr) -> Any:
        """What an expression is."""
        method = getattr(self, f"_of_{type(node).__name__.lower()}", None)
        if method is None:
            raise Unknown(type(node).__name__)
        return method(node)

    def _of_constant(self, node: ast.Constant) -> Any:
        return node.value

    def _of_name(self, node: ast.Name) -> Any:
        if node.id in self.names:
            return self.names[node.id]
        known = self.known[-1]
        if node.id not in known:
            raise Unknown(f"the name {node.id}")
        return known[node.id]

    def _of_tuple(self, node: ast.Tuple) -> Any:
        return tuple(self.value(v) for v in node.elts)

    def _of_attribute(self, node: ast.Attribute) -> Any:
        x = self.value(node.value)
        if isinstance(x, Memory):
            if node.attr == "shape":
                return x.shape
            if node.attr == "dtype":
                return np.dtype(x.code)
            raise Unknown(node.attr)
        if isinstance(x, Library):
            return functools.partial(self._library, x, node.attr)
        return getattr(x, node.attr)

    def _of_binop(self, node: ast.BinOp) -> Any:
        return self._binary(node.op, self.value(node.left), self.value(node.right))

    def _binary(self, op: ast.operator, a: Any, b: Any) -> Any:
        kind = type(op)
        if not isinstance(a, Number) and not isinstance(b, Number):
            return _PLAIN[kind](a, b)
        code = self._common(a, b)
        if kind is ast.FloorDiv:  # of numbers that are not negative
            return Number(
                self.e.do(f"sdiv {scalar_type(code)} {self._as(a, code)}, {self._as(b, code)}"),
                code,
            )
        if kind is ast.Div and code[0] != "f":
            code = self.floating
        return self._apply(_BINARY[kind], code, a, b)

    def _apply(self, row: str, code: str, *args: Any) -> Number:
        return Number(EMIT[row](self.e, code, *(self._as(a, code) for a in args)), code)

    def _of_unaryop(self, node: ast.UnaryOp) -> Any:
        x = self.value(node.operand)
        if isinstance(node.op, ast.Not):
            t = self._truth(x)
            return (
                not t if isinstance(t, bool) else self._apply("logical_not", "b1", Number(t, "b1"))
            )
        if isinstance(node.op, ast.Invert) and isinstance(x, Number):
            return self._apply("bitwise_invert", x.code, x)
        if not isinstance(node.op, ast.USub):
            raise Unknown(type(node.op).__name__)
        return self._apply("negative", x.code, x) if isinstance(x, Number) else -x

    def _of_compare(self, node: ast.Compare) -> Any:
        (op,), (right,) = node.ops, node.comparators
        a, b = self.value(node.left), self.value(right)
        if not isinstance(a, Number) and not isinstance(b, Number):
            return _PLAIN[type(op)](a, b)
        return self._compare(_COMPARED[type(op)], a, b)

    def _compare(self, row: str, a: Any, b: Any) -> Number:
        if not isinstance(a, Number) and not isinstance(b, Number):
            return Number("true" if {"less": a < b, "greater": a > b}[row] else "false", "b1")
        code = self._common(a, b)
        return Number(EMIT[row](self.e, code, self._as(a, code), self._as(b, code)), "b1")

    def _of_boolop(self, node: ast.BoolOp) -> Any:
        """The second is not computed where the first decides."""
        conjunction = isinstance(node.op, ast.And)
        ways: list[tuple[str, str]] = []
        end = self._label("decided")
        for k, part in enumerate(node.values):
            test = self._truth(self.value(part))
            if isinstance(test, bool):
                if test is not conjunction:
                    test = "false" if conjunction else "true"
                elif k + 1 < len(node.values) or not ways:
                    if k + 1 == len(node.values):
                        return test
                    continue
                else:
                    test = "true" if conjunction else "false"
            if k + 1 == len(node.values) or test in ("true", "false"):
                if not ways:
                    return Number(test, "b1") if test not in ("true", "false") else test == "true"
                ways.append((test, self.block))
                self._jump(end)
                break
            following = self._label("also")
            targets = (following, end) if conjunction else (end, following)
            self.e.put(f"br i1 {test}, label %{targets[0]}, label %{targets[1]}")
            ways.append(("false" if conjunction else "true", self.block))
            self._begin(following)
        self._begin(end)
        parts = ", ".join(f"[ {t}, %{block} ]" for t, block in ways)
        return Number(self.e.do(f"phi i1 {parts}"), "b1")

    def _of_ifexp(self, node: ast.IfExp) -> Any:
        test = self._truth(self.value(node.test))
        if isinstance(test, bool):
            return self.value(node.body if test else node.orelse)
        a, b = self.value(node.body), self.value(node.orelse)
        code = self._common(self._number(a), self._number(b))
        return Number(self.e.select(test, code, self._as(a, code), self._as(b, code)), code)

    # --- arrays ----------------------------------------------------------------------------------

    def _of_subscript(self, node: ast.Subscript) -> Any:
        base = self.value(node.value)
        if not isinstance(base, Memory):
            return base[self.value(node.slice)]
        at = self._element(node)
        if at.shape:
            return at
        t = memory_type(at.code)
        x = self.e.do(f"load {t}, ptr {at.pointer}")
        if at.code == "b1":
            x = self.e.do(f"trunc i8 {x} to i1")
        return Number(x, at.code)

    def _element(self, node: ast.Subscript) -> Memory:
        base = self.value(node.value)
        index = self.value(node.slice)
        index = index if isinstance(index, tuple) else (index,)
        position: Any = 0
        for k, i in enumerate(index):
            size = math.prod(base.shape[k + 1 :])
            position = self._binary(ast.Add(), position, self._binary(ast.Mult(), i, size))
        if isinstance(position, int) and position == 0:
            return Memory(base.pointer, base.shape[len(index) :], base.code)
        offset = self._as(position, "i8")
        t = memory_type(base.code)
        pointer = self.e.do(f"getelementptr {t}, ptr {base.pointer}, i64 {offset}")
        return Memory(pointer, base.shape[len(index) :], base.code)

    # --- calls -----------------------------------------------------------------------------------

    def _of_call(self, node: ast.Call) -> Any:
        function = self.value(node.func)
        args = [self.value(a) for a in node.args]
        options = {k.arg or "": self.value(k.value) for k in node.keywords}
        if isinstance(function, functools.partial):
            return function(*args)
        if function is give_up:
            self.gives_up = True
            self._end(1)
            return None
        if function is empty:
            return self._empty(*args)
        if function is bits:
            return self._bits(args[0])
        if function is number:
            return self._from_bits(*args)
        if function is len and isinstance(args[0], Memory):
            return args[0].shape[0]
        if function is abs and isinstance(args[0], Number):
            return self._apply("abs", args[0].code, args[0])
        if function in (min, max) and any(isinstance(a, Number) for a in args):
            code = self._common(*args)
            return self._apply("minimum" if function is min else "maximum", code, *args)
        if not any(isinstance(a, (Number, Memory)) for a in args):
            return function(*args, **options)
        if function in (int, float):
            code = "i8" if function is int else self.floating
            return Number(self._as(args[0], code), code)
        if isinstance(function, np.ufunc):
            return self._ufunc(function, args)
        return self.run(function, args, options)

    def _ufunc(self, function: np.ufunc, args: list[Any]) -> Number:
        row = NUMPY[function].operation.name  # type: ignore[attr-defined]
        code = args[0].code if len(args) == 1 else self._common(*args)
        y = EMIT[row](self.e, code, *(self._as(a, code) for a in args))
        return Number(y, "b1" if row in ("isnan", "isinf", "isfinite") else code)

    def _bits(self, x: Number) -> Number:
        code = "u" + ("1" if x.code == "b1" else x.code[1:])
        if x.code[0] == "f":
            name = self.e.do(f"bitcast {scalar_type(x.code)} {x.name} to {scalar_type(code)}")
            return Number(name, code)
        return Number(cast(self.e, x.name, x.code, code), code)

    def _from_bits(self, x: Number, like: Memory) -> Number:
        if like.code[0] == "f":
            name = self.e.do(f"bitcast {scalar_type(x.code)} {x.name} to {scalar_type(like.code)}")
            return Number(name, like.code)
        return Number(cast(self.e, x.name, x.code, like.code), like.code)

    def _empty(self, shape: Any, like: Any) -> Memory:
        shape = shape if isinstance(shape, tuple) else (shape,)
        code = like.code if isinstance(like, Memory) else like
        return Memory(self.space(math.prod(shape) * width(code)), shape, code)

    def _library(self, library: Library, name: str, *args: Any) -> Any:
        """A routine of Fortran: everything by reference, `info` last where LAPACK gives one."""
        precision = next(a.code for a in args if isinstance(a, Memory) and a.code[0] == "f")
        pointers = [self._reference(a, precision) for a in args]
        info = ""
        if library.name == "lapack":
            info = self.space(8)
            pointers.append(info)
        full = ("d" if precision == "f8" else "s") + name
        arguments = ", ".join(f"ptr {p}" for p in pointers)
        function = outside(self.e, f"blas.{full}")
        self.e.put(f"call void {function}({arguments})")
        return Number(self.e.do(f"load i32, ptr {info}"), "i4") if info else None

    def _reference(self, x: Any, precision: str) -> str:
        if isinstance(x, Memory):
            return x.pointer
        module = self.e.module
        if isinstance(x, str):
            name, value = f"letter{x}", f"i8 {ord(x)}"
        elif isinstance(x, Number):
            code = precision if x.code[0] == "f" else "i4"
            place = self.space(8)
            self.e.put(f"store {scalar_type(code)} {self._as(x, code)}, ptr {place}")
            return place
        elif isinstance(x, int):
            name, value = f"int{x}".replace("-", "minus"), f"i32 {x}"
        else:
            name = f"{precision}_{x}".replace("-", "minus").replace(".", "_")
            value = f"{scalar_type(precision)} {literal(x, precision)}"
        module.definitions.setdefault(f"ref.{name}", f"@ref.{name} = private constant {value}")
        return f"@ref.{name}"


def _assigned(body: Sequence[ast.stmt]) -> set[str]:
    """Names that statements bind."""
    found = set()
    for statement in body:
        for node in ast.walk(statement):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                found.add(node.id)
    return found
