"""Samples: the labelled pictures that a limit is calibrated on, from folders, videos and tables."""

from __future__ import annotations

import contextlib
import csv
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from softcore_runtime.command_line import suggest
from softcore_runtime.errors import DataError, PictureError, UsageError
from softcore_runtime.pictures import SUFFIXES, find_pictures, list_pictures, read_picture

__all__ = ["Sample", "Samples", "find_samples", "read_labelled_folder"]

_WORDS = {
    False: frozenset({"good", "ok", "pass", "0", "normal"}),
    True: frozenset({"bad", "ng", "nok", "fail", "1", "defect", "defective", "anomaly", "anomalous"}),
}


@dataclass(frozen=True, eq=False)
class Sample:
    """One picture and what it is.

    Attributes:
        name: says where it is from.
        path: the file it is in.
        defective: what a person says of it.
        digest: SHA-256 of the file, or of a video's frame; "" where it can't be read.
        frame: a video's, uint8 BGR `[H, W, 3]`; None of a picture's file, which is decoded when asked for.
    """

    name: str
    path: Path
    defective: bool
    digest: str
    frame: NDArray[np.uint8] | None = None

    def read(self) -> NDArray[np.uint8]:
        """Read the picture, uint8 BGR `[H, W, 3]`.

        Raises:
            PictureError: it can't be read.
        """
        if self.frame is not None:
            return self.frame
        if not _is_picture(self.path):
            raise PictureError(f"{self.path}: neither an image nor a video that OpenCV can read")
        return read_picture(self.path)


@dataclass(frozen=True)
class Samples:
    """Samples that were found, and not yet read; iterating reads them.

    Attributes:
        files: images and videos, each with whether it is defective.
        frames: of each file, as a video's head promises; 1 of an image; None where that isn't known.
        omitted: what else is in the folders that looks like images, in lines.
    """

    files: list[tuple[Path, bool]]
    frames: list[int | None]
    omitted: list[str]

    def __iter__(self) -> Iterator[Sample]:
        """Read them."""
        return (sample for path, defective in self.files for sample in _read(path, defective))

    @property
    def count(self) -> int:
        """How many there are, as far as that is known before they are read."""
        return sum(frames or 1 for frames in self.frames)

    def count_kind(self, defective: bool) -> int | None:
        """Count those of one kind; None where that isn't known before they are read."""
        counts = [
            frames for (_, bad), frames in zip(self.files, self.frames, strict=True) if bad == defective
        ]
        return None if None in counts else sum(filter(None, counts))


def find_samples(places: Sequence[tuple[Path, bool | None]]) -> Samples:
    """Find the samples at places: a folder of images, an image, a video, or a table (CSV).

    Args:
        places: each with what its images are; None where it says that itself: a table, or a folder in
            MVTec AD's layout. Of a table only the rows of the wanted kind are taken.

    Raises:
        UsageError: a place isn't there, is none of these, or says nothing of good and bad.
        DataError: a place holds no images.
    """
    files: list[tuple[Path, bool]] = []
    omitted: list[str] = []
    for place, defective in places:
        files += _list_files(place, defective, omitted)
    return Samples(files, [1 if _is_picture(path) else _count_frames(path) for path, _ in files], omitted)


def read_labelled_folder(folder: Path) -> list[tuple[Path, bool]]:
    """List the places of a category in MVTec AD's layout: `test/good` and the other folders of `test`.

    Raises:
        UsageError: there is no `test/good`, nor `good`.
    """
    test = folder / "test" if (folder / "test").is_dir() else folder
    if not (test / "good").is_dir():
        raise UsageError(
            f"{folder}: needs good images in test/good (and defective ones in other folders of test); "
            "or name folders with --good and --bad"
        )
    others = sorted(p for p in test.iterdir() if p.is_dir() and p.name not in ("good", "ground_truth"))
    bad = [place for place in others if not place.name.startswith(".") and find_pictures(place)]
    return [(test / "good", False), *((place, True) for place in bad)]


def _list_files(place: Path, defective: bool | None, omitted: list[str]) -> list[tuple[Path, bool]]:
    """List the images and videos of a place, and put down in `omitted` what of it isn't taken."""
    if not place.exists():
        there = [path.name for path in place.parent.iterdir()] if place.parent.is_dir() else []
        raise UsageError(f"{place}: no such file or folder{suggest(place.name, there)}")
    if place.suffix.lower() == ".csv" and place.is_file():
        return _read_table(place, defective)
    if place.is_dir():
        if defective is None:
            labelled = read_labelled_folder(place)
            omitted += _describe_omitted(labelled[0][0].parent)
            return [file for path, bad in labelled for file in _list_files(path, bad, [])]
        listing = list_pictures(place)
        said = listing.describe_omitted()
        if not listing.pictures:
            kinds = ", ".join(sorted(suffix[1:] for suffix in SUFFIXES))
            besides = "".join(f"; {line.removeprefix(f'{place}: ')}" for line in said)
            raise DataError(f"{place}: no images here ({kinds}){besides}")
        omitted += said
        return [(path, defective) for path in listing.pictures]
    if defective is None:
        raise UsageError(
            f"{place}: --data takes a folder in MVTec AD's layout, or a table with path and label"
        )
    if not _is_picture(place) and not _is_video(place):
        raise UsageError(f"{place}: neither an image nor a video that OpenCV can read")
    return [(place, defective)]


def _describe_omitted(test: Path) -> list[str]:
    """Say what of a folder in MVTec AD's layout isn't taken."""
    listing = list_pictures(test)
    loose = [path.name for path in listing.pictures if path.parent == test]
    said = listing.describe_omitted()
    if loose:
        images = "1 image is" if len(loose) == 1 else f"{len(loose):,} images are"
        more = f" and {len(loose) - 1:,} more" if len(loose) > 1 else ""
        said.append(f"{test}: {images} in no folder that says good or bad, and left out: {loose[0]}{more}")
    return said


def _read_table(file: Path, wanted: bool | None) -> list[tuple[Path, bool]]:
    """Read a CSV file with the columns `path` (relative to the file) and `label`."""
    rows: list[tuple[Path, bool]] = []
    try:
        with file.open(newline="", encoding="utf-8-sig") as stream:
            reader = csv.DictReader(stream)
            missing = {"path", "label"} - set(reader.fieldnames or ())
            if missing:
                raise UsageError(
                    f"{file}: needs the columns path and label, has no {' and no '.join(sorted(missing))}"
                )
            for row in reader:
                word = (row["label"] or "").strip().lower()
                found = [defective for defective, words in _WORDS.items() if word in words]
                if not found or not row["path"]:
                    raise UsageError(
                        f"{file}, line {reader.line_num}: the label must be good or bad, not {word!r}"
                    )
                if wanted in (None, found[0]):
                    rows.append((file.parent / row["path"], found[0]))
    except (UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"{file}: not a table in CSV ({error})") from error
    if not rows:
        kind = {True: "bad ", False: "good ", None: ""}[wanted]
        raise DataError(f"{file}: no {kind}images in this table")
    return rows


def _read(path: Path, defective: bool) -> Iterator[Sample]:
    if not _is_picture(path):
        yield from _read_video(path, defective)
        return
    digest = ""
    with contextlib.suppress(OSError):  # of which reading it will tell
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
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
            picture = np.asarray(frame, np.uint8)
            digest = hashlib.sha256(repr(picture.shape).encode() + picture.tobytes()).hexdigest()
            yield Sample(f"{path}#{number}", path, defective, digest, picture)
    finally:
        capture.release()
    if number == 0:
        yield Sample(str(path), path, defective, "")


def _is_picture(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES


def _is_video(path: Path) -> bool:
    capture = cv2.VideoCapture(str(path))
    opened = bool(capture.isOpened())
    capture.release()
    return opened


def _count_frames(path: Path) -> int | None:
    """Say how many frames a video's head promises; None where it doesn't, or is no video's."""
    capture = cv2.VideoCapture(str(path))
    count = capture.get(cv2.CAP_PROP_FRAME_COUNT) if capture.isOpened() else 0
    capture.release()
    return max(1, round(count)) if 0 < count < 1e9 else None
