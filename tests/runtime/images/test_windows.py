from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from softcore_runtime.errors import FrameError
from softcore_runtime.images.mask import find_ignored
from softcore_runtime.images.preprocessing import Preprocessing, Window
from softcore_runtime.images.windows import Region, Size, Windows, choose_steps

CROP, SIDE = 32, 8  # a stride of 4 pixels


@st.composite
def layouts(draw: st.DrawFn) -> Windows:
    return Windows(
        frame=Size(width=100, height=100),
        rows=draw(st.integers(1, 4)),
        columns=draw(st.integers(1, 5)),
        down=4 * draw(st.integers(1, SIDE)),
        across=4 * draw(st.integers(1, SIDE)),
    )


def cell_means(crops: np.ndarray) -> np.ndarray:
    """A network that sees only the cell of each patch: float64 `[n, patches, 3]`."""
    n, side = len(crops), crops.shape[1] // 4
    return crops.reshape(n, side, 4, crops.shape[2] // 4, 4, 3).mean((2, 4)).reshape(n, -1, 3)


@given(layouts(), st.integers(0, 2**32 - 1))
def test_the_joined_grid_is_that_of_the_canvas(windows: Windows, seed: int) -> None:
    """A network that sees only a patch's cell gives the same in one window of the canvas's size."""
    canvas = np.random.default_rng(seed).integers(0, 256, (*windows.canvas(CROP), 3), np.uint8)
    features = cell_means(windows.cut(canvas, CROP)).reshape(-1, 3)
    height, width = windows.grid(CROP, SIDE)
    joined = features[windows.find_patches(CROP, SIDE)].reshape(height, width, 3)
    expected = canvas.reshape(height, 4, width, 4, 3).mean((1, 3))
    np.testing.assert_array_equal(joined, expected)


@given(layouts())
def test_each_patch_comes_from_where_it_lies_furthest_from_the_border(windows: Windows) -> None:
    """By brute force: no window that holds the patch shows more around it."""
    found = windows.find_patches(CROP, SIDE).reshape(windows.grid(CROP, SIDE))
    down, across = windows.down // 4, windows.across // 4
    for (row, column), patch in np.ndenumerate(found):
        window, place = divmod(int(patch), SIDE * SIDE)
        depths = {}
        for number in range(windows.count):
            y = row - down * (number // windows.columns)
            x = column - across * (number % windows.columns)
            if 0 <= y < SIDE and 0 <= x < SIDE:
                depths[number] = (min(y, SIDE - 1 - y), min(x, SIDE - 1 - x), y * SIDE + x)
        assert depths[window][2] == place
        assert depths[window][0] == max(depth[0] for depth in depths.values())
        assert depths[window][1] == max(depth[1] for depth in depths.values())


def test_patches_that_have_no_common_grid_are_refused() -> None:
    apart = Windows(frame=Size(width=2, height=1), columns=2, across=30)
    with pytest.raises(ValueError, match="no common grid"):
        apart.find_patches(CROP, SIDE)
    with pytest.raises(ValueError, match="no common grid"):
        Windows(frame=Size(width=2, height=1), columns=2, across=20).grid(30, 8)
    with pytest.raises(ValidationError, match=r"1,089 windows are more than 1,024"):
        Windows(frame=Size(width=2, height=1), rows=33, columns=33)


@given(st.floats(1, 20000), st.integers(1, 64), st.integers(1, 16), st.data())
def test_steps_cover_the_length_with_the_overlap(
    length: float, side: int, stride: int, data: st.DataObject
) -> None:
    crop = side * stride
    overlap = data.draw(st.integers(0, crop // 2))
    count, step = choose_steps(length, crop, overlap, stride)
    covered = (count - 1) * step + crop
    if count == 1:
        assert length <= crop + stride
        return
    assert step % stride == 0
    assert step <= crop
    assert step <= max(stride, crop - overlap)
    assert abs(covered - length) <= stride * count  # each step is rounded by half a stride at most, or cut
    if count > 2 and crop - overlap >= stride:  # one window less, as far apart as they may be, is too short
        assert (count - 2) * ((crop - overlap) // stride * stride) + crop < length + stride


@given(st.integers(8, 3000), st.integers(8, 3000), st.floats(0, 0.9), st.floats(0, 0.9), st.data())
def test_a_region_stays_inside(height: int, width: int, x: float, y: float, data: st.DataObject) -> None:
    region = Region(
        x=x, y=y, width=data.draw(st.floats(0.01, 1 - x)), height=data.draw(st.floats(0.01, 1 - y))
    )
    left, top, across, down = region.place(height, width)
    assert 0 <= left < left + across <= width
    assert 0 <= top < top + down <= height
    assert abs(left - x * width) <= 1
    assert abs(across - region.width * width) <= 1.5


def test_a_region_that_leaves_the_frame_is_refused() -> None:
    with pytest.raises(ValidationError, match="leaves the frame"):
        Region(x=0.5, width=0.6)


OBLONG = Windows(frame=Size(width=160, height=32), columns=6, across=24)
WIDE = Preprocessing(resize=CROP, crop=CROP, windows=OBLONG)


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def test_an_oblong_frame_keeps_its_aspect() -> None:
    frame = noise(32, 152, 3)
    assert WIDE.canvas == (32, 152)
    np.testing.assert_array_equal(WIDE.apply(frame), frame)
    crops = WIDE.cut(frame)
    assert crops.shape == (6, 32, 32, 3)
    for number, crop in enumerate(crops):
        np.testing.assert_array_equal(crop, frame[:, 24 * number : 24 * number + 32])
    np.testing.assert_array_equal(WIDE.split(WIDE.apply(frame)), crops)
    assert (WIDE.count, Preprocessing().count) == (6, 1)


def test_only_the_region_is_seen() -> None:
    """White exactly where `window` says: all of the canvas is white, and black where it says not."""
    region = Region(x=0.25, y=0.1, width=0.5, height=0.8)
    seen = Preprocessing(
        resize=32, crop=32, windows=Windows(frame=Size(width=200, height=100), region=region)
    )
    assert seen.window(100, 200) == Window(x=50, y=10, width=100, height=80)
    frame = np.zeros((100, 200), np.uint8)
    frame[10:90, 50:150] = 255
    assert (seen.apply(frame) == 255).all()
    assert (seen.apply(255 - frame) == 0).all()
    assert seen.window(200, 400) == Window(x=100, y=20, width=200, height=160)  # of a frame twice as large


def test_a_frame_of_another_shape_is_none_of_this_product() -> None:
    WIDE.apply(noise(32, 140, 3))
    WIDE.apply(noise(64, 320, 3))
    for shape in ((160, 32, 3), (64, 200, 3), (32, 32, 3)):
        with pytest.raises(FrameError, match=r"another shape than the training images of 160 x 32$"):
            WIDE.apply(noise(*shape))


def test_windows_leave_no_gaps_and_no_margin() -> None:
    with pytest.raises(ValidationError, match=r"windows of 16|greater than or equal to 32"):
        Preprocessing(resize=16, crop=16, windows=OBLONG)
    with pytest.raises(ValidationError, match="leave gaps"):
        Preprocessing(resize=32, crop=32, windows=OBLONG.model_copy(update={"across": 36}))
    with pytest.raises(ValidationError, match=r"with windows crop \(32\) must be resize \(36\)"):
        Preprocessing(resize=36, crop=32, windows=OBLONG)


def test_the_inspected_part_in_words() -> None:
    assert WIDE.describe() == "frame resized to 152 x 32, inspected in 6 windows of 32 pixels"
    region = OBLONG.model_copy(update={"region": Region(width=0.5), "columns": 1})
    assert (
        Preprocessing(resize=32, crop=32, windows=region).describe()
        == "region resized to 32 x 32, inspected in one window of 32 pixels"
    )


def test_a_mask_lies_on_the_joined_grid() -> None:
    mask = np.zeros((32, 152, 3), np.uint8)
    mask[8:16, 40:80] = 255
    ignored = find_ignored(mask, WIDE, (8, 38)).reshape(8, 38)
    expected = np.zeros((8, 38), bool)
    expected[2:4, 10:20] = True
    np.testing.assert_array_equal(ignored, expected)


@given(st.integers(1, 6), st.integers(1, 6), st.floats(0.5, 100))
def test_windows_lie_apart_by_their_codes(rows: int, columns: int, apart: float) -> None:
    windows = Windows(frame=Size(width=9, height=9), rows=rows, columns=columns, apart=apart)
    codes = windows.codes
    assert len(codes) == windows.count
    distances = np.linalg.norm(codes[:, None] - codes[None], axis=2)[~np.eye(len(codes), dtype=bool)]
    assert (distances >= apart * (1 - 1e-5)).all()
    assert windows.model_copy(update={"apart": 0.0}).codes.shape == (windows.count, 0)
