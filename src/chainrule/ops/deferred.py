"""An operation whose value only a Python function knows, run on numbers when there are numbers.

Some rules look at values (which eigenvalues coincide, how many steps a loop took), and so cannot be
traced. In a traced graph such a rule stands as one `deferred` operation, which calls it when the
graph is run. Its own derivative is deferred in the same way (`chainrule.derive.deferred`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from chainrule.graph.node import Spec, Variable
from chainrule.ops.recording import everywhere, raw, zeros_like
from chainrule.ops.strong import strong_products
from chainrule.ops.table import SCALARS, Seq, operation


def _later(*_: Any, **__: Any) -> Any:
    raise AssertionError("chainrule.derive.deferred sets the rules of this row")


@operation(
    reverse=_later,
    forward=_later,
    arity=None,
    results=0,
    shape=lambda *_operands, specs, **_: tuple(specs),
    samples=[
        Seq(
            (3,), (2,),
            function=lambda x, y: [x * x, None, x.sum() * y],
            specs=(Spec(np.zeros(3)), Spec(np.zeros(2)), Spec(np.zeros(2))),
        )
    ],
    untested="its parameters are functions",
)  # fmt: skip
def deferred(
    operands: Sequence[Any], function: Callable[..., Any], specs: Sequence[Spec]
) -> tuple[Any, ...]:
    """What `function(*operands)` gives, a list of arrays of these specs; None stands for zeros."""
    # as all rules of a traced walk: a zero stays zero whatever it meets
    with strong_products(), np.errstate(all="ignore"):
        results = function(*operands)
    return tuple(_whole(raw(r), spec) for r, spec in zip(results, specs, strict=True))


def _whole(value: Any, spec: Spec) -> Any:
    """A result as an array of its spec: a scalar may stand for a constant one."""
    if value is None:
        return zeros_like(spec)
    if type(value) in SCALARS and spec.shape:
        return everywhere(value, spec.shape)
    return np.asarray(value)[()].astype(spec.dtype, copy=False)


def spec_of(x: Any) -> Spec:
    """Shape and dtype of an operand."""
    return Spec(x._value if isinstance(x, Variable) else x)
