from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from softcore_export.acceptance.golden_frames import CLEAR, choose_golden, spoil


def write(folder: Path, sizes: list[tuple[int, int]]) -> list[Path]:
    rng = np.random.default_rng(0)
    paths = [folder / f"{number}.png" for number in range(len(sizes))]
    for path, size in zip(paths, sizes, strict=True):
        assert cv2.imwrite(str(path), rng.integers(60, 120, (*size, 3), dtype=np.uint8))
    return paths


def bright(frame: np.ndarray) -> float:
    return float(frame.mean())


def test_the_lowest_and_the_median_are_chosen(tmp_path: Path) -> None:
    paths = write(tmp_path, [(30, 50)] * 5)
    golden = choose_golden(paths, np.array([4.0, 2.0, 1.0, 3.0, 9.0]), bright, 0)
    assert list(golden.frames) == list(golden.scores) == ["plain", "spoiled", "typical"]
    np.testing.assert_array_equal(golden.frames["plain"], cv2.imread(str(paths[2])))
    np.testing.assert_array_equal(golden.frames["typical"], cv2.imread(str(paths[3])))


@pytest.mark.parametrize("measure", [bright, lambda frame: float(frame.std())])
def test_the_spoiled_one_scores_highest(tmp_path: Path, measure: Callable[[np.ndarray], float]) -> None:
    """Whatever a network takes for a defect: a small square alone once scored 3.52 at a threshold of 3.69."""
    golden = choose_golden(write(tmp_path, [(30, 50)] * 3), np.arange(3.0), measure, -1000)
    assert golden.note is None
    assert golden.scores == {name: measure(frame) for name, frame in golden.frames.items()}
    assert golden.scores["spoiled"] == max(measure(frame) for frame in spoil(golden.frames["typical"]))
    assert golden.scores["spoiled"] > golden.scores["typical"]


def test_that_none_is_sure_to_fail_is_said(tmp_path: Path) -> None:
    """A score just above the threshold may be just below it on another machine."""
    paths = write(tmp_path, [(30, 50)] * 3)
    highest = choose_golden(paths, np.arange(3.0), bright, 1).scores["spoiled"]
    for threshold, said in ((highest / CLEAR * 0.999, False), (highest / CLEAR * 1.001, True)):
        note = choose_golden(paths, np.arange(3.0), bright, threshold).note
        if said:
            assert note == (
                "of 9 ways to spoil a training image none makes it fail for sure: the highest score is "
                f"{highest:.6g}, the threshold {threshold:.6g}"
            )
        else:
            assert note is None


@pytest.mark.parametrize("size", [(30, 50), (200, 100), (8, 8), (1, 1)])
def test_the_middle_is_chequered_first(tmp_path: Path, size: tuple[int, int]) -> None:
    frame = cv2.imread(str(write(tmp_path, [size])[0]))
    before = frame.copy()
    spoiled = list(spoil(frame))
    np.testing.assert_array_equal(frame, before)
    assert {one.shape for one in spoiled} == {frame.shape}
    assert {one.dtype for one in spoiled} == {np.dtype(np.uint8)}
    changed = (spoiled[0] != frame).any(axis=2)
    rows, columns = np.nonzero(changed)
    side = min(*size, max(2, round(min(size) / 6)))
    assert changed.sum() == side**2  # no grey value of these images is black or white
    assert abs(rows.mean() + 0.5 - size[0] / 2) <= 0.5
    assert abs(columns.mean() + 0.5 - size[1] / 2) <= 0.5
    assert set(np.unique(spoiled[0][changed])) <= {0, 255}
    if side > 2:
        assert 0.4 < (spoiled[0][changed] == 255).mean() < 0.6
    assert (spoiled[3][:, : size[1]] != frame).mean() > 0.4


def test_a_large_frame_is_shrunk(tmp_path: Path) -> None:
    golden = choose_golden(write(tmp_path, [(1500, 2500)]), np.zeros(1), bright, 0).frames
    assert golden["typical"].shape == (614, 1024, 3)
    assert golden["plain"].shape == golden["spoiled"].shape == (614, 1024, 3)
    assert golden["plain"].mean() == pytest.approx(89.5, abs=1)
    assert golden["plain"].std() < 12  # averaged, not picked: 17 before
