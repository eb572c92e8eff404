"""`torch.nn.functional`: layers, activations and losses as functions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.errors import DtypeError, ShapeError, at, user_line
from chainrule.ops import elementwise, indexing, joining, linalg, movement, reduction
from chainrule.ops.table import raw
from chainrule.torch import _missing
from chainrule.torch._selected import like
from chainrule.torch.nn import _activations, _losses
from chainrule.torch.nn._activations import *  # noqa: F403 - the names are listed there
from chainrule.torch.nn._losses import *  # noqa: F403

__all__ = [
    "batch_norm", "bilinear", "embedding", "layer_norm", "linear", "normalize", "one_hot", "pad",
    "rms_norm",
]  # fmt: skip
__all__ += _activations.__all__
__all__ += _losses.__all__


def linear(input: Any, weight: Any, bias: Any = None) -> Any:
    """input @ weight.T + bias.

    >>> torch.nn.functional.linear(torch.ones(1, 2), torch.ones(3, 2), torch.zeros(3))
    tensor([[2., 2., 2.]])
    """
    product = input @ (weight.T if weight.ndim > 1 else weight)
    return product if bias is None else product + bias


def bilinear(input1: Any, input2: Any, weight: Any, bias: Any = None) -> Any:
    """For each output k, input1 @ weight[k] @ input2, plus bias."""
    left = movement.expand_dims(input1, -2)[..., None, :] @ weight
    product = movement.squeeze(left @ input2[..., None, :, None], (-2, -1))
    return product if bias is None else product + bias


def embedding(input: Any, weight: Any, padding_idx: int | None = None) -> Any:
    """The rows of `weight` by number; that of `padding_idx` has no gradient.

    >>> torch.nn.functional.embedding(torch.tensor([1]), torch.tensor([[1.0], [2.0]]))
    tensor([[2.]])
    """
    rows = indexing.take(weight, input, 0)
    if padding_idx is None:
        return rows
    padding = (raw(input) == padding_idx % weight.shape[0])[..., None]
    return elementwise.where(padding, raw(rows), rows)


def one_hot(tensor: Any, num_classes: int = -1) -> Any:
    """1 at the position that each integer names, in a new last dimension, zeros elsewhere.

    >>> torch.nn.functional.one_hot(torch.tensor([0, 2]))
    tensor([[1, 0, 0],
            [0, 0, 1]])
    """
    value = raw(tensor)
    if value.dtype.kind not in "iu":
        raise DtypeError(f"one_hot: needs integers, not {tensor.dtype}" + at(user_line()))
    count = int(value.max(initial=-1)) + 1 if num_classes < 0 else num_classes
    if value.size and (value.min() < 0 or value.max() >= count):
        raise ShapeError(f"one_hot: numbers must be in [0, {count})" + at(user_line()))
    return like(tensor, (value[..., None] == np.arange(count)).astype(np.int64))


def normalize(input: Any, p: float = 2.0, dim: Any = 1, eps: float = 1e-12) -> Any:
    """Divided by its p-norm along `dim`, or by eps where that is less.

    >>> torch.nn.functional.normalize(torch.tensor([[3.0, 4.0]]))
    tensor([[0.6000, 0.8000]])
    """
    lengths = linalg.vector_norm(input, axis=dim, keepdims=True, ord=p)
    return input / elementwise.clip(lengths, eps, None)


def _standardized(input: Any, axes: tuple[int, ...], eps: float) -> Any:
    centered = input - reduction.mean(input, axes, None, True)
    variance = reduction.mean(centered * centered, axes, None, True)
    return centered / elementwise.sqrt(variance + eps)


def _scaled(y: Any, weight: Any, bias: Any) -> Any:
    y = y if weight is None else y * weight
    return y if bias is None else y + bias


def layer_norm(
    input: Any, normalized_shape: Sequence[int], weight: Any = None, bias: Any = None,
    eps: float = 1e-5,
) -> Any:  # fmt: skip
    """Mean 0 and variance 1 over the last dimensions, then times weight, plus bias.

    >>> torch.nn.functional.layer_norm(torch.tensor([1.0, 3.0]), (2,))
    tensor([-1.0000,  1.0000])
    """
    axes = tuple(range(-len(normalized_shape), 0))
    return _scaled(_standardized(input, axes, eps), weight, bias)


def rms_norm(
    input: Any, normalized_shape: Sequence[int], weight: Any = None, eps: float | None = None
) -> Any:
    """Mean square 1 over the last dimensions, then times weight."""
    axes = tuple(range(-len(normalized_shape), 0))
    small = float(np.finfo(raw(input).dtype).eps) if eps is None else eps
    square = reduction.mean(input * input, axes, None, True)
    return _scaled(input / elementwise.sqrt(square + small), weight, None)


def batch_norm(
    input: Any, running_mean: Any, running_var: Any, weight: Any = None, bias: Any = None,
    training: bool = False, momentum: float = 0.1, eps: float = 1e-5,
) -> Any:  # fmt: skip
    """Mean 0 and variance 1 of each channel (dimension 1), over the batch or, in use, as learned.

    In training the running mean and variance are brought nearer, in place, to those of the batch.
    """
    axes = tuple(i for i in range(input.ndim) if i != 1)
    shape = [1, -1] + [1] * (input.ndim - 2)
    weight = None if weight is None else weight.reshape(*shape)
    bias = None if bias is None else bias.reshape(*shape)
    if training or running_mean is None:
        if running_mean is not None:
            value = raw(input)
            _nearer(running_mean, value.mean(axes), momentum)
            _nearer(running_var, value.var(axes, ddof=1), momentum)
        return _scaled(_standardized(input, axes, eps), weight, bias)
    mean, variance = raw(running_mean).reshape(shape), raw(running_var).reshape(shape)
    return _scaled((input - mean) / np.sqrt(variance + variance.dtype.type(eps)), weight, bias)


def _nearer(running: Any, value: Any, momentum: float) -> None:
    running.copy_((1 - momentum) * running.detach() + momentum * value)


def pad(input: Any, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> Any:
    """Wider at the ends of the last dimensions: `pad` is (left, right, top, bottom, ...).

    >>> torch.nn.functional.pad(torch.ones(2), (1, 0))
    tensor([0., 1., 1.])
    """
    pairs = [(pad[i], pad[i + 1]) for i in range(0, len(pad), 2)]
    widths = [(0, 0)] * (input.ndim - len(pairs)) + pairs[::-1]
    cut = tuple(
        slice(-min(a, 0), n + min(b, 0)) for (a, b), n in zip(widths, input.shape, strict=True)
    )
    grown = [(max(a, 0), max(b, 0)) for a, b in widths]
    modes = {"constant": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}
    if mode not in modes:
        raise ValueError(f"pad: mode is one of {', '.join(modes)}, not {mode!r}" + at(user_line()))
    if any(a < 0 or b < 0 for a, b in widths):
        input = input[cut]
    return joining.pad(input, grown, modes[mode], *([value or 0] if mode == "constant" else []))


def __getattr__(name: str) -> Any:
    raise _missing.missing(__name__, name, __all__)
