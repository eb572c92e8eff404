"""What `export` gives: files, what is in them, and how ctypes calls it."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from chainrule.errors import ArgumentError, at, user_line

if TYPE_CHECKING:  # files take a while to import, and few programs write any
    from pathlib import Path


@dataclass(frozen=True)
class Exported:
    """What `export` has written.

    >>> import tempfile
    >>> made = cr.export(lambda x, y: x * y, (1.0, 2.0), tempfile.mkdtemp() + "/product")
    >>> made.header.name, made.object.name, made.prototypes
    ('product.h', 'product.o', ('int product(double x, double y, double *out)',))
    """

    name: str
    header: Path
    object: Path
    library: Path | None
    """The shared library; None where there is no linker, or what is to be linked is not known."""
    prototypes: tuple[str, ...]
    """The declarations of the functions in C."""
    _signatures: dict[str, tuple[Any, list[Any]]]

    def load(self) -> ctypes.CDLL:
        """The shared library, with the types of all functions declared to ctypes: arrays are
        passed as NumPy arrays, which must be contiguous and of the right shape and dtype.

        Raises ArgumentError where there is no shared library.
        """
        if self.library is None:
            raise ArgumentError(
                f"{self.name}: there is no shared library, as no linker was found or BLAS is to be "
                f"linked; make one from {self.object}" + at(user_line())
            )
        import shutil
        import tempfile

        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            # a file of a name that was loaded before would not be read again
            library = ctypes.CDLL(shutil.copy(self.library, folder))
        for name, (result, parameters) in self._signatures.items():
            function = getattr(library, name)
            function.restype, function.argtypes = result, parameters
        return library

    def __repr__(self) -> str:
        files = [self.header, self.object, *([] if self.library is None else [self.library])]
        return "\n".join([", ".join(map(str, files)), *[f"  {p};" for p in self.prototypes]])


def written(
    place: Path, text: str, code: bytes, link: Sequence[str] | None
) -> tuple[Path, Path, Path | None]:
    """Header, object and library; a library that is in use is replaced, not overwritten."""
    import tempfile

    from chainrule.run.link import SUFFIX, shared_library

    finals = [place.with_name(place.name + end) for end in (".h", ".o", SUFFIX)]
    with tempfile.TemporaryDirectory(dir=place.parent) as folder:
        header, code_file, library = (type(place)(folder) / p.name for p in finals)
        header.write_text(text, encoding="utf-8")
        code_file.write_bytes(code)
        linked = link is not None and shared_library(code_file, library, link)
        header.replace(finals[0])
        code_file.replace(finals[1])
        if linked:
            library.replace(finals[2])
        else:
            finals[2].unlink(missing_ok=True)  # of an earlier export
    return finals[0], finals[1], finals[2] if linked else None


def signature(f: Any) -> tuple[Any, list[Any]]:
    """Result and parameters of a function for ctypes."""

    def array(v: Any) -> Any:
        return np.ctypeslib.ndpointer(v.dtype, v.ndim, v.shape, "C_CONTIGUOUS")

    given = [
        array(p.value) if p.value.shape else np.ctypeslib.as_ctypes_type(p.value.dtype)
        for p in f.inputs
    ]
    results = [array(p.value) for p in f.outputs]
    return ctypes.c_int, [*given, *results, *[ctypes.c_void_p] * bool(f.workspace)]


_CTYPES: Final = {
    "double": ctypes.c_double, "int": ctypes.c_int, "intptr_t": ctypes.c_ssize_t,
    "void *": ctypes.c_void_p, "double *": ctypes.POINTER(ctypes.c_double),
    "intptr_t *": ctypes.POINTER(ctypes.c_ssize_t),
}  # fmt: skip


def plain_signature(types: Sequence[str]) -> tuple[Any, list[Any]]:
    """The same for a function whose types are given as C writes them."""
    result, *parameters = [_CTYPES[t] for t in types]
    return result, parameters
