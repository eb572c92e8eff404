"""A branch or a loop whose condition is traced: its parts run on traced values, as one operation.

A part changes the user's variables while it runs. So it is run between setting them to what the
operation gives and reading what has become of them; before the next part they are set back. What is
learned on the way (a variable that only one branch binds, an argument that a called function
changes) makes the attempt begin again.
"""

from __future__ import annotations

import functools
import threading
from _thread import get_ident
from collections.abc import Callable, Sequence
from types import CodeType, FrameType
from typing import Any

import numpy as np

from chainrule.errors import PACKAGE, SyntaxUnsupported, at, user_line
from chainrule.graph.node import Abstract, Variable, next_order
from chainrule.ops.recording import is_traced
from chainrule.record import rebind
from chainrule.record.syntax.snapshot import Snapshot
from chainrule.record.syntax.source import SYNTHETIC
from chainrule.record.syntax.state import (
    KEEP,
    Shape,
    Undefined,
    cast,
    common_dtype,
    refuse_unknown,
    shape_of,
    values_of,
    write_back,
)

Part = Callable[..., None]
Paths = tuple[str, ...]
Spec = tuple[Paths, Paths, Paths, Paths, Paths]
"""The groups of a `State` of `scopes`."""


class Again(Exception):
    """The attempt must begin again, as more is known."""


class _Active(threading.local):
    def __init__(self) -> None:
        self.codes: list[CodeType] = []
        self.witnesses: list[Any] = []
        """For each of them, something traced: it is not there before the part is reached."""


active = _Active()
"""Codes of the parts that are being traced in this thread."""


class Construct:
    """One branch or loop while it is traced."""

    def __init__(self, access: Any, spec: Spec, line: int) -> None:
        rebound, changed, lent, restored, refused = spec
        if refused:
            raise SyntaxUnsupported(
                f"{refused[0]!r} is assigned to where that depends on a traced value, and such a "
                "change cannot be followed; assign to a local variable, and store its value after"
                + at(user_line())
            )
        self.names = tuple(dict.fromkeys((*rebound, *changed, *lent, *restored)))
        self.changed = frozenset(changed)
        self.line = line
        self._access = access
        self.start = self.get()
        for name, value in zip(self.names, self.start, strict=True):
            if name in self.changed and name not in rebound:
                refuse_unknown(name, value)
        self.chosen = [n in self.changed or n in rebound for n in self.names]
        self._bound = [n not in lent for n in self.names]
        self.dropped: set[int] = set()
        self.filling: dict[int, Shape] = {}
        self.casts: dict[int, list[tuple[Any, tuple[int, ...]]]] = {}
        self._snapshots = [Snapshot(v) for v in self.start]
        self._count = len(self.start)
        self._first = next_order()
        self.replaced: set[int] = set()
        """Variables that a pass of a loop binds to other arrays."""
        self.lost: list[Variable] = []
        """Their arrays before, where a pass changes them in place: which passes do is not known."""
        self._poured: list[tuple[int, int, Any, Any, Any]] = []
        self._containers: list[tuple[int, Snapshot]] = []
        self._seen: list[dict[tuple[int, int], Any]] = []
        """For each part that ran, the arrays in the variables after it."""
        self._stays: dict[tuple[int, int], list[bool]] = {}
        """By variable and number of the array in it: whether it stays that array in every part, and
        whether one changes it in place."""

    # --- the user's variables -----------------------------------------------------------------

    def get(self) -> list[Any]:
        """What the variables are."""
        if self._access is None:
            return []
        getters = self._access()
        bound = values_of(getters, self.names[: len(getters)])
        return bound + self.start[len(getters) :] if len(self.names) > len(getters) else bound

    def bind(self, values: Sequence[Any]) -> None:
        """Bind those that belong to the state."""
        if self._access is not None:
            groups = zip(values[: self._count], self.chosen, self._bound, strict=False)
            self._access(*[v if chosen or bound else KEEP for v, chosen, bound in groups])

    def indices(self) -> list[int]:
        """Which of them go through the operation."""
        return [i for i, chosen in enumerate(self.chosen) if chosen and i not in self.dropped]

    def cast(self, i: int, leaves: list[Any]) -> list[Any]:
        """The arrays and numbers of a variable in the dtypes and shapes found for them."""
        if i not in self.casts:
            return leaves
        return [cast(v, *to) for v, to in zip(leaves, self.casts[i], strict=True)]

    def promote(self, i: int, one: list[Any], other: list[Any]) -> None:
        """Begin again, with a variable in dtypes that hold both; numbers in the other's shapes."""
        both = zip(one, other, strict=True)
        self.casts[i] = [(common_dtype(a, b), shape_of(a) or shape_of(b)) for a, b in both]
        raise Again

    def attempt(self, run: Callable[[], Any]) -> Any:
        """Run until nothing new is learned, and leave the variables as they were."""
        outer = rebind.journal.get(get_ident())
        rebind.journal[get_ident()] = []
        try:
            while True:
                self._stays.clear()
                self._seen.clear()
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

    def restart(self) -> None:
        """Make everything what it was before the construct."""
        rebind.revert(rebind.journal[get_ident()])
        for snapshot in self._snapshots:
            snapshot.undo()
        self.bind(self.start)

    def pour(self, i: int, shape: Shape, leaves: Sequence[Any]) -> Any:
        """The variable with these arrays and numbers in it, for a part to run on.

        An array stays the object that it is, for all that refers to it, and takes over the value;
        unless a loop binds the variable to another one in each pass.
        """
        into = []
        for k, (old, new) in enumerate(zip(shape.dynamic, leaves, strict=True)):
            if _is_array(old) and _among(old, self.lost) and i not in self.replaced:
                into.append(old)
            elif _is_array(old) and _is_array(new) and _alike(old, new):
                if i not in self.replaced:
                    if old is not new:
                        rebind.adopt(old, new)
                    new = old
                self._poured.append((i, k, old, new, new._node))
                into.append(new)
            else:
                into.append(new)
        value = shape.filled(into)
        if isinstance(value, list | dict):
            self._containers.append((i, Snapshot(value, 1)))
        return value

    def begin(self) -> None:
        """Before the variables are bound for a part."""
        self._poured.clear()
        self._containers.clear()
        for x in self.lost:
            rebind.forget(x)

    def follow(self, fresh: Sequence[Any], finals: Sequence[Shape], loop: bool) -> None:
        """Look what became of the arrays from outside; begin again where one would be lost."""
        rebound, lost, added = set(), [], []
        for i, k, old, now, node in self._poured:
            dynamic = finals[i].dynamic
            same = k < len(dynamic) and dynamic[k] is now
            touched = now._node is not node
            stays = self._stays.setdefault((i, k), [True, False])
            stays[0] &= same and now is old
            stays[1] |= touched
            if same:
                continue
            if loop and i not in self.replaced:
                rebound.add(i)
            elif touched and loop:
                lost += [] if _among(old, self.lost) else [old]
            elif touched and not self._carries(old, finals):
                added.append((i, old))
        for x, value, node in rebind.journal[get_ident()]:  # changed under a name that is not ours
            from_before = type(value) is Abstract and node is not None and node.order < self._first
            if from_before and not _among(
                x, [*self.start, *self.lost, *(p[2] for p in self._poured)]
            ):
                added.append((0, x))
        if rebound or lost or added:
            self.restart()  # what is noted of them now is how they were
            self.replaced |= rebound
            self.lost += lost
            for i, old in added:
                if not _among(old, self.start[self._count :]):
                    self._add(i, old)
            raise Again
        self._seen.append(
            {
                (i, k): v
                for i in self.indices()
                for k, v in enumerate(finals[i].dynamic)
                if _is_array(v)
            }
        )
        for i, inside in self._containers:
            if finals[i].value is not fresh[i] and inside.changed():
                raise SyntaxUnsupported(
                    f"{self.names[i]!r}, a {type(fresh[i]).__name__}, is changed in place and then "
                    "bound to another, where that depends on a traced value; give the other "
                    "another name" + at(user_line())
                )

    def _carries(self, old: Any, finals: Sequence[Shape]) -> bool:
        """Whether a variable that is changed in place is the array still."""
        return any(
            self.chosen[i]
            and self.names[i] in self.changed
            and self.start[i] is old
            and finals[i].value is old
            for i in range(len(self.start))
        )

    def _note_aliases(self, values: list[Any]) -> None:
        """Note which of the arrays that came out may be one, or be one from outside."""
        made: dict[tuple[int, int], Any] = {}
        for i in self.indices():
            for k, v in enumerate(Shape(values[i]).dynamic):
                if _is_array(v) and not self._stays.get((i, k), (False,))[0]:
                    made[i, k] = v
        for place, x in made.items():
            others: list[Any] = []
            for seen in self._seen:
                mine = _root(seen.get(place))
                if mine is None:
                    continue
                if self._count and (mine._node is None or mine._node.order < self._first):
                    others.append(mine)
                others += [
                    v for p, v in self._all(values) if p != place and _root(seen.get(p)) is mine
                ]
            rebind.may_be(
                x, [y for k, y in enumerate(others) if y is not x and not _among(y, others[:k])]
            )

    def _all(self, values: list[Any]) -> list[tuple[tuple[int, int], Any]]:
        places = []
        for i in self.indices():
            places += [((i, k), v) for k, v in enumerate(Shape(values[i]).dynamic) if _is_array(v)]
        return places

    def _restored(self, i: int, final: Any) -> Any:
        """A container with the arrays in it that stayed, after what was done to them."""
        new = Shape(final)
        if new.structure.kind is None:
            return final
        leaves, old = list(new.dynamic), Shape(self.start[i]).dynamic
        for k in range(len(leaves)):
            stays, touched = self._stays.get((i, k), (False, False))
            if stays:
                leaves[k] = write_back(old[k], leaves[k]) if touched else old[k]
        return new.filled(leaves)

    def _add(self, i: int, old: Any) -> None:
        name = f"{self.names[i]}, as it was,"
        self.names = (*self.names, name)
        self.changed |= {name}
        self.start.append(old)
        self.chosen.append(True)
        self._bound.append(False)
        self._snapshots.append(Snapshot(old))

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
            # one that is in the state was replaced by another, which the part was free to change
            if not self.chosen[i] and snapshot.changed():
                if isinstance(snapshot.value, Variable | np.ndarray | list | dict):
                    self.chosen[i] = True
                    self.changed |= {self.names[i]}
                    raise Again
                raise SyntaxUnsupported(
                    f"{self.names[i]!r}, a {type(snapshot.value).__name__}, is changed in place "
                    "where that depends on a traced value; change an array, a list or a dict, or "
                    "return the new value" + at(user_line())
                )
        return self.get()

    def nodes(self, values: Sequence[Any]) -> list[Any]:
        """The nodes of the variables that are Tensors."""
        return [v._node if isinstance(v, Variable) else None for v in values]

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
                values[i] = write_back(self.start[i], self._restored(i, finals[i]))
        self._note_aliases(values)
        self.bind(values)
        for x in self.lost:
            rebind.forget(x)


def _is_array(x: Any) -> bool:
    return isinstance(x, Variable) and x._value.shape != ()


def _alike(a: Any, b: Any) -> bool:
    return bool(a._value.shape == b._value.shape and a._value.dtype == b._value.dtype)


def _root(x: Any) -> Any:
    """What a view shows in the end."""
    while x is not None:
        base = getattr(x, "_base", None)
        shows = x._value.shows if is_traced(x) else None
        if base is None and shows is not None and type(shows[0]) is not tuple:
            base = shows
        if base is None:
            break
        x = base[0]
    return x


def _among(x: Any, others: list[Any]) -> bool:
    return any(x is other for other in others)


def witness() -> Any:
    """Something traced where a part is being traced, else None."""
    return active.witnesses[-1] if active.witnesses else None


def truth(test: Any) -> Any:
    """A traced condition as one boolean."""
    if test.shape != ():
        if test.size != 1:
            raise SyntaxUnsupported(
                f"a condition of shape {list(test.shape)} is not one truth value; use `.any()` or "
                "`.all()`, or `np.where` for a choice by element" + at(user_line())
            )
        test = test.reshape(())
    return test if test.dtype == bool else test != 0


# --- what cannot depend on a traced value --------------------------------------------------------


def in_traced_part(frame: FrameType | None) -> bool:
    """Whether a frame runs a part of a function under a traced condition."""
    while frame is not None:
        code = frame.f_code
        if code in active.codes:
            return True
        ours = code.co_filename.startswith(PACKAGE)
        if not ours and SYNTHETIC not in code.co_qualname.rpartition(".")[2]:
            return False
        frame = frame.f_back
    return False
