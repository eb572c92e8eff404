"""Rows about the parts of numbers: fraction and exponent, quotient and remainder, angle; integers.

Where NumPy's function has two results, they are composites of rows with one.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.ops.arithmetic import floor_divide, power, remainder
from chainrule.ops.axes import numpy_names, operand, real_operand
from chainrule.ops.batched import leading
from chainrule.ops.contraction import dot
from chainrule.ops.family import elementwise, shown
from chainrule.ops.movement import astype, ravel
from chainrule.ops.native import bits, loops
from chainrule.ops.recording import numbers, raw
from chainrule.ops.rounding import conj, imag, ldexp, real, trunc
from chainrule.ops.table import ZERO, S, composite, operation
from chainrule.ops.transcendental import atan2


def _divisor(a: Any, b: Any) -> Any:
    """Euclid's algorithm."""
    u, v = abs(a), abs(b)
    while v != 0:
        u, v = v, u % v
    return u


def _gcd(y: Any, a: Any, b: Any) -> None:
    y[()] = _divisor(a[()], b[()])


def _lcm(y: Any, a: Any, b: Any) -> None:
    divisor = _divisor(a[()], b[()])
    if divisor == 0:
        y[()] = 0
    else:
        y[()] = abs(a[()]) // divisor * abs(b[()])


def _ones(y: Any, x: Any) -> None:
    """Every turn takes away the last one."""
    word = bits(abs(x[()]))
    count = 0
    while word != 0:
        word = word & (word - 1)
        count += 1
    y[()] = count


spacing = elementwise(
    "spacing",
    np.spacing,
    (ZERO,),
    expand=lambda x: np.copysign(np.nextafter(np.abs(x), np.inf) - np.abs(x), x),
    doc=shown(
        "Distance to the nearest other floating-point number; its derivative is zero.",
        "cr.spacing(cr.tensor([1., 2.])) * 2**52",
        "tensor([1., 2.])",
    ),
)
gcd = elementwise(
    "gcd",
    np.gcd,
    domain=("int", "int"),
    native=loops(_gcd, core=(0,)),
    doc=shown("Greatest common divisor of integers.", "cr.gcd(cr.tensor([12, 8]), 6)",
              "tensor([6, 2])"),
)  # fmt: skip
lcm = elementwise(
    "lcm",
    np.lcm,
    domain=("int", "int"),
    native=loops(_lcm, core=(0,)),
    doc=shown("Least common multiple of integers.", "cr.lcm(cr.tensor([4, 3]), 6)",
              "tensor([12,  6])"),
)  # fmt: skip
bitwise_count = elementwise(
    "bitwise_count",
    np.bitwise_count,
    domain=("int",),
    native=loops(_ones, core=(0,), dtype=""),
    doc=shown("Number of ones in the binary form of |x|.", "cr.bitwise_count(cr.tensor([5, 8]))",
              "tensor([2, 1], dtype=uint8)"),
)  # fmt: skip


@composite(samples=[S((3,), (3,)), S((2, 3), ())], numpy=(np.divmod,))
def divmod(x1: Any, x2: Any) -> tuple[Any, Any]:
    """`floor_divide` and `remainder` together.

    >>> cr.divmod(cr.tensor([7.0, -7.0]), 4.0)
    (tensor([ 1., -2.]), tensor([3., 1.]))
    """
    return floor_divide(x1, x2), remainder(x1, x2)


@composite(samples=[S((3,)), S((2, 3))], numpy=(np.modf,))
def modf(x: Any) -> tuple[Any, Any]:
    """The fraction of x and its whole part, both with the sign of x.

    >>> cr.modf(cr.tensor([2.25, -2.25]))
    (tensor([ 0.2500, -0.2500]), tensor([ 2., -2.]))
    """
    x = real_operand(x, "modf")
    whole = trunc(x)
    return np.where(np.isinf(raw(x)), np.copysign(0, raw(x)), x - whole), whole


@operation(
    differentiable=False,
    samples=[S((3,))],
    batch=leading,
)
def exponent(x: Any) -> Any:
    """The e for which x / 2**e is at least 1/2 and less than 1 in absolute value; 0 of zero."""
    return np.frexp(x)[1]


@composite(samples=[S((3,)), S((2, 3))], numpy=(np.frexp,))
def frexp(x: Any) -> tuple[Any, Any]:
    """m and an integer e with x = m * 2**e, |m| at least 1/2 and less than 1; 0, 0 of zero.

    >>> cr.frexp(cr.tensor([8.0, 3.0]))
    (tensor([0.5000, 0.7500]), tensor([4, 2], dtype=int32))
    """
    x = real_operand(x, "frexp")
    e = exponent(x)
    return ldexp(x, -e), e


@composite(
    samples=[S(lambda rng: rng.uniform(0.5, 2.0, 3), (3,))],
    numpy=(np.float_power,),
    untested="double precision at least, also of single",
)
def float_power(x1: Any, x2: Any) -> Any:
    """x1 to the power x2 in double precision at least, also of integers.

    >>> cr.float_power(cr.tensor([2, 4]), -1)
    tensor([0.5000, 0.2500])
    """
    wide = [x if x.dtype.itemsize >= 8 * (1 + (x.dtype.kind == "c")) and x.dtype.kind in "fc"
            else astype(x, np.complex128 if x.dtype.kind == "c" else np.float64)
            for x in (operand(x1, "float_power"), operand(x2, "float_power"))]  # fmt: skip
    return power(*wide)


def _complex(rng: np.random.Generator) -> Any:
    return rng.normal(size=3) + 1j * rng.normal(size=3)


@composite(samples=[S((3,)), S(_complex), S(_complex, deg=True)], numpy=(np.angle,))
def angle(z: Any, deg: bool = False) -> Any:
    """The angle of a complex number in the plane, in radians or degrees.

    >>> cr.angle(cr.tensor([1.0, 1j]), deg=True)
    tensor([ 0., 90.])
    """
    z = operand(z, "angle")
    y = atan2(imag(z), real(z)) if z.dtype.kind == "c" else atan2(0.0, z)
    return y * (180 / np.pi) if deg else y


@composite(samples=[S(_complex)], numpy=(np.real_if_close,))
def real_if_close(x: Any, tol: float = 100) -> Any:
    """The real part where all imaginary parts are zero but for rounding, else x.

    `tol` is in units of the spacing at 1, or an absolute bound where it is not above 1.

    >>> cr.real_if_close(cr.tensor([1.0 + 1e-16j]))
    tensor([1.])
    """
    x = operand(x, "real_if_close")
    if x.dtype.kind != "c":
        return x
    bound = tol * float(np.finfo(x.dtype).eps) if tol > 1 else tol
    return real(x) if np.all(np.abs(numbers(x).imag) < bound) else x


@composite(samples=[S((3,), (3,)), S((2, 3), (6,)), S(_complex, _complex)], numpy=(np.vdot,))
def vdot(a: Any, b: Any) -> Any:
    """The inner product of all elements of two arrays as vectors, the first one conjugate.

    >>> cr.vdot(cr.tensor([1.0, 2.0]), [3.0, 4.0])
    tensor(11.)
    """
    a, b = ravel(operand(a, "vdot")), ravel(operand(b, "vdot"))
    return dot(conj(a) if a.dtype.kind == "c" else a, b)


@operation(
    differentiable=False,
    samples=[S((3,)), S(_complex)],
    numpy=numpy_names("isreal"),
    batch=leading,
    expand=lambda x: np.broadcast_to(np.True_, x.shape),
)
def isreal(x: Any) -> Any:
    """Whether the imaginary part is zero.

    >>> cr.isreal(cr.tensor([1.0, 1j]))
    tensor([ True, False])
    """
    return np.asarray(np.isreal(x))


@operation(
    differentiable=False,
    samples=[S((3,)), S(_complex)],
    numpy=(np.iscomplex,),
    batch=leading,
    expand=lambda x: np.broadcast_to(np.False_, x.shape),
)
def iscomplex(x: Any) -> Any:
    """Whether the imaginary part is not zero.

    >>> cr.iscomplex(cr.tensor([1.0, 1j]))
    tensor([False,  True])
    """
    return np.asarray(np.iscomplex(x))


@operation(
    differentiable=False,
    samples=[S((3,)), S(lambda _: [np.inf, 1.0])],
    numpy=(np.isposinf,),
    batch=leading,
    expand=lambda x: np.equal(x, np.inf),
)
def isposinf(x: Any) -> Any:
    """Which elements are inf.

    >>> cr.isposinf(cr.tensor([1.0, np.inf, -np.inf]))
    tensor([False,  True, False])
    """
    return np.asarray(np.isposinf(x))


@operation(
    differentiable=False,
    samples=[S((3,)), S(lambda _: [-np.inf, 1.0])],
    numpy=(np.isneginf,),
    batch=leading,
    expand=lambda x: np.equal(x, -np.inf),
)
def isneginf(x: Any) -> Any:
    """Which elements are -inf.

    >>> cr.isneginf(cr.tensor([1.0, np.inf, -np.inf]))
    tensor([False, False,  True])
    """
    return np.asarray(np.isneginf(x))
