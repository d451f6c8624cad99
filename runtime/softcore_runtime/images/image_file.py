"""Image file: images from files and cameras as 8-bit BGR, the same in training and on the line."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from softcore_runtime.errors import FrameError, ImageError
from softcore_runtime.images.bounds import check_file_size
from softcore_runtime.images.depth import FULL, stretch
from softcore_runtime.images.file_names import to_text
from softcore_runtime.images.image import decode_image
from softcore_runtime.images.image_folder import SUFFIXES, Listing, find_images, list_images

__all__ = [
    "SUFFIXES",
    "Listing",
    "check_frame",
    "find_images",
    "list_images",
    "read_file",
    "read_image",
    "to_bgr8",
]


def read_image(path: Path | str, white: int = FULL) -> NDArray[np.uint8]:
    """Read an image file.

    Reads PNG, JPEG (also CMYK), BMP, TIFF and WebP, as determined by the content and not by the name. Grey is
    repeated over the channels, 16 bits are scaled to 8 (of a TIFF the bits that its MaxSampleValue needs),
    alpha is dropped, and the orientation in the file is applied.

    Args:
        path: the file.
        white: the value of white in 16-bit files that don't specify it: 65535, or the maximum of a camera of
            fewer bits, such as 4095; a bundle has it (`Preprocessing.read`).

    Returns:
        uint8 BGR `[H, W, 3]`.

    Raises:
        ImageError: the file is missing, is no image, is cut off or damaged, holds several images or more than
            200 megapixels (see `softcore_runtime.images.bounds`), or is of a kind that would be decoded
            wrongly.
        UsageError: the environment variable SOFTCORE_MAX_MEGAPIXELS is no number.

    Example:
        >>> image = read_image(path / "golden" / "good.png")
        >>> image.shape, image.dtype
        ((48, 48, 3), dtype('uint8'))
        >>> read_image(Path("none.png"))
        Traceback (most recent call last):
            ...
        softcore_runtime.errors.ImageError: none.png: can't be read (No such file or directory)
    """
    path = Path(path)
    try:
        return to_bgr8(decode_image(read_file(path), white))
    except (FrameError, ImageError) as error:
        raise ImageError(f"{to_text(path)}: {error}") from error


def read_file(path: Path) -> bytes:
    """Read the bytes of an image's file.

    Raises:
        ImageError: it can't be read, is empty or no regular file, or is larger than any image; without
            the path.
        UsageError: as `read_image`.
    """
    try:
        with open(path, "rb", opener=_open_without_waiting) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise ImageError("can't be read (not a regular file)")
            check_file_size(status.st_size)
            data = file.read()
    except OSError as error:
        raise ImageError(f"can't be read ({error.strerror})") from error
    if not data:
        raise ImageError("the file is empty")
    return data


def _open_without_waiting(path: str, flags: int) -> int:
    """Open a file, without waiting for a writer if it is a named pipe."""
    return os.open(path, flags | os.O_NONBLOCK)


def check_frame(frame: NDArray[np.generic]) -> None:
    """Check that `to_bgr8` can convert a frame.

    Args:
        frame: uint8 or uint16; `[H, W]`, `[H, W, 1]`, `[H, W, 3]` or `[H, W, 4]`.

    Raises:
        FrameError: another dtype or shape, or no pixels.

    Example:
        >>> check_frame(frame.astype(float))
        Traceback (most recent call last):
            ...
        softcore_runtime.errors.FrameError: a frame must be uint8 or uint16, not float64
    """
    if not isinstance(frame, np.ndarray):
        raise FrameError(f"a frame must be a numpy array, not {type(frame).__name__}")
    if frame.ndim not in (2, 3) or (frame.ndim == 3 and frame.shape[2] not in (1, 3, 4)):
        raise FrameError(f"a frame must be [H, W] grey or [H, W, 3] BGR, not {list(frame.shape)}")
    if frame.size == 0:
        raise FrameError(f"a frame must have pixels; this one is {list(frame.shape)}")
    if frame.dtype not in (np.uint8, np.uint16):
        raise FrameError(f"a frame must be uint8 or uint16, not {frame.dtype}")


def to_bgr8(frame: NDArray[np.generic], white: int = FULL) -> NDArray[np.uint8]:
    """Convert a frame to 8-bit BGR.

    Args:
        frame: uint8 or uint16; `[H, W]` or `[H, W, 1]` grey, `[H, W, 3]` BGR, or `[H, W, 4]` BGRA.
        white: the 16-bit value that becomes 255, as do higher ones; by default the result is value / 257,
            rounded.

    Returns:
        uint8 BGR `[H, W, 3]`, contiguous.

    Raises:
        FrameError: another dtype or shape, or no pixels.

    Example:
        >>> to_bgr8(np.array([[0, 32768, 65535]], np.uint16))[0, :, 0].tolist()
        [0, 128, 255]
        >>> to_bgr8(np.array([[0, 2048, 4095, 65535]], np.uint16), white=4095)[0, :, 0].tolist()
        [0, 128, 255, 255]
    """
    check_frame(frame)
    if frame.dtype == np.uint16:
        frame = ((stretch(frame, white).astype(np.uint32) + 128) // 257).astype(np.uint8)
    if frame.ndim == 2:
        frame = frame[:, :, None]
    if frame.shape[2] == 1:
        frame = np.repeat(frame, 3, axis=2)
    return np.ascontiguousarray(frame[:, :, :3], dtype=np.uint8)
