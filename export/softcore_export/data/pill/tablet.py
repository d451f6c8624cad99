"""Tablet: its shape and its layers, in its own frame."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from softcore_export.data.pill.imprint import IMPRINT
from softcore_export.data.pill.planes import Plane, draw_lines, draw_noise, turn

__all__ = ["APRICOT", "IVORY", "Tablet", "choose_place", "make_tablet", "measure_radius"]

_HALF_LENGTH, _HALF_WIDTH, _DOME = 119.0, 64.0, 25.0  # units
_POWER = 2.5  # of the superellipse that is the outline: between an ellipse and a rounded box
IVORY, APRICOT = (0.66, 0.77, 0.82), (0.17, 0.37, 0.70)  # BGR reflectances of the two halves


@dataclass(frozen=True, eq=False)
class Tablet:
    """A tablet in its pose: the position of each pixel on it, and its layers.

    Attributes:
        unit: pixels of a unit.
        x, y: position of each pixel on the tablet, from its middle, along and across it, in units.
        pose: float64 `[2, 3]`, from the tablet's frame (units) to the image (pixels).
        height: of the surface above the rim, in pixels.
        cover: 1 on the tablet, 0 beside it, between on its outline.
        colour: reflectances of the coating, blue, green and red.
        ink: share of the coating that the imprint hides.
        gloss: 1 where the coating is whole.
        dirt: share that foreign matter hides, on the tablet and beside it.
    """

    unit: float
    x: Plane
    y: Plane
    pose: NDArray[np.float64]
    height: Plane
    cover: Plane
    colour: tuple[Plane, Plane, Plane]
    ink: Plane
    gloss: Plane
    dirt: Plane


def make_tablet(rng: np.random.Generator, size: int) -> Tablet:
    """Draw a good tablet for an image of `size` pixels."""
    unit = size / 320
    angle, (shift_x, shift_y) = np.deg2rad(rng.uniform(-3, 3)), rng.uniform(-4, 4, 2)
    pose = unit * turn(angle, 160 + shift_x, 160 + shift_y)
    inverse = cv2.invertAffineTransform(pose)
    across, down = np.meshgrid(np.arange(size, dtype=np.float32), np.arange(size, dtype=np.float32))
    x, y = ((row[0] * across + row[1] * down + row[2]).astype(np.float32) for row in inverse)
    radius = measure_radius(x, y)

    fine = draw_noise(rng, size, 0.9 * unit)
    coarse = draw_noise(rng, size, 5 * unit)
    seam = np.exp(-((x / 1.6) ** 2))
    height = unit * (_DOME * (1 - radius**3) - 0.9 * seam + 0.07 * coarse + 0.04 * fine)
    # The distance to the outline is taken along the ray from the middle.
    beyond = (1 - 1 / np.maximum(radius, 0.05)) * np.hypot(x, y) * unit
    cover = np.clip(0.5 - beyond, 0, 1)

    speckle = 1 + 0.012 * fine + 0.008 * coarse - 0.11 * np.clip(-fine - 1.9, 0, 1)
    tint = rng.normal(1, 0.012, (2, 3))
    right = np.clip(0.5 + x * unit, 0, 1)
    blue, green, red = (
        ((ivory * a * (1 - right) + apricot * b * right) * speckle).astype(np.float32)
        for ivory, apricot, a, b in zip(IVORY, APRICOT, *tint.tolist(), strict=True)
    )

    printing = turn(np.deg2rad(rng.normal(0, 0.7)), *rng.normal(0, 1.3, 2))
    glyphs = [(cv2.transform(line[None], printing)[0], 4.6) for line in IMPRINT]
    density = rng.uniform(0.80, 0.95)
    ink = draw_lines(glyphs, pose, size) * np.clip(density - 0.07 * fine - 0.05 * coarse, 0, 1)
    still = np.zeros((size, size), np.float32)
    return Tablet(
        unit, x, y, pose, height.astype(np.float32), cover.astype(np.float32), (blue, green, red),
        ink.astype(np.float32), still + 1, still,
    )  # fmt: skip


def choose_place(rng: np.random.Generator) -> NDArray[np.float64]:
    """Choose a place on the tablet, not too near its rim: x, y in units."""
    angle, share = rng.uniform(0, 2 * np.pi), 0.78 * np.sqrt(rng.random())
    place: NDArray[np.float64] = share * np.array([_HALF_LENGTH * np.cos(angle), _HALF_WIDTH * np.sin(angle)])
    return place


def measure_radius(x: Plane, y: Plane) -> Plane:
    """Measure the distance from the middle as a share of the outline's, in the superellipse's metric."""
    powers = np.abs(x / _HALF_LENGTH) ** _POWER + np.abs(y / _HALF_WIDTH) ** _POWER
    return np.asarray(powers ** (1 / _POWER))
