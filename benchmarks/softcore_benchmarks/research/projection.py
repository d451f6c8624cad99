"""Why the coreset's random projection has orthonormal axes: image AUROC by kind of projection and seed.

    python -m softcore_benchmarks.research.projection --data DATASETS/magnetic_tile --weights resnet18.pth

Greedy k-centre needs distances in few dimensions. A Gaussian projection to 128 dimensions distorts them
more than one with orthonormal axes does. Prints one JSON object a row.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from softcore_export.memory_bank.coreset import PROJECTION, spread
from softcore_export.memory_bank.discriminator import denoise, outlier_factors
from softcore_export.settings import ExportSettings
from softcore_runtime.cli.command_line import run
from softcore_runtime.cli.progress import hide_bars
from softcore_runtime.search.exhaustive import ExhaustiveSearch
from softcore_runtime.separation import auroc

from softcore_benchmarks.data.category import Category
from softcore_benchmarks.data.feature_store import ImageFeatures, Network, load_features
from softcore_benchmarks.measuring.commands import check_weights, make_parser

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure every kind of projection; return the exit code."""
    parser = make_parser("research.projection", __doc__)
    parser.add_argument("--data", type=Path, required=True, help="a category in MVTec AD's layout")
    parser.add_argument("--weights", type=Path, required=True, help="of ResNet-18")
    parser.add_argument("--max-images", type=int, metavar="N", help="use the first N training images")
    parser.add_argument("--coreset-ratio", type=float, default=0.02)
    parser.add_argument("--seeds", type=int, default=3)
    return run(parser, _run, arguments)


def _run(options: argparse.Namespace) -> None:
    check_weights(options.weights)
    settings = ExportSettings(backbone="resnet18", weights=options.weights)
    category = Category.find(options.data, options.max_images)
    with tempfile.TemporaryDirectory() as folder:
        network = Network.load("resnet18", options.weights, settings.preprocessing, Path(folder))
        found = load_features(category, network, Path(folder))
        for row in _compare(found, category.bad, settings, options.coreset_ratio, options.seeds):
            print(json.dumps(row), flush=True)


def _compare(
    found: ImageFeatures, bad: NDArray[np.bool_], settings: ExportSettings, ratio: float, seeds: int
) -> Iterator[dict[str, object]]:
    """Measure each discriminator, kind of projection and seed."""
    dim = found.train.shape[2]
    patches = found.train.reshape(-1, dim)
    size = round(ratio * len(patches))
    with hide_bars():
        factors = outlier_factors(found.train, "lof", settings.lof_k, torch.device("cpu"))
    for discriminator in ("lof", "none"):
        kept = np.flatnonzero(denoise(factors, settings.tau if discriminator == "lof" else 0))
        weights = factors.ravel() if discriminator == "lof" else np.ones(len(patches))
        for kind in ("gaussian", "orthonormal"):
            for seed in range(seeds):
                rng = np.random.default_rng(seed)
                axes = rng.standard_normal((dim, PROJECTION))
                axes = np.linalg.qr(axes)[0] if kind == "orthonormal" else axes / PROJECTION**0.5
                projected = torch.from_numpy(patches[kept] @ axes.astype(np.float32))
                with hide_bars():
                    entries = kept[spread(projected, size, int(rng.integers(len(kept))))]
                scores = np.array([_score(image, patches[entries], weights[entries]) for image in found.test])
                area = auroc(scores[~bad], scores[bad])
                row: dict[str, object] = {"discriminator": discriminator, "projection": kind, "seed": seed}
                yield row | {"image_auroc": round(area, 4)}


def _score(patches: NDArray[np.float32], bank: NDArray[np.float32], weights: NDArray[np.float64]) -> float:
    nearest, _ = ExhaustiveSearch(bank).nearest(patches)
    return float((weights[nearest] * np.linalg.norm(patches - bank[nearest], axis=1)).max())


if __name__ == "__main__":
    sys.exit(main())
