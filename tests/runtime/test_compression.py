from __future__ import annotations

import cv2
import numpy as np
import pytest
from softcore_runtime.compression import is_compressed, measure_traces
from softcore_runtime.errors import FrameError


def draw(seed: int, noise: float = 2.0, size: tuple[int, int] = (300, 340)) -> np.ndarray:
    """A smooth image with noise, uint8 BGR."""
    rng = np.random.default_rng(seed)
    coarse = cv2.resize(rng.uniform(60, 190, (9, 10)), size[::-1], interpolation=cv2.INTER_CUBIC)
    return np.clip(coarse[:, :, None] + rng.normal(0, noise, (*size, 3)), 0, 255).astype(np.uint8)


def encode(image: np.ndarray, quality: int) -> np.ndarray:
    saved = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return np.asarray(cv2.imdecode(saved, cv2.IMREAD_COLOR))


def test_an_image_without_compression_has_no_blocks() -> None:
    found = np.array([measure_traces(draw(seed)) for seed in range(20)])
    assert abs(found[:, 0].mean() - 1) < 0.02
    assert found[:, 0].std() < 0.05


@pytest.mark.parametrize("noise", [1.0, 2.0, 4.0])
def test_noise_is_measured_in_grey_levels(noise: float) -> None:
    """Grey is a mean of three channels: white noise s becomes s sqrt(.114^2 + .587^2 + .299^2)."""
    found = measure_traces(draw(0, noise))[1]
    assert found == pytest.approx(noise * np.sqrt(0.114**2 + 0.587**2 + 0.299**2) + 0.05, rel=0.15)


@pytest.mark.parametrize("quality", [95, 80, 60])
def test_jpeg_leaves_blocks_or_takes_noise(quality: int) -> None:
    plain = np.array([measure_traces(draw(seed)) for seed in range(8)])
    lossy = np.array([measure_traces(encode(draw(seed), quality)) for seed in range(8)])
    changes = np.abs(np.log(lossy / plain).mean(axis=0))
    assert changes.max() > 0.05
    assert changes.max() > 4 * np.log(plain).std(axis=0).max()


def test_the_blocks_are_found_wherever_the_middle_lies() -> None:
    for size in ((256, 256), (263, 300), (511, 640), (100, 90)):
        assert measure_traces(encode(draw(0, size=size), 50))[0] > 1.2


@pytest.mark.parametrize(
    "frame", [draw(0)[:, :, 0], np.zeros((8, 8, 3), np.uint8), draw(1).astype(np.uint16) * 257]
)
def test_every_frame_that_can_be_inspected_is_measured(frame: np.ndarray) -> None:
    assert np.isfinite(measure_traces(frame)).all()
    assert (measure_traces(frame) > 0).all()


def test_what_is_no_frame_is_refused() -> None:
    with pytest.raises(FrameError):
        measure_traces(np.zeros((9, 9, 5), np.uint8))


@pytest.mark.parametrize(
    ("suffix", "lossy"), [(".png", False), (".tif", False), (".JPEG", True), (".webp", True)]
)
def test_what_a_suffix_says(suffix: str, lossy: bool) -> None:
    assert is_compressed(suffix) is lossy
