"""Growth: the memory of a line that works with everything connected to it, from its second minute on.

    python -m softcore_benchmarks.line.growth --bundle bundles/pill --image good.png --minutes 20

Two cameras (ffmpeg), a broker, a PLC, an archive at its quota and an open page; triggers as fast as the
decisions come. The line's address is told on standard error: other pages may be opened meanwhile. Writes
results/line_growth.json into --out; the exit code is 1 where the memory grew by more than 3 % of what it was
after a tenth of the time.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import psutil
from numpy.typing import NDArray
from softcore_runtime import read_image
from softcore_runtime.cli.command_line import Parser, run
from tqdm import tqdm

from softcore_benchmarks.line.pages import browse
from softcore_benchmarks.line.results import tell_results
from softcore_benchmarks.line.rig.load import load
from softcore_benchmarks.line.rig.rig import Plan, Rig

__all__ = ["Growth", "main", "measure_growth"]

_MOST = 0.03
_EVERY = 1.0  # seconds between two looks
_LOOKS = 60  # whose median counts


@dataclass(frozen=True)
class Growth:
    """Resident memory of the line's process.

    Attributes:
        minutes: under load.
        decisions: of both cameras.
        early: MB (10**6 bytes) after a tenth of the time.
        late: MB at the end.
        course: MB in between, of twenty equal times.
        threads: at the end.
    """

    minutes: float
    decisions: int
    early: float
    late: float
    course: list[float]
    threads: int

    @property
    def share(self) -> float:
        """By how much of itself it grew."""
        return self.late / self.early - 1


def measure_growth(rig: Rig, minutes: float) -> Growth:
    """Run a rig under load, and look at the memory of its process.

    Args:
        rig: entered, and not started.
        minutes: how long.
    """
    rig.start()
    process, sizes = psutil.Process(rig.pid), []
    url = f"http://127.0.0.1:{rig.port}/"
    print(url, file=sys.stderr)
    with (
        load(rig),
        browse(url, 1),
        tqdm(total=60 * minutes, desc="seconds", disable=not sys.stderr.isatty()) as bar,
    ):
        began = time.monotonic()
        while (spent := time.monotonic() - began) < 60 * minutes:
            sizes.append(process.memory_info().rss)
            bar.update(round(spent) - bar.n)
            time.sleep(_EVERY)
        threads = process.num_threads()
    looks = min(_LOOKS, len(sizes) // 10)
    early = len(sizes) // 10
    decisions = sum(camera["decisions"] for camera in rig.ask("api/status")["cameras"])
    rig.end()
    return Growth(
        minutes=minutes,
        decisions=decisions,
        early=_median_mb(sizes[early : early + looks]),
        late=_median_mb(sizes[-looks:]),
        course=[_median_mb(part) for part in np.array_split(sizes, 20) if len(part)],
        threads=threads,
    )


def _median_mb(sizes: Sequence[int] | NDArray[np.int64]) -> float:
    return round(float(np.median(sizes)) / 1e6, 1)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the measurement."""
    parser = Parser("softcore_benchmarks.line.growth", __doc__ or "")
    parser.add_argument("--minutes", type=float, default=20, metavar="N", help="how long (20)")
    parser.add_argument("--rate", type=int, default=50, metavar="N", help="frames a second (50)")
    parser.add_argument("--bundle", type=Path, required=True, help="a bundle")
    parser.add_argument("--image", type=Path, required=True, help="an image that it passes")
    parser.add_argument("--out", type=Path, help="where results/line_growth.json goes")
    return run(parser, _work, arguments)


def _work(options: argparse.Namespace) -> int:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        image = read_image(options.image)
        plan = Plan(options.bundle, options.bundle, image, options.rate, folder / "archive")
        with Rig(folder, plan) as rig:
            growth = measure_growth(rig, options.minutes)
    tell_results("growth", {**asdict(growth), "share": round(growth.share, 4)}, options.out)
    return int(growth.share > _MOST)


if __name__ == "__main__":
    sys.exit(main())
