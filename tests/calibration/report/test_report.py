from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from scipy.stats import binomtest
from softcore_calibration.calibration import CalibrationResult, calibrate
from softcore_calibration.data.samples import find_samples
from softcore_calibration.data.score_cache import open_cache
from softcore_calibration.data.scoring import ScoredImage, Scoring, score_samples
from softcore_calibration.objective import Objective
from softcore_calibration.report.report import content_policy, render_report, write_report
from softcore_runtime import Inspector
from softcore_runtime.bundle.training import read_training
from softcore_runtime.errors import UsageError

OVERKILL = Objective("overkill", {"share": 0.05})
NASTY = "</script><img src=x onerror=alert(1)>&\"'.png"

Find = Callable[..., CalibrationResult]


@pytest.fixture
def inspector(tiny_bundle: Path) -> Inspector:
    return Inspector.load(tiny_bundle)


@pytest.fixture
def find(inspector: Inspector, category: Path, tmp_path: Path) -> Find:
    """A function that calibrates on a copy of the category's images."""
    own = tmp_path / "images"
    shutil.copytree(category / "test", own)

    def work(objective: Objective = OVERKILL, good: int = 40, bad: int = 24) -> CalibrationResult:
        with open_cache(inspector, None) as cache:
            scoring = score_samples(inspector, find_samples([(own, None)]), cache, 0)
        some = Scoring(scoring.good[:good], scoring.bad[:bad])
        return calibrate(inspector, some, read_training(inspector.bundle.path), objective)

    return work


def imagine(
    inspector: Inspector, good: Sequence[float], bad: Sequence[float], value: float
) -> CalibrationResult:
    """Findings on images that are nowhere."""

    def score(kind: str, scores: Sequence[float]) -> list[ScoredImage]:
        return [
            ScoredImage(f"/nowhere/{kind}/{i}.png", Path(f"/nowhere/{kind}/{i}.png"), kind == "bad",
                   f"{i:064x}", one, 0.0, np.full((32, 32), i % 256, np.uint8), np.ones(3))
            for i, one in enumerate(scores)
        ]  # fmt: skip

    scoring = Scoring(score("good", good), score("bad", bad))
    training = read_training(inspector.bundle.path)
    if not good:
        training = replace(training, scores=np.empty(0))
    return calibrate(inspector, scoring, training, Objective("value", {"value": value}))


class Elements(HTMLParser):
    """What a browser would make of a page: elements, and the text in them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, str]] = []
        self._inside = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._inside = tag

    def handle_endtag(self, tag: str) -> None:
        del tag
        self._inside = ""

    def handle_data(self, data: str) -> None:
        self.texts.append((self._inside, data))

    def of(self, tag: str) -> list[str]:
        return ["".join(text for inside, text in self.texts if inside == tag)] if tag == "style" else [
            text for inside, text in self.texts if inside == tag
        ]  # fmt: skip

    @property
    def words(self) -> str:
        shown = (text for inside, text in self.texts if inside not in ("script", "style"))
        return " ".join(" ".join(shown).split())


def read_data(page: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert found
    data: dict[str, Any] = json.loads(found[1])
    return data


def test_the_numbers_are_those_of_the_scores(inspector: Inspector, find: Find) -> None:
    found = find()
    page = render_report(found, inspector)
    data = read_data(page)
    threshold = found.threshold.value
    assert data["chosen"] == [threshold, threshold]
    assert threshold in data["thresholds"]
    assert data["present"] is None
    for kind, scored in (("good", found.good), ("bad", found.bad)):
        expected = sorted((one.score, one.name) for one in scored)
        assert data[kind]["scores"] == [score for score, _ in expected]
        assert [name.rpartition("/")[2] for name in data[kind]["names"]] == [
            name.rpartition("/")[2] for _, name in expected
        ]
        assert sum(data[kind]["histogram"]) == len(scored)
        wrong = binomtest(3, len(scored)).proportion_ci(0.95, method="exact")
        assert data[kind]["low"][3] == pytest.approx(wrong.low, rel=1e-5)
        assert data[kind]["high"][3] == pytest.approx(wrong.high, rel=1e-5)
    place = data["edges"].index(float(f"{threshold:.6g}"))
    assert found.calibration.overkill is not None
    assert found.calibration.escape is not None
    assert data["overkill"][place] == found.calibration.overkill.count
    assert data["escape"][place] == found.calibration.escape.count

    words = Elements(page).words
    assert f"Threshold: {threshold:.5g}." in words
    assert "the next good part will fail with probability 0.05 at most" in words
    assert "1 of 40 good images would fail (2.5 %; with 95 % confidence 0.06 % to 13.2 % of all such" in words
    assert f"{found.auroc:.4f}" in words
    assert "248 6 to 1,303" in words  # 9,900 good parts, one of 40 of which fails: 0.063 % to 13.2 %
    assert found.calibration.good_sha256 is not None
    assert found.calibration.good_sha256 in words
    assert "12 by hand provisional" in words
    assert "These costs are only an example" in words


def test_it_needs_nothing_from_elsewhere(inspector: Inspector, find: Find) -> None:
    page = render_report(find(), inspector)
    parsed = Elements(page)
    for tag, attributes in parsed.elements:
        assert tag not in ("link", "iframe", "object", "base") or attributes.get("href") == "data:,"
        assert "style" not in attributes  # the policy would ignore it
        assert not [name for name in attributes if name.startswith("on")]
        for name in ("src", "href", "action", "srcset"):
            assert (attributes.get(name) or "data:").startswith(("data:", "#")), attributes
    policies = [a["content"] for _, a in parsed.elements if a.get("http-equiv") == "Content-Security-Policy"]
    assert policies == [content_policy(served=False)]
    policy = policies[0] or ""
    assert policy.startswith("default-src 'none'; img-src data:;")
    assert "unsafe" not in policy
    assert "connect-src" not in policy
    # What a browser hashes is what stands between the tags.
    inside = re.findall(r"<(?:style|script)>(.*?)</(?:style|script)>", page, re.DOTALL)
    assert len(inside) == 3
    for text in inside:
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in policy
    assert "softcore-token" not in page.partition("<style>")[0]
    assert 'id="use"' not in page


def test_a_name_stays_a_name(inspector: Inspector, find: Find) -> None:
    found = find()
    odd = "no\udcfftext.png"
    places = [one.path.parent / name for one, name in zip(found.bad, (NASTY, odd), strict=False)]
    bad = [replace(one, name=str(p), path=p) for one, p in zip(found.bad, places, strict=False)] + found.bad[
        2:
    ]
    unread = [f"{NASTY}: damaged", odd]
    data_warnings = [replace(found.data_warnings[0], names=(NASTY, odd)), *found.data_warnings[1:]]
    page = render_report(
        replace(found, bad=bad, unread=unread, data_warnings=data_warnings), inspector, "token"
    )
    page.encode()  # no half characters are left
    parsed = Elements(page)
    assert [
        a["src"] for tag, a in parsed.elements if tag == "img" and not (a["src"] or "").startswith("data:")
    ] == []
    assert NASTY in parsed.words
    assert {f"spot/{NASTY}", "spot/no\\udcfftext.png"} <= set(read_data(page)["bad"]["names"])
    assert sum(tag == "script" for tag, _ in parsed.elements) == 3


def test_the_images_are_shown_against_this_threshold(inspector: Inspector, find: Find) -> None:
    found = find()
    parsed = Elements(render_report(found, inspector))
    images = [a for tag, a in parsed.elements if tag == "img" and a["alt"]]
    names = [(a["alt"] or "").partition(":")[0] for a in images]
    worst = sorted(found.good, key=lambda one: -one.score)[:8]
    innocent = sorted(found.bad, key=lambda one: one.score)[:8]
    assert names == [f"{one.path.parent.name}/{one.path.name}" for one in (*worst, *innocent)]
    for one, image in zip((*worst, *innocent), images, strict=True):
        content = base64.b64decode((image["src"] or "").partition(",")[2])
        seen = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
        assert seen is not None
        assert max(seen.shape) <= 640
        blue, green, red = seen[2, -3].astype(int)  # of the head line
        assert (red > green) == (one.score > found.threshold.value)
        assert max(blue, green, red) > 80


def test_what_has_gone_or_changed_is_said(inspector: Inspector, find: Find) -> None:
    found = find()
    innocent = sorted(found.bad, key=lambda one: one.score)
    innocent[0].path.unlink()
    innocent[1].path.write_bytes(b"")
    shutil.copy(innocent[3].path, innocent[2].path)
    words = Elements(render_report(found, inspector)).words
    for one, said in zip(
        innocent, ("no longer there", "can no longer be read", "another now than"), strict=False
    ):
        assert f"{one.path.name} This image is {said}" in words


def test_without_good_or_bad_images(inspector: Inspector, find: Find) -> None:
    page = render_report(find(Objective("overkill", {"share": 0.1}), good=0, bad=0), inspector)
    words, data = Elements(page).words, read_data(page)
    assert "Training images, which stand in for good ones: 12." in words
    assert "Escape: unknown" in words
    assert "Without bad images there is no escape to draw" in words
    assert "No good images were given, so there are none to show" in words
    assert data["good"]["scores"] == np.linspace(4, 10, 12).tolist()
    assert data["good"]["names"] == []
    assert (data["escape"], data["roc"], data["cost"]) == (None, None, None)
    assert 'id="roc"' not in page
    assert 'id="cost"' not in page

    nothing = imagine(inspector, [], [7.0, 8.0], 3.0)
    page = render_report(nothing, inspector)
    assert "Overkill: unknown, for there are no good images" in Elements(page).words
    assert read_data(page)["overkill"] is None

    one = render_report(find(bad=1), inspector)
    assert "1 of 1 bad images would" in Elements(one).words


def test_ten_thousand_images(inspector: Inspector) -> None:
    rng = np.random.default_rng(0)
    found = imagine(inspector, rng.gamma(9, 1, 9500).tolist(), rng.gamma(20, 1, 500).tolist(), 15.0)
    page = render_report(found, inspector)
    assert len(page) < 3_000_000
    data = read_data(page)
    assert len(data["good"]["thumbnails"]) == 240
    near = [data["good"]["scores"][int(place)] for place in data["good"]["thumbnails"]]
    assert (
        max(abs(score - 15) for score in near) < np.sort(np.abs(np.array(data["good"]["scores"]) - 15))[240]
    )
    assert "This image is no longer there" in page


def test_a_grey_zone(inspector: Inspector, find: Find) -> None:
    found = find(Objective("band", {"overkill": 0.05, "escape": 0.1}))
    page = render_report(found, inspector)
    words = Elements(page).words
    value, upper = found.threshold.value, found.threshold.upper
    assert f"Thresholds: up to {value:.5g} a part passes, above {upper:.5g} it fails." in words
    assert read_data(page)["chosen"] == [value, upper]


def test_costs_that_were_told(inspector: Inspector, find: Find) -> None:
    found = find(Objective("cost", {"escape": 20.0, "overkill": 1.0}))
    data = read_data(render_report(found, inspector))
    assert data["costs"] == [20, 1, 24 / 64]  # without a rate that of the images, as the threshold was chosen
    counted = zip(data["overkill"], data["escape"], data["cost"], strict=True)
    for overkill, escape, cost in counted:
        assert cost == pytest.approx((overkill + 20 * escape) / 64, rel=1e-5)
    threshold = np.searchsorted(data["edges"], found.threshold.value, side="right") - 1
    assert data["cost"][threshold] == min(data["cost"])


def test_the_served_page_knows_the_bundles_threshold(inspector: Inspector, find: Find) -> None:
    found = find()
    before = render_report(found, inspector, "a-token")
    assert 'name="softcore-token" content="a-token"' in before
    assert read_data(before)["present"] == [12, 12]
    assert 12 in read_data(before)["thresholds"]
    assert "In the bundle now: 12 , provisional" in Elements(before).words
    after = render_report(found, inspector, "a-token", written=True)
    assert read_data(after)["present"] == read_data(after)["chosen"]
    assert "written from this page. It was 12;" in Elements(after).words
    other = found.manifest.threshold.model_copy(update={"min_area": 3})
    apart = replace(found, manifest=found.manifest.model_copy(update={"threshold": other}))
    assert read_data(render_report(apart, inspector, "a-token"))["present"] is None  # of other scores


def test_it_is_written_whole_or_not(inspector: Inspector, find: Find, tmp_path: Path) -> None:
    found, folder = find(), tmp_path / "reports"
    with pytest.raises(UsageError, match=r"threshold\.html: can't be written \(No such file or directory\)"):
        write_report(folder / "threshold.html", found, inspector)
    folder.mkdir()
    write_report(folder / "threshold.html", found, inspector)
    assert read_data((folder / "threshold.html").read_text())["chosen"][0] == found.threshold.value
    (folder / "taken").mkdir()
    with pytest.raises(UsageError, match="taken: can't be written"):
        write_report(folder / "taken", found, inspector)
    with pytest.raises(UsageError, match="can't be written"):
        write_report(Path(), found, inspector)
    assert sorted(path.name for path in folder.iterdir()) == ["taken", "threshold.html"]
