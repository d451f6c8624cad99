"""Light: the illumination of a tablet, and its image without noise."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from softcore_export.data.pill.planes import Plane, draw_noise
from softcore_export.data.pill.tablet import Tablet

__all__ = ["Light", "expose", "make_light"]

# BGR reflectances.
_INK, _DIRT, _TABLE = (0.055, 0.045, 0.045), (0.030, 0.035, 0.045), (0.066, 0.058, 0.052)


@dataclass(frozen=True, eq=False)
class Light:
    """The illumination, the same for a good part and for the same part with a defect.

    Attributes:
        direction: unit vector towards the lamp: right, down, towards the camera.
        strength: illumination of each pixel, with its gradient over the image.
        table: brightness of the matte table, with the good part's soft shadow on it.
    """

    direction: tuple[float, float, float]
    strength: Plane
    table: Plane


def make_light(rng: np.random.Generator, tablet: Tablet) -> Light:
    """Draw the light of an image of a good tablet."""
    size, unit = len(tablet.x), tablet.unit
    azimuth, elevation = np.deg2rad(rng.normal(-128, 4)), np.deg2rad(rng.normal(50, 1.5))
    flat = float(np.cos(elevation))
    right, down = float(flat * np.cos(azimuth)), float(flat * np.sin(azimuth))
    ramp = np.linspace(-1, 1, size, dtype=np.float32)
    falloff = rng.uniform(0.06, 0.16)
    strength = rng.normal(1, 0.035) * (1 + falloff * (right * ramp[None, :] + down * ramp[:, None]))

    shift = np.array([[1, 0, -17 * unit * right], [0, 1, -17 * unit * down]])
    cast = cv2.GaussianBlur(cv2.warpAffine(tablet.cover, shift, (size, size)), (0, 0), 6.5 * unit)
    contact = cv2.GaussianBlur(tablet.cover, (0, 0), 3 * unit)
    weave = 1 + 0.045 * draw_noise(rng, size, 0.8 * unit) + 0.03 * draw_noise(rng, size, 4 * unit)
    table = weave * (1 - 0.60 * cast) * (1 - 0.30 * contact)
    return Light(
        (right, down, float(np.sin(elevation))), strength.astype(np.float32), table.astype(np.float32)
    )


def expose(tablet: Tablet, light: Light) -> NDArray[np.float32]:
    """Compute the image of a tablet without noise: float32 BGR `[size, size, 3]`, 0 to 255."""
    slope_x = cv2.Sobel(tablet.height, cv2.CV_32F, 1, 0, scale=1 / 8)
    slope_y = cv2.Sobel(tablet.height, cv2.CV_32F, 0, 1, scale=1 / 8)
    up = 1 / np.sqrt(1 + slope_x * slope_x + slope_y * slope_y)  # the normal is (-slope_x, -slope_y, 1) up
    right, down, front = light.direction
    facing = (front - right * slope_x - down * slope_y) * up
    # A soft box, not a point: light wraps round the part, and the highlight is broad.
    diffuse = 0.30 * (0.55 + 0.45 * up) + 0.82 * np.maximum(facing + 0.20, 0) / 1.20
    shine = np.maximum((facing + up) / np.sqrt(2 + 2 * front), 0) ** 2  # Blinn-Phong, towards the camera
    for _ in range(3):
        shine *= shine
    shine *= 0.13 * tablet.gloss * (1 - 0.6 * tablet.ink)
    planes = []
    for coating, ink, dirt, table in zip(tablet.colour, _INK, _DIRT, _TABLE, strict=True):
        surface = (coating * (1 - tablet.ink) + ink * tablet.ink) * diffuse + shine
        beside = light.table * np.float32(table)
        plane = beside + tablet.cover * (surface - beside)
        planes.append((plane + tablet.dirt * (dirt - plane)) * light.strength)
    image = cv2.GaussianBlur(cv2.merge(planes), (3, 3), 0.6)
    return np.asarray(255 * np.sqrt(np.clip(image, 0, 1)), np.float32)  # gamma 2
