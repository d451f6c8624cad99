from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps
from softcore_runtime import read_image
from softcore_runtime.errors import ImageError
from softcore_runtime.images.image import decode_image

KINDS = {
    "baseline": {},
    "progressive": {"progressive": True},
    "restarts": {"restart_marker_rows": 1},
    "grey": {},
}


def draw(grey: bool = False) -> Image.Image:
    across, down = np.meshgrid(np.arange(240), np.arange(160))
    noise = np.random.default_rng(0).normal(0, 8, (160, 240))
    light = 128 + 60 * np.sin(across / 5 + down / 9) + noise
    rgb = np.stack([across, down, light], 2).clip(0, 255).astype(np.uint8)
    return Image.fromarray(rgb[:, :, 2] if grey else rgb)


def encode(kind: str = "baseline", **options: object) -> bytes:
    stream = io.BytesIO()
    draw(kind == "grey").save(stream, "jpeg", quality=90, **{**KINDS[kind], **options})
    return stream.getvalue()


@pytest.fixture(scope="module", params=KINDS)
def jpeg(request: pytest.FixtureRequest) -> bytes:
    return encode(request.param)


def test_whole_ones_are_what_pillow_reads(jpeg: bytes) -> None:
    with Image.open(io.BytesIO(jpeg)) as image:
        wanted = np.asarray(image.convert("RGB")).astype(int)[:, :, ::-1]
    np.testing.assert_allclose(decode_image(jpeg), wanted, atol=4)


def test_damaged_ones_are_refused(jpeg: bytes) -> None:
    middle = len(jpeg) // 2
    for name, damaged, said in (
        ("zeros", jpeg[:middle] + bytes(512) + jpeg[middle + 512 :], "damaged and can't be read"),
        ("an end in the middle", jpeg[:middle] + b"\xff\xd9", "damaged and can't be read"),
        ("once more", jpeg[:middle] + jpeg, "another one begins within it"),
        ("a part twice", jpeg[:middle] + jpeg[middle - 300 :], "damaged"),
        ("too much", jpeg[:-2] + bytes(30) + jpeg[-2:], "extraneous bytes"),
        ("half", jpeg[:middle], "cut off"),
        ("no end", jpeg[:-2], "cut off"),
        ("half an end", jpeg[:-2] + b"\xff\xff", "cut off"),
        ("two starts", b"\xff\xd8" + jpeg, "another one begins within it"),
        ("no marker", b"\xff\xd8\xff\xe0\0\2\0" + jpeg[2:], "a marker is missing"),
        ("nothing", jpeg[:2] + b"\xff\xd9", "not an image"),
    ):
        with pytest.raises(ImageError, match=said):
            pytest.fail(f"{name}: {decode_image(damaged).shape}")


def test_what_follows_the_end_is_no_part_of_it(jpeg: bytes) -> None:
    """A phone puts a video there, whose bytes may look like markers."""
    wanted = decode_image(jpeg)
    video = np.random.default_rng(4).integers(0, 256, 100_000).astype(np.uint8).tobytes()
    for behind in (
        b"\0",
        b"serial number 4711\0",
        video,
        b"\xff\xda" + video,
        jpeg,
        jpeg[:500],
        b"\xff\xd8\xff\xda",
    ):
        np.testing.assert_array_equal(decode_image(jpeg + behind), wanted)


def test_fill_bytes_before_markers_are_allowed() -> None:
    jpeg = encode("restarts")
    wanted = decode_image(jpeg)
    filled = jpeg[:-2] + b"\xff\xff\xff" + jpeg[-2:]
    np.testing.assert_array_equal(decode_image(filled), wanted)
    at = jpeg.index(b"\xff\xd3", jpeg.index(b"\xff\xda"))
    np.testing.assert_array_equal(decode_image(jpeg[:at] + b"\xff" + jpeg[at:]), wanted)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_what_pillow_makes_of_it(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    jpeg = encode(exif=exif)
    with Image.open(io.BytesIO(jpeg)) as image:
        upright = np.asarray(ImageOps.exif_transpose(image)).astype(int)[:, :, ::-1]
    np.testing.assert_allclose(decode_image(jpeg), upright, atol=4)


def test_damaged_exif_says_nothing_of_the_pixels() -> None:
    wanted = decode_image(encode())
    for exif in (b"", b"MM\0*", b"MM\0*\0\0\0\x08\xff\xff", b"rubbish", b"II*\0\xff\xff\xff\xff"):
        np.testing.assert_array_equal(decode_image(encode(exif=b"Exif\0\0" + exif)), wanted)


def test_too_many_pixels_are_refused_before_they_are_decoded() -> None:
    jpeg = encode()
    at = jpeg.index(b"\xff\xc0") + 5
    with pytest.raises(
        ImageError, match=r"an image of 65,000 x 64,000 pixels can't be read: at most 200 mega"
    ):
        decode_image(jpeg[:at] + (64000).to_bytes(2, "big") + (65000).to_bytes(2, "big") + jpeg[at + 4 :])


def test_endless_scans_are_refused() -> None:
    jpeg = encode("progressive")
    at = jpeg.rindex(b"\xff\xda")
    with pytest.raises(ImageError, match="not an image, or a damaged one"):
        decode_image(jpeg[:at] + jpeg[at:-2] * 200 + jpeg[-2:])
    frame = jpeg.index(b"\xff\xc2") + 5
    large = jpeg[:frame] + (10_000).to_bytes(2, "big") + (20_000).to_bytes(2, "big") + jpeg[frame + 4 :]
    with pytest.raises(ImageError, match="not an image, or a damaged one"):
        decode_image(large[:at] + large[at:-2] * 20 + large[-2:])


def test_the_decoder_prints_nothing(tmp_path: Path) -> None:
    """Its warning is in the message, beside the file's name, and not on standard error without it."""
    jpeg = encode()
    (tmp_path / "a.jpg").write_bytes(jpeg[: len(jpeg) // 2] + b"\xff\xd9")
    code = f"""
import ctypes, sys
from softcore_runtime import ImageError, read_image
try:
    read_image({str(tmp_path / "a.jpg")!r})
except ImageError as error:
    print(error)
library = ctypes.CDLL(None)
library.fputs(b"C still writes\\n", ctypes.c_void_p.in_dll(library, "stderr"))
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    said = "the image is damaged and can't be read (Corrupt JPEG data: premature end of data segment)"
    assert ended.stdout == f"{tmp_path / 'a.jpg'}: {said}\n"
    assert ended.stderr == "C still writes\n"


SMALL = encode("progressive")


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 10**6), st.binary(min_size=1, max_size=8))
def test_a_damaged_jpeg_is_an_image_or_an_error(place: int, change: bytes) -> None:
    data = bytearray(SMALL)
    data[place % len(data) : place % len(data) + len(change)] = change
    try:
        assert decode_image(bytes(data)).ndim == 3
    except ImageError as error:
        assert str(error)  # noqa: PT017


def test_a_photo_by_its_path(tmp_path: Path) -> None:
    (tmp_path / "a.jfif").write_bytes(encode())
    assert read_image(tmp_path / "a.jfif").shape == (160, 240, 3)
