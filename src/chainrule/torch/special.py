"""`torch.special`: special functions under PyTorch's names."""

from __future__ import annotations

from typing import Any

from chainrule.ops import elementwise as _elementwise
from chainrule.ops import special as _special
from chainrule.ops.elementwise import exp2, expm1, log1p, sinc
from chainrule.ops.special import (
    digamma,
    entr,
    erf,
    erfc,
    erfcx,
    erfinv,
    gammainc,
    gammaincc,
    gammaln,
    i0,
    i0e,
    i1,
    i1e,
    log_ndtr,
    ndtr,
    ndtri,
    xlog1py,
    xlogy,
    zeta,
)
from chainrule.ops.special import i0 as modified_bessel_i0
from chainrule.ops.special import i1 as modified_bessel_i1
from chainrule.ops.special import j0 as bessel_j0
from chainrule.ops.special import j1 as bessel_j1
from chainrule.ops.special import k0 as modified_bessel_k0
from chainrule.ops.special import k0e as scaled_modified_bessel_k0
from chainrule.ops.special import k1 as modified_bessel_k1
from chainrule.ops.special import k1e as scaled_modified_bessel_k1
from chainrule.ops.special import sigmoid as expit
from chainrule.ops.special import y0 as bessel_y0
from chainrule.ops.special import y1 as bessel_y1
from chainrule.torch import _missing
from chainrule.torch._elementwise import logit, mvlgamma, polygamma
from chainrule.torch._reductions import log_softmax, logsumexp, softmax

__all__ = [
    "bessel_j0", "bessel_j1", "bessel_y0", "bessel_y1", "digamma", "entr", "erf", "erfc", "erfcx",
    "erfinv", "exp2", "expit", "expm1", "gammainc", "gammaincc", "gammaln", "i0", "i0e", "i1",
    "i1e", "log1p", "log_ndtr", "log_softmax", "logit", "logsumexp", "modified_bessel_i0",
    "modified_bessel_i1", "modified_bessel_k0", "modified_bessel_k1", "multigammaln", "ndtr",
    "ndtri", "polygamma", "psi", "round", "scaled_modified_bessel_k0",
    "scaled_modified_bessel_k1", "sinc", "softmax", "spherical_bessel_j0", "xlog1py", "xlogy",
    "zeta",
]  # fmt: skip

psi = _special.digamma
multigammaln = mvlgamma


def round(input: Any, *, decimals: int = 0) -> Any:
    """Elements rounded to `decimals` places, halves to even."""
    return _elementwise.round(input, decimals)


def spherical_bessel_j0(input: Any) -> Any:
    """sin(x) / x, 1 at 0.

    >>> torch.special.spherical_bessel_j0(torch.tensor(0.0))
    tensor(1.)
    """
    return sinc(input / 3.141592653589793)


def __getattr__(name: str) -> Any:
    raise _missing.missing(__name__, name, __all__)
