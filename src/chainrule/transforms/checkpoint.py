"""`checkpoint`: what a function computed on the way is dropped, and computed again when needed."""

from __future__ import annotations

import functools
from _thread import get_ident
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from chainrule.graph.node import paused
from chainrule.record.control_flow import called
from chainrule.record.recompute import forgotten
from chainrule.record.trace import is_tracing
from chainrule.transforms.arguments import prepared

P = ParamSpec("P")
R = TypeVar("R")


def checkpoint(f: Callable[P, R]) -> Callable[P, R]:
    """f with another balance of memory and time: the same values, and the same derivatives.

    What f's operations keep for the walk backwards is dropped when f returns. When the walk comes
    to them f is run again, on the same arguments, and what it keeps then is dropped when the walk
    has left f behind. So a chain of n calls needs the memory of one, and the results of all, for
    about a third more time. Calls may be nested.

    f must compute the same when it runs again. Raises GraphError where it does not, and where an
    argument was changed in place in between. In compiled code, its loops included, a call is one
    operation, of which the arguments are kept; its derivative computes what is inside once more.

    >>> def layer(x):
    ...     return np.tanh(2 * x) + x
    >>> cr.grad(lambda x: cr.checkpoint(layer)(cr.checkpoint(layer)(x)))(0.0)
    np.float64(9.0)
    """

    @functools.wraps(f)
    def forgetful(*args: P.args, **kwargs: P.kwargs) -> R:
        if is_tracing():
            again: R = called(prepared(f), args, kwargs)
            return again
        if get_ident() in paused:
            return f(*args, **kwargs)
        out: R = forgotten(f, args, kwargs)
        return out

    return forgetful
