"""Latency: from a whole frame to its decision, beside the bare network, and beside anomalib's PatchCore.

    python -m softcore_benchmarks.latency --data DATASETS --weights resnet18.pth --out benchmarks

`DATASETS` holds `pill` and `magnetic_tile` in MVTec AD's layout. Every network and precision has its own
bundle; all are timed in turn in one process, anomalib's forms in another (`make anomalib`; left out if it is
missing), on the same images with the same weights, layers, crop and coreset ratio. The ratios are to the same
engine's bare network on the same crop. BF16 is left out if the CPU lacks it, and a
precision that fails the export's comparison with FP32. At 448 pixels the first
network alone is timed.

Writes LATENCY.md, results/latency.json and results/latency.png into --out.
"""

from __future__ import annotations

import argparse
import contextlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from softcore_export.data.dataset import TrainingImages
from softcore_export.export import export
from softcore_export.settings import ExportSettings
from softcore_runtime import Inspector, read_image
from softcore_runtime.backends.openvino import computes_in_bf16
from softcore_runtime.bundle.bundle import INDEX
from softcore_runtime.cli.command_line import run
from softcore_runtime.cli.progress import print_message
from softcore_runtime.errors import ExportError
from softcore_runtime.search.hnsw import HnswIndex
from softcore_runtime.separation import auroc

from softcore_benchmarks.baselines.anomalib_patchcore import (
    FORMS,
    AnomalibPatchcore,
    Form,
    PatchcoreSettings,
)
from softcore_benchmarks.baselines.anomalib_process import PYTHON
from softcore_benchmarks.data.category import Category
from softcore_benchmarks.latency_report import Measured, write_report
from softcore_benchmarks.measuring.commands import check_weights, make_data_parser
from softcore_benchmarks.measuring.interleaving import Times, calm_threads, interleave
from softcore_benchmarks.measuring.machine import describe_machine
from softcore_benchmarks.measuring.peak_memory import measure_peak

NETWORKS = (  # engine and precision
    ("openvino", "bf16"),
    ("openvino", "fp32"),
    ("openvino", "int8"),
    ("onnxruntime", "fp32"),
    ("onnxruntime", "int8"),
)
PLANS: dict[str, int | None] = {"pill": None, "magnetic_tile": 100}  # categories and most training images
CROPS = (224, 448)  # sides of a crop, in pixels
_LARGE_CROP_IMAGES = 40  # most training images at a larger crop than the first, for their export takes long
_RATIO = 0.1


@dataclass(frozen=True, eq=False)
class Frames:
    """Good and bad test images of one product, decoded to uint8 BGR, and their paths."""

    good: list[NDArray[np.uint8]]
    bad: list[NDArray[np.uint8]]
    good_paths: list[Path]
    bad_paths: list[Path]

    @classmethod
    def read(cls, category: Category, count: int) -> Frames:
        """Read `count` images of each kind, spread over all."""
        good, bad = (
            [path for path, is_bad in zip(category.test, category.bad, strict=True) if is_bad == wanted]
            for wanted in (False, True)
        )
        good, bad = (paths[:: max(1, len(paths) // count)][:count] for paths in (good, bad))
        return cls([read_image(p) for p in good], [read_image(p) for p in bad], good, bad)


class Rival:
    """The same network and memory bank with another search: all patches by the index alone, or by numpy."""

    def __init__(self, inspector: Inspector) -> None:
        self._preprocessing = inspector.manifest.preprocessing
        self._backbone = inspector.backbone
        self._bank = np.asarray(inspector.bundle.bank)
        self._weights = inspector.bundle.weights
        self._halves = np.einsum("nd,nd->n", self._bank, self._bank) / 2
        bank, index = inspector.manifest.bank, inspector.manifest.index
        self._index = HnswIndex.load(
            inspector.bundle.path / INDEX, bank.n, bank.dim, index.m, index.ef_search
        )

    def bare(self, frame: NDArray[np.uint8]) -> Callable[[], object]:
        """Return a function that runs the network alone."""
        crop = self._preprocessing.apply(frame)[None]
        return lambda: self._backbone.features(crop)

    def hnsw(self, frame: NDArray[np.uint8]) -> float:
        """Score by the entries that the index finds, right or wrong."""
        patches = self._backbone.features(self._preprocessing.apply(frame)[None])[0]
        return self._highest(patches, self._index.nearest(patches))

    def exhaustive(self, frame: NDArray[np.uint8]) -> float:
        """Score by one matrix product over the whole bank."""
        patches = self._backbone.features(self._preprocessing.apply(frame)[None])[0]
        return self._highest(patches, np.argmin(self._halves - patches @ self._bank.T, axis=1))

    def _highest(self, patches: NDArray[np.float32], entries: NDArray[np.int64]) -> float:
        apart = np.linalg.norm(patches - self._bank[entries], axis=1)
        return float((self._weights[entries] * apart).max())


def measure(
    category: Category, weights: Path, rounds: int, networks: list[tuple[str, str]], beside: bool, crop: int
) -> Measured:
    """Export a category for every network and time all of them in turn.

    Args:
        category: the category.
        weights: of ResNet-18.
        rounds: number of rounds.
        networks: engines and precisions.
        beside: whether anomalib's forms are timed, too.
        crop: side of the crop, in pixels.
    """
    frames = Frames.read(category, 20)
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        accuracy: dict[str, float] = {}
        inspectors: dict[str, Inspector] = {}
        for engine, precision in networks:
            name = f"{engine} {precision}"
            target = Path(folder) / name.replace(" ", "-")
            settings = ExportSettings.model_validate(
                {
                    "backbone": "resnet18",
                    "weights": weights,
                    "engine": engine,
                    "precision": precision,
                    "coreset_ratio": _RATIO,
                    "discriminator": "none",  # PatchCore, as anomalib's
                    "max_loss": 1,
                    "preprocessing": {"resize": crop, "crop": crop},
                }
            )
            try:
                export(TrainingImages(category.folder, list(category.train)), target, settings)
            except ExportError as error:  # a precision that decides too differently doesn't ship
                print_message(f"{name} is left out: {error}")
                continue
            inspectors[name] = inspector = Inspector.load(target)
            scores = np.array([inspector.inspect(read_image(path)).score for path in category.test])
            accuracy[name] = round(auroc(scores[~category.bad], scores[category.bad]), 4)
        anomalib = None
        if beside:
            anomalib = stack.enter_context(AnomalibPatchcore())
            accuracy |= _fit_anomalib(anomalib, category, weights)
        times = {
            kind: _time(inspectors, anomalib, images, paths, rounds)
            for kind, images, paths in (
                ("good", frames.good, frames.good_paths),
                ("bad", frames.bad, frames.bad_paths),
            )
        }
        first = next(iter(inspectors))
        seconds, peak = _watch_edge(Path(folder) / first.replace(" ", "-"), frames.good_paths[0])
        return Measured(
            machine=describe_machine(),
            images=len(category.train),
            entries=inspectors[first].manifest.bank.n,
            hints={name: one.manifest.hints.count for name, one in inspectors.items()},
            auroc=accuracy,
            milliseconds=times,
            stages=_count_stages(inspectors[first], frames),
            first_decision_seconds=seconds,
            peak_mb=peak,
        )


def _fit_anomalib(anomalib: AnomalibPatchcore, category: Category, weights: Path) -> dict[str, float]:
    preprocessing = ExportSettings().preprocessing
    crops = np.stack([preprocessing.apply(read_image(path)) for path in category.train])
    anomalib.fit(crops, PatchcoreSettings(weights, preprocessing=preprocessing, coreset_ratio=_RATIO))
    scores = {f"anomalib {form}": anomalib.scores(form, category.test) for form in FORMS}
    bad = category.bad
    return {form: round(auroc(found[~bad], found[bad]), 4) for form, found in scores.items()}


def _time(
    inspectors: dict[str, Inspector],
    anomalib: AnomalibPatchcore | None,
    images: list[NDArray[np.uint8]],
    paths: list[Path],
    rounds: int,
) -> dict[str, Times]:
    subjects: dict[str, Callable[[int], float | None]] = {}
    references: dict[str, str] = {}

    def add(name: str, reference: str, run: Callable[[NDArray[np.uint8]], object]) -> None:
        def once(number: int) -> None:
            run(images[number % len(images)])

        subjects[name], references[name] = once, reference

    for network, inspector in inspectors.items():
        rival = Rival(inspector)
        bare = f"{network}: bare network"
        runs = [rival.bare(image) for image in images]

        def alone(number: int, runs: list[Callable[[], object]] = runs) -> None:
            runs[number % len(runs)]()

        subjects[bare] = alone
        add(f"{network}: decide", bare, inspector.decide)
        add(f"{network}: inspect", bare, inspector.inspect)
        add(f"{network}: HNSW only", bare, rival.hnsw)
        add(f"{network}: exhaustive numpy", bare, rival.exhaustive)
    for form in FORMS if anomalib else ():

        def theirs(number: int, form: Form = form) -> float:
            assert anomalib is not None  # noqa: S101 - mypy forgets it in a closure
            return anomalib.time(form, paths[number % len(paths)]).milliseconds

        def their_bare(number: int, form: Form = form) -> float:
            assert anomalib is not None  # noqa: S101
            return anomalib.bare(form, paths[number % len(paths)])

        subjects[f"anomalib {form}: bare network"] = their_bare
        subjects[f"anomalib {form}"] = theirs
        references[f"anomalib {form}"] = f"anomalib {form}: bare network"
    return interleave(subjects, rounds, references)


def _count_stages(inspector: Inspector, frames: Frames) -> dict[str, dict[str, float]]:
    """Return the mean number of patches of a frame that each stage settled."""
    counted: dict[str, dict[str, float]] = {}
    for kind, images in (("good", frames.good), ("bad", frames.bad)):
        for method in (inspector.decide, inspector.inspect):
            results = [method(image) for image in images]
            counted[f"{kind}, {method.__name__}"] = {
                stage: float(np.mean([getattr(one, stage) for one in results]))
                for stage in ("certified_by_hint", "by_hnsw", "exact")
            }
    return counted


def _watch_edge(bundle: Path, image: Path) -> tuple[float, float]:
    """Start `softcore-edge` five times; return the median seconds to a first decision, and its peak MB."""
    code = "import sys; from softcore_edge_app.cli.command import main; sys.exit(main())"
    command = [sys.executable, "-c", code, str(bundle), "--source", str(image), "--json"]
    seconds = []
    for _ in range(5):
        start = time.perf_counter()
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
            assert process.stdout is not None  # noqa: S101
            process.stdout.readline()
            seconds.append(time.perf_counter() - start)
    return float(np.median(seconds)), measure_peak(command) / 1e6


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return the exit code."""
    parser = make_data_parser("latency", __doc__)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--categories", nargs="+", choices=list(PLANS), default=list(PLANS))
    parser.add_argument("--crops", type=int, nargs="+", choices=CROPS, default=list(CROPS))
    names = [" ".join(network) for network in NETWORKS]
    parser.add_argument("--networks", nargs="+", choices=names, default=names)
    parser.add_argument("--alone", action="store_true", help="leave anomalib's forms out")
    return run(parser, _run, arguments)


def _run(options: argparse.Namespace) -> int:
    check_weights(options.weights)
    calm_threads()
    networks = [
        (engine, precision)
        for engine, precision in NETWORKS
        if f"{engine} {precision}" in options.networks and (precision != "bf16" or computes_in_bf16())
    ]
    beside = PYTHON.is_file() and not options.alone
    found: dict[str, Measured] = {}
    for crop in options.crops:
        usual = crop == CROPS[0]
        for name in options.categories:
            category = Category.find(options.data / name, PLANS[name] if usual else _LARGE_CROP_IMAGES)
            found[name if usual else f"{name} at {crop} pixels"] = measure(
                category,
                options.weights,
                options.rounds,
                networks if usual else networks[:1],
                beside and usual,
                crop,
            )
            path = write_report(found, options.out)  # after each category, in case of an interruption
    print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
