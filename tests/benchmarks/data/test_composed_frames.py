from __future__ import annotations

import cv2
import numpy as np
import pytest
from softcore_benchmarks.data.composed_frames import (
    DEFECT,
    SIZE,
    compose_tray,
    cut_chips,
    draw_blob,
    join_tiles,
    paste_chip,
)


def draw_part(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    part = np.full((512, 512, 3), 20, np.float64)
    cv2.circle(part, (256, 256), 200, (120, 120, 120), -1)
    return np.clip(part + rng.normal(0, 3, part.shape), 0, 255).astype(np.uint8)


PARTS = [draw_part(seed) for seed in range(3)]


@pytest.fixture(scope="module")
def tray() -> np.ndarray:
    return compose_tray(PARTS, np.random.default_rng(0))


def test_a_tray_has_48_parts_and_a_cameras_noise(tray: np.ndarray) -> None:
    assert tray.shape == (*SIZE, 3)
    middles = tray.reshape(6, 500, 8, 500, 3)[:, 200:300, :, 200:300]
    assert (middles.mean((1, 3)).min(), middles.mean((1, 3)).max()) == (
        pytest.approx(110, abs=12),
        pytest.approx(120, abs=12),
    )
    assert tray[240:260, 240:260].astype(float).std() > 2


def test_a_blob_takes_a_tenth_of_the_light_of_a_small_disc(tray: np.ndarray) -> None:
    spoiled = draw_blob(tray, np.random.default_rng(3))
    changed = np.argwhere((spoiled != tray).any(axis=2))
    assert (np.ptp(changed, axis=0) < DEFECT + 12).all()
    y, x = changed.mean(axis=0).round().astype(int)
    inner = np.s_[y - 4 : y + 4, x - 4 : x + 4]
    assert spoiled[inner].mean() / tray[inner].mean() == pytest.approx(0.9, abs=0.03)


def test_a_chip_is_pasted_on_a_part(tray: np.ndarray) -> None:
    chip = np.full((DEFECT, DEFECT, 3), 250, np.uint8)
    spoiled = paste_chip(tray, chip, np.random.default_rng(3))
    changed = np.argwhere((spoiled != tray).any(axis=2))
    assert (np.ptp(changed, axis=0) < DEFECT).all()
    y, x = changed.mean(axis=0).round().astype(int)
    assert spoiled[y, x].min() > 220
    assert 60 < np.median(tray[y - 40 : y + 40, x - 40 : x + 40]) < 160  # in the middle of a part


def test_a_chip_is_cut_out_where_the_part_differs() -> None:
    bad = PARTS[0].copy()
    cv2.circle(bad, (340, 200), 40, (230, 230, 230), -1)
    (chip,) = cut_chips(PARTS, [bad])
    assert chip.shape == (DEFECT, DEFECT, 3)
    assert chip[8:12, 8:12].mean() > 200


def test_tiles_are_joined_as_squares() -> None:
    tiles = [np.full((30, 50, 3), 40 * number, np.uint8) for number in range(4)]
    joined = join_tiles(tiles, 16)
    assert joined.shape == (16, 64, 3)
    np.testing.assert_array_equal(joined[0, ::16, 0], [0, 40, 80, 120])
