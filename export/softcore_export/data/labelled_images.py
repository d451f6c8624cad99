"""Labelled images: images of which a person has said whether they show a defect."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from softcore_runtime.errors import DataError, FrameError, ImageError, UsageError
from softcore_runtime.folders.copies import find_copies
from softcore_runtime.folders.labelled_folder import find_test_part
from softcore_runtime.images.preprocessing import Preprocessing

__all__ = ["LabelledImages", "find_labelled"]


@dataclass(frozen=True)
class LabelledImages:
    """Labelled images as they were found, before any of them is decoded.

    Attributes:
        folder: where they are.
        layout: the folder's layout in words.
        images: each image, with whether it is defective; the good ones first, each content once.
        repeated: number of further files with the content of one of them.
        omitted: a line for each other thing in the folder that looks like images.
    """

    folder: Path
    layout: str
    images: list[tuple[Path, bool]]
    repeated: int
    omitted: list[str]

    def check(self, preprocessing: Preprocessing) -> tuple[list[tuple[Path, bool]], list[str]]:
        """Decode the images; return those that can be read, and a line for each other one.

        Raises:
            DataError: no image of one kind can be read.
        """
        tried = [(path, defective, _find_fault(path, preprocessing)) for path, defective in self.images]
        readable = [(path, defective) for path, defective, fault in tried if not fault]
        faults = [fault for _, _, fault in tried if fault]
        if len({defective for _, defective in readable}) < 2:
            raise DataError(
                f"--labelled {self.folder}: of one kind no image could be read; first fault: {faults[0]}"
            )
        return readable, faults


def find_labelled(folder: Path) -> LabelledImages:
    """Find labelled images, in a folder of any layout that `find_test_part` reads.

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
    """Return why an image can't be read; "" where it can."""
    try:
        preprocessing.apply(preprocessing.read(path))
    except ImageError as error:
        return str(error)
    except FrameError as error:
        return f"{path}: {error}"
    return ""
