"""The report in German: no English is left, and it fits the screens."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser
from softcore_export.acceptance.taught_parts import TaughtPart
from softcore_export.alignment.alignment_choice import AlignmentChoice
from softcore_export.contamination.choices import Choice, Choices
from softcore_export.contamination.contamination import ShareEstimate
from softcore_export.report.report import ReportData, render_report
from softcore_export.resolution.resolution_choice import ResolutionChoice, Trial

from tests.languages import find_alike

from ..exam.test_outcome import make_outcome, make_part
from .test_report import make_report_data, manifest  # noqa: F401 - a fixture

# What no language has another word for: names of images, methods and files.
NAMES = [
    "pill",
    "resnet18",
    "layer2 + layer3",
    "openvino",
    "bf16",
    "softcore",
    "numpy",
    "auto",
    "greedy",
    "lof",
]
NAMES += ["contamination.json", "FP32", "SHA-256", "tau", "image", "part", ".png", "UTC", "March"]

_NO_REFERENCE = "the training images have no reference in common"


def make_variants(make: Callable[..., ReportData]) -> dict[str, ReportData]:
    plain = make([0.2, 3.3, 0.4, 1.1, 0.3, 0.3, 0.3, 0.3], skipped=("08.png: the file is empty",))
    limit = plain.manifest.threshold.value
    bank = plain.manifest.bank
    trials = (
        Trial(224, 7.0, 0.91),
        Trial(320, 14.0, 0.952),
        Trial(448, 60.0, 0.97),
        Trial(640, None, None, "would enlarge the images 1.3 times"),
    )
    digests = plain.images.digests
    choices = Choices(
        images={
            digests[0]: Choice(action="exclude"),
            digests[1]: Choice(action="keep"),
            "0" * 64: Choice(action="keep"),
        }
    )
    unknown = plain.contamination.model_copy(
        update={"estimate": ShareEstimate(value=None, low=0.0, high=0.074)}
    )
    fixed = manifest(
        8, bank=bank.model_copy(update={"discriminator": "lof", "floor": 1.2, "sampler": "random"})
    )
    outcome = make_outcome(
        make_part("a", "good", 1, 1), make_part("b", "bad", 12, 0.5), make_part("c", "good", 11, 1)
    )
    taught = (TaughtPart("a.png", 0.9 * limit, 1.5 * limit, 3), TaughtPart("b.png", limit / 2, limit / 2, 0))
    return {
        "plain": plain,
        "choices": replace(plain, choices=choices),
        "resolution": replace(plain, resolution=ResolutionChoice(320, trials, 40, False, 30, 90)),
        "labelled": replace(plain, resolution=ResolutionChoice(224, trials, 10, True, 30, 90)),
        "taught": replace(plain, taught=taught),
        "unknown": replace(plain, contamination=unknown, alignment=AlignmentChoice(None, _NO_REFERENCE)),
        "fixed": replace(plain, manifest=fixed, floors=np.linspace(0, 2, 20).astype(np.float32)),
        "exam": replace(plain, exam=outcome),
    }  # fmt: skip


@pytest.fixture
def variants(make_report_data: Callable[..., ReportData]) -> dict[str, ReportData]:  # noqa: F811
    return make_variants(make_report_data)


def test_no_english_is_left_in_german(variants: dict[str, ReportData]) -> None:
    for name, data in variants.items():
        english, german = (
            render_report(data, language).replace(str(data.images.folder), "") for language in ("en", "de")
        )
        assert '<html lang="de">' in german
        assert find_alike(english, german, NAMES) == [], name


def test_numbers_and_days_are_written_as_in_german(variants: dict[str, ReportData]) -> None:
    page = render_report(variants["plain"], "de")
    assert "04.03.2026, 05:06 UTC" in page
    text = re.sub(r"<[^>]+>", " ", page)
    assert "3,2&nbsp;%" in text or "3,2\N{NO-BREAK SPACE}%" in text
    assert "3,3 x Grenze" in text


@pytest.mark.parametrize("language", ["en", "de"])
def test_it_does_not_scroll_sideways(
    variants: dict[str, ReportData], browser: Browser, tmp_path: Path, language: Any
) -> None:
    page = browser.new_page()
    for name, data in variants.items():
        file = tmp_path / f"{name}-{language}.html"
        file.write_text(render_report(data, language), encoding="utf-8")
        page.goto(file.as_uri())
        for width in (1280, 390):
            page.set_viewport_size({"width": width, "height": 800})
            widest = page.evaluate("document.documentElement.scrollWidth")
            assert widest == width, (name, width, find_wide(page, width))
    page.close()


def find_wide(page: Any, width: int) -> Any:
    """The elements that reach beyond a width, for the message."""
    return page.evaluate(
        "width => [...document.querySelectorAll('body *')]"
        ".filter((one) => one.getBoundingClientRect().right > width + 1)"
        ".map((one) => one.outerHTML.slice(0, 90))",
        width,
    )
