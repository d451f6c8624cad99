"""Moved: images whose part is moved and turned on its own background.

A camera with a wider view sees the part on a plain table that has the colours and the noise of the image's
own. The part is cut out of its image, with a narrow rim of its table, and laid elsewhere. So nothing is cut
off, and no border tells that the part was moved.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

__all__ = ["Move", "draw_jitter", "draw_moves", "move_part"]

_WIDER = 1 / 8  # of the image's sides, added on every side
_HALO = 1 / 85  # of the image's side: of the table, which moves with the part
_GLOW = 1 / 32  # of the image's side: of the table, which the part lights
_SMOOTH = 1 / 8  # of the image's side, sigma of what is colour, and not grain


@dataclass(frozen=True)
class Move:
    """How a part is moved.

    Attributes:
        x, y: pixels to the right and down.
        angle: degrees, counter-clockwise about the image's centre.
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
    """Draw moves by up to `distance` pixels along each side, and turns by up to `angle` degrees."""
    drawn = np.random.default_rng(seed).uniform(-1, 1, (count, 3)) * (distance, distance, angle)
    return [Move(*row) for row in drawn.tolist()]


def move_part(image: NDArray[np.uint8], move: Move) -> NDArray[np.uint8]:
    """Return what a camera with a wider view sees of the moved part.

    Args:
        image: uint8 BGR `[H, W, 3]`, a light part on a dark table, or one of another colour.
        move: in pixels of the image; a part that isn't turned is moved by whole pixels, not interpolated.

    Returns:
        uint8 BGR `[1.25 H, 1.25 W, 3]`.
    """
    height, width = image.shape[:2]
    part = _find_part(image)
    down, across = round(_WIDER * height), round(_WIDER * width)
    table = _make_table(image, part, down, across)
    middle = ((width - 1) / 2, (height - 1) / 2)
    matrix = np.asarray(cv2.getRotationMatrix2D(middle, move.angle, 1), np.float64)
    shift = (move.x, move.y) if move.angle else (round(move.x), round(move.y))
    matrix[:, 2] += (across + shift[0], down + shift[1])
    size = (width + 2 * across, height + 2 * down)
    way = cv2.INTER_LANCZOS4 if move.angle else cv2.INTER_NEAREST
    moved = cv2.warpAffine(image, matrix, size, flags=way, borderMode=cv2.BORDER_REPLICATE)
    soft = cv2.GaussianBlur(part.astype(np.float32), (0, 0), 2)
    alpha = cv2.warpAffine(soft, matrix, size, flags=cv2.INTER_LINEAR)[:, :, None]
    return np.asarray(alpha * moved + (1 - alpha) * table + 0.5, np.uint8)


def _find_part(image: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Find the part, with a halo, by Otsu's threshold of the distance from the border's colour."""
    border = np.concatenate([image[:8].reshape(-1, 3), image[-8:].reshape(-1, 3)])
    apart = np.abs(image.astype(np.float32) - np.median(border, axis=0)).max(axis=2)
    apart = np.clip(cv2.GaussianBlur(apart, (0, 0), 2), 0, 255).astype(np.uint8)
    threshold, _ = cv2.threshold(apart, 0, 255, cv2.THRESH_BINARY | cv2.THRESH_OTSU)
    labels, count = ndimage.label(apart > 0.5 * threshold)
    sizes = ndimage.sum_labels(np.ones_like(labels), labels, np.arange(count + 1))
    sizes[0] = 0
    largest = ndimage.binary_fill_holes(labels == int(np.argmax(sizes)))
    halo = 2 * round(_HALO * image.shape[1]) + 1
    return np.asarray(cv2.dilate(largest.astype(np.uint8), np.ones((halo, halo), np.uint8)) > 0)


def _make_table(
    image: NDArray[np.uint8], part: NDArray[np.bool_], down: int, across: int
) -> NDArray[np.float32]:
    """Make a plain table under the part and beyond the border, float32 `[H + 2 down, W + 2 across, 3]`."""
    glow = 2 * round(_GLOW * image.shape[1]) + 1
    free = ~cv2.dilate(part.astype(np.uint8), np.ones((glow, glow), np.uint8)).astype(bool)
    if not free.any():
        raise ValueError("the part leaves nothing of the table to be seen")
    known = np.dstack([np.where(free[:, :, None], image, 0), free]).astype(np.float32)
    small = cv2.resize(known, None, fx=1 / 8, fy=1 / 8, interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(small, (0, 0), _SMOOTH * small.shape[1])
    colours = small[:, :, :3] / np.maximum(small[:, :, 3:], 1e-6)
    smooth = cv2.resize(colours, image.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    wide = cv2.copyMakeBorder(smooth, down, down, across, across, cv2.BORDER_REPLICATE)
    # Robust, since dust isn't noise; of neighbours, since light changes slowly.
    steps = np.diff(image.astype(np.float32), axis=1)[free[:, 1:]]
    noise = 1.4826 * float(np.median(np.abs(steps))) / np.sqrt(2)
    rng = np.random.default_rng(int(image[::7, ::7].sum(dtype=np.int64)))
    return np.asarray(np.clip(wide + rng.normal(0, noise, wide.shape), 0, 255), np.float32)
