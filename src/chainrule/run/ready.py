"""What calls go through first: what is ready for arguments like those of the last call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from chainrule.graph.node import mypyc_attr as mypyc_attr

MISSED: Final = object()
"""What a function that is made for some arguments returns when it is given others."""


@mypyc_attr(allow_interpreted_subclasses=True)
class Ready:
    """Calls `_quick` where there is one, and `general` where that is given what it is not made for.

    Keyword arguments are always for `general`.
    """

    def __init__(self) -> None:
        self._quick: Callable[..., Any] | None = None
        """For arguments like those of the last call; it returns MISSED for others."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The quick way, or the general one."""
        quick = self._quick
        if quick is not None and not kwargs:
            found = quick(*args)
            if found is not MISSED:
                return found
        return self.general(args, kwargs)

    def general(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """A call with any arguments."""
        raise NotImplementedError
