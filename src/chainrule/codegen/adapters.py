"""Functions with the signatures in which libraries call back, around those of `codegen.entries`.

They are what `scipy.LowLevelCallable` takes. A signature that has no place for an error says NaN.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from chainrule.codegen.entries import Function, Parameter
from chainrule.codegen.text import Emitter, Module

NAN: Final = "0x7FF8000000000000"


@dataclass(frozen=True)
class Adapter:
    """A function with the signature that some library calls, around one of ours."""

    kind: str
    name: str
    function: Function


class _Signature:
    """How a library calls back: its signature, and which of our functions fit."""

    def __init__(self, c: str, llvm: str, types: tuple[str, ...], fits: str) -> None:
        self.c, self.llvm = c, llvm  # the name is left out
        self.types = types
        """Types of the result and of the parameters."""
        self.fits = fits
        """What suits, in words."""

    def suits(self, f: Function) -> bool:
        """Whether a function can be called so."""
        raise NotImplementedError

    def body(self, e: Emitter, f: Function) -> None:
        """The instructions."""
        raise NotImplementedError

    def write(self, a: Adapter, module: Module) -> str:
        """The function around ours."""
        e = Emitter(module)
        e.label("entry")
        self.body(e, a.function)
        head = f"define {self.llvm.format(name=a.name)} #0 {{"
        return "\n".join([head, *e.lines, "}"])


def _call(e: Emitter, f: Function, arguments: Sequence[str]) -> str:
    """Whether our function succeeded."""
    rest = ["ptr null"] if f.workspace else []
    code = e.do(f"call i32 @{f.name}({', '.join([*arguments, *rest])})")
    return e.do(f"icmp eq i32 {code}, 0")


def _unless(e: Emitter, good: str, result: str) -> None:
    number = len(e.lines)
    e.put(f"br i1 {good}, label %go{number}, label %stop{number}")
    e.label(f"stop{number}")
    e.put(f"ret {result}")
    e.label(f"go{number}")


def _doubles(parameters: Sequence[Parameter]) -> bool:
    return all(p.value.code == "f8" for p in parameters)


def _number(f: Function) -> bool:
    """Whether the result is one double."""
    return _doubles(f.outputs) and len(f.outputs) == 1 and f.outputs[0].value.size == 1


def _one_array(parameters: Sequence[Parameter]) -> bool:
    return _doubles(parameters) and len(parameters) == 1 and bool(parameters[0].value.shape)


class _Scalar(_Signature):
    """`double f(double)`."""

    def suits(self, f: Function) -> bool:
        return _number(f) and _doubles(f.inputs) and [p.value.shape for p in f.inputs] == [()]

    def body(self, e: Emitter, f: Function) -> None:
        out = e.do("alloca double, align 8")
        _unless(e, _call(e, f, ["double %x", f"ptr {out}"]), f"double {NAN}")
        e.put(f"ret double {e.do(f'load double, ptr {out}')}")


class _Integrand(_Signature):
    """`double f(int n, double *xx, void *)`: the arguments one after the other."""

    def suits(self, f: Function) -> bool:
        return _number(f) and _doubles(f.inputs) and bool(f.inputs)

    def body(self, e: Emitter, f: Function) -> None:
        out = e.do("alloca double, align 8")
        total = sum(p.value.size for p in f.inputs)
        _unless(e, e.do(f"icmp eq i32 %n, {total}"), f"double {NAN}")
        arguments, at = [], 0
        for p in f.inputs:
            place = e.do(f"getelementptr double, ptr %xx, i64 {at}")
            at += p.value.size
            arguments.append(
                f"ptr {place}" if p.value.shape else f"double {e.do(f'load double, ptr {place}')}"
            )
        _unless(e, _call(e, f, [*arguments, f"ptr {out}"]), f"double {NAN}")
        e.put(f"ret double {e.do(f'load double, ptr {out}')}")


class _Filter(_Signature):
    """`int f(double *buffer, intptr_t size, double *result, void *)`."""

    def suits(self, f: Function) -> bool:
        return _number(f) and _one_array(f.inputs)

    def body(self, e: Emitter, f: Function) -> None:
        _unless(e, e.do(f"icmp eq i64 %n, {f.inputs[0].value.size}"), "i32 0")
        good = _call(e, f, ["ptr %x", "ptr %y"])
        e.put(f"ret i32 {e.do(f'zext i1 {good} to i32')}")


class _Line(_Signature):
    """`int f(double *in, intptr_t n, double *out, intptr_t m, void *)`."""

    def suits(self, f: Function) -> bool:
        return _one_array(f.inputs) and _one_array(f.outputs)

    def body(self, e: Emitter, f: Function) -> None:
        for name, p in (("n", f.inputs[0]), ("m", f.outputs[0])):
            _unless(e, e.do(f"icmp eq i64 %{name}, {p.value.size}"), "i32 0")
        good = _call(e, f, ["ptr %x", "ptr %y"])
        e.put(f"ret i32 {e.do(f'zext i1 {good} to i32')}")


class _Mapping(_Signature):
    """`int f(intptr_t *there, double *here, int n, int m, void *)`: places to places."""

    def suits(self, f: Function) -> bool:
        vectors = _one_array(f.inputs) and _one_array(f.outputs)
        return vectors and all(p.value.ndim == 1 for p in (*f.inputs, *f.outputs))

    def body(self, e: Emitter, f: Function) -> None:
        size = f.inputs[0].value.size
        for name, count in (("n", size), ("m", f.outputs[0].value.size)):
            _unless(e, e.do(f"icmp eq i32 %{name}, {count}"), "i32 0")
        numbers = e.do(f"alloca [{size} x double], align 8")
        for k in range(size):
            i = e.do(f"load i64, ptr {e.do(f'getelementptr i64, ptr %x, i64 {k}')}")
            to = e.do(f"getelementptr double, ptr {numbers}, i64 {k}")
            e.put(f"store double {e.do(f'sitofp i64 {i} to double')}, ptr {to}")
        good = _call(e, f, [f"ptr {numbers}", "ptr %y"])
        e.put(f"ret i32 {e.do(f'zext i1 {good} to i32')}")


ADAPTERS: Final[dict[str, _Signature]] = {
    "scalar": _Scalar(
        "double {name}(double x)", "double @{name}(double %x)", ("double", "double"),
        "one double by value, and one double as result",
    ),
    "integrand": _Integrand(
        "double {name}(int n, double *xx, void *user_data)",
        "double @{name}(i32 %n, ptr %xx, ptr %data)",
        ("double", "int", "double *", "void *"),
        "doubles and arrays of them, and one double as result",
    ),
    "filter": _Filter(
        "int {name}(double *buffer, intptr_t filter_size, double *return_value, void *user_data)",
        "i32 @{name}(ptr %x, i64 %n, ptr %y, ptr %data)",
        ("int", "double *", "intptr_t", "double *", "void *"),
        "one array of doubles, and one double as result",
    ),
    "line_filter": _Line(
        "int {name}(double *input_line, intptr_t input_length, double *output_line, "
        "intptr_t output_length, void *user_data)",
        "i32 @{name}(ptr %x, i64 %n, ptr %y, i64 %m, ptr %data)",
        ("int", "double *", "intptr_t", "double *", "intptr_t", "void *"),
        "one array of doubles, and one as result",
    ),
    "mapping": _Mapping(
        "int {name}(intptr_t *output_coordinates, double *input_coordinates, int output_rank, "
        "int input_rank, void *user_data)",
        "i32 @{name}(ptr %x, ptr %y, i32 %n, i32 %m, ptr %data)",
        ("int", "intptr_t *", "double *", "int", "int", "void *"),
        "one vector of doubles, and one as result",
    ),
}  # fmt: skip
"""What `scipy.LowLevelCallable` takes for: functions of one number; `integrate.quad` and `nquad`;
`ndimage.generic_filter`, `generic_filter1d` and `geometric_transform`.
"""


def write(adapters: Sequence[Adapter], module: Module) -> None:
    """Append adapters to a module."""
    for a in adapters:
        module.functions.append(ADAPTERS[a.kind].write(a, module))
