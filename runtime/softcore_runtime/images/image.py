"""Image: decodes the content of an image file of any supported kind, the same on every machine."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from softcore_runtime.errors import ImageError
from softcore_runtime.images.decoder import decode
from softcore_runtime.images.depth import FULL, stretch
from softcore_runtime.images.formats import jpeg, png
from softcore_runtime.images.formats.bmp import decode_bmp
from softcore_runtime.images.formats.orientation import apply_orientation
from softcore_runtime.images.formats.tiff import decode_tiff
from softcore_runtime.images.formats.webp import examine_webp

__all__ = ["decode_image", "has_16_bits"]

_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_OTHERS = {  # kinds that OpenCV may decode or a person may try, and that aren't supported
    b"GIF8": "GIF",
    b"\0\0\0\x0cjP  ": "JPEG 2000",
    b"\xff\x4f\xff\x51": "JPEG 2000",
    b"\0\0\0\x0cJXL ": "JPEG XL",
    b"\xff\x0a": "JPEG XL",
    b"8BPS": "Photoshop",
    b"v/1\x01": "OpenEXR",
    b"#?RADIANCE": "Radiance HDR",
    b"%PDF": "PDF",
    b"\x59\xa6\x6a\x95": "Sun raster",
}
_PNM = frozenset(b"1234567Ff")  # the second character of the PNM family's files


def decode_image(data: bytes, white: int = FULL) -> NDArray[np.generic]:
    """Decode the content of a PNG, JPEG, BMP, TIFF or WebP file.

    Args:
        data: the file's bytes, which determine its kind; its name doesn't.
        white: the 16-bit value of white, if the file doesn't specify it.

    Returns:
        uint8 or uint16, BGR `[H, W, 3]` or grey `[H, W]`, upright; 16 bits span their full range.

    Raises:
        ImageError: it is none of these, damaged, or of an unsupported kind; the message has no path.
        UsageError: as `check_size`.
    """
    if data.startswith(png.SIGNATURE):
        head: Any = png.examine_png(data)
    elif data.startswith(jpeg.SIGNATURE):
        head = jpeg.examine_jpeg(data)
    elif data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        head = examine_webp(data)
    elif data.startswith(_TIFF):
        return decode_tiff(data, white)
    elif data.startswith(b"BM"):
        return decode_bmp(data)
    elif name := _name_unsupported(data):
        raise ImageError(f"an image of the kind {name} can't be read; convert it to .png")
    else:
        raise ImageError("not an image, or a damaged one")
    image = apply_orientation(decode(memoryview(data)[: head.end]), head.orientation)
    return stretch(image, white) if image.dtype == np.uint16 else image


def has_16_bits(data: bytes) -> bool:
    """Return whether an image may have more than 8 bits, by its header; only decoding shows it for sure."""
    if data.startswith(png.SIGNATURE):
        return data[24:25] == b"\x10"
    return data.startswith(_TIFF)


def _name_unsupported(data: bytes) -> str | None:
    """Return the name of an unsupported kind of image; None if it isn't known."""
    if data[4:8] == b"ftyp":
        brand = data[8:12]
        return (
            {b"avif": "AVIF", b"avis": "AVIF"}.get(brand, "HEIF")
            if brand[:2] in (b"av", b"he", b"mi")
            else None
        )
    if data[:1] == b"P" and len(data) > 2 and data[1] in _PNM and data[2] in b" \t\r\n":
        return "PNM"
    return next((name for start, name in _OTHERS.items() if data.startswith(start)), None)
