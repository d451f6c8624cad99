"""Outline: the polygons around what is white in an image."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from softcore_runtime.images.windows import Outline, Region

__all__ = ["LEAST", "bound_outline", "trace_outline"]

_DEVIATION = 0.004  # of the longer side, by which a polygon may leave the white
LEAST = 0.0005  # share of the image's pixels; a piece, or a hole, that is smaller is noise
_NEXT, _CHILD, _PARENT = 0, 2, 3  # columns of OpenCV's tree of contours


def trace_outline(white: NDArray[np.bool_]) -> Outline:
    """Trace what is white, as polygons whose corners are shares of the image.

    A polygon with holes is one that runs along its outer edge and around each hole: the way there and back is
    the same line, so that by the even-odd rule, which `cv2.fillPoly` has, the holes are outside.

    Args:
        white: bool `[h, w]`.

    Returns:
        the polygons, the largest first; none where nothing is white.

    Example:
        >>> white = np.zeros((100, 200), bool)
        >>> white[20:80, 50:150] = True
        >>> trace_outline(white)
        (((0.25, 0.2), (0.25, 0.8), (0.75, 0.8), (0.75, 0.2)),)
        >>> white[40:60, 80:120] = False
        >>> len(trace_outline(white)[0])  # 4 + 4 corners, and both ends of the way come twice
        10
    """
    height, width = white.shape
    size = np.array([2 * width, 2 * height])
    # Contours run through the middles of pixels: twice as fine, they lie half a pixel from the outer edges.
    fine = np.repeat(np.repeat(white.astype(np.uint8), 2, axis=0), 2, axis=1)
    contours, tree = cv2.findContours(fine, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    least = 4 * LEAST * white.size
    pieces = [
        (cv2.contourArea(contour), number)
        for number, contour in enumerate(contours)
        if tree[0, number, _PARENT] < 0 and cv2.contourArea(contour) >= least
    ]
    polygons = []
    for _, number in sorted(pieces, key=lambda piece: -piece[0]):
        corners = _simplify(contours[number], max(height, width))
        if corners is None:
            continue
        edges = corners + (corners > corners.mean(axis=0))
        child = int(tree[0, number, _CHILD])
        while child >= 0:
            hole = _simplify(contours[child], max(height, width))
            if hole is not None and cv2.contourArea(contours[child]) >= least:
                # A hole's contour runs through the white around it.
                edges = _join(edges, hole + (hole < hole.mean(axis=0)))
            child = int(tree[0, child, _NEXT])
        shares = (edges / size).clip(0, 1)
        polygons.append(tuple((float(x), float(y)) for x, y in shares))
    return tuple(polygons)


def _simplify(contour: cv2.typing.MatLike, longer: int) -> NDArray[np.int32] | None:
    """Return the corners of a contour of an image twice as fine, int32 `[n, 2]`; None if it has no area."""
    corners = cv2.approxPolyDP(contour, 2 * _DEVIATION * longer, True)[:, 0]
    return np.asarray(corners, np.int32) if len(corners) >= 3 else None


def _join(polygon: NDArray[np.int32], hole: NDArray[np.int32]) -> NDArray[np.int32]:
    """Return a polygon that also runs around a hole, by the shortest way from corner to corner."""
    apart = ((polygon[:, None] - hole[None]) ** 2).sum(axis=2)
    here, there = np.unravel_index(int(apart.argmin()), apart.shape)
    around = np.roll(hole, -int(there), axis=0)
    return np.concatenate([polygon[: here + 1], around, around[:1], polygon[here:]])


def bound_outline(outline: Outline) -> Region:
    """Return the smallest region that holds all polygons, of which there is at least one."""
    corners = np.concatenate([np.array(polygon) for polygon in outline])
    (left, top), (right, bottom) = corners.min(axis=0).tolist(), corners.max(axis=0).tolist()
    return Region(x=left, y=top, width=right - left, height=bottom - top)
