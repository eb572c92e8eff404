"""LLVM at work: text to machine code, in memory or as an object file.

llvmlite is imported here, when it is first needed.
"""

from __future__ import annotations

import functools
import threading
from dataclasses import dataclass
from typing import Any, Final

from chainrule.errors import ArgumentError, at, user_line

_lock = threading.Lock()
"""LLVM's parser and code generator are used by one thread at a time."""


@dataclass(frozen=True)
class Target:
    """A processor that code is made for."""

    cpu: str
    """What LLVM calls it."""
    features: str
    vector_bytes: int
    """Bytes of its widest vectors."""
    fma: bool
    """Whether it multiplies and adds in one instruction."""


def available() -> bool:
    """Whether llvmlite is there."""
    try:
        import llvmlite.binding
    except ImportError:
        return False
    return llvmlite.binding is not None


@functools.lru_cache(maxsize=1)
def _setup() -> Any:
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    return llvm


@functools.lru_cache(maxsize=1)
def host() -> Target:
    """The processor of this machine."""
    llvm = _setup()
    features = llvm.get_host_cpu_features()
    return Target(
        llvm.get_host_cpu_name(),
        features.flatten(),
        64 if features.get("avx512f") else 32 if features.get("avx") else 16,
        bool(features.get("fma")) or "fma" not in features,
    )


LEVELS: Final = {
    "x86-64": (16, False), "x86-64-v2": (16, False), "x86-64-v3": (32, True),
    "x86-64-v4": (64, True),
}  # fmt: skip
"""The levels of the x86-64 architecture (its psABI names them): bytes of vectors, and FMA."""


def target(cpu: str) -> Target:
    """The processor of a name: "native" is this one, "generic" any of this architecture."""
    if cpu == "native":
        return host()
    x86 = _setup().get_default_triple().startswith(("x86_64", "amd64"))
    if cpu == "generic":
        return Target("generic", "", 16, not x86)
    if x86 and cpu in LEVELS:
        return Target(cpu, "", *LEVELS[cpu])
    known = ["native", "generic", *(LEVELS if x86 else ())]
    raise ArgumentError(f"cpu={cpu!r} is none of {', '.join(map(repr, known))}" + at(user_line()))


def _parsed(llvm: Any, text: str, machine: Any, promote: bool) -> Any:
    """A module of LLVM, with its small functions inlined."""
    module = llvm.parse_assembly(text)
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
    return module


def object_code(text: str, target: Target, opt: int = 2, promote: bool = False) -> bytes:
    """An object file, which may be linked anywhere (position-independent code)."""
    llvm = _setup()
    with _lock:
        machine = llvm.Target.from_default_triple().create_target_machine(
            cpu=target.cpu, features=target.features, opt=opt, reloc="pic", codemodel="default"
        )
        return bytes(machine.emit_object(_parsed(llvm, text, machine, promote)))


class Machine:
    """Machine code in memory, as long as this object lives."""

    def __init__(self, text: str, opt: int = 2, promote: bool = False) -> None:
        """If `promote`, memory on the stack that nothing else sees is kept in registers."""
        llvm, here = _setup(), host()
        with _lock:
            self._machine = llvm.Target.from_default_triple().create_target_machine(
                cpu=here.cpu, features=here.features, opt=opt, jit=True
            )
            self.module = _parsed(llvm, text, self._machine, promote)
            self._engine = llvm.create_mcjit_compiler(self.module, self._machine)
            self._engine.finalize_object()

    def address(self, name: str) -> int:
        """The address of a function."""
        return int(self._engine.get_function_address(name))

    def assembly(self) -> str:
        """The machine code as the assembler writes it."""
        with _lock:
            return str(self._machine.emit_assembly(self.module))
