"""The errors chainrule raises, and the one helper that finds the user's own line.

Every message names the operation, the shapes or dtypes it met, the line of the
user's program that asked for it, and what to do next.
"""

from __future__ import annotations

import functools
import linecache
import os
import sys
from types import FrameType

import numpy as np
from numpy.linalg import LinAlgError

PACKAGE = os.path.dirname(os.path.abspath(__file__)) + os.sep
"""The folder of chainrule's own files."""
_SITE = os.path.dirname(os.path.dirname(os.path.abspath(np.__file__))) + os.sep
COMPILED = os.path.join("src", "chainrule", "")
"""Where tracebacks say that the frames of compiled modules are."""

_OTHERS = (
    PACKAGE,
    f"{_SITE}numpy{os.sep}",
    f"{_SITE}scipy{os.sep}",
    functools.__file__,
    "<__array_function__",
)
"""Where what is no line of the user's is written."""


class ChainruleError(Exception):
    """Base of every error that is chainrule's own."""


class ShapeError(ChainruleError, ValueError):
    """Shapes that do not fit the operation."""


class DtypeError(ChainruleError, TypeError):
    """A dtype, or a kind of value, that the operation cannot take."""


class GraphError(ChainruleError, RuntimeError):
    """A derivative asked of a graph that cannot give it: freed, overwritten, or never recorded."""


class ExportError(GraphError, BufferError):
    """Memory asked for another library that must not have it."""


class TracedValueError(ChainruleError, TypeError):
    """A number asked of a traced value, which has none until its graph is run."""


class ArgumentError(ChainruleError, ValueError):
    """An argument of a transform that cannot be: a position that is not there, an unknown mode."""


class BoundsError(ChainruleError, IndexError):
    """Compiled code that reads or writes outside of its memory: a defect of the compiler."""


class LoopError(ChainruleError, RuntimeError):
    """A loop that went on for longer than it was allowed to."""


class SyntaxUnsupported(ChainruleError, NotImplementedError):
    """Python syntax on traced values that has no form without numbers: what to write instead."""


class StructureError(ChainruleError, TypeError):
    """Containers of arrays that are not nested as they should be."""


class MissingDerivative(ChainruleError, NotImplementedError):
    """The operation has a value but no derivative in the argument asked for."""


class MissingMachineCode(ChainruleError, NotImplementedError):
    """Operations that only NumPy evaluates, where there is to be no Python."""


class MatrixError(ChainruleError, LinAlgError):
    """A matrix the operation cannot take: singular, not positive definite, not square."""


class NaNError(ChainruleError, ArithmeticError):
    """A NaN that arose in a backward pass watched by `detect_anomaly`."""


def user_line() -> tuple[str, int]:
    """File and line of the innermost frame outside chainrule, NumPy and SciPy, or ("", 0)."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        name = frame.f_code.co_filename
        if not name.startswith(_OTHERS):
            return name, frame.f_lineno
        frame = frame.f_back
    return "", 0


def at(place: tuple[str, int]) -> str:
    """`place` as the last line of an error message, with its source where it can be read."""
    name, number = place
    if not name:
        return ""
    source = linecache.getline(name, number).strip()
    return f"\n  at {name}:{number}" + (f": {source}" if source else "")
