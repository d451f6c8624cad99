"""Command: `softcore-edge`, a decision for every frame of a camera, a video or a folder of pictures."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from softcore_runtime import SourceError, UsageError
from softcore_runtime.command_line import Parser, run
from softcore_runtime.engine import ENGINES

from softcore_edge_app import replay_command
from softcore_edge_app.configuration import (
    configure,
    describe_configuration,
    merge,
    parse_setting,
    read_configuration,
)
from softcore_edge_app.connections import Connections
from softcore_edge_app.health import service_command
from softcore_edge_app.health.logs import configure_logs
from softcore_edge_app.ledger import command as ledger_command
from softcore_edge_app.line.assembly import assemble, is_live
from softcore_edge_app.line.station import Station
from softcore_edge_app.options import Configuration
from softcore_edge_app.outputs.overlay_folder import OverlayFolder
from softcore_edge_app.outputs.printer import Printer
from softcore_edge_app.tally import Tally

__all__ = ["main"]

_PRINTING = 0.2  # seconds for the lines that wait at the end
_KEYS = {field.alias or name for name, field in Configuration.model_fields.items()}

_DESCRIPTION = """\
Decide, frame by frame, PASS or FAIL (or REVIEW, where the bundle has a grey zone): one line a frame
on standard output, the summary on standard error. A frame that can't be read or inspected is INVALID,
with the reason. Cameras and streams go on until Ctrl-C: one that fails is reopened, and meanwhile there
is an INVALID every two seconds. A limit that is set meanwhile holds from the next frame."""

_EPILOG = """\
examples:
  softcore-edge --camera 0
  softcore-edge bundles/pill --source pictures/ --save-overlays overlays/
  softcore-edge pill --source line.mp4 --json > decisions.jsonl
  softcore-edge pill --camera 0 --ledger line1.ledger
  softcore-edge --config line1.toml            (softcore-edge check line1.toml only checks it)
  softcore-edge ledger verify line1.ledger     (export, stats: softcore-edge ledger --help)

exit codes:
  0  every frame was gone through (a FAIL is a result, not an error)
  2  a mistake in the command, 3  a fault of bundle or source, or not one frame could be decided
  130  interrupted; the summary is still written"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `softcore-edge` and return its exit code."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if arguments[:1] == ["ledger"]:
        return ledger_command.main(arguments[1:])
    if arguments[:1] == ["replay"]:
        return replay_command.main(arguments[1:])
    if arguments[:1] == ["install-service"]:
        return service_command.main(arguments[1:])
    if arguments[:1] == ["check"]:
        return run(_build_check_parser(), _check, arguments[1:])
    return run(_build_parser(), _work, arguments)


def _build_parser() -> Parser:
    parser = Parser("softcore-edge", _DESCRIPTION, _EPILOG)
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
        help="a picture, a folder of pictures, a video file, or an rtsp:// or http:// stream",
    )
    parser.add_argument(
        "--save-overlays", type=Path, metavar="DIR", help="write a picture of every decision to DIR"
    )
    parser.add_argument(
        "--ledger",
        type=Path,
        metavar="FILE",
        help="enter every decision in FILE before its line is written; one that can't be entered is INVALID",
    )
    parser.add_argument("--json", action="store_true", default=None, help="write one JSON object a frame")
    parser.add_argument("--frames", type=_positive, metavar="N", help="stop after N frames")
    parser.add_argument(
        "--unchecked",
        action="store_true",
        default=None,
        help="inspect also what is far darker, brighter, flatter or more blurred than all training pictures "
        "(else INVALID)",
    )
    parser.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="a TOML file with these options as its keys; what the command line says goes first",
    )
    parser.add_argument(
        "--set",
        dest="settings",
        action="append",
        default=[],
        type=_setting,
        metavar="KEY=VALUE",
        help="any key of the configuration file, such as mqtt.host=broker (docs/configuration.md lists them)",
    )
    parser.add_argument("--log", choices=("text", "json"), help="the form of what is said on standard error")
    speed = parser.add_argument_group("speed")
    speed.add_argument(
        "--fast",
        action="store_true",
        default=None,
        help="only decide, as exactly as always: no map, no overlays, and scores may be bounds (<=, >=)",
    )
    speed.add_argument(
        "--engine",
        choices=("auto", *ENGINES),
        help="what runs the network (auto: what the bundle was learned with, or else what is installed)",
    )
    speed.add_argument(
        "--threads", type=_positive, metavar="N", help="threads of network and index (default: all)"
    )
    return parser


def _build_check_parser() -> Parser:
    parser = Parser("softcore-edge check", "Check a configuration file; nothing that it names is opened.")
    parser.add_argument("config", type=Path, metavar="FILE", help="a TOML file, as for --config")
    return parser


def _check(options: argparse.Namespace) -> None:
    for line in describe_configuration(read_configuration(options.config)):
        print(line)


def _work(options: argparse.Namespace) -> None:
    # What was mistyped is said before a bundle is loaded, which takes seconds.
    line = configure(options.config, _gather(options))
    configure_logs(line.log)
    station = assemble(line)
    overlays = OverlayFolder(line.save_overlays) if line.save_overlays else None
    # Python has no standard output at all where it was started with a closed one.
    colour = sys.stdout is not None and sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    printer = Printer(
        json=line.json_lines,
        colour=colour,
        overlays=overlays,
        lossless=not is_live(station),
        on_error=station.fail,
    )
    tally, start = Tally(), time.perf_counter()
    station.add_listener(lambda decided: tally.add(decided.verdict))
    station.add_listener(printer.print)
    connections = Connections(station, line)
    try:
        connections.start()
        station.start()
        connections.say_ready()
        station.wait()
    finally:  # also after Ctrl-C or a fault: what was decided stands
        _end(station, connections, printer)
        if tally.total:
            _summarise(station, printer, overlays, tally, time.perf_counter() - start)
    if printer.error:
        raise printer.error
    if not tally.decided:
        raise SourceError(f"no frame could be decided: {tally.total} INVALID")


def _gather(options: argparse.Namespace) -> dict[str, Any]:
    """Make the configuration's keys of the command's options."""
    given = {key: value for key, value in vars(options).items() if key in _KEYS}
    for setting in options.settings:
        given = merge(given, setting)
    return given


def _end(station: Station, connections: Connections, printer: Printer) -> None:
    """Bring all to its end, whoever asks for it again meanwhile: it takes a second at most."""
    before = [signal.signal(which, signal.SIG_IGN) for which in (signal.SIGINT, signal.SIGTERM)]
    try:
        connections.say_ending()
        station.stop()
        connections.close()
        printer.close(_PRINTING)
    finally:
        for which, handler in zip((signal.SIGINT, signal.SIGTERM), before, strict=True):
            signal.signal(which, handler)


def _summarise(
    station: Station, printer: Printer, overlays: OverlayFolder | None, tally: Tally, seconds: float
) -> None:
    lines = tally.describe(seconds)
    for line in station.lines.values():
        inspector = line.recipes.current.inspector
        threshold, path = inspector.manifest.threshold, inspector.bundle.path
        lines.append(f"bundle {path}, limit {threshold.value:.6g}")
        if inspector.remark:
            lines.append(inspector.remark)
        if threshold.provisional:
            lines.append(f"the limit is provisional: run softcore-calibrate {path}")
        if line.source.remark:
            lines.append(line.source.remark)
    if overlays:
        lines.append(f"{overlays.saved} overlays in {overlays.path}")
    if printer.left_out:
        lines.append(f"{printer.left_out} lines were left out: standard output was read too slowly")
    if station.book.remark:
        lines.append(station.book.remark)
    print("\n".join(lines), file=sys.stderr)


def _setting(text: str) -> dict[str, Any]:
    try:
        return parse_setting(text)
    except UsageError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number from 1, not {text!r}")
    return int(text)
