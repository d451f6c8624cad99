"""Image source: the frames of an image file or of a folder of images."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator
from dataclasses import replace
from pathlib import Path

from softcore_runtime import ImageError, SourceError, UsageError, read_image
from softcore_runtime.images.depth import FULL
from softcore_runtime.images.file_names import to_text
from softcore_runtime.images.image_folder import SUFFIXES, list_images

from softcore_edge_app.cameras.frame_source import Frame, Recording

__all__ = ["ImageSource", "is_image"]

_log = logging.getLogger(__name__)

_VIDEOS = frozenset({".avi", ".mkv", ".mov", ".mp4"})


class ImageSource(Recording):
    """An image file, or all images under a folder in the order of their paths.

    A symbolic link that leads nowhere counts as an image that can't be read. A warning at the opening names
    what else looks like images and isn't used.

    Raises:
        UsageError: the folder can't be listed.
        SourceError: there is no image under the folder.
    """

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

    def follow_white(self, white: Callable[[], int]) -> None:
        """Scale images of 16 bits by `white()`, the grey level that is white, called for each image."""
        self._white = white

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
    """Return the images, and lines that describe what isn't used."""
    listing = list_images(folder)
    dangling = [path for path in listing.dangling if is_image(path)]
    others = replace(listing, dangling=[path for path in listing.dangling if not is_image(path)])
    return sorted([*listing.images, *dangling]), others.describe_omitted()


def _describe_lack(folder: Path) -> str:
    """Describe what is in a folder instead of images, as far as it shows what was meant."""
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
    """Return whether a file is an image rather than a video, by its suffix."""
    return path.suffix.lower() in SUFFIXES
