"""Compiled code on disk: which folder it is kept in, if in any.

What a folder needs of Python's library (`codegen.store`) is loaded when there is one.
"""

from __future__ import annotations

import os
import warnings
from typing import TYPE_CHECKING, Final

from chainrule.errors import ArgumentError, at, user_line

if TYPE_CHECKING:
    from chainrule.codegen.store import Store

MAX_BYTES: Final = 1 << 28
"""So large the folder becomes, unless another limit is given."""

VARIABLE: Final = "CHAINRULE_CACHE_DIR"
"""The environment variable that names the folder."""

_store: list[Store | None] = []
"""The folder in use, once it was asked for."""


def set_cache_dir(path: str | os.PathLike[str] | None, *, max_bytes: int = MAX_BYTES) -> None:
    """Keep what `jit` compiles in a folder, and take it from there in later processes.

    The folder is made if it is not there; several processes may use it at once. Code is found by
    the traced function with its shapes, dtypes and constants, the versions of chainrule, Python,
    NumPy, SciPy and LLVM, and the processor: what does not fit is compiled again. When the files
    take more than `max_bytes`, those used least recently are removed. With None, nothing is kept:
    this is so unless the environment variable `CHAINRULE_CACHE_DIR` names a folder.

    Functions whose derivative looks at values while it runs are compiled in every process. What
    lies in the folder is executed: let nobody write there whom you would not let run programs.

    Raises ArgumentError where the folder cannot be made.

    >>> import tempfile
    >>> cr.set_cache_dir(tempfile.mkdtemp())
    >>> f = cr.jit(lambda x: 2 * x + 1)
    >>> float(f(3.0))
    7.0
    >>> f.cache_info()
    CacheInfo(compiled=1, loaded=0, kept=1)
    >>> g = cr.jit(lambda x: 2 * x + 1)
    >>> float(g(4.0)), g.cache_info().loaded
    (9.0, 1)
    >>> cr.set_cache_dir(None)
    """
    if path is None:
        _store[:] = [None]
        return
    try:
        _store[:] = [_opened(path, max_bytes)]
    except OSError as error:
        raise ArgumentError(
            f"set_cache_dir: {os.fspath(path)!r} cannot be used as a folder ({error}); name one "
            "that can be written to" + at(user_line())
        ) from error


def get_cache_dir() -> str | None:
    """The folder in which compiled code is kept, or None.

    >>> cr.get_cache_dir() is None
    True
    """
    store = current()
    return None if store is None else str(store.folder)


def current() -> Store | None:
    """The folder in use, or None."""
    if not _store:
        _store.append(_from_environment())
    return _store[0]


def _from_environment() -> Store | None:
    name = os.environ.get(VARIABLE)
    if not name:
        return None
    try:
        return _opened(name, MAX_BYTES)
    except OSError as error:
        warnings.warn(
            f"{VARIABLE}: {name!r} cannot be used as a folder ({error}); compiled code is not kept",
            RuntimeWarning,
            stacklevel=2,
        )
        return None


def _opened(path: str | os.PathLike[str], max_bytes: int) -> Store:
    from pathlib import Path

    from chainrule.codegen.store import Store

    return Store(Path(path).expanduser(), max_bytes)
