"""Elementwise rows: the gamma and beta functions, their logarithms and logarithmic derivatives."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from chainrule.ops.family import elementwise, shown
from chainrule.ops.lazy import INTEGER, Function, scipy_row
from chainrule.ops.table import TABLE

inf = math.inf
POSITIVE = (0.3, 4.0)


def _polygamma(n: Any, x: Any) -> Any:
    from scipy import special

    y = special.polygamma(n, x)
    # SciPy's is not a ufunc, and always gives float64
    return y.astype(x.dtype) if getattr(x, "dtype", y.dtype).kind == "f" else y


def _polygamma_by_zeta(n: Any, x: Any) -> Any:
    """(-1)^(n+1) n! zeta(n + 1, x) (DLMF 25.11.12); digamma for n = 0."""
    n = n + 0.0
    sign = 1.0 - 2.0 * np.remainder(n + 1.0, 2.0)
    higher = sign * gamma(n + 1.0) * TABLE["hurwitz_zeta"].function(n + 1.0, x)
    return np.where(np.equal(n, 0), digamma(x), higher)


polygamma: Function = elementwise(
    "polygamma",
    _polygamma,
    (INTEGER, lambda _y, n, x: polygamma(n + 1, x)),
    expand=_polygamma_by_zeta,
    domain=("positive int", POSITIVE),
    special=(1.0,),
    doc=shown(
        "Derivative number n of the digamma function, n an integer.",
        "cr.special.polygamma(1, cr.tensor([1., 2.]))",
        "tensor([1.6449, 0.6449])",
    ),
)
digamma: Function = scipy_row(
    "digamma",
    lambda _y, x: polygamma(1, x),
    scipy="psi",
    domain=(POSITIVE,),
    special=(0.0, 1.0, -1.0, inf),
    doc=shown(
        "Derivative of log(gamma(x)).",
        "cr.special.digamma(cr.tensor([1., 2.]))",
        "tensor([-0.5772,  0.4228])",
    ),
)
gammaln = scipy_row(
    "gammaln",
    lambda _y, x: digamma(x),
    domain=(POSITIVE,),
    special=(0.0, 1.0, 2.0, -1.0, inf),
    doc=shown(
        "log(|gamma(x)|).", "cr.special.gammaln(cr.tensor([1., 10.]))", "tensor([ 0.0000, 12.8018])"
    ),
)
gamma = scipy_row(
    "gamma",
    lambda y, x: y * digamma(x),
    domain=(POSITIVE,),
    special=(0.0, 1.0, 2.0, 200.0),
    doc=shown(
        "Gamma function: (n - 1)! at a natural number n.",
        "cr.special.gamma(cr.tensor([5., 0.5]))",
        "tensor([24.0000,  1.7725])",
    ),
)
beta = scipy_row(
    "beta",
    lambda y, a, b: y * (digamma(a) - digamma(a + b)),
    lambda y, a, b: y * (digamma(b) - digamma(a + b)),
    domain=(POSITIVE, POSITIVE),
    special=(1.0, 2.0),
    doc=shown(
        "Beta function gamma(a) gamma(b) / gamma(a + b).",
        "cr.special.beta(cr.tensor([1., 2.]), 3.0)",
        "tensor([0.3333, 0.0833])",
    ),
)
betaln = scipy_row(
    "betaln",
    lambda _y, a, b: digamma(a) - digamma(a + b),
    lambda _y, a, b: digamma(b) - digamma(a + b),
    domain=(POSITIVE, POSITIVE),
    special=(1.0, 2.0),
    doc=shown(
        "log(|beta(a, b)|).",
        "cr.special.betaln(cr.tensor([1., 2.]), 3.0)",
        "tensor([-1.0986, -2.4849])",
    ),
)
