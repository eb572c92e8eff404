"""LLVM at work: text to machine code, in memory or in an object file.

llvmlite is imported here, when it is first needed.
"""

from __future__ import annotations

import ctypes
import functools
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from chainrule.errors import ArgumentError, at, user_line

_lock = threading.Lock()
"""LLVM's parser and code generator are used by one thread at a time."""


def available() -> bool:
    """Whether llvmlite is there."""
    try:
        import llvmlite.binding
    except ImportError:
        return False
    return llvmlite.binding is not None


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

    @property
    def avx512(self) -> bool:
        """Whether it has AVX-512: no other vectors are as wide."""
        return self.vector_bytes == 64


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
        64 if features.get("avx512dq") else 32 if features.get("avx") else 16,
        bool(features.get("fma")) or "fma" not in features,
    )


@functools.lru_cache(maxsize=1)
def is_x86() -> bool:
    """Whether this processor is of the x86-64 architecture."""
    return bool(_setup().get_default_triple().startswith(("x86_64", "amd64")))


LEVELS: Final = {
    "x86-64": (16, False), "x86-64-v2": (16, False), "x86-64-v3": (32, True),
    "x86-64-v4": (64, True),
}  # fmt: skip
"""The levels of the x86-64 architecture (its psABI names them): bytes of vectors, and FMA."""


def target(cpu: str) -> Target:
    """The processor of a name: "native" is this one, "generic" any of this architecture."""
    if cpu == "native":
        return host()
    x86 = is_x86()
    if cpu == "generic":
        return Target("generic", "", 16, not x86)
    if x86 and cpu in LEVELS:
        return Target(cpu, "", *LEVELS[cpu])
    known = ["native", "generic", *(LEVELS if x86 else ())]
    raise ArgumentError(f"cpu={cpu!r} is none of {', '.join(map(repr, known))}" + at(user_line()))


def vector_bytes() -> int:
    """Bytes of the widest vectors of this processor."""
    return host().vector_bytes


def has_fma() -> bool:
    """Whether this processor multiplies and adds in one instruction."""
    return host().fma


@functools.lru_cache(maxsize=1)
def registers() -> int:
    """How many vector registers this processor has."""
    features = _setup().get_host_cpu_features()
    return 32 if features.get("avx512f") or features.get("neon") else 16


def version() -> str:
    """What decides, besides a module's text, which machine code comes of it."""
    import llvmlite

    here = host()
    return f"{llvmlite.__version__} {_setup().llvm_version_info} {here.cpu} {here.features}"


def _machine(target: Target | None, opt: int = 2) -> Any:
    """LLVM's code generator for this process, or for object files that are linked anywhere."""
    made, own = _setup().Target.from_default_triple(), target or host()
    how: dict[str, Any] = (
        {"jit": True} if target is None else {"reloc": "pic", "codemodel": "default"}
    )
    return made.create_target_machine(cpu=own.cpu, features=own.features, opt=opt, **how)


def _compiled(text: str, opt: int, promote: bool, target: Target | None = None) -> tuple[Any, Any]:
    """The module of a text, optimized, and the machine it is for."""
    llvm = _setup()
    module = llvm.parse_assembly(text)
    machine = _machine(target, opt)
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


def object_code(
    text: str, opt: int = 2, promote: bool = False, target: Target | None = None
) -> bytes:
    """The machine code of a module, as an object file: for this process, or if a target is given,
    to be linked into any program.

    If `promote`, memory on the stack that nothing else sees is kept in registers.
    """
    with _lock:
        module, machine = _compiled(text, opt, promote, target)
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
        llvm = _setup()
        with _lock:
            self._engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), _machine(None))
            self._engine.add_object_file(llvm.ObjectFileRef.from_data(code))

    def address(self, name: str) -> int:
        """The address of a function. The first that is asked for makes the object file ready to
        run; `finalize_object` would compile the engine's own empty module as well.
        """
        return int(self._engine.get_function_address(name))

    def place(self, name: str) -> int:
        """The address of a variable."""
        return int(self._engine.get_global_value_address(name))

    def fill(self, name: str, addresses: Sequence[int]) -> None:
        """Write addresses into a table of the module."""
        if addresses:
            (ctypes.c_void_p * len(addresses)).from_address(self.place(name))[:] = list(addresses)
