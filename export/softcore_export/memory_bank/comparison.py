"""Comparison: how far every training patch is from its like in the other images."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from softcore_runtime.cli.progress import track
from torch import Tensor

from softcore_export.memory_bank.coreset import draw_axes

__all__ = ["Comparison", "compare"]

_NEAREST = 12  # images that are remembered for a patch
_CHUNK = 1 << 22  # numbers in one block of lengths: 16 MB


@dataclass(frozen=True, eq=False)
class Comparison:
    """Lengths from patches to images.

    Attributes:
        near: float32 `[N, P, m]`, to the nearest other images, ascending.
        who: int32 `[N, P, m]`, which images these are.
        far: float32 `[N, P]`, the length within which a share of the other images lies.
    """

    near: NDArray[np.float32]
    who: NDArray[np.int32]
    far: NDArray[np.float32]

    def __post_init__(self) -> None:
        shapes = [list(a.shape) for a in (self.near, self.who, self.far)]
        if self.near.ndim != 3 or shapes[1:] != [shapes[0], shapes[0][:2]]:
            raise ValueError(f"near, who and far must be [N, P, m], [N, P, m] and [N, P], not {shapes}")


def compare(
    features: NDArray[np.float32],
    grid: tuple[int, int],
    device: torch.device,
    seed: int,
    window: int,
    references: int,
    share: float,
) -> Comparison:
    """Compare every patch with the images: the nearest patch in each, within a window around its position.

    In a random projection, as the coreset's, and row by row of the grid, so that memory stays bounded.

    Args:
        features: float32 `[N, P, d]`, N >= 2; may be mapped from disk.
        grid: rows and columns, P = H * W.
        device: where to compare.
        seed: of the projection and of the choice of references.
        window: the window's side, in positions; odd.
        references: images that others are compared with, at most (a random choice of them).
        share: of them, see `Comparison.far`.
    """
    n, positions, dim = features.shape
    rng = np.random.default_rng(seed)
    axes = torch.from_numpy(draw_axes(dim, rng)).to(device)
    chosen = np.sort(rng.choice(n, min(n, references), replace=False))
    those = torch.from_numpy(chosen).to(device)
    column = torch.full((n,), -1, device=device)  # of an image among the references
    column[those] = torch.arange(len(chosen), device=device)
    others = len(chosen) - 1
    m = min(_NEAREST, others)
    k = max(1, round(share * others))
    near = np.empty((n, positions, m), np.float32)
    who = np.empty((n, positions, m), np.int32)
    far = np.empty((n, positions), np.float32)

    height, width = grid
    reach = window // 2
    rows: dict[int, Tensor] = {}  # projected rows of the grid, [N, W, 128]
    for y in track(range(height), "suspicion"):
        for row in range(max(0, y - reach), min(height, y + reach + 1)):
            if row not in rows:
                patches = np.ascontiguousarray(features[:, row * width : (row + 1) * width])
                rows[row] = torch.from_numpy(patches).to(device) @ axes
        rows.pop(y - reach - 1, None)
        stripe = torch.stack([rows[row][those] for row in sorted(rows)], dim=1)  # [R, h, W, 128]
        for x in range(width):
            around = stripe[:, :, max(0, x - reach) : x + reach + 1].flatten(1, 2)  # [R, v, 128]
            p = y * width + x
            step = max(1, _CHUNK // (around.shape[0] * around.shape[1]))
            for start in range(0, n, step):
                part = slice(start, start + step)
                lengths = _to_images(rows[y][part, x], around)  # [b, R]
                own = column[part]
                lengths[own >= 0, own[own >= 0]] = torch.inf
                nearest, which = lengths.topk(max(m, k), dim=1, largest=False)
                near[part, p] = nearest[:, :m].cpu().numpy()
                who[part, p] = those[which[:, :m]].cpu().numpy()
                far[part, p] = nearest[:, k - 1].cpu().numpy()
    return Comparison(near, who, far)


def _to_images(x: Tensor, window: Tensor) -> Tensor:
    """Measure from rows `x` `[b, d]` to the nearest in each image's `window` `[R, v, d]`: `[b, R]`."""
    middle = window.mean(dim=(0, 1))  # what all have in common would only cost digits
    x, entries = x - middle, (window - middle).flatten(0, 1)
    squares = torch.addmm(entries.square().sum(dim=1), x, entries.T, alpha=-2)
    nearest = squares.view(len(x), *window.shape[:2]).amin(dim=2)
    return (nearest + x.square().sum(dim=1, keepdim=True)).clamp(min=0).sqrt()
