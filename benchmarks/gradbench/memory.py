"""The most memory that a process has had, of its own.

What `wait4` tells of a child is at least the size of the process that started it, which the child
is a copy of for a moment. So a process that waits is asked while it lives, and one that ends by
itself is started by a small one.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

LAUNCHER = """
import os, sys
null = os.open(os.devnull, os.O_RDWR)
files = [(os.POSIX_SPAWN_DUP2, null, k) for k in (0, 1, 2)]
child = os.posix_spawnp(sys.argv[1], sys.argv[1:], os.environ, file_actions=files)
_, status, used = os.wait4(child, 0)
print(used.ru_maxrss if status == 0 else 0)
"""
"""Prints the largest resident size of a command, in kilobytes; it takes less than 10 MB itself."""


def of_process(number: int) -> int:
    """The largest resident size of a process that lives, in bytes; 0 where that cannot be known."""
    try:
        lines = Path(f"/proc/{number}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((1024 * int(s.split()[1]) for s in lines if s.startswith("VmHWM:")), 0)


def of_command(command: Sequence[str], folder: Path | None = None) -> int:
    """The largest resident size of a command, in bytes; 0 where it failed."""
    launched = subprocess.run(
        [sys.executable, "-I", "-S", "-c", LAUNCHER, *command],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    return 1024 * int(launched.stdout or 0)


IDLE = "import chainrule as cr; cr.jit(cr.grad(lambda x: x * x))(1.0)"
"""The least that a Python program does with machine code."""


def of_interpreter() -> int:
    """The resident size of an interpreter that has compiled next to nothing, in bytes."""
    return of_command([sys.executable, "-c", IDLE])


def of_program(program: str, function: str, message: dict[str, object], folder: Path) -> int:
    """The largest resident size of a hand-written program at one call."""
    with tempfile.NamedTemporaryFile("w") as file:
        json.dump({**message, "min_runs": 1, "min_seconds": 0}, file)
        file.flush()
        return of_command([program, file.name, function], folder)
