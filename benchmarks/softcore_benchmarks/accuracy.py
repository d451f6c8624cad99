"""Accuracy of a bundle on the test images of a category in MVTec AD's layout.

    python -m softcore_benchmarks.accuracy bundles/pill DATASETS/pill

Prints image AUROC, pixel AUROC and AUPRO where there are masks, and overkill and escape at the bundle's
threshold.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from softcore_runtime import Decision, Inspector, read_image
from tqdm import tqdm

from softcore_benchmarks.data.category import Category
from softcore_benchmarks.measuring.metrics import aupro, auroc


@dataclass(frozen=True)
class Accuracy:
    """What a bundle reaches on a test set; shares in 0..1, `pixel_auroc` and `aupro` None without masks."""

    good: int
    bad: int
    image_auroc: float
    pixel_auroc: float | None
    aupro: float | None
    overkill: float
    escape: float


def measure(inspector: Inspector, category: Category) -> Accuracy:
    """Inspect the test images and compare with their folders' names and masks."""
    inspections = [  # without their frames, which would all stay in memory
        replace(inspector.inspect(read_image(path)), frame=None)
        for path in tqdm(category.test, desc=category.name)
    ]
    bad = category.bad
    failed = np.array([inspection.decision is Decision.FAIL for inspection in inspections])
    pixel_auroc = region = None
    if category.has_masks:
        preprocessing = inspector.manifest.preprocessing
        masks = np.stack([category.read_mask(path, preprocessing) for path in category.test])
        maps = np.stack([np.asarray(inspection.anomaly_map) for inspection in inspections])
        pixel_auroc, region = auroc(masks, maps), aupro(masks, maps)
    return Accuracy(
        good=int((~bad).sum()),
        bad=int(bad.sum()),
        image_auroc=auroc(bad, np.array([inspection.score for inspection in inspections], np.float32)),
        pixel_auroc=pixel_auroc,
        aupro=region,
        overkill=float(failed[~bad].mean()),
        escape=float((~failed[bad]).mean()),
    )


def main() -> None:
    """Measure and print one JSON object."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("bundle", type=Path)
    parser.add_argument("category", type=Path, help="folder with test/ and, if there is one, ground_truth/")
    options = parser.parse_args()
    print(
        json.dumps(asdict(measure(Inspector.load(options.bundle), Category.find(options.category))), indent=2)
    )


if __name__ == "__main__":
    main()
