"""Samples: the labelled images that a threshold is calibrated on, from folders, videos and tables."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from softcore_runtime.cli.suggestion import suggest
from softcore_runtime.errors import DataError, ImageError, UsageError
from softcore_runtime.folders.copies import hash_pixels
from softcore_runtime.folders.label_table import read_label_table
from softcore_runtime.folders.labelled_folder import find_class_part, find_test_part
from softcore_runtime.images.depth import FULL
from softcore_runtime.images.image_file import SUFFIXES, read_image
from softcore_runtime.regular_file import hash_file

__all__ = ["Sample", "Samples", "find_samples"]


@dataclass(frozen=True, eq=False)
class Sample:
    """A labelled image.

    Attributes:
        name: the path of its file; for a video with the number of the frame.
        path: its file.
        defective: its label.
        digest: SHA-256 of the file, or of a video's frame; "" if it can't be read.
        frame: a video's frame, uint8 BGR `[H, W, 3]`; None for an image file, which `read` decodes.
    """

    name: str
    path: Path
    defective: bool
    digest: str
    frame: NDArray[np.uint8] | None = None

    def read(self, white: int = FULL) -> NDArray[np.uint8]:
        """Read the image, uint8 BGR `[H, W, 3]`.

        Args:
            white: as for `read_image`.

        Raises:
            ImageError: it can't be read.
        """
        if self.frame is not None:
            return self.frame
        if not _is_image(self.path):
            raise ImageError(f"{self.path}: neither an image nor a video that OpenCV can read")
        return read_image(self.path, white)


@dataclass(frozen=True)
class Samples:
    """Samples as they were found, before any of them is decoded; iterating reads them.

    Attributes:
        files: images and videos, each with whether it is defective.
        frames: number of frames of each file: 1 for an image, and what a video's header states; None if it
            states nothing.
        omitted: a line for each other thing in the folders that looks like images.
        layouts: a line for each folder whose layout says which images are good.
    """

    files: tuple[tuple[Path, bool], ...] = ()
    frames: tuple[int | None, ...] = ()
    omitted: tuple[str, ...] = ()
    layouts: tuple[str, ...] = ()

    def __iter__(self) -> Iterator[Sample]:
        """Read the samples one after the other."""
        return (sample for path, defective in self.files for sample in _read(path, defective))

    @property
    def count(self) -> int:
        """Number of samples, as far as it is known before they are read."""
        return sum(frames or 1 for frames in self.frames)

    def count_kind(self, defective: bool) -> int | None:
        """Count the samples of one kind; None if that isn't known before they are read."""
        counts = [
            frames for (_, bad), frames in zip(self.files, self.frames, strict=True) if bad == defective
        ]
        return None if None in counts else sum(filter(None, counts))


@dataclass(frozen=True)
class _Place:
    """What was found at one place: see `Samples`."""

    files: Sequence[tuple[Path, bool]]
    omitted: Sequence[str] = ()
    layouts: Sequence[str] = ()


def find_samples(places: Sequence[tuple[Path, bool | None]]) -> Samples:
    """Find the samples at places: a folder of images, an image, a video, or a table (CSV).

    Args:
        places: each with whether its images are defective. None is for a place with labels of its own: a
            table, or a folder in a layout that `find_test_part` reads. Of a table with a label given here
            only the rows with that label are taken.

    Raises:
        UsageError: a place is missing, is none of these, or has no labels.
        DataError: a place holds no images.
    """
    found = [_list_place(place, defective) for place, defective in places]
    files = tuple(file for place in found for file in place.files)
    return Samples(
        files=files,
        frames=tuple(1 if _is_image(path) else _count_frames(path) for path, _ in files),
        omitted=tuple(line for place in found for line in place.omitted),
        layouts=tuple(line for place in found for line in place.layouts),
    )


def _list_place(place: Path, defective: bool | None) -> _Place:
    if not place.exists():
        there = [path.name for path in place.parent.iterdir()] if place.parent.is_dir() else []
        raise UsageError(f"{place}: no such file or folder{suggest(place.name, there)}")
    if place.suffix.lower() == ".csv" and place.is_file():
        return _Place(read_label_table(place, defective))
    if place.is_dir():
        return _list_folder(place, defective)
    if defective is None:
        raise UsageError(
            f"{place}: --data takes a folder in a known layout (MVTec AD's), or a table with path and label"
        )
    if not _is_image(place) and not _is_video(place):
        raise UsageError(f"{place}: neither an image nor a video that OpenCV can read")
    return _Place([(place, defective)])


def _list_folder(place: Path, defective: bool | None) -> _Place:
    layouts = []
    if defective is None:
        part = find_test_part(place)
        images = [*((path, False) for path in part.good), *((path, True) for path in part.bad)]
        folder, omitted, some = part.folder, part.omitted, part.good
        layout = f" ({part.layout})" if part.layout else ""
        layouts.append(f"{len(part.good):,} good and {len(part.bad):,} bad images in {folder}{layout}")
    else:
        one = find_class_part(place, defective=defective)
        images = [(path, defective) for path in one.images]
        folder, omitted, some = place, one.omitted, one.images
    if not some:
        kinds = ", ".join(sorted(suffix[1:] for suffix in SUFFIXES))
        which = "good images" if defective is None else "images"
        besides = "".join(f"; {line.removeprefix(f'{folder}: ')}" for line in omitted)
        raise DataError(f"{folder}: no {which} here ({kinds}){besides}")
    return _Place(images, omitted, layouts)


def _read(path: Path, defective: bool) -> Iterator[Sample]:
    if not _is_image(path):
        yield from _read_video(path, defective)
        return
    digest = ""
    with contextlib.suppress(OSError):  # reported when the image is read
        digest = hash_file(path)
    yield Sample(str(path), path, defective, digest)


def _read_video(path: Path, defective: bool) -> Iterator[Sample]:
    capture = cv2.VideoCapture(str(path))
    number = 0
    try:
        while capture.isOpened():
            read, frame = capture.read()
            if not read or frame is None:
                break
            number += 1
            image = np.asarray(frame, np.uint8)
            yield Sample(f"{path}#{number}", path, defective, hash_pixels(image), image)
    finally:
        capture.release()
    if number == 0:
        yield Sample(str(path), path, defective, "")


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES


def _is_video(path: Path) -> bool:
    capture = cv2.VideoCapture(str(path))
    opened = bool(capture.isOpened())
    capture.release()
    return opened


def _count_frames(path: Path) -> int | None:
    """Return the number of frames that a video's header states; None if it states none."""
    capture = cv2.VideoCapture(str(path))
    count = capture.get(cv2.CAP_PROP_FRAME_COUNT) if capture.isOpened() else 0
    capture.release()
    return max(1, round(count)) if 0 < count < 1e9 else None
