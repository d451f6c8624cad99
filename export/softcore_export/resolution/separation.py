"""Separation: how clearly images with a defect stand out from good ones, at several resolutions.

A sample of the training images gives a small memory bank for each resolution. Without labels, other training
images are scored against it: as they are, and with synthetic defects, which are drawn on the whole frames,
the same for every resolution.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from softcore_runtime.backends.engine import Backbone
from softcore_runtime.cli.progress import hide_bars, track
from softcore_runtime.errors import FrameError, ImageError
from softcore_runtime.images.image_file import to_bgr8
from softcore_runtime.images.preprocessing import Preprocessing
from softcore_runtime.inspection.features import compute_features
from softcore_runtime.separation import auroc
from torch import Tensor

from softcore_export.memory_bank.coreset import draw_axes, spread
from softcore_export.resolution.synthetic_defects import KINDS, draw_defect

__all__ = [
    "Scores",
    "SmallBank",
    "Subject",
    "bound_gain",
    "fit_banks",
    "measure_farthest",
    "score_labelled",
    "score_synthetic",
]

_ENTRIES = 2000  # of a small memory bank
_DRAWS = 400  # of a bootstrap
_CELLS = 64  # rows, and columns, in which an outline is drawn
_BOUNDING, _TOGETHER = 256, 64  # entries that bound a patch's distance, and patches measured at a time


@dataclass(frozen=True, eq=False)
class Subject:
    """A resolution to measure.

    Attributes:
        backbone: the network, opened.
        preprocessing: from a frame to its input.
    """

    backbone: Backbone
    preprocessing: Preprocessing

    def see(self, frame: NDArray[np.generic]) -> NDArray[np.float32]:
        """Compute the features of the inspected patches of a frame, float32 `[P, d]`."""
        features = compute_features(self.backbone, self.preprocessing, self.preprocessing.apply(frame))
        height, width = self.preprocessing.canvas
        columns = round(math.sqrt(len(features) * width / height))
        outside = self.preprocessing.find_outside((len(features) // columns, columns))
        return features if outside is None else features[~outside.ravel()]

    def outline(self, frame: NDArray[np.generic]) -> NDArray[np.bool_]:
        """Return what is inspected of a frame, bool `[H, W]`."""
        inside = np.zeros(frame.shape[:2], np.bool_)
        window = self.preprocessing.window(*frame.shape[:2])
        left, top = max(0, round(window.x)), max(0, round(window.y))
        part = inside[top : round(window.y + window.height), left : round(window.x + window.width)]
        outside = self.preprocessing.find_outside((_CELLS, _CELLS))
        cells = np.ones((_CELLS, _CELLS), np.uint8) if outside is None else (~outside).astype(np.uint8)
        part[:] = cv2.resize(cells, part.shape[::-1], interpolation=cv2.INTER_NEAREST) > 0
        return inside


@dataclass(frozen=True, eq=False)
class Scores:
    """Scores of n good images and of m defective ones.

    Attributes:
        good: float64 `[n]`.
        defective: float64 `[m]`.

    Example:
        >>> Scores(np.array([1.0, 2.0]), np.array([2.5, 1.5])).auroc
        0.75
    """

    good: NDArray[np.float64]
    defective: NDArray[np.float64]

    @property
    def auroc(self) -> float:
        """The area under the ROC curve: how often a defective image scores above a good one."""
        return auroc(self.good, self.defective)


def bound_gain(usual: Scores, other: Scores, seed: int = 0) -> tuple[float, float]:
    """Bound what one resolution gains over another in AUROC, both with scores of the same images.

    Returns:
        the 90 % interval of a paired bootstrap over the good and over the defective images.

    Example:
        >>> good, defective = np.arange(20.0), np.arange(10.0, 18.0)
        >>> low, high = bound_gain(Scores(good, defective), Scores(good, defective + 20))
        >>> low > 0, high <= 1
        (True, True)
        >>> bound_gain(Scores(good, defective), Scores(good, defective))
        (0.0, 0.0)
    """
    rng = np.random.default_rng(seed)
    gains = []
    for _ in range(_DRAWS):
        good = rng.integers(len(usual.good), size=len(usual.good))
        bad = rng.integers(len(usual.defective), size=len(usual.defective))
        before, after = (auroc(scores.good[good], scores.defective[bad]) for scores in (usual, other))
        gains.append(after - before)
    low, high = np.quantile(gains, (0.05, 0.95))
    return float(low), float(high)


class SmallBank:
    """A memory bank of some images at one resolution, in a random projection.

    Attributes:
        subject: the resolution.

    Args:
        subject: the resolution.
        features: float32 `[P, d]` of each image.
        seed: of the projection and of the first entry.
    """

    def __init__(self, subject: Subject, features: Sequence[NDArray[np.float32]], seed: int) -> None:
        self.subject = subject
        rng = np.random.default_rng(seed)
        self._axes = draw_axes(features[0].shape[1], rng)
        patches = torch.from_numpy(np.concatenate([each @ self._axes for each in features]))
        with hide_bars():
            rows = spread(patches.clone(), _ENTRIES, int(rng.integers(len(patches))))
        self._entries = patches[torch.from_numpy(rows)]
        self._halves = self._entries.square().sum(dim=1) / 2

    def score(self, frame: NDArray[np.generic]) -> float:
        """Score a frame: the largest distance of a patch to its nearest entry."""
        return measure_farthest(self.subject.see(frame) @ self._axes, self._entries, self._halves)


def measure_farthest(patches: NDArray[np.float32], entries: Tensor, halves: Tensor) -> float:
    """Measure the largest distance of a patch to its nearest entry.

    The distance to some of the entries is an upper bound of a patch's own. Patches are compared with all
    entries in the order of these bounds, until none of the rest can be the farthest.

    Args:
        patches: float32 `[P, d]`.
        entries: `[n, d]`; the first of them should represent all, as a greedy coreset's do.
        halves: `[n]`, half the entries' squared lengths.

    Example:
        >>> entries = torch.tensor([[0.0, 0.0], [5.0, 0.0]])
        >>> measure_farthest(np.array([[1, 0], [5, 2]], np.float32), entries, entries.square().sum(dim=1) / 2)
        2.0
    """
    x = torch.from_numpy(np.array(patches)).to(entries.device)
    squares = x.square().sum(dim=1) / 2
    apart = torch.addmm(halves[:_BOUNDING], x, entries[:_BOUNDING].T, alpha=-1)
    bounds, order = (apart.amin(dim=1) + squares).sort(descending=True)
    farthest = 0.0  # half its square
    for start in range(0, len(x), _TOGETHER):
        if float(bounds[start]) < farthest:
            break
        some = order[start : start + _TOGETHER]
        nearest = torch.addmm(halves, x[some], entries.T, alpha=-1).amin(dim=1) + squares[some]
        farthest = max(farthest, float(nearest.max()))
    return math.sqrt(2 * farthest)


def fit_banks(subjects: Sequence[Subject], paths: Sequence[Path], seed: int) -> list[SmallBank]:
    """Fit a small bank at each resolution on the images that can be read.

    Raises:
        ValueError: none can be read.
    """
    seen: list[list[NDArray[np.float32]]] = [[] for _ in subjects]
    for frame in _read(subjects[0].preprocessing, paths, "resolution: learning"):
        for subject, features in zip(subjects, seen, strict=True):
            features.append(subject.see(frame))
    if not seen[0]:
        raise ValueError("no image can be read")
    return [SmallBank(subject, each, seed) for subject, each in zip(subjects, seen, strict=True)]


def score_synthetic(banks: Sequence[SmallBank], paths: Sequence[Path], seed: int) -> list[Scores]:
    """Score images as they are, and with a synthetic defect of each kind, against each bank.

    Args:
        banks: one for each resolution.
        paths: images that the banks weren't fitted on.
        seed: of the defects.
    """
    good: list[list[float]] = [[] for _ in banks]
    defective: list[list[float]] = [[] for _ in banks]
    first = banks[0].subject
    for number, frame in enumerate(_read(first.preprocessing, paths, "resolution: measuring")):
        rng, inside = np.random.default_rng([seed, number]), first.outline(frame)
        twins = [draw_defect(frame, rng, kind, inside).image for kind in KINDS]
        for place, bank in enumerate(banks):
            good[place].append(bank.score(frame))
            defective[place] += [bank.score(twin) for twin in twins]
    return [Scores(np.array(g), np.array(d)) for g, d in zip(good, defective, strict=True)]


def score_labelled(banks: Sequence[SmallBank], images: Sequence[tuple[Path, bool]]) -> list[Scores]:
    """Score labelled images, each with whether it is defective, against each bank."""
    found: dict[bool, list[list[float]]] = {kind: [[] for _ in banks] for kind in (False, True)}
    for path, is_defective in track(images, "resolution: labelled"):
        for frame in _read(banks[0].subject.preprocessing, [path]):
            for place, bank in enumerate(banks):
                found[is_defective][place].append(bank.score(frame))
    return [Scores(np.array(g), np.array(d)) for g, d in zip(found[False], found[True], strict=True)]


def _read(preprocessing: Preprocessing, paths: Sequence[Path], what: str = "") -> Iterator[NDArray[np.uint8]]:
    """Read images that can be read and fit, as uint8 BGR `[H, W, 3]`."""
    for path in track(paths, what) if what else paths:
        try:
            frame = to_bgr8(preprocessing.read(path), preprocessing.white)
            preprocessing.apply(frame)
        except (FrameError, ImageError):
            continue
        yield frame
