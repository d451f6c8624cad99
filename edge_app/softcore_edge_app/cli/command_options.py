"""Command options: the options of `softcore-edge`, and the configuration's keys that they become."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from softcore_runtime import UsageError
from softcore_runtime.cli.command_line import Parser
from softcore_runtime.cli.numbers import parse_count
from softcore_runtime.cli.option_groups import add_engine_options

from softcore_edge_app.configuration.configuration import merge, parse_setting
from softcore_edge_app.configuration.options import Configuration

__all__ = ["build_line_parser", "gather_options"]

_KEYS = {field.alias or name for name, field in Configuration.model_fields.items()}

_DESCRIPTION = """\
Decide, frame by frame, PASS or FAIL (or REVIEW, where the bundle has a grey zone): one line a frame
on standard output, the summary on standard error. A frame that can't be read or inspected is INVALID,
with the reason. Cameras and streams go on until Ctrl-C: one that fails is reopened, and meanwhile there
is an INVALID every two seconds. A threshold that is set meanwhile holds from the next frame. A line may be
triggered and listened to by a PLC, a broker and a page, and has any number of cameras: see --config."""

_EPILOG = """\
examples:
  softcore-edge --camera 0
  softcore-edge bundles/pill --source images/ --save-overlays overlays/
  softcore-edge pill --source line.mp4 --json > decisions.jsonl
  softcore-edge pill --camera 0 --ledger line1.ledger
  softcore-edge pill --camera 0 --ledger line1.ledger --trigger external --mqtt broker --http 8765
  softcore-edge --config line1.toml

further commands, each with a --help of its own:
  softcore-edge check line1.toml               check a configuration, open nothing
  softcore-edge ledger verify line1.ledger     verify, export and sum up a ledger
  softcore-edge prepare pill                   make a bundle ready for this machine's GPU, once
  softcore-edge replay archive/                make recorded decisions again, and compare
  softcore-edge ask status                     ask a running line, trigger it, switch its recipe
  softcore-edge promote line1.toml             let a bundle on trial decide
  softcore-edge people add Anna --role setter  say who may change a line
  softcore-edge install-service line1.toml     make a line a service of this machine

exit codes:
  0  every frame was gone through (a FAIL is a result, not an error)
  2  a mistake in the command, 3  a fault of bundle or source, or not one frame could be decided
  130  interrupted; the summary is still written"""


def build_line_parser() -> Parser:
    """Build the parser of `softcore-edge` with the arguments of a line, but without its commands."""
    parser = Parser("softcore-edge", _DESCRIPTION, _EPILOG, works_alone=True)
    parser.add_argument(
        "bundle",
        nargs="?",
        metavar="BUNDLE",
        help="a bundle's folder, or its name under bundles/ "
        "(default: $SOFTCORE_BUNDLE, then the only one under bundles/)",
    )
    frames = parser.add_mutually_exclusive_group()
    frames.add_argument(
        "--camera",
        metavar="INDEX",
        help="a camera's index or device (0, /dev/video0), csi://0 on a Jetson, or a GStreamer pipeline",
    )
    frames.add_argument(
        "--source",
        metavar="FILE_OR_FOLDER_OR_URL",
        help="an image, a folder of images, a video file, or an rtsp:// or http:// stream",
    )
    parser.add_argument(
        "--save-overlays", type=Path, metavar="DIR", help="write an image of every decision to DIR"
    )
    parser.add_argument(
        "--ledger",
        type=Path,
        metavar="FILE",
        help="enter every decision in FILE before its line is written; one that can't be entered is INVALID",
    )
    parser.add_argument("--json", action="store_true", default=None, help="write one JSON object a frame")
    parser.add_argument("--frames", type=parse_count, metavar="N", help="stop after N frames")
    parser.add_argument(
        "--unchecked",
        action="store_true",
        default=None,
        help="inspect also what is far darker, brighter, flatter or more blurred than all training images "
        "(else INVALID)",
    )
    parser.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="a TOML file with these options as its keys; what the command line says goes first",
    )
    line = parser.add_argument_group("line (docs/reference/configuration.md)")
    line.add_argument(
        "--trigger",
        choices=("auto", "interval", "external"),
        help="when to decide: on every frame (auto), every --interval seconds, or when PLC, broker or page "
        "say so",
    )
    line.add_argument("--interval", type=float, metavar="SECONDS", help="seconds between two decisions")
    line.add_argument("--deadline", type=float, metavar="SECONDS", help="INVALID if it takes longer")
    line.add_argument(
        "--recipe",
        action="append",
        dest="recipes",
        type=_recipe,
        metavar="NAME=BUNDLE",
        help="instead of BUNDLE, several to switch between; the first is in use at the start",
    )
    line.add_argument(
        "--shadow",
        metavar="BUNDLE",
        help="a bundle on trial, which inspects each part after the decision and decides nothing "
        "(docs/how-to/try-a-new-bundle.md)",
    )
    line.add_argument(
        "--mqtt", type=_address, metavar="HOST[:PORT]", help="a broker (docs/reference/mqtt.md)"
    )
    line.add_argument("--modbus", type=_address, metavar="HOST[:PORT]", help="a PLC (docs/reference/plc.md)")
    line.add_argument(
        "--http",
        type=_port,
        metavar="[HOST:]PORT",
        help="serve page, status, metrics and commands (docs/reference/http.md), to this machine alone "
        "unless HOST says other",
    )
    line.add_argument(
        "--token-file", type=Path, metavar="FILE", help="holds the token that changes over HTTP need"
    )
    line.add_argument(
        "--archive", type=_archive, metavar="DIR", help="keep images of FAIL, REVIEW, INVALID and some PASS"
    )
    parser.add_argument(
        "--set",
        dest="settings",
        action="append",
        default=[],
        type=_setting,
        metavar="KEY=VALUE",
        help="any key of the configuration file, such as mqtt.host=broker "
        "(docs/reference/configuration.md lists them)",
    )
    parser.add_argument("--log", choices=("text", "json"), help="the form of what is said on standard error")
    speed = parser.add_argument_group("speed")
    speed.add_argument(
        "--fast",
        action="store_true",
        default=None,
        help="only decide, as exactly as always: no map, no overlays, and scores may be bounds (<=, >=)",
    )
    add_engine_options(
        speed,
        engine="what runs the network (auto: what the bundle was learned with, or else what is installed)",
        provider="what computes (auto: the first of these that can here; the summary says why not the "
        "others)",
        default=None,
    )
    speed.add_argument(
        "--threads", type=parse_count, metavar="N", help="threads of network and index (default: all)"
    )
    return parser


def gather_options(options: argparse.Namespace) -> dict[str, Any]:
    """Return the configuration's keys that the options of the command set."""
    given = {key: value for key, value in vars(options).items() if key in _KEYS and value is not None}
    if options.recipes:
        given["recipes"] = dict(options.recipes)
    if options.interval is not None:
        given.setdefault("trigger", "interval")
    if options.token_file is not None:
        given["http"] = {**given.get("http", {}), "token_file": str(options.token_file)}
    for setting in options.settings:
        given = merge(given, setting)
    return given


def _recipe(text: str) -> tuple[str, str]:
    name, equals, bundle = text.partition("=")
    if not (name and equals and bundle):
        raise argparse.ArgumentTypeError(f"must be NAME=BUNDLE, not {text!r}")
    return name, bundle


def _address(text: str) -> dict[str, Any]:
    """Read HOST or HOST:PORT; an IPv6 address with a port is in brackets, as in a URL."""
    host, colon, port = text.rpartition(":")
    if not colon or text.endswith("]"):
        return {"host": text.strip("[]")}
    return {"host": host.strip("[]"), "port": parse_count(port)}


def _port(text: str) -> dict[str, Any]:
    return {"port": parse_count(text)} if text.isdecimal() else _address(text)


def _archive(text: str) -> dict[str, Any]:
    return {"folder": text}


def _setting(text: str) -> dict[str, Any]:
    try:
        return parse_setting(text)
    except UsageError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
