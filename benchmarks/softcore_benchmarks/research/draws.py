"""Draws: the default beside PatchCore and an oracle, for several draws of the noise.

    python -m softcore_benchmarks.research.draws --data DATASETS --weights resnet18.pth --out benchmarks

Writes results/draws.csv and DRAWS.md into --out: image AUROC, the ranking of the training images and the
estimated contamination. The oracle is PatchCore without the injected images.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from softcore_export.contamination.estimate import estimate_contamination
from softcore_export.settings import ExportSettings
from softcore_export.train import fit
from softcore_runtime.cli.command_line import run
from softcore_runtime.cli.progress import hide_bars, track
from softcore_runtime.images.preprocessing import Preprocessing
from softcore_runtime.search.exhaustive import ExhaustiveSearch
from softcore_runtime.separation import auroc

from softcore_benchmarks.data.category import Category, find_categories
from softcore_benchmarks.data.feature_store import Network, load_features
from softcore_benchmarks.measuring.commands import make_data_parser
from softcore_benchmarks.measuring.results import make_results_folder, write_page
from softcore_benchmarks.protocol.noise import count_defects, draw_noise

__all__ = ["draw", "main"]

_DRAWS = (0, 1, 2)
_NOISES = (0.0, 0.1, 0.2, 0.4)
_CPU = torch.device("cpu")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return the exit code."""
    parser = make_data_parser("research.draws", __doc__)
    parser.add_argument("--categories", nargs="+", metavar="NAME")
    parser.add_argument(
        "--max-images", type=int, default=300, help="first N training images of magnetic_tile"
    )
    return run(parser, _run, arguments)


def draw(
    train: NDArray[np.float32],
    test: NDArray[np.float32],
    bad: NDArray[np.bool_],
    injected: NDArray[np.int64],
    ratio: float,
) -> dict[str, float]:
    """Train on `train` and the `injected` rows of `test`, and measure.

    Args:
        train: float32 `[N, P, d]`.
        test: float32 `[M, P, d]`.
        bad: bool `[M]`.
        injected: rows of `test` that are added to the training images.
        ratio: of the coreset.

    Returns:
        image AUROC of `patchcore`, `default` and `oracle`, overlap and `no overlap` (NaN if no other defects
        are left); `ranking`, the AUROC of suspicion; `flagged` bad and `overkill` (good) as shares;
        `estimate`, `low`, `high`, `truth`.
    """
    features = np.concatenate([train, test[injected]])
    dirty = np.arange(len(features)) >= len(train)
    positions, dim = train.shape[1:]
    side = round(positions**0.5)
    estimate = estimate_contamination(features, (side, side), _CPU)
    left = np.ones(len(bad), np.bool_)
    left[injected] = False
    kept = {
        "patchcore": np.ones(estimate.patches.shape, np.bool_),
        "default": estimate.kept,
        "oracle": np.repeat(~dirty[:, None], positions, axis=1),
    }
    measured: dict[str, float] = {}
    settings = ExportSettings(discriminator="none", coreset_ratio=ratio)
    for name, mask in kept.items():
        if mask.all() and measured:  # nothing is left out: PatchCore's
            values = measured["patchcore"], measured["patchcore, no overlap"]
        else:
            bank = fit(features, (side, side), settings, _CPU, overrule=_always(mask)).bank
            distances = ExhaustiveSearch(bank).nearest(test.reshape(-1, dim))[1]
            scores = distances.astype(np.float32).reshape(len(test), -1).max(axis=1)
            good = scores[~bad]
            rest = auroc(good, scores[bad & left]) if bad[left].any() else float("nan")
            values = auroc(good, scores[bad]), rest
        measured[name], measured[f"{name}, no overlap"] = values
    found = estimate.images > 1
    if dirty.any():
        measured["ranking"] = auroc(estimate.images[~dirty], estimate.images[dirty])
        measured["flagged"] = float(found[dirty].mean())
    share = estimate.share
    return measured | {
        "overkill": float(found[~dirty].mean()),
        "estimate": share.value,
        "low": share.low,
        "high": share.high,
        "truth": float(dirty.mean()),
    }


def _always(mask: NDArray[np.bool_]) -> Callable[[NDArray[np.bool_]], NDArray[np.bool_]]:
    return lambda _kept: mask


def _run(options: argparse.Namespace) -> int:
    rows = pd.DataFrame(list(_rows(options)))
    rows.to_csv(make_results_folder(options.out) / "draws.csv", index=False, float_format="%.4f")
    means = rows.drop(columns="draw").groupby(["category", "noise"], sort=False).mean().reset_index()
    page = [
        "# Several draws of the noise",
        "Made by `python -m softcore_benchmarks.research.draws`; ResNet-18, image AUROC, mean of "
        f"{len(_DRAWS)} draws of the injected defects (one where nothing is injected). Pill and screw at "
        "coreset ratio 0.1, magnetic_tile with its first 300 training images at 0.02. *Default* is "
        "`--discriminator auto`, which is told nothing; the *oracle* is PatchCore without the injected "
        "images.",
        "## Overlap",
        _table(means, ["patchcore", "default", "oracle"]),
        "## No overlap",
        _table(means, [f"{name}, no overlap" for name in ("patchcore", "default", "oracle")]),
        "## What is said of the training images",
        "*Ranking* is the AUROC of suspicion, injected against good; *flagged* and *overkill* are the shares "
        "of the injected and of the good images that something was left out of; *truth* is the share of "
        "injected images among all.",
        _table(means, ["ranking", "flagged", "overkill", "estimate", "low", "high", "truth"]),
    ]
    print(write_page(options.out, "DRAWS.md", page))
    return 0


def _table(means: pd.DataFrame, columns: list[str]) -> str:
    shown = means[["category", "noise", *columns]]
    return str(shown.to_markdown(index=False, floatfmt=("", "g", *[".3f"] * len(columns)), missingval="-"))


def _rows(options: argparse.Namespace) -> Iterator[dict[str, float | str]]:
    work = options.out / "work"
    network = Network.load("resnet18", options.weights, Preprocessing(), work / "networks")
    for place in find_categories(options.data, options.categories):
        tiles = place.name == "magnetic_tile"
        category = Category.find(place, options.max_images if tiles else None)
        found = load_features(category, network, work / "features")
        bad, defects = category.bad, category.defects
        cells = [(noise, seed) for noise in _NOISES for seed in (_DRAWS if noise else _DRAWS[:1])]
        for noise, seed in track(cells, category.name):
            if count_defects(len(category.train), noise) > len(defects):
                continue
            injected = draw_noise(category.test, defects, len(category.train), noise, seed)
            with hide_bars():
                measured = draw(found.train, found.test, bad, injected, 0.02 if tiles else 0.1)
            yield {"category": category.name, "noise": noise, "draw": seed, **measured}


if __name__ == "__main__":
    sys.exit(main())
