"""LLVM at work: text to machine code. llvmlite is imported here, when it is first needed."""

from __future__ import annotations

import ctypes
import functools
import threading
from collections.abc import Sequence
from typing import Any

_lock = threading.Lock()
"""LLVM's parser and code generator are used by one thread at a time."""


def available() -> bool:
    """Whether llvmlite is there."""
    try:
        import llvmlite.binding
    except ImportError:
        return False
    return llvmlite.binding is not None


@functools.lru_cache(maxsize=1)
def _setup() -> tuple[Any, str, str]:
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    features = llvm.get_host_cpu_features()
    return llvm, llvm.get_host_cpu_name(), features.flatten()


@functools.lru_cache(maxsize=1)
def vector_bytes() -> int:
    """Bytes of the widest vectors of this processor."""
    llvm, _, _ = _setup()
    features = llvm.get_host_cpu_features()
    return 64 if features.get("avx512f") else 32 if features.get("avx") else 16


@functools.lru_cache(maxsize=1)
def has_fma() -> bool:
    """Whether this processor multiplies and adds in one instruction."""
    llvm, _, _ = _setup()
    features = llvm.get_host_cpu_features()
    return bool(features.get("fma")) or "fma" not in features


@functools.lru_cache(maxsize=1)
def registers() -> int:
    """How many vector registers this processor has."""
    llvm, _, _ = _setup()
    features = llvm.get_host_cpu_features()
    return 32 if features.get("avx512f") or features.get("neon") else 16


def version() -> str:
    """What decides, besides a module's text, which machine code comes of it."""
    import llvmlite

    llvm, cpu, features = _setup()
    return f"{llvmlite.__version__} {llvm.llvm_version_info} {cpu} {features}"


def _compiled(text: str, opt: int, promote: bool) -> tuple[Any, Any]:
    """The module of a text, optimized, and the machine it is for."""
    llvm, cpu, features = _setup()
    module = llvm.parse_assembly(text)
    target = llvm.Target.from_default_triple()
    machine = target.create_target_machine(cpu=cpu, features=features, opt=opt, jit=True)
    if "alwaysinline" in text:
        options = llvm.create_pipeline_tuning_options(speed_level=1)
        passes = llvm.create_pass_builder(machine, options)
        manager = llvm.create_new_module_pass_manager()
        manager.add_always_inliner_pass()
        if promote:
            manager.add_sroa_pass()
            manager.add_instruction_combine_pass()
            manager.add_simplify_cfg_pass()
        manager.run(module, passes)
    return module, machine


def object_code(text: str, opt: int = 2, promote: bool = False) -> bytes:
    """The machine code of a module, as an object file.

    If `promote`, memory on the stack that nothing else sees is kept in registers.
    """
    with _lock:
        module, machine = _compiled(text, opt, promote)
        return bytes(machine.emit_object(module))


def assembly(text: str, opt: int = 2, promote: bool = False) -> str:
    """The machine code of a module as the assembler writes it."""
    with _lock:
        module, machine = _compiled(text, opt, promote)
        return str(machine.emit_assembly(module))


class Machine:
    """Machine code in memory, as long as this object lives."""

    def __init__(self, code: bytes) -> None:
        """`code` is an object file."""
        llvm, cpu, features = _setup()
        with _lock:
            target = llvm.Target.from_default_triple()
            machine = target.create_target_machine(cpu=cpu, features=features, jit=True)
            self._engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine)
            self._engine.add_object_file(llvm.ObjectFileRef.from_data(code))
            self._engine.finalize_object()

    def address(self, name: str) -> int:
        """The address of a function."""
        return int(self._engine.get_function_address(name))

    def place(self, name: str) -> int:
        """The address of a variable."""
        return int(self._engine.get_global_value_address(name))

    def fill(self, name: str, addresses: Sequence[int]) -> None:
        """Write addresses into a table of the module."""
        if addresses:
            (ctypes.c_void_p * len(addresses)).from_address(self.place(name))[:] = list(addresses)
