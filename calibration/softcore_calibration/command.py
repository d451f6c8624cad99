"""The command `softcore-calibrate`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from softcore_runtime.command_line import Parser, run
from softcore_runtime.errors import UsageError

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `softcore-calibrate`; returns the exit code."""
    parser = Parser("softcore-calibrate", "Choose the decision threshold of a bundle. Not there yet.")
    return run(parser, _calibrate, arguments)


def _calibrate(_options: argparse.Namespace) -> int:
    raise UsageError("not there yet; until then a bundle keeps the provisional limit that its export set")
