"""Sandbox: one coreset of all training patches, in which the entries that a rule leaves out are masked.

A coreset is drawn from all patches of training images with noise, and the nearest `NEIGHBOURS` entries of
each test patch are stored. Entries that a rule leaves out are masked, instead of drawing a coreset anew.
Features are projected to 128 dimensions. Results that take long are cached in a folder.
"""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from softcore_export.contamination import comparison
from softcore_export.contamination.comparison import Comparison
from softcore_export.contamination.estimate import ContaminationEstimate, EstimateParameters, estimate_from
from softcore_export.memory_bank.coreset import draw_axes, draw_coreset
from softcore_export.memory_bank.discriminator import outlier_factors
from softcore_export.settings import ExportSettings
from softcore_export.train import fit
from softcore_runtime.cli.progress import hide_bars
from softcore_runtime.search.exhaustive import ExhaustiveSearch
from softcore_runtime.separation import auroc

from softcore_benchmarks.data.category import Category
from softcore_benchmarks.data.feature_store import Network, load_features
from softcore_benchmarks.protocol.noise import count_defects, draw_noise

__all__ = ["ALL", "HALVES", "NEIGHBOURS", "DataSet", "Sandbox", "enough_defects", "load_dataset"]

HALVES = ("tune", "confirm")  # of the defects: the even and the odd ones by path
ALL = "all"  # of the defects, where half of them isn't enough
NEIGHBOURS = 24  # entries stored for a test patch
_LEFT_OUT = 16  # entries stored for a training patch
_BEYOND = 1.02  # times the distance to the last of them, where all are left out
_CPU = torch.device("cpu")
_LOF_K = 6  # as `ExportSettings` has it

Arrays = dict[str, NDArray[np.generic]]


@dataclass(frozen=True, eq=False)
class DataSet:
    """A category's projected features.

    Attributes:
        name: of the category.
        train: float32 `[N, P, d]`, good images, d <= 128.
        test: float32 `[M, P, d]`.
        bad: whether each test image shows a defect, bool `[M]`.
        paths: of the test images, `[M]`, sorted.
        ratio: entries of the coreset as a share of all training patches.
    """

    name: str
    train: NDArray[np.float32]
    test: NDArray[np.float32]
    bad: NDArray[np.bool_]
    paths: tuple[Path, ...]
    ratio: float

    def list_defects(self, half: str) -> NDArray[np.int64]:
        """Return the rows of the test images in one of `HALVES` of the defects, or in `ALL`, int64 `[k]`."""
        if half == ALL:
            return np.flatnonzero(self.bad)
        return np.flatnonzero(self.bad)[HALVES.index(half) :: len(HALVES)]


def load_dataset(category: Category, network: Network, folder: Path, ratio: float) -> DataSet:
    """Load or compute the features of a category and project them."""
    found = load_features(category, network, folder / "features")
    dim = found.train.shape[2]
    axes = draw_axes(dim, np.random.default_rng(0))
    # Lengths stay about as long as without the projection; the Gaussian discriminator depends on that.
    axes *= np.float32((dim / axes.shape[1]) ** 0.5)
    train, test = (np.stack([image @ axes for image in each]) for each in (found.train, found.test))
    return DataSet(category.name, train, test, category.bad, category.test, ratio)


def enough_defects(category: Category, noise: float, half: str) -> bool:
    """Return whether the defects of one of `HALVES`, or of `ALL`, are enough for this noise.

    Some must be left, without which *no overlap* has no defects.
    """
    there = len(category.defects) - 1 if half == ALL else len(category.defects) // len(HALVES)
    return count_defects(len(category.train), noise) <= there


class Sandbox:
    """Training images with noise, and the test images' scores under a rule.

    Attributes:
        data: the data set.
        features: float32 `[N, P, d]`, of its good training images, then of the injected defects.
        injected: whether each is an injected defect, bool `[N]`.
        drawn: rows of the injected test images, int64 `[k]`.
    """

    def __init__(self, data: DataSet, noise: float, half: str, seed: int, folder: Path) -> None:
        self.data = data
        self.drawn = draw_noise(data.paths, data.list_defects(half), len(data.train), noise, seed)
        self.features = np.concatenate([data.train, data.test[self.drawn]])
        self.injected = np.arange(len(self.features)) >= len(data.train)
        sample = np.ascontiguousarray(self.features[:, ::7])
        tested = np.ascontiguousarray(data.test[:, ::7])
        self._key = f"{data.name}-{noise:g}-{half}-{seed}-{_digest(sample, tested, data.ratio)}"
        self._folder = folder
        self._estimates: dict[EstimateParameters, ContaminationEstimate] = {}

    @property
    def size(self) -> int:
        """Number of entries of a coreset."""
        patches = self.features.shape[0] * self.features.shape[1]
        wanted: int = round(self.data.ratio * patches)
        return max(1, wanted)

    @cached_property
    def entries(self) -> NDArray[np.int64]:
        """The coreset of all training patches, int64 `[n]`, flat indices into `[N * P]`."""

        def draw() -> Arrays:
            everything = np.ones(self.features.shape[:2], np.bool_)
            with hide_bars():
                return {"entries": draw_coreset(self.features, everything, self.size, 0, _CPU)}

        return np.asarray(self._load_or_compute("coreset", draw)["entries"], np.int64)

    @cached_property
    def lists(self) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """The nearest entries of each test patch, ascending: distances and entries, both `[M, P, k]`."""
        kept = self._load_or_compute("lists", lambda: self._list_nearest(self.data.test, NEIGHBOURS, False))
        return np.asarray(kept["distances"], np.float32), np.asarray(kept["chosen"], np.int64)

    @cached_property
    def left_out_lists(self) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """The nearest entries of each training patch out of other images, ascending, both `[N, P, k]`."""
        kept = self._load_or_compute("left-out", lambda: self._list_nearest(self.features, _LEFT_OUT, True))
        return np.asarray(kept["distances"], np.float32), np.asarray(kept["chosen"], np.int64)

    @staticmethod
    def beyond(distances: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return what a patch scores if all of its listed entries are left out, from `[..., k]`."""
        return np.asarray(_BEYOND * distances[..., -1], np.float32)

    @cached_property
    def isolation(self) -> NDArray[np.float32]:
        """The distance of each training patch to the nearest entry out of another image, `[N, P]`."""
        return self.left_out_lists[0][:, :, 0]

    def factors(self, discriminator: str) -> NDArray[np.float64]:
        """The paper's outlier factors, float64 `[N, P]`."""

        def compute() -> Arrays:
            with hide_bars():
                return {"factors": outlier_factors(self.features, discriminator, _LOF_K, _CPU)}

        return np.asarray(self._load_or_compute(discriminator, compute)["factors"], np.float64)

    def estimate(self, rule: EstimateParameters | None = None) -> ContaminationEstimate:
        """Estimate the contamination by `rule`, or by the default."""
        rule = rule or EstimateParameters()
        if rule not in self._estimates:
            # Rules with the same window differ only in what they make of the same comparison.
            self._estimates[rule] = estimate_from(self.compare(rule), rule)
        return self._estimates[rule]

    def compare(self, rule: EstimateParameters | None = None) -> Comparison:
        """Compare the training images as `estimate_contamination` does; the result is cached."""
        rule = rule or EstimateParameters()
        constants = (rule.window, rule.references, rule.distant_share)

        def compute() -> Arrays:
            side = round(self.features.shape[1] ** 0.5)
            with hide_bars():
                compared = comparison.compare(self.features, (side, side), _CPU, 0, *constants)
            return {
                "near": compared.nearest_distances,
                "who": compared.nearest_images,
                "far": compared.quantile_distances,
            }

        kept = self._load_or_compute(f"compared-{_digest(_SOURCE, constants)}", compute)
        near, far = np.asarray(kept["near"], np.float32), np.asarray(kept["far"], np.float32)
        return Comparison(near, np.asarray(kept["who"], np.int32), far)

    def score(
        self, kept: NDArray[np.bool_] | None = None, weights: NDArray[np.float32] | None = None
    ) -> NDArray[np.float32]:
        """Score the test images, float32 `[M]`.

        Args:
            kept: which training patches stay, bool `[N, P]`; None keeps all.
            weights: of the training patches, float32 `[N, P]`; None is 1.
        """
        distances, entries = self.lists
        lengths, nearest = distances[:, :, 0], entries[:, :, 0]
        if kept is not None:
            stays = kept.reshape(-1)[self.entries][entries]  # [M, P, k]
            first = stays.argmax(axis=2)[:, :, None]
            lengths = np.take_along_axis(distances, first, axis=2)[:, :, 0]
            nearest = np.take_along_axis(entries, first, axis=2)[:, :, 0]
            lengths = np.where(stays.any(axis=2), lengths, _BEYOND * distances[:, :, -1])
        if weights is not None:
            lengths = lengths * weights.reshape(-1)[self.entries][nearest]
        return np.asarray(lengths.max(axis=1), np.float32)

    def score_with_floors(
        self, floors: NDArray[np.float32], kept: NDArray[np.bool_] | None = None
    ) -> NDArray[np.float32]:
        """Score the test images, float32 `[M]`, where no entry excuses a patch further than its floor.

        s(p) = min over m of max(||p - m||, F(m)), see the design. An entry that isn't among those which are
        remembered can only be farther than they are: it bounds the score from below.

        Args:
            floors: F of the entries, float32 `[n]`.
            kept: which training patches stay, bool `[N, P]`; None keeps all.
        """
        distances, entries = self.lists
        lengths = np.maximum(distances, floors[entries])  # [M, P, k]
        if kept is not None:
            lengths = np.where(kept.reshape(-1)[self.entries][entries], lengths, np.inf)
        scores = np.minimum(lengths.min(axis=2), self.beyond(distances))
        return np.asarray(scores.max(axis=1), np.float32)

    def draw_anew(self) -> NDArray[np.float32]:
        """Score the test images, float32 `[M]`, by the memory bank that an export learns by default."""

        def compute() -> Arrays:
            positions, dim = self.features.shape[1:]
            side = round(positions**0.5)
            settings = ExportSettings(coreset_ratio=self.data.ratio)
            with hide_bars():
                learned = fit(self.features, (side, side), settings, _CPU)
            search = ExhaustiveSearch(learned.bank, learned.floors)
            lengths = search.nearest(self.data.test.reshape(-1, dim))[1]
            return {"scores": lengths.reshape(len(self.data.test), -1).max(axis=1)}

        return np.asarray(self._load_or_compute("anew", compute)["scores"], np.float32)

    def measure(self, scores: NDArray[np.float32]) -> tuple[float, float]:
        """Return the image AUROC with the injected defects in the test set, and without."""
        bad, left = self.data.bad, np.ones(len(scores), np.bool_)
        left[self.drawn] = False
        good = scores[~bad]
        return auroc(good, scores[bad]), auroc(good, scores[bad & left])

    def _list_nearest(self, images: NDArray[np.float32], count: int, leave_out: bool) -> Arrays:
        """List the nearest entries of each patch of `images` `[K, P, d]`, ascending: `[K, P, k]`.

        Args:
            images: test images, or all training images.
            count: k, at most.
            leave_out: whether these are the training images, and an image's own entries don't count.
        """
        bank, squares, middle = self._bank()
        owners = torch.from_numpy(self.entries // self.features.shape[1])
        own = int(torch.bincount(owners).max()) if leave_out else 0
        k = min(count, len(bank) - own)
        distances = np.empty((*images.shape[:2], k), np.float32)
        chosen = np.empty(distances.shape, np.int32)
        for row, image in enumerate(images):
            x = torch.from_numpy(image) - middle
            counted = squares.where(owners != row, torch.inf) if leave_out else squares
            apart, which = torch.addmm(counted, x, bank.T, alpha=-2).topk(k, dim=1, largest=False)
            apart += x.square().sum(dim=1, keepdim=True)
            distances[row] = apart.clamp(min=0).sqrt().numpy()
            chosen[row] = which.numpy()
        return {"distances": distances, "chosen": chosen}

    def _bank(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        bank = torch.from_numpy(self.features.reshape(-1, self.features.shape[2])[self.entries])
        middle = bank.mean(dim=0)  # a common offset would only cost digits
        bank = bank - middle
        return bank, bank.square().sum(dim=1), middle

    def _load_or_compute(self, what: str, compute: Callable[[], Arrays]) -> Arrays:
        path = self._folder / f"{self._key}-{what}.npz"
        if not path.exists():
            self._folder.mkdir(parents=True, exist_ok=True)
            partial = path.with_suffix(".partial")
            with partial.open("wb") as file:
                np.savez(file, allow_pickle=False, **compute())
            partial.replace(path)
        with np.load(path) as found:
            return dict(found)


# Cached comparisons are valid as long as their code is the same.
_SOURCE = inspect.getsource(comparison) + inspect.getsource(draw_axes)


def _digest(*parts: object) -> str:
    content = hashlib.sha256()
    for part in parts:
        content.update(part.tobytes() if isinstance(part, np.ndarray) else repr(part).encode())
    return content.hexdigest()[:12]
