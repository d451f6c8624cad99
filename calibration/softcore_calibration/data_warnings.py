"""Data warnings: what may be wrong with the images that a threshold is calibrated on."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import mannwhitneyu
from softcore_runtime.bundle.training import Training
from softcore_runtime.errors import DataError, FrameError, ImageError
from softcore_runtime.images.compression import compare_compression, measure_compression
from softcore_runtime.images.compression_statistics import CompressionStatistics

from softcore_calibration.data.scoring import ScoredImage, Scoring, read_again
from softcore_calibration.scores import Scores, compute_auroc

__all__ = [
    "DataWarning",
    "find_data_warnings",
    "find_near_duplicates",
    "refuse_swapped",
    "warn_of_compression",
]

_SIGNIFICANT = 0.001  # p-value of a difference that is reported
_DRIFTED = 1.25  # ratio of medians that is reported
_NEAR = 0.25  # of the usual distance between two images of the product
_MOST = 0.5  # share of the patches above the threshold that no defect covers
_NAMED = 5  # images in one line
_SAMPLED = 12  # images whose traces of compression are measured


@dataclass(frozen=True)
class DataWarning:
    """Something that may be wrong with the images.

    Attributes:
        kind: one word.
        words: the warning for a person.
        names: of the images that it is about.
    """

    kind: str
    words: str
    names: tuple[str, ...] = ()

    def __str__(self) -> str:
        shown = ", ".join(self.names[:_NAMED])
        more = f" and {len(self.names) - _NAMED} more" if len(self.names) > _NAMED else ""
        return f"{self.words}: {shown}{more}" if self.names else self.words


def find_data_warnings(scoring: Scoring, training: Training) -> list[DataWarning]:
    """Find properties of the images that would make a threshold misleading.

    Args:
        scoring: the scored images.
        training: what the bundle knows about its training images.
    """
    scores = Scores(*(np.array([s.score for s in some]) for some in (scoring.good, scoring.bad)))
    found: list[DataWarning] = []

    def warn(kind: str, words: str, names: Sequence[str] = ()) -> None:
        found.append(DataWarning(kind, words, tuple(names)))

    if scoring.unread:
        warn("unread", f"{_count(scoring.unread)} could not be read, left out", scoring.unread)
    if scoring.repeated:
        warn(
            "repeated",
            f"{_count(scoring.repeated)} with the content of another, not counted",
            scoring.repeated,
        )
    if scoring.contradicted:
        warn(
            "contradicted",
            f"{_count(scoring.contradicted)} given both as good and as bad; the first word counts",
            scoring.contradicted,
        )
    strange = [s.name for s in (*scoring.good, *scoring.bad) if s.spread > _MOST]
    if strange:
        are = "is" if len(strange) == 1 else "are"
        warn(
            "strange",
            f"{_count(strange)} {are} unlike anything in training nearly everywhere; another product, "
            "another light?",
            strange,
        )
    near = find_near_duplicates(scoring.good, training)
    if near:
        warn(
            "near",
            f"{_count(near)} given as good can hardly be told from training images, so the scores are too "
            "low to tell of new parts",
            near,
        )
    if len(scores.good) and len(training.scores) > 1:
        ratio = float(np.median(scores.good) / max(np.median(training.scores), 1e-30))
        p = float(mannwhitneyu(scores.good, training.scores).pvalue)
        if p < _SIGNIFICANT and not 1 / _DRIFTED < ratio < _DRIFTED:
            warn(
                "drift",
                f"the good images score {ratio:.2f} times what the training images did (medians): "
                + (
                    "were camera, light or product changed since?"
                    if ratio > 1
                    else "are they of parts that were trained on, or fewer kinds of part?"
                ),
            )
    if len(scores.good) and len(scores.bad):
        low = int((scores.bad <= scores.good[-1]).sum())
        high = int((scores.good >= scores.bad[0]).sum())
        if low:
            warn(
                "overlap",
                f"the classes overlap: {high} of {len(scores.good)} good and {low} of {len(scores.bad)} "
                "bad images have scores that both kinds have; no threshold tells these apart",
            )
    if 0 < len(scores.bad) < 10:
        say = "1 bad image says" if len(scores.bad) == 1 else f"{len(scores.bad)} bad images say"
        warn("few", f"{say} next to nothing of how many defects escape: see the interval")
    return found


def warn_of_compression(
    scored: Sequence[ScoredImage], known: CompressionStatistics | None
) -> DataWarning | None:
    """Warn if images are compressed or smoothed otherwise than the training images.

    Args:
        scored: the images; a dozen of them are read again.
        known: the traces of compression in the training images; None if they aren't known.
    """
    if known is None:
        return None
    chosen = np.unique(np.linspace(0, max(0, len(scored) - 1), _SAMPLED).astype(int)) if scored else ()
    traces = []
    for number in chosen:
        with contextlib.suppress(FrameError, ImageError):  # its file is missing by now
            image = read_again(scored[number])
            if image is not None:
                traces.append(measure_compression(image))
    found = compare_compression(known, traces)
    if found is None:
        return None
    return DataWarning(
        "compression",
        f"the images {found}: is that how the line's come? Scores may be higher for that; train and "
        "calibrate on images that come the way the line's do",
    )


def refuse_swapped(scores: Scores, found_before: Sequence[DataWarning] = ()) -> None:
    """Raise an error if good and bad are swapped.

    Args:
        scores: of both kinds.
        found_before: warnings, of which "strange" is added to the message.

    Raises:
        DataError: bad parts score significantly lower than good ones, or all of them do.
    """
    auroc = compute_auroc(scores)
    if auroc is None:
        return
    p = float(mannwhitneyu(scores.bad, scores.good, alternative="less").pvalue)
    strange = "".join(f" ({warning})" for warning in found_before if warning.kind == "strange")
    if auroc < 0.5 and (p < _SIGNIFICANT or (auroc == 0 and len(scores.good) > 1)):
        raise DataError(
            f"the images given as good score higher than those given as bad (AUROC {auroc:.3f}): "
            f"are they the wrong way round?{strange}"
        )


def find_near_duplicates(samples: Sequence[ScoredImage], training: Training) -> list[str]:
    """Return the names of images whose thumbnails are much nearer to a training image than is usual."""
    if not samples or len(training.thumbnails) < 3:
        return []
    known = _unroll(training.thumbnails)
    usual = float(np.median(_nearest(known, known, apart=True)))
    distances = _nearest(_unroll(np.stack([sample.thumbnail for sample in samples])), known)
    return [sample.name for sample, far in zip(samples, distances, strict=True) if far < _NEAR * usual]


def _unroll(thumbnails: NDArray[np.uint8]) -> NDArray[np.float32]:
    return thumbnails.reshape(len(thumbnails), -1).astype(np.float32)


def _nearest(
    some: NDArray[np.float32], others: NDArray[np.float32], apart: bool = False
) -> NDArray[np.float32]:
    """Measure the distance to the nearest of `others`, float32 `[S]`; `apart` leaves out the row itself."""
    squares = np.einsum("nd,nd->n", others, others)
    found = []
    for start in range(0, len(some), 256):
        block = some[start : start + 256]
        far = np.einsum("nd,nd->n", block, block)[:, None] + squares - 2 * block @ others.T
        if apart:
            rows = np.arange(len(block))
            far[rows, start + rows] = np.inf
        found.append(far.min(axis=1))
    return np.asarray(np.sqrt(np.maximum(np.concatenate(found), 0)))


def _count(names: Sequence[str]) -> str:
    return f"{len(names)} image{'' if len(names) == 1 else 's'}"
