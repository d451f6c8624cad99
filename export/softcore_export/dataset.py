"""Dataset: which pictures to train on, and their reading."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from softcore_runtime.command_line import suggest
from softcore_runtime.copies import find_copies, hash_pixels
from softcore_runtime.errors import DataError, FrameError, PictureError, UsageError
from softcore_runtime.pictures import SUFFIXES, find_pictures, list_pictures, read_picture
from softcore_runtime.preprocessing import Preprocessing
from softcore_runtime.training import draw_thumbnail, measure_look

from softcore_export.contamination import Copy
from softcore_export.near_copies import extract_grain, find_near_copies

__all__ = ["FEWEST", "TrainingPictures", "find_labelled", "find_training_folder"]

FEWEST = 8  # training pictures; with fewer, six neighbours are everybody


@dataclass
class TrainingPictures:
    """The training pictures of a category, in order of their paths.

    Each content is learned once: a second image of the same content would vouch for the first one's defect.
    Iterating reads the images. Those that can't be read are passed over and kept in `skipped` with the
    reason; `read` and `digests` name those that could, and the SHA-256 of their files. `repeated` names the
    files that are byte for byte another one, `redrawn` those that were saved anew and show the very same
    pixels, each with the image that is learned instead. `omitted` says what else is in the folder that looks
    like images, in lines.
    """

    folder: Path
    paths: list[Path]
    omitted: list[str] = field(default_factory=list)
    repeated: dict[Path, Path] = field(default_factory=dict)
    redrawn: dict[Path, Path] = field(default_factory=dict)
    read: list[Path] = field(default_factory=list)
    digests: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    thumbnails: list[NDArray[np.uint8]] = field(default_factory=list)
    looks: list[NDArray[np.float64]] = field(default_factory=list)
    grains: list[NDArray[np.int8]] = field(default_factory=list)

    @classmethod
    def find(cls, folder: Path, limit: int | None = None) -> TrainingPictures:
        """Name the pictures under `folder`, each content once, at most the first `limit` of them.

        Raises:
            DataError: fewer than `FEWEST`.
        """
        listing = list_pictures(folder)
        omitted = listing.describe_omitted()
        repeated = find_copies(listing.pictures)
        paths = [path for path in listing.pictures if path not in repeated][:limit]
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
        return cls(folder=folder, paths=paths, omitted=omitted, repeated=used)

    def crops(self, preprocessing: Preprocessing) -> Iterator[NDArray[np.uint8]]:
        """Read each picture and bring it to the network's input, uint8 BGR `[crop, crop, 3]`.

        Raises:
            DataError: at the end, if fewer than `FEWEST` could be read.
        """
        for known in (self.read, self.digests, self.skipped, self.thumbnails, self.looks, self.grains):
            known.clear()
        self.redrawn.clear()
        shown: dict[str, Path] = {}
        for path in self.paths:
            try:
                picture = read_picture(path)
                crop = preprocessing.apply(picture)
            except PictureError as error:
                self.skipped.append(str(error))
                continue
            except FrameError as error:
                self.skipped.append(f"{path}: {error}")
                continue
            original = shown.setdefault(hash_pixels(picture), path)
            if original != path:
                self.redrawn[path] = original
                continue
            self.read.append(path)
            self.digests.append(hashlib.sha256(path.read_bytes()).hexdigest())
            self.thumbnails.append(draw_thumbnail(crop))
            self.looks.append(measure_look(picture))
            self.grains.append(extract_grain(picture))
            yield crop
        if len(self.read) < FEWEST:
            same = f", {len(self.redrawn)} more with the pixels of one of them" if self.redrawn else ""
            fault = f"; first fault: {self.skipped[0]}" if self.skipped else ""
            raise DataError(
                f"{self.folder}: {_count(len(self.read))} could be read{same}, at least {FEWEST} are "
                f"needed{fault}"
            )

    def sample(self, preprocessing: Preprocessing, count: int) -> NDArray[np.uint8]:
        """Read at most `count` pictures, spread over all, as uint8 BGR `[B, crop, crop, 3]`.

        Those that can't be read are left to `crops` to tell of.

        Raises:
            DataError: none can be read.
        """
        count = min(count, len(self.paths))
        wanted = [self.paths[i * len(self.paths) // count] for i in range(count)]
        found: list[NDArray[np.uint8]] = []
        for path in dict.fromkeys([*wanted, *self.paths]):
            try:
                found.append(preprocessing.apply(read_picture(path)))
            except (PictureError, FrameError):
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
                path=copy.relative_to(self.folder).as_posix(),
                original=original.relative_to(self.folder).as_posix(),
                alike=alike,
            )
            for alike, copy, original in found
        )

    def fingerprint(self) -> str:
        """Hash names and contents of what was read, each content once."""
        digest = hashlib.sha256()
        for path, content in zip(self.read, self.digests, strict=True):
            digest.update(f"{path.relative_to(self.folder).as_posix()}\0{content}\n".encode())
        return digest.hexdigest()


def find_training_folder(root: Path, category: str) -> Path:
    """Find a category's training pictures.

    `root/category/train/good` (MVTec AD's layout), else `root/category/train`, else the plain folder
    `root/category`, else `root` itself where it holds pictures and no folder of that name.

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
    for trained in (folder / "train" / "good", folder / "train"):
        if trained.is_dir():
            return trained
    if (folder / "test").is_dir() or (folder / "ground_truth").is_dir():
        # A layout like MVTec AD's with its training part missing: its test pictures must not be learned.
        raise UsageError(f"{folder / 'train' / 'good'}: no such folder, though test pictures are there")
    return folder


def find_labelled(folder: Path) -> list[tuple[Path, bool]]:
    """Name labelled pictures: those under `folder/good`, and the defective ones under its other folders.

    Raises:
        UsageError: there are no good ones, or no defective ones.
    """
    if not folder.is_dir():
        raise UsageError(f"--labelled {folder}: no such folder")
    good = find_pictures(folder / "good")
    known = set(good)
    bad = [path for path in find_pictures(folder) if path not in known]
    if not good or not bad:
        raise UsageError(
            f"--labelled {folder}: needs good images in {folder / 'good'} and defective ones in another "
            f"folder; there are {len(good):,} and {len(bad):,}"
        )
    return [*((path, False) for path in good), *((path, True) for path in bad)]


def _count(n: int) -> str:
    return {0: "no image", 1: "1 image"}.get(n, f"{n} images")
