"""Train: the method, from patch features to the memory bank."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from softcore_runtime.cli.progress import track
from softcore_runtime.errors import DataError

from softcore_export.contamination.estimate import (
    ContaminationEstimate,
    EstimateParameters,
    estimate_contamination,
)
from softcore_export.memory_bank.coreset import draw_coreset, draw_random
from softcore_export.memory_bank.counterexamples import Confirmed, confront
from softcore_export.memory_bank.discriminator import denoise, outlier_factors, soft_weights
from softcore_export.memory_bank.floors import (
    FACTORS,
    SCORED,
    Corroboration,
    FloorRule,
    choose_factor,
    corroborate,
)
from softcore_export.memory_bank.leave_one_out import score_left_out
from softcore_export.memory_bank.memory_bank import MemoryBank
from softcore_export.settings import ExportSettings

__all__ = ["corroborate_bank", "fit"]


def fit(
    features: NDArray[np.float32],
    grid: tuple[int, int],
    settings: ExportSettings,
    device: torch.device,
    estimate: ContaminationEstimate | None = None,
    overrule: Callable[[NDArray[np.bool_]], NDArray[np.bool_]] | None = None,
    groups: NDArray[np.int32] | None = None,
    inspected: NDArray[np.bool_] | None = None,
    confirmed: Confirmed | None = None,
) -> MemoryBank:
    """Learn a memory bank: exclude outliers, draw the coreset, keep soft weights or floors of its entries.

    See docs/explanation/method.md.

    Args:
        features: float32 `[N, P, d]`, N training images at P = H * W positions; may be mapped from disk.
        grid: (H, W).
        settings: see `ExportSettings`.
        device: of the discriminator and the coreset.
        estimate: the contamination estimate of these features, for `auto` and for floors; None computes it.
        overrule: is given which patches the method keeps, bool `[N, P]`, and returns which to keep.
        groups: int32 `[N]`, the same number for images that are near copies of each other, below N; None if
            there are none.
        inspected: bool `[P]`, the positions that are inspected, P in what follows; None if all are. No patch
            of another position enters the bank.
        confirmed: what a person has said of parts; None if nothing.

    Returns:
        a bank of `round(coreset_ratio * N * P)` entries, or as many as there are different kept patches.

    Raises:
        DataError: nothing is left to learn from.

    Example:
        >>> features = np.random.default_rng(0).random((10, 16, 8), np.float32)  # 10 images, a 4 x 4 grid
        >>> features[3, 5] += 10  # a defect
        >>> learned = fit(features, (4, 4), ExportSettings(discriminator="lof"), torch.device("cpu"))
        >>> learned
        MemoryBank(16x8, 136 of 160 patches kept)
        >>> bool(learned.kept[3, 5]), int(learned.factors.argmax()) == 3 * 16 + 5
        (False, True)
    """
    n_images, positions, dim = features.shape
    inside = np.ones(positions, np.bool_) if inspected is None else inspected  # [P]

    # 1. Measure the outlier factor of every patch, and exclude the outliers.
    if settings.discriminator == "none":
        factors = np.ones((n_images, positions))
        kept = np.ones((n_images, positions), np.bool_)
    elif settings.discriminator == "auto":  # by the estimate: as many as are suspect
        estimate = estimate or _estimate(features, grid, device, settings, inspected)
        factors = estimate.patches.astype(np.float64)  # [N, P]
        kept = estimate.kept  # [N, P]
    else:  # the paper: among the patches at the same position, the share tau
        factors = outlier_factors(features, settings.discriminator, settings.lof_k, device)  # [N, P]
        kept = np.ones((n_images, positions), np.bool_)
        kept[:, inside] = denoise(factors[:, inside], settings.tau)
    if overrule:
        kept = overrule(kept)
    kept = kept & inside
    if not kept.any():
        raise DataError("every training image was excluded; nothing is left to learn from")

    # 2. Draw the coreset from the kept patches.
    size = max(1, round(settings.find_ratio() * n_images * int(inside.sum())))
    if settings.sampler == "greedy":
        entries = draw_coreset(features, kept, size, settings.seed, device)  # [n]
    else:
        entries = draw_random(kept, size, settings.seed)  # [n]
    image, position = np.divmod(entries, positions)
    row, column = np.divmod(position, grid[1])
    origins = np.stack([image, row, column], axis=1).astype(np.int32)
    bank = features[image, position].reshape(-1, dim)

    # 3. Keep the outlier factor of each entry as the soft weight of distances to it.
    if settings.weighs:
        weights = soft_weights(factors, settings.discriminator)[image, position]  # [n]
    else:
        weights = np.ones(len(entries), np.float32)

    # 4. Keep how far other images corroborate each entry, as its floor.
    if settings.has_floors:
        estimate = estimate or _estimate(features, grid, device, settings, inspected)
        groups = np.arange(n_images, dtype=np.int32) if groups is None else groups
        corroboration = corroborate_bank(features, grid, origins, kept, groups, estimate, device)
        if settings.floor == "auto":
            rule = FloorRule(corroboration, groups, 1.0, estimate.evidence)
            rule = _with_factor(rule, features, bank, origins[:, 0], device)
        else:
            rule = FloorRule(corroboration, groups, settings.floor)
        floors = rule.compute()  # [n]
    else:
        floors, rule = np.zeros(len(entries), np.float32), None

    learned = MemoryBank(bank, weights, floors, origins, factors, kept, rule)

    # 5. Drop the entries that excuse a confirmed defect.
    if confirmed and len(confirmed.defects):
        if rule is None:
            estimate = estimate or _estimate(features, grid, device, settings, inspected)
            groups = np.arange(n_images, dtype=np.int32) if groups is None else groups
            corroboration = corroborate_bank(features, grid, origins, kept, groups, estimate, device)
        vouched = corroboration.measure()  # [n]
        found = confront(track(confirmed.defects, "confirmed defects"), bank, vouched, device, inspected)
        excused = found.find_excused(vouched) & ~confirmed.good[image]  # [n]
        if excused.any():
            learned = learned.drop(excused, found.images)

    return learned


def corroborate_bank(
    features: NDArray[np.float32],
    grid: tuple[int, int],
    origins: NDArray[np.int32],
    kept: NDArray[np.bool_],
    groups: NDArray[np.int32],
    estimate: ContaminationEstimate,
    device: torch.device,
) -> Corroboration:
    """Measure how far other images corroborate the entries of a bank, see `corroborate`.

    Args:
        features: float32 `[N, P, d]`, in which distances are measured; may be mapped from disk.
        grid: (H, W).
        origins: int32 `[n, 3]`, training image, row and column of each entry.
        kept: bool `[N, P]`; only these patches vouch for an entry.
        groups: int32 `[N]`, see `fit`.
        estimate: of these images; the images that it found nearest to an entry are compared with it.
        device: where to compare.

    Example:
        >>> features = np.random.default_rng(0).random((10, 16, 8), np.float32)
        >>> cpu, groups = torch.device("cpu"), np.arange(10, dtype=np.int32)
        >>> estimate = estimate_contamination(features, (4, 4), cpu)
        >>> found = corroborate_bank(
        ...     features, (4, 4), learned.origins, learned.kept, groups, estimate, cpu
        ... )
        >>> found.distances.shape
        (16, 9)
    """
    image, row, column = origins.T
    candidates = estimate.comparison.nearest_images[image, row * grid[1] + column]  # [n, m]
    window = EstimateParameters().window
    return corroborate(features, grid, origins, candidates, kept, groups, window, device)


def _estimate(
    features: NDArray[np.float32],
    grid: tuple[int, int],
    device: torch.device,
    settings: ExportSettings,
    inspected: NDArray[np.bool_] | None,
) -> ContaminationEstimate:
    return estimate_contamination(features, grid, device, settings.seed, inspected=inspected)


def _with_factor(
    rule: FloorRule,
    features: NDArray[np.float32],
    bank: NDArray[np.float32],
    owners: NDArray[np.int32],
    device: torch.device,
) -> FloorRule:
    """Choose the rule's factor by the leave-one-image-out scores of some images, see `choose_factor`."""
    images = np.unique(np.linspace(0, len(features) - 1, SCORED).round().astype(np.int64))
    rules = [replace(rule, factor=factor) for factor in FACTORS]
    scores = score_left_out(features, bank, owners, rules, device, images)
    return replace(rule, factor=choose_factor(scores, rule.evidence))
