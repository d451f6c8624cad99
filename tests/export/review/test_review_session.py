from __future__ import annotations

import copy
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from softcore_export import preparation
from softcore_export.acceptance import precision
from softcore_export.acceptance.agreement import AgreementError
from softcore_export.contamination.choices import Choice, Choices
from softcore_export.data.dataset import TrainingImages
from softcore_export.export import Export, PreparedExport, prepare
from softcore_export.review.review_session import ImageCard, ReviewSession
from softcore_export.settings import ExportSettings

BAD = 5  # 05.png has a defect


@dataclass
class Review:
    """A session that has exported once, its images by their rows."""

    prepared: PreparedExport
    target: Path
    exports: list[Export] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.session = ReviewSession(self.prepared, self.target, Choices(), self.exports.append)
        self.session.export()

    def choose(self, row: int, choice: Choice | None) -> ImageCard:
        self.session.choose(self.prepared.images.digests[row], choice)
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
    for name in ("open_chosen", "extract", "estimate_contamination"):
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
    assert calls == ["open_chosen", "extract", "estimate_contamination"]


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
