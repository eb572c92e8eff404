"""A branch or a loop whose condition is traced: its parts run on traced values, as one operation.

A part changes the user's variables while it runs. So it is run between setting them to what the
operation gives and reading what has become of them; before the next part they are set back. What is
learned on the way (a variable that only one branch binds, an argument that a called function
changes) makes the attempt begin again.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Sequence
from types import CodeType, FrameType
from typing import Any

import numpy as np

from chainrule.errors import PACKAGE, SyntaxUnsupported, at, user_line
from chainrule.graph.node import Variable
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

    # --- the user's variables -----------------------------------------------------------------

    def get(self) -> list[Any]:
        """What the variables are."""
        if self._access is None:
            return []
        return values_of(self._access(), self.names)

    def bind(self, values: Sequence[Any]) -> None:
        """Bind those that belong to the state."""
        if self._access is not None:
            groups = zip(values, self.chosen, self._bound, strict=True)
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
        while True:
            try:
                return run()
            except Again:
                continue
            finally:
                for snapshot in self._snapshots:
                    snapshot.undo()
                self.bind(self.start)

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
                values[i] = finals[i]
            elif name in self.changed:
                values[i] = write_back(self.start[i], finals[i])
        self.bind(values)


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
