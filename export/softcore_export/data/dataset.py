"""Dataset: which images to train on, and their reading."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from softcore_runtime.bundle.training import draw_thumbnail, measure_image_statistics
from softcore_runtime.cli.command_line import suggest
from softcore_runtime.errors import DataError, FrameError, ImageError, UsageError
from softcore_runtime.folders.copies import find_copies, hash_pixels
from softcore_runtime.folders.labelled_folder import find_test_part, find_training_part
from softcore_runtime.images.compression import measure_traces
from softcore_runtime.images.file_names import to_text
from softcore_runtime.images.image_file import SUFFIXES
from softcore_runtime.images.preprocessing import Preprocessing

from softcore_export.contamination.contamination import Copy
from softcore_export.data.near_copies import extract_grain, find_near_copies

__all__ = ["FEWEST", "LabelledImages", "TrainingImages", "find_category", "find_labelled"]

FEWEST = 8  # training images; with fewer, six neighbours are everybody


@dataclass
class TrainingImages:
    """The training images of a category, in order of their paths.

    Each content is learned once: a second image of the same content would vouch for the first one's defect.
    Iterating reads the images. Those that can't be read are passed over and kept in `skipped` with the
    reason; `read` and `digests` name those that could, and the SHA-256 of their files. `repeated` names the
    files that are byte for byte another one, `redrawn` those that were saved anew and show the very same
    pixels, each with the image that is learned instead. `layout` names the layout that was read, and
    `omitted` says what else is in the folder that looks like images, in lines.
    """

    folder: Path
    paths: list[Path]
    layout: str = ""
    omitted: list[str] = field(default_factory=list)
    repeated: dict[Path, Path] = field(default_factory=dict)
    redrawn: dict[Path, Path] = field(default_factory=dict)
    read: list[Path] = field(default_factory=list)
    digests: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    thumbnails: list[NDArray[np.uint8]] = field(default_factory=list)
    image_statistics: list[NDArray[np.float64]] = field(default_factory=list)
    traces: list[NDArray[np.float64] | None] = field(default_factory=list)
    grains: list[NDArray[np.int8]] = field(default_factory=list)

    @classmethod
    def find(cls, folder: Path, max_images: int | None = None) -> TrainingImages:
        """Name the good images of a category, each content once, at most the first `max_images` of them.

        Args:
            folder: of the category, in a layout that `find_training_part` reads, or a folder of images.
            max_images: how many are taken at most.

        Raises:
            UsageError: the layout isn't known.
            DataError: fewer than `FEWEST`.
        """
        part = find_training_part(folder)
        folder, omitted = part.folder, part.omitted
        repeated = find_copies(part.images)
        paths = [path for path in part.images if path not in repeated][:max_images]
        if len(paths) < FEWEST:
            kinds = ", ".join(sorted(suffix[1:] for suffix in SUFFIXES))
            besides = "".join(f"; {line.removeprefix(f'{folder}: ')}" for line in omitted)
            if repeated:
                besides = f"; {_count(len(repeated))} more with the content of one of them{besides}"
            raise DataError(
                f"{folder}: {_count(len(paths))}, at least {FEWEST} are needed ({kinds}){besides}"
            )
        taken = set(paths)
        used = {copy: original for copy, original in repeated.items() if original in taken}
        return cls(folder, paths, part.layout, omitted, used)

    def crops(self, preprocessing: Preprocessing) -> Iterator[NDArray[np.uint8]]:
        """Read each image and bring it to the network's input, uint8 BGR `[crop, crop, 3]`.

        Raises:
            DataError: at the end, if fewer than `FEWEST` could be read.
        """
        for known in (
            self.read,
            self.digests,
            self.skipped,
            self.thumbnails,
            self.image_statistics,
            self.grains,
        ):
            known.clear()
        self.traces.clear()
        self.redrawn.clear()
        shown: dict[str, Path] = {}
        for path in self.paths:
            try:
                image = preprocessing.read(path)
                crop = preprocessing.apply(image)
            except ImageError as error:
                self.skipped.append(str(error))
                continue
            except FrameError as error:
                self.skipped.append(f"{path}: {error}")
                continue
            original = shown.setdefault(hash_pixels(image), path)
            if original != path:
                self.redrawn[path] = original
                continue
            self.read.append(path)
            self.digests.append(hashlib.sha256(path.read_bytes()).hexdigest())
            self.thumbnails.append(draw_thumbnail(crop))
            self.image_statistics.append(measure_image_statistics(image))
            self.traces.append(measure_traces(image))
            self.grains.append(extract_grain(image))
            yield crop
        if len(self.read) < FEWEST:
            same = f", {len(self.redrawn)} more with the pixels of one of them" if self.redrawn else ""
            fault = f"; first fault: {self.skipped[0]}" if self.skipped else ""
            raise DataError(
                f"{self.folder}: {_count(len(self.read))} could be read{same}, at least {FEWEST} are "
                f"needed{fault}"
            )

    def sample(self, preprocessing: Preprocessing, count: int) -> NDArray[np.uint8]:
        """Read at most `count` images, spread over all, as uint8 BGR `[B, crop, crop, 3]`.

        Those that can't be read are left to `crops` to tell of.

        Raises:
            DataError: none can be read.
        """
        count = min(count, len(self.paths))
        wanted = [self.paths[i * len(self.paths) // count] for i in range(count)]
        found: list[NDArray[np.uint8]] = []
        for path in dict.fromkeys([*wanted, *self.paths]):
            try:
                found.append(preprocessing.apply(preprocessing.read(path)))
            except (ImageError, FrameError):
                continue
            if len(found) == len(wanted):
                break
        return np.stack(found or list(self.crops(preprocessing)))

    def copies(self) -> tuple[Copy, ...]:
        """List the images that hold or show what another one does, after they were read."""
        near = find_near_copies(self.thumbnails, self.grains)
        found = [
            *(("content", copy, original) for copy, original in self.repeated.items()),
            *(("pixels", copy, original) for copy, original in self.redrawn.items()),
            *(("near", self.read[copy], self.read[original]) for copy, original in near),
        ]
        return tuple(
            Copy(
                path=to_text(copy.relative_to(self.folder).as_posix()),
                original=to_text(original.relative_to(self.folder).as_posix()),
                alike=alike,
            )
            for alike, copy, original in found
        )

    def fingerprint(self) -> str:
        """Hash names and contents of what was read, each content once."""
        digest = hashlib.sha256()
        for path, content in zip(self.read, self.digests, strict=True):
            name = path.relative_to(self.folder).as_posix()
            digest.update(f"{name}\0{content}\n".encode(errors="surrogateescape"))  # the bytes on the disk
        return digest.hexdigest()


@dataclass(frozen=True)
class LabelledImages:
    """Images of which a person has said whether they show a defect.

    Attributes:
        folder: where they are.
        layout: the layout that was read, in words.
        images: each image, with whether it is defective; the good ones first, each content once.
        repeated: how many more there are with the content of one of them.
        omitted: what else is there and isn't taken, in lines.
    """

    folder: Path
    layout: str
    images: list[tuple[Path, bool]]
    repeated: int
    omitted: list[str]

    def check(self, preprocessing: Preprocessing) -> tuple[list[tuple[Path, bool]], list[str]]:
        """Try to read the images: give those that can be, and a line for each other one.

        Raises:
            DataError: of one kind none can be read.
        """
        tried = [(path, defective, _find_fault(path, preprocessing)) for path, defective in self.images]
        readable = [(path, defective) for path, defective, fault in tried if not fault]
        faults = [fault for _, _, fault in tried if fault]
        if len({defective for _, defective in readable}) < 2:
            raise DataError(
                f"--labelled {self.folder}: of one kind no image could be read; first fault: {faults[0]}"
            )
        return readable, faults


def find_category(root: Path, category: str) -> Path:
    """Find a category's folder: `root/category`, or `root` itself where it holds images and no such folder.

    Raises:
        UsageError: there is no such folder; the message names the categories there are.
    """
    folder = root / category
    if not root.is_dir():
        raise UsageError(f"{root}: no such folder; name with --data DIR the one that has {category}/ in it")
    if not folder.is_dir():
        if any(path.suffix.lower() in SUFFIXES for path in root.iterdir()):
            return root
        there = sorted(
            path.name for path in root.iterdir() if path.is_dir() and not path.name.startswith(".")
        )
        hint = f"; there are: {', '.join(there)}" if there else ", and nothing else is there"
        raise UsageError(f"{folder}: no such folder{suggest(category, there)}{hint}")
    return folder


def find_labelled(folder: Path) -> LabelledImages:
    """Name labelled images, of a folder in any layout that `find_test_part` reads.

    Raises:
        UsageError: there are no good ones, or no defective ones, or an image is given as both.
    """
    if not folder.is_dir():
        raise UsageError(f"--labelled {folder}: no such folder")
    try:
        part = find_test_part(folder)
    except UsageError as error:
        raise UsageError(f"--labelled {error}") from error
    if not part.good or not part.bad:
        raise UsageError(
            f"--labelled {folder}: needs good images in {part.folder / 'good'} and defective ones in another "
            f"folder; there are {len(part.good):,} and {len(part.bad):,}"
        )
    bad = set(part.bad)
    copies = find_copies([*part.good, *part.bad])
    for copy, original in copies.items():
        if (copy in bad) != (original in bad):
            raise UsageError(
                f"--labelled {folder}: {copy.relative_to(folder)} and {original.relative_to(folder)} have "
                "one content, given both as good and as defective"
            )
    images = [(path, path in bad) for path in (*part.good, *part.bad) if path not in copies]
    return LabelledImages(part.folder, part.layout, images, len(copies), part.omitted)


def _find_fault(path: Path, preprocessing: Preprocessing) -> str:
    """Say why an image can't be taken; "" where it can."""
    try:
        preprocessing.apply(preprocessing.read(path))
    except ImageError as error:
        return str(error)
    except FrameError as error:
        return f"{path}: {error}"
    return ""


def _count(n: int) -> str:
    return {0: "no image", 1: "1 image"}.get(n, f"{n} images")
