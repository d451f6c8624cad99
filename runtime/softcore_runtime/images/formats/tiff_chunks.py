"""TIFF chunks: whether a page's strips or tiles are all there and whole, which libtiff doesn't insist on.

For 8 bits OpenCV asks libtiff for as much as can be decoded, and takes the rest for black.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from softcore_runtime.errors import ImageError
from softcore_runtime.images.decoder import decode_deep_grey
from softcore_runtime.images.formats.tiff_directory import Directory

__all__ = ["Chunks", "check_chunks", "find_chunks"]

_WIDTH, _HEIGHT, _BITS, _PHOTOMETRIC, _SAMPLES, _ROWS = 256, 257, 258, 262, 277, 278
_STRIPS, _STRIP_BYTES, _PLANAR, _PREDICTOR, _TILE_WIDTH, _TILE_HEIGHT = 273, 279, 284, 317, 322, 323
_TILES, _TILE_BYTES, _FORMAT, _ORIENTATION = 324, 325, 339, 274
_NONE, _LZW, _DEFLATE, _OLD_DEFLATE, _PACKBITS = 1, 5, 8, 32946, 32773
_SEPARATE = 2
_MISSING = "the image is cut off"


@dataclass(frozen=True)
class Chunks:
    """The strips or tiles of a page.

    Attributes:
        tags: of their places and their lengths.
        places: where each begins in the file.
        lengths: bytes of each there.
        across: how many lie beside each other.
        row: bytes of one row in each, decoded.
        rows: of each; of the last strip fewer.
        planes: how often the image is covered: once, or once for each channel.
    """

    tags: tuple[int, int]
    places: tuple[int, ...]
    lengths: tuple[int, ...]
    across: int
    row: int
    rows: int
    planes: int


def find_chunks(page: Directory, bits: int) -> Chunks:
    """Find a page's chunks.

    Raises:
        ImageError: some are missing, or lie outside the file.
    """
    width, height = page.integer(_WIDTH, 0), page.integer(_HEIGHT, 0)
    samples = page.integer(_SAMPLES, 1)
    planes = samples if page.integer(_PLANAR, 1) == _SEPARATE else 1
    if page.integers(_TILE_WIDTH):
        tags = (_TILES, _TILE_BYTES)
        wide, rows = page.integer(_TILE_WIDTH, 0), page.integer(_TILE_HEIGHT, 0)
    else:
        tags = (_STRIPS, _STRIP_BYTES)
        wide, rows = width, min(page.integer(_ROWS, height), height)
    places, lengths = (page.integers(tag) for tag in tags)
    if not rows or not wide:
        raise ImageError("the TIFF is damaged and can't be read (it has no rows)")
    across = -(-width // wide)
    wanted = across * -(-height // rows) * planes
    if len(places) != wanted or len(lengths) != wanted:
        raise ImageError(
            f"the TIFF is damaged and can't be read (it has {len(places):,} strips or tiles of {wanted:,})"
        )
    if any(place + length > len(page.data) for place, length in zip(places, lengths, strict=True)):
        raise ImageError(_MISSING)
    row = -(-wide * bits * (samples // planes) // 8)
    return Chunks(tags, places, lengths, across, row, rows, planes)


def check_chunks(page: Directory, bits: int, compression: int) -> None:
    """Refuse a page of which something is missing or can't be decoded.

    Raises:
        ImageError: so it is.
    """
    chunks = find_chunks(page, bits)
    if compression == _NONE:
        if any(length < size for length, size in zip(chunks.lengths, _find_sizes(page, chunks), strict=True)):
            raise ImageError(_MISSING)
    elif compression in (_DEFLATE, _OLD_DEFLATE):
        _inflate(page, chunks)
    elif compression in (_LZW, _PACKBITS) and bits == 8 and chunks.row > 1:
        _decode_as_deep(page, chunks)


def _find_sizes(page: Directory, chunks: Chunks) -> Iterator[int]:
    """Give the bytes of each chunk, decoded."""
    height = page.integer(_HEIGHT, 0)
    tiled = chunks.tags[0] == _TILES
    for number in range(len(chunks.places)):
        down = number // chunks.across % -(-height // chunks.rows)
        rows = chunks.rows if tiled else min(chunks.rows, height - down * chunks.rows)
        yield rows * chunks.row


def _inflate(page: Directory, chunks: Chunks) -> None:
    """Inflate every chunk, against the checksum that it ends with."""
    view = memoryview(page.data)
    for place, length, size in zip(chunks.places, chunks.lengths, _find_sizes(page, chunks), strict=True):
        inflater = zlib.decompressobj()
        try:
            # One byte more than there should be, so that the end and its checksum are reached.
            found = len(inflater.decompress(view[place : place + length], size + 1))
        except zlib.error as error:
            raise ImageError(f"the TIFF is damaged and can't be read ({error})") from error
        if found < size or not (inflater.eof or found > size):
            raise ImageError("the TIFF is damaged and can't be read (some of its pixels are missing)")


def _decode_as_deep(page: Directory, chunks: Chunks) -> None:
    """Decode the chunks as if two bytes were a grey level of 16 bits, where OpenCV does insist."""
    count = len(chunks.places) // chunks.planes
    for plane in range(chunks.planes):
        part = slice(plane * count, (plane + 1) * count)
        wide = chunks.row // 2
        grey = {
            _WIDTH: (wide * chunks.across,),
            _BITS: (16,),
            _PHOTOMETRIC: (1,),
            _SAMPLES: (1,),
            _PLANAR: (1,),
            _PREDICTOR: (1,),
            _FORMAT: (1,),
            _ORIENTATION: (1,),
            chunks.tags[0]: chunks.places[part],
            chunks.tags[1]: chunks.lengths[part],
            **({_TILE_WIDTH: (wide,)} if chunks.tags[0] == _TILES else {}),
        }
        try:
            decode_deep_grey(page.rewrite(grey, (280, 281, 320, 338, 340, 341)))
        except ImageError as error:
            raise ImageError(
                "the TIFF is damaged and can't be read (some of its pixels can't be decoded)"
            ) from error
