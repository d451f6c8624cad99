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
from softcore_benchmarks.research.sandbox import ALL, HALVES, DataSet, Sandbox, enough_defects, load_dataset
from softcore_export.contamination.estimate import EstimateParameters, estimate_contamination
from softcore_export.memory_bank.discriminator import outlier_factors
from softcore_export.settings import ExportSettings
from softcore_export.train import fit


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
    floors = rng.uniform(0, 4, 120).astype(np.float32)
    kept = rng.random((15, 16)) < 0.8 if masked else None
    stays = np.ones(120, np.bool_) if kept is None else kept.reshape(-1)[box.entries]
    apart = cdist(data.test.reshape(-1, 6), box.features.reshape(-1, 6)[box.entries[stays]])
    exact = np.maximum(apart, floors[stays]).min(axis=1).reshape(12, 16)
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


def test_drawn_anew_is_the_memory_bank_of_an_export(data: DataSet, box: Sandbox) -> None:
    learned = fit(box.features, (4, 4), ExportSettings(coreset_ratio=data.ratio), torch.device("cpu"))
    apart = np.maximum(cdist(data.test.reshape(-1, 6), learned.bank), learned.floors).min(axis=1)
    expected = apart.reshape(12, 16).max(axis=1)
    assert_allclose(box.draw_anew(), expected, rtol=1e-5)
    left = [row for row in range(12) if row not in set(box.drawn.tolist())]
    aurocs = roc_auc_score(data.bad, expected), roc_auc_score(data.bad[left], expected[left])
    assert box.measure(box.draw_anew()) == pytest.approx(aurocs)


def test_left_out_entries_come_from_other_images(box: Sandbox) -> None:
    distances, entries = box.left_out_lists
    flat = box.features.reshape(-1, 6)
    owners = box.entries // 16
    apart = cdist(flat, flat[box.entries])
    apart[np.arange(240)[:, None] // 16 == owners] = np.inf
    k = distances.shape[2]
    assert_allclose(distances.reshape(240, k), np.sort(apart, axis=1)[:, :k], rtol=1e-4, atol=2e-3)
    assert (owners[entries] != np.arange(15)[:, None, None]).all()


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
    assert enough_defects(category, 0.2, HALVES[0])
    assert not enough_defects(category, 0.3, HALVES[1])
    assert enough_defects(category, 0.3, ALL)
    assert not enough_defects(category, 0.6, ALL)
    assert_array_equal(data.list_defects(ALL), np.flatnonzero(category.bad))
