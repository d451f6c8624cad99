from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timezone
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from softcore_export.acceptance.taught_parts import TaughtPart
from softcore_export.contamination.choices import Choice, Choices
from softcore_export.contamination.contamination import Contamination, ImageRecord, ShareEstimate
from softcore_export.data.training_set import TrainingSet
from softcore_export.report.report import FILE, ReportData, render_report, write_report
from softcore_export.resolution.resolution_choice import ResolutionChoice, Trial
from softcore_runtime.bundle.manifest import (
    Agreement,
    BackboneRecord,
    BankRecord,
    DatasetRecord,
    FileRecord,
    Grid,
    HintsRecord,
    IndexRecord,
    Manifest,
    Parity,
    Threshold,
)
from softcore_runtime.images.preprocessing import Preprocessing

H, W = 6, 6
VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}
NASTY = """<b>"it's" & more.png"""
MakeReportData = Callable[..., ReportData]


class Page(HTMLParser):
    """The page as a browser reads it: its elements in order, and the text below each."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[int] = []
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.texts: list[str] = []
        self.feed(text)
        self.close()
        assert not self.open, [self.elements[i] for i in self.open]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        self.texts.append("")
        if tag not in VOID:
            self.open.append(len(self.elements) - 1)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.elements[self.open.pop()][0] == tag
        if tag in {"td", "th"}:
            self.handle_data(" ")  # cells stand apart

    def handle_data(self, data: str) -> None:
        for i in self.open:
            self.texts[i] += data

    def all(self, tag: str, **wanted: str) -> list[str]:
        """The texts of all such elements, white space as it is seen."""
        return [
            " ".join(text.split())
            for (name, attributes), text in zip(self.elements, self.texts, strict=True)
            if name == tag and wanted.items() <= attributes.items()
        ]

    def section(self, name: str) -> str:
        (text,) = self.all("section", id=name)
        return text

    def images(self, words: str) -> list[np.ndarray]:
        """The images whose alternative text has these words."""
        return [decode(a["src"]) for tag, a in self.elements if tag == "img" and words in a["alt"]]


def decode(source: str) -> np.ndarray:
    head, data = source.split(",")
    assert head == "data:image/jpeg;base64"
    image = cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    return np.asarray(image)


@pytest.fixture
def make_report_data(tmp_path: Path) -> MakeReportData:
    """A function that makes facts of images it draws, with these suspicions."""

    def make(
        suspicion: list[float], names: list[str] | None = None, skipped: tuple[str, ...] = (), **changes: Any
    ) -> ReportData:
        n = len(suspicion)
        names = names or [f"{i:02}.png" for i in range(n)]
        rng = np.random.default_rng(0)
        folder = tmp_path / "train"
        paths = [folder / name for name in names]
        for path in paths:
            path.parent.mkdir(parents=True, exist_ok=True)
            image = rng.integers(60, 90, (60, 80, 3)).astype(np.uint8)
            cv2.circle(image, (40, 30), 20, (200, 210, 220), -1)
            path.write_bytes(cv2.imencode(".png", image)[1].tobytes())
        digests = [hashlib.sha256(path.read_bytes()).hexdigest() for path in paths]
        patches = rng.uniform(0.1, 0.4, (n, H * W)).astype(np.float32)
        patches[:, 14] = suspicion
        facts: dict[str, Any] = {
            "manifest": manifest(n),
            "contamination": Contamination(
                estimate=ShareEstimate(value=0.032, low=0.011, high=0.074),
                images=tuple(
                    ImageRecord(
                        path=names[i],
                        sha256=digests[i],
                        suspicion=suspicion[i],
                        decision="patches excluded" if suspicion[i] > 1 else "kept",
                    )
                    for i in np.argsort(-np.array(suspicion), kind="stable")
                ),
            ),
            "choices": Choices(),
            "images": TrainingSet(
                folder=folder,
                paths=tuple(paths),
                digests=tuple(digests),
                skipped=skipped,
                copies=(),
                thumbnails=np.zeros((n, 32, 32), np.uint8),
                image_statistics=np.zeros((n, 3)),
                traces=None,
            ),
            "patch_suspicion": patches,
            "kept": patches <= 1,
            "origins": np.zeros((20, 3), np.int32),
            "floors": np.zeros(20, np.float32),
            "scores": np.linspace(0.6, 1.4, n),
            "seconds": {"features": 3.0, "memory bank": 1.0},
        }
        return ReportData(**(facts | changes))

    return make


def manifest(n: int, **changes: Any) -> Manifest:
    return Manifest(
        category="pill",
        created=datetime(2026, 3, 4, 5, 6, 7, tzinfo=timezone.utc),
        tools={"softcore": "0.1.0", "numpy": "2.0.1"},
        preprocessing=Preprocessing(resize=64, crop=48),
        backbone=BackboneRecord(
            name="resnet18", layers=("layer2", "layer3"), weights_sha256="ab" * 32,
            engine="openvino", provider="cpu", precision="bf16",
        ),
        grid=Grid(height=H, width=W),
        bank=BankRecord(
            n=20, dim=384, discriminator="auto", tau=0.15, k=6, ratio=0.1, sampler="greedy",
            soft_weights=True, weight_max=1.07, seed=7,
        ),
        index=IndexRecord(m=16, ef_construction=200, ef_search=32, recall=0.9985),
        hints=HintsRecord(count=8, left_open=0.75),
        parity=Parity(max_abs=3.1e-6, max_relative=8.2e-7, frames=4),
        agreement=Agreement(held_back=60, flipped=1, labelled=0, auroc=None, auroc_fp32=None),
        threshold=Threshold(value=1.25, provisional=True, method="highest score of the rest"),
        history=(),
        dataset=DatasetRecord(images=n, skipped=0, fingerprint="cd" * 32),
        files={},
    ).model_copy(update=changes)  # fmt: skip


def choose(facts: ReportData, row: int, **choice: Any) -> ReportData:
    """Take a choice about an image into facts, as an export does."""
    choices = Choices(images=facts.choices.images | {facts.images.digests[row]: Choice(**choice)})
    return replace(facts, choices=choices, kept=choices.apply(facts.kept, facts.images.digests, (H, W)))


def test_the_page_needs_nothing_beside_itself(make_report_data: MakeReportData) -> None:
    text = render_report(make_report_data([0.2, 2.3, 0.4, 1.1, 0.3, 0.3, 0.3, 0.3]))
    page = Page(text)
    assert not re.search(r"https?://|url\(|@import", text)
    assert not {"script", "iframe", "object", "embed", "base", "form"} & {tag for tag, _ in page.elements}
    sources = [
        (name, value)
        for _, attributes in page.elements
        for name, value in attributes.items()
        if name in {"src", "href", "xlink:href", "srcset", "poster", "data", "action", "background"}
    ]
    assert len(sources) > 20
    anchors = {attributes["id"] for _, attributes in page.elements if "id" in attributes}
    for name, value in sources:
        assert value.startswith("data:") or (name == "href" and value[0] == "#" and value[1:] in anchors)


def test_the_page_can_be_heard_as_well(make_report_data: MakeReportData) -> None:
    page = Page(
        render_report(make_report_data([0.2, 2.3, 0.4, 1.1, 0.3, 0.3, 0.3, 0.3], skipped=("08.png: empty",)))
    )
    for tag, attributes in page.elements:
        if tag == "html":
            assert attributes["lang"] == "en"
        if tag == "img":
            assert attributes["alt"]
        if tag == "th":
            assert attributes["scope"] in {"row", "col"}
        if tag == "svg":
            assert attributes["role"] == "img"
            assert attributes["aria-label"]
    assert len(page.all("h1")) == 1
    titles = page.all("h2")
    assert titles == [
        "What to do next", "What the model sees", "Suspects", "All images", "What was learned",
        "The provisional threshold", "Checks", "Settings", "Data", "Tool versions", "Time per stage",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("suspicion", "verdict"),
    [
        ([0.9, 1.0, 0.2], "None of 3 training images is suspect"),
        ([0.9, 1.01, 0.2], "1 of 3 training images is suspect"),
        ([1.5, 1.01, 0.2], "2 of 3 training images are suspect"),
    ],
)
def test_the_verdict_comes_first(
    make_report_data: MakeReportData, suspicion: list[float], verdict: str
) -> None:
    files = {"bank.npy": FileRecord(sha256="0" * 64, bytes=4_000_000)}
    files["index.hnsw"] = FileRecord(sha256="0" * 64, bytes=600_000)
    page = Page(render_report(make_report_data(suspicion, manifest=manifest(3, files=files))))
    (head,) = page.all("header")
    assert head.startswith(
        "SoftCore export report pill Made on 4 March 2026, 05:06 UTC. "
        "The bundle is 4.6 MB, without this report. "
        f"{verdict} (estimated contamination 3.2 %, between 1.1 % and 7.4 %)"
    )


def test_a_measured_resolution_is_explained(make_report_data: MakeReportData) -> None:
    trials = (
        Trial(224, 7.0, 0.91),
        Trial(320, 14.0, 0.952),
        Trial(448, 60.0, 0.97),
        Trial(640, None, None, "would enlarge the images 1.3 times"),
    )
    choice = ResolutionChoice(320, trials, 40, False, 30, 90)
    (section,) = [
        text
        for text in Page(render_report(make_report_data([0.2] * 8, resolution=choice))).all("section")
        if text.startswith("What the model sees")
    ]
    assert f"Chosen: {choice.describe()}." in section
    assert "224 7.0 0.910 320 14.0 0.952 chosen 448 60.0 0.970 over the budget" in section
    assert "640 - - would enlarge the images 1.3 times" in section
    (section, *_) = Page(render_report(make_report_data([0.2] * 8))).all("section")
    assert "The resolution" not in section


def test_confirmed_defects_are_listed_with_what_teaching_changed(make_report_data: MakeReportData) -> None:
    plain = make_report_data([0.2] * 8)
    limit = plain.manifest.threshold.value
    parts = (
        TaughtPart("bad/a.png", 0.9 * limit, 1.5 * limit, 3),
        TaughtPart("bad/b.png", 0.5 * limit, 0.5 * limit, 0),
    )
    page = Page(render_report(make_report_data([0.2] * 8, taught=parts)))
    (section,) = [text for text in page.all("section") if text.startswith("Confirmed defects")]
    assert "bad/b.png 0.50 0.50 0 passes at this threshold bad/a.png 0.90 1.50 3 fails since" in section
    assert "Confirmed defects" not in render_report(plain)


@pytest.mark.parametrize(("low", "bounds"), [(0.0, "up to 7.4 %"), (0.03, "3.0 % to 7.4 %")])
def test_where_images_carry_no_estimate_bounds_stand_for_it(
    make_report_data: MakeReportData, low: float, bounds: str
) -> None:
    facts = make_report_data([0.1] * 8)
    share = ShareEstimate(value=None, low=low, high=0.074)
    facts = replace(facts, contamination=facts.contamination.model_copy(update={"estimate": share}))
    (head,) = Page(render_report(facts)).all("header")
    assert f"None of 8 training images is suspect (no estimate of the contamination: {bounds})" in head
    assert "These images carry no estimate of it" in head


def test_names_are_shown_as_they_are(make_report_data: MakeReportData) -> None:
    names = [NASTY, "<script>alert(1)</script>.png".replace("/", "\\"), *"abcdef"]
    facts = make_report_data([3.0, 2.0] + [0.1] * 6, names, skipped=('<i>"&.png: empty',))
    page = Page(render_report(facts))
    suspects = [name for name in page.all("h3") if name in names]
    assert suspects[-6:][:2] == names[:2]
    assert not {"b", "script"} & {tag for tag, _ in page.elements}
    assert '<i>"&.png: empty' in page.all("li")
    assert any(a.get("alt") == f"{NASTY}: the image" for _, a in page.elements)


def test_suspects_come_in_order_beside_their_heat(make_report_data: MakeReportData) -> None:
    page = Page(render_report(make_report_data([0.2, 1.04, 0.4, 2.34, 0.3, 0.25, 0.6, 0.1])))
    cards = [text for text in page.all("li") if " x threshold" in text]
    assert [card.split()[0] for card in cards] == [f"0{i}.png" for i in (3, 1, 6, 2, 4, 5)]
    assert cards[0].startswith("03.png 2.3 x threshold patches excluded")
    assert cards[0].endswith(
        "Excluded: 1 of its 36 patches, for being too unlike the same place in the other images."
    )
    assert cards[1].startswith("01.png 1.04 x threshold")
    assert cards[2].startswith("06.png 0.60 x threshold below the threshold kept")
    assert cards[2].endswith("All of it is used.")
    (heat,) = page.images("03.png: how unusual")
    (image,) = page.images("03.png: the image")
    assert heat.shape == image.shape == (320, 320, 3)
    inside = slice(2 * 320 // 6 + 8, 3 * 320 // 6 - 8)  # patch 14 is in row 2, column 2
    assert heat[inside, inside, 2].mean() > heat[inside, inside, 0].mean() + 80  # yellow
    assert abs(heat[:40, :40].astype(int) - heat[:40, :40, :1]).max() < 8  # grey


def test_no_more_than_24_suspects_are_shown(make_report_data: MakeReportData) -> None:
    page = Page(render_report(make_report_data([2.0] * 27 + [0.1] * 5)))
    assert len(page.images(": how unusual")) == 24
    assert "Not shown here: 3 more" in page.section("suspects")
    assert "27 of 32 training images are suspect" in page.all("header")[0]


@pytest.mark.parametrize(
    ("choice", "words"),
    [
        ({"action": "keep"}, "A person chose to use all of it. This overrules the export, "
         "which would have excluded 1 of its 36 patches."),
        ({"action": "exclude"}, "A person chose to exclude all of it. This overrules the export, "
         "which would have excluded 1 of its 36 patches."),
        ({"action": "exclude patches", "grid": (H, W), "patches": ((0, 0), (0, 1))},
         "A person marked what to exclude: 2 of its 36 patches. This overrules the export, "
         "which would have excluded 1 of its 36 patches."),
        ({"action": "exclude patches", "grid": (H, W), "patches": ((2, 2),)},
         "A person marked what to exclude: 1 of its 36 patches. The export would have done the same."),
    ],
)  # fmt: skip
def test_a_choice_and_what_it_overrules_are_told(
    make_report_data: MakeReportData, choice: dict[str, Any], words: str
) -> None:
    page = Page(render_report(choose(make_report_data([0.5, 1.5] + [0.1] * 7), 1, **choice)))
    card = next(text for text in page.all("li") if text.startswith("01.png 1.50"))
    assert "decided by a person" in card
    assert card.endswith(words)
    assert "A person has decided about images: 1." in page.all("header")[0]


@pytest.mark.parametrize(
    ("discriminator", "of_the_marked", "of_the_chosen", "setting"),
    [
        ("auto", "too unlike the same place", "The export would have done the same.", "Discriminator auto"),
        ("none", None, "The export would have done the same.", "Patches were not judged"),
        ("lof", "among the most unusual 15 % of all", "A person chose to use all of it.", "lof, k = 6"),
    ],
)
def test_every_way_of_judging_is_told_as_it_is(
    make_report_data: MakeReportData,
    discriminator: str,
    of_the_marked: str | None,
    of_the_chosen: str,
    setting: str,
) -> None:
    facts = make_report_data([1.5, 0.9] + [0.1] * 7)
    facts.patch_suspicion[1, 20] = 1.2  # in an image that isn't suspect itself
    bank = facts.manifest.bank.model_copy(update={"discriminator": discriminator})
    facts = replace(facts, manifest=manifest(9, bank=bank))
    if discriminator == "none":
        facts = replace(facts, kept=np.ones_like(facts.kept))
    page = Page(render_report(choose(facts, 1, action="keep")))
    marked, chosen = (
        next(t for t in page.all("li") if t.startswith(name)) for name in ("00.png 1", "01.png 0")
    )
    assert of_the_marked in marked if of_the_marked else marked.endswith("All of it is used.")
    assert chosen.endswith(of_the_chosen)
    assert setting in page.section("settings")
    assert ("tau 15.0 %" in page.section("settings")) == (discriminator == "lof")
    assert ("Nothing was excluded by itself." in page.section("next")) == (discriminator == "none")


def test_a_chosen_image_is_shown_however_good_it_looks(make_report_data: MakeReportData) -> None:
    facts = make_report_data([0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1])
    assert not Page(render_report(facts)).images("08.png: how")
    facts = choose(facts, 8, action="exclude")
    facts = replace(facts, choices=Choices(images=facts.choices.images | {"0" * 64: Choice(action="keep")}))
    page = Page(render_report(facts))
    assert len(page.images("08.png: how")) == 1
    assert "would have used all of it." in page.section("suspects")
    assert "1; 1 more for images that are not in this export" in page.section("data")


def test_an_image_that_has_vanished_is_told(make_report_data: MakeReportData) -> None:
    facts = make_report_data([2.0, 1.5] + [0.1] * 7)
    facts.images.paths[0].unlink()  # the first of the inputs, too
    facts.images.paths[1].write_bytes(b"spoiled")
    page = Page(render_report(facts))
    assert "00.png This image is no longer there." in page.section("input")
    assert "00.png 2.0 x threshold patches excluded This image is no longer there." in page.section(
        "suspects"
    )
    assert "This image can no longer be read." not in page.section("input")
    assert "can no longer be read." in page.section("suspects")
    for path in facts.images.paths:
        path.unlink(missing_ok=True)
    assert "for no image is there any longer" in render_report(facts)


def test_the_window_is_outlined_in_the_frame(make_report_data: MakeReportData) -> None:
    page = Page(render_report(make_report_data([0.1] * 9)))
    frames, crops = page.images("the whole frame"), page.images("as the model sees it")
    assert len(frames) == len(crops) == 3
    for frame, crop in zip(frames, crops, strict=True):
        assert frame.shape == (240, 320, 3)  # 60 x 80 pixels, enlarged
        assert crop.shape == (320, 320, 3)
        # 8 of 64 pixels are cut off on each side: 30 rows and 40 columns here.
        assert frame[:25].max() < 45
        assert frame[:, :35].max() < 45
        assert frame[40:60, 50:70].min() > 45
        assert frame[30, 100:200].min() > 150
    assert "The outer 12.5 % on each side, drawn dark, are left out." in page.section("input")


def test_every_image_is_in_the_charts(make_report_data: MakeReportData) -> None:
    suspicion = [0.2, 0.21, 1.0, 1.0001, 7.0]
    scores = np.array([0.5, 1.25, 1.2501, 1.0, 2.0])
    page = Page(render_report(make_report_data(suspicion, scores=scores)))
    titles = page.all("title")[1:]
    assert titles == [
        "0.15 to 0.20 x threshold: 1", "0.20 to 0.25 x threshold: 1", "0.95 to 1.00 x threshold: 1",
        "1.00 to 1.05 x threshold: 1", "3.95 to more x threshold: 1",
        "0.35 to 0.40 x threshold: 1", "0.75 to 0.80 x threshold: 1", "0.95 to 1.00 x threshold: 1",
        "1.00 to 1.05 x threshold: 1", "1.55 to 1.60 x threshold: 1",
    ]  # fmt: skip
    assert "Of the suspects (2), 1 would fail. Of the other images 1 would fail too: 02.png." in page.section(
        "threshold"
    )
    many = Page(render_report(make_report_data([0.3] * 90)))
    assert many.all("title")[1] == "0.25 to 0.30 x threshold: 90"


def test_the_threshold_is_called_provisional_until_it_is_not(make_report_data: MakeReportData) -> None:
    page = Page(render_report(make_report_data([0.1] * 8)))
    assert "above 1.25. This threshold is provisional. It is the highest score of the rest." in page.section(
        "threshold"
    )
    assert "softcore-calibrate" in page.section("next")
    calibrated = Threshold(value=1.25, provisional=False, method="calibration")
    text = render_report(make_report_data([0.1] * 8, manifest=manifest(8, threshold=calibrated)))
    assert "rovisional" not in text
    assert "softcore-calibrate" not in text


def test_the_map_shows_where_the_entries_come_from(make_report_data: MakeReportData) -> None:
    origins = np.array([[1, 4, 1]] * 14 + [[3, 0, 5]] * 5 + [[7, 2, 2]], np.int32)
    page = Page(render_report(make_report_data([0.1] * 8, origins=origins)))
    (drawn,) = page.images("Map of how many entries come from each place: between 0 and 14")
    cells = cv2.resize(drawn, (W, H), interpolation=cv2.INTER_AREA).astype(int)
    assert np.unravel_index(cells[:, :, 2].argmax(), (H, W)) == (4, 1)
    colour = np.ptp(cells, axis=2)
    assert sorted(np.argsort(-colour, axis=None)[:3].tolist()) == [5, 14, 25]
    learned = page.section("coreset")
    assert "33 of 36 places gave none" in learned
    assert "01.png 14 70.0 % 03.png 5 25.0 % 07.png 1 5.0 % Images that gave none" in learned
    assert "gave none: 00.png, 02.png, 04.png, 05.png, 06.png." in learned


@pytest.mark.parametrize(
    ("floor", "words"),
    [
        (1.0, "a floor: 1 x its distance to the nearest other image."),
        (0.81264, "a floor: 0.813 x its distance to the nearest other image."),
        (2.0, "a floor: 2 x its distance to the nearest other image."),
    ],
)
def test_floors_are_told_and_drawn(make_report_data: MakeReportData, floor: float, words: str) -> None:
    bank = manifest(8).bank.model_copy(update={"floor": floor})
    floors = np.array([1.3] * 3 + [1.25] * 2 + [0.5] * 15, np.float32)  # the threshold is 1.25
    page = Page(render_report(make_report_data([0.1] * 8, manifest=manifest(8, bank=bank), floors=floors)))
    learned = page.section("coreset")
    assert words in learned
    assert "3 of 20 entries have a floor above the threshold" in learned
    assert "lets patches pass lets nothing pass Each block is one entry." in learned
    (chart,) = [a for tag, a in page.elements if tag == "svg" and "Floors" in a["aria-label"]]
    assert chart["aria-label"] == "Floors of 20 entries: 17 at or below the threshold, 3 above it"
    titles = page.all("title")
    for title in (
        "0.40 to 0.45 x threshold: 15",
        "0.95 to 1.00 x threshold: 2",
        "1.00 to 1.05 x threshold: 3",
    ):
        assert title in titles
    assert f"Floor {floor:.3g} The least score" in page.section("settings")
    assert "no floor" not in learned


def test_entries_that_nobody_can_corroborate_are_counted(make_report_data: MakeReportData) -> None:
    bank = manifest(8).bank.model_copy(update={"floor": 1.0})
    facts = make_report_data([0.1] * 8, manifest=manifest(8, bank=bank), unvouched=2)
    learned = Page(render_report(facts)).section("coreset")
    assert "0 of 20 entries have a floor above the threshold" in learned
    assert "Entries without a floor: 2, for all other images are near copies" in learned


def test_without_floors_none_are_drawn(make_report_data: MakeReportData) -> None:
    page = Page(render_report(make_report_data([0.1] * 8)))
    assert "floor" not in page.section("coreset")
    assert "Floor none" in page.section("settings")


def test_facts_settings_and_times_are_told(make_report_data: MakeReportData) -> None:
    facts = make_report_data([0.1] * 8)
    skipped = (f"{facts.images.folder}/x.png: the image is cut off",)
    facts = replace(facts, images=replace(facts.images, skipped=skipped))
    page = Page(render_report(facts))
    assert "99.85 %" in page.section("checks")
    assert "8.2e-07" in page.section("checks")
    for words in (
        "resnet18, layer2 + layer3",
        "ab" * 32,
        "6 x 6",
        "Discriminator auto",
        "greedy, 10.0 %",
        "Seed 7",
    ):
        assert words in page.section("settings")
    assert "x.png: the image is cut off" in page.all("li")
    assert "cd" * 32 in page.section("data")
    assert "numpy 2.0.1" in page.section("tools")
    assert "features 3.0 memory bank 1.0 together 4.0" in page.section("time")
    assert "8 are few" in page.section("next")


def test_the_file_tells_the_size_of_the_others(make_report_data: MakeReportData, tmp_path: Path) -> None:
    folder = tmp_path / "bundle"
    (folder / "golden").mkdir(parents=True)
    (folder / "bank.npy").write_bytes(bytes(2_000_000))
    (folder / "golden" / "a.png").write_bytes(bytes(500_000))
    facts = make_report_data([0.1] * 8, names=["füllig.png", *"bcdefgh"])
    for _ in range(2):  # an older report isn't counted
        write_report(folder, facts)
        text = (folder / FILE).read_text(encoding="utf-8")
        assert "The bundle is 2.5 MB, without this report." in text
    assert "füllig.png" in text
    assert "The bundle is" not in render_report(facts)


def test_a_page_of_noise_stays_small(make_report_data: MakeReportData) -> None:
    facts = make_report_data(
        [2.0] * 30, manifest=manifest(30, preprocessing=Preprocessing(resize=400, crop=400))
    )
    rng = np.random.default_rng(0)
    for path in facts.images.paths:
        noise = rng.integers(0, 256, (400, 400, 3), dtype=np.uint8)
        path.write_bytes(cv2.imencode(".png", noise, [cv2.IMWRITE_PNG_COMPRESSION, 0])[1].tobytes())
    assert len(render_report(facts)) < 3_000_000


def test_facts_must_fit_together(make_report_data: MakeReportData) -> None:
    facts = make_report_data([0.1] * 8)
    with pytest.raises(
        ValueError, match=r"\[8, 36\].* not \[\[8, 35\], \[8, 36\], \[20, 3\], \[20\], \[8\]\]"
    ):
        replace(facts, patch_suspicion=facts.patch_suspicion[:, 1:])
    with pytest.raises(ValueError, match=r"not .*\[19, 3\]"):
        replace(facts, origins=facts.origins[1:])
    with pytest.raises(ValueError, match=r"not .*\[20, 3\], \[19\]"):
        replace(facts, floors=facts.floors[1:])
    with pytest.raises(ValueError, match=r"digests, .* must be \[N\] = \[8\], not \[7, 8, 8\]"):
        replace(facts.images, digests=facts.images.digests[1:])
    others = (*facts.images.paths[:-1], facts.images.folder / "other.png")
    with pytest.raises(ValueError, match="contamination must list"):
        replace(facts, images=replace(facts.images, paths=others))
