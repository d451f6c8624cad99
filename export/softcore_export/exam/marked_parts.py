"""Marked parts: the parts of an exam and those that were marked since, with the images that can be found."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from softcore_runtime.exam.exam import Exam, ExamPart, name_part, read_exam
from softcore_runtime.exam.places import read_places
from softcore_runtime.images.image_file import SUFFIXES
from softcore_runtime.regular_file import hash_file

from softcore_export.data.training_set import TrainingSet

__all__ = ["MarkedPart", "MarkedParts", "find_images", "gather_parts"]


@dataclass(frozen=True)
class MarkedPart:
    """A part that a person has called good or bad.

    Attributes:
        sha256: of its file.
        name: its folder's name and its own.
        label: what a person says of it; the latest word.
        path: its file; None where it isn't found.
        before: what the earlier exam has of it; None where it is new.
    """

    sha256: str
    name: str
    label: Literal["good", "bad"]
    path: Path | None
    before: ExamPart | None

    @property
    def relabelled(self) -> bool:
        """Whether a person said otherwise before."""
        return self.before is not None and self.before.label != self.label


@dataclass(frozen=True)
class MarkedParts:
    """All parts that a new bundle is judged by.

    Attributes:
        exam: the exam of the bundle that it replaces; empty where there is none.
        parts: these parts first, then those that are new.
    """

    exam: Exam
    parts: tuple[MarkedPart, ...]

    def __bool__(self) -> bool:
        return bool(self.parts)

    @property
    def places(self) -> list[Path]:
        """The folders in which images were found, each once."""
        return [*dict.fromkeys(part.path.parent for part in self.parts if part.path)]


def gather_parts(target: Path, images: TrainingSet) -> MarkedParts:
    """Gather the parts of the exam of the bundle at `target`, and those that a person has confirmed now.

    Their images are looked for by content among the training images, among those confirmed now, and in the
    folders where they lay before.

    Args:
        target: the bundle's folder; it may be missing.
        images: the training images, with what a person has confirmed.

    Raises:
        BundleCorruptError: the exam was damaged.
        DataError: the list of folders was.

    Example:
        >>> gather_parts(target, prepared.images).parts
        ()
    """
    exam = read_exam(target)
    given: dict[str, tuple[Path, Literal["good", "bad"]]] = {}
    for path, digest in zip(images.paths, images.digests, strict=True):
        if digest in images.confirmed:
            given[digest] = (path, "good")
    for path in images.defects:
        given[hash_file(path)] = (path, "bad")
    known = {digest: path for digest, (path, _) in given.items()}
    known |= dict(zip(images.digests, images.paths, strict=True))
    wanted = {part.sha256: part.bytes for part in exam.parts if part.sha256 not in known}
    places = [*dict.fromkeys(path.parent for path, _ in given.values()), *read_places(target)]
    known |= find_images(wanted, places)
    parts = [
        MarkedPart(
            part.sha256,
            part.name,
            given[part.sha256][1] if part.sha256 in given else part.label,
            known.get(part.sha256),
            part,
        )
        for part in exam.parts
    ]
    earlier = {part.sha256 for part in exam.parts}
    parts += [
        MarkedPart(digest, name_part(path), label, path, None)
        for digest, (path, label) in given.items()
        if digest not in earlier
    ]
    return MarkedParts(exam, tuple(parts))


def find_images(wanted: Mapping[str, int], places: Iterable[Path]) -> dict[str, Path]:
    """Find images by their content.

    Only files of a size that is wanted are read.

    Args:
        wanted: the size in bytes of each file, by its SHA-256.
        places: folders to look in, not in folders below them.

    Returns:
        the files that were found, by their SHA-256.

    Example:
        >>> file = discs / "disc" / "00.png"
        >>> find_images({hash_file(file): file.stat().st_size}, [discs / "disc"])
        {'...': PosixPath('.../disc/00.png')}
    """
    found: dict[str, Path] = {}
    sizes = set(wanted.values())
    for place in dict.fromkeys(places):
        if len(found) == len(wanted):
            break
        for file in _list_images(place, sizes):
            try:
                digest = hash_file(file)
            except OSError:
                continue
            if digest in wanted:
                found.setdefault(digest, file)
    return found


def _list_images(folder: Path, sizes: Collection[int]) -> Iterator[Path]:
    """List the images of certain sizes in a folder; none where it is gone."""
    try:
        with os.scandir(folder) as entries:
            files = sorted(
                entry.path
                for entry in entries
                if Path(entry.name).suffix.lower() in SUFFIXES
                and entry.is_file()
                and entry.stat().st_size in sizes
            )
    except OSError:
        return
    yield from map(Path, files)
