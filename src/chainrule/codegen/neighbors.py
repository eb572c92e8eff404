"""Neighbors in memory that different stores write: vectors transposed in registers."""

from __future__ import annotations

from collections.abc import Sequence

from chainrule.codegen.text import Emitter


def exchanged(e: Emitter, vectors: Sequence[str], t: str) -> list[str]:
    """Transposes of g by g blocks of g vectors: lane j of vector i in lane i of vector j."""
    n, g = e.lanes, len(vectors)
    vectors = list(vectors)
    step = 1
    while step < g:
        low = ", ".join(f"i32 {k if not k & step else n + k - step}" for k in range(n))
        high = ", ".join(f"i32 {k + step if not k & step else n + k}" for k in range(n))
        for i in range(g):
            if not i & step:
                both = f"<{n} x {t}> {vectors[i]}, <{n} x {t}> {vectors[i + step]}, <{n} x i32>"
                vectors[i] = e.do(f"shufflevector {both} <{low}>")
                vectors[i + step] = e.do(f"shufflevector {both} <{high}>")
        step *= 2
    return vectors
