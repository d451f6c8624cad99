"""TIFF chunks: checks that a page's strips or tiles are complete, which libtiff doesn't require.

With 8 bits OpenCV lets libtiff decode as much as it can, and leaves the rest black.
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
        tags: the tags of their offsets and their lengths.
        places: offset of each in the file.
        lengths: size of each in the file, in bytes.
        across: number of chunks beside each other.
        row: size of one decoded row, in bytes.
        rows: number of rows of each; the last strip may have fewer.
        planes: 1, or the number of channels if these are stored separately.
    """

    tags: tuple[int, int]
    places: tuple[int, ...]
    lengths: tuple[int, ...]
    across: int
    row: int
    rows: int
    planes: int


def find_chunks(page: Directory, bits: int) -> Chunks:
    """Return a page's chunks.

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
    """Check that a page is complete and can be decoded.

    Raises:
        ImageError: something is missing or damaged.
    """
    chunks = find_chunks(page, bits)
    if compression == _NONE:
        if any(
            length < size for length, size in zip(chunks.lengths, _compute_sizes(page, chunks), strict=True)
        ):
            raise ImageError(_MISSING)
    elif compression in (_DEFLATE, _OLD_DEFLATE):
        _inflate(page, chunks)
    elif compression in (_LZW, _PACKBITS) and bits == 8 and chunks.row > 1:
        _decode_as_deep(page, chunks)


def _compute_sizes(page: Directory, chunks: Chunks) -> Iterator[int]:
    """Yield the decoded size of each chunk, in bytes."""
    height = page.integer(_HEIGHT, 0)
    tiled = chunks.tags[0] == _TILES
    for number in range(len(chunks.places)):
        down = number // chunks.across % -(-height // chunks.rows)
        rows = chunks.rows if tiled else min(chunks.rows, height - down * chunks.rows)
        yield rows * chunks.row


def _inflate(page: Directory, chunks: Chunks) -> None:
    """Inflate every chunk, and verify the checksum at its end."""
    view = memoryview(page.data)
    for place, length, size in zip(chunks.places, chunks.lengths, _compute_sizes(page, chunks), strict=True):
        inflater = zlib.decompressobj()
        try:
            # One byte more than expected, so that the end and its checksum are reached.
            found = len(inflater.decompress(view[place : place + length], size + 1))
        except zlib.error as error:
            raise ImageError(f"the TIFF is damaged and can't be read ({error})") from error
        if found < size or not (inflater.eof or found > size):
            raise ImageError("the TIFF is damaged and can't be read (some of its pixels are missing)")


def _decode_as_deep(page: Directory, chunks: Chunks) -> None:
    """Decode the chunks as if two bytes were a 16-bit grey level, for which OpenCV requires all data."""
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
