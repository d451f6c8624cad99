"""The command `softcore-calibrate`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from softcore_runtime import Inspector, read_picture
from softcore_runtime.bundle import manifest_path, revert_threshold, set_threshold
from softcore_runtime.command_line import Parser, run
from softcore_runtime.engine import ENGINES
from softcore_runtime.errors import DataError, MissingLibraryError, UsageError
from softcore_runtime.training import read_training

if TYPE_CHECKING:
    from softcore_calibration.calibration import Findings
    from softcore_calibration.objectives import Objective

__all__ = ["main"]

_DESCRIPTION = """\
Choose a bundle's limit on labelled pictures, run through the very bundle that ships, and write it into
the bundle with what it rests on. Without pictures the training pictures' own scores stand in.

PATH is a folder of pictures, a picture, a video, or a table (CSV with the columns path and label)."""

_EPILOG = """\
examples:
  softcore-calibrate bundles/pill --good checked/good
  softcore-calibrate bundles/pill --data DATASETS/pill --max-overkill 0.05 --confidence 0.95
  softcore-calibrate bundles/pill --good good --bad bad --cost-escape 50 --cost-overkill 1 --defect-rate 0.002
  softcore-calibrate bundles/pill --data labels.csv --max-overkill 0.02 --max-escape 0.05 --review-band
  softcore-calibrate bundles/pill --data DATASETS/pill --report limit.html --dry-run
  softcore-calibrate bundles/pill --revert

exit codes:
  0  the limit is written (with --dry-run: found)
  2  a mistake in the command, 3  a fault of the bundle, or pictures that can't carry what is asked
  130  interrupted; the bundle is as it was"""

_OVERKILL = 0.01  # the objective where none is named
_DEFECTS = 0.01  # the share of defective parts that counts are told for where none is named


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `softcore-calibrate`; returns the exit code."""
    return run(_build_parser(), _work, arguments)


def _build_parser() -> Parser:
    parser = Parser("softcore-calibrate", _DESCRIPTION, _EPILOG)
    parser.add_argument("bundle", type=Path, metavar="BUNDLE", help="the bundle's folder")
    pictures = parser.add_argument_group("pictures")
    for kind in ("good", "bad"):
        pictures.add_argument(
            f"--{kind}",
            type=Path,
            metavar="PATH",
            action="append",
            default=[],
            help=f"{kind} parts; repeatable",
        )
    pictures.add_argument(
        "--data",
        type=Path,
        metavar="PATH",
        action="append",
        default=[],
        help="both kinds: ROOT/CATEGORY in MVTec AD's layout (its test part), or a table",
    )
    objective = parser.add_argument_group(f"objective (one; default --max-overkill {_OVERKILL})")
    objective.add_argument(
        "--max-overkill", type=_share, metavar="A", help="at most the share A of good parts fails"
    )
    objective.add_argument(
        "--max-escape",
        type=_share,
        metavar="B",
        help="at most the share B of bad parts passes; with --max-overkill and --review-band both hold",
    )
    objective.add_argument("--cost-escape", type=_positive, metavar="X", help="an escape costs X ...")
    objective.add_argument(
        "--cost-overkill", type=_positive, metavar="Y", help="... and an overkill Y: least cost"
    )
    objective.add_argument("--f1", action="store_true", help="the highest F1 score")
    objective.add_argument("--youden", action="store_true", help="the highest Youden index")
    objective.add_argument("--percentile", type=_percent, metavar="Q", help="Q %% of the good pictures pass")
    objective.add_argument("--value", type=_positive, metavar="T", help="this very limit")
    objective.add_argument(
        "--confidence",
        type=_share,
        metavar="C",
        help="keep the promise of --max-overkill or --max-escape with this confidence over samples, not only "
        "on average; also that of the intervals that are told (0.95)",
    )
    objective.add_argument(
        "--defect-rate", type=_share, metavar="R", help=f"share of defective parts on the line ({_DEFECTS})"
    )
    limit = parser.add_argument_group("limit")
    limit.add_argument(
        "--review-band",
        nargs="?",
        type=_share,
        const=0.0,
        metavar="W",
        help="a grey zone whose parts go to a person (REVIEW): of the share W on either side of the limit, "
        "or without W from the --max-escape limit to the --max-overkill limit",
    )
    limit.add_argument(
        "--mask", type=Path, metavar="PICTURE", help="inspect nothing where this picture of a frame is white"
    )
    limit.add_argument(
        "--min-area",
        type=_whole,
        metavar="N",
        help="fail only where N pixels of the anomaly map (of crop x crop) are above the limit",
    )
    result = parser.add_argument_group("result")
    result.add_argument("--report", type=Path, metavar="FILE.html", help="write a report to look at")
    result.add_argument(
        "--serve", action="store_true", help="open the report as a page that can set the limit"
    )
    result.add_argument("--dry-run", action="store_true", help="change nothing")
    result.add_argument("--revert", action="store_true", help="go back to the limit before this one")
    speed = parser.add_argument_group("speed")
    speed.add_argument(
        "--engine",
        choices=("auto", *ENGINES),
        default="auto",
        help="what runs the network; take the line's (auto)",
    )
    speed.add_argument("--threads", type=_whole, metavar="N", help="of network and index (all)")
    return parser


def _work(options: argparse.Namespace) -> int:
    places = _list_places(options)
    if options.revert:
        if places or options.dry_run or options.serve:
            raise UsageError("--revert goes back to the limit before; it takes no pictures and nothing else")
        return _revert(options)
    if options.serve and options.dry_run:
        raise UsageError("--serve changes nothing until its button is pressed; leave out --dry-run")
    if options.report and not options.report.parent.is_dir():
        raise UsageError(f"--report {options.report}: there is no folder {options.report.parent}")
    try:  # only now, for they take a second: --help and mistakes in the options are answered at once
        from softcore_calibration.calibration import calibrate
        from softcore_calibration.objectives import Objective
        from softcore_calibration.samples import find_samples
        from softcore_calibration.score_cache import open_cache
        from softcore_calibration.scoring import score_samples
        from softcore_calibration.table import describe_findings

        if options.report:
            from softcore_calibration.report import write_report
        if options.serve:
            from softcore_calibration.page import serve_page
    except ModuleNotFoundError as error:
        raise MissingLibraryError(error.name or "a library", "calibrate") from error

    wanted = _read_objective(options)
    count, samples = find_samples(places)
    mask = _read_mask(options.mask)
    inspector = Inspector.load(options.bundle, engine=options.engine, threads=options.threads)
    if not options.dry_run:
        _demand_writable(options.bundle)
    exported = inspector.manifest
    training = read_training(options.bundle)
    first = (*exported.history, exported.threshold)[0]
    plain = first.model_copy(update={"min_area": options.min_area, "mask": None, "fail_above": None})
    inspector.rehearse(plain, None if options.mask is None else read_picture(options.mask))
    with open_cache(inspector, mask) as cache:
        scoring = score_samples(inspector, samples, cache, count)
    if places and not (scoring.good or scoring.bad):
        raise DataError(
            f"none of {len(scoring.unread)} pictures could be read; first fault: {scoring.unread[0]}"
        )
    if scoring.cached:
        _say(f"{scoring.cached} of {len(scoring.good) + len(scoring.bad)} scores were known from before")
    rate = _DEFECTS if options.defect_rate is None else options.defect_rate

    def find(objective: Objective) -> Findings:
        found = calibrate(inspector, scoring, training, objective, rate, masked=mask is not None)
        return replace(found, manifest=exported)

    def use(findings: Findings) -> Findings:
        nonlocal exported
        before = exported
        exported = set_threshold(options.bundle, findings.threshold, before, mask)
        return replace(findings, manifest=before)

    findings = find(wanted)
    for line in describe_findings(findings):
        print(line)
    if options.report:
        write_report(options.report, findings, inspector)
        print(f"  report     {options.report}")
    if options.serve:

        def use_value(value: float) -> Findings:
            asked = value == findings.threshold.value
            return use(findings if asked else find(Objective("value", {"value": value})))

        serve_page(findings, inspector, use_value, _say)
    elif options.dry_run:
        print("  bundle     not changed (--dry-run)")
    else:
        use(findings)
        print(f"  bundle     {manifest_path(options.bundle)} has the limit; --revert goes back")
    return 0


def _revert(options: argparse.Namespace) -> int:
    dropped, restored = revert_threshold(options.bundle)
    print(
        f"{options.bundle}: the limit is {restored.value:.6g} again ({restored.method}); "
        f"dropped {dropped.value:.6g} ({dropped.method})"
    )
    return 0


def _read_objective(options: argparse.Namespace) -> Objective:
    """Find the one objective among the options.

    Raises:
        UsageError: there are two, or a part of one is missing.
    """
    from softcore_calibration.objectives import Objective

    costs = (options.cost_escape, options.cost_overkill)
    if (costs[0] is None) != (costs[1] is None):
        raise UsageError("--cost-escape and --cost-overkill go together: only their ratio matters")
    chosen = {
        "--max-overkill": options.max_overkill is not None,
        "--max-escape": options.max_escape is not None,
        "--cost-escape": costs[0] is not None,
        "--f1": options.f1,
        "--youden": options.youden,
        "--percentile": options.percentile is not None,
        "--value": options.value is not None,
    }
    names = [name for name, there in chosen.items() if there]
    zone = options.review_band
    confidence = options.confidence
    if names == ["--max-overkill", "--max-escape"]:
        if zone != 0:
            raise UsageError(
                "--max-overkill and --max-escape: one limit seldom keeps both; add --review-band, and what "
                "lies between their two limits goes to a person"
            )
        both = {"overkill": options.max_overkill, "escape": options.max_escape}
        return Objective("band", both, confidence)
    if len(names) > 1:
        raise UsageError(f"{' and '.join(names)}: choose one objective")
    if zone == 0:
        raise UsageError("--review-band: needs a width, or both --max-overkill and --max-escape")
    name = names[0] if names else "--max-overkill"
    if confidence is not None and name not in ("--max-overkill", "--max-escape"):
        raise UsageError(
            f"--confidence {confidence:g}: {name} makes no promise that could be kept with confidence"
        )
    if options.defect_rate is not None and name == "--cost-escape":
        defects = {"defects": options.defect_rate}
    else:
        defects = {}
    kind, parameters = {
        "--max-overkill": ("overkill", {"share": options.max_overkill or _OVERKILL}),
        "--max-escape": ("escape", {"share": options.max_escape}),
        "--cost-escape": ("cost", {"escape": costs[0], "overkill": costs[1], **defects}),
        "--f1": ("f1", {}),
        "--youden": ("youden", {}),
        "--percentile": ("percentile", {"percent": options.percentile}),
        "--value": ("value", {"value": options.value}),
    }[name]
    return Objective(kind, parameters, confidence, zone)


def _list_places(options: argparse.Namespace) -> list[tuple[Path, bool | None]]:
    return [
        *((path, False) for path in options.good),
        *((path, True) for path in options.bad),
        *((path, None) for path in options.data),
    ]


def _read_mask(path: Path | None) -> bytes | None:
    """Read a mask and write it as PNG, whatever it was.

    Raises:
        PictureError: it is no picture.
    """
    if path is None:
        return None
    import cv2

    return bytes(cv2.imencode(".png", read_picture(path))[1].tobytes())


def _demand_writable(path: Path) -> None:
    """Say that a limit can't be written before a thousand pictures have been scored.

    Raises:
        UsageError: it can't.
    """
    file = manifest_path(path)
    if not (os.access(path, os.W_OK) and os.access(file, os.W_OK)):
        raise UsageError(f"{file}: can't be written by you; --dry-run only finds the limit")


def _share(text: str) -> float:
    return _number(text, 0, 1, "above 0 and below 1")


def _percent(text: str) -> float:
    return _number(text, 0, 100, "above 0 and below 100")


def _positive(text: str) -> float:
    return _number(text, 0, float(np.finfo(np.float32).max), "above 0")


def _whole(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number from 1, not {text!r}")
    return int(text)


def _number(text: str, low: float, high: float, words: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not low < value < high:
        raise argparse.ArgumentTypeError(f"must be a number {words}, not {text!r}")
    return value


def _say(line: str) -> None:
    print(line, file=sys.stderr)
