from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist
from sklearn.neighbors import LocalOutlierFactor
from softcore_export import train as train_module
from softcore_export.contamination.estimate import ContaminationEstimate, estimate_contamination
from softcore_export.memory_bank.floors import FACTORS, choose_factor
from softcore_export.memory_bank.memory_bank import MemoryBank
from softcore_export.settings import ExportSettings
from softcore_export.train import fit
from softcore_runtime.errors import DataError

CPU = torch.device("cpu")
N, H, W, D = 11, 3, 5, 6  # a grid that isn't square, or rows and columns could be mixed up


@pytest.fixture
def features() -> np.ndarray:
    rng = np.random.default_rng(5)
    means = rng.normal(size=(1, H * W, D))
    values = means + 0.2 * rng.normal(size=(N, H * W, D))
    values[4, 6:9] += 2  # a defect
    return np.asarray(values, np.float32)


def learn_from_scratch(features: np.ndarray, tau: float, ratio: float, first: int) -> tuple[np.ndarray, ...]:
    """The paper's method with scikit-learn and loops: entries in order, factors, kept.

    With so few dimensions the coreset's projection is a rotation and changes no distance; which entry is
    the first is left to chance.
    """
    n, positions, dim = features.shape
    factors = np.empty((n, positions))
    for position in range(positions):
        oracle = LocalOutlierFactor(n_neighbors=6).fit(features[:, position].astype(float))
        factors[:, position] = -oracle.negative_outlier_factor_
    out = sorted(range(n * positions), key=lambda i: factors.flat[i])[
        n * positions - int(tau * n * positions) :
    ]
    kept = np.ones(n * positions, bool)
    kept[out] = False

    candidates = np.flatnonzero(kept)
    entries = [first]
    points = features.reshape(-1, dim).astype(float)
    apart = cdist(points, points)
    while len(entries) < round(ratio * n * positions):
        entries.append(max(candidates, key=lambda i: apart[i, entries].min()))
    return np.array(entries), factors, kept.reshape(n, positions)


@pytest.mark.parametrize(("tau", "ratio", "seed"), [(0.15, 0.1, 0), (0.5, 0.3, 7), (0.0, 0.05, 3)])
def test_the_bank_is_the_papers(features: np.ndarray, tau: float, ratio: float, seed: int) -> None:
    learned = fit(
        features, (H, W), ExportSettings(discriminator="lof", tau=tau, coreset_ratio=ratio, seed=seed), CPU
    )
    image, row, column = learned.origins[0].tolist()
    entries, factors, kept = learn_from_scratch(features, tau, ratio, (image * H + row) * W + column)
    np.testing.assert_allclose(learned.factors, factors, rtol=1e-9)
    np.testing.assert_array_equal(learned.kept, kept)
    np.testing.assert_array_equal(learned.bank, features.reshape(-1, D)[entries])
    # Bounded: without any exclusion (tau 0) outliers of any size are in the bank.
    np.testing.assert_allclose(learned.weights, np.clip(factors.ravel()[entries], 0.5, 2), rtol=1e-6)
    origins = [(i // (H * W), i // W % H, i % W) for i in entries]
    np.testing.assert_array_equal(learned.origins, origins)
    assert [array.dtype for array in (learned.bank, learned.weights, learned.origins)] == [
        np.float32,
        np.float32,
        np.int32,
    ]
    if tau:
        assert not kept[4, 6:9].any()  # the defect is out


def test_without_soft_weights_all_weigh_the_same(features: np.ndarray) -> None:
    soft = fit(features, (H, W), ExportSettings(discriminator="lof"), CPU)
    hard = fit(features, (H, W), ExportSettings(discriminator="lof", soft_weights=False), CPU)
    np.testing.assert_array_equal(hard.bank, soft.bank)
    np.testing.assert_array_equal(hard.weights, 1)
    assert (soft.weights != 1).all()


def test_without_a_discriminator_it_is_patchcore(features: np.ndarray) -> None:
    learned = fit(features, (H, W), ExportSettings(discriminator="none", coreset_ratio=1), CPU)
    assert learned.kept.all()
    np.testing.assert_array_equal(learned.weights, 1)
    assert len(np.unique(learned.origins, axis=0)) == N * H * W


def test_by_default_what_is_suspect_stays_out(features: np.ndarray) -> None:
    learned = fit(features, (H, W), ExportSettings(coreset_ratio=1), CPU)
    estimate = estimate_contamination(features, (H, W), CPU)
    np.testing.assert_array_equal(learned.kept, estimate.kept)
    np.testing.assert_array_equal(learned.factors, estimate.patches.astype(float))
    np.testing.assert_array_equal(learned.weights, 1)
    known = fit(features, (H, W), ExportSettings(coreset_ratio=1), CPU, estimate)
    np.testing.assert_array_equal(known.origins, learned.origins)


@pytest.mark.parametrize("discriminator", ["lof", "nearest", "gaussian", "none"])
def test_by_the_papers_names_there_are_no_floors(features: np.ndarray, discriminator: str) -> None:
    """And where they are asked for, they change nothing else."""
    plain = fit(features, (H, W), ExportSettings(discriminator=discriminator), CPU)
    assert plain.rule is None
    assert plain.floors.dtype == np.float32
    np.testing.assert_array_equal(plain.floors, 0)
    settings = ExportSettings(discriminator=discriminator, soft_weights=False, floor=2)
    asked = fit(features, (H, W), settings, CPU)
    np.testing.assert_array_equal(asked.bank, plain.bank)
    np.testing.assert_array_equal(asked.origins, plain.origins)
    assert (asked.floors > 0).all()


def measure(
    features: np.ndarray, learned: MemoryBank, without: int = -1, evidence: float = 0.0
) -> np.ndarray:
    """Each entry's distance to the nearest other image, or towards the third, by scipy, float64 `[n]`.

    On such a grid the window reaches over all rows, and two columns to either side.
    """
    columns = np.arange(H * W) % W
    found = np.empty(len(learned.bank))
    for m, (image, row, column) in enumerate(learned.origins.tolist()):
        around = learned.kept & (np.abs(columns - column) <= 2)
        entry = [features[image, row * W + column].astype(float)]
        ordered = sorted(
            cdist(entry, features[other][around[other]].astype(float)).min()
            for other in range(N)
            if other not in (image, without) and around[other].any()
        )
        found[m] = ordered[0] ** (1 - evidence) * ordered[2] ** evidence
    return found


def estimate_with(features: np.ndarray, evidence: float) -> ContaminationEstimate:
    return replace(estimate_contamination(features, (H, W), CPU), evidence=evidence)


@pytest.mark.parametrize("evidence", [0, 0.3, 1])
def test_a_floor_is_the_distance_to_other_images(features: np.ndarray, evidence: float) -> None:
    """To the nearest one; the more evidence of defects there is, the more to the third."""
    estimate = estimate_with(features, evidence)
    learned = fit(features, (H, W), ExportSettings(coreset_ratio=0.4), CPU, estimate)
    assert learned.rule is not None
    assert learned.rule.evidence == evidence
    assert 0 < learned.rule.factor <= 2
    np.testing.assert_array_equal(learned.rule.groups, np.arange(N))
    expected = learned.rule.factor * measure(features, learned, evidence=evidence)
    np.testing.assert_allclose(learned.floors, expected, rtol=1e-5)


def test_a_factor_that_is_given_is_of_the_nearest_other_image(features: np.ndarray) -> None:
    settings = ExportSettings(coreset_ratio=0.4, floor=0.5)
    learned = fit(features, (H, W), settings, CPU, estimate_with(features, 1))
    np.testing.assert_allclose(learned.floors, 0.5 * measure(features, learned), rtol=1e-5)


def test_suspects_are_evidence(features: np.ndarray) -> None:
    """One of the twelve images shows a defect: more than the 2 % from which on the evidence is full."""
    estimate = estimate_contamination(features, (H, W), CPU)
    learned = fit(features, (H, W), ExportSettings(coreset_ratio=0.4), CPU)
    assert learned.rule is not None
    assert learned.rule.evidence == estimate.evidence


@pytest.mark.parametrize(("scored", "evidence"), [(90, 0), (90, 0.5), (6, 1)])
def test_the_factor_follows_from_the_scores_of_images_that_are_left_out(
    features: np.ndarray, monkeypatch: pytest.MonkeyPatch, scored: int, evidence: float
) -> None:
    """By scipy; some of the images, evenly chosen, are scored where they are many."""
    monkeypatch.setattr(train_module, "SCORED", scored)
    images = range(N) if scored == 90 else range(0, N, 2)
    rng = np.random.default_rng(2)
    varied = features.copy()  # the images differ at one position, and hardly elsewhere
    varied[:, 1:] = features[0, 1:] + 0.01 * rng.normal(size=(N, H * W - 1, D))
    found = []
    for drawn in (features, varied):
        estimate = estimate_with(drawn, evidence)
        learned = fit(drawn, (H, W), ExportSettings(coreset_ratio=0.4), CPU, estimate)
        scores = np.empty((len(FACTORS), len(images)))
        for place, image in enumerate(images):
            others = learned.owners != image
            apart = cdist(drawn[image].astype(float), learned.bank[others].astype(float))
            lengths = measure(drawn, learned, image, evidence)[others]
            for row, factor in enumerate(FACTORS):
                scores[row, place] = np.maximum(apart, factor * lengths).min(axis=1).max()
        assert learned.rule is not None
        assert learned.rule.factor == pytest.approx(choose_factor(scores, evidence), rel=1e-6)
        found.append(learned.rule.factor)
    assert 0 < found[1] < found[0] < max(FACTORS)


def score(learned: MemoryBank, patches: np.ndarray) -> float:
    apart = cdist(patches.astype(float), learned.bank.astype(float))
    return float(np.maximum(apart, learned.floors).min(axis=1).max())


def repeat_defect() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """60 images, of which the last one shows a defect, and two new ones: with that defect, and good."""
    rng = np.random.default_rng(8)
    means = rng.normal(size=(1, H * W, D))
    images = np.asarray(means + 0.2 * rng.normal(size=(62, H * W, D)), np.float32)
    images[59:61, 7] += 5 * rng.normal(size=D) / np.sqrt(D)
    return images[:60], images[60], images[61]


def test_a_defect_that_was_learned_and_comes_again_passes_only_without_floors() -> None:
    """Nothing is left out: what differs are the floors."""
    train, defective, good = repeat_defect()
    settings = ExportSettings(discriminator="none", coreset_ratio=1)
    plain = fit(train, (H, W), settings, CPU)
    floored = fit(train, (H, W), settings.model_copy(update={"floor": 1.0}), CPU)
    assert score(plain, defective) < 1.5 * score(plain, good)
    assert score(floored, defective) > 3 * score(floored, good)
    assert score(floored, good) < 1.5 * score(plain, good)
    # The very image that was learned doesn't excuse itself either.
    assert score(plain, train[59]) < 1e-3
    assert score(floored, train[59]) > 3 * score(floored, good)


def test_near_copies_of_a_defect_vouch_for_nothing() -> None:
    """Images of one defective part would excuse it, if they were of others."""
    train, defective, good = repeat_defect()
    rng = np.random.default_rng(1)
    copies = train[59] + np.float32(0.01) * rng.normal(size=(4, H * W, D)).astype(np.float32)
    features = np.concatenate([train, copies])
    settings = ExportSettings(discriminator="none", coreset_ratio=1, floor=1)
    alone = fit(features, (H, W), settings, CPU)
    assert score(alone, defective) < 1.5 * score(alone, good)
    groups = np.arange(len(features), dtype=np.int32)
    groups[60:] = 59
    together = fit(features, (H, W), settings, CPU, groups=groups)
    assert score(together, defective) > 3 * score(together, good)


def test_a_person_who_excludes_an_image_silences_it(features: np.ndarray) -> None:
    """It isn't in the bank, and vouches for nothing that is."""
    doubled = features.copy()
    doubled[7] = features[6]

    def overrule(kept: np.ndarray) -> np.ndarray:
        chosen = np.ones_like(kept)
        chosen[7] = False
        return chosen

    settings = ExportSettings(discriminator="none", coreset_ratio=1, floor=1)
    learned = fit(doubled, (H, W), settings, CPU, overrule=overrule)
    assert learned.rule is not None
    assert 7 not in learned.rule.corroboration.vouchers
    assert (learned.rule.corroboration.measure()[learned.owners == 6] > 0).all()


@pytest.mark.parametrize("discriminator", ["auto", "lof", "none"])
def test_a_person_has_the_last_word(features: np.ndarray, discriminator: str) -> None:
    settings = ExportSettings(discriminator=discriminator, coreset_ratio=1)

    def overrule(kept: np.ndarray) -> np.ndarray:
        chosen = kept.copy()
        chosen[4], chosen[5] = True, False
        return chosen

    learned = fit(features, (H, W), settings, CPU, overrule=overrule)
    assert (learned.origins[:, 0] == 4).sum() == H * W
    assert (learned.origins[:, 0] == 5).sum() == 0
    with pytest.raises(DataError, match="every training image was excluded"):
        fit(features, (H, W), settings, CPU, overrule=np.zeros_like)


def test_at_least_one_entry(features: np.ndarray) -> None:
    assert len(fit(features, (H, W), ExportSettings(coreset_ratio=1e-9), CPU).bank) == 1


@pytest.mark.parametrize(
    ("name", "shape", "message"),
    [
        ("bank", (4,), "bank"),
        ("weights", (3,), r"\[4, 2\], \[3\], \[4\], \[4, 3\]"),
        ("floors", (3,), r"\[4, 2\], \[4\], \[3\], \[4, 3\]"),
        ("origins", (4, 2), "origins"),
        ("kept", (2, 3), "kept"),
    ],
)
def test_a_bank_validates_itself(name: str, shape: tuple[int, ...], message: str) -> None:
    shapes = {"bank": (4, 2), "weights": (4,), "floors": (4,), "origins": (4, 3)}
    shapes |= {"factors": (2, 2), "kept": (2, 2)}
    bank = MemoryBank(**{key: np.zeros(value) for key, value in shapes.items()})
    replace(bank, floors=np.ones(4), weights=np.ones(4))
    with pytest.raises(ValueError, match="floors or soft weights, not both"):
        replace(bank, floors=np.ones(4), weights=np.full(4, 0.5))
    with pytest.raises(ValueError, match=message):
        MemoryBank(**{key: np.zeros(value) for key, value in {**shapes, name: shape}.items()})
