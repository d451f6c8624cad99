"""Command: `softcore-edge`, which decides on every frame of a camera, a video or a folder of images."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress

from softcore_runtime import BundleNotFoundError, SourceError
from softcore_runtime.cli.bundle_choice import choose_bundle, is_bundle, list_bundles
from softcore_runtime.cli.command_line import Parser, run
from softcore_runtime.cli.suggestion import find_nearest

from softcore_edge_app.cli import (
    ask_command,
    check_command,
    ledger_command,
    prepare_command,
    promote_command,
    service_command,
)
from softcore_edge_app.cli.advice import give_advice
from softcore_edge_app.cli.command_options import build_line_parser, gather_options
from softcore_edge_app.cli.connections import Connections
from softcore_edge_app.cli.preflight import require_presence
from softcore_edge_app.configuration.configuration import configure
from softcore_edge_app.configuration.mistakes import ConfigurationError
from softcore_edge_app.configuration.options import Configuration
from softcore_edge_app.health.logs import configure_logs
from softcore_edge_app.health.memory import limit_arenas
from softcore_edge_app.outputs.overlay_folder import OverlayFolder
from softcore_edge_app.outputs.printer import Printer
from softcore_edge_app.outputs.tally import Tally
from softcore_edge_app.pipeline.assembly import assemble, is_live
from softcore_edge_app.pipeline.controls import ShadowStatus
from softcore_edge_app.pipeline.inspection_station import InspectionStation
from softcore_edge_app.replay import replay_command
from softcore_edge_app.shadow.shadow_line import add_shadow
from softcore_edge_app.web.people import people_command

__all__ = ["build_parser", "main"]

_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_PRINTING = 2.0  # seconds in which lines that wait at the end are printed, on a busy machine too
_FINISHING = 20.0  # the same after recordings, whose lines are all printed unless nobody reads them
_COMMANDS = (  # in the order of the help
    check_command,
    ledger_command,
    prepare_command,
    replay_command,
    ask_command,
    promote_command,
    people_command,
    service_command,
)

_log = logging.getLogger(__name__)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `softcore-edge` and return its exit code."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    parser = build_parser()
    first = next((word for word in arguments if word != "--debug"), "")
    if first not in parser.commands and (meant := _find_meant(first, parser.commands)):
        parser.error(f"{first}: no command and no bundle of this name; did you mean {meant}?")
    return run(parser, arguments=arguments)


def build_parser() -> Parser:
    """Build the parser of `softcore-edge`, with those of its commands."""
    parser = build_line_parser()
    parser.set_defaults(work=_work)
    for command in _COMMANDS:
        command.add_command(parser)
    return parser


def _find_meant(name: str, known: Iterable[str]) -> str | None:
    """Return the command that a mistyped word means; None if the word may be a bundle."""
    if not name or name.startswith("-") or is_bundle(name):
        return None
    commands = {one: f"softcore-edge {one}" for one in known}
    commands |= {end: f"the command softcore-{end}" for end in ("calibrate", "export")}
    near = find_nearest(name, [*commands, *list_bundles()])
    return commands.get(near) if near else None


def _configure(options: argparse.Namespace) -> Configuration:
    """Make the configuration; with its mistakes, a bundle that doesn't exist is reported."""
    try:
        return configure(options.config, gather_options(options))
    except ConfigurationError as error:
        if options.bundle is None or is_bundle(options.bundle):
            raise
        try:
            choose_bundle(options.bundle)
        except BundleNotFoundError as missing:
            raise ConfigurationError([str(missing), *error.lines]) from None
        raise


def _work(options: argparse.Namespace) -> None:
    limit_arenas()
    # Mistakes are reported before a bundle is loaded, which takes seconds.
    line = _configure(options)
    configure_logs(line.log)
    for place, advice in give_advice(line):
        _log.warning("%s: %s", ".".join(place), advice)
    require_presence(line)
    station = assemble(line)
    try:
        overlays = OverlayFolder(line.save_overlays) if line.save_overlays else None
        connections = Connections(station, line)
    except BaseException:
        station.stop()
        raise
    # Python has no standard output if it was started with a closed one.
    colour = sys.stdout is not None and sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    printer = Printer(
        json=line.json_lines,
        colour=colour,
        overlays=overlays,
        lossless=not is_live(station),
        on_error=station.fail,
        cameras=tuple(station.pipelines),
        triggers=station.writer.ledger is not None,
    )
    tally, start = Tally(), time.perf_counter()
    tallies = {name: Tally() for name in station.pipelines}
    station.add_listener(lambda decided: tally.add(decided.record))
    station.add_listener(lambda decided: tallies[decided.record.camera].add(decided.record))
    station.add_listener(printer.print)
    try:
        add_shadow(station, line)  # after all that gets the decisions
        connections.start()
        station.start()
        connections.report_ready()
        if connections.url:
            _log.info("page %s", connections.url)
        station.wait()
        if not is_live(station):
            printer.close(_FINISHING)
        if connections.url and line.frames is None:
            _keep_page(station, connections.url)
    finally:  # also after Ctrl-C or a fault: decisions stay valid
        _stop(station, connections, printer)
        if tally.total:
            _summarise(station, printer, overlays, tally, tallies, time.perf_counter() - start)
    if printer.error:
        raise printer.error
    if not tally.decided:
        raise SourceError(f"no frame could be decided: {tally.total} INVALID")


def _keep_page(station: InspectionStation, url: str) -> None:
    """Keep serving the page after recordings, which are inspected in a moment, until Ctrl-C."""
    _log.info("all frames were gone through; the page stays at %s until Ctrl-C", url)
    with suppress(KeyboardInterrupt):
        station.wait_for_fault()


def _stop(station: InspectionStation, connections: Connections, printer: Printer) -> None:
    """Stop everything; further signals are ignored meanwhile, for a second at most."""
    before = [signal.signal(which, signal.SIG_IGN) for which in _ENDING]
    try:
        connections.report_ending()
        station.stop()
        connections.close()
        printer.close(_PRINTING)
    finally:
        for which, handler in zip(_ENDING, before, strict=True):
            signal.signal(which, handler)


def _summarise(
    station: InspectionStation,
    printer: Printer,
    overlays: OverlayFolder | None,
    tally: Tally,
    tallies: Mapping[str, Tally],
    seconds: float,
) -> None:
    lines = tally.describe(seconds)
    for name, line in station.pipelines.items():
        inspector = line.recipes.current.inspector
        threshold, path = inspector.manifest.threshold, inspector.bundle.path
        of_camera = [
            f"bundle {path}, threshold {threshold.value:.6g}",
            f"network {inspector.network}",
            inspector.remark,
            f"the threshold is provisional: run softcore-calibrate {path}" if threshold.provisional else None,
            line.source.remark,
            _describe_shadow(station.shadow.describe(name) if station.shadow else None),
        ]
        before = ""
        if len(station.pipelines) > 1:
            before, counts = f"{name}: ", tallies[name].describe(seconds)[0]
            of_camera.insert(0, counts)
        lines.extend(f"{before}{told}" for told in of_camera if told)
    if overlays:
        lines.append(f"{overlays.saved} overlays in {overlays.path}")
    if printer.left_out:
        lines.append(f"{printer.left_out} lines were left out: standard output was read too slowly")
    if station.writer.remark:
        lines.append(station.writer.remark)
    print("\n".join(lines), file=sys.stderr)


def _describe_shadow(shadow: ShadowStatus | None) -> str | None:
    if shadow is None:
        return None
    if shadow.fault:
        return f"no shadow: {shadow.fault}"
    counts = f"{shadow.seen} parts seen by both, {shadow.differing} of them differ, {shadow.skipped} skipped"
    return f"shadow {shadow.path}: {counts}"
