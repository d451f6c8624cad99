"""Contamination estimate: which training images look defective, where, and how many there are.

A defect among the training images shows in one of two ways. A rare one stands *alone*: some of its patches
have no like in any other image. A common one has *company* of its own kind, but the many images without
it are far from it. Both are measured against what is usual for this product, and both lengths are compared
with images, never with other patches of the same image:

* the nearest patch in any other image (leave one out, as FUN-AD's and PatchCore's scores do: Im et al.,
  WACV 2025; Roth et al., CVPR 2022);
* the nearest patch in a fifth of all images, which a few alike defects can't pull down (a neighbour
  counted in images and as a share of them; in the spirit of MeDS's sparse memories, Safarov et al.,
  ICML 2026).

A part that is often slightly displaced is compared within a window around its position.

How far is too far comes from the images themselves: on a logarithmic scale the lengths of good images
have about the same shape for every product that was tried, centre and spread are read off the lower half,
which defects hardly move, and Benjamini and Hochberg's procedure (1995) cuts where more is beyond the cut
than chance would put there. (As Bates et al., "Testing for outliers with conformal p-values", Annals of
Statistics 2023, do with clean calibration data, which nobody has here.) On clean data next to nothing is
beyond. Where many are clearly beyond, the cut goes lower, for then there are others that aren't as clear.

`benchmarks/DENOISING.md` tells what else was tried, and where this falls short.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import stats

from softcore_export.contamination.contamination import Estimate
from softcore_export.memory_bank.comparison import Comparison, compare

__all__ = ["ContaminationEstimate", "Rule", "estimate_contamination", "estimate_from"]

_FLOOR = 0.1  # of a usual length: shorter ones are of images that were taken or saved twice
_LEAST_SPREAD = 0.02  # of the logarithms: among images that are all but equal, 2 % more is no sign
_LOWER_HALF = (0.1, 0.5)  # quantiles that give centre and spread; defects hardly move them
_LEAST_TOP = 3  # patches that speak for an image on a coarse grid: one alone is a lottery
_NOTHING = 1e-12  # a length that can't be divided by
_ROUNDS = 6  # an image left out no longer confirms others; it seldom takes more than three


@dataclass(frozen=True)
class Rule:
    """The constants of `estimate_contamination`, tuned in `softcore_benchmarks.denoising`.

    Attributes:
        window: side of the square of positions in which a patch's like is looked for.
        references: images that others are compared with, at most (a random choice of them).
        share: of the images that a defect with company must be far from.
        top: share of an image's patches that speak for it: a small defect touches few.
        clear: the share of good images among those left out that is accepted, where they stand alone.
        doubtful: the same, where many are left out: it costs more to keep a defect then than a good image.
        many: from which share of all images on.
        company: the same as `clear`, where they have company.
        stretch: how much wider the upper tail of good images is than a normal distribution's.
        circle: how many nearest images are a patch's company.
        patches: quantile of all patches' lengths above which a suspect image's patches are left out.
    """

    window: int = 5
    references: int = 1000
    share: float = 0.2
    top: float = 0.005
    clear: float = 0.3
    doubtful: float = 0.5
    many: float = 0.03
    company: float = 0.3
    stretch: float = 1.3
    circle: int = 5
    patches: float = 0.95


@dataclass(frozen=True, eq=False)
class ContaminationEstimate:
    """What is suspect among the training images.

    Attributes:
        patches: float32 `[N, P]`; 1 is the threshold.
        images: float64 `[N]`; 1 is the threshold.
        share: the share of defective images.
    """

    patches: NDArray[np.float32]
    images: NDArray[np.float64]
    share: Estimate

    def __post_init__(self) -> None:
        if self.patches.ndim != 2 or self.images.shape != self.patches.shape[:1]:
            raise ValueError(
                f"patches and images must be [N, P] and [N], not {list(self.patches.shape)} "
                f"and {list(self.images.shape)}"
            )

    @property
    def kept(self) -> NDArray[np.bool_]:
        """Which patches stay, bool `[N, P]`: all but the suspect patches of suspect images."""
        return ~((self.patches > 1) & (self.images > 1)[:, None])


def estimate_contamination(
    features: NDArray[np.float32],
    grid: tuple[int, int],
    device: torch.device,
    seed: int = 0,
    rule: Rule | None = None,
) -> ContaminationEstimate:
    """Estimate the contamination of training images that may be dirty; nothing is told about how dirty.

    Args:
        features: float32 `[N, P, d]`, N >= 2; may be mapped from disk.
        grid: rows and columns, P = H * W.
        device: where to compare.
        seed: of the projection and of the choice of references.
        rule: other constants than the usual.
    """
    rule = rule or Rule()
    compared = compare(features, grid, device, seed, rule.window, rule.references, rule.share)
    return estimate_from(compared, rule)


def estimate_from(compared: Comparison, rule: Rule) -> ContaminationEstimate:
    """Estimate it from how far their patches are from the other images."""
    near, who, far = compared.near, compared.who, compared.far
    top = min(max(_LEAST_TOP, round(rule.top * far.shape[1])), far.shape[1])

    # Defects with company: far from a fifth of all images, and among others that are; but not all over,
    # as another variant of the product would be.
    common = _departure(_of_image(far, top))  # [N]
    distant = _beyond(common, rule.company, rule.stretch)
    sought = np.argpartition(far, -top, axis=1)[:, -top:]
    circle = np.take_along_axis(distant[who[:, :, : rule.circle]].mean(axis=2), sought, axis=1).mean(axis=1)
    all_over = (far > np.quantile(far, rule.patches)).mean(axis=1) > 0.5
    cluster = distant & (circle > 0.5) & ~all_over

    # Defects alone. Who is left out confirms no other, which may expose another.
    out = cluster
    share, seen = rule.clear, [out]
    for _ in range(_ROUNDS):
        lengths = _nearest_of(near, who, out)  # [N, P]
        rare = _departure(_of_image(lengths, top))  # [N]
        if len(seen) == 1 and (cluster | _beyond(rare, share, rule.stretch)).mean() >= rule.many:
            share = rule.doubtful
        out = cluster | _beyond(rare, share, rule.stretch)
        if any((out == before).all() for before in seen):
            break
        seen.append(out)

    return ContaminationEstimate(
        patches=_share(
            lengths, float(np.quantile(lengths[~out] if not out.all() else lengths, rule.patches))
        ),
        images=_scale(rare, out, rule),
        share=_estimate(rare, cluster, out, rule),
    )


def _nearest_of(
    near: NDArray[np.float32], who: NDArray[np.int32], out: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """Measure to the nearest image that isn't `out` `[N]`: `[N, P]`; to the last known, if all are."""
    trusted = ~out[who]
    first = np.where(trusted.any(axis=2), trusted.argmax(axis=2), near.shape[2] - 1)
    return np.take_along_axis(near, first[:, :, None], axis=2)[:, :, 0]


def _of_image(lengths: NDArray[np.float32], top: int) -> NDArray[np.float64]:
    """Let the `top` longest of an image's lengths `[N, P]` speak for it: their mean, `[N]`."""
    return np.asarray(np.partition(lengths, -top, axis=1)[:, -top:].mean(axis=1, dtype=np.float64))


def _departure(lengths: NDArray[np.float64]) -> NDArray[np.float64]:
    """Say by how many spreads the logarithm of each of `lengths` `[N]` lies above the centre."""
    floor = _FLOOR * np.quantile(lengths, 0.75)
    usual = np.log(lengths[lengths > floor])
    if not len(usual):  # all are equal
        return np.zeros_like(lengths)
    low, high = np.quantile(usual, _LOWER_HALF)
    lower, upper = stats.norm.ppf(_LOWER_HALF)
    spread = max((high - low) / (upper - lower), _LEAST_SPREAD)
    logarithms = np.log(np.maximum(lengths, max(floor, _NOTHING)))
    return np.asarray((logarithms - (high - upper * spread)) / spread)


def _chance(departures: NDArray[np.float64], stretch: float) -> NDArray[np.float64]:
    """Say how likely a good image departs as far."""
    return np.asarray(stats.norm.sf(departures / stretch))


def _beyond(departures: NDArray[np.float64], share: float, stretch: float) -> NDArray[np.bool_]:
    """Cut by Benjamini and Hochberg (1995): of those beyond, about `share` are there by chance."""
    return np.asarray(stats.false_discovery_control(_chance(departures, stretch)) <= share)


def _share(lengths: NDArray[np.float32], threshold: float) -> NDArray[np.float32]:
    """Divide by a threshold; where it is 0, every length but 0 is beyond it."""
    return np.asarray(lengths / max(threshold, _NOTHING), np.float32)


def _scale(departures: NDArray[np.float64], out: NDArray[np.bool_], rule: Rule) -> NDArray[np.float64]:
    """Bring departures to positive numbers in the same order, those of images left out above 1.

    A softened ramp, log(1 + e^z): even far below the threshold order is kept, far above it grows as z does.
    """
    single = rule.stretch * float(stats.norm.isf(rule.clear / len(departures)))  # what one alone needs
    threshold = single
    if out.any():
        threshold = float(
            departures[~out].max(initial=-np.inf, where=departures[~out] < departures[out].max())
        )
        threshold = max(min(threshold, single), 0.0)
    ramp = np.logaddexp(0, departures) / np.logaddexp(0, threshold)
    return np.asarray(np.where(out, np.maximum(ramp, 1 + 1e-6), np.minimum(ramp, 1)))


def _estimate(
    departures: NDArray[np.float64], cluster: NDArray[np.bool_], out: NDArray[np.bool_], rule: Rule
) -> Estimate:
    """Estimate the share of defective images.

    Those beyond a cut, less as many as chance would put there, at the cut where most remain (after Storey,
    2002). The interval is from those who are clearly defective (5 % by chance) to all who were left out, each
    with Clopper and Pearson's bound for the sample (95 %).
    """
    n = len(departures)
    value = float(cluster.sum())
    alone = np.sort(departures[out & ~cluster])[::-1]
    if len(alone):
        chance = _chance(alone, rule.stretch)  # at each of them as the cut
        beyond = np.arange(1, len(alone) + 1) - chance * (n - value)
        value += float((beyond / (1 - chance)).max(initial=0))
    clear = int((cluster | (out & _beyond(departures, 0.05, rule.stretch))).sum())
    low = stats.binomtest(clear, n).proportion_ci(0.95).low
    high = stats.binomtest(int(out.sum()), n).proportion_ci(0.95).high
    share = value / n
    return Estimate(value=share, low=min(float(low), share), high=max(float(high), share))
