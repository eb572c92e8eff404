"""The way back through a loop of unknown length, within a budget.

On the way there every s-th carry is stored; when there is no room for another, every other one is
given up and s is doubled (an online scheme, as those of Stumm and Walther, New algorithms for
optimal online checkpointing, 2010). So at the end the turns are segments of s, each with the carry
it began with. On the way back a segment is taken again, from the last to the first, in the same
way: carries of shorter segments are stored, and of those all carries, as many as there is room for.
With room for c carries in each of the three stores, n <= c^3 turns are taken at most three times
more; beyond that a shortest segment is taken several times.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from chainrule.graph.budget import too_little
from chainrule.graph.graph import Graph
from chainrule.ops.control_flow import as_graph, specs_of, while_row
from chainrule.ops.deferred import spec_of
from chainrule.ops.replay import replay
from chainrule.ops.table import TABLE
from chainrule.ops.traced_index import Hole, at_index

List = list[Any]
ONE, ZERO = np.int64(1), np.int64(0)


def way_back(operands: Sequence[Any], params: dict[str, Any]) -> List:
    """What `while_back` gives, with its budget kept. Raises ArgumentError where that cannot be."""
    return _Way(operands, params).back()


class _Way:
    def __init__(self, operands: Sequence[Any], params: dict[str, Any]) -> None:
        m, k, q, n = params["counts"]
        parts = list(operands)
        self.first, parts = parts[:m], parts[m:]
        self.second, parts = parts[:k], parts[k:]
        self.third, parts = parts[:q], parts[q:]
        self.carry, self.going = parts[:n], parts[n:]
        self.params = params
        self.specs = specs_of(params["body"])
        size = max(sum(s.size * s.dtype.itemsize for s in self.specs), 1)
        slots = params["memory"] // size
        if slots < 9:
            what = f"a loop of unknown length, with a carry of {size} bytes"
            raise too_little(what, params["memory"], 9 * size)
        self.room = (slots // 3 - 1) // 2 * 2
        """Of each store; one place more takes what is not to be kept."""

    # --- functions of constants and a carry ------------------------------------------------------

    def _cond(self, first: Sequence[Any], x: Sequence[Any]) -> Any:
        return replay(self.params["cond"], [*first, *x])[0]

    def _body(self, second: Sequence[Any], x: Sequence[Any]) -> List:
        return replay(self.params["body"], [*second, *x])

    def _store(self) -> List:
        return [np.zeros((self.room + 1, *s.shape), s.dtype) for s in self.specs]

    # --- there -----------------------------------------------------------------------------------

    def there(self) -> List:
        """Number of turns, distance of the carries that are stored, and the store."""
        n, room = len(self.specs), self.room
        m = len(self.first)

        def holds(c: List, v: List) -> Any:
            return self._cond(c[:m], v[2 : 2 + n])

        def turns(c: List, v: List) -> List:
            i, stride, x, store = v[0], v[1], v[2 : 2 + n], v[2 + n :]

            def more(c: List, v: List) -> Any:
                return np.logical_and(self._cond(c[1 : 1 + m], v[1 : 1 + n]), v[0] < c[0] * room)

            def turn(c: List, v: List) -> List:
                i, x, store = v[0], v[1 : 1 + n], v[1 + n :]
                place = np.where(np.equal(i % c[0], 0), i // c[0], np.int64(room))
                return [i + ONE, *self._body(c[1 + m :], x), *_written(store, place, x)]

            limit = self.params["limit"]
            i, *rest = _loop(more, turn, [stride, *c], [i, *x, *store], limit)
            x, store = rest[:n], rest[n:]
            full = self._cond(c[:m], x)
            bound = np.where(full, np.int64(room // 2), ZERO)

            def closer(_: List, v: List) -> List:
                j, moved, store = v[0], v[1 : 1 + n], v[1 + n :]
                store = _written(store, j, moved)
                return [j + ONE, *_read(store, 2 * (j + ONE)), *store]

            moved = _read(store, ZERO * bound)
            closed = _loop(lambda c, v: v[0] < c[0], closer, [bound], [ZERO, *moved, *store])
            store = closed[1 + n :]
            return [i, stride * np.where(full, np.int64(2), ONE), *x, *store]

        found = _loop(
            holds, turns, [*self.first, *self.second], [ZERO, ONE, *self.carry, *self._store()]
        )
        return [found[0], found[1], *found[2 + n :]]

    # --- back ------------------------------------------------------------------------------------

    def back(self) -> List:
        """All of it. The stores go through the loops as carries, so that they are made once."""
        n = len(self.specs)
        count, stride, *store = self.there()

        def segment(c: List, v: List) -> List:
            count, stride, *c = c
            store, c = c[:n], c[n:]
            j, inner, low, going = v[0] - ONE, v[1 : 1 + n], v[1 + n : 1 + 2 * n], v[1 + 2 * n :]
            length = np.minimum(stride, count - j * stride)
            middle = self._distance(length)
            inner = self._filled(c, _read(store, j), inner, length, middle)
            parts = (length + middle - ONE) // middle
            given = [length, middle, *inner, *c]
            rest = _loop(_left, self._part, given, [parts, *low, *going])[1:]
            return [j, *inner, *rest]

        segments = (count + stride - ONE) // stride
        given = [count, stride, *store, *self.second, *self.third]
        found = _loop(
            _left, segment, given, [segments, *self._store(), *self._store(), *self.going]
        )
        return found[1 + 2 * n :]

    def _distance(self, length: Any) -> Any:
        """Of the carries that are stored in the second store."""
        return np.maximum((length + np.int64(self.room - 1)) // np.int64(self.room), ONE)

    def _filled(self, c: List, x: List, store: List, length: Any, middle: Any) -> List:
        """The second store: carries of a segment that begins with x."""
        n, k = len(self.specs), len(self.second)
        last = (length - ONE) // middle

        def fill(c: List, v: List) -> List:
            last, middle, *c = c
            t, x, store = v[0], v[1 : 1 + n], v[1 + n :]
            store = _written(store, t, x)
            x = self._after(c, x, np.where(t < last, middle, ZERO))
            return [t + ONE, *x, *store]

        given = [last, middle, *c[:k]]
        return _loop(lambda c, v: v[0] <= c[0], fill, given, [ZERO, *x, *store])[1 + n :]

    def _after(self, second: List, x: List, turns: Any) -> List:
        """The carry so many turns after x."""

        def turn(c: List, v: List) -> List:
            return [v[0] - ONE, *self._body(c, v[1:])]

        return _loop(_left, turn, second, [turns, *x])[1:]

    def _part(self, c: List, v: List) -> List:
        """Back over a part of a segment: the last of its turns that there is room for, until none
        are left.
        """
        n = len(self.specs)
        length, middle, *c = c
        inner, c = c[:n], c[n:]
        t = v[0] - ONE
        turns = np.minimum(middle, length - t * middle)
        rest = _loop(_left, self._some, [*_read(inner, t), *c], [turns, *v[1:]])[1:]
        return [t, *rest]

    def _some(self, c: List, v: List) -> List:
        """Back over some turns, and how many are left before them."""
        n, k = len(self.specs), len(self.second)
        start, second, third = c[:n], c[n : n + k], c[n + k :]
        rest, store, going = v[0], v[1 : 1 + n], v[1 + n :]
        count = np.minimum(rest, np.int64(self.room))
        x = self._after(second, start, rest - count)

        def keep(c: List, v: List) -> List:
            t, x, store = v[0], v[1 : 1 + n], v[1 + n :]
            return [t + ONE, *self._body(c[1:], x), *_written(store, t, x)]

        given = [count, *second]
        store = _loop(lambda c, v: v[0] < c[0], keep, given, [ZERO, *x, *store])[1 + n :]

        def undo(c: List, v: List) -> List:
            store, third = c[:n], c[n:]
            t = v[0] - ONE
            return [t, *replay(self.params["back"], [*third, *_read(store, t), *v[1:]])]

        going = _loop(_left, undo, [*store, *third], [count, *going])[1:]
        return [rest - count, *store, *going]


def _left(_: List, v: List) -> Any:
    return v[0] > ZERO


def _written(store: Sequence[Any], place: Any, values: Sequence[Any]) -> List:
    row = TABLE["set_item"]
    return [
        at_index([s, x, place], row, {"index": Hole(2)}) for s, x in zip(store, values, strict=True)
    ]


def _read(store: Sequence[Any], place: Any) -> List:
    return [at_index([s, place], TABLE["getitem"], {"index": Hole(1)}) for s in store]


def _loop(
    cond: Callable[[List, List], Any],
    body: Callable[[List, List], List],
    constants: List,
    carry: List,
    limit: int | None = None,
) -> List:
    """A `while_loop` of functions of constants and carry."""
    cls = _class([*constants, *carry])
    count = len(constants)
    specs = [spec_of(x if hasattr(x, "dtype") else np.asarray(x)) for x in (*constants, *carry)]

    def graph(function: Callable[[List, List], List]) -> Graph:
        return as_graph(lambda *xs: function(list(xs[:count]), list(xs[count:])), specs, cls)

    return list(
        while_row(
            [*constants, *constants, *carry],
            cond=graph(lambda c, v: [cond(c, v)]),
            body=graph(body),
            counts=(count, count),
            limit=limit,
        )
    )


def _class(values: Sequence[Any]) -> Any:
    from chainrule.ops.recording import standard_class

    return next((type(v) for v in values if hasattr(v, "_node")), standard_class())
