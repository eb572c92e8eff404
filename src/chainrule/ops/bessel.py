"""Elementwise rows: Bessel functions; those with an order take complex arguments too.

The derivatives are the recurrences without a quotient (DLMF 10.6.1, 10.29.1), so they hold at 0 and
to every order: 2 J'_v = J_{v-1} - J_{v+1}, 2 I'_v = I_{v-1} + I_{v+1}, 2 K'_v = -K_{v-1} - K_{v+1}.
Scaled functions (names in e) are I_v(x) exp(-|x|) and K_v(x) exp(x).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from chainrule.errors import MissingDerivative, at, user_line
from chainrule.ops.family import elementwise, shown
from chainrule.ops.lazy import Function, lazy_of_order, scipy_row

inf = math.inf
ANY = (-4.0, 4.0)
POSITIVE = (0.3, 5.0)


def _scaled(name: str) -> Function:
    """SciPy's scaled function, 0 at infinity, where SciPy has NaN."""
    function = lazy_of_order(name)

    def evaluate(v: Any, x: Any) -> Any:
        return np.where(np.isinf(x), 0, function(v, x))[()]

    evaluate.scipy = name  # type: ignore[attr-defined]
    evaluate.vanishing = True  # type: ignore[attr-defined]
    return evaluate


def _ive_slope(y: Any, v: Any, x: Any) -> Any:
    if x.dtype.kind == "c":
        raise MissingDerivative(
            "ive: of a complex argument it is not holomorphic (it has a factor exp(-|real(x)|)), "
            "and its derivative is not written; use iv" + at(user_line())
        )
    return 0.5 * (ive(v - 1, x) + ive(v + 1, x)) - np.sign(x) * y


ORDER = "no closed form is known for the derivative in the order"

jv: Function = scipy_row(
    "jv",
    ORDER,
    lambda _y, v, x: 0.5 * (jv(v - 1, x) - jv(v + 1, x)),
    domain=("positive int", POSITIVE),
    special=(0.0, 1.0),
    doc=shown(
        "Bessel function of the first kind and order v.",
        "cr.special.jv(2, cr.tensor([0., 1.]))",
        "tensor([0.0000, 0.1149])",
    ),
)
yv: Function = scipy_row(
    "yv",
    ORDER,
    lambda _y, v, x: 0.5 * (yv(v - 1, x) - yv(v + 1, x)),
    domain=("positive int", POSITIVE),
    special=(1.0,),
    doc=shown(
        "Bessel function of the second kind and order v, of x > 0.",
        "cr.special.yv(2, cr.tensor([1., 2.]))",
        "tensor([-1.6507, -0.6174])",
    ),
)
iv: Function = scipy_row(
    "iv",
    ORDER,
    lambda _y, v, x: 0.5 * (iv(v - 1, x) + iv(v + 1, x)),
    domain=("positive int", POSITIVE),
    special=(0.0, 1.0),
    doc=shown(
        "Modified Bessel function of the first kind and order v.",
        "cr.special.iv(2, cr.tensor([0., 1.]))",
        "tensor([0.0000, 0.1357])",
    ),
)
ive: Function = elementwise(
    "ive",
    _scaled("ive"),
    (ORDER, _ive_slope),
    numpy=("scipy.special.ive",),
    domain=("positive int", POSITIVE),
    special=(0.0, 1.0),
    doc=shown(
        "iv(v, x) * exp(-|x|).",
        "cr.special.ive(2, cr.tensor([0., 1.]))",
        "tensor([0.0000, 0.0499])",
    ),
)
kv: Function = scipy_row(
    "kv",
    ORDER,
    lambda _y, v, x: -0.5 * (kv(v - 1, x) + kv(v + 1, x)),
    domain=("positive int", POSITIVE),
    special=(1.0,),
    doc=shown(
        "Modified Bessel function of the second kind and order v, of x > 0.",
        "cr.special.kv(2, cr.tensor([1., 2.]))",
        "tensor([1.6248, 0.2538])",
    ),
)
kve: Function = elementwise(
    "kve",
    _scaled("kve"),
    (ORDER, lambda y, v, x: y - 0.5 * (kve(v - 1, x) + kve(v + 1, x))),
    numpy=("scipy.special.kve",),
    domain=("positive int", POSITIVE),
    special=(1.0,),
    doc=shown(
        "kv(v, x) * exp(x).", "cr.special.kve(2, cr.tensor([1., 2.]))", "tensor([4.4168, 1.8750])"
    ),
)

# --- orders 0 and 1, evaluated by faster approximations ------------------------------------------

j0: Function = scipy_row(
    "j0",
    lambda _y, x: -j1(x),
    domain=(ANY,),
    special=(0.0,),
    doc=shown(
        "Bessel function of the first kind and order 0.",
        "cr.special.j0(cr.tensor([0., 1.]))",
        "tensor([1.0000, 0.7652])",
    ),
)
j1: Function = scipy_row(
    "j1",
    lambda _y, x: 0.5 * (j0(x) - jv(2, x)),
    domain=(ANY,),
    special=(0.0,),
    doc=shown(
        "Bessel function of the first kind and order 1.",
        "cr.special.j1(cr.tensor([0., 1.]))",
        "tensor([0.0000, 0.4401])",
    ),
)
y0: Function = scipy_row(
    "y0",
    lambda _y, x: -y1(x),
    domain=(POSITIVE,),
    special=(1.0,),
    doc=shown(
        "Bessel function of the second kind and order 0, of x > 0.",
        "cr.special.y0(cr.tensor([1., 2.]))",
        "tensor([0.0883, 0.5104])",
    ),
)
y1: Function = scipy_row(
    "y1",
    lambda _y, x: 0.5 * (y0(x) - yv(2, x)),
    domain=(POSITIVE,),
    special=(1.0,),
    doc=shown(
        "Bessel function of the second kind and order 1, of x > 0.",
        "cr.special.y1(cr.tensor([1., 2.]))",
        "tensor([-0.7812, -0.1070])",
    ),
)
i0: Function = scipy_row(
    "i0",
    lambda _y, x: i1(x),
    domain=(ANY,),
    special=(0.0,),
    numpy=(np.i0,),
    doc=shown(
        "Modified Bessel function of the first kind and order 0.",
        "cr.special.i0(cr.tensor([0., 1.]))",
        "tensor([1.0000, 1.2661])",
    ),
)
i1: Function = scipy_row(
    "i1",
    lambda _y, x: 0.5 * (i0(x) + iv(2, x)),
    domain=(ANY,),
    special=(0.0,),
    doc=shown(
        "Modified Bessel function of the first kind and order 1.",
        "cr.special.i1(cr.tensor([0., 1.]))",
        "tensor([0.0000, 0.5652])",
    ),
)
i0e: Function = scipy_row(
    "i0e",
    lambda y, x: i1e(x) - np.sign(x) * y,
    domain=(POSITIVE,),
    special=(0.0,),
    doc=shown(
        "i0(x) * exp(-|x|).", "cr.special.i0e(cr.tensor([0., 1.]))", "tensor([1.0000, 0.4658])"
    ),
)
i1e: Function = scipy_row(
    "i1e",
    lambda y, x: 0.5 * (i0e(x) + ive(2, x)) - np.sign(x) * y,
    domain=(POSITIVE,),
    special=(0.0,),
    doc=shown(
        "i1(x) * exp(-|x|).", "cr.special.i1e(cr.tensor([0., 1.]))", "tensor([0.0000, 0.2079])"
    ),
)
k0: Function = scipy_row(
    "k0",
    lambda _y, x: -k1(x),
    domain=(POSITIVE,),
    special=(1.0,),
    doc=shown(
        "Modified Bessel function of the second kind and order 0, of x > 0.",
        "cr.special.k0(cr.tensor([1., 2.]))",
        "tensor([0.4210, 0.1139])",
    ),
)
k1: Function = scipy_row(
    "k1",
    lambda _y, x: -0.5 * (k0(x) + kv(2, x)),
    domain=(POSITIVE,),
    special=(1.0,),
    doc=shown(
        "Modified Bessel function of the second kind and order 1, of x > 0.",
        "cr.special.k1(cr.tensor([1., 2.]))",
        "tensor([0.6019, 0.1399])",
    ),
)
k0e: Function = scipy_row(
    "k0e",
    lambda y, x: y - k1e(x),
    domain=(POSITIVE,),
    special=(1.0,),
    doc=shown("k0(x) * exp(x).", "cr.special.k0e(cr.tensor([1., 2.]))", "tensor([1.1445, 0.8416])"),
)
k1e: Function = scipy_row(
    "k1e",
    lambda y, x: y - 0.5 * (k0e(x) + kve(2, x)),
    domain=(POSITIVE,),
    special=(1.0,),
    doc=shown("k1(x) * exp(x).", "cr.special.k1e(cr.tensor([1., 2.]))", "tensor([1.6362, 1.0335])"),
)
