"""Shadow: what a bundle on trial costs the line beside which it runs.

    python -m softcore_benchmarks.line.shadow --bundle bundles/pill --images good/ --out benchmarks

Two lines with a ledger, one with a shadow and one without, take turns in one process. As `recorded`, each
frame waits for the shadow: the figures are the ratios of the seconds a part, and of the seconds of the
processors, which other programs don't disturb. As `triggered`, parts come from
outside at an interval of so many bare inspections: the figures are the ratios of the times from trigger to
decision, and the share of parts that the shadow had time for. Without --shadow the bundle itself is on trial.
Writes results/line_shadow_NETWORK_PIXELS.json into --out.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from softcore_edge_app.configuration.options import CameraOptions
from softcore_edge_app.decisions.published_decision import PublishedDecision
from softcore_edge_app.ledger.ledger import Ledger
from softcore_edge_app.pipeline.camera_pipeline import CameraPipeline
from softcore_edge_app.pipeline.inspection_station import InspectionStation
from softcore_edge_app.pipeline.ledger_writer import LedgerWriter
from softcore_edge_app.pipeline.recipes import Recipes
from softcore_edge_app.pipeline.shared_inspectors import SharedInspectors
from softcore_edge_app.shadow.shadow_line import ShadowLine
from softcore_runtime import Decision, Inspector, read_image
from softcore_runtime.bundle.bundle import read_manifest
from softcore_runtime.cli.command_line import run
from softcore_runtime.cli.progress import track
from softcore_runtime.images.image_file import find_images

from softcore_benchmarks.line.rig.memory_source import ImagesInMemory
from softcore_benchmarks.measuring.commands import make_parser
from softcore_benchmarks.measuring.machine import describe_machine
from softcore_benchmarks.measuring.results import print_results

__all__ = ["main", "measure_shadow"]

_ROUNDS = 7
_SECONDS = 2.0  # of a turn
_SPACINGS = (1.5, 3.0)  # between two triggers, in bare inspections
_DEADLINE = 60.0  # seconds, so that a busy machine makes no part INVALID


@contextmanager
def _run_line(
    bundle: Path, shadow: Path | None, images: list[NDArray[np.uint8]], folder: Path, options: CameraOptions
) -> Iterator[tuple[InspectionStation, list[PublishedDecision]]]:
    """Run a line; give it and the list of its decisions, which grows."""
    station = InspectionStation(LedgerWriter(Ledger.open(folder / f"{time.monotonic_ns()}.ledger")))
    recipes = Recipes({"bundle": bundle}, SharedInspectors(Inspector.load))
    line = CameraPipeline(
        "camera", 0, ImagesInMemory(images), recipes, options, "run", station.wake_publisher
    )
    station.add_pipeline(line)
    published: list[PublishedDecision] = []
    station.add_listener(published.append)
    if shadow:
        station.shadow = asks = ShadowLine(station, {"camera": {"bundle": str(shadow)}}, Inspector.load)
        station.add_listener(asks.offer)
    station.start()
    try:
        yield station, published
    finally:
        station.stop()


def measure_shadow(
    bundle: Path, shadow: Path, images: list[NDArray[np.uint8]], folder: Path
) -> dict[str, dict[str, float]]:
    """Measure a line with a shadow and one without in turn.

    Args:
        bundle: decides.
        shadow: is on trial.
        images: of parts, uint8 BGR `[H, W, 3]`.
        folder: for the ledgers.

    Returns:
        of `recorded` the `ratio` of the seconds a part and `ratio_cpu` of those of the processors; of
        `triggered every N inspections` those of the times from trigger to decision, half of the parts and
        95 % of them, and the share that was `seen`. Ratios are medians over the rounds, of with a shadow to
        without.
    """
    bare = _time_bare(Inspector.load(bundle), images)
    recorded: list[tuple[float, float]] = []
    triggered: dict[float, list[tuple[float, float, float]]] = {spacing: [] for spacing in _SPACINGS}
    for _ in track(range(_ROUNDS), "rounds"):
        alone, both = (_time_recorded(bundle, one, images, folder) for one in (None, shadow))
        recorded.append((both[0] / alone[0], both[1] / alone[1]))
        for spacing, found in triggered.items():
            without, _ = _time_triggered(bundle, None, images, folder, spacing * bare)
            beside, seen = _time_triggered(bundle, shadow, images, folder, spacing * bare)
            half, most = (float(np.percentile(beside, p) / np.percentile(without, p)) for p in (50, 95))
            found.append((half, most, seen))
    wall, processors = np.median(np.array(recorded), axis=0)
    figures = {"recorded": {"ratio": round(float(wall), 3), "ratio_cpu": round(float(processors), 3)}}
    for spacing, found in triggered.items():
        half, most, seen = np.median(np.array(found), axis=0)
        figures[f"triggered every {spacing:g} inspections"] = {
            "ratio_p50": round(float(half), 3),
            "ratio_p95": round(float(most), 3),
            "seen": round(float(seen), 3),
        }
    return {"bare": {"milliseconds": round(1000 * bare, 2)}, **figures}


def _time_bare(inspector: Inspector, images: list[NDArray[np.uint8]]) -> float:
    """Return the median seconds of an inspection by itself."""
    times: list[float] = []
    until = time.perf_counter() + _SECONDS
    while len(times) < 3 or time.perf_counter() < until:
        began = time.perf_counter()
        inspector.inspect(images[len(times) % len(images)])
        times.append(time.perf_counter() - began)
    return float(np.median(times))


def _time_recorded(
    bundle: Path, shadow: Path | None, images: list[NDArray[np.uint8]], folder: Path
) -> tuple[float, float]:
    """Return the seconds a part of a line that is never without one, and those of the processors."""
    with _run_line(bundle, shadow, images, folder, CameraOptions(source="memory")) as (_, published):
        _wait_for(published, 3)
        began, spent, before = time.perf_counter(), time.process_time(), len(published)
        _wait_for(published, before + 1)
        while time.perf_counter() - began < _SECONDS:
            _wait_for(published, len(published) + 1)
        parts = len(published) - before
        return (time.perf_counter() - began) / parts, (time.process_time() - spent) / parts


def _time_triggered(
    bundle: Path, shadow: Path | None, images: list[NDArray[np.uint8]], folder: Path, interval: float
) -> tuple[list[float], float]:
    """Return the seconds from trigger to decision of each part, and the share that the shadow saw."""
    options = CameraOptions(source="memory", trigger="external", deadline=_DEADLINE, queue=10_000)
    with _run_line(bundle, shadow, images, folder, options) as (station, published):
        due, asked = time.perf_counter(), 0
        until = due + _SECONDS
        while asked < 5 or due < until:
            time.sleep(max(due - time.perf_counter(), 0.0))
            station.trigger()
            due, asked = due + interval, asked + 1
        _wait_for(published, asked)
        status = station.shadow.describe("camera") if station.shadow else None
        seen = status.seen / asked if status else 0.0
    valid = [one.record for one in published if one.record.decision is not Decision.INVALID]
    return [record.stages["total"] for record in valid], seen


def _wait_for(published: list[PublishedDecision], number: int) -> None:
    while len(published) < number:
        time.sleep(0.001)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the measurement; return the exit code."""
    parser = make_parser("line.shadow", __doc__)
    parser.add_argument("--bundle", type=Path, required=True, help="the bundle that decides")
    parser.add_argument("--shadow", type=Path, help="the bundle on trial (default: the same)")
    parser.add_argument("--images", type=Path, required=True, help="a folder of good images")
    parser.add_argument("--out", type=Path, help="where results/line_shadow_NETWORK_PIXELS.json goes")
    return run(parser, _work, arguments)


def _work(options: argparse.Namespace) -> int:
    images = [read_image(path) for path in find_images(options.images)[:32]]
    with tempfile.TemporaryDirectory() as folder:
        found = measure_shadow(options.bundle, options.shadow or options.bundle, images, Path(folder))
    manifest = read_manifest(options.bundle)
    name = f"line_shadow_{manifest.backbone.name}_{manifest.preprocessing.crop}"
    print_results(name, {"machine": describe_machine(), **found}, options.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
