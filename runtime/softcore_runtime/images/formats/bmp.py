"""BMP: reads the header, and refuses the kinds that OpenCV decodes wrongly."""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from softcore_runtime.errors import ImageError
from softcore_runtime.images.bounds import check_size
from softcore_runtime.images.decoder import decode

__all__ = ["decode_bmp"]

_DAMAGED = "not an image, or a damaged one"
_PLAIN, _RLE8, _RLE4, _FIELDS, _ALPHA_FIELDS = 0, 1, 2, 3, 6
_HEAD, _OLD = 40, 12  # size of the usual header and of OS/2's, in bytes
_FIVE, _SIX = (0x7C00, 0x3E0, 0x1F), (0xF800, 0x7E0, 0x1F)  # red, green and blue of 16 bits
_EIGHT = (0xFF0000, 0xFF00, 0xFF)
_BYTES = frozenset(0xFF << shift for shift in (0, 8, 16, 24))
_OPENCV_READS_MASKS = 56  # size of the header from which OpenCV reads the masks of 32 bits, in bytes


@dataclass(frozen=True)
class _Head:
    width: int
    height: int
    depth: int
    compression: int
    masks: tuple[int, ...]
    offset: int


def decode_bmp(data: bytes) -> NDArray[np.generic]:
    """Decode a BMP to BGR uint8 `[H, W, 3]`.

    Raises:
        ImageError: it is damaged, or of an unsupported kind.
        UsageError: as `check_size`.
    """
    head = _read_head(data)
    check_size(head.width, head.height)
    if head.compression in (_RLE8, _RLE4):
        _check_runs(data, head)
    image = decode(data)
    if head.depth == 16:
        # OpenCV leaves the low bits 0, so white would be 248.
        fills = np.array([5, 6 if head.masks == _SIX else 5, 5])
        image = np.asarray(image | (image >> fills), np.uint8)
    return image


def _read_head(data: bytes) -> _Head:
    try:
        offset, size = struct.unpack_from("<II", data, 10)
        if size == _OLD:
            width, height, _, depth = struct.unpack_from("<HHHH", data, 18)
            return _Head(width, height, depth, _PLAIN, (), offset)
        if size < _HEAD:
            raise ImageError(_DAMAGED)
        width, height, _, depth, compression = struct.unpack_from("<iiHHI", data, 18)
        masks: tuple[int, ...] = ()
        if compression in (_FIELDS, _ALPHA_FIELDS):
            masks = struct.unpack_from("<III", data, 54)
    except struct.error as error:
        raise ImageError(_DAMAGED) from error
    head = _Head(width, abs(height), depth, compression, masks, offset)
    if masks and not _can_decode_masks(head, size):
        bits = ", ".join(str(bin(mask).count("1")) for mask in masks)
        raise ImageError(
            f"a BMP whose colours have {bits} bits of {depth} can't be read; save it with 24 bits a pixel"
        )
    return head


def _can_decode_masks(head: _Head, size: int) -> bool:
    """Return whether OpenCV decodes these colours correctly."""
    if head.depth == 16:
        return head.masks in (_FIVE, _SIX)
    return head.masks == _EIGHT or (set(head.masks) <= _BYTES and size >= _OPENCV_READS_MASKS)


def _check_runs(data: bytes, head: _Head) -> None:
    """Check that run-length coded pixels fill the image: OpenCV would invent missing ones."""
    at, covered, wanted = head.offset, 0, head.width * head.height
    while covered < wanted:
        if at + 2 > len(data):
            raise ImageError("the image is cut off")
        count, value = data[at], data[at + 1]
        at += 2
        if count:
            covered += count
        elif value > 2:  # that many uncoded pixels, padded to 16 bits
            covered += value
            size = value if head.compression == _RLE8 else (value + 1) // 2
            at += size + size % 2
        elif value == 2 or (value == 0 and covered % head.width) or value == 1:
            raise ImageError("the image is damaged and can't be read (some of its pixels are missing)")
