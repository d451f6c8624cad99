"""Duration: how long an export takes on this machine, told early: from its first images and a matrix product.

The network's part grows with the number of images N, the rest with its square: each of N P patches is
measured against a bank of a share of them (leave-one-out scores, coreset), and against up to 1,000 images
(suspicion). That work is counted in multiplications, and how many of those a second this machine makes is
measured. `tests/export/test_duration.py` and benchmarks/EXPORT_TIME.md hold it against real exports.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from softcore_runtime.cli.progress import describe_seconds, say

from softcore_export.backbone.network import Network
from softcore_export.contamination.estimate import Rule
from softcore_export.memory_bank.coreset import PROJECTION
from softcore_export.settings import ExportSettings

__all__ = ["Workload", "estimate_seconds", "tell_duration"]

_MEASURED = 1.0  # seconds of images that the network's time is taken from
_FEWEST = 3  # images, of which the first warms the network up
_LONG = 60.0  # seconds from which on an estimate is worth a line
_TRIED = (784, 16384)  # patches and entries that are compared to measure how fast that goes
_PER_WINDOW = 1.7  # suspicion's products are small ones, which take longer
_OTHERS = 15.0  # seconds, of hints, agreement, bundle and report
_PER_LINK = 3e-8  # seconds, of the index: by its entries, their logarithm and their dimensions


@dataclass(frozen=True)
class Workload:
    """What an export is about to do.

    Attributes:
        images: N.
        positions: P, of the grid.
        dim: d, of a feature.
        ratio: of the coreset.
        greedy: whether it is drawn by k-centre.
    """

    images: int
    positions: int
    dim: int
    ratio: float
    greedy: bool

    @property
    def entries(self) -> float:
        """Entries of the memory bank."""
        return self.ratio * self.images * self.positions

    @property
    def products(self) -> float:
        """Multiplications of the stages after the network."""
        rule = Rule()
        compared = _PER_WINDOW * rule.window**2 * min(self.images, rule.references) * PROJECTION
        centres = self.entries * PROJECTION if self.greedy else 0
        return self.images * self.positions * (compared + centres + self.entries * self.dim)


def estimate_seconds(work: Workload, per_image: float, products_a_second: float) -> float:
    """Estimate how long an export takes.

    Args:
        work: what is to be done.
        per_image: seconds that the network takes for an image, in all precisions that it runs in.
        products_a_second: multiplications, see `measure_products`.

    Example:
        >>> work = Workload(images=500, positions=784, dim=384, ratio=0.05, greedy=True)
        >>> round(estimate_seconds(work, per_image=0.025, products_a_second=8e10))
        93
    """
    index = _PER_LINK * work.entries * math.log2(max(2, work.entries)) * work.dim
    return work.images * per_image + work.products / products_a_second + index + _OTHERS


def measure_products(dim: int, device: torch.device) -> float:
    """Measure how many multiplications a second a device makes where patches are compared with entries."""
    patches, entries = (torch.rand(n, dim, device=device) for n in _TRIED)
    halves = entries.square().sum(dim=1) / 2
    best = math.inf
    for _ in range(3):  # the first starts threads, or a GPU
        start = time.perf_counter()
        int(torch.addmm(halves, patches, entries.T, alpha=-1).argmin(dim=1)[0])  # waits for a GPU, too
        best = min(best, time.perf_counter() - start)
    return math.prod(_TRIED) * dim / best


def tell_duration(
    crops: Iterable[NDArray[np.uint8]],
    images: int,
    network: Network,
    settings: ExportSettings,
    device: torch.device,
) -> Iterator[NDArray[np.uint8]]:
    """Pass crops on to the network; after the first say how long all will take, if that is long.

    Args:
        crops: uint8 BGR `[crop, crop, 3]`.
        images: how many there are.
        network: what they go through.
        settings: how to train.
        device: of the discriminator and the coreset.
    """
    start, told = time.perf_counter(), False
    for number, crop in enumerate(crops):
        if number == 1:  # what the first one took is no measure for the others
            start = time.perf_counter()
        spent = time.perf_counter() - start
        if not told and number >= _FEWEST and spent >= _MEASURED:
            told = True
            per_image = spent / (number - 1)
            _tell(crop, images, per_image, network, settings, device)
        yield crop


def _tell(
    crop: NDArray[np.uint8],
    images: int,
    per_image: float,
    network: Network,
    settings: ExportSettings,
    device: torch.device,
) -> None:
    _, positions, dim = network.backbone.features(crop[None]).shape
    if network.plain:  # all images go through that, too
        network.plain.features(crop[None])
        start = time.perf_counter()
        network.plain.features(crop[None])
        per_image += time.perf_counter() - start
    work = Workload(images, positions, dim, settings.coreset_ratio, settings.sampler == "greedy")
    seconds = estimate_seconds(work, per_image, measure_products(dim, device))
    if seconds >= _LONG:
        say(f"{images:,} images: about {describe_seconds(seconds)} on this machine")
