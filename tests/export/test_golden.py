from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from softcore_export.golden import choose_golden


def write(folder: Path, sizes: list[tuple[int, int]]) -> list[Path]:
    rng = np.random.default_rng(0)
    paths = [folder / f"{number}.png" for number in range(len(sizes))]
    for path, size in zip(paths, sizes, strict=True):
        assert cv2.imwrite(str(path), rng.integers(60, 120, (*size, 3), dtype=np.uint8))
    return paths


def test_the_lowest_and_the_median_are_chosen(tmp_path: Path) -> None:
    paths = write(tmp_path, [(30, 50)] * 5)
    golden = choose_golden(paths, np.array([4.0, 2.0, 1.0, 3.0, 9.0]))
    assert sorted(golden) == ["plain", "spoiled", "typical"]
    np.testing.assert_array_equal(golden["plain"], cv2.imread(str(paths[2])))
    np.testing.assert_array_equal(golden["typical"], cv2.imread(str(paths[3])))


@pytest.mark.parametrize("size", [(30, 50), (200, 100), (8, 8)])
def test_the_middle_of_the_spoiled_one_is_chequered(tmp_path: Path, size: tuple[int, int]) -> None:
    golden = choose_golden(write(tmp_path, [size] * 3), np.arange(3.0))
    changed = (golden["spoiled"] != golden["typical"]).any(axis=2)
    rows, columns = np.nonzero(changed)
    side = max(2, min(size) // 6)
    assert changed.sum() == side**2  # no grey value of these pictures is black or white
    assert abs(rows.mean() + 0.5 - size[0] / 2) <= 0.5
    assert abs(columns.mean() + 0.5 - size[1] / 2) <= 0.5
    assert set(np.unique(golden["spoiled"][changed])) <= {0, 255}
    if side > 2:
        assert 0.4 < (golden["spoiled"][changed] == 255).mean() < 0.6


def test_a_large_frame_is_shrunk(tmp_path: Path) -> None:
    golden = choose_golden(write(tmp_path, [(1500, 2500)]), np.zeros(1))
    assert golden["typical"].shape == (614, 1024, 3)
    assert golden["plain"].shape == golden["spoiled"].shape == (614, 1024, 3)
    assert golden["plain"].mean() == pytest.approx(89.5, abs=1)
    assert golden["plain"].std() < 12  # averaged, not picked: 17 before
