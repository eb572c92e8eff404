"""Elementwise rows whose results are truth values or integers: no derivative is asked of them."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from chainrule.ops.family import elementwise, shown

EDGES = (0.0, np.inf, np.nan)

# --- comparisons ---------------------------------------------------------------------------------

equal = elementwise(
    "equal",
    np.equal,
    python=operator.eq,
    special=EDGES,
    doc=shown("Whether a == b.", "cr.equal(cr.tensor([1., 2.]), 2)", "tensor([False,  True])"),
)
not_equal = elementwise(
    "not_equal",
    np.not_equal,
    python=operator.ne,
    special=EDGES,
    doc=shown("Whether a != b.", "cr.not_equal(cr.tensor([1., 2.]), 2)", "tensor([ True, False])"),
)
less = elementwise(
    "less",
    np.less,
    python=operator.lt,
    special=EDGES,
    doc=shown("Whether a < b.", "cr.less(cr.tensor([1., 2.]), 2)", "tensor([ True, False])"),
)
less_equal = elementwise(
    "less_equal",
    np.less_equal,
    python=operator.le,
    special=EDGES,
    doc=shown("Whether a <= b.", "cr.less_equal(cr.tensor([1., 2.]), 2)", "tensor([True, True])"),
)
greater = elementwise(
    "greater",
    np.greater,
    python=operator.gt,
    special=EDGES,
    doc=shown("Whether a > b.", "cr.greater(cr.tensor([1., 3.]), 2)", "tensor([False,  True])"),
)
greater_equal = elementwise(
    "greater_equal",
    np.greater_equal,
    python=operator.ge,
    special=EDGES,
    doc=shown(
        "Whether a >= b.", "cr.greater_equal(cr.tensor([1., 2.]), 2)", "tensor([False,  True])"
    ),
)

# --- predicates ----------------------------------------------------------------------------------


def _of_integers(answer: bool) -> Any:
    """What is the same of all integers."""
    return lambda x: None if x.dtype.kind == "f" else np.broadcast_to(np.bool_(answer), x.shape)


isfinite = elementwise(
    "isfinite",
    np.isfinite,
    special=EDGES,
    expand=_of_integers(True),
    doc=shown(
        "Whether x is neither infinite nor NaN.",
        "cr.isfinite(cr.tensor([1., float('inf')]))",
        "tensor([ True, False])",
    ),
)
isinf = elementwise(
    "isinf",
    np.isinf,
    special=EDGES,
    expand=_of_integers(False),
    doc=shown(
        "Whether x is infinite.",
        "cr.isinf(cr.tensor([1., float('inf')]))",
        "tensor([False,  True])",
    ),
)
isnan = elementwise(
    "isnan",
    np.isnan,
    special=EDGES,
    expand=_of_integers(False),
    doc=shown(
        "Whether x is NaN.", "cr.isnan(cr.tensor([1., float('nan')]))", "tensor([False,  True])"
    ),
)
signbit = elementwise(
    "signbit",
    np.signbit,
    special=(0.0, -0.0, np.nan),
    doc=shown(
        "Whether the sign bit of x is set.",
        "cr.signbit(cr.tensor([1., -0.0]))",
        "tensor([False,  True])",
    ),
)

# --- logic ---------------------------------------------------------------------------------------

logical_and = elementwise(
    "logical_and",
    np.logical_and,
    domain=("bool", "bool"),
    special=EDGES,
    doc=shown(
        "Whether both a and b are nonzero.",
        "cr.logical_and(cr.tensor([True, False]), True)",
        "tensor([ True, False])",
    ),
)
logical_or = elementwise(
    "logical_or",
    np.logical_or,
    domain=("bool", "bool"),
    special=EDGES,
    doc=shown(
        "Whether a or b is nonzero.",
        "cr.logical_or(cr.tensor([True, False]), True)",
        "tensor([True, True])",
    ),
)
logical_xor = elementwise(
    "logical_xor",
    np.logical_xor,
    domain=("bool", "bool"),
    special=EDGES,
    doc=shown(
        "Whether exactly one of a and b is nonzero.",
        "cr.logical_xor(cr.tensor([True, False]), True)",
        "tensor([False,  True])",
    ),
)
logical_not = elementwise(
    "logical_not",
    np.logical_not,
    domain=("bool",),
    special=EDGES,
    doc=shown(
        "Whether x is zero.", "cr.logical_not(cr.tensor([True, False]))", "tensor([False,  True])"
    ),
)

# --- bits ----------------------------------------------------------------------------------------

bitwise_and = elementwise(
    "bitwise_and",
    np.bitwise_and,
    python=operator.and_,
    domain=("int", "int"),
    doc=shown(
        "Bits set in both a and b.", "cr.bitwise_and(cr.tensor([6, 7]), 3)", "tensor([2, 3])"
    ),
)
bitwise_or = elementwise(
    "bitwise_or",
    np.bitwise_or,
    python=operator.or_,
    domain=("int", "int"),
    doc=shown("Bits set in a or b.", "cr.bitwise_or(cr.tensor([4, 5]), 3)", "tensor([7, 7])"),
)
bitwise_xor = elementwise(
    "bitwise_xor",
    np.bitwise_xor,
    python=operator.xor,
    domain=("int", "int"),
    doc=shown(
        "Bits set in exactly one of a and b.",
        "cr.bitwise_xor(cr.tensor([6, 7]), 3)",
        "tensor([5, 4])",
    ),
)
bitwise_invert = elementwise(
    "bitwise_invert",
    np.bitwise_invert,
    python=operator.invert,
    domain=("int",),
    doc=shown(
        "Every bit of x turned over; of a truth value its opposite.",
        "cr.bitwise_invert(cr.tensor([0, 5]))",
        "tensor([-1, -6])",
    ),
)
bitwise_left_shift = elementwise(
    "bitwise_left_shift",
    np.bitwise_left_shift,
    python=operator.lshift,
    domain=("int", "positive int"),
    doc=shown(
        "a times 2**b, by its bits.",
        "cr.bitwise_left_shift(cr.tensor([1, 3]), 2)",
        "tensor([ 4, 12])",
    ),
)
bitwise_right_shift = elementwise(
    "bitwise_right_shift",
    np.bitwise_right_shift,
    python=operator.rshift,
    domain=("int", "positive int"),
    doc=shown(
        "a over 2**b, rounded down, by its bits.",
        "cr.bitwise_right_shift(cr.tensor([4, 7]), 1)",
        "tensor([2, 3])",
    ),
)
