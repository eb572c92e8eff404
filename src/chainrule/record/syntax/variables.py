"""The user's variables that a traced branch or loop changes: read, set, and set back."""

from __future__ import annotations

from _thread import get_ident
from collections.abc import Sequence
from typing import Any

from chainrule.errors import SyntaxUnsupported, at, user_line
from chainrule.graph.node import Variable
from chainrule.record import rebind
from chainrule.record.syntax.snapshot import Snapshot
from chainrule.record.syntax.state import (
    KEEP,
    Shape,
    cast,
    common_dtype,
    refuse_unknown,
    shape_of,
    values_of,
)

Paths = tuple[str, ...]
Spec = tuple[Paths, Paths, Paths, Paths, Paths]
"""The groups of a `State` of `scopes`."""


class Again(Exception):
    """The attempt must begin again, as more is known."""


class Variables:
    """The state of one branch or loop."""

    def __init__(self, access: Any, spec: Spec) -> None:
        rebound, changed, lent, restored, refused = spec
        if refused:
            raise SyntaxUnsupported(
                f"{refused[0]!r} is assigned to where that depends on a traced value, and such a "
                "change cannot be followed; assign to a local variable, and store its value after"
                + at(user_line())
            )
        self.names = tuple(dict.fromkeys((*rebound, *changed, *lent, *restored)))
        self.changed = frozenset(changed)
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

    def restart(self) -> None:
        """Make everything what it was before the construct."""
        rebind.revert(rebind.journal[get_ident()])
        for snapshot in self._snapshots:
            snapshot.undo()
        self.bind(self.start)

    def add(self, i: int, old: Any) -> None:
        """Let an array that variable i was go through the operation as well."""
        name = f"{self.names[i]}, as it was,"
        self.names = (*self.names, name)
        self.changed |= {name}
        self.start.append(old)
        self.chosen.append(True)
        self._bound.append(False)
        self._snapshots.append(Snapshot(old))

    def nodes(self, values: Sequence[Any]) -> list[Any]:
        """The nodes of the variables that are Tensors."""
        return [v._node if isinstance(v, Variable) else None for v in values]
