"""Ask command: `softcore-edge ask`, which queries a running line, triggers it, or switches its recipe."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from softcore_runtime import UsageError
from softcore_runtime.cli.command_line import Parser

from softcore_edge_app.cli.line_client import find_url, read_token, request_line
from softcore_edge_app.configuration.configuration import read_configuration
from softcore_edge_app.configuration.options import HttpOptions

__all__ = ["add_command"]

_DESCRIPTION = """\
Ask a running line over its HTTP port. The answer goes to standard output, as JSON."""

_EPILOG = """\
examples:
  softcore-edge ask status
  softcore-edge ask trigger --part 4711 --token-file token
  softcore-edge ask recipe screw --camera left --config line1.toml

exit codes:
  0  answered, 2  a mistake in the command, or the line refuses it, 3  no line answers"""


def add_command(commands: Parser) -> None:
    """Add `ask` to the commands of `softcore-edge`."""
    parser = commands.add_command(
        "ask", "ask a running line, trigger it, switch its recipe", _DESCRIPTION, _EPILOG, work=_work
    )
    parser.add_argument("what", choices=("status", "trigger", "recipe"), help="what to ask")
    parser.add_argument("name", nargs="?", metavar="RECIPE", help="the recipe to switch to")
    parser.add_argument("--camera", metavar="NAME", help="which one, where there are several")
    parser.add_argument("--part", metavar="NAME", help="what the part to be decided on is called")
    where = parser.add_argument_group("where the line is")
    where.add_argument("--config", type=Path, metavar="FILE", help="the line's own configuration")
    where.add_argument("--url", metavar="URL", help="(default: http://127.0.0.1:8765)")
    where.add_argument("--token-file", type=Path, metavar="FILE", help="holds the token that changes need")


def _work(options: argparse.Namespace) -> None:
    if (options.what == "recipe") != (options.name is not None):
        raise UsageError("a RECIPE goes with `ask recipe`, and that with one")
    http = (read_configuration(options.config).http if options.config else None) or HttpOptions()
    url = find_url(options.url, http)
    wanted = {"recipe": options.name, "camera": options.camera, "part": options.part}
    body = {key: value for key, value in wanted.items() if value is not None}
    token = read_token(options.token_file or http.token_file)
    answer = request_line(f"{url}/api/{options.what}", None if options.what == "status" else body, token)
    print(json.dumps(answer, indent=2))
