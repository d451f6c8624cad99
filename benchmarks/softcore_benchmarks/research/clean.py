"""Clean: how many good images the default calls suspect where all are good, by network and resolution.

    python -m softcore_benchmarks.research.clean --data DATASETS --weights resnet18.pth --out benchmarks

The tail of the default's cut was chosen so that these are few with every network. CLEAN.md and
results/clean.csv are written into --out.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd
import torch
from softcore_export.contamination.comparison import compare
from softcore_export.contamination.estimate import EstimateParameters, estimate_from
from softcore_runtime.cli.command_line import Parser, run
from softcore_runtime.cli.progress import hide_bars, track
from softcore_runtime.errors import UsageError
from softcore_runtime.images.preprocessing import Preprocessing

from softcore_benchmarks.data.category import Category, find_categories
from softcore_benchmarks.data.feature_store import Network, load_features
from softcore_benchmarks.measuring.commands import check_weights, make_parser
from softcore_benchmarks.measuring.results import make_results_folder, write_page
from softcore_benchmarks.research.denoising import PLANS, Plan

__all__ = ["STRETCHES", "main"]

NETWORKS = ("resnet18:256:224", "resnet18:512:448", "filterbank:256:224")
STRETCHES = (1.3, 1.5, 1.6, 1.7, 1.8, 2.0)


def main(arguments: Sequence[str] | None = None) -> int:
    """Count the suspects among clean images; return the exit code."""
    return run(_parser(), _work, arguments)


def _parser() -> Parser:
    parser = make_parser("research.clean", __doc__)
    add = parser.add_argument
    add("--data", type=Path, required=True, help="a folder of categories in MVTec AD's layout")
    add("--categories", nargs="+", metavar="NAME", help="default: all of --data")
    add(
        "--networks",
        nargs="+",
        metavar="NAME:RESIZE:CROP",
        default=NETWORKS,
        help=f"default: {' '.join(NETWORKS)}",
    )
    add("--out", type=Path, default=Path("benchmarks"), help="for CLEAN.md (default: %(default)s)")
    add("--work", type=Path, help="features, which can be deleted afterwards (default: OUT/work)")
    add("--weights", type=Path, help="of networks other than the filter bank")
    return parser


def _work(options: argparse.Namespace) -> None:
    check_weights(options.weights)
    work = options.work or options.out / "work"
    folders = find_categories(options.data, options.categories)
    networks = [_load_network(name, options.weights, work / "networks") for name in options.networks]
    rows = []
    for name, network in zip(options.networks, networks, strict=True):
        for folder in track(folders, name):
            category = Category.find(folder, PLANS.get(folder.name, Plan()).max_images)
            with hide_bars():
                rows.append({"network": name, "data": category.name, **_count(category, network, work)})
    table = pd.DataFrame(rows)
    table.to_csv(make_results_folder(options.out) / "clean.csv", index=False, float_format="%.4f")
    page = [
        "# Suspects among clean images",
        "Made by `python -m softcore_benchmarks.research.clean`. The share of good training images that the "
        "cut of `--discriminator auto` calls suspect where all are good, by network, resolution (resize and "
        "crop) and how much wider than a normal distribution's the upper tail is taken to be "
        f"(`tail_stretch`, by default {EstimateParameters().tail_stretch:g}).",
        str(table.to_markdown(index=False, floatfmt=".3f")),
    ]
    print(write_page(options.out, "CLEAN.md", page))


def _load_network(name: str, weights: Path | None, folder: Path) -> Network:
    backbone, _, sizes = name.partition(":")
    try:
        resize, crop = map(int, sizes.split(":"))
    except ValueError as error:
        raise UsageError(f"--networks {name}: must be NAME:RESIZE:CROP") from error
    needed = None if backbone == "filterbank" else weights
    return Network.load(backbone, needed, Preprocessing(resize=resize, crop=crop), folder)


def _count(category: Category, network: Network, work: Path) -> dict[str, float]:
    features = load_features(category, network, work / "features").train
    side = round(features.shape[1] ** 0.5)
    rule = EstimateParameters()
    compared = compare(
        features, (side, side), torch.device("cpu"), 0, rule.window, rule.references, rule.distant_share
    )
    shares = {}
    for stretch in STRETCHES:
        estimate = estimate_from(compared, replace(rule, tail_stretch=stretch))
        shares[f"{stretch:g}"] = float((estimate.images > 1).mean())
    return shares


if __name__ == "__main__":
    sys.exit(main())
