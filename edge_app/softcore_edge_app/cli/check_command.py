"""Check command: `softcore-edge check`, which finds all mistakes of a configuration file."""

from __future__ import annotations

import argparse
import logging
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from softcore_runtime.cli.command_line import Parser

from softcore_edge_app.cli.advice import give_advice
from softcore_edge_app.cli.preflight import find_absences
from softcore_edge_app.configuration.configuration import describe_configuration, review_configuration
from softcore_edge_app.configuration.mistakes import ConfigurationError, Reading

__all__ = ["add_command"]

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


def add_command(commands: Parser) -> None:
    """Add `check` to the commands of `softcore-edge`."""
    parser = commands.add_command(
        "check", "check a configuration, open nothing", _DESCRIPTION, _EPILOG, work=_work
    )
    parser.add_argument("config", type=Path, metavar="FILE", help="a TOML file, as for --config")
    parser.add_argument(
        "--keys-only",
        action="store_true",
        help="check keys and values alone, not whether what they name is here: for a file of another machine",
    )


def _work(options: argparse.Namespace) -> None:
    reading = review_configuration(options.config)
    for line in describe_configuration(reading.configuration):
        print(line)
    sys.stdout.flush()  # before the mistakes, if both go to the same place
    for place, advice in give_advice(reading.configuration):
        _log.warning("%s: %s: %s", options.config, ".".join(place), advice)
    mistakes = [str(mistake) for mistake in reading.mistakes]
    if not options.keys_only:
        mistakes.extend(_describe_absences(reading))
    if mistakes:
        raise ConfigurationError([f"{options.config}: {mistake}" for mistake in mistakes])


def _describe_absences(reading: Reading) -> Iterator[str]:
    for place, error in find_absences(reading.configuration, wrong=reading.wrong):
        # On the command line the option names what is wrong, in a file the key does.
        what = re.sub(
            rf"^(--{re.escape(place[-1].replace('_', '-'))}|{re.escape('.'.join(place))}|http):? ",
            "",
            str(error),
        )
        yield f"{'.'.join(place)}: {what}"
