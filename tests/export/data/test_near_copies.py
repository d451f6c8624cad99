from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest
from softcore_export.data.near_copies import extract_grain, find_near_copies
from softcore_export.data.procedural_pill import draw_pill
from softcore_runtime.bundle.training import draw_thumbnail
from softcore_runtime.images.preprocessing import Preprocessing

PARTS = 12


@pytest.fixture(scope="module")
def parts() -> list[np.ndarray]:
    """Good parts, no two of which are of one exposure."""
    return [draw_pill(np.random.default_rng([8, number]))[0] for number in range(PARTS)]


def find(images: list[np.ndarray]) -> list[tuple[int, int]]:
    preprocessing = Preprocessing()
    thumbnails = [draw_thumbnail(preprocessing.apply(image)) for image in images]
    return find_near_copies(thumbnails, [extract_grain(image) for image in images])


def save(image: np.ndarray, quality: int) -> np.ndarray:
    encoded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return np.asarray(cv2.imdecode(encoded, cv2.IMREAD_COLOR))


def move(image: np.ndarray) -> np.ndarray:
    return np.roll(image, (1, -1), (0, 1))


def test_parts_that_differ_are_not_named(parts: list[np.ndarray]) -> None:
    assert find(parts) == []


@pytest.mark.parametrize(
    "change",
    [lambda image: save(image, 90), lambda image: save(image, 60), move, lambda image: save(move(image), 90)],
    ids=["saved anew", "saved small", "moved by a pixel", "both"],
)
@pytest.mark.parametrize("count", [2, PARTS])
def test_what_was_saved_anew_or_moved_by_a_pixel_is_named(
    parts: list[np.ndarray], change: Callable[[np.ndarray], np.ndarray], count: int
) -> None:
    found = find([*parts, *map(change, parts[:count])])
    assert found == [(PARTS + number, number) for number in range(count)]


def test_what_is_saved_so_small_that_its_grain_is_lost_is_known_by_its_thumbnail(
    parts: list[np.ndarray],
) -> None:
    assert find([*parts, *(save(part, 30) for part in parts[:2])]) == [(PARTS, 0), (PARTS + 1, 1)]


def test_exposures_of_one_scene_are_not_named() -> None:
    """Nothing but the noise differs between them: the scene's own texture is the same in all."""
    rng = np.random.default_rng(3)
    scene = rng.normal(120, 20, (160, 160, 1))
    images = [
        np.clip(scene + rng.normal(0, 10, (160, 160, 3)), 0, 255).astype(np.uint8) for _ in range(PARTS)
    ]
    assert find(images) == []
    assert find([*images, move(images[4])]) == [(PARTS, 4)]


def test_of_many_copies_each_is_of_the_first(parts: list[np.ndarray]) -> None:
    found = find([*parts, save(parts[3], 95), move(parts[3]), save(parts[3], 80)])
    assert found == [(PARTS, 3), (PARTS + 1, 3), (PARTS + 2, 3)]


def test_flat_images_have_no_grain() -> None:
    flat = [np.full((40, 200, 3), grey, np.uint8) for grey in (10, 60, 110, 160, 210, 250)]
    assert all((extract_grain(image) == 0).all() for image in flat)
    assert find(flat) == []


@pytest.mark.parametrize("shape", [(1, 1, 3), (30, 400, 3), (400, 30, 3), (128, 128, 3), (500, 301, 3)])
def test_grain_has_one_shape(shape: tuple[int, int, int]) -> None:
    grain = extract_grain(np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8))
    assert (grain.shape, grain.dtype) == ((128, 128), np.int8)


@pytest.mark.parametrize("count", range(4))
def test_of_a_few_nothing_is_said(parts: list[np.ndarray], count: int) -> None:
    assert find([parts[0]] * count) == []
