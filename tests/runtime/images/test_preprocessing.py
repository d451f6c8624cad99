from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from softcore_runtime.errors import FrameError
from softcore_runtime.images.preprocessing import Preprocessing

SMALL = Preprocessing(resize=40, crop=32)


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def test_the_defaults_are_the_papers() -> None:
    assert (Preprocessing().resize, Preprocessing().crop) == (256, 224)


@pytest.mark.parametrize(
    ("height", "width"), [(512, 512), (256, 256), (512, 256), (256, 1024), (768, 1280), (2048, 512)]
)
def test_shrinking_by_whole_factors_is_the_mean_over_areas(height: int, width: int) -> None:
    frame = noise(height, width, 3)
    crop = Preprocessing(resize=256, crop=224).apply(frame)
    means = frame.reshape(256, height // 256, 256, width // 256, 3).mean((1, 3))
    np.testing.assert_allclose(crop, means[16:240, 16:240], atol=0.5001)  # 0.5: rounding to whole numbers


@pytest.mark.parametrize(("height", "width"), [(20, 400), (400, 20), (35, 640), (640, 35)])
def test_an_oblong_frame_is_averaged_along_its_length_too(height: int, width: int) -> None:
    """Linear sampling would step over a line between its samples: a scratch there would escape."""
    plain = np.full((height, width, 3), 100, np.uint8)
    axis = int(width > height)
    without = SMALL.apply(plain)
    for at in range(max(height, width) // 2, max(height, width) // 2 + 16):
        scratched = plain.copy()
        np.moveaxis(scratched, axis, 0)[at] = 250
        assert (SMALL.apply(scratched) != without).any(), f"the scratch at {at} vanished"


def test_the_size_asked_for_is_only_cropped() -> None:
    frame = noise(40, 40, 3)
    np.testing.assert_array_equal(SMALL.apply(frame), frame[4:36, 4:36])


@pytest.mark.parametrize(("resize", "crop"), [(256, 224), (256, 256), (33, 32), (64, 33)])
def test_the_crop_is_centred(resize: int, crop: int) -> None:
    preprocessing = Preprocessing(resize=resize, crop=crop)
    left, right = preprocessing.margin, resize - crop - preprocessing.margin
    assert right - left in (0, 1)
    window = preprocessing.window(resize, resize)
    assert (window.x, window.y, window.width, window.height) == (left, left, crop, crop)


@given(st.integers(8, 5000), st.integers(8, 5000), st.integers(32, 512), st.data())
def test_the_window_maps_back_to_the_frame(height: int, width: int, resize: int, data: st.DataObject) -> None:
    crop = data.draw(st.integers(32, resize))
    preprocessing = Preprocessing(resize=resize, crop=crop)
    window = preprocessing.window(height, width)
    margin = (resize - crop) // 2
    assert window.x * resize == pytest.approx(margin * width)
    assert window.y * resize == pytest.approx(margin * height)
    assert (window.x + window.width) * resize == pytest.approx((margin + crop) * width)
    assert (window.y + window.height) * resize == pytest.approx((margin + crop) * height)
    assert 0 <= window.x <= window.x + window.width <= width * (1 + 1e-12)
    assert 0 <= window.y <= window.y + window.height <= height * (1 + 1e-12)


def test_the_window_is_what_the_crop_shows() -> None:
    """White exactly where `window` says: the crop is white throughout, and black where it says not."""
    window = SMALL.window(120, 200)
    rows = slice(round(window.y), round(window.y + window.height))
    columns = slice(round(window.x), round(window.x + window.width))
    frame = np.zeros((120, 200), np.uint8)
    frame[rows, columns] = 255
    assert (SMALL.apply(frame) == 255).all()
    assert (SMALL.apply(255 - frame) == 0).all()


@settings(max_examples=80, deadline=None)
@given(st.integers(8, 300), st.integers(8, 300), st.sampled_from([(), (1,), (3,), (4,)]), st.booleans())
def test_every_size_gives_a_crop(height: int, width: int, channels: tuple[int, ...], deep: bool) -> None:
    frame = noise(height, width, *channels)
    crop = SMALL.apply(frame.astype(np.uint16) * 257 if deep else frame)
    assert crop.shape == (32, 32, 3)
    assert crop.dtype == np.uint8
    assert crop.flags.c_contiguous
    np.testing.assert_array_equal(crop, SMALL.apply(frame))
    if channels in ((), (1,)):
        np.testing.assert_array_equal(crop, SMALL.apply(np.repeat(frame.reshape(height, width, 1), 3, 2)))


@given(st.integers(8, 300), st.integers(8, 300), st.integers(0, 255))
@settings(max_examples=40, deadline=None)
def test_an_even_frame_stays_even(height: int, width: int, value: int) -> None:
    assert (SMALL.apply(np.full((height, width), value, np.uint8)) == value).all()


@pytest.mark.parametrize(
    "frame",
    [
        np.zeros((1, 1, 3), np.uint8),
        np.zeros((7, 100), np.uint8),
        np.zeros((100, 7), np.uint8),
        np.zeros((0, 100), np.uint8),
        np.zeros((100, 100, 3), np.float64),
        np.zeros((100, 100, 5), np.uint8),
        [[0] * 100] * 100,
    ],
)
def test_what_is_no_frame_is_refused(frame: np.ndarray) -> None:
    with pytest.raises(FrameError):
        SMALL.apply(frame)


@pytest.mark.parametrize(
    "settings", [{"resize": 32, "crop": 33}, {"crop": 31}, {"resize": 5000}, {"size": 9}]
)
def test_settings_that_make_no_sense_are_refused(settings: dict[str, int]) -> None:
    with pytest.raises(ValidationError):
        Preprocessing(**settings)
