"""Sources: what frames come from, and the frames of an image file or a folder of images."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from softcore_runtime import ImageError, SourceError, UsageError, read_image
from softcore_runtime.images.depth import FULL
from softcore_runtime.images.file_names import to_text
from softcore_runtime.images.image_folder import SUFFIXES, list_images

__all__ = ["Frame", "Images", "Source", "is_image"]

_log = logging.getLogger(__name__)

_VIDEOS = frozenset({".avi", ".mkv", ".mov", ".mp4"})


@dataclass(frozen=True, eq=False)
class Frame:
    """One frame, or the reason why there is none: a frame that can't be read still counts.

    Attributes:
        number: counts from 1.
        name: says where the frame comes from; unique within a source.
        image: uint8 BGR `[H, W, 3]`, or None.
        reason: why there is no image, or None.
        taken: when a live source gave it, in seconds of the monotonic clock; None for recordings.
    """

    number: int
    name: str
    image: NDArray[np.uint8] | None = None
    reason: str | None = None
    taken: float | None = None

    def __post_init__(self) -> None:
        if (self.image is None) == (self.reason is None):
            raise ValueError(f"frame {self.number}: needs either an image or the reason why there is none")


class Source(Protocol):
    """Something that gives frames, one after the other.

    Attributes:
        remark: what a person should know about the frames once they have ended, or None.
    """

    remark: str | None

    def read_frames(self) -> Generator[Frame, None, None]:
        """Open the source and give its frames; closing the generator releases the source.

        Raises:
            SourceError: the source can't be opened, gives no frame, or fails midway.
        """
        ...


class Images:
    """An image file, or all images under a folder in the order of their paths.

    A symbolic link that leads nowhere counts as an image that can't be read. What else looks like images
    and isn't taken is said in a warning when the source is opened.

    Raises:
        UsageError: the folder can't be listed.
        SourceError: there is no image under the folder.
    """

    remark: str | None = None

    def __init__(self, path: Path) -> None:
        self._white: Callable[[], int] = lambda: FULL
        self._root, self._paths, self._omitted = path.parent, [path], list[str]()
        if path.is_dir():
            self._root = path
            try:
                self._paths, self._omitted = _list_images(path)
            except OSError as error:
                raise UsageError(f"{path}: can't be listed ({error.strerror})") from error
        if not self._paths:
            besides = "".join(f"; {line.removeprefix(f'{to_text(path)}: ')}" for line in self._omitted)
            raise SourceError(f"{path}: {_describe_lack(path)}{besides}")
        if all(one.is_symlink() and not one.exists() for one in self._paths):
            raise SourceError(
                f"{path}: all of its {len(self._paths)} images are dangling symbolic links; "
                f"there is no {self._paths[0].readlink()}"
            )

    def follow_white(self, tell: Callable[[], int]) -> None:
        """Let a bundle tell what is white in images of 16 bits, each time one is read."""
        self._white = tell

    def read_frames(self) -> Generator[Frame, None, None]:
        """Read the images; one that can't be read is a frame with a reason."""
        for line in self._omitted:
            _log.warning("%s", line)
        for number, path in enumerate(self._paths, 1):
            name = path.relative_to(self._root).as_posix()
            try:
                frame = Frame(number, name, image=read_image(path, self._white()))
            except ImageError as error:
                frame = Frame(number, name, reason=str(error).removeprefix(f"{to_text(path)}: "))
            yield frame


def _list_images(folder: Path) -> tuple[list[Path], list[str]]:
    """List the images, and say what isn't taken, in lines."""
    listing = list_images(folder)
    dangling = [path for path in listing.dangling if is_image(path)]
    others = replace(listing, dangling=[path for path in listing.dangling if not is_image(path)])
    return sorted([*listing.images, *dangling]), others.describe_omitted()


def _describe_lack(folder: Path) -> str:
    """Say what there is instead of images, as far as it shows what was meant."""
    wanted = f"no images here or in its folders ({', '.join(sorted(SUFFIXES))})"
    names = sorted(path.name for path in folder.iterdir())
    if not names:
        return "an empty folder, without images"
    videos = [name for name in names if Path(name).suffix.lower() in _VIDEOS]
    if videos:
        return f"{wanted}; a video is named by itself: {folder / videos[0]}"
    if "manifest.json" in names:
        return f"{wanted}; this is a bundle, and --source takes what it is to inspect"
    return wanted


def is_image(path: Path) -> bool:
    """Tell, by its suffix, whether a file is an image rather than a video."""
    return path.suffix.lower() in SUFFIXES
