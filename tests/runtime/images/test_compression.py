from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.fft import dctn
from softcore_runtime.errors import FrameError
from softcore_runtime.images.compression import (
    ENOUGH,
    compare_compression,
    measure_compression,
    summarize_compression,
)
from softcore_runtime.images.compression_statistics import CompressionStatistics


def draw(seed: int, noise: float = 1.0, size: tuple[int, int] = (200, 240)) -> np.ndarray:
    """A smooth image with noise, uint8 BGR."""
    rng = np.random.default_rng(seed)
    coarse = cv2.resize(rng.uniform(60, 190, (9, 10)), size[::-1], interpolation=cv2.INTER_CUBIC)
    return np.clip(coarse[:, :, None] + rng.normal(0, noise, (*size, 3)), 0, 255).astype(np.uint8)


def encode(image: np.ndarray, quality: int) -> np.ndarray:
    saved = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return np.asarray(cv2.imdecode(saved, cv2.IMREAD_COLOR))


def measure(images: list[np.ndarray]) -> list[np.ndarray | None]:
    return [measure_compression(image) for image in images]


@pytest.fixture(scope="module")
def plain() -> list[np.ndarray]:
    return [draw(seed) for seed in range(12)]


@pytest.fixture(scope="module")
def known(plain: list[np.ndarray]) -> CompressionStatistics:
    traces = summarize_compression(measure(plain))
    assert traces is not None
    return traces


@pytest.mark.parametrize("size", [(64, 64), (40, 57), (16, 16)])
def test_the_shares_are_those_of_scipys_transform(size: tuple[int, int]) -> None:
    """A frame of one tile: block by block, coefficient by coefficient, pixel by pixel."""
    frame = encode(draw(0, size=size), 90)
    grey = cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY).astype(float)
    shares = []
    for start in (0, 4):
        zeros, counted = 0, 0
        for top in range(start, size[0] - 7, 8):
            for left in range(start, size[1] - 7, 8):
                found = dctn(grey[top : top + 8, left : left + 8], norm="ortho")
                high = [abs(found[u, v]) for u in range(8) for v in range(8) if u + v >= 8]
                zeros += sum(one < 0.5 for one in high)
                counted += len(high)
        shares.append(zeros / counted)
    crossed = grey[:-1, :-1] - grey[:-1, 1:] - grey[1:, :-1] + grey[1:, 1:]
    found = measure_compression(frame)
    assert found is not None
    assert found[0] == pytest.approx(shares[0] - shares[1], abs=0.002)  # float32 at the edge of 0.5
    assert found[1] == pytest.approx((crossed == 0).mean())


@settings(max_examples=30, deadline=None)
@given(
    height=st.integers(16, 300),
    width=st.integers(16, 300),
    seed=st.integers(0, 100),
    noise=st.sampled_from([0, 1, 8]),
)
def test_any_frame_has_shares_and_grey_and_16_bits_have_the_same(
    height: int, width: int, seed: int, noise: float
) -> None:
    grey = cv2.cvtColor(draw(seed, noise, (height, width)), cv2.COLOR_BGR2GRAY)
    found = measure_compression(grey)
    assert found is not None
    assert -1 <= found[0] <= 1
    assert 0 <= found[1] <= 1
    for same in (grey[:, :, None].repeat(3, 2), grey.astype(np.uint16) * 257):
        np.testing.assert_array_equal(measure_compression(same), found)


@pytest.mark.parametrize("size", [(15, 300), (300, 15), (8, 8)])
def test_a_frame_too_small_for_blocks_tells_nothing(size: tuple[int, int]) -> None:
    assert measure_compression(np.zeros((*size, 3), np.uint8)) is None
    assert summarize_compression([None]) is None


def test_what_is_no_image_is_refused() -> None:
    with pytest.raises(FrameError):
        measure_compression(np.zeros((20, 20, 5), np.uint8))


def test_images_of_the_same_kind_are_said_nothing_of(known: CompressionStatistics) -> None:
    later = measure([draw(seed) for seed in range(100, 140)])
    for start in range(len(later) - ENOUGH + 1):
        assert compare_compression(known, later[start : start + ENOUGH]) is None


@pytest.mark.parametrize("quality", [95, 80, 50])
def test_jpegs_among_plain_images_are_told_and_the_other_way_round(
    known: CompressionStatistics, plain: list[np.ndarray], quality: int
) -> None:
    jpegs = measure([encode(draw(seed), quality) for seed in range(100, 112)])
    assert compare_compression(known, jpegs) == (
        "are compressed in blocks, as JPEG and video are, more than the training images"
    )
    learned = summarize_compression(jpegs)
    assert learned is not None
    assert compare_compression(learned, measure(plain)) == (
        "are compressed in other blocks than the training images, or not at all"
    )
    assert compare_compression(learned, measure([encode(image, quality) for image in plain])) is None


def test_smoothed_and_noisier_images_are_told(known: CompressionStatistics, plain: list[np.ndarray]) -> None:
    smooth = measure([cv2.GaussianBlur(image, (5, 5), 0) for image in plain])
    assert compare_compression(known, smooth) == (
        "have less noise than the training images: they are compressed more, or smoothed"
    )
    learned = summarize_compression(smooth)
    assert learned is not None
    assert compare_compression(learned, measure(plain)) == (
        "have more noise than the training images: they are compressed less, or darker"
    )


def test_few_images_tell_nothing(known: CompressionStatistics) -> None:
    jpegs = measure([encode(draw(seed), 50) for seed in range(ENOUGH)])
    assert compare_compression(known, jpegs[:-1]) is None
    few = summarize_compression(measure([draw(seed) for seed in range(ENOUGH - 1)]))
    assert few is not None
    assert compare_compression(few, jpegs) is None
