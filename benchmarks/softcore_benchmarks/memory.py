"""Peak memory of an export, beside that of importing its libraries alone.

    python -m softcore_benchmarks.memory --data DATASETS --category magnetic_tile --weights resnet18.pth

Prints one JSON object, in MB of resident memory; pages of mapped features are among them.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

__all__ = ["peak_memory"]

# A small process between: one that starts another lends it its own peak (Linux keeps it over an exec).
_WATCH = """
import resource, subprocess, sys
code = subprocess.run([sys.executable, "-c", *sys.argv[1:]], stdout=subprocess.DEVNULL).returncode
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(code)
"""
_IMPORTS = "import softcore_export.cli.command, softcore_export.export"
_EXPORT = "import sys; from softcore_export.cli.command import main; sys.exit(main())"


def peak_memory(code: str, arguments: Sequence[str] = ()) -> float:
    """Run Python code in a process of its own; return its peak resident memory in MB.

    Raises:
        CalledProcessError: it failed.
    """
    watched = subprocess.run(
        [sys.executable, "-c", _WATCH, code, *arguments], check=True, stdout=subprocess.PIPE, text=True
    )
    return int(watched.stdout) / 1024  # Linux counts in KiB


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--category", required=True)
    parser.add_argument("--weights", type=Path, required=True, help="of ResNet-18")
    parser.add_argument("--coreset-ratio", default="0.02")
    options = parser.parse_args()
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
    main()
