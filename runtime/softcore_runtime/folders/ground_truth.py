"""Ground truth: finds the masks of defects in a folder, and the images that they mark as defective.

Data sets keep masks beside the images (`012.png` and `012_GT.png`) or in folders of their own (`Label`,
`ground_truth`, `masks`). A mask is an image file, too, and must be neither learned nor tested.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from softcore_runtime.errors import ImageError
from softcore_runtime.folders.folder_kinds import FolderKind, read_kind
from softcore_runtime.images.image_file import read_image

__all__ = ["GroundTruth", "look_like_masks", "separate_masks"]

_SAMPLE = 3  # number of files read to distinguish masks from images
_LEVELS = 32  # largest number of colours in a mask of many classes; a photograph has thousands
_EXTREME, _MOST = 16, 0.95  # grey levels from black or white, and the share of pixels within these
_PIXELS = 1 << 16  # approximate number of pixels read in a file
_SUFFIX = re.compile(
    r"(?P<stem>.+)[-_. ](gt|mask|masks|label|labels|seg|segmentation|annotation|ground[-_ ]?truth)$", re.I
)

_Key = tuple[tuple[str, ...], str]


@dataclass(frozen=True)
class GroundTruth:
    """The masks of some images.

    Attributes:
        masks: the masks, sorted.
        beside: those of them beside the images, recognised by their names.
        defective: the images with a mask that marks something.
        unknown: the images whose mask can't be read, or may belong to another image of the same name.

    Example:
        >>> _ = cv2.imwrite(str(folder / "1.png"), frame)
        >>> _ = cv2.imwrite(str(folder / "1_GT.png"), np.full(frame.shape, 255, np.uint8))
        >>> found = separate_masks(folder, sorted(folder.iterdir()))
        >>> [path.name for path in found.masks], [path.name for path in found.defective]
        (['1_GT.png'], ['1.png'])
    """

    masks: list[Path]
    beside: list[Path]
    defective: list[Path]
    unknown: list[Path]


def separate_masks(root: Path, images: Sequence[Path], others: Sequence[Path] = ()) -> GroundTruth:
    """Part the masks from the images, and read what they say.

    A file is a mask if a folder between `root` and it has such a name (`ground_truth`, `gt`, `mask`, `label`)
    or its own name is another one's with `_GT`, `_mask` or `_label` appended, and if it looks like one, since
    a product or a defect may be called label. An image's mask has its name, and lies in the corresponding
    folder of masks, or anywhere among the masks if no two images have that name.

    Args:
        root: the folder that contains both.
        images: the image files.
        others: further image files under `root`, which may include their masks.

    Example:
        >>> separate_masks(path, [path / "golden" / "good.png"]).masks
        []
    """
    within = _find_in_folders(root, [*images, *others])
    beside = _find_beside([path for path in images if path not in within])
    keys: dict[_Key, list[Path]] = defaultdict(list)
    for path in (*within, *beside):
        keys[_read_key(root, path, mask=True)].append(path)
    photographs = [path for path in images if path not in within and path not in beside]
    names: dict[str, int] = defaultdict(int)
    for path in (*photographs, *(path for path in others if path not in within)):
        names[path.stem.casefold()] += 1
    defective, unknown = [], []
    for path in photographs if keys else []:
        folders, stem = _read_key(root, path, mask=False)
        its = keys.get((folders, stem))
        if not its and (its := keys.get(((), stem))) and names[stem] > 1:
            unknown.append(path)
            continue
        try:
            if any(read_image(mask).any() for mask in its or ()):
                defective.append(path)
        except ImageError:
            unknown.append(path)
    return GroundTruth(sorted({*within, *beside}), sorted(beside), defective, unknown)


def look_like_masks(paths: Sequence[Path]) -> bool:
    """Return whether files look like masks: nearly all black and white, or of few colours. Reads a few.

    Files that can't be read are ignored; if none can be read, they count as masks, like their name.

    Example:
        >>> look_like_masks([path / "golden" / "good.png"])
        False
    """
    some = [paths[i * len(paths) // _SAMPLE] for i in range(_SAMPLE)] if len(paths) > _SAMPLE else paths
    return all(_looks_like_a_mask(path) for path in some)


def _looks_like_a_mask(path: Path) -> bool:
    try:
        image = read_image(path)
    except ImageError:
        return True
    step = max(1, round((image.shape[0] * image.shape[1] / _PIXELS) ** 0.5))
    pixels = image[::step, ::step].reshape(-1, 3).astype(np.int32)
    extreme = ((pixels <= _EXTREME) | (pixels >= 255 - _EXTREME)).all(axis=1).mean()
    return bool(extreme >= _MOST) or len(np.unique(pixels @ (1, 256, 65536))) <= _LEVELS


def _find_in_folders(root: Path, images: Sequence[Path]) -> set[Path]:
    """Return the files in folders of masks."""
    folders: dict[Path, list[Path]] = defaultdict(list)
    for path in images:
        parts = path.relative_to(root).parts[:-1]
        for depth, name in enumerate(parts):
            if read_kind(name) is FolderKind.MASK:
                folders[root.joinpath(*parts[: depth + 1])].append(path)
                break
    return {path for some in folders.values() if look_like_masks(some) for path in some}


def _find_beside(images: Sequence[Path]) -> set[Path]:
    """Return the masks beside their images."""
    stems = {(path.parent, path.stem.casefold()) for path in images}
    named: dict[Path, list[Path]] = defaultdict(list)
    for path in images:
        match = _SUFFIX.fullmatch(path.stem)
        if match and (path.parent, match["stem"].casefold()) in stems:
            named[path.parent].append(path)
    return {path for some in named.values() if look_like_masks(some) for path in some}


def _read_key(root: Path, path: Path, *, mask: bool) -> _Key:
    """Return what an image and its mask have in common: the stem, and the folders without those of a kind."""
    folders = tuple(
        name.casefold()
        for name in path.relative_to(root).parts[:-1]
        if read_kind(name) not in (FolderKind.MASK, FolderKind.IMAGES, FolderKind.DATA)
    )
    match = _SUFFIX.fullmatch(path.stem) if mask else None
    return folders, (match["stem"] if match else path.stem).casefold()
