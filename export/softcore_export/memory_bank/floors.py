"""Floors: how far other training images corroborate each entry of a memory bank.

Without floors an entry m gives a patch p their distance as the score, even if m is a defect that a single
image shows: then the same defect passes. With floors it gives no patch a lower score than the other images
give the entry itself::

    s(p) = min over m of max(||p - m||, F(m)),    F(m) = lambda f(m)

where f(m) is the distance from m to the nearest patch of another image, within a window around its position.
The other images are the *vouchers* of the entry. The nearest counts; where the contamination estimate found
evidence of defects, the third does, since several images may show the same defect. See
docs/explanation/method.md.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from softcore_runtime.cli.progress import track

from softcore_export.mapped_pages import release_pages

__all__ = ["FACTORS", "SCORED", "Corroboration", "FactorRule", "FloorRule", "choose_factor", "corroborate"]

FACTORS = (0.0, 0.5, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 1.7, 2.0)  # that are tried for lambda
SCORED = 90  # images whose scores choose lambda, at most
_SEVERAL = 3  # images that vouch for an entry where there is evidence of contamination
_CHUNK = 1 << 22  # numbers in one block of patches: 16 MB


@dataclass(frozen=True, eq=False)
class Corroboration:
    """The known vouchers of n entries, the nearest first; at most one of each group of near copies.

    Attributes:
        distances: float32 `[n, m]`, from the entry to each voucher's nearest patch, Euclidean; infinite where
            fewer are known.
        vouchers: int32 `[n, m]`, the groups of these images; -1 where fewer are known.

    Raises:
        ValueError: the arrays' shapes don't agree.
    """

    distances: NDArray[np.float32]
    vouchers: NDArray[np.int32]

    def __post_init__(self) -> None:
        if self.distances.ndim != 2 or self.vouchers.shape != self.distances.shape:
            shapes = [list(a.shape) for a in (self.distances, self.vouchers)]
            raise ValueError(f"distances and vouchers must be [n, m] both, not {shapes}")

    @property
    def is_known(self) -> NDArray[np.bool_]:
        """Whether an entry has any voucher, bool `[n]`."""
        return np.asarray((self.vouchers >= 0).any(axis=1))

    def measure(self, without: int | None = None, evidence: float = 0.0) -> NDArray[np.float32]:
        """Return f(m), float32 `[n]`: near^(1 - e) third^e of the distances; 0 where no voucher is known.

        Args:
            without: a group whose images don't count, as if they were not among the training images.
            evidence: e, of contamination, 0 to 1. At 0 the nearest voucher counts, at 1 the third, or the
                farthest known where there are fewer.

        Example:
            >>> known = Corroboration(np.array([[1, 2, 4]], np.float32), np.array([[7, 5, 6]], np.int32))
            >>> known.measure(), known.measure(without=7), known.measure(evidence=0.5)
            (array([1.], dtype=float32), array([2.], dtype=float32), array([2.], dtype=float32))
        """
        counted = self.vouchers >= 0
        if without is not None:
            counted &= self.vouchers != without
        nearest = self.distances.min(axis=1, where=counted, initial=np.inf)
        if evidence:
            ordered = np.sort(np.where(counted, self.distances, np.float32(np.inf)), axis=1)
            last = np.clip(counted.sum(axis=1), 1, _SEVERAL) - 1
            third = ordered[np.arange(len(ordered)), last]
            nearest = nearest ** (1 - evidence) * third**evidence
        return np.asarray(np.where(counted.any(axis=1), nearest, 0), np.float32)


@dataclass(frozen=True, eq=False)
class FloorRule:
    """How the floors of a memory bank follow from its entries' corroboration.

    Attributes:
        corroboration: the vouchers of the n entries.
        groups: int32 `[N]`, the group of each training image; near copies of each other share one.
        factor: lambda.
        evidence: of contamination, see `Corroboration.measure`.
    """

    corroboration: Corroboration
    groups: NDArray[np.int32]
    factor: float
    evidence: float = 0.0

    def select(self, entries: NDArray[np.bool_]) -> FloorRule:
        """Return the rule of some of the entries, bool `[n]`."""
        known = self.corroboration
        some = Corroboration(known.distances[entries], known.vouchers[entries])
        return replace(self, corroboration=some)

    def compute(self, without: int | None = None) -> NDArray[np.float32]:
        """Compute the floors F(m), float32 `[n]`.

        Args:
            without: a group whose images vouch for nothing; see `Corroboration.measure`.
        """
        return np.asarray(np.float32(self.factor) * self.corroboration.measure(without, self.evidence))


def corroborate(
    features: NDArray[np.float32],
    grid: tuple[int, int],
    origins: NDArray[np.int32],
    candidates: NDArray[np.int32],
    kept: NDArray[np.bool_],
    groups: NDArray[np.int32],
    window: int,
    device: torch.device,
) -> Corroboration:
    """Measure how far other images corroborate entries of a memory bank.

    The candidates of an entry are compared with it exactly, in all dimensions. No image of its own group is
    its voucher, and of other groups the nearest image counts. Patches that were excluded vouch for nothing.
    Where none of the candidates can vouch for an entry, as many other images, chosen evenly, are compared.

    Args:
        features: float32 `[N, P, d]`; may be mapped from disk.
        grid: (H, W), P = H * W.
        origins: int32 `[n, 3]`, training image, row and column of each entry.
        candidates: int32 `[n, m]`, the images that are nearest to each entry, as far as is known.
        kept: bool `[N, P]`; only these patches vouch.
        groups: int32 `[N]`, the group of each image; near copies of each other share one.
        window: side of the square of positions in which an entry is compared; odd.
        device: where to compare.

    Example:
        >>> features = np.zeros((3, 4, 2), np.float32)  # three images on a 2 x 2 grid
        >>> features[1, 2], features[2] = (3, 4), (0, 7)
        >>> found = corroborate(
        ...     features, (2, 2), np.array([[1, 1, 0]], np.int32), np.array([[0, 2]], np.int32),
        ...     np.ones((3, 4), bool), np.arange(3, dtype=np.int32), 3, torch.device("cpu"),
        ... )
        >>> found.vouchers, found.distances.round(2)
        (array([[2, 0]], dtype=int32), array([[4.24, 5.  ]], dtype=float32))
    """
    own = groups[origins[:, 0]]  # [n]
    distances = _measure_to_candidates(features, grid, origins, candidates, kept, window, device)
    distances[groups[candidates] == own[:, None]] = np.inf
    alone = np.flatnonzero(np.isinf(distances).all(axis=1))
    others = _choose_others(own[alone], kept, groups, candidates.shape[1])
    alone, others = alone[others[:, 0] >= 0], others[others[:, 0] >= 0]
    if len(alone):
        candidates = candidates.copy()
        candidates[alone] = others
        distances[alone] = _measure_to_candidates(
            features, grid, origins[alone], others, kept, window, device
        )
    return _rank(distances, groups[candidates])


@dataclass(frozen=True)
class FactorRule:
    """The constants of `choose_factor`, chosen in `softcore_benchmarks.research.constants`.

    Attributes:
        trusted: share of the images, those with the lowest scores, that are taken for good.
        rise: of a score that counts as raised, as a share of it.
        raised: share of the trusted images whose scores floors may raise.
        raised_evident: the same where there is full evidence of contamination.
    """

    trusted: float = 0.7
    rise: float = 0.02
    raised: float = 0.07
    raised_evident: float = 0.2


def choose_factor(
    scores: NDArray[np.float64], evidence: float = 0.0, rule: FactorRule | None = None
) -> float:
    """Choose lambda so that floors reach as far as they can without changing the scores of good images.

    The factor is the largest at which floors raise the score of at most 7 % of the trusted images by more
    than 2 %; of up to 20 % with evidence of contamination, where a defect that passes costs more. The trusted
    images are the 70 % with the lowest scores without floors: with up to 30 % of defective images they are
    good. Where good images differ much from each other lambda is small, where they are much alike it is
    large. Between two of `FACTORS` it is interpolated.

    Args:
        scores: float64 `[len(FACTORS), S]`, leave-one-image-out scores of S images with each of `FACTORS`.
        evidence: of contamination, 0 to 1.
        rule: the constants; None takes the defaults.

    Example:
        >>> scores = np.full((len(FACTORS), 10), 2.0)
        >>> choose_factor(scores)  # floors change nothing
        2.0
        >>> scores[5:, :4] = 3.0  # of four of ten images they raise the score from the sixth factor on
        >>> FACTORS[4] < choose_factor(scores) < FACTORS[5]
        True
    """
    rule = rule or FactorRule()
    without = scores[0]
    trusted = without <= np.quantile(without, rule.trusted)
    allowed = rule.raised + evidence * (rule.raised_evident - rule.raised)
    raised = (scores[:, trusted] > (1 + rule.rise) * without[trusted]).mean(axis=1)
    shares = np.maximum.accumulate(raised)  # [len(FACTORS)]
    last = int(np.flatnonzero(shares <= allowed)[-1])
    if last == len(FACTORS) - 1:
        return FACTORS[-1]
    step = (allowed - shares[last]) / (shares[last + 1] - shares[last])
    return float(FACTORS[last] + step * (FACTORS[last + 1] - FACTORS[last]))


def _measure_to_candidates(
    features: NDArray[np.float32],
    grid: tuple[int, int],
    origins: NDArray[np.int32],
    candidates: NDArray[np.int32],
    kept: NDArray[np.bool_],
    window: int,
    device: torch.device,
) -> NDArray[np.float32]:
    """Measure from each entry to the nearest kept patch of each candidate: float32 `[n, m]`."""
    height, width = grid
    patches = np.asarray(features)  # a view: fancy indices into np.memmap are slow
    image, row, column = origins.T.astype(np.int64)
    reach = np.arange(window) - window // 2
    distances = np.empty(candidates.shape, np.float32)
    m = candidates.shape[1]
    step = max(1, _CHUNK // (m * window**2 * features.shape[2]))
    order = np.lexsort((column, row))  # entries at one position read the same patches
    for start in track(range(0, len(order), step), "floors"):
        part = order[start : start + step]
        # Outside the grid its border is taken once more.
        rows = (row[part, None] + reach).clip(0, height - 1)  # [b, window]
        columns = (column[part, None] + reach).clip(0, width - 1)
        positions = (rows[:, :, None] * width + columns[:, None]).reshape(len(part), 1, -1)  # [b, 1, v]
        images = candidates[part, :, None]  # [b, m, 1]
        around = torch.from_numpy(patches[images, positions]).to(device)  # [b, m, v, d]
        entries = torch.from_numpy(patches[image[part], row[part] * width + column[part]]).to(device)
        # Not by a matrix product, which would cost digits: equal patches are at distance 0.
        apart = torch.cdist(
            entries[:, None], around.flatten(1, 2), compute_mode="donot_use_mm_for_euclid_dist"
        )
        lengths = apart.view(len(part), m, -1).cpu().numpy()
        distances[part] = np.where(kept[images, positions], lengths, np.inf).min(axis=2)
        release_pages(features)
    return distances


def _choose_others(
    own: NDArray[np.int32], kept: NDArray[np.bool_], groups: NDArray[np.int32], count: int
) -> NDArray[np.int32]:
    """Choose `count` images of other groups than `own` `[a]`, evenly: int32 `[a, count]`, -1 without any."""
    chosen = np.full((len(own), count), -1, np.int32)
    for group in np.unique(own):
        others = np.flatnonzero((groups != group) & kept.any(axis=1))
        if len(others):
            chosen[own == group] = others[np.linspace(0, len(others) - 1, count).round().astype(np.int64)]
    return chosen


def _rank(distances: NDArray[np.float32], vouchers: NDArray[np.int32]) -> Corroboration:
    """Sort vouchers by distance, and drop all but the nearest of each group."""
    distances, vouchers = _sort(distances, vouchers)
    for place in range(1, vouchers.shape[1]):
        again = (vouchers[:, :place] == vouchers[:, place, None]).any(axis=1)
        distances[again, place] = np.inf
    distances, vouchers = _sort(distances, vouchers)
    return Corroboration(distances, np.where(np.isinf(distances), np.int32(-1), vouchers))


def _sort(
    distances: NDArray[np.float32], vouchers: NDArray[np.int32]
) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    order = np.argsort(distances, axis=1, kind="stable")
    return np.take_along_axis(distances, order, axis=1), np.take_along_axis(vouchers, order, axis=1)
