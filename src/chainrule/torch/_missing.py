"""What is said of a name that PyTorch has and this namespace does not."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

ELSEWHERE = {
    "bfloat16": "use torch.float32",
    "compile": "chainrule.jit compiles functions",
    "float16": "use torch.float32",
    "half": "use torch.float32",
    "jit": "chainrule.jit compiles functions",
    "load": "pickle keeps tensors and state dicts",
    "save": "pickle keeps tensors and state dicts",
}
"""Names of PyTorch's, and what to do without them."""


def missing(space: str, name: str, known: Iterable[str]) -> AttributeError:
    """The error for a name that is not there: what is like it, and where the list of names is."""
    if name.startswith("__"):
        return AttributeError(f"module {space!r} has no attribute {name!r}")
    hint = ELSEWHERE.get(name)
    if hint is None:
        near = difflib.get_close_matches(name, known, 3)
        hint = (
            f"near in spelling: {', '.join(near)}" if near else "nothing there is spelled like it"
        )
    return AttributeError(f"{name!r} is not in {space} ({hint}); {space}.__all__ lists what is")
