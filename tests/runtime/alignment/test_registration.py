from __future__ import annotations

from pathlib import Path
from typing import Literal

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from softcore_runtime.alignment.alignment import Alignment, Registration
from softcore_runtime.alignment.registration import Aligner
from softcore_runtime.errors import AlignmentError
from softcore_runtime.images.image_file import find_images, read_image

Mode = Literal["translation", "rigid"]
PILLS = Path(__file__).parents[4] / "shared" / "data"


def draw(x: float = 0, y: float = 0, angle: float = 0, side: int = 384, seed: int = 0) -> np.ndarray:
    """Draw a part like no turned one of itself, moved and turned about the frame's centre."""
    image = np.full((side, side, 3), (60, 50, 40), np.uint8)
    unit = side / 384
    corners = np.array([[120, 140], [230, 130], [265, 190], [225, 255], [150, 240], [110, 210]]) * unit
    cv2.fillPoly(image, [corners.astype(np.int32)], (150, 170, 180), cv2.LINE_AA)
    place = (round(165 * unit), round(180 * unit))
    cv2.circle(image, place, round(18 * unit), (90, 90, 200), -1, cv2.LINE_AA)
    cv2.line(
        image, (round(190 * unit), round(200 * unit)), (round(235 * unit), round(220 * unit)), (40, 40, 40), 4
    )
    matrix = cv2.getRotationMatrix2D(((side - 1) / 2, (side - 1) / 2), angle, 1)
    matrix[:, 2] += (x, y)
    moved = cv2.warpAffine(image, matrix, (side, side), borderMode=cv2.BORDER_REPLICATE).astype(float)
    grain = np.random.default_rng(seed).normal(0, 4, moved.shape)
    return np.clip(moved + grain, 0, 255).astype(np.uint8)


def make(mode: Mode, reference: np.ndarray, floor: float = 0.5) -> Aligner:
    return Aligner(Alignment(mode=mode, floor=floor), reference)


RIGID, MOVED = make("rigid", draw()), make("translation", draw())


def assert_near(found: Registration, x: float, y: float, angle: float) -> None:
    assert abs(found.x - x) < 1.5
    assert abs(found.y - y) < 1.5
    assert abs((found.angle - angle + 180) % 360 - 180) < 3


@settings(max_examples=40, deadline=None)
@given(st.floats(-70, 70), st.floats(-70, 70), st.integers(1, 1000))
def test_a_moved_part_is_found(x: float, y: float, seed: int) -> None:
    frame = draw(x, y, seed=seed)
    for aligner in (MOVED, RIGID):
        found = aligner.align(frame).registration
        assert_near(found, x, y, 0)
        assert found.angle == 0  # it wasn't turned
        assert found.quality > 0.8


@settings(max_examples=40, deadline=None)
@given(st.floats(-50, 50), st.floats(-50, 50), st.floats(-180, 180), st.integers(1, 1000))
def test_a_turned_part_is_found(x: float, y: float, angle: float, seed: int) -> None:
    assert_near(RIGID.align(draw(x, y, angle, seed=seed)).registration, x, y, angle)


def test_the_aligned_frame_is_like_the_reference() -> None:
    reference, frame = draw(), draw(40, -25, 70, seed=1)
    aligned = RIGID.align(frame).image
    before, after = (np.abs(image.astype(int) - reference).mean() for image in (frame, aligned))
    assert after < 0.3 * before


@pytest.mark.parametrize("side", [96, 200, 768])
def test_frames_of_any_size_are_measured_in_their_own_pixels(side: int) -> None:
    scale = side / 384
    found = RIGID.align(draw(40 * scale, 20 * scale, 25, side)).registration
    assert abs(found.x - 40 * scale) < max(1.0, 1.5 * scale)
    assert abs(found.y - 20 * scale) < max(1.0, 1.5 * scale)
    assert abs(found.angle - 25) < 1.5


def test_oblong_frames() -> None:
    wide = np.hstack([draw(), np.full((384, 200, 3), (60, 50, 40), np.uint8)])
    found = make("rigid", wide).align(np.roll(wide, (20, 90), axis=(0, 1))).registration
    assert_near(found, 90, 20, 0)


def test_frames_of_other_depths_and_channels() -> None:
    grey = draw(30, 10)[:, :, 1]
    expected = RIGID.register(np.repeat(grey[:, :, None], 3, axis=2))[0]
    deep = (grey.astype(np.uint16) * 16).astype(np.uint16)
    for frame in (grey, grey[:, :, None], np.dstack([grey] * 4)):
        assert RIGID.align(frame).registration == expected
    assert RIGID.align(deep, white=4080).registration == expected


@pytest.mark.parametrize("gain", [0.5, 1.4])
def test_another_exposure_is_no_reason(gain: float) -> None:
    frame = np.clip(draw(30, 10).astype(float) * gain, 0, 255).astype(np.uint8)
    assert_near(RIGID.align(frame).registration, 30, 10, 0)


def test_a_defect_does_not_move_the_part() -> None:
    frame = draw(30, 10)
    cv2.circle(frame, (250, 160), 22, (60, 50, 40), -1)  # a chipped rim
    assert_near(RIGID.align(frame).registration, 30, 10, 0)


@pytest.mark.parametrize("mode", ["translation", "rigid"])
@pytest.mark.parametrize(
    "frame",
    [
        np.zeros((384, 384, 3), np.uint8),
        np.full((384, 384, 3), 255, np.uint8),
        np.clip(np.random.default_rng(0).normal(60, 4, (384, 384, 3)), 0, 255).astype(np.uint8),
        np.random.default_rng(0).integers(0, 256, (384, 384, 3), dtype=np.uint8),
        (255 * (np.indices((384, 384)) // 32 % 2).sum(axis=0) // 2).astype(np.uint8),
    ],
    ids=["black", "white", "empty", "noise", "chequered"],
)  # fmt: skip
def test_a_frame_without_the_part(mode: Mode, frame: np.ndarray) -> None:
    with pytest.raises(
        AlignmentError, match=r"not where it should be \(alignment quality -?0\.\d\d, at least 0.50"
    ):
        make(mode, draw()).align(frame)


def test_a_part_that_is_cut_off() -> None:
    """What isn't seen can't be inspected, and its place in the aligned frame shows background."""
    aligner = make("rigid", draw(), floor=0.2)
    with pytest.raises(AlignmentError, match=r"\d\d % of its edges are outside the frame"):
        aligner.align(draw(-190, 0))
    aligner.align(draw(-100, 0))


def test_a_reference_without_edges_aligns_nothing() -> None:
    with pytest.raises(AlignmentError):
        make("rigid", np.full((64, 64, 3), 90, np.uint8), floor=0.1).align(draw())


@pytest.mark.skipif(not PILLS.is_dir(), reason=f"needs the real images, which aren't published: {PILLS}")
@pytest.mark.parametrize("category", ["pill", "mvtec_pill"])
@pytest.mark.parametrize("distance", [10, 30, 80])
@pytest.mark.parametrize("angle", [0, 15])
def test_a_real_part_on_its_own_background(category: str, distance: int, angle: int) -> None:
    """Moved on a table that continues the image's own."""
    first, *others = (
        _widen(read_image(path)) for path in find_images(PILLS / category / "train" / "good")[:6]
    )
    aligner = make("rigid", first)
    side = first.shape[0]
    for number, image in enumerate(others):
        before = aligner.align(image).registration
        direction = 2 * np.pi * number / len(others)
        move = (distance * float(np.cos(direction)), distance * float(np.sin(direction)))
        matrix = cv2.getRotationMatrix2D(((side - 1) / 2, (side - 1) / 2), angle, 1)
        matrix[:, 2] += move
        frame = np.asarray(cv2.warpAffine(image, matrix, (side, side), borderMode=cv2.BORDER_REPLICATE))
        found = aligner.align(frame).registration
        expected = matrix @ [(side - 1) / 2 + before.x, (side - 1) / 2 + before.y, 1] - (side - 1) / 2
        assert (
            np.hypot(found.x - expected[0], found.y - expected[1]) < 6
        )  # round parts turn with what they have
        if category == "mvtec_pill":
            assert abs(found.angle - before.angle - angle) < 1


def _widen(image: np.ndarray) -> np.ndarray:
    for _ in range(2):
        image = np.asarray(cv2.copyMakeBorder(image, 32, 32, 32, 32, cv2.BORDER_REFLECT_101))
    return image
