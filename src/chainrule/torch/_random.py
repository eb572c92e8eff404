"""Random numbers that are PyTorch's own: after `torch.manual_seed(42)` the same digits come.

The generator is the Mersenne Twister MT19937, seeded as by Matsumoto and Nishimura's
`init_genrand`, of which NumPy has an implementation. What follows is how PyTorch (2.13, on a CPU)
makes its distributions of the 32-bit numbers; they were compared with it one by one.

- uniform: 24 bits of one number for float32; for float64 53 bits of two, the first the high half
- normal: fewer than 16 elements by Box and Muller's method in float64, the second number of a pair
  kept for later; 16 and more in blocks of 16, of eight radii and then eight angles
- integers: the remainder of one number (of two, for a range beyond 2**32)
- permutation: Fisher and Yates' shuffle
"""

from __future__ import annotations

import math
import os
from typing import Any

import numpy as np

from chainrule.errors import ShapeError, at, user_line
from chainrule.ops.drawing import check_drawing
from chainrule.ops.table import raw
from chainrule.record.inplace import assign
from chainrule.torch._arguments import sizes
from chainrule.torch._creation import _floating, _made
from chainrule.torch._dtypes import checked, dtype_of
from chainrule.torch._tensor import Tensor

__all__ = [
    "Generator", "bernoulli", "default_generator", "get_rng_state", "initial_seed", "manual_seed",
    "multinomial", "normal", "rand", "rand_like", "randint", "randint_like", "randn", "randn_like",
    "randperm", "seed", "set_rng_state",
]  # fmt: skip

BLOCK = 16


class Generator:
    """A source of random numbers with a seed and state of its own.

    >>> g = torch.Generator().manual_seed(0)
    >>> torch.rand(1, generator=g)
    tensor([0.4963])
    """

    def __init__(self, device: Any = "cpu") -> None:
        self.manual_seed(67280421310721)  # PyTorch's own default

    def manual_seed(self, seed: int) -> Generator:
        """Start anew from a seed."""
        self._seed = int(seed)
        self._bits: Any = np.random.RandomState(self._seed & 0xFFFFFFFF)._bit_generator
        self._spare: float | None = None
        return self

    def seed(self) -> int:
        """Start anew from a seed of the operating system, and return it."""
        self.manual_seed(int.from_bytes(os.urandom(8), "little"))
        return self._seed

    def initial_seed(self) -> int:
        """The seed that the numbers started from."""
        return self._seed

    def get_state(self) -> Any:
        """The state, for `set_state`."""
        return {"bits": self._bits.state, "spare": self._spare, "seed": self._seed}

    def set_state(self, state: Any) -> None:
        """Go on from a state that `get_state` gave."""
        self._bits.state, self._spare, self._seed = state["bits"], state["spare"], state["seed"]

    def numbers(self, count: int) -> Any:
        """So many 32-bit numbers, as uint64."""
        check_drawing()
        return self._bits.random_raw(count)

    def long_numbers(self, count: int) -> Any:
        """So many 64-bit numbers."""
        check_drawing()
        pairs = self._bits.random_raw(2 * count).reshape(-1, 2)
        return (pairs[:, 0] << np.uint64(32)) | pairs[:, 1]

    def uniform(self, count: int, dtype: Any) -> Any:
        """Numbers of [0, 1)."""
        if dtype == np.float64:
            return (self.long_numbers(count) & np.uint64((1 << 53) - 1)) * 2.0**-53
        return (self.numbers(count) & np.uint64((1 << 24) - 1)).astype(np.float32) * np.float32(
            2.0**-24
        )

    def normal(self, count: int, dtype: Any) -> Any:
        """Numbers of mean 0 and standard deviation 1."""
        if count < BLOCK:
            return np.array([self._one_normal() for _ in range(count)], dtype)
        out = self.uniform(count, dtype)
        whole = count - count % BLOCK
        out[:whole] = _box_muller(out[:whole].reshape(-1, 2, BLOCK // 2))
        if whole < count:  # the last block is drawn anew
            out[-BLOCK:] = _box_muller(self.uniform(BLOCK, dtype).reshape(1, 2, BLOCK // 2))
        return out

    def _one_normal(self) -> float:
        if self._spare is not None:
            value, self._spare = self._spare, None
            return value
        angle, radius = self.uniform(2, np.float64).tolist()
        radius, angle = math.sqrt(-2 * math.log1p(-radius)), 2 * math.pi * angle
        self._spare = radius * math.sin(angle)
        return radius * math.cos(angle)

    def integers(self, low: int, high: int, count: int) -> Any:
        """Integers of [low, high)."""
        span = high - low
        drawn = self.long_numbers(count) if span >= 1 << 32 else self.numbers(count)
        return (drawn % np.uint64(span)).astype(np.int64) + low

    def permutation(self, n: int) -> Any:
        """The integers below n in random order."""
        order = list(range(n))
        for i, number in enumerate(self.numbers(max(n - 1, 0)).tolist()):
            j = i + number % (n - i)
            order[i], order[j] = order[j], order[i]
        return np.array(order, np.int64)


def _box_muller(uniform: Any) -> Any:
    radius = np.sqrt(-2 * np.log(1 - uniform[:, 0]))
    angle = uniform.dtype.type(2 * math.pi) * uniform[:, 1]
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1).reshape(-1)


default_generator = Generator()
default_generator.seed()


def manual_seed(seed: int) -> Generator:
    """Start the random numbers anew from a seed; they are PyTorch's.

    >>> g = torch.manual_seed(42)
    >>> torch.rand(3)
    tensor([0.8823, 0.9150, 0.3829])
    """
    return default_generator.manual_seed(seed)


def seed() -> int:
    """Start the random numbers anew from a seed of the operating system, and return it."""
    return default_generator.seed()


def initial_seed() -> int:
    """The seed that the random numbers started from."""
    return default_generator.initial_seed()


def get_rng_state() -> Any:
    """The state of the random numbers, for `set_rng_state`."""
    return default_generator.get_state()


def set_rng_state(state: Any) -> None:
    """Go on from a state that `get_rng_state` gave."""
    default_generator.set_state(state)


def _size(size: tuple[Any, ...], named: Any) -> tuple[int, ...]:
    return sizes(size) if named is None else sizes((named,))


def _count(shape: tuple[int, ...]) -> int:
    return math.prod(shape)


def rand(
    *shape: Any, size: Any = None, generator: Generator | None = None, dtype: Any = None,
    device: Any = None, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Random numbers, uniform in [0, 1).

    >>> g = torch.manual_seed(0)
    >>> torch.rand(2)
    tensor([0.4963, 0.7682])
    """
    wanted, kind = _size(shape, size), _floating(dtype)
    value = (generator or default_generator).uniform(_count(wanted), kind).reshape(wanted)
    return _made(value, kind, requires_grad, device)


def randn(
    *shape: Any, size: Any = None, generator: Generator | None = None, dtype: Any = None,
    device: Any = None, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Random numbers of the standard normal distribution.

    >>> g = torch.manual_seed(0)
    >>> torch.randn(2)
    tensor([ 1.5410, -0.2934])
    """
    wanted, kind = _size(shape, size), _floating(dtype)
    value = (generator or default_generator).normal(_count(wanted), kind).reshape(wanted)
    return _made(value, kind, requires_grad, device)


def randint(
    low: Any, high: Any = None, size: Any = None, *, generator: Generator | None = None,
    dtype: Any = None, device: Any = None, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Random integers from `low` (0 by default) up to, and without, `high`.

    >>> g = torch.manual_seed(42)
    >>> torch.randint(0, 10, (5,))
    tensor([2, 7, 6, 4, 6])
    """
    if size is None or high is None:
        low, high, size = (0, low, high if size is None else size)
    if high <= low:
        raise ValueError(f"randint: there is no integer from {low} up to {high}" + at(user_line()))
    wanted = sizes((size,))
    value = (generator or default_generator).integers(int(low), int(high), _count(wanted))
    return _made(value.reshape(wanted), checked(dtype) or np.int64, requires_grad, device)


def randperm(n: int, *, generator: Generator | None = None, dtype: Any = None) -> Tensor:
    """The integers below n in random order.

    >>> g = torch.manual_seed(42)
    >>> torch.randperm(4)
    tensor([2, 3, 0, 1])
    """
    return _made((generator or default_generator).permutation(n), checked(dtype) or np.int64, False)


def _kind_like(input: Any, dtype: Any) -> Any:
    return dtype_of(checked(dtype) or raw(input).dtype)


def rand_like(input: Any, *, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Uniform random numbers in the shape and dtype of another tensor."""
    return rand(raw(input).shape, dtype=_kind_like(input, dtype), requires_grad=requires_grad)


def randn_like(input: Any, *, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Normal random numbers in the shape and dtype of another tensor."""
    return randn(raw(input).shape, dtype=_kind_like(input, dtype), requires_grad=requires_grad)


def randint_like(input: Any, low: int, high: int | None = None, *, dtype: Any = None) -> Tensor:
    """Random integers in the shape and dtype of another tensor."""
    first, last = (0, low) if high is None else (low, high)
    return randint(first, last, raw(input).shape, dtype=_kind_like(input, dtype))


def normal(
    mean: Any = 0.0, std: Any = 1.0, size: Any = None, *, generator: Generator | None = None
) -> Tensor:
    """Normal random numbers of the mean and standard deviation given, numbers or tensors."""
    if size is None:
        size = np.broadcast_shapes(np.shape(raw(mean)), np.shape(raw(std)))
    return randn(size, generator=generator) * raw(std) + raw(mean)


def bernoulli(input: Any, p: Any = None, *, generator: Generator | None = None) -> Tensor:
    """1 with the probability that each element is (or with probability p), else 0."""
    chance = raw(input)
    drawn = (generator or default_generator).uniform(chance.size, np.float64).reshape(chance.shape)
    return _made((drawn < (chance if p is None else p)), chance.dtype, False)


def multinomial(
    input: Any, num_samples: int, replacement: bool = False, *, generator: Generator | None = None
) -> Tensor:
    """Positions drawn with probabilities in proportion to the elements of each row."""
    weights = np.atleast_2d(raw(input)).astype(np.float64)
    source = generator or default_generator
    if replacement:
        cumulated = np.cumsum(weights, 1) / weights.sum(1, keepdims=True)
        drawn = source.uniform(len(weights) * num_samples, np.float64).reshape(len(weights), -1)
        found = (drawn[:, :, None] >= cumulated[:, None, :]).sum(2)
    else:
        if (np.count_nonzero(weights, 1) < num_samples).any():
            raise ShapeError(
                f"multinomial: {num_samples} draws without replacement need as many elements that "
                "are not zero" + at(user_line())
            )
        # the largest of weight / exponential, one after another: a draw without replacement
        waits = -np.log1p(-source.uniform(weights.size, np.float64).reshape(weights.shape))
        with np.errstate(divide="ignore"):
            found = np.argsort(-weights / waits, 1, kind="stable")[:, :num_samples]
    return _made(found.reshape(*raw(input).shape[:-1], num_samples), np.int64, False)


# --- in place -------------------------------------------------------------------------------------


def _fill(x: Any, value: Any) -> Any:
    assign(x, ..., value.reshape(x._value.shape).astype(x._value.dtype))
    return x


def uniform_(
    self: Any, a: float = 0.0, b: float = 1.0, *, generator: Generator | None = None
) -> Any:
    """Fill with random numbers, uniform in [a, b)."""
    value = self._value
    drawn = (generator or default_generator).uniform(value.size, value.dtype)
    return _fill(self, drawn * value.dtype.type(b - a) + value.dtype.type(a))


def normal_(
    self: Any, mean: float = 0.0, std: float = 1.0, *, generator: Generator | None = None
) -> Any:
    """Fill with normal random numbers."""
    value = self._value
    drawn = (generator or default_generator).normal(value.size, value.dtype)
    return _fill(self, drawn * value.dtype.type(std) + value.dtype.type(mean))


def random_(self: Any, low: int = 0, high: int | None = None) -> Any:
    """Fill with random integers from `low` up to, and without, `high`."""
    if high is None:
        low, high = 0, low or (1 << 24)
    return _fill(self, default_generator.integers(low, high, self._value.size))


def bernoulli_(self: Any, p: Any = 0.5, *, generator: Generator | None = None) -> Any:
    """Fill with 1 with probability p, else 0."""
    chance = np.broadcast_to(np.asarray(raw(p)), self._value.shape)
    drawn = (generator or default_generator).uniform(chance.size, np.float64)
    return _fill(self, drawn.reshape(chance.shape) < chance)


for _method in (uniform_, normal_, random_, bernoulli_):
    setattr(Tensor, _method.__name__, _method)
