"""Elements that a reduction selects, with their positions."""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.ops import elementwise, indexing


def selected(kind: Any, input: Any, dim: int, keepdim: bool, indices: Any) -> Any:
    """The named pair of elements at positions along `dim` (kept as an axis) and the positions."""
    if not input.ndim:
        return kind(elementwise.positive(input), indices)
    values = indexing.take_along_axis(input, indices, dim)
    if keepdim:
        return kind(values, indices)
    return kind(values.squeeze(dim), indices.squeeze(dim))


def like(input: Any, value: Any) -> Any:
    """A constant of the class of `input` (integers of PyTorch's width)."""
    out = type(input)()
    value = np.asarray(value)
    out._value = value if value.ndim else value[()]
    out._node = None
    return out
