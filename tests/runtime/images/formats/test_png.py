from __future__ import annotations

import io
import struct

import numpy as np
import pytest
from PIL import Image, ImageOps
from softcore_runtime.errors import ImageError
from softcore_runtime.images.image import decode_image

from ..image_files import write_chunk, write_png

KINDS = [(1, 0), (2, 0), (4, 0), (8, 0), (8, 2), (1, 3), (2, 3), (4, 3), (8, 3), (8, 4), (8, 6)]
CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
WIDTH, HEIGHT = 21, 6


def draw_rows(depth: int, colour: int) -> bytes:
    size = (WIDTH * depth * CHANNELS[colour] + 7) // 8
    random = np.random.default_rng(depth * 10 + colour)
    return b"".join(b"\0" + random.integers(0, 256, size).astype(np.uint8).tobytes() for _ in range(HEIGHT))


@pytest.mark.parametrize(("depth", "colour"), KINDS)
def test_every_kind_is_what_pillow_reads(depth: int, colour: int) -> None:
    palette = np.random.default_rng(1).integers(0, 256, 768).astype(np.uint8).tobytes()
    between = write_chunk(b"PLTE", palette[: 3 << depth]) if colour == 3 else b""
    data = write_png(WIDTH, HEIGHT, depth, colour, draw_rows(depth, colour), between)
    with Image.open(io.BytesIO(data)) as image:
        np.testing.assert_array_equal(decode_image(data), np.asarray(image.convert("RGB"))[:, :, ::-1])


@pytest.mark.parametrize("colour", [0, 2, 4, 6])
def test_16_bits(colour: int) -> None:
    rows = draw_rows(16, colour)
    stored = np.frombuffer(b"".join(rows[1 + i :][:-1] for i in ()) or rows, np.uint8).reshape(HEIGHT, -1)[
        :, 1:
    ]
    pixels = np.ascontiguousarray(stored).view(">u2").reshape(HEIGHT, WIDTH, CHANNELS[colour])
    wanted = pixels[:, :, 2::-1] if colour in (2, 6) else np.repeat(pixels[:, :, :1], 3, axis=2)
    np.testing.assert_array_equal(decode_image(write_png(WIDTH, HEIGHT, 16, colour, rows)), wanted)


def test_what_does_not_change_the_pixels_is_ignored() -> None:
    rows = draw_rows(8, 0)
    wanted = decode_image(write_png(WIDTH, HEIGHT, 8, 0, rows))
    for name, content in ((b"gAMA", struct.pack(">I", 100_000)), (b"tRNS", b"\0\5"), (b"sBIT", b"\4")):
        data = write_png(WIDTH, HEIGHT, 8, 0, rows, write_chunk(name, content))
        np.testing.assert_array_equal(decode_image(data), wanted)
    np.testing.assert_array_equal(decode_image(data + b"what follows its end"), wanted)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_what_pillow_makes_of_it(orientation: int) -> None:
    exif, stream = Image.Exif(), io.BytesIO()
    exif[0x0112] = orientation
    pixels = np.random.default_rng(0).integers(0, 256, (5, 8, 3)).astype(np.uint8)
    Image.fromarray(pixels).save(stream, "png", exif=exif)
    with Image.open(stream) as image:
        upright = np.asarray(ImageOps.exif_transpose(image))[:, :, ::-1]
    np.testing.assert_array_equal(decode_image(stream.getvalue()), upright)


def test_a_wrong_checksum_is_named() -> None:
    data = bytearray(write_png(WIDTH, HEIGHT, 8, 0, draw_rows(8, 0)))
    data[data.index(b"IDAT") + 30] ^= 1
    with pytest.raises(ImageError, match=r"damaged and can't be read \(the checksum of its IDAT is wrong\)"):
        decode_image(bytes(data))


def test_pixels_that_are_missing_are_refused() -> None:
    with pytest.raises(ImageError, match="not an image, or a damaged one"):
        decode_image(write_png(WIDTH, HEIGHT, 8, 0, draw_rows(8, 0)[:-25]))


def test_an_animated_one_is_refused() -> None:
    stream = io.BytesIO()
    frames = [Image.new("RGB", (8, 5), (shade, 0, 0)) for shade in (1, 100, 200)]
    frames[0].save(stream, "png", save_all=True, append_images=frames[1:])
    with pytest.raises(ImageError, match="a PNG of 3 frames can't be read; save each as a file of its own"):
        decode_image(stream.getvalue())


def test_a_bomb_is_refused_before_it_is_decoded() -> None:
    bomb = write_png(30_000, 30_000, 1, 0, bytes(3751))
    with pytest.raises(
        ImageError, match=r"30,000 x 30,000 pixels can't be read: at most 200 megapixels are \("
    ):
        decode_image(bomb)


@pytest.mark.parametrize(
    "data",
    [
        b"\x89PNG\r\n\x1a\n",
        b"\x89PNG\r\n\x1a\n" + write_chunk(b"IDAT", b""),
        b"\x89PNG\r\n\x1a\n" + write_chunk(b"IHDR", b"short"),
        b"\x89PNG\r\n\x1a\n" + write_chunk(b"IHDR", struct.pack(">IIBBBBB", 0, 9, 8, 0, 0, 0, 0)),
        write_png(4, 4, 8, 0, b"")[:-12] + write_chunk(b"IEND", b""),
    ],
)
def test_what_is_none_is_refused(data: bytes) -> None:
    with pytest.raises(ImageError, match=r"cut off|not an image"):
        decode_image(data)
