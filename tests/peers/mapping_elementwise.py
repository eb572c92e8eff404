"""PyTorch's elementwise functions by the names of chainrule's rows."""

from __future__ import annotations

from typing import Any

from peers.comparison import Peer, torch

from chainrule.ops.table import S

F = torch.nn.functional
special = torch.special


def _imag(x: Any) -> Any:
    return x.imag if x.is_complex() else torch.zeros_like(x)


def _clip(x: Any, min: Any = None, max: Any = None) -> Any:
    return torch.clamp(
        x,
        None if min is None else torch.as_tensor(min),
        None if max is None else torch.as_tensor(max),
    )


ELEMENTWISE: dict[str, Peer] = {
    # one operand
    "abs": Peer(torch.abs),
    "acos": Peer(torch.acos),
    "acosh": Peer(torch.acosh),
    "asin": Peer(torch.asin),
    "asinh": Peer(torch.asinh),
    "atan": Peer(torch.atan),
    "atanh": Peer(torch.atanh),
    "bitwise_invert": Peer(torch.bitwise_not),
    "ceil": Peer(torch.ceil),
    "conj": Peer(torch.conj),
    "cos": Peer(torch.cos),
    "cosh": Peer(torch.cosh),
    "degrees": Peer(torch.rad2deg),
    "digamma": Peer(torch.digamma),
    "elu": Peer(lambda x, alpha=1.0: F.elu(x, alpha)),
    "entr": Peer(special.entr),
    "erf": Peer(torch.erf),
    "erfc": Peer(torch.erfc),
    "erfcx": Peer(special.erfcx),
    "erfinv": Peer(torch.erfinv),
    "exp": Peer(torch.exp),
    "exp2": Peer(torch.exp2),
    "expm1": Peer(torch.expm1),
    "fabs": Peer(torch.abs),
    "floor": Peer(torch.floor),
    "gammaln": Peer(torch.lgamma),
    "gelu": Peer(lambda x, approximate="none": F.gelu(x, approximate=approximate)),
    "hardtanh": Peer(lambda x, min_val=-1.0, max_val=1.0: F.hardtanh(x, min_val, max_val)),
    "i0": Peer(torch.i0),
    "i0e": Peer(special.i0e),
    "i1": Peer(special.i1),
    "i1e": Peer(special.i1e),
    "imag": Peer(_imag),
    "isfinite": Peer(torch.isfinite),
    "isinf": Peer(torch.isinf),
    "isnan": Peer(torch.isnan),
    "j0": Peer(special.bessel_j0, missing=(0,)),
    "j1": Peer(special.bessel_j1, missing=(0,)),
    "k0": Peer(special.modified_bessel_k0, missing=(0,)),
    "k0e": Peer(special.scaled_modified_bessel_k0, missing=(0,)),
    "k1": Peer(special.modified_bessel_k1, missing=(0,)),
    "k1e": Peer(special.scaled_modified_bessel_k1, missing=(0,)),
    "leaky_relu": Peer(lambda x, negative_slope=0.01: F.leaky_relu(x, negative_slope)),
    "log": Peer(torch.log),
    "log10": Peer(torch.log10),
    "log1p": Peer(torch.log1p),
    "log2": Peer(torch.log2),
    "log_ndtr": Peer(special.log_ndtr),
    "log_sigmoid": Peer(F.logsigmoid),
    "logical_not": Peer(torch.logical_not),
    "logit": Peer(torch.logit),
    "mish": Peer(F.mish),
    "nan_to_num": Peer(torch.nan_to_num),
    "ndtr": Peer(special.ndtr),
    "ndtri": Peer(special.ndtri),
    "negative": Peer(torch.negative),
    "positive": Peer(torch.positive),
    "radians": Peer(torch.deg2rad),
    "real": Peer(torch.real),
    "reciprocal": Peer(torch.reciprocal),
    "relu": Peer(torch.relu),
    "riemann_zeta": Peer(lambda x: special.zeta(x, torch.ones_like(x)), missing=(0,)),
    "rint": Peer(torch.round),
    "round": Peer(lambda x, decimals=0: torch.round(x, decimals=decimals)),
    "sigmoid": Peer(torch.sigmoid),
    "sign": Peer(torch.sgn),
    "signbit": Peer(torch.signbit),
    "silu": Peer(F.silu),
    "sin": Peer(torch.sin),
    "sinc": Peer(torch.sinc),
    "sinh": Peer(torch.sinh),
    "softplus": Peer(lambda x: F.softplus(x, threshold=1000.0)),
    "sqrt": Peer(torch.sqrt),
    "square": Peer(torch.square),
    "tan": Peer(torch.tan),
    "tanh": Peer(torch.tanh),
    "trunc": Peer(torch.trunc),
    "y0": Peer(special.bessel_y0, missing=(0,), tolerance=100.0),  # PyTorch's has 8 digits
    "y1": Peer(special.bessel_y1, missing=(0,), tolerance=100.0),
    # two operands, or three
    "add": Peer(torch.add),
    "atan2": Peer(torch.atan2),
    "bitwise_and": Peer(torch.bitwise_and),
    "bitwise_left_shift": Peer(torch.bitwise_left_shift),
    "bitwise_or": Peer(torch.bitwise_or),
    "bitwise_right_shift": Peer(torch.bitwise_right_shift),
    "bitwise_xor": Peer(torch.bitwise_xor),
    "clip": Peer(_clip),
    "clip_above": Peer(lambda x, high: torch.clamp(x, max=high)),
    "clip_below": Peer(lambda x, low: torch.clamp(x, min=low)),
    "copysign": Peer(torch.copysign),
    "divide": Peer(torch.divide),
    "equal": Peer(torch.eq),
    "floor_divide": Peer(lambda a, b: torch.div(a, b, rounding_mode="floor")),
    "fmax": Peer(torch.fmax),
    "fmin": Peer(torch.fmin),
    "fmod": Peer(torch.fmod),
    "gammainc": Peer(torch.special.gammainc, missing=(0,)),
    "gammaincc": Peer(torch.special.gammaincc, missing=(0,)),
    "greater": Peer(torch.gt),
    "greater_equal": Peer(torch.ge),
    "heaviside": Peer(torch.heaviside, missing=(0, 1)),
    "hurwitz_zeta": Peer(special.zeta, missing=(0,)),
    "hypot": Peer(torch.hypot),
    # PyTorch's derivative in x takes 2**n in integers, so that it is 0 for n < 0
    "ldexp": Peer(lambda x, n: torch.ldexp(x, n.to(x.dtype))),
    "less": Peer(torch.lt),
    "less_equal": Peer(torch.le),
    "logaddexp": Peer(torch.logaddexp),
    "logaddexp2": Peer(torch.logaddexp2),
    "logical_and": Peer(torch.logical_and),
    "logical_or": Peer(torch.logical_or),
    "logical_xor": Peer(torch.logical_xor),
    "maximum": Peer(torch.maximum),
    "minimum": Peer(torch.minimum),
    "multiply": Peer(torch.multiply),
    "nextafter": Peer(torch.nextafter),
    "not_equal": Peer(torch.ne),
    "polygamma": Peer(lambda n, x: _polygamma(n, x)),
    "power": Peer(torch.pow),
    "rel_entr": Peer(lambda a, b: F.kl_div(torch.log(b), a, reduction="none")),
    "remainder": Peer(torch.remainder),
    "subtract": Peer(torch.subtract),
    "where": Peer(torch.where),
    "xlog1py": Peer(special.xlog1py),
    "xlogy": Peer(torch.xlogy),
    "zeta": Peer(
        lambda x, q=None: special.zeta(x, torch.ones_like(x) if q is None else q),
        missing=(0,),
        samples=[
            S(lambda rng: rng.uniform(1.3, 5.0, (3,))),
            S(2.5, lambda rng: rng.uniform(0.3, 4.0, (3,))),
        ],
    ),
}


def _polygamma(n: Any, x: Any) -> Any:
    """PyTorch takes one order at a time."""
    n, x = torch.broadcast_tensors(n, x)
    y = torch.zeros_like(x)
    for order in n.unique().tolist():
        y = torch.where(n == order, torch.polygamma(order, x), y)
    return y
