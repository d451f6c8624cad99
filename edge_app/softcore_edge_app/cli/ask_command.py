"""Ask command: `softcore-edge ask`, which queries a running line, triggers it, or switches its recipe."""

from __future__ import annotations

import argparse
import json
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from softcore_runtime import SourceError, UsageError
from softcore_runtime.cli.command_line import Parser

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

_TIMEOUT = 120.0  # seconds, in which a recipe is loaded and tested


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
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(http.host, http.host)  # noqa: S104 - not to listen at
    url = options.url or f"http://{f'[{host}]' if ':' in host else host}:{http.port}"
    if not url.startswith(("http://", "https://")):
        raise UsageError(f"--url {url}: must begin with http:// or https://")
    wanted = {"recipe": options.name, "camera": options.camera, "part": options.part}
    body = {key: value for key, value in wanted.items() if value is not None}
    token = _read_token(options.token_file or http.token_file)
    answer = _request(
        f"{url.rstrip('/')}/api/{options.what}", None if options.what == "status" else body, token
    )
    print(json.dumps(answer, indent=2))


def _read_token(file: Path | None) -> str | None:
    try:
        return file.read_text(encoding="utf-8").strip() if file else None
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"--token-file {file}: can't be read ({error})") from error


def _request(url: str, body: dict[str, Any] | None, token: str | None) -> Any:
    headers = {"Content-Type": "application/json"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    data = None if body is None else json.dumps(body).encode()
    try:
        request = urllib.request.Request(url, data, headers)  # noqa: S310 - the scheme was checked
        with urllib.request.urlopen(request, timeout=_TIMEOUT) as answer:  # noqa: S310
            return json.loads(answer.read())
    except urllib.error.HTTPError as error:
        raise UsageError(f"{url}: {_explain(error)}") from error
    except (OSError, ValueError) as error:
        raise SourceError(f"{url}: no line answers ({error})") from error


def _explain(error: urllib.error.HTTPError) -> str:
    try:
        detail = json.loads(error.read())["detail"]
    except (ValueError, KeyError, TypeError):
        detail = error.reason
    return f"refused: {detail}"
