"""Outline: the polygons around what is white in an image."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from softcore_runtime.images.windows import Outline, Region

__all__ = ["bound_outline", "trace_outline"]

_DEVIATION = 0.004  # of the longer side, by which a polygon may leave the white
_LEAST = 0.0005  # share of the image's pixels; less white than this is noise


def trace_outline(white: NDArray[np.bool_]) -> Outline:
    """Trace what is white, as polygons whose corners are shares of the image; holes are filled.

    Args:
        white: bool `[h, w]`.

    Returns:
        the polygons, the largest first; none where nothing is white.

    Example:
        >>> white = np.zeros((100, 200), bool)
        >>> white[20:80, 50:150] = True
        >>> trace_outline(white)
        (((0.25, 0.2), (0.25, 0.8), (0.75, 0.8), (0.75, 0.2)),)
    """
    height, width = white.shape
    # Contours run through the middles of pixels: twice as fine, they lie half a pixel from the outer edges.
    fine = np.repeat(np.repeat(white.astype(np.uint8), 2, axis=0), 2, axis=1)
    contours = cv2.findContours(fine, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)[0]
    polygons = []
    for contour in sorted(contours, key=cv2.contourArea, reverse=True):
        if cv2.contourArea(contour) < 4 * _LEAST * white.size:
            break
        corners = cv2.approxPolyDP(contour, 2 * _DEVIATION * max(height, width), True)[:, 0]
        if len(corners) < 3:
            continue
        middle = corners.mean(axis=0)
        edges = (corners + (corners > middle)) / (2 * width, 2 * height)
        polygons.append(tuple((float(x), float(y)) for x, y in edges.clip(0, 1)))
    return tuple(polygons)


def bound_outline(outline: Outline) -> Region:
    """Return the smallest region that holds all polygons, of which there is at least one."""
    corners = np.concatenate([np.array(polygon) for polygon in outline])
    (left, top), (right, bottom) = corners.min(axis=0).tolist(), corners.max(axis=0).tolist()
    return Region(x=left, y=top, width=right - left, height=bottom - top)
