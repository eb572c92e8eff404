"""Losses worth a row of their own: where the derivative is simpler than the parts'."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from chainrule.errors import DtypeError, ShapeError
from chainrule.graph.node import Variable
from chainrule.ops.batched import leading
from chainrule.ops.indexing import add_along_axis
from chainrule.ops.reduction import softmax
from chainrule.ops.table import ZERO, S, operation


def _labels(*shape: int, classes: int) -> Any:
    """Class numbers for the tests."""
    return lambda rng: rng.integers(0, classes, shape)


def _as_rows(x: Any, labels: Any) -> tuple[Any, Any, Any]:
    """x as one row per label, the numbers of the rows, and the labels as a vector."""
    flat = labels.reshape(-1)
    return x.reshape(flat.size, x.shape[-1]), np.arange(flat.size), flat


def _cross_entropy_back(ct: Any, y: Any, x: Any, labels: Any) -> Any:
    """ct * (softmax(x) - 1 at the label)."""
    if isinstance(ct, Variable) or isinstance(x, Variable):
        shares = add_along_axis(ct[..., None], labels[..., None], x.shape, -1)
        return softmax(x, -1) * ct[..., None] - shares
    rows, numbers, flat = _as_rows(x, labels)
    log_sum = np.reshape(y, -1) + rows[numbers, flat]
    g = np.exp(rows - log_sum[:, None])
    weights = np.reshape(ct, -1)
    g *= weights[:, None]
    g[numbers, flat] -= weights
    return g.reshape(x.shape)


@operation(
    arity=2,
    reverse=(_cross_entropy_back, ZERO),
    samples=[
        S((4, 3), _labels(4, classes=3)),
        S((2, 3, 5), _labels(2, 3, classes=5)),
        S((3,), _labels(classes=3)),
        S((0, 3), _labels(0, classes=3)),
        S((2, 1), _labels(2, classes=1)),
    ],
    batch=leading,
    fused=True,
)
def softmax_cross_entropy(x: Any, labels: Any) -> Any:
    """Minus the logarithm of the softmax of x (..., C) at the labels (...), numbers of classes.

    The result has the shape of the labels; integers in x count as float64. Raises DtypeError where
    the labels are no integers, and ShapeError where their shape is not that of x without its last
    axis, or one is not below C.

    >>> cr.special.softmax_cross_entropy(cr.zeros((1, 4)), cr.tensor([2]))
    tensor([1.3863])
    """
    x, labels = np.asarray(x), np.asarray(labels)
    if labels.dtype.kind not in "iu":
        raise DtypeError(f"labels are class numbers (integers), not {labels.dtype}")
    if x.shape[:-1] != labels.shape:
        raise ShapeError(f"labels of shape {list(labels.shape)} for x of shape {list(x.shape)}")
    classes = x.shape[-1]
    if labels.size and not (labels.min() >= 0 and labels.max() < classes):
        raise ShapeError(f"a label is not among the {classes} classes")
    if x.dtype.kind in "iu":
        x = x.astype(np.float64)  # as `softmax` does
    rows, numbers, flat = _as_rows(x, labels)
    shifted = rows - np.maximum.reduce(rows, axis=1, keepdims=True, initial=-math.inf)
    sums = np.add.reduce(np.exp(shifted), axis=1)
    loss = np.log(sums) - shifted[numbers, flat]
    return loss.reshape(labels.shape)[()]
