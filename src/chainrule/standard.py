"""What the array API standard asks of a namespace besides functions of arrays: what it can do, its
devices and dtypes, and the limits of a dtype.

https://data-apis.org/array-api/2024.12/API_specification/inspection.html
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from chainrule.creation import get_default_dtype, weak
from chainrule.errors import DtypeError, at, user_line
from chainrule.ops.complaints import check_device
from chainrule.tensor import Tensor

__array_api_version__: Final = "2024.12"

DTYPES: Final = (
    "bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64",
    "float32", "float64", "complex64", "complex128",
)  # fmt: skip
"""The dtypes of the standard, all of which there are."""


class NamespaceInfo:
    """What `__array_namespace_info__` gives: answers about the namespace, one method each."""

    __slots__ = ()

    def capabilities(self) -> dict[str, Any]:
        """What is supported of that which the standard leaves open.

        >>> cr.__array_namespace_info__().capabilities()["data-dependent shapes"]
        True
        """
        return {"boolean indexing": True, "data-dependent shapes": True, "max dimensions": 64}

    def default_device(self) -> str:
        """The device on which tensors are made."""
        return "cpu"

    def devices(self) -> list[str]:
        """All devices: "cpu" and no other."""
        return ["cpu"]

    def default_dtypes(self, *, device: Any = None) -> dict[str, np.dtype[Any]]:
        """The dtypes that Python numbers get, and that of indices (see `set_default_dtype`).

        >>> cr.__array_namespace_info__().default_dtypes()["real floating"]
        dtype('float64')
        """
        check_device(device)
        return {
            "real floating": get_default_dtype(),
            "complex floating": weak(np.dtype(np.complex64), Tensor),
            "integral": np.dtype(np.int64),
            "indexing": np.dtype(np.intp),
        }

    def dtypes(
        self, *, device: Any = None, kind: str | tuple[str, ...] | None = None
    ) -> dict[str, np.dtype[Any]]:
        """The standard's dtypes by name: all, or those of a kind (or of one of several).

        Kinds are "bool", "signed integer", "unsigned integer", "integral", "real floating",
        "complex floating" and "numeric". Raises ValueError for another.

        >>> list(cr.__array_namespace_info__().dtypes(kind="complex floating"))
        ['complex64', 'complex128']
        """
        check_device(device)
        found = {name: np.dtype(name) for name in DTYPES}
        if kind is None:
            return found
        return {name: dtype for name, dtype in found.items() if np.isdtype(dtype, kind)}


def __array_namespace_info__() -> NamespaceInfo:  # noqa: N807 - the standard's name
    """Answers about the namespace: its capabilities, devices and dtypes.

    >>> cr.__array_namespace_info__().devices()
    ['cpu']
    """
    return NamespaceInfo()


class finfo:  # noqa: N801 - NumPy's name
    """Limits of a floating-point dtype, as Python numbers; of the parts of a complex one.

    Takes a dtype or an array of it. Attributes: `bits`, `dtype`, `eps` (distance from 1 to the next
    number), `epsneg` (to the one before), `max`, `min`, `smallest_normal` (also `tiny`),
    `smallest_subnormal`, `precision` (decimal digits) and `resolution` (10 to the minus those).

    Raises DtypeError for a dtype that is not of floating point.

    >>> cr.finfo(cr.float32).eps
    1.1920928955078125e-07
    """

    _FLOATS = (
        "eps", "epsneg", "max", "min", "resolution", "smallest_normal", "smallest_subnormal",
        "tiny",
    )  # fmt: skip
    __slots__ = (*_FLOATS, "bits", "dtype", "precision")

    bits: int
    dtype: np.dtype[Any]
    eps: float
    epsneg: float
    max: float
    min: float
    precision: int
    resolution: float
    smallest_normal: float
    smallest_subnormal: float
    tiny: float

    def __init__(self, dtype: Any, /) -> None:
        try:
            limits = np.finfo(dtype if isinstance(dtype, type) else getattr(dtype, "dtype", dtype))
        except (TypeError, ValueError):
            raise DtypeError(
                f"finfo: {dtype!r} is no floating-point dtype (see iinfo for integers)"
                + at(user_line())
            ) from None
        self.bits, self.dtype = int(limits.bits), np.dtype(limits.dtype)
        self.precision = int(limits.precision)
        for name in self._FLOATS:
            setattr(self, name, float(getattr(limits, name)))

    def __repr__(self) -> str:
        return f"finfo(eps={self.eps}, max={self.max}, min={self.min}, dtype={self.dtype})"
