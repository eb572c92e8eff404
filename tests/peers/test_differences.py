"""`docs/differences.md` has the tables of `differences.py`, and what they say is computed."""

from __future__ import annotations

from pathlib import Path

import pytest
from peers.differences import AT_POINTS, DIFFERENCES, NAN_IN_PYTORCH
from peers.differing import ours, theirs
from peers.mapping import PEERS

pytestmark = [pytest.mark.peers, pytest.mark.filterwarnings("ignore::RuntimeWarning")]

PAGE = Path(__file__).parents[2] / "docs" / "differences.md"


def page() -> str:
    """The tables as the page should have them."""
    first = ["| what | at | chainrule | PyTorch | why |", "|---|---|---|---|---|"]
    for what, d in DIFFERENCES.items():
        first.append(f"| {what} | `{d.point}` | `{ours(d)}` | `{theirs(d)}` | {d.reason} |")
    second = [
        "| operation | why |",
        "|---|---|",
        *(f"| `{n}` | {why} |" for n, why in AT_POINTS.items()),
    ]
    third = ["| operation | operands |", "|---|---|"]
    for name, peer in sorted(PEERS.items()):
        if peer.missing:
            third.append(f"| `{name}` | {', '.join(str(i + 1) for i in peer.missing)} |")
    names = ", ".join(f"`{name}`" for name in NAN_IN_PYTORCH)
    return "\n\n".join(["\n".join(first), "\n".join(second), names, "\n".join(third)])


@pytest.mark.parametrize("what", DIFFERENCES)
def test_they_differ_still(what: str) -> None:
    """The two libraries give different results."""
    assert ours(DIFFERENCES[what]) != theirs(DIFFERENCES[what])


def test_the_page_has_these_tables() -> None:
    """All lines of the tables, in order, and no others."""
    text = PAGE.read_text(encoding="utf-8")
    for part in page().split("\n\n"):
        assert part in text
    assert text.count("\n|") == page().count("\n|") + 1
