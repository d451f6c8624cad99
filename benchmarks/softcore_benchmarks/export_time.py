"""Export time: the time of an export by stage, and its coreset beside plain greedy k-centre.

    python -m softcore_benchmarks.export_time --data DATASETS --weights resnet18.pth --out benchmarks

`DATASETS` holds `pill` and `magnetic_tile` in MVTec AD's layout. Writes EXPORT_TIME.md,
results/export_time.json and results/export_time.png into --out.

The plain loop computes all M distances anew after every choice. That takes minutes on the tiles, so only
its first 2,000 steps are taken there and 200 spread over all of it, whose time stands for all; --whole takes
every step. At each step taken, the plain loop's choice is compared with that of the coreset.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from softcore_export.contamination.choices import Choices
from softcore_export.data.dataset import TrainingImages
from softcore_export.export import build, prepare
from softcore_export.memory_bank.coreset import draw_axes, spread
from softcore_export.settings import ExportSettings
from softcore_runtime.cli.command_line import run
from softcore_runtime.cli.progress import track
from torch import Tensor

from softcore_benchmarks.measuring.commands import check_weights, make_data_parser
from softcore_benchmarks.measuring.results import write_json, write_page

__all__ = ["Compared", "Parting", "Step", "compare", "follow", "main", "project"]

_ROWS = (("pill", 0.1), ("magnetic_tile", 0.05))  # categories and coreset ratios
_SHORT = 10_000  # entries up to which the plain loop is always taken whole
_FIRST, _SPREAD = 2000, 200  # steps taken of a longer one: at its beginning, and spread over it
_AT_ONCE = 256  # choices applied at once between steps
_UNIT = 2.0**-24  # float32's unit roundoff


@dataclass(frozen=True)
class Step:
    """One step of the plain loop: a choice is applied, then the farthest row is found.

    Attributes:
        number: from 0.
        seconds: time of the step.
        farthest: the row that the plain loop chooses next.
        ahead: its squared distance less that of the row that was chosen, in units of 2^-24 ||x||^2; float32
            rounds a squared distance by a few of these.
    """

    number: int
    seconds: float
    farthest: int
    ahead: float


@dataclass(frozen=True)
class Parting:
    """A step at which the plain loop chooses another entry.

    Attributes:
        place: of the entry in the coreset.
        ahead: see `Step.ahead`.
    """

    place: int
    ahead: float


@dataclass(frozen=True)
class Compared:
    """A coreset beside the plain loop's.

    Attributes:
        patches: number of patches that it is drawn from.
        entries: number of entries drawn.
        seconds: of the selection.
        plain_seconds: of all the plain loop's steps, the mean of the spread ones times their number.
        steps: number of the plain loop's `entries` - 1 steps that were taken.
        first_steps: number of those at the beginning, without a gap.
        taken_seconds: time of the steps taken; the whole loop's if all were.
        partings: steps at which the plain loop chooses another entry.
    """

    patches: int
    entries: int
    seconds: float
    plain_seconds: float
    steps: int
    first_steps: int
    taken_seconds: float
    partings: tuple[Parting, ...]


@dataclass(frozen=True)
class Measured:
    """Measurements of a category.

    Attributes:
        images: number of images read.
        threads: of torch.
        network: its name, engine and precision.
        export: seconds by stage.
        coreset: beside the plain loop's.
    """

    images: int
    threads: int
    network: str
    export: dict[str, float]
    coreset: Compared


def project(features: NDArray[np.float32], seed: int) -> tuple[Tensor, int]:
    """Project patches `[N, P, d]` as `draw_coreset` does: rows `[N * P, 128]`, and the first entry."""
    rng = np.random.default_rng(seed)
    axes = draw_axes(features.shape[2], rng)
    x = torch.from_numpy(np.concatenate([image @ axes for image in features]))
    return x, int(rng.integers(len(x)))


def follow(x: Tensor, chosen: NDArray[np.int64], steps: Sequence[int]) -> Iterator[Step]:
    """Take steps of plain greedy k-centre over rows `x` `[M, d]`; what lies between isn't timed.

    Each step continues from the rows that were `chosen` `[n]`, so that steps after a parting are compared,
    too.
    """
    squares = x.square().sum(dim=1)
    nearest = torch.full_like(squares, torch.inf)  # squared distance of each row to the nearest chosen one
    done = 0
    for step in steps:
        for some in np.split(chosen[done:step], range(_AT_ONCE, step - done, _AT_ONCE)):
            if len(some):
                apart = torch.addmm(squares[some], x, x[some].T, alpha=-2).amin(dim=1) + squares
                nearest = torch.minimum(nearest, apart)
        start = time.perf_counter()
        this = chosen[step]
        apart = squares + squares[this] - 2 * (x @ x[this])
        nearest = torch.minimum(nearest, apart)
        farthest = int(nearest.argmax())
        seconds = time.perf_counter() - start
        ahead = float((nearest[farthest] - nearest[chosen[step + 1]]) / (_UNIT * squares[farthest]))
        yield Step(step, seconds, farthest, ahead)
        done = step + 1


def compare(features: NDArray[np.float32], ratio: float, seed: int, whole: bool) -> Compared:
    """Draw a coreset of all patches `[N, P, d]` and follow it with the plain loop."""
    x, first = project(features, seed)
    size = round(ratio * len(x))
    start = time.perf_counter()
    chosen = spread(x, size, first)  # leaves `x` centred, which the plain loop needs for its accuracy, too
    seconds = time.perf_counter() - start

    count = len(chosen) - 1
    evenly = set(np.linspace(0, count - 1, min(_SPREAD, count)).round().astype(int).tolist())
    first_steps = count if whole or size <= _SHORT else min(_FIRST, count)
    wanted = sorted({*range(first_steps), *evenly})
    taken = list(track(follow(x, chosen, wanted), "plain k-centre", len(wanted)))
    return Compared(
        patches=len(x),
        entries=len(chosen),
        seconds=seconds,
        plain_seconds=count * float(np.mean([step.seconds for step in taken if step.number in evenly])),
        steps=len(taken),
        first_steps=first_steps,
        taken_seconds=sum(step.seconds for step in taken),
        partings=tuple(
            Parting(step.number + 1, step.ahead) for step in taken if step.farthest != chosen[step.number + 1]
        ),
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return the exit code."""
    parser = make_data_parser("export_time", __doc__)
    parser.add_argument("--whole", action="store_true", help="take every step of the plain loop")
    return run(parser, _run, arguments)


def _run(options: argparse.Namespace) -> int:
    check_weights(options.weights)
    rows = {}
    for category, ratio in _ROWS:
        images = TrainingImages.find(options.data / category)
        rows[f"{category}, ratio {ratio:g}"] = _measure(images, category, ratio, options)
    write_json(options.out, "export_time", {name: asdict(row) for name, row in rows.items()})
    _plot(rows, options.out / "results" / "export_time.png")
    print(write_page(options.out, "EXPORT_TIME.md", _describe(rows)))
    return 0


def _measure(images: TrainingImages, category: str, ratio: float, options: argparse.Namespace) -> Measured:
    settings = ExportSettings(backbone="resnet18", weights=options.weights, coreset_ratio=ratio, device="cpu")
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / category
        with prepare(images, target, settings) as prepared:
            done = build(prepared, target, Choices())
            compared = compare(prepared.features, ratio, settings.seed, options.whole)
    network = done.manifest.backbone
    return Measured(
        images=len(done.images),
        threads=torch.get_num_threads(),
        network=f"{network.name}, {network.engine}, {network.precision}",
        export=done.seconds,
        coreset=compared,
    )


def _describe(rows: dict[str, Measured]) -> Iterator[str]:
    """Yield the page's paragraphs."""
    exports = pd.DataFrame({name: row.export for name, row in rows.items()})
    exports.loc["whole"] = exports.sum()
    one = next(iter(rows.values()))
    yield "# How long an export takes"
    yield f"Made by `python -m softcore_benchmarks.export_time`; {one.network}; {one.threads} threads."
    yield "## Seconds of each stage"
    told = [f"{name} ({row.images} images)" for name, row in rows.items()]
    yield str(exports.set_axis(told, axis=1).to_markdown(floatfmt=".1f", missingval="-"))
    yield "![Seconds of each stage, and of the coreset](results/export_time.png)"
    yield "## The coreset beside plain greedy k-centre"
    yield (
        "All patches, in the same projection, from the same first entry, in one process. The plain loop "
        "measures all distances anew after every choice; its seconds are the mean of steps spread evenly "
        "over it, times their number. *Same* counts the steps after which both choose the same entry, of "
        "those that were taken."
    )
    compared = {name: row.coreset for name, row in rows.items()}
    table = [
        {
            "": name,
            "patches": f"{found.patches:,}",
            "entries": f"{found.entries:,}",
            "seconds": f"{found.seconds:.1f}",
            "plain, seconds": f"{found.plain_seconds:.1f}",
            "times faster": f"{found.plain_seconds / found.seconds:.1f}",
            "same": f"{found.steps - len(found.partings):,} of {found.steps:,}",
        }
        for name, found in compared.items()
    ]
    yield str(pd.DataFrame(table).to_markdown(index=False, disable_numparse=True))
    for name, found in compared.items():
        if found.steps == found.entries - 1:
            relation = found.plain_seconds / found.taken_seconds
            yield (
                f"{name}: the plain loop was taken whole, in {found.taken_seconds:.1f} s; "
                f"by the spread steps alone it would be {relation:.3f} times that."
            )
        else:
            yield (
                f"{name}: of the plain loop the first {found.first_steps:,} steps were taken, and "
                f"{found.steps - found.first_steps:,} spread over the rest."
            )
        if found.partings:
            worst = max(parting.ahead for parting in found.partings)
            yield (
                f"{name}: where the plain loop would choose another entry, first in place "
                f"{found.partings[0].place:,}, its squared distance is larger by at most {worst:.2g} of "
                "2^-24 ||x||^2: a tie, to float32's rounding of ||x||^2 + ||c||^2 - 2 x.c."
            )


def _plot(rows: dict[str, Measured], file: Path) -> None:
    """Draw a panel of the stages and one of the coreset beside the plain loop."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.6), layout="constrained")
    exports = pd.DataFrame({name: row.export for name, row in rows.items()})
    exports.iloc[::-1].plot.barh(ax=left, color=["#56b4e9", "#d55e00"], legend=False)
    left.set_xlabel("seconds of an export")
    coresets = pd.DataFrame(
        {name: [row.coreset.seconds, row.coreset.plain_seconds] for name, row in rows.items()},
        index=["SoftCore", "plain k-centre"],
    )
    coresets.plot.bar(ax=right, color=["#56b4e9", "#d55e00"], rot=0, logy=True)
    right.set_ylabel("seconds of the coreset")
    for bars in right.containers:
        right.bar_label(bars, fmt="%.3g", fontsize=8)
    right.legend(frameon=False)
    figure.savefig(file, dpi=130)
    plt.close(figure)


if __name__ == "__main__":
    sys.exit(main())
