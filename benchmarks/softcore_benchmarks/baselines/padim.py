"""PaDiM: one Gaussian at every position (Defard et al., ICPR workshops 2021)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["Padim"]

_REGULARISATION = 0.01  # added to the diagonal of the covariance
_FEW, _MANY = 100, 550  # dimensions drawn for ResNet-18 and for Wide ResNet-50, in the authors' code
_RESNET18 = 448  # dimensions of ResNet-18's three layers, of which those 100 are drawn
_POSITIONS = 64  # computed at a time


@dataclass(frozen=True, eq=False)
class Padim:
    """One Gaussian at each position.

    Attributes:
        axes: int64 `[e]`, the dimensions that were drawn.
        means: float64 `[P, e]`.
        factors: float64 `[P, e, e]`, lower Cholesky factors of the covariances.
    """

    axes: NDArray[np.int64]
    means: Tensor
    factors: Tensor

    @classmethod
    def fit(cls, features: NDArray[np.float32], seed: int = 0) -> Padim:
        """Estimate mean and unbiased covariance + 0.01 I at every position of `[N, P, d]`, N >= 2."""
        n, positions, dim = features.shape
        kept = min(dim, _FEW if dim <= _RESNET18 else _MANY)
        axes = np.sort(np.random.default_rng(seed).choice(dim, kept, replace=False))
        means = torch.empty(positions, kept, dtype=torch.float64)
        factors = torch.empty(positions, kept, kept, dtype=torch.float64)
        for start in range(0, positions, _POSITIONS):
            part = slice(start, start + _POSITIONS)
            x = _by_position(features, part, axes)  # [p, N, e]
            means[part] = x.mean(dim=1)
            centred = x - means[part, None]
            covariance = centred.transpose(1, 2) @ centred / (n - 1)
            factors[part] = torch.linalg.cholesky(
                covariance + _REGULARISATION * torch.eye(kept, dtype=x.dtype)
            )
        return cls(axes, means, factors)

    def score(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the Mahalanobis distance of every patch of `[M, P, d]`, float32 `[M, P]`."""
        scores = np.empty(features.shape[:2], np.float32)
        for start in range(0, features.shape[1], _POSITIONS):
            part = slice(start, start + _POSITIONS)
            centred = _by_position(features, part, self.axes) - self.means[part, None]  # [p, M, e]
            whitened = torch.linalg.solve_triangular(self.factors[part], centred.transpose(1, 2), upper=False)
            scores[:, part] = whitened.square().sum(dim=1).sqrt().T.numpy()
        return scores


def _by_position(features: NDArray[np.float32], part: slice, axes: NDArray[np.int64]) -> Tensor:
    chunk = features[:, part][:, :, axes].swapaxes(0, 1)  # [p, N, e]
    return torch.from_numpy(np.ascontiguousarray(chunk)).double()
