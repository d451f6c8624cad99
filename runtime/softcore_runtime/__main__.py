"""`softcore`, the command that has the others below it."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from softcore_runtime.cli.command_line import start
from softcore_runtime.cli.commands import Command

__all__ = ["COMPLETION", "KEYS", "main"]

COMPLETION = Command(
    "softcore completion",
    "print a script that completes the commands",
    "softcore_runtime.cli.completion_command",
)
KEYS = Command(
    "softcore keys",
    "make keys, and sign bundles with them",
    "softcore_runtime.cli.keys_command",
    "sign",
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `softcore` and return its exit code."""
    return start("softcore", "softcore_runtime.cli.softcore_command", arguments)


if __name__ == "__main__":
    sys.exit(main())
