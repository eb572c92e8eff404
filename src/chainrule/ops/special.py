"""The special functions under one roof; the rows are in the files they are imported from.

Sources of formulas: NIST Digital Library of Mathematical Functions (DLMF), cited there by number.
"""

# ruff: noqa: F401 - names are imported here to be found here
# mypy: implicit-reexport

from __future__ import annotations

from chainrule.ops.activation import (
    elu,
    gelu,
    hardtanh,
    leaky_relu,
    log_sigmoid,
    logit,
    mish,
    relu,
    sigmoid,
    silu,
    softplus,
)
from chainrule.ops.bessel import (
    i0,
    i0e,
    i1,
    i1e,
    iv,
    ive,
    j0,
    j1,
    jv,
    k0,
    k0e,
    k1,
    k1e,
    kv,
    kve,
    y0,
    y1,
    yv,
)
from chainrule.ops.elementwise import exp2, expm1, log1p, logaddexp2, sinc
from chainrule.ops.entropy import entr, exprel, kl_div, rel_entr, xlog1py, xlogy
from chainrule.ops.gamma import beta, betaln, digamma, gamma, gammaln, polygamma
from chainrule.ops.incomplete import (
    betainc,
    betainc_moment,
    betaincc,
    gammainc,
    gammainc_moment,
    gammaincc,
)
from chainrule.ops.normal import (
    erf,
    erfc,
    erfcinv,
    erfcx,
    erfinv,
    log_ndtr,
    ndtr,
    ndtri,
    normal_hazard,
)
from chainrule.ops.table import NUMPY, TABLE
from chainrule.ops.zeta import hurwitz_moment, hurwitz_zeta, riemann_zeta, zeta

expit, log_expit, psi = sigmoid, log_sigmoid, digamma  # SciPy's names

# SciPy has ufuncs of its own under these names of NumPy's
for _name in ("cbrt", "exp2", "expm1", "log1p"):
    NUMPY[f"scipy.special.{_name}"] = TABLE[_name].function
