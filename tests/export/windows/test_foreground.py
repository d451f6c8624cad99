from __future__ import annotations

import cv2
import numpy as np
import pytest
from softcore_export.windows.foreground import find_foreground


def draw_part(seed: int, radius: int = 40, reach: int = 12, *, dark: bool = False) -> np.ndarray:
    """A noisy disc that lies up to `reach` pixels beside the middle, before a plain background."""
    rng = np.random.default_rng(seed)
    image = np.full((200, 240, 3), 200 if dark else 30, np.float32)
    middle = (120 + int(rng.integers(-reach, reach + 1)), 100 + int(rng.integers(-reach, reach + 1)))
    cv2.circle(image, middle, radius, (60, 90, 80) if dark else (150, 180, 160), -1, cv2.LINE_AA)
    return np.clip(image + rng.normal(0, 5, image.shape), 0, 255).astype(np.uint8)


def fill(outline: tuple, shape: tuple[int, int]) -> np.ndarray:
    inside = np.zeros(shape, np.uint8)
    for polygon in outline:
        cv2.fillPoly(inside, [(np.array(polygon) * shape[::-1]).round().astype(np.int32)], 1)
    return inside > 0


@pytest.mark.parametrize("dark", [False, True])
def test_no_part_is_cut_wherever_it_lies(dark: bool) -> None:
    images = [draw_part(seed, dark=dark) for seed in range(30)]
    found = find_foreground(images)
    assert found.reason == ""
    inside = fill(found.outline, (200, 240))
    assert inside.mean() == pytest.approx(found.share, abs=0.02)
    assert inside.mean() < 0.5
    for image in images:
        part = (image.mean(axis=2) < 150) if dark else (image.mean(axis=2) > 90)
        assert inside[part].all()


def test_debris_before_the_background_is_no_part() -> None:
    images = [draw_part(seed) for seed in range(30)]
    without = find_foreground(images).share
    for image in images[:10]:
        cv2.circle(image, (20, 180), 6, (250, 250, 250), -1)
    found = find_foreground(images)
    assert found.share == pytest.approx(without, abs=0.01)
    assert not fill(found.outline, (200, 240))[180, 20]


def test_several_parts_are_all_kept() -> None:
    images = [np.hstack([draw_part(2 * seed), draw_part(2 * seed + 1)]) for seed in range(20)]
    found = find_foreground(images)
    inside = fill(found.outline, (200, 480))
    assert inside[100, 120]
    assert inside[100, 360]
    assert len(found.outline) == 2


def test_a_few_unclear_images_change_nothing_but_many_do() -> None:
    noise = [np.random.default_rng(seed).integers(0, 256, (200, 240, 3), np.uint8) for seed in range(10)]
    images = [draw_part(seed) for seed in range(38)]
    assert find_foreground([*images, *noise[:2]]).reason == ""
    found = find_foreground([*images, *noise])
    assert found.outline == ()
    assert found.share == 1
    assert found.reason == "only 38 of 48 images show a part before a plain background"


@pytest.mark.parametrize(
    ("images", "reason"),
    [
        ([draw_part(seed, 90, 1)[:, 20:220] for seed in range(9)], "the parts take up 7"),
        ([np.full((64, 64, 3), 90, np.uint8)] * 9, "only 0 of 9"),
        ([draw_part(seed, radius=200) for seed in range(9)], "only 0 of 9"),
        ([], "only 0 of 0"),
    ],
)
def test_where_there_is_no_clear_foreground_all_is_inspected(images: list[np.ndarray], reason: str) -> None:
    found = find_foreground(images)
    assert found.outline == ()
    assert reason in found.reason
