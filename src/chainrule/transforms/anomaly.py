"""`detect_anomaly`: find the operation whose derivative is the first NaN of a backward pass."""

from __future__ import annotations

from types import TracebackType

from chainrule.derive import reverse


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
        self._before: list[object] = []

    def __enter__(self) -> None:
        self._before.append(reverse.anomaly)
        reverse.anomaly = reverse.watch_for_nan

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        reverse.anomaly = self._before.pop()  # type: ignore[assignment]
