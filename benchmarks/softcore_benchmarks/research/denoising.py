"""Denoising: the rules that were tried to find defective training images without knowing their number.

    python -m softcore_benchmarks.research.denoising --data DATASETS --weights resnet18.pth --out benchmarks

`DATASETS` holds categories in MVTec AD's layout; three more are drawn.
Every rule of `screening.py` is tried on each in a sandbox (`sandbox.py`), and DENOISING.md with
results/denoising.csv is written into --out.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from softcore_runtime.cli.command_line import Parser, run
from softcore_runtime.cli.progress import hide_bars, track
from softcore_runtime.errors import UsageError
from softcore_runtime.images.preprocessing import Preprocessing
from softcore_runtime.separation import auroc

from softcore_benchmarks.data.category import Category, find_categories
from softcore_benchmarks.data.drawn import DRAWN, draw_datasets
from softcore_benchmarks.data.feature_store import Network
from softcore_benchmarks.measuring.commands import check_weights, make_parser
from softcore_benchmarks.research.denoising_report import write_report
from softcore_benchmarks.research.sandbox import (
    ALL,
    HALVES,
    DataSet,
    Sandbox,
    enough_defects,
    load_dataset,
)
from softcore_benchmarks.research.screening import ATTEMPTS, DEFAULT, LOF, ORACLE, PATCHCORE

__all__ = ["main"]

SEEDS = 3  # draws of noise on which the default is confirmed
_ANEW = 0.1  # the noise at which the sandbox is compared with a coreset drawn anew


@dataclass(frozen=True)
class Plan:
    """Use of a data set.

    Attributes:
        ratio: of the coreset.
        max_images: most training images; None takes all.
        noises: noises at which all rules are tried, if there are enough defects.
    """

    ratio: float = 0.1
    max_images: int | None = None
    noises: tuple[float, ...] = (0.0, 0.1, 0.4)


PLANS: dict[str, Plan] = {
    "pill": Plan(),
    # The most noise for which there are defects.
    "magnetic_tile": Plan(ratio=0.02, max_images=300, noises=(0.0, 0.1, 0.3)),
    "screw": Plan(ratio=0.02, noises=(0.0, 0.1, 0.2)),
    "mvtec_pill": Plan(ratio=0.02),
    "elpv": Plan(ratio=0.02),
    "pillqc": Plan(),
    **dict.fromkeys(DRAWN, Plan()),
}


@dataclass(frozen=True, eq=False)
class _Task:
    category: Category
    noise: float
    half: str
    seed: int
    screened: bool  # whether all rules are tried


def main(arguments: Sequence[str] | None = None) -> int:
    """Try every rule and write the report; return the exit code."""
    return run(_parser(), _work, arguments)


def _parser() -> Parser:
    parser = make_parser("research.denoising", __doc__)
    add = parser.add_argument
    add("--data", type=Path, required=True, help="a folder of categories in MVTec AD's layout")
    add("--categories", nargs="+", metavar="NAME", help=f"default: all of --data, {', '.join(DRAWN)}")
    add("--screen", nargs="*", metavar="NAME", help="categories on which all rules are tried (default: all)")
    add("--out", type=Path, default=Path("benchmarks"), help="for DENOISING.md (default: %(default)s)")
    add("--work", type=Path, help="features and more, which can be deleted afterwards (default: OUT/work)")
    add("--backbone", default="resnet18", help="a network of torchvision (default: %(default)s)")
    add("--weights", type=Path, help="its state dict (default: torchvision's own, downloaded)")
    add("--resize", type=int, default=256)
    add("--crop", type=int, default=224)
    add(
        "--seeds",
        type=int,
        default=SEEDS,
        help="draws of noise that confirm the default (default: %(default)s)",
    )
    return parser


def _work(options: argparse.Namespace) -> None:
    check_weights(options.weights)
    if options.seeds < 1:
        raise UsageError(f"--seeds {options.seeds}: at least 1 is needed")
    work = options.work or options.out / "work"
    categories = _find_categories(options, work)
    preprocessing = Preprocessing(resize=options.resize, crop=options.crop)
    network = Network.load(options.backbone, options.weights, preprocessing, work / "networks")
    screened = options.screen if options.screen is not None else [each.name for each in categories]
    tasks = [
        task
        for category in categories
        for task in _list_tasks(category, options.seeds, category.name in screened)
    ]
    found = []
    data: DataSet | None = None
    for task in track(tasks, "draws"):
        with hide_bars():
            if data is None or data.name != task.category.name:
                data = load_dataset(task.category, network, work, _find_ratio(task.category))
            box = Sandbox(data, task.noise, task.half, task.seed, work / "denoising")
            for row, measure, value in _measure(box, task):
                found.append((data.name, task.noise, task.half, task.seed, row, measure, value))
    columns = ["data", "noise", "half", "seed", "row", "measure", "value"]
    described = [_describe(category) for category in categories]
    print(write_report(options.out, pd.DataFrame(found, columns=columns), described))


def _find_categories(options: argparse.Namespace, work: Path) -> list[Category]:
    names: list[str] | None = options.categories
    real = None if names is None else [name for name in names if name not in DRAWN]
    folders = find_categories(options.data, real) if real is None or real else []
    folders += draw_datasets(work / "drawn", names)
    found = [Category.find(folder, PLANS.get(folder.name, Plan()).max_images) for folder in folders]
    order = list(PLANS)
    return sorted(found, key=lambda each: order.index(each.name) if each.name in order else len(order))


def _list_tasks(category: Category, seeds: int, screened: bool) -> Iterator[_Task]:
    plan = PLANS.get(category.name, Plan())
    for noise in plan.noises:
        if not noise:
            yield _Task(category, noise, ALL, 0, screened)
        elif all(enough_defects(category, noise, half) for half in HALVES):
            if screened:
                yield _Task(category, noise, HALVES[0], 0, screened)
            for seed in range(seeds):
                yield _Task(category, noise, HALVES[1], seed, False)
        elif enough_defects(category, noise, ALL):
            for seed in range(seeds):
                yield _Task(category, noise, ALL, seed, screened and seed == 0)
        else:
            print(f"{category.name}: not enough defects for noise {noise:g}", file=sys.stderr)


def _measure(box: Sandbox, task: _Task) -> Iterator[tuple[str, str, float]]:
    """Yield row, measure and value of everything that is measured in a sandbox."""
    estimate = box.estimate()
    suspect = estimate.images > 1
    if box.injected.any():
        suspicion = estimate.images
        yield DEFAULT, "suspicion AUROC", auroc(suspicion[~box.injected], suspicion[box.injected])
    yield DEFAULT, "injected", float(box.injected.sum())
    yield DEFAULT, "flagged bad", float((suspect & box.injected).sum())
    yield DEFAULT, "good", float((~box.injected).sum())
    yield DEFAULT, "flagged good", float((suspect & ~box.injected).sum())
    yield DEFAULT, "true share", float(box.injected.mean())
    if estimate.share.value is not None:
        yield DEFAULT, "estimate", estimate.share.value
    yield DEFAULT, "estimate low", estimate.share.low
    yield DEFAULT, "estimate high", estimate.share.high
    for attempt in ATTEMPTS:
        if task.screened or attempt.name in (PATCHCORE, LOF, ORACLE, DEFAULT):
            overlap, without = box.measure(attempt.score(box))
            yield attempt.name, "overlap", overlap
            yield attempt.name, "no overlap", without
    if task.noise == _ANEW and task.screened:
        overlap, without = box.measure(box.draw_anew())
        yield "drawn anew", "overlap", overlap
        yield "drawn anew", "no overlap", without


def _find_ratio(category: Category) -> float:
    return PLANS.get(category.name, Plan()).ratio


def _describe(category: Category) -> str:
    bad = int(category.bad.sum())
    return (
        f"* {category.name}: {len(category.train)} training images, {len(category.bad) - bad} good and "
        f"{bad} bad test images, coreset ratio {_find_ratio(category):g}."
    )


if __name__ == "__main__":
    sys.exit(main())
