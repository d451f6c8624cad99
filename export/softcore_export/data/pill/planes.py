"""Planes: noise, spots and lines, as arrays of one number per pixel."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["Line", "Plane", "draw_lines", "draw_noise", "shift_plane", "turn"]

Plane = NDArray[np.floating[Any]]  # [size, size]
Line = tuple[NDArray[np.float64], float]  # points [n, 2] as x, y in units; width in units


def draw_noise(rng: np.random.Generator, size: int, sigma: float = 0) -> Plane:
    """Draw noise of mean 0 and standard deviation 1, smooth over `sigma` pixels."""
    coarse = max(1, int(sigma / 1.5))  # smooth noise needs fewer numbers
    noise: Plane = rng.standard_normal((-(-size // coarse),) * 2, np.float32)
    if sigma > 0:
        noise = np.asarray(cv2.GaussianBlur(noise, (0, 0), sigma / coarse), np.float32)
    if coarse > 1:
        noise = np.asarray(cv2.resize(noise, (size, size), interpolation=cv2.INTER_CUBIC), np.float32)
    return np.asarray(noise / noise.std(), np.float32)


def draw_lines(lines: list[Line], pose: NDArray[np.float64], size: int) -> Plane:
    """Draw lines given in the tablet's frame: 0 to 1, antialiased by drawing them four times as large."""
    canvas = np.zeros((4 * size, 4 * size), np.uint8)
    unit = float(np.hypot(*pose[:, 0]))
    for points, width in lines:
        pixels = 4 * (cv2.transform(points[None], pose)[0] + 0.5) - 0.5
        fixed = np.rint(8 * pixels).astype(np.int32)  # 3 bits below the point
        cv2.polylines(canvas, [fixed], False, 255, max(1, round(4 * width * unit)), cv2.LINE_8, 3)
    drawn: Plane = cv2.resize(canvas, (size, size), interpolation=cv2.INTER_AREA) * np.float32(1 / 255)
    return drawn


def shift_plane(plane: Plane, by: NDArray[np.float64]) -> Plane:
    """Move a plane by x, y pixels."""
    move = np.array([[1, 0, by[0]], [0, 1, by[1]]])
    return np.asarray(cv2.warpAffine(plane, move, plane.shape[::-1]), np.float32)


def turn(angle: float, x: float, y: float) -> NDArray[np.float64]:
    """Return the affine map `[2, 3]` that turns by `angle` (radians), then moves by x, y."""
    return np.array([[np.cos(angle), -np.sin(angle), x], [np.sin(angle), np.cos(angle), y]])
