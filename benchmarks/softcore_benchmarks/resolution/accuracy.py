"""Accuracy beside milliseconds at several input sizes, and what `--resolution auto` chooses.

    python -m softcore_benchmarks.resolution --data DATASETS --weights resnet18.pth --out benchmarks

For each category in MVTec AD's layout a memory bank (PatchCore's: the default's without floors, which hardly
change scores on clean images) is drawn at 160, 224, 320 and 448 pixels with the whole frame in view, and as
PatchCore's authors do (224 of 256 pixels): in BF16, where the CPU computes it, in FP32 and in INT8. Coarser
grids and other sizes of the memory bank are measured in the first of these. Then the choice is made, on clean
images and on images 10 % of which are defective, and its constants are chosen once for each category, without
it. anomalib's PatchCore (`make anomalib`; left out if it is missing) is trained on the same images. The
default method is trained with these defects at 224 and at 448 pixels (*overlap*: they stay in
the test).

What was measured is kept in --work, and isn't measured again: an interrupted run goes on, and --report writes
what there is. --times measures the milliseconds anew, for which the machine should have nothing else to do.
RESOLUTION.md, results/resolution.csv and results/resolution.png are written into --out.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from softcore_export.backbone.backbone import coarsen_grid, load_backbone
from softcore_export.backbone.onnx_file import write_onnx
from softcore_export.backbone.quantisation import quantise
from softcore_export.memory_bank.coreset import draw_axes
from softcore_export.memory_bank.leave_one_out import score_others
from softcore_export.resolution.measurement import Opened, measure_resolutions
from softcore_export.resolution.separation import Subject, measure_farthest
from softcore_export.settings import ExportSettings
from softcore_export.train import fit
from softcore_runtime.backends.backbones import open_backbone
from softcore_runtime.backends.engine import Precision
from softcore_runtime.backends.openvino import computes_in_bf16
from softcore_runtime.cli.command_line import Parser, run
from softcore_runtime.cli.progress import hide_bars, track
from softcore_runtime.images.image_file import read_image
from softcore_runtime.images.preprocessing import Preprocessing
from softcore_runtime.separation import auroc

from softcore_benchmarks.baselines.anomalib_process import PYTHON
from softcore_benchmarks.data.category import Category, find_categories
from softcore_benchmarks.measuring.commands import check_weights, make_data_parser
from softcore_benchmarks.measuring.interleaving import calm_threads, interleave
from softcore_benchmarks.measuring.machine import describe_machine
from softcore_benchmarks.protocol.noise import draw_noise
from softcore_benchmarks.resolution.report import SIZES, Setup, write_report
from softcore_benchmarks.resolution.rival import RIVAL_SIZES, measure_anomalib

__all__ = ["main"]

NOISE = 0.1
_ROUNDS = 40
_SEEDS = 3  # of the coreset, over which the AUROC is averaged: alone it varies by 0.01
_NOISY = (224, 448)  # pixels, at which defects are among the training images
_RATIO = 0.02  # of the coreset at 224 pixels
_FEATURES = 384  # of ResNet-18, which are projected to 128
_EXTRAS = 4  # setups that vary the grid or the memory bank
_SAMPLE = 24  # images that the ranges of INT8 are measured on


def list_precisions() -> list[Precision]:
    """List the precisions, first the one that `--precision auto` takes here."""
    return ["bf16", "fp32", "int8"] if computes_in_bf16() else ["fp32", "int8"]


def list_setups(precisions: Sequence[Precision]) -> list[Setup]:
    """List what is trained; the first ones matter most."""
    usual = [Setup(side, side, precision) for precision in precisions for side in SIZES]
    first = precisions[0]
    others = [
        Setup(256, 224, first),
        Setup(256, 256, first),
        Setup(448, 448, first, grid=28),
        Setup(224, 224, first, grid=14),
        Setup(448, 448, first, bank=2.0),
        Setup(448, 448, first, bank=4.0),
    ]
    return [*usual[: len(SIZES)], *others, *usual[len(SIZES) :]]


@dataclass(frozen=True, eq=False)
class Bench:
    """A category, and how to train on it.

    Attributes:
        category: the category.
        weights: of ResNet-18.
        place: a folder for networks and features.
        device: that draws the memory bank and searches it.
    """

    category: Category
    weights: Path
    place: Path
    device: torch.device

    def open(self, setup: Setup) -> Subject:
        """Write the network of a setup, unless it is there, and open it."""
        preprocessing = Preprocessing(resize=setup.resize, crop=setup.crop)
        side = setup.crop // 8
        folder = self.place / "networks"
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{setup.crop}-{setup.grid or side}.onnx"
        if not path.exists():
            network = load_backbone("resnet18", self.weights, crop=setup.crop).network
            write_onnx(coarsen_grid(network, side, setup.grid) if setup.grid else network, setup.crop, path)
        if setup.precision == "int8":
            quantised = folder / f"{setup.key}-{self.category.name}.onnx"
            if not quantised.exists():
                rows = np.linspace(0, len(self.category.train) - 1, _SAMPLE).round().astype(int)
                crops = [preprocessing.apply(read_image(self.category.train[row])) for row in rows]
                quantise(path, crops, quantised)
            path = quantised
        return Subject(open_backbone(path, "openvino", setup.precision, provider="cpu"), preprocessing)

    def compute(self, setup: Setup) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Compute the features of the training and of the test images, or load them: `[N, P, 128]` each."""
        whole = replace(setup, grid=None, bank=None)
        path = self.place / "features" / f"{self.category.name}-{len(self.category.train)}-{whole.key}.npy"
        if not path.exists():
            subject, axes = self.open(whole), draw_axes(_FEATURES, np.random.default_rng(0))
            paths = [*self.category.train, *self.category.test]
            features = np.stack([subject.see(read_image(each)) @ axes for each in paths])
            path.parent.mkdir(parents=True, exist_ok=True)
            np.save(path, features)
        features = np.load(path, mmap_mode="r")
        if setup.grid:
            pool = coarsen_grid(torch.nn.Identity(), math.isqrt(features.shape[1]), setup.grid)
            features = pool(torch.from_numpy(np.array(features))).numpy()
        n = len(self.category.train)
        return features[:n], features[n:]

    def measure(self, setup: Setup) -> dict[str, float]:
        """Measure the image AUROC of a setup on clean images, without floors."""
        train, test = self.compute(setup)
        positions = train.shape[1]
        settings = ExportSettings(discriminator="none", coreset_ratio=_find_ratio(setup, positions))
        return self._fit(train, test, settings)

    def measure_noise(self, setup: Setup) -> dict[str, float]:
        """Measure the image AUROC of the default method with defects among the training images."""
        train, test = self.compute(setup)
        images = np.concatenate([train, test[self._draw(NOISE)]])
        return self._fit(images, test, ExportSettings(coreset_ratio=_find_ratio(setup, train.shape[1])))

    def _fit(
        self, train: NDArray[np.float32], test: NDArray[np.float32], settings: ExportSettings
    ) -> dict[str, float]:
        """Train with several seeds of the coreset; return the mean image AUROC and its standard deviation."""
        side, bad = math.isqrt(train.shape[1]), self.category.bad
        found = []
        for seed in range(_SEEDS):
            learned = fit(train, (side, side), settings.model_copy(update={"seed": seed}), self.device)
            if settings.has_floors:
                scores = score_others(test, learned.bank, learned.weights, self.device, learned.floors)
            else:
                entries = torch.from_numpy(learned.bank).to(self.device)
                halves = entries.square().sum(dim=1) / 2
                scores = np.array([measure_farthest(patches, entries, halves) for patches in test])
            found.append(auroc(scores[~bad], scores[bad]))
        return {"auroc": float(np.mean(found)), "spread": float(np.std(found)), "entries": len(learned.bank)}

    def choose(self, noise: float) -> list[dict[str, Any]]:
        """Measure what the choice is made from, in the precision that `auto` takes; a row for each size."""
        precision = list_precisions()[0]

        def open_at(side: int) -> Opened[None]:
            return Opened(None, self.open(Setup(side, side, precision)))

        paths = [*self.category.train, *(self.category.test[row] for row in self._draw(noise))]
        choice = measure_resolutions(open_at, paths, (), math.inf, 0)[1]
        return [
            {"side": trial.side, "separation": trial.separation, "note": trial.note}
            for trial in choice.trials
        ]

    def _draw(self, noise: float) -> NDArray[np.int64]:
        if not noise:
            return np.empty(0, np.int64)
        return draw_noise(self.category.test, self.category.defects, len(self.category.train), noise)


def _find_ratio(setup: Setup, positions: int) -> float:
    """Return the coreset's share of patches: as by default, or by a multiple of the entries at 224."""
    usual = ExportSettings()
    if setup.bank is None:
        return _RATIO * usual.find_ratio(positions) / usual.find_ratio()
    return min(1.0, _RATIO * setup.bank * 28**2 / positions)


class Kept:
    """Results on disk, by the name of what was measured.

    Args:
        path: a file of JSON, one result a line; made where it isn't there.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.results: dict[str, Any] = {}
        if path.exists():
            for line in path.read_text().splitlines():
                name, result = json.loads(line)
                self.results[name] = result

    def find(self, name: str, measure: Callable[[], Any], anew: bool = False) -> Any:
        """Return the result of this name; measure it if there is none."""
        if anew or name not in self.results:
            self.results[name] = measure()
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("a") as stream:
                stream.write(json.dumps([name, self.results[name]]) + "\n")
        return self.results[name]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and write the report; return the exit code."""
    return run(_parser(), _work, arguments)


def _parser() -> Parser:
    parser = make_data_parser("resolution", __doc__)
    add = parser.add_argument
    add("--categories", nargs="+", metavar="NAME", help="default: all of --data")
    add("--work", type=Path, help="networks and results, which are taken up again (default: OUT/work)")
    add("--max-images", type=int, default=100, help="training images of a category (default: %(default)s)")
    add("--device", default="cpu", help="that draws and searches memory banks (default: %(default)s)")
    add("--report", action="store_true", help="measure nothing, and write the report")
    add("--times", action="store_true", help="measure only the milliseconds, anew")
    return parser


def _work(options: argparse.Namespace) -> None:
    calm_threads()
    check_weights(options.weights)
    work, device = options.work or options.out / "work", torch.device(options.device)
    kept = Kept(work / "resolution" / f"results-{options.max_images}.jsonl")
    setups = list_setups(list_precisions())
    benches = [
        Bench(Category.find(folder).thin(options.max_images), options.weights, work / "resolution", device)
        for folder in find_categories(options.data, options.categories)
    ]
    if not (options.times or options.report):
        for name, measure in track(_list_work(benches, setups), "measurements"):
            with hide_bars():
                kept.find(name, measure)
    for bench in benches:
        kept.find(f"{bench.category.name} images", partial(len, bench.category.train))
    times = kept.find("times", partial(_time, benches[0], setups), anew=options.times)
    print(write_report(options.out, [bench.category.name for bench in benches], setups, kept.results, times))


def _list_work(benches: Sequence[Bench], setups: Sequence[Setup]) -> list[tuple[str, Callable[[], Any]]]:
    """List what is measured, by name; what matters most comes first."""

    def measure(some: Sequence[Setup]) -> list[tuple[str, Callable[[], Any]]]:
        return [(f"{b.category.name} {s.key}", partial(b.measure, s)) for b in benches for s in some]

    first = len(SIZES) + 2
    choices = [
        (f"{bench.category.name} choice {noise:g}", partial(bench.choose, noise))
        for noise in (0.0, NOISE)
        for bench in benches
    ]
    noisy = [
        (f"{bench.category.name} {setup.key} noise", partial(bench.measure_noise, setup))
        for bench in benches
        for setup in setups[: len(SIZES)]
        if setup.crop in _NOISY
    ]
    rivals = [
        (
            f"{bench.category.name} anomalib {side}",
            partial(measure_anomalib, bench.category, side, bench.weights, _RATIO),
        )
        for side in RIVAL_SIZES
        for bench in benches
        if PYTHON.is_file()
    ]
    return [
        *measure(setups[:first]),
        *choices,
        *measure(setups[first : first + _EXTRAS]),
        *noisy,
        *rivals,
        *measure(setups[first + _EXTRAS :]),
    ]


def _time(bench: Bench, setups: Sequence[Setup]) -> dict[str, Any]:
    """Time the networks in turn on one frame, from the frame to its features: milliseconds, by setup."""
    frame = read_image(bench.category.test[0])
    subjects = {}
    for setup in setups:
        if setup.bank is None:
            subjects[setup.key] = bench.open(setup)
    timed = interleave(
        {key: partial(_see, subject, frame) for key, subject in subjects.items()},
        _ROUNDS,
        dict.fromkeys(subjects, setups[1].key),
    )
    return {"machine": describe_machine(), **{key: asdict(each) for key, each in timed.items()}}


def _see(subject: Subject, frame: NDArray[np.uint8], _: int) -> None:
    subject.see(frame)
