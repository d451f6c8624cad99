"""Accuracy of a bundle on the test images of a category in MVTec AD's layout.

    python -m softcore_benchmarks.accuracy bundles/pill DATASETS/pill

Prints image AUROC, pixel AUROC and AUPRO if there are masks, and overkill and escape at the bundle's
threshold.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from softcore_runtime import Decision, Inspector, read_image
from softcore_runtime.cli.command_line import run
from softcore_runtime.cli.progress import track
from softcore_runtime.separation import auroc

from softcore_benchmarks.data.category import Category
from softcore_benchmarks.measuring.commands import make_parser
from softcore_benchmarks.measuring.metrics import aupro


@dataclass(frozen=True)
class Accuracy:
    """Accuracy of a bundle on a test set.

    Attributes:
        good, bad: numbers of test images.
        image_auroc, pixel_auroc, aupro: areas in 0..1; the last two are None without masks.
        overkill, escape: shares in 0..1 at the bundle's threshold.
    """

    good: int
    bad: int
    image_auroc: float
    pixel_auroc: float | None
    aupro: float | None
    overkill: float
    escape: float


def measure(inspector: Inspector, category: Category) -> Accuracy:
    """Inspect the test images and compare the results with their folders' names and their masks."""
    inspections = [  # without their frames, which would all stay in memory
        replace(inspector.inspect(read_image(path)), frame=None)
        for path in track(category.test, category.name)
    ]
    bad = category.bad
    scores = np.array([inspection.score for inspection in inspections], np.float32)
    failed = np.array([inspection.decision is Decision.FAIL for inspection in inspections])
    pixel_auroc = region = None
    if category.has_masks:
        preprocessing = inspector.manifest.preprocessing
        masks = np.stack([category.read_mask(path, preprocessing) for path in category.test])
        maps = np.stack([np.asarray(inspection.anomaly_map) for inspection in inspections])
        pixel_auroc, region = auroc(maps[~masks], maps[masks]), aupro(masks, maps)
    return Accuracy(
        good=int((~bad).sum()),
        bad=int(bad.sum()),
        image_auroc=auroc(scores[~bad], scores[bad]),
        pixel_auroc=pixel_auroc,
        aupro=region,
        overkill=float(failed[~bad].mean()),
        escape=float((~failed[bad]).mean()),
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print one JSON object; return the exit code."""
    parser = make_parser("accuracy", __doc__)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("category", type=Path, help="folder with test/ and, if there is one, ground_truth/")
    return run(parser, _run, arguments)


def _run(options: argparse.Namespace) -> None:
    accuracy = measure(Inspector.load(options.bundle), Category.find(options.category))
    print(json.dumps(asdict(accuracy), indent=2))


if __name__ == "__main__":
    sys.exit(main())
