from __future__ import annotations

import io
import struct

import numpy as np
import pytest
from PIL import Image
from softcore_runtime.errors import ImageError
from softcore_runtime.images.image import decode_image

from ..image_files import write_bmp

WIDTH, HEIGHT = 21, 6
RANDOM = np.random.default_rng(1)
PALETTE = RANDOM.integers(0, 256, 1024).astype(np.uint8).tobytes()
RGB, BGR, FIVE, SIX = (
    (0xFF0000, 0xFF00, 0xFF),
    (0xFF, 0xFF00, 0xFF0000),
    (0x7C00, 0x3E0, 0x1F),
    (0xF800, 0x7E0, 0x1F),
)


def draw_rows(depth: int) -> bytes:
    return RANDOM.integers(0, 256, HEIGHT * ((WIDTH * depth + 31) // 32 * 4)).astype(np.uint8).tobytes()


def read_with_pillow(data: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image.convert("RGB")).astype(int)[:, :, ::-1]


@pytest.mark.parametrize("depth", [1, 4, 8, 24, 32])
@pytest.mark.parametrize("upwards", [1, -1])
def test_every_depth_is_what_pillow_reads(depth: int, upwards: int) -> None:
    palette = PALETTE[: 4 << depth] if depth <= 8 else b""
    data = write_bmp(WIDTH, upwards * HEIGHT, depth, draw_rows(depth), palette=palette)
    np.testing.assert_array_equal(decode_image(data), read_with_pillow(data))


@pytest.mark.parametrize("masks", [(), FIVE, SIX])
def test_16_bits_reach_white(masks: tuple[int, ...]) -> None:
    data = write_bmp(WIDTH, HEIGHT, 16, draw_rows(16), compression=3 if masks else 0, masks=masks)
    np.testing.assert_allclose(decode_image(data), read_with_pillow(data), atol=1)  # which way is rounded
    white = write_bmp(2, 1, 16, b"\xff" * 4, compression=3 if masks else 0, masks=masks)
    assert decode_image(white).min() == 255


@pytest.mark.parametrize("head", [40, 52, 56, 108, 124])
def test_32_bits_with_masks(head: int) -> None:
    data = write_bmp(WIDTH, HEIGHT, 32, draw_rows(32), compression=3, masks=RGB, head=head)
    np.testing.assert_array_equal(decode_image(data), read_with_pillow(data))
    for masks in (BGR, (0xFF000000, 0xFF0000, 0xFF00)):
        other = write_bmp(WIDTH, HEIGHT, 32, draw_rows(32), compression=3, masks=(*masks, 0), head=head)
        if head >= 56:
            rgb = np.frombuffer(other, np.uint32, offset=14 + head).reshape(HEIGHT, WIDTH)[::-1]
            wanted = [(rgb & mask) >> (mask.bit_length() - 8) for mask in reversed(masks)]
            np.testing.assert_array_equal(decode_image(other), np.dstack(wanted))
        else:
            with pytest.raises(ImageError, match="8, 8, 8 bits of 32 can't be read"):
                decode_image(other)


@pytest.mark.parametrize(
    ("depth", "masks", "said"),
    [
        (32, (0x3FF00000, 0xFFC00, 0x3FF), "10, 10, 10 bits of 32"),
        (32, (0xFFE00000, 0x1FFC00, 0x3FF), "11, 11, 10 bits of 32"),
        (16, (0xF00, 0xF0, 0xF), "4, 4, 4 bits of 16"),
    ],
)
@pytest.mark.parametrize("head", [40, 52, 56, 108, 124])
def test_other_depths_are_refused(depth: int, masks: tuple[int, ...], said: str, head: int) -> None:
    data = write_bmp(WIDTH, HEIGHT, depth, draw_rows(depth), compression=3, masks=masks, head=head)
    with pytest.raises(
        ImageError, match=f"^a BMP whose colours have {said} can't be read; save it with 24 bits"
    ):
        decode_image(data)


def test_run_lengths() -> None:
    values = RANDOM.integers(0, 256, (HEIGHT, WIDTH))
    runs = b"".join(b"".join(bytes([1, value]) for value in row) + b"\0\0" for row in values) + b"\0\1"
    data = write_bmp(WIDTH, HEIGHT, 8, runs, compression=1, palette=PALETTE)
    np.testing.assert_array_equal(decode_image(data), read_with_pillow(data))
    literal = b"".join(bytes([0, WIDTH, *row, 0, 0, 0]) for row in values) + b"\0\1"
    data = write_bmp(WIDTH, HEIGHT, 8, literal, compression=1, palette=PALETTE)
    np.testing.assert_array_equal(decode_image(data), read_with_pillow(data))
    fours = b"".join(bytes([WIDTH - 4, 0x12, 0, 4, 0x34, 0x56, 0, 0]) for _ in range(HEIGHT)) + b"\0\1"
    data = write_bmp(WIDTH, HEIGHT, 4, fours, compression=2, palette=PALETTE[:64])
    np.testing.assert_array_equal(decode_image(data), read_with_pillow(data))


@pytest.mark.parametrize(
    ("runs", "said"),
    [
        (b"\x05\x01\0\1", "some of its pixels are missing"),
        (b"\x05\x01\0\0" * HEIGHT + b"\0\1", "some of its pixels are missing"),
        (b"\x05\x01\0\2\x03\x02\x05\x07\0\1", "some of its pixels are missing"),
        (bytes([WIDTH, 1, 0, 0]) * (HEIGHT - 1), "cut off"),
    ],
)
def test_runs_that_leave_pixels_out_are_refused(runs: bytes, said: str) -> None:
    with pytest.raises(ImageError, match=said):
        decode_image(write_bmp(WIDTH, HEIGHT, 8, runs, compression=1, palette=PALETTE))


def test_a_bomb_is_refused_before_it_is_decoded() -> None:
    bomb = write_bmp(30_000, 30_000, 8, b"\xff\1" * 100 + b"\0\1", compression=1, palette=PALETTE)
    with pytest.raises(ImageError, match="30,000 x 30,000 pixels can't be read"):
        decode_image(bomb)


def test_an_old_one() -> None:
    rows = draw_rows(24)
    data = b"BM" + struct.pack("<IHHIIHHHH", 0, 0, 0, 26, 12, WIDTH, HEIGHT, 1, 24) + rows
    np.testing.assert_array_equal(decode_image(data), read_with_pillow(data))


@pytest.mark.parametrize(
    "data", [b"BM", b"BM" + bytes(60), write_bmp(0, 5, 24, b""), write_bmp(5, 5, 0, b"", compression=4)]
)
def test_what_is_none_is_refused(data: bytes) -> None:
    with pytest.raises(ImageError, match=r"not an image, or a damaged one|OpenCV can't decode it"):
        decode_image(data)
