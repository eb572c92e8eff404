"""Modes of recording that PyTorch has besides `no_grad` and `enable_grad`."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from chainrule.derive.reverse import watch_for_nan
from chainrule.record.mode import no_grad
from chainrule.transforms.anomaly import detect_anomaly as _detect_anomaly


class inference_mode(no_grad):  # noqa: N801 - PyTorch's name
    """As `no_grad`: nothing is recorded in the block or the decorated function.

    >>> x = torch.tensor(3.0, requires_grad=True)
    >>> with torch.inference_mode():
    ...     y = x * 2
    >>> y.requires_grad
    False
    """

    __slots__ = ()

    def __new__(cls, mode: Any = True) -> Any:
        """As a decorator without parentheses, in a block, or with mode=False doing nothing."""
        if callable(mode):
            return no_grad()(mode)
        return super().__new__(cls) if mode else _Nothing()

    def __init__(self, mode: Any = True) -> None:
        super().__init__()


class _Nothing:
    """A block, or decorator, that changes nothing."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, *_: object) -> None:
        return None

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            return function(*args, **kwargs)

        return wrapped


class detect_anomaly(_detect_anomaly):  # noqa: N801 - PyTorch's name
    """Inside the block, a backward pass that meets a NaN raises, naming the operation.

    >>> x = torch.tensor(0.0, requires_grad=True)
    >>> y = x * float("nan")
    >>> with torch.autograd.detect_anomaly():
    ...     y.backward()
    Traceback (most recent call last):
        ...
    chainrule.errors.NaNError: ...
    """

    def __init__(self, check_nan: bool = True) -> None:
        super().__init__()
        self._check = check_nan

    def __enter__(self) -> None:
        self._watch([watch_for_nan] if self._check else [])


class set_detect_anomaly(_detect_anomaly):  # noqa: N801 - PyTorch's name
    """Switch the search for NaN on or off: from the call on, or for a block."""

    def __init__(self, mode: bool, check_nan: bool = True) -> None:
        super().__init__()
        self._watch([watch_for_nan] if mode and check_nan else [])

    def __enter__(self) -> None:
        return None
