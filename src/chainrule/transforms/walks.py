"""The two walks as transforms use them: over what a function recorded on its fresh arguments.

A walk runs on plain numbers where its result can depend on nothing else, which is called *free*
here, and is recorded where there is more to differentiate by: a variable of an enclosing
transform, or a trace.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.derive import control_flow as control_flow  # the rules of loops and branches
from chainrule.derive import control_flow_batch as control_flow_batch
from chainrule.derive import deferred as deferred  # and of what was put off
from chainrule.derive import scan_back as scan_back
from chainrule.derive import while_back as while_back
from chainrule.derive.forward import between, forward
from chainrule.derive.reverse import reverse
from chainrule.graph.node import Leaf, Node, Variable
from chainrule.graph.switch import Record
from chainrule.graph.writes import owner
from chainrule.ops.recording import is_traced, wrapped
from chainrule.transforms.backward import own

Derivatives = tuple[list[Any], bool]
"""One for each variable or result, a Tensor where recorded, else a plain array, None for zero; and
whether results and derivatives are free.
"""


def is_free(results: Sequence[Any], variables: Sequence[Any]) -> bool:
    """Whether results depend on the fresh variables only."""
    if not may_be_free(results, variables):
        return False
    outside: list[Node] = []
    live = [y._node for y in results if y._node is not None]
    between(live, {x._node: None for x in variables}, outside)
    return not outside


def may_be_free(results: Sequence[Any], variables: Sequence[Any]) -> bool:
    """The same at first sight. What is not a leaf of its own stands for something outside."""
    return all(type(x._node) is Leaf for x in variables) and not any(map(is_traced, results))


def pull(
    results: Sequence[Any],
    cts: Sequence[Any],
    variables: Sequence[Any],
    cls: type[Variable],
    free: bool | None = None,
) -> Derivatives:
    """Cotangents of fresh variables, given those of results (None for zero).

    `free` says whether the results are, where the caller knows.
    """
    pairs = [(y._node, _plain(ct)) for y, ct in zip(results, cts, strict=True) if ct is not None]
    roots: list[tuple[Node, Any]] = [(n, ct) for n, ct in pairs if n is not None]
    wanted = [x._node for x in variables]
    if free is None:
        if may_be_free(results, variables) and not any(isinstance(c, Variable) for _, c in roots):
            outside: list[Node] = []
            found = reverse(roots, wanted, None, True, outside)
            if not outside:
                return [own((n, found.pop(n, None))) for n in wanted], True
            free = False
        else:
            free = is_free(results, variables)
    if free:
        found = reverse(roots, wanted, None, True)
        return [own((n, found.pop(n, None))) for n in wanted], True
    with Record():
        found = reverse([(n, _tensor(ct, cls)) for n, ct in roots], wanted, cls, True)
    return [found.get(n) for n in wanted], False


def push(
    results: Sequence[Any],
    variables: Sequence[Any],
    tangents: Sequence[Any],
    cls: type[Variable],
    free: bool | None = None,
) -> Derivatives:
    """Tangents of results, given those of fresh variables (None for zero); `free` as in `pull`."""
    known = {x._node: _plain(t) for x, t in zip(variables, tangents, strict=True) if t is not None}
    nodes = [y._node for y in results]
    live = [n for n in nodes if n is not None]
    if free is None:
        free = is_free(results, variables)
    if free:
        found = dict(zip(live, forward(live, known, cls), strict=True))
        given = {id(t) for t in known.values()}
        return [None if n is None else _apart(found[n], given) for n in nodes], True
    with Record():
        known = {n: _tensor(t, cls) for n, t in known.items()}
        found = dict(zip(live, forward(live, known, cls, recorded=True), strict=True))
    return [None if n is None else found[n] for n in nodes], False


def _plain(value: Any) -> Any:
    """A Tensor without history as its plain value."""
    if isinstance(value, Variable) and value._node is None and not is_traced(value):
        return value._value
    return value


def _tensor(value: Any, cls: type[Variable]) -> Any:
    return value if isinstance(value, Variable) else wrapped(cls, value, None)


def separate(values: Sequence[Any], given: Sequence[Any] = ()) -> list[Any]:
    """Results of a transform, arrays or Tensors, each in memory of its own: neither another's nor
    that of what was given. Those with a history stay as they are.
    """
    taken = {id(owner(g)) for g in map(_plain, given) if type(g) is np.ndarray}
    out: list[Any] = []
    for v in values:
        array = _plain(v)
        if type(array) is np.ndarray:
            if id(owner(array)) in taken or not array.flags.writeable:
                array = array.copy()
                v = wrapped(type(v), array, None) if isinstance(v, Variable) else array
            taken.add(id(owner(array)))
        out.append(v)
    return out


def _apart(tangent: Any, given: set[int]) -> Any:
    """A tangent in memory of its own: neither the caller's nor a view."""
    value = _plain(tangent)
    if type(value) is np.ndarray and (value.base is not None or id(value) in given):
        return value.copy()
    return value
