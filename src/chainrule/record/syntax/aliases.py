"""Which names of a traced branch or loop are one array, and what a change in place reaches.

In a branch every array stays the object that it is. In a loop a name may be bound to another array
in each pass, of which the one pass that is traced knows only some: what holds of all passes is
found here, by following the arrays from name to name.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from chainrule.graph.node import Variable
from chainrule.ops.recording import is_traced

Place = tuple[int, int]
"""The number of a variable, and that of an array in it."""


class Poured(NamedTuple):
    """An array that was in a variable, and the one that a part has in its place."""

    place: Place
    old: Any
    now: Any
    node: Any
    """The node of `now` before the part runs."""

    @property
    def touched(self) -> bool:
        """Whether the part changed it in place."""
        return self.now._node is not self.node


class Flow:
    """What the arrays of a loop may be at the beginning of a pass, whichever pass it is."""

    def __init__(
        self, poured: Sequence[Poured], replaced: set[Place], after: Mapping[Place, list[Any]]
    ) -> None:
        inside = {id(p.now): p.place for p in poured if p.place in replaced}
        start = {p.place: roots(p.old) for p in poured}
        self.may: dict[Place, list[Any]] = {place: list(start.get(place, ())) for place in after}
        """The arrays that each place may hold, or a view of them."""
        came = {
            place: {inside[id(r)] for r in found if id(r) in inside}
            | (set() if place in replaced else {place})
            for place, found in after.items()
        }
        for place, found in after.items():
            self.may[place] += [r for r in found if id(r) not in inside]
        for _ in after:  # no array comes further than through all places
            for place in after:
                others = [r for q in came[place] for r in self.may.get(q, ())]
                self.may[place] += distinct([r for r in others if not among(r, self.may[place])])
        self.together: set[frozenset[Place]] = set()
        """Pairs of places that may show one memory in some passes."""
        for p, q in itertools.combinations(after, 2):
            if (p in replaced or q in replaced) and (
                shared(start.get(p, ()), start.get(q, ())) or shared(after[p], after[q])
            ):
                self.together.add(frozenset((p, q)))
        self._spread(came, replaced)
        self.touched = [p.place for p in poured if p.touched]

    def _spread(self, came: Mapping[Place, set[Place]], replaced: set[Place]) -> None:
        """Two places that take over what two others hold may show one memory as those may."""
        while True:
            found = {
                frozenset((p, q))
                for p, q in itertools.combinations(came, 2)
                if p in replaced or q in replaced
                for a, b in itertools.product(came[p], came[q])
                if a != b and frozenset((a, b)) in self.together
            }
            if found <= self.together:
                return
            self.together |= found

    def conflicts(self) -> set[frozenset[Place]]:
        """Pairs, one of them changed, that are one array in some passes and not in others."""
        return {pair for pair in self.together if any(p in self.touched for p in pair)}


def roots(x: Any) -> list[Any]:
    """What an array shows in the end: itself where it is no view; several where it may be one."""
    found: list[Any] = []
    waiting = [x] if isinstance(x, Variable) else []
    for y in waiting:  # grows meanwhile
        shows = y._value.shows if is_traced(y) else None
        shown = getattr(y, "_base", None)
        if shows is not None and type(shows[0]) is tuple:
            waiting += [z for z in shows[0] if not among(z, waiting)]
        elif shown is None:
            shown = shows
        if shown is None or shown[0]._value is None:
            found.append(y)
        elif not among(shown[0], waiting):
            waiting.append(shown[0])
    return found


def shared(some: Sequence[Any], others: Sequence[Any]) -> bool:
    """Whether two lists have an object in common."""
    return any(among(x, others) for x in some)


def among(x: Any, others: Sequence[Any]) -> bool:
    """Whether an object is in a list."""
    return any(x is other for other in others)


def distinct(objects: Sequence[Any]) -> list[Any]:
    """Objects, each once."""
    return [x for k, x in enumerate(objects) if not among(x, objects[:k])]
