"""Growth: the memory of a line at work with everything connected to it.

    python -m softcore_benchmarks.line.growth --bundle bundles/pill --image good.png --minutes 20

Two cameras (ffmpeg), a broker, a PLC, an archive at its quota and an open page; triggers as fast as decisions
arrive. The line's address is printed on standard error, so that other pages can be opened meanwhile. Writes
results/line_growth.json into --out; the exit code is 1 where the memory has grown by more than 3 % of what it
was after a tenth of the time.
"""

from __future__ import annotations

import argparse
import math
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import psutil
from numpy.typing import NDArray
from softcore_runtime import read_image
from softcore_runtime.cli.command_line import run
from softcore_runtime.cli.progress import track

from softcore_benchmarks.line.pages import browse
from softcore_benchmarks.line.rig.load import load
from softcore_benchmarks.line.rig.rig import Plan, Rig
from softcore_benchmarks.measuring.commands import make_parser
from softcore_benchmarks.measuring.results import print_results

__all__ = ["Growth", "main", "measure_growth"]

_MAX_SHARE = 0.03
_INTERVAL = 1.0  # seconds between two readings
_READINGS = 60  # readings whose median counts


@dataclass(frozen=True)
class Growth:
    """Resident memory of the line's process.

    Attributes:
        minutes: time under load.
        decisions: number of decisions of both cameras.
        early: MB (10**6 bytes) after a tenth of the time.
        late: MB at the end.
        course: MB in each twentieth of the time.
        threads: number of threads at the end.
    """

    minutes: float
    decisions: int
    early: float
    late: float
    course: list[float]
    threads: int

    @property
    def share(self) -> float:
        """Growth as a share of `early`."""
        return self.late / self.early - 1


def measure_growth(rig: Rig, minutes: float) -> Growth:
    """Run a rig under load and read the memory of its process.

    Args:
        rig: entered, and not started.
        minutes: time under load.
    """
    rig.start()
    process, sizes = psutil.Process(rig.pid), list[int]()
    url = f"http://127.0.0.1:{rig.port}/"
    print(url, file=sys.stderr)
    with load(rig), browse(url, 1):
        ticks = track(_wait(60 * minutes), "seconds", math.ceil(60 * minutes / _INTERVAL))
        sizes.extend(process.memory_info().rss for _ in ticks)
        threads = process.num_threads()
    readings = min(_READINGS, len(sizes) // 10)
    early = len(sizes) // 10
    decisions = sum(camera["decisions"] for camera in rig.request("api/status")["cameras"])
    rig.end()
    return Growth(
        minutes=minutes,
        decisions=decisions,
        early=_median_mb(sizes[early : early + readings]),
        late=_median_mb(sizes[-readings:]),
        course=[_median_mb(part) for part in np.array_split(sizes, 20) if len(part)],
        threads=threads,
    )


def _wait(seconds: float) -> Iterator[None]:
    """Yield every `_INTERVAL` seconds until so many are over."""
    began = time.monotonic()
    while time.monotonic() - began < seconds:
        yield
        time.sleep(_INTERVAL)


def _median_mb(sizes: Sequence[int] | NDArray[np.int64]) -> float:
    return round(float(np.median(sizes)) / 1e6, 1)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the measurement; return the exit code."""
    parser = make_parser("line.growth", __doc__)
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
    print_results("line_growth", {**asdict(growth), "share": round(growth.share, 4)}, options.out)
    return int(growth.share > _MAX_SHARE)


if __name__ == "__main__":
    sys.exit(main())
