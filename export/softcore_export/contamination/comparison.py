"""Comparison: the distances from every training patch to the patches of the other images."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from softcore_runtime.cli.progress import track
from torch import Tensor

from softcore_export.mapped_pages import release_pages
from softcore_export.memory_bank.coreset import draw_axes

__all__ = ["NEAREST", "Comparison", "compare"]

NEAREST = 12  # images that are kept for each patch
_CHUNK = 1 << 22  # numbers in one block of distances: 16 MB


@dataclass(frozen=True, eq=False)
class Comparison:
    """Distances from patches to images. The distance to an image is that to its nearest patch.

    Attributes:
        nearest_distances: float32 `[N, P, m]`, to the m nearest other images, ascending.
        nearest_images: int32 `[N, P, m]`, which images these are.
        quantile_distances: float32 `[N, P]`, the distance within which a given share of the other images
            lies.
    """

    nearest_distances: NDArray[np.float32]
    nearest_images: NDArray[np.int32]
    quantile_distances: NDArray[np.float32]

    def __post_init__(self) -> None:
        arrays = (self.nearest_distances, self.nearest_images, self.quantile_distances)
        shapes = [list(a.shape) for a in arrays]
        if self.nearest_distances.ndim != 3 or shapes[1:] != [shapes[0], shapes[0][:2]]:
            raise ValueError(
                "nearest_distances, nearest_images and quantile_distances must be [N, P, m], [N, P, m] and "
                f"[N, P], not {shapes}"
            )

    def select(self, positions: NDArray[np.bool_]) -> Comparison:
        """Return the same of some positions, bool `[P]`."""
        return Comparison(
            self.nearest_distances[:, positions],
            self.nearest_images[:, positions],
            self.quantile_distances[:, positions],
        )


def compare(
    features: NDArray[np.float32],
    grid: tuple[int, int],
    device: torch.device,
    seed: int,
    window: int,
    references: int,
    share: float,
) -> Comparison:
    """Compare every patch with the nearest patch of each other image, within a window around its position.

    Distances are Euclidean in the coreset's random projection. One row of the grid is compared at a time, so
    that memory stays bounded.

    Args:
        features: float32 `[N, P, d]`, N >= 2; may be mapped from disk.
        grid: rows and columns, P = H * W.
        device: where to compute.
        seed: of the projection and of the choice of references.
        window: side of the window in positions; odd.
        references: number of images that the others are compared with, at most (a random choice of them).
        share: of the references, see `Comparison.quantile_distances`.
    """
    n, positions, dim = features.shape
    rng = np.random.default_rng(seed)
    axes = torch.from_numpy(draw_axes(dim, rng)).to(device)
    chosen = np.sort(rng.choice(n, min(n, references), replace=False))
    those = torch.from_numpy(chosen).to(device)
    column = torch.full((n,), -1, device=device)  # of an image among the references
    column[those] = torch.arange(len(chosen), device=device)
    others = len(chosen) - 1
    m = min(NEAREST, others)
    k = max(1, round(share * others))
    nearest_distances = np.empty((n, positions, m), np.float32)
    nearest_images = np.empty((n, positions, m), np.int32)
    quantile_distances = np.empty((n, positions), np.float32)

    height, width = grid
    reach = window // 2
    rows: dict[int, Tensor] = {}  # projected rows of the grid, [N, W, 128]
    for y in track(range(height), "suspicion"):
        for row in range(max(0, y - reach), min(height, y + reach + 1)):
            if row not in rows:
                patches = np.ascontiguousarray(features[:, row * width : (row + 1) * width])
                rows[row] = torch.from_numpy(patches).to(device) @ axes
        rows.pop(y - reach - 1, None)
        release_pages(features)
        stripe = torch.stack([rows[row][those] for row in sorted(rows)], dim=1)  # [R, h, W, 128]
        for x in range(width):
            around = stripe[:, :, max(0, x - reach) : x + reach + 1].flatten(1, 2)  # [R, v, 128]
            p = y * width + x
            step = max(1, _CHUNK // (around.shape[0] * around.shape[1]))
            for start in range(0, n, step):
                part = slice(start, start + step)
                distances = _measure_to_images(rows[y][part, x], around)  # [b, R]
                own = column[part]
                distances[own >= 0, own[own >= 0]] = torch.inf
                nearest, which = distances.topk(max(m, k), dim=1, largest=False)
                nearest_distances[part, p] = nearest[:, :m].cpu().numpy()
                nearest_images[part, p] = those[which[:, :m]].cpu().numpy()
                quantile_distances[part, p] = nearest[:, k - 1].cpu().numpy()
    return Comparison(nearest_distances, nearest_images, quantile_distances)


def _measure_to_images(x: Tensor, window: Tensor) -> Tensor:
    """Measure from rows `x` `[b, d]` to the nearest in each image's `window` `[R, v, d]`: `[b, R]`."""
    middle = window.mean(dim=(0, 1))  # subtracted, because a common offset costs digits of float32
    x, entries = x - middle, (window - middle).flatten(0, 1)
    squares = torch.addmm(entries.square().sum(dim=1), x, entries.T, alpha=-2)
    nearest = squares.view(len(x), *window.shape[:2]).amin(dim=2)
    return (nearest + x.square().sum(dim=1, keepdim=True)).clamp(min=0).sqrt()
