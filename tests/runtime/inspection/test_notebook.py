from __future__ import annotations

import base64
import re
from html.parser import HTMLParser

import cv2
import numpy as np
import pytest
from playwright.sync_api import Browser
from softcore_runtime.inspection.notebook import draw_card

# JupyterLab's own rules for a table in an output.
JUPYTER = """
.out table {table-layout: fixed; margin: 0 auto 1em; font-size: 12px; border: none}
.out td, .out th {text-align: right; vertical-align: middle; padding: .5em; border: none}
.out th {font-weight: bold}
.out tbody tr:nth-child(odd) {background: #f5f5f5}
"""
ROWS = [("score", "3.05"), ("threshold", "1.13")]


class Tags(HTMLParser):
    """Reads HTML and notes what is open at its end."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, _: object) -> None:
        if tag != "img":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def test_text_is_escaped() -> None:
    evil = '<script>alert("&")</script>'
    card = draw_card(evil, [(evil, evil)], [(evil, np.zeros((4, 4, 3), np.uint8))], (0, 0, 0))
    assert "<script" not in card
    assert re.search(r'alt="&lt;script&gt;alert\(&quot;&amp;&quot;\)', card)
    tags = Tags(card)
    assert tags.words == [evil] * 4
    assert not tags.open


def test_an_image_is_embedded_as_it_is() -> None:
    image = np.full((40, 60, 3), (200, 100, 50), np.uint8)
    card = draw_card("PASS", ROWS, [("frame", image)])
    assert "http" not in card
    (data,) = re.findall(r'src="data:image/jpeg;base64,([^"]+)"', card)
    shown = cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_COLOR)
    assert shown is not None
    assert shown.shape == image.shape
    assert np.abs(shown.astype(int) - image).max() < 8


@pytest.mark.parametrize(
    ("ground", "ink"), [("rgb(255, 255, 255)", "rgb(0, 0, 0)"), ("rgb(17, 17, 17)", "rgb(221, 221, 221)")]
)
def test_it_is_read_on_white_and_on_dark_whatever_the_notebook_s_styles(
    browser: Browser, ground: str, ink: str
) -> None:
    card = draw_card("FAIL", ROWS, [("frame", np.zeros((90, 120, 3), np.uint8))], (40, 30, 190))
    page = browser.new_page(viewport={"width": 800, "height": 400})
    page.set_content(
        f'<style>{JUPYTER} body {{background: {ground}; color: {ink}}}</style><div class="out">{card}'
    )
    look = "e => { const s = getComputedStyle(e); return [s.color, s.backgroundColor, s.textAlign]; }"
    for cell in page.locator("td").all():
        assert cell.evaluate(look) == [ink, "rgba(0, 0, 0, 0)", "left"]
    assert page.locator("tr").first.evaluate(look)[1] == "rgba(0, 0, 0, 0)"
    assert page.get_by_text("FAIL").evaluate(look)[:2] == ["rgb(255, 255, 255)", "rgb(190, 30, 40)"]
    image, table = page.locator("img").bounding_box(), page.locator("table").bounding_box()
    assert image is not None
    assert table is not None
    assert image["x"] + image["width"] < table["x"]  # beside it
    page.set_viewport_size({"width": 320, "height": 400})
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    page.close()
