"""Comparison: what two bundles decide on the same images, and which parts change sides."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from softcore_runtime import Decision, FrameError, ImageError, Inspector
from softcore_runtime.bundle.manifest import Manifest
from softcore_runtime.bundle.threshold import Rate
from softcore_runtime.cli.progress import track
from softcore_runtime.images.file_names import to_text

from softcore_calibration.bounds import measure_rate
from softcore_calibration.data.samples import Sample
from softcore_calibration.scores import Scores, compute_auroc

__all__ = ["BundleOutcome", "ComparedImage", "Comparison", "bound_gain", "compare"]

_RESAMPLES = 2000  # of the bootstrap
_SEED = 0


@dataclass(frozen=True)
class BundleScore:
    """What a bundle says of an image.

    Attributes:
        score: the part's score.
        ratio: the same as a multiple of the bundle's threshold, so that two bundles can be compared.
        decision: the bundle's decision; INVALID where it can't inspect the image.
        reason: why it can't; "" where it can.
    """

    score: float
    ratio: float
    decision: Decision
    reason: str = ""

    def is_right(self, defective: bool) -> bool:
        """Whether a part of this kind isn't lost: a good one doesn't fail, a bad one doesn't pass.

        Example:
            >>> BundleScore(1.0, 0.5, Decision.PASS).is_right(defective=False)
            True
        """
        if defective:
            return self.decision is not Decision.PASS
        return self.decision in (Decision.PASS, Decision.REVIEW)


@dataclass(frozen=True)
class ComparedImage:
    """An image that both bundles have inspected.

    Attributes:
        name: the path of its file; for a video with the number of the frame.
        path: its file.
        defective: whether a person says that it shows a defect; None where nobody does.
        old, new: what each bundle says.
    """

    name: str
    path: Path
    defective: bool | None
    old: BundleScore
    new: BundleScore

    @property
    def changed(self) -> bool:
        """Whether the decisions differ."""
        return self.old.decision is not self.new.decision

    @property
    def lost(self) -> bool:
        """Whether the old bundle was right about it, and the new one is wrong."""
        return self._is_right_by(self.old) and self._is_wrong_by(self.new)

    @property
    def gained(self) -> bool:
        """Whether the old bundle was wrong about it, and the new one is right."""
        return self._is_wrong_by(self.old) and self._is_right_by(self.new)

    def _is_right_by(self, said: BundleScore) -> bool:
        return self.defective is not None and said.is_right(self.defective)

    def _is_wrong_by(self, said: BundleScore) -> bool:
        return self.defective is not None and not said.is_right(self.defective)


@dataclass(frozen=True)
class BundleOutcome:
    """How a bundle does on all images.

    Attributes:
        path: the bundle.
        manifest: the bundle's.
        overkill: the share of good parts that fail; None without good ones.
        escape: the share of bad parts that pass; None without bad ones.
        auroc: of the scores of good and bad parts; None without both.
    """

    path: Path
    manifest: Manifest
    overkill: Rate | None
    escape: Rate | None
    auroc: float | None


@dataclass(frozen=True)
class Comparison:
    """The result of a comparison.

    Attributes:
        old, new: how each bundle does.
        images: the images that were read, each content once.
        unread: a line for each image that could not be read.
        contradicted: names of images that are given both as good and as bad; they aren't compared.
        repeated: number of images with the content of an earlier one.
        gain: AUROC of the new bundle less that of the old one, the ends of its 95 % interval; None without
            both kinds.
    """

    old: BundleOutcome
    new: BundleOutcome
    images: tuple[ComparedImage, ...]
    unread: tuple[str, ...]
    contradicted: tuple[str, ...]
    repeated: int
    gain: tuple[float, float] | None

    def count(self, defective: bool | None) -> int:
        """Count the images of one kind."""
        return sum(image.defective is defective for image in self.images)


def compare(
    old: Inspector, new: Inspector, samples: Iterable[tuple[Sample, bool | None]], total: int | None = None
) -> Comparison:
    """Inspect images by two bundles.

    Args:
        old: the bundle that is in use.
        new: the one that may replace it.
        samples: images, each with whether it is defective; None where nobody knows, after those that are
            known.
        total: number of samples, for the progress bar.

    Example:
        >>> found = compare(inspector, inspector, samples)
        >>> found.old.auroc == found.new.auroc, any(image.changed for image in found.images)
        (True, False)
    """
    images: dict[str, ComparedImage] = {}
    unread: list[str] = []
    contradicted: dict[str, list[str]] = {}
    repeated = 0
    for sample, defective in track(samples, "compared", total):
        if sample.digest in images:
            if defective in (images[sample.digest].defective, None):
                repeated += 1
            else:
                contradicted.setdefault(sample.digest, []).append(sample.name)
            continue
        try:
            said = [_inspect(inspector, sample) for inspector in (old, new)]
        except ImageError as error:
            unread.append(f"{sample.name}: {str(error).removeprefix(f'{to_text(sample.path)}: ')}")
            continue
        images[sample.digest] = ComparedImage(sample.name, sample.path, defective, *said)
    kept = tuple(image for digest, image in images.items() if digest not in contradicted)
    return Comparison(
        old=_judge(old, kept, "old"),
        new=_judge(new, kept, "new"),
        images=kept,
        unread=tuple(unread),
        contradicted=tuple(name for names in contradicted.values() for name in names),
        repeated=repeated,
        gain=bound_gain(_gather(kept, "old"), _gather(kept, "new")),
    )


def bound_gain(
    old: tuple[list[float], list[float]], new: tuple[list[float], list[float]], confidence: float = 0.95
) -> tuple[float, float] | None:
    """Bound how much larger the AUROC of new scores is than that of old ones of the same parts.

    The parts are drawn anew, good and bad ones apart, each with both of its scores (percentile bootstrap;
    Efron and Tibshirani, An Introduction to the Bootstrap, 1993).

    Args:
        old: scores of the good and of the bad parts.
        new: the same of the other bundle, in the same order.
        confidence: of the interval.

    Returns:
        its ends; None without both kinds.

    Example:
        >>> bound_gain(([1.0, 2.0], [3.0]), ([1.0, 2.0], [3.0]))
        (0.0, 0.0)
    """
    if not old[0] or not old[1]:
        return None
    rng = np.random.default_rng(_SEED)
    good, bad = (np.array([old[kind], new[kind]]) for kind in (0, 1))  # [2, G] and [2, B]
    gains = np.empty(_RESAMPLES)
    for number in range(_RESAMPLES):
        drawn_good = good[:, rng.integers(good.shape[1], size=good.shape[1])]
        drawn_bad = bad[:, rng.integers(bad.shape[1], size=bad.shape[1])]
        before, after = (compute_auroc(Scores(drawn_good[side], drawn_bad[side])) or 0.0 for side in (0, 1))
        gains[number] = after - before
    tail = 50 * (1 - confidence)
    low, high = np.percentile(gains, [tail, 100 - tail])
    return float(low), float(high)


def _inspect(inspector: Inspector, sample: Sample) -> BundleScore:
    image = sample.read(inspector.manifest.preprocessing.white)
    try:
        result = inspector.inspect(image)
    except FrameError as error:
        highest = float(np.finfo(np.float32).max)
        return BundleScore(highest, np.inf, Decision.INVALID, str(error))
    return BundleScore(result.score, result.score / result.threshold, result.decision)


def _gather(images: Iterable[ComparedImage], side: str) -> tuple[list[float], list[float]]:
    scores: tuple[list[float], list[float]] = ([], [])
    for image in images:
        if image.defective is not None:
            scores[image.defective].append(getattr(image, side).score)
    return scores


def _judge(inspector: Inspector, images: tuple[ComparedImage, ...], side: str) -> BundleOutcome:
    good, bad = _gather(images, side)
    wrong = [
        image.defective
        for image in images
        if image.defective is not None and not getattr(image, side).is_right(image.defective)
    ]
    return BundleOutcome(
        path=inspector.bundle.path,
        manifest=inspector.manifest,
        overkill=measure_rate(wrong.count(False), len(good), 0.95) if good else None,
        escape=measure_rate(wrong.count(True), len(bad), 0.95) if bad else None,
        auroc=compute_auroc(Scores(np.array(good), np.array(bad))),
    )
