"""A folder with a file for each compiled graph, used by any number of processes.

A file is written under another name and then given its own, so that nobody reads half of one; it
begins with a checksum of all that follows. What is damaged, or was written by another version, is
as if it were not there.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
import time
from pathlib import Path
from typing import Final

_SUFFIX: Final = ".code"
_WRITING: Final = ".writing"
_ABANDONED: Final = 3600.0
"""Seconds after which a file that is still being written was left by a process that died."""


class Store:
    """A folder of compiled code."""

    def __init__(self, folder: Path, max_bytes: int) -> None:
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
