"""Command: `softcore`, which has every other command below it."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence

from softcore_runtime.cli.command_line import Parser
from softcore_runtime.cli.commands import Command, find_commands

__all__ = ["build_parser", "main"]

_DESCRIPTION = """\
Visual inspection that learns from training images which are not clean. `softcore edge` and `softcore-edge`
are the same command, and so are the others of these names; each has a --help of its own."""

_EPILOG = """\
examples:
  softcore export --demo                 draw images, and learn a bundle from them
  softcore calibrate bundles/pill --data demo/pill --max-overkill 0.05
  softcore edge pill --camera 0
  softcore edge ledger verify line1.ledger
  softcore backbones                     what can be used as a backbone
  source <(softcore completion bash)     complete all of this with the Tab key

exit codes:
  those of the command that is named; 2 if none is"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `softcore` and return its exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    commands = find_commands()
    place = next((number for number, word in enumerate(given) if word != "--debug"), len(given))
    if given[place:] and given[place] in commands:
        return commands[given[place]].run([*given[:place], *given[place + 1 :]])
    _build(commands).parse_args(given)
    return 0


def build_parser() -> Parser:
    """Build the parser that has a line for each command; it parses none of their arguments."""
    return _build(find_commands())


def _build(commands: Mapping[str, Command]) -> Parser:
    parser = Parser("softcore", _DESCRIPTION, _EPILOG)
    for name, command in commands.items():
        absent = "" if command.is_installed else f" (needs: pip install 'softcore[{command.extra}]')"
        parser.add_command(name, f"{command.summary}{absent}", command.summary)
    return parser
