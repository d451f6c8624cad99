"""`softcore-calibrate`, which says in one line what its own import lacks."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from softcore_runtime.cli.command_line import start

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `softcore-calibrate` and return its exit code."""
    return start("softcore-calibrate", "softcore_calibration.cli.command", arguments)


if __name__ == "__main__":
    sys.exit(main())
