"""Screening: every rule that was tried to find defective training images, and its verdict."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from softcore_export.contamination.estimate import EstimateParameters
from softcore_export.memory_bank.discriminator import denoise, soft_weights

from softcore_benchmarks.research.corroboration import (
    Rule,
    choose_sandbox_factor,
    find_core,
    list_vouchers,
    several_vouchers,
)
from softcore_benchmarks.research.sandbox import Sandbox

__all__ = ["ATTEMPTS", "DEFAULT", "LOF", "ORACLE", "PATCHCORE", "Attempt"]

PATCHCORE, ORACLE, DEFAULT = "PatchCore", "oracle", "default"
LOF = "lof, tau 0.15, weights"  # the paper's
TAU = 0.15  # share of patches that the paper leaves out
ROBUST_CUT = 2.75  # spreads above the centre, of the fixed cut
_TO_DEVIATION = 1.4826  # of the median deviation of a normal distribution

_LOWER_HALF = (0.1, 0.5)  # quantiles that give centre and spread, as the default's
_LEAST_SPREAD = 0.02  # of the logarithms
# Nearly the cut of version 0.1, which is less strict.
_FORMER = EstimateParameters(tail_stretch=1.3, relative_power=0, top_share=0.005, evident=(1, 2))
# As if there never were evidence of contamination, which starts above 100 % of the images.
_NEVER = EstimateParameters(evident=(1, 2))
_AVERAGED = 4  # vouchers of a geometric mean
_NOTHING = np.float32(1e-6)  # shortest length that has a logarithm

Lengths = NDArray[np.float32]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Attempt:
    """A rule that was tried.

    Attributes:
        name: of its row.
        what: description, with the paper.
        verdict: why it was dropped, or kept; empty if it follows from the difference from the default.
        score: returns the scores of the test images of a sandbox, float32 `[M]`.
    """

    name: str
    what: str
    verdict: str
    score: Callable[[Sandbox], NDArray[np.float32]]


def _leave_out_injected(box: Sandbox) -> NDArray[np.float32]:
    return box.score(_whole(box, box.injected))


def _leave_out_outliers(box: Sandbox, discriminator: str, weighted: bool) -> NDArray[np.float32]:
    factors = box.factors(discriminator)
    weights = soft_weights(factors, discriminator) if weighted else None
    return box.score(denoise(factors, TAU), weights)


def _weigh_alone(box: Sandbox, power: float) -> NDArray[np.float32]:
    ratios = box.isolation / np.median(box.isolation)
    return box.score(weights=np.asarray(ratios**power, np.float32))


def _second_image(box: Sandbox) -> NDArray[np.float32]:
    """Score by the distance to the nearest entry of another image than that of the nearest entry."""
    distances, entries = box.lists
    images = (box.entries // box.features.shape[1])[entries]
    others = images != images[:, :, :1]
    second = np.take_along_axis(distances, others.argmax(axis=2)[:, :, None], axis=2)[:, :, 0]
    return np.asarray(np.where(others.any(axis=2), second, distances[:, :, -1]).max(axis=1), np.float32)


def _leave_out_share(box: Sandbox, share: float) -> NDArray[np.float32]:
    lengths = _of_images(box.isolation)
    return box.score(_whole(box, lengths > np.quantile(lengths, 1 - share)))


def _cut_robustly(box: Sandbox) -> NDArray[np.float32]:
    logarithms = np.log(np.maximum(_of_images(box.isolation), np.finfo(np.float32).tiny))
    below = np.median(logarithms) - logarithms
    spread = _TO_DEVIATION * np.median(below[below > 0])
    return box.score(_gated(box.isolation, -below > ROBUST_CUT * spread))


def _leave_out_untypical(box: Sandbox) -> NDArray[np.float32]:
    """Cut as the default does, by the distance within which the `distant_share` of all images lies alone."""
    rule = EstimateParameters()
    far = box.compare(rule).quantile_distances
    logarithms = np.log(np.maximum(_of_images(far), np.finfo(np.float32).tiny))
    low, high = np.quantile(logarithms, _LOWER_HALF)
    lower, upper = stats.norm.ppf(_LOWER_HALF)
    spread = max((high - low) / (upper - lower), _LEAST_SPREAD)
    chance = stats.norm.sf((logarithms - (high - upper * spread)) / spread / rule.tail_stretch)
    return box.score(_gated(far, stats.false_discovery_control(chance) <= rule.cluster_fdr))


def _leave_out_patches(box: Sandbox, quantile: float) -> NDArray[np.float32]:
    return box.score(box.isolation <= np.quantile(box.isolation, quantile))


def _corroborate(
    box: Sandbox,
    rule: EstimateParameters | None,
    floors: Rule | None = None,
    factor: float | None = None,
    core: float = 1.0,
    power: float = 0.0,
) -> NDArray[np.float32]:
    """Score by floors.

    Args:
        box: the sandbox.
        rule: leaves suspects out first; None leaves nothing out.
        floors: makes floors of the distances to the vouchers; None makes them as an export does.
        factor: of the floors; None chooses it as an export does.
        core: share of the images that vouch, see `find_core`.
        power: of an image's suspicion over the median, by which floors of its entries are multiplied.
    """
    if rule is None:
        kept, trusted = np.ones(box.features.shape[:2], np.bool_), np.ones(len(box.features), np.bool_)
        evidence = 0.0
    else:
        estimate = box.estimate(rule)
        kept, trusted, evidence = estimate.kept, estimate.images <= 1, estimate.evidence
    if core < 1:
        trusted = trusted & find_core(box, core)
    vouchers = list_vouchers(box, trusted, floors or several_vouchers(evidence))
    if power:
        lengths = _of_images(box.compare().nearest_distances[:, :, 0])
        images = box.entries // box.features.shape[1]
        more = np.maximum(lengths / np.median(lengths), 1) ** power
        vouchers = replace(vouchers, distances=vouchers.distances * more.astype(np.float32)[images, None])
    factor = choose_sandbox_factor(box, vouchers, kept, evidence) if factor is None else factor
    return box.score_with_floors(np.float32(factor) * vouchers.floors(np.arange(box.size)), kept)


def _jth(image: int) -> Rule:
    return lambda distances: distances[:, min(image, distances.shape[1]) - 1]


def _geometric_mean(distances: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(np.exp(np.log(np.maximum(distances[:, :_AVERAGED], _NOTHING)).mean(axis=1)))


def _estimate(box: Sandbox, rule: EstimateParameters) -> NDArray[np.float32]:
    return box.score(box.estimate(rule).kept)


def _of_images(lengths: Lengths) -> NDArray[np.float64]:
    """Return the mean of each image's longest lengths, as the default does: `[N, P]` to `[N]`."""
    top = max(1, round(EstimateParameters().top_share * lengths.shape[1]))
    return np.asarray(np.partition(lengths, -top, axis=1)[:, -top:].mean(axis=1, dtype=np.float64))


def _whole(box: Sandbox, out: Mask) -> Mask:
    """Leave out whole images `[N]`; return which patches are kept, `[N, P]`."""
    return np.broadcast_to(~out[:, None], box.features.shape[:2])


def _gated(lengths: Lengths, out: Mask) -> Mask:
    """Leave out the suspect patches of the images `out` `[N]`; return which are kept, `[N, P]`."""
    return ~(out[:, None] & (lengths > np.quantile(lengths, EstimateParameters().patch_quantile)))


_COMPARED = ""  # the report derives it from the figures, which change with the default
_SOFTPATCH = "of SoftPatch (Jiang et al., NeurIPS 2022)"
_LOO = "the distance to the nearest coreset entry out of another image (leave one out)"

ATTEMPTS: tuple[Attempt, ...] = (
    Attempt(
        PATCHCORE,
        "Nothing is left out (Roth et al., CVPR 2022).",
        "What has to be beaten under noise and not lost to without.",
        lambda box: box.score(),
    ),
    Attempt(
        ORACLE,
        "Leaves out the injected images, which are unknown in practice.",
        "What finding them all and nothing else would give.",
        _leave_out_injected,
    ),
    Attempt(
        LOF,
        f"Local outlier factors among the patches at a position, the worst 15 % left out, {_SOFTPATCH}.",
        "Costs accuracy on clean images that vary (tiles, screw), and keeps many alike defects (pill 0.4).",
        partial(_leave_out_outliers, discriminator="lof", weighted=True),
    ),
    Attempt(
        "lof, tau 0.15",
        "The same without soft weights.",
        "The same losses, mostly smaller.",
        partial(_leave_out_outliers, discriminator="lof", weighted=False),
    ),
    Attempt(
        "nearest, tau 0.15, weights",
        f"The distance to the nearest patch at the position, the worst 15 % left out, {_SOFTPATCH}.",
        "Fails on the screw, which lies at any angle, and costs accuracy on clean tiles.",
        partial(_leave_out_outliers, discriminator="nearest", weighted=True),
    ),
    Attempt(
        "gaussian, tau 0.15, weights",
        f"The Mahalanobis distance at the position, the worst 15 % left out, {_SOFTPATCH}.",
        "Fails on the screw, too, and costs most on clean tiles.",
        partial(_leave_out_outliers, discriminator="gaussian", weighted=True),
    ),
    *(
        Attempt(
            f"weights alone, power {power:g}",
            f"Nothing is left out; an entry weighs (d / median) ** {power:g}, d being {_LOO}.",
            verdict,
            partial(_weigh_alone, power=power),
        )
        for power, verdict in (
            (0.5, "Too weak under noise: the injected defects stay."),
            (1.0, "Mostly stronger under noise, but costs accuracy on clean tiles and the screw."),
        )
    ),
    Attempt(
        "second image",
        "Nothing is left out; a test patch's score is the distance to the nearest entry out of a second "
        "image.",
        "Holds well under noise, but costs accuracy on clean tiles, and alike defects vouch for each other "
        "(pill 0.4).",
        _second_image,
    ),
    *(
        Attempt(
            f"most suspect {100 * share:g} %",
            f"Leaves out a fixed share of the images, whole, by {_LOO}, as FUN-AD's scores are "
            "(Im et al., WACV 2025).",
            verdict,
            partial(_leave_out_share, share=share),
        )
        for share, verdict in (
            (0.05, "Too few where noise is 0.3 or 0.4, and costs accuracy on clean tiles and the screw."),
            (0.1, "Still too few there, and costs more on clean images."),
            (0.2, "Costs most on clean tiles and the screw, and is too few for the drawn ones at 0.4 still."),
        )
    ),
    Attempt(
        "fixed robust cut",
        f"The suspect patches of images {ROBUST_CUT} robust deviations (by the lower half's median) above "
        "the median, by the same length.",
        "Costs little on clean images, but misses defects where they are many (pill 0.4, tiles 0.3).",
        _cut_robustly,
    ),
    Attempt(
        "typicality alone",
        f"Only the length within which the share {EstimateParameters().distant_share:g} of all images lies, "
        "without asking for "
        "company (in the spirit of MeDS: Safarov et al., ICML 2026).",
        "Finds many alike defects (pill 0.4), but changes nothing on the screw and too little on the turned "
        "pill.",
        _leave_out_untypical,
    ),
    *(
        Attempt(
            f"patches above {quantile:g}",
            f"All patches above the quantile {quantile:g} of {_LOO}, whatever their images.",
            "Where good images aren't spared, their rare patches go: it costs most on the clean pill and "
            "screw.",
            partial(_leave_out_patches, quantile=quantile),
        )
        for quantile in (0.98, 0.995)
    ),
    Attempt(
        "former default",
        "The default's cut with an upper tail 1.3 times as wide as a normal distribution's, and no floors.",
        "Finds nothing where good images vary (elpv, pillqc 0.4): then it is PatchCore. With other features "
        "or a finer grid it calls up to 27 % of clean images suspect.",
        partial(_estimate, rule=_FORMER),
    ),
    Attempt(
        "former default, floors",
        "The same cut, and floors as the default has them.",
        _COMPARED,
        partial(_corroborate, rule=_FORMER),
    ),
    Attempt(
        "no floors",
        "The default's cut alone.",
        _COMPARED,
        partial(_estimate, rule=EstimateParameters()),
    ),
    Attempt("floors alone", "No cut, and floors.", _COMPARED, partial(_corroborate, rule=None)),
    *(
        Attempt(
            f"factor {factor:g}",
            f"The default with a fixed factor of floors, {factor:g}.",
            _COMPARED,
            partial(_corroborate, rule=EstimateParameters(), factor=factor),
        )
        for factor in (0.8, 1.0, 1.2, 1.5)
    ),
    *(
        Attempt(
            f"floors by the {name} image",
            f"The default with floors by the distance to the {name} other image.",
            _COMPARED,
            partial(_corroborate, rule=EstimateParameters(), floors=_jth(image)),
        )
        for image, name in ((2, "second"), (3, "third"), (5, "fifth"))
    ),
    Attempt(
        "mean of four images",
        "The default with floors by the geometric mean of the distances to the four nearest other images.",
        _COMPARED,
        partial(_corroborate, rule=EstimateParameters(), floors=_geometric_mean),
    ),
    *(
        Attempt(
            f"core of {100 * share:g} %",
            f"The default with floors by the nearest image of a core: {100 * share:g} % of the images, which "
            "vouch best for each other (concentration steps).",
            _COMPARED,
            partial(_corroborate, rule=EstimateParameters(), core=share),
        )
        for share in (0.5, 0.8)
    ),
    Attempt(
        "by suspicion",
        "The default with floors times the image's own suspicion over the median.",
        _COMPARED,
        partial(_corroborate, rule=EstimateParameters(), power=1.0),
    ),
    *(
        Attempt(
            f"stretch {stretch:g}",
            f"The default with another upper tail, {stretch:g} times as wide as a normal distribution's.",
            _COMPARED,
            partial(_corroborate, rule=EstimateParameters(tail_stretch=stretch)),
        )
        for stretch in (1.5, 2.0)
    ),
    Attempt(
        "no evidence",
        "The default with the strict cut and the nearest voucher, whatever the cut finds.",
        _COMPARED,
        partial(_corroborate, rule=_NEVER),
    ),
    *(
        Attempt(
            f"evident stretch {stretch:g}",
            f"The default with an upper tail {stretch:g} times as wide where there is full evidence.",
            _COMPARED,
            partial(_corroborate, rule=EstimateParameters(tail_stretch_evident=stretch)),
        )
        for stretch in (1.0, 1.5)
    ),
    Attempt(
        "evidence up to 4 %",
        "The default with full evidence where 4 % of the images are clearly suspect, in place of 2 %.",
        _COMPARED,
        partial(_corroborate, rule=EstimateParameters(evident=(0.005, 0.04))),
    ),
    *(
        Attempt(
            f"relative, power {power:g}",
            f"The default with distances over those that are usual at the position to the power {power:g}.",
            _COMPARED,
            partial(_corroborate, rule=EstimateParameters(relative_power=power)),
        )
        for power in (0.0, 0.5, 1.0)
    ),
    *(
        Attempt(
            f"top {100 * share:g} %",
            f"The default with the mean of {100 * share:g} % of an image's patches.",
            _COMPARED,
            partial(_corroborate, rule=EstimateParameters(top_share=share)),
        )
        for share in (0.005, 0.02)
    ),
    Attempt(
        DEFAULT,
        "The cut of `softcore_export.contamination.estimate`, and the floors of "
        "`softcore_export.memory_bank.floors`.",
        "Kept.",
        partial(_corroborate, rule=EstimateParameters()),
    ),
)
