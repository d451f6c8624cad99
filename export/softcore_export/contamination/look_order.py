"""Look order: which training images are worth a person's look, the one most worth it first.

A look is worth what it is expected to change in the memory bank. Where the person's answer is what the method
did anyway, it changes nothing: of images that were excluded rightly, nothing is left to exclude. So::

    worth(i) = c(i) * learned(i) + (1 - c(i)) * left_out(i)

where c(i) is the chance that image i is defective, learned(i) the entries of the bank that a defective image
would lose, and left_out(i) those that a good one would win. Both are counted in the entries that an average
image has. Images that look alike, with the same defect at the same place, are asked about once: their worths
add up.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array, csr_array

if TYPE_CHECKING:  # for their types alone: this module runs without torch
    from softcore_export.contamination.comparison import Comparison
    from softcore_export.contamination.estimate import ContaminationEstimate

__all__ = ["LookOrder", "estimate_chances", "find_alike", "measure_worth", "order_looks"]

_STEEPNESS = 4.0  # power of the suspicion in the odds that an image, or a patch, is defective
_LEAST_WORTH = 0.01  # of an average image's entries; less is not worth a look
_TOP_SHARE = 0.01  # of an image's patches, the most suspect ones, that must be alike
_LEAST_TOP = 3  # of them, on a coarse grid
_ALIKE = 0.6  # of the distance to a fifth of all images: patches nearer than this are alike


@dataclass(frozen=True, eq=False)
class LookOrder:
    """In which order to look at N training images.

    Attributes:
        rows: int64 `[N]`, the images, the one most worth a look first; those alike stand together.
        worth: float64 `[N]`, of a look at each image alone, in the entries of an average image.
        leaders: int64 `[N]`, the image that is shown for each: itself, or one that it is like.
        worthwhile: int64 `[k]`, the leaders that are worth a look, in order.
        rest: share of the memory bank that looks at all others are expected to change.

    Example:
        >>> order = LookOrder(
        ...     rows=np.array([2, 0, 1]), worth=np.array([0.5, 0, 0.5]), leaders=np.array([0, 1, 0]),
        ...     worthwhile=np.array([0]), rest=0.0,
        ... )
        >>> order.find_followers(0)
        [2]
    """

    rows: NDArray[np.int64]
    worth: NDArray[np.float64]
    leaders: NDArray[np.int64]
    worthwhile: NDArray[np.int64]
    rest: float

    def find_followers(self, leader: int) -> list[int]:
        """Return the images for which another one is shown, the one most worth a look first."""
        return [int(row) for row in self.rows if self.leaders[row] == leader and row != leader]


def order_looks(
    estimate: ContaminationEstimate,
    kept: NDArray[np.bool_],
    origins: NDArray[np.int32],
    grid: tuple[int, int],
    settled: NDArray[np.bool_] | None = None,
) -> LookOrder:
    """Order the images by what a look at them is worth.

    Args:
        estimate: how suspect the N images and their P patches are.
        kept: bool `[N, P]`, which patches could enter the memory bank.
        origins: int32 `[n, 3]`, training image, row and column of each entry of the bank that can let a
            defect pass; an entry whose floor is above the threshold can't.
        grid: rows and columns, P = H * W.
        settled: bool `[N]`, images about which a person has decided: another look is worth nothing.
    """
    n = len(kept)
    counts = np.zeros(kept.shape)
    np.add.at(counts, (origins[:, 0], origins[:, 1] * grid[1] + origins[:, 2]), 1)
    worth = measure_worth(estimate.images, estimate.patches, kept, counts)
    open_ = np.ones(n, np.bool_) if settled is None else ~settled
    worth = np.where(open_, worth, 0)

    leaders = _choose_leaders(worth, find_alike(estimate.patches, estimate.comparison), open_)
    together = np.bincount(leaders, worth, n)  # of a look at a leader
    # The less suspect of two equals comes last.
    rows = np.lexsort(
        (-worth, leaders != np.arange(n), leaders, -estimate.images[leaders], -together[leaders])
    )
    leads = rows[leaders[rows] == rows]
    worthwhile = leads[together[leads] >= _LEAST_WORTH]
    rest = float(together[leads].sum() - together[worthwhile].sum()) / max(1, n)
    return LookOrder(rows.astype(np.int64), worth, leaders, worthwhile.astype(np.int64), rest)


def measure_worth(
    images: NDArray[np.float64],
    patches: NDArray[np.float32],
    kept: NDArray[np.bool_],
    counts: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Measure what a look at each image is expected to change, in the entries of an average image, `[N]`.

    Args:
        images: suspicion of the images, `[N]`; above 1 is suspect.
        patches: suspicion of their patches, `[N, P]`.
        kept: bool `[N, P]`, which patches could enter the memory bank.
        counts: number of the bank's entries from each patch, `[N, P]`.

    Example:
        >>> suspicion = np.array([2.0, 0.9, 0.1])
        >>> patches = np.array([[3, 0.2], [1.5, 0.2], [0.2, 0.2]], np.float32)
        >>> kept = np.array([[False, True], [True, True], [True, True]])
        >>> measure_worth(suspicion, patches, kept, kept.astype(float)).round(2)
        array([0.04, 0.2 , 0.  ])
    """
    chance, on_defect = estimate_chances(images), estimate_chances(patches)
    average = max(float(counts.sum()) / max(1, len(images)), 1e-12)
    learned = (counts * on_defect).sum(axis=1)
    # An excluded patch would have given about as many entries as a kept one does.
    rate = float(counts.sum()) / max(1, int(kept.sum()))
    left_out = rate * (~kept).sum(axis=1)
    return np.asarray((chance * learned + (1 - chance) * left_out) / average)


def estimate_chances(suspicion: NDArray[np.floating]) -> NDArray[np.float64]:
    """Estimate the chance of a defect: even at the threshold of suspicion, 1.

    Example:
        >>> estimate_chances(np.array([0.5, 1, 2])).round(2)
        array([0.06, 0.5 , 0.94])
    """
    odds = np.asarray(suspicion, np.float64).clip(0, 1e6) ** _STEEPNESS
    return np.asarray(odds / (1 + odds))


def find_alike(patches: NDArray[np.float32], comparison: Comparison) -> csr_array:
    """Find the images that look alike: most of the suspect patches of each are near a patch of the other.

    Patches are near where their distance is short beside that to a fifth of all images. The comparison looks
    around each patch's position alone, so that a defect elsewhere isn't alike.

    Args:
        patches: suspicion of the patches, float32 `[N, P]`.
        comparison: the distances from them to the nearest images.

    Returns:
        symmetric, bool `[N, N]`, sparse, the diagonal False.
    """
    n, positions = patches.shape
    top = min(max(_LEAST_TOP, round(_TOP_SHARE * positions)), positions)
    places = np.argpartition(patches, -top, axis=1)[:, -top:]  # [N, top]
    rows = np.arange(n)[:, None]
    far = comparison.quantile_distances  # where many show the same, it is near to a fifth of the images
    far = np.maximum(far[rows, places], np.median(far, axis=0)[places])
    near = comparison.nearest_distances[rows, places] <= _ALIKE * far[:, :, None]  # [N, top, m]
    others = comparison.nearest_images[rows, places]
    ones = np.broadcast_to(rows[:, :, None], others.shape)[near]
    votes = coo_array((np.ones(len(ones)), (ones, others[near])), (n, n)).tocsr()
    alike = votes > top / 2
    return csr_array(alike.multiply(alike.T).astype(np.bool_))


def _choose_leaders(
    worth: NDArray[np.float64], alike: csr_array, open_: NDArray[np.bool_]
) -> NDArray[np.int64]:
    """Choose who is shown for whom, int64 `[N]`: of those alike the one that is most worth a look.

    Only images that are like the leader follow it, not those that are like one of its followers.
    """
    leaders = np.full(len(worth), -1, np.int64)
    for row in np.argsort(-worth, kind="stable").tolist():
        if leaders[row] >= 0:
            continue
        leaders[row] = row
        own = alike.indices[alike.indptr[row] : alike.indptr[row + 1]]
        if open_[row]:
            leaders[own[(leaders[own] < 0) & open_[own]]] = row
    return leaders
