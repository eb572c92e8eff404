"""Random tensors, from one generator that `seed` makes repeatable.

`normal`, `uniform` and the other families of location and scale are reparameterized: a draw is a
fixed standard draw, moved and stretched, so it is differentiable in parameters that are Tensors.
Every function takes `generator=` (see `default_rng`) in place of the shared one.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.creation import Class, make, plain, settled
from chainrule.errors import DtypeError, ShapeError, at, user_line
from chainrule.graph.node import Variable
from chainrule.ops import indexing
from chainrule.ops.drawing import check_drawing
from chainrule.ops.recording import raw
from chainrule.tensor import Tensor

if TYPE_CHECKING:
    from numpy.random import Generator  # imported on first use below: it takes 10 ms

__all__ = [
    "bernoulli", "beta", "choice", "default_rng", "exponential", "gamma", "gumbel", "laplace",
    "logistic", "lognormal", "manual_seed", "normal", "permutation", "poisson", "rand",
    "randint", "randn", "seed", "uniform",
]  # fmt: skip

Size = int | tuple[int, ...] | None

_lock = threading.Lock()
_shared: Generator | None = None


def default_rng(seed: Any = None) -> Generator:
    """A generator of its own, for the `generator=` of the functions here (NumPy's, PCG64).

    >>> rng = cr.random.default_rng(0)
    >>> cr.random.rand(2, generator=rng).shape
    (2,)
    """
    from numpy.random import PCG64, Generator

    return Generator(PCG64(seed))


def seed(value: int | None = None) -> Generator:
    """Start the shared generator anew, and return it: the same seed gives the same numbers.

    >>> _ = cr.random.seed(0)
    >>> a = cr.random.rand(3)
    >>> _ = cr.random.seed(0)
    >>> bool((a == cr.random.rand(3)).all())
    True
    """
    global _shared  # noqa: PLW0603 - the one state there is
    fresh = default_rng(value)
    with _lock:
        _shared = fresh
    return fresh


manual_seed = seed


def _source(given: Generator | None) -> Generator:
    """The generator to draw from. NumPy's lock it themselves while they draw."""
    global _shared  # noqa: PLW0603
    check_drawing()
    if given is not None:
        return given
    if _shared is None:
        with _lock:
            if _shared is None:
                _shared = default_rng()
    return _shared


# --- what the families share -------------------------------------------------------------------


def _floating(dtype: Any, cls: Class, *parameters: Any) -> np.dtype[Any]:
    """The dtype of a draw: asked for, or that of floating-point parameters, or the default."""
    found = [p.dtype for p in parameters if hasattr(p, "dtype") and p.dtype.kind == "f"]
    wanted = settled(dtype, cls) if dtype is not None or not found else np.result_type(*found)
    if wanted.kind != "f":
        raise DtypeError(f"random numbers are floating-point, not {wanted}" + at(user_line()))
    return wanted


def _shape(size: Size, *parameters: Any) -> tuple[int, ...]:
    """The shape of a draw: that of the parameters, or `size`, to which they must broadcast."""
    shapes = [np.shape(raw(p)) for p in parameters]
    if size is None:
        return np.broadcast_shapes(*shapes)
    wanted = (size,) if isinstance(size, (int, np.integer)) else tuple(size)
    try:
        if np.broadcast_shapes(wanted, *shapes) == wanted:
            return tuple(wanted)
    except ValueError:
        pass
    raise ShapeError(
        f"size={wanted} cannot hold draws with parameters of shapes "
        f"{', '.join(map(str, shapes))}; leave size out, or let it end in their shape"
        + at(user_line())
    )


def _sizes(size: tuple[Any, ...]) -> tuple[int, ...]:
    """Sizes given one by one or as one tuple."""
    if len(size) == 1 and isinstance(size[0], (tuple, list)):
        return tuple(size[0])
    return size


def _standard(draw: Callable[..., Any], shape: tuple[int, ...], dtype: np.dtype[Any]) -> Any:
    """A standard draw as an array; generators know float32 and float64 only."""
    direct = np.float32 if dtype.itemsize <= 4 else np.float64
    return np.asarray(draw(shape, dtype=direct)).astype(dtype, copy=False)


def _moved(cls: Class, z: Any, loc: Any, scale: Any, requires_grad: bool) -> Any:
    """loc + scale * z, recorded where loc or scale is a Tensor."""
    out = _typed(loc, z.dtype) + _typed(scale, z.dtype) * z
    if isinstance(out, Variable):
        return out.requires_grad_() if requires_grad and out._node is None else out  # type: ignore[attr-defined]
    return make(cls, np.asarray(out), requires_grad)


def _typed(parameter: Any, dtype: np.dtype[Any]) -> Any:
    """A parameter in the dtype of the draw."""
    if isinstance(parameter, Variable):
        return parameter if parameter.dtype == dtype else parameter.astype(dtype)  # type: ignore[attr-defined]
    return np.asarray(parameter, dtype)


# --- uniform and normal ------------------------------------------------------------------------


def rand(
    *size: Any,
    dtype: Any = None,
    requires_grad: bool = False,
    generator: Generator | None = None,
    cls: Class = Tensor,
) -> Any:
    """Uniform numbers in [0, 1), sizes given one by one or as a tuple.

    >>> cr.random.rand(2, 3).shape
    (2, 3)
    """
    dtype = _floating(dtype, cls)
    z = _standard(_source(generator).random, _sizes(size), dtype)
    return make(cls, z, requires_grad)


def randn(
    *size: Any,
    dtype: Any = None,
    requires_grad: bool = False,
    generator: Generator | None = None,
    cls: Class = Tensor,
) -> Any:
    """Normal numbers of mean 0 and variance 1, sizes given one by one or as a tuple.

    >>> cr.random.randn(2, 3).shape
    (2, 3)
    """
    dtype = _floating(dtype, cls)
    z = _standard(_source(generator).standard_normal, _sizes(size), dtype)
    return make(cls, z, requires_grad)


def uniform(
    low: Any = 0.0,
    high: Any = 1.0,
    size: Size = None,
    *,
    dtype: Any = None,
    requires_grad: bool = False,
    generator: Generator | None = None,
    cls: Class = Tensor,
) -> Any:
    """Uniform numbers in [low, high); differentiable in both.

    Raises ShapeError for a `size` that the parameters do not broadcast to.

    >>> cr.random.uniform(-1.0, 1.0, size=(2, 3)).shape
    (2, 3)
    """
    dtype = _floating(dtype, cls, low, high)
    z = _standard(_source(generator).random, _shape(size, low, high), dtype)
    low, high = _typed(low, dtype), _typed(high, dtype)
    return _moved(cls, z, low, high - low, requires_grad)


def normal(
    mean: Any = 0.0,
    std: Any = 1.0,
    size: Size = None,
    *,
    dtype: Any = None,
    requires_grad: bool = False,
    generator: Generator | None = None,
    cls: Class = Tensor,
) -> Any:
    """Normal numbers of a mean and a standard deviation; differentiable in both.

    Raises ShapeError for a `size` that the parameters do not broadcast to.

    >>> mean = cr.tensor(1.0, requires_grad=True)
    >>> cr.random.normal(mean, 2.0, size=5).sum().backward()
    >>> mean.grad
    tensor(5.)
    """
    dtype = _floating(dtype, cls, mean, std)
    z = _standard(_source(generator).standard_normal, _shape(size, mean, std), dtype)
    return _moved(cls, z, mean, std, requires_grad)


# --- other distributions -------------------------------------------------------------------------


def lognormal(mean: Any = 0.0, sigma: Any = 1.0, size: Size = None, **options: Any) -> Any:
    """Numbers whose logarithm is `normal(mean, sigma, size)`; differentiable in both.

    >>> bool((cr.random.lognormal(size=9) > 0).all())
    True
    """
    requires_grad = options.pop("requires_grad", False)
    out = np.exp(normal(mean, sigma, size, **options))
    return out.requires_grad_() if requires_grad and out._node is None else out


def exponential(
    scale: Any = 1.0,
    size: Size = None,
    *,
    dtype: Any = None,
    requires_grad: bool = False,
    generator: Generator | None = None,
    cls: Class = Tensor,
) -> Any:
    """Exponential numbers of mean `scale`; differentiable in it.

    >>> cr.random.exponential(2.0, size=3).shape
    (3,)
    """
    dtype = _floating(dtype, cls, scale)
    z = _standard(_source(generator).standard_exponential, _shape(size, scale), dtype)
    return _moved(cls, z, 0.0, scale, requires_grad)


def _drawn_by(name: str, loc: Any, scale: Any, size: Size, options: dict[str, Any]) -> Any:
    """A draw of a family of location and scale by NumPy's standard one."""
    cls = options.pop("cls", Tensor)
    dtype = _floating(options.pop("dtype", None), cls, loc, scale)
    requires_grad = options.pop("requires_grad", False)
    draw = getattr(_source(options.pop("generator", None)), name)
    if options:
        raise TypeError(f"{name}() has no argument {next(iter(options))!r}")
    z = np.asarray(draw(size=_shape(size, loc, scale))).astype(dtype)
    return _moved(cls, z, loc, scale, requires_grad)


def laplace(loc: Any = 0.0, scale: Any = 1.0, size: Size = None, **options: Any) -> Any:
    """Laplace (double exponential) numbers; differentiable in both parameters.

    >>> cr.random.laplace(size=3).shape
    (3,)
    """
    return _drawn_by("laplace", loc, scale, size, options)


def gumbel(loc: Any = 0.0, scale: Any = 1.0, size: Size = None, **options: Any) -> Any:
    """Gumbel numbers, the law of maxima; differentiable in both parameters.

    >>> cr.random.gumbel(size=3).shape
    (3,)
    """
    return _drawn_by("gumbel", loc, scale, size, options)


def logistic(loc: Any = 0.0, scale: Any = 1.0, size: Size = None, **options: Any) -> Any:
    """Logistic numbers; differentiable in both parameters.

    >>> cr.random.logistic(size=3).shape
    (3,)
    """
    return _drawn_by("logistic", loc, scale, size, options)


def gamma(
    shape: Any,
    scale: Any = 1.0,
    size: Size = None,
    *,
    dtype: Any = None,
    requires_grad: bool = False,
    generator: Generator | None = None,
    cls: Class = Tensor,
) -> Any:
    """Gamma numbers; differentiable in `scale`.

    There is no derivative in `shape`: a Tensor there that requires grad raises MissingDerivative.

    >>> cr.random.gamma(2.0, size=3).shape
    (3,)
    """
    dtype = _floating(dtype, cls, shape, scale)
    shape = plain(shape, "gamma", "shape")
    z = _source(generator).standard_gamma(shape, _shape(size, shape, scale))
    return _moved(cls, np.asarray(z).astype(dtype), 0.0, scale, requires_grad)


def beta(
    a: Any,
    b: Any,
    size: Size = None,
    *,
    dtype: Any = None,
    generator: Generator | None = None,
    cls: Class = Tensor,
) -> Any:
    """Beta numbers, in [0, 1]; not differentiable.

    >>> cr.random.beta(2.0, 3.0, size=3).shape
    (3,)
    """
    dtype = _floating(dtype, cls, a, b)
    a, b = plain(a, "beta", "a"), plain(b, "beta", "b")
    return make(cls, np.asarray(_source(generator).beta(a, b, _shape(size, a, b))).astype(dtype))


def poisson(
    rate: Any = 1.0,
    size: Size = None,
    *,
    dtype: Any = np.int64,
    generator: Generator | None = None,
    cls: Class = Tensor,
) -> Any:
    """Poisson counts; not differentiable.

    >>> cr.random.poisson(4.0, size=3).dtype
    dtype('int64')
    """
    rate = plain(rate, "poisson", "rate")
    return make(cls, np.asarray(_source(generator).poisson(rate, _shape(size, rate))).astype(dtype))


def bernoulli(
    p: Any,
    size: Size = None,
    *,
    dtype: Any = None,
    generator: Generator | None = None,
    cls: Class = Tensor,
) -> Any:
    """1 with probability `p`, else 0, as floating-point numbers; not differentiable.

    >>> cr.random.bernoulli(1.0, size=3)
    tensor([1., 1., 1.])
    """
    wanted = _floating(None, cls, p) if dtype is None else settled(dtype, cls)
    p = plain(p, "bernoulli", "p")
    return make(cls, np.asarray(_source(generator).random(_shape(size, p)) < p).astype(wanted))


# --- integers and selections -------------------------------------------------------------------


def randint(
    low: int,
    high: int | None = None,
    size: Size = (),
    *,
    dtype: Any = np.int64,
    generator: Generator | None = None,
    cls: Class = Tensor,
) -> Any:
    """Integers from `low` up to but without `high`; from 0 where one bound is given.

    >>> cr.random.randint(10, size=(2, 3)).shape
    (2, 3)
    """
    low, high = (0, low) if high is None else (low, high)
    try:
        drawn = _source(generator).integers(low, high, size)
    except ValueError as error:
        raise ValueError(f"randint({low}, {high}): {error}" + at(user_line())) from None
    return make(cls, np.asarray(drawn).astype(dtype))


def permutation(
    x: Any, *, axis: int = 0, generator: Generator | None = None, cls: Class = Tensor
) -> Any:
    """0 ... x-1 in random order for an integer; for a Tensor, what `axis` counts in random order.

    >>> cr.random.permutation(5).sort()
    tensor([0, 1, 2, 3, 4])
    """
    if isinstance(x, (int, np.integer)):
        return make(cls, _source(generator).permutation(int(x)))
    values = x if isinstance(x, Tensor) else make(cls, np.asarray(x))
    order = _source(generator).permutation(values.shape[axis])
    return indexing.take(values, order, axis=axis)


def choice(
    a: Any,
    size: Size = None,
    *,
    replace: bool = True,
    p: Any = None,
    axis: int = 0,
    generator: Generator | None = None,
    cls: Class = Tensor,
) -> Any:
    """Elements of `a` along `axis` (of 0 ... a-1 for an integer), with probabilities `p`;
    differentiable in `a`.

    Raises ValueError for more than there are, without `replace`.

    >>> cr.random.choice(cr.tensor([7.0]), size=3)
    tensor([7., 7., 7.])
    """
    p = plain(p, "choice", "p")
    whole = isinstance(a, (int, np.integer))
    values = a if whole or isinstance(a, Tensor) else make(cls, np.asarray(a))
    count = int(a) if whole else values.shape[axis]
    index = np.asarray(_source(generator).choice(count, size, replace=replace, p=p))
    return make(cls, index) if whole else indexing.take(values, index, axis=axis)
