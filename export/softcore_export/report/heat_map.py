"""Heat map: draws how suspect the places of an image are, over its grey, and encodes images for a page."""

from __future__ import annotations

import base64

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["draw_heat", "encode", "lay_heat", "resize"]

_Image = NDArray[np.uint8]  # BGR [h, w, 3]

_FROM, _TO = 0.5, 2.0  # multiples of the threshold where the heat begins and where it is full
_DIM = 0.75  # factor of the grey image: a white part must not be brighter than the heat
_SMALLEST, _LARGEST = 320, 640  # pixels of a heat image's side
_MOST_BYTES = 36_000  # of a JPEG: about sixty of them stay below 3 MB as text
_WHITE, _BLACK = (255, 255, 255), (0, 0, 0)


def draw_heat(crop: _Image, suspicion: NDArray[np.float32], kept: NDArray[np.bool_]) -> _Image:
    """Draw how suspect each patch is, as heat over the grey image, with excluded patches outlined.

    The colours (inferno, with steadily growing lightness) begin at half the threshold and end at twice the
    threshold. The outline is white on black, which is visible on grey and on colour.

    Args:
        crop: uint8 BGR `[h, w, 3]`, what the network sees.
        suspicion: float32 `[H, W]`, of each patch as multiples of the threshold.
        kept: bool `[H, W]`, False where a patch is excluded.

    Returns:
        uint8 BGR `[h', w', 3]`, the crop resized to a longer side of 320 to 640 pixels.

    Raises:
        ValueError: the shapes are others.
    """
    if crop.ndim != 3 or crop.shape[2] != 3 or suspicion.ndim != 2 or suspicion.shape != kept.shape:
        shapes = [list(a.shape) for a in (crop, suspicion, kept)]
        raise ValueError(f"crop, suspicion and kept must be [h, w, 3], [H, W] and [H, W], not {shapes}")
    image = resize(crop, min(max(_SMALLEST, *crop.shape[:2]), _LARGEST))
    size = image.shape[1::-1]
    # Map to strengths before interpolating, so that a single patch stays visible among its neighbours.
    strength = np.clip((np.nan_to_num(suspicion) - _FROM) / (_TO - _FROM), 0, 1).astype(np.float32)
    heat = lay_heat(image, np.asarray(cv2.resize(strength, size, interpolation=cv2.INTER_LINEAR)))
    excluded = cv2.resize((~kept).astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)
    outlines = cv2.findContours(excluded, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)[0]
    cv2.drawContours(heat, outlines, -1, _BLACK, 3, cv2.LINE_8)
    cv2.drawContours(heat, outlines, -1, _WHITE, 1, cv2.LINE_8)
    return heat


def encode(image: _Image) -> str:
    """Encode an image, uint8 BGR `[h, w, 3]`, as a `data:` URI: a JPEG of about 36 kB at most."""
    data = b""
    for quality in (85, 70, 50, 30, 10):  # a noisy image needs many bytes
        data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()
        if len(data) <= _MOST_BYTES:
            break
    return "data:image/jpeg;base64," + base64.b64encode(data).decode()


def lay_heat(image: _Image, strength: NDArray[np.float32]) -> _Image:
    """Draw heat `[h, w]`, 0 to 1, over the grey of an image `[h, w, 3]`."""
    colours = cv2.applyColorMap((255 * (0.25 + 0.75 * strength)).astype(np.uint8), cv2.COLORMAP_INFERNO)
    alpha = 0.9 * np.power(strength, 0.7)[:, :, None]
    grey = _DIM * cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
    return np.ascontiguousarray((1 - alpha) * grey + alpha * colours, dtype=np.uint8)


def resize(image: _Image, longer: int) -> _Image:
    """Resize an image so that its longer side has `longer` pixels."""
    factor = longer / max(image.shape[:2])
    size = (max(1, round(image.shape[1] * factor)), max(1, round(image.shape[0] * factor)))
    way = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    return np.ascontiguousarray(cv2.resize(image, size, interpolation=way), dtype=np.uint8)
