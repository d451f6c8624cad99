"""Leave-one-out: compares each training image with the memory bank without the image's own entries."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from softcore_runtime.cli.progress import track
from torch import Tensor

__all__ = ["NearestEntries", "leave_one_out", "score_others"]


@dataclass(frozen=True, eq=False)
class NearestEntries:
    """The nearest entries of the patches of N images.

    Attributes:
        entries: int32 `[N, P]`, the nearest entry that comes from another image; -1 where all entries come
            from this one.
        distances: float32 `[N, P]`, Euclidean; 0 where there is no such entry.
    """

    entries: NDArray[np.int32]
    distances: NDArray[np.float32]

    def scores(self, weights: NDArray[np.float32]) -> NDArray[np.float64]:
        """Score the images, float64 `[N]`: max over patches of w(m*) ||p - m*||."""
        patches = weights.astype(np.float64)[self.entries] * self.distances
        return np.asarray(patches.max(axis=1))


def leave_one_out(
    features: NDArray[np.float32], bank: NDArray[np.float32], owners: NDArray[np.int32], device: torch.device
) -> NearestEntries:
    """Find each training patch's nearest entry among those of other images.

    Args:
        features: float32 `[N, P, d]`.
        bank: float32 `[n, d]`.
        owners: int32 `[n]`, the training image of each entry.
        device: where to compute.
    """
    entries = torch.from_numpy(bank).to(device)
    halves = entries.square().sum(dim=1) / 2
    owner = torch.from_numpy(owners).to(device)
    nearest = np.full(features.shape[:2], -1, np.int32)
    distances = np.zeros(features.shape[:2], np.float32)
    for i in track(range(len(features)), "leave-one-out scores"):
        own = owner == i
        if bool(own.all()):
            continue  # no other image is in the bank; this one says nothing about a threshold
        nearest[i], distances[i] = _nearest(features[i], entries, halves.where(~own, torch.inf))
    return NearestEntries(nearest, distances)


def score_others(
    features: Iterable[NDArray[np.float32]],
    bank: NDArray[np.float32],
    weights: NDArray[np.float32],
    device: torch.device,
) -> NDArray[np.float64]:
    """Score L images that aren't in the bank, features float32 `[P, d]` each: float64 `[L]`."""
    entries = torch.from_numpy(bank).to(device)
    halves = entries.square().sum(dim=1) / 2
    found = (_nearest(patches, entries, halves) for patches in features)
    return np.array([(weights[e].astype(np.float64) * d).max() for e, d in found])


def _nearest(
    patches: NDArray[np.float32], entries: Tensor, halves: Tensor
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Find the nearest of `entries` `[n, d]` to each patch, and its distance; `halves` is ||m||^2 / 2."""
    x = torch.from_numpy(np.array(patches)).to(entries.device)
    where = torch.addmm(halves, x, entries.T, alpha=-1).argmin(dim=1)  # [P]
    distances = (x - entries[where]).square().sum(dim=1).sqrt()
    return where.cpu().numpy(), distances.cpu().numpy()
