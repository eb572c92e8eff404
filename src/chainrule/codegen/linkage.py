"""How machine code reaches what is not its own: constants, BLAS, Python, other threads.

Code for a process (`Table`) reads addresses from a table, which whoever loads it fills in, so that
it is the same in every process. An object file (`InObject`) holds its constants, names what the
linker is to find, and cannot call Python.
"""

from __future__ import annotations

from typing import Final, Protocol

import numpy as np

from chainrule.codegen.loops import Buffer
from chainrule.codegen.text import Emitter, Module

ADDRESSES: Final = "addresses"
"""The table of what a module takes from outside."""

CALLBACK: Final = "callback"
"""The function that runs an operation by NumPy."""

BLAS: Final = "blas."
"""A routine of BLAS: `blas.dgemv`."""

GEMM: Final = "gemm."
"""The matrix product of a dtype (`codegen.gemm`): `gemm.f8`."""

CONSTANT: Final = "constant."
"""The memory of a constant: `constant.0`."""

PARALLEL: Final = "pool.parallel"
"""The function that has threads share a loop (`codegen.pool`)."""


class Linkage(Protocol):
    """Pointers to what is outside."""

    gemm: bool
    """Whether there is a matrix product of our own."""

    def outside(self, name: str, e: Emitter) -> str:
        """The pointer to what a name stands for."""

    def constant(self, b: Buffer, e: Emitter) -> str:
        """Where a constant is."""

    def poll(self, module: Module) -> str | None:
        """A function that asks whether the user wants the program to stop: not 0 if so."""


class Table:
    """A table of addresses in the module."""

    gemm = True

    def __init__(self, constants: dict[Buffer, str], unlocked: bool) -> None:
        """`constants` are named; if `unlocked`, the code runs without Python's lock (the GIL)."""
        self._constants, self._unlocked = constants, unlocked
        self.places: dict[str, int] = {}
        """Of each name, its place in the table."""

    def outside(self, name: str, e: Emitter) -> str:
        """What is read from the table."""
        return e.do(self.loaded(name))

    def loaded(self, name: str) -> str:
        """The instruction that reads it."""
        place = self.places.setdefault(name, len(self.places))
        return f"load ptr, ptr getelementptr (ptr, ptr @{ADDRESSES}, i64 {place})"

    def constant(self, b: Buffer, e: Emitter) -> str:
        """A constant is outside, as all else."""
        return self.outside(self._constants[b], e)

    def poll(self, module: Module) -> str:
        """Runs what Python has put off until now: handlers of signals, in the main thread. One
        that raises (Ctrl-C does) ends the program. Other threads get the lock for a moment.
        """
        if "poll" not in module.definitions:
            take, give = _UNLOCKED if self._unlocked else _LOCKED
            for name, result, arguments in (*_POLLS, ("PyErr_CheckSignals", "i32", "")):
                module.declare(name, result, arguments)
            module.definitions["poll"] = "\n".join(
                [
                    f"define internal i32 @poll() cold noinline nounwind {_UNSEEN} {{",
                    *take,
                    "  %code = call i32 @PyErr_CheckSignals()",
                    *give,
                    "  ret i32 %code",
                    "}",
                ]
            )
        return "poll"


class InObject:
    """Symbols of an object file."""

    gemm = False

    def __init__(self) -> None:
        self._symbols: dict[Buffer, str] = {}

    def outside(self, name: str, e: Emitter) -> str:
        """The symbol of a routine of BLAS: `dgemm_`. There is nothing else."""
        kind, _, routine = name.partition(".")
        assert kind + "." == BLAS, f"{name} is not for an object file"
        symbol = f"{routine}_"
        e.module.declare(symbol, "void", "...")
        return f"@{symbol}"

    def constant(self, b: Buffer, e: Emitter) -> str:
        """Bytes that the object holds."""
        if b not in self._symbols:
            data = np.ascontiguousarray(b.value.const, dtype=b.value.dtype).tobytes()
            name = self._symbols[b] = f"constant.{len(self._symbols)}"
            text = "".join([_BYTES[k] for k in data])
            e.module.definitions[name] = (
                f'@{name} = private constant [{len(data)} x i8] c"{text}", align 64'
            )
        return f"@{self._symbols[b]}"

    def poll(self, module: Module) -> None:
        """Nobody asks."""


_UNSEEN: Final = "memory(inaccessiblemem: readwrite)"
"""What a function may change that nothing else in the module reads."""

_POLLS: Final = (
    ("PyEval_SaveThread", "ptr", ""), ("PyEval_RestoreThread", "void", "ptr"),
    ("PyGILState_Ensure", "i32", ""), ("PyGILState_Release", "void", "i32"),
)  # fmt: skip
_LOCKED: Final[tuple[list[str], list[str]]] = (
    [
        "  %state = call ptr @PyEval_SaveThread()",
        "  call void @PyEval_RestoreThread(ptr %state)",
    ],
    [],
)
_UNLOCKED: Final = (
    ["  %lock = call i32 @PyGILState_Ensure()"],
    ["  call void @PyGILState_Release(i32 %lock)"],
)

_BYTES: Final = [f"\\{k:02X}" for k in range(256)]
