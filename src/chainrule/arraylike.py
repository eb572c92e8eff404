"""What makes a Tensor at home among arrays: ndarray's further methods, DLPack, notebooks.

`Tensor` is this class with the methods that are in daily use. Attributes of ndarray that a Tensor
has not raise an AttributeError that says what to use; `hasattr` says False, as it should.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Self

import numpy as np

from chainrule import display
from chainrule.errors import ExportError, at, user_line
from chainrule.graph.node import Abstract, Variable
from chainrule.ops import elementwise, indexing, movement, selection
from chainrule.record.inplace import assign


class ArrayLike(Variable):
    """Methods of ndarray, exchange with other libraries, and display in notebooks."""

    __slots__ = ()

    # --- methods of ndarray ---------------------------------------------------------------------

    def argpartition(self, kth: Any, axis: int | None = -1) -> Self:
        """Positions of the elements in the order of `numpy.partition`."""
        this: Any = self
        return np.argpartition(this, kth, axis)  # type: ignore[return-value]

    def choose(self, choices: Any, mode: str = "raise") -> Self:
        """For every element the element of the choice that it counts."""
        return selection.choose(self, choices, mode)

    def compress(self, condition: Any, axis: int | None = None) -> Self:
        """Slices where a condition holds."""
        return selection.compress(condition, self, axis)

    def conjugate(self) -> Self:
        """Complex conjugate."""
        return elementwise.conj(self)

    def fill(self, value: Any) -> None:
        """Set every element to `value`, in place."""
        assign(self, ..., value)

    @property
    def flat(self) -> Flat:
        """The elements in one row, for iteration, reading and writing by position.

        >>> x = cr.tensor([[1.0, 2.0], [3.0, 4.0]])
        >>> x.flat[2]
        tensor(3.)
        >>> x.flat[::3] = 0.0
        >>> x
        tensor([[0., 2.],
                [3., 0.]])
        """
        return Flat(self)

    def nonzero(self) -> Any:
        """Positions of the elements that are not zero, one tensor for each axis."""
        return selection.nonzero(self)

    def put(self, indices: Any, values: Any, mode: str = "raise") -> None:
        """Write values at positions as if flat, in place, as `numpy.put`."""
        this: Any = self
        np.put(this, indices, values, mode)  # type: ignore[arg-type]

    def searchsorted(self, v: Any, side: str = "left", sorter: Any = None) -> Self:
        """Where values would have to be inserted in this sorted vector."""
        return selection.searchsorted(self, v, side, sorter)

    @property
    def strides(self) -> tuple[int, ...]:
        """Bytes from one element to the next, for each axis."""
        return np.asarray(self._value).strides

    def tobytes(self, order: Any = "C") -> bytes:
        """The elements as bytes, rows first."""
        return self._value.tobytes(order)

    # --- exchange -------------------------------------------------------------------------------

    def __dlpack__(
        self,
        *,
        stream: Any = None,
        max_version: tuple[int, int] | None = None,
        dl_device: tuple[int, int] | None = None,
        copy: bool | None = None,
    ) -> Any:
        """The memory of this tensor for another library, which shares it (DLPack).

        What is written there is not noticed here: a gradient that needs the old values is then
        wrong. Raises ExportError for a tensor that requires grad.
        """
        if type(self._value) is Abstract:
            raise self._value.unknown("an array for another library")
        if self._node is not None:
            raise ExportError(
                "a tensor that requires grad was given to another library, which would lose its "
                "derivative silently; use `.detach()` if that is meant" + at(user_line())
            )
        options = {
            "stream": stream, "max_version": max_version, "dl_device": dl_device, "copy": copy,
        }  # fmt: skip
        given = {k: v for k, v in options.items() if v is not None}  # not all NumPys know them all
        return self._shared().__dlpack__(**given)  # type: ignore[attr-defined]

    def __dlpack_device__(self) -> tuple[int, int]:
        """The CPU, in DLPack's numbers."""
        return (1, 0)

    # --- notebooks ------------------------------------------------------------------------------

    def _repr_latex_(self) -> str | None:
        return display.latex(self)

    def _repr_html_(self) -> str | None:
        return display.html(self)

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        for i, line in enumerate(("..." if cycle else repr(self)).split("\n")):
            if i:
                printer.break_()
            printer.text(line)


class Flat:
    """The elements of a tensor in one row, rows first: what `x.flat` gives."""

    __slots__ = ("_tensor",)

    def __init__(self, tensor: Any) -> None:
        self._tensor = tensor

    def __len__(self) -> int:
        return int(self._tensor._value.size)

    def __iter__(self) -> Iterator[Any]:
        return iter(movement.ravel(self._tensor))

    def __getitem__(self, index: Any) -> Any:
        return indexing.getitem(movement.ravel(self._tensor), index)

    def __setitem__(self, index: Any, value: Any) -> None:
        shape = self._tensor._value.shape
        places = np.arange(len(self))[indexing.index_of(index)]
        assign(self._tensor, np.unravel_index(places, shape) if shape else (), value)


class Absent:
    """An attribute of ndarray that a Tensor has not: an AttributeError that says what to use."""

    def __init__(self, name: str, use: str) -> None:
        self.name, self.use = name, use

    def __get__(self, instance: Any, cls: type) -> Any:
        raise AttributeError(f"a Tensor has no attribute {self.name!r}; {self.use}")


_ARRAY = "`.detach().numpy()` is an array that has it"
ABSENT: dict[str, str] = {
    "base": "`.detach().numpy().base` says whose memory an array shows",
    "byteswap": _ARRAY,
    "ctypes": _ARRAY,
    "data": "`.detach()` is the value without its history, and `.detach().numpy().data` its memory",
    "dump": "use `pickle.dump`",
    "dumps": "use `pickle.dumps`",
    "flags": _ARRAY,
    "getfield": _ARRAY,
    "partition": "use np.partition(x, kth), which makes a new tensor",
    "resize": "use np.resize(x, shape), which makes a new tensor, or `.reshape`",
    "setfield": "assign: `x[...] = value`",
    "setflags": _ARRAY,
    "tofile": "use np.save, or `.detach().numpy().tofile`",
    "view": "use `.reshape` for another shape, `.astype` for another dtype, `.detach()` for the "
    "same memory without history",
}
"""Attributes of ndarray -> what to use in their place."""

for _name, _use in ABSENT.items():
    setattr(ArrayLike, _name, Absent(_name, _use))
