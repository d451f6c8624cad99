from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, ImageOps
from softcore_runtime.errors import ImageError
from softcore_runtime.images.image import decode_image


@pytest.fixture(scope="module")
def photo() -> Image.Image:
    return Image.fromarray(np.random.default_rng(1).integers(0, 256, (21, 38, 3)).astype(np.uint8))


def encode(image: Image.Image, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "webp", **options)
    return stream.getvalue()


def test_lossless_and_lossy_are_what_pillow_reads(photo: Image.Image) -> None:
    for options in ({"lossless": True}, {"quality": 80}):
        data = encode(photo, **options)
        with Image.open(io.BytesIO(data)) as image:
            np.testing.assert_array_equal(decode_image(data), np.asarray(image)[:, :, ::-1])
    np.testing.assert_array_equal(decode_image(data + b"what follows its end"), decode_image(data))


def test_alpha_is_dropped(photo: Image.Image) -> None:
    transparent = photo.copy()
    transparent.putalpha(9)
    data = encode(transparent, lossless=True, exact=True)
    np.testing.assert_array_equal(decode_image(data), np.asarray(photo)[:, :, ::-1])


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_orientation_is_what_pillow_makes_of_it(photo: Image.Image, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encode(photo, lossless=True, exif=exif)
    with Image.open(io.BytesIO(data)) as image:
        upright = np.asarray(ImageOps.exif_transpose(image))[:, :, ::-1]
    np.testing.assert_array_equal(decode_image(data), upright)


def test_a_cut_off_one_is_refused(photo: Image.Image) -> None:
    for data in (encode(photo, lossless=True), encode(photo)):
        for kept in (12, 20, len(data) // 2, len(data) - 1):
            with pytest.raises(ImageError, match="the image is cut off"):
                decode_image(data[:kept])
        with pytest.raises(ImageError, match="not an image"):
            decode_image(b"RIFF\x04\0\0\0WEBP")


def test_an_animated_one_is_refused(photo: Image.Image) -> None:
    data = encode(photo, save_all=True, append_images=[photo.rotate(180)])
    with pytest.raises(
        ImageError, match="an animated WebP can't be read; save each frame as a file of its own"
    ):
        decode_image(data)
