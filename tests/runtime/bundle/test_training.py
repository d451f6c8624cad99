from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import laplace
from softcore_runtime.bundle.training import (
    SCORES,
    STATISTICS,
    Training,
    draw_thumbnail,
    measure_image_statistics,
    read_training,
    write_training,
)
from softcore_runtime.errors import BundleCorruptError, FrameError


def test_it_comes_back_as_it_was(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    training = Training(rng.random(5), rng.integers(0, 256, (7, 32, 32), dtype=np.uint8), rng.random((7, 3)))
    write_training(tmp_path, training)
    found = read_training(tmp_path)
    np.testing.assert_array_equal(found.scores, training.scores)
    np.testing.assert_array_equal(found.thumbnails, training.thumbnails)
    np.testing.assert_array_equal(found.image_statistics, training.image_statistics)


def test_a_thumbnail_is_the_mean_of_each_cell() -> None:
    frame = np.random.default_rng(1).integers(0, 256, (224, 224, 3), dtype=np.uint8)
    grey = np.asarray(Image.fromarray(frame[:, :, ::-1]).convert("L"), np.float64)
    expected = grey.reshape(32, 7, 32, 7).mean(axis=(1, 3))
    assert np.abs(draw_thumbnail(frame) - expected).max() <= 1.5  # grey is rounded


def test_a_lossy_copy_stays_much_nearer_than_another_part(draw_part: np.ndarray) -> None:
    one, other = draw_part
    copy = cv2.imdecode(cv2.imencode(".jpg", one, [cv2.IMWRITE_JPEG_QUALITY, 80])[1], cv2.IMREAD_COLOR)
    seen = draw_thumbnail(one).astype(float)
    near = np.linalg.norm(draw_thumbnail(np.asarray(copy)) - seen)
    assert near < 0.2 * np.linalg.norm(draw_thumbnail(other) - seen)


@pytest.fixture
def draw_part() -> np.ndarray:
    rng = np.random.default_rng(2)
    y, x = np.mgrid[:224, :224]
    parts = [100 + 40 * np.sin((x + shift) / 20) + 40 * np.cos(y / 30) for shift in (0, 3)]
    noisy = np.stack(parts)[..., None] + rng.normal(0, 5, (2, 224, 224, 3))
    return np.clip(noisy, 0, 255).astype(np.uint8)


@pytest.mark.parametrize(
    "array", [np.zeros(3, np.float32), np.zeros((3, 1)), np.array([np.nan]), np.array(["a"])]
)
def test_other_things_are_refused(tmp_path: Path, array: np.ndarray) -> None:
    write_training(tmp_path, Training(np.zeros(3), np.zeros((3, 32, 32), np.uint8), np.zeros((3, 3))))
    np.save(tmp_path / SCORES, array)
    with pytest.raises(BundleCorruptError, match=r"training: scores must"):
        read_training(tmp_path)


@pytest.mark.parametrize("array", [np.zeros((3, 2)), np.zeros((2, 3)), np.full((3, 3), np.inf)])
def test_image_statistics_belong_to_the_images(tmp_path: Path, array: np.ndarray) -> None:
    write_training(tmp_path, Training(np.zeros(3), np.zeros((3, 32, 32), np.uint8), np.zeros((3, 3))))
    np.save(tmp_path / STATISTICS, array)
    with pytest.raises(BundleCorruptError, match="image statistics must be finite float64"):
        read_training(tmp_path)


def test_image_statistics_are_brightness_contrast_and_sharpness() -> None:
    frame = np.random.default_rng(3).integers(0, 256, (120, 200, 3), dtype=np.uint8)
    grey = np.asarray(Image.fromarray(frame[:, :, ::-1]).convert("L"), np.float64)
    edges = laplace(grey, mode="mirror")
    np.testing.assert_allclose(
        measure_image_statistics(frame), [grey.mean(), grey.std(), edges.std()], rtol=5e-3
    )
    one = np.full((3000, 2000, 3), 77, np.uint8)
    np.testing.assert_array_equal(measure_image_statistics(one), [77, 0, 0])
    np.testing.assert_allclose(
        measure_image_statistics(frame[:, :, 0]),
        measure_image_statistics(np.repeat(frame[:, :, :1], 3, axis=2)),
    )


@pytest.mark.parametrize("side", [200, 900, 3000])
def test_a_blurred_frame_is_less_sharp_at_any_size(side: int) -> None:
    y, x = np.mgrid[:side, :side] * (200 / side)
    rng = np.random.default_rng(4)
    sharp = 100 + 60 * (np.sin(x) * np.cos(y) > 0) + rng.normal(0, 3, (side, side))
    frame = np.repeat(np.clip(sharp, 0, 255).astype(np.uint8)[:, :, None], 3, axis=2)
    blurred = cv2.GaussianBlur(frame, (0, 0), side / 60)
    assert measure_image_statistics(np.asarray(blurred))[2] < 0.3 * measure_image_statistics(frame)[2]


@pytest.mark.parametrize(("height", "width"), [(600, 1100), (523, 1300), (2590, 1943)])
def test_a_look_is_of_every_so_manieth_pixel(height: int, width: int) -> None:
    frame = np.random.default_rng(5).integers(0, 256, (height, width, 3), dtype=np.uint8)
    step = min(height, width) // 256
    thin = frame[::step, ::step][: height // step, : width // step]
    for image, part in (
        (frame, thin),
        (frame[:, :, ::-1], thin[:, :, ::-1]),
        (frame[:, :, 0], thin[:, :, 0]),
    ):
        np.testing.assert_array_equal(measure_image_statistics(image), measure_image_statistics(part.copy()))
    deep = (frame.astype(np.uint16) << 8) | frame
    np.testing.assert_array_equal(measure_image_statistics(deep), measure_image_statistics(thin))


@pytest.mark.parametrize(
    "frame",
    [np.zeros((600, 600), np.float32), np.zeros((600, 600), np.int64), np.zeros((600, 600, 5), np.uint8)],
)
def test_what_is_no_image_has_no_look(frame: np.ndarray) -> None:
    with pytest.raises(FrameError, match="a frame must be"):
        measure_image_statistics(frame)
