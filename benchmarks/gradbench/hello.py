"""x^2 and its derivative."""

from __future__ import annotations

from typing import Any

import chainrule as cr

from .measured import measured


def f(x: Any) -> Any:
    """x^2."""
    return x * x


square = measured(lambda x: (float(x),), once=True)(cr.jit(f))
double = measured(lambda x: (float(x),), once=True)(cr.jit(cr.grad(f)))
