"""Command: `softcore-edge`, a decision for every frame of a camera, a video or a folder of pictures."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from itertools import islice
from pathlib import Path

from softcore_runtime import BundleError, Inspector, SourceError, UsageError
from softcore_runtime.command_line import Parser, run
from softcore_runtime.engine import ENGINES
from softcore_runtime.training import read_training

from softcore_edge_app.bundle_choice import choose_bundle
from softcore_edge_app.configuration import (
    Configuration,
    configure,
    describe_configuration,
    read_configuration,
)
from softcore_edge_app.frames.frame_checks import FrameChecks
from softcore_edge_app.frames.source_choice import choose_camera, choose_source, hide_password
from softcore_edge_app.frames.sources import Source
from softcore_edge_app.ledger import command as ledger_command
from softcore_edge_app.ledger.bookkeeper import Bookkeeper
from softcore_edge_app.ledger.ledger import Ledger
from softcore_edge_app.overlay_folder import OverlayFolder
from softcore_edge_app.tally import Tally
from softcore_edge_app.verdict import decide, format_json, format_line

__all__ = ["main"]

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
    given = {key: value for key, value in vars(options).items() if key not in ("config", "debug")}
    line = configure(options.config, given)
    source = choose_camera(line.camera) if line.camera is not None else choose_source(line.source or "")
    path = choose_bundle(line.bundle)
    if line.save_overlays and line.source:
        _keep_apart(line.save_overlays, Path(line.source))
    inspector = Inspector.load(path, engine=line.engine, threads=line.threads)
    checks = None if line.unchecked else FrameChecks(read_training(path))
    overlays = OverlayFolder(line.save_overlays) if line.save_overlays else None
    book = Bookkeeper(Ledger.open(line.ledger), inspector, _name_camera(line)) if line.ledger else None

    tally, start = Tally(), time.perf_counter()
    try:
        _inspect(inspector, source, line, checks, overlays, book, tally)
    finally:  # also after Ctrl-C or a fault: what was decided stands
        seconds = time.perf_counter() - start
        if book:
            book.close()
        if tally.total:
            _summarise(inspector, source, overlays, book, tally, seconds)
    if not tally.decided:
        raise SourceError(f"no frame could be decided: {tally.total} INVALID")


def _inspect(
    inspector: Inspector,
    source: Source,
    line: Configuration,
    checks: FrameChecks | None,
    overlays: OverlayFolder | None,
    book: Bookkeeper | None,
    tally: Tally,
) -> None:
    # Python has no standard output at all where it was started with a closed one.
    colour = sys.stdout is not None and sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    with closing(source.read_frames()) as frames:
        for frame in islice(frames, line.frames):
            received = time.time_ns()
            _take_up_limit(inspector)
            verdict, inspection = decide(inspector, frame, checks, fast=line.fast)
            if book:  # before anything of it is seen
                verdict = book.enter(frame, verdict, received)
            try:
                if overlays and inspection and verdict.decision is inspection.decision:
                    verdict = replace(verdict, overlay=overlays.save(frame, inspection))
            finally:  # a full disk takes nothing from the decision
                tally.add(verdict)
                text = format_json(verdict) if line.json_lines else format_line(verdict, colour=colour)
                print(text + "\n", end="", flush=True)


def _take_up_limit(inspector: Inspector) -> None:
    """Let a limit that was set meanwhile hold; whatever is wrong with it, the line goes on."""
    try:
        if inspector.refresh():
            limit = inspector.manifest.threshold.value
            print(f"softcore-edge: the limit is {limit:.6g} from here on", file=sys.stderr)
    except BundleError as error:
        print(f"softcore-edge: warning: {error}", file=sys.stderr)


def _summarise(
    inspector: Inspector,
    source: Source,
    overlays: OverlayFolder | None,
    book: Bookkeeper | None,
    tally: Tally,
    seconds: float,
) -> None:
    threshold, path = inspector.manifest.threshold, inspector.bundle.path
    lines = [*tally.describe(seconds), f"bundle {path}, limit {threshold.value:.6g}"]
    if overlays:
        lines.append(f"{overlays.saved} overlays in {overlays.path}")
    if book:
        lines.append(book.remark)
    if inspector.remark:
        lines.append(inspector.remark)
    if threshold.provisional:
        lines.append(f"the limit is provisional: run softcore-calibrate {path}")
    if source.remark:
        lines.append(source.remark)
    print("\n".join(lines), file=sys.stderr)


def _name_camera(line: Configuration) -> str:
    """Say where the frames come from; of a pipeline its first word, for it may hold a password."""
    text = line.source or line.camera or ""
    return text.split()[0] if " ! " in text else hide_password(text)


def _keep_apart(overlays: Path, source: Path) -> None:
    if source.is_dir() and overlays.resolve().is_relative_to(source.resolve()):
        raise UsageError(
            f"--save-overlays {overlays}: lies in --source {source}; the next run would inspect the overlays"
        )


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number from 1, not {text!r}")
    return int(text)
