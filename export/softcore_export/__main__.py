"""`softcore-export`: the command, known without the import of what it runs."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from softcore_runtime.cli.commands import Command

__all__ = ["BACKBONES", "COMMAND", "FEATURES", "main"]

BACKBONES = Command(
    "softcore backbones",
    "list the networks that can be used as a backbone",
    "softcore_export.cli.backbones_command",
    "export",
)
COMMAND = Command(
    "softcore-export",
    "learn a bundle from a folder of mostly good images",
    "softcore_export.cli.command",
    "export",
)
FEATURES = Command(
    "softcore features",
    "show and delete what exports keep of images that they have looked at",
    "softcore_export.cli.features_command",
    "export",
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `softcore-export` and return its exit code."""
    return COMMAND.run(arguments)


if __name__ == "__main__":
    sys.exit(main())
