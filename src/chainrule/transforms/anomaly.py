"""`detect_anomaly`: find the operation whose derivative is the first NaN of a backward pass."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Any

from chainrule.derive.reverse import watch_for_nan, watchers


class detect_anomaly:  # noqa: N801 - PyTorch's name
    """Inside the block, a backward pass that meets a NaN raises NaNError naming the operation.

    >>> x = cr.tensor(0.0, requires_grad=True)
    >>> y = x * float("nan")
    >>> with cr.detect_anomaly():
    ...     y.backward()
    Traceback (most recent call last):
        ...
    chainrule.errors.NaNError: ...
    """

    def __init__(self) -> None:
        self._before: list[list[Callable[[Any, Any], None]]] = []

    def __enter__(self) -> None:
        self._watch([watch_for_nan])

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        watchers[:] = self._before.pop()

    def _watch(self, by: list[Callable[[Any, Any], None]]) -> None:
        self._before.append(watchers[:])
        watchers[:] = by
