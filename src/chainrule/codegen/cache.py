"""Compiled code on disk: a folder with a file for each graph, used by any number of processes.

A file is written under another name and then given its own, so that nobody reads half of one; it
begins with a checksum of all that follows. What is damaged, or was written by another version, is
as if it were not there.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
import time
import warnings
from pathlib import Path
from typing import Final

from chainrule.errors import ArgumentError, at, user_line

MAX_BYTES: Final = 1 << 28
"""So large the folder becomes, unless another limit is given."""

VARIABLE: Final = "CHAINRULE_CACHE_DIR"
"""The environment variable that names the folder."""

_SUFFIX: Final = ".code"
_WRITING: Final = ".writing"
_ABANDONED: Final = 3600.0
"""Seconds after which a file that is still being written was left by a process that died."""


class Store:
    """A folder of compiled code."""

    def __init__(self, folder: Path, max_bytes: int = MAX_BYTES) -> None:
        """Raises OSError where the folder cannot be made."""
        self.folder, self.max_bytes = folder, max_bytes
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def get(self, key: str) -> bytes | None:
        """What was put under a key, or None: also where the file is damaged."""
        path = self._path(key)
        try:
            content = path.read_bytes()
            os.utime(path)  # the one used last is the last to go
        except OSError:
            return None
        size = hashlib.blake2b().digest_size
        packed = content[size:]
        return packed if content[:size] == _checksum(key, packed) else None

    def put(self, key: str, packed: bytes) -> None:
        """Keep something under a key; where that cannot be done (a full disk), nothing happens."""
        if len(packed) > self.max_bytes // 2:
            return
        name = ""
        try:
            file, name = tempfile.mkstemp(_WRITING, dir=self.folder)
            with os.fdopen(file, "wb") as out:
                out.write(_checksum(key, packed) + packed)
            os.replace(name, self._path(key))
            self._trim()
        except OSError:
            if name:
                Path(name).unlink(missing_ok=True)

    def _path(self, key: str) -> Path:
        return self.folder / (key + _SUFFIX)

    def _trim(self) -> None:
        """Remove those that were used least recently, until the rest is small enough."""
        found = []
        for entry in os.scandir(self.folder):
            try:
                stat = entry.stat()
            except OSError:  # removed by another process
                continue
            if entry.name.endswith(_SUFFIX):
                found.append((stat.st_mtime_ns, stat.st_size, entry.path))
            elif entry.name.endswith(_WRITING) and time.time() - stat.st_mtime > _ABANDONED:
                Path(entry.path).unlink(missing_ok=True)
        total = sum(size for _, size, _ in found)
        for _, size, path in sorted(found):
            if total <= self.max_bytes:
                break
            Path(path).unlink(missing_ok=True)
            total -= size


def _checksum(key: str, packed: bytes) -> bytes:
    return hashlib.blake2b(
        packed, salt=hashlib.blake2b(key.encode(), digest_size=16).digest()
    ).digest()


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
        _store[:] = [Store(Path(path).expanduser(), max_bytes)]
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
        return Store(Path(name).expanduser())
    except OSError as error:
        warnings.warn(
            f"{VARIABLE}: {name!r} cannot be used as a folder ({error}); compiled code is not kept",
            RuntimeWarning,
            stacklevel=2,
        )
        return None
