"""Labelled folder: finds the images to learn from and to test with, in the layouts of data sets.

Supported are MVTec AD's (`train/good`, `test/good`, `test/crack`, `ground_truth`) and similar ones (BTAD,
MPDD, MVTec LOCO, MVTec 3D-AD), VisA's (`Data/Images/Normal`, `Data/Images/Anomaly`, `Data/Masks`),
KolektorSDD2's (`train` and `test`, masks beside the images), DAGM's (`Train`, `Test`, masks in `Label`),
`good` beside folders of defects, `images` beside `masks`, and a folder of images. Case doesn't matter. Other
layouts that
seem to contain classes, masks or test images are refused: learning these would do harm unnoticed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from softcore_runtime.errors import UsageError
from softcore_runtime.folders.folder_kinds import FolderKind, read_kind
from softcore_runtime.folders.folder_layout import (
    LEARNING_ADVICE,
    TESTING_ADVICE,
    choose_images,
    choose_test,
    choose_training,
    find_readable,
    list_loose,
    name_layout,
    name_mask_layout,
    refuse_kinds,
    sort_folders,
)
from softcore_runtime.folders.ground_truth import GroundTruth, separate_masks
from softcore_runtime.images.image_file import find_images, list_images

__all__ = ["ImagePart", "LabelledPart", "find_class_part", "find_test_part", "find_training_part"]

_NAMED = 3  # number of files or folders named in one remark


@dataclass(frozen=True)
class ImagePart:
    """Images of one kind.

    Attributes:
        folder: their folder; names are relative to it.
        layout: the folder's layout in words; "" for a plain folder of images.
        images: the images, sorted by path.
        omitted: what is left out, in lines.

    Example:
        >>> find_class_part(path / "golden", defective=False).layout
        ''
    """

    folder: Path
    layout: str
    images: list[Path]
    omitted: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class LabelledPart:
    """Images that a person has labelled as good or defective.

    Attributes:
        folder: their folder.
        layout: the folder's layout in words.
        good: images of good parts, sorted by path.
        bad: images of defective ones, sorted by path.
        omitted: what is left out, in lines.

    Example:
        >>> for name in ("good", "crack"):
        ...     (folder / name).mkdir()
        ...     _ = cv2.imwrite(str(folder / name / "1.png"), frame)
        >>> part = find_test_part(folder)
        >>> part.layout, len(part.good), len(part.bad)
        ('good, beside crack', 1, 1)
    """

    folder: Path
    layout: str
    good: list[Path]
    bad: list[Path]
    omitted: list[str] = field(default_factory=list)


def find_training_part(folder: Path) -> ImagePart:
    """Find the good images to learn from in a category's folder of any layout.

    Args:
        folder: the folder of a category, or of its training images.

    Raises:
        UsageError: the layout is unknown, and seems to contain classes, masks or test images.
        OSError: the folder can't be read.

    Example:
        >>> (folder / "train" / "good").mkdir(parents=True)
        >>> _ = cv2.imwrite(str(folder / "train" / "good" / "1.png"), frame)
        >>> part = find_training_part(folder)
        >>> part.layout, len(part.images)
        ("MVTec AD's layout", 1)
    """
    place, kinds = folder, list[FolderKind | None]()
    omitted: list[str] = []
    while (inner := choose_training(place)) is not None:
        kinds.append(read_kind(inner.name))
        if kinds[-1] in (FolderKind.TRAIN, FolderKind.GOOD):
            omitted += _describe_beside(place, inner)
        place = inner
    if FolderKind.GOOD in kinds:
        place, images, truth = _find_class(place, FolderKind.BAD, LEARNING_ADVICE)
        omitted += [*list_images(place).describe_omitted(), *_describe_masks(folder, truth)]
        return ImagePart(place, name_layout(place, kinds), images, omitted)
    images, truth, remarks = _read_masks(folder, place)
    refuse_kinds(folder, place, images, FolderKind.BAD, LEARNING_ADVICE)
    defective = set(truth.defective)
    layout = name_mask_layout(folder, place, truth)
    if truth.defective:
        are = "is" if len(truth.defective) == 1 else "are"
        layout += f"; {len(truth.defective):,} that a mask marks {are} left out"
    images = [image for image in images if image not in defective]
    return ImagePart(place, layout, images, [*omitted, *remarks])


def find_test_part(folder: Path) -> LabelledPart:
    """Find the labelled images to test with in a category's folder of any layout.

    Args:
        folder: the folder of a category, or of its test part.

    Raises:
        UsageError: the layout doesn't show which images are of good parts.
        OSError: the folder can't be read.

    Example:
        >>> find_test_part(path / "golden")
        Traceback (most recent call last):
            ...
        softcore_runtime.errors.UsageError: .../golden: needs good images in test/good (and defective ones ...
    """
    place, kinds = folder, list[FolderKind | None]()
    while (inner := choose_test(place)) is not None:
        kinds.append(read_kind(inner.name))
        place = inner
    sorted_folders = sort_folders(place)
    good = sorted_folders.get(FolderKind.GOOD, [])
    if not good:
        images, truth, remarks = _read_masks(folder, place)
        if not truth.masks:
            raise UsageError(
                f"{folder}: needs good images in test/good (and defective ones in other folders of test); "
                "or name folders with --good and --bad"
            )
        refuse_kinds(folder, place, images, FolderKind.BAD, TESTING_ADVICE)
        bad = set(truth.defective)
        layout = name_mask_layout(folder, place, truth)
        return LabelledPart(
            place, layout, [image for image in images if image not in bad], truth.defective, remarks
        )
    classes = [*sorted_folders.get(FolderKind.BAD, []), *sorted_folders.get(None, [])]
    bads = [one for one in sorted(classes) if find_readable(one)]
    parts = {one: _find_class(one, FolderKind.BAD, TESTING_ADVICE) for one in good}
    parts |= {one: _find_class(one, FolderKind.GOOD, TESTING_ADVICE) for one in bads}
    omitted = [*list_images(place).describe_omitted(), *_describe_loose(place)]
    omitted += [line for _, _, truth in parts.values() for line in _describe_masks(place, truth)]
    return LabelledPart(
        place,
        name_layout(parts[good[0]][0], [*kinds, FolderKind.GOOD]),
        [image for one in good for image in parts[one][1]],
        [image for one in bads for image in parts[one][1]],
        omitted,
    )


def find_class_part(folder: Path, *, defective: bool) -> ImagePart:
    """List the images of a folder of only good or only defective parts, without masks.

    Raises:
        UsageError: the name of a folder in it means the other kind, training or test.
        OSError: the folder can't be read.

    Example:
        >>> _ = cv2.imwrite(str(folder / "1.png"), frame)
        >>> find_class_part(folder, defective=True).images
        [PosixPath('.../empty/1.png')]
    """
    wrong = FolderKind.GOOD if defective else FolderKind.BAD
    place, images, truth = _find_class(folder, wrong, TESTING_ADVICE)
    omitted = [*list_images(place).describe_omitted(), *_describe_masks(folder, truth)]
    return ImagePart(place, "", images, omitted)


def _find_class(folder: Path, wrong: FolderKind, advice: str) -> tuple[Path, list[Path], GroundTruth]:
    """Return the folder of the images of a class, the images, and the masks among them."""
    place = folder
    while (inner := choose_images(place)) is not None:
        place = inner
    images = find_images(place)
    truth = separate_masks(place, images)
    masks = set(truth.masks)
    images = [path for path in images if path not in masks]
    refuse_kinds(folder, place, images, wrong, advice)
    return place, images, truth


def _read_masks(folder: Path, place: Path) -> tuple[list[Path], GroundTruth, list[str]]:
    """Return the images of a folder in which only masks mark defective ones, the masks, and remarks."""
    listing = list_images(place)
    inside = set(listing.images)
    others = [] if place == folder else [path for path in find_images(folder) if path not in inside]
    truth = separate_masks(folder, listing.images, others)
    left = {*truth.masks, *truth.unknown}
    images = [path for path in listing.images if path not in left]
    remarks = listing.describe_omitted()
    if truth.unknown:
        remarks.append(
            f"{folder}: {_count(truth.unknown)} whose mask can't be read, or may be another one's, left out: "
            f"{_list_names(folder, truth.unknown)}"
        )
    return images, truth, remarks


def _describe_beside(place: Path, inner: Path) -> list[str]:
    """Return a remark on images beside the chosen folder that belong to no known part."""
    loose = list_loose(place)
    if read_kind(inner.name) is FolderKind.TRAIN:
        kinds = sort_folders(place)
        for one in (*kinds.get(None, []), *kinds.get(FolderKind.GOOD, []), *kinds.get(FolderKind.BAD, [])):
            loose += find_readable(one)
    if not loose:
        return []
    return [f"{place}: {_count(loose)} beside {inner.name}, left out: {_list_names(place, loose)}"]


def _describe_loose(place: Path) -> list[str]:
    loose = list_loose(place)
    if not loose:
        return []
    are = "is" if len(loose) == 1 else "are"
    return [
        f"{place}: {_count(loose)} {are} in no folder that says good or bad, and left out: "
        f"{_list_names(place, loose)}"
    ]


def _describe_masks(folder: Path, truth: GroundTruth) -> list[str]:
    if not truth.masks:
        return []
    what = "1 mask is" if len(truth.masks) == 1 else f"{len(truth.masks):,} masks are"
    return [f"{folder}: {what} left out: {_list_names(folder, truth.masks)}"]


def _list_names(folder: Path, paths: Sequence[Path]) -> str:
    names = ", ".join(path.relative_to(folder).as_posix() for path in paths[:_NAMED])
    return names + (f" and {len(paths) - _NAMED:,} more" if len(paths) > _NAMED else "")


def _count(paths: Sequence[Path]) -> str:
    return "1 image" if len(paths) == 1 else f"{len(paths):,} images"
