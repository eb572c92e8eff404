"""The entry of a program that stands in for NumPy's evaluation of an operation.

It is a function of Python's own kind around `codegen.direct`. For arguments unlike those it was
made for it gives what the next such function gives, or None; None as well where the processor noted
an invalid operation, a division by zero, an overflow or an underflow, and where a number of the
result is infinite or NaN, as the functions of `codegen.vectormath` note nothing: NumPy, which then
computes the operation, says so as it was told to.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from chainrule.codegen.assemble import FLAGS_AT, PLAIN
from chainrule.codegen.direct import DATA_AT, TYPE_AT
from chainrule.codegen.text import Emitter, Module

FEW: Final = 512
"""Of more numbers not all are looked at: larger results are those of products, which note what is
wrong.
"""

GUARD: Final = "guard"
"""What the function is called."""

NOTED: Final = 0x1D
"""Bits of the processor's MXCSR register: invalid, division by zero, overflow, underflow."""

FLAGS: Final = 0x3F
"""Bits of the same register that are set when something is noted, and stay."""


@dataclass(frozen=True)
class Expected:
    """An argument as it must be: `like` one, or, if `fixed`, the same number."""

    like: Any
    fixed: bool


def guarded(
    expected: Sequence[Expected],
    given: Sequence[int],
    result: tuple[tuple[int, ...], np.dtype[Any]],
    direct: tuple[int, int, int],
    following: int,
) -> str:
    """The module of the function.

    `given` are the arguments of the program, which has one result, of a shape and dtype; `direct`
    is its function, what that is bound to, and the object it gives for other arguments;
    `following` is the next function, or 0. All are addresses.
    """
    return _Guard(expected, given, direct, following).text(*result)


class _Guard:
    def __init__(
        self,
        expected: Sequence[Expected],
        given: Sequence[int],
        direct: tuple[int, int, int],
        following: int,
    ) -> None:
        self.expected, self.given, self.direct = expected, given, direct
        self.following = following
        self.module = Module()
        self.e, self.tests = Emitter(self.module), 0

    def text(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> str:
        """The module."""
        e = self.e
        for name in ("Py_IncRef", "Py_DecRef", "llvm.x86.sse.stmxcsr", "llvm.x86.sse.ldmxcsr"):
            self.module.declare(name, "void", "ptr")
        e.label("entry")
        objects = [self._field("%args", 8 * k) for k in range(len(self.expected))]
        for o, x in zip(objects, self.expected, strict=True):
            self._check(o, x)
        made, noted = self._run([objects[k] for k in self.given])
        e.put(f"br i1 {noted}, label %bad, label %done")
        e.label("done")
        if math.prod(shape) <= FEW:
            self._look(made, shape, dtype)
        else:
            e.put("br label %good")
        e.label("bad")
        e.put(f"call void @Py_DecRef(ptr {made})")
        self._none()
        e.label("good")
        e.put(f"ret ptr {made}")
        self._unlike()
        head = f"define ptr @{GUARD}(ptr %self, ptr %args, i64 %count) #0 {{"
        self.module.functions.append("\n".join([head, *e.lines, "}"]))
        return self.module.text()

    def _field(self, thing: str, at: int, t: str = "ptr") -> str:
        e = self.e
        return e.do(f"load {t}, ptr {e.do(f'getelementptr i8, ptr {thing}, i64 {at}')}")

    def _unless(self, holds: str) -> None:
        """Go on where a comparison holds."""
        e, self.tests = self.e, self.tests + 1
        e.put(f"br i1 {e.do(holds)}, label %like{self.tests}, label %unlike")
        e.label(f"like{self.tests}")

    def _check(self, o: str, x: Expected) -> None:
        """What `direct` does not look at: fixed numbers, and whether an array is contiguous."""
        e = self.e
        if not x.fixed:
            if isinstance(x.like, np.ndarray):
                self._is(o, np.ndarray)
                plain = e.do(f"and i32 {self._field(o, FLAGS_AT, 'i32')}, {PLAIN}")
                self._unless(f"icmp eq i32 {plain}, {PLAIN}")
        elif type(x.like) is float:
            self._is(o, float)
            bits = struct.unpack("<q", struct.pack("<d", x.like))[0]
            self._unless(f"icmp eq i64 {self._field(o, DATA_AT, 'i64')}, {bits}")
        else:  # a small integer is one object
            self._unless(f"icmp eq ptr {o}, {_object(id(x.like))}")

    def _is(self, o: str, kind: type) -> None:
        self._unless(f"icmp eq ptr {self._field(o, TYPE_AT)}, {_object(id(kind))}")

    def _run(self, objects: Sequence[str]) -> tuple[str, str]:
        """The result of the program, and whether the processor noted something."""
        e = self.e
        count = len(objects)
        given = e.do(f"alloca [{count} x ptr], align 8")
        for k, o in enumerate(objects):
            e.put(f"store ptr {o}, ptr {e.do(f'getelementptr ptr, ptr {given}, i64 {k}')}")
        state = e.do("alloca i32, align 4")
        e.put(f"call void @llvm.x86.sse.stmxcsr(ptr {state})")
        cleared = e.do(f"and i32 {e.do(f'load i32, ptr {state}')}, {~FLAGS}")
        e.put(f"store i32 {cleared}, ptr {state}")
        e.put(f"call void @llvm.x86.sse.ldmxcsr(ptr {state})")
        function, bound, missed = map(_object, self.direct)
        made = e.do(f"call ptr {function}(ptr {bound}, ptr {given}, i64 {count})")
        e.put(f"call void @llvm.x86.sse.stmxcsr(ptr {state})")
        noted = e.do(f"and i32 {e.do(f'load i32, ptr {state}')}, {NOTED}")
        e.put(f"br i1 {e.do(f'icmp eq ptr {made}, null')}, label %raised, label %returned")
        e.label("raised")
        e.put("ret ptr null")
        e.label("returned")
        e.put(f"br i1 {e.do(f'icmp eq ptr {made}, {missed}')}, label %missed, label %made")
        e.label("missed")
        e.put(f"call void @Py_DecRef(ptr {made})")
        e.put("br label %unlike")
        e.label("made")
        return made, e.do(f"icmp ne i32 {noted}, 0")

    def _look(self, made: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        """Go to `good` if all numbers of the result are finite, else to `bad`."""
        e = self.e
        data = e.do(f"getelementptr i8, ptr {made}, i64 {DATA_AT}")
        if shape:
            data = e.do(f"load ptr, ptr {data}")
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

    def _unlike(self) -> None:
        """What the next function gives."""
        e = self.e
        e.label("unlike")
        if not self.following:
            self._none()
            return
        call = f"call ptr {_object(self.following)}(ptr %self, ptr %args, i64 %count)"
        e.put(f"%next = musttail {call}")
        e.put("ret ptr %next")

    def _none(self) -> None:
        self.e.put(f"call void @Py_IncRef(ptr {_object(id(None))})")
        self.e.put(f"ret ptr {_object(id(None))}")


def _object(address: int) -> str:
    return f"inttoptr (i64 {address} to ptr)"
