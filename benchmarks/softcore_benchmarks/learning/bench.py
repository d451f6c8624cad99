"""Bench: the features of a category at one resolution, and memory banks learned from some of them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from softcore_export.contamination.estimate import ContaminationEstimate, estimate_contamination
from softcore_export.memory_bank.leave_one_out import score_others
from softcore_export.memory_bank.memory_bank import MemoryBank
from softcore_export.settings import ExportSettings
from softcore_export.train import fit
from softcore_runtime.cli.progress import hide_bars
from softcore_runtime.images.preprocessing import Preprocessing

from softcore_benchmarks.data.category import Category
from softcore_benchmarks.data.feature_store import Network, load_features
from softcore_benchmarks.protocol.noise import draw_noise

__all__ = ["NOISE", "RATIO", "Bench", "Draw"]

NOISE = 0.1
RATIO = 0.02  # of the coreset at 224 pixels

_CPU = torch.device("cpu")


@dataclass(frozen=True, eq=False)
class Draw:
    """Training images with defects among them.

    Attributes:
        features: float32 `[N, P, d]`.
        dirty: bool `[N]`, which of them are defective.
        rows: the test images that these defects are.
        estimate: how suspect the training images look.
        seed: of the draw and of the coreset.
    """

    features: NDArray[np.float32]
    dirty: NDArray[np.bool_]
    rows: NDArray[np.int64]
    estimate: ContaminationEstimate
    seed: int


@dataclass(frozen=True, eq=False)
class Bench:
    """A category at one resolution.

    Attributes:
        category: the category.
        side: of the network's input, in pixels.
        train: float32 `[n, P, d]`, features of the good training images.
        test: float32 `[M, P, d]`, features of the test images.
    """

    category: Category
    side: int
    train: NDArray[np.float32]
    test: NDArray[np.float32]

    @classmethod
    def open(cls, category: Category, side: int, weights: Path, work: Path) -> Bench:
        """Compute the features, or load them from `work`."""
        network = Network.load("resnet18", weights, Preprocessing(resize=side, crop=side), work / "networks")
        found = load_features(category, network, work / "features")
        return cls(category, side, found.train, found.test)

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of the feature grid."""
        side = math.isqrt(self.train.shape[1])
        return side, side

    def draw(self, seed: int) -> Draw:
        """Draw defects into the training images."""
        category = self.category
        rows = draw_noise(category.test, category.defects, len(self.train), NOISE, seed)
        features = np.concatenate([self.train, self.test[rows]])
        dirty = np.arange(len(features)) >= len(self.train)
        with hide_bars():
            estimate = estimate_contamination(features, self.grid, _CPU, seed)
        return Draw(features, dirty, rows, estimate, seed)

    def fit(
        self, draw: Draw, overrule: Callable[[NDArray[np.bool_]], NDArray[np.bool_]] | None = None
    ) -> MemoryBank:
        """Learn a memory bank by the default method."""
        usual = ExportSettings()
        share = usual.find_ratio(self.train.shape[1]) / usual.find_ratio()
        settings = ExportSettings(coreset_ratio=RATIO * share, seed=draw.seed)
        with hide_bars():
            return fit(draw.features, self.grid, settings, _CPU, draw.estimate, overrule)

    def score(self, learned: MemoryBank) -> NDArray[np.float64]:
        """Score the test images, float64 `[M]`."""
        return score_others(self.test, learned.bank, learned.weights, _CPU, learned.floors)
