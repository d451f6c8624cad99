"""Overhead: what a line's supervision costs beside bare decisions.

    python -m softcore_benchmarks.line.overhead --bundle bundles/pill --images good/ --out benchmarks

Frames in memory are decided on by `Inspector.decide` alone, and by a line with a ledger, metrics, drift and a
port: with and without its frame checks, and with five pages open, which are another process on the same
cores. All take turns in one process; the figure is the median ratio of their throughputs.
Writes results/line_overhead_NETWORK_PIXELS.json into --out.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from softcore_edge_app.cli.connections import Connections
from softcore_edge_app.configuration.options import CameraOptions, Configuration, HttpOptions
from softcore_edge_app.ledger.ledger import Ledger
from softcore_edge_app.pipeline.camera_pipeline import CameraPipeline
from softcore_edge_app.pipeline.inspection_station import InspectionStation
from softcore_edge_app.pipeline.ledger_writer import LedgerWriter
from softcore_edge_app.pipeline.recipes import Recipes
from softcore_edge_app.pipeline.shared_inspectors import SharedInspectors
from softcore_runtime import Inspector, read_image
from softcore_runtime.bundle.bundle import read_manifest
from softcore_runtime.cli.command_line import run
from softcore_runtime.cli.progress import track
from softcore_runtime.images.image_file import find_images

from softcore_benchmarks.line.pages import browse
from softcore_benchmarks.line.rig.memory_source import ImagesInMemory
from softcore_benchmarks.measuring.commands import make_parser
from softcore_benchmarks.measuring.machine import describe_machine
from softcore_benchmarks.measuring.results import print_results

__all__ = ["main", "measure_overhead"]

_ROUNDS = 15
_LINES = {  # number of open pages, and whether frame checks are left out
    "line": (0, False),
    "line without frame checks": (0, True),
    "line with five pages": (5, False),
}
_SECONDS = 2.0  # of a turn


@contextmanager
def _run_line(
    bundle: Path, images: list[NDArray[np.uint8]], folder: Path, pages: int, *, unchecked: bool
) -> Iterator[list[float]]:
    """Run a line as fast as it can; give the list of its decisions' times in seconds, which grows."""
    station = InspectionStation(LedgerWriter(Ledger.open(folder / f"{time.monotonic_ns()}.ledger")))
    recipes = Recipes({"bundle": bundle}, SharedInspectors(Inspector.load), unchecked=unchecked)
    options = CameraOptions(source="memory")
    line = CameraPipeline(
        "camera", 0, ImagesInMemory(images), recipes, options, "run", station.wake_publisher, fast=True
    )
    station.add_pipeline(line)
    published: list[float] = []
    station.add_listener(lambda _: published.append(time.perf_counter()))
    connections = Connections(station, Configuration(source="memory", http=HttpOptions(port=0)))
    connections.start()
    station.start()
    try:
        with browse(str(connections.url), pages) if pages else nullcontext():
            yield published
    finally:
        station.stop()
        connections.close()


def measure_overhead(
    bundle: Path, images: list[NDArray[np.uint8]], folder: Path
) -> dict[str, dict[str, float]]:
    """Measure bare and supervised decisions in turn.

    Returns:
        `per_second`, the median number of decisions, and `ratio`, the median ratio to bare ones, by subject.
    """
    inspector = Inspector.load(bundle)
    rates: dict[str, list[float]] = {"bare": []}
    for _ in track(range(_ROUNDS), "rounds"):
        rates["bare"].append(_time_bare(inspector, images))
        for name, (pages, unchecked) in _LINES.items():
            with _run_line(bundle, images, folder, pages, unchecked=unchecked) as published:
                rates.setdefault(name, []).append(_time_line(published))
    return {
        name: {
            "per_second": round(float(np.median(found)), 1),
            "ratio": round(float(np.median(np.array(found) / np.array(rates["bare"]))), 3),
        }
        for name, found in rates.items()
    }


def _time_bare(inspector: Inspector, images: list[NDArray[np.uint8]]) -> float:
    began, number = time.perf_counter(), 0
    while (spent := time.perf_counter() - began) < _SECONDS:
        inspector.decide(images[number % len(images)])
        number += 1
    return number / spent


def _time_line(published: list[float]) -> float:
    time.sleep(0.5)
    published.clear()
    time.sleep(_SECONDS)
    times = published[:]
    return (len(times) - 1) / (times[-1] - times[0])


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the measurement; return the exit code."""
    parser = make_parser("line.overhead", __doc__)
    parser.add_argument("--bundle", type=Path, required=True, help="a bundle")
    parser.add_argument("--images", type=Path, required=True, help="a folder of good images")
    parser.add_argument("--out", type=Path, help="where results/line_overhead_NETWORK_PIXELS.json goes")
    return run(parser, _work, arguments)


def _work(options: argparse.Namespace) -> int:
    images = [read_image(path) for path in find_images(options.images)[:32]]
    with tempfile.TemporaryDirectory() as folder:
        rates = measure_overhead(options.bundle, images, Path(folder))
    manifest = read_manifest(options.bundle)
    name = f"line_overhead_{manifest.backbone.name}_{manifest.preprocessing.crop}"
    print_results(name, {"machine": describe_machine(), **rates}, options.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
