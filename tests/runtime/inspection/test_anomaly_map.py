from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.ndimage import gaussian_filter
from softcore_runtime.inspection.anomaly_map import SIGMA, draw_map, score_area


def reference(scores: np.ndarray, crop: int) -> np.ndarray:
    """The map as PatchCore's code draws it: torch brings it to size, scipy smooths it."""
    fine = torch.nn.functional.interpolate(
        torch.from_numpy(scores)[None, None], size=(crop, crop), mode="bilinear", align_corners=False
    )
    return np.asarray(gaussian_filter(fine[0, 0].numpy(), sigma=4))


@pytest.mark.parametrize(
    ("height", "width", "crop"),
    [(28, 28, 224), (56, 56, 224), (8, 8, 32), (9, 7, 100), (30, 28, 225), (1, 1, 40)],
)
def test_torch_and_scipy_draw_the_same_map(height: int, width: int, crop: int) -> None:
    scores = np.random.default_rng(0).exponential(3, (height, width)).astype(np.float32)
    drawn = draw_map(scores, (crop, crop))
    assert drawn.shape == (crop, crop)
    assert drawn.dtype == np.float32
    np.testing.assert_allclose(drawn, reference(scores, crop), rtol=1e-4, atol=1e-5)


def test_a_corner_is_reflected_as_scipy_does() -> None:
    scores = np.zeros((28, 28), np.float32)
    scores[0, 0] = scores[-1, 5] = 10
    np.testing.assert_allclose(draw_map(scores, (224, 224)), reference(scores, 224), rtol=1e-4, atol=1e-5)


def test_the_scores_are_left_as_they_were() -> None:
    scores = np.random.default_rng(0).random((28, 28), np.float32)
    before = scores.copy()
    draw_map(scores, (28, 28))
    np.testing.assert_array_equal(scores, before)
    assert SIGMA == 4


@given(
    arrays(np.float32, (6, 7), elements=st.floats(0, 1e6, width=32)),
    st.integers(1, 40 * 40 + 5),
    st.floats(0, 1e6),
)
def test_the_score_of_an_area_is_above_a_threshold_where_so_many_pixels_are(
    scores: np.ndarray, min_area: int, threshold: float
) -> None:
    anomaly_map, highest = draw_map(scores, (40, 40)), float(scores.max())
    score = score_area(anomaly_map, min_area, highest)
    assert score <= highest  # so a patch bound is a bound of it
    # Above the highest patch only rounding gets.
    cut = np.minimum(anomaly_map.astype(np.float64), highest)
    assert (score > threshold) == ((cut > threshold).sum() >= min_area)
    np.testing.assert_allclose(anomaly_map.max(), min(anomaly_map.max(), highest), rtol=1e-5)
