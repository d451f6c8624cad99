"""JPEG: reads the markers of a file's first image to its end before it is decoded.

Data behind that end doesn't belong to it: the video of a phone's photo, a second image, a serial number.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass

from softcore_runtime.errors import ImageError
from softcore_runtime.images.bounds import check_size
from softcore_runtime.images.formats.orientation import find_orientation

__all__ = ["SIGNATURE", "Jpeg", "examine_jpeg"]

SIGNATURE = b"\xff\xd8\xff"
_START, _END, _SCAN, _APP1 = 0xD8, 0xD9, 0xDA, 0xE1
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # SOF0 to SOF15; the others are tables
_RESTARTS = frozenset({0, *range(0xD0, 0xD8)})  # bytes that follow 0xFF within coded data
_NEXT = re.compile(rb"\xff[^\x00\xd0-\xd7]")  # may also match fill bytes before a restart
_CUT_OFF = "the image is cut off"
_MOST_SCANS = 100  # a progressive image has about ten; each takes as long as decoding the image
_MOST_DECODED = 4_000_000_000  # pixels in all scans: 200 megapixels in 20 of them
_EXIF = b"Exif\0\0"


@dataclass(frozen=True)
class Jpeg:
    """The header of a JPEG.

    Attributes:
        end: offset of the end of its first image in the file.
        orientation: the EXIF orientation, 1 to 8.
    """

    end: int
    orientation: int


def examine_jpeg(data: bytes) -> Jpeg:
    """Read the markers of the first image.

    Raises:
        ImageError: it is cut off or damaged, or has too many pixels.
        UsageError: as `check_size`.
    """
    at, orientation, scans, pixels = 2, 1, 0, 0
    while True:
        marker, at = _read_marker(data, at)
        if marker == _END:
            if not scans:
                raise ImageError("not an image, or a damaged one")
            return Jpeg(at, orientation)
        if marker == _START:
            raise ImageError("the image is damaged and can't be read (another one begins within it)")
        if at + 2 > len(data):
            raise ImageError(_CUT_OFF)
        (length,) = struct.unpack_from(">H", data, at)
        content, at = data[at + 2 : at + length], at + length
        if at > len(data):
            raise ImageError(_CUT_OFF)
        if marker in _FRAMES:
            if pixels or len(content) < 5:
                raise ImageError("not an image, or a damaged one")
            height, width = struct.unpack_from(">HH", content, 1)
            check_size(width, height)
            pixels = width * height
        elif marker == _APP1 and content.startswith(_EXIF):
            orientation = find_orientation(content[len(_EXIF) :])
        elif marker == _SCAN:
            scans += 1
            if not pixels or scans > _MOST_SCANS or scans * pixels > _MOST_DECODED:
                raise ImageError("not an image, or a damaged one")
            at = _skip_coded(data, at)


def _skip_coded(data: bytes, at: int) -> int:
    """Return the offset of the next marker after a scan's coded data."""
    while found := _NEXT.search(data, at):
        marker, after = _read_marker(data, found.start())
        if marker not in _RESTARTS:
            return found.start()
        at = after
    raise ImageError(_CUT_OFF)


def _read_marker(data: bytes, at: int) -> tuple[int, int]:
    """Read a marker, with any number of 0xFF before it; return it and the offset behind it."""
    start = at
    while data[at : at + 1] == b"\xff":
        at += 1
    if at >= len(data):
        raise ImageError(_CUT_OFF)
    if at == start:
        raise ImageError("the image is damaged and can't be read (a marker is missing)")
    return data[at], at + 1
