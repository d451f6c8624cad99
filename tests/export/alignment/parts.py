"""Parts: draws a part that is like no turned one of itself, moved and turned, with defects if wanted."""

from __future__ import annotations

import cv2
import numpy as np

__all__ = ["SIDE", "draw_part"]

SIDE = 128
_GROUND = (60, 50, 40)


def draw_part(
    x: float = 0, y: float = 0, angle: float = 0, *, seed: int = 0, spot: bool = False, grain: float = 2
) -> np.ndarray:
    """Draw a part, uint8 BGR [128, 128, 3], moved by (x, y) and turned about the middle of the image.

    A `spot` is dark, of 9 pixels, and lies at (58, 74) of the part that wasn't moved.
    """
    image = np.full((SIDE, SIDE, 3), _GROUND, np.uint8)
    corners = np.array([[40, 46], [76, 43], [88, 63], [75, 85], [50, 80], [36, 70]])
    cv2.fillPoly(image, [corners], (150, 170, 180), cv2.LINE_AA)
    cv2.circle(image, (54, 59), 6, (90, 90, 200), -1, cv2.LINE_AA)
    cv2.line(image, (64, 66), (77, 73), (40, 40, 40), 2)
    if spot:
        cv2.circle(image, (58, 74), 4, (20, 20, 20), -1, cv2.LINE_AA)
    matrix = cv2.getRotationMatrix2D(((SIDE - 1) / 2, (SIDE - 1) / 2), angle, 1)
    matrix[:, 2] += (x, y)
    moved = cv2.warpAffine(image, matrix, (SIDE, SIDE), borderMode=cv2.BORDER_REPLICATE).astype(float)
    noise = np.random.default_rng(seed).normal(0, grain, moved.shape)
    return np.clip(moved + noise, 0, 255).astype(np.uint8)
