"""Operations on small arrays that programs repeat, compiled: what `ops.repeated` calls."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.errors import ChainruleError
from chainrule.graph.graph import Graph
from chainrule.ops.recording import standard_class
from chainrule.ops.repeated import MOST, compilers, forget, is_fixed
from chainrule.ops.table import Operation
from chainrule.record.trace import trace
from chainrule.transforms.jit import specs_of

_made: dict[str, list[Any]] = {}
"""What was made for each row, by its name, and lives as long as the process: it may be running in
another thread.
"""


def set_compile_operations(enabled: bool) -> None:
    """Let operations that are repeated be compiled, or let NumPy evaluate all of them."""
    compilers[:] = [compile_operation] if enabled else []
    if not enabled:
        forget()


def compile_operation(row: Operation, operands: Sequence[Any], value: Any) -> Any:
    """A function that gives `value` for these operands and others like them, and None for all that
    no function made before takes; None where there is none to make.
    """
    from chainrule.codegen.engine import available, is_x86

    if not available() or not is_x86():
        return compilers.clear()
    from chainrule.codegen.guarded import Expected
    from chainrule.codegen.options import Options
    from chainrule.run.compiled import Compiled
    from chainrule.run.guarded import Guarded

    expected = [Expected(v, is_fixed(row, v)) for v in operands]
    free = [k for k, x in enumerate(expected) if not x.fixed]
    try:
        graph = _traced(row, operands, free)
        used = used_inputs(graph)
        run = Compiled(Graph([graph.inputs[i] for i in used], graph.outputs, graph.cls), Options())
    except ChainruleError:
        return None
    if run.direct is None or run.image.callbacks:
        return None
    result = np.shape(value), getattr(value, "dtype", None)
    if run.results != [result] or result[1] not in (np.float64, np.float32):
        return None
    if (type(value) is np.ndarray) != bool(result[0]):
        return None
    chain = _made.setdefault(row.name, [])
    following = chain[-1] if row.code and len(chain) % MOST else None
    chain.append(Guarded(run, expected, [free[i] for i in used], following))
    return chain[-1].call


def _traced(row: Operation, operands: Sequence[Any], free: Sequence[int]) -> Graph:
    """The operation as a graph, of the operands that are not part of it."""

    def function(*parameters: Any) -> list[Any]:
        given = list(operands)
        for k, p in zip(free, parameters, strict=True):
            given[k] = p
        assert row.call is not None
        return [row.call(*given)]

    return trace(
        function, specs_of([operands[k] for k in free], row.name), standard_class(), row.name
    )


def used_inputs(graph: Graph) -> list[int]:
    """Which inputs a graph reads."""
    read = {n for node in graph.nodes for n in node.inputs}
    read.update(out._node for out in graph.outputs)
    return [i for i, n in enumerate(graph.inputs) if n in read]
