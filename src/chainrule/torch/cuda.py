"""`torch.cuda`: enough to find out that there is no GPU here."""

from __future__ import annotations

from typing import Any

from chainrule.torch import _missing

__all__ = ["device_count", "is_available", "manual_seed", "manual_seed_all"]


def is_available() -> bool:
    """False: chainrule computes on the CPU.

    >>> torch.device("cuda" if torch.cuda.is_available() else "cpu")
    device(type='cpu')
    """
    return False


def device_count() -> int:
    """0."""
    return 0


def manual_seed(seed: int) -> None:
    """Nothing: there are no random numbers but those of the CPU."""


manual_seed_all = manual_seed


def __getattr__(name: str) -> Any:
    raise _missing.missing(__name__, name, __all__)
