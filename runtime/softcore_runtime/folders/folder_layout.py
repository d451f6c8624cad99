"""Folder layout: finds the wanted images in a data set's folders, and the name of the layout."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from softcore_runtime.errors import UsageError
from softcore_runtime.folders.folder_kinds import FolderKind, list_folders, read_kind
from softcore_runtime.folders.ground_truth import GroundTruth, look_like_masks
from softcore_runtime.images.image_file import SUFFIXES, find_images

__all__ = [
    "LEARNING_ADVICE",
    "TESTING_ADVICE",
    "choose_images",
    "choose_test",
    "choose_training",
    "find_readable",
    "list_loose",
    "name_layout",
    "name_mask_layout",
    "refuse_kinds",
    "sort_folders",
]

LEARNING_ADVICE = "pass the folder of good images alone, as --data FOLDER"
TESTING_ADVICE = "pass folders of one kind each, as --good FOLDER --bad FOLDER"

_NAMED = 3  # number of folders named in one remark
_TESTS = ("test", "testing", "testpublic")  # preferred test parts, the first one first


def sort_folders(place: Path) -> dict[FolderKind | None, list[Path]]:
    """Return the folders in a folder by kind; one that is named like masks but holds photographs has none."""
    kinds: dict[FolderKind | None, list[Path]] = {}
    for one in list_folders(place):
        kind = read_kind(one.name)
        if kind is FolderKind.MASK and not look_like_masks(find_readable(one)):
            kind = None
        kinds.setdefault(kind, []).append(one)
    return kinds


def choose_training(place: Path) -> Path | None:
    """Return the folder to continue in; None if `place` is the one."""
    kinds = sort_folders(place)
    for kind in (FolderKind.TRAIN, FolderKind.GOOD):
        some = kinds.get(kind, [])
        if len(some) > 1:
            names = " and ".join(one.name for one in some)
            raise UsageError(f"{place}: {names} may both be meant; {LEARNING_ADVICE}")
        if some:
            return some[0]
    if (images := choose_images(place)) is not None:
        return images
    masks = kinds.get(FolderKind.MASK)
    if FolderKind.TEST in kinds or (masks and len(find_images(place)) == sum(map(_count_files, masks))):
        raise UsageError(
            f"{place / 'train' / 'good'}: no such folder, though test images or masks are there; "
            f"{LEARNING_ADVICE}"
        )
    if bad := kinds.get(FolderKind.BAD):
        raise UsageError(
            f"{place}: {bad[0].name} looks like {FolderKind.BAD.value}, and no folder is named good; "
            f"{LEARNING_ADVICE}"
        )
    return None


def choose_test(place: Path) -> Path | None:
    """Return the folder to continue in for labelled images; None if `place` is the one."""
    kinds = sort_folders(place)
    if some := kinds.get(FolderKind.TEST):
        named = {"".join(filter(str.isalnum, one.name.casefold())): one for one in some}
        return next((named[name] for name in _TESTS if name in named), some[0])
    return None if FolderKind.GOOD in kinds else choose_images(place)


def choose_images(place: Path) -> Path | None:
    """Return the folder of images, if the others beside it hold only masks, depths, or nothing."""
    kinds = sort_folders(place)
    chosen = [*kinds.get(FolderKind.IMAGES, []), *kinds.get(FolderKind.DATA, [])]
    beside = [
        one
        for kind, some in kinds.items()
        if kind not in (FolderKind.MASK, FolderKind.DEPTH)
        for one in some
        if one not in chosen and find_readable(one)
    ]
    return chosen[0] if len(chosen) == 1 and not beside and not list_loose(place) else None


def refuse_kinds(folder: Path, place: Path, images: Sequence[Path], wrong: FolderKind, advice: str) -> None:
    """Check that no folder below `place` has a name that contradicts the expected kind of its images.

    Raises:
        UsageError: one has.
    """
    for one in sorted({path for image in images for path in image.parents if place in path.parents}):
        kind = read_kind(one.name)
        alone = kind is not FolderKind.GOOD or sum(map(_count_files, list_folders(one.parent))) == (
            _count_files(one)
        )
        if kind in (FolderKind.TRAIN, FolderKind.TEST, wrong) or not alone:
            what = kind.value if kind else ""
            raise UsageError(
                f"{folder}: {one.relative_to(folder).as_posix()} in it looks like {what}; {advice}"
            )


def name_layout(place: Path, kinds: Sequence[FolderKind | None]) -> str:
    """Return the name of a layout with a folder of good images."""
    if FolderKind.DATA in kinds:
        return "VisA's layout"
    if FolderKind.TRAIN in kinds or FolderKind.TEST in kinds:
        of = "MVTec 3D-AD" if read_kind(place.name) is FolderKind.IMAGES else "MVTec AD"
        return f"{of}'s layout"
    good = next(one for one in (place, *place.parents) if read_kind(one.name) is FolderKind.GOOD)
    beside = [one.name for one in list_folders(good.parent) if one != good and find_readable(one)]
    more = f" and {len(beside) - _NAMED:,} more" if len(beside) > _NAMED else ""
    return f"{good.name}, beside {', '.join(beside[:_NAMED])}{more}" if beside else good.name


def name_mask_layout(folder: Path, place: Path, truth: GroundTruth) -> str:
    """Return the name of a layout in which masks mark the defective images."""
    parted = read_kind(place.name) in (FolderKind.TRAIN, FolderKind.TEST) and place != folder
    if truth.beside:
        return "KolektorSDD2's layout" if parted else "masks beside the images"
    if truth.masks:
        where = truth.masks[0].relative_to(folder).parts[:-1]
        name = next((name for name in where if read_kind(name) is FolderKind.MASK), "")
        return "DAGM's layout" if parted else f"masks in {name}"
    return place.relative_to(folder).as_posix() if place != folder else ""


def list_loose(place: Path) -> list[Path]:
    """Return the images directly in a folder."""
    return sorted(
        path
        for path in place.iterdir()
        if path.suffix.lower() in SUFFIXES and not path.name.startswith(".") and path.is_file()
    )


def find_readable(folder: Path) -> list[Path]:
    """Return the images under a folder; none if it can't be read, which the outer listing reports."""
    try:
        return find_images(folder)
    except OSError:
        return []


def _count_files(folder: Path) -> int:
    return len(find_readable(folder))
