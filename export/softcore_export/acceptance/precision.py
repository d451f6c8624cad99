"""Precision: compares the decisions of the network that would ship with those of the plain one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from softcore_runtime.backends.engine import Backbone
from softcore_runtime.bundle.manifest import Agreement
from softcore_runtime.cli.progress import track
from softcore_runtime.images.preprocessing import Preprocessing
from softcore_runtime.inspection.features import compute_features

from softcore_export.acceptance.agreement import ImageScores, check_agreement, choose_held_back
from softcore_export.data.labelled_images import find_labelled
from softcore_export.memory_bank.leave_one_out import leave_one_out, score_others
from softcore_export.memory_bank.memory_bank import MemoryBank
from softcore_export.preparation import PreparedExport
from softcore_export.train import corroborate_bank

__all__ = ["compare_precisions"]


def compare_precisions(
    prepared: PreparedExport,
    learned: MemoryBank,
    scores: NDArray[np.float64],
    trusted: NDArray[np.bool_],
) -> Agreement | None:
    """Compare the network that would ship with the plain one, on training images and labelled ones.

    The plain network's memory bank has the same entries, in its own features, and floors measured in them.

    Args:
        prepared: networks and features.
        learned: the memory bank of the network that would ship.
        scores: float64 `[N]`, its leave-one-image-out scores.
        trusted: bool `[N]`, which images may set a threshold.

    Returns:
        the agreement; None where the plain network itself ships.

    Raises:
        AgreementError: the decisions differ too much.
    """
    plain, plain_features = prepared.network.plain, prepared.plain_features
    if plain is None or plain_features is None:
        return None
    settings, device, bank, weights = prepared.settings, prepared.device, learned.bank, learned.weights
    held_back = choose_held_back(scores)
    labelled = find_labelled(settings.labelled).check(settings.preprocessing)[0] if settings.labelled else []
    paths = [path for path, _ in labelled]
    image, row, column = learned.origins.T
    plain_bank = plain_features[image, row * prepared.grid[1] + column]  # [n, d']
    floors = plain_rule = plain_floors = None
    if learned.rule:
        floors = learned.floors
        corroboration = corroborate_bank(
            plain_features, prepared.grid, learned.origins, learned.kept, learned.rule.groups,
            prepared.estimate, device,
        )  # fmt: skip
        plain_rule = replace(learned.rule, corroboration=corroboration)
        plain_floors = plain_rule.compute()
    plain_nearest = leave_one_out(
        plain_features[held_back], plain_bank, learned.owners, device, plain_rule, held_back
    )

    def score_labelled(
        backbone: Backbone, entries: NDArray[np.float32], floors: NDArray[np.float32] | None
    ) -> NDArray[np.float64]:
        features = _compute_features(backbone, paths, settings.preprocessing)
        return score_others(features, entries, weights, device, floors)

    return check_agreement(
        ImageScores(scores[held_back], score_labelled(prepared.network.backbone, bank, floors)),
        ImageScores(plain_nearest.scores(weights), score_labelled(plain, plain_bank, plain_floors)),
        trusted[held_back],
        np.array([defective for _, defective in labelled], np.bool_),
        settings.max_loss,
    )


def _compute_features(
    backbone: Backbone, paths: list[Path], preprocessing: Preprocessing
) -> Iterator[NDArray[np.float32]]:
    """Compute the features of images that can be read, float32 `[P, d]` each."""
    seen = (preprocessing.apply(preprocessing.read(path)) for path in paths)
    tracked = track(seen, f"labelled, {backbone.precision}", len(paths))
    return (compute_features(backbone, preprocessing, image) for image in tracked)
