"""What the code cites is in the repository."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("benchmarks", "calibration", "docker", "docs", "edge_app", "export", "runtime", "tests")
SUFFIXES = (".html", ".js", ".md", ".py", ".sh", ".toml")
ELSEWHERE = re.compile(r"\bDESIGN(?:\.md)?\b(?! [A-Z])|[Ss]ection \d+ of the design")
PAGE = re.compile(r"\bdocs/[\w/.-]+\.md\b")


def read_texts() -> Iterator[tuple[str, str]]:
    """Read the repository's texts: names, and contents."""
    within = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*") if path.suffix in SUFFIXES]
    for path in [*within, *ROOT.glob("*.md"), ROOT / "pyproject.toml", ROOT / "Makefile"]:
        if path != Path(__file__):
            yield path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")


TEXTS = dict(read_texts())


def test_nothing_cites_a_document_that_is_not_in_the_repository() -> None:
    assert [name for name, text in TEXTS.items() if ELSEWHERE.search(text)] == []


@pytest.mark.parametrize("text", ["(DESIGN section 4)", "see DESIGN.md", "Section 4 of the design"])
def test_such_a_citation_is_found(text: str) -> None:
    assert ELSEWHERE.search(text)


def test_each_page_that_is_cited_is_there() -> None:
    code = {name: text for name, text in TEXTS.items() if not name.endswith(".md")}  # pages: see test_site
    cited = {(name, page) for name, text in code.items() for page in PAGE.findall(text)}
    assert "docs/explanation/method.md" in {page for _, page in cited}
    assert sorted(f"{name}: {page}" for name, page in cited if not (ROOT / page).is_file()) == []
