"""Machine code of the functions over arrays: for tests and measurements, not for programs."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterable
from string import Template
from time import process_time
from typing import Any, Final

import llvmlite.binding as llvm
import numpy as np

from chainrule.codegen.vectormath import function

LOOP: Final = Template("""\
define void @"kernel.$name"(ptr noalias %out, ptr noalias %in0, ptr noalias %in1, i64 %n) #0 {
entry:
  br label %loop
loop:
  %i = phi i64 [ 0, %entry ], [ %next, %more ]
$body
  br label %more
more:
  %next = add i64 %i, $lanes
  %any = icmp slt i64 %next, %n
  br i1 %any, label %loop, label %done
done:
  ret void
}
""")
ATTRIBUTES: Final = (
    'attributes #0 = {{ nounwind "prefer-vector-width"="{0}" "min-legal-vector-width"="{0}" }}\n'
)


def assembly(
    names: Iterable[str],
    bits: int,
    lanes: int,
    *,
    fma: bool = True,
    avx512: bool = False,
    width: int = 512,
) -> str:
    """A module with a loop `kernel.NAME(out, in0, in1, n)` for each function.

    n is a multiple of lanes. A second result, of sincos, is written after the first. Vectors wider
    than `width` bits are split.
    """
    definitions: dict[str, str] = {}
    loops = []
    for name in names:
        f = function(name, bits, lanes, fma=fma, avx512=avx512)
        definitions |= f.definitions
        t, scalar = f.operands[0], f"{'double' if bits == 64 else 'float'}"
        aligned, operands = f"align {bits // 8}", range(len(f.operands))
        body = [
            line
            for k in operands
            for line in (
                f"  %at{k} = getelementptr {scalar}, ptr %in{k}, i64 %i",
                f"  %a{k} = load {t}, ptr %at{k}, {aligned}",
            )
        ]
        body.append(f"  %y = {f.call(*(f'%a{k}' for k in operands))}")
        if f.result == t:
            results = ["%y"]
        else:
            results = ["%y0", "%y1"]
            body += [f"  %y{k} = extractvalue {f.result} %y, {k}" for k in range(2)]
        for k, y in enumerate(results):
            body += [
                f"  %i{k} = add i64 %i, {'%n' if k else 0}",
                f"  %to{k} = getelementptr {scalar}, ptr %out, i64 %i{k}",
                f"  store {t} {y}, ptr %to{k}, {aligned}",
            ]
        loops.append(LOOP.substitute(name=name, body="\n".join(body), lanes=lanes))
    return "\n".join([*definitions.values(), *loops, ATTRIBUTES.format(width)])


class Kernel:
    """One function over arrays of one dimension: `kernel(x)` or `kernel(x, y)`."""

    def __init__(self, name: str, bits: int, lanes: int, engine: Any) -> None:
        self.dtype, self.lanes = np.dtype(f"f{bits // 8}"), lanes
        self.results = 2 if name == "sincos" else 1
        self._engine = engine  # owns the code
        signature = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 3, ctypes.c_int64)
        self.entry: Callable[..., None] = signature(engine.get_function_address(f"kernel.{name}"))
        """The machine code: addresses of the result and of two operands, and their length."""

    def __call__(self, *operands: Any) -> Any:
        """The results, of sincos in two rows."""
        arrays = [np.asarray(x, self.dtype) for x in operands]
        n = len(arrays[0])
        padded = [np.resize(x, -(-n // self.lanes) * self.lanes) for x in arrays]
        out = np.empty((self.results, len(padded[0])), self.dtype)
        self.run(out, *padded)
        return out[:, :n] if self.results > 1 else out[0, :n]

    def run(self, out: Any, *operands: Any) -> None:
        """Into an array, from contiguous arrays whose length is a multiple of the lanes."""
        addresses = [x.ctypes.data for x in (out, *operands)]
        self.entry(*addresses, *[None] * (3 - len(addresses)), operands[0].shape[-1])


def compiled(
    names: Iterable[str],
    bits: int,
    lanes: int,
    *,
    fma: bool = True,
    avx512: bool = False,
    width: int = 512,
) -> tuple[dict[str, Kernel], float]:
    """The kernels by name, and the seconds that LLVM took for their module."""
    names = list(names)
    text = assembly(names, bits, lanes, fma=fma, avx512=avx512, width=width)
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    machine = llvm.Target.from_default_triple().create_target_machine(
        cpu=llvm.get_host_cpu_name(),
        features=llvm.get_host_cpu_features().flatten(),
        opt=2,
        jit=True,
    )
    start = process_time()
    module = llvm.parse_assembly(text)
    passes = llvm.create_new_module_pass_manager()
    passes.add_always_inliner_pass()
    passes.run(module, llvm.create_pass_builder(machine, llvm.create_pipeline_tuning_options()))
    engine = llvm.create_mcjit_compiler(module, machine)
    engine.finalize_object()
    seconds = process_time() - start
    return {name: Kernel(name, bits, lanes, engine) for name in names}, seconds
