from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.spatial.distance import cdist
from softcore_export.memory_bank.counterexamples import Confirmed, confront
from softcore_export.settings import ExportSettings
from softcore_export.train import fit
from softcore_runtime import DataError

CPU = torch.device("cpu")
N, H, W, D = 12, 10, 10, 6
P = H * W


@given(st.integers(0, 10**6), st.integers(1, 4), st.integers(1, 30), st.booleans())
def test_the_nearest_defective_patch_of_each_entry(seed: int, count: int, entries: int, partly: bool) -> None:
    rng = np.random.default_rng(seed)
    bank, vouched = rng.normal(size=(entries, D)), rng.uniform(0, 3, entries)
    images = rng.normal(size=(count, 40, D)) * 2
    inspected = rng.random(40) < 0.5 if partly else np.ones(40, bool)
    inspected[:5] = True
    found = confront(
        [image.astype(np.float32) for image in images],
        bank.astype(np.float32), vouched.astype(np.float32), CPU, inspected if partly else None,
    )  # fmt: skip
    nearest = np.full((count, entries), np.inf)
    for number, image in enumerate(images):
        apart = cdist(image[inspected], bank)
        top = np.argsort(-np.maximum(apart, vouched).min(axis=1), kind="stable")[:3]  # a hundredth, or three
        nearest[number] = apart[top].min(axis=0)
    np.testing.assert_allclose(found.distances, nearest.min(axis=0), atol=1e-4)
    np.testing.assert_allclose(nearest[found.images, np.arange(entries)], found.distances, atol=1e-4)


def test_no_defect_leaves_everything() -> None:
    found = confront([], np.zeros((3, D), np.float32), np.ones(3, np.float32), CPU)
    assert not found.find_excused(np.full(3, 1e9, np.float32)).any()
    assert (found.images == -1).all()


@pytest.fixture
def features() -> NDArray[np.float32]:
    """Good images, of which one shows a defect, unnoticed."""
    rng = np.random.default_rng(3)
    values = rng.normal(size=(1, P, D)) + 0.2 * rng.normal(size=(N, P, D))
    values[2, 55] += 4
    return np.asarray(values, np.float32)


def spoil(features: NDArray[np.float32], seed: int) -> NDArray[np.float32]:
    """A confirmed part with that defect."""
    rng = np.random.default_rng(seed)
    image = features[0] + 0.2 * rng.normal(size=(P, D)).astype(np.float32)
    image[55] = features[2, 55] + 0.05 * rng.normal(size=D)
    return np.asarray(image, np.float32)


@pytest.mark.parametrize("discriminator", ["none", "lof"])
def test_a_defect_that_was_learned_is_found_once_it_is_taught(
    features: NDArray[np.float32], discriminator: str
) -> None:
    settings = ExportSettings.model_validate(
        {"discriminator": discriminator, "tau": 0, "coreset_ratio": 0.5, "floor": 0.0}
    )
    untaught = fit(features, (H, W), settings, CPU)
    confirmed = Confirmed(np.zeros(N, np.bool_), spoil(features, 1)[None])
    taught = fit(features, (H, W), settings, CPU, confirmed=confirmed)
    again = spoil(features, 2)  # another part, never shown, with the same defect

    def score(image: NDArray[np.float32], bank: NDArray[np.float32]) -> float:
        return float(cdist(image, bank).min(axis=1).max())

    usual = max(score(np.delete(spoil(features, seed), 55, axis=0), taught.bank) for seed in range(20))
    assert score(again, untaught.bank) < usual  # it passes
    assert score(again, taught.bank) > 3 * usual
    assert taught.dropped is not None
    assert 1 <= len(taught.dropped.by) <= 4
    assert len(taught.bank) + len(taught.dropped.by) == len(untaught.bank)
    assert len(taught.weights) == len(taught.floors) == len(taught.origins) == len(taught.bank)
    good = Confirmed(np.arange(N) == 2, spoil(features, 1)[None])
    kept = fit(features, (H, W), settings, CPU, confirmed=good)
    assert (kept.origins[:, 0] == 2).sum() == (untaught.origins[:, 0] == 2).sum()  # a person says it's good


def test_floors_and_vouchers_go_with_the_entries(features: NDArray[np.float32]) -> None:
    settings = ExportSettings(discriminator="auto", coreset_ratio=0.5)
    confirmed = Confirmed(np.zeros(N, np.bool_), spoil(features, 1)[None])
    taught = fit(features, (H, W), settings, CPU, confirmed=confirmed)
    assert taught.rule is not None
    np.testing.assert_array_equal(taught.rule.compute(), taught.floors)


def test_a_defect_that_is_no_different_drops_nothing(features: NDArray[np.float32]) -> None:
    settings = ExportSettings(discriminator="none", coreset_ratio=0.5)
    image = features[0] + np.float32(0.2) * np.random.default_rng(9).normal(size=(P, D)).astype(np.float32)
    taught = fit(features, (H, W), settings, CPU, confirmed=Confirmed(np.zeros(N, np.bool_), image[None]))
    lost = len(taught.dropped.by) if taught.dropped else 0
    assert lost <= 0.02 * (len(taught.bank) + lost)


def test_nothing_is_left_of_a_bank_whose_entries_all_resemble_defects(features: NDArray[np.float32]) -> None:
    learned = fit(features, (H, W), ExportSettings(discriminator="none", coreset_ratio=0.5), CPU)
    with pytest.raises(DataError, match="are good and bad swapped"):
        learned.drop(np.ones(len(learned.bank), np.bool_), np.zeros(len(learned.bank), np.int32))
