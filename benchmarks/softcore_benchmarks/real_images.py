"""Real images: the accuracy and the export times of real categories that the README states.

    python -m softcore_benchmarks.real_images --data DATASETS --weights resnet18.pth

`DATASETS` holds `pill` and `magnetic_tile` in MVTec AD's layout. Prints one JSON object for each row; bundles
are written to a temporary folder.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from softcore_export.data.dataset import TrainingImages
from softcore_export.export import export
from softcore_export.settings import ExportSettings
from softcore_runtime import Inspector
from softcore_runtime.backends.ort import OnnxBackbone
from softcore_runtime.bundle import bundle
from softcore_runtime.cli.command_line import run
from softcore_runtime.errors import UsageError
from softcore_runtime.images.image_file import read_image

from softcore_benchmarks.accuracy import measure
from softcore_benchmarks.data.category import Category
from softcore_benchmarks.measuring.commands import make_parser
from softcore_benchmarks.measuring.interleaving import time_median

SHARED = Path(__file__).parents[3] / "shared"
WEIGHTS = SHARED / "weights" / "resnet18-imagenet-to-layer3.pth"
ROWS: tuple[tuple[str, int | None, dict[str, object]], ...] = (
    ("pill", None, {"coreset_ratio": 0.1}),
    ("magnetic_tile", 300, {"coreset_ratio": 0.02, "discriminator": "none"}),
    ("magnetic_tile", 300, {"coreset_ratio": 0.02, "discriminator": "lof"}),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print every row; return the exit code."""
    parser = make_parser("real_images", __doc__)
    parser.add_argument("--data", type=Path, default=SHARED / "data")
    parser.add_argument("--weights", type=Path, default=WEIGHTS)
    parser.add_argument("--seeds", type=int, default=1, help="coresets a row: seeds 0, 1, ...")
    parser.add_argument("--backbones", nargs="+", default=["resnet18", "filterbank"])
    return run(parser, _run, arguments)


def _run(options: argparse.Namespace) -> None:
    for needed in (options.weights, *(options.data / row[0] for row in ROWS)):
        if not needed.exists():
            raise UsageError(f"{needed} is not here: name images and weights with --data and --weights")
    for backbone in options.backbones:
        weights = options.weights if backbone == "resnet18" else None
        for category, max_images, method in ROWS:
            for seed in range(options.seeds):
                settings = ExportSettings.model_validate(
                    {"backbone": backbone, "weights": weights, **method, "seed": seed}
                )
                row: dict[str, object] = {"category": category, "backbone": backbone, **method, "seed": seed}
                row |= _measure(options.data / category, max_images, settings)
                print(json.dumps(row), flush=True)


def _measure(category: Path, max_images: int | None, settings: ExportSettings) -> dict[str, object]:
    images = TrainingImages.find(category, max_images)
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        done = export(images, Path(folder) / category.name, settings)
        spent = time.perf_counter() - start
        bare = _run_backbone_alone(done.path / bundle.BACKBONE, done.images, settings)
        accuracy = measure(Inspector.load(done.path), Category.find(category))
    return {
        **asdict(accuracy),
        "export_seconds": round(spent, 2),
        "backbone_seconds": round(bare, 2),
        "export_over_backbone": round(spent / bare, 1),
        "stages": done.seconds,
        "recall": done.manifest.index.recall,
        "parity": done.manifest.parity.max_relative,
    }


def _run_backbone_alone(onnx: Path, images: list[Path], settings: ExportSettings) -> float:
    """Return the seconds of the bare network over the same images in the same process, median of three."""
    backbone = OnnxBackbone(onnx)
    crops = [settings.preprocessing.apply(read_image(path)) for path in images]

    def run_all(_: int) -> None:
        for crop in crops:
            backbone.features(crop[None])

    return time_median(run_all, 3)


if __name__ == "__main__":
    sys.exit(main())
