"""How machine code reaches what is not its own: constants, BLAS, and Python.

Code in memory (`InProcess`) knows the addresses of this process. An object file (`InObject`) holds
its constants itself, names what the linker is to find, and cannot call Python.
"""

from __future__ import annotations

import ctypes
from typing import Any, Final, Protocol

import numpy as np

from chainrule.codegen import blas
from chainrule.codegen.loops import Buffer
from chainrule.codegen.text import Module


class Linkage(Protocol):
    """Pointers, as LLVM writes constants."""

    def constant(self, b: Buffer, module: Module) -> str:
        """Where a constant is."""

    def routine(self, name: str, module: Module) -> str:
        """A routine of BLAS, in its Fortran convention."""

    def callback(self) -> str:
        """The function that runs a row by NumPy."""

    def poll(self, module: Module) -> str | None:
        """A function that asks whether the user wants the program to stop: not 0 if so."""


class InProcess:
    """Addresses of this process. The arrays live as long as the code does."""

    def __init__(self, callback: int, unlocked: bool) -> None:
        """If `unlocked`, the code runs without Python's lock (the GIL)."""
        self._callback, self._unlocked = callback, unlocked
        self.arrays: dict[Buffer, Any] = {}

    def constant(self, b: Buffer, module: Module) -> str:
        """The address of an array, which this object keeps."""
        if b not in self.arrays:
            self.arrays[b] = np.ascontiguousarray(b.value.const, dtype=b.value.dtype)
        return _pointer(address_of(self.arrays[b]))

    def routine(self, name: str, module: Module) -> str:
        """The address of SciPy's."""
        return _pointer(blas.address(name))

    def callback(self) -> str:
        """The address of a ctypes function."""
        return _pointer(self._callback)

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

    def __init__(self) -> None:
        self._symbols: dict[Buffer, str] = {}

    def constant(self, b: Buffer, module: Module) -> str:
        """Bytes that the object holds."""
        if b not in self._symbols:
            data = np.ascontiguousarray(b.value.const, dtype=b.value.dtype).tobytes()
            name = self._symbols[b] = f"constant.{len(self._symbols)}"
            text = "".join([_BYTES[k] for k in data])
            module.definitions[name] = (
                f'@{name} = private constant [{len(data)} x i8] c"{text}", align 64'
            )
        return f"@{self._symbols[b]}"

    def routine(self, name: str, module: Module) -> str:
        """The symbol of a BLAS library: `dgemm_`."""
        symbol = f"{name}_"
        module.declare(symbol, "void", "...")
        return f"@{symbol}"

    def callback(self) -> str:
        """There is no Python."""
        raise AssertionError("a program with callbacks is not for an object file")

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


def _pointer(address: int) -> str:
    return f"inttoptr (i64 {address} to ptr)"


def address_of(array: Any) -> int:
    """Where an array's data are."""
    return int(array.__array_interface__["data"][0])


def callback_type() -> Any:
    """The C type of the function that runs a callback."""
    return ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int64, ctypes.c_void_p)
