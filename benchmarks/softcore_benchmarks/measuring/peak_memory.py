"""Peak memory: the most memory that a command's process holds."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence

__all__ = ["measure_peak"]

# A small process between: one that starts another passes its own peak on to it (Linux keeps it over an exec).
_WATCH = """
import resource, subprocess, sys
code = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL).returncode
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(code)
"""


def measure_peak(command: Sequence[str]) -> int:
    """Run a command and return its peak resident memory in bytes; its standard output is dropped.

    Raises:
        CalledProcessError: the command failed.
    """
    watched = subprocess.run(
        [sys.executable, "-c", _WATCH, *command], check=True, stdout=subprocess.PIPE, text=True
    )
    return 1024 * int(watched.stdout)  # Linux counts in KiB
