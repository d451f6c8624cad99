from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Browser, expect
from softcore_export.categories.category_task import CategoryResult
from softcore_export.categories.summary import write_summary

EVIL = "<script>alert(1)</script>"
RESULTS = [
    CategoryResult("tiny", "d", 0, 61.4),
    CategoryResult("few & far", "d", 3, 0.2, f"data/few: 4 images, at least 8 are needed {EVIL}"),
]


def test_it_tells_of_each_category(tiny_bundle: Path, browser: Browser) -> None:
    file = write_summary(tiny_bundle.parent, RESULTS)
    page = browser.new_page(viewport={"width": 390, "height": 800})
    page.goto(file.as_uri())
    expect(page.locator(".verdict strong")).to_have_text("1 of 2 categories could not be exported")
    rows = page.locator("tbody tr")
    assert rows.first.locator("td").all_inner_texts()[:3] == ["12", "768", "12"]
    expect(rows.first.get_by_role("link", name="tiny")).to_have_attribute("href", "tiny/report.html")
    expect(rows.last).to_contain_text("at least 8 are needed <script>")
    expect(rows.last.get_by_role("link")).to_have_attribute("href", "logs/few%20%26%20far.log")
    page.wait_for_function("document.documentElement.scrollWidth === 390")
    page.close()


def test_it_speaks_german(tiny_bundle: Path) -> None:
    text = write_summary(tiny_bundle.parent, RESULTS[:1], "de").read_text()
    assert "Alle 1 Kategorien sind exportiert" in text
    assert "Einträge" in text
