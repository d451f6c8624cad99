"""Image files of the kinds that no writer at hand writes: TIFF, PNG and BMP from their parts."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping, Sequence

import numpy as np

_FORMS = {1: "B", 2: "B", 3: "H", 4: "I", 11: "f", 16: "Q"}
Tags = Mapping[int, tuple[int, Sequence[float]]]


def write_tiff(
    pixels: np.ndarray,
    *,
    photometric: int = 2,
    separate: bool = False,
    extra: Sequence[int] = (),
    bits: int | Sequence[int] | None = None,
    compression: int = 1,
    endian: str = "<",
    big: bool = False,
    rows: int | None = None,
    tile: int | None = None,
    tags: Tags | None = None,
    pages: Sequence[Tags] = ({},),
    raw: bytes | None = None,
) -> bytes:
    """Write pixels `[H, W, channels]` as a TIFF; `pages` are directories over the same pixels.

    Args:
        separate: each channel by itself.
        rows: of a strip.
        tile: side of a tile, instead of strips.
        tags: type and values of more tags, or of other ones.
        pages: the same for each page.
        raw: what is stored instead of the pixels.
    """
    height, width, channels = pixels.shape
    stored = pixels.astype(pixels.dtype.newbyteorder(endian))
    planes = [stored[:, :, i : i + 1] for i in range(channels)] if separate else [stored]
    chunks = []
    for plane in planes:
        if tile:
            grown = np.zeros(
                (-(-height // tile) * tile, -(-width // tile) * tile, plane.shape[2]), plane.dtype
            )
            grown[:height, :width] = plane
            chunks += [
                grown[y : y + tile, x : x + tile].tobytes()
                for y in range(0, grown.shape[0], tile)
                for x in range(0, grown.shape[1], tile)
            ]
        else:
            step = rows or height
            chunks += [plane[y : y + step].tobytes() for y in range(0, height, step)]
    chunks = [raw] if raw is not None else chunks
    if compression == 8:
        chunks = [zlib.compress(chunk) for chunk in chunks]
    offset, inline = ("Q", 8) if big else ("I", 4)
    out = bytearray(b"II" if endian == "<" else b"MM")
    out += struct.pack(endian + "HHHQ", 43, 8, 0, 0) if big else struct.pack(endian + "HI", 42, 0)
    places = []
    for chunk in chunks:
        places.append(len(out))
        out += chunk + bytes(len(chunk) % 2)
    depth = bits if bits is not None else pixels.dtype.itemsize * 8
    usual: dict[int, tuple[int, Sequence[float]]] = {
        256: (4, [width]),
        257: (4, [height]),
        258: (3, [depth] * channels if isinstance(depth, int) else depth),
        259: (3, [compression]),
        262: (3, [photometric]),
        277: (3, [channels]),
        284: (3, [2 if separate else 1]),
        **({338: (3, extra)} if extra else {}),
        **({322: (4, [tile]), 323: (4, [tile]), 324: (4, places)} if tile else {273: (4, places)}),
        (325 if tile else 279): (4, [len(chunk) for chunk in chunks]),
        **({} if tile else {278: (4, [rows or height])}),
    }
    link = 8 if big else 4
    for page in pages:
        entries = {tag: one for tag, one in {**usual, **(tags or {}), **page}.items() if one[1]}
        table = bytearray()
        for tag in sorted(entries):
            kind, values = entries[tag]
            data = struct.pack(f"{endian}{len(values)}{_FORMS[kind]}", *values)
            if len(data) > inline:
                out += bytes(len(out) % 2)
                data, place = struct.pack(endian + offset, len(out)), data
                out += place
            table += struct.pack(endian + "HH" + offset, tag, kind, len(values)) + data.ljust(inline, b"\0")
        out += bytes(len(out) % 2)
        struct.pack_into(endian + offset, out, link, len(out))
        out += struct.pack(endian + ("Q" if big else "H"), len(entries)) + table
        link = len(out)
        out += bytes(inline)
    return bytes(out)


def write_chunk(name: bytes, content: bytes) -> bytes:
    """Write a chunk of a PNG."""
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def write_png(width: int, height: int, depth: int, colour: int, rows: bytes, between: bytes = b"") -> bytes:
    """Write a PNG of rows that each begin with a filter's number; `between` are chunks before the pixels."""
    head = write_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    pixels = write_chunk(b"IDAT", zlib.compress(rows, 9))
    return b"\x89PNG\r\n\x1a\n" + head + between + pixels + write_chunk(b"IEND", b"")


def write_bmp(
    width: int,
    height: int,
    depth: int,
    pixels: bytes,
    *,
    compression: int = 0,
    masks: Sequence[int] = (),
    head: int = 40,
    palette: bytes = b"",
) -> bytes:
    """Write a BMP; of a longer head the masks are a part."""
    table = struct.pack(f"<{len(masks)}I", *masks)
    inside = table.ljust(head - 40, b"\0")[: head - 40] if head > 40 else table
    start = 14 + 40 + len(inside) + len(palette)
    fields = (head, width, height, 1, depth, compression, len(pixels), 0, 0, 0, 0)
    name = b"BM" + struct.pack("<IHHI", start + len(pixels), 0, 0, start)
    return name + struct.pack("<IiiHHIIiiII", *fields) + inside + palette + pixels
