"""The comparison as a Markdown table, with what it was measured on."""

from __future__ import annotations

import datetime as dt
import platform
import sys
from collections.abc import Iterable, Sequence
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .compare import Calls, Session

PRIMALS = frozenset({"objective", "cost", "primal"})
NESTED = ("rr", "rf", "fr", "ff")
VERSIONS = ("numpy", "llvmlite", "torch", "jax")
MEGABYTE = 2**20


def markdown(
    found: Iterable[tuple[str, str, dict[str, Session]]], tools: Sequence[str], idle: int
) -> str:
    """A heading and a table: one row for each eval and size, and whether it is a derivative.
    `idle` is the memory of an interpreter that does nothing to speak of.
    """
    others = [t for t in tools if t != "manual"]
    titles = [
        "eval", "size", "what", "manual",
        *(f"{t} ÷ manual" for t in others), "chainrule's first call", "its memory", "manual's",
        "without the interpreter ÷ manual's",
    ]  # fmt: skip
    lines = [
        *_origin(),
        "",
        "Times divided by those of `manual`, hand-written C++ (below 1 is faster), or times where",
        "it has no such eval. A dash: the tool has no such eval, or took too long; a cross: its",
        "answer was wrong. Memory is the largest resident size of the process, at one call of what",
        "is hand-written; an interpreter that has compiled the derivative of x * x takes",
        f"{idle / MEGABYTE:.0f} MB.",
        "",
        "| " + " | ".join(titles) + " |",
        "|---|---|---|" + "--:|" * (len(titles) - 3),
    ]
    for name, size, sessions in found:
        for tool, session in sessions.items():
            if session.problem:
                print(f"{name} {size}, {tool}: {session.problem}", file=sys.stderr, flush=True)
        for what in ("derivative", "primal"):
            row = _row(what, sessions, others, idle)
            if row:
                lines.append("| " + " | ".join([name, size, what, *row]) + " |")
                print(lines[-1], file=sys.stderr, flush=True)
    return "\n".join(lines)


def _row(what: str, sessions: dict[str, Session], others: Sequence[str], idle: int) -> list[str]:
    reference = calls_of(sessions.get("manual"), what)
    ours = sessions.get("chainrule")
    calls = calls_of(ours, what)
    if calls is None and reference is None:
        return []
    scale = reference.usual if reference else None
    return [
        _time(scale),
        *(_cell(calls_of(sessions.get(t), what), scale) for t in others),
        _time(calls.seconds[0] if calls else None),
        *_memory(ours, sessions.get("manual"), idle),
    ]


def _memory(ours: Session | None, reference: Session | None, idle: int) -> list[str]:
    """Two sizes, and the ratio of what is there for the eval."""
    sizes = [s.memory if s else 0 for s in (ours, reference)]
    cells = [f"{size / MEGABYTE:.0f} MB" if size else "-" for size in sizes]
    known = all(sizes)
    return [*cells, f"{max(sizes[0] - idle, 0) / sizes[1]:.2g}" if known else "-"]


def calls_of(session: Session | None, what: str) -> Calls | None:
    """The calls of the primal or the derivative; of the four nested derivatives, the quickest."""
    if session is None:
        return None
    found = [c for f, c in session.functions.items() if (f in PRIMALS) == (what == "primal")]
    found = [c for c in found if c.seconds]
    return min(found, key=lambda c: c.usual) if found else None


def _cell(calls: Calls | None, scale: float | None) -> str:
    if calls is None:
        return "-"
    if not calls.valid:
        return "✗"
    return _time(calls.usual) if scale is None else f"{calls.usual / scale:.3g}"


def _time(seconds: float | None) -> str:
    """A duration in the unit that suits it."""
    if seconds is None:
        return "-"
    for unit, factor in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= factor:
            return f"{seconds / factor:.3g} {unit}"
    return f"{seconds * 1e9:.3g} ns"


def _origin() -> list[str]:
    """Date, machine, versions."""
    versions = [f"Python {platform.python_version()}"]
    for name in VERSIONS:
        try:
            versions.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            continue
    today = dt.date.today().isoformat()
    return [f"GradBench on {today}: one thread of {_processor()}; " + ", ".join(versions) + "."]


def _processor() -> Any:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()
