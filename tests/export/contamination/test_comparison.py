from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist
from softcore_export.contamination import comparison
from softcore_export.contamination.comparison import Comparison, compare

CPU = torch.device("cpu")
GRID = (6, 7)  # not square, or rows and columns could be mixed up
P, D = 42, 12


def draw(n: int) -> np.ndarray:
    """Features of n images: each position has a mean of its own."""
    rng = np.random.default_rng(0)
    return np.asarray(rng.normal(size=(1, P, D)) * 3 + rng.normal(size=(n, P, D)), np.float32)


def test_lengths_are_those_of_brute_force() -> None:
    """With so few dimensions the projection is a rotation and changes no length."""
    features = draw(9)
    compared = compare(features, GRID, CPU, 0, window=3, references=100, share=0.5)
    distances, images = compared.nearest_distances, compared.nearest_images
    assert distances.shape == images.shape == (9, P, 8)
    for image in range(9):
        for p in range(P):
            y, x = divmod(p, GRID[1])
            around = [q for q in range(P) if abs(q // GRID[1] - y) <= 1 and abs(q % GRID[1] - x) <= 1]
            lengths = np.full(9, np.inf)
            for other in set(range(9)) - {image}:
                lengths[other] = cdist(features[image, p][None], features[other, around]).min()
            order = lengths.argsort()[:8]
            np.testing.assert_array_equal(images[image, p], order)
            np.testing.assert_allclose(distances[image, p], lengths[order], rtol=1e-4)
            assert compared.quantile_distances[image, p] == pytest.approx(
                np.sort(lengths)[3], rel=1e-4
            )  # the half of eight


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    features = draw(20)
    whole = compare(features, GRID, CPU, 0, window=5, references=100, share=0.2)
    monkeypatch.setattr(comparison, "_CHUNK", 1)
    again = compare(features, GRID, CPU, 0, window=5, references=100, share=0.2)
    for name in ("nearest_distances", "nearest_images", "quantile_distances"):
        np.testing.assert_allclose(getattr(again, name), getattr(whole, name), rtol=1e-4)


def test_references_are_a_choice_and_no_image_is_its_own() -> None:
    compared = compare(draw(30), GRID, CPU, 3, window=5, references=10, share=0.2)
    assert len(np.unique(compared.nearest_images)) == 10
    assert not (compared.nearest_images == np.arange(30)[:, None, None]).any()
    assert (compared.nearest_distances > 0).all()


def test_it_validates_itself() -> None:
    distances, images = np.zeros((2, 3, 4), np.float32), np.zeros((2, 3, 4), np.int32)
    with pytest.raises(ValueError, match=r"not \[\[2, 3, 4\], \[2, 3, 4\], \[2, 4\]\]"):
        Comparison(distances, images, np.zeros((2, 4), np.float32))
