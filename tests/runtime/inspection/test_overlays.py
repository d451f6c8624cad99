from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from softcore_runtime import Bound, Decision, InspectionResult, Inspector, Preprocessing, overlay
from softcore_runtime.inspection.overlays import colour, outline, split_overlay


def inspection_of(height: int, width: int, shares: np.ndarray, threshold: float = 2.0) -> InspectionResult:
    """An inspection whose patch scores are `shares` of the threshold."""
    scores = np.float32(threshold) * shares.astype(np.float32)
    score = float(scores.max())
    return InspectionResult(
        decision=Decision.FAIL if score > threshold else Decision.PASS,
        score=score,
        bound=Bound.EXACT,
        threshold=threshold,
        fail_above=threshold,
        patch_scores=scores,
        anomaly_map=np.zeros((224, 224), np.float32),
        window=Preprocessing().window(height, width),
        certified_by_hint=0,
        by_hnsw=0,
        exact=0,
        milliseconds=1.0,
        provider="cpu",
        seal="0" * 64,
    )


def panels(image: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Take an overlay apart: head line, frame, map."""
    width = image.shape[1] // 2
    bar = max(28, image.shape[1] // 20)
    return image[:bar], image[bar:, :width], image[bar:, width:]


@pytest.mark.parametrize(
    ("height", "width"), [(8, 8), (40, 600), (600, 40), (240, 320), (1080, 1920), (3000, 4000)]
)
def test_every_frame_comes_to_a_readable_size(height: int, width: int) -> None:
    frame = np.full((height, width, 3), 90, np.uint8)
    drawn = overlay(frame, inspection_of(height, width, np.zeros((28, 28))))
    assert drawn.dtype == np.uint8
    _, left, right = panels(drawn)
    assert left.shape == right.shape
    assert 320 <= max(left.shape[:2]) <= 1600
    assert left.shape[1] / left.shape[0] == pytest.approx(width / height, rel=0.1)


def test_the_region_above_the_threshold_is_outlined_where_it_lies() -> None:
    shares = np.zeros((28, 28))
    shares[4:8, 18:24] = 1.5
    frame = np.full((320, 320), 100, np.uint8)
    drawn = overlay(frame, inspection_of(320, 320, shares))
    _, left, right = panels(drawn)
    window = Preprocessing().window(320, 320)
    middle_x = round(window.x + window.width * 21 / 28)
    middle_y = round(window.y + window.height * 6 / 28)
    for panel in (left, right):
        rows, columns = np.nonzero((panel > 230).all(axis=2))
        assert rows.mean() == pytest.approx(middle_y, abs=4)
        assert columns.mean() == pytest.approx(middle_x, abs=4)
        assert np.ptp(columns) == pytest.approx(window.width * 6 / 28, rel=0.35)
    # Inside the outline, the frame is as it was and the map has colour.
    assert (left[middle_y, middle_x] == 100).all()
    assert np.ptp(right[middle_y, middle_x].astype(int)) > 40


def test_an_outline_stands_out_in_grey_on_any_ground() -> None:
    shares = np.zeros((28, 28))
    shares[10:16, 10:16] = 1.5
    for ground in (0, 128, 255):
        drawn = overlay(np.full((320, 320), ground, np.uint8), inspection_of(320, 320, shares))
        left = cv2.cvtColor(panels(drawn)[1], cv2.COLOR_BGR2GRAY).astype(int)
        assert np.ptp(left) > 200


def test_a_lone_patch_just_above_the_threshold_is_outlined() -> None:
    shares = np.full((28, 28), 0.1)
    shares[13, 13] = 1.001
    drawn = overlay(np.full((320, 320), 100, np.uint8), inspection_of(320, 320, shares))
    assert (panels(drawn)[1] > 200).all(axis=2).any()


def test_pass_and_fail_differ_in_word_shape_and_colour_but_a_pass_has_no_outline() -> None:
    frame = np.full((320, 320, 3), 100, np.uint8)
    passed = overlay(frame, inspection_of(320, 320, np.full((28, 28), 0.5)))
    failed = overlay(frame, inspection_of(320, 320, np.full((28, 28), 1.5)))
    assert (panels(passed)[1] == 100).all()
    green, red = panels(passed)[0][-2, -2], panels(failed)[0][-2, -2]
    assert green.argmax() == 1
    assert red.argmax() == 2
    words = [(panels(drawn)[0] > 200).all(axis=2) for drawn in (passed, failed)]
    assert (words[0] != words[1]).mean() > 0.01
    for word in words:  # nothing is cut off at the edges
        assert word.any()
        assert not word[[0, -1]].any()
        assert not word[:, [0, -1]].any()


def test_what_was_not_inspected_is_dark_in_the_map() -> None:
    drawn = overlay(np.full((320, 320, 3), 90, np.uint8), inspection_of(320, 320, np.full((28, 28), 0.5)))
    right = panels(drawn)[2]
    assert (right[3, 3] == 30).all()
    assert (right[160, 160] == 90).all()


def test_the_frame_stays_as_it_was(tiny_bundle: Path, bad_frame: np.ndarray) -> None:
    before = bad_frame.copy()
    inspection = Inspector.load(tiny_bundle).inspect(bad_frame)
    large = np.kron(bad_frame, np.ones((8, 8, 1), np.uint8))
    kept = large.copy()
    overlay(bad_frame, inspection)
    overlay(large, Inspector.load(tiny_bundle).inspect(large))
    np.testing.assert_array_equal(bad_frame, before)
    np.testing.assert_array_equal(large, kept)


def test_grey_and_16_bit_frames_are_drawn_like_their_8_bit_colour() -> None:
    grey = np.random.default_rng(0).integers(0, 256, (320, 320), np.uint8)
    inspection = inspection_of(320, 320, np.zeros((28, 28)))
    drawn = overlay(np.repeat(grey[:, :, None], 3, axis=2), inspection)
    np.testing.assert_array_equal(overlay(grey, inspection), drawn)
    np.testing.assert_array_equal(overlay(grey.astype(np.uint16) * 257, inspection), drawn)


@pytest.mark.parametrize(("height", "width"), [(40, 600), (240, 320), (3000, 4000)])
def test_its_panels_can_be_drawn_alone_and_taken_apart(height: int, width: int) -> None:
    shares = np.zeros((28, 28))
    shares[4:8, 18:24] = 1.5
    frame = np.random.default_rng(0).integers(60, 120, (height, width, 3), np.uint8)
    inspection = inspection_of(height, width, shares)
    alone = outline(frame, inspection), colour(frame, inspection)
    for one, other in zip(split_overlay(overlay(frame, inspection)), alone, strict=True):
        np.testing.assert_array_equal(one, other)
    small = outline(frame, inspection, 160), colour(frame, inspection, 160)
    for image in small:
        assert max(image.shape[:2]) == 160
        assert image.shape[1] / image.shape[0] == pytest.approx(width / height, rel=0.1)


def test_a_result_without_a_map_cannot_be_drawn(tiny_bundle: Path, good_frame: np.ndarray) -> None:
    decided = Inspector.load(tiny_bundle, self_test=False).decide(good_frame)
    for draw in (overlay, outline, colour):
        with pytest.raises(ValueError, match="no map to draw"):
            draw(good_frame, decided)
