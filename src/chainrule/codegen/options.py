"""What the machine code is to be like."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Final

VARIABLE: Final = "CHAINRULE_CHECK_BOUNDS"
"""The environment variable that switches checks on in the whole process."""


@dataclass(frozen=True)
class Options:
    """Choices besides the graph; each combination is compiled, and kept, by itself."""

    careful: bool = False
    """Strong products from the start (`codegen.doubt`)."""
    check_bounds: bool = False
    """Every load and store is compared with the extent of its buffer (`codegen.bounds`)."""
    donated: tuple[int, ...] = ()
    """Inputs whose memory results may have (`codegen.donate`)."""


def wanted(check_bounds: bool = False) -> Options:
    """The options of a function given to `jit`."""
    everywhere = os.environ.get(VARIABLE, "0") not in ("", "0")
    return Options(check_bounds=check_bounds or everywhere)
