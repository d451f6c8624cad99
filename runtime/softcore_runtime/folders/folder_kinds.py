"""Folder kinds: the kind of the images in a folder by its name, as in published data sets."""

from __future__ import annotations

import re
from enum import Enum
from pathlib import Path

__all__ = ["FolderKind", "list_folders", "read_kind"]


class FolderKind(Enum):
    """The kind of a folder's content, by its name.

    Example:
        >>> FolderKind.GOOD.value
        'good parts'
    """

    TRAIN = "training images"
    TEST = "test images"
    GOOD = "good parts"
    BAD = "defective parts"
    MASK = "masks"
    IMAGES = "images"
    DATA = "all of a category"
    DEPTH = "measurements other than an image's"


# Compared without case, and only by letters and digits: Ground_Truth, ground-truth and groundTruth are equal.
_NAMES = {
    FolderKind.TRAIN: "train training trainset trainingset traindata trainingdata",
    FolderKind.TEST: "test tests testing testset testdata testpublic testprivate testprivatemixed val valid "
    "validation validate eval evaluation",
    FolderKind.GOOD: "good ok normal nominal io pass passed flawless healthy clean nodefect nodefects "
    "withoutdefect withoutdefects nondefect nondefective nondefected defectfree anomalyfree",
    FolderKind.BAD: "bad ng nok ko nio notok notgood fail failed anomaly anomalies anomalous abnormal",
    FolderKind.MASK: "groundtruth groundtruths gt gts mask masks label labels annotation annotations "
    "segmentation segmentations segmask segmasks defectmask defectmasks anomalymask anomalymasks",
    FolderKind.IMAGES: "image images img imgs rgb picture pictures photo photos",
    FolderKind.DATA: "data",
    FolderKind.DEPTH: "xyz depth pointcloud pointclouds pcd ply",
}
_KINDS = {name: kind for kind, names in _NAMES.items() for name in names.split()}

# Words of which one is enough. Words that may mean something else in a folder's name (cut, color, print,
# spot) are left out: an unknown name is no reason to refuse a folder.
_DEFECTS = frozenset(
    {
        *("anomalous", "anomaly", "broken", "burr", "burrs", "chipped", "contaminated", "contamination"),
        *("corroded", "corrosion", "crack", "cracked", "cracks", "crazing", "damage", "damaged", "damages"),
        *("defect", "defective", "defects", "dent", "dented", "dents", "fault", "faults", "faulty", "flaw"),
        *("flaws", "fracture", "fractures", "reject", "rejected", "rejects", "rust", "rusty", "scrap"),
        *("scratch", "scratched", "scratches", "stain", "stained", "stains"),
    }
)
_WORD = re.compile(r"[a-z]+")


def read_kind(name: str) -> FolderKind | None:
    """Return the kind of a folder by its name; None if the name is unknown.

    Example:
        >>> [read_kind(name) for name in ("Ground_Truth", "crack_large", "monday")]
        [<FolderKind.MASK: 'masks'>, <FolderKind.BAD: 'defective parts'>, None]
    """
    lower = name.casefold()
    kind = _KINDS.get("".join(filter(str.isalnum, lower)))
    if kind is None and not _DEFECTS.isdisjoint(_WORD.findall(lower)):
        return FolderKind.BAD
    return kind


def list_folders(folder: Path) -> list[Path]:
    """Return the folders in a folder, sorted, without hidden ones.

    Raises:
        OSError: the folder can't be read.

    Example:
        >>> [found.name for found in list_folders(path)]
        ['golden', 'training']
    """
    return sorted(place for place in folder.iterdir() if place.is_dir() and not place.name.startswith("."))
