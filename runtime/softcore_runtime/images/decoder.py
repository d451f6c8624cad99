"""Decoder: decodes images with OpenCV, and treats warnings of its libraries as errors.

libjpeg fills what it can't decode with grey, and only prints a warning on standard error. The grey would be
inspected, or worse, learned. Neither OpenCV nor Pillow reports that warning, so C's `stderr`, a variable of
its library that libjpeg prints to, is replaced by another file while OpenCV decodes. Python's own standard
error and file descriptor 2 aren't touched; messages of other C code are passed on.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os
import threading
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from softcore_runtime.errors import ImageError
from softcore_runtime.missing_library import explain_import

try:
    import cv2
except ImportError as error:  # pragma: no cover - seen by tests/runtime/test_imports.py in a subprocess
    raise explain_import(error, "cpu") from error

__all__ = ["decode", "decode_deep_grey"]

# Orientation is applied by `orientation.py`: not every OpenCV applies it to every kind of file.
_COLOUR = cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH | cv2.IMREAD_IGNORE_ORIENTATION
_GREY = cv2.IMREAD_GRAYSCALE | cv2.IMREAD_ANYDEPTH | cv2.IMREAD_IGNORE_ORIENTATION
_UNBUFFERED = 2  # _IONBF
_JPEG = (  # beginnings of libjpeg's warnings
    "Corrupt JPEG data: ",
    "Inconsistent progression sequence",
    "Invalid SOS parameters",
    "Premature end of JPEG file",
    "Unknown Adobe color transform",
    "Warning: unknown JFIF revision",
)
_LOCK = threading.Lock()


def decode(data: bytes | memoryview) -> NDArray[np.generic]:
    """Decode an image as it is stored, without its orientation: BGR `[H, W, 3]`.

    Raises:
        ImageError: OpenCV can't decode it, or its decoder warns of damage.
    """
    return _decode(data, _COLOUR)


def decode_deep_grey(data: bytes) -> NDArray[np.generic]:
    """Decode a grey image `[H, W]`, as `decode` does."""
    return _decode(data, _GREY)


def _decode(data: bytes | memoryview, flags: int) -> NDArray[np.generic]:
    with _capture_messages() as messages:
        try:
            image = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
        except cv2.error as error:
            raise ImageError(f"OpenCV can't decode it ({error.err})") from error
    warned = [line for line in messages if line.startswith(_JPEG)]
    if warned:
        raise ImageError(f"the image is damaged and can't be read ({warned[0]})")
    if image is None:
        raise ImageError("not an image, or a damaged one")
    return image


@contextlib.contextmanager
def _capture_messages() -> Iterator[list[str]]:
    """Capture what C code prints on standard error in the block; the list has its lines afterwards."""
    messages: list[str] = []
    listener = _open_listener()
    if listener is None:
        yield messages
        return
    with _LOCK:
        before, listener.stderr.value = listener.stderr.value, listener.stream
        try:
            yield messages
        finally:
            listener.stderr.value = before
            messages += listener.read()
    others = [line for line in messages if not line.startswith((*_JPEG, "libpng "))]
    if others:
        with contextlib.suppress(OSError):
            os.write(2, "".join(f"{line}\n" for line in others).encode(errors="surrogateescape"))


class _WarningListener:
    """A file in memory that C's `stderr` can point to."""

    def __init__(self) -> None:
        library = ctypes.CDLL(None)
        self.stderr = ctypes.c_void_p.in_dll(library, "stderr")
        self._file = os.memfd_create("softcore-stderr")
        library.fdopen.restype = ctypes.c_void_p
        self.stream: int | None = library.fdopen(os.dup(self._file), b"a")
        if not self.stream:
            raise OSError("no stream")
        library.setvbuf(ctypes.c_void_p(self.stream), None, _UNBUFFERED, ctypes.c_size_t(0))

    def read(self) -> list[str]:
        size = os.fstat(self._file).st_size
        if not size:
            return []
        text = os.pread(self._file, size, 0)
        os.ftruncate(self._file, 0)
        return text.decode(errors="surrogateescape").splitlines()


@functools.cache
def _open_listener() -> _WarningListener | None:
    """Open the file once for the process; return None if the C library has no such variable."""
    try:
        return _WarningListener()
    except (AttributeError, OSError, ValueError):
        return None
