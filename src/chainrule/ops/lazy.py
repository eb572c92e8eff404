"""SciPy's special functions as rows: imported when first called (it takes time)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.ops.family import elementwise

Function = Callable[..., Any]
"""The public function of a row. Where rows name each other, the annotation tells mypy so."""


def lazy(name: str) -> Callable[..., Any]:
    """`scipy.special.<name>`, looked up at the first call.

    By the attribute `scipy` compiled code finds the same function among those SciPy exports to C.
    """
    found: Callable[..., Any] | None = None

    def evaluate(*operands: Any) -> Any:
        nonlocal found
        if found is None:
            from scipy import special

            found = getattr(special, name)
        return found(*operands)

    evaluate.__name__ = name
    evaluate.scipy = name  # type: ignore[attr-defined]
    return evaluate


INTEGER = "it is an integer"
"""Why there is no derivative in an order."""


def narrow(order: Any, x: Any) -> Any:
    """An integer order in the precision of x, so that it does not widen float32."""
    if getattr(order, "dtype", None) is None or order.dtype.kind not in "iu":
        return order
    if getattr(x, "dtype", order.dtype).kind not in "fc":
        return order
    return order.astype(x.real.dtype)


def floating(operands: Any) -> Any:
    """Dtype of a result: that of the floating-point arrays among the operands, else float64."""
    dtypes = [x.dtype for x in operands if hasattr(x, "dtype") and x.dtype.kind == "f"]
    return np.result_type(*dtypes) if dtypes else np.float64


def lazy_of_order(name: str) -> Callable[..., Any]:
    """The same for functions of an order and an argument."""
    function = lazy(name)

    def evaluate(order: Any, x: Any) -> Any:
        return function(narrow(order, x), x)

    evaluate.scipy = name  # type: ignore[attr-defined]
    return evaluate


def scipy_row(name: str, *partials: Any, scipy: str = "", **fields: Any) -> Callable[..., Any]:
    """An elementwise row evaluated by SciPy's ufunc of this name, or of the name `scipy`.

    NumPy's dispatch finds the row under the string "scipy.special.<ufunc>".
    """
    ufunc = scipy or name
    aliases = (f"scipy.special.{ufunc}", *fields.pop("numpy", ()))
    evaluate = lazy_of_order(ufunc) if isinstance(partials[0], str) else lazy(ufunc)
    return elementwise(name, evaluate, partials, numpy=aliases, **fields)
