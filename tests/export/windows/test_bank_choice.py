from __future__ import annotations

import numpy as np
import pytest
from softcore_export.windows.bank_choice import are_windows_unlike, choose_distance


def draw(shift: float, seed: int = 0) -> np.ndarray:
    """Features [6, 4, 60, 8] of four windows, of which each lies `shift` beside the one before."""
    rng = np.random.default_rng(seed)
    return (rng.normal(0, 1, (6, 4, 60, 8)) + shift * np.arange(4)[:, None, None]).astype(np.float32)


@pytest.mark.parametrize("seed", range(3))
def test_one_texture_is_shared_and_different_places_are_not(seed: int) -> None:
    assert not are_windows_unlike(draw(0, seed), seed)
    assert not are_windows_unlike(draw(0.3, seed), seed)
    assert are_windows_unlike(draw(4, seed), seed)


def test_windows_lie_farther_apart_than_patches() -> None:
    features = draw(0) + 5
    patches = features.reshape(-1, 8)
    farthest = np.linalg.norm(patches[:200, None] - patches[None, :200], axis=2).max()
    assert choose_distance(features) > farthest
