"""Regions measured: what it gives to inspect only the foreground that the training images share.

Each category is trained on with its good images, and with a tenth as many defects among them that stay in the
test set; the middle of the frame, the whole frame, and `--roi auto` with its bounding box enlarged.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score
from softcore_export.data.dataset import TrainingImages
from softcore_export.export import export
from softcore_export.settings import ExportSettings
from softcore_export.windows.window_request import WindowRequest
from softcore_runtime import Inspector
from softcore_runtime.cli.command_line import run
from softcore_runtime.cli.progress import track
from softcore_runtime.images.preprocessing import Preprocessing

from softcore_benchmarks.data.category import Category, find_categories
from softcore_benchmarks.measuring.commands import check_weights, make_data_parser
from softcore_benchmarks.measuring.results import make_results_folder, write_page
from softcore_benchmarks.protocol.noise import draw_noise

__all__ = ["measure_region"]

_SQUARE = WindowRequest(keep_aspect=False)
_WHOLE = Preprocessing(resize=224, crop=224)
_WAYS = {
    "middle": (_SQUARE, Preprocessing(resize=256, crop=224)),
    "whole": (_SQUARE, _WHOLE),
    "roi auto": (WindowRequest(roi="auto", keep_aspect=False), _WHOLE),
}
_NOISES = (0.0, 0.1)


def measure_region(category: Category, settings: ExportSettings, noise: float) -> dict[str, object]:
    """Measure the image AUROC of a category with each way to look at its frames.

    Args:
        category: the category.
        settings: how to train.
        noise: defects among the training images, as a share of the good ones.

    Returns:
        a row of the table: AUROC by way, and the share of the patches that `--roi auto` inspects.
    """
    chosen = draw_noise(category.test, category.defects, len(category.train), noise)
    train = [*category.train, *(category.test[row] for row in chosen)]
    row: dict[str, object] = {"category": category.name, "noise": noise}
    for way, (request, preprocessing) in _WAYS.items():
        with tempfile.TemporaryDirectory() as place:
            target = Path(place) / category.name
            changed = settings.model_copy(update={"windows": request, "preprocessing": preprocessing})
            export(TrainingImages(category.folder, train), target, changed)
            inspector = Inspector.load(target)
            read = inspector.manifest.preprocessing.read
            scores = [
                inspector.inspect(read(path)).score
                for path in track(category.test, f"{category.name}, {way}")
            ]
            row[way] = round(float(roc_auc_score(category.bad, scores)), 3)
            grid = (inspector.manifest.grid.height, inspector.manifest.grid.width)
            outside = inspector.manifest.preprocessing.find_outside(grid)
            windows = inspector.manifest.preprocessing.windows
        if windows:
            box = windows.region.width * windows.region.height
            row["frame inspected"] = round(box * (1 if outside is None else float(np.mean(~outside))), 2)
    return row


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return the exit code."""
    parser = make_data_parser("regions", __doc__)
    parser.add_argument("--categories", nargs="+")
    parser.add_argument("--coreset-ratio", type=float, default=0.02)
    return run(parser, _run, arguments)


def _run(options: argparse.Namespace) -> int:
    check_weights(options.weights)
    settings = ExportSettings(
        backbone="resnet18", weights=options.weights, coreset_ratio=options.coreset_ratio
    )
    rows = [
        measure_region(Category.find(folder), settings, noise)
        for folder in find_categories(options.data, options.categories)
        for noise in _NOISES
    ]
    table = pd.DataFrame(rows)
    table.to_csv(make_results_folder(options.out) / "regions.csv", index=False)
    page = [
        "# Regions",
        "Made by `python -m softcore_benchmarks.regions`; ResNet-18, input of 224 pixels, coreset ratio "
        f"{settings.coreset_ratio}, the default method. Image AUROC, noise with overlap (first draw). "
        "*Middle*: resized to 256 pixels, the middle 224 inspected, as PatchCore's authors do. *Whole*: "
        "resized to 224 pixels, the default. *Roi "
        "auto*: the foreground that the images share; where it isn't clear, the same as *whole*. *Frame "
        "inspected*: the share of the frame that it takes up.",
        str(table.to_markdown(index=False)),
    ]
    print(write_page(options.out, "REGIONS.md", page))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
