from __future__ import annotations

import copy
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from softcore_export import preparation
from softcore_export.acceptance import precision
from softcore_export.acceptance.agreement import AgreementError
from softcore_export.contamination.choices import Choice, Choices, choices_path, read_choices
from softcore_export.data.dataset import TrainingImages
from softcore_export.export import Export, PreparedExport, prepare
from softcore_export.review.image_card import ImageCard
from softcore_export.review.review_session import LookAgain, ReviewSession
from softcore_export.settings import ExportSettings
from softcore_export.windows.drawn_region import DrawnPolygon, DrawnRegion
from softcore_export.windows.window_request import WindowRequest
from softcore_runtime.errors import UsageError

BAD = 5  # 05.png has a defect


@dataclass
class Review:
    """A session that has exported once, its images by their rows."""

    prepared: PreparedExport
    target: Path
    exports: list[Export] = field(default_factory=list)
    look_again: LookAgain | None = None

    def __post_init__(self) -> None:
        self.session = ReviewSession(
            self.prepared, self.target, Choices(), self.exports.append, self.look_again
        )
        self.session.export()

    def choose(self, row: int, choice: Choice | None) -> ImageCard:
        self.session.choose([self.prepared.images.digests[row]], choice)
        return self.card(row)

    def card(self, row: int) -> ImageCard:
        return self.session.card(self.prepared.images.digests[row])

    def origins(self, row: int) -> set[tuple[int, int]]:
        """Row and column of the bank's entries from an image."""
        origins = np.load(self.target / "origins.npy")
        return {(int(r), int(c)) for image, r, c in origins if image == row}


@pytest.fixture
def review(prepared: PreparedExport, target: Path) -> Review:
    return Review(prepared, target)


def test_keep_brings_the_suspect_patches_back(review: Review) -> None:
    marks = set(review.card(BAD).marks)
    assert marks
    assert not review.origins(BAD) & marks
    assert review.choose(BAD, Choice(action="keep")).pending
    before = review.session.state()
    review.session.export()
    after = review.session.state()
    assert review.origins(BAD) & marks
    card = review.card(BAD)
    assert (card.did, card.pending) == ("used all of it", False)
    assert len(review.exports) == 2
    assert (before.pending, after.pending) == (1, 0)
    assert (before.exports, after.exports) == (1, 2)
    thresholds = [f"{done.manifest.threshold.value:.4g}" for done in review.exports]
    assert thresholds[0] != thresholds[1]
    assert f"Decision threshold {thresholds[0]} → {thresholds[1]}." in after.outcome
    assert after.threshold == thresholds[1]
    assert "Excluded now: nothing (before: " in after.outcome


def test_exclude_takes_all_of_an_image_out(review: Review) -> None:
    assert review.origins(2)
    review.choose(2, Choice(action="exclude"))
    review.session.export()
    assert review.card(2).did == "excluded all of it"
    assert not review.origins(2)
    first, second = (done.kept for done in review.exports)
    assert not second[2].any()
    np.testing.assert_array_equal(np.delete(second, 2, 0), np.delete(first, 2, 0))
    assert review.session.state().excluded.startswith("1 image and ")


def test_exclude_patches_takes_just_the_marked_out(review: Review) -> None:
    marked = [*sorted(review.origins(2))[:3], (7, 7)]
    card = review.choose(2, Choice(action="exclude patches", grid=(8, 8), patches=tuple(marked)))
    assert card.marks == sorted(marked)
    review.session.export()
    assert not review.origins(2) & set(marked)
    expected = review.exports[0].kept.copy()
    for row, column in marked:
        expected[2, 8 * row + column] = False
    np.testing.assert_array_equal(review.exports[1].kept, expected)


def test_a_choice_taken_back_leaves_no_trace(review: Review) -> None:
    first = (review.target / "origins.npy").read_bytes()
    review.choose(2, Choice(action="exclude"))
    review.session.export()
    assert (review.target / "origins.npy").read_bytes() != first
    assert review.choose(2, None).pending  # the bundle still follows it
    assert review.choose(3, None).choice is None  # there was none
    review.session.export()
    assert (review.target / "origins.npy").read_bytes() == first


@pytest.mark.usefixtures("quick_network")
def test_features_are_computed_once(
    discs: Path, small: ExportSettings, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []
    for name in ("open_chosen", "KnownFeatures", "estimate_contamination"):
        real = getattr(preparation, name)

        def spy(*given: Any, _real: Any = real, _name: str = name, **named: Any) -> Any:
            calls.append(_name)
            return _real(*given, **named)

        monkeypatch.setattr(preparation, name, spy)
    with prepare(TrainingImages.find(discs / "disc"), target, small) as prepared:
        review = Review(prepared, target)
        review.choose(2, Choice(action="exclude"))
        review.session.export()
        review.choose(BAD, Choice(action="keep"))
        review.session.export()
    assert len(review.exports) == 3
    assert calls == ["open_chosen", "KnownFeatures", "estimate_contamination"]


def test_a_precision_that_decides_otherwise_is_given_up_once_and_for_all(
    prepared: PreparedExport,
    target: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The review ended with the error, where an export without it went on in FP32."""
    compared = []

    def disagree(*_arguments: object) -> None:
        compared.append(1)
        raise AgreementError("9 of 12 held-back images are decided otherwise than in FP32; export otherwise")

    monkeypatch.setattr(precision, "check_agreement", disagree)
    fast = copy.copy(prepared.network.backbone)
    fast.precision = "bf16"
    chosen = replace(
        prepared,
        settings=prepared.settings.model_copy(update={"precision": "auto"}),
        network=replace(prepared.network, backbone=fast, plain=prepared.network.backbone),
        plain_features=prepared.features,
    )
    review = Review(chosen, target)
    warning = (
        "warning: the bundle is in fp32, which is slower, and not in bf16: 9 of 12 held-back images are "
        "decided otherwise than in FP32"
    )
    assert [line for line in capsys.readouterr().err.splitlines() if "warning" in line] == [warning]
    assert review.exports[0].manifest.backbone.precision == "fp32"
    review.choose(BAD, Choice(action="keep"))
    review.session.export()
    assert "warning" not in capsys.readouterr().err
    assert (len(review.exports), len(compared)) == (2, 1)


def draw(*corners: tuple[float, float]) -> DrawnRegion:
    return DrawnRegion(polygons=(DrawnPolygon(action="inspect", corners=corners),))


@pytest.fixture
def region_review(discs: Path, small: ExportSettings, prepared: PreparedExport, target: Path) -> Review:
    """A review that looks at the images again when a region is drawn."""
    images = TrainingImages.find(discs / "disc")

    def look_again(region: DrawnRegion) -> AbstractContextManager[PreparedExport]:
        windows = WindowRequest(drawn=region)
        settings = small.model_copy(update={"discriminator": "auto", "windows": windows})
        return prepare(images, target, settings)

    return Review(prepared, target, look_again=look_again)


@pytest.mark.usefixtures("quick_network")
def test_a_drawn_region_is_looked_at_again_and_once(region_review: Review) -> None:
    review, session = region_review, region_review.session
    origins = review.origins(2)
    assert (session.state().region, session.state().looks) == ("the whole frame", 1)
    marked = Choice(action="exclude patches", grid=(8, 8), patches=((0, 0), (2, 6)))
    review.choose(2, marked)
    session.draw(draw((0.5, 0), (1, 0), (1, 0.5), (0.5, 0.5)))
    state = session.state()
    assert (state.region, state.region_pending, state.pending) == ("25 % of the frame, by 1 polygon", True, 2)
    session.export()
    state = session.state()
    assert (state.region_pending, state.pending, state.looks, state.looking) == (False, 0, 2, False)
    assert review.exports[-1].manifest.preprocessing.region.x == pytest.approx(0.5, abs=0.02)
    # What was marked before is out at its place: the first patch isn't inspected, the other lies elsewhere.
    out = np.argwhere(~review.exports[-1].kept[2].reshape(8, 8))
    assert (out.min(axis=0).tolist(), out.max(axis=0).tolist()) == ([4, 3], [6, 5])

    session.export()  # by the same features
    assert session.state().looks == 2
    session.draw(DrawnRegion())  # the whole frame again
    review.choose(2, None)
    session.export()
    assert session.state().looks == 3
    assert review.origins(2) == origins
    session.close()
    assert [path.name for path in review.target.parent.iterdir() if path.is_dir()] == ["disc"]


@pytest.mark.usefixtures("quick_network")
def test_a_region_that_cannot_be_exported_changes_nothing(region_review: Review) -> None:
    session = region_review.session
    before = (region_review.target / "manifest.json").read_bytes()
    session.draw(draw((0, 0), (0.01, 0), (1, 1), (0.99, 1)))
    with pytest.raises(UsageError, match="the region is too thin"):
        session.export()
    state = session.state()
    assert (state.failed, state.looking, state.looks, state.running) == (True, False, 1, None)
    assert state.region_pending
    assert (region_review.target / "manifest.json").read_bytes() == before
    session.draw(DrawnRegion())
    session.export()
    assert not session.state().failed
    session.close()


def test_where_a_region_is_given_a_drawn_one_is_only_saved(review: Review) -> None:
    region = draw((0, 0), (1, 0), (1, 0.5))
    review.session.draw(region)
    assert (review.session.state().pending, review.session.follows_region) == (0, False)
    assert read_choices(choices_path(review.target)).region == region
    review.session.export()
    assert review.session.state().looks == 1
