"""The entry of a program that stands in for NumPy's evaluation of an operation.

It is a function as Python's own built-in ones are, which looks at its arguments by itself and makes
its result. For arguments unlike those it was made for it gives what the next such function gives,
or None; None as well where the processor noted an invalid operation, a division by zero, an
overflow or an underflow, and where a number is infinite or NaN, which the functions of
`codegen.vectormath` do not note: NumPy, which then computes the operation, says so as it was told.
"""

from __future__ import annotations

import ctypes
import functools
import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from chainrule.codegen.assemble import DATA_AT, FLAGS_AT, PLAIN
from chainrule.codegen.text import Emitter, Module

TYPE_AT: Final = 8
"""Bytes from the start of an object to the pointer to its type."""

NDIM_AT: Final = 24
"""Bytes from the start of an array to the number of its axes."""

SHAPE_AT: Final = 32
"""Bytes from the start of an array to the pointer to its shape."""

DTYPE_AT: Final = 56
"""Bytes from the start of an array to the pointer to its dtype."""

NOTED: Final = 0x1D
"""Bits of the processor's MXCSR register: invalid, division by zero, overflow, underflow."""

FLAGS: Final = 0x3F
"""Bits of the same register that are set when something is noted, and stay."""

NEW_FROM_DESCR: Final = 94
"""Place of `PyArray_NewFromDescr` in NumPy's C interface."""


@dataclass(frozen=True)
class Expected:
    """An argument as it must be: `like` one, or, if `fixed`, the same number."""

    like: Any
    fixed: bool


@functools.lru_cache(maxsize=1)
def fits() -> bool:
    """Whether objects and arrays keep what is looked at where it is looked for."""
    array = np.zeros((3, 5), np.float32)
    start = id(array)
    shape = ctypes.c_void_p.from_address(start + SHAPE_AT).value
    return (
        ctypes.c_void_p.from_address(start + TYPE_AT).value == id(np.ndarray)
        and ctypes.c_int.from_address(start + NDIM_AT).value == 2
        and shape is not None
        and list((ctypes.c_int64 * 2).from_address(shape)) == [3, 5]
        and ctypes.c_void_p.from_address(start + DTYPE_AT).value == id(array.dtype)
        and ctypes.c_void_p.from_address(id(2.5) + TYPE_AT).value == id(float)
    )


@functools.lru_cache(maxsize=1)
def _new_array() -> int:
    """The address of `PyArray_NewFromDescr`."""
    from numpy._core import _multiarray_umath  # type: ignore[attr-defined]

    pointer = ctypes.pythonapi.PyCapsule_GetPointer
    pointer.restype, pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    table = pointer(_multiarray_umath._ARRAY_API, None)
    return (ctypes.c_void_p * (NEW_FROM_DESCR + 1)).from_address(table)[NEW_FROM_DESCR] or 0


def guarded(
    expected: Sequence[Expected],
    given: Sequence[int],
    result: tuple[tuple[int, ...], np.dtype[Any]],
    entry: int,
    following: int,
) -> str:
    """The module of such a function, named `guard`.

    `given` are the arguments that the entry of the program takes, at the address `entry`, before
    its one result, of a shape and dtype; `following` is the address of the next function, or 0.
    """
    module = Module()
    e = Emitter(module)
    e.label("entry")
    objects = []
    for k, x in enumerate(expected):
        place = e.do(f"getelementptr ptr, ptr %args, i64 {k}")
        objects.append(e.do(f"load ptr, ptr {place}"))
        _check(e, objects[-1], x)
    made = _make(e, *result)
    _unless(e, e.do(f"icmp ne ptr {made}, null"), "ret ptr null")
    list_ = e.do(f"alloca [{len(given) + 1} x ptr], align 8")
    for k, o in enumerate([*(objects[j] for j in given), made]):
        e.put(f"store ptr {o}, ptr {e.do(f'getelementptr ptr, ptr {list_}, i64 {k}')}")
    _run(e, module, entry, f"ptr null, ptr {list_}, i64 {len(given) + 1}", made, result)
    e.put(f"ret ptr {made}")
    e.label("unlike")
    if following:
        e.put(
            f"{'%next'} = musttail call ptr {_object(following)}(ptr %self, ptr %args, i64 %count)"
        )
        e.put("ret ptr %next")
    else:
        _none(e, module)
    head = "define ptr @guard(ptr %self, ptr %args, i64 %count) #0 {"
    module.functions.append("\n".join([head, *e.lines, "}"]))
    return module.text()


def _object(address: int) -> str:
    return f"inttoptr (i64 {address} to ptr)"


def _at(e: Emitter, start: str, offset: int, type_: str) -> str:
    return e.do(f"load {type_}, ptr {e.do(f'getelementptr i8, ptr {start}, i64 {offset}')}")


def _unless(e: Emitter, good: str, otherwise: str) -> None:
    """Go on if a condition holds; otherwise do the instruction, the last one of its path."""
    number = len(e.lines)
    e.put(f"br i1 {good}, label %go{number}, label %stop{number}")
    e.label(f"stop{number}")
    e.put(otherwise)
    e.label(f"go{number}")


def _check(e: Emitter, o: str, x: Expected) -> None:
    """Leave where an argument is not as it must be."""

    def require(condition: str) -> None:
        _unless(e, e.do(condition), "br label %unlike")

    if x.fixed and type(x.like) is not float:  # a small integer is one object
        return require(f"icmp eq ptr {o}, {_object(id(x.like))}")
    require(f"icmp eq ptr {_at(e, o, TYPE_AT, 'ptr')}, {_object(id(type(x.like)))}")
    if x.fixed:
        bits = struct.unpack("<q", struct.pack("<d", x.like))[0]
        require(f"icmp eq i64 {_at(e, o, DATA_AT, 'i64')}, {bits}")
    elif isinstance(x.like, np.ndarray):
        require(f"icmp eq i32 {_at(e, o, NDIM_AT, 'i32')}, {x.like.ndim}")
        require(f"icmp eq ptr {_at(e, o, DTYPE_AT, 'ptr')}, {_object(id(x.like.dtype))}")
        plain = e.do(f"and i32 {_at(e, o, FLAGS_AT, 'i32')}, {PLAIN}")
        require(f"icmp eq i32 {plain}, {PLAIN}")
        shape = _at(e, o, SHAPE_AT, "ptr")
        for i, n in enumerate(x.like.shape):
            require(f"icmp eq i64 {_at(e, shape, 8 * i, 'i64')}, {n}")
    return None


def _make(e: Emitter, shape: tuple[int, ...], dtype: np.dtype[Any]) -> str:
    """A new array or NumPy scalar."""
    module = e.module
    if not shape:
        module.declare("PyType_GenericAlloc", "ptr", "ptr, i64")
        return e.do(f"call ptr @PyType_GenericAlloc(ptr {_object(id(dtype.type))}, i64 0)")
    sizes = ", ".join(f"i64 {n}" for n in shape)
    module.definitions["shape"] = f"@shape = private constant [{len(shape)} x i64] [{sizes}]"
    module.declare("Py_IncRef", "void", "ptr")
    e.put(f"call void @Py_IncRef(ptr {_object(id(dtype))})")  # which the array takes over
    return e.do(
        f"call ptr {_object(_new_array())}(ptr {_object(id(np.ndarray))}, ptr {_object(id(dtype))},"
        f" i32 {len(shape)}, ptr @shape, ptr null, ptr null, i32 0, ptr null)"
    )


def _run(
    e: Emitter,
    module: Module,
    entry: int,
    arguments: str,
    made: str,
    result: tuple[tuple[int, ...], np.dtype[Any]],
) -> None:
    """Call the program; give None where it failed, where the processor noted something, or where a
    number of the result is not finite.
    """
    module.declare("llvm.x86.sse.stmxcsr", "void", "ptr")
    module.declare("llvm.x86.sse.ldmxcsr", "void", "ptr")
    module.declare("Py_DecRef", "void", "ptr")
    state = e.do("alloca i32, align 4")
    e.put(f"call void @llvm.x86.sse.stmxcsr(ptr {state})")
    cleared = e.do(f"and i32 {e.do(f'load i32, ptr {state}')}, {~FLAGS}")
    e.put(f"store i32 {cleared}, ptr {state}")
    e.put(f"call void @llvm.x86.sse.ldmxcsr(ptr {state})")
    code = e.do(f"call ptr {_object(entry)}({arguments})")
    e.put(f"call void @llvm.x86.sse.stmxcsr(ptr {state})")
    e.put(f"call void @Py_DecRef(ptr {code})")  # it is 0 where all is well, of which there is one
    noted = e.do(f"and i32 {e.do(f'load i32, ptr {state}')}, {NOTED}")
    quiet = e.do(f"icmp eq i32 {noted}, 0")
    done = e.do(f"icmp eq ptr {code}, {_object(id(0))}")
    good = e.do(f"and i1 {quiet}, {done}")
    e.put(f"br i1 {good}, label %done, label %bad")
    e.label("done")
    _look(e, made, *result)
    e.label("bad")
    e.put(f"call void @Py_DecRef(ptr {made})")
    _none(e, module)
    e.label("good")


def _look(e: Emitter, made: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    """Go to `good` if all numbers of the result are finite, else to `bad`."""
    data = (
        _at(e, made, DATA_AT, "ptr")
        if shape
        else e.do(f"getelementptr i8, ptr {made}, i64 {DATA_AT}")
    )
    bits, infinite = ("i64", 0x7FF << 52) if dtype.itemsize == 8 else ("i32", 0xFF << 23)
    e.put("br label %look")
    e.label("look")
    e.put("%i = phi i64 [ 0, %done ], [ %j, %finite ]")
    number = e.do(f"load {bits}, ptr {e.do(f'getelementptr {bits}, ptr {data}, i64 %i')}")
    exponent = e.do(f"and {bits} {number}, {infinite}")
    e.put("%j = add i64 %i, 1")
    e.put(f"br i1 {e.do(f'icmp eq {bits} {exponent}, {infinite}')}, label %bad, label %finite")
    e.label("finite")
    more = e.do(f"icmp ult i64 %j, {math.prod(shape)}")
    e.put(f"br i1 {more}, label %look, label %good")


def _none(e: Emitter, module: Module) -> None:
    module.declare("Py_IncRef", "void", "ptr")
    e.put(f"call void @Py_IncRef(ptr {_object(id(None))})")
    e.put(f"ret ptr {_object(id(None))}")
