from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from softcore_edge_app.cameras.frame_checks import FrameChecks
from softcore_runtime import FrameError, read_image
from softcore_runtime.bundle.training import Training, measure_image_statistics

SHARED = Path(__file__).parents[4] / "shared" / "data"
RNG = np.random.default_rng(0)


def draw_parts(count: int) -> list[np.ndarray]:
    y, x = np.mgrid[:200, :300]
    base = 100 + 50 * ((x - 150) ** 2 + (y - 100) ** 2 < 4000) + 10 * np.sin(x / 3)
    light = RNG.uniform(0.8, 1.2, count)[:, None, None]
    noisy = light * base + RNG.normal(0, 2, (count, 200, 300))
    return list(np.repeat(np.clip(noisy, 0, 255).astype(np.uint8)[..., None], 3, axis=3))


def learn(frames: list[np.ndarray]) -> FrameChecks:
    image_statistics = np.stack([measure_image_statistics(frame) for frame in frames])
    return FrameChecks(Training(np.ones(1), np.zeros((len(frames), 32, 32), np.uint8), image_statistics))


SPOILED = {
    "too dark": lambda frame: frame // 6,
    "too bright": lambda frame: 255 - (255 - frame) // 6,
    "without contrast": lambda frame: np.clip(frame.mean() + RNG.normal(0, 3, frame.shape), 0, 255).astype(
        np.uint8
    ),
    "blurred": lambda frame: np.asarray(cv2.GaussianBlur(frame, (0, 0), 5)),
}


@pytest.mark.parametrize("fault", list(SPOILED))
def test_each_fault_has_its_words(fault: str) -> None:
    checks = learn(draw_parts(20))
    for frame in draw_parts(10):
        assert checks.find_fault(frame) is None
        assert (checks.find_fault(SPOILED[fault](frame)) or "").startswith(fault)


def test_an_odd_part_is_still_inspected() -> None:
    """A fault of the part isn't one of the image."""
    checks = learn(draw_parts(20))
    for level in (0, 255):
        (frame,) = draw_parts(1)
        frame[60:140, 100:200] = level
        assert checks.find_fault(frame) is None


def test_what_is_no_image_is_refused() -> None:
    with pytest.raises(FrameError):
        learn(draw_parts(3)).find_fault(np.zeros((9, 9, 3)))


@pytest.mark.skipif(not SHARED.is_dir(), reason=f"needs the real images, which aren't published: {SHARED}")
@pytest.mark.parametrize("category", ["pill", "magnetic_tile", "screw"])
def test_no_real_part_is_refused_and_every_failed_light_is(category: str) -> None:
    def read(pattern: str, count: int) -> list[np.ndarray]:
        paths = sorted((SHARED / category).glob(pattern))
        return [read_image(path) for path in paths[:: max(1, len(paths) // count)]]

    checks = learn(read("train/good/*", 100))
    for frame in read("test/*/*", 100):
        assert checks.find_fault(frame) is None
        assert checks.find_fault(frame // 20) is not None
        assert checks.find_fault(np.full_like(frame, int(frame.mean()))) is not None
        blurred = np.asarray(cv2.GaussianBlur(frame, (0, 0), max(frame.shape) / 60))
        assert checks.find_fault(blurred) is not None
