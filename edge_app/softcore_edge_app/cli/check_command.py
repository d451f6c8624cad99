"""Check command: `softcore-edge check`, which finds all that is wrong with a configuration file."""

from __future__ import annotations

import argparse
import logging
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from softcore_runtime.cli.command_line import Parser, run

from softcore_edge_app.cli.advice import give_advice
from softcore_edge_app.cli.preflight import find_absences
from softcore_edge_app.configuration.configuration import describe_configuration, review_configuration
from softcore_edge_app.configuration.mistakes import ConfigurationError, Reading

__all__ = ["build_parser", "main"]

_DESCRIPTION = """\
Check a configuration file: its keys and values, and whether what it names is here (bundles, sources,
devices, the files of tokens and passwords, folders to write to, the port). No camera is opened, no other
machine is asked, nothing is written. What the file sets goes to standard output; each mistake is a line on
standard error, and so is each warning of what is likely not meant."""

_EPILOG = """\
examples:
  softcore-edge check line1.toml
  softcore-edge check line1.toml --keys-only     a file for another machine

exit codes:
  0  nothing is wrong, whatever is warned of
  2  something is"""


_log = logging.getLogger(__name__)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `softcore-edge check` and return its exit code."""
    return run(build_parser(), _work, arguments)


def build_parser() -> Parser:
    """Build the command's parser."""
    parser = Parser("softcore-edge check", _DESCRIPTION, _EPILOG)
    parser.add_argument("config", type=Path, metavar="FILE", help="a TOML file, as for --config")
    parser.add_argument(
        "--keys-only",
        action="store_true",
        help="check keys and values alone, not whether what they name is here: for a file of another machine",
    )
    return parser


def _work(options: argparse.Namespace) -> None:
    reading = review_configuration(options.config)
    for line in describe_configuration(reading.configuration):
        print(line)
    sys.stdout.flush()  # before what is said of it, where both go to one place
    for place, advice in give_advice(reading.configuration):
        _log.warning("%s: %s: %s", options.config, ".".join(place), advice)
    mistakes = [str(mistake) for mistake in reading.mistakes]
    if not options.keys_only:
        mistakes.extend(_describe_absences(reading))
    if mistakes:
        raise ConfigurationError([f"{options.config}: {mistake}" for mistake in mistakes])


def _describe_absences(reading: Reading) -> Iterator[str]:
    for place, error in find_absences(reading.configuration, wrong=reading.wrong):
        # The key says it in a file, where on the command line it was the option.
        what = re.sub(
            rf"^(--{re.escape(place[-1].replace('_', '-'))}|{re.escape('.'.join(place))}|http):? ",
            "",
            str(error),
        )
        yield f"{'.'.join(place)}: {what}"
