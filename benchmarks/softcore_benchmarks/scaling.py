"""Scaling: the time of a decision as the memory bank grows, and with several cameras in one batch.

    python -m softcore_benchmarks.scaling --data DATASETS --weights resnet18.pth --out benchmarks

Banks of 1,000 to 80,000 real patches of `pill` (its training images and half of its good test images, at
growing coreset ratios); the other good test images are timed, whole frame to decision, all banks in turn in
one process. The threshold of each bank is the highest score of any good image, so that all of them pass.

Writes SCALING.md, results/scaling.json and results/scaling.png into --out.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from softcore_export.backbone.backbone import load_backbone
from softcore_export.backbone.network import open_network
from softcore_export.memory_bank.coreset import draw_coreset
from softcore_export.memory_bank.hints import learn_hints
from softcore_export.memory_bank.index import build_index
from softcore_export.memory_bank.leave_one_out import leave_one_out
from softcore_export.settings import ExportSettings
from softcore_runtime.backends.engine import Backbone
from softcore_runtime.cli.command_line import run
from softcore_runtime.images.image_file import read_image
from softcore_runtime.images.preprocessing import Preprocessing
from softcore_runtime.search.search import Search

from softcore_benchmarks.data.category import Category
from softcore_benchmarks.measuring.commands import check_weights, make_data_parser
from softcore_benchmarks.measuring.interleaving import Times, calm_threads, interleave
from softcore_benchmarks.measuring.machine import describe_machine
from softcore_benchmarks.measuring.results import write_json, write_page

SIZES = (1_000, 5_000, 20_000, 80_000)
CAMERAS = (1, 2, 4)
_CPU = torch.device("cpu")


@dataclass(frozen=True)
class Bank:
    """A memory bank.

    Attributes:
        entries: number of entries.
        hints: number of hints at a position.
        left_open: mean number of patches of a frame that the hints don't certify.
        threshold: highest score of any good image.
    """

    entries: int
    hints: int
    left_open: float
    threshold: float


@dataclass(frozen=True)
class Measured:
    """Measurements.

    Attributes:
        machine: description of the machine.
        network: engine and precision.
        banks: by growing size.
        growth: milliseconds of a frame, by system; the ratios are to the bare network.
        cameras: milliseconds of a batch with one frame of each camera, by system.
    """

    machine: str
    network: str
    banks: tuple[Bank, ...]
    growth: dict[str, Times]
    cameras: dict[str, Times]


@dataclass(frozen=True, eq=False)
class BareInspector:
    """A network and a memory bank, which inspect frames as `Inspector` does, without a bundle."""

    backbone: Backbone
    search: Search
    threshold: float
    preprocessing: Preprocessing

    def decide(self, frames: Sequence[NDArray[np.uint8]]) -> list[bool]:
        """Decide on one frame of each camera."""
        crops = np.stack([self.preprocessing.apply(frame) for frame in frames])
        found = enumerate(self.backbone.features(crops))
        return [self.search.decide(patches, self.threshold, camera).above for camera, patches in found]

    def inspect(self, frames: Sequence[NDArray[np.uint8]]) -> list[bool]:
        """Decide on one frame of each camera and score all patches."""
        crops = np.stack([self.preprocessing.apply(frame) for frame in frames])
        found = enumerate(self.backbone.features(crops))
        return [self.search.inspect(patches, self.threshold, camera)[0].above for camera, patches in found]


def learn(
    features: NDArray[np.float32],
    timed: NDArray[np.float32],
    size: int,
    backbone: Backbone,
    preprocessing: Preprocessing,
) -> tuple[BareInspector, Bank]:
    """Make a memory bank of `size` of the patches of `features` `[N, P, d]`.

    Its threshold also passes all of `timed` `[T, P, d]`.
    """
    images, positions, dim = features.shape
    kept = np.ones((images, positions), np.bool_)
    image, position = np.divmod(draw_coreset(features, kept, size, 0, _CPU), positions)
    bank, weights = features[image, position], np.ones(len(image), np.float32)
    built = build_index(bank, timed.reshape(-1, dim)[:2000], 0)
    owners = image.astype(np.int32)
    left_out = leave_one_out(features, bank, owners, _CPU)
    hints, record = learn_hints(features, bank, weights, owners, left_out, kept)
    search = Search(bank, weights, None, built.index, hints)
    highest = [search.inspect(patches, float("inf"))[0].score for patches in timed]
    threshold = max(float(left_out.scores(weights).max()), *highest)
    inspector = BareInspector(
        backbone, Search(bank, weights, None, built.index, hints), threshold, preprocessing
    )
    return inspector, Bank(len(bank), record.count, record.left_open, threshold)


def measure(category: Category, weights: Path, sizes: Sequence[int], rounds: int) -> Measured:
    """Make all memory banks, then time them in turn."""
    settings = ExportSettings(backbone="resnet18", weights=weights)
    preprocessing = settings.preprocessing
    good = [path for path, bad in zip(category.test, category.bad, strict=True) if not bad]
    learned_from = [read_image(path) for path in (*category.train, *good[::2])]
    frames = [read_image(path) for path in good[1::2]]
    crops = np.stack([preprocessing.apply(image) for image in learned_from])
    with tempfile.TemporaryDirectory() as folder:
        loaded = load_backbone("resnet18", weights, (), preprocessing.crop)
        backbone = open_network(loaded, settings, crops[:4], Path(folder)).backbone
    features = np.concatenate([backbone.features(crop[None]) for crop in crops])
    timed = np.concatenate([backbone.features(preprocessing.apply(frame)[None]) for frame in frames])

    learned = {size: learn(features, timed, size, backbone, preprocessing) for size in sizes}

    crop = preprocessing.apply(frames[0])[None]

    def bare(_: int) -> None:
        backbone.features(crop)

    growth: dict[str, Callable[[int], None]] = {"bare network": bare}
    for inspector, bank in learned.values():

        def decide(number: int, inspector: BareInspector = inspector) -> None:
            inspector.decide([frames[number % len(frames)]])

        def inspect(number: int, inspector: BareInspector = inspector) -> None:
            inspector.inspect([frames[number % len(frames)]])

        growth[f"decide, {bank.entries:,} entries"] = decide
        growth[f"inspect, {bank.entries:,} entries"] = inspect
    middle, bank = learned[sizes[len(sizes) // 2 - 1]]
    cameras: dict[str, Callable[[int], None]] = {"bare network": bare}
    for count in CAMERAS:

        def several(number: int, count: int = count) -> None:
            middle.decide([frames[(number + camera) % len(frames)] for camera in range(count)])

        cameras[f"decide, {bank.entries:,} entries, {count} camera{'s' if count > 1 else ''}"] = several
    return Measured(
        machine=describe_machine(),
        network=f"{backbone.engine} {backbone.precision}",
        banks=tuple(bank for _, bank in learned.values()),
        growth=interleave(growth, rounds, dict.fromkeys(growth, "bare network")),
        cameras=interleave(cameras, rounds, dict.fromkeys(cameras, "bare network")),
    )


def _describe(found: Measured) -> Iterator[str]:
    """Yield the page's paragraphs."""
    yield "# What a decision costs as the memory bank grows"
    yield (
        f"Made by `python -m softcore_benchmarks.scaling` on: {found.machine}. ResNet-18 to layer3, "
        f"{found.network}; good parts of pill, whole decoded frames, all banks in turn. *x bare* is the "
        "ratio of the medians to the network alone on one crop."
    )
    yield "![Milliseconds over the bank's size](results/scaling.png)"
    banks = pd.DataFrame([asdict(bank) for bank in found.banks])
    banks.columns = ["entries", "hints a position", "patches left open by them", "threshold"]
    yield str(banks.to_markdown(index=False, floatfmt=(",.0f", ".0f", ".2f", ".3f")))
    for times in (found.growth, found.cameras):
        rows = [
            {"": name, "ms": f"{row.median:.1f}", "p95": f"{row.p95:.1f}", "x bare": f"{row.ratio:.2f}"}
            for name, row in times.items()
        ]
        yield str(pd.DataFrame(rows).to_markdown(index=False, disable_numparse=True))
    first, last = found.banks[0].entries, found.banks[-1].entries
    for method in ("decide", "inspect"):
        small, large = (found.growth[f"{method}, {entries:,} entries"].median for entries in (first, last))
        yield f"From {first:,} to {last:,} entries `{method}` takes {large / small:.2f} times as long."


def _plot(found: Measured, path: Path) -> None:
    """Draw milliseconds a frame over the bank's size."""
    figure, axis = plt.subplots(figsize=(6, 4), layout="constrained")
    entries = [bank.entries for bank in found.banks]
    for method in ("decide", "inspect"):
        medians = [found.growth[f"{method}, {count:,} entries"].median for count in entries]
        axis.plot(entries, medians, marker="o", label=f"{method}, good parts")
    axis.axhline(found.growth["bare network"].median, color="grey", linestyle="--", label="bare network")
    axis.set_xscale("log")
    axis.set_ylim(0)
    axis.set_xlabel("entries of the memory bank")
    axis.set_ylabel("milliseconds a frame, median")
    axis.legend()
    figure.savefig(path, dpi=110)
    plt.close(figure)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return the exit code."""
    parser = make_data_parser("scaling", __doc__)
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES))
    return run(parser, _run, arguments)


def _run(options: argparse.Namespace) -> int:
    check_weights(options.weights)
    calm_threads()
    found = measure(Category.find(options.data / "pill"), options.weights, options.sizes, options.rounds)
    write_json(options.out, "scaling", asdict(found))
    _plot(found, options.out / "results" / "scaling.png")
    print(write_page(options.out, "SCALING.md", _describe(found)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
