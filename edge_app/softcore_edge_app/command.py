"""Command: `softcore-edge`, a decision for every frame of a camera, a video or a folder of pictures."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from softcore_runtime import SourceError
from softcore_runtime.command_line import Parser, run

from softcore_edge_app import ask_command, prepare_command, replay_command
from softcore_edge_app.command_options import build_parser, gather_options
from softcore_edge_app.configuration import (
    configure,
    describe_configuration,
    read_configuration,
)
from softcore_edge_app.connections import Connections
from softcore_edge_app.health import service_command
from softcore_edge_app.health.logs import configure_logs
from softcore_edge_app.health.memory import limit_arenas
from softcore_edge_app.ledger import command as ledger_command
from softcore_edge_app.line.assembly import assemble, is_live
from softcore_edge_app.line.station import Station
from softcore_edge_app.outputs.overlay_folder import OverlayFolder
from softcore_edge_app.outputs.printer import Printer
from softcore_edge_app.tally import Tally

__all__ = ["main"]

_PRINTING = 0.2  # seconds for the lines that wait at the end


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `softcore-edge` and return its exit code."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if arguments and (other := _OTHERS.get(arguments[0])):
        return other(arguments[1:])
    return run(build_parser(), _work, arguments)


def _main_check(arguments: Sequence[str]) -> int:
    return run(_build_check_parser(), _check, arguments)


def _build_check_parser() -> Parser:
    parser = Parser("softcore-edge check", "Check a configuration file; nothing that it names is opened.")
    parser.add_argument("config", type=Path, metavar="FILE", help="a TOML file, as for --config")
    return parser


def _check(options: argparse.Namespace) -> None:
    for line in describe_configuration(read_configuration(options.config)):
        print(line)


def _work(options: argparse.Namespace) -> None:
    limit_arenas()
    # What was mistyped is said before a bundle is loaded, which takes seconds.
    line = configure(options.config, gather_options(options))
    configure_logs(line.log)
    station = assemble(line)
    try:
        overlays = OverlayFolder(line.save_overlays) if line.save_overlays else None
        connections = Connections(station, line)
    except BaseException:
        station.stop()
        raise
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
        lines.append(f"network {inspector.network}")
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


_OTHERS: dict[str, Callable[[Sequence[str]], int]] = {
    "ask": ask_command.main,
    "check": _main_check,
    "install-service": service_command.main,
    "ledger": ledger_command.main,
    "prepare": prepare_command.main,
    "replay": replay_command.main,
}
