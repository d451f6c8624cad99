"""The command `softcore-calibrate`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from softcore_runtime import Inspector, read_picture
from softcore_runtime.bundle import manifest_path
from softcore_runtime.command_line import run
from softcore_runtime.errors import DataError, UsageError
from softcore_runtime.limit import revert_threshold, set_threshold
from softcore_runtime.training import read_training

from softcore_calibration.options import DEFECTS, build_parser, list_places, read_objective

if TYPE_CHECKING:
    from softcore_calibration.calibration import Findings
    from softcore_calibration.objectives import Objective

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `softcore-calibrate`; returns the exit code."""
    return run(build_parser(), _work, arguments)


def _work(options: argparse.Namespace) -> int:
    places = list_places(options)
    if options.revert:
        if places or options.dry_run or options.serve:
            raise UsageError("--revert goes back to the limit before; it takes no pictures and nothing else")
        return _revert(options)
    if options.serve and options.dry_run:
        raise UsageError("--serve changes nothing until its button is pressed; leave out --dry-run")
    if options.report and not options.report.parent.is_dir():
        raise UsageError(f"--report {options.report}: there is no folder {options.report.parent}")
    # Only now, for they take a second: --help and mistakes in the options are answered at once
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

    wanted = read_objective(options)
    count, samples = find_samples(places)
    mask = _read_mask(options.mask)
    inspector = Inspector.load(
        options.bundle, engine=options.engine, provider=options.provider, threads=options.threads
    )
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
    rate = options.defect_rate or DEFECTS

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


def _say(line: str) -> None:
    print(line, file=sys.stderr)
