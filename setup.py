"""Builds the few modules that decide eager speed to C with mypyc, where that can be done.

Without a C compiler, without mypyc, or with CHAINRULE_PURE=1 in the environment they stay Python,
and everything works the same, two to three times slower in eager code.
"""

from __future__ import annotations

import os
from typing import Any

from setuptools import setup

COMPILED = [
    "src/chainrule/graph/node.py",
    "src/chainrule/graph/writes.py",
    "src/chainrule/graph/graph.py",
    "src/chainrule/ops/sharing.py",
    "src/chainrule/ops/recording.py",
    "src/chainrule/ops/hot.py",
    "src/chainrule/ops/infer.py",
    "src/chainrule/ops/frequent.py",
    "src/chainrule/ops/replay.py",
    "src/chainrule/derive/tape.py",
    "src/chainrule/derive/repeated.py",
    "src/chainrule/derive/reverse.py",
    "src/chainrule/derive/forward.py",
    "src/chainrule/derive/batch.py",
    "src/chainrule/transforms/backward.py",
    "src/chainrule/transforms/arguments.py",
    "src/chainrule/transforms/walks.py",
    "src/chainrule/record/inplace.py",
    "src/chainrule/run/ready.py",
    "src/chainrule/graph/switch.py",
]


def extensions() -> list[Any]:
    """The extension modules, or none where they cannot be built."""
    if os.environ.get("CHAINRULE_PURE"):
        return []
    try:
        from mypyc.build import mypycify

        # types are checked strictly by `make test`; here they only guide the compilation
        options = ["--config-file=", "--ignore-missing-imports", "--follow-imports=silent"]
        built = mypycify([*options, *COMPILED], opt_level="3")
    except (ImportError, SystemExit) as error:  # mypyc exits where it cannot go on
        print(f"chainrule: the hot modules stay Python ({error!r})")
        return []
    for extension in built:
        extension.optional = True  # a failing compiler is a warning, not an error
    return list(built)


setup(ext_modules=extensions())
