"""A branch or a loop whose condition is traced: its parts run on traced values, as one operation.

A part changes the user's variables while it runs. So it is run between setting them to what the
operation gives and reading what has become of them; before the next part they are set back. What is
learned on the way (a variable that only one branch binds, an argument that a called function
changes) makes the attempt begin again.
"""

from __future__ import annotations

import functools
from _thread import get_ident
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from chainrule.errors import SyntaxUnsupported, at, user_line
from chainrule.graph.node import Variable, next_order
from chainrule.ops.recording import renew
from chainrule.record import rebind
from chainrule.record.syntax.aliases import Flow, Place, Poured, among, distinct, roots, shared
from chainrule.record.syntax.snapshot import Snapshot
from chainrule.record.syntax.state import Shape, Undefined, write_back
from chainrule.record.syntax.tracing import Part, active
from chainrule.record.syntax.variables import Again, Spec, Variables


class Construct(Variables):
    """One branch or loop while it is traced."""

    def __init__(self, access: Any, spec: Spec, line: int) -> None:
        super().__init__(access, spec)
        self.line = line
        self._first = next_order()
        self.replaced: set[Place] = set()
        """Where a pass of a loop binds a variable to another array."""
        self.apart: set[frozenset[Place]] = set()
        """Such places that hold what another one may hold too, which a pass changes in place."""
        self.lost: list[Variable] = []
        """Their arrays before, where a pass changes them in place: which passes do is not known."""
        self.flow: Flow | None = None
        """Of a loop, after a pass."""
        self._poured: list[Poured] = []
        self._containers: list[tuple[int, Snapshot]] = []
        self._filled: dict[int, Any] = {}
        """By the first variable that is it, each list and dict for a part."""
        self._altered: set[int] = set()
        """Of those, which a part gives other elements."""
        self._sources: list[dict[int, int]] = []
        """For each part that ran, which list or dict of before a variable is after it."""
        self._suspects: list[Any] = []
        """Arrays that a part changed and that may be from outside, of all attempts."""
        self._asked: set[tuple[Any, ...]] = set()
        """What was known when an attempt began again to learn that, so that none does so twice."""
        self._seen: list[dict[Place, list[Any]]] = []
        """For each part that ran, what the arrays in the variables show after it."""
        self._stays: dict[Place, list[bool]] = {}
        """By variable and number of the array in it: whether it stays that array in every part, and
        whether one changes it in place."""

    def attempt(self, run: Callable[[], Any]) -> Any:
        """Run until nothing new is learned, and leave the variables as they were."""
        outer = rebind.journal.get(get_ident())
        rebind.journal[get_ident()] = []
        try:
            while True:
                self._stays.clear()
                self._seen.clear()
                self._sources.clear()
                try:
                    return run()
                except Again:
                    continue
                finally:
                    self.restart()
        finally:
            if outer is None:
                del rebind.journal[get_ident()]
            else:
                rebind.journal[get_ident()] = outer

    def pour(self, i: int, shape: Shape, leaves: Sequence[Any]) -> Any:
        """The variable with these arrays and numbers in it, for a part to run on.

        An array stays the object that it is, for all that refers to it, and takes over the value;
        unless a loop binds the variable to another one in each pass.
        """
        into = []
        for k, (old, new) in enumerate(zip(shape.dynamic, leaves, strict=True)):
            stays = (i, k) not in self.replaced
            if _is_array(old) and among(old, self.lost) and stays:
                into.append(old)
            elif _is_array(old) and _is_array(new) and _alike(old, new):
                if stays:
                    if old is not new:
                        rebind.adopt(old, new)
                    new = old
                self._poured.append(Poured((i, k), old, new, None))
                into.append(new)
            else:
                into.append(new)
        value = shape.filled(into)
        if isinstance(value, list | dict):
            value = self._filled.setdefault(self._first_name(i), value)
            self._containers.append((i, Snapshot(value, 1)))
        return value

    def _first_name(self, i: int) -> int:
        """The first of the variables that are one object at the start."""
        names = (k for k in self.indices() if self.start[k] is self.start[i])
        return next(names, i)

    def _one_container(self, i: int, values: list[Any], loop: bool) -> Any:
        """The list or dict that a variable is in the end, where another one is it as well."""
        found = {sources.get(i) for sources in self._sources}
        j = found.pop() if len(found) == 1 else None
        if j is None or (loop and j != self._first_name(i)):
            return values[i]
        return write_back(self.start[j], values[i]) if j in self._altered else self.start[j]

    def begin(self) -> None:
        """Before the variables are bound for a part."""
        self._poured.clear()
        self._filled.clear()
        self._containers.clear()
        for x in self.lost:
            rebind.forget(x)

    def enter(self, fresh: Sequence[Any]) -> None:
        """Bind the variables for a part, when all of them are poured."""
        self.bind(fresh)
        for k, one in enumerate(self._poured):
            if not among(one.now, self.lost):
                renew(one.now)
            self._poured[k] = one._replace(node=one.now._node)
        now = {one.place: one.now for one in self._poured}
        for place in self.replaced & now.keys():
            pairs = [pair for pair in self.apart if place in pair]
            others = [now[p] for pair in pairs for p in pair if p != place and p in now]
            rebind.may_be(now[place], others)

    def follow(self, fresh: Sequence[Any], finals: Sequence[Shape], loop: bool) -> None:
        """Look what became of the arrays from outside; begin again where one would be lost."""
        after = {
            (i, k): roots(v)
            for i in self.indices()
            for k, v in enumerate(finals[i].dynamic)
            if _is_array(v)
        }
        rebound, lost, added = set(), list[Any](), list[tuple[int, Any]]()
        for one in self._poured:
            i, k = one.place
            same = k < len(finals[i].dynamic) and finals[i].dynamic[k] is one.now
            stays = self._stays.setdefault(one.place, [True, False])
            stays[0] &= same and one.now is one.old
            stays[1] |= one.touched
            if not same and loop and one.place not in self.replaced:
                rebound.add(one.place)
            elif stays == [False, True] and not loop:  # changed in one part, rebound in another
                added.append((i, one.old))
        apart = set[frozenset[Place]]()
        added += [(0, x) for x in self._reached_otherwise()]
        added = [(i, x) for i, x in added if not among(x, self.start[self._count :])]
        if loop and not rebound and not added:
            self.flow = flow = Flow(self._poured, self.replaced, after)
            reached = [x for p in flow.touched if p in self.replaced for x in flow.may[p]]
            olds = [one.old for one in self._poured]
            reached = [x for x in distinct(reached) if not among(x, self.lost)]
            lost = [x for x in reached if among(x, olds)]
            others = [x for x in reached if not among(x, olds) and self._from_outside(x)]
            lost += self._met_before(others, "held")
            apart = flow.conflicts() - self.apart
        if apart:
            self.apart |= apart
        if rebound or lost or added or apart:
            self.restart()  # what is noted of them now is how they were
            self.replaced |= rebound
            self.lost += lost
            for i, x in added:
                if not among(x, self.start[self._count :]):
                    self.add(i, x)
            raise Again
        self._seen.append(after)
        self._sources.append(
            {
                i: self._first_name(j)
                for i in self.indices()
                for j, _ in self._containers
                if finals[i].value is fresh[j] or finals[i].value is self.start[j]
            }
        )
        self._altered |= {self._first_name(i) for i, inside in self._containers if inside.changed()}
        for i, inside in self._containers:
            if finals[i].value is not fresh[i] and inside.changed():
                raise SyntaxUnsupported(
                    f"{self.names[i]!r}, a {type(fresh[i]).__name__}, is changed in place and then "
                    "bound to another, where that depends on a traced value; give the other "
                    "another name" + at(user_line())
                )

    def _from_outside(self, x: Any) -> bool:
        """Whether an array may have been there before: equal operations have one node."""
        return x._node is None or x._node.order < self._first

    def _reached_otherwise(self) -> list[Any]:
        """Arrays from outside that were changed under a name that is not of the state.

        Of what has the node of an older operation only another attempt tells whether it was made in
        the part: then it is another object.
        """
        ours = [*self.start, *self.lost, *(one.old for one in self._poured)]
        changed = [
            x
            for x, value, node, asked in rebind.journal[get_ident()]
            # of a view, what it shows is changed as well
            if asked and not hasattr(x, "_base") and not among(x, ours)
            if type(value) is np.ndarray or (node is not None and node.order < self._first)
        ]
        return self._met_before(changed, "changed")

    def _met_before(self, arrays: Sequence[Any], kind: str) -> list[Any]:
        """Those of some arrays that an attempt before had as well: the others are made anew."""
        found = [x for x in distinct(arrays) if among(x, self._suspects)]
        new = [x for x in distinct(arrays) if not among(x, self._suspects)]
        self._suspects += new
        known = (self.start, self.replaced, self.lost, self.apart, self._seen)
        state = (kind, sum(self.chosen), *map(len, known))
        if new and not found and state not in self._asked:
            self._asked.add(state)
            self.restart()
            raise Again
        return found

    def _note_aliases(self, values: list[Any]) -> None:
        """Note which of the arrays that came out may be one, or be one from outside."""
        places = {
            (i, k): v
            for i in self.indices()
            for k, v in enumerate(Shape(values[i]).dynamic)
            if _is_array(v)
        }
        made = {p: v for p, v in places.items() if not self._stays.get(p, (False,))[0]}
        for place, x in made.items():
            others: list[Any] = [] if self.flow is None else list(self.flow.may.get(place, ()))
            others = [y for y in others if self._from_outside(y)]
            for seen in self._seen:
                mine = seen.get(place, [])
                others += [y for y in mine if self._from_outside(y)]
                others += [
                    v for p, v in places.items() if p != place and shared(seen.get(p, ()), mine)
                ]
            if self.flow is not None:
                together = self.flow.together
                others += [v for p, v in places.items() if frozenset((p, place)) in together]
            rebind.may_be(x, [y for y in distinct(others) if not among(y, [x, *self.lost])])

    def _restored(self, i: int, final: Any) -> Any:
        """A variable with the arrays in it that stayed, after what was done to them."""
        new = Shape(final)
        leaves, old = list(new.dynamic), Shape(self.start[i]).dynamic
        for k in range(len(leaves)):
            stays, touched = self._stays.get((i, k), (False, False))
            if stays:
                leaves[k] = write_back(old[k], leaves[k]) if touched else old[k]
        return new.filled(leaves)

    def run(self, part: Part, *args: Any, witness: Any) -> list[Any]:
        """What the variables are after a part has run; `witness` is traced in it, or None."""
        inner: Any = part.func if isinstance(part, functools.partial) else part
        active.codes.append(inner.__code__)
        active.witnesses.append(witness)
        try:
            part(*args)
        finally:
            active.codes.pop()
            active.witnesses.pop()
        for i, snapshot in enumerate(self._snapshots):
            # one that is in the state was replaced by another, which the part was free to change;
            # changes of traced Tensors in other objects are followed under any name
            known = isinstance(snapshot.value, Variable | np.ndarray | list | dict)
            if not self.chosen[i] and snapshot.changed(traced=known):
                if known:
                    self.chosen[i] = True
                    self.changed |= {self.names[i]}
                    raise Again
                raise SyntaxUnsupported(
                    f"{self.names[i]!r}, a {type(snapshot.value).__name__}, is changed in place "
                    "where that depends on a traced value; change an array, a list or a dict, or "
                    "return the new value" + at(user_line())
                )
        return self.get()

    def kept(self, fresh: Sequence[Any], nodes: list[Any], values: Sequence[Any]) -> set[int]:
        """Variables that are what they were before a part ran.

        One may be the same Tensor, and changed in place unseen: a called function may do
        `count += 1` to a variable of the function around it.
        """
        after = self.nodes(values)
        return {
            i
            for i, v in enumerate(values)
            if v is fresh[i] and (nodes[i] is after[i] or self.names[i] in self.changed)
        }

    def finish(self, finals: dict[int, Any], kept: set[int], reason: str) -> None:
        """Bind what came out; what was changed in place is written into the object it was."""
        values = list(self.start)
        for i, name in enumerate(self.names):
            if not self.chosen[i]:
                continue
            if i not in finals:
                old = self.start[i]
                if isinstance(old, Undefined) or i in self.dropped:
                    values[i] = Undefined(name, f"{reason} (line {self.line})")
            elif i not in kept:
                values[i] = self._restored(i, finals[i])
            elif name in self.changed:
                new = self._restored(i, finals[i])
                values[i] = new if new is self.start[i] else write_back(self.start[i], new)
        self._note_aliases(values)
        loop = self.flow is not None
        self.bind([self._one_container(i, values, loop) for i in range(len(values))])
        for x in self.lost:
            rebind.forget(x)


def _is_array(x: Any) -> bool:
    return isinstance(x, Variable) and x._value.shape != ()


def _alike(a: Any, b: Any) -> bool:
    return bool(a._value.shape == b._value.shape and a._value.dtype == b._value.dtype)
