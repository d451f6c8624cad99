from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from scipy.spatial.distance import cdist
from sklearn.metrics import roc_auc_score
from softcore_benchmarks.data.category import Category
from softcore_benchmarks.data.feature_store import Network
from softcore_benchmarks.research.sandbox import HALVES, DataSet, Sandbox, enough_defects, load_dataset
from softcore_export.contamination.estimate import EstimateParameters, estimate_contamination
from softcore_export.memory_bank.discriminator import outlier_factors


@pytest.fixture
def data() -> DataSet:
    """12 training images of 16 patches; 4 good and 8 bad test images, each with one patch far off."""
    rng = np.random.default_rng(0)
    train = rng.normal(size=(12, 16, 6)).astype(np.float32)
    test = rng.normal(size=(12, 16, 6)).astype(np.float32)
    bad = np.arange(12) >= 4
    test[bad, 5] += 30 * rng.normal(size=(8, 6)).astype(np.float32)
    paths = tuple(Path(f"test/{kind}/{i:02}.png") for i, kind in enumerate(["a"] * 4 + ["z"] * 8))
    return DataSet("toy", train, test, bad, paths, 0.5)


@pytest.fixture
def box(data: DataSet, tmp_path: Path) -> Sandbox:
    return Sandbox(data, 0.25, "tune", 0, tmp_path)


def test_noise_comes_from_its_half(data: DataSet, tmp_path: Path) -> None:
    halves = [set(data.list_defects(half).tolist()) for half in HALVES]
    assert halves == [{4, 6, 8, 10}, {5, 7, 9, 11}]
    for half, there in zip(HALVES, halves, strict=True):
        box = Sandbox(data, 0.25, half, 0, tmp_path)
        assert set(box.drawn.tolist()) < there
        assert len(box.drawn) == box.injected.sum() == 3
        assert_array_equal(box.features[box.injected], data.test[box.drawn])
        assert_array_equal(box.features[:12], data.train)
    assert len(Sandbox(data, 0, "tune", 0, tmp_path).features) == 12


def test_scores_are_those_of_a_search_in_what_is_kept(data: DataSet, box: Sandbox) -> None:
    flat = box.features.reshape(-1, 6)
    kept = np.ones((15, 16), bool)
    kept[1::7] = False
    weights = np.random.default_rng(1).uniform(0.5, 2, (15, 16)).astype(np.float32)
    for mask in (None, kept):
        entries = box.entries if mask is None else box.entries[mask.reshape(-1)[box.entries]]
        apart = cdist(data.test.reshape(-1, 6), flat[entries])
        nearest = entries[apart.argmin(axis=1)]
        plain = apart.min(axis=1).reshape(12, 16).max(axis=1)
        assert_allclose(box.score(mask), plain, rtol=1e-4, atol=2e-3)
        soft = (apart.min(axis=1) * weights.reshape(-1)[nearest]).reshape(12, 16).max(axis=1)
        assert_allclose(box.score(mask, weights), soft, rtol=1e-4, atol=4e-3)
    assert len(box.entries) == box.size == 120


@pytest.mark.parametrize("masked", [False, True])
def test_floors_bound_what_an_entry_excuses(data: DataSet, box: Sandbox, masked: bool) -> None:
    rng = np.random.default_rng(2)
    floors = rng.uniform(0, 4, (15, 16)).astype(np.float32)
    kept = rng.random((15, 16)) < 0.8 if masked else None
    entries = box.entries if kept is None else box.entries[kept.reshape(-1)[box.entries]]
    apart = cdist(data.test.reshape(-1, 6), box.features.reshape(-1, 6)[entries])
    exact = np.maximum(apart, floors.reshape(-1)[entries]).min(axis=1).reshape(12, 16)
    found = box.score_with_floors(floors, kept)
    remembered = box.lists[0][:, :, -1]  # [M, P], as far as entries are known
    certain = (exact <= remembered).all(axis=1)
    assert certain.any()
    assert_allclose(found[certain], exact.max(axis=1)[certain], rtol=1e-4, atol=2e-3)
    assert (found <= exact.max(axis=1) * 1.02 + 2e-3).all()


def test_where_all_remembered_entries_are_left_out_the_score_is_beyond_them(box: Sandbox) -> None:
    distances, _ = box.lists
    none = np.zeros((15, 16), bool)
    assert_allclose(box.score(none), 1.02 * distances[:, :, -1].max(axis=1), rtol=1e-6)


def test_a_coreset_drawn_anew_is_near_the_masked_one(data: DataSet, box: Sandbox) -> None:
    oracle = np.broadcast_to(~box.injected[:, None], (15, 16))
    left = [row for row in range(12) if row not in set(box.drawn.tolist())]
    expected = [roc_auc_score(data.bad, box.draw_anew(oracle))]
    expected.append(roc_auc_score(data.bad[left], box.draw_anew(oracle)[left]))
    assert box.measure(box.draw_anew(oracle)) == pytest.approx(expected)
    assert box.measure(box.score(oracle)) == pytest.approx(expected, abs=0.05)
    assert box.measure(box.score())[0] < expected[0]  # the injected ones know themselves


def test_lonely_patches_are_measured_to_other_images(box: Sandbox) -> None:
    flat = box.features.reshape(-1, 6)
    apart = cdist(flat, flat[box.entries])
    apart[np.arange(240)[:, None] // 16 == box.entries // 16] = np.inf
    assert_allclose(box.isolation, apart.min(axis=1).reshape(15, 16), rtol=1e-4, atol=2e-3)


def test_factors_and_judgements_are_the_real_ones(box: Sandbox) -> None:
    cpu = torch.device("cpu")
    assert_array_equal(box.factors("nearest"), outlier_factors(box.features, "nearest", 6, cpu))
    for rule in (
        EstimateParameters(),
        EstimateParameters(window=1),
        EstimateParameters(tail_stretch=1.4),
        EstimateParameters(cluster_fdr=0.0),
    ):
        expected = estimate_contamination(box.features, (4, 4), cpu, 0, rule)
        for _ in range(2):
            assert_array_equal(box.estimate(rule).kept, expected.kept)
            assert_array_equal(box.estimate(rule).images, expected.images)


def test_what_takes_long_is_found_again(data: DataSet, box: Sandbox, tmp_path: Path) -> None:
    first = box.score(box.estimate().kept)
    times = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    assert times
    again = Sandbox(data, 0.25, "tune", 0, tmp_path)
    assert_array_equal(again.score(again.estimate().kept), first)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == times
    other = DataSet(data.name, data.train + 1, data.test, data.bad, data.paths, data.ratio)
    Sandbox(other, 0.25, "tune", 0, tmp_path).score()  # of other features
    assert len(list(tmp_path.iterdir())) > len(times)


def test_a_category_is_projected_and_keeps_its_lengths(root: Path, network: Network, work: Path) -> None:
    category = Category.find(root / "stripes")
    data = load_dataset(category, network, work, 0.1)
    assert data.train.shape == (14, 64, 128)
    assert data.test.shape == (11, 64, 128)
    assert_array_equal(data.bad, category.bad)
    assert enough_defects(category, 0.2)
    assert not enough_defects(category, 0.3)
