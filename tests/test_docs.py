"""The examples of the README and of the pages in docs/ print what they say."""

from __future__ import annotations

import doctest
import re
import shutil
from pathlib import Path

import pytest

from chainrule.run.link import LINKERS

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def blocks(page: Path) -> list[tuple[int, str]]:
    """Line number and text of every Python block."""
    text = page.read_text(encoding="utf-8")
    return [
        (text.count("\n", 0, match.start(1)), match.group(1))
        for match in re.finditer(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    ]


def test_readme_has_examples() -> None:
    """The test below would pass on a page without any."""
    assert any(">>>" in text for _, text in blocks(ROOT / "README.md"))


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_page(page: Path, tmp_path: Path) -> None:
    """Blocks of a page run in order, with the names of earlier blocks in scope."""
    if page.stem == "export" and not any(map(shutil.which, LINKERS)):
        pytest.skip("the page links a library, and there is no linker")
    scope: dict[str, object] = {"__name__": "__main__"}
    report: list[str] = []
    for line, text in blocks(page):
        if ">>>" not in text:
            source = tmp_path / f"{page.stem}_{line}.py"  # `jit` reads sources
            source.write_text("\n" * line + text, encoding="utf-8")
            exec(compile(source.read_text(encoding="utf-8"), str(source), "exec"), scope)
            continue
        # a fence closes an example as a blank line would
        test = doctest.DocTestParser().get_doctest(text, scope, page.name, str(page), line)
        runner = doctest.DocTestRunner(verbose=False, optionflags=doctest.ELLIPSIS)
        runner.run(test, out=report.append, clear_globs=False)
        scope = test.globs

    assert not report, "".join(report)
