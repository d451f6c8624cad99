from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from softcore_calibration.data.samples import find_samples
from softcore_calibration.data.score_cache import describe_scorer, open_cache
from softcore_calibration.data.scoring import Scoring, read_again, score_samples
from softcore_runtime import Inspector


def score(inspector: Inspector, *places: tuple[Path, bool | None], mask: bytes | None = None) -> Scoring:
    samples = find_samples(places)
    with open_cache(inspector, mask) as cache:
        return score_samples(inspector, samples, cache, samples.count)


@pytest.fixture
def inspector(tiny_bundle: Path) -> Inspector:
    return Inspector.load(tiny_bundle)


def test_scores_are_the_inspectors(inspector: Inspector, category: Path) -> None:
    found = score(inspector, (category, None))
    assert (len(found.good), len(found.bad), found.cached) == (40, 24, 0)
    for scored in (*found.good, *found.bad):
        inspection = inspector.inspect(cv2.imread(str(scored.path)))
        assert scored.score == inspection.score
        assert scored.spread == (inspection.patch_scores > 12).mean()


def test_a_second_time_nothing_is_inspected(
    inspector: Inspector, category: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = score(inspector, (category, None))
    monkeypatch.setattr(Inspector, "inspect", None)
    again = score(inspector, (category, None))
    assert again.cached == 64
    assert [s.score for s in again.good + again.bad] == [s.score for s in first.good + first.bad]
    for one, other in zip(first.good, again.good, strict=True):
        np.testing.assert_array_equal(one.thumbnail, other.thumbnail)


def test_a_changed_image_is_scored_anew(inspector: Inspector, category: Path, tmp_path: Path) -> None:
    own = Path(shutil.copytree(category, tmp_path / "own"))
    score(inspector, (own, None))
    shutil.copy(own / "test" / "spot" / "023.png", own / "test" / "good" / "000.png")
    found = score(inspector, (own / "test" / "good", False))
    assert found.cached == 40  # by content: the other kind's image is known, too
    assert found.good[0].score == max(s.score for s in found.good)


def test_whatever_changes_a_score_changes_the_scorer(inspector: Inspector, tiny_bundle: Path) -> None:
    seen = {describe_scorer(inspector, None), describe_scorer(inspector, b"mask")}
    threshold = inspector.manifest.threshold
    inspector.override_threshold(threshold.model_copy(update={"min_area": 7}))
    seen.add(describe_scorer(inspector, None))
    seen.add(describe_scorer(Inspector.load(tiny_bundle, engine="openvino"), None))
    assert len(seen) == 4


def test_without_a_place_to_keep_scores_it_works_all_the_same(
    inspector: Inspector, category: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert score(inspector, (category, None)).cached == 0
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "spoiled"))
    (tmp_path / "spoiled" / "softcore").mkdir(parents=True)
    (tmp_path / "spoiled" / "softcore" / "scores.sqlite").write_bytes(b"text" * 1000)
    assert len(score(inspector, (category, None)).good) == 40


def test_what_does_not_count_is_put_down(inspector: Inspector, category: Path, tmp_path: Path) -> None:
    good = tmp_path / "good"
    good.mkdir()
    shutil.copy(category / "test" / "good" / "000.png", good / "a.png")
    shutil.copy(category / "test" / "good" / "000.png", good / "b.png")
    shutil.copy(category / "test" / "spot" / "000.png", good / "c.png")
    (good / "d.png").write_text("text")
    cv2.imwrite(str(good / "e.png"), np.zeros((4, 4, 3), np.uint8))
    found = score(inspector, (good, False), (category / "test" / "spot", True))
    assert [s.path.name for s in found.good] == ["a.png", "c.png"]
    assert len(found.bad) == 23
    assert found.repeated == [str(good / "b.png")]
    assert found.contradicted == [str(category / "test" / "spot" / "000.png")]
    assert [line.split("good/")[1] for line in found.unread] == [
        "d.png: not an image, or a damaged one",
        "e.png: a frame of 4 x 4 pixels is too small (at least 8)",
    ]


def test_the_same_pixels_in_another_file_do_not_count(
    inspector: Inspector, category: Path, tmp_path: Path
) -> None:
    own = tmp_path / "own"
    own.mkdir()
    for number in (0, 1):
        image = cv2.imread(str(category / "test" / "good" / f"00{number}.png"))
        for name in (f"{number}.bmp", f"{number}.png"):
            assert cv2.imwrite(str(own / name), image)
    for _ in range(2):  # scored, then from the cache
        found = score(inspector, (own, False))
        assert [s.path.name for s in found.good] == ["0.bmp", "1.bmp"]
        assert found.repeated == [str(own / "0.png"), str(own / "1.png")]
    given = find_samples([(own / "0.bmp", False), (own / "0.png", True), (own / "0.bmp", False)])
    with open_cache(inspector, None) as cache:
        found = score_samples(inspector, given, cache)
    assert [s.path.name for s in found.good] == ["0.bmp"]
    assert (found.bad, found.contradicted, found.repeated) == ([], [str(own / "0.png")], [str(own / "0.bmp")])


def test_images_can_be_read_again(inspector: Inspector, recordings: Path, tmp_path: Path) -> None:
    shutil.copy(recordings / "pill.avi", tmp_path / "a#1.avi")
    found = score(inspector, (tmp_path / "a#1.avi", True))
    samples = find_samples([(tmp_path / "a#1.avi", True)])
    for scored, sample in zip(found.bad, samples, strict=True):
        image = read_again(scored)
        assert image is not None
        np.testing.assert_array_equal(image, sample.read())
    (tmp_path / "a#1.avi").unlink()
    assert read_again(found.bad[0]) is None
