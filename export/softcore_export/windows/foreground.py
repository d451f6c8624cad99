"""Foreground: the place that parts take up before a plain background, over all training images.

Each image's background is known from its outer ring. Where the ring is plain, what differs from it clearly
is the part. The region is what any image's part takes up, and a margin: it cuts nothing that moves. Where too
few images have a plain ring, or the parts fill the frame, there is no clear foreground, and all is inspected.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from softcore_runtime.images.windows import Outline

from softcore_export.windows.outline import trace_outline

__all__ = ["Foreground", "find_foreground"]

_SIDE = 256  # pixels of the longer side that images are shrunk to
_RING = 0.03  # of the longer side: width of the outer ring
_PLAIN = 0.95  # share of the ring that must be background
_DISTINCT = 0.7  # share of the variance that the split into part and background must explain
_CLEAR = 0.95  # share of the images that must have a clear foreground
_PIECE = 0.2  # of the largest piece: smaller ones are debris
_MARGIN = 0.04  # of the longer side, around all parts
_LEAST, _MOST = 0.05, 0.75  # shares of the frame that a region may take up


@dataclass(frozen=True)
class Foreground:
    """The foreground that images share, or why there is none.

    Attributes:
        outline: polygons around it; none where it isn't clear.
        share: of the frame that it takes up; 1 where it isn't clear.
        reason: why it isn't clear; empty where it is.
    """

    outline: Outline
    share: float
    reason: str


def find_foreground(images: Iterable[NDArray[np.uint8]]) -> Foreground:
    """Find the foreground that images share.

    Args:
        images: uint8 BGR `[h, w, 3]`, of one shape but maybe several sizes; each is looked at once.

    Example:
        >>> image = np.full((100, 100, 3), 200, np.uint8)
        >>> image[30:70, 30:70] = 50
        >>> found = find_foreground([image] * 10)
        >>> round(found.share, 2), found.reason
        (0.23, '')
    """
    taken: NDArray[np.bool_] | None = None
    clear = count = 0
    for image in images:
        count += 1
        part = _find_part(_shrink(image))
        if part is None:
            continue
        clear += 1
        if taken is None:
            taken = np.zeros(part.shape, np.bool_)
        taken |= cv2.resize(part.astype(np.uint8), taken.shape[::-1], interpolation=cv2.INTER_NEAREST) > 0
    if taken is None or clear < _CLEAR * count:
        return Foreground((), 1.0, f"only {clear} of {count} images show a part before a plain background")
    reach = round(_MARGIN * _SIDE)
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    wide = _fill_holes(cv2.dilate(np.pad(taken.astype(np.uint8), reach), disc)[reach:-reach, reach:-reach])
    share = float(wide.mean())
    if share > _MOST:
        return Foreground((), 1.0, f"the parts take up {100 * share:.0f} % of the frame")
    return Foreground(trace_outline(wide), share, "")


def _fill_holes(area: cv2.typing.MatLike) -> NDArray[np.bool_]:
    """Return an area, uint8 `[h, w]`, without its holes, bool `[h, w]`: a part is inspected to its middle."""
    area = np.ascontiguousarray(area, np.uint8)
    contours = cv2.findContours(area, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)[0]
    return np.asarray(cv2.drawContours(np.zeros_like(area), contours, -1, 1, cv2.FILLED) > 0)


def _shrink(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    height, width = image.shape[:2]
    scale = _SIDE / max(height, width)
    size = (max(8, round(width * scale)), max(8, round(height * scale)))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)


def _find_part(image: NDArray[np.uint8]) -> NDArray[np.bool_] | None:
    """Find the part in an image before a plain background, bool `[h, w]`; None if it isn't clear."""
    height, width = image.shape[:2]
    ring = np.ones((height, width), np.bool_)
    edge = max(2, round(_RING * max(height, width)))
    ring[edge:-edge, edge:-edge] = False
    smooth = cv2.GaussianBlur(image, (0, 0), 1.5).astype(np.float32)
    unlike = np.abs(smooth - np.median(smooth[ring], axis=0)).max(axis=2)  # [h, w]
    levels = unlike.clip(0, 255).astype(np.uint8)
    cut = cv2.threshold(levels, 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU)[0]
    above = levels > cut
    if not above.any() or _explain(levels, above) < _DISTINCT or above[ring].mean() > 1 - _PLAIN:
        return None
    # The cut halves the way from background to part: the part's soft edge and shadow belong to it.
    part = np.asarray(levels > cut / 2).astype(np.uint8)
    if part[ring].mean() > 1 - _PLAIN:
        part = above.astype(np.uint8)
    opened = cv2.morphologyEx(part, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    contours = cv2.findContours(opened, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)[0]
    areas = [cv2.contourArea(contour) for contour in contours]
    kept = [c for c, area in zip(contours, areas, strict=True) if area >= _PIECE * max(areas)]
    filled = np.zeros((height, width), np.uint8)
    cv2.drawContours(filled, kept, -1, 1, cv2.FILLED)
    return np.asarray(filled > 0) if filled.mean() > _LEAST else None


def _explain(levels: NDArray[np.uint8], above: NDArray[np.bool_]) -> float:
    """Return the share of the levels' variance that the split explains."""
    total = float(levels.var())
    if not total:
        return 0.0
    share = float(above.mean())
    apart = float(levels[above].mean()) - float(levels[~above].mean())
    return share * (1 - share) * apart**2 / total
