from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest
from softcore_export.contamination import estimate as module
from softcore_export.contamination.comparison import Comparison
from softcore_export.contamination.contamination import ShareEstimate
from softcore_export.contamination.estimate import (
    ContaminationEstimate,
    EstimateParameters,
    estimate_contamination,
    reconsider,
)

CPU = torch.device("cpu")
GRID = (6, 7)  # not square, or rows and columns could be mixed up
P, D = 42, 12
NO_COMPARISON = Comparison(
    np.zeros((2, 2, 1), np.float32), np.zeros((2, 2, 1), np.int32), np.zeros((2, 2), np.float32)
)


def draw(n: int, seed: int = 0) -> np.ndarray:
    """Features of n good images: each position has a mean of its own."""
    rng = np.random.default_rng(seed)
    return np.asarray(rng.normal(size=(1, P, D)) * 3 + rng.normal(size=(n, P, D)), np.float32)


def spoil(features: np.ndarray, rows: range, alike: bool, size: float = 8) -> np.ndarray:
    """Put a defect of two patches into some images: all the same one, or each its own."""
    rng = np.random.default_rng(9)
    spoilt = features.copy()
    common = rng.normal(size=(2, D))
    for row in rows:
        direction = common if alike else rng.normal(size=(2, D))
        place = 9 if alike else int(rng.integers(P - 1))
        spoilt[row, place : place + 2] += size * direction / np.linalg.norm(direction, axis=1, keepdims=True)
    return spoilt


@pytest.mark.parametrize(
    ("bad", "alike"), [(3, False), (10, False), (24, False), (6, True), (10, True), (14, True)]
)
def test_isolated_and_clustered_defects_are_found(bad: int, alike: bool) -> None:
    """The nearest image of a clustered defect shows it, too: the distance to it is short."""
    features = spoil(draw(60 + bad), range(60, 60 + bad), alike)
    estimate = estimate_contamination(features, GRID, CPU)
    found = estimate.images > 1
    assert found[60:].all()
    assert found[:60].sum() <= EstimateParameters().isolated_fdr * found.sum()
    assert estimate.images[60:].min() > estimate.images[:60].max()
    assert estimate.share.low <= bad / (60 + bad) <= estimate.share.high
    # The defects' own patches are out, and little else.
    assert (estimate.patches[60:].max(axis=1) > 1).all()
    assert (~estimate.kept).sum() <= 2 * bad + 0.1 * P * found.sum()
    if alike:
        assert not estimate.kept[60:, 9:11].any()


@pytest.mark.parametrize("bad", [3, 10, 24])
def test_defects_behind_a_wide_gap_are_counted(bad: int) -> None:
    share = estimate_contamination(spoil(draw(60 + bad), range(60, 60 + bad), False, 16), GRID, CPU).share
    interval = binomtest(bad, 60 + bad).proportion_ci(0.95)
    assert (share.value, share.low, share.high) == (bad / (60 + bad), interval.low, interval.high)


@pytest.mark.parametrize("size", [3, 4, 5])
def test_defects_among_images_that_vary_are_not_estimated_to_be_none(size: float) -> None:
    """Good images vary so much that the cut finds few defects or none, although they are ranked well."""
    rng = np.random.default_rng(3)
    features = spoil(draw(110), range(100, 110), alike=False, size=size) * rng.lognormal(0, 0.3, (110, 1, 1))
    estimate = estimate_contamination(features.astype(np.float32), GRID, CPU)
    assert (estimate.images[100:] > 1).sum() <= 3
    assert estimate.share.value is None
    assert estimate.share.low <= 10 / 110 <= estimate.share.high


@pytest.mark.parametrize("seed", range(5))
def test_clean_images_stay(seed: int) -> None:
    estimate = estimate_contamination(draw(80, seed), GRID, CPU)
    assert (estimate.images > 1).sum() <= 1
    assert estimate.share.value is None
    assert estimate.share.low == 0


@pytest.mark.parametrize(("bad", "evidence"), [(0, 0), (1, 0), (2, 1 / 3), (4, 1), (10, 1)])
def test_clear_suspects_are_evidence(bad: int, evidence: float) -> None:
    """None up to 0.5 % of the images, full from 2 % on."""
    features = spoil(draw(200), range(bad), alike=False, size=16)
    estimate = estimate_contamination(features, GRID, CPU)
    assert estimate.evidence == pytest.approx(evidence)


def test_evidence_lowers_the_cut() -> None:
    """The same distances, with and without: what is suspect stays so, and more is."""
    sizes = np.linspace(2, 18, 30)
    features = draw(100)
    for row, size in enumerate(sizes):
        features = spoil(features, range(row, row + 1), alike=False, size=size)
    compared = estimate_contamination(features, GRID, CPU).comparison
    strict = module.estimate_from(compared, EstimateParameters(evident=(1, 2)))
    bold = module.estimate_from(compared, EstimateParameters())
    assert (strict.evidence, bold.evidence) == (0, 1)
    assert (bold.images[strict.images > 1] > 1).all()
    assert (bold.images[:30] > 1).sum() > (strict.images[:30] > 1).sum()
    # What is certain is no matter of boldness.
    assert bold.share == strict.share


def test_a_distance_means_less_where_images_vary() -> None:
    """Two images depart equally far, one where all others vary twice as much."""
    features = draw(60)
    mean = features.mean(axis=0)
    features[:, P // 2 :] = mean[P // 2 :] + 4 * (features[:, P // 2 :] - mean[P // 2 :])
    direction = np.random.default_rng(5).normal(size=D)
    direction *= 30 / np.linalg.norm(direction)
    features[0, 2] = mean[2] + direction
    features[1, P - 3] = mean[P - 3] + direction
    window = {"window": 1, "top_share": 1 / P}
    plain = estimate_contamination(
        features, GRID, CPU, parameters=EstimateParameters(relative_power=0, **window)
    )
    relative = estimate_contamination(features, GRID, CPU, parameters=EstimateParameters(**window))
    assert relative.images[0] / relative.images[1] > plain.images[0] / plain.images[1]


@pytest.mark.parametrize("constant", [1, 41, 42])
def test_positions_at_which_all_images_are_equal_exaggerate_nothing(constant: int) -> None:
    features = draw(40)
    features[:, :constant] = 1
    estimate = estimate_contamination(features, GRID, CPU)
    assert np.isfinite(estimate.images).all()
    assert np.isfinite(estimate.patches).all()
    assert (estimate.images > 1).sum() <= 2


def test_a_part_that_is_displaced_is_no_defect() -> None:
    """One image has its mark elsewhere, where the window still finds it."""
    rng = np.random.default_rng(2)
    mark = rng.normal(size=D) * 4
    features = np.asarray(rng.normal(size=(40, 1, D)) * 0.5 + rng.normal(size=(40, P, D)), np.float32)
    features[:, 2 * GRID[1] + 3] += mark
    features[0, [2 * GRID[1] + 3, 3 * GRID[1] + 3]] = features[0, [3 * GRID[1] + 3, 2 * GRID[1] + 3]]
    assert estimate_contamination(features, GRID, CPU).images[0] <= 1
    assert estimate_contamination(features, GRID, CPU, parameters=EstimateParameters(window=1)).images[0] > 1


@pytest.mark.parametrize("copies", [2, 10, 40])
def test_images_taken_twice_accuse_nobody(copies: int) -> None:
    features = draw(60)
    features[:copies] = features[0]
    estimate = estimate_contamination(features, GRID, CPU)
    assert np.isfinite(estimate.images).all()
    assert np.isfinite(estimate.patches).all()
    assert (estimate.images[copies:] > 1).mean() <= 0.05


@pytest.mark.parametrize("n", [2, 3, 8])
@pytest.mark.parametrize("value", [0.0, 5.0])
def test_equal_images_and_few_are_no_trouble(n: int, value: float) -> None:
    estimate = estimate_contamination(np.full((n, P, D), value, np.float32), GRID, CPU)
    assert estimate.kept.all()
    assert np.isfinite(estimate.images).all()
    assert (estimate.share.value, estimate.share.low) == (None, 0)
    assert estimate_contamination(draw(n), GRID, CPU).images.shape == (n,)


def test_the_same_seed_gives_the_same_estimate() -> None:
    features = spoil(draw(40), range(3), alike=False)
    one, other = (
        estimate_contamination(features, GRID, CPU, seed=4),
        estimate_contamination(features, GRID, CPU, seed=4),
    )
    np.testing.assert_array_equal(one.images, other.images)
    np.testing.assert_array_equal(one.patches, other.patches)


@settings(max_examples=30, deadline=None)
@given(scale=st.floats(1e-3, 1e3), shift=st.floats(-10, 10), seed=st.integers(0, 100))
def test_units_do_not_matter(scale: float, shift: float, seed: int) -> None:
    features = spoil(draw(24, seed), range(2), alike=False)
    plain = estimate_contamination(features, GRID, CPU)
    other = estimate_contamination(np.asarray(scale * features + scale * shift, np.float32), GRID, CPU)
    np.testing.assert_allclose(other.images, plain.images, rtol=1e-2, atol=1e-2)


@settings(max_examples=50, deadline=None)
@given(
    departures=st.lists(st.floats(-5, 30), min_size=2, max_size=40),
    data=st.data(),
)
def test_the_scale_keeps_order_and_the_threshold_is_one(departures: list[float], data: st.DataObject) -> None:
    z = np.array(departures)
    cut = data.draw(st.sampled_from([*departures, 99.0]))
    out = z >= cut
    scaled = module._scale(z, out, 1.7, 0.3)
    assert (scaled[out] > 1).all()
    assert (scaled[~out] <= 1).all()
    assert (scaled >= 0).all()
    assert (np.diff(scaled[np.argsort(z)]) >= -1e-9).all()


def test_the_cut_is_scipys() -> None:
    from scipy import stats

    z = np.array([-1.0, 0.2, 0.5, 3.5, 4.5])
    adjusted = stats.false_discovery_control(stats.norm.sf(z / 1.3))
    everyone = np.ones(len(z), np.bool_)
    np.testing.assert_array_equal(module._find_beyond(z, 0.3, 1.3, everyone), adjusted <= 0.3)
    assert module._find_beyond(z, 0.3, 1.3, everyone).tolist() == [False, False, False, True, True]


def test_only_suspect_patches_of_suspect_images_go() -> None:
    estimate = ContaminationEstimate(
        np.array([[2, 0.5], [2, 0.5]], np.float32),
        np.array([1.5, 1.0]),
        ShareEstimate(value=0, low=0, high=1),
        NO_COMPARISON,
    )
    assert estimate.kept.tolist() == [[False, True], [True, True]]
    with pytest.raises(ValueError, match=r"\[2, 2\] and \[3\]"):
        ContaminationEstimate(estimate.patches, np.zeros(3), estimate.share, NO_COMPARISON)


def test_what_is_known_of_some_tells_more_of_the_others() -> None:
    features = spoil(draw(40), range(2, 4), alike=True, size=5)  # two that vouch for each other
    before = estimate_contamination(features, GRID, CPU)
    assert (before.images[2:4] <= 1).all()
    known = np.zeros(40, np.int8)
    known[2] = -1
    after = reconsider(before, known)
    assert after.images[2] > 1
    assert after.images[3] > before.images[3]
    order = np.argsort(-before.images).tolist(), np.argsort(-after.images).tolist()
    assert order[0].index(3) > 5
    assert order[1][:2] == [2, 3]  # the known one, and its twin


@settings(max_examples=20)
@given(st.integers(0, 10**6))
def test_a_known_image_is_what_a_person_says(seed: int) -> None:
    rng = np.random.default_rng(seed)
    features = spoil(draw(30, seed % 5), range(int(rng.integers(0, 6))), alike=bool(rng.integers(2)))
    estimate = estimate_contamination(features, GRID, CPU)
    known = rng.integers(-1, 2, 30).astype(np.int8)
    after = reconsider(estimate, known)
    assert (after.images[known < 0] > 1).all()
    assert (after.images[known > 0] <= 1).all()
    assert reconsider(estimate, np.zeros(30, np.int8)) is estimate
    nothing = module.estimate_from(estimate.comparison, EstimateParameters(), np.zeros(30, np.int8))
    np.testing.assert_array_equal(nothing.images, estimate.images)
    np.testing.assert_array_equal(nothing.patches, estimate.patches)


def test_what_is_known_counts_where_it_is_inspected() -> None:
    features = spoil(draw(40), range(2, 4), alike=True, size=5)
    inspected = np.arange(P) >= 20  # the defect isn't
    estimate = estimate_contamination(features, GRID, CPU, inspected=inspected)
    known = np.zeros(40, np.int8)
    known[2] = -1
    after = reconsider(estimate, known, inspected)
    assert after.images[3] <= 1
    assert (after.patches[:, :20] == 0).all()
