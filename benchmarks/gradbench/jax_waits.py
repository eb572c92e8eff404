"""GradBench's own JAX tool, made to wait for results: JAX returns before they are there.

Run in a checkout of GradBench, which has the tool.
"""

from __future__ import annotations

import runpy
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
from gradbench import wrap

FOLDER = Path("python/gradbench/gradbench/tools/jax").resolve()
multiple_runs = wrap.multiple_runs


def waiting(**options: Any) -> Callable[[Any], Any]:
    """The tool's decorator, of a function that waits."""
    decorate = multiple_runs(**options)
    return lambda function: decorate(lambda x: jax.block_until_ready(function(x)))


wrap.multiple_runs = waiting
sys.path.insert(0, str(FOLDER))
runpy.run_path(str(FOLDER / "run.py"), run_name="__main__")
