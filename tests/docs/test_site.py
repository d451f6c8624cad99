"""The documents' site is built as `make docs` builds it, and needs nothing from elsewhere."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FETCHES = {"script": "src", "link": "href", "img": "src", "iframe": "src"}  # what a browser loads by itself
INHERITING = """\
INHERIT: {root}/mkdocs.yml
docs_dir: docs
site_dir: site
hooks: []
plugins: []
extra_css: []
watch: []
nav: [{{Home: index.md}}]
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the whole site."""
    folder = tmp_path_factory.mktemp("site")
    built = build(ROOT, folder)
    assert built.returncode == 0, built.stderr
    return folder


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Make a project of one page, without extensions of its own, that is validated as ours is."""
    (tmp_path / "docs").mkdir()
    (tmp_path / "mkdocs.yml").write_text(INHERITING.format(root=ROOT))
    return tmp_path


def build(project: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--site-dir", folder],
        cwd=project,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


class _Fetched(HTMLParser):
    """Lists what a page has a browser load, its own links to other pages aside."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        fields = dict(attrs)
        if tag in FETCHES and fields.get("rel") != "canonical":
            self.found.append(fields.get(FETCHES[tag]) or "")


def test_every_page_of_the_documents_is_in_the_site(site: Path) -> None:
    pages = [path.relative_to(ROOT / "docs") for path in (ROOT / "docs").rglob("*.md")]
    assert len(pages) >= 20
    assert [page for page in pages if not (site / page).with_suffix(".html").is_file()] == []


def test_no_marker_is_left_in_a_page(site: Path) -> None:
    assert [page.name for page in site.rglob("*.html") if "<!-- generated" in page.read_text()] == []


def test_pages_load_nothing_from_elsewhere(site: Path) -> None:
    loaded = _Fetched()
    for page in site.rglob("*.html"):
        loaded.feed(page.read_text())
    assert len(loaded.found) > 100
    assert [place for place in loaded.found if re.match(r"\w+:(?!image/)|//", place)] == []


def test_python_reference_has_its_members_and_examples(site: Path) -> None:
    page = (site / "reference" / "python.html").read_text()
    for member in ("softcore_runtime.Inspector.decide", "softcore_runtime.errors.LedgerError"):
        assert f'id="{member}"' in page
    assert "<p>Example:</p>" not in page


def test_good_page_passes(project: Path) -> None:
    (project / "docs" / "index.md").write_text("# Home\n\n[here](#home)\n")
    assert build(project, project / "site").returncode == 0


def test_broken_links_and_lost_pages_fail(project: Path) -> None:
    broken = ("[gone](gone.md)", "[gone](#gone)", "![gone](images/gone.png)", "[README](../README.md)")
    (project / "docs" / "index.md").write_text("\n\n".join(["# Home", *broken]))
    (project / "docs" / "lost.md").write_text("# Lost\n")
    built = build(project, project / "site")
    assert built.returncode != 0
    warnings = [line for line in built.stderr.splitlines() if line.startswith("WARNING")]
    places = ("'gone.md'", "'#gone'", "'images/gone.png'", "'../README.md'")
    assert [sum(place in warning for warning in warnings) for place in places] == [1] * 4
    assert "- lost.md" in built.stderr
    assert len(warnings) == 5
