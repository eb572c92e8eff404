"""dtypes and sizes as PyTorch's programs know them: `torch.float32`, `torch.Size([2, 3])`.

A `dtype` here stands for NumPy's: it equals it, hashes as it, and NumPy accepts it wherever it
accepts a dtype of its own. Next: `_promotion`, which says what dtype an operation's result has.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import numpy as np

from chainrule.errors import DtypeError, ShapeError, at, user_line


class dtype:  # noqa: N801 - PyTorch's name
    """An element type, by PyTorch's name.

    >>> torch.float32
    torch.float32
    >>> torch.ones(2).dtype == np.float32
    True
    """

    __slots__ = ("dtype",)

    def __init__(self, numpy: Any) -> None:
        self.dtype: np.dtype[Any] = np.dtype(numpy)

    @property
    def __numpy_dtype__(self) -> np.dtype[Any]:  # what NumPy 2.4 and later ask for; before, `dtype`
        return self.dtype

    @property
    def is_floating_point(self) -> bool:
        """Whether it is a real floating-point type."""
        return self.dtype.kind == "f"

    @property
    def is_complex(self) -> bool:
        """Whether it is a complex type."""
        return self.dtype.kind == "c"

    @property
    def is_signed(self) -> bool:
        """Whether it has negative numbers."""
        return self.dtype.kind in "ifc"

    def to_complex(self) -> dtype:
        """The complex type whose parts are of this one."""
        return dtype_of(np.result_type(self.dtype, np.complex64))

    def to_real(self) -> dtype:
        """The type of the parts of this complex one."""
        return dtype_of(np.zeros((), self.dtype).real.dtype)

    def __getattr__(self, name: str) -> Any:
        """What NumPy's dtype has: `kind`, `itemsize`, `type` ..."""
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self.dtype, name)

    def __eq__(self, other: object) -> bool:
        if type(other) is dtype:
            return self.dtype == other.dtype
        return isinstance(other, (np.dtype, type)) and self.dtype == other

    def __hash__(self) -> int:
        return hash(self.dtype)

    def __repr__(self) -> str:
        return f"torch.{self.dtype.name}"

    def __reduce__(self) -> tuple[Any, ...]:
        return dtype_of, (self.dtype.str,)


bool_: Final = dtype(np.bool_)
uint8: Final = dtype(np.uint8)
uint16: Final = dtype(np.uint16)
uint32: Final = dtype(np.uint32)
uint64: Final = dtype(np.uint64)
int8: Final = dtype(np.int8)
int16: Final = dtype(np.int16)
int32: Final = dtype(np.int32)
int64: Final = dtype(np.int64)
float32: Final = dtype(np.float32)
float64: Final = dtype(np.float64)
complex64: Final = dtype(np.complex64)
complex128: Final = dtype(np.complex128)

_KNOWN: Final[dict[Any, dtype]] = {
    d.dtype: d
    for d in (
        bool_, uint8, uint16, uint32, uint64, int8, int16, int32, int64,
        float32, float64, complex64, complex128,
    )
}  # fmt: skip
_PYTHON: Final = {bool: bool_, int: int64, float: float64, complex: complex128}


def dtype_of(numpy: Any) -> dtype:
    """PyTorch's name for a NumPy dtype."""
    try:
        return _KNOWN[numpy]
    except (KeyError, TypeError):
        found = np.dtype(numpy)
        return _KNOWN.get(found) or dtype(found)


def checked(given: Any) -> np.dtype[Any] | None:
    """The NumPy dtype meant by a `dtype=` argument, or None where none is given."""
    if given is None:
        return None
    if isinstance(given, dtype):
        return given.dtype
    if given in _PYTHON:
        return _PYTHON[given].dtype
    try:
        found = np.dtype(given)
    except TypeError:
        found = None
    if found is None or found.kind not in "biufc":
        raise DtypeError(
            f"dtype={given!r} is not an element type; torch.float32, torch.float64, torch.int64, "
            "torch.bool and torch.complex64 are some" + at(user_line())
        )
    return found


def absent(name: str, instead: str) -> DtypeError:
    """The error for an element type that NumPy does not have, or computes with only poorly."""
    return DtypeError(f"chainrule.torch has no {name}; use {instead}" + at(user_line()))


class Size(tuple[int, ...]):
    """A shape: a tuple of sizes that prints as PyTorch's.

    >>> torch.ones(2, 3).shape
    torch.Size([2, 3])
    """

    __slots__ = ()

    def numel(self) -> int:
        """Number of elements of a tensor of this shape."""
        count = 1
        for n in self:
            count *= n
        return count

    def __repr__(self) -> str:
        return f"torch.Size({list(self)})"

    def __add__(self, other: Iterable[int]) -> Size:  # type: ignore[override]
        return Size((*self, *other))

    def __mul__(self, times: Any) -> Size:
        return Size(tuple(self) * times)

    __rmul__ = __mul__

    def __getitem__(self, index: Any) -> Any:
        found = tuple.__getitem__(self, index)
        return Size(found) if isinstance(index, slice) else found


class Count(int):
    """The number of elements, as NumPy's `x.size`, that can be called, as PyTorch's `x.size()`.

    Derivative rules are written in NumPy's names, programs for PyTorch in PyTorch's; this is the
    one attribute where the two mean different things by one name.
    """

    shape: tuple[int, ...]

    def __new__(cls, shape: tuple[int, ...], count: int) -> Count:
        made = int.__new__(cls, count)
        made.shape = shape
        return made

    def __call__(self, dim: int | None = None) -> Any:
        """The shape, or the size along one dimension."""
        if dim is None:
            return Size(self.shape)
        if not -len(self.shape) <= dim < len(self.shape):
            raise ShapeError(
                f"size({dim}): a tensor of shape {list(self.shape)} has no such dimension"
                + at(user_line())
            )
        return self.shape[dim]


class finfo:  # noqa: N801 - PyTorch's name
    """Limits of a floating-point type: `eps`, `max`, `min`, `smallest_normal`, `bits`.

    >>> torch.finfo(torch.float32).eps
    1.1920928955078125e-07
    """

    def __init__(self, type: Any = None) -> None:
        kind = checked(type) or np.dtype(np.float32)
        if kind.kind not in "fc":
            raise DtypeError(f"finfo: {dtype_of(kind)} is no floating-point type" + at(user_line()))
        limits = np.finfo(kind)
        self.bits = int(limits.bits)
        self.eps = float(limits.eps)
        self.max = float(limits.max)
        self.min = float(limits.min)
        self.tiny = self.smallest_normal = float(limits.smallest_normal)
        self.resolution = float(limits.resolution)
        self.dtype = limits.dtype.name

    def __repr__(self) -> str:
        names = ("resolution", "min", "max", "eps", "smallest_normal", "tiny")
        numbers = ", ".join(f"{n}={getattr(self, n):g}" for n in names)
        return f"finfo({numbers}, dtype={self.dtype})"


class iinfo:  # noqa: N801 - PyTorch's name
    """Limits of an integer type: `min`, `max`, `bits`.

    >>> torch.iinfo(torch.int8).max
    127
    """

    def __init__(self, type: Any) -> None:
        kind = checked(type)
        if kind is None or kind.kind not in "iu":
            raise DtypeError(f"iinfo: {type!r} is no integer type" + at(user_line()))
        limits = np.iinfo(kind)
        self.bits, self.dtype = int(limits.bits), kind.name
        self.min, self.max = int(limits.min), int(limits.max)

    def __repr__(self) -> str:
        return f"iinfo(min={self.min}, max={self.max}, dtype={self.dtype})"


class device:  # noqa: N801 - PyTorch's name
    """Where a tensor lives: here always the CPU. Compares with its name.

    >>> torch.ones(1).device
    device(type='cpu')
    """

    __slots__ = ("index", "type")

    def __init__(self, type: Any = "cpu", index: int | None = None) -> None:
        name, _, number = str(type).partition(":")
        if name != "cpu":
            raise DtypeError(
                f"device {str(type)!r}: chainrule computes on the CPU only; use 'cpu', or "
                "`torch.cuda.is_available()` to choose" + at(user_line())
            )
        self.type = name
        self.index = int(number) if number else index

    def __eq__(self, other: object) -> bool:
        return str(self) == str(other)

    def __hash__(self) -> int:
        return hash(str(self))

    def __str__(self) -> str:
        return self.type if self.index is None else f"{self.type}:{self.index}"

    def __repr__(self) -> str:
        index = "" if self.index is None else f", index={self.index}"
        return f"device(type={self.type!r}{index})"
