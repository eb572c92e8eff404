"""Arguments as PyTorch takes them: `dim=` and `keepdim=`, or NumPy's `axis=` and `keepdims=`."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

from chainrule.errors import ShapeError, at, user_line

F = TypeVar("F", bound=Callable[..., Any])

_OTHER_NAMES = {"axis": "dim", "keepdims": "keepdim", "x": "input"}


def numpy_names(function: F) -> F:
    """Let a function that takes dim= and keepdim= take axis= and keepdims= as well."""

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        if kwargs:
            kwargs = {_OTHER_NAMES.get(k, k): v for k, v in kwargs.items()}
        return function(*args, **kwargs)

    return call  # type: ignore[return-value]


def axes(dim: Any) -> Any:
    """Dimensions to reduce over as NumPy takes them; an empty list means all, as in PyTorch."""
    if dim is None or isinstance(dim, int):
        return dim
    return tuple(int(d) for d in dim) or None


def sizes(given: tuple[Any, ...]) -> tuple[int, ...]:
    """Sizes given one by one or as one sequence."""
    if len(given) == 1 and isinstance(given[0], (tuple, list)):
        given = tuple(given[0])
    return tuple([int(n) for n in given])


def dimension(dim: int, ndim: int, name: str) -> int:
    """A dimension counted from the front, or an error where there is none such."""
    count = max(ndim, 1)
    if not -count <= dim < count:
        raise ShapeError(
            f"{name}: dim={dim} is out of range for a tensor of {ndim} dimensions" + at(user_line())
        )
    return dim % count
