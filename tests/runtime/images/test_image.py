from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image
from softcore_runtime.errors import ImageError
from softcore_runtime.images.image import decode_image


def encode(kind: str) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(np.full((5, 8, 3), 90, np.uint8)).save(stream, kind)
    return stream.getvalue()


@pytest.mark.parametrize("kind", ["png", "jpeg", "bmp", "tiff", "webp"])
def test_the_content_says_what_it_is(kind: str) -> None:
    np.testing.assert_allclose(decode_image(encode(kind)), np.full((5, 8, 3), 90), atol=2)


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (encode("gif"), "GIF"),
        (encode("ppm"), "PNM"),
        (b"P2\n2 2\n1023\n0 1 2 3\n", "PNM"),
        (b"\0\0\0\x1cftypavif", "AVIF"),
        (b"\0\0\0\x1cftypheic", "HEIF"),
        (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000"),
        (b"8BPS\0\1", "Photoshop"),
        (b"%PDF-1.7", "PDF"),
    ],
)
def test_other_kinds_are_named(data: bytes, name: str) -> None:
    with pytest.raises(ImageError, match=f"an image of the kind {name} can't be read; convert it to .png"):
        decode_image(data)


@pytest.mark.parametrize("data", [b"", b"text", b"Potato soup", bytes(99), b"\0\0\0\x1cftypisom"])
def test_what_is_no_image_is_refused(data: bytes) -> None:
    with pytest.raises(ImageError, match="not an image, or a damaged one"):
        decode_image(data)
