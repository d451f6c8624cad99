"""`softcore-edge`, which says in one line what its own import lacks."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from softcore_runtime.cli.command_line import start

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `softcore-edge` and return its exit code."""
    return start("softcore-edge", "softcore_edge_app.cli.command", arguments)


if __name__ == "__main__":
    sys.exit(main())
