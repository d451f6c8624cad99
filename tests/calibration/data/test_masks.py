from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from softcore_calibration.data.masks import draw_truth, find_mask


def write(path: Path, image: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(cv2.imencode(path.suffix, image)[1].tobytes())
    return path


@pytest.mark.parametrize(
    "mask",
    [
        "test/crack/000_mask.png", "test/crack/000_GT.bmp", "ground_truth/crack/000_mask.png",
        "ground_truth/crack/000.png",
        "masks/test/crack/000.png",
    ],
)  # fmt: skip
def test_a_mask_is_found(tmp_path: Path, mask: str) -> None:
    image = write(tmp_path / "test" / "crack" / "000.png", np.zeros((8, 8), np.uint8))
    assert find_mask(image) is None
    truth = write(tmp_path / mask, np.zeros((8, 8), np.uint8))
    assert find_mask(image) == truth


def test_another_image_is_no_mask(tmp_path: Path) -> None:
    image = write(tmp_path / "test" / "crack" / "000.png", np.zeros((8, 8), np.uint8))
    write(tmp_path / "test" / "crack" / "0001.png", np.zeros((8, 8), np.uint8))
    write(tmp_path / "ground_truth" / "spot" / "000_mask.png", np.zeros((8, 8), np.uint8))
    assert find_mask(image) is None


def test_the_defect_is_outlined(tmp_path: Path) -> None:
    frame = np.full((64, 96, 3), 100, np.uint8)
    truth = np.zeros((32, 48), np.uint8)
    truth[8:16, 8:16] = 255
    drawn = draw_truth(frame, write(tmp_path / "mask.png", truth))
    green = (drawn[:, :, 1].astype(int) - drawn[:, :, 0]) > 60
    assert green[16:32, 16].any()
    assert not green[40:].any()
    assert (frame == 100).all()


@pytest.mark.parametrize("size", [(32, 32), (0, 0)])
def test_a_mask_that_fits_not_or_is_none_outlines_nothing(tmp_path: Path, size: tuple[int, int]) -> None:
    frame = np.full((64, 96, 3), 100, np.uint8)
    path = tmp_path / "mask.png"
    path.write_bytes(b"no image") if size == (0, 0) else write(path, np.full(size, 255, np.uint8))
    assert (draw_truth(frame, path) == frame).all()
