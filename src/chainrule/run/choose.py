"""What runs a graph: machine code where llvmlite is installed, NumPy otherwise."""

from __future__ import annotations

import warnings
from typing import Any

from chainrule.codegen.engine import available, host
from chainrule.codegen.options import Options
from chainrule.graph.graph import Graph

_said: list[bool] = []


def load() -> None:
    """Load what compiles, so that the first program need not wait for it."""
    if available():
        from chainrule.run.compiled import check_layout

        check_layout()
        host()


def runnable(graph: Graph, options: Options) -> Any:
    """A graph as it was traced, ready to run."""
    if available():
        from chainrule.run.compiled import Compiled

        return Compiled(graph, options)
    from chainrule.rewrite.optimize import optimized
    from chainrule.run.reference import Reference

    if not _said:
        _said.append(True)
        warnings.warn(
            "llvmlite is not installed: functions given to `jit` run with NumPy, operation by "
            "operation (`pip install llvmlite` for machine code)",
            RuntimeWarning,
            stacklevel=2,
        )
    return Reference(optimized(graph))
