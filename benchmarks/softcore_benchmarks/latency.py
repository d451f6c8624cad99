"""Latency: from a whole frame to its decision, beside the bare network, and beside anomalib's PatchCore.

    python -m softcore_benchmarks.latency --data DATASETS --weights resnet18.pth --out DIR

`DATASETS` holds `pill` and `magnetic_tile` in MVTec AD's layout. Every network and precision gets a bundle of
its own; all are timed in turn in one process, anomalib's forms in theirs (`make anomalib`; left out where it
is missing), on the same pictures with the same weights, layers, crop and coreset ratio. The ratios are to the
same engine's bare network on the same crop. Writes `latency.json`, `latency.md` and `latency.png`.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from softcore_export.dataset import TrainingPictures
from softcore_export.export import export
from softcore_export.settings import ExportSettings
from softcore_runtime import Inspector, read_picture
from softcore_runtime.bundle import INDEX
from softcore_runtime.hnsw import HnswIndex

from softcore_benchmarks.anomalib_patchcore import (
    FORMS,
    AnomalibPatchcore,
    Form,
    PatchcoreSettings,
    image_auroc,
)
from softcore_benchmarks.anomalib_process import PYTHON
from softcore_benchmarks.category import Category
from softcore_benchmarks.interleaving import Times, calm_threads, interleave

mpl.use("Agg")
from matplotlib import pyplot as plt

NETWORKS = (  # engine and precision
    ("openvino", "bf16"),
    ("openvino", "fp32"),
    ("openvino", "int8"),
    ("onnxruntime", "fp32"),
    ("onnxruntime", "int8"),
)
PLANS: tuple[tuple[str, int | None], ...] = (("pill", None), ("magnetic_tile", 100))
_RATIO = 0.1


@dataclass(frozen=True, eq=False)
class Frames:
    """Decoded test pictures, uint8 BGR, and where they lie; the good and the bad of one product."""

    good: list[NDArray[np.uint8]]
    bad: list[NDArray[np.uint8]]
    good_paths: list[Path]
    bad_paths: list[Path]

    @classmethod
    def read(cls, category: Category, count: int) -> Frames:
        """Read `count` of each, spread over all."""
        good, bad = (
            [path for path, is_bad in zip(category.test, category.bad, strict=True) if is_bad == wanted]
            for wanted in (False, True)
        )
        good, bad = (paths[:: max(1, len(paths) // count)][:count] for paths in (good, bad))
        return cls([read_picture(p) for p in good], [read_picture(p) for p in bad], good, bad)


class Rival:
    """The same network and bank, searched as others do: all patches by the index alone, or by numpy."""

    def __init__(self, inspector: Inspector) -> None:
        self._preprocessing = inspector.manifest.preprocessing
        self._backbone = inspector.backbone
        self._bank = np.asarray(inspector.bundle.bank)
        self._weights = inspector.bundle.weights
        self._halves = np.einsum("nd,nd->n", self._bank, self._bank) / 2
        bank, index = inspector.manifest.bank, inspector.manifest.index
        self._index = HnswIndex.load(inspector.bundle.path / INDEX, bank.n, bank.dim, index.ef_search)

    def bare(self, frame: NDArray[np.uint8]) -> Callable[[], object]:
        """Prepare to run the network alone."""
        crop = self._preprocessing.apply(frame)[None]
        return lambda: self._backbone.features(crop)

    def hnsw(self, frame: NDArray[np.uint8]) -> float:
        """Score by what the index answers, right or wrong."""
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
    category: Category, weights: Path, rounds: int, networks: list[tuple[str, str]], beside: bool
) -> dict[str, object]:
    """Export a category for every network, and time all of them in turn, `beside` anomalib's forms."""
    frames = Frames.read(category, 20)
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        accuracy: dict[str, object] = {}
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
                }
            )
            export(TrainingPictures(category.folder, list(category.train)), target, settings)
            inspectors[name] = inspector = Inspector.load(target)
            scores = np.array([inspector.inspect(read_picture(path)).score for path in category.test])
            accuracy[name] = round(image_auroc(category.bad, scores), 4)
        anomalib = None
        if beside:
            anomalib = stack.enter_context(AnomalibPatchcore())
            accuracy |= _fit_anomalib(anomalib, category, weights)
        times = {
            kind: _time(inspectors, anomalib, pictures, paths, rounds)
            for kind, pictures, paths in (
                ("good", frames.good, frames.good_paths),
                ("bad", frames.bad, frames.bad_paths),
            )
        }
        first = next(iter(inspectors))
        edge = _watch_edge(Path(folder) / first.replace(" ", "-"), frames.good_paths[0])
        return {
            "pictures": len(category.train),
            "bank": inspectors[first].manifest.bank.n,
            "hints": {name: one.manifest.hints.count for name, one in inspectors.items()},
            "auroc": accuracy,
            "milliseconds": {
                kind: {name: asdict(found) for name, found in rows.items()} for kind, rows in times.items()
            },
            "stages": _count_stages(inspectors[first], frames),
            "edge": {"network": first, **edge},
        }


def _fit_anomalib(anomalib: AnomalibPatchcore, category: Category, weights: Path) -> dict[str, object]:
    preprocessing = ExportSettings().preprocessing
    crops = np.stack([preprocessing.apply(read_picture(path)) for path in category.train])
    anomalib.fit(crops, PatchcoreSettings(weights, coreset_ratio=_RATIO))
    return {
        f"anomalib {form}": round(image_auroc(category.bad, anomalib.scores(form, category.test)), 4)
        for form in FORMS
    }


def _time(
    inspectors: dict[str, Inspector],
    anomalib: AnomalibPatchcore | None,
    pictures: list[NDArray[np.uint8]],
    paths: list[Path],
    rounds: int,
) -> dict[str, Times]:
    subjects: dict[str, Callable[[int], float | None]] = {}
    references: dict[str, str] = {}

    def add(name: str, reference: str, run: Callable[[NDArray[np.uint8]], object]) -> None:
        def once(number: int) -> None:
            run(pictures[number % len(pictures)])

        subjects[name], references[name] = once, reference

    for network, inspector in inspectors.items():
        rival = Rival(inspector)
        bare = f"{network}: bare network"
        runs = [rival.bare(picture) for picture in pictures]

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
    """Say how many patches a frame each stage settled, in the mean."""
    counted: dict[str, dict[str, float]] = {}
    for kind, pictures in (("good", frames.good), ("bad", frames.bad)):
        for method in (inspector.decide, inspector.inspect):
            rulings = [method(picture) for picture in pictures]
            counted[f"{kind}, {method.__name__}"] = {
                "certified_by_hint": float(np.mean([one.certified_by_hint for one in rulings])),
                "by_hnsw": float(np.mean([one.by_hnsw for one in rulings])),
                "exact": float(np.mean([one.exact for one in rulings])),
            }
    return counted


def _watch_edge(bundle: Path, picture: Path) -> dict[str, float]:
    """Start `softcore-edge` five times: seconds to its first decision, median, and its peak memory in MB."""
    code = "import sys; from softcore_edge_app.command import main; sys.exit(main())"
    command = [sys.executable, "-c", code, str(bundle), "--source", str(picture), "--json"]
    seconds = []
    for _ in range(5):
        start = time.perf_counter()
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
            assert process.stdout is not None  # noqa: S101
            process.stdout.readline()
            seconds.append(time.perf_counter() - start)
    watch = (
        "import resource, subprocess, sys\n"
        "subprocess.run(sys.argv[1:], check=True, stdout=2, stderr=subprocess.DEVNULL)\n"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    # A small process between: one that starts another lends it its own peak (Linux keeps it over an exec).
    small = [sys.executable, "-c", watch, *command]
    peak = subprocess.run(small, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    return {
        "first_decision_seconds": round(float(np.median(seconds)), 3),
        "peak_mb": round(int(peak.stdout) / 1024, 1),
    }


def _table(found: dict[str, dict[str, object]]) -> pd.DataFrame:
    rows: list[dict[str, object]] = []
    for category, results in found.items():
        for kind, times in results["milliseconds"].items():  # type: ignore[attr-defined]
            rows += [
                {"category": category, "parts": kind, "system": name, **row} for name, row in times.items()
            ]
    table: pd.DataFrame = pd.DataFrame.from_records(rows)
    return table


def _draw(table: pd.DataFrame, path: Path) -> None:
    """Draw one panel a category: milliseconds of good parts, the bare network's share darker."""
    table = table.query("parts == 'good'")
    categories = list(dict.fromkeys(table["category"]))
    figure, axes = plt.subplots(1, len(categories), figsize=(6.5 * len(categories), 8), squeeze=False)
    for axis, category in zip(axes[0], categories, strict=True):
        rows = table[(table["category"] == category) & ~table["system"].str.endswith("bare network")]
        rows = rows.iloc[::-1]
        axis.barh(rows["system"], rows["median"], color="#9bb7d4", label="whole frame")
        axis.barh(rows["system"], rows["median"] / rows["ratio"], color="#33658a", label="its bare network")
        for y, (median, ratio) in enumerate(zip(rows["median"], rows["ratio"], strict=True)):
            axis.text(median, y, f" {median:.1f} ms, {ratio:.2f} x", va="center", fontsize=8)
        axis.set_title(f"{category}, good parts")
        axis.set_xlabel("milliseconds a frame, median")
        axis.set_xlim(0, 1.3 * rows["median"].max())
        axis.legend(loc="lower right")
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    plt.close(figure)


def main() -> None:
    """Measure, and write what came out."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--weights", type=Path, required=True, help="of ResNet-18")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--categories", nargs="+", default=[name for name, _ in PLANS])
    names = [" ".join(network) for network in NETWORKS]
    parser.add_argument("--networks", nargs="+", default=names, help=f"some of: {', '.join(names)}")
    parser.add_argument("--alone", action="store_true", help="leave anomalib's forms out")
    options = parser.parse_args()
    calm_threads()
    options.out.mkdir(parents=True, exist_ok=True)
    limits = dict(PLANS)
    networks = [network for network in NETWORKS if " ".join(network) in options.networks]
    found: dict[str, dict[str, object]] = {}
    for name in options.categories:
        category = Category.find(options.data / name, limits.get(name))
        found[name] = measure(
            category, options.weights, options.rounds, networks, PYTHON.is_file() and not options.alone
        )
        (options.out / "latency.json").write_text(json.dumps(found, indent=2) + "\n")
    table = _table(found)
    (options.out / "latency.md").write_text(table.to_markdown(index=False) + "\n")
    _draw(table, options.out / "latency.png")
    print(table.to_markdown(index=False))


if __name__ == "__main__":
    main()
