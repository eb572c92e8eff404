"""A shared library from an object file, by whichever linker the machine has."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

SUFFIX: Final = {"win32": ".dll", "darwin": ".dylib"}.get(sys.platform, ".so")
"""How the file name of a shared library ends here."""

LINKERS: Final = ("cc", "gcc", "clang", "ld")
"""Programs that may be there, the first is tried first."""


def shared_library(source: Path, out: Path, more: Sequence[str] = ()) -> bool:
    """Write the library; whether there was a linker that could."""
    for name in LINKERS:
        program = shutil.which(name)
        if program is None:
            continue
        mathematics = [] if sys.platform == "win32" else ["-lm"]
        command = [program, "-shared", "-o", str(out), str(source), *more, *mathematics]
        if subprocess.run(command, capture_output=True, check=False).returncode == 0:
            return True
        out.unlink(missing_ok=True)
    return False
