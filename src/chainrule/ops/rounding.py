"""Elementwise rows: rounding, signs, and the parts of complex numbers."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from chainrule.ops.arithmetic import divide, multiply, positive
from chainrule.ops.axes import operand
from chainrule.ops.batched import leading
from chainrule.ops.family import elementwise, shown
from chainrule.ops.partials import kind_of, off_zero
from chainrule.ops.table import NUMPY, ZERO, S, composite, operation

inf = math.inf
ANY = (-3.0, 3.0)

# --- rounding: piecewise constant, so the derivative is zero -------------------------------------

ceil = elementwise(
    "ceil",
    np.ceil,
    (ZERO,),
    special=(0.0, 1.0),
    doc=shown(
        "Smallest integer not below x; its derivative is zero.",
        "cr.ceil(cr.tensor([1.2, -1.2]))",
        "tensor([ 2., -1.])",
    ),
)
floor = elementwise(
    "floor",
    np.floor,
    (ZERO,),
    special=(0.0, 1.0),
    doc=shown(
        "Largest integer not above x; its derivative is zero.",
        "cr.floor(cr.tensor([1.2, -1.2]))",
        "tensor([ 1., -2.])",
    ),
)
trunc = elementwise(
    "trunc",
    np.trunc,
    (ZERO,),
    special=(0.0, 1.0),
    numpy=(np.fix,),
    doc=shown(
        "x without its fraction; its derivative is zero.",
        "cr.trunc(cr.tensor([1.7, -1.7]))",
        "tensor([ 1., -1.])",
    ),
)
rint = elementwise(
    "rint",
    np.rint,
    (ZERO,),
    special=(0.0, 0.5, 1.5),
    doc=shown(
        "Nearest integer, halves to even; its derivative is zero.",
        "cr.rint(cr.tensor([1.5, 2.5]))",
        "tensor([2., 2.])",
    ),
)


@composite(samples=[S((2, 3)), S((3,), decimals=1)], numpy=(np.round, np.around))
def round(x: Any, decimals: int = 0) -> Any:
    """x rounded to `decimals` places, halves to even; its derivative is zero.

    >>> cr.round(cr.tensor([0.5, 1.5, 2.25]), 1)
    tensor([0.5000, 1.5000, 2.2000])
    """
    x = operand(x, "round")
    whole = x.dtype.kind in "iu"
    if not decimals or (whole and decimals > 0):
        return positive(x) if whole else rint(x)
    scale = 10.0**decimals
    y = divide(rint(multiply(x, scale)), scale)
    return y.astype(x.dtype) if whole else y


nextafter = elementwise(
    "nextafter",
    np.nextafter,
    (1, ZERO),
    special=(0.0,),
    doc=shown(
        "The floating-point number after a in the direction of b.",
        "cr.nextafter(cr.tensor([1., 2.]), 3)",
        "tensor([1.0000, 2.0000])",
    ),
)
ldexp = elementwise(
    "ldexp",
    np.ldexp,
    (lambda _y, _a, b: np.exp2(b), "the exponent is an integer"),
    domain=(ANY, "int"),
    special=(0.0,),
    doc=shown("a * 2**b, b integer.", "cr.ldexp(cr.tensor([1., 3.]), 2)", "tensor([ 4., 12.])"),
)

# --- sign and complex parts ----------------------------------------------------------------------


_real_sign = elementwise(
    "sign",
    np.sign,
    (ZERO,),
    special=(0.0,),
    doc=shown(
        "-1, 0 or 1; of a complex number x / |x|. The derivative of the real sign is zero.",
        "cr.sign(cr.tensor([-2., 0., 3.]))",
        "tensor([-1.,  0.,  1.])",
    ),
)


def sign(x: Any, /) -> Any:  # noqa: D103 - the row has the text
    if kind_of(x) == "c":
        # the one case in which it varies; 0 stands for zeros of either sign
        return np.where(x == 0, 0, x) / off_zero(np.abs(x))
    return _real_sign(x)


# the row's public face, also under NumPy's name
sign.__doc__ = _real_sign.__doc__
sign.operation = _real_sign.operation  # type: ignore[attr-defined]
sign.operation.function = NUMPY[np.sign] = sign  # type: ignore[attr-defined]
sign.operation.call = None  # type: ignore[attr-defined]  # it knows real signs only


def _slope_of_abs(_y: Any, x: Any) -> Any:
    """The sign; its conjugate for complex x, since d|x| = Re(conj(sign(x)) dx)."""
    return np.sign(x) if x.dtype.kind != "c" else np.conj(np.sign(x))


abs = elementwise(
    "abs",
    np.abs,
    (_slope_of_abs,),
    special=(0.0, inf),
    forward=lambda ts, _y, x: np.real(ts[0] * _slope_of_abs(None, x)),
    doc=shown(
        "Absolute value; its derivative at 0 is 0.",
        "cr.abs(cr.tensor([-2., 3.]))",
        "tensor([2., 3.])",
    ),
)
absolute = abs
fabs = elementwise(
    "fabs",
    np.fabs,
    (lambda _y, x: np.sign(x),),
    special=(0.0, inf),
    doc=shown(
        "Absolute value of a real number, as floating point.",
        "cr.fabs(cr.tensor([-2., 3.]))",
        "tensor([2., 3.])",
    ),
)
copysign = elementwise(
    "copysign",
    np.copysign,
    (lambda y, a, _b: np.sign(a) * np.sign(y), ZERO),
    special=(0.0, -0.0),
    doc=shown(
        "|a| with the sign of b.", "cr.copysign(cr.tensor([1., -2.]), -1)", "tensor([-1., -2.])"
    ),
)
heaviside = elementwise(
    "heaviside",
    np.heaviside,
    (ZERO, lambda _y, a, _b: np.equal(a, 0)),
    special=(0.0,),
    doc=shown(
        "0 for a < 0, 1 for a > 0, b at a = 0.",
        "cr.heaviside(cr.tensor([-1., 0., 2.]), 0.5)",
        "tensor([0.0000, 0.5000, 1.0000])",
    ),
)
real = elementwise(
    "real",
    lambda x: np.array(np.real(x))[()],
    (1,),
    arity=1,
    numpy=(np.real,),
    special=(0.0,),
    forward=lambda ts, _y, _x: np.real(ts[0]),
    doc=shown("Real part.", "cr.real(cr.tensor([1 + 2j]))", "tensor([1.])"),
)
imag = elementwise(
    "imag",
    lambda x: np.array(np.imag(x))[()],
    (lambda _y, x: -1j if x.dtype.kind == "c" else 0.0,),
    arity=1,
    numpy=(np.imag,),
    special=(0.0,),
    forward=lambda ts, _y, _x: np.imag(ts[0]),
    expand=lambda x: np.zeros(x.shape, x.dtype),
    doc=shown("Imaginary part.", "cr.imag(cr.tensor([1 + 2j]))", "tensor([2.])"),
)


def _complex_numbers(rng: np.random.Generator) -> Any:
    return rng.standard_normal((2, 3)) + 1j * rng.standard_normal((2, 3))


@operation(
    reverse=(lambda ct, _y, _x: np.conj(ct),),
    linear=(0,),
    kind="linear",
    numpy=(np.conj,),
    samples=[S((2, 3)), S(_complex_numbers)],
    batch=leading,
)
def conj(x: Any) -> Any:
    """Complex conjugate.

    >>> cr.conj(cr.tensor([1 + 2j]))
    tensor([1.-2.j])
    """
    return np.conj(x)
