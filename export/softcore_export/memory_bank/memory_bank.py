"""Memory bank: the entries that a coreset drew, and which training patches they were drawn from."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from softcore_runtime.errors import DataError

from softcore_export.memory_bank.floors import FloorRule

__all__ = ["DroppedEntries", "MemoryBank"]


@dataclass(frozen=True, eq=False)
class DroppedEntries:
    """The k entries that a memory bank lost since they excuse a confirmed defect.

    Attributes:
        bank: float32 `[k, d]`.
        weights: float32 `[k]`.
        floors: float32 `[k]`.
        by: int32 `[k]`, the counter-example that each resembles.

    Example:
        >>> dropped = learned.drop(np.arange(16) < 3, np.zeros(16, np.int32)).dropped
        >>> dropped.bank.shape, dropped.by
        ((3, 8), array([0, 0, 0], dtype=int32))
    """

    bank: NDArray[np.float32]
    weights: NDArray[np.float32]
    floors: NDArray[np.float32]
    by: NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class MemoryBank:
    """A memory bank, and which training patches it was drawn from.

    Attributes:
        bank: float32 `[n, d]`, the coreset.
        weights: float32 `[n]`, soft weights; 1 without them.
        floors: float32 `[n]`, the least score that each entry gives a patch; 0 without floors.
        origins: int32 `[n, 3]`, training image, row and column of each entry.
        factors: float64 `[N, P]`, the outlier factor of every training patch; 1 without a discriminator.
        kept: bool `[N, P]`, which patches could enter the coreset.
        rule: how the floors were made; None without floors.
        dropped: the entries that were dropped since they excuse a confirmed defect; None if none were.

    Raises:
        ValueError: the arrays' shapes don't agree, or there are floors and soft weights.

    Example:
        >>> MemoryBank(
        ...     bank=np.zeros((5, 16), np.float32), weights=np.ones(5, np.float32),
        ...     floors=np.zeros(5, np.float32),
        ...     origins=np.zeros((5, 3), np.int32), factors=np.ones((4, 9)), kept=np.ones((4, 9), bool),
        ... )
        MemoryBank(5x16, 36 of 36 patches kept)
    """

    bank: NDArray[np.float32]
    weights: NDArray[np.float32]
    floors: NDArray[np.float32]
    origins: NDArray[np.int32]
    factors: NDArray[np.float64]
    kept: NDArray[np.bool_]
    rule: FloorRule | None = None
    dropped: DroppedEntries | None = None

    def __post_init__(self) -> None:
        n = len(self.bank)
        if (
            self.bank.ndim != 2
            or self.weights.shape != (n,)
            or self.floors.shape != (n,)
            or self.origins.shape != (n, 3)
        ):
            shapes = [list(a.shape) for a in (self.bank, self.weights, self.floors, self.origins)]
            raise ValueError(
                f"bank, weights, floors and origins must be [n, d], [n], [n] and [n, 3], not {shapes}"
            )
        if self.factors.shape != self.kept.shape:
            raise ValueError(f"factors {self.factors.shape} and kept {self.kept.shape} must agree")
        if self.floors.any() and (self.weights != 1).any():
            raise ValueError("a memory bank has floors or soft weights, not both")

    def __repr__(self) -> str:
        size = "x".join(map(str, self.bank.shape))
        return f"MemoryBank({size}, {self.kept.sum()} of {self.kept.size} patches kept)"

    @property
    def owners(self) -> NDArray[np.int32]:
        """The training image of each entry, int32 `[n]`.

        Example:
            >>> learned.owners.shape, int(learned.owners.max()) < 10
            ((16,), True)
        """
        return self.origins[:, 0]

    def drop(self, excused: NDArray[np.bool_], by: NDArray[np.int32]) -> MemoryBank:
        """Drop the entries that excuse a confirmed defect.

        Args:
            excused: bool `[n]`, which ones.
            by: int32 `[n]`, the counter-example that says so.

        Raises:
            DataError: none would be left.

        Example:
            >>> fewer = learned.drop(np.arange(16) < 3, np.zeros(16, np.int32))
            >>> fewer, len(fewer.dropped.by)
            (MemoryBank(13x8, 136 of 160 patches kept), 3)
        """
        if excused.all():
            raise DataError(
                "every entry of the memory bank resembles a confirmed defect; are good and bad swapped?"
            )
        left = ~excused
        return replace(
            self,
            bank=self.bank[left],
            weights=self.weights[left],
            floors=self.floors[left],
            origins=self.origins[left],
            rule=self.rule.select(left) if self.rule else None,
            dropped=DroppedEntries(
                self.bank[excused], self.weights[excused], self.floors[excused], by[excused]
            ),
        )

    def find_entries(self, grid: tuple[int, int]) -> NDArray[np.int64]:
        """Return the flat index of each entry among the N * P training patches, int64 `[n]`.

        Args:
            grid: (H, W), P = H * W.

        Example:
            >>> entries = learned.find_entries((4, 4))
            >>> bool(learned.kept.flat[entries].all())
            True
        """
        image, row, column = self.origins.T.astype(np.int64)
        return np.asarray((image * grid[0] + row) * grid[1] + column)
