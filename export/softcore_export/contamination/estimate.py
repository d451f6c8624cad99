"""Contamination estimate: which training images look defective, where, and how many there are.

A defect among the training images shows in one of two ways. A rare defect is *isolated*: some of its patches
resemble no patch of any other image. A common defect forms a *cluster*: several images show it, but the many
images without it are far away. Two distances measure this. Both lead from a patch to other images, never to
other patches of the same image:

* to the nearest patch in any other image (leave one out, as FUN-AD's and PatchCore's scores do: Im et al.,
  WACV 2025; Roth et al., CVPR 2022);
* to the nearest patch in a fifth of all images, which a few equal defects can't lower (a neighbour counted in
  images and as a share of them; in the spirit of MeDS's sparse memories, Safarov et al., ICML 2026).

A patch is compared within a window around its position, because parts are often slightly displaced. Where
good images vary more than elsewhere (an imprint, an edge) a distance means less: distances are divided by a
power of what is usual at the position.

Which distance is too large is estimated from the images themselves. On a logarithmic scale the distances of
good images have about the same distribution for every product that was tried. Centre and spread are taken
from its lower half, which defects hardly change. Benjamini and Hochberg's procedure (1995) sets the cut at a
given false discovery rate: the expected share of good images among those beyond it. (Bates et al., "Testing
for outliers with conformal p-values", Annals of Statistics 2023, do so with clean calibration data, which are
not available here.) The first cut is strict: on clean data hardly any image is beyond it. Where some are, the
images aren't clean, and further defects are likely. This *evidence* lowers the cut, and it makes floors ask
for more (`softcore_export.memory_bank.floors`).

`benchmarks/DENOISING.md` describes what else was tried, and the limits of this method.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import stats

from softcore_export.contamination.comparison import Comparison, compare
from softcore_export.contamination.contamination import ShareEstimate

__all__ = [
    "ContaminationEstimate",
    "EstimateParameters",
    "estimate_contamination",
    "estimate_from",
    "reconsider",
]

_FLOOR = 0.1  # of a usual distance: images with shorter ones were taken or saved twice
_LEAST_USUAL = 0.1  # of the median position: less than this is not usual anywhere
_LEAST_SPREAD = 0.02  # of the logarithms: among nearly equal images a difference of 2 % means nothing
_LOWER_HALF = (0.1, 0.5)  # quantiles that give centre and spread; defects hardly change them
_LEAST_TOP = 3  # patches that count for an image on a coarse grid: a single one is too random
_NOTHING = 1e-12  # smallest divisor
_ROUNDS = 6  # of leaving images out and measuring again; more than three are seldom needed

# Images carry an estimate of their contamination where these hold, in spreads of the good images:
_WIDE_GAP = 5.0  # least gap between the defective images and the good ones
_USUAL_DEPARTURE = 3.0  # largest departure of a good image
_ALIKE = 0.1  # largest spread of the logarithms: good images' distances differ by about 10 %


@dataclass(frozen=True)
class EstimateParameters:
    """The constants of `estimate_contamination`, tuned in `softcore_benchmarks.research.denoising`.

    Attributes:
        window: side of the square of positions in which a patch is compared.
        references: number of images that others are compared with, at most (a random choice of them).
        distant_share: share of the images that a clustered defect must be far from.
        relative_power: power of the usual distance at a position, by which distances there are divided.
        top_share: share of an image's patches whose mean counts for the image: a small defect touches few.
        isolated_fdr: false discovery rate that is accepted for isolated defects.
        cluster_fdr: false discovery rate that is accepted for clustered defects.
        tail_stretch: how much wider the upper tail of good images is than a normal distribution's.
        tail_stretch_evident: the same where there is full evidence of contamination.
        evident: shares of clearly suspect images between which the evidence rises from 0 to 1.
        neighbours: number of nearest images that are looked at for a cluster.
        patch_quantile: quantile of all patches' distances above which a suspect image's patches are left out.
    """

    window: int = 5
    references: int = 1000
    distant_share: float = 0.2
    relative_power: float = 0.3
    top_share: float = 0.01
    isolated_fdr: float = 0.3
    cluster_fdr: float = 0.3
    tail_stretch: float = 1.8
    tail_stretch_evident: float = 1.3
    evident: tuple[float, float] = (0.005, 0.02)
    neighbours: int = 5
    patch_quantile: float = 0.95


@dataclass(frozen=True, eq=False)
class ContaminationEstimate:
    """How suspect the training images are, as multiples of the threshold of suspicion.

    Attributes:
        patches: float32 `[N, P]`; above 1 is suspect.
        images: float64 `[N]`; above 1 is suspect.
        share: the estimated share of defective images.
        comparison: the distances to other images from which it follows.
        evidence: of contamination, 0 (the images may be clean) to 1 (they certainly aren't).
    """

    patches: NDArray[np.float32]
    images: NDArray[np.float64]
    share: ShareEstimate
    comparison: Comparison
    evidence: float = 0.0

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
    parameters: EstimateParameters | None = None,
    inspected: NDArray[np.bool_] | None = None,
) -> ContaminationEstimate:
    """Estimate which training images are defective, without knowing how many are.

    Args:
        features: float32 `[N, P, d]`, N >= 2; may be mapped from disk.
        grid: rows and columns, P = H * W.
        device: where to compare.
        seed: of the projection and of the choice of references.
        parameters: the constants; None takes the defaults.
        inspected: bool `[P]`, the positions that count; None if all do. Others are never suspect.
    """
    parameters = parameters or EstimateParameters()
    compared = compare(
        features, grid, device, seed, parameters.window, parameters.references, parameters.distant_share
    )
    return _estimate_inspected(compared, parameters, inspected, None)


def reconsider(
    estimate: ContaminationEstimate,
    known: NDArray[np.int8],
    inspected: NDArray[np.bool_] | None = None,
    parameters: EstimateParameters | None = None,
) -> ContaminationEstimate:
    """Estimate anew with what a person has said of some images; the images aren't compared again.

    A defective image no longer counts as another one's neighbour, so that those with the same defect look
    more suspect. A good image is never suspect.

    Args:
        estimate: of the same images, before.
        known: int8 `[N]`: 1 is good, -1 is defective, 0 isn't known.
        inspected: as for `estimate_contamination`.
        parameters: as for `estimate_contamination`.

    Example:
        >>> features = np.random.default_rng(0).random((12, 16, 8), np.float32)
        >>> before = estimate_contamination(features, (4, 4), torch.device("cpu"))
        >>> known = np.zeros(12, np.int8)
        >>> known[3] = -1
        >>> bool(before.images[3] > 1), bool(reconsider(before, known).images[3] > 1)
        (False, True)
    """
    if not known.any():
        return estimate
    return _estimate_inspected(estimate.comparison, parameters or EstimateParameters(), inspected, known)


def _estimate_inspected(
    compared: Comparison,
    parameters: EstimateParameters,
    inspected: NDArray[np.bool_] | None,
    known: NDArray[np.int8] | None,
) -> ContaminationEstimate:
    if inspected is None:
        return estimate_from(compared, parameters, known)
    estimate = estimate_from(compared.select(inspected), parameters, known)
    patches = np.zeros(compared.quantile_distances.shape, np.float32)
    patches[:, inspected] = estimate.patches
    return replace(estimate, patches=patches, comparison=compared)


def estimate_from(
    compared: Comparison, parameters: EstimateParameters, known: NDArray[np.int8] | None = None
) -> ContaminationEstimate:
    """Estimate the contamination from the distances of patches to the other images.

    Args:
        compared: these distances.
        parameters: the constants.
        known: int8 `[N]`, see `reconsider`; None if nothing is known.
    """
    nothing = np.zeros(len(compared.nearest_images), np.int8)
    known = nothing if known is None else known
    near = compared.nearest_distances / _find_usual(compared.nearest_distances[:, :, 0], parameters)[:, None]
    far = compared.quantile_distances / _find_usual(compared.quantile_distances, parameters)
    relative = Comparison(near, compared.nearest_images, far)

    # The strict cut shows whether the images are contaminated, and then a lower one finds what it can.
    clear = _find_suspects(relative, parameters, parameters.tail_stretch, known)
    share = (clear.out & (known == 0)).mean()
    if known.any():  # who excludes a few images doesn't say that the others are worse than they look
        alone = _find_suspects(relative, parameters, parameters.tail_stretch, nothing)
        share = max(share, alone.out.mean())
    evidence = float(np.interp(share, parameters.evident, (0, 1)))
    stretch = parameters.tail_stretch + evidence * (parameters.tail_stretch_evident - parameters.tail_stretch)
    found = _find_suspects(relative, parameters, stretch, known) if evidence else clear

    usual = found.lengths[~found.out] if not found.out.all() else found.lengths
    return ContaminationEstimate(
        patches=_divide(found.lengths, float(np.quantile(usual, parameters.patch_quantile))),
        images=_scale(found.departures, found.out, stretch, parameters.isolated_fdr),
        share=_estimate_share(clear, parameters.tail_stretch),
        comparison=compared,
        evidence=evidence,
    )


@dataclass(frozen=True, eq=False)
class _Suspects:
    """What a cut finds.

    Attributes:
        out: the suspect images, bool `[N]`.
        cluster: those of them that show a clustered defect, bool `[N]`.
        lengths: float32 `[N, P]`, distances to the nearest image that isn't suspect.
        departures: of the images, in spreads, float64 `[N]`.
        spread: of the logarithms of the good images' distances.
    """

    out: NDArray[np.bool_]
    cluster: NDArray[np.bool_]
    lengths: NDArray[np.float32]
    departures: NDArray[np.float64]
    spread: float


def _find_suspects(
    compared: Comparison, parameters: EstimateParameters, stretch: float, known: NDArray[np.int8]
) -> _Suspects:
    """Find clustered and isolated defects beyond the cut that follows from the stretch of the upper tail."""
    bad, unknown = known < 0, known == 0
    distances, neighbours = compared.nearest_distances, compared.nearest_images
    distant = compared.quantile_distances
    top = min(max(_LEAST_TOP, round(parameters.top_share * distant.shape[1])), distant.shape[1])

    # Clustered defects: far from a fifth of all images, with neighbours that are far from it, too; but not
    # in most of their patches, as another variant of the product would be.
    common, _ = _measure_departures(_average_top(distant, top))  # [N]
    far = _find_beyond(common, parameters.cluster_fdr, stretch, unknown) | bad
    places = np.argpartition(distant, -top, axis=1)[:, -top:]
    far_neighbours = far[neighbours[:, :, : parameters.neighbours]].mean(axis=2)  # [N, P]
    far_neighbours = np.take_along_axis(far_neighbours, places, axis=1).mean(axis=1)  # [N]
    everywhere = (distant > np.quantile(distant, parameters.patch_quantile)).mean(axis=1) > 0.5
    cluster = (far & unknown & (far_neighbours > 0.5) & ~everywhere) | bad

    # Isolated defects. An image that is left out no longer counts as another one's neighbour, which may
    # reveal further defects.
    out = cluster
    seen = [out]
    for _ in range(_ROUNDS):
        lengths = _measure_to_kept(distances, neighbours, out)  # [N, P]
        departures, spread = _measure_departures(_average_top(lengths, top))  # [N]
        out = cluster | _find_beyond(departures, parameters.isolated_fdr, stretch, unknown)
        if any((out == before).all() for before in seen):
            break
        seen.append(out)
    return _Suspects(out, cluster, lengths, departures, spread)


def _find_usual(lengths: NDArray[np.float32], parameters: EstimateParameters) -> NDArray[np.float32]:
    """Find how much longer lengths `[N, P]` usually are at each position than elsewhere, to a power: `[P]`.

    At least a tenth as long: where all images are equal, any difference would be endlessly large.
    """
    medians = np.median(lengths, axis=0)
    usual = np.median(medians)
    if usual <= 0:  # most positions are equal in most images
        return np.ones(lengths.shape[1], np.float32)
    return np.asarray(np.maximum(medians / usual, _LEAST_USUAL) ** parameters.relative_power, np.float32)


def _measure_to_kept(
    distances: NDArray[np.float32], neighbours: NDArray[np.int32], out: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """Measure to the nearest image that isn't `out` `[N]`: `[N, P]`; to the farthest known if all are."""
    kept = ~out[neighbours]
    first = np.where(kept.any(axis=2), kept.argmax(axis=2), distances.shape[2] - 1)
    return np.take_along_axis(distances, first[:, :, None], axis=2)[:, :, 0]


def _average_top(lengths: NDArray[np.float32], top: int) -> NDArray[np.float64]:
    """Average the `top` longest of each image's lengths `[N, P]`: `[N]`."""
    return np.asarray(np.partition(lengths, -top, axis=1)[:, -top:].mean(axis=1, dtype=np.float64))


def _measure_departures(lengths: NDArray[np.float64]) -> tuple[NDArray[np.float64], float]:
    """Measure how many spreads the logarithm of each length `[N]` lies above the centre; and the spread."""
    floor = _FLOOR * np.quantile(lengths, 0.75)
    usual = np.log(lengths[lengths > floor])
    if not len(usual):  # all are equal
        return np.zeros_like(lengths), _LEAST_SPREAD
    low, high = np.quantile(usual, _LOWER_HALF)
    lower, upper = stats.norm.ppf(_LOWER_HALF)
    spread = max(float((high - low) / (upper - lower)), _LEAST_SPREAD)
    logarithms = np.log(np.maximum(lengths, max(floor, _NOTHING)))
    return (logarithms - (high - upper * spread)) / spread, spread


def _compute_p_values(departures: NDArray[np.float64], stretch: float) -> NDArray[np.float64]:
    """Compute the probability that a good image departs as far."""
    return np.asarray(stats.norm.sf(departures / stretch))


def _find_beyond(
    departures: NDArray[np.float64], fdr: float, stretch: float, unknown: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Find the departures beyond the cut of Benjamini and Hochberg (1995) at a false discovery rate.

    Only of images about which nothing is known, bool `[N]`.
    """
    beyond = np.zeros(len(departures), np.bool_)
    if unknown.any():
        p_values = _compute_p_values(departures[unknown], stretch)
        beyond[unknown] = stats.false_discovery_control(p_values) <= fdr
    return beyond


def _divide(lengths: NDArray[np.float32], threshold: float) -> NDArray[np.float32]:
    """Divide by a threshold; where it is 0, every length but 0 is beyond it."""
    return np.asarray(lengths / max(threshold, _NOTHING), np.float32)


def _scale(
    departures: NDArray[np.float64], out: NDArray[np.bool_], stretch: float, fdr: float
) -> NDArray[np.float64]:
    """Map departures to positive numbers in the same order, those of images left out above 1.

    The map is log(1 + e^z), scaled: it keeps the order far below the threshold, and grows as z far above it.
    """
    # What a single image needs to be left out.
    single = stretch * float(stats.norm.isf(fdr / len(departures)))
    threshold = single
    if out.any():
        threshold = float(
            departures[~out].max(initial=-np.inf, where=departures[~out] < departures[out].max())
        )
        threshold = max(min(threshold, single), 0.0)
    ramp = np.logaddexp(0, departures) / np.logaddexp(0, threshold)
    return np.asarray(np.where(out, np.maximum(ramp, 1 + 1e-6), np.minimum(ramp, 1)))


def _estimate_share(clear: _Suspects, stretch: float) -> ShareEstimate:
    """Estimate the share of defective images, where these images carry an estimate.

    They do if the good images are much alike, none of them departs far, and a wide gap separates the
    defective ones: then these are counted, with Clopper and Pearson's interval for the sample (95 %).
    Otherwise defects may lie among the good images, and nothing in the departures tells how many: clean
    images have the same distribution. Then there are only bounds, from the clearly defective images (at a
    false discovery rate of 5 %) to all that depart by more than one spread.
    """
    departures, out = clear.departures, clear.out
    n = len(departures)
    order = np.sort(departures)[::-1]
    gaps = order[: n // 2] - order[1 : n // 2 + 1]
    above = int(gaps.argmax()) + 1  # the number of images above the widest gap
    if gaps.max() >= _WIDE_GAP and order[above] <= _USUAL_DEPARTURE and clear.spread <= _ALIKE:
        interval = stats.binomtest(above, n).proportion_ci(0.95)
        return ShareEstimate(value=above / n, low=float(interval.low), high=float(interval.high))
    everyone = np.ones(n, np.bool_)
    certain = int((clear.cluster | (out & _find_beyond(departures, 0.05, stretch, everyone))).sum())
    possible = max(int((out | (departures > 1)).sum()), certain)
    low = stats.binomtest(certain, n).proportion_ci(0.95).low
    high = stats.binomtest(possible, n).proportion_ci(0.95).high
    return ShareEstimate(value=None, low=float(low), high=float(high))
