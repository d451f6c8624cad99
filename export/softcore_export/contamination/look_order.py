"""Look order: which training images are worth a person's look, the one most worth it first.

A look is worth what it is expected to change in the memory bank. Where the person's answer is what the method
did anyway, it changes nothing: of images that were excluded rightly, nothing is left to exclude. So::

    worth(i) = c(i) * learned(i) + (1 - c(i)) * left_out(i)

where c(i) is the chance that image i is defective, learned(i) the entries of the bank that a defective image
would lose, and left_out(i) those that a good one would win. Both are counted in the entries that an average
image has. Images that look alike, with the same defect at the same place, are asked about once: their worths
add up.

The chance follows from the suspicion and from the answers so far: where images of about the same rank turned
out to be defective, it rises, and where they were good, it falls. So the looks end where the answers say so.
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

__all__ = ["LookOrder", "LookValues", "find_alike", "update_chances", "value_looks"]

_IMAGE_POWER = 2.0  # of the suspicion in the odds that an image is defective
_PATCH_POWER = 4.0  # in the odds that a patch of a defective image lies on the defect
_REACH = 5.0  # ranks of suspicion, over which an answer tells of other images, falling by e
_LEAST_WORTH = 0.01  # of an average image's entries; less is not worth a look
_TOP_SHARE = 0.01  # of an image's patches, the most suspect ones, that must be alike
_LEAST_TOP = 3  # of them, on a coarse grid
_ALIKE = 0.6  # of the distance to a fifth of all images: suspects' patches nearer than this are alike
_COPIED = 0.1  # the same for others, which are alike only if they were taken or saved twice


@dataclass(frozen=True, eq=False)
class LookOrder:
    """In which order to look at N training images.

    Attributes:
        rows: int64 `[N]`, the images, the one most worth a look first; those alike stand together.
        worth: float64 `[N]`, of a look at each image alone, in the entries of an average image; 0 where a
            person has answered.
        leaders: int64 `[N]`, the image that is shown for each: itself, or one that it is like.
        worthwhile: int64 `[k]`, the leaders that are worth a look, in order.
        rest: share of the memory bank that looks at all others are expected to change.

    Example:
        >>> order = LookOrder(
        ...     rows=np.array([2, 0, 1]), worth=np.array([0.5, 0, 0.5]), leaders=np.array([2, 1, 2]),
        ...     worthwhile=np.array([2]), rest=0.0,
        ... )
        >>> order.find_followers(2)
        [0]
    """

    rows: NDArray[np.int64]
    worth: NDArray[np.float64]
    leaders: NDArray[np.int64]
    worthwhile: NDArray[np.int64]
    rest: float

    def find_followers(self, leader: int) -> list[int]:
        """Return the images for which another one is shown, the one most worth a look first."""
        return [int(row) for row in self.rows if self.leaders[row] == leader and row != leader]


@dataclass(frozen=True, eq=False)
class LookValues:
    """What looks at N training images could change in a memory bank.

    Attributes:
        suspicion: float64 `[N]`, of the images.
        learned: float64 `[N]`, the entries that each would lose if it were defective, in those of an average
            image.
        left_out: float64 `[N]`, those that it would win if it were good.
        alike: bool `[N, N]`, sparse and symmetric: which images show the same.
    """

    suspicion: NDArray[np.float64]
    learned: NDArray[np.float64]
    left_out: NDArray[np.float64]
    alike: csr_array

    def order(self, answers: NDArray[np.float64] | None = None) -> LookOrder:
        """Order the images by what a look at them is worth.

        Args:
            answers: float64 `[N]`, a person's: 1 for defective, 0 for good, NaN where there is none yet.

        Example:
            >>> values = LookValues(
            ...     suspicion=np.array([2.0, 0.9, 0.5]), learned=np.array([0.01, 0.5, 0.5]),
            ...     left_out=np.zeros(3), alike=csr_array((3, 3), dtype=bool),
            ... )
            >>> values.order().rows
            array([1, 2, 0])
        """
        n = len(self.suspicion)
        answers = np.full(n, np.nan) if answers is None else answers
        chances = update_chances(self.suspicion, answers)
        asking = np.isnan(answers)
        worth = np.where(asking, chances * self.learned + (1 - chances) * self.left_out, 0)

        leaders = _choose_leaders(worth, self.alike, asking)
        together = np.bincount(leaders, worth, n)  # of a look at a leader
        follows = leaders != np.arange(n)
        keys = (-worth, follows, leaders, -self.suspicion[leaders], -together[leaders])
        rows = np.lexsort(keys).astype(np.int64)
        leads = rows[~follows[rows]]
        worthwhile = leads[together[leads] >= _LEAST_WORTH]
        rest = float(together[leads].sum() - together[worthwhile].sum()) / max(1, n)
        return LookOrder(rows, worth, leaders, worthwhile, rest)


def value_looks(
    estimate: ContaminationEstimate,
    kept: NDArray[np.bool_],
    origins: NDArray[np.int32],
    grid: tuple[int, int],
) -> LookValues:
    """Value looks at the training images.

    Args:
        estimate: how suspect the N images and their P patches are.
        kept: bool `[N, P]`, which patches could enter the memory bank.
        origins: int32 `[n, 3]`, training image, row and column of each entry of the bank that can let a
            defect pass; an entry whose floor is above the threshold can't.
        grid: rows and columns, P = H * W.
    """
    counts = np.zeros(kept.shape)  # entries from each patch
    np.add.at(counts, (origins[:, 0], origins[:, 1] * grid[1] + origins[:, 2]), 1)
    average = max(float(counts.sum()) / max(1, len(kept)), 1e-12)
    learned = (counts * _find_chances(estimate.patches, _PATCH_POWER)).sum(axis=1)
    # An excluded patch would have given about as many entries as a kept one does.
    rate = float(counts.sum()) / max(1, int(kept.sum()))
    left_out = rate * (~kept).sum(axis=1)
    alike = find_alike(estimate.images, estimate.patches, estimate.comparison)
    return LookValues(estimate.images, learned / average, left_out / average, alike)


def update_chances(suspicion: NDArray[np.float64], answers: NDArray[np.float64]) -> NDArray[np.float64]:
    """Estimate the chance that each image is defective, float64 `[N]`.

    At first even at the threshold of suspicion, 1, with odds that grow with the suspicion's square. Each
    answer counts as much as that, for images of the same rank, and less the farther their ranks are apart.

    Args:
        suspicion: of the images, `[N]`.
        answers: of a person: 1 for defective, 0 for good, NaN where there is none yet, `[N]`.

    Example:
        >>> suspicion, nothing = np.array([2, 1, 0.5]), np.full(3, np.nan)
        >>> update_chances(suspicion, nothing)
        array([0.8, 0.5, 0.2])
        >>> update_chances(suspicion, np.array([np.nan, 1, np.nan])).round(2)
        array([0.89, 0.75, 0.56])
    """
    ranks = np.empty(len(suspicion))
    ranks[np.argsort(-suspicion, kind="stable")] = np.arange(len(suspicion))
    seen = ~np.isnan(answers)
    near = np.exp(-np.abs(ranks[:, None] - ranks[seen]) / _REACH)  # [N, answers]
    first = _find_chances(suspicion, _IMAGE_POWER)
    return np.asarray((first + near @ answers[seen]) / (1 + near.sum(axis=1)))


def _find_chances(suspicion: NDArray[np.floating], power: float) -> NDArray[np.float64]:
    odds = np.asarray(suspicion, np.float64).clip(0, 1e6) ** power
    return np.asarray(odds / (1 + odds))


def find_alike(
    images: NDArray[np.float64], patches: NDArray[np.float32], comparison: Comparison
) -> csr_array:
    """Find the images that look alike: most of the suspect patches of each are near a patch of the other.

    Patches are near where their distance is short beside that to a fifth of all images. The comparison looks
    around each patch's position alone, so that a defect elsewhere isn't alike. Suspects are alike to suspects
    alone: where good parts vary, as by rotation, a hidden defect's image may be near to good ones.

    Args:
        images: suspicion of the images, float64 `[N]`; above 1 is suspect.
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
    others = comparison.nearest_images[rows, places]  # [N, top, m]
    suspect = images > 1
    allowed = np.where(suspect[:, None, None] & suspect[others], _ALIKE, _COPIED)
    near = comparison.nearest_distances[rows, places] <= allowed * far[:, :, None]
    ones = np.broadcast_to(rows[:, :, None], others.shape)[near]
    votes = coo_array((np.ones(len(ones)), (ones, others[near])), (n, n)).tocsr()
    alike = votes > top / 2
    return csr_array(alike.multiply(alike.T).astype(np.bool_))


def _choose_leaders(
    worth: NDArray[np.float64], alike: csr_array, asking: NDArray[np.bool_]
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
        if asking[row]:
            leaders[own[(leaders[own] < 0) & asking[own]]] = row
    return leaders
