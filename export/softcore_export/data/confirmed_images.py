"""Confirmed images: parts that a person has looked at and called good or defective."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from softcore_runtime.errors import DataError, UsageError
from softcore_runtime.folders.label_table import read_label_table
from softcore_runtime.folders.labelled_folder import ImagePart, find_class_part, find_test_part
from softcore_runtime.images.image_file import SUFFIXES
from softcore_runtime.regular_file import hash_file

__all__ = ["ConfirmedImages", "find_confirmed"]

_Labelled = list[tuple[Path, bool]]


@dataclass(frozen=True)
class ConfirmedImages:
    """Images of parts that a person has confirmed, as they were found, before any of them is decoded.

    Attributes:
        good: images of good parts, each content once: they join the training images and are never suspected.
        bad: images of defective parts, each content once: nothing of them is ever learned.
        digests: SHA-256 of each of these files.
        repeated: number of further files with the content of one of them.
        omitted: a line for each other thing in the folders that looks like images.

    Example:
        >>> confirmed = find_confirmed(good=[discs / "disc"])
        >>> len(confirmed.good), len(confirmed.bad), bool(confirmed)
        (12, 0, True)
    """

    good: tuple[Path, ...] = ()
    bad: tuple[Path, ...] = ()
    digests: Mapping[Path, str] = field(default_factory=dict)
    repeated: int = 0
    omitted: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.good or self.bad)

    def describe(self) -> list[str]:
        """Return a line on what there is, and one for each remark."""
        if not self:
            return []
        lines = [f"{len(self.good):,} good and {len(self.bad):,} bad images that a person has confirmed"]
        if self.repeated:
            lines.append(
                f"warning: {self.repeated:,} more with the content of one of them, which counts once"
            )
        return [*lines, *(f"warning: {line}" for line in self.omitted)]


def find_confirmed(
    good: Sequence[Path] = (), bad: Sequence[Path] = (), labels: Sequence[Path] = ()
) -> ConfirmedImages:
    """Find confirmed images.

    Args:
        good: folders with images of good parts, or images.
        bad: folders with images of defective parts, or images.
        labels: tables with the columns path and label, or folders in a layout that `find_test_part` reads, as
            `softcore-edge ledger labels` writes them.

    Raises:
        UsageError: a place is missing or has no labels, or an image is given as good and as bad.
        DataError: a place holds no images.
    """
    found: _Labelled = []
    omitted: list[str] = []
    for option, places, read in (
        ("--good", good, lambda place: _list_class(place, False)),
        ("--bad", bad, lambda place: _list_class(place, True)),
        ("--labels", labels, _list_labels),
    ):
        for place in places:
            images, remarks = _look(option, place, read)
            found += images
            omitted += remarks
    return _join(found, omitted)


def _look(
    option: str, place: Path, read: Callable[[Path], tuple[_Labelled, list[str]]]
) -> tuple[_Labelled, list[str]]:
    """Read a place; name the option in what is wrong with it."""
    if not place.exists():
        raise UsageError(f"{option} {place}: no such file or folder")
    try:
        images, remarks = read(place)
    except UsageError as error:
        raise UsageError(f"{option} {error}") from error
    except DataError as error:
        raise DataError(f"{option} {error}") from error
    if not images:
        kinds = ", ".join(sorted(suffix[1:] for suffix in SUFFIXES))
        raise DataError(f"{option} {place}: no images here ({kinds})")
    return images, remarks


def _list_class(place: Path, defective: bool) -> tuple[_Labelled, list[str]]:
    part = find_class_part(place, defective=defective) if place.is_dir() else ImagePart(place, "", [place])
    return [(path, defective) for path in part.images], part.omitted


def _list_labels(place: Path) -> tuple[_Labelled, list[str]]:
    if place.is_file():
        return read_label_table(place, None), []
    part = find_test_part(place)
    return [*((path, False) for path in part.good), *((path, True) for path in part.bad)], part.omitted


def _join(found: _Labelled, omitted: list[str]) -> ConfirmedImages:
    """Keep each content once, leave out what is gone, and refuse what is called both good and bad."""
    first: dict[str, tuple[Path, bool]] = {}
    repeated = 0
    gone: list[str] = []
    for path, defective in found:
        try:
            digest = hash_file(path)
        except OSError as error:
            gone.append(f"{path} ({error.strerror})")
            continue
        if digest not in first:
            first[digest] = (path, defective)
            continue
        other, was = first[digest]
        if was != defective:
            good, bad = (other, path) if defective else (path, other)
            raise UsageError(
                f"{good} is given as good, {bad} as bad, and both have one content; take one of them back"
            )
        repeated += 1
    if gone and not first:
        raise DataError(f"none of {len(gone):,} confirmed images can be read; the first is {gone[0]}")
    if gone:
        omitted = [*omitted, f"{len(gone):,} confirmed images can't be read and are left out: {gone[0]}"]
    return ConfirmedImages(
        good=tuple(path for path, defective in first.values() if not defective),
        bad=tuple(path for path, defective in first.values() if defective),
        digests={path: digest for digest, (path, _) in first.items()},
        repeated=repeated,
        omitted=tuple(omitted),
    )
