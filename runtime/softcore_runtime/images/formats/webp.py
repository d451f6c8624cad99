"""WebP: reads the chunks before it is decoded."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from softcore_runtime.errors import ImageError
from softcore_runtime.images.bounds import check_size
from softcore_runtime.images.formats.orientation import find_orientation

__all__ = ["Webp", "examine_webp"]

_DAMAGED = "not an image, or a damaged one"
_HEAD = 12  # size of "RIFF", the length and "WEBP", in bytes
_ANIMATED = 2  # bit of a VP8X chunk
_SIDE = 0x3FFF


@dataclass(frozen=True)
class Webp:
    """The header of a WebP.

    Attributes:
        end: offset of its end in the file.
        orientation: the EXIF orientation, 1 to 8.
    """

    end: int
    orientation: int


def examine_webp(data: bytes) -> Webp:
    """Read the chunks of a WebP.

    Raises:
        ImageError: it is cut off, damaged, animated, or has too many pixels.
        UsageError: as `check_size`.
    """
    end = 8 + int.from_bytes(data[4:8], "little")
    if end > len(data):
        raise ImageError("the image is cut off")
    at, orientation, sized = _HEAD, 1, False
    while at + 8 <= end:
        name, length = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        content = data[at + 8 : at + 8 + length]
        if at + 8 + length > end:
            raise ImageError("the image is cut off")
        if name == b"VP8X" and content[:1] and content[0] & _ANIMATED:
            raise ImageError("an animated WebP can't be read; save each frame as a file of its own")
        if name in (b"VP8X", b"VP8 ", b"VP8L"):
            check_size(*_read_size(name, content))
            sized = True
        elif name == b"EXIF":
            orientation = find_orientation(content.removeprefix(b"Exif\0\0"))
        at += 8 + length + length % 2
    if not sized:
        raise ImageError(_DAMAGED)
    return Webp(end, orientation)


def _read_size(name: bytes, content: bytes) -> tuple[int, int]:
    """Read width and height from the header of a canvas, or of lossy or lossless pixels."""
    try:
        if name == b"VP8X":
            return 1 + int.from_bytes(content[4:7], "little"), 1 + int.from_bytes(content[7:10], "little")
        if name == b"VP8 ":
            width, height = struct.unpack_from("<HH", content, 6)
            return width & _SIDE, height & _SIDE
        (packed,) = struct.unpack_from("<I", content, 1)
    except struct.error as error:
        raise ImageError(_DAMAGED) from error
    return 1 + (packed & _SIDE), 1 + (packed >> 14 & _SIDE)
