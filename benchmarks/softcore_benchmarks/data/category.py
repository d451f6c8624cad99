"""Category: training images, test images and masks of one product in MVTec AD's layout."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from softcore_runtime.errors import DataError, UsageError
from softcore_runtime.images.image_file import find_images, read_image
from softcore_runtime.images.preprocessing import Preprocessing

__all__ = ["GOOD", "Category", "find_categories"]

GOOD = "good"


@dataclass(frozen=True)
class Category:
    """One product: `train/good`, `test/<kind>` and, if there are masks, `ground_truth/<kind>`.

    Attributes:
        name: of the folder.
        folder: the folder.
        train: good images to train on, `[N]`, sorted by path.
        test: test images, `[M]`, sorted by path.
    """

    name: str
    folder: Path
    train: tuple[Path, ...]
    test: tuple[Path, ...]

    @classmethod
    def find(cls, folder: Path, max_images: int | None = None) -> Category:
        """Find a category's images, at most the first `max_images` for training.

        Raises:
            DataError: there is nothing to train on, or the test images aren't both good and bad.
        """
        train = find_images(folder / "train" / GOOD)[:max_images]
        test = find_images(folder / "test")
        if not train:
            raise DataError(f"{folder / 'train' / GOOD}: no images")
        if len({_kind(folder, path) == GOOD for path in test}) < 2:
            raise DataError(f"{folder / 'test'}: needs images both in {GOOD}/ and in a defect's folder")
        return cls(folder.name, folder, tuple(train), tuple(test))

    def thin(self, most: int) -> Category:
        """Keep at most so many training images, spread over all."""
        rows = np.linspace(0, len(self.train) - 1, min(most, len(self.train))).round().astype(int)
        return replace(self, train=tuple(self.train[row] for row in rows))

    @property
    def kinds(self) -> NDArray[np.str_]:
        """`good` or the defect class of each test image, str `[M]`."""
        return np.array([_kind(self.folder, path) for path in self.test])

    @property
    def bad(self) -> NDArray[np.bool_]:
        """Whether each test image shows a defect, bool `[M]`."""
        return np.asarray(self.kinds != GOOD)

    @property
    def defects(self) -> NDArray[np.int64]:
        """Rows of `test` that show a defect, int64 `[k]`."""
        return np.flatnonzero(self.bad)

    @property
    def has_masks(self) -> bool:
        """Whether defects are marked pixel by pixel."""
        return (self.folder / "ground_truth").is_dir()

    def read_mask(self, image: Path, preprocessing: Preprocessing) -> NDArray[np.bool_]:
        """Read the mask of a test image as cropped, bool `[crop, crop]`; all False if the image is good.

        Raises:
            ImageError: a bad image's mask is missing or damaged.
        """
        kind = _kind(self.folder, image)
        if kind == GOOD:
            return np.zeros((preprocessing.crop, preprocessing.crop), np.bool_)
        folder = self.folder / "ground_truth" / kind
        # MVTec AD adds `_mask`, VisA in this layout doesn't.
        names = [f"{image.stem}_mask.png", f"{image.stem}.png"]
        path = next((folder / name for name in names if (folder / name).is_file()), folder / names[0])
        height, width = read_image(image).shape[:2]
        mask = cv2.resize(read_image(path), (width, height), interpolation=cv2.INTER_NEAREST)
        return np.asarray(preprocessing.apply(mask)[:, :, 0] > 127)


def find_categories(root: Path, names: list[str] | None = None) -> list[Path]:
    """Return the folders of `root` in MVTec AD's layout, all or those of these names.

    Raises:
        UsageError: `root` or a named category doesn't exist, or there is no category.
    """
    if not root.is_dir():
        raise UsageError(f"{root}: no such folder")
    found = sorted(path.parent.parent for path in root.glob(f"*/train/{GOOD}") if path.is_dir())
    if not found:
        raise UsageError(f"{root}: no category in MVTec AD's layout (CATEGORY/train/{GOOD}, CATEGORY/test)")
    if not names:
        return found
    known = {path.name: path for path in found}
    for name in names:
        if name not in known:
            raise UsageError(f"{root / name}: no such category; there are: {', '.join(known)}")
    return [known[name] for name in names]


def _kind(folder: Path, image: Path) -> str:
    return image.relative_to(folder / "test").parts[0]
