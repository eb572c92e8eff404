"""Addresses of routines of BLAS, LAPACK and SciPy's special functions: from the pointers that SciPy
exports to Cython.
"""

from __future__ import annotations

import ctypes
import functools
import importlib
import re
from typing import Any


@functools.lru_cache(maxsize=256)
def address(name: str) -> int:
    """The address of a routine in its Fortran convention: `address("dgemm")`."""
    for module in ("scipy.linalg.cython_blas", "scipy.linalg.cython_lapack"):
        found = _exported(module).get(name)
        if found is not None:
            return _opened(found)[1]
    raise KeyError(name)


@functools.lru_cache(maxsize=256)
def special(name: str, arity: int) -> int | None:
    """The address of a special function of doubles, `double f(double, ..., int)`; None where SciPy
    exports none. The last argument is Cython's own, and not read.
    """
    wanted = f"double ({'double, ' * arity}int __pyx_skip_dispatch)"
    exported = _exported("scipy.special.cython_special")
    for key, capsule in exported.items():
        if re.fullmatch(rf"(__pyx_fuse_\d+)?{name}", key):
            signature, found = _opened(capsule)
            if signature == wanted:
                return found
    return None


def _exported(module: str) -> dict[str, Any]:
    try:
        found: dict[str, Any] = importlib.import_module(module).__pyx_capi__
    except ImportError:
        return {}
    return found


def _opened(capsule: Any) -> tuple[str, int]:
    """The signature and the address in a capsule."""
    get_name = ctypes.pythonapi.PyCapsule_GetName
    get_name.restype, get_name.argtypes = ctypes.c_char_p, [ctypes.py_object]
    get = ctypes.pythonapi.PyCapsule_GetPointer
    get.restype, get.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    name = get_name(capsule) or b""
    return name.decode(), int(get(capsule, name))
