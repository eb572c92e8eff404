"""`export`: a function and its derivatives as an object file and a C header, without Python."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from chainrule.errors import ArgumentError, at, user_line
from chainrule.transforms.arguments import Argnums
from chainrule.transforms.export_source import KINDS, Source
from chainrule.transforms.exported import Exported, plain_signature, signature, written

if TYPE_CHECKING:
    from pathlib import Path


def export(
    f: Callable[..., Any],
    example_args: Any,
    path: str | os.PathLike[str],
    *,
    derivatives: str | Sequence[str] = ("value",),
    argnums: Argnums = None,
    low_level: str | Sequence[str] = (),
    blas: str = "loops",
    cpu: str = "native",
    link: Sequence[str] = (),
) -> Exported:
    """Compile f and its derivatives to an object file and a C header, to be used without Python.

    `path` is where the files go, without a suffix; its last part names the functions: with
    "out/price" there are `out/price.h`, `out/price.o`, where there is a linker the shared library
    `out/price.so`, and in them `price` for the value, `price_grad` and so on. `example_args` is a
    tuple of arguments (or the one argument), which give shapes and dtypes; containers become one
    parameter for each array in them, named after its path.

    `derivatives` names what is wanted: "value", "grad", "value_and_grad", "jacobian", "hessian",
    "hvp", "jvp" and "vjp", by the arguments of `argnums` (the first by default). `low_level` asks
    for functions that `scipy.LowLevelCallable` takes: "integrand" (`integrate.quad` and `nquad`),
    "scalar" (a double to a double), "filter", "line_filter" and "mapping" (`ndimage`).

    A matrix product too large to be written out is a loop, or with `blas="symbols"` a call of
    `dgemm_` and its like from a library that you link: `link` is passed to the linker of the
    shared library, which is not made otherwise. `cpu` is "native" for this machine's processor,
    "generic" for any of its architecture, or "x86-64-v2" to "x86-64-v4".

    Arguments without axes are passed by value, arrays and results by pointer. The functions return
    0 or an error code of the header, and may run in several threads at once.

    Raises MissingMachineCode for operations that only NumPy evaluates, DtypeError for dtypes that
    C does not have, ArgumentError for a path, name or option that cannot be.

    >>> import tempfile
    >>> folder = tempfile.mkdtemp()
    >>> made = cr.export(lambda x: np.sum(x**3), np.ones(2), f"{folder}/cubes", derivatives="grad")
    >>> print(made.prototypes[0])
    int cubes_grad(const double *x, double *grad_x)
    """
    from chainrule.codegen import adapters, engine, entries, header

    if not engine.available():
        raise ImportError("export: llvmlite is not installed (`pip install llvmlite`)")
    if blas not in ("loops", "symbols"):
        raise ArgumentError(
            f"export: blas={blas!r} is neither 'loops' nor 'symbols'" + at(user_line())
        )
    target = engine.target(cpu)
    from pathlib import Path

    place = Path(path)
    name = place.name
    _check_path(place, header.KEYWORDS)
    source = Source(f, example_args, argnums, name)
    functions = [source.function(kind) for kind in _several("derivatives", derivatives, KINDS)]
    for function in functions:
        entries.prepare(function.plain, blas == "symbols")
        entries.prepare(function.careful, blas == "symbols")
    wanted = _several("low_level", low_level, adapters.ADAPTERS)
    around = [a for kind in wanted for a in _adapters(kind, functions)]
    module = entries.module_of(functions, target)
    adapters.write(around, module)
    _check_symbols([*[x.name for x in functions], *[a.name for a in around]], module.declared)
    calls_blas = entries.routines(functions)
    text = header.header(
        name,
        functions,
        around,
        f"{name}: {source.title}, compiled by chainrule. It runs without Python.",
        "Link with -lm" + (" and a BLAS library." if calls_blas else "."),
    )
    code = engine.object_code(module.text(), promote=True, target=target)
    files = written(place, text, code, None if calls_blas and not link else link)
    prototypes = [header.prototype(x) for x in functions]
    prototypes += [header.adapter_prototype(a) for a in around]
    signatures = {x.name: signature(x) for x in functions}
    signatures |= {a.name: plain_signature(adapters.ADAPTERS[a.kind].types) for a in around}
    return Exported(name, *files, tuple(prototypes), signatures)


def _several(what: str, asked: str | Sequence[str], known: Any) -> list[str]:
    names = [asked] if isinstance(asked, str) else list(dict.fromkeys(asked))
    for name in names:
        if name not in known:
            raise ArgumentError(
                f"export: {what}={name!r} is none of {', '.join(map(repr, known))}"
                + at(user_line())
            )
    return names


def _adapters(kind: str, functions: Sequence[Any]) -> list[Any]:
    """The functions of this signature around those that it suits."""
    from chainrule.codegen.adapters import ADAPTERS, Adapter

    signature = ADAPTERS[kind]
    found = [Adapter(kind, f"{f.name}_{kind}", f) for f in functions if signature.suits(f)]
    if not found:
        raise ArgumentError(
            f"export: low_level={kind!r} wants {signature.fits}, and none of "
            f"{', '.join(f.name for f in functions)} is such a function" + at(user_line())
        )
    return found


def _check_path(place: Path, keywords: Any) -> None:
    name = place.name
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name) or name in keywords:
        raise ArgumentError(
            f"export: {name!r} (the last part of the path) names the functions, and is no "
            "identifier in C; give a path like 'folder/name', without a suffix" + at(user_line())
        )
    if not place.parent.is_dir():
        raise ArgumentError(
            f"export: there is no folder {str(place.parent)!r}; make it first" + at(user_line())
        )


def _check_symbols(names: Sequence[str], declared: Any) -> None:
    for name in names:
        if name in declared or names.count(name) > 1:
            raise ArgumentError(
                f"export: {name!r} is the name of another function; take another path"
                + at(user_line())
            )
