"""Minimum cuts: the least that separates what is given from what is asked for."""

from __future__ import annotations

from collections import deque
from typing import Any, Final

ENDLESS: Final = 1 << 60
"""A capacity that no cut goes through."""


class Flow:
    """A network from "start" to "end", and its largest flow by shortest augmenting paths
    (Edmonds and Karp, 1972).
    """

    def __init__(self) -> None:
        self.rest: dict[Any, dict[Any, int]] = {}

    def join(self, a: Any, b: Any, capacity: int) -> None:
        """An edge."""
        self.rest.setdefault(a, {})[b] = capacity
        self.rest.setdefault(b, {}).setdefault(a, 0)

    def near_the_end(self) -> set[Any]:
        """With the largest flow, the points from which the end can still be reached."""
        while self._more():
            pass
        found, stack = {"end"}, ["end"]
        while stack:
            b = stack.pop()
            for a in self.rest.get(b, ()):
                if a not in found and self.rest[a].get(b, 0) > 0:
                    found.add(a)
                    stack.append(a)
        return found

    def _more(self) -> bool:
        """Send more along one path, if there is one."""
        before: dict[Any, Any] = {"start": None}
        queue = deque(["start"])
        while queue and "end" not in before:
            a = queue.popleft()
            for b, rest in self.rest.get(a, {}).items():
                if rest > 0 and b not in before:
                    before[b] = a
                    queue.append(b)
        if "end" not in before:
            return False
        path = ["end"]
        while before[path[-1]] is not None:
            path.append(before[path[-1]])
        pairs = list(zip(path[1:], path, strict=False))
        least = min(self.rest[a][b] for a, b in pairs)
        for a, b in pairs:
            self.rest[a][b] -= least
            self.rest[b][a] += least
        return True
