"""`stop_gradient`: values that count as constants."""

from __future__ import annotations

from typing import Any

from chainrule.graph.node import Variable
from chainrule.ops.recording import stopped
from chainrule.record.trees import tree_map


def stop_gradient(x: Any) -> Any:
    """x, an array or a container of them, as a constant: no derivative goes through it.

    >>> cr.grad(lambda x: x * cr.stop_gradient(x))(3.0)
    np.float64(3.0)
    """
    return tree_map(lambda v: stopped(v) if isinstance(v, Variable) else v, x)
