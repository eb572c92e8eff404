"""The C header of an object file: prototypes, and what a caller must know."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from chainrule.codegen.adapters import ADAPTERS, Adapter
from chainrule.codegen.entries import Function, Parameter
from chainrule.codegen.steps import NO_MEMORY, OK, OUT_OF_RANGE, TOO_LONG

TYPES: Final = {"f8": "double", "f4": "float", "b1": "bool"} | {
    f"{sign}{n // 8}": f"{'u' * (sign == 'u')}int{n}_t" for sign in "iu" for n in (8, 16, 32, 64)
}
"""The type of an element in C."""

CODES: Final = {"OK": OK, "OUT_OF_RANGE": OUT_OF_RANGE, "TOO_LONG": TOO_LONG,
                "NO_MEMORY": NO_MEMORY}  # fmt: skip
MEANING: Final = {
    "OK": "the results are there",
    "OUT_OF_RANGE": "an index is out of range",
    "TOO_LONG": "a loop goes on after max_iterations turns",
    "NO_MEMORY": "no memory for temporaries, or for the way back through a loop",
}

KEYWORDS: Final = frozenset(
    """alignas alignof and and_eq asm auto bitand bitor bool break case catch char class compl const
    constexpr const_cast continue decltype default delete do double dynamic_cast else enum explicit
    export extern false float for friend goto if inline int long main mutable namespace new noexcept
    not not_eq nullptr operator or or_eq private protected public register reinterpret_cast restrict
    return short signed sizeof static static_assert static_cast struct switch template this
    thread_local throw true try typedef typeid typename typeof union unsigned using virtual void
    volatile wchar_t while xor xor_eq""".split()  # noqa: SIM905 - a hundred quotes fewer
)
"""Words of C and C++ that name nothing else."""


def prototype(f: Function) -> str:
    """The declaration of a function."""
    parts = [_input(p) for p in f.inputs]
    parts += [f"{TYPES[p.value.code]} *{p.name}" for p in f.outputs]
    parts += ["void *workspace"] * bool(f.workspace)
    return f"int {f.name}({', '.join(parts)})"


def adapter_prototype(a: Adapter) -> str:
    """The declaration of an adapter."""
    return ADAPTERS[a.kind].c.format(name=a.name)


def _input(p: Parameter) -> str:
    kind = TYPES[p.value.code]
    return f"const {kind} *{p.name}" if p.value.shape else f"{kind} {p.name}"


def header(
    name: str,
    functions: Sequence[Function],
    adapters: Sequence[Adapter],
    says: str,
    link: str,
) -> str:
    """The text of the file."""
    upper = name.upper()
    lines = [
        f"/* {says}",
        "",
        f"   {link}",
        "",
        "   Arrays lie in memory without gaps, in the order of C (the last axis runs fastest).",
        "   Results must not overlap arguments, or each other. Functions keep nothing between",
        "   calls: several threads may call them at once. What a function returns is one of the",
        f"   codes below; if it is not {upper}_OK, the results are undefined. */",
        f"#ifndef {upper}_H",
        f"#define {upper}_H",
        "",
        "#include <stdbool.h>",
        "#include <stdint.h>",
        "",
        "#ifdef __cplusplus",
        'extern "C" {',
        "#endif",
        "",
    ]
    lines += [f"#define {upper}_{k} {v} /* {MEANING[k]} */" for k, v in CODES.items()]
    lines += ["", "/* How many elements an array has. */"]
    lines += [f"#define {upper}_SIZE_{k} {n}" for k, n in sizes(functions).items()]
    for f in functions:
        lines += ["", *_documented(f), f"{prototype(f)};"]
    for a in adapters:
        lines += ["", f"/* {a.function.name}, for scipy.LowLevelCallable. */"]
        lines += [f"{adapter_prototype(a)};"]
    lines += ["", "#ifdef __cplusplus", "}", "#endif", "", "#endif", ""]
    return "\n".join(lines)


def sizes(functions: Sequence[Function]) -> dict[str, int]:
    """Elements of what is passed by pointer."""
    return {
        p.name: p.value.size
        for f in functions
        for p in (*[i for i in f.inputs if i.value.shape], *f.outputs)
    }


def _documented(f: Function) -> list[str]:
    lines = [f"/* {f.says}", ""]
    for what, parameters in (("in ", f.inputs), ("out", f.outputs)):
        lines += [f"   {what} {p.name}: {_shown(p)}" for p in parameters]
    if f.workspace:
        lines += [
            f"   workspace: {f.name.upper()}_WORKSPACE bytes for temporaries; if it is NULL they",
            "   are allocated, and freed again.",
        ]
    lines[-1] += " */"
    more = [f"#define {f.name.upper()}_WORKSPACE {f.workspace}"] if f.workspace else []
    return [*lines, *more]


def _shown(p: Parameter) -> str:
    return TYPES[p.value.code] + "".join(f"[{n}]" for n in p.value.shape)
