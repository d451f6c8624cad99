"""`softcore-calibrate` and `softcore compare`, known without the import of what they run."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from softcore_runtime.cli.commands import Command

__all__ = ["COMMAND", "COMPARE", "main"]

COMMAND = Command(
    "softcore-calibrate", "choose the threshold of a bundle", "softcore_calibration.cli.command", "calibrate"
)
COMPARE = Command(
    "softcore compare",
    "show what a new bundle decides otherwise",
    "softcore_calibration.cli.compare_command",
    "calibrate",
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `softcore-calibrate` and return its exit code."""
    return COMMAND.run(arguments)


if __name__ == "__main__":
    sys.exit(main())
