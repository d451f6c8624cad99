"""Accuracy of a bundle on the test pictures of a category in MVTec AD's layout.

    python benchmarks/accuracy.py bundles/pill DATASETS/pill

Prints image AUROC, pixel AUROC where there are masks, and overkill and escape at the bundle's limit.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score
from softcore_runtime import Decision, Inspector, Preprocessing, read_picture
from softcore_runtime.pictures import find_pictures
from tqdm import tqdm

GOOD = "good"


@dataclass(frozen=True)
class Accuracy:
    """What a bundle reaches on a test set; shares in 0..1, `pixel_auroc` None without masks."""

    good: int
    bad: int
    image_auroc: float
    pixel_auroc: float | None
    overkill: float
    escape: float


def measure(inspector: Inspector, category: Path) -> Accuracy:
    """Inspect `category/test/*/*` and compare with the folders' names and the masks in `ground_truth`."""
    test = category / "test"
    paths = find_pictures(test)
    bad, scores, failed = [], [], []
    pixels: list[NDArray[np.bool_]] = []
    maps: list[NDArray[np.float32]] = []
    for path in tqdm(paths, desc=category.name, leave=False):
        kind = path.relative_to(test).parts[0]
        frame = read_picture(path)
        inspection = inspector.inspect(frame)
        bad.append(kind != GOOD)
        scores.append(inspection.score)
        failed.append(inspection.decision is Decision.FAIL)
        mask = _read_mask(category, path, frame.shape[:2], inspector.manifest.preprocessing)
        if mask is not None:
            pixels.append(mask)
            maps.append(inspection.anomaly_map)
    is_bad, has_failed = np.array(bad), np.array(failed)
    pixel_auroc = None
    if any(mask.any() for mask in pixels):
        pixel_auroc = float(roc_auc_score(np.stack(pixels).ravel(), np.stack(maps).ravel()))
    return Accuracy(
        good=int((~is_bad).sum()),
        bad=int(is_bad.sum()),
        image_auroc=float(roc_auc_score(is_bad, scores)),
        pixel_auroc=pixel_auroc,
        overkill=float(has_failed[~is_bad].mean()),
        escape=float((~has_failed[is_bad]).mean()),
    )


def _read_mask(
    category: Path, picture: Path, shape: tuple[int, int], preprocessing: Preprocessing
) -> NDArray[np.bool_] | None:
    """Read a picture's mask as the crop sees it, bool `[crop, crop]`; all False for a good part."""
    truth = category / "ground_truth"
    if not truth.is_dir():
        return None
    kind = picture.relative_to(category / "test").parts[0]
    if kind == GOOD:
        mask = np.zeros((*shape, 3), np.uint8)
    else:
        mask = read_picture(truth / kind / f"{picture.stem}_mask.png")
        mask = cv2.resize(mask, shape[::-1], interpolation=cv2.INTER_NEAREST)
    return np.asarray(preprocessing.apply(mask)[:, :, 0] > 127)


def main() -> None:
    """Measure and print one JSON object."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("bundle", type=Path)
    parser.add_argument("category", type=Path, help="folder with test/ and, if there is one, ground_truth/")
    options = parser.parse_args()
    print(json.dumps(asdict(measure(Inspector.load(options.bundle), options.category)), indent=2))


if __name__ == "__main__":
    main()
