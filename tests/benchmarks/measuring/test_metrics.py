from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from sklearn.metrics import roc_auc_score
from softcore_benchmarks.measuring.metrics import aupro, choose_thresholds


@settings(deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 2**32 - 1),
    levels=st.sampled_from([3, 30, 100_000]),
    max_fpr=st.sampled_from([0.05, 0.3, 1.0]),
    crowd=st.floats(0.02, 0.5),
)
def test_aupro_is_a_weighted_partial_area_of_scikit_learns(
    seed: int, levels: int, max_fpr: float, crowd: float
) -> None:
    rng = np.random.default_rng(seed)
    masks = rng.random((4, 9, 11)) < crowd
    masks[0, 0, 0], masks[3] = True, False
    maps = (rng.integers(levels, size=masks.shape) + levels // 2 * masks).astype(np.float32)

    weights = np.ones(masks.shape)
    for image, mask in enumerate(masks):
        labels, n = ndimage.label(mask, np.ones((3, 3)))
        for region in range(1, n + 1):
            weights[image][labels == region] = 1 / (labels == region).sum()
    area = roc_auc_score(masks.ravel(), maps.ravel(), sample_weight=weights.ravel(), max_fpr=max_fpr)
    if max_fpr < 1:  # scikit-learn standardises a partial area (McClish): undone here
        least, most = max_fpr**2 / 2, max_fpr
        area = ((2 * area - 1) * (most - least) + least) / max_fpr
    assert aupro(masks, maps, max_fpr) == pytest.approx(area, abs=1e-9)


def test_aupro_counts_a_small_defect_as_much_as_a_large_one() -> None:
    masks = np.zeros((1, 20, 20), bool)
    masks[0, 2:4, 2:4] = masks[0, 8:18, 8:18] = True
    maps = np.zeros((1, 20, 20), np.float32)
    maps[0, 8:18, 8:18] = 1
    # The large one is found at once; the small one with all good pixels, on the way from 0 to 1.
    assert aupro(masks, maps, 1.0) == pytest.approx((1 + 0.5) / 2)
    assert aupro(masks, maps, 0.3) == pytest.approx((1 + 0.15) / 2)


def test_perfect_maps_have_all_the_area() -> None:
    masks = np.zeros((2, 8, 8), bool)
    masks[1, 3:5, 3:6] = True
    assert aupro(masks, masks.astype(np.float32)) == pytest.approx(1)
    assert aupro(masks, -masks.astype(np.float32)) == pytest.approx(0)


@pytest.mark.parametrize("mask", [np.zeros((1, 4, 4), bool), np.ones((1, 4, 4), bool)])
def test_one_kind_alone_has_no_curve(mask: np.ndarray) -> None:
    with pytest.raises(ValueError, match="both good and bad"):
        aupro(mask, np.zeros((1, 4, 4), np.float32))


def test_thresholds_lie_midway_between_scores() -> None:
    scores = np.array([3.0, 1.0, 7.0, 2.0])
    assert choose_thresholds(scores, 3).tolist() == [1.5, 2.5, 5.0]
    assert choose_thresholds(scores[:2], 2).tolist() == [2.0, 2.0]
