"""The quickest way into a program: a function of Python's own kind that does the whole call.

`entry` (`codegen.assemble`) is given the results to write into, and trusts the shapes and dtypes of
its arguments. The function here compares the arguments with those the program was made for, makes
the results, runs, and returns them: one result as it is, several as a tuple. For other arguments it
returns an object that says so. After a run that did not succeed it calls the Python function that
it is bound to, with the code and the arguments, for the results or an error.

It reads Python's objects where CPython and NumPy keep what they hold, as `entry` does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from chainrule.codegen.linkage import Table
from chainrule.codegen.loops import Buffer, Program
from chainrule.codegen.text import Emitter, Module

DATA_AT: Final = 16
"""Bytes from the start of an array to the pointer to its data, or of a number to its value."""

TYPE_AT, AXES_AT, SHAPE_AT, DTYPE_AT = 8, 24, 32, 56
"""Bytes from the start of an object to its type; of an array to the number of its axes, to the
pointer to its shape, and to its dtype.
"""

DIRECT: Final = "direct"
"""What the function is called."""

RESTING: Final = "resting"
"""A byte of the module: where it is not 0, the function takes no arguments for those it knows."""

MISSED, TYPE, DTYPE, NEW_ARRAY = "object.missed", "type.", "dtype.", "numpy.new"
"""What is outside: the object that says that the arguments are others; types and dtypes by their
names (`type.ndarray`, `dtype.f8`); NumPy's function that makes an array.
"""

MOST: Final = 16
"""Of more arguments and results it would be long, and matter less."""

HEAP: Final = 1 << 20
"""Bytes of temporaries up to which they are had anew at each call; larger memory would be given
back to the system, and cleared by it, every time.
"""

_INTERFACE: Final = (
    ("Py_IncRef", "void", "ptr"), ("Py_DecRef", "void", "ptr"), ("PyTuple_New", "ptr", "i64"),
    ("PyTuple_SetItem", "i32", "ptr, i64, ptr"), ("PyObject_CallNoArgs", "ptr", "ptr"),
    ("PyObject_CallFunctionObjArgs", "ptr", "ptr, ..."), ("PyLong_FromLong", "ptr", "i64"),
)  # fmt: skip
"""Functions of Python's C interface."""


def suits(program: Program) -> bool:
    """Whether a program can have such a function."""
    numbers = [b.value for b in program.inputs if not b.value.shape]
    return (
        bool(program.outputs)
        and len(program.inputs) + len(program.outputs) <= MOST
        and not program.inplace
        and all(v.dtype.char == "d" or (v.dtype.char == "f" and not v.weak) for v in numbers)
        and all(b.value.shape or b.value.dtype.kind != "b" for b in program.outputs)
    )


class Direct:
    """Writes the function."""

    def __init__(self, module: Module, table: Table, program: Program, arena: int) -> None:
        """`arena` is how many bytes for temporaries the program is to be given as an array."""
        self.module, self.table, self.e = module, table, Emitter(module)
        self.inputs, self.outputs = program.inputs, program.outputs
        self.arena, self.tests = arena, 0

    def text(self, run: Callable[[Emitter, Sequence[str]], str], failed: int) -> str:
        """The definitions. `run` writes the call of the program on objects, for its code; after
        the code `failed` there is an error already.
        """
        for declared in _INTERFACE:
            self.module.declare(*declared)
        self.module.definitions[RESTING] = f"@{RESTING} = global i8 0"
        e = self.e
        e.label("entry")
        self._unless(f"icmp eq i64 %count, {len(self.inputs)}")
        self._unless(f"icmp eq i8 {e.do(f'load i8, ptr @{RESTING}')}, 0")
        given = [self._argument(k, b) for k, b in enumerate(self.inputs)]
        made = self._results()
        memory = self._memory(made) if self.arena else []
        code = run(e, [*given, *made, *memory])
        if memory:
            e.put(f"call void @free(ptr {self._field(memory[0], DATA_AT)})")
        e.put(f"br i1 {e.do(f'icmp eq i32 {code}, 0')}, label %good, label %bad")
        self._good(made)
        self._bad(code, given, made, failed)
        head = f"define ptr @{DIRECT}(ptr %self, ptr %args, i64 %count) #0 {{"
        return "\n".join([head, *e.lines, "}"])

    # --- arguments --------------------------------------------------------------------------------

    def _unless(self, holds: str) -> None:
        """Go on where a comparison holds."""
        e, self.tests = self.e, self.tests + 1
        e.put(f"br i1 {e.do(holds)}, label %like{self.tests}, label %missed")
        e.label(f"like{self.tests}")

    def _field(self, thing: str, at: int, t: str = "ptr") -> str:
        e = self.e
        return e.do(f"load {t}, ptr {e.do(f'getelementptr i8, ptr {thing}, i64 {at}')}")

    def _outside(self, name: str) -> str:
        return self.e.do(self.table.loaded(name))

    def _argument(self, k: int, b: Buffer) -> str:
        """An argument, if it is what the program was made for."""
        v, thing = b.value, self._field("%args", 8 * k)
        kind = self._outside(TYPE + ("ndarray" if v.shape else _number(b)))
        self._unless(f"icmp eq ptr {self._field(thing, TYPE_AT)}, {kind}")
        if v.shape:
            dtype = self._outside(DTYPE + v.dtype.str[1:])
            self._unless(f"icmp eq ptr {self._field(thing, DTYPE_AT)}, {dtype}")
            self._unless(f"icmp eq i32 {self._field(thing, AXES_AT, 'i32')}, {len(v.shape)}")
            shape = self._field(thing, SHAPE_AT)
            for axis, n in enumerate(v.shape):
                self._unless(f"icmp eq i64 {self._field(shape, 8 * axis, 'i64')}, {n}")
        return thing

    # --- results ----------------------------------------------------------------------------------

    def _results(self) -> list[str]:
        """New arrays and numbers; none where one of them could not be made."""
        e, made = self.e, list[str]()
        for k, b in enumerate(self.outputs):
            made.append(self._new_array(k, b) if b.value.shape else self._new_number(b))
            e.put(f"br i1 {e.do(f'icmp eq ptr {made[-1]}, null')}, label %lost{k}, label %made{k}")
            e.label(f"lost{k}")
            self._drop(made[:-1])
            e.put("ret ptr null")
            e.label(f"made{k}")
        return made

    def _new_array(self, k: int, b: Buffer) -> str:
        e, shape = self.e, b.value.shape
        extents = ", ".join(f"i64 {n}" for n in shape)
        name = f"{DIRECT}.shape{k}"
        self.module.definitions[name] = f"@{name} = private constant {_many(shape)} [{extents}]"
        dtype = self._outside(DTYPE + b.value.dtype.str[1:])
        e.put(f"call void @Py_IncRef(ptr {dtype})")  # it becomes the array's
        make, kind = self._outside(NEW_ARRAY), self._outside(TYPE + "ndarray")
        return e.do(
            f"call ptr {make}(ptr {kind}, ptr {dtype}, i32 {len(shape)}, ptr @{name}, ptr null, "
            "ptr null, i32 0, ptr null)"
        )

    def _new_number(self, b: Buffer) -> str:
        kind = self._outside(TYPE + b.value.dtype.type.__name__)
        return self.e.do(f"call ptr @PyObject_CallNoArgs(ptr {kind})")

    def _memory(self, made: Sequence[str]) -> list[str]:
        """Memory for temporaries, as an array: of this, the program looks at the pointer only."""
        e = self.e
        self.module.declare("malloc", "ptr", "i64")
        self.module.declare("free", "void", "ptr")
        self.module.declare("PyErr_NoMemory", "ptr", "")
        array = e.do(f"alloca [{DATA_AT + 8} x i8], align 8")
        data = e.do(f"call ptr @malloc(i64 {self.arena})")
        e.put(f"store ptr {data}, ptr {e.do(f'getelementptr i8, ptr {array}, i64 {DATA_AT}')}")
        e.put(f"br i1 {e.do(f'icmp eq ptr {data}, null')}, label %full, label %enough")
        e.label("full")
        self._drop(made)
        e.put(f"ret ptr {e.do('call ptr @PyErr_NoMemory()')}")
        e.label("enough")
        return [array]

    def _drop(self, things: Sequence[str]) -> None:
        for x in things:
            self.e.put(f"call void @Py_DecRef(ptr {x})")

    # --- afterwards -------------------------------------------------------------------------------

    def _good(self, made: Sequence[str]) -> None:
        e = self.e
        e.label("good")
        if len(made) == 1:
            e.put(f"ret ptr {made[0]}")
            return
        together = e.do(f"call ptr @PyTuple_New(i64 {len(made)})")
        e.put(f"br i1 {e.do(f'icmp eq ptr {together}, null')}, label %none, label %filled")
        e.label("none")
        self._drop(made)
        e.put("ret ptr null")
        e.label("filled")
        for k, x in enumerate(made):  # which become the tuple's
            e.do(f"call i32 @PyTuple_SetItem(ptr {together}, i64 {k}, ptr {x})")
        e.put(f"ret ptr {together}")

    def _bad(self, code: str, given: Sequence[str], made: Sequence[str], failed: int) -> None:
        """After a run that did not succeed; and where it was not tried."""
        e = self.e
        e.label("bad")
        self._drop(made)
        e.put(f"br i1 {e.do(f'icmp eq i32 {code}, {failed}')}, label %raised, label %again")
        e.label("raised")
        e.put("ret ptr null")
        e.label("again")
        number = e.do(f"call ptr @PyLong_FromLong(i64 {e.do(f'zext i32 {code} to i64')})")
        e.put(f"br i1 {e.do(f'icmp eq ptr {number}, null')}, label %raised, label %ask")
        e.label("ask")
        objects = ", ".join(f"ptr {x}" for x in ("%self", number, *given, "null"))
        found = e.do(f"call ptr (ptr, ...) @PyObject_CallFunctionObjArgs({objects})")
        self._drop([number])
        e.put(f"ret ptr {found}")
        e.label("missed")
        missed = self._outside(MISSED)
        e.put(f"call void @Py_IncRef(ptr {missed})")
        e.put(f"ret ptr {missed}")


def _number(b: Buffer) -> str:
    """The type of a number: Python's own where it is weak."""
    return "float" if b.value.weak else b.value.dtype.type.__name__


def _many(shape: tuple[int, ...]) -> str:
    return f"[{len(shape)} x i64]"
