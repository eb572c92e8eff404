"""The comparison as a picture: a bar for each eval and size, on a logarithmic axis."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .table import calls_of

if TYPE_CHECKING:
    from .compare import Found

WHATS = ("derivative", "primal")


OTHERS = {"pytorch": "o", "jax": "D"}
"""Tools beside chainrule, and how their derivatives are marked."""


def ratios(found: Sequence[Found], what: str, tool: str = "chainrule") -> dict[str, float]:
    """A tool's time by that of `manual`, by eval and size."""
    out: dict[str, float] = {}
    for name, size, sessions in found:
        ours, theirs = (calls_of(sessions.get(t), what) for t in (tool, "manual"))
        if ours is not None and theirs is not None and ours.valid:
            out[f"{name} {size}"] = ours.usual / theirs.usual
    return out


def draw(found: Sequence[Found], path: Path) -> None:
    """Draw the ratios into a file, where there is matplotlib to do it."""
    try:
        import matplotlib as mpl

        mpl.use("agg")
        import matplotlib.pyplot as plt
    except ImportError:
        print("no picture: matplotlib is not installed", file=sys.stderr)
        return
    parts = [r for r in (ratios(found, what) for what in WHATS) if r]
    if not parts:
        return
    names = list(dict.fromkeys(name for r in parts for name in r))
    figure, axes = plt.subplots(figsize=(7.0, 1.2 + 0.32 * len(names)))
    shown: Any = axes
    for k, (what, color) in enumerate(zip(WHATS, ("#1f5fa8", "#b0b7c3"), strict=True)):
        found_here = ratios(found, what)
        places = [i + 0.4 * k for i, n in enumerate(names) if n in found_here]
        values = [found_here[n] for n in names if n in found_here]
        bars = shown.barh(places, values, height=0.4, color=color, label=what)
        shown.bar_label(bars, [f"{v:.2g}" for v in values], padding=2, fontsize=7)
    for tool, mark in OTHERS.items():
        theirs = ratios(found, "derivative", tool)
        places = [i for i, n in enumerate(names) if n in theirs]
        values = [theirs[n] for n in names if n in theirs]
        if values:
            shown.plot(values, places, mark, color="#c2571a", label=f"derivative, {tool}", ms=4)
    shown.set_yticks([i + 0.2 for i in range(len(names))], names)
    shown.invert_yaxis()
    shown.set_xscale("log")
    shown.axvline(1.0, color="black", linewidth=0.8)
    shown.set_xlabel(
        "time divided by that of hand-written C++ (below 1 is faster); bars: chainrule"
    )
    shown.margins(x=0.12)
    shown.legend(frameon=False)
    figure.tight_layout()
    figure.savefig(path, dpi=150)
    plt.close(figure)
