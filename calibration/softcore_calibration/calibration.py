"""Calibration: from labelled images to a threshold, and what it promises."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path

import numpy as np
from softcore_runtime import Inspector
from softcore_runtime.bundle.baseline import Baseline, measure_baseline
from softcore_runtime.bundle.manifest import Manifest
from softcore_runtime.bundle.threshold import Calibration, Threshold
from softcore_runtime.bundle.training import QUANTITIES, Training

from softcore_calibration.bounds import measure_rate
from softcore_calibration.data.scoring import ScoredImage, Scoring
from softcore_calibration.data_warnings import (
    DataWarning,
    find_data_warnings,
    refuse_swapped,
    warn_of_compression,
)
from softcore_calibration.demands import demand_enough, demand_good
from softcore_calibration.objective import Objective
from softcore_calibration.scores import Scores, compute_auroc, compute_average_precision, count_wrong
from softcore_calibration.threshold_choice import ChosenThreshold, choose_threshold

__all__ = ["CONFIDENCE", "CalibrationResult", "calibrate"]

CONFIDENCE = 0.95  # of intervals, by default


@dataclass(frozen=True, eq=False)
class CalibrationResult:
    """The result of a calibration.

    Attributes:
        path: the bundle.
        manifest: the bundle's, with the earlier threshold.
        objective: what the threshold was chosen for.
        chosen: the threshold as it was chosen.
        threshold: the same in the form of the bundle.
        good: the good images; empty if the scores of the training images were used instead.
        bad: the bad images.
        scores: of both kinds, sorted; those of good parts may be the training images'.
        training: what the bundle knows about its training images.
        data_warnings: what may be wrong with the images.
        auroc: of the two kinds; None without both.
        average_precision: of the two kinds; None without both.
        defect_rate: the share of defective parts for which expected counts are stated.
        unread: a line for each image that could not be read.
        masked: whether a mask excluded a part of each image.

    Example:
        >>> calibrate(inspector, scoring, training, Objective(parameters={"share": 0.05}))
        CalibrationResult('.../bundles/tiny', threshold=..., overkill 1 of 40, escape ... of 24)
    """

    path: Path
    manifest: Manifest
    objective: Objective
    chosen: ChosenThreshold
    threshold: Threshold
    good: list[ScoredImage]
    bad: list[ScoredImage]
    scores: Scores
    training: Training
    data_warnings: list[DataWarning]
    auroc: float | None
    average_precision: float | None
    defect_rate: float
    unread: list[str]
    masked: bool

    def __repr__(self) -> str:
        found = self.calibration
        rates = [("overkill", found.overkill), ("escape", found.escape)]
        told = [f", {name} {rate.count} of {rate.parts}" for name, rate in rates if rate]
        return f"CalibrationResult({str(self.path)!r}, threshold={self.threshold.value:.4g}{''.join(told)})"

    @property
    def calibration(self) -> Calibration:
        """The record of how the threshold was chosen.

        Example:
            >>> result = calibrate(inspector, scoring, training, Objective(parameters={"share": 0.05}))
            >>> result.calibration.promise
            'the next good part will fail with probability 0.05 at most'
        """
        found = self.threshold.calibration
        assert found is not None  # noqa: S101 - set by `calibrate`
        return found


def calibrate(
    inspector: Inspector,
    scoring: Scoring,
    training: Training,
    objective: Objective,
    defect_rate: float = 0.01,
    *,
    masked: bool = False,
) -> CalibrationResult:
    """Choose a threshold for images that a bundle has scored.

    Without good images the leave-one-image-out scores of the training images are used. Nothing is written:
    `softcore_runtime.bundle.threshold_change.set_threshold` sets the threshold in the bundle.

    Args:
        inspector: the bundle.
        scoring: the labelled images with their scores, as `score_samples` gives them.
        training: the bundle's, as `softcore_runtime.bundle.training.read_training` reads it.
        objective: what the threshold is chosen for.
        defect_rate: the share of defective parts to state counts for.
        masked: whether the inspector has a mask.

    Returns:
        the threshold, what it promises, and what may be wrong with the images.

    Raises:
        DataError: the images are too few for the promise, or good and bad are swapped.
        UsageError: there is no image of a kind that the objective needs.

    Example:
        >>> result = calibrate(inspector, scoring, training, Objective(parameters={"share": 0.05}))
        >>> result.threshold.provisional, result.calibration.overkill.count, len(result.bad)
        (False, 1, 24)
        >>> calibrate(inspector, scoring, training, Objective(parameters={"share": 0.001}))
        Traceback (most recent call last):
            ...
        softcore_runtime.errors.DataError: 40 good images can't carry --max-overkill 0.001 (999 can); ...
    """
    manifest = inspector.manifest
    bad = np.array([scored.score for scored in scoring.bad])
    good = np.array([scored.score for scored in scoring.good])
    data_warnings = find_data_warnings(scoring, training)
    if warning := warn_of_compression(scoring.good or scoring.bad, manifest.dataset.traces):
        data_warnings.append(warning)
    if not len(good):
        demand_good(masked=masked, min_area=manifest.threshold.min_area)
        good = training.scores
        data_warnings.append(
            DataWarning(
                "training",
                f"no good images were given: the scores of {len(good)} training images stand in, each "
                "against the bank without its own entries, those that are suspect left out. New parts of a "
                "changed line may score higher",
            )
        )
    scores = Scores(good, bad)
    refuse_swapped(scores, data_warnings)
    demand_enough(objective, len(good), len(bad), stand_in=not scoring.good)
    chosen = choose_threshold(objective, scores)
    confidence = objective.confidence or CONFIDENCE
    upper = chosen.value if chosen.fail_above is None else chosen.fail_above
    overkill = int(count_wrong(np.array([upper]), scores)[0][0])
    escape = int(count_wrong(np.array([chosen.value]), scores)[1][0])
    calibration = Calibration(
        objective=objective.kind,
        parameters=objective.parameters,
        promise=chosen.promise,
        confidence=confidence,
        overkill=measure_rate(overkill, len(scores.good), confidence),
        escape=measure_rate(escape, len(scores.bad), confidence),
        source="pictures" if scoring.good else "training",
        good_sha256=_fingerprint(scoring.good),
        bad_sha256=_fingerprint(scoring.bad),
        engine=inspector.backbone.engine,
        provider=inspector.backbone.provider,
        precision=inspector.backbone.precision,
        created=datetime.now(timezone.utc).replace(microsecond=0),
        tool=f"softcore {version('softcore')}",
        baselines=_measure_baselines([scored for scored in scoring.good if scored.score <= chosen.value]),
    )
    threshold = Threshold(
        value=chosen.value,
        provisional=False,
        method=chosen.promise,
        fail_above=chosen.fail_above,
        min_area=manifest.threshold.min_area,
        calibration=calibration,
    )
    if escape > len(scores.bad) / 2:
        data_warnings.append(
            DataWarning(
                "useless",
                "at this threshold most of the bad images pass; ask for more overkill, or see "
                "what --cost-escape and --cost-overkill choose",
            )
        )
    return CalibrationResult(
        path=inspector.bundle.path,
        manifest=manifest,
        objective=objective,
        chosen=chosen,
        threshold=threshold,
        good=scoring.good,
        bad=scoring.bad,
        scores=scores,
        training=training,
        data_warnings=data_warnings,
        auroc=compute_auroc(scores),
        average_precision=compute_average_precision(scores),
        defect_rate=defect_rate,
        unread=scoring.unread,
        masked=masked,
    )


def _measure_baselines(passing: Sequence[ScoredImage]) -> dict[str, Baseline] | None:
    """Measure the baselines of scores and image statistics, from good images that pass; None if too few."""
    if not passing:
        return None
    image_statistics = np.array([scored.image_statistics for scored in passing])
    values = {
        "score": [scored.score for scored in passing],
        **dict(zip(QUANTITIES, image_statistics.T, strict=True)),
    }
    found = {name: measure_baseline(some) for name, some in values.items()}
    return {name: baseline for name, baseline in found.items() if baseline} or None


def _fingerprint(images: Sequence[ScoredImage]) -> str | None:
    """Hash the sorted digests of images; None without images."""
    if not images:
        return None
    return hashlib.sha256("\n".join(sorted(scored.digest for scored in images)).encode()).hexdigest()
