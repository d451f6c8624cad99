"""Labelled folder: what to learn from and what to test with, in the layouts that data sets come in.

Read are MVTec AD's (`train/good`, `test/good`, `test/crack`, `ground_truth`) and what is like it (BTAD, MPDD,
MVTec LOCO, MVTec 3D-AD), VisA's (`Data/Images/Normal`, `Data/Images/Anomaly`, `Data/Masks`), KolektorSDD2's
(`train` and `test`, masks beside the images), DAGM's (`Train`, `Test`, masks in `Label`), `good` beside
folders of defects, `images` beside `masks`, and a folder of images. Case doesn't matter. What looks like
classes, masks or test images and is none of these is refused: learned, it would do harm that nobody sees.
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
from softcore_runtime.folders.ground_truth import GroundTruth, part_masks
from softcore_runtime.images.image_file import find_images, list_images

__all__ = ["ImagePart", "LabelledPart", "find_class_part", "find_test_part", "find_training_part"]

_NAMED = 3  # files or folders in one remark


@dataclass(frozen=True)
class ImagePart:
    """Images of one kind.

    Attributes:
        folder: where they are; their names are relative to it.
        layout: what the folder's layout is, in words; "" of a plain folder of images.
        images: the images, sorted by path.
        omitted: what else is there and isn't taken, in lines.

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
    """Images of which a person has said whether they show a defect.

    Attributes:
        folder: where they are.
        layout: what the folder's layout is, in words.
        good: images of good parts, sorted by path.
        bad: images of defective ones, sorted by path.
        omitted: what else is there and isn't taken, in lines.

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
    """Find the good images to learn from in a category's folder, whatever its layout.

    Args:
        folder: of a category, or the training images' own.

    Raises:
        UsageError: the layout isn't known, and something in it looks like classes, masks or test images.
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
    while (there := choose_training(place)) is not None:
        kinds.append(read_kind(there.name))
        if kinds[-1] in (FolderKind.TRAIN, FolderKind.GOOD):
            omitted += _describe_beside(place, there)
        place = there
    if FolderKind.GOOD in kinds:
        place, images, truth = _take_class(place, FolderKind.BAD, LEARNING_ADVICE)
        omitted += [*list_images(place).describe_omitted(), *_describe_masks(folder, truth)]
        return ImagePart(place, name_layout(place, kinds), images, omitted)
    images, truth, said = _read_masks(folder, place)
    refuse_kinds(folder, place, images, FolderKind.BAD, LEARNING_ADVICE)
    defective = set(truth.defective)
    layout = name_mask_layout(folder, place, truth)
    if truth.defective:
        are = "is" if len(truth.defective) == 1 else "are"
        layout += f"; {len(truth.defective):,} that a mask marks {are} left out"
    images = [image for image in images if image not in defective]
    return ImagePart(place, layout, images, [*omitted, *said])


def find_test_part(folder: Path) -> LabelledPart:
    """Find the labelled images to test with in a category's folder, whatever its layout.

    Args:
        folder: of a category, or that of its test part.

    Raises:
        UsageError: nothing says which images are of good parts.
        OSError: the folder can't be read.

    Example:
        >>> find_test_part(path / "golden")
        Traceback (most recent call last):
            ...
        softcore_runtime.errors.UsageError: .../golden: needs good images in test/good (and defective ones ...
    """
    place, kinds = folder, list[FolderKind | None]()
    while (there := choose_test(place)) is not None:
        kinds.append(read_kind(there.name))
        place = there
    sorted_folders = sort_folders(place)
    good = sorted_folders.get(FolderKind.GOOD, [])
    if not good:
        images, truth, said = _read_masks(folder, place)
        if not truth.masks:
            raise UsageError(
                f"{folder}: needs good images in test/good (and defective ones in other folders of test); "
                "or name folders with --good and --bad"
            )
        refuse_kinds(folder, place, images, FolderKind.BAD, TESTING_ADVICE)
        bad = set(truth.defective)
        layout = name_mask_layout(folder, place, truth)
        return LabelledPart(
            place, layout, [image for image in images if image not in bad], truth.defective, said
        )
    classes = [*sorted_folders.get(FolderKind.BAD, []), *sorted_folders.get(None, [])]
    bads = [one for one in sorted(classes) if find_readable(one)]
    parts = {one: _take_class(one, FolderKind.BAD, TESTING_ADVICE) for one in good}
    parts |= {one: _take_class(one, FolderKind.GOOD, TESTING_ADVICE) for one in bads}
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
    """List the images of a folder all of which are good, or all of which are defective; masks are left out.

    Raises:
        UsageError: a folder in it says that its images are of the other kind, or for training or test.
        OSError: the folder can't be read.

    Example:
        >>> _ = cv2.imwrite(str(folder / "1.png"), frame)
        >>> find_class_part(folder, defective=True).images
        [PosixPath('.../empty/1.png')]
    """
    wrong = FolderKind.GOOD if defective else FolderKind.BAD
    place, images, truth = _take_class(folder, wrong, TESTING_ADVICE)
    omitted = [*list_images(place).describe_omitted(), *_describe_masks(folder, truth)]
    return ImagePart(place, "", images, omitted)


def _take_class(folder: Path, wrong: FolderKind, advice: str) -> tuple[Path, list[Path], GroundTruth]:
    """Take the images of a class: where they are, which these are, and the masks that lie among them."""
    place = folder
    while (there := choose_images(place)) is not None:
        place = there
    images = find_images(place)
    truth = part_masks(place, images)
    masks = set(truth.masks)
    images = [path for path in images if path not in masks]
    refuse_kinds(folder, place, images, wrong, advice)
    return place, images, truth


def _read_masks(folder: Path, place: Path) -> tuple[list[Path], GroundTruth, list[str]]:
    """List the images of a place where only masks can say what is good, the masks, and what isn't taken."""
    listing = list_images(place)
    inside = set(listing.images)
    others = [] if place == folder else [path for path in find_images(folder) if path not in inside]
    truth = part_masks(folder, listing.images, others)
    left = {*truth.masks, *truth.unknown}
    images = [path for path in listing.images if path not in left]
    said = listing.describe_omitted()
    if truth.unknown:
        said.append(
            f"{folder}: {_count(truth.unknown)} whose mask can't be read, or may be another one's, left out: "
            f"{_list(folder, truth.unknown)}"
        )
    return images, truth, said


def _describe_beside(place: Path, there: Path) -> list[str]:
    """Say which images lie beside the chosen folder and belong to nothing that is known."""
    loose = list_loose(place)
    if read_kind(there.name) is FolderKind.TRAIN:
        kinds = sort_folders(place)
        for one in (*kinds.get(None, []), *kinds.get(FolderKind.GOOD, []), *kinds.get(FolderKind.BAD, [])):
            loose += find_readable(one)
    if not loose:
        return []
    return [f"{place}: {_count(loose)} beside {there.name}, left out: {_list(place, loose)}"]


def _describe_loose(place: Path) -> list[str]:
    loose = list_loose(place)
    if not loose:
        return []
    are = "is" if len(loose) == 1 else "are"
    return [
        f"{place}: {_count(loose)} {are} in no folder that says good or bad, and left out: "
        f"{_list(place, loose)}"
    ]


def _describe_masks(folder: Path, truth: GroundTruth) -> list[str]:
    if not truth.masks:
        return []
    what = "1 mask is" if len(truth.masks) == 1 else f"{len(truth.masks):,} masks are"
    return [f"{folder}: {what} left out: {_list(folder, truth.masks)}"]


def _list(folder: Path, paths: Sequence[Path]) -> str:
    names = ", ".join(path.relative_to(folder).as_posix() for path in paths[:_NAMED])
    return names + (f" and {len(paths) - _NAMED:,} more" if len(paths) > _NAMED else "")


def _count(paths: Sequence[Path]) -> str:
    return "1 image" if len(paths) == 1 else f"{len(paths):,} images"
