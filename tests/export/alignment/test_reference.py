from __future__ import annotations

import cv2
import numpy as np
import pytest
from softcore_export.alignment.reference import Mode, Reference, find_reference
from softcore_runtime.alignment.registration import Aligner
from softcore_runtime.errors import AlignmentError

from .parts import SIDE, draw_part


def draw_parts(count: int, distance: float, angle: float, seed: int = 0) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [
        draw_part(*(rng.uniform(-1, 1, 3) * (distance, distance, angle)), seed=seed + number)
        for number in range(count)
    ]


def spoil(image: np.ndarray, seed: int) -> np.ndarray:
    """Cover a part by blots, or show another one."""
    rng = np.random.default_rng(seed)
    if seed % 4 == 0:
        return np.ascontiguousarray(image[::-1])  # mirrored: another part
    image = image.copy()
    for _ in range(3):
        place = tuple(int(v) for v in rng.integers(40, 88, 2))
        cv2.circle(image, place, 7, tuple(int(v) for v in rng.integers(0, 256, 3)), -1)
    return image


def compare(reference: Reference) -> float:
    """Return the mean difference of a reference from the part as it was drawn, brought to its place."""
    clean = draw_part(grain=0)
    aligner = Aligner(reference.alignment.model_copy(update={"floor": 0.0}), reference.image)
    difference = np.abs(aligner.align(clean).image.astype(int) - reference.image)
    return float(difference[24:-24, 24:-24].mean())


@pytest.mark.parametrize(
    ("mode", "distance", "angle"), [("translation", 12, 0), ("rigid", 10, 180), ("rigid", 3, 4)]
)
@pytest.mark.parametrize("dirty", [0, 0.4])
def test_the_reference_is_the_clean_part(mode: Mode, distance: float, angle: float, dirty: float) -> None:
    images = draw_parts(20, distance, angle)
    for number in range(round(dirty * len(images))):
        row = number * 7 % len(images)
        images[row] = spoil(images[row], number)
    reference = find_reference(images, mode)
    assert reference.is_common
    assert len(reference.registrations) == len(images)
    single = np.median([np.abs(image.astype(int) - reference.image).mean() for image in images])
    assert compare(reference) < 3.5 < single


def test_every_clean_part_is_where_it_should_be() -> None:
    images = draw_parts(20, 10, 180)
    reference = find_reference(images, "rigid")
    aligner = Aligner(reference.alignment, reference.image)
    for image in draw_parts(20, 10, 180, seed=100):
        aligner.align(image)
    for number in range(5):
        with pytest.raises(AlignmentError):
            aligner.align(np.random.default_rng(number).integers(0, 255, (SIDE, SIDE, 3), dtype=np.uint8))


def test_parts_are_moved_as_little_as_can_be() -> None:
    """Even where the first reference lies far from the others."""
    images = [draw_part(8, -6, 20, seed=n) if n % 12 == 0 else draw_part(seed=n) for n in range(24)]
    found = find_reference(images, "rigid").registrations
    assert np.median([abs(one.x) + abs(one.y) for one in found]) < 1
    assert np.median([abs(one.angle) for one in found]) < 1


def test_turned_parts_differ_from_one_that_is_only_moved() -> None:
    images = draw_parts(16, 10, 180)
    moved, turned = find_reference(images, "translation"), find_reference(images, "rigid")
    assert moved.quality < turned.quality - 0.1


@pytest.mark.parametrize("mode", ["translation", "rigid"])
def test_what_has_nothing_in_common(mode: Mode) -> None:
    rng = np.random.default_rng(0)
    images = []
    for _ in range(20):
        image = rng.integers(90, 110, (SIDE, SIDE, 3), dtype=np.uint8)
        for _ in range(6):
            first, second = rng.integers(0, SIDE, (2, 2)).tolist()
            cv2.line(image, first, second, tuple(rng.integers(0, 256, 3).tolist()), 3)
        images.append(image)
    assert not find_reference(images, mode).is_common
