"""`softcore-calibrate`: the command, known without the import of what it runs."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from softcore_runtime.cli.commands import Command

__all__ = ["COMMAND", "main"]

COMMAND = Command(
    "softcore-calibrate", "choose the threshold of a bundle", "softcore_calibration.cli.command", "calibrate"
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `softcore-calibrate` and return its exit code."""
    return COMMAND.run(arguments)


if __name__ == "__main__":
    sys.exit(main())
