"""Threshold: a provisional limit from the training pictures themselves, until it is calibrated."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from softcore_runtime.manifest import Threshold

from softcore_export.progress import track

__all__ = ["leave_one_out_scores", "provisional_threshold"]


def leave_one_out_scores(
    features: NDArray[np.float32],
    bank: NDArray[np.float32],
    weights: NDArray[np.float32],
    owners: NDArray[np.int32],
    device: torch.device,
) -> NDArray[np.float64]:
    """Score each training picture against the bank without the picture's own entries.

    Args:
        features: float32 `[N, P, d]`.
        bank: float32 `[n, d]`.
        weights: float32 `[n]`.
        owners: int32 `[n]`, the training picture of each entry.
        device: where to compute.

    Returns:
        float64 `[N]`; max over patches of w(m*) * ||p - m*||, m* the nearest entry of another picture.
    """
    entries = torch.from_numpy(bank).to(device)
    halves = entries.square().sum(dim=1) / 2
    owner = torch.from_numpy(owners).to(device)
    weight = torch.from_numpy(weights).to(device)
    scores = np.zeros(len(features))
    for i in track(range(len(features)), "leave-one-out scores"):
        own = owner == i
        if bool(own.all()):
            continue  # nobody else is in the bank; the picture says nothing about a limit
        patches = torch.from_numpy(np.array(features[i])).to(device)
        closeness = torch.addmm(halves.where(~own, torch.inf), patches, entries.T, alpha=-1)  # [P, n]
        nearest = closeness.argmin(dim=1)
        distances = (patches - entries[nearest]).square().sum(dim=1).sqrt()
        scores[i] = float((weight[nearest] * distances).max())
    return scores


def provisional_threshold(scores: NDArray[np.float64], trusted: NDArray[np.bool_]) -> Threshold:
    """Take the highest score of the training pictures that are trusted as the limit.

    Args:
        scores: float64 `[N]`, leave-one-image-out.
        trusted: bool `[N]`, at least one.
    """
    value = max(float(scores[trusted].max()), float(np.finfo(np.float32).tiny))
    method = f"highest leave-one-image-out score of the {trusted.sum()} least suspect training pictures"
    return Threshold(value=value, provisional=True, method=method)
