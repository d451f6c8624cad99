from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from scipy import ndimage
from softcore_runtime.alignment.alignment import Alignment, Registration, move_back

SIDES = st.integers(64, 160)
NOISE = np.random.default_rng(0).integers(0, 256, (160, 160, 3), dtype=np.uint8)


def make(x: float = 0, y: float = 0, angle: float = 0) -> Registration:
    return Registration(x=x, y=y, angle=angle, quality=1)


def cover(registration: Registration, height: int, width: int) -> np.ndarray:
    """Tell which pixels of the aligned frame show pixels of the frame."""
    rows, columns = np.indices((height, width))
    at = registration.matrix(height, width) @ np.stack([columns.ravel(), rows.ravel(), np.ones(rows.size)])
    inside = (at[0] >= 0) & (at[0] <= width - 1) & (at[1] >= 0) & (at[1] <= height - 1)
    return inside.reshape(height, width)


@given(SIDES, SIDES, st.integers(-40, 40), st.integers(-40, 40))
def test_a_part_that_was_only_moved_is_moved_back_pixel_by_pixel(
    height: int, width: int, x: int, y: int
) -> None:
    frame = NOISE[:height, :width]
    aligned = make(x, y).apply(frame, np.zeros_like(frame))
    assert aligned.shape == frame.shape
    rows, columns = (slice(max(0, -moved), side - max(0, moved)) for moved, side in ((y, height), (x, width)))
    there = frame[max(0, y) : height + min(0, y), max(0, x) : width + min(0, x)]
    np.testing.assert_array_equal(aligned[rows, columns], there)


@given(
    SIDES, SIDES, st.floats(-20, 20), st.floats(-20, 20), st.floats(-180, 180).filter(lambda a: abs(a) > 1)
)
def test_a_part_that_was_turned_is_turned_back(
    height: int, width: int, x: float, y: float, angle: float
) -> None:
    frame = np.asarray(ndimage.gaussian_filter(NOISE[:height, :width].astype(float), (2, 2, 0)), np.uint8)
    registration = make(x, y, angle)
    matrix = registration.matrix(height, width)
    turn = matrix[::-1, 1::-1]  # scipy has rows first
    expected = np.stack(
        [
            ndimage.affine_transform(channel.astype(float), turn, matrix[::-1, 2], order=1)
            for channel in np.moveaxis(frame, 2, 0)
        ],
        axis=2,
    )
    inside = ndimage.binary_erosion(cover(registration, height, width))
    difference = np.abs(registration.apply(frame, np.zeros_like(frame)) - expected)[inside]
    assert difference.max() <= 10  # cubic here, linear there


def test_counter_clockwise_is_counter_clockwise() -> None:
    """The right end of a bar that was turned by 90 degrees is at the top."""
    frame = np.zeros((65, 65, 3), np.uint8)
    frame[0:32, 32] = 255
    aligned = make(angle=90).apply(frame, np.zeros_like(frame))
    assert aligned[32, 60].min() == 255
    assert aligned[32, 4].max() == 0


@given(st.integers(-60, 60), st.integers(-60, 60), st.sampled_from([0, 15, 90, -170]))
def test_what_lies_outside_is_filled_from_the_ground(x: int, y: int, angle: int) -> None:
    """Made as light as the frame."""
    ground = 50 + NOISE[:128, :128] // 4
    frame = np.full((128, 128, 3), 200, np.uint8)
    registration = make(x, y, angle)
    at = registration.apply(np.asarray(frame), np.full_like(frame, 120))
    assert np.ptp(at) == 0  # no edge remains
    outside = ~ndimage.binary_dilation(cover(registration, 128, 128), iterations=2)
    aligned = registration.apply(frame, ground).astype(int)
    if outside.any():
        assert np.ptp((aligned - ground)[outside], axis=0).max() == 0 or (aligned[outside] == 255).any()
    inside = ndimage.binary_erosion(cover(registration, 128, 128), iterations=2)
    assert (aligned[inside] == 200).all()


@given(SIDES, SIDES, st.integers(-30, 30), st.integers(-30, 30))
def test_a_map_goes_back_to_where_the_frame_shows_it(height: int, width: int, x: int, y: int) -> None:
    frame = np.repeat(NOISE[:height, :width, :1], 3, axis=2)
    registration = make(x, y)
    aligned = registration.apply(frame, np.zeros_like(frame))[:, :, 0].astype(np.float32)
    back = move_back(aligned, registration, np.nan)
    seen = ~np.isnan(back)
    assert seen.sum() == (height - abs(y)) * (width - abs(x))
    np.testing.assert_array_equal(back[seen], frame[:, :, 0][seen])


def test_a_peak_goes_back_with_a_turned_part() -> None:
    frame = np.zeros((101, 141, 3), np.uint8)
    frame[30:33, 90:93] = 255
    registration = make(7.4, -3.2, 33)
    aligned = registration.apply(frame, np.zeros_like(frame))[:, :, 0].astype(np.float32)
    row, column = ndimage.center_of_mass(aligned)
    assert np.hypot(row - 31, column - 91) > 10
    back = ndimage.center_of_mass(move_back(aligned, registration, 0))
    np.testing.assert_allclose(back, (31, 91), atol=0.5)


def test_a_part_at_its_place_is_left_alone() -> None:
    assert make(0.2, -0.3, 0.01).apply(NOISE, NOISE // 2) is NOISE


@pytest.mark.parametrize("wrong", [{"mode": "affine"}, {"floor": 1.5}, {"floor": -0.1}, {"more": 1}])
def test_an_alignment_is_checked(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Alignment.model_validate({"mode": "rigid", "floor": 0.5, **wrong})
