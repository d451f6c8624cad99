"""Coreset: draws the few patches that represent all, by greedy k-centre."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from softcore_runtime.cli.progress import track
from torch import Tensor

from softcore_export.mapped_pages import release_pages

__all__ = ["PROJECTION", "draw_axes", "draw_coreset", "draw_random", "spread"]

PROJECTION = 128  # dimensions of the random projection in which centres are chosen (PatchCore)
_AHEAD = 1024  # farthest rows among which the next ones are chosen
_BLOCK = 8192  # rows whose distances are measured at a time
_ROUNDING = 4e-6  # of a row's squared length: the rounding error of float32 in a squared distance of zero


def draw_coreset(
    features: NDArray[np.float32], kept: NDArray[np.bool_], size: int, seed: int, device: torch.device
) -> NDArray[np.int64]:
    """Draw at most `size` of the kept patches by greedy k-centre (Sener and Savarese, 2018).

    Each next entry is the kept patch farthest from all chosen ones, in a random projection to at most
    `PROJECTION` dimensions. Its axes are orthonormal, which distorts distances less than Gaussian ones do
    (`softcore_benchmarks.research.projection`). Repeatable for a seed on one machine.

    Args:
        features: float32 `[N, P, d]`; may be mapped from disk.
        kept: bool `[N, P]`; only these patches can be drawn.
        size: number of entries; fewer are drawn if fewer are kept, or if the rest equal chosen ones (to
            float32's rounding).
        seed: of the projection and of the first entry.
        device: where to compute.

    Returns:
        int64 `[n]`, flat indices into `[N * P]`, in the order in which they were chosen.

    Example:
        >>> features = np.zeros((3, 4, 2), np.float32)
        >>> features[1, 2] = 5, 0  # two patches far from the rest and from each other
        >>> features[2, 0] = 0, 7
        >>> kept = np.ones((3, 4), bool)
        >>> entries = draw_coreset(features, kept, 3, seed=0, device=torch.device("cpu"))
        >>> 1 * 4 + 2 in entries, 2 * 4 + 0 in entries
        (True, True)
        >>> kept[2, 0] = False
        >>> 2 * 4 + 0 in draw_coreset(features, kept, 3, seed=0, device=torch.device("cpu"))
        False
    """
    rng = np.random.default_rng(seed)
    dim = features.shape[2]
    axes = draw_axes(dim, rng)
    candidates = np.flatnonzero(kept)
    projected = np.empty((len(candidates), axes.shape[1]), np.float32)
    ends = np.cumsum(kept.sum(axis=1))
    for image, mask, end in zip(features, kept, ends, strict=True):
        projected[end - mask.sum() : end] = image[mask] @ axes
        release_pages(features)
    size = min(size, len(candidates))
    chosen = spread(torch.from_numpy(projected).to(device), size, int(rng.integers(len(candidates))))
    return candidates[chosen]


def draw_axes(dim: int, rng: np.random.Generator, count: int = PROJECTION) -> NDArray[np.float32]:
    """Draw `count` orthonormal axes of a random projection, float32 `[d, count]`; at most d of them.

    Example:
        >>> axes = draw_axes(1536, np.random.default_rng(0))
        >>> axes.shape, bool(np.allclose(axes.T @ axes, np.eye(128), atol=1e-5))
        ((1536, 128), True)
    """
    return np.linalg.qr(rng.standard_normal((dim, min(dim, count))))[0].astype(np.float32)


def draw_random(kept: NDArray[np.bool_], size: int, seed: int) -> NDArray[np.int64]:
    """Draw at most `size` of the kept patches at random: int64 `[n]`, flat indices into `[N * P]`.

    Args:
        kept: bool `[N, P]`; only these patches can be drawn.
        size: number of entries.
        seed: of the draw.

    Example:
        >>> kept = np.zeros((3, 4), bool)
        >>> kept[1, 2] = kept[2, 0] = True
        >>> sorted(draw_random(kept, 5, seed=0).tolist())
        [6, 8]
    """
    candidates = np.flatnonzero(kept)
    return np.random.default_rng(seed).choice(candidates, min(size, len(candidates)), replace=False)


def spread(x: Tensor, size: int, first: int) -> NDArray[np.int64]:
    """Choose rows, each the farthest from those chosen before it.

    Args:
        x: float32 `[M, 128]`; it is centred in place.
        size: number of rows; fewer are chosen if the rest equal chosen ones.
        first: the row to begin with.

    Returns:
        int64 `[n]`, n <= size, in the order in which they were chosen.

    Example:
        >>> spread(torch.tensor([[0.0], [1.0], [10.0], [4.0]]), 3, first=0).tolist()
        [0, 2, 3]
    """
    rows = itertools.islice(_farthest_first(x, first), size)
    return np.fromiter(track(rows, "coreset", size), np.int64)


def _farthest_first(x: Tensor, first: int) -> Iterator[int]:
    """Yield rows, each the farthest from those before, until the rest equal rows that were yielded.

    The rows are the same as if all M distances were measured again after every choice, but many choices share
    one pass over `x`. A choice can only bring rows nearer. So as long as the farthest of the `_AHEAD`
    farthest rows is farther than the nearest of them was at the start of the pass, it is the farthest of all.
    """
    x -= x.mean(dim=0)  # a common offset would cost digits of float32
    squares = x.square().sum(dim=1)
    rounding = _ROUNDING * squares
    nearest = torch.full_like(squares, torch.inf)  # squared distance of each row to the nearest chosen one
    chosen = [first]
    yield first
    while True:
        _bring_nearer(nearest, x, squares, torch.tensor(chosen, device=x.device))
        nearest.masked_fill_(nearest <= rounding, -torch.inf)  # equal to a chosen one
        distances, ahead = nearest.topk(min(_AHEAD, len(x)))
        others = float(distances[-1]) if len(ahead) < len(x) else -np.inf
        apart = squares[ahead, None] + squares[ahead] - 2 * (x[ahead] @ x[ahead].T)
        apart.masked_fill_(apart <= rounding[ahead], -torch.inf)
        rows, left, between = ahead.tolist(), distances.cpu().numpy(), apart.cpu().numpy()
        chosen = []
        best = 0
        while left[best] > 0 and (left[best] > others or not chosen):
            chosen.append(rows[best])
            yield rows[best]
            np.minimum(left, between[best], out=left)
            left[best] = -np.inf
            best = int(left.argmax())
        if not chosen:
            return


def _bring_nearer(nearest: Tensor, x: Tensor, squares: Tensor, chosen: Tensor) -> None:
    """Update the squared distances `nearest` `[M]` by the rows `chosen` of `x`, in place."""
    for start in range(0, len(x), _BLOCK):
        part = slice(start, start + _BLOCK)
        apart = torch.addmm(squares[chosen], x[part], x[chosen].T, alpha=-2).amin(dim=1)
        torch.minimum(nearest[part], apart.add_(squares[part]), out=nearest[part])
    nearest[chosen] = -torch.inf
