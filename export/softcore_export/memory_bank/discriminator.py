"""Discriminator: computes the outlier factor of every training patch, and which patches are excluded."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from softcore_runtime.cli.progress import track
from torch import Tensor

from softcore_export.mapped_pages import release_pages

__all__ = ["DISCRIMINATORS", "denoise", "outlier_factors", "soft_weights"]

_CHUNK = 1 << 20  # numbers in one block of distances: 8 MB, which stay in cache
_TINY = 1e-10  # as in scikit-learn: the density among equal patches stays finite
_REGULAR = 0.01  # added to the diagonal of the covariance, as in PaDiM and the paper
_LIGHTEST, _HEAVIEST = 0.5, 2.0  # soft weights; see `soft_weights`


def outlier_factors(
    features: NDArray[np.float32], discriminator: str, k: int, device: torch.device
) -> NDArray[np.float64]:
    """Compute the outlier factor of every patch among the N patches at its own position.

    * `lof`: the local outlier factor, equations 4 to 6 of the paper (Breunig et al., 2000), Euclidean; equal
      to scikit-learn's `-LocalOutlierFactor(k).fit(x).negative_outlier_factor_`. As there, k is at most
      N - 1. About 1 for a patch among similar ones.
    * `nearest`: the Euclidean distance to the nearest other patch.
    * `gaussian`: the Mahalanobis distance to the mean, with the unbiased covariance + 0.01 I.

    All are finite. More than k equal patches have distance 0 and, as in scikit-learn, the density 1e10: their
    local outlier factor is 1, and that of another patch with such neighbours is the ratio of the densities,
    which is large but finite.

    Args:
        features: float32 `[N, P, d]`, N >= 2; may be mapped from disk.
        discriminator: one of `DISCRIMINATORS`.
        k: neighbours, of `lof` alone.
        device: where to compute; in float64, in chunks of positions that keep memory bounded.

    Returns:
        float64 `[N, P]`, higher for an outlier.

    Example:
        >>> features = np.random.default_rng(0).random((10, 4, 8), np.float32)
        >>> features[3, 1] += 5
        >>> factors = outlier_factors(features, "lof", k=6, device=torch.device("cpu"))
        >>> factors.shape, np.unravel_index(factors.argmax(), factors.shape) == (3, 1)
        ((10, 4), True)
        >>> bool(abs(np.median(factors) - 1) < 0.1)
        True
    """
    n, positions, dim = features.shape
    k = max(1, min(k, n - 1))
    measure = DISCRIMINATORS[discriminator]
    step = max(1, _CHUNK // (n * max(n, dim, k * dim // 8)))
    factors = np.empty((n, positions))
    for start in track(range(0, positions, step), "outlier factors"):
        chunk = np.ascontiguousarray(features[:, start : start + step].swapaxes(0, 1))  # [c, N, d]
        x = torch.from_numpy(chunk).to(device, torch.float64)
        factors[:, start : start + step] = measure(x, k).cpu().numpy().T
        release_pages(features)
    return factors


def soft_weights(factors: NDArray[np.float64], discriminator: str) -> NDArray[np.float32]:
    """Convert outlier factors to the weights of distances.

    The local outlier factor is a ratio already, 1 for a patch among similar ones, and is the weight (the
    paper). The other two are distances, which grow with the texture of a position, and the paper leaves their
    scale open (its code: 1 + the distance). Here the unit is the median m at the position, and the weight of
    a distance v is (1 + v / m) / 2, which is 1 for the usual distance at this position. (If m is 0, most
    patches are equal, and the weight is 1.) Half of the ratio is taken because a patch in a sparse region is
    far from its neighbours in test images, too: the whole ratio would count that twice, and rare good parts
    would fail.

    All weights are limited to 0.5 .. 2. The paper's setting doesn't reach these bounds on real images (the
    largest weights were 1.07 on pill and 1.11 on magnetic tiles), but near-duplicate images do. A patch in a
    sparse region must not weigh so much that no part next to it can pass, nor so little that no part next to
    it can fail; and a small W keeps the search fast.

    Args:
        factors: float64 `[N, P]`, see `outlier_factors`.
        discriminator: which of them computed the factors.

    Returns:
        float32 `[N, P]`, each 0.5 to 2.

    Example:
        >>> soft_weights(np.array([[0.98], [1.0], [7.3]]), "lof").ravel().tolist()
        [0.9800000190734863, 1.0, 2.0]
        >>> soft_weights(np.array([[3.0], [4.0], [8.0]]), "nearest").ravel().tolist()  # the median is 4
        [0.875, 1.0, 1.5]
    """
    ratios = factors
    if discriminator != "lof":
        usual = np.median(factors, axis=0, keepdims=True)  # [1, P]
        ratios = (1 + np.divide(factors, usual, out=np.ones_like(factors), where=usual > 0)) / 2
    return np.clip(ratios, _LIGHTEST, _HEAVIEST).astype(np.float32)


def denoise(factors: NDArray[np.float64], tau: float) -> NDArray[np.bool_]:
    """Keep all but the share `tau` with the highest outlier factors, over all images and positions.

    Args:
        factors: float64 `[N, P]`, see `outlier_factors`.
        tau: 0 <= tau < 1.

    Returns:
        bool `[N, P]`, False for exactly `int(tau * N * P)` patches. (Of equal factors the earlier patch is
        kept, so that ties don't exclude more.)

    Example:
        >>> denoise(np.array([[1.0, 5.0], [1.1, 0.9]]), tau=0.25).tolist()
        [[True, False], [True, True]]
    """
    order = np.argsort(factors, axis=None, kind="stable")
    kept = np.zeros(factors.size, np.bool_)
    kept[order[: factors.size - int(tau * factors.size)]] = True
    return kept.reshape(factors.shape)


def _local_outlier_factors(x: Tensor, k: int) -> Tensor:
    """Compare the density at each row of `x` `[c, N, d]` with that at its neighbours: `[c, N]`."""
    distances, rows = _neighbours(x, k)
    k_distance = distances[:, :, -1]  # [c, N]
    reach = torch.maximum(distances, _of_rows(k_distance, rows))  # equation 4
    density = 1 / (reach.mean(dim=2) + _TINY)  # equation 5
    return _of_rows(density, rows).mean(dim=2) / density  # equation 6


def _nearest_distances(x: Tensor, _k: int) -> Tensor:
    """Measure the distance of each row of `x` `[c, N, d]` to the nearest other: `[c, N]`."""
    return _neighbours(x, 1)[0][:, :, 0]


def _mahalanobis_distances(x: Tensor, _k: int) -> Tensor:
    """Measure the Mahalanobis distance of each row of `x` `[c, N, d]` from the mean: `[c, N]`.

    Where N <= d, the Woodbury identity turns the inverse of a d x d matrix into one of N x N: with X the
    centred rows, G = X X' and a = 0.01 (N - 1), the squares are (N - 1) diag((a I + G)^-1 G).
    """
    n, dim = x.shape[1:]
    centred = x - x.mean(dim=1, keepdim=True)
    if n <= dim:
        gram = centred @ centred.transpose(1, 2)  # [c, N, N]
        regular = gram + _REGULAR * (n - 1) * torch.eye(n, dtype=x.dtype, device=x.device)
        squares = (n - 1) * torch.linalg.solve(regular, gram).diagonal(dim1=1, dim2=2)
    else:
        covariance = centred.transpose(1, 2) @ centred / (n - 1)  # [c, d, d]
        regular = covariance + _REGULAR * torch.eye(dim, dtype=x.dtype, device=x.device)
        squares = (torch.linalg.solve(regular, centred.transpose(1, 2)).transpose(1, 2) * centred).sum(dim=2)
    distances: Tensor = squares.clamp(min=0).sqrt()
    return distances


DISCRIMINATORS: dict[str, Callable[[Tensor, int], Tensor]] = {
    "gaussian": _mahalanobis_distances,
    "lof": _local_outlier_factors,
    "nearest": _nearest_distances,
}


def _neighbours(x: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Find the k nearest others of each row of each position: distances and rows, both `[c, N, k]`."""
    n = x.shape[1]
    centred = x - x.mean(dim=1, keepdim=True)
    squares = centred.square().sum(dim=2)  # [c, N]
    nearest = []
    for block in torch.arange(n, device=x.device).tensor_split(-(-n * n * len(x) // _CHUNK)):
        apart = squares[:, None] - 2 * (
            centred[:, block] @ centred.transpose(1, 2)
        )  # [c, b, N], without |x|^2
        apart[:, torch.arange(len(block)), block] = torch.inf
        nearest.append(apart.topk(k, dim=2, largest=False).indices)
    rows = torch.cat(nearest, dim=1)  # [c, N, k]
    # Distances are measured again from the rows themselves, so that they are exactly 0 between equal patches.
    flat = x.flatten(0, 1)
    places = rows + n * torch.arange(len(x), device=x.device)[:, None, None]  # in `flat`
    columns = (flat[places[:, :, j]] for j in range(k))  # [c, N, d]
    distances = torch.stack([other.sub_(x).square_().sum(dim=2).sqrt() for other in columns], dim=2)
    distances, order = distances.sort(dim=2, stable=True)
    return distances, rows.gather(2, order)


def _of_rows(values: Tensor, rows: Tensor) -> Tensor:
    """Look `values` `[c, N]` up at `rows` `[c, N, k]`."""
    return values.gather(1, rows.flatten(1)).view_as(rows)
