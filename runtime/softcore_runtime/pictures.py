"""Pictures: images from files and cameras of every kind as 8-bit BGR, alike in training and on the line."""

from __future__ import annotations

import os
import stat
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from softcore_runtime.errors import FrameError, PictureError
from softcore_runtime.images.bounds import check_file_size
from softcore_runtime.images.image import decode_image

__all__ = [
    "SUFFIXES",
    "Listing",
    "check_frame",
    "find_pictures",
    "list_pictures",
    "read_picture",
    "to_bgr8",
]

SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff"})
_OTHERS = frozenset(
    {".avif", ".dng", ".gif", ".heic", ".heif", ".jfif", ".jp2", ".pgm", ".pnm", ".ppm", ".webp"}
)
_NAMED = 3  # files in one remark


@dataclass(frozen=True)
class Listing:
    """What a folder holds: its images, and what looks like more of them and isn't taken.

    Attributes:
        folder: that.
        pictures: the images, sorted by path.
        dangling: symbolic links with an image's name that lead nowhere.
        linked: symbolic links to folders, which are not followed: they may lead back.
        closed: folders that can't be read.
        others: images of kinds that aren't read.

    Example:
        >>> list_pictures(path / "golden").pictures
        [PosixPath('.../golden/good.png')]
    """

    folder: Path
    pictures: list[Path]
    dangling: list[Path]
    linked: list[Path]
    closed: list[Path]
    others: list[Path]

    def describe_omitted(self) -> list[str]:
        """Say what is left out, a line for each reason.

        Example:
            >>> (folder / "a.webp").touch()
            >>> (folder / "b.png").symlink_to("nowhere")
            >>> for line in list_pictures(folder).describe_omitted():
            ...     print("-", line)
            - .../empty: 1 symbolic link leads nowhere and is left out: b.png
            - .../empty: 1 image of a kind that is not read is left out (.webp): a.webp; convert it to .png
        """
        lines = []
        if n := len(self.dangling):
            what = "symbolic link leads nowhere and is" if n == 1 else "symbolic links lead nowhere and are"
            lines.append(f"{n:,} {what} left out: {self._name(self.dangling)}")
        if n := len(self.linked):
            what = "link to a folder is" if n == 1 else "links to folders are"
            lines.append(f"{n:,} {what} not followed: {self._name(self.linked)}")
        if n := len(self.closed):
            what = "folder" if n == 1 else "folders"
            lines.append(
                f"{n:,} {what} can't be read, and what is there is left out: {self._name(self.closed)}"
            )
        if n := len(self.others):
            kinds = ", ".join(
                kind for kind, _ in Counter(p.suffix.lower() for p in self.others).most_common()
            )
            what = (
                "image of a kind that is not read is" if n == 1 else "images of kinds that are not read are"
            )
            them = "it" if n == 1 else "them"
            lines.append(
                f"{n:,} {what} left out ({kinds}): {self._name(self.others)}; convert {them} to .png"
            )
        return [f"{self.folder}: {line}" for line in lines]

    def _name(self, paths: list[Path]) -> str:
        names = ", ".join(path.relative_to(self.folder).as_posix() for path in paths[:_NAMED])
        return names + (f" and {len(paths) - _NAMED:,} more" if len(paths) > _NAMED else "")


def list_pictures(folder: Path) -> Listing:
    """List the images under `folder`, and what looks like images there.

    Hidden files and folders are passed over.

    Raises:
        OSError: the folder can't be read.

    Example:
        >>> len(list_pictures(path).pictures)
        1
    """
    found: dict[str, list[Path]] = {
        name: [] for name in ("pictures", "dangling", "linked", "closed", "others")
    }

    def note(error: OSError) -> None:
        if Path(error.filename) == folder:
            raise error
        found["closed"].append(Path(error.filename))

    for place, folders, files in os.walk(folder, onerror=note):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found["linked"] += [path for name in folders if (path := Path(place, name)).is_symlink()]
        for name in files:
            path = Path(place, name)
            suffix = path.suffix.lower()
            if name.startswith(".") or suffix not in SUFFIXES | _OTHERS:
                continue
            if path.is_file():
                found["pictures" if suffix in SUFFIXES else "others"].append(path)
            elif suffix in SUFFIXES and path.is_symlink():
                found["dangling"].append(path)
    return Listing(folder, **{name: sorted(paths) for name, paths in found.items()})


def find_pictures(folder: Path) -> list[Path]:
    """Name every picture under `folder`, sorted by path; hidden files and folders are passed over.

    None, where there is no such folder.

    Raises:
        OSError: the folder can't be read.

    Example:
        >>> [found.name for found in find_pictures(path / "golden")]
        ['good.png']
    """
    return list_pictures(folder).pictures if folder.is_dir() else []


def read_picture(path: Path | str) -> NDArray[np.uint8]:
    """Read an image file.

    PNG, JPEG (CMYK too), BMP, TIFF and WebP; what it is the file's content says, not its name. Grey is
    repeated over the channels, 16 bits are scaled to 8 over the full range (of a TIFF over the bits that its
    MaxSampleValue needs), alpha is dropped, and the orientation that is noted in the file is applied.

    Args:
        path: the file.

    Returns:
        uint8 BGR `[H, W, 3]`.

    Raises:
        PictureError: the file is missing, is no image, is cut off or damaged, holds more images than one or
            more than 200 megapixels (see `softcore_runtime.images.bounds`), or is of a kind that would be
            decoded as another image than it is.
        UsageError: the environment variable SOFTCORE_MAX_MEGAPIXELS is no number.

    Example:
        >>> image = read_picture(path / "golden" / "good.png")
        >>> image.shape, image.dtype
        ((48, 48, 3), dtype('uint8'))
        >>> read_picture(Path("none.png"))
        Traceback (most recent call last):
            ...
        softcore_runtime.errors.PictureError: none.png: can't be read (No such file or directory)
    """
    path = Path(path)
    try:
        return to_bgr8(decode_image(_read_file(path)))
    except (FrameError, PictureError) as error:
        raise PictureError(f"{path}: {error}") from error


def _read_file(path: Path) -> bytes:
    try:
        with open(path, "rb", opener=_open_at_once) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise PictureError("can't be read (not a regular file)")
            check_file_size(status.st_size)
            data = file.read()
    except OSError as error:
        raise PictureError(f"can't be read ({error.strerror})") from error
    if not data:
        raise PictureError("the file is empty")
    return data


def _open_at_once(path: str, flags: int) -> int:
    """Open a file; a named pipe, too, without waiting for who writes."""
    return os.open(path, flags | os.O_NONBLOCK)


def check_frame(frame: NDArray[np.generic]) -> None:
    """Refuse what `to_bgr8` can't convert.

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


def to_bgr8(frame: NDArray[np.generic]) -> NDArray[np.uint8]:
    """Convert a frame to 8-bit BGR.

    Args:
        frame: uint8 or uint16; `[H, W]` or `[H, W, 1]` grey, `[H, W, 3]` BGR, or `[H, W, 4]` BGRA.
            16 bits are taken as full range: value / 257, rounded, so that 65535 becomes 255.

    Returns:
        uint8 BGR `[H, W, 3]`, contiguous.

    Raises:
        FrameError: another dtype or shape, or no pixels.

    Example:
        >>> to_bgr8(np.array([[0, 32768, 65535]], np.uint16))[0, :, 0].tolist()
        [0, 128, 255]
    """
    check_frame(frame)
    if frame.dtype == np.uint16:
        frame = ((frame.astype(np.uint32) + 128) // 257).astype(np.uint8)
    if frame.ndim == 2:
        frame = frame[:, :, None]
    if frame.shape[2] == 1:
        frame = np.repeat(frame, 3, axis=2)
    return np.ascontiguousarray(frame[:, :, :3], dtype=np.uint8)
