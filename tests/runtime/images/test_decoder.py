from __future__ import annotations

import ctypes
import io
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image
from softcore_runtime.errors import ImageError
from softcore_runtime.images import decoder
from softcore_runtime.images.decoder import decode


@pytest.fixture(scope="module")
def jpeg() -> bytes:
    stream = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (90, 120, 3), dtype=np.uint8)).save(
        stream, "jpeg"
    )
    return stream.getvalue()


def test_each_thread_hears_of_its_own_image(jpeg: bytes) -> None:
    damaged = jpeg[: len(jpeg) // 2] + b"\xff\xd9"

    def try_one(number: int) -> bool:
        try:
            return decode(damaged if number % 3 == 0 else jpeg).shape == (90, 120, 3)
        except ImageError:
            return False

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(try_one, range(60))) == [number % 3 != 0 for number in range(60)]


def test_what_others_print_meanwhile_is_passed_on(jpeg: bytes, capfd: pytest.CaptureFixture[str]) -> None:
    with decoder._capture_messages() as words:
        library = ctypes.CDLL(None)
        library.fputs(b"another library\nlibpng warning: iCCP\n", ctypes.c_void_p.in_dll(library, "stderr"))
    assert words == ["another library", "libpng warning: iCCP"]
    assert capfd.readouterr().err == "another library\n"
    assert decode(jpeg).shape == (90, 120, 3)


def test_where_the_warnings_cannot_be_heard_images_are_decoded_all_the_same(
    jpeg: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a system whose C library has no variable `stderr`."""
    monkeypatch.setattr(decoder, "_open_listener", lambda: None)
    assert decode(jpeg).shape == (90, 120, 3)
    with pytest.raises(ImageError, match="not an image"):
        decode(b"text")
