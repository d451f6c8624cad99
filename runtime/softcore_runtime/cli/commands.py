"""Commands: what an installation has to offer to `softcore`, by entry points."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import entry_points

from softcore_runtime.cli.command_line import Parser, start
from softcore_runtime.missing_library import is_complete

__all__ = ["GROUP", "Command", "find_commands"]

GROUP = "softcore.commands"  # of entry points, each of which is a `Command`


@dataclass(frozen=True)
class Command:
    """A command, known without the import of what it runs.

    Attributes:
        prog: its name, such as `softcore-edge`.
        summary: what it does, in a few words.
        module: the module that has its `main(arguments)` and its `build_parser()`.
        extra: the extra that it needs; empty if it needs none.

    Example:
        >>> command = Command("softcore-edge", "inspect", "softcore_edge_app.cli.command", "edge")
        >>> command.is_installed
        True
    """

    prog: str
    summary: str
    module: str
    extra: str = ""

    @property
    def is_installed(self) -> bool:
        """Whether all that its extra names is installed; nothing is imported for it."""
        return not self.extra or is_complete(self.extra)

    def run(self, arguments: Sequence[str] | None = None) -> int:
        """Import it, run it and return its exit code.

        Args:
            arguments: None takes those of the process.
        """
        return start(self.prog, self.module, arguments)

    def build_parser(self) -> Parser:
        """Import it and build its parser.

        Raises:
            ImportError: a library that it needs isn't installed.
        """
        parser: Parser = import_module(self.module).build_parser()
        return parser


def find_commands() -> dict[str, Command]:
    """Find the commands by the words that choose them, sorted.

    Example:
        >>> "edge" in find_commands()
        True
    """
    found = {point.name: point for point in entry_points(group=GROUP)}
    return {name: found[name].load() for name in sorted(found)}
