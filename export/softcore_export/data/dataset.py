"""Dataset: the training images of a category, found in its folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from softcore_runtime.cli.suggestion import suggest
from softcore_runtime.errors import DataError, UsageError
from softcore_runtime.folders.copies import find_copies
from softcore_runtime.folders.labelled_folder import find_training_part
from softcore_runtime.images.image_file import SUFFIXES
from softcore_runtime.regular_file import hash_file

from softcore_export.data.confirmed_images import ConfirmedImages

__all__ = ["FEWEST", "TrainingImages", "count_images", "find_category", "hash_if_readable"]

_NAMED = 3  # images in one remark
FEWEST = 8  # training images; with fewer, the six neighbours of an image are nearly all the others


@dataclass(frozen=True)
class TrainingImages:
    """The training images of a category as they were found, before any of them is decoded.

    Each content is learned once: with a second image of the same content, a defect in it would no longer
    differ from all other images.

    Attributes:
        folder: where the images are; their names are relative to it.
        paths: the image files, sorted by path, each content once.
        layout: the folder's layout in words; "" for a plain folder of images.
        omitted: a line for each other thing in the folder that looks like images.
        repeated: the files that are byte for byte one of `paths`, each with that one.
        confirmed: what a person has said of parts: the good ones are among `paths`, no defective one is.

    Example:
        >>> images = TrainingImages.find(discs / "disc")
        >>> len(images.paths), images.repeated
        (12, {})
    """

    folder: Path
    paths: Sequence[Path]
    layout: str = ""
    omitted: Sequence[str] = ()
    repeated: Mapping[Path, Path] = field(default_factory=dict)
    confirmed: ConfirmedImages = field(default_factory=ConfirmedImages)

    @classmethod
    def find(cls, folder: Path, max_images: int | None = None) -> TrainingImages:
        """Find the good images of a category, each content once.

        Args:
            folder: of the category, in a layout that `find_training_part` reads, or a folder of images.
            max_images: take only the first `max_images` of them; None takes all.

        Raises:
            UsageError: the layout isn't known.
            DataError: there are fewer than `FEWEST`.
        """
        part = find_training_part(folder)
        folder, omitted = part.folder, part.omitted
        repeated = find_copies(part.images)
        paths = [path for path in part.images if path not in repeated][:max_images]
        if len(paths) < FEWEST:
            kinds = ", ".join(sorted(suffix[1:] for suffix in SUFFIXES))
            besides = "".join(f"; {line.removeprefix(f'{folder}: ')}" for line in omitted)
            if repeated:
                besides = f"; {count_images(len(repeated))} more with the content of one of them{besides}"
            raise DataError(
                f"{folder}: {count_images(len(paths))}, at least {FEWEST} are needed ({kinds}){besides}"
            )
        taken = set(paths)
        used = {copy: original for copy, original in repeated.items() if original in taken}
        return cls(folder, tuple(paths), part.layout, tuple(omitted), used)

    def confirm(self, confirmed: ConfirmedImages) -> TrainingImages:
        """Add the images that a person has confirmed as good, and leave out those confirmed as defective.

        Raises:
            DataError: fewer than `FEWEST` are left.

        Example:
            >>> images = TrainingImages.find(discs / "disc")
            >>> fewer = images.confirm(find_confirmed(bad=[discs / "disc" / "05.png"]))
            >>> len(fewer.paths), fewer.omitted
            (11, ('1 training image is confirmed as defective and is left out: 05.png',))
        """
        if not confirmed:
            return self
        digests = {path: hash_if_readable(path) for path in self.paths}
        bad = {confirmed.digests[path] for path in confirmed.bad}
        out = [path for path in self.paths if digests[path] in bad]
        known = {*digests.values()}
        paths = [path for path in self.paths if digests[path] not in bad]
        paths += [path for path in confirmed.good if confirmed.digests[path] not in known]
        omitted = list(self.omitted)
        if out:
            is_one = len(out) == 1
            names = ", ".join(path.name for path in out[:_NAMED]) + (", ..." if len(out) > _NAMED else "")
            omitted.append(
                f"{len(out):,} training image{' is' if is_one else 's are'} confirmed as defective and "
                f"{'is' if is_one else 'are'} left out: {names}"
            )
        if len(paths) < FEWEST:
            raise DataError(
                f"{self.folder}: {count_images(len(paths))} without those confirmed as defective, at "
                f"least {FEWEST} are needed"
            )
        return replace(self, paths=tuple(paths), omitted=tuple(omitted), confirmed=confirmed)


def find_category(root: Path, category: str) -> Path:
    """Find a category's folder: `root/category`, or `root` itself where it holds images and no such folder.

    Raises:
        UsageError: there is no such folder; the message names the categories that exist.
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


def hash_if_readable(path: Path) -> str:
    """Return the SHA-256 of a file; nothing of one that can't be read, which is said where it is decoded."""
    try:
        return hash_file(path)
    except OSError:
        return ""


def count_images(n: int) -> str:
    """Word a number of images for a message.

    Example:
        >>> count_images(0), count_images(1), count_images(7)
        ('no image', '1 image', '7 images')
    """
    return {0: "no image", 1: "1 image"}.get(n, f"{n} images")
