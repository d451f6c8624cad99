"""Coreset: the few patches that stand for all, drawn by greedy k-centre."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from softcore_export.progress import track

__all__ = ["PROJECTION", "draw_coreset", "draw_random", "spread"]

PROJECTION = 128  # dimensions of the random projection in which centres are chosen (PatchCore)
_ROUNDING = 4e-6  # of a row's squared length: what float32 may make of a squared distance that is zero


def draw_coreset(
    features: NDArray[np.float32], kept: NDArray[np.bool_], size: int, seed: int, device: torch.device
) -> NDArray[np.int64]:
    """Draw at most `size` of the kept patches by greedy k-centre (Sener and Savarese, 2018).

    Every next entry is the kept patch farthest from all chosen ones, in a random projection to at most
    `PROJECTION` dimensions. Its axes are orthonormal, which distorts distances less than plain Gaussian
    ones do (`benchmarks/projection.py`). Repeatable for a seed on one machine.

    Args:
        features: float32 `[N, P, d]`; may be mapped from disk.
        kept: bool `[N, P]`; others can never be drawn.
        size: entries wanted; fewer come where fewer are kept, or where the rest equal chosen ones (to
            float32's rounding).
        seed: of the projection and of the first entry.
        device: where to compute.

    Returns:
        int64 `[n]`, flat indices into `[N * P]`, in the order in which they were chosen.
    """
    rng = np.random.default_rng(seed)
    dim = features.shape[2]
    axes = np.linalg.qr(rng.standard_normal((dim, min(dim, PROJECTION))))[0].astype(np.float32)
    candidates = np.flatnonzero(kept)
    projected = np.concatenate([picture[mask] @ axes for picture, mask in zip(features, kept, strict=True)])
    chosen = spread(
        torch.from_numpy(projected).to(device), min(size, len(candidates)), int(rng.integers(len(candidates)))
    )
    return candidates[chosen]


def draw_random(kept: NDArray[np.bool_], size: int, seed: int) -> NDArray[np.int64]:
    """Draw at most `size` of the kept patches at random: int64 `[n]`, flat indices into `[N * P]`."""
    candidates = np.flatnonzero(kept)
    return np.random.default_rng(seed).choice(candidates, min(size, len(candidates)), replace=False)


def spread(x: Tensor, size: int, first: int) -> NDArray[np.int64]:
    """Choose rows of `x` `[M, 128]`, each farthest from those before: int64 `[n]`, n <= size."""
    x = x - x.mean(dim=0)  # what all have in common would only cost digits
    squares = x.square().sum(dim=1)
    rounding = _ROUNDING * squares
    nearest = torch.full_like(squares, torch.inf)  # squared distance of each row to the nearest chosen one
    apart = torch.empty_like(squares)
    chosen = np.empty(size, np.int64)
    row = first
    for step in track(range(size), "coreset"):
        chosen[step] = row
        torch.addmv(squares, x, x[row], alpha=-2, out=apart)
        torch.minimum(nearest, apart.add_(squares[row]), out=nearest)
        nearest[row] = -torch.inf
        nearest.masked_fill_(nearest <= rounding, -torch.inf)  # equal to a chosen one
        row = int(nearest.argmax())
        if not nearest[row] > 0:
            return chosen[: step + 1]
    return chosen
