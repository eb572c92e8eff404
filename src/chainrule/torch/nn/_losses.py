"""Losses of `torch.nn.functional`. `reduction` is "mean", "sum" or "none"."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from chainrule.errors import DtypeError, ShapeError, at, user_line
from chainrule.ops import elementwise, indexing, linalg, movement, special
from chainrule.ops import reduction as reductions
from chainrule.ops.losses import softmax_cross_entropy
from chainrule.ops.table import raw

__all__ = [
    "binary_cross_entropy", "binary_cross_entropy_with_logits", "cosine_embedding_loss",
    "cosine_similarity", "cross_entropy", "gaussian_nll_loss", "hinge_embedding_loss",
    "huber_loss", "kl_div", "l1_loss", "margin_ranking_loss", "mse_loss", "nll_loss",
    "pairwise_distance", "poisson_nll_loss", "smooth_l1_loss", "soft_margin_loss",
    "triplet_margin_loss",
]  # fmt: skip


def reduced(loss: Any, reduction: str) -> Any:
    """The mean or sum of losses, or the losses themselves."""
    if reduction == "mean":
        return reductions.mean(loss)
    if reduction == "sum":
        return reductions.sum(loss)
    if reduction == "none":
        return loss
    raise ValueError(f"reduction is 'mean', 'sum' or 'none', not {reduction!r}" + at(user_line()))


# --- differences ----------------------------------------------------------------------------------


def mse_loss(input: Any, target: Any, reduction: str = "mean", weight: Any = None) -> Any:
    """Squared differences.

    >>> torch.nn.functional.mse_loss(torch.tensor([1.0, 2.0]), torch.tensor([0.0, 0.0]))
    tensor(2.5000)
    """
    loss = (input - target) ** 2
    return reduced(loss if weight is None else weight * loss, reduction)


def l1_loss(input: Any, target: Any, reduction: str = "mean") -> Any:
    """Absolute differences."""
    return reduced(elementwise.abs(input - target), reduction)


def smooth_l1_loss(input: Any, target: Any, reduction: str = "mean", beta: float = 1.0) -> Any:
    """Squared differences / (2 beta) where below beta, else absolute differences - beta / 2."""
    if beta == 0:
        return l1_loss(input, target, reduction)
    difference = elementwise.abs(input - target)
    small = difference < beta
    return reduced(
        elementwise.where(small, 0.5 / beta * difference**2, difference - 0.5 * beta), reduction
    )


def huber_loss(input: Any, target: Any, reduction: str = "mean", delta: float = 1.0) -> Any:
    """Half the squared differences where below delta, else delta * (difference - delta / 2)."""
    difference = elementwise.abs(input - target)
    small = difference <= delta
    far = delta * (difference - 0.5 * delta)
    return reduced(elementwise.where(small, 0.5 * difference**2, far), reduction)


# --- classes --------------------------------------------------------------------------------------


def nll_loss(
    input: Any, target: Any, weight: Any = None, ignore_index: int = -100, reduction: str = "mean"
) -> Any:
    """Minus the log-probability of the right class: `input` (N, C, ...), `target` numbers (N, ...).

    The mean is weighted by the classes' weights; targets equal to `ignore_index` do not count.

    >>> log_p = torch.log(torch.tensor([[0.25, 0.75]]))
    >>> torch.nn.functional.nll_loss(log_p, torch.tensor([1]))
    tensor(0.2877)
    """
    axis = 0 if input.ndim == 1 else 1
    classes = raw(target)
    if classes.dtype.kind not in "iu":
        raise DtypeError(
            f"nll_loss: targets are class numbers (torch.int64), not {target.dtype}"
            + at(user_line())
        )
    counted = classes != ignore_index
    where = np.where(counted, classes, 0)
    number = input.shape[axis]
    if where.size and (where.min() < 0 or where.max() >= number):
        raise ShapeError(f"nll_loss: a target is not among the {number} classes" + at(user_line()))
    picked = indexing.take_along_axis(input, np.expand_dims(where, axis), axis)
    loss = -movement.squeeze(picked, axis)
    shares = counted.astype(raw(input).dtype)
    if weight is not None:
        shares = shares * raw(weight)[where]
    if weight is not None or not np.all(counted):
        loss = elementwise.where(shares != 0, loss, 0.0) * shares
    if reduction != "mean":
        return reduced(loss, reduction)
    return reductions.sum(loss) / shares.sum()


def cross_entropy(
    input: Any, target: Any, weight: Any = None, ignore_index: int = -100,
    reduction: str = "mean", label_smoothing: float = 0.0,
) -> Any:  # fmt: skip
    """Cross entropy of softmax of `input` (N, C, ...) and targets: class numbers, or probabilities.

    >>> torch.nn.functional.cross_entropy(torch.zeros(1, 4), torch.tensor([2]))
    tensor(1.3863)
    """
    axis = 0 if input.ndim == 1 else 1
    if _plain_classes(input, raw(target), weight, ignore_index, label_smoothing):
        return reduced(softmax_cross_entropy(input, raw(target)), reduction)
    log_p = reductions.log_softmax(input, axis)
    if raw(target).dtype.kind == "f":
        return _soft_cross_entropy(log_p, target, weight, axis, reduction, label_smoothing)
    loss = nll_loss(log_p, target, weight, ignore_index, reduction)
    if not label_smoothing:
        return loss
    weights = None if weight is None else raw(weight).reshape(-1, *(1,) * (input.ndim - axis - 1))
    counted = raw(target) != ignore_index
    smooth = -reductions.sum(log_p if weights is None else log_p * weights, axis)
    smooth = elementwise.where(counted, smooth, 0.0)
    if reduction == "mean":
        shares = counted.sum() if weight is None else raw(weight)[raw(target)[counted]].sum()
        smooth = reductions.sum(smooth) / shares.astype(raw(input).dtype)
    else:
        smooth = reduced(smooth, reduction)
    return (1 - label_smoothing) * loss + label_smoothing / input.shape[axis] * smooth


def _plain_classes(input: Any, classes: Any, weight: Any, ignored: int, smoothing: float) -> bool:
    """Whether this is the common case that has an operation of its own."""
    return (
        weight is None
        and not smoothing
        and input.ndim == 2
        and classes.shape == input.shape[:1]
        and classes.dtype.kind in "iu"
        and not np.equal(classes, ignored).any()
    )


def _soft_cross_entropy(
    log_p: Any, target: Any, weight: Any, axis: int, reduction: str, smoothing: float
) -> Any:
    classes = log_p.shape[axis]
    if smoothing:
        target = (1 - smoothing) * target + smoothing / classes
    if weight is not None:
        target = target * raw(weight).reshape(-1, *(1,) * (log_p.ndim - axis - 1))
    loss = -reductions.sum(log_p * target, axis)
    if reduction == "mean":
        return reductions.sum(loss) / max(1, math.prod(log_p.shape) // classes)
    return reduced(loss, reduction)


def binary_cross_entropy(
    input: Any, target: Any, weight: Any = None, reduction: str = "mean"
) -> Any:
    """Cross entropy of probabilities and targets in [0, 1]; logarithms are kept above -100.

    >>> torch.nn.functional.binary_cross_entropy(torch.tensor([0.5]), torch.tensor([1.0]))
    tensor(0.6931)
    """
    yes = elementwise.clip(elementwise.log(input), -100, None)
    no = elementwise.clip(elementwise.log1p(-input), -100, None)
    loss = -(target * yes + (1 - target) * no)
    return reduced(loss if weight is None else loss * weight, reduction)


def binary_cross_entropy_with_logits(
    input: Any, target: Any, weight: Any = None, reduction: str = "mean", pos_weight: Any = None
) -> Any:
    """`binary_cross_entropy` of the sigmoid of `input`, without overflow."""
    if pos_weight is None:
        loss = (1 - target) * input + special.softplus(-input)
    else:
        loss = (1 - target) * input + (1 + (pos_weight - 1) * target) * special.softplus(-input)
    return reduced(loss if weight is None else loss * weight, reduction)


def kl_div(input: Any, target: Any, reduction: str = "mean", log_target: bool = False) -> Any:
    """Kullback and Leibler's divergence, `input` being log-probabilities.

    `reduction="batchmean"` divides the sum by the size of the first dimension.
    """
    if log_target:
        loss = elementwise.exp(target) * (target - input)
    else:
        loss = special.xlogy(target, target) - target * input
    if reduction == "batchmean":
        return reductions.sum(loss) / input.shape[0]
    return reduced(loss, reduction)


# --- distributions --------------------------------------------------------------------------------


def poisson_nll_loss(
    input: Any, target: Any, log_input: bool = True, full: bool = False, eps: float = 1e-8,
    reduction: str = "mean",
) -> Any:  # fmt: skip
    """Minus the log-likelihood of counts, `input` being the log of the rate (or the rate)."""
    if log_input:
        loss = elementwise.exp(input) - target * input
    else:
        loss = input - target * elementwise.log(input + eps)
    if full:
        stirling = (
            target * elementwise.log(target) - target + 0.5 * elementwise.log(2 * math.pi * target)
        )
        loss = loss + elementwise.where(target > 1, stirling, 0.0)
    return reduced(loss, reduction)


def gaussian_nll_loss(
    input: Any,
    target: Any,
    var: Any,
    full: bool = False,
    eps: float = 1e-6,
    reduction: str = "mean",
) -> Any:
    """Minus the log-likelihood of normal distributions: mean `input`, variance `var` (>= eps)."""
    low = raw(var) < eps
    var = elementwise.where(low, eps, var)
    loss = 0.5 * (elementwise.log(var) + (input - target) ** 2 / var)
    return reduced(loss + 0.5 * math.log(2 * math.pi) if full else loss, reduction)


# --- margins and distances ------------------------------------------------------------------------


def cosine_similarity(x1: Any, x2: Any, dim: int = 1, eps: float = 1e-8) -> Any:
    """Cosines of the angles between vectors along `dim`.

    >>> torch.nn.functional.cosine_similarity(torch.ones(1, 2), torch.tensor([[0.0, 2.0]]))
    tensor([0.7071])
    """
    lengths = [
        elementwise.clip(linalg.vector_norm(x, axis=dim, keepdims=True), eps, None)
        for x in (x1, x2)
    ]
    return reductions.sum((x1 / lengths[0]) * (x2 / lengths[1]), dim)


def pairwise_distance(
    x1: Any, x2: Any, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False
) -> Any:
    """Distances between the rows of two tensors."""
    return linalg.vector_norm(x1 - x2 + eps, axis=-1, keepdims=keepdim, ord=p)


def soft_margin_loss(input: Any, target: Any, reduction: str = "mean") -> Any:
    """log(1 + exp(-target * input)), targets being 1 or -1."""
    return reduced(special.softplus(-target * input), reduction)


def hinge_embedding_loss(
    input: Any, target: Any, margin: float = 1.0, reduction: str = "mean"
) -> Any:
    """`input` where the target is 1, max(0, margin - input) where it is -1."""
    far = elementwise.clip(margin - input, 0, None)
    return reduced(elementwise.where(raw(target) == 1, input, far), reduction)


def margin_ranking_loss(
    input1: Any, input2: Any, target: Any, margin: float = 0.0, reduction: str = "mean"
) -> Any:
    """max(0, -target * (input1 - input2) + margin)."""
    return reduced(elementwise.clip(-target * (input1 - input2) + margin, 0, None), reduction)


def cosine_embedding_loss(
    input1: Any, input2: Any, target: Any, margin: float = 0.0, reduction: str = "mean"
) -> Any:
    """1 - cosine where the target is 1, max(0, cosine - margin) where it is -1."""
    cosine = cosine_similarity(input1, input2, dim=-1)
    far = elementwise.clip(cosine - margin, 0, None)
    return reduced(elementwise.where(raw(target) == 1, 1 - cosine, far), reduction)


def triplet_margin_loss(
    anchor: Any, positive: Any, negative: Any, margin: float = 1.0, p: float = 2, eps: float = 1e-6,
    swap: bool = False, reduction: str = "mean",
) -> Any:  # fmt: skip
    """max(0, distance to the positive - distance to the negative + margin)."""
    near = pairwise_distance(anchor, positive, p, eps)
    far = pairwise_distance(anchor, negative, p, eps)
    if swap:
        far = elementwise.minimum(far, pairwise_distance(positive, negative, p, eps))
    return reduced(elementwise.clip(near - far + margin, 0, None), reduction)
