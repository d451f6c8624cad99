"""Memory: the peak memory of an export, beside that of importing its libraries alone.

    python -m softcore_benchmarks.memory --data DATASETS --category magnetic_tile --weights resnet18.pth

Prints one JSON object, in MB of resident memory, pages of mapped features included.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
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
        }
        imports = peak_memory(_IMPORTS)
        export = peak_memory(_EXPORT, [str(word) for pair in named.items() for word in pair])
    print(json.dumps({"imports": round(imports), "export": round(export), "over": round(export - imports)}))


if __name__ == "__main__":
    sys.exit(main())
