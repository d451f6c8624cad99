"""Certificates: decisions beside those of an exhaustive float64 search, over whole test sets.

    python -m softcore_benchmarks.certificates --data DATASETS --weights resnet18.pth --out benchmarks

Exports every category with floors and with soft weights, and one with several windows. Decides and inspects
every test image at 20 thresholds that lie among the test images' own scores, and compares with a float64
search that shares no code with the package's. Writes CERTIFICATES.md and results/certificates.csv into --out;
the exit code is 1 where a decision flips.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from softcore_export.data.dataset import TrainingImages
from softcore_export.export import export
from softcore_export.settings import ExportSettings
from softcore_export.windows.window_request import WindowRequest
from softcore_runtime import Inspector, read_image
from softcore_runtime.bundle.bundle import INDEX
from softcore_runtime.cli.command_line import run
from softcore_runtime.cli.progress import track
from softcore_runtime.inspection.features import compute_features
from softcore_runtime.search.hnsw import HnswIndex
from softcore_runtime.search.search import Search

from softcore_benchmarks.data.category import Category, find_categories
from softcore_benchmarks.measuring.commands import check_weights, make_data_parser
from softcore_benchmarks.measuring.metrics import choose_thresholds
from softcore_benchmarks.measuring.results import make_results_folder, write_page

__all__ = ["compare", "exhaustive_scores"]

THRESHOLDS = 20
TILES = {"pill": 256}  # pixels of the image that a window shows
RATIOS = {"pill": 0.1, "magnetic_tile": 0.02, "screw": 0.02}


def exhaustive_scores(
    patches: NDArray[np.float32],
    bank: NDArray[np.float32],
    weights: NDArray[np.float32],
    floors: NDArray[np.float32],
) -> NDArray[np.float64]:
    """Return the scores of patches `[P, d]` by torch in float64, without any shortcut: float64 `[P]`."""
    x, m, w, f = (torch.tensor(np.array(array)).double() for array in (patches, bank, weights, floors))
    distances = torch.cdist(x, m, compute_mode="use_mm_for_euclid_dist")
    nearest = torch.maximum(distances, f).argmin(dim=1)
    exact = (x - m[nearest]).square().sum(dim=1).sqrt()  # without the cancellation of a matrix product
    return np.asarray((w[nearest] * torch.maximum(exact, f[nearest])).numpy())


def compare(inspector: Inspector, images: list[Path]) -> dict[str, object]:
    """Decide on all images at 20 thresholds by every method, and count decisions that differ."""
    bundle, manifest = inspector.bundle, inspector.manifest
    preprocessing, backbone = manifest.preprocessing, inspector.backbone
    features = np.stack(
        [compute_features(backbone, preprocessing, preprocessing.apply(read_image(path))) for path in images]
    )  # [M, P, d]
    highest = np.array(
        [
            exhaustive_scores(p, bundle.bank, bundle.weights, bundle.floors).max()
            for p in track(features, "float64")
        ]
    )
    thresholds = choose_thresholds(highest, THRESHOLDS).tolist()
    bank, record = manifest.bank, manifest.index
    index = HnswIndex.load(bundle.path / INDEX, bank.n, bank.dim, record.m, record.ef_search)
    index.set_floors(bundle.floors)
    search = Search(bundle.bank, bundle.weights, bundle.floors, index, bundle.hints)
    flips, settled = 0, np.zeros(3, np.int64)
    for threshold in track(thresholds, "thresholds"):
        for patches, score in zip(features, highest, strict=True):
            decided = search.decide(patches, threshold)
            found, _ = search.inspect(patches, threshold)
            flips += (decided.above != (score > threshold)) + (found.above != (score > threshold))
            settled += (decided.by_hint, decided.by_hnsw, decided.exact)
    patches_decided = settled.sum()
    return {
        "images": len(images),
        "decisions": 2 * THRESHOLDS * len(images),
        "flips": int(flips),
        "weight_max": round(manifest.bank.weight_max, 3),
        "floor": manifest.bank.floor,
        "by_hint": round(float(settled[0] / patches_decided), 4),
        "by_hnsw": round(float(settled[1] / patches_decided), 4),
        "exact": round(float(settled[2] / patches_decided), 4),
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return the exit code."""
    parser = make_data_parser("certificates", __doc__)
    parser.add_argument("--categories", nargs="+")
    return run(parser, _run, arguments)


def _run(options: argparse.Namespace) -> int:
    check_weights(options.weights)
    rows: list[dict[str, object]] = []
    for folder in find_categories(options.data, options.categories):
        category = Category.find(folder)
        ratio = RATIOS.get(category.name, 0.05)
        ways: list[tuple[Literal["auto", "lof"], int | None]] = [("auto", None), ("lof", None)]
        if category.name in TILES:
            ways.append(("auto", TILES[category.name]))
        for discriminator, tile in ways:
            settings = ExportSettings(
                backbone="resnet18",
                weights=options.weights,
                coreset_ratio=ratio if tile is None else ratio / 4,
                discriminator=discriminator,
                windows=WindowRequest(keep_aspect=False) if tile is None else WindowRequest(tile=tile),
            )
            with tempfile.TemporaryDirectory() as place:
                target = Path(place) / category.name
                export(TrainingImages(folder, list(category.train)), target, settings)
                inspector = Inspector.load(target)
                found = compare(inspector, list(category.test))
            windows = inspector.manifest.preprocessing.count
            rows.append(
                {
                    "category": category.name,
                    "discriminator": discriminator,
                    "windows": windows,
                    **found,
                }
            )
    table = pd.DataFrame(rows)
    table.to_csv(make_results_folder(options.out) / "certificates.csv", index=False)
    flips = int(table["flips"].sum())
    page = [
        "# Decisions beside those of an exhaustive float64 search",
        "Made by `python -m softcore_benchmarks.certificates`; ResNet-18, all test images, `decide` and "
        f"`inspect` at {THRESHOLDS} thresholds each. *Flips* are decisions that differ; the last three "
        "columns are the shares of patches that each stage of `decide` settled, frames in the order of their "
        "names.",
        str(table.to_markdown(index=False)),
        f"{table['decisions'].sum():,} decisions, {flips} flips.",
    ]
    print(write_page(options.out, "CERTIFICATES.md", page))
    return 1 if flips else 0


if __name__ == "__main__":
    sys.exit(main())
