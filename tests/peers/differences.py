"""Where chainrule and PyTorch differ, and why: the tables of `docs/differences.md`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Difference:
    """An expression in x (and y) in both libraries, and the point at which they are compared."""

    point: str
    chainrule: str
    pytorch: str
    reason: str
    order: int = 1
    """0: the value; 1: the derivative of its sum; 2: the derivative of the sum of that."""


LIMIT = "the limit exists"
TIES = "what ties shares the derivative equally"
NO_NAN = "zero times an infinite derivative is zero"

DIFFERENCES: dict[str, Difference] = {
    # what PyTorch has no number for
    "square root under `where`": Difference(
        "0.0", "cr.where(x > 0, cr.sqrt(x), 0)", "torch.where(x > 0, torch.sqrt(x), 0)", NO_NAN
    ),
    "division under `where`": Difference(
        "0.0", "cr.where(x != 0, 1 / x, 0)", "torch.where(x != 0, 1 / x, 0)", NO_NAN
    ),
    "square root of a square sum": Difference(
        "[0.0, 0.0]", "cr.sqrt((x * x).sum())", "torch.sqrt((x * x).sum())", NO_NAN
    ),
    "`hypot` at the origin": Difference(
        "[0.0, 0.0]",
        "cr.hypot(x[0], x[1])",
        "torch.hypot(x[0], x[1])",
        "as the norm, which has 0 in both",
    ),
    "`xlogy` at the origin": Difference(
        "[0.0, 0.0]",
        "cr.special.xlogy(x[0], x[1])",
        "torch.xlogy(x[0], x[1])",
        "y^0 = 1 for every y > 0",
    ),
    "`rel_entr` where a = 0": Difference(
        "[0.0, 1.0]",
        "cr.special.rel_entr(x[0], x[1])",
        "torch.nn.functional.kl_div(torch.log(x[1]), x[0], reduction='none')",
        LIMIT,
    ),
    "`logsumexp` of nothing but -inf": Difference(
        "[-inf, -inf]", "cr.logsumexp(x)", "torch.logsumexp(x, 0)", "no element has any weight"
    ),
    "`logsumexp` with inf": Difference(
        "[inf, 0.0]", "cr.logsumexp(x)", "torch.logsumexp(x, 0)", LIMIT
    ),
    "`logaddexp` of two infinities": Difference(
        "[-inf, -inf]", "cr.logaddexp(x[0], x[1])", "torch.logaddexp(x[0], x[1])", TIES
    ),
    "`hypot` at infinity": Difference(
        "[inf, 1.0]", "cr.hypot(x[0], x[1])", "torch.hypot(x[0], x[1])", LIMIT
    ),
    "`atan2` at infinity": Difference(
        "[inf, 1.0]", "cr.atan2(x[0], x[1])", "torch.atan2(x[0], x[1])", LIMIT
    ),
    "`silu` at infinity": Difference("inf", "cr.special.silu(x)", "F.silu(x)", LIMIT),
    "`gelu` at infinity": Difference("inf", "cr.special.gelu(x)", "F.gelu(x)", LIMIT),
    "`copysign` of infinity": Difference(
        "inf", "cr.copysign(x, 1.0)", "torch.copysign(x, torch.tensor(1.0))", LIMIT
    ),
    "`gammainc(1, x)` at 0": Difference(
        "0.0",
        "cr.special.gammainc(1.0, x)",
        "torch.special.gammainc(torch.tensor(1.0).double(), x)",
        LIMIT,
    ),
    "second derivative of `sinc` at 0": Difference(
        "0.0", "cr.sinc(x)", "torch.sinc(x)", "-pi^2 / 3", order=2
    ),
    "second derivative of `atan` at infinity": Difference(
        "inf", "cr.atan(x)", "torch.atan(x)", LIMIT, order=2
    ),
    "second derivative of `logaddexp` far apart": Difference(
        "[0.0, 800.0]", "cr.logaddexp(x[0], x[1])", "torch.logaddexp(x[0], x[1])", LIMIT, order=2
    ),
    # other numbers
    "ties of `fmax`": Difference(
        "[1.0, 1.0]",
        "cr.fmax(x[0], x[1])",
        "torch.fmax(x[0], x[1])",
        TIES + "; in PyTorch too in `maximum`",
    ),
    "ties of `max` along an axis": Difference(
        "[1.0, 1.0]",
        "cr.max(x, axis=0)",
        "torch.max(x, 0).values",
        TIES + "; in PyTorch too in `amax`",
    ),
    "ties of `cummax`": Difference("[1.0, 1.0]", "cr.cummax(x)", "torch.cummax(x, 0).values", TIES),
    "`hardtanh` at its bounds": Difference(
        "1.0",
        "cr.special.hardtanh(x)",
        "F.hardtanh(x)",
        "it is `clip`, which passes on the closed interval in both",
    ),
    "`maximum` with NaN": Difference(
        "[nan, 1.0]",
        "cr.maximum(x[0], x[1])",
        "torch.maximum(x[0], x[1])",
        "neither operand is the larger",
    ),
    "`relu` of NaN": Difference("nan", "cr.special.relu(x)", "torch.relu(x)", "NaN is not above 0"),
    "second derivative of `elu` at 0": Difference(
        "0.0",
        "cr.special.elu(x)",
        "F.elu(x)",
        "0 counts to the left piece, as for the first",
        order=2,
    ),
    "mixed second derivative of a power": Difference(
        "[2.0, 0.0]", "x[0] ** x[1]", "x[0] ** x[1]", "x^(y-1) (1 + y log x)", order=2
    ),
    "`softplus` beyond 20": Difference(
        "21.0", "cr.special.softplus(x)", "F.softplus(x)", "PyTorch replaces it by x from there on"
    ),
    "`digamma` at a pole": Difference(
        "-1.0", "cr.special.digamma(x)", "torch.digamma(x)", "polygamma is infinite there"
    ),
    "`ldexp` with a negative exponent": Difference(
        "1.0",
        "cr.ldexp(x, np.array(-2))",
        "torch.ldexp(x, torch.tensor(-2))",
        "PyTorch computes 2^-2 in integers",
    ),
    "`cholesky_solve`": Difference(
        "[[1.0, 0.0], [1.0, 1.0]]",
        "cr.linalg.cho_solve((x, True), np.array([1.0, 2.0]))",
        "torch.cholesky_solve(torch.tensor([[1.0], [2.0]]).double(), x)",
        "the upper triangle is not read",
    ),
    "gradient of a complex number": Difference(
        "1 + 2j",
        "cr.real(x * x)",
        "torch.real(x * x)",
        "the derivative as it is, not its conjugate (as in JAX)",
    ),
    # values
    "bytes of the default dtype": Difference(
        "0.0",
        "cr.tensor([1 / 3]).dtype.itemsize",
        "torch.tensor([1 / 3]).dtype.itemsize",
        "float64: derivatives for science; chainrule.torch has float32",
        order=0,
    ),
    "bytes of integers divided": Difference(
        "0.0",
        "(cr.tensor([1]) / cr.tensor([2])).dtype.itemsize",
        "(torch.tensor([1]) / torch.tensor([2])).dtype.itemsize",
        "promotion as in NumPy",
        order=0,
    ),
    "bytes of float32 array times float64 scalar": Difference(
        "0.0",
        "(cr.tensor([1.0]).astype('f') * x).dtype.itemsize",
        "(torch.tensor([1.0]) * x).dtype.itemsize",
        "promotion as in NumPy, whose scalars have a dtype",
        order=0,
    ),
    "value of `var` and `std`": Difference(
        "[1.0, 3.0]",
        "cr.var(x)",
        "torch.var(x)",
        "divides by n unless told otherwise, as in NumPy",
        order=0,
    ),
    "value of `median` of an even number": Difference(
        "[1.0, 2.0]", "cr.median(x)", "torch.median(x)", "the mean of the two, as in NumPy", order=0
    ),
    "value with `axis=()`": Difference(
        "[1.0, 2.0]",
        "cr.sum(x, axis=())",
        "torch.sum(x, dim=())",
        "reduces over no axis, as in NumPy",
        order=0,
    ),
    "value with a negative step": Difference(
        "[1.0, 2.0]", "x[::-1]", "x[::-1]", "an index is NumPy's", order=0
    ),
    "value with an integer beside an array in an index": Difference(
        "[[[1.0, 2.0], [3.0, 4.0]]]",
        "x[0, :, np.array([0, 1])]",
        "x[0, :, torch.tensor([0, 1])]",
        "an index is NumPy's",
        order=0,
    ),
    "value of functions of symmetric matrices": Difference(
        "[[1.0, 2.0], [0.0, 1.0]]",
        "cr.linalg.eigvalsh(x)",
        "torch.linalg.eigvalsh(x)",
        "the symmetric part is read, not a triangle, so that every entry has its derivative",
        order=0,
    ),
    # what PyTorch fails at
    "condition number of other norms": Difference(
        "[[2.0, 0.0], [0.0, 1.0]]",
        "cr.linalg.cond(x, 1)",
        "torch.linalg.cond(x, 1)",
        "PyTorch changes in place what its derivative needs",
    ),
    "distinct values": Difference("[1.0, 1.0]", "cr.unique_values(x)", "torch.unique(x)", TIES),
}

NAN_IN_PYTORCH = (
    "acosh", "asinh", "atan", "atan2", "copysign", "det", "digamma", "divide", "erf", "erfc",
    "erfcx", "gammainc", "gammaincc", "gammaln", "gelu", "hurwitz_zeta", "hypot", "log_ndtr",
    "logaddexp", "logaddexp2", "logit", "matrix_norm", "mish", "ndtr", "norm",
    "polygamma", "power", "rel_entr", "silu", "sinc", "vector_norm", "xlog1py", "xlogy",
)  # fmt: skip
"""Rows for which PyTorch has NaN at a special point, and chainrule a limit or a convention."""

AT_POINTS = {
    "elu": "0 counts to the left piece, for the second derivative as for the first",
    "fmax": TIES,
    "fmin": TIES,
    "gammaln": "poles: infinite, in PyTorch a large number",
    "hardtanh": "the derivative passes on the closed interval",
    "nextafter": "where both are equal it moves with the first, in PyTorch with the second",
    "polygamma": "poles: infinite, in PyTorch a large number",
    "power": "the mixed second derivative at exponent 0 is 1 / x, in PyTorch 0",
    "xlog1py": "finite where both factors vanish, of every order",
    "xlogy": "finite where both factors vanish, of every order",
}
"""Elementwise row -> why it has another number than PyTorch at some special point."""
