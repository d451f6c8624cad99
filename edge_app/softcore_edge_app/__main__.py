"""`softcore-edge`: the command, known without the import of what it runs."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from softcore_runtime.cli.commands import Command

__all__ = ["COMMAND", "main"]

COMMAND = Command(
    "softcore-edge",
    "inspect the frames of cameras, videos and folders",
    "softcore_edge_app.cli.command",
    "edge",
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `softcore-edge` and return its exit code."""
    return COMMAND.run(arguments)


if __name__ == "__main__":
    sys.exit(main())
