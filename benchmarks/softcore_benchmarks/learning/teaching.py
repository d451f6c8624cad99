"""Teaching: what a few confirmed defects of half the classes gain on parts that were never shown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from softcore_export.memory_bank.counterexamples import confront
from softcore_export.memory_bank.memory_bank import MemoryBank
from softcore_export.resolution.measurement import Opened, measure_resolutions
from softcore_export.resolution.separation import Subject
from softcore_runtime.cli.progress import hide_bars
from softcore_runtime.images.preprocessing import Preprocessing
from softcore_runtime.separation import auroc

from softcore_benchmarks.data.category import GOOD
from softcore_benchmarks.data.feature_store import Network
from softcore_benchmarks.learning.bench import Bench, Draw

__all__ = ["COUNTS", "OVERKILL", "choose_lessons", "measure_teaching"]

COUNTS = (0, 4, 8, 16)  # taught defects
OVERKILL = 0.05
Row = dict[str, object]


def measure_teaching(benches: Mapping[int, Bench], seed: int, weights: Path, work: Path) -> Iterator[Row]:
    """Yield a row for each number of taught defects and each resolution.

    Args:
        benches: a category, by resolution.
        seed: of the defects among the training images, of the taught classes, and of the coreset.
        weights: of ResNet-18.
        work: a folder for networks.
    """
    usual = benches[min(benches)]
    draws = {side: bench.draw(seed) for side, bench in benches.items()}
    taught_kinds, lessons = choose_lessons(usual, draws[usual.side], seed)
    learned = {side: bench.fit(draws[side]) for side, bench in benches.items()}
    for count in COUNTS:
        if count > len(lessons):
            break
        rows = lessons[:count]
        chosen = _choose_side(usual, draws[usual.side], rows, weights, work, tuple(benches))
        for side, bench in benches.items():
            bank, dropped = _teach(bench, learned[side], rows)
            yield {
                "data": usual.category.name,
                "side": side,
                "draw": seed,
                "taught": count,
                "dropped": dropped,
                "chosen": side == chosen,
                **_measure(bench, bank, lessons, draws[side], taught_kinds),
            }


def choose_lessons(bench: Bench, draw: Draw, seed: int) -> tuple[list[str], NDArray[np.int64]]:
    """Choose half of the classes of defects, and of their test images those that may be taught.

    At most half of these images are taken, and none that is among the training images.
    """
    rng, kinds = np.random.default_rng(seed), bench.category.kinds
    names = rng.permutation([kind for kind in np.unique(kinds) if kind != GOOD])
    taught = sorted(names[: (len(names) + 1) // 2].tolist())
    rows = np.flatnonzero(np.isin(kinds, taught) & ~np.isin(np.arange(len(kinds)), draw.rows))
    return taught, rng.permutation(rows)[: min(max(COUNTS), len(rows) // 2)]


def _teach(bench: Bench, learned: MemoryBank, rows: NDArray[np.int64]) -> tuple[MemoryBank, int]:
    """Drop what excuses the taught defects, as an export does."""
    if not len(rows) or learned.rule is None:
        return learned, 0
    vouched = learned.rule.corroboration.measure()
    found = confront(bench.test[rows], learned.bank, vouched, torch.device("cpu"))
    excused = found.find_excused(vouched)
    return (learned.drop(excused, found.images) if excused.any() else learned), int(excused.sum())


def _measure(
    bench: Bench, learned: MemoryBank, lessons: NDArray[np.int64], draw: Draw, taught: list[str]
) -> Row:
    """Measure on test images that were never shown: neither taught nor among the training images."""
    scores, kinds, bad = bench.score(learned), bench.category.kinds, bench.category.bad
    fresh = ~np.isin(np.arange(len(kinds)), np.concatenate([lessons, draw.rows]))
    threshold = float(np.quantile(scores[~bad], 1 - OVERKILL))
    row: Row = {}
    for name, these in (
        ("taught", bad & fresh & np.isin(kinds, taught)),
        ("other", bad & fresh & ~np.isin(kinds, taught)),
    ):
        row[f"auroc_{name}"] = auroc(scores[~bad], scores[these]) if these.any() else None
        row[f"escape_{name}"] = float((scores[these] <= threshold).mean()) if these.any() else None
    return row


def _choose_side(
    bench: Bench,
    draw: Draw,
    rows: NDArray[np.int64],
    weights: Path,
    work: Path,
    sides: tuple[int, ...],
) -> int:
    """Choose a resolution as `--resolution auto --budget 1000` does, of those that are measured."""

    def open_network(side: int) -> Opened[int]:
        preprocessing = Preprocessing(resize=side, crop=side)
        network = Network.load("resnet18", weights, preprocessing, work / "networks")
        return Opened(side, Subject(network.backbone, preprocessing))

    category = bench.category
    noisy = [*category.train, *(category.test[row] for row in draw.rows)]
    with hide_bars():
        side, _ = measure_resolutions(
            open_network, noisy, (), 1000, draw.seed, [category.test[row] for row in rows]
        )
    return side if side in sides else min(sides)
