"""PNG: reads the chunks and verifies their checksums before it is decoded."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

from softcore_runtime.errors import ImageError
from softcore_runtime.images.bounds import check_size
from softcore_runtime.images.formats.orientation import find_orientation

__all__ = ["SIGNATURE", "Png", "examine_png"]

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_CUT_OFF = "the image is cut off"
_FRAME = 12  # size of a chunk without its content, in bytes: length, name and checksum


@dataclass(frozen=True)
class Png:
    """The header of a PNG.

    Attributes:
        end: offset of its end in the file.
        orientation: the EXIF orientation, 1 to 8.
    """

    end: int
    orientation: int


def examine_png(data: bytes) -> Png:
    """Read the chunks of a PNG.

    Raises:
        ImageError: it is cut off, damaged, animated, or has too many pixels.
        UsageError: as `check_size`.
    """
    view = memoryview(data)
    at, orientation = len(SIGNATURE), 1
    names: list[bytes] = []
    while True:
        if at + _FRAME > len(data):
            raise ImageError(_CUT_OFF)
        (length,) = struct.unpack_from(">I", data, at)
        name, stop = data[at + 4 : at + 8], at + _FRAME + length
        if stop > len(data):
            raise ImageError(_CUT_OFF)
        content = view[at + 8 : stop - 4]
        if not names:
            if name != b"IHDR" or length != 13:
                raise ImageError("not an image, or a damaged one")
            check_size(*struct.unpack_from(">II", content))
        if zlib.crc32(view[at + 4 : stop - 4]) != struct.unpack_from(">I", data, stop - 4)[0]:
            shown = name.decode("ascii", "replace")
            raise ImageError(f"the image is damaged and can't be read (the checksum of its {shown} is wrong)")
        if name == b"acTL" and length >= 4 and (count := struct.unpack_from(">I", content)[0]) > 1:
            raise ImageError(f"a PNG of {count:,} frames can't be read; save each as a file of its own")
        if name == b"eXIf":
            orientation = find_orientation(content)
        names.append(name)
        at = stop
        if name == b"IEND":
            return Png(at, orientation)
