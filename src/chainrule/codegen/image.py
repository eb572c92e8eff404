"""Compiled code as data: what a call needs, without the graph, the loops or the text it came of."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np


@dataclass(eq=False, repr=False)
class Image:
    """An object file, and what must be known to call it."""

    code: bytes
    outside: list[str]
    """What its table of addresses is to hold, by name (`codegen.steps`)."""
    arena: int
    """Bytes of memory for temporaries."""
    results: list[tuple[tuple[int, ...], str]]
    """Shapes and dtypes of the results."""
    text: str
    """Digest of the text in LLVM's language that was compiled."""
    callbacks: bool
    """Whether there are operations that NumPy does."""
    sites: list[str]
    """The accesses that are checked, by number."""
    inplace: list[tuple[int, int]]
    """Results that lie where an argument lay: (result, argument)."""
    direct: bool
    """Whether there is a function that does the whole call (`codegen.direct`)."""
    long: bool
    """Whether a call takes so long that other threads may run Python meanwhile."""
    loops: bool
    """Whether there are programs inside, of loops and branches."""
    constants: list[np.ndarray[Any, Any]] = field(default_factory=list)

    def pack(self) -> bytes:
        """As bytes: a line in JSON, the object file, the constants."""
        import json  # only needed where code is kept on disk

        head = asdict(self) | {
            "code": len(self.code),
            "constants": [(a.dtype.str, a.shape, a.nbytes) for a in self.constants],
        }
        return b"".join(
            [json.dumps(head).encode(), b"\n", self.code, *[a.tobytes() for a in self.constants]]
        )

    @staticmethod
    def unpack(packed: bytes) -> Image:
        """What `pack` has packed."""
        import json

        line, _, rest = packed.partition(b"\n")
        head = json.loads(line)
        code, at = rest[: head["code"]], head["code"]
        constants = []
        for dtype, shape, size in head["constants"]:
            # a copy, as memory of its own is aligned
            constants.append(np.frombuffer(rest[at : at + size], dtype).reshape(shape).copy())
            at += size
        results = [(tuple(shape), dtype) for shape, dtype in head["results"]]
        return Image(**head | {"code": code, "constants": constants, "results": results})
