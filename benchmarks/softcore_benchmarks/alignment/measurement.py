"""Measurement: the AUROC of frames that are aligned by a choice, and the time that it takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from softcore_export.alignment.alignment_choice import AlignmentChoice, choose_alignment
from softcore_export.alignment.alignment_request import AlignmentRequest
from softcore_export.alignment.small_images import shrink_images, spread
from softcore_export.settings import ExportSettings
from softcore_export.train import fit
from softcore_runtime.alignment.aligned_preprocessing import AlignedPreprocessing, align_frame
from softcore_runtime.cli.progress import hide_bars, track
from softcore_runtime.errors import AlignmentError
from softcore_runtime.images.preprocessing import Preprocessing
from softcore_runtime.inspection.features import compute_features
from softcore_runtime.inspection.replacements import find_uncovered
from softcore_runtime.search.exhaustive import ExhaustiveSearch
from softcore_runtime.separation import auroc
from torch import nn

from softcore_benchmarks.data.feature_store import Network
from softcore_benchmarks.measuring.interleaving import Times, interleave

__all__ = ["MODES", "RATIO", "Image", "Row", "choose", "measure", "time_frames"]

MODES: tuple[AlignmentRequest, ...] = ("none", "translation", "rigid")
RATIO = 0.05
_ROUNDS = 40

Image = NDArray[np.uint8]
Row = dict[str, object]


@dataclass(frozen=True, eq=False)
class Features:
    """Features of frames that could be aligned.

    Attributes:
        patches: float32 `[n, P, d]`.
        outside: bool `[n, P]`, which patches show nothing of their frame.
        valid: bool `[N]`, which of the N frames these are.
    """

    patches: NDArray[np.float32]
    outside: NDArray[np.bool_]
    valid: NDArray[np.bool_]


def compute(network: Network, choice: AlignmentChoice, frames: Sequence[Image], name: str) -> Features:
    """Align frames, where the choice is to, and compute their features."""
    plain = network.preprocessing
    preprocessing = choice.align(plain)
    patches: list[NDArray[np.float32]] = []
    outside: list[NDArray[np.bool_]] = []
    valid = np.ones(len(frames), np.bool_)
    for number, frame in enumerate(track(frames, name)):
        image, uncovered = frame, np.array([], np.int64)
        height, width = frame.shape[:2]
        if isinstance(preprocessing, AlignedPreprocessing):
            try:
                aligned = preprocessing.align(frame)
            except AlignmentError:
                valid[number] = False
                continue
            image = aligned.image
            grid = _find_grid(patches)
            window = plain.window(height, width)
            uncovered = find_uncovered(aligned.registration, window, grid, height, width)
        patches.append(compute_features(network.backbone, plain, plain.apply(image)))
        outside.append(np.isin(np.arange(len(patches[-1])), uncovered))
    return Features(np.stack(patches), np.stack(outside), valid)


def _find_grid(patches: Sequence[NDArray[np.float32]]) -> tuple[int, int]:
    side = round(len(patches[0]) ** 0.5) if patches else 28
    return side, side


def measure(
    network: Network, choice: AlignmentChoice, train: Sequence[Image], tests: Mapping[str, Sequence[Image]],
    bad: NDArray[np.bool_], name: str, device: torch.device,
) -> list[Row]:  # fmt: skip
    """Learn from frames, and return a row with the AUROC for each of several test sets.

    A frame that can't be aligned is INVALID, which counts as the highest score: the part doesn't pass.
    """
    learned_from = compute(network, choice, train, f"{name}: training")
    settings = ExportSettings(backbone="resnet18", coreset_ratio=RATIO)
    with hide_bars():
        learned = fit(learned_from.patches, _find_grid([*learned_from.patches[:1]]), settings, device)
    search = ExhaustiveSearch(learned.bank, learned.floors)
    rows: list[Row] = []
    for test, frames in tests.items():
        tested = compute(network, choice, frames, f"{name}: {test}")
        flat = tested.patches.reshape(-1, tested.patches.shape[2])
        distances = search.nearest(flat)[1].reshape(tested.outside.shape)
        scores = np.full(len(frames), np.finfo(np.float64).max)
        scores[tested.valid] = np.where(tested.outside, 0, distances).max(axis=1)
        rows.append(
            {
                "test": test,
                "auroc": auroc(scores[~bad], scores[bad]),
                "invalid_good": int((~tested.valid & ~bad).sum()),
                "invalid_bad": int((~tested.valid & bad).sum()),
                "invalid_training": int((~learned_from.valid).sum()),
            }
        )
    return rows


def choose(network: nn.Module, request: AlignmentRequest, frames: Sequence[Image]) -> AlignmentChoice:
    """Choose an alignment as an export does."""
    images = shrink_images(spread(frames))
    usual = ExportSettings().preprocessing
    with hide_bars():
        return choose_alignment(request, images, usual, network, torch.device("cpu"))


def time_frames(
    network: Network, choices: Mapping[AlignmentRequest, AlignmentChoice], frames: Sequence[Image]
) -> dict[str, Times]:
    """Time the network on a frame, and the alignment of the frame by each choice."""
    plain, backbone = network.preprocessing, network.backbone
    crops = [plain.apply(frame)[None] for frame in frames]

    def run_network(number: int) -> None:
        backbone.features(crops[number % len(crops)])

    def align(number: int, *, preprocessing: Preprocessing) -> None:
        align_frame(preprocessing, frames[number % len(frames)])

    subjects: dict[str, Callable[[int], None]] = {"network": run_network}
    for name, choice in choices.items():
        subjects[name] = partial(align, preprocessing=choice.align(plain))
    references: dict[str, str] = dict.fromkeys(choices, "network")
    return interleave(subjects, _ROUNDS, references)
