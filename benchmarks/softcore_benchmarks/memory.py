"""Memory: the peak memory and the time of an export, beside the memory of importing its libraries alone.

    python -m softcore_benchmarks.memory --data DATASETS --category magnetic_tile --weights resnet18.pth

Prints one JSON object: MB of resident memory, pages of mapped features included, and seconds.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from softcore_runtime.cli.command_line import run

from softcore_benchmarks.measuring.commands import check_weights, make_parser
from softcore_benchmarks.measuring.peak_memory import measure_peak

__all__ = ["main", "peak_memory"]

_IMPORTS = "import softcore_export.cli.command, softcore_export.export"
_EXPORT = "import sys; from softcore_export.cli.command import main; sys.exit(main())"


def peak_memory(code: str, arguments: Sequence[str] = ()) -> float:
    """Run Python code in a process of its own and return its peak resident memory in MB (2**20 bytes).

    Raises:
        CalledProcessError: it failed.
    """
    return measure_peak([sys.executable, "-c", code, *arguments]) / 2**20


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print one JSON object; return the exit code."""
    parser = make_parser("memory", __doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--category", required=True)
    parser.add_argument("--weights", type=Path, required=True, help="of ResNet-18")
    parser.add_argument("--coreset-ratio", default="0.02")
    parser.add_argument("--resolution", default="224")
    return run(parser, _run, arguments)


def _run(options: argparse.Namespace) -> None:
    check_weights(options.weights)
    with tempfile.TemporaryDirectory() as folder:
        named = {
            "--data": options.data,
            "--category": options.category,
            "--out": folder,
            "--backbone": "resnet18",
            "--weights": options.weights,
            "--coreset-ratio": options.coreset_ratio,
            "--resolution": options.resolution,
        }
        imports = peak_memory(_IMPORTS)
        start = time.perf_counter()
        export = peak_memory(_EXPORT, [str(word) for pair in named.items() for word in pair])
        seconds = round(time.perf_counter() - start)
    found = {"imports": round(imports), "export": round(export), "over": round(export - imports)}
    print(json.dumps({**found, "seconds": seconds}))


if __name__ == "__main__":
    sys.exit(main())
