"""Heat map: where in an image it is hot, over its grey, and the result as text of a page."""

from __future__ import annotations

import base64

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["encode", "heat_image", "lay_heat", "resize"]

_Image = NDArray[np.uint8]  # BGR [h, w, 3]

_FROM, _TO = 0.5, 2.0  # times the threshold where the heat begins and where it is full
_DIM = 0.75  # a white part must not outshine the heat
_SMALLEST, _LARGEST = 320, 640  # pixels of a heat image's side
_HEAVIEST = 36_000  # bytes of a JPEG: some sixty of them stay below 3 MB as text
_WHITE, _BLACK = (255, 255, 255), (0, 0, 0)


def heat_image(crop: _Image, suspicion: NDArray[np.float32], kept: NDArray[np.bool_]) -> _Image:
    """Draw how suspect each patch is: the grey image under heat, excluded patches outlined.

    The heat (inferno, whose lightness grows steadily) begins at half the threshold and is full at twice the
    threshold. The outline is white on black, so that it stands out in grey and in colour.

    Args:
        crop: uint8 BGR `[c, c, 3]`, an image as the network sees it.
        suspicion: float32 `[H, W]`, of each patch as times the threshold.
        kept: bool `[H, W]`, False where a patch is excluded.

    Returns:
        uint8 BGR `[s, s, 3]`, the crop brought to a readable size: 320 <= s <= 640.

    Raises:
        ValueError: of other shapes.
    """
    if crop.ndim != 3 or crop.shape[2] != 3 or suspicion.ndim != 2 or suspicion.shape != kept.shape:
        shapes = [list(a.shape) for a in (crop, suspicion, kept)]
        raise ValueError(f"crop, suspicion and kept must be [c, c, 3], [H, W] and [H, W], not {shapes}")
    image = resize(crop, min(max(_SMALLEST, *crop.shape[:2]), _LARGEST))
    size = image.shape[1::-1]
    # To strengths first, then between the patches: a lone one doesn't drown among its neighbours.
    strength = np.clip((np.nan_to_num(suspicion) - _FROM) / (_TO - _FROM), 0, 1).astype(np.float32)
    heat = lay_heat(image, np.asarray(cv2.resize(strength, size, interpolation=cv2.INTER_LINEAR)))
    excluded = cv2.resize((~kept).astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)
    outlines = cv2.findContours(excluded, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)[0]
    cv2.drawContours(heat, outlines, -1, _BLACK, 3, cv2.LINE_8)
    cv2.drawContours(heat, outlines, -1, _WHITE, 1, cv2.LINE_8)
    return heat


def encode(image: _Image) -> str:
    """Write an image, uint8 BGR `[h, w, 3]`, as the text of a `data:` URI: a JPEG of some 36 kB at most."""
    data = b""
    for quality in (85, 70, 50, 30, 10):  # noise is heavy, and a page of it mustn't be
        data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()
        if len(data) <= _HEAVIEST:
            break
    return "data:image/jpeg;base64," + base64.b64encode(data).decode()


def lay_heat(image: _Image, strength: NDArray[np.float32]) -> _Image:
    """Lay heat `[h, w]`, 0 to 1, over the grey of an image `[h, w, 3]`."""
    colours = cv2.applyColorMap((255 * (0.25 + 0.75 * strength)).astype(np.uint8), cv2.COLORMAP_INFERNO)
    alpha = 0.9 * np.power(strength, 0.7)[:, :, None]
    grey = _DIM * cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
    return np.ascontiguousarray((1 - alpha) * grey + alpha * colours, dtype=np.uint8)


def resize(image: _Image, longer: int) -> _Image:
    """Bring an image's longer side to so many pixels."""
    factor = longer / max(image.shape[:2])
    size = (max(1, round(image.shape[1] * factor)), max(1, round(image.shape[0] * factor)))
    way = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    return np.ascontiguousarray(cv2.resize(image, size, interpolation=way), dtype=np.uint8)
