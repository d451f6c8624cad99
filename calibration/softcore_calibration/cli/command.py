"""The command `softcore-calibrate`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from softcore_runtime import Inspector, read_image
from softcore_runtime.bundle.bundle import manifest_path, read_manifest
from softcore_runtime.bundle.manifest import Manifest, list_seals
from softcore_runtime.bundle.threshold_change import revert_threshold, set_threshold
from softcore_runtime.bundle.training import read_training
from softcore_runtime.cli.command_line import run
from softcore_runtime.cli.progress import print_message
from softcore_runtime.errors import DataError, UsageError
from softcore_runtime.language.catalogue import choose_language
from softcore_runtime.signing.signatures import SIGNATURES, has_signature

from softcore_calibration.cli.options import DEFECTS, build_parser, rewrite_command
from softcore_calibration.cli.preflight import check_request
from softcore_calibration.objective import Objective

if TYPE_CHECKING:
    from softcore_calibration.calibration import CalibrationResult

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `softcore-calibrate` and return its exit code."""
    given = sys.argv[1:] if arguments is None else arguments
    return run(build_parser(), partial(_work, given=given), arguments)


def _work(options: argparse.Namespace, given: Sequence[str]) -> int:
    request = check_request(options)
    if options.revert:
        return _revert(request.bundle, options.sign)
    samples, wanted, mask = request.samples, request.objective, request.mask
    for line in samples.layouts:
        print_message(line)
    for line in samples.omitted:
        print_message(f"warning: {line}")
    # Imported late, since it takes a second: --help and mistakes in the options are answered at once.
    from softcore_calibration.demands import demand_enough, demand_good

    training = read_training(request.bundle)

    def demand(good: int | None, bad: int | None) -> None:
        """Refuse an objective that needs more images; without good images the training images stand in."""
        if good == 0:
            demand_good(masked=mask is not None, min_area=options.min_area)
        demand_enough(
            wanted,
            good if good != 0 else len(training.scores),
            bad,
            stand_in=good == 0,
            rewrite=partial(rewrite_command, given),
        )

    demand(samples.count_kind(False), samples.count_kind(True))
    from softcore_calibration.calibration import calibrate
    from softcore_calibration.cli.table import describe_findings
    from softcore_calibration.confirmation import DRASTIC, compare_rates, confirm, describe_jump, measure_jump
    from softcore_calibration.data.score_cache import open_cache
    from softcore_calibration.data.scoring import score_samples
    from softcore_calibration.exam_parts import add_exam_parts

    language = choose_language(options.language)
    if options.report:
        from softcore_calibration.report.report import write_report
    if options.serve:
        from softcore_calibration.report.page import serve_page

    inspector = Inspector.load(
        request.bundle,
        engine=options.engine,
        provider=options.provider,
        threads=options.threads,
        any_threshold=True,  # a wrong threshold is replaced here
    )
    exported = inspector.manifest
    first = (*exported.history, exported.threshold)[0]
    plain = first.model_copy(update={"min_area": options.min_area, "mask": None, "fail_above": None})
    inspector.override_threshold(plain, None if options.mask is None else read_image(options.mask))
    with open_cache(inspector, mask) as cache:
        scoring = score_samples(inspector, samples, cache, samples.count)
    wanting = not scoring.good and any(not defective for _, defective in samples.files)
    if scoring.unread and (wanting or not (scoring.good or scoring.bad)):
        kind = "good images" if wanting else f"{len(scoring.unread)} images"
        raise DataError(f"none of the {kind} could be read; first fault: {scoring.unread[0]}")
    if scoring.cached:
        print_message(
            f"{scoring.cached} of {len(scoring.good) + len(scoring.bad)} scores were known from before"
        )
    demand(len(scoring.good), len(scoring.bad))  # some may be unreadable, or copies of others
    rate = options.defect_rate or DEFECTS

    def find(objective: Objective) -> CalibrationResult:
        found = calibrate(inspector, scoring, training, objective, rate, masked=mask is not None)
        if fault := inspector.explain_threshold(found.threshold):
            raise UsageError(f"{request.bundle}: {fault}; nothing was changed")
        return replace(found, manifest=exported)

    def use(findings: CalibrationResult) -> CalibrationResult:
        nonlocal exported
        before = exported
        exported = set_threshold(request.bundle, findings.threshold, before, mask, options.sign)
        _warn_of_missing_signature(request.bundle, exported)
        for line in add_exam_parts(request.bundle, exported, scoring):
            if line.startswith("warning: "):
                print_message(line)
            else:
                print(f"  exam       {line}")
        return replace(findings, manifest=before)

    findings = find(wanted)
    for line in describe_findings(findings):
        print(line)
    if options.report:
        write_report(options.report, findings, inspector, language)
        print(f"  report     {options.report}")
    if options.serve:

        def use_value(value: float) -> CalibrationResult:
            asked = value == findings.threshold.value
            return use(findings if asked else find(Objective("value", {"value": value})))

        serve_page(findings, inspector, use_value, print_message, language)
    elif options.dry_run:
        print("  bundle     not changed (--dry-run)")
    else:
        before, after = exported.threshold, findings.threshold
        jump, drastic = describe_jump(before, after), measure_jump(before, after) >= DRASTIC
        # A threshold that a person named needs no other word unless it is so far off that it may be a typo.
        if jump and not options.accept and (drastic or wanted.kind != "value"):
            scores = [[image.score for image in images] for images in (findings.good, findings.bad)]
            confirm(request.bundle, jump, compare_rates(before, after, *scores), drastic=drastic)
        use(findings)
        print(f"  bundle     {manifest_path(request.bundle)} has the threshold; --revert goes back")
    return 0


def _warn_of_missing_signature(bundle: Path, manifest: Manifest) -> None:
    """Warn where a bundle is signed, and its threshold isn't."""
    if (bundle / SIGNATURES).exists() and not has_signature(bundle, list_seals(manifest)):
        print_message(
            f"warning: {bundle}: the bundle is signed, this threshold isn't: add --sign KEY, or run "
            f"softcore keys sign KEY {bundle} --threshold"
        )


def _revert(bundle: Path, key: Path | None) -> int:
    dropped, restored = revert_threshold(bundle, key)
    _warn_of_missing_signature(bundle, read_manifest(bundle))
    print(
        f"{bundle}: the threshold is {restored.value:.6g} again ({restored.method}); "
        f"dropped {dropped.value:.6g} ({dropped.method})"
    )
    return 0
