"""A compiled program as a callable on arrays.

Arguments go to the machine code as the Python objects they are: it finds their data by itself
(`codegen.assemble`). That relies on where CPython and NumPy keep them, which is checked
when this module is first used.
"""

from __future__ import annotations

import ctypes
import functools
import threading
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Final

import numpy as np

from chainrule.codegen import assemble
from chainrule.codegen.assemble import DATA_AT, FLAGS_AT, PLAIN
from chainrule.codegen.engine import Machine
from chainrule.codegen.linkage import InProcess, address_of, callback_type
from chainrule.codegen.loops import Buffer, Callback, Program
from chainrule.codegen.lower import lower, plan_all
from chainrule.codegen.memory import ALIGNMENT
from chainrule.codegen.steps import (
    DOUBT,
    LAYOUT,
    NO_MEMORY,
    OUT_OF_RANGE,
    RAISED,
    TOO_LONG,
    on_stack,
)
from chainrule.codegen.values import Values
from chainrule.errors import LoopError, ShapeError, TracedValueError, at, user_line
from chainrule.graph.graph import Graph
from chainrule.run.report import report


@functools.lru_cache(maxsize=1)
def check_layout() -> None:
    """Raise where Python objects do not keep their data where the machine code looks for it."""
    array = np.arange(3.0)
    flags = ctypes.c_int.from_address(id(array) + FLAGS_AT).value
    strided = ctypes.c_int.from_address(id(array[::2]) + FLAGS_AT).value
    number, scalar = 2.5, np.float64(3.5)
    fits = (
        ctypes.c_void_p.from_address(id(array) + DATA_AT).value == address_of(array)
        and flags & PLAIN == PLAIN
        and strided & PLAIN != PLAIN
        and ctypes.c_double.from_address(id(number) + DATA_AT).value == number
        and ctypes.c_double.from_address(id(scalar) + DATA_AT).value == scalar
    )
    if not fits:
        raise RuntimeError("this build of Python and NumPy lays its objects out in an unknown way")


class _Method(ctypes.Structure):
    """`PyMethodDef` of Python's C interface."""

    _fields_: ClassVar[Any] = [
        ("name", ctypes.c_char_p),
        ("function", ctypes.c_void_p),
        ("flags", ctypes.c_int),
        ("doc", ctypes.c_char_p),
    ]


_FASTCALL: Final = 0x80
"""`METH_FASTCALL`: the arguments come as an array of objects."""


def _builtin(address: int) -> tuple[Callable[..., int], _Method]:
    """A function of machine code as a Python function, and what must live as long as it."""
    method = _Method(b"compiled", address, _FASTCALL, None)
    make = ctypes.pythonapi.PyCFunction_NewEx
    make.restype, make.argtypes = ctypes.py_object, [ctypes.c_void_p] * 3
    return make(ctypes.addressof(method), None, None), method


class Compiled:
    """Machine code of a graph: `compiled(*arrays)` gives a list of arrays and NumPy scalars."""

    def __init__(self, graph: Graph, opt: int = 2, careful: bool = False) -> None:
        check_layout()
        self.graph = graph
        careful = careful or bool(graph.effects)  # what is done cannot be done again
        self.program: Program = lower(Values(graph), careful)
        assemble.chop(self.program)
        plan_all(self.program)
        self._callbacks = self.program.callbacks
        for k, call in enumerate(self._callbacks):
            call.number = k
        self._raised = threading.local()
        self._callback = callback_type()(self._call_back)
        address = ctypes.cast(self._callback, ctypes.c_void_p).value or 0
        self._linkage = InProcess(address, unlocked=assemble.is_long(self.program))
        self.text = assemble.assemble(self.program, self._linkage)
        if len(self.program.kernels) > 40:
            opt = 1
        self.machine = Machine(self.text, opt, promote=len(self.program.programs()) > 1)
        self._entry, self._method = _builtin(self.machine.address("entry"))
        self.results = [(b.value.shape, b.value.dtype) for b in self.program.outputs]
        self._arenas = threading.local()
        self.call = self._make_call()

    def __call__(self, arguments: Sequence[Any]) -> list[Any]:
        """The outputs for arrays and NumPy scalars of the inputs' shapes and dtypes."""
        return list(self.call(*arguments))

    @property
    def loops(self) -> Program:
        """The program as loops over scalar expressions; printing it shows it."""
        return self.program

    @property
    def llvm(self) -> str:
        """The program in LLVM's language."""
        return self.text

    @property
    def assembly(self) -> str:
        """The machine code, as an assembler takes it."""
        return self.machine.assembly()

    def report(self) -> str:
        """Kernels, operations, bytes moved, temporaries, and what NumPy does."""
        return report(self.program)

    def _make_call(self) -> Callable[..., tuple[Any, ...]]:
        """The function that a call goes through, written out for this program's arguments."""
        given = [f"a{k}" for k in range(len(self.program.inputs))]
        made = [f"r{k}" for k in range(len(self.results))]
        more = [] if on_stack(self.program) else ["arena()"]
        lines = [f"def call({', '.join(given)}):"]
        lines += [f"    {r} = empty(shape{k}, dtype{k})" for k, r in enumerate(made)]
        lines += [f"    code = entry({', '.join(given + made + more)})"]
        lines += [f"    if code: return again(code, [{', '.join(given)}])"]
        back = [
            r if shape else f"{r}[()]" for r, (shape, _) in zip(made, self.results, strict=True)
        ]
        lines += [f"    return ({', '.join(back)}{',' if len(back) == 1 else ''})"]
        names: dict[str, Any] = {
            "empty": np.empty, "entry": self._entry, "arena": self._arena, "again": self._again,
        }  # fmt: skip
        for k, (shape, dtype) in enumerate(self.results):
            names[f"shape{k}"], names[f"dtype{k}"] = shape, dtype
        exec("\n".join(lines), names)
        return names["call"]

    def _arena(self) -> Any:
        """The memory for temporaries, one for each thread."""
        try:
            return self._arenas.memory
        except AttributeError:
            self._arenas.memory = np.empty(self.program.arena + ALIGNMENT, np.uint8)
            return self._arenas.memory

    def _again(self, code: int, arguments: Sequence[Any]) -> tuple[Any, ...]:
        """After a call that did not succeed: once more with contiguous arguments, or raise."""
        if code & DOUBT and code & OUT_OF_RANGE == 0:
            return self.careful.call(*arguments)
        if code != LAYOUT:
            self._fail(code)
        return self.call(*[_plain(a) for a in arguments])

    @functools.cached_property
    def careful(self) -> Compiled:
        """The same program with strong products (`codegen.doubt`), compiled when it is needed."""
        return Compiled(self.graph, careful=True)

    def _fail(self, code: int) -> None:
        if code & TOO_LONG:
            raise LoopError(
                "while_loop: the condition still holds after as many turns as `max_iterations` "
                "allows; raise the limit, or look at what the condition waits for" + at(user_line())
            )
        if code & NO_MEMORY:
            raise MemoryError(
                "while_loop: no memory for what the derivative needs of each turn" + at(user_line())
            )
        if code == RAISED:
            error = self._raised.error
            del self._raised.error
            raise error
        if code & OUT_OF_RANGE:
            raise ShapeError(
                "an index is out of range in the compiled function" + at(user_line())
            ) from IndexError()
        raise AssertionError(code)

    def _call_back(self, number: int, pointers: int) -> int:
        """Run an operation by NumPy on the memory that the pointers show."""
        try:
            step = self._callbacks[number]
            table = (ctypes.c_void_p * (len(step.arguments) + len(step.results))).from_address(
                pointers
            )
            self._evaluate(step, iter(table))
        except BaseException as error:
            self._raised.error = error
            return 1
        return 0

    def _evaluate(self, step: Callback, table: Any) -> None:
        arguments = [_shown(a, next(table)) if isinstance(a, Buffer) else a for a in step.arguments]
        row, params = step.value.row, step.value.params
        with np.errstate(all="ignore"):
            value = row.evaluate(*arguments, **params)
        values = value if isinstance(value, (tuple, list)) else (value,)
        for b, v in zip(step.results, values, strict=True):
            if np.shape(v) != b.value.shape:
                raise TracedValueError(
                    f"{row.name}: the shape of its result depends on the values of its operands "
                    f"({list(np.shape(v))} now, {list(b.value.shape)} was expected), and compiled "
                    "code needs it beforehand; compute it outside, or use cr.where with a mask"
                )
            _shown(b, next(table), scalar=False)[...] = v


def _shown(b: Buffer, pointer: int, scalar: bool = True) -> Any:
    """The array in a buffer, or its number where it has no axes."""
    v = b.value
    memory: Any = (ctypes.c_char * max(v.nbytes, 1)).from_address(pointer or 1)
    if not v.size:
        return np.empty(v.shape, v.dtype)
    array = np.frombuffer(memory, v.dtype, v.size).reshape(v.shape)
    return array[()] if scalar and not v.shape else array


def _plain(a: Any) -> Any:
    """An argument, contiguous and aligned."""
    return np.array(a, order="C") if isinstance(a, np.ndarray) else a
