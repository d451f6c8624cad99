"""Training set: the training images as they were read, once, in a value that no later reading changes."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from softcore_runtime.errors import DataError, FrameError, ImageError
from softcore_runtime.images.compression import summarize_compression
from softcore_runtime.images.compression_statistics import CompressionStatistics
from softcore_runtime.images.file_names import to_text
from softcore_runtime.images.preprocessing import Preprocessing
from softcore_runtime.regular_file import hash_file

from softcore_export.contamination.contamination import ImageCopy
from softcore_export.data.dataset import FEWEST, TrainingImages, count_images, hash_if_readable
from softcore_export.data.image_facts import ImageFacts, SeenImage, measure_facts
from softcore_export.data.near_copies import find_near_copies
from softcore_export.feature_store.feature_store import StoreSection

__all__ = ["TrainingScan", "TrainingSet", "sample_crops"]

_TRIES = 3  # readings of a file that is written to meanwhile


@dataclass(frozen=True, eq=False)
class TrainingSet:
    """N training images that could be read, in the order of their paths, each content once.

    Attributes:
        folder: the training folder.
        paths: the images' files, `[N]`.
        digests: SHA-256 of these files, `[N]`.
        skipped: a line for each image that could not be read, with the reason.
        copies: the images that are copies of another one, and of which.
        thumbnails: uint8 `[N, 32, 32]`.
        image_statistics: float64 `[N, 3]`, brightness, contrast and sharpness.
        traces: traces of compression, summarised; None where no image is large enough for them.
        confirmed: the digests of all images that a person has confirmed as good.
        defects: the images that a person has confirmed as defective, which are none of `paths`.

    Raises:
        ValueError: the lengths don't agree.
    """

    folder: Path
    paths: tuple[Path, ...]
    digests: tuple[str, ...]
    skipped: tuple[str, ...]
    copies: tuple[ImageCopy, ...]
    thumbnails: NDArray[np.uint8]
    image_statistics: NDArray[np.float64]
    traces: CompressionStatistics | None
    confirmed: frozenset[str] = frozenset()
    defects: tuple[Path, ...] = ()

    def __post_init__(self) -> None:
        lengths = [len(some) for some in (self.digests, self.thumbnails, self.image_statistics)]
        if lengths != [len(self.paths)] * 3:
            raise ValueError(
                f"digests, thumbnails and image_statistics must be [N] = [{len(self.paths)}], not {lengths}"
            )

    @property
    def names(self) -> list[str]:
        """The images' names relative to the training folder, with slashes, `[N]`."""
        return [_name(path, self.folder) for path in self.paths]

    def see_again(self, preprocessing: Preprocessing) -> Iterator[SeenImage]:
        """Yield the images once more, as they are seen by the preprocessing."""
        for path, digest in zip(self.paths, self.digests, strict=True):
            yield SeenImage(path, digest, preprocessing)

    @property
    def groups(self) -> NDArray[np.int32]:
        """The group of each image, int32 `[N]`: near copies of each other share one."""
        row = {name: i for i, name in enumerate(self.names)}
        groups = np.arange(len(self.paths), dtype=np.int32)
        for copy in self.copies:
            if copy.alike == "near":
                groups[row[copy.path]] = row[copy.original]
        return groups

    @property
    def fingerprint(self) -> str:
        """SHA-256 over the names and the contents of the images."""
        digest = hashlib.sha256()
        for path, content in zip(self.paths, self.digests, strict=True):
            name = _relate(path, self.folder)
            digest.update(f"{name}\0{content}\n".encode(errors="surrogateescape"))  # the bytes on the disk
        return digest.hexdigest()


class TrainingScan:
    """One pass over the training images: iterate for what the network sees, then `finish`.

    Each image is decoded once, or not at all where its facts are known from an earlier export. Those that
    can't be read, and those that show the very pixels of an earlier one, give nothing.

    Args:
        images: the images.
        preprocessing: brings them to what the network sees.
        known: the facts of images that were looked at before; None knows none.

    Example:
        >>> scan = TrainingScan(TrainingImages.find(discs / "disc"), small.preprocessing)
        >>> crops = list(scan)
        >>> len(crops), crops[0].shape, len(scan.finish().paths)
        (12, (64, 64, 3), 12)
    """

    def __init__(
        self, images: TrainingImages, preprocessing: Preprocessing, known: StoreSection | None = None
    ) -> None:
        self._images, self._preprocessing = images, preprocessing
        self._known = known or StoreSection(None, {})
        self._paths: list[Path] = []
        self._digests: list[str] = []
        self._skipped: list[str] = []
        self._same_pixels: list[tuple[Path, Path]] = []
        self._facts: list[ImageFacts] = []
        self._begun = self._complete = False

    def __iter__(self) -> Iterator[NDArray[np.uint8]]:
        """Bring each image to what the network sees, uint8 BGR `[h, w, 3]`; errors are those of `walk`."""
        return (image.read() for image in self.walk())

    def walk(self) -> Iterator[SeenImage]:
        """Look at each image once; those whose facts are known aren't decoded.

        Raises:
            DataError: at the end, if fewer than `FEWEST` could be read.
            RuntimeError: the scan has begun before.
        """
        if self._begun:
            raise RuntimeError("a scan reads its images once")
        self._begun = True
        first_with: dict[str, Path] = {}  # by the hash of its pixels
        for path in self._images.paths:
            try:
                image, facts = self._look(path)
            except ImageError as error:
                self._skipped.append(str(error))
                continue
            except FrameError as error:
                self._skipped.append(f"{path}: {error}")
                continue
            original = first_with.setdefault(facts.pixels, path)
            if original != path:
                self._same_pixels.append((path, original))
                continue
            self._paths.append(path)
            self._digests.append(image.digest)
            self._facts.append(facts)
            yield image
        self._demand_enough()
        self._complete = True

    def _look(self, path: Path) -> tuple[SeenImage, ImageFacts]:
        """Return an image and its facts, decoded only if these aren't known.

        Raises:
            ImageError, FrameError: it can't be read.
        """
        digest = hash_if_readable(path)
        if digest and (arrays := self._known.get(digest)):
            return SeenImage(path, digest, self._preprocessing), ImageFacts.from_arrays(arrays)
        for _ in range(_TRIES):
            before = digest
            image = self._preprocessing.read(path)
            crop = self._preprocessing.apply(image)
            digest = hash_file(path)
            if digest == before:  # else it isn't known which content was decoded
                facts = measure_facts(image, crop)
                self._known.put(digest, facts.to_arrays())
                return SeenImage(path, digest, self._preprocessing, crop), facts
        raise ImageError(f"{to_text(path)}: is being written to")

    def finish(self) -> TrainingSet:
        """Return the training set, after the last image.

        Raises:
            RuntimeError: not all images have been read.
        """
        if not self._complete:
            raise RuntimeError("the scan isn't complete")
        confirmed = self._images.confirmed
        return TrainingSet(
            folder=self._images.folder,
            paths=tuple(self._paths),
            digests=tuple(self._digests),
            skipped=tuple(self._skipped),
            copies=self._list_copies(),
            thumbnails=np.stack([facts.thumbnail for facts in self._facts]),
            image_statistics=np.stack([facts.image_statistics for facts in self._facts]),
            traces=summarize_compression([facts.traces for facts in self._facts]),
            confirmed=frozenset(confirmed.digests[path] for path in confirmed.good),
            defects=confirmed.bad,
        )

    def _demand_enough(self) -> None:
        if len(self._paths) >= FEWEST:
            return
        same = f", {len(self._same_pixels)} more with the pixels of one of them" if self._same_pixels else ""
        fault = f"; first fault: {self._skipped[0]}" if self._skipped else ""
        raise DataError(
            f"{self._images.folder}: {count_images(len(self._paths))} could be read{same}, at least {FEWEST} "
            f"are needed{fault}"
        )

    def _list_copies(self) -> tuple[ImageCopy, ...]:
        folder = self._images.folder
        near = find_near_copies(
            [facts.thumbnail for facts in self._facts], [facts.grain for facts in self._facts]
        )
        return tuple(
            ImageCopy(path=_name(copy, folder), original=_name(original, folder), alike=alike)
            for alike, pairs in (
                ("content", self._images.repeated.items()),
                ("pixels", self._same_pixels),
                ("near", [(self._paths[copy], self._paths[original]) for copy, original in near]),
            )
            for copy, original in pairs
        )


def sample_crops(images: TrainingImages, preprocessing: Preprocessing, count: int) -> NDArray[np.uint8]:
    """Read at most `count` images, spread over all: a window of each, uint8 BGR `[B, crop, crop, 3]`.

    Images that can't be read are replaced by others, and are not reported: `TrainingScan` does that.

    Raises:
        DataError: none can be read.
    """
    paths = images.paths
    count = min(count, len(paths))
    wanted = [paths[i * len(paths) // count] for i in range(count)]
    found: list[NDArray[np.uint8]] = []
    for path in dict.fromkeys([*wanted, *paths]):
        try:
            windows = preprocessing.cut(preprocessing.read(path))
            found.append(windows[len(found) % len(windows)])  # another place of each
        except (ImageError, FrameError):
            continue
        if len(found) == len(wanted):
            break
    return np.stack(found or list(TrainingScan(images, preprocessing)))  # which explains what is wrong


def _name(path: Path, folder: Path) -> str:
    return to_text(_relate(path, folder))


def _relate(path: Path, folder: Path) -> str:
    """Return a path relative to the training folder; with `..` where an image was added from elsewhere."""
    return Path(os.path.relpath(path, folder)).as_posix()
