from __future__ import annotations

import numpy as np
import pytest
from softcore_runtime import Preprocessing, UsageError
from softcore_runtime.images.mask import check_mask, find_ignored

PREPROCESSING = Preprocessing(resize=64, crop=64)


def paint(height: int, width: int, rows: slice, columns: slice) -> np.ndarray:
    mask = np.zeros((height, width, 3), np.uint8)
    mask[rows, columns] = 255
    return mask


@pytest.mark.parametrize("scale", [1, 3, 10])
def test_a_patch_is_left_out_where_most_of_it_is_white(scale: int) -> None:
    mask = paint(64 * scale, 64 * scale, slice(0, 20 * scale), slice(16 * scale, 31 * scale))
    ignored = find_ignored(mask, PREPROCESSING, (8, 8)).reshape(8, 8)
    expected = np.zeros((8, 8), bool)
    expected[:2, 2:4] = True  # of the third row half is white, which is not most
    np.testing.assert_array_equal(ignored, expected)


def test_it_lies_over_frames_as_the_crop_does() -> None:
    """Squeezed as an oblong frame is; what lies outside the crop counts for nothing."""
    mask = paint(200, 400, slice(0, 200), slice(0, 200))
    ignored = find_ignored(mask, Preprocessing(resize=80, crop=64), (8, 8)).reshape(8, 8)
    assert ignored[:, :4].all()
    assert not ignored[:, 4:].any()
    edge = paint(80, 80, slice(0, 8), slice(0, 80))
    assert not find_ignored(edge, Preprocessing(resize=80, crop=64), (8, 8)).any()


def test_one_that_leaves_nothing_is_refused() -> None:
    with pytest.raises(UsageError, match="leaves nothing to inspect: white is what it leaves out"):
        find_ignored(np.full((64, 64, 3), 255, np.uint8), PREPROCESSING, (8, 8))


@pytest.mark.parametrize(
    ("bright", "said"),
    [
        (0, "^the mask leaves nothing out; its brightest value is 0, white is 255$"),
        (1, "its brightest value is 1, white is 255"),  # a mask of classes, not of grey levels
        (127, "its brightest value is 127"),
        (255, "its white covers no patch by more than half within the inspected crop"),
    ],
)
def test_one_that_leaves_nothing_out_is_refused(bright: int, said: str) -> None:
    """Of 255 it is too small a spot."""
    mask = np.zeros((64, 64, 3), np.uint8)
    mask[10:13, 10:13] = bright
    with pytest.raises(UsageError, match=said):
        check_mask(mask, PREPROCESSING, (8, 8))
    mask[8:16, 8:16] = 255
    check_mask(mask, PREPROCESSING, (8, 8))


def test_one_that_leaves_all_out_is_refused_as_well() -> None:
    with pytest.raises(UsageError, match="leaves nothing to inspect"):
        check_mask(np.full((64, 64, 3), 255, np.uint8), PREPROCESSING, (8, 8))
