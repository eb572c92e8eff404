"""Addresses of BLAS routines, from the pointers that SciPy exports to Cython."""

from __future__ import annotations

import ctypes
import functools


@functools.lru_cache(maxsize=64)
def address(name: str) -> int:
    """The address of a routine in its Fortran convention: `address("dgemm")`."""
    from scipy.linalg import cython_blas

    capsule = cython_blas.__pyx_capi__[name]
    get_name = ctypes.pythonapi.PyCapsule_GetName
    get_name.restype, get_name.argtypes = ctypes.c_char_p, [ctypes.py_object]
    get = ctypes.pythonapi.PyCapsule_GetPointer
    get.restype, get.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    return int(get(capsule, get_name(capsule)))
