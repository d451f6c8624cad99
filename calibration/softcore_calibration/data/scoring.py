"""Scoring: scores samples by the same bundle, engine and search as the line."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray
from softcore_runtime import FrameError, ImageError, Inspector, read_image
from softcore_runtime.bundle.training import draw_thumbnail, measure_image_statistics
from softcore_runtime.cli.progress import track
from softcore_runtime.images.depth import FULL
from softcore_runtime.images.file_names import to_text

from softcore_calibration.data.samples import Sample
from softcore_calibration.data.score_cache import ScoreCache

__all__ = ["Located", "ScoredImage", "Scoring", "read_again", "score_samples"]


class Located(Protocol):
    """An image that can be read again: `name` and `path` as in `Sample`."""

    @property
    def name(self) -> str:
        """The path of its file; for a video with the number of the frame."""

    @property
    def path(self) -> Path:
        """Its file."""


@dataclass(frozen=True, eq=False)
class ScoredImage:
    """An image and its score.

    Attributes:
        name, path, defective, digest: as in `Sample`.
        score: the exact score, as `Inspector.inspect` returns it.
        spread: the share of the image's patches above the threshold that the export set.
        thumbnail: uint8 `[32, 32]`.
        image_statistics: float64 `[3]`, see `measure_image_statistics`.
    """

    name: str
    path: Path
    defective: bool
    digest: str
    score: float
    spread: float
    thumbnail: NDArray[np.uint8]
    image_statistics: NDArray[np.float64]


@dataclass(eq=False)
class Scoring:
    """The scored samples, and those that don't count.

    Attributes:
        good, bad: the images that count, each content once.
        unread: a line for each image that could not be read or inspected.
        repeated: names of images with the content or the pixels of an earlier one.
        contradicted: names of images given both as good and as bad.
        cached: number of scores taken from the cache.
    """

    good: list[ScoredImage] = field(default_factory=list)
    bad: list[ScoredImage] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)
    repeated: list[str] = field(default_factory=list)
    contradicted: list[str] = field(default_factory=list)
    cached: int = 0


def score_samples(
    inspector: Inspector, samples: Iterable[Sample], cache: ScoreCache, total: int | None = None
) -> Scoring:
    """Score every sample once; unreadable and repeated ones are listed.

    Args:
        inspector: its threshold must be the export's, to which `ScoredImage.spread` refers.
        samples: what to score.
        cache: of scores.
        total: number of samples, for the progress bar.
    """
    scoring = Scoring()
    seen: dict[str | tuple[float, bytes, bytes], ScoredImage] = {}
    for sample in track(samples, "scores", total):
        first = seen.get(sample.digest)
        try:
            scored = first or _score(inspector, sample, cache, scoring)
        except (FrameError, ImageError) as error:
            scoring.unread.append(f"{sample.name}: {str(error).removeprefix(f'{to_text(sample.path)}: ')}")
            continue
        # The same pixels in another file give the same score, statistics and thumbnail, to the last bit.
        shown = scored.score, scored.image_statistics.tobytes(), scored.thumbnail.tobytes()
        if first is None and shown not in seen:
            seen[sample.digest] = seen[shown] = scored
            (scoring.bad if sample.defective else scoring.good).append(scored)
        else:
            same = seen[shown].defective == sample.defective
            (scoring.repeated if same else scoring.contradicted).append(sample.name)
    return scoring


def read_again(image: Located, white: int = FULL) -> NDArray[np.uint8] | None:
    """Read an image again, to show it; return None if its video can't be opened any more.

    Args:
        image: where it was.
        white: as for `read_image`.

    Raises:
        ImageError: its file is missing by now, or can't be read.
    """
    number = image.name.removeprefix(str(image.path))
    if not number:
        return read_image(image.path, white)
    capture = cv2.VideoCapture(str(image.path))
    frame = None
    try:
        for _ in range(int(number.removeprefix("#"))):
            frame = capture.read()[1]
    finally:
        capture.release()
    return None if frame is None else np.asarray(frame, np.uint8)


def _score(inspector: Inspector, sample: Sample, cache: ScoreCache, scoring: Scoring) -> ScoredImage:
    known = cache.get(sample.digest)
    if known:
        scoring.cached += 1
        score, spread, small, stored = known
        thumbnail = np.frombuffer(small, np.uint8).reshape(32, 32)
        image_statistics = np.frombuffer(stored, np.float64)
    else:
        image = sample.read(inspector.manifest.preprocessing.white)
        result = inspector.inspect(image)
        # Patch scores are exact wherever they are above the threshold, so this share is, too.
        above = np.asarray(result.patch_scores) > result.threshold
        score, spread = result.score, float(above.mean())
        thumbnail = draw_thumbnail(inspector.bundle.preprocessing.apply(image))
        image_statistics = measure_image_statistics(image)
        cache.put(sample.digest, score, spread, thumbnail.tobytes(), image_statistics.tobytes())
    return ScoredImage(
        sample.name, sample.path, sample.defective, sample.digest, score, spread, thumbnail, image_statistics
    )
