"""Moved: images whose part is moved and turned on its own background.

The image is continued beyond its border by mirroring a rim of it again and again, in which no part lies, and
seen by a camera with a wider view. So nothing is cut off, and no border tells that the part was moved.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["Move", "draw_moves", "move_part"]

_WIDER = 1 / 8  # of the image's sides, added on every side
_RIM = 1 / 16  # of the image's sides: what is mirrored


@dataclass(frozen=True)
class Move:
    """How a part is moved.

    Attributes:
        x, y: pixels to the right and down.
        angle: degrees, counter-clockwise.
    """

    x: float = 0.0
    y: float = 0.0
    angle: float = 0.0


def draw_moves(count: int, distance: float, angle: float, seed: int = 0) -> list[Move]:
    """Draw moves by `distance` pixels in any direction, and turns by `angle` degrees in either direction."""
    rng = np.random.default_rng(seed)
    directions, signs = rng.uniform(0, 2 * np.pi, count), rng.choice([-1, 1], count)
    return [
        Move(distance * float(np.cos(direction)), distance * float(np.sin(direction)), angle * float(sign))
        for direction, sign in zip(directions, signs, strict=True)
    ]


def draw_jitter(count: int, distance: float, angle: float, seed: int = 0) -> list[Move]:
    """Draw moves by up to `distance` pixels in either direction, and turns by up to `angle` degrees."""
    rng = np.random.default_rng(seed)
    drawn = rng.uniform(-1, 1, (count, 3)) * (distance, distance, angle)
    return [Move(*row) for row in drawn.tolist()]


def move_part(image: NDArray[np.uint8], move: Move) -> NDArray[np.uint8]:
    """Return what a camera with a wider view sees of the moved part.

    Args:
        image: uint8 BGR `[H, W, 3]`.
        move: in pixels of the image; the part is turned about the image's centre.

    Returns:
        uint8 BGR `[1.25 H, 1.25 W, 3]`.
    """
    height, width = image.shape[:2]
    down, across = round(_WIDER * height), round(_WIDER * width)
    rows, columns = round(_RIM * height), round(_RIM * width)
    wide = image
    for _ in range(6):  # three times as much as is added, since it may be moved and turned
        wide = np.asarray(
            cv2.copyMakeBorder(wide, rows, rows, columns, columns, cv2.BORDER_REFLECT_101), np.uint8
        )
    size = (width + 2 * across, height + 2 * down)
    centre = ((wide.shape[1] - 1) / 2, (wide.shape[0] - 1) / 2)
    matrix = np.asarray(cv2.getRotationMatrix2D(centre, move.angle, 1), np.float64)
    matrix[:, 2] += (move.x - (wide.shape[1] - size[0]) / 2, move.y - (wide.shape[0] - size[1]) / 2)
    return np.asarray(cv2.warpAffine(wide, matrix, size, borderMode=cv2.BORDER_REFLECT_101), np.uint8)
