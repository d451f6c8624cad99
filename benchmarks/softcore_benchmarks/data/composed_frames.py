"""Composed frames: large and oblong frames made of real images, with real and drawn defects."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["DEFECT", "SIZE", "compose_tray", "cut_chips", "draw_blob", "join_tiles", "paste_chip"]

SIZE = (3000, 4000)  # height and width of a frame of twelve megapixels
DEFECT = 20  # pixels of a defect's side
_ROWS, _COLUMNS = 6, 8  # of parts in a frame
_TINT = (0.92, 1.0, 0.97)  # blue, green and red of the camera's white
_NOISE = 2.5  # grey levels of the camera's noise
_CONTRAST = 0.1  # share of the light that a blob takes
_ON_A_PART = 90  # percentile of a frame's grey levels that is on a part, not between them
_CHIP = 110  # pixels around a chip in the image that it is taken from, of 512

_Image = NDArray[np.uint8]


def compose_tray(parts: Sequence[_Image], rng: np.random.Generator) -> _Image:
    """Lay 48 parts, drawn at random and moved a little, in rows: a colour frame uint8 BGR `[3000, 4000, 3]`.

    Args:
        parts: images of parts, uint8 BGR `[h, w, 3]`.
        rng: source of the choice, the places and the camera's noise.
    """
    height, width = SIZE[0] // _ROWS, SIZE[1] // _COLUMNS
    frame = np.empty((*SIZE, 3), np.float32)
    for row in range(_ROWS):
        for column in range(_COLUMNS):
            part = cv2.resize(
                parts[int(rng.integers(len(parts)))], (width, height), interpolation=cv2.INTER_AREA
            )
            moved = np.roll(part, rng.integers(-6, 7, 2), (0, 1))
            frame[row * height : (row + 1) * height, column * width : (column + 1) * width] = moved
    frame *= np.array(_TINT, np.float32) * np.float32(rng.uniform(0.97, 1.03))
    frame += rng.standard_normal(frame.shape, np.float32) * np.float32(_NOISE)
    return np.clip(frame, 0, 255).astype(np.uint8)


def cut_chips(good: Sequence[_Image], chipped: Sequence[_Image]) -> list[_Image]:
    """Cut the chips out of images of chipped parts, each where it differs most from the mean good part.

    Args:
        good: images of good parts, uint8 BGR `[h, w, 3]`, all of one size.
        chipped: images of chipped parts, of the same size.

    Returns:
        uint8 BGR `[20, 20, 3]` each.
    """
    mean = np.mean([image.mean(axis=2) for image in good], axis=0)
    spread = np.std([image.mean(axis=2) for image in good], axis=0) + 4
    chips = []
    for image in chipped:
        unlike = cv2.GaussianBlur(np.abs(image.mean(axis=2) - mean) / spread, (0, 0), _CHIP / 6)
        inside = unlike[_CHIP // 2 : -_CHIP // 2, _CHIP // 2 : -_CHIP // 2]
        top, left = np.unravel_index(int(inside.argmax()), inside.shape)
        piece = image[top : top + _CHIP, left : left + _CHIP]
        chips.append(np.asarray(cv2.resize(piece, (DEFECT, DEFECT), interpolation=cv2.INTER_AREA), np.uint8))
    return chips


def paste_chip(frame: _Image, chip: _Image, rng: np.random.Generator) -> _Image:
    """Paste a chip into the middle of one part, with a soft border: uint8 BGR, as large as the frame."""
    row, column = rng.integers(_ROWS), rng.integers(_COLUMNS)
    height, width = SIZE[0] // _ROWS, SIZE[1] // _COLUMNS
    top = row * height + height // 2 + rng.integers(-height // 6, height // 6)
    left = column * width + width // 2 + rng.integers(-width // 6, width // 6)
    inside = np.zeros((DEFECT, DEFECT), np.float32)
    inside[2:-2, 2:-2] = 1
    alpha = cv2.GaussianBlur(inside, (0, 0), 1)[:, :, None]
    spoiled: _Image = frame.copy()
    place = spoiled[top : top + DEFECT, left : left + DEFECT]
    place[:] = (alpha * chip * np.array(_TINT, np.float32) + (1 - alpha) * place).astype(np.uint8)
    return spoiled


def draw_blob(frame: _Image, rng: np.random.Generator) -> _Image:
    """Darken a round blob of 20 pixels by a tenth, somewhere on a part: uint8 BGR, as large as the frame.

    On the black between the parts nothing could be seen of it.
    """
    least = np.percentile(frame[:: DEFECT // 2, :: DEFECT // 2], _ON_A_PART) / 2
    y = x = 0
    while not (y and frame[y - DEFECT : y + DEFECT, x - DEFECT : x + DEFECT].min(axis=2).mean() > least):
        y, x = (int(rng.integers(DEFECT, side - DEFECT)) for side in frame.shape[:2])
    light = np.zeros(frame.shape[:2], np.float32)
    cv2.circle(light, (x, y), DEFECT // 2, 1.0, -1)
    around = np.s_[y - DEFECT : y + DEFECT, x - DEFECT : x + DEFECT]
    factor = 1 - _CONTRAST * cv2.GaussianBlur(light[around], (0, 0), 1)[:, :, None]
    spoiled: _Image = frame.copy()
    spoiled[around] = (spoiled[around] * factor).astype(np.uint8)
    return spoiled


def join_tiles(tiles: Sequence[_Image], side: int) -> _Image:
    """Put tiles side by side, each brought to a square: uint8 BGR `[side, n * side, 3]`."""
    return np.hstack([cv2.resize(tile, (side, side), interpolation=cv2.INTER_AREA) for tile in tiles])
