"""Duration: estimates early how long an export takes here, from its first images and a matrix product.

The time of the network grows with the number of images N, the rest with its square: each of N P patches is
compared with a bank of a share of them (leave-one-out scores, coreset), and with up to 1,000 images
(suspicion). That work is counted in multiplications, and the multiplications per second of this machine are
measured. `tests/export/test_duration.py` and benchmarks/EXPORT_TIME.md compare estimates with real exports.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from softcore_runtime.cli.progress import describe_seconds, print_message
from softcore_runtime.inspection.features import compute_features

from softcore_export.backbone.network import Network
from softcore_export.contamination.comparison import NEAREST
from softcore_export.contamination.estimate import EstimateParameters
from softcore_export.data.image_facts import SeenImage
from softcore_export.memory_bank.coreset import PROJECTION
from softcore_export.memory_bank.floors import SCORED
from softcore_export.settings import ExportSettings

__all__ = ["Workload", "announce_duration", "estimate_seconds"]

_MEASURED = 1.0  # seconds of images from which the network's time is measured
_FEWEST = 3  # images, of which the first warms the network up
_LONG = 60.0  # seconds from which on an estimate is printed
_TRIED = (784, 16384)  # patches and entries of the product whose time is measured
_PER_WINDOW = 1.7  # the products of the stage "suspicion" are small, which takes longer
_OTHERS = 15.0  # seconds for hints, agreement, bundle and report
_PER_FLOORED = 150  # products that take as long as comparing a patch with the floor of one entry
_PER_DIFFERENCE = 2e-9  # seconds for one of the numbers that are compared there
_PER_LINK = 3e-8  # seconds for the index, per entry, logarithm of the entries, and dimension


@dataclass(frozen=True)
class Workload:
    """The size of an export.

    Attributes:
        images: number of images N.
        positions: number of grid positions P.
        dim: dimensions d of a feature.
        ratio: size of the coreset as a share of all patches.
        greedy: whether the coreset is drawn by k-centre.
        floors: whether entries get floors.
    """

    images: int
    positions: int
    dim: int
    ratio: float
    greedy: bool
    floors: bool = False

    @property
    def entries(self) -> float:
        """Number of entries of the memory bank."""
        return self.ratio * self.images * self.positions

    @property
    def products(self) -> float:
        """Number of multiplications of the stages after the network."""
        parameters = EstimateParameters()
        references = min(self.images, parameters.references)
        compared = _PER_WINDOW * parameters.window**2 * references * PROJECTION
        centres = self.entries * PROJECTION if self.greedy else 0
        scored = self.entries * (self.dim + _PER_FLOORED * self.floors)
        factor = self.floors * min(self.images, SCORED) * self.positions * scored
        return self.images * self.positions * (compared + centres + scored) + factor

    @property
    def differences(self) -> float:
        """Number of differences that are measured for floors."""
        return self.floors * self.entries * NEAREST * EstimateParameters().window ** 2 * self.dim


def estimate_seconds(work: Workload, per_image: float, products_a_second: float) -> float:
    """Estimate how long an export takes.

    Args:
        work: the size of the export.
        per_image: seconds of the network per image, in all precisions that it runs in.
        products_a_second: multiplications per second, see `measure_products`.

    Example:
        >>> work = Workload(images=500, positions=784, dim=384, ratio=0.05, greedy=True)
        >>> round(estimate_seconds(work, per_image=0.025, products_a_second=8e10))
        93
    """
    index = _PER_LINK * work.entries * math.log2(max(2, work.entries)) * work.dim
    floors = _PER_DIFFERENCE * work.differences
    return work.images * per_image + work.products / products_a_second + floors + index + _OTHERS


def measure_products(dim: int, device: torch.device) -> float:
    """Measure the multiplications per second of a device when it compares patches with entries."""
    patches, entries = (torch.rand(n, dim, device=device) for n in _TRIED)
    halves = entries.square().sum(dim=1) / 2
    best = math.inf
    for _ in range(3):  # the first one also starts threads, or a GPU
        start = time.perf_counter()
        int(torch.addmm(halves, patches, entries.T, alpha=-1).argmin(dim=1)[0])  # waits for a GPU, too
        best = min(best, time.perf_counter() - start)
    return math.prod(_TRIED) * dim / best


def announce_duration(
    images: Iterable[SeenImage],
    count: int,
    network: Network,
    settings: ExportSettings,
    device: torch.device,
) -> Iterator[SeenImage]:
    """Pass images on, and after the first ones print how long the export will take, if that is long.

    Args:
        images: the training images; where the features of the first ones are known, that is how fast it goes.
        count: number of images.
        network: what computes their features.
        settings: how to train.
        device: of the discriminator and the coreset.
    """
    start, announced = time.perf_counter(), False
    for number, image in enumerate(images):
        if number == 1:  # the first one takes longer than the others
            start = time.perf_counter()
        spent = time.perf_counter() - start
        if not announced and number >= _FEWEST and spent >= _MEASURED:
            announced = True
            per_image = spent / (number - 1)
            _print_estimate(image.read(), count, per_image, network, settings, device)
        yield image


def _print_estimate(
    crop: NDArray[np.uint8],
    images: int,
    per_image: float,
    network: Network,
    settings: ExportSettings,
    device: torch.device,
) -> None:
    preprocessing = settings.preprocessing
    positions, dim = compute_features(network.backbone, preprocessing, crop).shape
    if network.plain:  # computes features of all images, too
        windows = preprocessing.split(crop)
        network.plain.features(windows)
        start = time.perf_counter()
        network.plain.features(windows)
        per_image += time.perf_counter() - start
    greedy, floors = settings.sampler == "greedy", settings.has_floors
    work = Workload(images, positions, dim, settings.find_ratio(), greedy, floors)
    seconds = estimate_seconds(work, per_image, measure_products(dim, device))
    if seconds >= _LONG:
        print_message(f"{images:,} images: about {describe_seconds(seconds)} on this machine")
