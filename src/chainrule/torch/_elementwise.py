"""Elementwise functions under PyTorch's names; every one is also a method of Tensor.

Where name and meaning agree, the operation itself stands here, without a layer between.
"""

# mypy: implicit-reexport

from __future__ import annotations

import math
from typing import Any

import numpy as np

from chainrule.ops import elementwise, special
from chainrule.ops.elementwise import (
    abs,
    acos,
    acosh,
    asin,
    asinh,
    atan,
    atan2,
    atanh,
    bitwise_and,
    bitwise_or,
    bitwise_xor,
    ceil,
    copysign,
    cos,
    cosh,
    deg2rad,
    divide,
    exp,
    exp2,
    expm1,
    floor,
    floor_divide,
    fmax,
    fmin,
    fmod,
    greater,
    greater_equal,
    heaviside,
    hypot,
    imag,
    isfinite,
    isinf,
    isnan,
    ldexp,
    less,
    less_equal,
    log,
    log1p,
    log2,
    log10,
    logaddexp,
    logaddexp2,
    logical_and,
    logical_not,
    logical_or,
    logical_xor,
    maximum,
    minimum,
    multiply,
    negative,
    nextafter,
    not_equal,
    rad2deg,
    reciprocal,
    remainder,
    signbit,
    sin,
    sinc,
    sinh,
    sqrt,
    square,
    subtract,
    tan,
    tanh,
    trunc,
)
from chainrule.ops.elementwise import bitwise_invert as bitwise_not
from chainrule.ops.elementwise import bitwise_left_shift as bitwise_left_shift
from chainrule.ops.elementwise import bitwise_right_shift as bitwise_right_shift
from chainrule.ops.elementwise import equal as eq
from chainrule.ops.elementwise import power as pow
from chainrule.ops.table import NUMBERS, raw

__all__ = [
    "abs", "absolute", "acos", "acosh", "add", "addcdiv", "addcmul", "allclose", "angle",
    "arccos", "arccosh", "arcsin", "arcsinh", "arctan", "arctan2", "arctanh", "asin", "asinh",
    "atan", "atan2", "atanh", "bitwise_and", "bitwise_left_shift", "bitwise_not", "bitwise_or",
    "bitwise_right_shift", "bitwise_xor", "ceil", "clamp", "clamp_max", "clamp_min", "clip",
    "complex", "conj", "conj_physical", "copysign", "cos", "cosh", "deg2rad", "digamma", "div",
    "divide", "eq", "equal", "erf", "erfc", "erfinv", "exp", "exp2", "expm1", "fix",
    "float_power", "floor", "floor_divide", "fmax", "fmin", "fmod", "frac", "ge", "greater",
    "greater_equal", "gt", "heaviside", "hypot", "i0", "imag", "isclose", "isfinite", "isin",
    "isinf", "isnan", "isneginf", "isposinf", "isreal", "ldexp", "le", "lerp", "less",
    "less_equal", "lgamma", "log", "log1p", "log2", "log10", "logaddexp", "logaddexp2",
    "logical_and", "logical_not", "logical_or", "logical_xor", "logit", "lt", "maximum",
    "minimum", "mul", "multiply", "mvlgamma", "nan_to_num", "ne", "neg", "negative", "nextafter",
    "not_equal", "polar", "polygamma", "positive", "pow", "rad2deg", "real", "reciprocal", "relu",
    "remainder", "round", "rsqrt", "rsub", "sgn", "sigmoid", "sign", "signbit", "sin", "sinc",
    "sinh", "sqrt", "square", "sub", "subtract", "tan", "tanh", "true_divide", "trunc", "where",
    "xlogy",
]  # fmt: skip

absolute = abs
arccos, arccosh, arcsin, arcsinh = acos, acosh, asin, asinh
arctan, arctan2, arctanh = atan, atan2, atanh
fix = trunc
ge, gt, le, lt, ne = greater_equal, greater, less_equal, less, not_equal
mul, neg = multiply, negative

digamma, lgamma = special.digamma, special.gammaln
erf, erfc, erfinv = special.erf, special.erfc, special.erfinv
i0, relu, sigmoid, xlogy = special.i0, special.relu, special.sigmoid, special.xlogy


def add(input: Any, other: Any, *, alpha: float = 1) -> Any:
    """input + alpha * other.

    >>> torch.add(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 1.0]), alpha=10)
    tensor([11., 12.])
    """
    return elementwise.add(input, other if alpha == 1 else other * alpha)


def sub(input: Any, other: Any, *, alpha: float = 1) -> Any:
    """input - alpha * other.

    >>> torch.sub(torch.tensor([1.0, 2.0]), 1)
    tensor([0., 1.])
    """
    return subtract(input, other if alpha == 1 else other * alpha)


def rsub(input: Any, other: Any, *, alpha: float = 1) -> Any:
    """other - alpha * input.

    >>> torch.rsub(torch.tensor([1.0, 2.0]), 1)
    tensor([ 0., -1.])
    """
    return subtract(other, input if alpha == 1 else input * alpha)


def div(input: Any, other: Any, *, rounding_mode: str | None = None) -> Any:
    """input / other; `rounding_mode` "trunc" rounds the quotient towards zero, "floor" down.

    >>> torch.div(torch.tensor([7.0, -7.0]), 2, rounding_mode="trunc")
    tensor([ 3., -3.])
    """
    if rounding_mode is None:
        return divide(input, other)
    if rounding_mode == "floor":
        return floor_divide(input, other)
    if rounding_mode == "trunc":
        quotient = trunc(divide(input, other))
        whole = all(raw(x).dtype.kind in "biu" for x in (input, other) if hasattr(x, "dtype"))
        return quotient.astype(np.int64) if whole and type(other) is not float else quotient
    raise ValueError(f"div: rounding_mode is None, 'trunc' or 'floor', not {rounding_mode!r}")


true_divide = div


def clamp(input: Any, min: Any = None, max: Any = None) -> Any:
    """Elements limited to [min, max], numbers or tensors; the gradient passes inside the interval.

    >>> torch.clamp(torch.tensor([-1.0, 0.5, 3.0]), 0, 1)
    tensor([0.0000, 0.5000, 1.0000])
    """
    if min is None and max is None:
        raise ValueError("clamp: give min=, max=, or both")
    return elementwise.clip(input, min, max)


clip = clamp


def clamp_min(input: Any, min: Any) -> Any:
    """Elements raised to `min` where they are below it."""
    return elementwise.clip(input, min, None)


def clamp_max(input: Any, max: Any) -> Any:
    """Elements lowered to `max` where they are above it."""
    return elementwise.clip(input, None, max)


def round(input: Any, *, decimals: int = 0) -> Any:
    """Elements rounded to `decimals` places, halves to even.

    >>> torch.round(torch.tensor([0.5, 1.5]))
    tensor([0., 2.])
    """
    return elementwise.round(input, decimals)


def sign(input: Any) -> Any:
    """-1, 0 or 1 by the sign of each element; its derivative is zero.

    >>> torch.sign(torch.tensor([-2.0, 0.0]))
    tensor([-1.,  0.])
    """
    return elementwise.sign(input)


def sgn(input: Any) -> Any:
    """`sign`, for complex elements too: z / |z|."""
    return elementwise.sign(input)


def frac(input: Any) -> Any:
    """What follows the decimal point, with the element's sign.

    >>> torch.frac(torch.tensor([1.5, -2.25]))
    tensor([ 0.5000, -0.2500])
    """
    return input - trunc(input)


def positive(input: Any) -> Any:
    """The tensor itself."""
    return input


def real(input: Any) -> Any:
    """Real part; a real tensor itself.

    >>> torch.real(torch.tensor([1 + 2j]))
    tensor([1.])
    """
    return elementwise.real(input) if raw(input).dtype.kind == "c" else input


def rsqrt(input: Any) -> Any:
    """1 / sqrt(input).

    >>> torch.rsqrt(torch.tensor(4.0))
    tensor(0.5000)
    """
    return reciprocal(sqrt(input))


def lerp(input: Any, end: Any, weight: Any) -> Any:
    """input + weight * (end - input).

    >>> torch.lerp(torch.tensor([0.0]), torch.tensor([10.0]), 0.25)
    tensor([2.5000])
    """
    return input + weight * (end - input)


def addcmul(input: Any, tensor1: Any, tensor2: Any, *, value: float = 1) -> Any:
    """input + value * tensor1 * tensor2.

    >>> torch.addcmul(torch.tensor([1.0]), torch.tensor([2.0]), torch.tensor([3.0]), value=10)
    tensor([61.])
    """
    product = tensor1 * tensor2
    return input + (product if value == 1 else value * product)


def addcdiv(input: Any, tensor1: Any, tensor2: Any, *, value: float = 1) -> Any:
    """input + value * tensor1 / tensor2.

    >>> torch.addcdiv(torch.tensor([1.0]), torch.tensor([2.0]), torch.tensor([4.0]), value=10)
    tensor([6.])
    """
    quotient = tensor1 / tensor2
    return input + (quotient if value == 1 else value * quotient)


def nan_to_num(
    input: Any, nan: float = 0.0, posinf: float | None = None, neginf: float | None = None
) -> Any:
    """NaN and infinities replaced by numbers (0, and the dtype's extremes).

    >>> torch.nan_to_num(torch.tensor([1.0, float("nan")]))
    tensor([1., 0.])
    """
    return elementwise.nan_to_num(input, nan=nan, posinf=posinf, neginf=neginf)


def logit(input: Any, eps: float | None = None) -> Any:
    """log(p / (1 - p)), with p limited to [eps, 1 - eps] where `eps` is given.

    >>> torch.logit(torch.tensor(0.5))
    tensor(0.)
    """
    return special.logit(input if eps is None else elementwise.clip(input, eps, 1 - eps))


def float_power(input: Any, exponent: Any) -> Any:
    """input ** exponent in float64.

    >>> torch.float_power(torch.tensor([2]), 3)
    tensor([8.], dtype=torch.float64)
    """
    base = input.astype(np.float64) if hasattr(input, "astype") else np.float64(input)
    return pow(base, float(exponent) if type(exponent) in NUMBERS else exponent.astype(np.float64))


def polygamma(n: int, input: Any) -> Any:
    """The n-th derivative of the digamma function.

    >>> torch.polygamma(1, torch.tensor(1.0))
    tensor(1.6449)
    """
    return special.polygamma(n, input)


def mvlgamma(input: Any, p: int) -> Any:
    """log of the multivariate gamma function of dimension p.

    >>> torch.mvlgamma(torch.tensor(3.0), 1)
    tensor(0.6931)
    """
    total: Any = p * (p - 1) / 4 * math.log(math.pi)
    for k in range(p):
        total = total + lgamma(input - k / 2)
    return total


def where(condition: Any, input: Any = None, other: Any = None) -> Any:
    """`input` where the condition holds, else `other`; with the condition alone, its `nonzero`.

    >>> torch.where(torch.tensor([True, False]), 1.0, 0.0)
    tensor([1., 0.])
    """
    if input is other is None:
        from chainrule.torch._indexing import nonzero

        return nonzero(condition, as_tuple=True)
    return elementwise.where(condition, input, other)


def isclose(
    input: Any, other: Any, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False
) -> Any:
    """Whether |input - other| <= atol + rtol * |other|, element by element.

    >>> torch.isclose(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 2.1]))
    tensor([ True, False])
    """
    a, b = input.detach(), other.detach()
    close = (a == b) | (isfinite(b) & (abs(a - b) <= atol + rtol * abs(b)))
    return close | (isnan(a) & isnan(b)) if equal_nan else close


def isposinf(input: Any) -> Any:
    """Whether elements are +infinity."""
    return input == np.inf


def isneginf(input: Any) -> Any:
    """Whether elements are -infinity."""
    return input == -np.inf


def isreal(input: Any) -> Any:
    """Whether elements have no imaginary part."""
    return imag(input) == 0


def angle(input: Any) -> Any:
    """The argument of complex elements; 0 or pi for real ones.

    >>> torch.angle(torch.tensor([1j, -1]))
    tensor([1.5708, 3.1416])
    """
    if raw(input).dtype.kind == "c":
        return atan2(imag(input), elementwise.real(input))
    return elementwise.where(
        isnan(input), input, elementwise.where(input < 0, np.pi, 0.0) + 0 * sign(input)
    )


def conj(input: Any) -> Any:
    """Complex conjugate.

    >>> torch.conj(torch.tensor([1 + 2j]))
    tensor([1.-2.j])
    """
    return elementwise.conj(input) if raw(input).dtype.kind == "c" else input


conj_physical = conj


def complex(real: Any, imag: Any) -> Any:
    """real + i imag.

    >>> torch.complex(torch.tensor([1.0]), torch.tensor([2.0]))
    tensor([1.+2.j])
    """
    return real + 1j * imag


def polar(abs: Any, angle: Any) -> Any:
    """The complex number of this absolute value and argument.

    >>> torch.polar(torch.tensor([1.0]), torch.tensor([0.0]))
    tensor([1.+0.j])
    """
    return abs * cos(angle) + 1j * (abs * sin(angle))


def equal(input: Any, other: Any) -> bool:
    """Whether two tensors have one shape and the same elements.

    >>> torch.equal(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 2.0]))
    True
    """
    return bool(np.array_equal(raw(input), raw(other)))


def allclose(
    input: Any, other: Any, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False
) -> bool:
    """Whether all elements are close: |input - other| <= atol + rtol * |other|.

    >>> torch.allclose(torch.tensor([1.0]), torch.tensor([1.0 + 1e-7]))
    True
    """
    return bool(isclose(input, other, rtol, atol, equal_nan)._value.all())


def isin(elements: Any, test_elements: Any, *, invert: bool = False) -> Any:
    """Whether each element is among the others.

    >>> torch.isin(torch.tensor([1, 2]), torch.tensor([2, 3]))
    tensor([False,  True])
    """
    from chainrule.ops import selection

    return selection.isin(elements, test_elements, invert=invert)
