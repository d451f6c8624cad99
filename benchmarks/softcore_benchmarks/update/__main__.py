"""Update: what an export costs that adds 50 new images to 250 old ones, beside a whole export of all 300.

    python -m softcore_benchmarks.update --data DATASETS --weights resnet18.pth --out benchmarks

`DATASETS` holds the category in MVTec AD's layout. Three commands run in processes of their own, with a cache
of their own: `softcore-export` of the old images, which fills it; `softcore-export --update` with the new
ones; and `softcore-export` of all images without a cache. The share is that of the update in the whole
export, by wall time and by the processor's time, which other work on the machine changes less. Writes
results/update.json into --out.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from softcore_export.data.dataset import TrainingImages
from softcore_runtime.cli.command_line import run
from softcore_runtime.cli.progress import print_message
from softcore_runtime.errors import UsageError

from softcore_benchmarks.measuring.commands import check_weights, make_data_parser
from softcore_benchmarks.measuring.machine import describe_machine
from softcore_benchmarks.measuring.results import print_results

__all__ = ["Timed", "main", "read_stages"]

_STAGE = re.compile(r"([a-z][a-z ]*) ([\d.]+) s")
_TIMES = ("manifest.json", "report.html", "exam.json")  # files that say when they were made


@dataclass(frozen=True)
class Timed:
    """What a command cost.

    Attributes:
        seconds: from its start to its end.
        processor: seconds of all processors.
        stages: seconds of each stage, as the export reports them.
    """

    seconds: float
    processor: float
    stages: dict[str, float]


def read_stages(output: str) -> dict[str, float]:
    """Read the seconds of each stage from what `softcore-export` prints.

    Example:
        >>> read_stages("  time       backbone 1.5 s, memory bank 0.2 s")
        {'backbone': 1.5, 'memory bank': 0.2}
    """
    line = next((line for line in output.splitlines() if line.startswith("  time ")), "")
    return {stage: float(spent) for stage, spent in _STAGE.findall(line.removeprefix("  time"))}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return the exit code."""
    parser = make_data_parser("update", __doc__)
    parser.add_argument("--category", default="magnetic_tile", help="of the images (default: %(default)s)")
    parser.add_argument("--old", type=int, default=250, help="number of old images (default: %(default)s)")
    parser.add_argument("--new", type=int, default=50, help="number of new images (default: %(default)s)")
    return run(parser, _run, arguments)


def _run(options: argparse.Namespace) -> int:
    check_weights(options.weights)
    paths = TrainingImages.find(options.data / options.category).paths
    if len(paths) < options.old + options.new:
        raise UsageError(f"{options.data / options.category}: only {len(paths)} images")
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        for folder, some in (
            ("data/part", paths[: options.old]),
            ("new", paths[options.old : options.old + options.new]),
        ):
            (place / folder).mkdir(parents=True)
            for path in some:
                shutil.copyfile(path, place / folder / path.name)
        export = ["--category", "part", "--data", "data", "--backbone", "resnet18", "--device", "cpu"]
        export += ["--weights", str(options.weights.absolute())]
        old = _time(place, [*export, "--out", "bundles"])
        update = _time(place, ["--update", "bundles/part", "--good", "new"])
        whole = _time(place, [*export, "--good", "new", "--out", "whole"], SOFTCORE_FEATURES_GB="0")
        same = _hash(place / "bundles" / "part") == _hash(place / "whole" / "part")
    results = {
        "machine": describe_machine(),
        "category": options.category,
        "old": options.old,
        "new": options.new,
        "share": round(update.seconds / whole.seconds, 3),
        "share of the processor's time": round(update.processor / whole.processor, 3),
        "same bundle": same,
        "whole export": asdict(whole),
        "update": asdict(update),
        "export of the old images": asdict(old),
    }
    print_results("update", results, options.out)
    return 0


def _time(place: Path, arguments: Sequence[str], **environment: str) -> Timed:
    """Run `softcore-export` in a folder."""
    print_message(f"softcore-export {' '.join(arguments)}")
    changed = {"XDG_CACHE_HOME": str(place / "cache"), **environment}
    before, start = os.times(), time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "softcore_export", *arguments],
        cwd=place, env={**os.environ, **changed}, stdout=subprocess.PIPE, text=True, check=True,
    )  # fmt: skip
    seconds, after = time.perf_counter() - start, os.times()
    processor = sum(after[2:4]) - sum(before[2:4])  # of children
    return Timed(round(seconds, 1), round(processor, 1), read_stages(done.stdout))


def _hash(bundle: Path) -> dict[str, str]:
    """Hash a bundle's files; of the manifest those without the times and what follows from them."""
    files = {
        path.relative_to(bundle).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in bundle.rglob("*")
        if path.is_file() and path.name not in _TIMES
    }
    manifest = json.loads((bundle / "manifest.json").read_text())
    del manifest["created"], manifest["seal"]
    for name in ("report.html", "exam/exam.json"):
        manifest["files"].pop(name, None)
    exam = re.sub(r'"exported": "[^"]*"', "", (bundle / "exam" / "exam.json").read_text())
    return files | {"manifest.json": json.dumps(manifest), "exam": exam}


if __name__ == "__main__":
    sys.exit(main())
