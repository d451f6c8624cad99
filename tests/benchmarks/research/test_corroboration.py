from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.spatial.distance import cdist
from softcore_benchmarks.research import corroboration
from softcore_benchmarks.research.corroboration import find_core, list_vouchers, score_left_out
from softcore_benchmarks.research.sandbox import DataSet, Sandbox
from softcore_export.memory_bank.floors import FACTORS

N, P = 23, 16  # 20 good images and 3 with a defect


@pytest.fixture
def box(tmp_path: Path) -> Sandbox:
    rng = np.random.default_rng(1)
    place = rng.normal(size=(1, P, 6)) * 3
    train, test = (place + rng.normal(0, 0.3, (n, P, 6)) for n in (20, 12))
    bad = np.arange(12) >= 6
    test[bad, 5] += 4 * rng.normal(size=(6, 6))
    paths = tuple(Path(f"{'z' if flaw else 'a'}/{i:02}.png") for i, flaw in enumerate(bad))
    data = DataSet("toy", train.astype(np.float32), test.astype(np.float32), bad, paths, 0.3)
    return Sandbox(data, 0.15, "tune", 0, tmp_path)


def measure_to_images(box: Sandbox, entry: int) -> np.ndarray:
    """Return the distance of an entry to every other image, within the window, float64 `[N]`."""
    image, position = divmod(int(box.entries[entry]), P)
    row, column = divmod(position, 4)
    near = [4 * y + x for y in range(4) for x in range(4) if max(abs(y - row), abs(x - column)) <= 2]
    apart = np.array([cdist(box.features[image, [position]], one[near]).min() for one in box.features])
    apart[image] = np.inf
    return apart


def test_floors_are_distances_to_the_nearest_image_that_vouches(box: Sandbox) -> None:
    trusted = np.arange(N) % 4 > 0
    vouchers = list_vouchers(box, trusted)
    every = np.arange(box.size)
    for entry in every[::9].tolist():
        apart = np.where(trusted, measure_to_images(box, entry), np.inf)
        assert_allclose(vouchers.floors(every)[entry], apart.min(), rtol=1e-4, atol=2e-3)
        nearest = int(apart.argmin())
        assert vouchers.images[entry, 0] == nearest
        apart[nearest] = np.inf
        assert_allclose(vouchers.floors(every, nearest)[entry], apart.min(), rtol=1e-4, atol=2e-3)


def test_scores_leave_the_image_and_its_word_out(box: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(corroboration, "SCORED", N)
    kept = np.random.default_rng(2).random((N, P)) < 0.9
    vouchers = list_vouchers(box, np.ones(N, np.bool_))
    scores = score_left_out(box, vouchers, kept)
    assert scores.shape == (len(FACTORS), N)
    stays = kept.reshape(-1)[box.entries]
    flat = box.features.reshape(-1, 6)
    every = np.arange(box.size)
    for column, image in enumerate(np.random.default_rng(0).permutation(N).tolist()):
        apart = cdist(box.features[image], flat[box.entries])
        apart[:, ~stays | (box.entries // P == image)] = np.inf
        known = np.sort(apart, axis=1)[:, 8]  # farther ones may not be listed
        for row, factor in enumerate(FACTORS):
            exact = np.maximum(apart, factor * vouchers.floors(every, image)).min(axis=1)
            if (exact <= known).all():
                assert_allclose(scores[row, column], exact.max(), rtol=1e-4, atol=2e-3)
    assert (np.diff(scores, axis=0) >= 0).all()


def test_the_core_leaves_out_what_few_vouch_for(box: Sandbox) -> None:
    core = find_core(box, 0.8)
    assert core.sum() == round(0.8 * N)
    assert not core[box.injected].any()
    assert_array_equal(core, find_core(box, 0.8))
