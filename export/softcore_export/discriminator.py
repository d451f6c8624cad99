"""Discriminator: the outlier factor of every training patch, and which patches are thrown away."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from softcore_export.progress import track

__all__ = ["denoise", "local_outlier_factors"]

_CHUNK = 1 << 22  # numbers in one block of distances: 32 MB
_TINY = 1e-10  # scikit-learn's guard: the density among patches that are all alike stays finite


def local_outlier_factors(features: NDArray[np.float32], k: int, device: torch.device) -> NDArray[np.float64]:
    """Compute the local outlier factor of every patch among the N patches at its own position.

    Equations 4 to 6 of the paper (Breunig et al., 2000), Euclidean; equal to scikit-learn's
    `-LocalOutlierFactor(k).fit(x).negative_outlier_factor_`. As there, k is at most N - 1.

    Args:
        features: float32 `[N, P, d]`, N >= 2; may be mapped from disk.
        k: neighbours.
        device: where to compute; in float64, in chunks of positions that keep memory bounded.

    Returns:
        float64 `[N, P]`; about 1 for a patch in the midst of its like, more for an outlier.
    """
    n, positions, dim = features.shape
    k = max(1, min(k, n - 1))
    step = max(1, _CHUNK // (n * max(n, dim, k * dim // 8)))
    factors = np.empty((n, positions))
    for start in track(range(0, positions, step), "outlier factors"):
        chunk = np.ascontiguousarray(features[:, start : start + step].swapaxes(0, 1))  # [c, N, d]
        x = torch.from_numpy(chunk).to(device, torch.float64)
        factors[:, start : start + step] = _factors(*_neighbours(x, k)).cpu().numpy().T
    return factors


def denoise(factors: NDArray[np.float64], tau: float) -> NDArray[np.bool_]:
    """Keep all but the share `tau` with the highest outlier factors, over all pictures and positions.

    Returns:
        bool `[N, P]`, False for exactly `int(tau * N * P)` patches. (Of equal factors the earlier patch
        stays, so that ties can't throw away more than was asked.)
    """
    order = np.argsort(factors, axis=None, kind="stable")
    kept = np.zeros(factors.size, np.bool_)
    kept[order[: factors.size - int(tau * factors.size)]] = True
    return kept.reshape(factors.shape)


def _neighbours(x: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Find the k nearest others of each row of each position: distances and rows, both `[c, N, k]`."""
    centred = x - x.mean(dim=1, keepdim=True)
    squares = centred.square().sum(dim=2)  # [c, N]
    gram = centred @ centred.transpose(1, 2)  # [c, N, N]
    apart = squares[:, :, None] + squares[:, None, :] - 2 * gram
    apart.diagonal(dim1=1, dim2=2).fill_(torch.inf)
    rows = apart.topk(k, dim=2, largest=False).indices
    # Distances anew from the rows themselves: equal patches are then exactly 0 apart.
    columns = [torch.take_along_dim(x, rows[:, :, j, None], dim=1) for j in range(k)]
    distances = torch.stack([(x - other).square().sum(dim=2).sqrt() for other in columns], dim=2)
    distances, order = distances.sort(dim=2, stable=True)
    return distances, rows.gather(2, order)


def _factors(distances: Tensor, rows: Tensor) -> Tensor:
    """Turn neighbours into local outlier factors `[c, N]`."""
    k_distance = distances[:, :, -1]  # [c, N]
    reach = torch.maximum(distances, _of_rows(k_distance, rows))  # equation 4
    density = 1 / (reach.mean(dim=2) + _TINY)  # equation 5
    return _of_rows(density, rows).mean(dim=2) / density  # equation 6


def _of_rows(values: Tensor, rows: Tensor) -> Tensor:
    """Look `values` `[c, N]` up at `rows` `[c, N, k]`."""
    return values.gather(1, rows.flatten(1)).view_as(rows)
