"""Synthetic defects: small defects drawn on an image from the image's own texture, to measure with.

They are never learned from. Without labelled images they are what tells how small a defect a network sees at
each resolution. There are three kinds, of 0.1 to 2 % of the image's area:

* `paste`: texture from elsewhere in the image, with a soft border (CutPaste; Li et al., CVPR 2021);
* `blob`: a place that is darker or brighter than it was;
* `scratch`: a thin bent line, dark or bright.

They lie where the image has structure, since a part covers a tenth of many a frame, and on an even
background any defect is found.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["KINDS", "DefectKind", "SyntheticDefect", "draw_defect"]

DefectKind = Literal["paste", "blob", "scratch"]
KINDS: tuple[DefectKind, ...] = ("paste", "blob", "scratch")

_AREA = (0.001, 0.02)  # of the image, least and most
_CELLS = 32  # cells of a side in which structure is measured
_CORNERS = 12  # of an outline
_STRENGTH = (0.15, 0.45)  # of the range of grey levels in the image: how far a blob or a scratch departs
_LEAST = 6.0  # grey levels that a defect differs from the image by, on average over its area
_TRIES = 12  # drawings, until one can be seen
_FINE = 256  # widths of the finest scratch in a side
_BEND = 0.15  # radians that a scratch bends at each step

_Image = NDArray[np.uint8]  # BGR [H, W, 3]
_Mask = NDArray[np.float32]  # opacity [H, W], 0 to 1


@dataclass(frozen=True, eq=False)
class SyntheticDefect:
    """An image with a defect drawn on it.

    Attributes:
        image: uint8 BGR `[H, W, 3]`.
        mask: bool `[H, W]`, where it differs from the image it was drawn on.
        kind: see the module.
    """

    image: NDArray[np.uint8]
    mask: NDArray[np.bool_]
    kind: DefectKind


def draw_defect(
    image: NDArray[np.uint8],
    rng: np.random.Generator,
    kind: DefectKind | None = None,
    inside: NDArray[np.bool_] | None = None,
) -> SyntheticDefect:
    """Draw a defect on an image; the image itself stays as it is.

    Args:
        image: uint8 BGR `[H, W, 3]`, sides of at least 16 pixels.
        rng: decides on everything; the same state draws the same defect.
        kind: of `KINDS`; None draws one.
        inside: bool `[H, W]`, where a defect may lie and its texture come from; None everywhere.

    Raises:
        ValueError: the image has another shape or dtype, or a side is shorter.

    Example:
        >>> image = np.random.default_rng(0).integers(60, 120, (128, 128, 3), np.uint8)
        >>> defect = draw_defect(image, np.random.default_rng(1), "blob")
        >>> defect.kind, bool((defect.image[~defect.mask] == image[~defect.mask]).all())
        ('blob', True)
        >>> 0.0005 < defect.mask.mean() < 0.04
        True
    """
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or min(image.shape[:2]) < 16:
        raise ValueError(f"image must be uint8 [H, W, 3] of 16 pixels a side at least, not {image.shape}")
    chosen = kind or KINDS[int(rng.integers(len(KINDS)))]
    structure = _measure_structure(image, inside)
    best, most = image, -1.0
    for _ in range(_TRIES):
        drawn = _paste(image, structure, rng) if chosen == "paste" else _tint(image, structure, rng, chosen)
        changed = (drawn != image).any(axis=2)
        apart = np.abs(drawn.astype(np.int16) - image).mean(axis=2)
        seen = float(apart[changed].mean()) if changed.any() else 0.0
        if seen > most:
            best, most = drawn, seen
        if seen >= _LEAST:
            break
    return SyntheticDefect(best, (best != image).any(axis=2), chosen)


def _paste(image: _Image, structure: NDArray[np.float64], rng: np.random.Generator) -> _Image:
    """Lay texture from one place of the image, mirrored at times, over another."""
    opacity, _ = _outline(image.shape[:2], structure, rng)
    left, top, width, height = cv2.boundingRect((opacity > 0).astype(np.uint8))
    from_x, from_y = _choose_place(image.shape[:2], structure, rng)
    from_x = int(np.clip(from_x - width // 2, 0, image.shape[1] - width))
    from_y = int(np.clip(from_y - height // 2, 0, image.shape[0] - height))
    texture = image[from_y : from_y + height, from_x : from_x + width]
    texture = texture[:: rng.choice((-1, 1)), :: rng.choice((-1, 1))]
    layer = image.astype(np.float32)
    layer[top : top + height, left : left + width] = texture
    return _blend(image, layer, opacity)


def _tint(
    image: _Image, structure: NDArray[np.float64], rng: np.random.Generator, kind: DefectKind
) -> _Image:
    """Darken or brighten a blob or a scratch."""
    draw = _outline if kind == "blob" else _line
    opacity, (x, y) = draw(image.shape[:2], structure, rng)
    low, high = np.percentile(image, (1, 99))
    strength = rng.uniform(*_STRENGTH) * max(float(high - low), 4 * _LEAST)
    here = float(image[y, x].mean())
    room = np.array([here - low, high - here]).clip(min=1)  # for darker and for brighter
    darker = rng.random() < room[0] / room.sum()
    layer = image.astype(np.float32) + (-strength if darker else strength)
    return _blend(image, layer, opacity)


def _outline(
    size: tuple[int, ...], structure: NDArray[np.float64], rng: np.random.Generator
) -> tuple[_Mask, tuple[int, int]]:
    """Draw an uneven ellipse with a soft border; return it and its middle."""
    height, width = size[:2]
    area = float(np.exp(rng.uniform(*np.log(_AREA)))) * height * width
    aspect = rng.uniform(0.4, 1.0)
    radius = (area / (np.pi * aspect)) ** 0.5
    angles = np.linspace(0, 2 * np.pi, _CORNERS, endpoint=False)
    radii = radius * rng.uniform(0.75, 1.25, _CORNERS)
    points = np.stack([radii * np.cos(angles), aspect * radii * np.sin(angles)], axis=1)
    turn = rng.uniform(0, np.pi)
    turned = points @ np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    x, y = _choose_place(size, structure, rng)
    opacity = np.zeros((height, width), np.float32)
    cv2.fillPoly(opacity, [np.rint(turned + np.array((x, y))).astype(np.int32)], (1.0,), cv2.LINE_AA)
    return _soften(opacity, max(0.7, 0.12 * radius * aspect)), (x, y)


def _line(
    size: tuple[int, ...], structure: NDArray[np.float64], rng: np.random.Generator
) -> tuple[_Mask, tuple[int, int]]:
    """Draw a thin bent line, from 1/256 of a side wide; return it and its middle."""
    height, width = size[:2]
    side = (height * width) ** 0.5
    wide = max(1, round(rng.uniform(0.7, 1.5) * side / _FINE))
    long = float(np.clip(np.exp(rng.uniform(*np.log(_AREA))) * side**2 / wide, 0.08 * side, 0.5 * side))
    steps = 12
    turns = rng.uniform(0, 2 * np.pi) + np.cumsum(rng.normal(0, _BEND, steps))
    points = np.cumsum(long / steps * np.stack([np.cos(turns), np.sin(turns)], axis=1), axis=0)
    x, y = _choose_place(size, structure, rng)
    points += (x, y) - points.mean(axis=0)
    opacity = np.zeros((height, width), np.float32)
    cv2.polylines(opacity, [np.rint(points).astype(np.int32)], False, (1.0,), wide, cv2.LINE_AA)
    return _soften(opacity, 0.4 * wide), (x, y)


def _soften(opacity: _Mask, sigma: float) -> _Mask:
    blurred = np.asarray(cv2.GaussianBlur(opacity, (0, 0), sigma), np.float32)
    return np.where(blurred > 0.02, blurred, np.float32(0))


def _blend(image: _Image, layer: NDArray[np.float32], opacity: _Mask) -> _Image:
    mixed = image + opacity[:, :, None] * (layer - image)
    return np.asarray(np.clip(np.rint(mixed), 0, 255), np.uint8)


def _measure_structure(image: _Image, inside: NDArray[np.bool_] | None) -> NDArray[np.float64]:
    """Measure how much the grey level varies in each cell, as probabilities, `[32, 32]`."""
    grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY).astype(np.float32)
    side = 4 * _CELLS
    small = np.asarray(cv2.resize(grey, (side, side), interpolation=cv2.INTER_AREA), np.float32)
    mean = cv2.blur(small, (9, 9))
    spread = np.sqrt(np.maximum(cv2.blur(small * small, (9, 9)) - mean * mean, 0))
    cells = np.asarray(cv2.resize(spread, (_CELLS, _CELLS), interpolation=cv2.INTER_AREA), np.float64)
    cells += 1e-3  # an image without any structure has defects everywhere
    if inside is not None and inside.any():
        share = cv2.resize(inside.astype(np.float32), (_CELLS, _CELLS), interpolation=cv2.INTER_AREA)
        cells *= np.asarray(share > 0.5 * share.max())
    return np.asarray(cells / cells.sum())


def _choose_place(
    size: tuple[int, ...], structure: NDArray[np.float64], rng: np.random.Generator
) -> tuple[int, int]:
    """Choose a pixel, x and y, with a probability that grows with the structure around it."""
    cell = int(rng.choice(structure.size, p=structure.ravel()))
    row, column = divmod(cell, _CELLS)
    y = (row + rng.random()) * size[0] / _CELLS
    x = (column + rng.random()) * size[1] / _CELLS
    return min(int(x), size[1] - 1), min(int(y), size[0] - 1)
