"""Kernels from units: the loops of `codegen.loops`, with every value an expression of its loops."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import Any, Final

import numpy as np

from chainrule.codegen import views
from chainrule.codegen.define import ENSURED, OPERATION, REDUCTIONS, combined, reduction_dtype
from chainrule.codegen.doubt import check, plain
from chainrule.codegen.expression import Expr
from chainrule.codegen.fingerprint import same_graphs
from chainrule.codegen.fuse import LOOPS, Fusion, Unit, aligned, is_native_loop, same_memory
from chainrule.codegen.index import Coordinate, flat, plus, strides_of, times
from chainrule.codegen.loops import Buffer, Callback, Kernel, Loop, Product, Program, Step, Store
from chainrule.codegen.memory import plan
from chainrule.codegen.merging import merged
from chainrule.codegen.nests import finish, nested
from chainrule.codegen.packing import packed
from chainrule.codegen.products import as_loops, product
from chainrule.codegen.reshape import collapse, interchange
from chainrule.codegen.reuse import in_rows, work_in_place
from chainrule.codegen.routines import Routine, routine
from chainrule.codegen.scalars import identity_of
from chainrule.codegen.scope import Memory, Scope, loop_index
from chainrule.codegen.values import Value, Values
from chainrule.codegen.views import Index, Unresolved
from chainrule.graph.graph import Graph
from chainrule.ops.identities import NOTHING
from chainrule.ops.table import TABLE


def lower(values: Values, careful: bool = False) -> Program:
    """The program of a list of values; if `careful`, with strong products from the start."""
    _own_outputs(values)
    forced: set[Value] = set()
    while True:
        memory = Memory()
        fusion = Fusion(values, memory, forced, careful)
        try:
            return _program(values, fusion, memory)
        except Unresolved as problem:  # at an index that the probes did not visit
            if problem.value in fusion.forced and problem.value in forced:
                raise
            forced = fusion.forced | {problem.value}


SHORT: Final = 1 << 10
"""Products with a vector of at most so many multiplications are loops: BLAS would not be quicker,
and takes long to load.
"""


def _own_outputs(values: Values) -> None:
    """Give every output a value of its own that is computed: not an input, not one twice."""
    seen: set[Value] = set()
    for k, v in enumerate(values.outputs):
        if v in seen or v.op in ("input", "const") or (views.is_view(v) and v.native and v.size):
            v = Value("output", TABLE["copy"], (v,), {}).spec(v.shape, v.dtype)
            values.outputs[k] = values.add(v)
        seen.add(v)


def _program(values: Values, fusion: Fusion, memory: Memory) -> Program:
    inputs = [memory.new("input", v) for v in values.inputs]
    outputs = [memory.new("output", v) for v in values.outputs]
    for v in values.list:
        if v in fusion.stored and v not in memory.buffers and v.dtype != object and v.op != "const":
            memory.new("temporary", v)
    steps: list[Step] = [_call(v, fusion, memory) for v in fusion.calls]
    for v, step in zip(fusion.calls, list(steps), strict=True):
        if v.op == "strong_matmul" and fusion.kind[v] == "product" and not fusion.careful:
            if not isinstance(step, Product) or step.is_vector:
                steps.append(check(memory.buffers[v], memory.doubt, step.level))
            else:
                step.doubt = memory.doubt
    whole: dict[Kernel, Kernel] = {}
    groups: dict[tuple[int, tuple[int, ...]], list[Unit]] = {}
    for unit in fusion.units:
        groups.setdefault((unit.level, unit.extents), []).append(unit)
    for (level, _), units in groups.items():
        kernel = _kernel(units, memory, fusion)
        checks: list[Kernel] = []
        kernel.level = level
        if not fusion.careful and not any(map(_adds, kernel.stores)):
            kernel, checks = plain(kernel, memory.doubt)
        if kernel.stores:
            kernel.level = level
            flat_kernel = collapse(kernel)
            flat_kernel.level = level
            steps += [flat_kernel, *checks]
            if kernel.extents and not any(map(_adds, kernel.stores)):
                whole[flat_kernel] = kernel
    steps.sort(key=lambda s: s.level)
    steps = nested(steps, whole)
    finish(steps)
    steps = packed(merged(steps), memory)
    _share_turns(steps)
    buffers = list(memory.buffers.values())
    return Program(
        steps,
        inputs,
        outputs,
        [b for b in buffers if b.kind == "constant"],
        [b for b in buffers if b.kind == "temporary"],
        memory.status,
        memory.doubt,
        may_fail=any(v.op in ENSURED for v in values.list)
        or any(isinstance(s, Routine) and s.may_fail for s in steps),
    )


def _adds(s: Store) -> bool:
    """Whether a store adds to what an earlier step has put in place: it cannot be done twice."""
    return s.how != "=" and s.start is None and not s.buffer.is_note


def _call(v: Value, fusion: Fusion, memory: Memory) -> Step:
    if fusion.kind[v] == "product":
        found = product(v, fusion, memory)
        strong = fusion.careful and v.op == "strong_matmul"
        short = found.is_vector and math.prod(found.sizes) <= SHORT
        return as_loops(found, strong) if strong or short else found
    results = _results(v, fusion, memory)
    if is_native_loop(v):
        return _loop(v, results, fusion, memory)
    own = routine(v, results, memory, fusion.level[v])
    if own is not None:
        return own
    arguments = [a.const if a.op == "const" else memory.buffers[a] for a in v.args]
    return Callback(v, arguments, results, fusion.level[v])


def _graphs(v: Value) -> list[Graph]:
    found: list[Graph] = []
    for name in LOOPS[v.op]:
        p = v.params[name]
        found.extend([p] if isinstance(p, Graph) else p)
    return found


def plan_all(program: Program) -> None:
    """Plan the memory of a loop's body, and of the branches in it, which it may have merged."""
    for step in program.steps:
        if isinstance(step, Loop) and step.kind == "cond":
            for body in step.bodies:
                plan_all(body)
            step.scratch.size = max(max(b.arena, 64) for b in step.bodies)
    plan(program)


def _loop(v: Value, results: list[Buffer], fusion: Fusion, memory: Memory) -> Loop:
    bodies = [lower(Values(graph), fusion.careful) for graph in _graphs(v)]
    counts = v.params.get("counts", (0, 0))
    rows: dict[int, int] = {}
    if v.op == "scan":
        work_in_place(bodies[0], [(counts[0] + k, k) for k in range(counts[1])])
        rows = in_rows(bodies[0], counts)
    elif v.op not in ("call", "cond"):
        work_in_place(bodies[1], [(counts[1] + k, k) for k in range(len(bodies[1].outputs))])
    if v.op == "while_back":
        start = counts[2] + counts[3]
        work_in_place(bodies[2], [(start + k, k) for k in range(len(v.const))])
    for body in bodies if v.op != "cond" else ():
        plan_all(body)
    arguments = [memory.of(same_memory(a)) for a in v.args]
    nothing = np.dtype(np.uint8)
    space = max((max(b.arena, 64) for b in bodies), default=64)

    def scratch(shape: tuple[int, ...], dtype: Any) -> Buffer:
        return memory.new("temporary", Value("scratch", None, (), {}).spec(shape, dtype))

    p = v.params
    carry = 0 if v.op in ("call", "cond") else counts[1] if v.op == "scan" else len(results)
    following = [
        scratch((1,) if k in bodies[-1].inplace else b.value.shape, b.value.dtype)
        for k, b in enumerate(results[:carry])
    ]
    holds, states = None, []
    if v.op in ("while_loop", "while_back"):
        out = bodies[0].outputs[0].value
        holds = scratch(out.shape, out.dtype)
    if v.op == "while_back":
        parts = [b.value for b in bodies[1].outputs]
        states = [scratch(p.shape, p.dtype) for p in (*parts, *parts)]
    return Loop(
        v.op,
        v,
        bodies,
        [a for a in arguments if a is not None],
        results,
        scratch((space,), nothing),
        following,
        states,
        holds,
        counts,
        p.get("length", 0),
        p.get("reverse", False),
        p.get("limit"),
        fusion.level[v],
        rows=rows,
    )


def _share_turns(steps: list[Step]) -> None:
    """Have a loop of unknown length whose value is wanted remember its turns for the way back."""
    loops = [s for s in steps if isinstance(s, Loop)]
    for k, back in enumerate(loops):
        if back.kind != "while_back":
            continue
        m, n, q, count = back.counts
        same = [*back.arguments[: m + n], *back.arguments[m + n + q : m + n + q + count]]
        for there in loops[:k]:
            if (
                there.kind == "while_loop"
                and there.back is None
                and there.arguments == same
                and there.limit == back.limit
                and same_graphs(_graphs(there.value), _graphs(back.value)[:2])
            ):
                there.back = back
                break


def _results(v: Value, fusion: Fusion, memory: Memory) -> list[Buffer]:
    """The buffers of a call's results."""
    if v.dtype == object:
        results = []
        picked = {u.params["index"]: u for u in fusion.users[v]}
        for k, spec in enumerate(v.const):
            u = picked.get(k)
            if u is None:
                u = Value("select", v.row, (v,), {"index": k}).spec(spec.shape, spec.dtype)
            found = memory.buffers.get(u)
            results.append(memory.new("temporary", u) if found is None else found)
        return results
    return [memory.buffers[v]]


class _Body(Scope):
    """The scope of a kernel: its own values are computed, all others are in memory."""

    def __init__(self, units: list[Unit], memory: Memory, fusion: Fusion) -> None:
        super().__init__(units[0].extents, memory)
        self.fusion, self.level = fusion, units[0].level

    def stored(self, v: Value) -> Buffer | None:
        """The buffer of a value that an earlier step has computed."""
        if self.fusion.level.get(v, self.level) >= self.level:
            return None
        return self.memory.buffers.get(v)


def _kernel(units: list[Unit], memory: Memory, fusion: Fusion) -> Kernel:
    units = _whole(units)
    extents = units[0].extents
    scope = _Body(units, memory, fusion)
    stores: list[Store] = []
    for unit in units:
        if unit.task == "reduce":
            stores += _reduction(unit, scope, memory)
            continue
        for index in _points(unit):
            store = _store(unit, index, scope, memory)
            if store is not None:
                stores.append(store)
    for conditions, note in ((scope.checks, memory.status), (scope.doubts, memory.doubt)):
        for holds in conditions:
            wrong = scope.expressions.apply("logical_not", (holds,), "b1")
            stores.append(Store(note, 0, wrong, "logical_or"))
    return interchange(Kernel(extents, stores))


def _whole(units: list[Unit]) -> list[Unit]:
    """Where all that is computed is elementwise on arrays of one shape, nothing is written out:
    one loop runs through all elements.
    """
    first = units[0]
    if first.axes == len(first.shape) or not first.axes:
        return units
    for unit in units:
        if unit.task == "piece" or unit.shape != first.shape:
            return units
        if unit.task == "reduce" and unit.value.size != 1:
            return units
        if unit.task == "compute" and unit.value.op in (*REDUCTIONS, "matmul"):
            return units
        for b, index in unit.bases:
            if b.size != 1 and not (b.shape == first.shape and _same(unit, index)):
                return units
    for unit in units:
        unit.axes = len(unit.shape)
        unit.extents = tuple(n for n in unit.shape if n != 1)
    return units


def _same(unit: Unit, index: Index) -> bool:
    """Whether an operand is read at the place that is computed (its first or last element)."""
    if not aligned(unit, index):
        return False
    trailing = index[unit.axes :]
    ends = unit.shape[unit.axes :]
    return all(c == 0 for c in trailing) or all(
        c == n - 1 for c, n in zip(trailing, ends, strict=True)
    )


def _points(unit: Unit) -> Iterator[Index]:
    loops = loop_index(unit.shape, unit.axes)
    for t in itertools.product(*map(range, unit.shape[unit.axes :])):
        yield (*loops, *t)


def _store(unit: Unit, index: Index, scope: Scope, memory: Memory) -> Store | None:
    v = unit.value
    buffer = memory.buffers.get(v)
    if unit.task == "compute":
        e = scope.at(v, index)
        return None if buffer is None else Store(buffer, flat(index, v.shape), e)
    assert buffer is not None
    plan = scope.placing(v)
    if unit.task == "fill":
        e = (
            scope.expressions.const(NOTHING.get(v.code, 0), v.code)
            if plan.base is None
            else scope.cast(scope.at(plan.base, index), v.code)
        )
        return Store(buffer, flat(index, v.shape), e)
    piece = plan.pieces[unit.piece]
    e = scope.cast(scope.at(piece.source, views.stretched(index, piece.source.shape)), v.code)
    return Store(buffer, _flat(piece.place(index, scope), v), e, piece.how)


def _flat(index: Index, v: Value) -> Coordinate:
    """A position; the last coordinate may be one of the whole array (see `placing`)."""
    position: Coordinate = 0
    for c, step in zip(index, strides_of(v.shape) or (1,), strict=bool(v.shape)):
        position = plus(position, times(c, step))
    return position


def _reduction(unit: Unit, scope: Scope, memory: Memory) -> list[Store]:
    """One store for each element of a reduction that the loops add to."""
    v = unit.value
    gone = views.axes(v, v.args[0])
    code = reduction_dtype(v)
    op = REDUCTIONS[v.op]
    parts: dict[Coordinate, list[Expr]] = {}
    for index in _points(unit):
        if v.params.get("keepdims"):
            kept = tuple(0 if k in gone else c for k, c in enumerate(index))
        else:
            kept = tuple(c for k, c in enumerate(index) if k not in gone)
        e = scope.cast(scope.at(v.args[0], index), code)
        parts.setdefault(flat(kept, v.shape), []).append(e)
    buffer = memory.buffers[v]
    start = identity_of(op, code)
    how = OPERATION.get(op, op)
    return [
        Store(buffer, position, combined(es, op, code, scope), how, start)
        for position, es in parts.items()
    ]
